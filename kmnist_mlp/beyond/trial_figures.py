"""Figures of the trials of notebook 7, from the records: made as those of ``figures.py``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.figures import made
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.beyond.tables import PARTS
from kmnist_mlp.figures.style import (
    COLOURS,
    DASHES,
    draw_means,
    is_narrow,
    legend_above,
    panels,
)
from kmnist_mlp.support.colours import BLUE, GREY, ORANGE
from kmnist_mlp.support.statistics import signed

KMNIST = "KMNIST"  # what the shipped results were measured on
KINDS = {False: "not augmented", True: "augmented"}


def accuracies(records: Records, names: list[str], runs: dict[tuple, tuple]) -> pd.DataFrame:
    """Return a row per run, seed and part: accuracy_percent, and the values by their names.

    Parameters
    ----------
    records : Records
    names : list of str
        Of the values by which ``runs`` tells configurations apart.
    runs : dict of tuple to tuple
        By such values what :meth:`Records.of` takes.
    """
    rows = [
        (*values, seed, part, 100 * record[f"{key}_accuracy"])
        for values, run in runs.items()
        for seed, record in records.of(*run).iterrows()
        for key, part in PARTS.items()
    ]
    return pd.DataFrame(rows, columns=[*names, "seed", "part", "accuracy_percent"])


# ---- steps ---------------------------------------------------------------------------------------


def steps_figure(records: Records) -> Figure:
    """Show each step from the paper's baseline: accuracy on both held-out parts, by seed."""
    return made(steps_numbers(records), draw_steps, steps_finding, KMNIST)


def steps_numbers(records: Records) -> pd.DataFrame:
    """Return a row per step, seed and part: step, seed, part, accuracy_percent."""
    runs = {(title,): (config,) for title, config in plan.step_configs().items()}
    return accuracies(records, ["step"], runs)


def draw_steps(numbers: pd.DataFrame) -> Figure:
    """Draw :func:`steps_numbers`: strokes are seeds, marks their mean."""
    steps = list(dict.fromkeys(numbers.step))
    figure, (axis,) = panels(1, height=(0.5 if is_narrow() else 0.34) * len(steps) + 1.2)
    for number, (part, own) in enumerate(numbers.groupby("part", sort=False)):
        values = own.set_index("step").accuracy_percent
        _seeds(axis, values, steps, number, ls=DASHES[number], lw=1, label=part)
    _named_rows(axis, steps)
    axis.set_xlabel("accuracy, %")
    legend_above(figure, *axis.get_legend_handles_labels(), 2)
    return figure


def _seeds(axis: Axes, values: pd.Series, names: list[str], number: int, **line: Any) -> None:
    """Draw values by their index, a row per name: strokes are seeds, marks their mean."""
    means = values.groupby(level=0, sort=False).mean()
    rows, mean_rows = ([names.index(name) for name in own.index] for own in (values, means))
    colour = COLOURS[number]
    axis.plot(values, rows, "|", color=colour, ms=10, alpha=0.6)
    axis.plot(means, mean_rows, "os"[number], color=colour, ms=5, **line)


def _named_rows(axis: Axes, names: list[str], beside: bool = True) -> None:
    """Name rows: beside the axis, if at all there, or above the marks in a narrow figure."""
    narrow = is_narrow()
    axis.set_yticks(range(len(names)), names if beside and not narrow else [""] * len(names))
    for row, name in enumerate(names if narrow else ()):
        axis.text(0.02, row - 0.28, name, transform=axis.get_yaxis_transform(), fontsize=9)
    axis.set_ylim(len(names) - 0.5, -0.9)
    axis.grid(visible=False, axis="y")


def steps_finding(numbers: pd.DataFrame) -> str:
    """Return first and last accuracy of the first seed on held-out clusters, and the largest rise.

    Only the first seed has all steps.
    """
    own = numbers[(numbers.part == PARTS["held_out"]) & (numbers.seed == 0)]
    accuracy = own.set_index("step").accuracy_percent
    changes = accuracy.diff()
    return (
        f"With the first seed, accuracy on held-out clusters rises from {accuracy.iloc[0]:.1f} % "
        f"to {accuracy.iloc[-1]:.1f} %; the largest change is that of the step {changes.idxmax()} "
        f"({signed(changes.max(), 2)} points)."
    )


# ---- what each change brings ---------------------------------------------------------------------


