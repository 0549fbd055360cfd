"""Figures of notebook 7. For each: all together, then its numbers, drawing and finding."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond.ablation import ALL, STEPS
from kmnist_mlp.beyond.calibration import expected_calibration_error
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import (
    COLOURS,
    DASHES,
    finished,
    in_two_lines,
    is_narrow,
    legend_above,
    panels,
    width,
)
from kmnist_mlp.support.colours import BLUE, GREY, ORANGE, PALE
from kmnist_mlp.support.statistics import signed, wilson_interval

KMNIST = "KMNIST"  # what the shipped results were measured on
COPIES = 7  # of each image in the figure of data augmentation


# ---- ablation ------------------------------------------------------------------------------------


def ablation_figure(runs: pd.DataFrame, averaged: dict[str, float]) -> Figure:
    """Show the test accuracy of each step: seeds and their mean.

    Parameters
    ----------
    runs : DataFrame
        See :func:`~kmnist_mlp.beyond.pretrained.load_runs`.
    averaged : dict of str to float
        Test accuracy (a fraction) of averages of predictions, shown after the last step.
    """
    numbers = ablation_numbers(runs, averaged)
    exhibit = ExhibitData.of(numbers, ablation_finding(numbers))
    return finished(lambda: draw_ablation(numbers), KMNIST, exhibit)


def ablation_numbers(runs: pd.DataFrame, averaged: dict[str, float]) -> pd.DataFrame:
    """Return one row per step and seed: step (its title), test_accuracy_percent, averaged."""
    rows = [
        (step.title, 100 * accuracy, False)
        for name, step in STEPS.items()
        for accuracy in runs[runs.name == name].test_accuracy
    ]
    rows += [(title, 100 * accuracy, True) for title, accuracy in averaged.items()]
    return pd.DataFrame(rows, columns=["step", "test_accuracy_percent", "averaged"])


def draw_ablation(numbers: pd.DataFrame) -> Figure:
    """Draw :func:`ablation_numbers`: strokes are seeds, dots their mean."""
    steps = numbers.groupby("step", sort=False).test_accuracy_percent
    means = steps.mean()
    narrow = is_narrow()  # the names then stand above the points, not beside the axis
    figure, (axis,) = panels(1, height=(0.5 if narrow else 0.38) * len(means) + 1.0)
    for row, (_, values) in enumerate(steps):
        axis.plot(values, [row] * len(values), "|", color=BLUE, ms=11, alpha=0.7)
        axis.annotate(
            f"{values.mean():.2f}", (values.max(), row), (8, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    axis.plot(means, range(len(means)), "-o", color=BLUE, ms=6, lw=1)
    axis.set_yticks(range(len(means)), [""] * len(means) if narrow else means.index)
    for row, name in enumerate(means.index if narrow else ()):
        axis.text(0.02, row - 0.28, name, transform=axis.get_yaxis_transform(), fontsize=9)
    axis.set_ylim(len(means) - 0.5, -0.9)
    axis.grid(visible=False, axis="y")
    axis.margins(x=0.1)
    axis.set_xlabel("test accuracy, %")
    return figure


def ablation_finding(numbers: pd.DataFrame) -> str:
    """Return first and last accuracy, and the step that changes it most."""
    means = numbers.groupby("step", sort=False).test_accuracy_percent.mean()
    changes = means.diff()
    return (
        f"Test accuracy rises from {means.iloc[0]:.1f} % to {means.iloc[-1]:.1f} %; the largest "
        f"change is that of the step {changes.idxmax()} ({signed(changes.max(), 2)} points)."
    )


# ---- learning curves -----------------------------------------------------------------------------


def history_figure(histories: pd.DataFrame, names: list[str]) -> Figure:
    """Show training loss and validation accuracy by epoch for some steps (first seed).

    ``histories`` is that of :func:`~kmnist_mlp.beyond.pretrained.load_histories`.
    """
    numbers = histories[histories.name.isin(names) & (histories.seed == 0)]
    curves = {ALL[name].title: numbers[numbers.name == name] for name in names}
    exhibit = ExhibitData.of(numbers, history_finding(curves))
    return finished(lambda: draw_histories(curves), KMNIST, exhibit)


def draw_histories(curves: dict[str, pd.DataFrame]) -> Figure:
    """Draw histories by their titles; an accuracy that was not measured has no curve."""
    figure, (loss, accuracy) = panels(2)
    for number, (title, own) in enumerate(curves.items()):
        style = {"color": COLOURS[number % len(COLOURS)], "ls": DASHES[number % len(DASHES)]}
        loss.plot(own.epoch, own.training_loss, label=title, **style)
        if own.validation_accuracy.notna().any():
            accuracy.plot(own.epoch, 100 * own.validation_accuracy, **style)
    loss.set_yscale("log")
    loss.set_ylabel("training loss (cross-entropy / 10)")
    accuracy.set_ylabel("validation accuracy, %")
    for axis in (loss, accuracy):
        axis.set_xlabel("epoch")
    legend_above(figure, *loss.get_legend_handles_labels(), 2)
    return figure


def history_finding(curves: dict[str, pd.DataFrame]) -> str:
    """Return the training losses after the last epoch."""
    ends = [f"{title} {own.training_loss.iloc[-1]:.4f}" for title, own in curves.items()]
    return f"Training loss after the last epoch, without augmentation: {'; '.join(ends)}."


# ---- data augmentation ---------------------------------------------------------------------------


def augmentation_figure(data: Dataset) -> Figure:
    """Show one training image of each class, and augmented copies of it."""
    images = augmented_images(data)
    change = np.abs(images[1:] - images[0]).mean(axis=(1, 2, 3)) / 255
    numbers = pd.DataFrame({"copy": range(1, len(images)), "mean_change_of_a_pixel": change})
    exhibit = ExhibitData.of(numbers, augmentation_finding(numbers))
    return finished(lambda: draw_augmentation(images, data.class_labels), data.name, exhibit)


def augmented_images(data: Dataset) -> np.ndarray:
    """Return the first training image of each class, then its copies.

    Returns
    -------
    ndarray of float32, shape (1 + COPIES, classes, height, width)
        Grey levels from 0 to 255.
    """
    shape = data.train_images.shape[1:]
    first = [np.flatnonzero(data.train_labels == c)[0] for c in range(len(data.class_names))]
    images = data.train_images[first].reshape(len(first), -1)
    augment = Distortion(shape, 1.0, 0)
    out = np.empty((1 + COPIES, *images.shape), np.float32)
    out[0] = images
    for copy in out[1:]:
        augment(copy, images)
    return out.reshape(1 + COPIES, len(first), *shape)


def draw_augmentation(images: np.ndarray, class_labels: tuple[str, ...]) -> Figure:
    """Draw :func:`augmented_images`, one column per class."""
    images = images[:5] if is_narrow() else images
    gap = 2
    copies, classes, height, wide = np.add(images.shape, (0, 0, gap, gap))
    figure, axis = plt.subplots(figsize=(width(), 0.5 + 0.93 * width() * copies / (classes + 1)))
    framed = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, gap)))
    canvas = framed.transpose(0, 2, 1, 3).reshape(copies * height, classes * wide)
    axis.imshow(255 - canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    rows = ["original", *(f"copy {i}" for i in range(1, copies))]
    axis.set_yticks((np.arange(copies) + 0.5) * height, rows)
    labels = in_two_lines(class_labels) if is_narrow() else class_labels
    axis.set_xticks((np.arange(classes) + 0.5) * wide, labels)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure


def augmentation_finding(numbers: pd.DataFrame) -> str:
    """Return the mean change of a pixel."""
    mean = 100 * numbers.mean_change_of_a_pixel.mean()
    return f"Augmentation changes a pixel by {mean:.1f} % of full ink on average."


# ---- calibration ---------------------------------------------------------------------------------


def calibration_figure(tables: dict[str, pd.DataFrame], data_name: str) -> Figure:
    """Show accuracy by confidence, one panel per model: a reliability diagram.

    ``tables`` holds a :func:`~kmnist_mlp.beyond.calibration.calibration_table` per model.
    """
    errors = {model: expected_calibration_error(table) for model, table in tables.items()}
    numbers = calibration_numbers(tables)
    exhibit = ExhibitData.of(numbers, calibration_finding(errors))
    return finished(lambda: draw_calibration(numbers, errors), data_name, exhibit)


def calibration_numbers(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables in one, with columns low and high (95 % interval of accuracy) and model."""
    numbers = pd.concat([table.assign(model=model) for model, table in tables.items()])
    right = (numbers.accuracy * numbers.images).round().astype(int)
    pairs = zip(right, numbers.images, strict=True)
    low, high = np.array([wilson_interval(*pair) for pair in pairs]).T / 100
    return numbers.assign(low=low, high=high)


