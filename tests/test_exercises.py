"""Code that readers change: notebook 0 is the module's algorithm; exercises have true solutions.

A solution is run as a reader would paste it, before the cell that checks it, with the notebook's
``data``. Here that is a small part of the stand-in: all of them take a minute.
"""

import ast
import json
import re
import symtable
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import joblib
import numpy as np
import pytest
from small_runs import descend
from textbook import some_batch, some_model

from kmnist_mlp import MLP, Config, Dataset, gradient_check
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import CLASS_NAMES, STAND_IN, pixel_statistics, standardise
from kmnist_mlp.datasets.stand_in import draw_stand_in
from kmnist_mlp.experiments.paper_gradients import relative_difference
from kmnist_mlp.network import initial_weights
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.report.exercises import EXERCISES, check_answer, problems

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PAGES = [json.loads(path.read_text(encoding="utf-8"))["cells"] for path in NOTEBOOKS]
CELLS = {cell["id"]: "".join(cell["source"]) for cells in PAGES for cell in cells}
NUMBERS = [name[7:].replace("-", ".") for name in CELLS if name.startswith("answer-")]


@pytest.fixture(scope="module")
def few_images():
    """2,000 training and 500 test images of the stand-in."""
    return Dataset(*draw_stand_in(2000, 500), STAND_IN, CLASS_NAMES)


def code_of(name):
    """Return the code of a cell, or in its text."""
    is_text = name.startswith(("exercise", "solution"))
    return "\n".join(CODE.findall(CELLS[name])) if is_text else CELLS[name]


@pytest.fixture
def solve(few_images, capsys):
    """Return a function that runs an exercise, and returns its names and what its check told."""

    def solved(number, *changes, parts=("answer", "exercise", "solution")):
        names = [f"{part}-{number.replace('.', '-')}" for part in (*parts, "check")]
        code, found = "\n".join(map(code_of, names)), {"data": few_images, "np": np}
        for old, new in changes:
            assert old in code
            code = code.replace(old, new)
        with joblib.parallel_config(backend="sequential"):
            exec(compile(code, f"exercise {number}", "exec"), found)
        printed = capsys.readouterr().out.partition(f"Exercise {number}: ")[2]
        return found | {"told": printed.strip().splitlines()}

    with patch.dict(ACTIVATIONS):
        yield solved