def changes_figure(records: Records, titles: Iterable[str]) -> Figure:
    """Show how much each change of a trial changes its accuracy, on both held-out parts.

    Parameters
    ----------
    records : Records
    titles : iterable of str
        Of :data:`~kmnist_mlp.beyond.plan.CHANGES`.
    """
    return made(changes_numbers(records, titles), draw_changes, changes_finding, KMNIST)


def changes_numbers(records: Records, titles: Iterable[str]) -> pd.DataFrame:
    """Return a row per change, seed and part: change, seed, part, difference_points."""
    rows = [
        (title, seed, part, points)
        for title in titles
        for key, part in PARTS.items()
        for seed, points in records.difference(plan.changed(title), plan.TRIAL, key).items()
    ]
    return pd.DataFrame(rows, columns=["change", "seed", "part", "difference_points"])


def draw_changes(numbers: pd.DataFrame) -> Figure:
    """Draw :func:`changes_numbers`: strokes are seeds, marks their mean; a panel per part."""
    order = list(dict.fromkeys(numbers.change))
    figure, axes = panels(2, height=(0.5 if is_narrow() else 0.36) * len(order) + 1.0)
    axes[1].sharex(axes[0])
    parts = numbers.groupby("part", sort=False)
    for number, (axis, (part, own)) in enumerate(zip(axes, parts, strict=True)):
        axis.axvline(0, color=GREY, lw=1)
        _seeds(axis, own.set_index("change").difference_points, order, number, ls="")
        _named_rows(axis, order, beside=number == 0)
        axis.set_title(part)
        axis.set_xlabel("change of accuracy, points")
    return figure


def changes_finding(numbers: pd.DataFrame) -> str:
    """Return the change that lowers the accuracy on held-out clusters most, and the best one."""
    own = numbers[numbers.part == PARTS["held_out"]]
    means = own.groupby("change", sort=False).difference_points.mean()
    return (
        f"On held-out clusters, the lowest mean is that of {means.idxmin()} "
        f"({signed(means.min(), 2)} points), the highest that of {means.idxmax()} "
        f"({signed(means.max(), 2)})."
    )


def ranking_figure(records: Records) -> Figure:
    """Compare what is lost without each part in runs of two lengths, with the first seed."""
    return made(ranking_numbers(records), draw_ranking, ranking_finding, KMNIST)


def ranking_numbers(records: Records) -> pd.DataFrame:
    """Return the differences of the first seed on held-out clusters: left_out, short, long."""
    rows = []
    for title in plan.LEFT_OUT:
        one, other = plan.changed(title), plan.TRIAL
        short = records.difference(one, other).get(0)
        long = records.difference(plan.longer(one), plan.longer(other)).get(0)
        rows.append((title, short, long))
    return pd.DataFrame(rows, columns=["left_out", "short", "long"]).dropna()


def draw_ranking(numbers: pd.DataFrame) -> Figure:
    """Draw the order of :func:`ranking_numbers` at both lengths, with the differences as text."""
    figure, (axis,) = panels(1, height=0.38 * len(numbers) + 1.0)
    order = numbers.assign(left=numbers.short.rank(), right=numbers.long.rank())
    for number, row in enumerate(order.itertuples()):
        style = {"color": COLOURS[number % len(COLOURS)], "ls": DASHES[number % len(DASHES)]}
        axis.plot([0, 1], [row.left, row.right], "o", ms=5, **style)
        axis.text(
            -0.04, row.left, f"{row.left_out}, {signed(row.short, 2)}", ha="right", va="center"
        )
        axis.text(1.04, row.right, signed(row.long, 2), va="center")
    axis.set_xlim((-2.9, 1.7) if is_narrow() else (-1.2, 1.4))
    axis.set_ylim(len(numbers) + 0.5, 0.5)
    axis.set_xticks([0, 1], [f"{epochs}\nepochs" for epochs in (plan.SHORT, plan.LONG)])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines["left"].set_visible(False)
    return figure


def ranking_finding(numbers: pd.DataFrame) -> str:
    """Return the rank correlation of the two lengths, and how many differences keep their sign."""
    correlation = numbers.short.rank().corr(numbers.long.rank())
    alike = int((np.sign(numbers.short) == np.sign(numbers.long)).sum())
    return (
        f"The order at {plan.SHORT} epochs and at {plan.LONG} has a rank "
        f"correlation of {correlation:.2f} (Spearman); {alike} of {len(numbers)} differences have "
        "the same sign."
    )


# ---- strength of the augmentation, number of images ----------------------------------------------


def strength_figure(records: Records) -> Figure:
    """Show accuracy by the strength of the augmentation, a line per length of training."""
    return made(strength_numbers(records), draw_strengths, strength_finding, KMNIST)


