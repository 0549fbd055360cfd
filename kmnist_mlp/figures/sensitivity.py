"""How results depend on a step, the code's deviations, readings and seeds."""

from collections.abc import Mapping
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.paper_gradients import PAPER_EPSILON
from kmnist_mlp.experiments.published_code import DEVIATIONS, applicable
from kmnist_mlp.experiments.readings import ABLATED, MINOR
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.comparison import VERDICT_STYLES, draw_steps, stacked
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure, title
from kmnist_mlp.figures.style import legend_above, panel, panel_of_texts
from kmnist_mlp.figures.tables import in_words, table_of
from kmnist_mlp.gradient_check import TOLERANCE
from kmnist_mlp.support.colours import BLUE, COMPUTED, GREY, ORANGE, PALE
from kmnist_mlp.support.statistics import MISSING, interval, plus_minus, rounded, scientific

Ablation = Mapping[str, Results]  # by "none", "all", "+name" and "-name"

DIGITS = {"test_accuracy": 2, "test_loss": 4}
WORTH_A_ROW = {"test_accuracy": 0.5, "test_loss": 0.002}  # our choice
# The quantity of each panel, and the experiments that it sums, by
# their weights
WALKS = {
    "sigmoid minus tanh, points": ("test_accuracy", {"sigmoid": 1, "baseline": -1}),
    "mean of seven printed losses": ("test_loss", dict.fromkeys(ABLATED, 1 / len(ABLATED))),
    "64 units, accuracy in %": ("test_accuracy", {"hidden_64": 1}),
    "tanh, accuracy in %": ("test_accuracy", {"baseline": 1}),
}
STEPS = [name for name in DEVIATIONS if name not in {*MINOR, "stored penalties"}]
OURS, REST, CODE, UNEXPLAINED, THE_PAPER = (
    "as described", "others, interplay", "as coded", "not explained", "the paper"
)  # fmt: skip


def difference_by_epsilon(differences: pd.DataFrame, data_name: str) -> ReportFigure:
    """Draw the differences of a gradient check against its step, both logarithmic.

    A panel per kind of parameter: its gradients thin, their median thick.
    Grey guides have the slope of epsilon squared and of one over epsilon.

    Parameters
    ----------
    differences : DataFrame
        What
        :func:`kmnist_mlp.experiments.paper_gradients.differences_by_epsilon`
        gives.
    data_name : str
        What the gradients were computed on.
    """
    numbers = differences.reset_index()
    gradients = ["{} [{}], {} image".format(*column) for column in differences]
    numbers.columns = ["epsilon", *gradients]
    # an exact agreement has no logarithm
    values = differences.clip(lower=1e-17)
    most, epsilon, panels = values.max(axis=None), values.index.to_numpy(), []
    rounding = 30 * np.finfo(float).eps / epsilon[-3:]
    truncation = 8 * most * (epsilon[:3] / epsilon[0]) ** 2
    low, high = values.min(axis=None) / 5, 20 * max(TOLERANCE, most)
    for kind in dict.fromkeys(values.columns.get_level_values("weight")):
        of_kind, (figure, axis) = values[kind], panel(3.6)
        axis.plot(epsilon, of_kind, color=BLUE, lw=0.7, alpha=0.5, label="one gradient")
        axis.plot(epsilon, of_kind.median(axis=1), color=BLUE, lw=2.2, label="median")
        axis.plot(epsilon[-3:], rounding, epsilon[:3], truncation, color=GREY, lw=1)
        axis.axvline(PAPER_EPSILON, color=GREY, ls="--", lw=1)
        axis.axhline(TOLERANCE, color=ORANGE, ls=":", lw=1.5)
        axis.set(xscale="log", yscale="log", ylim=(low, high))
        axis.set(xlabel="step epsilon", ylabel="difference of the gradients")
        axis.set_title(f"{kind} ({of_kind.shape[1]})")
        axis.text(epsilon[-2], 2 * rounding[1], " ∝ 1/ε", color=GREY)
        axis.text(epsilon[1], 2 * truncation[1], "∝ ε² ", ha="right", color=GREY)
        axis.text(epsilon[-1], 1.6 * TOLERANCE, "paper's bound", color=ORANGE)
        axis.text(1.2 * PAPER_EPSILON, 1.5 * low, "paper's step", rotation=90, color=GREY)
        legend_above(axis)
        panels.append(figure)
    finest = scientific(differences.max(axis=1).idxmin())
    finding = FINDINGS["steps of a check"].format(finest)
    shown = {"quantities": ["gradient_difference"], "data_name": data_name}
    return report_figure(panels, numbers, finding, **shown)


