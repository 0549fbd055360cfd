"""How results depend on the deviations of the published code, on readings and number of seeds."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.published_code import DEVIATIONS, applicable
from kmnist_mlp.experiments.readings import ABLATED, MINOR
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.comparison import VERDICT_STYLES
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure, title
from kmnist_mlp.figures.style import legend_above, panel
from kmnist_mlp.figures.tables import in_words, table_of
from kmnist_mlp.support.colours import BLUE, COMPUTED, ORANGE, PALE, SKY
from kmnist_mlp.support.statistics import (
    MISSING,
    interval,
    plus_minus,
    prediction_interval,
    rounded,
    signed,
)

Ablation = Mapping[str, Results]  # by "none", "all", "+name" and "-name"

# The notebook of the published code prints the digits of five of these, all but the first and last.
COMPARED = ("baseline", "sigmoid", "relu", "hidden_256", "hidden_64", "two_hidden_layers", "l2_0.2")
DIGITS = {"test_accuracy": 2, "test_loss": 4}
WORTH_A_ROW = {"test_accuracy": 0.5, "test_loss": 0.002}  # our choice
# The quantity of each panel, and the experiments that it sums, by their weights
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


# ---- the published code --------------------------------------------------------------------------


def distance(results: Results, quantity: str) -> float:
    """Return the root mean square, over :data:`COMPARED`, of our mean minus the printed value."""
    differences = [
        results.values(quantity, name).mean() - getattr(PAPER[name], quantity) for name in COMPARED
    ]
    return float(np.sqrt(np.mean(np.square(differences))))


def agreement(ablation: Ablation) -> pd.DataFrame:
    """Return the printed results beside those of both algorithms, the compared ones first."""
    measured = {*ablation["none"].names} & {*ablation["all"].names}
    known = [name for name in PAPER if name in measured and PAPER[name].test_accuracy]
    rows = {}
    for name in sorted(known, key=lambda name: name not in COMPARED):
        row = rows[title(name)] = {}
        for quantity, unit in (("test_accuracy", "%"), ("test_loss", "loss")):
            paper, digits = getattr(PAPER[name], quantity), DIGITS[quantity]
            row[f"{THE_PAPER}, {unit}"] = f"{paper:.{digits}f}" if paper else MISSING
            for label, key in ((OURS, "none"), (CODE, "all")):
                row[f"{label}, {unit}"] = plus_minus(ablation[key].values(quantity, name), digits)
    return table_of(rows, "experiment")


def changes(ablation: Ablation) -> pd.DataFrame:
    """Return by how much each deviation changes each experiment, with 95 % intervals.

    Returns
    -------
    DataFrame
        Indexed by deviation, experiment and quantity. Columns added, added_low, added_high (paired
        change when it alone is added to our algorithm), kept, kept_low, kept_high (the published
        algorithm minus the same without it) and clear: both have one sign, intervals that exclude
        0, and at least the size in :data:`WORTH_A_ROW`. Accuracies are in points.
    """
    rows = []
    for deviation, name in product(DEVIATIONS, ABLATED):
        keys = (f"+{deviation}", "none", "all", f"-{deviation}")
        if not all(key in ablation and name in ablation[key].names for key in keys):
            continue
        for quantity, least in WORTH_A_ROW.items():
            plus, none, every, minus = (ablation[key].values(quantity, name) for key in keys)
            added, kept = (interval(change.dropna()) for change in (plus - none, every - minus))
            one_sign = min(added[1], kept[1]) > 0 or max(added[2], kept[2]) < 0
            clear = one_sign and min(abs(added[0]), abs(kept[0])) >= least
            rows.append((deviation, name, quantity, *added, *kept, clear))
    names = [f"{way}{end}" for way in ("added", "kept") for end in ("", "_low", "_high")]
    index = ["deviation", "experiment", "quantity"]
    return pd.DataFrame(rows, columns=[*index, *names, "clear"]).set_index(index)


def changes_table(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return the clear ones of :func:`changes`, as a table; all of them are behind it."""
    rows = {}
    for (deviation, name), group in numbers.groupby(level=[0, 1], sort=False):
        if group.clear.any():
            row = rows[f"{deviation}: {title(name)}"] = {}
            for quantity, unit, factor in (
                ("test_accuracy", "points", 1), ("test_loss", "loss × 1000", 1000)
            ):  # fmt: skip
                values = factor * group.loc[(deviation, name, quantity)].iloc[:6].astype(float)
                row[f"{unit}, added to ours"] = in_words(*values[:3], 1)
                row[f"{unit}, within theirs"] = in_words(*values[3:], 1)
    return table_of(rows, "deviation: experiment", numbers=numbers.reset_index())


