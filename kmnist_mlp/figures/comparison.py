"""Our results beside the paper's numbers, and step by step to the final model."""

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
from kmnist_mlp.figures.exhibit import ExhibitData, title
from kmnist_mlp.figures.style import finished, is_narrow, legend_above, panels
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, RULE
from kmnist_mlp.support.statistics import interval, prediction_interval, signed

# ---- ours and the paper's ------------------------------------------------------------------------

FAR = 6.0  # points from the median: such an accuracy is written at the edge, not drawn


def against_paper(results: Results, names: str | Iterable[str] | None = None) -> Figure:
    """Draw the test accuracy of every experiment: seeds, their mean, and the paper's value."""
    names = results.chosen(names)
    numbers = paper_numbers(results, names)
    data = ExhibitData.of(numbers, paper_finding(numbers), results, names, ["test_accuracy"])
    return finished(lambda: draw_against_paper(numbers), results.data_name, data)


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
    """Draw what :func:`paper_numbers` gives, a row per experiment.

    The paper's value stands a little below ours, as it would vanish beneath a mean that agrees.
    """
    experiments = list(numbers.groupby("experiment", sort=False))
    means = numbers.groupby("experiment").test_accuracy_percent.mean()
    middle = means.quantile(interpolation="lower")  # one of them, so that one at least is drawn
    far = means[(means - middle).abs() > FAR].index
    figure, (axis,) = panels(1, height=0.42 * len(experiments) + 1.1)
    for row, (name, own) in enumerate(experiments):
        values, paper = own.test_accuracy_percent, own.paper_test_accuracy_percent.iloc[0]
        if name in far:
            continue
        axis.plot(values, [row] * len(values), "|", color=BLUE, ms=10, alpha=0.8, label="our seeds")
        axis.plot(values.mean(), row, "o", color=BLUE, ms=5.5, label="our mean", zorder=3)
        if np.isfinite(paper):
            axis.plot(paper, row + 0.2, "s", color=ORANGE, ms=5.5, label="paper, one run")
    axis.margins(x=0.08)
    for row, (name, _) in enumerate(experiments):
        if name in far:
            left = means[name] < middle
            text = f"{means[name]:.1f} %"
            axis.text(
                0.012 if left else 0.988, row, f"◂ {text}" if left else f"{text} ▸",
                transform=axis.get_yaxis_transform(), ha="left" if left else "right", va="center",
                color=BLUE, fontsize=9,
            )  # fmt: skip
    axis.set_yticks(range(len(experiments)), [title(name) for name, _ in experiments])
    axis.set_ylim(len(experiments) - 0.3, -0.6)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("test accuracy, %")
    _one_legend(figure, axis)
    return figure


def _one_legend(figure: Figure, axis: Axes) -> None:
    """Put a legend above the axes, with one entry per label."""
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    legend_above(figure, unique.values(), unique.keys(), len(unique))


def paper_finding(numbers: pd.DataFrame) -> str:
    """Return the range of our means, and how far they are from the paper's, as sentences."""
    means = numbers.groupby("experiment", sort=False).mean()
    ours = means.test_accuracy_percent
    finding = (
        f"Test accuracy lies between {ours.min():.1f} % ({title(ours.idxmin())}) and "
        f"{ours.max():.1f} % ({title(ours.idxmax())})."
    )
    differences = (ours - means.paper_test_accuracy_percent).dropna()
    if len(differences) > 1:
        far = differences.abs().idxmax()
        finding += (
            f" Of {len(differences)} experiments with a published value, the largest difference "
            f"is {signed(differences[far], 1)} points ({title(far)})."
        )
    return finding


# ---- differences to the printed numbers ----------------------------------------------------------


def difference_to_paper(results: Results) -> Figure:
    """Draw, for each number that the paper prints, how far the next run of ours may be from it."""
    numbers = difference_numbers(results)
    names = list(dict.fromkeys(numbers.experiment))
    finding = difference_finding(numbers)
    data = ExhibitData.of(numbers, finding, results, names, ["test_accuracy", "test_loss"])
    return finished(lambda: draw_difference(numbers), results.data_name, data)


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


def draw_difference(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`difference_numbers` gives: accuracies on the left, losses on the right."""
    names = list(dict.fromkeys(numbers.experiment))
    figure, axes = panels(2, height=0.36 * len(names) + 1.2)
    labels = {"test_accuracy": "test accuracy, points", "test_loss": "test loss"}
    for axis, (quantity, label) in zip(axes, labels.items(), strict=True):
        axis.axvline(0, color=ORANGE, lw=1.5, label="paper, one run")
        for row, name in enumerate(names):
            own = numbers[(numbers.experiment == name) & (numbers.quantity == quantity)]
            if own.empty:
                axis.text(
                    0.5, row, "not printed", transform=axis.get_yaxis_transform(), ha="center",
                    va="center", fontsize=8.5, color=GREY,
                )  # fmt: skip
                continue
            low, high, paper = own[["low", "high", "paper"]].iloc[0]
            rounded = [limit - paper for limit in rounding_limits(paper, quantity)]
            axis.plot(rounded, [row, row], color=ORANGE, lw=5, alpha=0.5, solid_capstyle="butt")
            if np.isfinite(low):
                axis.plot(
                    [low - paper, high - paper], [row, row], color=BLUE, lw=2, alpha=0.45,
                    solid_capstyle="butt", label="95 % prediction interval",
                )  # fmt: skip
            shown = own.ours - paper
            axis.plot(shown, [row] * len(own), "|", color=BLUE, ms=9, alpha=0.8, label="our seeds")
            axis.plot(shown.mean(), row, "o", color=BLUE, ms=5, label="our mean", zorder=3)
        axis.set_yticks(range(len(names)), [title(name) for name in names])
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.xaxis.set_major_locator(MaxNLocator(6, min_n_ticks=3))
        axis.grid(visible=False, axis="y")
        axis.set_xlabel(f"ours − the paper's: {label}")
    if not is_narrow():
        axes[1].set_yticklabels([])
    _one_legend(figure, axes[0])
    return figure


def difference_finding(numbers: pd.DataFrame) -> str:
    """Return how many printed numbers lie in the interval, and how many losses above ours."""
    first = numbers.groupby(["quantity", "experiment"], sort=False).agg(
        ours=("ours", "mean"),
        paper=("paper", "first"),
        low=("low", "first"),
        high=("high", "first"),
    )
    sentences = []
    for quantity, noun in (("test_accuracy", "accuracies"), ("test_loss", "losses")):
        if quantity in first.index:
            own = first.loc[quantity]
            least, most = np.transpose([rounding_limits(x, quantity) for x in own.paper])
            inside = ((own.low <= most) & (least <= own.high)).sum()
            above = (own.paper > own.ours).sum()
            sentences.append(
                f"Of {len(own)} printed {noun}, {inside} lie, within their rounding, in the 95 % "
                f"prediction interval of our seeds, and {above} lie above our mean."
            )
    return " ".join(sentences)


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
    return finished(lambda: draw_contributions(numbers), results.data_name, data)


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
            axis.plot([level, level], [row - 1, row], color=RULE, lw=1, zorder=1)
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
