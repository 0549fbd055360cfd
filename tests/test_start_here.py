"""Notebook 0 computes what the module computes, and the formulas of the notebooks are the code's.

The code of notebook 0 is run as it stands, but in float64 and with 500 images.
"""

import json
import re
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from textbook import some_batch, some_model

from kmnist_mlp import MLP, Config, Dataset, evaluate
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import STAND_IN, pixel_statistics
from kmnist_mlp.datasets.stand_in import draw_stand_in
from kmnist_mlp.experiments import EXPERIMENTS
from kmnist_mlp.experiments.paper_gradients import relative_difference
from kmnist_mlp.gradient_check import central_difference, check_gradients
from kmnist_mlp.network import initial_weights
from kmnist_mlp.optimizer import SGD

FORMULAS = tomllib.loads(Path(__file__).with_name("formulas.toml").read_text("utf-8"))
NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
CELLS = [cell for path in NOTEBOOKS for cell in json.loads(path.read_text("utf-8"))["cells"]]
TEXT = "\n\n".join("".join(c["source"]) for c in CELLS if c["cell_type"] == "markdown")
FIRST = json.loads(NOTEBOOKS[0].read_text("utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in FIRST if cell["cell_type"] == "code"][1:]
CODE = [source.replace("np.float32", "np.float64") for source in CODE]


def run_page(*mends):
    """Return what the code of notebook 0 computes and says, with lines replaced."""
    page, code = SimpleNamespace(np=np, time=time, said=[]), "\n".join(CODE)
    arrays = draw_stand_in(500, 100)
    arrays[0][:, 0] = 0  # pixels that are always black
    page.data = Dataset(*arrays, STAND_IN)
    page.say = page.print = lambda *values: page.said.append(" ".join(map(str, values)))
    for old, new in mends:
        assert re.search(old, code)
        code = re.sub(old, lambda match, new=new: new, code)
    exec(compile(code, "notebook 0", "exec"), vars(page))
    return page


@pytest.fixture(scope="module")
def page():
    return run_page()


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays])


def test_every_number_of_notebook_0_is_the_modules(page):
    data, rng = page.data, np.random.default_rng(0)
    images, labels = data.train_images.reshape(500, 784), data.train_labels
    valid, train = np.split(rng.permutation(500), [100])
    mean, std = pixel_statistics(images, train)
    weights = [initial_weights(rng, shape) for shape in ((784, 128), (128, 10))]
    biases = [np.zeros(128), np.zeros(10)]
    model = MLP.from_parameters("tanh", weights, biases, (mean, std))
    optimizer, shares = SGD(model, config := Config(epochs=15, early_stop=False)), []
    for epoch in range(config.epochs):
        shuffled = rng.permutation(train)
        for batch in np.split(shuffled, range(128, 400, 128)):
            dW, db = model.gradients(images[batch], labels[batch])
            optimizer.step(flat(dW + db))
        if epoch % 5 == 4:
            shares += [evaluate(model, images[rows], labels[rows])[1] for rows in (train, valid)]
    W1, b1, W2, b2 = page.parameters
    np.testing.assert_allclose(flat([W1, W2, b1, b2]), model.parameters, rtol=0, atol=1e-9)
    accuracy = (model.predict(data.test_images) == data.test_labels).mean()
    assert page.result.config == config and page.right.mean() == accuracy
    shares += [accuracy, page.result.test_accuracy, accuracy]
    percent = re.findall(r"([\d.]+) ?%", " ".join(page.said))
    assert percent == [f"{100 * share:.1f}" for share in shares]
    few, y, slopes = images[train[:20]], labels[train[:20]], []
    kept = model.weights[1][page.place]
    for sign in (1, -1):
        model.weights[1][page.place] = kept + sign * page.epsilon
        slopes.append(model.loss(few, y))
    assert page.slopes == pytest.approx(slopes, rel=1e-12)
    assert page.numerical == pytest.approx(page.computed, rel=1e-5)


def test_the_comparison_of_notebook_0_with_the_module_notices_a_factor_and_that_of_relu(page):
    assert [line.split()[-1] for line in page.said[-2:]] == ["True", "True"]
    wrong = run_page((r"\* \(1 - a\*\*2\)", "* (1 - a)"))
    assert [line.split()[-1] for line in wrong.said[-2:]] == ["False", "False"]
    lines = re.findall(r"`(\w+ = .*?)` in `", "".join(FIRST[-1]["source"]))
    mends = [(rf"\b{line.split()[0]} = .*", line) for line in lines]
    relu = run_page(*mends, ('"tanh"', '"ReLU"'), ("Config.e", 'Config(activation="ReLU", e'))
    assert len(lines) == 2 and [line.split()[-1] for line in relu.said[-2:]] == ["True", "True"]


# ---- formulas ------------------------------------------------------------------------------------


def test_no_formula_and_no_shape_is_another_one():
    spans = re.findall(r"\$\$(.*?)\$\$|\$([^$\n]+)\$", TEXT, re.S)
    found = {"".join(span).replace(" ", "").strip(".,") for span in spans}
    names = r"\\?[A-Za-z]+(_\w|\^n)?|10\^\{-\d+\}|\(n,\d+\)"
    terms = {span for span in found if not re.fullmatch(names, span)}
    assert terms == {*FORMULAS["terms"], *FORMULAS} - {"terms"}
    shapes = re.findall(r"^\| \$W_\d\$, \$b_\d\$ \| (\(.*\), \(.*?\)) \|", TEXT, re.M)
    assert [*map(eval, shapes)] == [((784, 128), (128,)), ((128, 10), (10,))]


@pytest.fixture(scope="module")
def names(page):
    """What the expressions of formulas.toml are made of: random arrays, and what the code makes."""
    model, (x, y) = some_model((6, 5, 4)), some_batch((6, 5, 4))
    (W1, W2), (b1, b2), t, f = model.weights, model.biases, np.eye(4)[y], ACTIVATIONS
    (a, p), w0 = page.forward(x, W1, b1, W2, b2), [W1, b1, W2, b2]
    dW1, db1, dW2, db2 = g = page.backward(x, y, *w0)
    w, v, v0 = [each + 0 for each in w0], [each + 1 for each in w0], flat(w0) + 1
    page.step(w, v, x, y, 0.1, 0.8)
    w0, g, v, w = map(flat, (w0, g, v, w))

    def E(epsilon):
        moved = W1 + epsilon * np.eye(6, 5) * (np.arange(5) == 0)
        return page.loss(page.forward(x, moved, b1, W2, b2)[1], y)

    def penalty_gradient(**options):
        other = model.copy()
        SGD(other, Config(learning_rate=1, momentum=False, **options)).step(np.zeros_like(w))
        return W1 - other.weights[0]

    def same(one, other):
        return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-9, atol=1e-12)

    return globals() | locals()


def test_each_formula_says_what_the_code_computes(names):
    said = [each for formula in [*FORMULAS][1:] for each in FORMULAS[formula]]
    assert [each for each in said if not eval(each, names)] == []
