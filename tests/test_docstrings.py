"""The examples in the docstrings run; docstrings follow numpydoc."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
from numpydoc.validate import validate

import kmnist_mlp

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(kmnist_mlp.__path__, "kmnist_mlp.")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# numpydoc's checks, https://numpydoc.readthedocs.io/en/latest/validation.html: sections that it
# knows in its order, a summary that is a sentence, no parameter that does not exist, "name : type"
EVERYWHERE = {"GL06", "GL07", "GL08", "SS01", "SS02", "SS03", "PR02", "PR05", "PR10"}


@pytest.mark.filterwarnings("ignore::kmnist_mlp.datasets.kmnist.StandInWarning")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run_and_print_what_they_show(name, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert not failed, "see the captured output"


def with_methods(name, member):
    """Yield (name, object) of a function, or of a class and its public methods in this package."""
    yield name, member
    for own in dir(member) if inspect.isclass(member) else ():
        method = inspect.getattr_static(member, own)
        method = getattr(method, "__func__", method)  # of a class or static method
        ours = inspect.isfunction(method) and method.__module__.startswith("kmnist_mlp")
        if ours and not own.startswith("_"):
            yield f"{name}.{own}", method


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_class_and_method_has_a_docstring_in_numpydoc_form(name):
    for own, member in vars(importlib.import_module(name)).items():
        public = (inspect.isfunction(member) or inspect.isclass(member)) and own[0] != "_"
        if public and member.__module__ == name:
            for full, subject in with_methods(own, member):
                errors = validate(f"{subject.__module__}.{subject.__qualname__}")["errors"]
                assert [error for error in errors if error[0] in EVERYWHERE] == [], full


def test_every_name_that_the_package_exports_shows_an_example():
    assert [n for n in kmnist_mlp.__all__ if ">>> " not in getattr(kmnist_mlp, n).__doc__] == []
