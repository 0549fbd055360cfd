"""Experiments compared by test accuracy: with the paper's, and step by step to the final model."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData, title
from kmnist_mlp.figures.style import finished, panels
from kmnist_mlp.support.colours import BLUE, GREEN, ORANGE
from kmnist_mlp.support.statistics import interval, signed

LINE = "#BBBBBB"  # connects two points of one experiment

# ---- ours and the paper's ------------------------------------------------------------------------


def against_paper(results: Results, names: Iterable[str] | None = None) -> Figure:
    """Draw the test accuracy of every experiment: seeds, their mean, and the paper's value."""
    names = list(names or results.names)
    numbers = paper_numbers(results, names)
    data = ExhibitData.of(numbers, paper_finding(numbers), results, names, ["test_accuracy"])
    return finished(draw_against_paper(numbers), results.data_name, data)


def paper_numbers(results: Results, names: Iterable[str]) -> pd.DataFrame:
    """Return a row per experiment and seed: its test accuracy, and the paper's or NaN."""
    rows = []
    for name in names:
        paper = PAPER[name].test_accuracy if name in PAPER else None
        values = results.values("test_accuracy", name)
        rows += [(name, seed, value, paper) for seed, value in values.items()]
    columns = ["experiment", "seed", "test_accuracy_percent", "paper_test_accuracy_percent"]
    return pd.DataFrame(rows, columns=columns).astype({columns[3]: float})


def draw_against_paper(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`paper_numbers` gives, a row per experiment."""
    experiments = numbers.groupby("experiment", sort=False)
    figure, (axis,) = panels(1, height=0.36 * len(experiments) + 1.1)
    for row, (_, own) in enumerate(experiments):
        values, paper = own.test_accuracy_percent, own.paper_test_accuracy_percent.iloc[0]
        if np.isfinite(paper):
            axis.plot([values.mean(), paper], [row, row], color=LINE, lw=1.5, zorder=1)
            axis.plot(paper, row, "s", color=ORANGE, ms=6, label="paper", zorder=2)
        axis.plot(values, [row] * len(values), "|", color=BLUE, ms=11, alpha=0.7, label="our seeds")
        axis.plot(values.mean(), row, "o", color=BLUE, ms=6, label="our mean", zorder=3)
    axis.set_yticks(range(len(experiments)), [title(name) for name, _ in experiments])
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("test accuracy, %")
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper left", ncols=3)
    return figure


def paper_finding(numbers: pd.DataFrame) -> str:
    """Return the range of our means, and how far they are from the paper's, as sentences."""
    means = numbers.groupby("experiment", sort=False).mean()
    ours = means.test_accuracy_percent
    finding = (
        f"Test accuracy lies between {ours.min():.1f} % ({title(ours.idxmin())}) and "
        f"{ours.max():.1f} % ({title(ours.idxmax())})."
    )
    differences = (ours - means.paper_test_accuracy_percent).dropna()
    if len(differences):
        near, far = (differences.abs() <= 1).sum(), differences.abs().idxmax()
        finding += (
            f" In {near} of {len(differences)} experiments with a published value our mean is "
            f"within 1 point of it; the largest difference is {signed(differences[far], 1)} points "
            f"({title(far)})."
        )
    return finding


# ---- contributions of single changes -------------------------------------------------------------


def contributions(results: Results, start: str, changes: Iterable[str], end: str) -> Figure:
    """Draw what each change contributes to the difference between two experiments.

    Each of ``changes`` is measured alone, against ``start`` with the same seed. The changes are
    stacked as if they added up; what is then missing or left over to the measured ``end`` is drawn
    as the rest.
    """
    changes = list(changes)
    numbers = contribution_numbers(results, start, changes, end)
    names = [start, *changes, end]
    data = ExhibitData.of(numbers, contribution_finding(numbers), results, names, ["test_accuracy"])
    return finished(draw_contributions(numbers), results.data_name, data)


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


def draw_contributions(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`contribution_numbers` gives, a row per step, with 95 % intervals."""
    steps = list(numbers.groupby("step", sort=False))
    figure, (axis,) = panels(1, height=0.5 * len(steps) + 0.8)
    level = steps[0][1].test_accuracy_percent.mean()
    for row, (_, own) in enumerate(steps):
        if row > 0:
            axis.plot([level, level], [row - 1, row], color=LINE, lw=1, zorder=1)
        if row in (0, len(steps) - 1):
            axis.plot(level, row, "D", color=GREEN, ms=8)
            axis.text(level, row - 0.38, f"{level:.1f} %", ha="center", fontsize=9)
            continue
        mean, low, high = interval(own.points)
        colour = ORANGE if row == len(steps) - 2 else BLUE  # the last one is the rest
        axis.barh(row, mean, left=level, height=0.5, color=colour)
        if np.isfinite(low):
            axis.plot([level + low, level + high], [row, row], color="black", lw=1.2, zorder=4)
        right = level + max(mean, high if np.isfinite(high) else mean, 0)
        axis.text(right + 0.12, row, signed(mean, 2), va="center", fontsize=9)
        level += mean
    axis.set_yticks(range(len(steps)), [textwrap.fill(step, 26) for step, _ in steps])
    axis.set_ylim(len(steps) - 0.5, -0.8)
    axis.use_sticky_edges = False  # a bar would end the axis, and cut the diamond in two
    axis.margins(x=0.08)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("test accuracy, %")
    return figure


def contribution_finding(numbers: pd.DataFrame) -> str:
    """Return the whole difference and the part of each change as sentences."""
    means = numbers.groupby("step", sort=False)[["test_accuracy_percent", "points"]].mean()
    levels, points = (means[column].dropna() for column in means)
    changes = [f"{name.removeprefix('+ ')} {signed(gain, 1)}" for name, gain in points[:-1].items()]
    return (
        f"From {levels.index[0]} ({levels.iloc[0]:.1f} %) to {levels.index[-1]} "
        f"({levels.iloc[-1]:.1f} %): {signed(levels.iloc[-1] - levels.iloc[0], 1)} points. Each "
        f"change alone: {'; '.join(changes)}; the rest: {signed(points.iloc[-1], 1)}."
    )
