"""Figures of notebook 7 but for its trials: augmentation, calibration, robustness.

For each: all together, then its numbers, drawing and finding.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond.evaluation import expected_calibration_error
from kmnist_mlp.data import Dataset
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
from kmnist_mlp.support.colours import BLUE, GREY, PALE
from kmnist_mlp.support.statistics import wilson_interval

COPIES = 7  # of each image in the figure of data augmentation


def made(numbers: pd.DataFrame, draw: Callable, finding: Callable, data_name: str) -> Figure:
    """Return what ``draw`` makes of numbers, with these and what ``finding`` says of them."""
    exhibit = ExhibitData.of(numbers, finding(numbers))
    return finished(lambda: draw(numbers), data_name, exhibit)


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

    ``tables`` holds a :func:`~kmnist_mlp.beyond.evaluation.calibration_table` per model.
    """
    numbers = calibration_numbers(tables)
    return made(numbers, draw_calibration, calibration_finding, data_name)


def calibration_numbers(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables in one, with columns low and high (95 % interval of accuracy) and model."""
    numbers = pd.concat([table.assign(model=model) for model, table in tables.items()])
    right = (numbers.accuracy * numbers.images).round().astype(int)
    pairs = zip(right, numbers.images, strict=True)
    low, high = np.array([wilson_interval(*pair) for pair in pairs]).T / 100
    return numbers.assign(low=low, high=high)


def draw_calibration(numbers: pd.DataFrame) -> Figure:
    """Draw :func:`calibration_numbers`, with the calibration error of each model as title."""
    models = numbers.groupby("model", sort=False)
    figure, axes = panels(len(models), height=3.6)
    for axis, (model, own) in zip(axes, models, strict=True):
        axis.bar(
            own["from"], own.images / own.images.sum(), own.to - own["from"], align="edge",
            color=PALE, label="share of the predictions",
        )  # fmt: skip
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect calibration")
        axis.vlines(own.confidence, own.low, own.high, color=BLUE, lw=1)
        axis.plot(own.confidence, own.accuracy, "o-", color=BLUE, ms=5, label="accuracy")
        axis.set_title(f"{model}: ECE {expected_calibration_error(own):.3f}")
        axis.set_xlabel("confidence")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
    axes[0].set_ylabel("accuracy, and share")
    legend_above(figure, *axes[0].get_legend_handles_labels(), 3)
    return figure


def calibration_finding(numbers: pd.DataFrame) -> str:
    """Return the calibration error of each model."""
    models = numbers.groupby("model", sort=False)
    each = [f"{model} {expected_calibration_error(own):.3f}" for model, own in models]
    return f"Expected calibration error: {', '.join(each)}."


# ---- robustness ----------------------------------------------------------------------------------


def robustness_figure(numbers: pd.DataFrame, data_name: str) -> Figure:
    """Show accuracy by severity, one panel per corruption, one line per model.

    ``numbers`` is that of :func:`~kmnist_mlp.beyond.protocol.load_robustness`.
    """
    return made(numbers, draw_robustness, robustness_finding, data_name)


def draw_robustness(numbers: pd.DataFrame) -> Figure:
    """Draw accuracies by severity."""
    corruptions = numbers.groupby("corruption", sort=False)
    figure, axes = panels(corruptions.ngroups, height=3.4)
    for axis in axes[1:]:
        axis.sharey(axes[0])
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
