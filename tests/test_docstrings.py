"""The examples in the docstrings run; docstrings follow numpydoc and document all parameters."""

import doctest
import importlib
import inspect
import pkgutil
import re
from dataclasses import fields

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import kmnist_mlp

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(kmnist_mlp.__path__, "kmnist_mlp.")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# numpydoc's checks, https://numpydoc.readthedocs.io/en/latest/validation.html: sections that it
# knows in its order, a summary that is a sentence, no parameter that does not exist, "name : type"
EVERYWHERE = {"GL06", "GL07", "GL08", "SS01", "SS02", "SS03", "PR02", "PR05", "PR10"}
# A name that users read with help() also has all parameters, their types, and an example.
EXPORTED = EVERYWHERE | {"PR01", "PR04", "YD01", "EX01"}


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


def breaches(subject, codes):
    """Return numpydoc's findings with these codes."""
    errors = validate(f"{subject.__module__}.{subject.__qualname__}")["errors"]
    return [error for error in errors if error[0] in codes]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_class_and_method_has_a_docstring_in_numpydoc_form(name):
    for own, member in vars(importlib.import_module(name)).items():
        public = (inspect.isfunction(member) or inspect.isclass(member)) and own[0] != "_"
        if public and member.__module__ == name:
            for full, subject in with_methods(own, member):
                assert breaches(subject, EVERYWHERE) == [], full


PUBLIC = {
    full: subject
    for name in kmnist_mlp.__all__
    for full, subject in with_methods(name, getattr(kmnist_mlp, name))
}


@pytest.mark.parametrize("name", PUBLIC)
def test_an_exported_name_documents_its_parameters_and_has_types_and_an_example(name):
    subject, owner = PUBLIC[name], PUBLIC[name.partition(".")[0]]
    documented = set()  # by the class, for its methods and attributes
    if inspect.isclass(owner):
        parsed = ClassDoc(owner, config={"show_class_members": False})
        listed = ", ".join(entry.name for entry in parsed["Parameters"] + parsed["Attributes"])
        text = inspect.getdoc(owner) + inspect.getdoc(subject)
        documented = {*listed.split(", "), *re.findall(r"``(\w+)``", text)}
    for code, message in breaches(subject, EXPORTED):
        assert code == "PR01" and {*re.findall(r"'(\w+)'", message)} <= documented, message
    for parameter in inspect.signature(subject).parameters.values():
        typed = parameter.annotation is not inspect.Parameter.empty
        assert typed or parameter.name in ("self", "cls"), parameter.name


def test_the_help_of_config_lists_every_option_whether_or_not_python_dedents_docstrings():
    """Python 3.13 and later do so before the options are put in."""
    assert inspect.cleandoc(kmnist_mlp.Config.__doc__) == kmnist_mlp.Config.__doc__
    parsed = ClassDoc(kmnist_mlp.Config, config={"show_class_members": False})
    names = [entry.name for entry in parsed["Parameters"]]
    assert names == [field.name for field in fields(kmnist_mlp.Config)]
