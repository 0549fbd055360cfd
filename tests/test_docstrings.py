"""The examples in the docstrings run; docstrings follow numpydoc."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest
from numpydoc.hooks.validate_docstrings import process_file

import kmnist_mlp

PACKAGE = Path(kmnist_mlp.__file__).parent
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(kmnist_mlp.__path__, "kmnist_mlp.")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# numpydoc's checks, https://numpydoc.readthedocs.io/en/latest/validation.html: sections that it
# knows in its order, a summary that is a sentence, no parameter that does not exist, "name : type"
CHECKS = {"GL06", "GL07", "GL08", "SS01", "SS02", "SS03", "PR02", "PR05", "PR10"}
PRIVATE = r"\._|\.[a-z]\w*\."  # also what is defined in a function
# Their parameters, which stand in the class itself, are their fields
FROM_FIELDS = [["config.Config", "PR02"], ["data.Dataset", "PR02"]]


@pytest.mark.filterwarnings("ignore::kmnist_mlp.datasets.kmnist.StandInWarning")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run_and_print_what_they_show(name, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert not failed, "see the captured output"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_modules_and_public_functions_classes_and_methods_are_documented_as_numpydoc_asks(path):
    found = process_file(str(path), {"checks": CHECKS, "exclude": PRIVATE, "overrides": {}})
    assert [each for each in found if each[1:3] not in FROM_FIELDS] == []


def test_every_name_that_the_package_exports_shows_an_example():
    assert [n for n in kmnist_mlp.__all__ if ">>> " not in getattr(kmnist_mlp, n).__doc__] == []
