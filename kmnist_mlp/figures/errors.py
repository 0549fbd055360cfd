"""What networks get wrong: confusion matrix and the most confident errors."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.error_analysis import ConfidentErrors
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import finished, in_two_lines, is_narrow, width
from kmnist_mlp.support.colours import ON_DARK, ON_PALE
from kmnist_mlp.support.statistics import in_percent

# ---- confusion matrix ----------------------------------------------------------------------------


def confusion_matrix(matrix: np.ndarray, data: Dataset) -> Figure:
    """Draw a confusion matrix in per cent of each class.

    Only the errors are coloured: the diagonal would hide their differences.

    Parameters
    ----------
    matrix : ndarray, shape (classes, classes)
        Counts, or their mean over seeds: rows the true class, columns the predicted one.
    data : Dataset
        Gives the names of the classes.
    """
    numbers = confusion_numbers(matrix, data)
    finding = confusion_finding(numbers, data.class_labels)
    exhibit = ExhibitData.of(numbers, finding)
    return finished(lambda: draw_confusion(numbers, data.class_labels), data.name, exhibit)


def confusion_numbers(matrix: np.ndarray, data: Dataset) -> pd.DataFrame:
    """Return per cent of each class: a row per true class, a column per predicted one.

    The row of a class without images is NaN.
    """
    images = matrix.sum(axis=1, keepdims=True)
    percent = np.where(images > 0, 100 * matrix / np.maximum(images, 1), np.nan)
    numbers = pd.DataFrame(percent, columns=data.romaji)
    numbers.insert(0, "true_character", data.romaji)
    return numbers


def draw_confusion(numbers: pd.DataFrame, labels: tuple[str, ...]) -> Figure:
    """Draw what :func:`confusion_numbers` gives."""
    percent, errors = _percent_and_errors(numbers)
    narrow = is_narrow()  # fewer and rounder numbers
    figure, axis = plt.subplots(figsize=(4.0, 4.2) if narrow else (7.2, 6))
    image = axis.pcolormesh(errors, cmap="Oranges", vmin=0, edgecolor="none")
    axis.set_aspect("equal")
    axis.invert_yaxis()
    middles = np.arange(len(labels)) + 0.5
    if narrow:
        axis.set_xticks(middles, in_two_lines(labels))
    else:
        axis.set_xticks(middles, labels, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(middles, labels)
    for (row, column), value in np.ndenumerate(percent):
        if value >= (1 if narrow else 0.05):
            dark = errors[row, column] > 0.6 * np.nanmax(errors)
            axis.text(
                column + 0.5, row + 0.5, f"{value:.{0 if narrow else 1}f}",
                ha="center", va="center", fontsize=8, color=ON_DARK if dark else ON_PALE,
                weight="bold" if row == column else "normal",
            )  # fmt: skip
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true character")
    where = "bottom" if narrow else "right"
    bar = figure.colorbar(image, label="errors, % of the character", shrink=0.8, location=where)
    bar.solids.set_rasterized(True)
    return figure


def confusion_finding(numbers: pd.DataFrame, labels: tuple[str, ...]) -> str:
    """Return the best and the worst class, and the most frequent error, as sentences."""
    percent, errors = _percent_and_errors(numbers)
    recall, (row, column) = np.diag(percent), divmod(int(np.nanargmax(errors)), len(labels))
    worst, best = np.nanargmin(recall), np.nanargmax(recall)
    recognised = (
        f"Between {recall[worst]:.1f} % ({labels[worst]}) and {recall[best]:.1f} % "
        f"({labels[best]}) of the images of a character are recognised."
    )
    if row == column:
        return recognised  # there is no error
    error = f"{labels[row]} taken for {labels[column]}, {percent[row, column]:.1f} %"
    return f"{recognised} The most frequent error: {error}."


def _percent_and_errors(numbers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix, and the same without its diagonal."""
    percent = numbers.iloc[:, 1:].to_numpy()
    return percent, percent - np.diag(np.diag(percent))


# ---- most confident errors -----------------------------------------------------------------------


def most_confident_errors(errors: ConfidentErrors, data: Dataset) -> Figure:
    """Draw images with their true and predicted class and the probability of the latter.

    Parameters
    ----------
    errors : ConfidentErrors
        What :func:`kmnist_mlp.experiments.error_analysis.most_confident_errors` gives.
    data : Dataset
        Gives the names of the classes.
    """
    numbers = error_numbers(errors, data)
    titles = [
        f"{data.class_names[label]} → {data.class_names[prediction]}  {in_percent(confidence, 0)}"
        for _, label, prediction, confidence in zip(*errors, strict=True)
    ]
    exhibit = ExhibitData.of(numbers, error_finding(numbers))
    return finished(lambda: draw_images(errors.images, titles), data.name, exhibit)


def error_numbers(errors: ConfidentErrors, data: Dataset) -> pd.DataFrame:
    """Return a row per error: true and predicted character and the probability of the latter."""
    names = np.array(data.romaji)
    return pd.DataFrame(
        {
            "true_character": names[errors.labels],
            "predicted_character": names[errors.predictions],
            "probability": errors.confidences,
        }
    )


def draw_images(images: np.ndarray, titles: list[str]) -> Figure:
    """Draw images, dark ink on white, each with its title."""
    columns = 4 if is_narrow() else 8
    rows = max(1, -(-len(images) // columns))
    size = (width(), 1.37 * width() / columns * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, text in zip(axes.flat, images, titles, strict=False):
        axis.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
        axis.set_title(text, fontsize=9.5, loc="center", weight="normal")
    return figure


def error_finding(numbers: pd.DataFrame) -> str:
    """Return the number of errors, their lowest probability and the most frequent pair."""
    if numbers.empty:
        return "There is no error to show."
    pairs = numbers.value_counts(["true_character", "predicted_character"])
    (true, predicted), times = pairs.idxmax(), pairs.max()
    return (
        f"{len(numbers)} misclassified test images whose predicted class has a probability of "
        f"{in_percent(numbers.probability.min(), 1)} or more; the most frequent pair is {true} "
        f"taken for {predicted} ({times} of them)."
    )
