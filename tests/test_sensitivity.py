"""Effects of deviations add up to the paper's numbers; verdicts by reading and seeds are drawn."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.readings import ABLATED
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import sensitivity as drawn
from kmnist_mlp.support.statistics import interval, prediction_interval

NOISE = np.random.default_rng(0)
# what a deviation changes, in points: added to ours, and within theirs
EFFECTS = {"fixed epochs": (-3.0, -2.0), "own statistics": (-0.9, 0.8), "clipping": (1.0, 0.1)}


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
    walk = drawn.walk(ablation, "tanh, accuracy in %").set_index("step")
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
    for panel, label in zip(figure.panels, drawn.WALKS, strict=True):
        own = figure.numbers[figure.numbers.quantity == label].reset_index(drop=True)
        (axis,), levels = panel.axes, own[own.start.isna()]
        assert axis.get_xlabel() == label
        assert [text.get_text() for text in axis.get_yticklabels()] == own.step.tolist()
        marks = [line.get_xydata()[0] for line in axis.lines if line.get_marker() != "None"]
        np.testing.assert_allclose(marks, np.transpose([levels.value, levels.index]))
        bars = [(bar.get_x(), bar.get_width()) for bar in axis.patches]
        np.testing.assert_allclose(bars, own.loc[own.start.notna(), ["start", "value"]])
        intervals = [line.get_segments()[0] for line in axis.collections]
        expected = (own[["low", "high"]] + own[["start"]].fillna(0).to_numpy()).dropna()
        np.testing.assert_allclose([line[:, 0] for line in intervals if len(line)], expected)


def test_changes_are_clear_if_both_ways_agree_and_are_large(ablation):
    numbers = drawn.changes(ablation)
    assert len(numbers) == 2 * (7 + 7 + 3)
    by = numbers.clear.groupby(["deviation", "quantity"]).agg(["all", "any"])
    assert by.loc["fixed epochs", "all"].all(), "both quantities, in every experiment"
    assert not by.loc[["own statistics", "clipping"], "any"].any(), (
        "one has two signs, one is small within theirs"
    )
    row = numbers.loc[("fixed epochs", "relu", "test_accuracy")]
    a, b = (ablation[key].values("test_accuracy", "relu") for key in ("all", "-fixed epochs"))
    assert row[["kept", "kept_low", "kept_high"]].tolist() == pytest.approx(interval(a - b))
    table = drawn.changes_table(numbers)
    assert len(table) == 7 and all(row.startswith("fixed epochs: ") for row in table.index)
    assert table.attrs["shown_data"].csv.count("\n") == 1 + len(numbers), "all are behind it"
    mean, low, high = 1000 * numbers.loc[("fixed epochs", "relu", "test_loss")].iloc[3:6]
    shown = table.loc["fixed epochs: ReLU", "loss × 1000, within theirs"].replace("−", "-")
    assert shown == f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def test_distance_is_the_root_mean_square_of_the_compared_experiments(ablation):
    for quantity in ("test_accuracy", "test_loss"):
        printed = [getattr(PAPER[name], quantity) for name in drawn.COMPARED]
        ours = [ablation["none"].values(quantity, name).mean() for name in drawn.COMPARED]
        expected = np.sqrt(np.mean(np.subtract(printed, ours) ** 2))
        assert drawn.distance(ablation["none"], quantity) == pytest.approx(expected)
    assert drawn.agreement(ablation).index[0] == "baseline, early stopping"


def test_each_claim_has_a_mark_per_reading_sorted_by_verdict():
    yes, no, open_ = "reproduced", "not reproduced", "undecided"
    rows = {"never": [no] * 12, "good": [no, yes, open_] * 4, "always": [yes] * 12}
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis("claim")
    counts = drawn.claims_by_reach(found)
    assert counts.reach.tolist() == ["no reading", "some readings", "every reading"]
    assert counts.loc["good", [yes, no, open_]].tolist() == [4, 4, 4]
    figure = drawn.verdicts_figure(found)
    assert "Of 3 claims, 1 are reproduced in every reading, 1 in some and 1 in" in figure.finding
    first, last = (panel.axes[0] for panel in figure.panels)
    assert [text.get_text() for text in first.get_yticklabels()] == ["always", "good"]
    assert [text.get_text() for text in last.get_yticklabels()] == ["never"]
    marks = {line.get_label(): line.get_xydata().tolist() for line in first.lines}
    assert marks[yes] == [[n, 0] for n in range(1, 13)] + [[n, 1] for n in range(1, 5)]
    assert marks[no] == [[n, 1] for n in range(5, 9)]
    assert marks[open_] == [[n, 1] for n in range(9, 13)]
    assert figure.numbers.loc[1].tolist() == ["good", *rows["good"]]


def test_the_widths_of_both_intervals_are_drawn_by_the_number_of_seeds():
    values = [84.0, 84.5, 84.2]
    figure = drawn.seeds_figure(sweep.widths(values))
    n = np.arange(2, 21)
    mean = scipy.stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    lines = {line.get_label(): line.get_xydata() for line in figure.panels[0].axes[0].lines}
    np.testing.assert_allclose(lines["mean"], np.transpose([n, mean]))
    np.testing.assert_allclose(lines["one more run"], np.transpose([n, mean * (n + 1) ** 0.5]))
    said = ", ".join(f"± {mean[m - 2]:.2f} points with {m} seeds" for m in (2, 5, 20))
    assert said in figure.finding
    assert figure.numbers.seeds.tolist() == n.tolist()
