"""The exercises of the notebooks: each solution runs, and what it says happens.

A solution is run as a reader would paste it: the code of its exercise and its own, with the
notebook's ``data``. Here that is a small part of the stand-in, so that all of them take a minute.
"""

import json
import re
import tomllib
from pathlib import Path

import joblib
import numpy as np
import pytest

from kmnist_mlp import Dataset
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import STAND_IN
from kmnist_mlp.datasets.stand_in import draw_stand_in

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("0[1-7]_*.ipynb"))
CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


CELLS = {
    cell["id"]: "".join(cell["source"])
    for path in NOTEBOOKS
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
}
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
    assert EXERCISES == {number.replace(".", "-") for number in (*SAID, "1.1", "6.2")}


def test_1_1_the_check_finds_the_gradients_that_the_bug_spoils_and_no_others(solve):
    difference = solve("1.1")["difference"]
    assert {name for name in difference if difference[name] > 0.01} == {"W1", "b1"}
    mended = solve("1.1", mend=("(1 - a)", "(1 - a**2)"))["difference"]
    assert max(difference["W2"], difference["b2"], *mended.values()) < 1e-6


def test_6_2_the_repaired_statistics_ignore_the_test_images_and_the_chosen_lead_is_luck(
    solve, few_images
):
    leaky, found = solve("6.2", mend=("mean, std = split", "own, _ = split")), solve("6.2")
    training = few_images.train_images[np.sort(found["split"].rows)]
    assert found["mean"] == pytest.approx(training.reshape(-1, 784).mean(axis=0), abs=1e-3)
    assert abs(leaky["mean"] - leaky["own"]).max() > 1
    frame = found["frame"]
    best = frame.validation_accuracy == frame.validation_accuracy.max()
    assert found["reported"] / 100 == pytest.approx(frame.test_accuracy[best].max())
    assert found["lead"][0] > max(0, found["lead"][1])
