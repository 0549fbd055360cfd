"""What the first hidden layer of a trained network responds to: weights, and images, as pictures.

A hidden unit's weights form an image: one weight per pixel. Its output ``f(x @ W + b)`` is large
for images that have ink where the weights are positive, and paper where they are negative.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure
from kmnist_mlp.figures.style import panel
from kmnist_mlp.network import MLP, standardised
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import instance, whole_number

CHUNK = 1000  # images that are in memory as standardised numbers at the same time
TOP = 100  # the images with the largest outputs, of which the classes are counted
ROWS = 3  # units in one panel
GAP = 3  # pixels between two tiles of the figure


def for_data(model: MLP, data: Dataset) -> MLP:
    """Return a network, if it takes the images of ``data`` and knows its classes.

    Raises
    ------
    ValueError
        If ``data`` is no data set, the network has another number of inputs or outputs, or it does
        not carry its standardisation.
    """
    pixels = instance("data", data, Dataset).train_images[0].size
    needed = (pixels, len(data.class_names))
    if (model.layer_specs[0], model.layer_specs[-1]) != needed:
        raise ValueError(
            f"run must be of a network with {needed[0]} inputs and {needed[1]} outputs, the pixels "
            f"and classes of {data.name}; got {model!r}"
        )
    if model.standardisation is None:
        raise ValueError(f"run must be a result of train(), with a standardisation; got {model!r}")
    return model


class HiddenUnits:
    """The first hidden layer of a trained network, and the images that activate its units most.

    The images are the validation images of the run's own split. If the run held out none
    (``validation_fraction=0``), they are the training images, and :attr:`part` says so.

    Parameters
    ----------
    run : TrainingResult
        If the network has no hidden layer, its outputs (logits) are shown instead.
    data : Dataset
        The data that it was trained on.

    Attributes
    ----------
    part : str
        "validation" or "training": which images these are.
    images : ndarray of uint8, shape (images, height, width)
    labels : ndarray of int, shape (images,)
    weights : ndarray, shape (pixels, units)
    outputs : ndarray, shape (images, units)
    order : ndarray, shape (units,)
        The units by the Euclidean norm of their weights, the largest first.
    top : ndarray of int, shape (at most 100, units)
        Of each unit, the numbers of the images with the largest outputs, the largest first.
    class_counts : ndarray of int, shape (units, classes)
        How many of these show each class.

    Raises
    ------
    ValueError
        If ``run`` is not a result of training on images and classes like those of ``data``.
    """

    def __init__(self, run: TrainingResult, data: Dataset) -> None:
        model = for_data(instance("run", run, TrainingResult).model, data)
        train_rows, validation_rows = split_rows(len(data.train_images), run.config)
        self.data = data
        self.part = "validation" if len(validation_rows) else "training"
        rows = validation_rows if len(validation_rows) else train_rows
        self.images, self.labels = data.train_images[rows], data.train_labels[rows]
        self.weights = model.weights[0]
        chunks = [self.images[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        self.outputs = np.concatenate([first_layer(model, images) for images in chunks])
        self.order = np.argsort(-np.linalg.norm(self.weights, axis=0), kind="stable")
        self.top = np.argsort(-self.outputs, axis=0, kind="stable")[:TOP]
        classes = len(data.class_names)
        self.class_counts = np.array(
            [np.bincount(labels, minlength=classes) for labels in self.labels[self.top].T]
        )

    def figure(self, first: int = 0, count: int = 6, images: int = 12) -> ReportFigure:
        """Draw some units below each other: the weights, then what activates the unit most.

        Beside them: how many of the 100 images that activate the unit most show which character.

        Parameters
        ----------
        first, count : int
            Which of the units, in the order of :attr:`order`.
        images : int
            How many images per unit, 100 at most, in two rows.

        Raises
        ------
        ValueError
            If there are no such units or images.
        """
        whole_number("first", first, 0, len(self.order) - 1)
        whole_number("count", count, 1)
        whole_number("images", images, 1, TOP)
        shown = self.order[first : first + count]
        numbers = pd.DataFrame(
            [
                (unit, rank, self.data.romaji[self.labels[image]], self.outputs[image, unit])
                for unit in shown
                for rank, image in enumerate(self.top[:images, unit], start=1)
            ],
            columns=["unit", "rank", "character", "output"],
        )
        share = self.class_counts.max(axis=1)
        finding = (
            f"Of the {len(self.top)} {self.part} images that activate a hidden unit most, "
            f"{np.median(share):.0f} show the same character (median of {len(share)} units; from "
            f"{share.min()} to {share.max()})."
        )
        parts = [shown[start : start + ROWS] for start in range(0, len(shown), ROWS)]
        drawn = [draw(self, part, images) for part in parts]
        return report_figure(drawn, numbers, finding, data_name=self.data.name)


def first_layer(model: MLP, images: np.ndarray) -> np.ndarray:
    """Return the outputs of the first hidden layer for images of uint8: (images, units).

    ``f(x @ W + b)``, where x are the pixels as the network standardises them; without f if the
    first layer is also the last.
    """
    z = standardised(model, model.checked_inputs(images)) @ model.weights[0] + model.biases[0]
    if len(model.weights) == 1:
        return z
    return ACTIVATIONS[model.activation].value(z, out=z)


def draw(units: HiddenUnits, shown: np.ndarray, images: int) -> Figure:
    """Draw weights (red: positive), twice as large, beside two rows of images."""
    height, width = units.images.shape[1:]
    down, across, columns = height + GAP, width + GAP, -(-images // 2)
    rows = np.arange(len(shown)) * (2 * down + 2 * GAP)
    left = 2 * width + 3 * GAP  # of the images
    canvas = np.ones((rows[-1] + 2 * height + GAP, left + columns * across - GAP, 3))
    for top, unit in zip(rows, shown, strict=True):
        weights = units.weights[:, unit].reshape(height, width)
        weights = (1 + weights / (abs(weights).max() or 1)) / 2
        tile = mpl.colormaps["RdBu_r"](weights)[:, :, :3].repeat(2, axis=0).repeat(2, axis=1)
        canvas[top : top + 2 * height, : 2 * width] = tile
        for place, image in enumerate(units.images[units.top[:images, unit]]):
            y, x = top + place // columns * down, left + place % columns * across
            canvas[y : y + height, x : x + width] = 1 - image[:, :, None] / 255
    figure, axis = panel(min(0.5 + 3.1 * canvas.shape[0] / canvas.shape[1], 8))
    axis.imshow(canvas, interpolation="nearest")
    names = [f"unit {unit}\n{most_frequent(units, unit)}" for unit in shown]
    axis.set_yticks(rows + height, names, fontsize=8)
    title = f"{units.part} images that\nactivate it most"
    axis.set_xticks([width, (left + canvas.shape[1]) / 2], ["weights", title], fontsize=9)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure


def most_frequent(units: HiddenUnits, unit: int) -> str:
    """Return the three most frequent classes of a unit's top images, such as "61 お  20 は"."""
    counts = units.class_counts[unit]
    most = [label for label in np.argsort(-counts, kind="stable")[:3] if counts[label]]
    return "\n".join(f"{counts[label]} {units.data.class_names[label]}" for label in most)