def walk_figure(ablation: Ablation) -> ReportFigure:
    """Draw how the deviations, one by one, lead from our numbers to the paper's."""
    walks = [walk(ablation, label) for label in WALKS]
    ours, code, paper = (
        signed(walks[0].set_index("step").value[step], 2) for step in (OURS, CODE, THE_PAPER)
    )
    finding = f"Sigmoid minus tanh: {ours} {OURS}, {code} {CODE}, {paper} in {THE_PAPER}."
    numbers = pd.concat(walks, ignore_index=True)
    return report_figure([*map(draw_walk, walks)], numbers, finding, data_name="KMNIST")


def walk(ablation: Ablation, label: str) -> pd.DataFrame:
    """Return the steps from our number to the paper's, for one of :data:`WALKS`.

    Each deviation's step is its paired change when it alone is added to our algorithm. What they
    add up to is not the published algorithm, as they interact and others are left out: that is a
    step, too. Intervals are those of means, at 95 %; that of what is not explained is that of one
    more run, as the paper's is one.

    Returns
    -------
    DataFrame
        Columns quantity (the label), step, start (where a step begins; NaN for a level), value (of
        a level, or the change), low and high. A step that was not measured is NaN.
    """
    quantity, weights = WALKS[label]

    def values(*keys: str) -> pd.Series:
        """Return the sum, of each experiment from the first of these that has it."""
        of = {n: next(ablation[key] for key in keys if n in ablation[key].names) for n in weights}
        return sum(weight * of[name].values(quantity, name) for name, weight in weights.items())

    ours, theirs = values("none"), values("all")
    paper = sum(weight * getattr(PAPER[name], quantity) for name, weight in weights.items())
    steps = {}
    for deviation in STEPS:
        key = f"+{deviation}"
        needed = {name for name in weights if deviation in applicable(EXPERIMENTS[name])}
        measured = key in ablation and needed <= {*ablation[key].names}
        steps[deviation] = values(key, "none") - ours if measured else ours * np.nan
    steps[REST] = theirs - ours - sum(step.fillna(0) for step in steps.values())
    rows, at = [(OURS, np.nan, *interval(ours))], ours.mean()
    for step, change in steps.items():
        rows.append((step, at, *interval(change)))
        at += np.nan_to_num(rows[-1][2])
    mean, low, high = prediction_interval(theirs)
    rows += [
        (CODE, np.nan, *interval(theirs)),
        (UNEXPLAINED, mean, paper - mean, paper - high, paper - low),
        (THE_PAPER, np.nan, paper, np.nan, np.nan),
    ]
    numbers = pd.DataFrame(rows, columns=["step", "start", "value", "low", "high"])
    numbers.insert(0, "quantity", label)
    return numbers


