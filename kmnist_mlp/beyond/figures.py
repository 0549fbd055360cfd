"""Figures of the experiments beyond the paper: trials, augmentation, calibration, robustness."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.calibration import expected_calibration_error
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.beyond.trial_tables import PARTS
from kmnist_mlp.data import Dataset
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.figures.images import first_of_each_class, image_grid
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure
from kmnist_mlp.figures.style import COLOURS, DASHES, draw_means, in_two_lines, legend_above, panel
from kmnist_mlp.support.colours import BLUE, GREY, PALE
from kmnist_mlp.support.statistics import signed, wilson_interval

KMNIST = "KMNIST"  # what the shipped results were measured on
HELD_OUT = PARTS["held_out"]
CHANGE = "change of accuracy, points"
COPIES = 7  # of each image in the figure of data augmentation


# ---- drawing -------------------------------------------------------------------------------------


def draw_rows(numbers: pd.DataFrame, names: str, series: str, y: str, xlabel: str) -> Figure:
    """Draw y by names, a row each: strokes are seeds, marks are the mean of a series."""
    rows = {name: row for row, name in enumerate(dict.fromkeys(numbers[names]))}
    figure, axis = panel(0.5 * len(rows) + 1.2)
    for number, (label, group) in enumerate(numbers.groupby(series, sort=False)):
        places = group[names].map(rows) + 0.2 * number
        style = {"color": COLOURS[number], "ls": ""}
        axis.plot(group[y], places, marker="|", ms=9, alpha=0.6, **style)
        means = group[y].groupby(places).mean()
        axis.plot(means, means.index, marker="os"[number], ms=5, label=label, **style)
    for name, row in rows.items():
        axis.text(0.02, row - 0.2, name, transform=axis.get_yaxis_transform(), fontsize=9)
    axis.set_yticks([])
    axis.set_ylim(len(rows) - 0.5, -0.7)
    axis.set_xlabel(xlabel)
    legend_above(axis)
    return figure


def draw_series(numbers: pd.DataFrame, x: str, y: str, series: str) -> Figure:
    """Draw the means of y by x, a line per series, with the standard deviation as bars."""
    figure, axis = panel()
    for number, (label, group) in enumerate(numbers.groupby(series, sort=False)):
        draw_means(
            axis, group.groupby(x)[y], fmt="o", ms=4, capsize=3, color=COLOURS[number],
            ls=DASHES[number], label=label,
        )  # fmt: skip
    axis.set(xlabel=x.replace("_", " "), ylabel="accuracy, %")
    legend_above(axis, 3)
    return figure


# ---- trials --------------------------------------------------------------------------------------


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


def steps_figure(records: Records) -> ReportFigure:
    """Show each step from the paper's baseline: accuracy on both held-out parts, by seed."""
    runs = {(title,): (config,) for title, config in plan.step_configs().items()}
    numbers = accuracies(records, ["step"], runs)
    of_first = numbers[(numbers.part == HELD_OUT) & (numbers.seed == 0)]  # it has all steps
    accuracy = of_first.set_index("step").accuracy_percent
    finding = (
        f"With the first seed, accuracy on held-out clusters rises from {accuracy.iloc[0]:.1f} % "
        f"to {accuracy.iloc[-1]:.1f} %, most by the step {accuracy.diff().idxmax()} "
        f"({signed(accuracy.diff().max(), 2)} points)."
    )
    figure = draw_rows(numbers, "step", "part", "accuracy_percent", "accuracy, %")
    return report_figure([figure], numbers, finding, data_name=KMNIST)


def changes_figure(records: Records, titles: Iterable[str]) -> ReportFigure:
    """Show how much each change of a trial changes its accuracy, on both held-out parts.

    Parameters
    ----------
    records : Records
    titles : iterable of str
        Of :data:`~kmnist_mlp.beyond.plan.CHANGES`.
    """
    rows = [
        (title, seed, part, points)
        for title in titles
        for key, part in PARTS.items()
        for seed, points in records.difference(plan.changed(title), plan.TRIAL, key).items()
    ]
    numbers = pd.DataFrame(rows, columns=["change", "seed", "part", "difference_points"])
    means = numbers[numbers.part == HELD_OUT].groupby("change").difference_points.mean()
    finding = (
        f"On held-out clusters, the lowest mean is that of {means.idxmin()} "
        f"({signed(means.min(), 2)} points), the highest that of {means.idxmax()} "
        f"({signed(means.max(), 2)})."
    )
    figure = draw_rows(numbers, "change", "part", "difference_points", CHANGE)
    figure.axes[0].axvline(0, color=GREY, lw=1)
    return report_figure([figure], numbers, finding, data_name=KMNIST)