def distance(results: Results, quantity: str) -> float:
    """Return the root mean square, over the seven, of our mean minus the printed value.

    The notebook of the published code prints the digits of five of
    these, all but the baseline and the L2 penalty.
    """
    ours = [results.values(quantity, name).mean() for name in ABLATED]
    printed = [getattr(PAPER[name], quantity) for name in ABLATED]
    return float(np.sqrt(np.mean(np.subtract(ours, printed) ** 2)))


def agreement(ablation: Ablation) -> pd.DataFrame:
    """Return the printed results beside both algorithms', those of ABLATED first."""
    rows, measured = {}, ablation["all"].names
    names = [name for name in PAPER if name in measured and PAPER[name].test_accuracy]
    for name in sorted(names, key=lambda name: name not in ABLATED):
        row = rows[name] = {}
        for (quantity, digits), unit in zip(DIGITS.items(), ("%", "loss"), strict=True):
            paper = getattr(PAPER[name], quantity)
            row[f"{THE_PAPER}, {unit}"] = f"{paper:.{digits}f}" if paper else MISSING
            for label, key in ((OURS, "none"), (CODE, "all")):
                values = ablation[key].values(quantity, name)
                row[f"{label}, {unit}"] = plus_minus(values, digits)
    return table_of(rows, "experiment")


def _runs(ablation: Ablation, name: str, quantity: str) -> pd.DataFrame:
    """Return a quantity: a row per seed, a column per key with the experiment."""
    keys = [key for key in ablation if name in ablation[key].names]
    return pd.DataFrame({key: ablation[key].values(quantity, name) for key in keys})


def changes(ablation: Ablation) -> pd.DataFrame:
    """Return by how much each deviation changes each experiment, with 95 % intervals.

    Returns
    -------
    DataFrame
        Indexed by deviation, experiment and quantity. Columns added,
        added_low, added_high (paired change when it alone is added to
        our algorithm), kept, kept_low, kept_high (the published
        algorithm minus the same without it) and clear: both have one
        sign, intervals that exclude 0, and at least the size in
        :data:`WORTH_A_ROW`. Accuracies are in points.
    """
    rows = []
    for deviation, name, quantity in product(DEVIATIONS, ABLATED, WORTH_A_ROW):
        runs = _runs(ablation, name, quantity)
        plus, minus = f"+{deviation}", f"-{deviation}"
        if {plus, minus} <= {*runs}:
            added = interval((runs[plus] - runs["none"]).dropna())
            kept = interval((runs["all"] - runs[minus]).dropna())
            one_sign = min(added[1], kept[1]) > 0 or max(added[2], kept[2]) < 0
            smaller = min(abs(added[0]), abs(kept[0]))
            clear = one_sign and smaller >= WORTH_A_ROW[quantity]
            rows.append((deviation, name, quantity, *added, *kept, clear))
    names = [f"{way}{end}" for way in ("added", "kept") for end in ("", "_low", "_high")]
    index = ["deviation", "experiment", "quantity"]
    return pd.DataFrame(rows, columns=[*index, *names, "clear"]).set_index(index)


