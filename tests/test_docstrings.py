"""The examples in the docstrings run; docstrings follow numpydoc and document all parameters."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from dataclasses import fields, is_dataclass

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import kmnist_mlp
from kmnist_mlp.support import checks

# walk_packages descends into subpackages; iter_modules would stop at the top level
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(kmnist_mlp.__path__, "kmnist_mlp.")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# numpydoc's checks, https://numpydoc.readthedocs.io/en/latest/validation.html
EVERYWHERE = {
    "GL06",  # only sections that numpydoc knows
    "GL07",  # in its order
    "GL08",  # there is a docstring
    "SS01",  # with a summary,
    "SS02",  # which begins with a capital letter
    "SS03",  # and ends with a full stop
    "PR02",  # no parameter that does not exist
    "PR05",  # a type without a full stop
    "PR10",  # "name : type"
}
# One line may document a function in the package ("Return the loss."). An exported name, which
# users read with help(), needs more.
EXPORTED = EVERYWHERE | {
    "PR01",  # all parameters
    "PR04",  # with their types
    "YD01",  # what is yielded
    "EX01",  # an example
}


def test_subpackages_are_among_the_modules():
    assert {"kmnist_mlp.network", "kmnist_mlp.datasets.stand_in"} <= set(MODULES)


@pytest.fixture
def stand_in(monkeypatch):
    """The examples say load_kmnist(); here that is the stand-in, quick and without a network."""
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")


@pytest.mark.filterwarnings("ignore::kmnist_mlp.datasets.kmnist.StandInWarning")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run_and_print_what_they_show(name, stand_in):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=OPTIONS)
    assert not failed, "see the captured output"


def with_methods(name, member):
    """Yield (name, object) of a function, or of a class and its public methods in this package."""
    yield name, member
    if inspect.isclass(member):
        for own in dir(member):
            method = inspect.getattr_static(member, own)
            method = getattr(method, "__func__", method)  # of a class or static method
            ours = inspect.isfunction(method) and method.__module__.startswith("kmnist_mlp")
            if ours and not own.startswith("_"):
                yield f"{name}.{own}", method


def path(subject):
    """Return where an object is defined, as numpydoc wants it."""
    return f"{subject.__module__}.{subject.__qualname__}"


def breaches(subject, codes):
    """Return numpydoc's findings with these codes."""
    return [error for error in validate(path(subject))["errors"] if error[0] in codes]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_class_and_method_has_a_docstring_in_numpydoc_form(name):
    module = importlib.import_module(name)
    for own, member in vars(module).items():
        public = (inspect.isfunction(member) or inspect.isclass(member)) and own[0] != "_"
        if public and member.__module__ == name:
            for full, subject in with_methods(own, member):
                assert breaches(subject, EVERYWHERE) == [], full


# ---- exported names ------------------------------------------------------------------------------

PUBLIC = {
    full: subject
    for name in kmnist_mlp.__all__
    for full, subject in with_methods(name, getattr(kmnist_mlp, name))
}


def documentation(name):
    """Return the text that documents a name: its own docstring, and that of the class around it."""
    owner = PUBLIC[name.partition(".")[0]]
    return inspect.getdoc(PUBLIC[name]) + (inspect.getdoc(owner) if "." in name else "")


def documented_elsewhere(name):
    """Return the parameters that a class documents for its methods, or as attributes."""
    owner = PUBLIC[name.partition(".")[0]]
    if not inspect.isclass(owner):
        return set()
    parsed = ClassDoc(owner, config={"show_class_members": False})
    listed = ", ".join(entry.name for entry in parsed["Parameters"] + parsed["Attributes"])
    return set(listed.split(", ")) | set(re.findall(r"``(\w+)``", documentation(name)))


def refuses(subject, depth=2):
    """Whether a function of this package raises an error, by itself or in a function it calls."""
    if inspect.isclass(subject):
        maker = vars(subject).get("__post_init__" if is_dataclass(subject) else "__init__")
        return maker is not None and refuses(maker)
    tree = ast.parse(textwrap.dedent(inspect.getsource(subject)))
    if any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(tree)):
        return True
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {getattr(call, "id", getattr(call, "attr", None)) for call in calls}
    in_sight = vars(checks) | vars(inspect.getmodule(subject)) | vars(kmnist_mlp.MLP)
    called = [in_sight[name] for name in names if inspect.isfunction(in_sight.get(name))]
    ours = [one for one in called if one.__module__.startswith("kmnist_mlp")]
    return depth > 0 and any(refuses(one, depth - 1) for one in ours)


def test_exported_names_include_methods_and_the_rule_about_errors_tells_them_apart():
    assert {"MLP", "MLP.loss", "MLP.load", "Config.from_dict", "run", "train"} <= set(PUBLIC)
    assert refuses(kmnist_mlp.one_hot) and refuses(kmnist_mlp.MLP.loss)
    assert not refuses(kmnist_mlp.Config.to_dict)


def test_the_help_of_config_lists_every_option_whether_or_not_python_dedents_docstrings():
    """Python 3.13 and later do so before the options are put in."""
    assert inspect.cleandoc(kmnist_mlp.Config.__doc__) == kmnist_mlp.Config.__doc__
    parsed = ClassDoc(kmnist_mlp.Config, config={"show_class_members": False})
    names = [entry.name for entry in parsed["Parameters"]]
    assert names == [field.name for field in fields(kmnist_mlp.Config)]


@pytest.mark.parametrize("name", PUBLIC)
def test_an_exported_name_documents_its_parameters_and_has_an_example(name):
    found = breaches(PUBLIC[name], EXPORTED)
    for code, message in found[:]:
        missing = set(re.findall(r"'(\w+)'", message))
        if code == "PR01" and missing <= documented_elsewhere(name):
            found.remove((code, message))
    assert found == []


@pytest.mark.parametrize("name", PUBLIC)
def test_an_exported_name_documents_its_result_and_has_types(name):
    subject = PUBLIC[name]
    signature = inspect.signature(subject)
    for parameter in signature.parameters.values():
        typed = parameter.annotation is not inspect.Parameter.empty
        assert typed or parameter.name in ("self", "cls"), parameter.name
    if not inspect.isclass(subject) and signature.return_annotation not in (None, "None"):
        parsed = FunctionDoc(subject)
        assert parsed["Returns"] or " ".join(parsed["Summary"]).startswith("Return ")


@pytest.mark.parametrize("name", PUBLIC)
def test_an_exported_name_documents_the_errors_that_it_raises(name):
    assert not refuses(PUBLIC[name]) or re.search(
        r"^Raises\n---|raise ValueError", documentation(name), re.MULTILINE
    )
