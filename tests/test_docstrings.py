"""The examples in the docstrings run; every exported name says what it takes, gives and refuses."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from dataclasses import is_dataclass

import pytest

import kmnist_mlp

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(kmnist_mlp.__path__, "kmnist_mlp.")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def stand_in(monkeypatch):
    """The examples say load_kmnist(); here that is the stand-in, quick and without a network."""
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")


@pytest.mark.filterwarnings("ignore::kmnist_mlp.datasets.kmnist.StandInWarning")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run_and_print_what_they_say(name, stand_in):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=OPTIONS)
    assert not failed, "see the captured output"


def public_callables():
    """Exported functions and classes, and the public methods of those classes."""
    for name in kmnist_mlp.__all__:
        exported = getattr(kmnist_mlp, name)
        yield name, exported
        if inspect.isclass(exported):
            for own, member in vars(exported).items():
                if isinstance(member, classmethod):
                    member = member.__func__
                if inspect.isfunction(member) and not own.startswith("_"):
                    yield f"{name}.{own}", member


PUBLIC = dict(public_callables())


def sections(docstring):
    """Return the text of each numpydoc section by its title, "" being what stands before."""
    title, found = "", {"": []}
    lines = inspect.cleandoc(docstring).splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and below and set(below) == {"-"}:
            title, found[line] = line, []
        found[title].append(line)
    return {title: "\n".join(text) for title, text in found.items()}


def refuses(function, depth=2):
    """Whether a function of this package raises an error, by itself or in a function it calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    if any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(tree)):
        return True
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {getattr(call, "id", getattr(call, "attr", None)) for call in calls}
    rooms = vars(inspect.getmodule(function)) | vars(kmnist_mlp.MLP)
    called = [rooms[name] for name in names if inspect.isfunction(rooms.get(name))]
    ours = [one for one in called if one.__module__.startswith("kmnist_mlp")]
    return depth > 0 and any(refuses(one, depth - 1) for one in ours)


def test_an_exported_name_is_what_the_rules_below_are_about():
    assert {"MLP", "MLP.loss", "MLP.load", "Config.from_dict", "run", "train"} <= set(PUBLIC)
    assert refuses(kmnist_mlp.one_hot) and refuses(kmnist_mlp.MLP.loss)
    assert not refuses(kmnist_mlp.Config.to_dict)


@pytest.mark.parametrize("name", PUBLIC)
def test_an_exported_name_documents_its_parameters_its_result_and_its_errors(name):
    """A parameter that all methods share, and its errors, may stand in the class's docstring."""
    subject = PUBLIC[name]
    own = inspect.getdoc(subject)
    with_class = own + (inspect.getdoc(PUBLIC[name.partition(".")[0]]) if "." in name else "")
    for parameter, kind in inspect.signature(subject).parameters.items():
        if parameter not in ("self", "cls"):
            line = rf"^[*]*(\w+, )*{parameter}(, \w+)*( :|$)|``{parameter}``"
            assert re.search(line, with_class, re.MULTILINE), parameter
            assert kind.annotation is not inspect.Parameter.empty, parameter
    code = subject
    if inspect.isclass(subject):
        maker = "__post_init__" if is_dataclass(subject) else "__init__"
        code = vars(subject).get(maker)
    elif inspect.signature(subject).return_annotation not in (None, "None"):
        assert "Returns" in sections(own) or own.startswith(("Return ", "Write each")), "result"
    if code and refuses(code):
        assert "Raises" in sections(with_class) or "raise ValueError" in own, "errors"


@pytest.mark.parametrize("name", PUBLIC)
def test_an_exported_name_has_an_example(name):
    assert ">>>" in sections(PUBLIC[name].__doc__ or "").get("Examples", "")


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_has_a_docstring(name):
    module = importlib.import_module(name)
    for own, member in vars(module).items():
        public = (inspect.isfunction(member) or inspect.isclass(member)) and own[0] != "_"
        if public and member.__module__ == module.__name__:
            assert member.__doc__, own
