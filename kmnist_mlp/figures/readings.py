"""How results depend on the reading of the paper, and on the number of seeds."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.scoreboard import VERDICT_STYLES
from kmnist_mlp.figures.style import finished, is_narrow, legend_above, panels
from kmnist_mlp.support.colours import BLUE, ORANGE

# ---- verdicts ------------------------------------------------------------------------------------


def verdicts_figure(verdicts: pd.DataFrame) -> Figure:
    """Draw in how many readings each claim has which verdict.

    Parameters
    ----------
    verdicts : DataFrame
        What :func:`kmnist_mlp.experiments.readings.verdicts` gives.
    """
    counts = claims_by_reach(verdicts)
    data = ExhibitData.of(verdicts.reset_index(), verdicts_finding(counts))
    return finished(lambda: draw_verdicts(counts), "KMNIST", data)


def draw_verdicts(counts: pd.DataFrame) -> Figure:
    """Draw a row per claim, and in it a mark per reading, sorted by verdict."""
    counts = counts.sort_values([*VERDICT_STYLES], ascending=False, kind="stable")
    lines = [
        textwrap.wrap(claim.replace(" %", "\u00a0%"), 32 if is_narrow() else 66)
        for claim in counts.index
    ]
    heights = np.array([0.2 + 0.85 * len(text) for text in lines])
    places = np.cumsum(heights) - heights / 2
    figure, (axis,) = panels(1, height=0.17 * heights.sum() + 1.0)
    before = np.zeros(len(counts), int)
    for verdict, (marker, colour) in VERDICT_STYLES.items():
        marks = [
            (n, place)
            for place, first, count in zip(places, before, counts[verdict], strict=True)
            for n in range(first + 1, first + count + 1)
        ]
        axis.plot(*np.reshape(marks, (-1, 2)).T, marker, color=colour, ms=5.5, label=verdict)
        before += counts[verdict]
    axis.set_yticks(places, ["\n".join(text) for text in lines], fontsize=7.5)
    axis.set_ylim(heights.sum(), 0)
    axis.set_xticks([3, 6, 9, 12])
    axis.set_xlabel("number of readings")
    legend_above(figure, *axis.get_legend_handles_labels(), len(VERDICT_STYLES))
    return figure


def claims_by_reach(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return a row per claim: in how many readings it has each verdict, and how far it reaches.

    Returns
    -------
    DataFrame
        A column per verdict, and reach ("every reading", "some readings" or "no reading", of those
        in which it is reproduced).
    """
    counts = pd.DataFrame({v: (verdicts == v).sum(axis=1) for v in VERDICT_STYLES})
    some = np.where(counts.reproduced > 0, "some readings", "no reading")
    everywhere = counts.reproduced == verdicts.shape[1]
    return counts.assign(reach=np.where(everywhere, "every reading", some))


def verdicts_finding(counts: pd.DataFrame) -> str:
    """Return how many claims are reproduced in every reading, in some, in none."""
    reach = counts.reach.value_counts()
    return (
        f"Of {len(counts)} claims, {reach.get('every reading', 0)} are reproduced in every "
        f"reading, {reach.get('some readings', 0)} in some and {reach.get('no reading', 0)} in "
        "none."
    )


# ---- seeds ---------------------------------------------------------------------------------------


def seeds_figure(widths: pd.DataFrame) -> Figure:
    """Draw how wide the intervals are with more and more seeds.

    Parameters
    ----------
    widths : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.widths` gives.
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
