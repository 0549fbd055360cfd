"""How results depend on the reading of the paper, and on the number of seeds."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kmnist_mlp.experiments.readings import CHOICES, OURS, READINGS, place_of
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.scoreboard import VERDICT_STYLES
from kmnist_mlp.figures.style import finished, is_narrow, legend_above, panels, width
from kmnist_mlp.support.colours import BLUE, ORANGE, PALE, RULE


def number_readings(axis: Axes, count: int) -> None:
    """Mark the places 1, 2, ... of the readings below an axis."""
    places = range(1, count + 1)
    axis.set_xticks(places, places, fontsize=8 if is_narrow() else None)
    axis.set_xlabel("readings of the paper, the nearest first")


# ---- specification curve -------------------------------------------------------------------------


def specification_figure(curve: pd.DataFrame) -> Figure:
    """Draw the distance of each reading to the paper above the choices that it consists of.

    Source of this form: Simonsohn, Simmons and Nelson 2020, doi:10.1038/s41562-020-0912-z.

    Parameters
    ----------
    curve : DataFrame
        What :func:`kmnist_mlp.experiments.readings.specification_curve` gives.
    """
    data = ExhibitData.of(curve, specification_finding(curve))
    return finished(lambda: draw_specification(curve), "KMNIST", data)


def draw_specification(curve: pd.DataFrame) -> Figure:
    """Draw a column per reading: its distance, and a dot for each of its choices."""
    values = {choice: list(dict.fromkeys(vars(r)[choice] for r in READINGS)) for choice in CHOICES}
    labels = [(choice, value) for choice in CHOICES for value in values[choice]]
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(width(), 5.6), sharex=True, height_ratios=[1.1, 1]
    )
    place, places = place_of(OURS, curve), curve.index
    ours = places == place
    top.vlines(places, 0, curve.distance, color=RULE)
    top.plot(places[~ours], curve.distance[~ours], "o", color=BLUE)
    top.plot(place, curve.distance[place], "D", color=ORANGE, ms=7, label="this report")
    top.legend(loc="upper left")  # the nearest reading is the first: no point is there
    top.set_ylim(0, curve.distance.max() * 1.2)
    top.set_ylabel("distance to the paper")
    for row, (choice, value) in enumerate(labels):
        chosen = (curve[choice] == value).to_numpy()
        bottom.plot(places, [row] * len(places), "o", color=PALE, ms=6)
        bottom.plot(places[chosen & ~ours], [row] * (chosen & ~ours).sum(), "o", color=BLUE, ms=7)
        bottom.plot(places[chosen & ours], [row] * (chosen & ours).sum(), "D", color=ORANGE, ms=7)
    bottom.set_yticks(range(len(labels)), [_choice(*label) for label in labels])
    for choice in CHOICES[1:]:
        bottom.axhline([c for c, _ in labels].index(choice) - 0.5, color=RULE, lw=0.8)
    bottom.set_ylim(len(labels) - 0.5, -0.5)
    number_readings(bottom, len(curve))
    bottom.grid(visible=False)
    return figure


def specification_finding(curve: pd.DataFrame) -> str:
    """Return which reading comes nearest to the paper, and the place of ours, as sentences."""
    first, last = curve.iloc[0], curve.iloc[-1]
    place = place_of(OURS, curve)
    return (
        f"Of {len(curve)} readings, the nearest to the paper has {_in_words(first)}, at a distance "
        f"of {first.distance:.3f}; the farthest has {_in_words(last)}, at {last.distance:.3f}. "
        f"The reading of this report has rank {place}, at {curve.distance[place]:.3f}."
    )


def _in_words(row: pd.Series) -> str:
    first, second, third = (_choice(name, row[name]) for name in CHOICES)
    return f"{first}, {second} and {third}"


def _choice(name: str, value: str | float) -> str:
    return f"variance {value:g}" if name == "variance" else f"{value} {name}"


# ---- verdicts ------------------------------------------------------------------------------------


def verdicts_figure(verdicts: pd.DataFrame, curve: pd.DataFrame) -> Figure:
    """Draw the verdict on each claim in each reading, the nearest to the paper on the left.

    Parameters
    ----------
    verdicts : DataFrame
        What :func:`kmnist_mlp.experiments.readings.verdicts` gives.
    curve : DataFrame
        What :func:`kmnist_mlp.experiments.readings.specification_curve` gives.
    """
    ordered = verdicts[curve.number.tolist()]
    data = ExhibitData.of(ordered.reset_index(), verdicts_finding(ordered))
    return finished(lambda: draw_verdicts(ordered), "KMNIST", data)


def draw_verdicts(verdicts: pd.DataFrame) -> Figure:
    """Draw a row per claim and a column per reading."""
    lines = [
        textwrap.wrap(claim.replace(" %", "\u00a0%"), 32 if is_narrow() else 66)
        for claim in verdicts.index
    ]
    heights = np.array([0.2 + 0.85 * len(text) for text in lines])
    places = np.cumsum(heights) - heights / 2
    figure, (axis,) = panels(1, height=0.17 * heights.sum() + 1.0)
    for verdict, (marker, colour) in VERDICT_STYLES.items():
        rows, columns = np.nonzero((verdicts == verdict).to_numpy())
        axis.plot(columns + 1, places[rows], marker, color=colour, ms=5.5, lw=0, label=verdict)
    axis.set_yticks(places, ["\n".join(text) for text in lines], fontsize=7.5)
    axis.set_ylim(heights.sum(), 0)
    number_readings(axis, verdicts.shape[1])
    legend_above(figure, *axis.get_legend_handles_labels(), len(VERDICT_STYLES))
    return figure


def claims_by_reach(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return a row per claim: in how many readings it has each verdict, and how far it reaches.

    Returns
    -------
    DataFrame
        Columns "reproduced", "undecided", "not reproduced" and reach ("every reading", "some
        readings" or "no reading", of those in which it is reproduced).
    """
    counts = pd.DataFrame({v: (verdicts == v).sum(axis=1) for v in VERDICT_STYLES})
    some = np.where(counts.reproduced > 0, "some readings", "no reading")
    everywhere = counts.reproduced == verdicts.shape[1]
    return counts.assign(reach=np.where(everywhere, "every reading", some))


