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
from kmnist_mlp.network import standardised
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import layers_for

TOP = 100  # the images with the largest outputs, of which the classes are counted
COUNT, ROWS = 6, 3  # units in a figure, and in one panel
IMAGES = 12  # that are shown of a unit, in two rows
GAP = 3  # pixels between two tiles of the figure


class HiddenUnits:
    """The first hidden layer of a trained network, and the images that activate its units most.

    The images are the validation images of the run's own split.

    Parameters
    ----------
    run : TrainingResult
        If the network has no hidden layer, its outputs (logits) are shown instead.
    data : Dataset
        The data that it was trained on.

    Attributes
    ----------
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
        If the network has other numbers of inputs and outputs than ``data`` of pixels and classes.
    """

    def __init__(self, run: TrainingResult, data: Dataset) -> None:
        model, classes = run.model, len(data.class_names)
        layers_for(model.layer_specs, data.train_images[0].size, classes)
        _, rows = split_rows(len(data.train_images), run.config)
        self.data = data
        self.images, self.labels = data.train_images[rows], data.train_labels[rows]
        self.weights = model.weights[0]
        self.outputs = standardised(model, model.checked_inputs(self.images)) @ self.weights
        self.outputs += model.biases[0]
        if len(model.weights) > 1:
            self.outputs = ACTIVATIONS[model.activation].value(self.outputs, out=self.outputs)
        self.order = np.argsort(-np.linalg.norm(self.weights, axis=0), kind="stable")
        self.top = np.argsort(-self.outputs, axis=0, kind="stable")[:TOP]
        self.class_counts = np.array(
            [np.bincount(labels, minlength=classes) for labels in self.labels[self.top].T]
        )

    def figure(self, first: int = 0) -> ReportFigure:
        """Draw six units below each other: the weights, then what activates the unit most.

        Beside them: how many of the 100 images that activate the unit most show which character.

        Parameters
        ----------
        first : int
            Of the units, in the order of :attr:`order`; of the last six, if it is larger.
        """
        first = min(first, max(0, len(self.order) - COUNT))
        shown = self.order[first : first + COUNT]
        ranks = pd.RangeIndex(1, min(IMAGES, len(self.top)) + 1, name="rank")
        best = pd.DataFrame(self.top[:IMAGES, shown], ranks, shown)
        numbers = best.T.rename_axis("unit").stack().reset_index(name="image")
        images = numbers.pop("image")
        numbers["character"] = np.array(self.data.romaji)[self.labels[images]]
        numbers["output"] = self.outputs[images, numbers.unit]
        share = self.class_counts.max(axis=1)
        finding = (
            f"Of the {len(self.top)} validation images that activate a hidden unit most, "
            f"{np.median(share):.0f} show the same character (median of {len(share)} units; from "
            f"{share.min()} to {share.max()})."
        )
        drawn = [draw(self, shown[row : row + ROWS]) for row in range(0, len(shown), ROWS)]
        return report_figure(drawn, numbers, finding, data_name=self.data.name)


def draw(units: HiddenUnits, shown: np.ndarray) -> Figure:
    """Draw weights (red: positive), twice as large, beside two rows of images."""
    height, width = units.images.shape[1:]
    down, across, columns = height + GAP, width + GAP, IMAGES // 2
    rows = np.arange(len(shown)) * (2 * down + 2 * GAP)
    left = 2 * width + 3 * GAP  # of the images
    canvas = np.ones((rows[-1] + 2 * height + GAP, left + columns * across - GAP, 3))
    names = []
    for top, unit in zip(rows, shown, strict=True):
        weights = units.weights[:, unit].reshape(height, width)
        weights = (1 + weights / (abs(weights).max() or 1)) / 2
        tile = mpl.colormaps["RdBu_r"](weights)[:, :, :3].repeat(2, axis=0).repeat(2, axis=1)
        canvas[top : top + 2 * height, : 2 * width] = tile
        for place, image in enumerate(units.images[units.top[:IMAGES, unit]]):
            y, x = top + place // columns * down, left + place % columns * across
            canvas[y : y + height, x : x + width] = 1 - image[:, :, None] / 255
        counts = pd.Series(units.class_counts[unit], units.data.class_names)
        most = counts[counts > 0].sort_values(ascending=False, kind="stable")[:3]
        names.append("\n".join([f"unit {unit}", *(f"{n} {name}" for name, n in most.items())]))
    figure, axis = panel(min(0.5 + 3.1 * canvas.shape[0] / canvas.shape[1], 8))
    axis.imshow(canvas, interpolation="nearest")
    axis.set_yticks(rows + height, names, fontsize=8)
    titles = "weights", "validation images that\nactivate it most"
    axis.set_xticks([width, (left + canvas.shape[1]) / 2], titles, fontsize=9)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.set_frame_on(False)
    axis.grid(visible=False)
    return figure
