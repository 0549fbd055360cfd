"""Images: examples of the data, its distances, weights of the first layer, and errors."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.analysis import ConfidentErrors
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure, title
from kmnist_mlp.figures.style import PANEL, heat_map, in_two_lines, legend_above, panel
from kmnist_mlp.support.colours import GREEN, GREY, ORANGE
from kmnist_mlp.support.statistics import in_percent

GAP = 2  # pixels between images


def image_grid(
    images: np.ndarray,
    across: int,
    heading: str = "",
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    captions: Sequence[str] = (),
    signed: bool = False,
) -> Figure:
    """Draw images in rows and columns, dark ink on white.

    Parameters
    ----------
    images : ndarray, shape (n, height, width)
        Grey levels from 0 to 255, row by row.
    across : int
        How many in a row.
    heading : str
    rows, columns : sequence of str
        Names of the rows and columns.
    captions : sequence of str
        One above each image.
    signed : bool
        Whether values are between -1 and 1: blue and red.
    """
    above = 9 if len(captions) else 0
    blank = max(-len(images) % across, across * (len(images) == 0))
    gaps = ((0, blank), (above, GAP), (0, GAP))
    framed = np.pad(images.astype(float), gaps, constant_values=np.nan)
    _, height, wide = framed.shape
    canvas = framed.reshape(-1, across, height, wide).swapaxes(1, 2).reshape(-1, across * wide)
    figure, axis = panel(0.5 + 0.9 * PANEL * len(canvas) / (across * wide))
    cmap, least, most = ("RdBu_r", -1, 1) if signed else ("gray_r", 0, 255)
    axis.imshow(canvas, cmap, vmin=least, vmax=most)
    axis.set_title(heading)
    axis.set_yticks((np.arange(len(rows)) + 0.5) * height, rows)
    axis.set_xticks((np.arange(len(columns)) + 0.5) * wide, columns)
    for place, text in enumerate(captions):
        row, column = divmod(place, across)
        x, y = (column + 0.5) * wide - 1, row * height + above - 2
        axis.text(x, y, text, ha="center", fontsize=9)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure


# ---- the data ------------------------------------------------------------------------------------


def first_of_each_class(labels: np.ndarray, count: int = 1) -> np.ndarray:
    """Return the places of the first images of each class: (classes, count) or less."""
    count = min(count, np.bincount(labels).min())
    return np.array([np.flatnonzero(labels == c)[:count] for c in range(labels.max() + 1)])


def example_images(data: Dataset, per_class: int = 10) -> ReportFigure:
    """Draw the first images of each class: of the training images, and of the test images."""
    panels, rows = [], []
    for part, images, labels in (
        ("training", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        places = first_of_each_class(labels, per_class)
        rows += [(labels[n], data.romaji[labels[n]], part, n) for n in places.ravel()]
        chosen, across = images[places.ravel()], places.shape[1]
        panels.append(image_grid(chosen, across, f"{part} images", data.class_labels))
    numbers = pd.DataFrame(rows, columns=["label", "character", "part", "index_in_data_set"])
    deviation = {}
    for label, name in enumerate(data.class_labels):
        images = data.train_images[data.train_labels == label][:500] / 255
        deviation[name] = images.std(axis=0).mean()
    deviation = pd.Series(deviation)
    finding = (
        f"{deviation.idxmax()} varies most from image to image (standard deviation of a pixel "
        f"{deviation.max():.2f} of full ink), {deviation.idxmin()} least ({deviation.min():.2f})."
    )
    first = 255 - data.train_images[first_of_each_class(data.train_labels).ravel()]
    strip, content = np.pad(first, ((0, 0), (GAP, GAP), (GAP, GAP)), constant_values=255), BytesIO()
    plt.imsave(content, np.hstack(strip), cmap="gray", vmin=0, vmax=255, format="png")
    figure = report_figure(panels, numbers, finding, data_name=data.name)
    return replace(figure, strip=base64.b64encode(content.getvalue()).decode())


def distance_histogram(distances: Mapping[str, np.ndarray], data_name: str) -> ReportFigure:
    """Draw histograms of the distance from an image to the most similar training image.

    Parameters
    ----------
    distances : dict of str to ndarray
        What :func:`kmnist_mlp.experiments.analysis.nearest_distances` gives.
    data_name : str
    """
    numbers = pd.DataFrame(
        [(part, value) for part, values in distances.items() for value in values],
        columns=["part", "distance"],
    )
    figure, axis = panel()
    bins = np.linspace(0, numbers.distance.max(), 50)
    medians = numbers.groupby("part", sort=False).distance.median()
    for (part, median), colour in zip(medians.items(), (ORANGE, GREEN, GREY), strict=False):
        values = numbers.distance[numbers.part == part]
        axis.hist(values, bins, density=True, histtype="step", color=colour, lw=2, label=part)
        axis.axvline(median, color=colour, ls="--", lw=1)
    axis.set_xlabel("distance to the most similar training image\n(grey levels from 0 to 1)")
    axis.set_ylabel("density")
    legend_above(axis)
    listed = ", ".join(f"{part} {median:.2f}" for part, median in medians.items())
    return report_figure([figure], numbers, f"Median distance: {listed}.", data_name=data_name)


# ---- weights of the first layer ------------------------------------------------------------------


def first_layer_weights(
    results: Results, names: str | Iterable[str], data: Dataset, units: int = 10
) -> ReportFigure:
    """Draw the incoming weights of hidden units as images, a panel per experiment (first seed).

    The units with the largest weights (Euclidean norm) are shown, each on its symmetric scale; red
    is positive, blue negative.

    Parameters
    ----------
    results : Results
    names : str or iterable of str
    data : Dataset
        Gives height and width of the images.
    units : int
        How many units of each experiment.
    """
    names, shape = results.chosen(names), data.train_images.shape[1:]
    panels, tables, alike = [], [], []
    for name in names:
        weights = results.of(name)[0].model.weights[0]
        largest = np.argsort(-np.linalg.norm(weights, axis=0))[:units]
        chosen = weights[:, largest].T
        table = pd.DataFrame(chosen).add_prefix("pixel_").round(4)
        tables.append(table.assign(experiment=name, unit=largest))
        scaled = chosen / abs(chosen).max(axis=1, keepdims=True)
        panels.append(image_grid(scaled.reshape(-1, *shape), 5, title(name), signed=True))
        images = weights.T.reshape(-1, *shape)
        correlation = np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1]
        alike.append(f"{title(name)} {correlation:.2f}")
    numbers = pd.concat(tables).set_index(["experiment", "unit"]).reset_index()
    finding = f"Correlation of the weights of neighbouring pixels: {', '.join(alike)}."
    return report_figure(panels, numbers, finding, results=results, names=names)


# ---- errors --------------------------------------------------------------------------------------


def confusion_matrix(matrix: np.ndarray, data: Dataset) -> ReportFigure:
    """Draw a confusion matrix in per cent of each class.

    Only the errors are coloured: the diagonal would hide their differences. The row of a class
    without images is NaN.

    Parameters
    ----------
    matrix : ndarray, shape (classes, classes)
        Counts, or their mean over seeds: rows the true class, columns the predicted one.
    data : Dataset
        Gives the names of the classes.
    """
    labels, images = data.class_labels, matrix.sum(axis=1, keepdims=True)
    percent = np.where(images > 0, 100 * matrix / np.maximum(images, 1), np.nan)
    errors = percent - np.diag(np.diag(percent))
    figure, axis = panel(4.6)
    seen = pd.DataFrame(errors, labels, in_two_lines(labels))
    mesh = heat_map(axis, seen.where(errors >= 0.05), fontsize=8, cmap="Oranges", vmin=0)
    for place, share in enumerate(np.diag(percent)):
        if share >= 0.05:
            axis.text(
                place + 0.5, place + 0.5, f"{share:.1f}", ha="center", va="center",
                fontsize=8, weight="bold",
            )  # fmt: skip
    axis.set_aspect("equal")
    axis.spines[:].set_visible(False)
    axis.set(xlabel="predicted", ylabel="true character")
    bar = figure.colorbar(
        mesh, label="errors, % of the character", shrink=0.8, location="bottom"
    )  # fmt: skip
    bar.solids.set_rasterized(True)
    numbers = pd.DataFrame(percent, columns=data.romaji)
    numbers.insert(0, "true_character", data.romaji)
    recall = pd.Series(np.diag(percent), labels)
    finding = (
        f"Between {recall.min():.1f} % ({recall.idxmin()}) and {recall.max():.1f} % "
        f"({recall.idxmax()}) of the images of a character are recognised."
    )
    true, predicted = divmod(int(np.nanargmax(errors)), len(labels))
    if true != predicted:  # there is an error
        most = f"{labels[true]} taken for {labels[predicted]}, {percent[true, predicted]:.1f} %"
        finding = f"{finding[:-1]}; most frequent error: {most}."
    return report_figure([figure], numbers, finding, data_name=data.name)


def most_confident_errors(errors: ConfidentErrors, data: Dataset) -> ReportFigure:
    """Draw images with their true and predicted class and the probability of the latter.

    Parameters
    ----------
    errors : ConfidentErrors
        What :func:`kmnist_mlp.experiments.analysis.most_confident_errors` gives.
    data : Dataset
        Gives the names of the classes.
    """
    names = np.array(data.romaji)
    numbers = pd.DataFrame(
        {
            "true_character": names[errors.labels],
            "predicted_character": names[errors.predictions],
            "probability": errors.confidences,
        }
    )
    captions = [
        f"{data.class_names[label]} → {data.class_names[prediction]}  {in_percent(confidence, 0)}"
        for _, label, prediction, confidence in zip(*errors, strict=True)
    ]
    half = len(captions) // 2
    panels = [
        image_grid(errors.images[part], 4, captions=captions[part])
        for part in (slice(0, half), slice(half, None))
        if part.stop is None or half
    ]
    finding = "There is no error to show."
    if captions:
        pairs = numbers.value_counts(["true_character", "predicted_character"])
        finding = (
            "The most frequent pair is {} taken for {}".format(*pairs.idxmax())
            + f" ({pairs.max()} of {len(numbers)} errors with a probability of "
            f"{in_percent(errors.confidences.min(), 1)} or more)."
        )
    return report_figure(panels, numbers, finding, data_name=data.name)