def ranking_figure(records: Records) -> ReportFigure:
    """Compare what is lost without each part in runs of two lengths, with the first seed."""
    rows = []
    for title in plan.LEFT_OUT:
        one, other = plan.changed(title), plan.TRIAL
        short = records.difference(one, other).get(0)
        long = records.difference(plan.longer(one), plan.longer(other)).get(0)
        rows.append((title, short, long))
    numbers = pd.DataFrame(rows, columns=["left_out", "short", "long"]).dropna()
    lengths = {"short": f"{plan.SHORT} epochs", "long": f"{plan.LONG} epochs"}
    drawn = (
        numbers.sort_values("short").rename(columns=lengths).melt("left_out", [*lengths.values()])
    )
    figure = draw_rows(drawn, "left_out", "variable", "value", CHANGE)
    return report_figure([figure], numbers, ranking_finding(numbers), data_name=KMNIST)


def ranking_finding(numbers: pd.DataFrame) -> str:
    """Return the rank correlation of the two lengths, and how many differences keep their sign."""
    correlation = numbers.short.rank().corr(numbers.long.rank())
    alike = (np.sign(numbers.short) == np.sign(numbers.long)).sum()
    return (
        f"The order at {plan.SHORT} epochs and at {plan.LONG} has a rank correlation of "
        f"{correlation:.2f} (Spearman); {alike} of {len(numbers)} differences have the same sign."
    )


def strength_figure(records: Records) -> ReportFigure:
    """Show accuracy by the strength of the augmentation, a line per length of training."""
    pairs = [(strength, epochs) for epochs in plan.LENGTHS for strength in plan.STRENGTHS]
    runs = {pair: (plan.strength_config(*pair),) for pair in pairs}
    numbers = accuracies(records, ["strength", "epochs"], runs)
    means = numbers.groupby(["part", "epochs", "strength"]).accuracy_percent.mean()
    best = [f"{means[HELD_OUT, n].idxmax():g} at {n} epochs" for n in plan.LENGTHS]
    panels = []
    for part, own in numbers.assign(epochs=numbers.epochs.map("{} epochs".format)).groupby("part"):
        panels.append(draw_series(own, "strength", "accuracy_percent", "epochs"))
        panels[-1].axes[0].set(title=part, xlabel="strength of the augmentation")
    finding = f"Highest on held-out clusters at strength {', '.join(best)}."
    return report_figure(panels, numbers, finding, data_name=KMNIST)


