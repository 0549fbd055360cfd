"""Effects of deviations add up to the paper's numbers; steps, readings and seeds are drawn."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from shown import lines, points, texts, ticks

from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.readings import ABLATED
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import sensitivity as drawn
from kmnist_mlp.figures import use_style
from kmnist_mlp.support.statistics import interval

NOISE = np.random.default_rng(0)
# what a deviation changes, in points: added to ours, and within theirs
EFFECTS = {"fixed epochs": (-3.0, -2.0), "own statistics": (-0.9, 0.8), "clipping": (1.0, 0.1)}


def results(change, names=ABLATED):
    """Results of all experiments, changed by so many points, with noise; losses fall with it."""
    index = pd.MultiIndex.from_product([names, range(5)], names=["experiment", "seed"])
    noisy = change + NOISE.normal(0, 0.05, len(index))
    columns = {"test_accuracy": 0.85 + noisy / 100, "test_loss": 0.06 - change / 1000}
    return Results.of_frame(pd.DataFrame(columns, index).reset_index())


@pytest.fixture
def ablation():
    found = {"none": results(0), "all": results(-1)}
    for name, (added, kept) in EFFECTS.items():
        few = ABLATED[:3] if name == "clipping" else ABLATED
        found |= {f"+{name}": results(added, few), f"-{name}": results(-1 - kept, few)}
    return found


def test_differences_are_drawn_against_the_step():
    columns = [("bias", "0", "first"), ("weight", "0,2", "first"), ("bias", "0", "last")]
    values = [[1e-2, 1e-3, 3e-3], [2e-5, 3e-5, 5e-6], [0.0, 1e-9, 2e-8]]
    columns = pd.MultiIndex.from_tuples(columns, names=["weight", "index", "pattern"])
    differences = pd.DataFrame(values, [0.1, 0.01, 1e-5], columns).rename_axis("epsilon")
    use_style()
    figure = drawn.difference_by_epsilon(differences, "KMNIST")
    bias, weight = (panel.axes[0] for panel in figure.panels)
    assert bias.get_title(loc="left") == "bias (2)" and bias.lines[2].get_label() == "median"
    expected = [[1e-2, 2e-5, 1e-17], [3e-3, 5e-6, 2e-8], [6.5e-3, 1.25e-5, 1e-8]]
    np.testing.assert_allclose([line.get_ydata() for line in bias.lines[:3]], expected)
    for axis in (bias, weight):
        rounding, truncation, step, bound = axis.lines[-4:]
        for line, slope in ((rounding, -1), (truncation, 2)):
            x, y = np.log(line.get_xydata().T)
            np.testing.assert_allclose(np.diff(y) / np.diff(x), slope)
        assert step.get_xdata()[0] == 1e-2 and bound.get_ydata()[0] == 1e-4
        low, high = axis.get_ylim()
        assert low < 1e-17 and high > truncation.get_ydata().max()
    names = ["bias [0], first image", "weight [0,2], first image", "bias [0], last image"]
    numbers = figure.numbers.set_index("epsilon")[names]
    np.testing.assert_allclose(numbers, differences)
    assert "smallest with a step of 10⁻⁵" in figure.finding


@pytest.mark.parametrize("label", drawn.WALKS)
def test_a_walk_leads_by_its_steps_to_the_papers_number(ablation, label):
    quantity, weights = drawn.WALKS[label]
    walk = drawn.walk(ablation, label).set_index("step")
    steps = walk[walk.start.notna()].drop(drawn.UNEXPLAINED)
    reached = walk.value[drawn.OURS] + steps.value.fillna(0).cumsum()
    assert reached.iloc[-1] == pytest.approx(walk.value[drawn.CODE])
    np.testing.assert_allclose(steps.start.iloc[1:], reached.iloc[:-1])
    runs = [ablation[key] for key in ("none", "+fixed epochs", "all")]
    ours, fixed, theirs = (
        sum(w * run.values(quantity, n) for n, w in weights.items()) for run in runs
    )
    paper = sum(weight * getattr(PAPER[name], quantity) for name, weight in weights.items())
    rest = np.subtract(paper, interval(theirs, True))[[0, 2, 1]]
    expected = interval(fixed - ours), interval(theirs), rest
    found = walk.loc[["fixed epochs", drawn.CODE, drawn.UNEXPLAINED], ["value", "low", "high"]]
    np.testing.assert_allclose(found, expected)
    assert walk.value[drawn.THE_PAPER] == pytest.approx(paper)
    assert np.isnan(walk.value["untrained biases"]), "it was not measured"


def test_a_walk_has_a_row_per_step_and_a_mark_per_level(ablation):
    figure = drawn.walk_figure(ablation)
    for panel, label in zip(figure.panels, drawn.WALKS, strict=True):
        own = figure.numbers[figure.numbers.quantity == label].reset_index(drop=True)
        (axis,), levels = panel.axes, own[own.start.isna()]
        assert axis.get_xlabel() == label
        assert [*ticks(axis, "y").values()] == own.step.tolist()
        marks = [line.get_xydata()[0] for line in axis.lines if line.get_marker() != "None"]
        np.testing.assert_allclose(marks, np.transpose([levels.value, levels.index]))


def test_changes_are_clear_if_both_ways_agree_and_are_large(ablation):
    numbers = drawn.changes(ablation)
    assert len(numbers) == 2 * (7 + 7 + 3)
    by = numbers.clear.groupby(["deviation", "quantity"]).agg(["all", "any"])
    assert by.loc["fixed epochs", "all"].all(), "both quantities, in every experiment"
    small = by.loc[["own statistics", "clipping"], "any"]
    assert not small.any(), "one has two signs, one is small within theirs"
    row = numbers.loc[("fixed epochs", "relu", "test_accuracy")]
    for column, keys in (("added", ("+fixed epochs", "none")), ("kept", ("all", "-fixed epochs"))):
        a, b = (ablation[key].values("test_accuracy", "relu") for key in keys)
        found = row[[column, f"{column}_low", f"{column}_high"]]
        assert found.tolist() == pytest.approx(interval(a - b))
    table = drawn.changes_table(numbers)
    assert len(table) == 7 and all(row.startswith("fixed epochs: ") for row in table.index)
    assert table.attrs["shown_data"].csv.count("\n") == 1 + len(numbers), "all are behind it"
    mean, low, high = 1000 * numbers.loc[("fixed epochs", "relu", "test_loss")].iloc[3:6]
    shown = table.loc["fixed epochs: ReLU", "loss × 1000, within theirs"].replace("−", "-")
    assert shown == f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def test_a_claim_has_a_mark_per_reading():
    yes, no, open_ = "reproduced", "not reproduced", "undecided"
    rows = {"never": [no] * 12, "good": [no, yes, open_] * 4, "always": [yes] * 12}
    figure = drawn.verdicts_figure(pd.DataFrame.from_dict(rows, "index").rename_axis("claim"))
    assert "Of 3 claims, 1 are reproduced in every reading, 1 in none" in figure.finding
    (axis,) = figure.panels[0].axes
    (_, first), (_, second), (_, third) = texts(axis)
    assert first < second < third and [*texts(axis).values()] == ["always", "good", "never"]
    for verdict, start in ((no, 5), (open_, 9)):
        marks = points(lines(axis, label=verdict))
        below = marks[(second < marks[:, 1]) & (marks[:, 1] < third)]
        assert below[:, 0].tolist() == [*range(start, start + 4)]
    assert figure.numbers.loc[1].tolist() == ["good", *rows["good"]]


def test_the_widths_of_intervals_are_drawn_by_seeds():
    values = [84.0, 84.5, 84.2]
    figure = drawn.seeds_figure(sweep.widths(values))
    n = np.arange(2, 21)
    mean = scipy.stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5
    (axis,) = figure.panels[0].axes
    for label, half in (("mean", mean), ("one more run", mean * (n + 1) ** 0.5)):
        found = points(lines(axis, label=label))
        np.testing.assert_allclose(found, np.transpose([n, half]))
    said = ", ".join(f"± {mean[m - 2]:.2f} points with {m} seeds" for m in (2, 5, 20))
    assert said in figure.finding and figure.numbers.seeds.tolist() == n.tolist()
