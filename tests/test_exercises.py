"""Code that readers change: notebook 0 is the module's algorithm; exercises have true solutions.

A solution is run as a reader would paste it: the code of its exercise and its own, with the
notebook's ``data``. Here that is a small part of the stand-in, so that all of them take a minute.
"""

import json
import re
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from small_runs import descend
from textbook import some_batch, some_model

from kmnist_mlp import MLP, Config, Dataset, gradient_check
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import STAND_IN, pixel_statistics, standardise
from kmnist_mlp.datasets.stand_in import draw_stand_in
from kmnist_mlp.experiments.paper_gradients import relative_difference
from kmnist_mlp.network import initial_weights
from kmnist_mlp.optimizer import SGD

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PAGES = [json.loads(path.read_text(encoding="utf-8"))["cells"] for path in NOTEBOOKS]
CELLS = {cell["id"]: "".join(cell["source"]) for cells in PAGES for cell in cells}
EXERCISES = {name.removeprefix("exercise-") for name in CELLS if name.startswith("exercise-")}


@pytest.fixture(scope="module")
def few_images():
    """2,000 training and 500 test images of the stand-in."""
    return Dataset(*draw_stand_in(2000, 500), STAND_IN)


@pytest.fixture
def solve(few_images):
    """Return a function that runs an exercise's code and solution and returns their names."""

    def solved(number, mend=("", "")):
        name = number.replace(".", "-")
        own = [CELLS[f"exercise-{name}"], CELLS[f"solution-{name}"]]
        code, names = "\n".join(CODE.findall("\n\n".join(own))), {"data": few_images}
        assert mend[0] in code
        with joblib.parallel_config(backend="sequential"):
            exec(compile(code.replace(*mend), f"exercise {number}", "exec"), names)
        return names

    before = dict(ACTIVATIONS)
    yield solved
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


# What the text of each solution says, in the names of its code
SAID = tomllib.loads(Path(__file__).with_name("solutions.toml").read_text("utf-8"))


@pytest.mark.parametrize("number", SAID)
def test_what_a_solution_says_happens(solve, number):
    found = solve(number) | {"np": np}
    assert [said for said in SAID[number] if not eval(said, found)] == []


def test_no_solution_is_left_out():
    assert EXERCISES == {number.replace(".", "-") for number in SAID}


def test_1_1_without_the_planted_bug_all_gradients_are_right(solve):
    mended = solve("1.1", mend=("(1 - a)", "(1 - a**2)"))["difference"]
    assert max(mended.values()) < 1e-6


# ---- notebook 0 ----------------------------------------------------------------------------------

FIRST = ["".join(cell["source"]) for cell in PAGES[0] if cell["cell_type"] == "code"][1:-1]
TEXT = "\n\n".join(CELLS.values()).replace("\\\\", "\\")
# What each formula of the notebooks says, in the names of the code
FORMULAS = tomllib.loads(Path(__file__).with_name("formulas.toml").read_text("utf-8"))


def run_page(*mends):
    """Return what the code of notebook 0 computes in float64 and says, with parts replaced."""
    code, arrays = "\n".join(FIRST).replace("np.float32", "np.float64"), draw_stand_in(500, 100)
    arrays[0][:, 0] = 0  # pixels that are always black
    page = SimpleNamespace(np=np, time=time, data=Dataset(*arrays, STAND_IN), said=[])
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
    relu += [('"tanh"', '"ReLU"'), ("Config.e", 'Config(activation="ReLU", e')]
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