def sizes_figure(records: Records) -> ReportFigure:
    """Show accuracy on held-out clusters by the number of training images, augmented and not.

    Runs half as long are crosses.
    """
    lengths = (plan.IMAGES_SEEN // 2, plan.IMAGES_SEEN)
    runs = {
        values: (plan.size_config(*values), f"first {values[0]}")
        for values in product(plan.SIZES, (False, True), lengths)
    }
    numbers = accuracies(records, ["training_images", "augmented", "images_seen"], runs)
    numbers = numbers[numbers.part == HELD_OUT].drop(columns="part")
    kinds = numbers.augmented.map({False: "not augmented", True: "augmented"})
    whole = numbers.images_seen == plan.IMAGES_SEEN
    drawn = numbers.assign(kind=kinds)[whole]
    figure = draw_series(drawn, "training_images", "accuracy_percent", "kind")
    (axis,) = figure.axes
    for augmented, half in numbers[~whole].groupby("augmented"):
        means = half.groupby("training_images").accuracy_percent.mean()
        axis.plot(means.index, means, "x", ms=6, color=COLOURS[augmented])
    axis.set(xscale="log", xlabel="training images (a fifth of them for validation)")
    axis.set_ylabel("accuracy on held-out clusters, %")
    means = numbers[whole].groupby(["augmented", "training_images"]).accuracy_percent.mean()
    gains = [
        f"{signed(gain, 1)} points with {n:,}" for n, gain in (means[True] - means[False]).items()
    ]
    finding = f"Augmentation changes accuracy by {', '.join(gains)} images."
    return report_figure([figure], numbers, finding, data_name=KMNIST)


# ---- augmentation, calibration, robustness -------------------------------------------------------


def augmentation_figure(data: Dataset) -> ReportFigure:
    """Show the first training image of each class, and augmented copies of it."""
    images = data.train_images[first_of_each_class(data.train_labels).ravel()]
    augment, flat = Distortion(images.shape[1:], 1.0, 0), images.reshape(len(images), -1)
    copies = np.empty((1 + COPIES, *flat.shape), np.float32)
    copies[0] = flat
    for copy in copies[1:]:
        augment(copy, copies[0])
    change = np.abs(copies[1:] - copies[0]).mean(axis=(1, 2)) / 255
    numbers = pd.DataFrame({"copy": range(1, COPIES + 1), "mean_change_of_a_pixel": change})
    figure = image_grid(
        copies.reshape(-1, *images.shape[1:]), len(images),
        rows=["original", *(f"copy {n}" for n in numbers["copy"])],
        columns=in_two_lines(data.class_labels),
    )  # fmt: skip
    finding = f"Augmentation changes a pixel by {100 * change.mean():.1f} % of full ink on average."
    return report_figure([figure], numbers, finding, data_name=data.name)


def calibration_figure(tables: dict[str, pd.DataFrame], data_name: str) -> ReportFigure:
    """Show accuracy by confidence, one panel per model: a reliability diagram.

    ``tables`` holds a :func:`~kmnist_mlp.beyond.calibration.calibration_table` per model. Vertical
    lines are 95 % intervals of the accuracy.
    """
    panels, numbers, errors = [], [], []
    for model, table in tables.items():
        right = (table.accuracy * table.images).round().astype(int)
        pairs = zip(right, table.images, strict=True)
        low, high = np.array([wilson_interval(*pair) for pair in pairs]).T / 100
        numbers.append(table.assign(model=model, low=low, high=high))
        errors.append(f"{model} {expected_calibration_error(table):.3f}")
        figure, axis = panel(3.6)
        axis.bar(
            table["from"], table.images / table.images.sum(), table.to - table["from"],
            align="edge", color=PALE, label="share of the predictions",
        )  # fmt: skip
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect calibration")
        axis.vlines(table.confidence, low, high, color=BLUE, lw=1)
        axis.plot(table.confidence, table.accuracy, "o-", color=BLUE, ms=5, label="accuracy")
        axis.set_title(f"{model}: ECE {expected_calibration_error(table):.3f}")
        axis.set(xlabel="confidence", ylabel="accuracy, and share", xlim=(0, 1), ylim=(0, 1))
        legend_above(axis)
        panels.append(figure)
    finding = f"Expected calibration error: {', '.join(errors)}."
    return report_figure(panels, pd.concat(numbers), finding, data_name=data_name)


def robustness_figure(numbers: pd.DataFrame, data_name: str) -> ReportFigure:
    """Show accuracy by severity, one panel per corruption, one line per model.

    ``numbers`` is that of :func:`~kmnist_mlp.beyond.measurements.load_robustness`.
    """
    panels = []
    percent = numbers.assign(accuracy=100 * numbers.accuracy)
    for corruption, own in percent.groupby("corruption", sort=False):
        figure = draw_series(own, "severity", "accuracy", "model")
        figure.axes[0].set(xlabel=corruption, ylim=(percent.accuracy.min() - 3, 100))
        panels.append(figure)
    worst = percent.loc[percent.accuracy.idxmin()]
    finding = (
        f"The lowest accuracy is {worst.accuracy:.0f} % ({worst.model}, {worst.corruption}: "
        f"{worst.severity:g})."
    )
    return report_figure(panels, numbers, finding, data_name=data_name)