def draw_calibration(numbers: pd.DataFrame, errors: dict[str, float]) -> Figure:
    """Draw :func:`calibration_numbers`, with the calibration error of each model as title."""
    figure, axes = panels(len(errors), height=3.6)
    for axis, (model, error) in zip(axes, errors.items(), strict=True):
        own = numbers[numbers.model == model]
        axis.bar(
            own["from"], own.images / own.images.sum(), own.to - own["from"], align="edge",
            color=PALE, label="share of the predictions",
        )  # fmt: skip
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect calibration")
        axis.vlines(own.confidence, own.low, own.high, color=BLUE, lw=1)
        axis.plot(own.confidence, own.accuracy, "o-", color=BLUE, ms=5, label="accuracy")
        axis.set_title(f"{model}: error {error:.3f}")
        axis.set_xlabel("confidence")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
    axes[0].set_ylabel("accuracy, and share")
    legend_above(figure, *axes[0].get_legend_handles_labels(), 3)
    return figure


def calibration_finding(errors: dict[str, float]) -> str:
    """Return the calibration error of each model."""
    each = ", ".join(f"{model} {error:.3f}" for model, error in errors.items())
    return f"Expected calibration error: {each}."


# ---- robustness ----------------------------------------------------------------------------------


def robustness_figure(numbers: pd.DataFrame, data_name: str) -> Figure:
    """Show accuracy by severity, one panel per corruption, one line per model.

    ``numbers`` is that of :func:`~kmnist_mlp.beyond.robustness.accuracy_by_severity`.
    """
    exhibit = ExhibitData.of(numbers, robustness_finding(numbers))
    return finished(lambda: draw_robustness(numbers), data_name, exhibit)


