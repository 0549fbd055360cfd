"""Our results beside the paper's: numbers, claims, and the steps to the final model."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.experiments.claims import rounding_limits
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure, title
from kmnist_mlp.figures.style import legend_above, panel
from kmnist_mlp.support.colours import BAND, BLUE, GREEN, GREY, ORANGE, RED, RULE
from kmnist_mlp.support.statistics import interval, prediction_interval, signed

FAR = 6.0  # points from the median: such an accuracy is written at the edge, not drawn
LIMIT = 8.0  # half intervals: a claim farther from its range has a triangle at the edge
VERDICT_STYLES = {  # green and red, as in the tables of the pages; the marks tell them apart
    "reproduced": ("o", GREEN),
    "not reproduced": ("X", RED),
    "no effect": ("s", GREY),
    "undecided": ("D", GREY),
}

# ---- ours and the paper's ------------------------------------------------------------------------


def against_paper(results: Results, names: str | Iterable[str] | None = None) -> ReportFigure:
    """Draw the test accuracy of every experiment: seeds, their mean, and the paper's value.

    The paper's value stands a little below ours, as it would vanish beneath a mean that agrees.
    """
    names = results.chosen(names)
    rows = [
        (name, seed, value, PAPER[name].test_accuracy if name in PAPER else None)
        for name in names
        for seed, value in results.values("test_accuracy", name).items()
    ]
    columns = ["experiment", "seed", "test_accuracy_percent", "paper_test_accuracy_percent"]
    numbers = pd.DataFrame(rows, columns=columns).astype({columns[3]: float})
    experiments = numbers.groupby("experiment", sort=False)
    means = experiments.test_accuracy_percent.mean()
    papers = experiments.paper_test_accuracy_percent.first()
    middle = means.quantile(interpolation="lower")  # one of them, so that one at least is drawn
    figure, axis = panel(0.42 * len(names) + 1.3)
    _set_rows(axis, map(title, names))
    for row, name in enumerate(names):
        if abs(means[name] - middle) > FAR:
            left, text = means[name] < middle, f"{means[name]:.1f} %"
            axis.text(
                0.012 if left else 0.988, row, f"◂ {text}" if left else f"{text} ▸",
                transform=axis.get_yaxis_transform(), ha="left" if left else "right", va="center",
                color=BLUE,
            )  # fmt: skip
            continue
        _draw_seeds(axis, experiments.get_group(name).test_accuracy_percent, row)
        if np.isfinite(papers[name]):
            axis.plot(papers[name], row + 0.2, "s", color=ORANGE, ms=5.5, label="paper, one run")
    axis.margins(x=0.08)
    axis.set_xlabel("test accuracy, %")
    legend_above(axis)
    differences = (means - papers).dropna()
    finding = f"Test accuracy lies between {means.min():.1f} % and {means.max():.1f} %."
    if len(differences):
        far = differences.abs().idxmax()
        finding = (
            f"The largest of {len(differences)} differences to a published accuracy is "
            f"{signed(differences[far], 1)} points ({title(far)})."
        )
    return report_figure(
        [figure], numbers, finding, results=results, names=names, quantities=["test_accuracy"]
    )


def difference_to_paper(results: Results) -> ReportFigure:
    """Draw, for each number that the paper prints, how far the next run of ours may be from it."""
    numbers = difference_numbers(results)
    names = list(dict.fromkeys(numbers.experiment))
    units = {"test_accuracy": "points", "test_loss": "cross-entropy / 10"}
    panels, inside = [], []
    for quantity, unit in units.items():
        figure, axis = panel(0.42 * len(names) + 1.5)
        axis.axvline(0, color=ORANGE, lw=1.5, label="paper, one run")
        _set_rows(axis, map(title, names))
        experiments = numbers[numbers.quantity == quantity].groupby("experiment")
        within = []
        for row, name in enumerate(names):
            if name not in experiments.groups:
                axis.text(
                    0.5, row, "not printed", transform=axis.get_yaxis_transform(), ha="center",
                    va="center", color=GREY,
                )  # fmt: skip
                continue
            seeds = experiments.get_group(name)
            low, high, paper = seeds[["low", "high", "paper"]].iloc[0]
            least, most = rounding_limits(paper, quantity)
            within.append(low <= most and least <= high)
            thick = {"solid_capstyle": "butt", "alpha": 0.5}
            axis.plot([least - paper, most - paper], [row, row], color=ORANGE, lw=5, **thick)
            if np.isfinite(low):
                axis.plot(
                    [low - paper, high - paper], [row, row], color=BLUE, lw=2,
                    label="95 % prediction interval", **thick,
                )  # fmt: skip
            _draw_seeds(axis, seeds.ours - paper, row)
        axis.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))
        axis.set_xlabel(f"ours − paper, {unit}")
        axis.set_title(quantity.replace("_", " ").capitalize())
        legend_above(axis)
        panels.append(figure)
        noun = {"test_accuracy": "accuracies", "test_loss": "losses"}[quantity]
        inside.append(f"{sum(within)} of {len(within)} printed {noun}")
    finding = (
        f"Within their rounding, {' and '.join(inside)} lie in the 95 % prediction interval of our "
        "seeds."
    )
    return report_figure(panels, numbers, finding, results=results, names=names, quantities=units)


def difference_numbers(results: Results) -> pd.DataFrame:
    """Return a row per printed number and seed.

    Returns
    -------
    DataFrame
        Columns experiment, quantity ("test_accuracy" in per cent, or "test_loss"), seed, ours,
        paper, and low and high, the ends of the 95 % prediction interval.
    """
    rows = []
    for quantity in ("test_accuracy", "test_loss"):
        for name in results.names:
            paper = getattr(PAPER[name], quantity) if name in PAPER else None
            if paper is not None:
                values = results.values(quantity, name)
                _, low, high = prediction_interval(values)
                rows += [(name, quantity, s, v, paper, low, high) for s, v in values.items()]
    columns = ["experiment", "quantity", "seed", "ours", "paper", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _set_rows(axis: Axes, labels: Iterable[str]) -> None:
    """Give each row of a chart its label, the first one on top."""
    labels = [textwrap.fill(label, 24) for label in labels]
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")


def _draw_seeds(axis: Axes, values: pd.Series, row: int) -> None:
    axis.plot(values, [row] * len(values), "|", color=BLUE, ms=10, alpha=0.8, label="our seeds")
    axis.plot(values.mean(), row, "o", color=BLUE, ms=5.5, label="our mean", zorder=3)


# ---- contributions of single changes -------------------------------------------------------------


def contributions(results: Results, start: str, changes: Iterable[str], end: str) -> ReportFigure:
    """Draw what each change contributes to the difference between two experiments.

    Each of ``changes`` is measured alone, against ``start`` with the same seed. The changes are
    stacked as if they added up; what is then missing or left over to the measured ``end`` is drawn
    as the rest. Black: 95 % intervals.
    """
    changes = list(changes)
    numbers = contribution_numbers(results, start, changes, end)
    steps = list(numbers.groupby("step", sort=False))
    first = level = steps[0][1].test_accuracy_percent.mean()
    figure, axis = panel(0.52 * len(steps) + 0.8)
    _set_rows(axis, [step for step, _ in steps])
    for row, (_, values) in enumerate(steps):
        if row > 0:
            axis.plot([level, level], [row - 1, row], color=RULE, lw=1, zorder=1)
        if row in (0, len(steps) - 1):
            axis.plot(level, row, "D", color=GREEN, ms=8)
            axis.text(level, row - 0.38, f"{level:.1f} %", ha="center")
            continue
        mean, low, high = interval(values.points)
        colour = ORANGE if row == len(steps) - 2 else BLUE  # the last one is the rest
        axis.barh(row, mean, left=level, height=0.5, color=colour)
        if np.isfinite(low):
            axis.plot([level + low, level + high], [row, row], color="black", lw=1.2, zorder=4)
        right = level + max(mean, high if np.isfinite(high) else mean, 0)
        axis.text(right + 0.12, row, signed(mean, 2), va="center")
        level += mean
    axis.set_ylim(len(steps) - 0.5, -0.8)
    axis.use_sticky_edges = False  # a bar would end the axis, and cut the diamond in two
    axis.margins(x=0.2)
    axis.set_xlabel("test accuracy, %")
    finding = (
        f"From {title(start)} ({first:.1f} %) to {title(end)} ({level:.1f} %), test accuracy "
        f"changes by {signed(level - first, 1)} points; alone, the changes add up to "
        f"{signed(level - first - mean, 1)}."
    )
    return report_figure(
        [figure], numbers, finding,
        results=results, names=[start, *changes, end], quantities=["test_accuracy"],
    )  # fmt: skip


def contribution_numbers(
    results: Results, start: str, changes: Iterable[str], end: str
) -> pd.DataFrame:
    """Return a row per step and seed, from the start over changes and rest to the end.

    Returns
    -------
    DataFrame
        Columns step, seed, test_accuracy_percent (of start and end) and points (of changes and
        rest, the seed's difference in test accuracy).
    """
    first, last = results.values("test_accuracy", start), results.values("test_accuracy", end)
    gains = {f"+ {title(name)}": results.values("test_accuracy", name) - first for name in changes}
    gains[f"rest: overlap, and what only the {title(end)} has"] = last - first - sum(gains.values())
    steps = [pd.DataFrame({"step": title(start), "test_accuracy_percent": first})]
    steps += [pd.DataFrame({"step": step, "points": gain}) for step, gain in gains.items()]
    steps += [pd.DataFrame({"step": title(end), "test_accuracy_percent": last})]
    columns = ["step", "seed", "test_accuracy_percent", "points"]
    return pd.concat(steps).reset_index(names="seed")[columns]


# ---- scoreboard of claims ------------------------------------------------------------------------


def scoreboard_figure(judged: pd.DataFrame) -> ReportFigure:
    """Draw our interval for each claim beside the claimed range, a panel per section.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    numbers = scoreboard_numbers(judged)
    sections = numbers.section.str.partition(".")[0]
    panels = [
        _draw_claims(rows, f"Section {section}" if section[0].isdigit() else section.capitalize())
        for section, rows in numbers.groupby(sections, sort=False)
    ]
    text, code = (
        ", ".join(f"{n} {verdict or 'not run'}" for verdict, n in verdicts.value_counts().items())
        for verdicts in (numbers.verdict, numbers.verdict_code)
    )
    finding = (
        f"{len(numbers)} claims with an interval over seeds: {text}; as the published code ran "
        f"(KMNIST): {code}."
    )
    return report_figure(
        panels or [_draw_claims(numbers, "No claim has an interval")], numbers,
        finding if panels else "", data_name=judged.attrs.get("data_name", ""),
    )  # fmt: skip


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


def _draw_claims(numbers: pd.DataFrame, heading: str) -> Figure:
    """Draw claims, each as its text and below it the interval; vertical places are inches."""
    texts = [
        textwrap.fill(f"{row.number}  {row.claim}".replace(" %", "\u00a0%"), 54)
        for row in numbers.itertuples()
    ]
    lines = np.array([text.count("\n") + 1 for text in texts])
    heights = 0.17 * lines + 0.3
    tops = np.cumsum(heights) - heights
    figure, axis = panel(heights.sum() + 1.6)
    for verdict in VERDICT_STYLES:
        if verdict in {*numbers.verdict, *numbers.verdict_code}:
            marker, colour = VERDICT_STYLES[verdict]
            axis.plot([], [], marker, color=colour, ms=5.5, label=verdict)
    for row, text, top, place in zip(
        numbers.itertuples(), texts, tops, tops + heights - 0.18, strict=True
    ):
        axis.text(-LIMIT - 1, top, text, va="top", gid="claim")
        axis.broken_barh([(0, LIMIT + 1)], (place - 0.08, 0.16), color=BAND, zorder=0)
        axis.plot([0, 0], [place - 0.08, place + 0.08], color="black", lw=1)
        marker, colour = VERDICT_STYLES[row.verdict]
        middle = float(np.clip(row.inside, -LIMIT, LIMIT))
        if middle == row.inside:
            axis.plot([row.low, row.high], [place, place], color=colour, lw=1.6, gid="interval")
        else:
            marker = ">" if middle > 0 else "<"
        face = "white" if row.one_run else colour
        axis.plot(middle, place, marker, color=colour, ms=5.5, mfc=face, gid="claim")
        if row.verdict_code:
            marker, colour = VERDICT_STYLES[row.verdict_code]
            axis.plot(LIMIT + 2.5, place, marker, color=colour, ms=5.5, gid="code")
    axis.set_ylim(heights.sum(), -0.1)
    axis.set_xlim(-LIMIT - 1, LIMIT + 4)
    axis.set_xticks(np.linspace(-LIMIT, LIMIT, 5))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.grid(visible=False)
    axis.set_xlabel("outside   |   inside the claimed range\n(unit: half our 95 % interval)")
    axis.set_title(heading)
    axis.set_title("as coded", loc="right", weight="normal", fontsize=10)
    if len(numbers):
        legend_above(axis)
    return figure
