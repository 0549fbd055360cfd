"""Images: examples, distances, weights of the first layer, and errors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure, title
from kmnist_mlp.figures.style import PANEL, encoded, heat_map, legend_above, panel
from kmnist_mlp.support.colours import GREEN, GREY, ON_PALE, ORANGE, RED
from kmnist_mlp.support.statistics import in_percent

GAP = 2  # pixels between images
LABEL = 10.5  # size of a name: it is read on a telephone, too


def image_grid(
    images: np.ndarray,
    across: int,
    heading: str = "",
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    captions: Sequence[str] = (),
    signed: bool = False,
    framed: Sequence[bool] = (),
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
    framed : sequence of bool
        Whether an image stands out by a red frame.
    """
    above = 9 * (len(captions) > 0)
    blank = max(-len(images) % across, across * (len(images) == 0))
    gaps = ((0, blank), (above, GAP), (0, GAP))
    padded = np.pad(images.astype(float), gaps, constant_values=np.nan)
    _, height, wide = padded.shape
    grid = padded.reshape(-1, across, height, wide).swapaxes(1, 2)
    cmap, limits = ("RdBu_r", (-1, 1)) if signed else ("gray_r", (0, 255))
    left = (np.arange(len(rows)) + 0.5) * height, rows
    top = (np.arange(len(columns)) + 0.5) * wide, columns
    figure = tiles(grid.reshape(-1, across * wide), left, top, heading, cmap=cmap, clim=limits)
    (axis,) = figure.axes
    for place, text in enumerate(captions):
        y, x = np.multiply(divmod(place, across), (height, wide))
        axis.text(x + wide / 2 - 1, y + above - 3, text, ha="center", fontsize=LABEL)
    for place in np.flatnonzero(framed):
        y, x = np.multiply(divmod(place, across), (height, wide)) + (above - 1, -1)
        frame = Rectangle((x, y), wide, height - above, fill=False, ec=RED, lw=1.8, clip_on=False)
        axis.add_patch(frame)
    return figure


def tiles(canvas: np.ndarray, left: tuple, top: tuple, heading: str = "", **style: Any) -> Figure:
    """Return a panel of images, as high as they need.

    Parameters
    ----------
    canvas : ndarray, shape (height, width) or (height, width, 3)
    left, top : tuple of (sequence of float, sequence of str)
        Places on the canvas, in pixels, and the names that stand there.
    heading : str
    **style
        As :meth:`~matplotlib.axes.Axes.imshow` takes it.
    """
    figure, axis = panel(min(1 + PANEL * canvas.shape[0] / canvas.shape[1], 8))
    axis.imshow(canvas, interpolation="none", **style)
    axis.set_yticks(*left)
    axis.set_xticks(*top)
    axis.xaxis.tick_top()
    axis.tick_params(length=0, labelsize=LABEL)
    axis.set(title=heading, frame_on=False)
    axis.grid(visible=False)
    for _ in range(3):  # the layout approaches its end
        figure.draw_without_rendering()
        figure.set_figheight(figure.get_tightbbox().height + 0.1)
    return figure


def first_of_each_class(labels: np.ndarray, count: int = 1) -> np.ndarray:
    """Return the places of the first images of each class: (classes, count) or less."""
    count = min(count, np.bincount(labels).min())
    return np.array([np.flatnonzero(labels == c)[:count] for c in range(labels.max() + 1)])