def draw_walk(numbers: pd.DataFrame) -> Figure:
    """Draw a walk: levels as marks, steps as bars, each with its interval and value."""
    label = numbers.quantity.iloc[0]
    digits = DIGITS[WALKS[label][0]]
    colours = {OURS: BLUE, CODE: BLUE, THE_PAPER: ORANGE, REST: PALE, UNEXPLAINED: COMPUTED}
    figure, axis = panel(3.9)
    for place, row in enumerate(numbers.fillna({"start": 0}).itertuples()):
        colour = colours.get(row.step, SKY)
        if row.step in (OURS, CODE, THE_PAPER):
            axis.axvline(row.value, color=colour, lw=0.8, ls=":", zorder=0)
            axis.plot(row.value, place, "s" if row.step == THE_PAPER else "o", color=colour)
            text = rounded(row.value, digits)
        else:
            axis.barh(place, row.value, 0.62, row.start, color=colour)
            text = "" if np.isnan(row.value) else signed(row.value, digits)
        axis.hlines(place, row.start + row.low, row.start + row.high, color="black", lw=1.2)
        axis.text(1.02, place, text, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
    axis.set_yticks(range(len(numbers)), numbers.step, fontsize=8.5)
    axis.set_ylim(len(numbers) - 0.5, -0.5)
    axis.grid(visible=False)
    axis.locator_params(axis="x", nbins=4)
    axis.set_xlabel(label)
    return figure


# ---- readings of the paper -----------------------------------------------------------------------


def verdicts_figure(verdicts: pd.DataFrame) -> ReportFigure:
    """Draw in how many readings each claim has which verdict.

    Parameters
    ----------
    verdicts : DataFrame
        What :func:`kmnist_mlp.experiments.readings.verdicts` gives.
    """
    counts = claims_by_reach(verdicts)
    every, some, none = (counts.reach.value_counts().get(reach, 0) for reach in REACHES)
    finding = (
        f"Of {len(counts)} claims, {every} are reproduced in every reading, {some} in some and "
        f"{none} in none."
    )
    order = counts.sort_values([*VERDICT_STYLES], ascending=False, kind="stable").index
    panels = [draw_verdicts(verdicts.loc[claims]) for claims in np.array_split(order, 2)]
    return report_figure(panels, verdicts.reset_index(), finding, data_name="KMNIST")


REACHES = ("every reading", "some readings", "no reading")


def claims_by_reach(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return a row per claim: in how many readings it has each verdict, and how far it reaches.

    Returns
    -------
    DataFrame
        A column per verdict, and reach, one of :data:`REACHES`: in those it is reproduced.
    """
    counts = pd.DataFrame({v: (verdicts == v).sum(axis=1) for v in VERDICT_STYLES})
    found = counts.reproduced
    reach = np.select([found == verdicts.shape[1], found > 0], REACHES[:2], REACHES[2])
    return counts.assign(reach=reach)


def draw_verdicts(verdicts: pd.DataFrame) -> Figure:
    """Draw a row per claim, and in it a mark per reading, sorted by verdict."""
    names = [textwrap.fill(claim.replace(" %", "\u00a0%"), 44) for claim in verdicts.index]
    figure, axis = panel(0.28 * len(names) + 1.0)
    ordered = np.sort(verdicts.map([*VERDICT_STYLES].index).to_numpy(), axis=1)
    for rank, (verdict, (marker, colour)) in enumerate(VERDICT_STYLES.items()):
        rows, columns = np.nonzero(ordered == rank)
        axis.plot(columns + 1, rows, marker, color=colour, ms=4.5, label=verdict)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xticks([3, 6, 9, 12])
    axis.set_xlabel("number of readings")
    legend_above(axis)
    return figure


# ---- seeds ---------------------------------------------------------------------------------------


def seeds_figure(widths: pd.DataFrame) -> ReportFigure:
    """Draw half the width of both intervals by the number of seeds.

    Parameters
    ----------
    widths : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.widths` gives.
    """
    figure, axis = panel(3.6)
    for column, label, style, colour in (
        ("next_run", "one more run", "-s", ORANGE), ("mean", "mean", "-o", BLUE)
    ):  # fmt: skip
        axis.plot(widths.seeds, widths[column], style, color=colour, ms=4.5, label=label)
    axis.set_yscale("log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xticks([2, 3, 5, 10, 15, 20])
    axis.set(xlabel="seeds", ylabel="± points of test accuracy (95 %)")
    legend_above(axis)
    mean = widths.set_index("seeds")["mean"]
    shown = [n for n in (2, 5, 20) if n in mean.index]
    each = [f"± {mean[n]:.2f} points with {n} seeds" for n in shown]
    finding = f"The 95 % interval of the mean test accuracy is {', '.join(each)}."
    return report_figure([figure], widths, finding, data_name="KMNIST")
