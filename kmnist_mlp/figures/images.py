"""Images of the data set and what networks see in them: examples, distances, first layer."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData, title
from kmnist_mlp.figures.style import finished, is_narrow, legend_above, panels, width
from kmnist_mlp.support.colours import GREEN, GREY, ORANGE

# ---- examples ------------------------------------------------------------------------------------


def example_images(data: Dataset, per_class: int = 10) -> Figure:
    """Draw the first images of each class: training on the left, test on the right."""
    numbers = example_numbers(data, per_class)
    exhibit = ExhibitData.of(numbers, example_finding(data))
    figure = finished(lambda: draw_examples(data, numbers, per_class), data.name, exhibit)
    figure.strip = strip(data)
    return figure


def strip(data: Dataset) -> str:
    """Return the first training image of each class side by side, as PNG in base64."""
    first = [np.flatnonzero(data.train_labels == c)[0] for c in range(len(data.class_names))]
    images = np.pad(255 - data.train_images[first], ((0, 0), (2, 2), (2, 2)), constant_values=255)
    content = io.BytesIO()
    plt.imsave(content, np.hstack(images), cmap="gray", vmin=0, vmax=255, format="png")
    return base64.b64encode(content.getvalue()).decode()


def example_numbers(data: Dataset, per_class: int) -> pd.DataFrame:
    """Return a row per image: label, its reading, part, and place in that part of the data."""
    rows = [
        (label, data.romaji[label], part, row)
        for part, labels in (("training", data.train_labels), ("test", data.test_labels))
        for label in range(len(data.class_names))
        for row in np.flatnonzero(labels == label)[:per_class]
    ]
    return pd.DataFrame(rows, columns=["label", "character", "part", "index_in_data_set"])


def draw_examples(data: Dataset, numbers: pd.DataFrame, per_class: int) -> Figure:
    """Draw the images that :func:`example_numbers` lists, dark ink on white."""
    per_class = min(per_class, 4) if is_narrow() else per_class
    count, (height, wide) = len(data.class_names), data.train_images.shape[1:]
    height, wide = height + 2, wide + 2  # with a gap
    canvas = np.full((count * height, (2 * per_class + 1) * wide), 255, np.uint8)
    inches = width()
    figure, axis = plt.subplots(figsize=(inches, 0.5 + 0.93 * inches / (2 * per_class + 1) * count))
    for (part, label), rows in numbers.groupby(["part", "label"]):
        images = data.train_images if part == "training" else data.test_images
        first = 0 if part == "training" else per_class + 1
        chosen = images[rows.index_in_data_set[:per_class]]
        for place, image in enumerate(chosen, start=first):
            top, left = label * height, place * wide
            canvas[top : top + height - 2, left : left + wide - 2] = 255 - image
    axis.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_yticks((np.arange(count) + 0.5) * height, data.class_labels, fontsize=12)
    half = per_class * wide
    axis.set_xticks([half / 2, half * 1.5 + wide], ["training images", "test images"])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure


def example_finding(data: Dataset) -> str:
    """Return which classes vary most and least, by the first 500 training images of each.

    A class varies by the standard deviation of each pixel over its images, mean over pixels, as a
    fraction of full ink.
    """
    labels = data.class_labels
    deviations = [
        (data.train_images[data.train_labels == label][:500] / 255).std(axis=0).mean()
        for label in np.unique(data.train_labels)
    ]
    names = [labels[label] for label in np.unique(data.train_labels)]
    most, least = int(np.argmax(deviations)), int(np.argmin(deviations))
    return (
        f"Of {len(labels)} characters, {names[most]} varies most from image to image "
        f"(standard deviation of a pixel {deviations[most]:.2f} of full ink), {names[least]} "
        f"least ({deviations[least]:.2f})."
    )


# ---- distances -----------------------------------------------------------------------------------


def distance_histogram(distances: Mapping[str, np.ndarray], data_name: str) -> Figure:
    """Draw histograms of the distance from an image to the most similar training image.

    Parameters
    ----------
    distances : dict of str to ndarray
        What :func:`kmnist_mlp.experiments.distribution_shift.nearest_distances` gives.
    data_name : str
    """
    numbers = pd.DataFrame(
        [(part, value) for part, values in distances.items() for value in values],
        columns=["part", "distance"],
    )
    data = ExhibitData.of(numbers, distance_finding(numbers))
    return finished(lambda: draw_distances(numbers), data_name, data)


def draw_distances(numbers: pd.DataFrame) -> Figure:
    """Draw a histogram and the median of each part."""
    figure, (axis,) = panels(1, height=3)
    bins = np.linspace(0, numbers.distance.max(), 50)
    parts = numbers.groupby("part", sort=False).distance
    for (part, values), colour in zip(parts, (ORANGE, GREEN, GREY), strict=False):
        label = f"{part} (median {values.median():.1f})"
        axis.hist(values, bins, density=True, histtype="step", color=colour, lw=2, label=label)
        axis.axvline(values.median(), color=colour, ls="--", lw=1)
    axis.set_xlabel("distance to the most similar training image (grey levels from 0 to 1)")
    axis.set_ylabel("density")
    legend_above(figure, *axis.get_legend_handles_labels(), 2)
    return figure


def distance_finding(numbers: pd.DataFrame) -> str:
    """Return the median of each part as a sentence."""
    medians = numbers.groupby("part", sort=False).distance.median()
    listed = ", ".join(f"{part} {median:.2f}" for part, median in medians.items())
    return f"Median distance to the most similar training image: {listed}."


# ---- weights of the first layer ------------------------------------------------------------------


def first_layer_weights(
    results: Results, names: str | Iterable[str], data: Dataset, units: int = 10
) -> Figure:
    """Draw the incoming weights of hidden units as images, a row per experiment (first seed).

    The units with the largest weights (Euclidean norm) are shown, each on its own symmetric scale.

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
    numbers = weight_numbers(results, names, units)
    exhibit = ExhibitData.of(numbers, weight_finding(results, names, shape), results, names)
    return finished(lambda: draw_weights(numbers, shape, units), results.data_name, exhibit)