def verdicts_finding(verdicts: pd.DataFrame) -> str:
    """Return how many claims are reproduced in every reading, in some, in none."""
    table = claims_by_reach(verdicts)
    none = int((table["not reproduced"] == verdicts.shape[1]).sum())
    reach = table.reach.value_counts()
    return (
        f"Of {len(verdicts)} claims, {reach.get('every reading', 0)} are reproduced in every "
        f"reading, {reach.get('some readings', 0)} in some and {reach.get('no reading', 0)} in "
        f'none; {none} have the verdict "not reproduced" in every reading.'
    )


# ---- seeds ---------------------------------------------------------------------------------------


def seeds_figure(widths: pd.DataFrame) -> Figure:
    """Draw how wide the intervals are with more and more seeds.

    Parameters
    ----------
    widths : DataFrame
        What :func:`kmnist_mlp.experiments.seeds.widths` gives.
    """
    return finished(
        lambda: draw_seeds(widths), "KMNIST", ExhibitData.of(widths, seeds_finding(widths))
    )


def draw_seeds(widths: pd.DataFrame) -> Figure:
    """Draw half the width of both intervals by the number of seeds."""
    figure, (axis,) = panels(1, height=3.6)
    for column, label, marker, colour in (
        ("next_run", "one more run", "s", ORANGE),
        ("mean", "mean", "o", BLUE),
    ):
        axis.plot(widths.seeds, widths[column], f"-{marker}", color=colour, ms=4.5)
        axis.annotate(
            label, (widths.seeds.iloc[-1], widths[column].iloc[-1]), (8, 0), va="center",
            textcoords="offset points", color=colour,
        )  # fmt: skip
    axis.set_yscale("log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xticks([2, 3, 5, 10, 15, 20])
    axis.set_xlabel("seeds")
    axis.set_ylabel("± points of test accuracy (95 %)")
    axis.margins(x=0.12)
    return figure


def seeds_finding(widths: pd.DataFrame) -> str:
    """Return the widths with the fewest, with five and with the most seeds."""
    by = widths.set_index("seeds")["mean"]
    shown = [n for n in (by.index[0], 5, by.index[-1]) if n in by.index]
    parts = [f"± {by[n]:.2f} points with {n} seeds" for n in dict.fromkeys(shown)]
    return f"The 95 % interval of the mean test accuracy is {', '.join(parts)}."
