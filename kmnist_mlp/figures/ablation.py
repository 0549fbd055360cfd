"""What each deviation of the published code changes, and a walk from our numbers to the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.published_code import DEVIATIONS, applicable
from kmnist_mlp.experiments.published_runs import ABLATED, MINOR
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData, title
from kmnist_mlp.figures.style import finished, is_narrow, panels
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
    "sigmoid minus tanh,\npoints": ("test_accuracy", {"sigmoid": 1, "baseline": -1}),
    "mean of seven\nprinted losses": ("test_loss", dict.fromkeys(ABLATED, 1 / len(ABLATED))),
    "64 units,\naccuracy in %": ("test_accuracy", {"hidden_64": 1}),
    "tanh,\naccuracy in %": ("test_accuracy", {"baseline": 1}),
}
STEPS = [name for name in DEVIATIONS if name not in {*MINOR, "stored penalties"}]
OURS, REST, CODE, UNEXPLAINED, THE_PAPER = (
    "as described", "others, interplay", "as coded", "not explained", "the paper"
)  # fmt: skip


# ---- ours, theirs and the paper ------------------------------------------------------------------


def distance(results: Results, quantity: str) -> float:
    """Return the root mean square, over :data:`COMPARED`, of our mean minus the printed value."""
    differences = [
        results.values(quantity, name).mean() - getattr(PAPER[name], quantity) for name in COMPARED
    ]
    return float(np.sqrt(np.mean(np.square(differences))))


def agreement(ablation: Ablation) -> pd.DataFrame:
    """Return the printed results beside those of both algorithms, the compared ones first."""
    known = [name for name in PAPER if all(name in ablation[key].names for key in ("none", "all"))]
    printed = [name for name in known if PAPER[name].test_accuracy]
    rows = {}
    for name in sorted(printed, key=lambda name: name not in COMPARED):
        row = rows[title(name)] = {}
        for quantity, unit in (("test_accuracy", "%"), ("test_loss", "loss")):
            paper, digits = getattr(PAPER[name], quantity), DIGITS[quantity]
            row[f"{THE_PAPER}, {unit}"] = f"{paper:.{digits}f}" if paper else MISSING
            for label, key in ((OURS, "none"), (CODE, "all")):
                row[f"{label}, {unit}"] = plus_minus(ablation[key].values(quantity, name), digits)
    return pd.DataFrame.from_dict(rows, orient="index")


# ---- what each deviation changes -----------------------------------------------------------------


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
    for (deviation, name), own in numbers.groupby(level=[0, 1], sort=False):
        if own.clear.any():
            row = rows[f"{deviation}: {title(name)}"] = {}
            for quantity, unit, scale in (
                ("test_accuracy", "points", 1), ("test_loss", "loss × 1000", 1000)
            ):  # fmt: skip
                values = scale * own.loc[(deviation, name, quantity)].iloc[:6].astype(float)
                added, kept = np.split(values, 2)
                row[f"{unit}, added to ours"] = in_words(*added, 1)
                row[f"{unit}, within theirs"] = in_words(*kept, 1)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs["exhibit_data"] = ExhibitData.of(numbers.reset_index())
    return table


def in_words(mean: float, low: float, high: float, digits: int) -> str:
    """Return a change with its interval, such as "−3.01 (−3.25 to −2.77)"."""
    return f"{signed(mean, digits)} ({signed(low, digits)} to {signed(high, digits)})"


# ---- from our number to the paper's --------------------------------------------------------------


def walk_figure(ablation: Ablation) -> Figure:
    """Draw how the deviations, one by one, lead from our numbers to the paper's."""
    numbers = pd.concat([walk(ablation, label) for label in WALKS], ignore_index=True)
    data = ExhibitData.of(numbers, walk_finding(numbers))
    return finished(lambda: draw_walk(numbers), "KMNIST", data)


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

    def values(*deviations: str) -> pd.Series:
        owns = [ablation[key] for key in deviations if key in ablation]
        first = {n: next(own for own in owns if n in own.names) for n in weights}
        return sum(weight * first[n].values(quantity, n) for n, weight in weights.items())

    ours, theirs = values("none"), values("all")
    paper = sum(weight * getattr(PAPER[n], quantity) for n, weight in weights.items())
    steps = {}
    for name in STEPS:
        needed = {n for n in weights if name in applicable(EXPERIMENTS[n])}
        known = f"+{name}" in ablation and needed <= {*ablation[f"+{name}"].names}
        steps[name] = values(f"+{name}", "none") - ours if known else ours * np.nan
    steps[REST] = theirs - ours - sum(step.fillna(0) for step in steps.values())
    rows, at = [(OURS, np.nan, *interval(ours))], ours.mean()
    for name, step in steps.items():
        rows.append((name, at, *interval(step)))
        at += 0 if step.isna().any() else step.mean()
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
    """Draw a panel per quantity: levels as marks, steps as bars, each with its interval."""
    colours = {OURS: BLUE, CODE: BLUE, THE_PAPER: ORANGE, REST: PALE, UNEXPLAINED: COMPUTED}
    figure, axes = panels(numbers.quantity.nunique(), height=3.9)
    for axis, (label, own) in zip(axes, numbers.groupby("quantity", sort=False), strict=True):
        digits = DIGITS[WALKS[label][0]]
        for place, row in enumerate(own.itertuples()):
            colour, start = colours.get(row.step, SKY), np.nan_to_num(row.start)
            if np.isnan(row.start):
                axis.axvline(row.value, color=colour, lw=0.8, ls=":", zorder=0)
                axis.plot(row.value, place, "s" if row.step == THE_PAPER else "o", color=colour)
                text = rounded(row.value, digits)
            else:
                axis.barh(place, row.value, 0.62, start, color=colour)
                text = "" if np.isnan(row.value) else signed(row.value, digits)
            axis.hlines(place, start + row.low, start + row.high, color="black", lw=1.2)
            axis.text(
                1.02, place, text, transform=axis.get_yaxis_transform(), va="center", fontsize=8
            )
        shown = own.step if is_narrow() or axis is axes[0] else [""] * len(own)
        axis.set_yticks(range(len(own)), shown, fontsize=8.5)
        axis.set_ylim(len(own) - 0.5, -0.5)
        axis.grid(visible=False)
        axis.locator_params(axis="x", nbins=3)
        axis.set_xlabel(label)
    return figure


def walk_finding(numbers: pd.DataFrame) -> str:
    """Return where each walk begins and ends, its two largest steps and what is left."""
    sentences = []
    for label, own in numbers.groupby("quantity", sort=False):
        digits, own = DIGITS[WALKS[label][0]], own.set_index("step")
        ours, code, paper = (rounded(own.value[n], digits) for n in (OURS, CODE, THE_PAPER))
        known = own.loc[own.value[STEPS].dropna().abs().nlargest(2).index]
        ends = ["value", "low", "high"]
        large = [f"{step} {in_words(*row, digits)}" for step, row in known[ends].iterrows()]
        rest = own.loc[UNEXPLAINED, ends]
        within = "within" if rest.low <= 0 <= rest.high else "beyond"
        sentences.append(
            f"{label}: {ours} {OURS}, {code} {CODE}, {paper} in {THE_PAPER}; largest changes "
            f"{', '.join(large)}; {UNEXPLAINED} {in_words(*rest, digits)}, {within} the scatter of "
            "one run."
        )
    return " ".join(sentences).replace("\n", " ")
