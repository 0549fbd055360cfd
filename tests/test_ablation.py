"""The walk from our numbers to the paper's adds up, and the table has what is clear both times."""

import numpy as np
import pandas as pd
import pytest
from shown import numbers_of, points

from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.published_runs import ABLATED
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import ablation as drawn
from kmnist_mlp.support.statistics import interval, prediction_interval

NOISE = np.random.default_rng(0)
# what a deviation changes, in points: added to ours, and within theirs
EFFECTS = {"fixed epochs": (-3.0, -2.0), "own statistics": (-0.9, 0.8), "clipping": (0.1, 0.1)}


def results(change, names=ABLATED):
    """Results of all experiments, changed by so many points, with noise; losses fall with it."""
    rows = [
        (name, seed, 0.85 + (change + NOISE.normal(0, 0.05)) / 100, 0.06 - change / 1000)
        for name in names
        for seed in range(5)
    ]
    frame = pd.DataFrame(rows, columns=["experiment", "seed", "test_accuracy", "test_loss"])
    return Results({(row[0], row[1]): None for row in rows}, frame, "KMNIST")


@pytest.fixture
def ablation():
    found = {"none": results(0), "all": results(-1)}
    for name, (added, kept) in EFFECTS.items():
        few = ABLATED[:3] if name == "clipping" else ABLATED
        found |= {f"+{name}": results(added, few), f"-{name}": results(-1 - kept, few)}
    return found


@pytest.mark.parametrize("label", drawn.WALKS)
def test_a_walk_leads_from_our_number_by_its_steps_to_the_papers(ablation, label):
    quantity, weights = drawn.WALKS[label]
    walk = drawn.walk(ablation, label).set_index("step")
    steps = walk[walk.start.notna()].drop(drawn.UNEXPLAINED)
    reached = walk.value[drawn.OURS] + steps.value.fillna(0).cumsum()
    assert reached.iloc[-1] == pytest.approx(walk.value[drawn.CODE])
    np.testing.assert_allclose(steps.start.iloc[1:], reached.iloc[:-1])
    paper = sum(weight * getattr(PAPER[name], quantity) for name, weight in weights.items())
    assert walk.value[[drawn.CODE, drawn.UNEXPLAINED]].sum() == pytest.approx(paper)
    assert np.isnan(walk.value["untrained biases"]), "it was not measured"


def test_steps_are_paired_and_the_rest_has_the_interval_of_one_more_run(ablation):
    walk = drawn.walk(ablation, "tanh,\naccuracy in %").set_index("step")
    ours, fixed, theirs = (
        ablation[key].values("test_accuracy", "baseline")
        for key in ("none", "+fixed epochs", "all")
    )
    ends = ["value", "low", "high"]
    assert walk.loc["fixed epochs", ends].tolist() == pytest.approx(interval(fixed - ours))
    assert walk.loc[drawn.CODE, ends].tolist() == pytest.approx(interval(theirs))
    mean, low, high = prediction_interval(theirs)
    rest = [84.47 - mean, 84.47 - high, 84.47 - low]
    assert walk.loc[drawn.UNEXPLAINED, ends].tolist() == pytest.approx(rest)


def test_the_walk_is_drawn_as_a_bar_per_step_and_a_mark_per_level(ablation):
    figure = drawn.walk_figure(ablation)
    numbers = numbers_of(figure)
    for axis, (_, own) in zip(figure.axes, numbers.groupby("quantity", sort=False), strict=True):
        own = own.reset_index(drop=True)
        levels, steps = own[own.start.isna()], own[own.start.notna()].dropna()
        marks = [line for line in axis.lines if line.get_marker() != "None"]
        np.testing.assert_allclose(
            points(marks), np.transpose([levels.value, levels.index]), rtol=1e-5
        )
        bars = [bar for bar in axis.patches if np.isfinite(bar.get_width())]
        edges = [(bar.get_x(), bar.get_width()) for bar in bars]
        np.testing.assert_allclose(edges, steps[["start", "value"]], rtol=1e-4, atol=1e-6)


def test_changes_are_clear_if_both_ways_agree_and_are_large(ablation):
    numbers = drawn.changes(ablation)
    assert len(numbers) == 2 * (7 + 7 + 3)
    by = numbers.clear.groupby(["deviation", "quantity"]).agg(["all", "any"])
    assert by.loc["fixed epochs", "all"].all(), "both quantities, in every experiment"
    assert not by.loc[["own statistics", "clipping"], "any"].any(), (
        "one has two signs, one is small"
    )
    row = numbers.loc[("fixed epochs", "relu", "test_accuracy")]
    a, b = (ablation[key].values("test_accuracy", "relu") for key in ("all", "-fixed epochs"))
    assert row[["kept", "kept_low", "kept_high"]].tolist() == pytest.approx(interval(a - b))
    table = drawn.changes_table(numbers)
    assert len(table) == 7 and all(row.startswith("fixed epochs: ") for row in table.index)
    assert len(numbers_of(type("", (), table.attrs))) == len(numbers), "all are behind the table"


def test_distance_is_the_root_mean_square_of_the_compared_experiments(ablation):
    for quantity in ("test_accuracy", "test_loss"):
        printed = [getattr(PAPER[name], quantity) for name in drawn.COMPARED]
        ours = [ablation["none"].values(quantity, name).mean() for name in drawn.COMPARED]
        expected = np.sqrt(np.mean(np.subtract(printed, ours) ** 2))
        assert drawn.distance(ablation["none"], quantity) == pytest.approx(expected)
    assert drawn.agreement(ablation).index[0] == "baseline, early stopping"
