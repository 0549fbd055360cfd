"""Pictures of images: the ten characters, what models confuse, what their first layer sees."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import finished
from kmnist_mlp.figures.tables import title


def classes(data: Dataset, per_class: int = 10) -> Figure:
    """Draw the ten characters: training examples in the left half, test examples in the right."""
    figure, axis = plt.subplots(figsize=(9.5, 5.3))
    side = data.train_images.shape[1]
    count = len(data.class_names)
    canvas = np.full((count * (side + 2), (2 * per_class + 1) * (side + 2)), 255, np.uint8)
    parts = (
        ("training", data.train_images, data.train_labels, 0),
        ("test", data.test_images, data.test_labels, per_class + 1),
    )
    shown = []
    for part, images, labels, first in parts:
        for label in range(count):
            rows = np.flatnonzero(labels == label)[:per_class]
            shown += [(data.romaji[label], part, int(row)) for row in rows]
            for place, image in enumerate(images[rows]):
                top, left = label * (side + 2), (first + place) * (side + 2)
                canvas[top : top + side, left : left + side] = 255 - image
    axis.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    labels = [f"{k}  {r}" for k, r in zip(data.class_names, data.romaji, strict=True)]
    axis.set_yticks((np.arange(count) + 0.5) * (side + 2), labels, fontsize=12)
    half = per_class * (side + 2)
    axis.set_xticks([half / 2, half * 1.5 + side + 2], ["training images", "test images"])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    # how far the images of a character lie from their mean, pixel by pixel, in grey levels
    scatter = [
        float((data.train_images[data.train_labels == label][:500] / 255).std(axis=0).mean())
        for label in range(count)
    ]
    most, least = int(np.argmax(scatter)), int(np.argmin(scatter))
    finding = (
        f"Ten rows of handwriting, one a character. {labels[most]} varies most from image to "
        f"image (standard deviation of a pixel {scatter[most]:.2f} of full ink), {labels[least]} "
        f"least ({scatter[least]:.2f})."
    )
    numbers = pd.DataFrame(shown, columns=["character", "part", "index_in_data_set"])
    return finished(figure, data.name, ExhibitData.of(numbers, finding))


def confusion(matrix: np.ndarray, data: Dataset) -> Figure:
    """Draw a confusion matrix (mean counts), rows the right class; the diagonal is left pale."""
    figure, axis = plt.subplots(figsize=(7.2, 6))
    share = matrix / matrix.sum(axis=1, keepdims=True) * 100
    mistakes = share.copy()
    np.fill_diagonal(mistakes, 0)
    image = axis.imshow(mistakes, cmap="Oranges", vmin=0)
    names = [f"{k} {r}" for k, r in zip(data.class_names, data.romaji, strict=True)]
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    for row, column in np.ndindex(share.shape):
        value = share[row, column]
        if value >= 0.05:
            dark = mistakes[row, column] > 0.6 * mistakes.max()
            axis.text(
                column, row, f"{value:.1f}", ha="center", va="center", fontsize=8,
                color="white" if dark else "black", weight="bold" if row == column else "normal",
            )  # fmt: skip
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("predicted")
    axis.set_ylabel("right character")
    figure.colorbar(image, label="mistakes, % of the character", shrink=0.8)
    right, (row, column) = np.diag(share), divmod(int(mistakes.argmax()), len(names))
    finding = (
        f"Between {right.min():.1f} % ({names[right.argmin()]}) and {right.max():.1f} % "
        f"({names[right.argmax()]}) of a character are recognised. The most frequent mistake: "
        f"{names[row]} taken for {names[column]}, {share[row, column]:.1f} %."
    )
    numbers = pd.DataFrame(share, columns=data.romaji)
    numbers.insert(0, "right_character", data.romaji)
    return finished(figure, data.name, ExhibitData.of(numbers, finding))


def gallery(
    images: np.ndarray, right: np.ndarray, predicted: np.ndarray, sure: np.ndarray, data: Dataset,
    columns: int = 8,
) -> Figure:  # fmt: skip
    """Draw images with their right and predicted characters and the probability of the latter."""
    rows = max(1, -(-len(images) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(9.5, 1.62 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, label, guess, p in zip(
        axes.flat, images, right, predicted, sure, strict=False
    ):
        axis.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
        axis.set_title(
            f"{data.class_names[label]} → {data.class_names[guess]}  {p:.0%}",
            fontsize=9.5, loc="center", weight="normal",
        )  # fmt: skip
    readings = np.array(data.romaji)
    numbers = pd.DataFrame(
        {"right": readings[right], "answer": readings[predicted], "probability": sure}
    )
    finding = "There is no mistake to show."
    if len(numbers):
        pairs = numbers.value_counts(["right", "answer"])
        pair, times = pairs.idxmax(), pairs.max()
        finding = (
            f"{len(numbers)} test images with a wrong answer of probability {sure.min():.1%} or "
            f"more; the commonest pair is {pair[0]} taken for {pair[1]} ({times} of them)."
        )
    return finished(figure, data.name, ExhibitData.of(numbers, finding))


def first_layer(results: Results, names: Iterable[str], units: int = 10) -> Figure:
    """Draw the incoming weights of some hidden units as images, a row an experiment (first seed).

    The units with the largest weights (Euclidean norm), each on its own symmetric scale.
    """
    names = list(names)
    figure, axes = plt.subplots(
        len(names), units, figsize=(9.5, 1.22 * len(names) + 0.2), squeeze=False
    )
    rows, smooth = [], []
    for line, name in zip(axes, names, strict=True):
        weights = results.of(name)[0].model.weights[0]
        side = round(len(weights) ** 0.5)
        largest = np.argsort(-np.linalg.norm(weights, axis=0))[:units]
        images = weights.T.reshape(-1, side, side)
        left, right = images[:, :, :-1].ravel(), images[:, :, 1:].ravel()
        smooth.append(f"{title(name)} {np.corrcoef(left, right)[0, 1]:.2f}")
        for axis in line:
            axis.axis("off")
        for axis, unit in zip(line, largest, strict=False):
            limit = abs(images[unit]).max()
            axis.imshow(images[unit], cmap="RdBu_r", vmin=-limit, vmax=limit)
            rows.append([name, int(unit), *weights[:, unit]])
        line[0].set_title(title(name), fontsize=9.5)
    columns = ["experiment", "unit", *(f"pixel_{i}" for i in range(len(rows[0]) - 2))]
    numbers = pd.DataFrame(rows, columns=columns).round(4)
    finding = (
        "Correlation of the weights of neighbouring pixels, over all hidden units: "
        f"{', '.join(smooth)}. The higher it is, the more the images show strokes and not noise."
    )
    return finished(figure, results.data_name, ExhibitData.of(numbers, finding, results, names))