def draw_robustness(numbers: pd.DataFrame) -> Figure:
    """Draw accuracies by severity."""
    corruptions = numbers.groupby("corruption", sort=False)
    figure, axes = panels(corruptions.ngroups, height=3.4)
    for axis, (corruption, rows) in zip(axes, corruptions, strict=True):
        for number, (model, own) in enumerate(rows.groupby("model", sort=False)):
            axis.plot(
                own.severity, 100 * own.accuracy, "o", ms=4, label=model,
                color=COLOURS[number], ls=DASHES[number],
            )  # fmt: skip
        axis.set_xlabel(corruption)
    axes[0].set_ylabel("accuracy, %")
    legend_above(figure, *axes[0].get_legend_handles_labels(), 3)
    return figure


def robustness_finding(numbers: pd.DataFrame) -> str:
    """Return the accuracies at the last severity of each corruption."""
    last = numbers.groupby(["corruption", "model"], sort=False).tail(1)
    return "Accuracy at the last severity: " + "; ".join(
        f"{row.model} {100 * row.accuracy:.0f} % at {row.severity:g} ({row.corruption})"
        for row in last.itertuples()
    ) + "."  # fmt: skip


# ---- size of the training set --------------------------------------------------------------------


def training_set_size_figure(results: Results) -> Figure:
    """Show test accuracy by the number of training images, augmented and not.

    ``results`` is that of :func:`~kmnist_mlp.beyond.training_set_size.fewer_images`.
    """
    numbers = results.frame
    exhibit = ExhibitData.of(
        numbers, training_set_size_finding(numbers), results, results.names, ["test_accuracy"]
    )
    return finished(lambda: draw_training_set_size(numbers), results.data_name, exhibit)


KINDS = {False: "not augmented", True: "augmented"}


def draw_training_set_size(numbers: pd.DataFrame) -> Figure:
    """Draw test accuracies by the number of training images."""
    figure, (axis,) = panels(1, height=3.6)
    for number, (augmented, own) in enumerate(numbers.groupby("augmented")):
        axis.plot(
            own.training_images, 100 * own.test_accuracy, "o", label=KINDS[augmented],
            color=(ORANGE, BLUE)[number], ls=DASHES[number],
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("training images (a fifth of them for validation)")
    axis.set_ylabel("test accuracy, %")
    axis.legend()
    return figure


def training_set_size_finding(numbers: pd.DataFrame) -> str:
    """Return the accuracies with the fewest and with the most images."""
    ranges = [
        f"{KINDS[augmented]} {100 * own.test_accuracy.iloc[0]:.1f} % with "
        f"{own.training_images.iloc[0]:,} images, {100 * own.test_accuracy.iloc[-1]:.1f} % with "
        f"{own.training_images.iloc[-1]:,}"
        for augmented, own in numbers.groupby("augmented")
    ]
    return f"Test accuracy: {'; '.join(ranges)}."