def changes_table(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return the clear ones of :func:`changes`; all of them are behind the table."""
    rows = {}
    units = {"test_accuracy": ("points", 1), "test_loss": ("loss × 1000", 1000)}
    shown = numbers[numbers.clear.groupby(level=[0, 1]).transform("any")]
    for (deviation, name, quantity), *values, _ in shown.itertuples():
        unit, factor = units[quantity]
        row = rows.setdefault(f"{deviation}: {title(name)}", {})
        added, kept = factor * np.reshape(values, (2, 3))
        row[f"{unit}, added to ours"] = in_words(*added, 1)
        row[f"{unit}, within theirs"] = in_words(*kept, 1)
    return table_of(rows, "deviation: experiment", numbers=numbers.reset_index())


def walk_figure(ablation: Ablation) -> ReportFigure:
    """Draw how the deviations, one by one, lead from our numbers to the paper's."""
    colours = {REST: PALE, UNEXPLAINED: COMPUTED, THE_PAPER: ORANGE}
    panels, walks = [], {label: walk(ablation, label) for label in WALKS}
    for label, steps in walks.items():
        digits, (figure, axis) = DIGITS[WALKS[label][0]], panel(3.9)
        draw_steps(axis, steps, partial(rounded, digits=digits), digits, colours)
        axis.set_xlabel(label)
        panels.append(figure)
    return report_figure(panels, pd.concat(walks.values()), data_name="KMNIST")


def walk(ablation: Ablation, label: str) -> pd.DataFrame:
    """Return the steps from our number to the paper's, for one of :data:`WALKS`.

    Each deviation's step is its paired change when it alone is added
    to our algorithm. What they add up to is not the published
    algorithm, as they interact and others are left out: that is a
    step, too. Intervals are those of means, at 95 %; that of what is
    not explained is that of one more run, as the paper's is one.

    Returns
    -------
    DataFrame
        Column quantity (the label), and those of :func:`stacked`.
    """
    quantity, weights = WALKS[label]
    paper = sum(weight * getattr(PAPER[name], quantity) for name, weight in weights.items())
    together = 0
    for name, weight in weights.items():
        runs = _runs(ablation, name, quantity)
        for deviation in {*STEPS} - applicable(EXPERIMENTS[name]):
            runs[f"+{deviation}"] = runs["none"]
        together = together + weight * runs
    ours, theirs = together["none"], together["all"]
    alone = together.reindex(columns=[f"+{step}" for step in STEPS])
    steps = dict(zip(STEPS, alone.sub(ours, axis=0).to_numpy().T, strict=True))
    steps[REST] = theirs - ours - sum(map(np.nan_to_num, steps.values()))
    table = stacked(OURS, ours, steps, CODE, theirs)
    mean, low, high = interval(theirs, one_more=True)
    table.loc[len(table)] = UNEXPLAINED, mean, paper - mean, paper - high, paper - low
    table.loc[len(table)] = THE_PAPER, np.nan, paper, np.nan, np.nan
    table.insert(0, "quantity", label)
    return table


def verdicts_figure(verdicts: pd.DataFrame) -> ReportFigure:
    """Draw each claim's verdicts: a mark per reading, sorted.

    Parameters
    ----------
    verdicts : DataFrame
        What :func:`kmnist_mlp.experiments.readings.verdicts` gives.
    """
    counts = pd.DataFrame({v: (verdicts == v).sum(axis=1) for v in VERDICT_STYLES})
    every, none = ((counts.reproduced == n).sum() for n in (verdicts.shape[1], 0))
    finding = FINDINGS["readings"].format(len(counts), every, none)
    order = counts.sort_values([*counts], ascending=False, kind="stable").index
    panels = []
    for start in range(0, len(order), 13):
        claims = order[start : start + 13]
        figure, axis, bottoms = panel_of_texts(claims, 0.42, 0.5)
        ranks = np.sort(verdicts.loc[claims].map([*counts].index), axis=1)
        for rank, (verdict, (marker, colour)) in enumerate(VERDICT_STYLES.items()):
            y, x = np.nonzero(ranks == rank)
            axis.plot(x + 1, bottoms[y] - 0.17, marker, color=colour, ms=5.5, label=verdict)
        axis.set_xticks([3, 6, 9, 12])
        axis.set(xlabel="number of readings", xlim=(0.4, 13))
        legend_above(axis)
        panels.append(figure)
    return report_figure(panels, verdicts.reset_index(), finding, data_name="KMNIST")


def seeds_figure(widths: pd.DataFrame) -> ReportFigure:
    """Draw half the width of both intervals by the number of seeds.

    Parameters
    ----------
    widths : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.widths` gives.
    """
    figure, axis = panel(3.6)
    n, style = widths.seeds, {"ms": 4.5}
    axis.plot(n, widths.next_run, "-s", color=ORANGE, label="one more run", **style)
    axis.plot(n, widths["mean"], "-o", color=BLUE, label="mean", **style)
    axis.set(yscale="log", xlabel="seeds", ylabel="± points of test accuracy (95 %)")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xticks([2, 3, 5, 10, 15, 20])
    legend_above(axis)
    mean = widths.set_index("seeds")["mean"]
    each = [f"± {mean[seeds]:.2f} points with {seeds} seeds" for seeds in (2, 5, 20)]
    finding = FINDINGS["seeds"].format(", ".join(each))
    return report_figure([figure], widths, finding, data_name="KMNIST")