def strength_numbers(records: Records) -> pd.DataFrame:
    """Return a row per strength, length, seed and part: accuracy_percent."""
    pairs = [(strength, epochs) for epochs in plan.LENGTHS for strength in plan.STRENGTHS]
    runs = {pair: (plan.strength_config(*pair),) for pair in pairs}
    return accuracies(records, ["strength", "epochs"], runs)


def draw_strengths(numbers: pd.DataFrame) -> Figure:
    """Draw :func:`strength_numbers`: means, and standard deviations as bars; a panel per part."""
    figure, axes = panels(2, height=3.6)
    for axis, (part, rows) in zip(axes, numbers.groupby("part", sort=False), strict=True):
        for number, (epochs, own) in enumerate(rows.groupby("epochs")):
            draw_means(
                axis, own.groupby("strength").accuracy_percent, fmt="o", ms=4, capsize=3,
                color=COLOURS[number], ls=DASHES[number], label=f"{epochs} epochs",
            )  # fmt: skip
        axis.set_title(part)
        axis.set_xlabel("strength of the augmentation")
        axis.set_ylabel("accuracy, %")
    legend_above(figure, *axes[0].get_legend_handles_labels(), 3)
    return figure


def strength_finding(numbers: pd.DataFrame) -> str:
    """Return the best strength for each length, on both parts."""
    means = numbers.groupby(["part", "epochs", "strength"]).accuracy_percent.mean()
    parts = []
    for part in PARTS.values():
        best = [
            f"{means[part, epochs].idxmax():g} at {epochs} epochs"
            for epochs in sorted(set(numbers.epochs))
        ]
        parts.append(f"on {part} {', '.join(best)}")
    return f"Highest mean accuracy at strength: {'; '.join(parts)}."


def sizes_figure(records: Records) -> Figure:
    """Show accuracy on held-out clusters by the number of training images, augmented and not."""
    return made(sizes_numbers(records), draw_sizes, sizes_finding, KMNIST)


def sizes_numbers(records: Records) -> pd.DataFrame:
    """Return a row per number of images, augmentation, length and seed: accuracy_percent."""
    lengths = (plan.IMAGES_SEEN // 2, plan.IMAGES_SEEN)
    runs = {
        values: (plan.size_config(*values), f"first {values[0]}")
        for values in product(plan.SIZES, (False, True), lengths)
    }
    numbers = accuracies(records, ["training_images", "augmented", "images_seen"], runs)
    return numbers[numbers.part == PARTS["held_out"]].drop(columns="part")


def draw_sizes(numbers: pd.DataFrame) -> Figure:
    """Draw :func:`sizes_numbers`: the longer runs as lines, those half as long as small marks."""
    figure, (axis,) = panels(1, height=3.8)
    for number, (augmented, own) in enumerate(numbers.groupby("augmented")):
        style = {"color": (ORANGE, BLUE)[number]}
        for seen, rows in own.groupby("images_seen"):
            by_size = rows.groupby("training_images").accuracy_percent
            if seen == plan.IMAGES_SEEN:
                draw_means(
                    axis, by_size, fmt="o", ls=DASHES[number], capsize=3, ms=5,
                    label=KINDS[augmented], **style,
                )  # fmt: skip
            else:
                means = by_size.mean()
                axis.plot(
                    means.index, means, "x", ms=6, label=f"{KINDS[augmented]}, half as long",
                    **style,
                )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("training images (a fifth of them for validation)")
    axis.set_ylabel("accuracy on held-out clusters, %")
    legend_above(figure, *axis.get_legend_handles_labels(), 2)
    return figure


def sizes_finding(numbers: pd.DataFrame) -> str:
    """Return what augmentation adds for each number of images, and what twice the length does."""
    by_run = numbers.set_index(["images_seen", "training_images", "augmented", "seed"])
    accuracy = by_run.accuracy_percent
    whole, half = accuracy[plan.IMAGES_SEEN], accuracy[plan.IMAGES_SEEN // 2]
    means = whole.groupby(level=["training_images", "augmented"]).mean().unstack()
    gains = ", ".join(
        f"{signed(gain, 1)} points with {images:,}"
        for images, gain in (means[True] - means[False]).items()
    )
    longer = (whole - half).dropna()
    return (
        f"Augmentation changes accuracy by {gains} images. Twice the length changes it by "
        f"{signed(longer.min(), 1)} to {signed(longer.max(), 1)} points (first seed)."
    )