def example_images(data: Dataset, per_class: int = 10) -> ReportFigure:
    """Draw the first training images of each class, and the first test images."""
    panels, parts = [], []
    for part, images, labels in (
        ("training", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        places = first_of_each_class(labels, per_class)
        rows, names = places.ravel(), data.class_labels
        panels.append(image_grid(images[rows], places.shape[1], f"{part} images", names))
        table = pd.DataFrame({"label": labels[rows]})
        table["character"] = np.array(data.romaji)[table.label]
        parts.append(table.assign(part=part, index_in_data_set=rows))
    first = data.train_images[first_of_each_class(data.train_labels).ravel()]
    strip = np.pad(first, ((0, 0), (GAP, GAP), (GAP, GAP)))
    content = BytesIO()
    plt.imsave(content, 255 - np.hstack(strip), cmap="gray", vmin=0, vmax=255, format="png")
    figure = report_figure(panels, pd.concat(parts), data_name=data.name)
    return replace(figure, strip=encoded(content.getvalue()))


def distance_histogram(distances: Mapping[str, np.ndarray], data_name: str) -> ReportFigure:
    """Draw histograms of the distance from an image to the most similar training image.

    Parameters
    ----------
    distances : dict of str to ndarray
        What :func:`kmnist_mlp.experiments.analysis.nearest_distances`
        gives.
    data_name : str
    """
    parts = [pd.DataFrame({"part": part, "distance": d}) for part, d in distances.items()]
    numbers = pd.concat(parts)
    figure, axis = panel()
    bins, said = np.linspace(0, numbers.distance.max(), 50), []
    style = {"density": True, "histtype": "step", "lw": 2}
    for (part, values), colour in zip(distances.items(), (ORANGE, GREEN, GREY), strict=False):
        axis.hist(values, bins, color=colour, label=part, **style)
        axis.axvline(np.median(values), color=colour, ls="--", lw=1)
        said.append(f"{part} {np.median(values):.2f}")
    axis.set_xlabel("distance to the most similar training image\n(grey levels from 0 to 1)")
    axis.set_ylabel("density")
    legend_above(axis)
    finding = f"Median distance: {', '.join(said)}."
    return report_figure([figure], numbers, finding, data_name=data_name)


def first_layer_weights(
    results: Results, names: str | Iterable[str], data: Dataset, units: int = 10
) -> ReportFigure:
    """Draw the incoming weights of hidden units as images, a panel per experiment.

    Of the first seed, the units with the largest weights
    (Euclidean norm) are shown, each on its symmetric scale; red is
    positive, blue negative.

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
    panels, tables, alike = [], {}, []
    for name in names:
        weights = results.of(name)[0].model.weights[0]
        largest = np.argsort(-np.linalg.norm(weights, axis=0))[:units]
        chosen = weights[:, largest].T
        scaled = chosen / abs(chosen).max(axis=1, keepdims=True)
        panels.append(image_grid(scaled.reshape(-1, *shape), 5, title(name), signed=True))
        tables[name] = pd.DataFrame(chosen, largest).add_prefix("pixel_").round(4)
        images = weights.T.reshape(-1, *shape)
        neighbours = images[:, :, :-1].ravel(), images[:, :, 1:].ravel()
        alike.append(f"{title(name)} {np.corrcoef(*neighbours)[0, 1]:.2f}")
    finding = FINDINGS["neighbours"].format(", ".join(alike))
    numbers = pd.concat(tables, names=["experiment", "unit"]).reset_index()
    return report_figure(panels, numbers, finding, results, names)


def confusion_matrix(matrix: np.ndarray, data: Dataset) -> ReportFigure:
    """Draw a confusion matrix in per cent of each class.

    Only the errors are coloured: the diagonal would hide their
    differences. The row of a class without images is NaN.

    Parameters
    ----------
    matrix : ndarray, shape (classes, classes)
        Counts, or their mean over seeds: rows the true class, columns
        the predicted one.
    data : Dataset
        Gives the names of the classes.
    """
    labels, images = data.class_labels, matrix.sum(axis=1, keepdims=True)
    percent = np.where(images > 0, 100 * matrix / np.maximum(images, 1), np.nan)
    errors = percent - np.diag(np.diag(percent))
    figure, axis = panel(4.7)
    below = [label.replace(" ", "\n") for label in labels]  # in two lines
    seen = pd.DataFrame(errors, labels, below)
    heat_map(axis, seen.where(errors >= 0.05), cmap="Oranges", vmin=0)
    style = {"ha": "center", "va": "center", "weight": "bold", "color": ON_PALE}
    for place, share in enumerate(np.diag(percent)):
        if share >= 0.05:
            axis.text(place + 0.5, place + 0.5, f"{share:.1f}", **style)
    axis.set_aspect("equal")
    axis.spines[:].set_visible(False)
    axis.set(xlabel="predicted", ylabel="true character")
    numbers = pd.DataFrame(percent, columns=data.romaji)
    numbers.insert(0, "true_character", data.romaji)
    return report_figure([figure], numbers, data_name=data.name)


def most_confident_errors(errors: pd.DataFrame, data: Dataset) -> ReportFigure:
    """Draw the first 24 errors with their true and predicted class and its probability.

    Parameters
    ----------
    errors : DataFrame
        What :func:`kmnist_mlp.experiments.analysis.most_confident_errors`
        gives.
    data : Dataset
        Gives the images and the names of the classes.
    """
    errors, romaji, numbers = errors.head(24), np.array(data.romaji), pd.DataFrame()
    numbers["true_character"] = romaji[errors.label]
    numbers["predicted_character"] = romaji[errors.prediction]
    numbers["probability"] = errors.confidence.to_numpy()
    names = data.class_names
    captions = [
        f"{names[label]}→{names[prediction]} {in_percent(confidence, 0)}"
        for label, prediction, confidence in errors.itertuples(index=False)
    ]
    parts = [slice(n, n + 12) for n in range(0, max(len(errors), 1), 12)]
    images = data.test_images[errors.index]
    panels = [image_grid(images[part], 4, captions=captions[part]) for part in parts]
    return report_figure(panels, numbers, data_name=data.name)