def weight_numbers(results: Results, names: Iterable[str], units: int) -> pd.DataFrame:
    """Return a row per experiment and unit, the largest first: its weights, pixel by pixel."""
    tables = []
    for name in names:
        weights = results.of(name)[0].model.weights[0]
        largest = np.argsort(-np.linalg.norm(weights, axis=0))[:units]
        table = pd.DataFrame(weights[:, largest].T).add_prefix("pixel_")
        table.insert(0, "experiment", name)
        table.insert(1, "unit", largest)
        tables.append(table)
    return pd.concat(tables).round(4)


def draw_weights(numbers: pd.DataFrame, shape: tuple[int, int], units: int) -> Figure:
    """Draw what :func:`weight_numbers` gives; red is positive, blue negative."""
    experiments = numbers.groupby("experiment", sort=False)
    units = min(units, 5) if is_narrow() else units
    size = (width(), (1.28 * width() / units) * len(experiments) + 0.2)
    figure, axes = plt.subplots(len(experiments), units, figsize=size, squeeze=False)
    for line, (name, own) in zip(axes, experiments, strict=True):
        for axis in line:
            axis.axis("off")
        images = own.filter(like="pixel_").to_numpy().reshape(-1, *shape)
        for axis, image in zip(line, images, strict=False):
            limit = abs(image).max()
            axis.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        line[0].set_title(title(name), fontsize=9.5)
    return figure


def weight_finding(results: Results, names: Iterable[str], shape: tuple[int, int]) -> str:
    """Return how much the weights of neighbouring pixels are alike, over all hidden units."""
    correlations = []
    for name in names:
        images = results.of(name)[0].model.weights[0].T.reshape(-1, *shape)
        left, right = images[:, :, :-1].ravel(), images[:, :, 1:].ravel()
        correlations.append(f"{title(name)} {np.corrcoef(left, right)[0, 1]:.2f}")
    return (
        "Correlation of the weights of neighbouring pixels, over all hidden units: "
        f"{', '.join(correlations)}. The higher it is, the more the images show strokes and not "
        "noise."
    )
