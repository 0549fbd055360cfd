"""All claims in one figure, whatever their units: our interval beside the claimed range."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import finished, is_narrow, legend_above, panels
from kmnist_mlp.support.colours import BAND, GREEN, GREY, RED, RULE

VERDICT_STYLES = {  # green and red, as in the tables of the pages; the marks tell them apart
    "reproduced": ("o", GREEN),
    "not reproduced": ("X", RED),
    "no effect": ("s", GREY),
    "undecided": ("D", GREY),
}


def scoreboard_figure(judged: pd.DataFrame) -> Figure:
    """Draw our interval for each claim beside the claimed range, grouped by section.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    numbers = scoreboard_numbers(judged)
    text, code = (
        ", ".join(f"{n} {verdict or 'not run'}" for verdict, n in verdicts.value_counts().items())
        for verdicts in (numbers.verdict, numbers.verdict_code)
    )
    finding = f"{len(numbers)} claims with an interval over seeds: {text}. "
    finding += f"As the published code ran (measured on KMNIST): {code}."
    data = ExhibitData.of(numbers, finding)
    return finished(lambda: draw_scoreboard(numbers), judged.attrs.get("data_name", ""), data)


def scoreboard_numbers(judged: pd.DataFrame) -> pd.DataFrame:
    """Return a row per claim, in units of half our 95 % interval.

    Claims have different units, but all can be compared in this one: how far our mean lies inside
    the nearest end of the claimed range (negative: outside), over half the width of our interval.
    Claims without such an interval (one seed, the bound of the gradient check) are left out, and
    claims whose quantity cannot decide them.

    Returns
    -------
    DataFrame
        Columns number (in the table of claims), section, claim, one_run, verdict, verdict_code,
        inside, and low and high, the ends of the interval: 1 from inside, or 0 if all seeds agree.
    """
    half, inside = (judged.interval_high - judged.interval_low) / 2, judged.inside
    kept = np.isfinite(half) & (judged.p.notna() | (half == 0))
    kept &= judged.quantity != "gradient_difference"
    with np.errstate(divide="ignore", invalid="ignore"):  # seeds that agree in every digit
        inside = (inside / half).where(inside != 0, 0.0)
    columns = ["number", "section", "claim", "one_run", "verdict", "verdict_code"]
    numbers = judged[columns].assign(
        inside=inside, low=inside - (half > 0), high=inside + (half > 0)
    )
    return numbers[kept].reset_index(drop=True)


def draw_scoreboard(numbers: pd.DataFrame, limit: float = 8.0) -> Figure:
    """Draw what :func:`scoreboard_numbers` gives, a row per claim; farther ones at the edge."""
    wide = 34 if is_narrow() else 62  # characters
    lines = [textwrap.wrap(f"{n}  {claim}".replace(" %", "\u00a0%"), wide) for n, claim in zip(
        numbers.number, numbers.claim, strict=True)]  # fmt: skip
    breaks = numbers.section.ne(numbers.section.shift())
    heights = np.array([0.15 + 0.85 * len(text) for text in lines])
    places = np.cumsum(heights + 0.5 * breaks.to_numpy()) - heights / 2
    figure, (axis,) = panels(1, height=max(0.17 * places.max(initial=1) + 1.2, 2.6))
    axis.axvspan(0, limit + 1, color=BAND, zorder=0)
    axis.axvline(0, color="black", lw=1)
    for place, row in zip(places, numbers.itertuples(), strict=True):
        marker, colour = VERDICT_STYLES[row.verdict]
        middle = float(np.clip(row.inside, -limit, limit))
        if middle == row.inside:
            axis.plot([row.low, row.high], [place, place], color=colour, lw=1.6)
        else:
            marker = ">" if middle > 0 else "<"
        axis.plot(
            middle, place, marker, color=colour, ms=5.5, label=row.verdict,
            mfc="white" if row.one_run else colour,
        )  # fmt: skip
        if row.verdict_code:
            marker, colour = VERDICT_STYLES[row.verdict_code]
            axis.plot(limit + 2, place, marker, color=colour, ms=5.5, gid="code")
    axis.set_yticks(places, ["\n".join(text) for text in lines], fontsize=7.5)
    for place, height, row, new in zip(places, heights, numbers.itertuples(), breaks, strict=True):
        if new:
            axis.text(
                1.005, place, row.section, transform=axis.get_yaxis_transform(), va="center",
                fontsize=8.5, weight="bold",
            )  # fmt: skip
            axis.axhline(place - height / 2 - 0.25, color=RULE, lw=0.7)
    axis.set_ylim(places.max(initial=1) + 1, 0)
    axis.axvline(limit + 1, color=RULE, lw=0.7)
    axis.set_xlim(-limit - 1, limit + 3)
    axis.set_xticks(np.linspace(-limit, limit, 5))
    axis.text(limit + 2, 0, "as coded", ha="center", va="bottom", fontsize=8)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("outside the claimed range   |   inside   (unit: half our 95 % interval)")
    handles = [
        Line2D([], [], marker=marker, color=colour, ms=5.5, lw=1.6, label=verdict)
        for verdict, (marker, colour) in VERDICT_STYLES.items()
    ]
    handles.append(
        Line2D(
            [], [], marker="o", color="black", mfc="white", ms=5.5, lw=0, label="a printed number"
        )
    )
    legend_above(figure, handles, [handle.get_label() for handle in handles], 2)
    return figure