# What the text of each solution says, in the names of its code
SAID = tomllib.loads(Path(__file__).with_name("solutions.toml").read_text("utf-8"))
WRONG = tomllib.loads(Path(__file__).with_name("wrong_answers.toml").read_text("utf-8"))
RIGHT = WRONG["right"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_solution_is_right_and_what_it_says_happens(solve, number):
    assert solve(number, parts=["answer"])["told"] == ["not answered yet"]
    found = solve(number)
    assert [said for said in SAID.get(number, ()) if not eval(said, found)] == []
    found = solve(number, *RIGHT[number]) if number in RIGHT else found
    assert found["told"] == ["right"] and max(found.get("difference", {"": 0}).values()) < 1e-6
    # a dict may be in any order, and a list stand for an array
    again = [found[name] for name in EXERCISES[number]["answers"]]
    again = [dict(reversed(a.items())) if isinstance(a, dict) else a for a in again]
    assert problems(number, *(a.tolist() if hasattr(a, "tolist") else a for a in again)) == []


@pytest.mark.parametrize(("number", "old", "new", "lines", "value"), WRONG["changed"])
def test_what_is_wrong_is_located_and_described(solve, number, old, new, lines, value):
    parts = ["answer", "exercise", "solution"][: None if number > "1.1" else 1]
    first, *rest = solve(number, *RIGHT.get(number, ()), (old, new), parts=parts)["told"]
    wrong = [line for line in rest if not line.startswith("- right: ")]
    assert first == "not right yet" and all(value in line for line in wrong)
    assert [line.split()[1] for line in wrong] == lines.split()


@pytest.mark.parametrize(("number", "answers"), WRONG["literal"])
def test_an_answer_of_another_kind_or_with_other_numbers_is_not_right(number, answers, few_images):
    assert problems(number, *eval(answers, {"np": np, "data": few_images}))


@pytest.mark.parametrize("number", NUMBERS)
def test_an_answer_of_another_kind_than_is_asked_for_is_named(number, few_images):
    names = EXERCISES[number]["answers"]
    for slip in (["0.5", "0.25"], [0.5] * 3, {"mine": 1}, lambda: None):
        told = problems(number, *(few_images if name == "data" else slip for name in names))
        assert [line.split(" is to be ")[0] for line in told] == [n for n in names if n != "data"]


def test_answers_overwrite_no_name_that_other_cells_of_their_notebook_use():
    for page in PAGES:
        own = [c["id"] for c in page if re.match("(answer|check|exercise|solution)-", c["id"])]
        table = symtable.symtable("\n".join(map(code_of, own)), page[0]["id"], "exec")
        assigned = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
        others = [c["id"] for c in page if c["id"] not in own and c["cell_type"] == "code"]
        nodes = ast.walk(ast.parse("\n".join(CELLS[name] for name in others)))
        assert not assigned & {node.id for node in nodes if isinstance(node, ast.Name)}, others


def test_each_exercise_with_code_has_the_cells_and_marks_by_which_nbgrader_grades():
    """As its schema wants them (nbgrader 0.9.6, nbgraderformat/v3.json and v3.py)."""
    assert NUMBERS == [*EXERCISES][1:] and {*SAID} < {*NUMBERS}
    keys = ["grade_id", "grade", "locked", "solution", "task", "points", "schema_version"]
    roles = {"answer": (0, 0, 1, 0, None), "check": (1, 1, 0, 0, 2), "text": (1, 0, 1, 0, 2)}
    cells = [cell for page in PAGES for cell in page if "nbgrader" in cell["metadata"]]
    marks = [[cell["metadata"]["nbgrader"].get(key) for key in keys] for cell in cells]
    names = [f"{role}-{number.replace('.', '-')}" for number in NUMBERS for role in roles]
    assert marks == [[name, *roles[name.split("-")[0]], 3] for name in names]
    assert [cell["id"] for cell in cells] == names


# ---- notebook 0 ------------------------------------------------------

FIRST = ["".join(cell["source"]) for cell in PAGES[0] if cell["cell_type"] == "code"][1:-1]
FIRST = [source for source in FIRST if "show(" not in source]
TEXT = "\n\n".join(CELLS.values()).replace("\\\\", "\\")
# What each formula of the notebooks says, in the names of the code
FORMULAS = tomllib.loads(Path(__file__).with_name("formulas.toml").read_text("utf-8"))


def run_page(*mends):
    """Return what the code of notebook 0 computes in float64 and says, with parts replaced."""
    code, arrays = "\n".join(FIRST).replace("np.float32", "np.float64"), draw_stand_in(500, 100)
    arrays[0][:, 0] = 0  # pixels that are always black
    page = SimpleNamespace(np=np, time=time, data=Dataset(*arrays, STAND_IN, CLASS_NAMES), said=[])
    page.say = page.print = lambda *values: page.said.append(" ".join(map(str, values)))
    for old, new in mends:
        assert re.search(old, code)
        code = re.sub(old, lambda match, new=new: new, code)
    exec(compile(code, "notebook 0", "exec"), vars(page))
    return page


@pytest.fixture(scope="module")
def page():
    return run_page()


def test_every_number_of_notebook_0_is_the_modules(page):
    data, rng, config = page.data, np.random.default_rng(0), Config(epochs=15, early_stop=False)
    images, tests = (a.reshape(len(a), 784) for a in (data.train_images, data.test_images))
    valid, train = np.split(rng.permutation(500), [100])
    statistics = pixel_statistics(images, train)
    x, y = standardise(images.astype(float), *statistics), data.train_labels
    weights = [initial_weights(rng, shape) for shape in ((784, 128), (128, 10))]
    model = MLP.from_parameters("tanh", weights, [np.zeros(128), np.zeros(10)], statistics)
    optimizer, right = SGD(model, config), []
    for epoch in range(15):
        for batch in np.split(rng.permutation(train), range(128, 400, 128)):
            descend(optimizer, model, x[batch], y[batch])
        if epoch % 5 == 4:
            right += [(model.predict(x[rows]) == y[rows]).mean() for rows in (train, valid)]
    W1, b1, W2, b2 = (array.ravel() for array in page.parameters)
    assert np.concatenate([W1, W2, b1, b2]) == pytest.approx(model.parameters, abs=1e-9)
    accuracy = (model.predict(tests) == data.test_labels).mean()
    assert page.result.config == config and page.right.mean() == accuracy
    percent = re.findall(r"([\d.]+) ?%", " ".join(page.said))
    right += [accuracy, page.result.test_accuracy, accuracy]
    assert percent == [f"{100 * share:.1f}" for share in right]
    given = model.weights[1], page.place, x[train[:20]], y[train[:20]], page.epsilon
    slope = gradient_check.central_difference(model, *given)
    assert (page.numerical, page.computed) == pytest.approx((slope, slope), abs=1e-9)


def test_notebook_0_notices_a_wrong_gradient_and_its_solution_is_right(page):
    solution = re.findall(r"`((\w+) = .*?)` in `", CELLS[PAGES[0][-2]["id"]])
    relu = [(rf"\b{name} = .*", line) for line, name in solution]
    relu += [('"tanh"', '"ReLU"'), ("Config.l", 'Config(activation="ReLU", l')]
    wrong = run_page((r"a\.T @ delta2", "2 * a.T @ delta2"))
    for ran, agrees in ((page, "True"), (wrong, "False"), (run_page(*relu), "True")):
        assert [line.split()[-1] for line in ran.said[-2:]] == [agrees, agrees]
        slope, computed = map(float, re.findall(r"-?\d+\.\d{6}", " ".join(ran.said)))
        assert str(abs(slope - computed) < 1e-5) == agrees


def test_the_formulas_and_shapes_in_the_notebooks_are_those_of_the_code(page):
    spans = re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+)\$", TEXT, re.S)
    found = {"".join(span).replace(" ", "").strip(".,") for span in spans}
    names = r"\\?[A-Za-z]+(_\w|\^n)?|10\^\{-\d+\}|\(n,\d+\)"
    assert {span for span in found if not re.fullmatch(names, span)} == {*FORMULAS}
    model, (x, y) = some_model((6, 5, 4)), some_batch((6, 5, 4))
    (W1, W2), (b1, b2), t = model.weights, model.biases, np.eye(4)[y]
    f, relative = ACTIVATIONS, relative_difference
    before = [W1, b1, W2, b2]
    (a, p), g = page.forward(x, *before), page.backward(x, y, *before)
    w, v = [array + 0 for array in before], [array + 1 for array in before]
    page.step(w, v, x, y, 0.1, 0.8)
    known = globals() | locals()
    said = [expression for expressions in FORMULAS.values() for expression in expressions]
    assert [expression for expression in said if not eval(expression, known)] == []
    shapes = [str(array.shape) for array in page.parameters]
    shown = re.findall(r"^\| \$W_\d\$, \$b_\d\$ \| (.*?) \|", TEXT, re.M)
    assert shown == [", ".join(shapes[:2]), ", ".join(shapes[2:])]


def test_what_is_no_exercise_is_refused():
    with pytest.raises(ValueError, match=r"^number .*9\.9"):
        check_answer("9.9", None)
    with pytest.raises(ValueError, match=r"1\.1 .*backward"):
        check_answer("1.1")
