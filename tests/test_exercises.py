"""The exercises of the notebooks: each solution runs, and what it says happens.

A solution is run as a reader would paste it: the code of its exercise and its own, with the
notebook's ``data``. Here that is a small part of the stand-in, so that all of them take a minute.
"""

import json
import re
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
EXERCISES = {  # each with its solution
    name.removeprefix("exercise-").replace("-", "."): "\n\n".join(
        [source, CELLS[name.replace("exercise", "solution")]]
    )
    for name, source in CELLS.items()
    if name.startswith("exercise-")
}


@pytest.fixture(scope="module")
def few_images():
    """2,000 training and 500 test images of the stand-in."""
    return Dataset(*draw_stand_in(2000, 500), STAND_IN)


@pytest.fixture
def solve(few_images):
    """Return a function that runs an exercise's code and solution and returns their names."""

    def solved(number, mend=None):
        code, names = "\n".join(CODE.findall(EXERCISES[number])), {"data": few_images}
        if mend:
            assert mend[0] in code
            code = code.replace(*mend)
        with joblib.parallel_config(backend="sequential"):
            exec(compile(code, f"exercise {number}", "exec"), names)
        return names

    before = dict(ACTIVATIONS)
    yield solved
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


# ---- what the solutions say ----------------------------------------------------------------------


def test_1_1_the_check_finds_the_gradients_that_the_bug_spoils_and_no_others(solve):
    found = solve("1.1")
    difference = found["difference"]
    assert {name for name in difference if difference[name] > 0.01} == {"W1", "b1"}
    mended = solve("1.1", mend=("(1 - a)", "(1 - a**2)"))["difference"]
    assert max(difference["W2"], difference["b2"], *mended.values()) < 1e-6


def test_1_2_the_error_on_one_side_falls_with_the_step_that_of_the_other_with_its_square(solve):
    found = solve("1.2")
    steps, one_sided, central = (found[name] for name in ("steps", "one_sided", "central"))
    assert one_sided[3] / one_sided[4] == pytest.approx(10, rel=0.1)
    assert central[1] / central[2] == pytest.approx(100, rel=0.1)
    assert 1e-9 < steps[one_sided.argmin()] < 1e-6
    assert steps[one_sided.argmin()] < steps[central.argmin()]
    assert central.min() < one_sided.min() / 10


def test_2_1_one_epoch_with_0_005_does_what_several_with_0_0005_do_in_every_seed(solve):
    found = solve("2.1")
    assert 1 + found["distance"].argmin() >= 4
    assert len(found["gains"]) == 5 and min(found["gains"]) > 0
    assert found["interval"](found["gains"])[1] > 0


def test_2_2_a_claim_and_its_opposite_are_judged_as_opposites_by_their_interval(solve):
    verdicts = solve("2.2")["verdicts"]
    low, high = verdicts.interval_low[0], verdicts.interval_high[0]
    decided = ("reproduced", "not reproduced") if low > 1 else ("not reproduced", "reproduced")
    expected = decided if low > 1 or high < 1 else ("undecided", "undecided")
    assert tuple(verdicts.verdict) == expected


def test_3_1_shuffled_labels_are_learnt_by_heart_and_test_images_are_guessed(solve):
    result = solve("3.1")["result"]
    assert result.returned["training_accuracy"] > 0.95
    assert result.returned["validation_accuracy"] < 0.2
    assert result.test_accuracy < 0.2


def test_3_2_a_quarter_of_the_penalty_has_the_same_effect_in_mini_batches_of_a_quarter(solve):
    norms = solve("3.2")["norms"]
    assert norms["32, 0.05"] == pytest.approx(norms["128, 0.2"], rel=0.02)
    assert norms["32, 0.2"] < 0.95 * norms["128, 0.2"]


def test_4_1_leaky_relu_passes_the_gradient_check_and_trains_like_relu(solve):
    found = solve("4.1")
    assert found["checked"].within_tolerance.all()
    assert found["result"].returned["validation_accuracy"] > 0.8
    f = found["ACTIVATIONS"]["leaky ReLU"]
    assert f.value(np.array([-2.0, 3.0])) == pytest.approx([-0.02, 3])


def test_4_2_without_activation_a_hidden_layer_is_no_better_than_none(solve):
    accuracy = solve("4.2")["accuracy"]
    assert accuracy["identity"] == pytest.approx(accuracy["linear"], abs=0.03)
    assert accuracy["tanh"] > max(accuracy["identity"], accuracy["linear"]) + 0.02


def test_4_3_sigmoid_needs_a_fraction_of_the_epochs_with_ten_times_the_learning_rate(solve):
    slow, fast = solve("4.3")["results"].frame.itertuples()
    assert fast.best_epoch < slow.best_epoch / 3
    assert fast.validation_accuracy == pytest.approx(slow.validation_accuracy, abs=0.02)


def test_5_1_the_network_is_small_enough_and_chosen_by_validation_accuracy(solve):
    found = solve("5.1")
    assert max(found["sizes"].values()) < 100_000
    frame = found["results"].frame
    assert found["best"] == frame.experiment[frame.validation_accuracy.idxmax()]
    assert found["results"].values("test_accuracy", found["best"]).mean() > 75


def test_5_2_a_few_units_learn_100_images_by_heart_and_one_does_not(solve):
    found = solve("5.2")
    training, test = found["training"], found["test"]
    assert training[1] < 0.6
    assert training[16] == training[32] == 1
    assert all(training[units] > test[units] + 0.1 for units in training)


def test_6_1_the_choice_is_made_on_validation_and_augmentation_wins(solve):
    found = solve("6.1")
    assert found["best"] == "tuned, augmented"
    assert found["results"].values("test_accuracy", found["best"]).mean() > 90


def test_6_2_the_repaired_statistics_ignore_the_test_images_and_the_chosen_lead_is_luck(
    solve, few_images
):
    leaky, found = solve("6.2", mend=("mean, std = split", "own, _ = split")), solve("6.2")
    training = few_images.train_images[found["np"].sort(found["split"].rows)]
    assert found["mean"] == pytest.approx(training.reshape(-1, 784).mean(axis=0), abs=1e-3)
    assert abs(leaky["mean"] - leaky["own"]).max() > 1
    frame = found["frame"]
    best = frame.validation_accuracy == frame.validation_accuracy.max()
    assert found["reported"] / 100 == pytest.approx(frame.test_accuracy[best].max())
    assert found["lead"][0] > max(0, found["lead"][1])


def test_7_1_the_best_network_loses_accuracy_outside_the_shifts_of_its_augmentation(solve):
    accuracy = solve("7.1")["accuracy"]
    assert abs(accuracy[0] - accuracy[1]) < 0.05
    assert accuracy[0] > accuracy[4] + 0.05
    assert accuracy[4] > accuracy[8] + 0.2


def test_7_2_augmentation_helps_where_images_are_few(solve):
    found = solve("7.2")
    plain, augmented = found["plain"], found["augmented"]
    assert plain.returned["training_accuracy"] == 1
    assert augmented.returned["training_accuracy"] <= 1
    assert augmented.test_accuracy > plain.test_accuracy + 0.03


def test_7_3_an_ensemble_is_better_than_the_mean_of_its_members(solve):
    found = solve("7.3")
    assert found["ensemble"] > found["members"].mean() + 1
