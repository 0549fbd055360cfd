"""What the first hidden layer of a trained network responds to: weights, and images, as pictures.

A hidden unit's weights form an image: one weight per pixel. Its output ``f(x @ W + b)`` is large
for images that have ink where the weights are positive, and paper where they are negative.
"""

from __future__ import annotations

import textwrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.figures import style
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import finished
from kmnist_mlp.laboratory.checks import trained_on
from kmnist_mlp.network import MLP, standardised
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import whole_number

CHUNK = 1000  # images that are in memory as standardised numbers at the same time
TOP = 100  # the images with the largest outputs, of which the classes are counted
GAP = 3  # pixels between two tiles of the figure


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
        model = trained_on(run, data)
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

    def figure(self, first: int = 0, count: int = 6, images: int = 12) -> Figure:
        """Draw some units, a row each: the weights as an image, then what activates the unit most.

        Beside the row: how many of the hundred most exciting images show which character.

        Parameters
        ----------
        first, count : int
            Which of the units, in the order of :attr:`order`.
        images : int
            How many images per unit, 100 at most.

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
        names = ", ".join(map(str, shown))
        exhibit = ExhibitData.of(numbers, f"{finding(self)} Shown: units {names}.")
        return finished(lambda: draw(self, shown, images), self.data.name, exhibit)


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
    """Draw one row of tiles per unit: weights (red: positive), then images, dark ink on white."""
    narrow = style.is_narrow()
    images = min(images, 5) if narrow else images
    height, width = units.images.shape[1:]
    down, across = height + GAP, width + GAP
    canvas = np.ones((len(shown) * down - GAP, (images + 1) * across + 2 * GAP, 3))
    for line, unit in enumerate(shown):
        weights = units.weights[:, unit].reshape(height, width)
        weights = weights / (abs(weights).max() or 1)
        tiles = [mpl.colormaps["RdBu_r"]((1 + weights) / 2)[:, :, :3]]
        top = units.images[units.top[:images, unit]]
        tiles += [np.repeat(1 - image[:, :, None] / 255, 3, axis=2) for image in top]
        for place, tile in enumerate(tiles):
            upper, left = line * down, place * across + 2 * GAP * (place > 0)
            canvas[upper : upper + height, left : left + width] = tile
    inches = float(np.clip((0.48 if narrow else 0.62) * height / width, 0.3, 2))  # of a row
    figure, axis = plt.subplots(figsize=(style.width(), inches * len(shown) + 0.35))
    axis.imshow(canvas, interpolation="nearest")
    middles = np.arange(len(shown)) * down + height / 2
    counts = [most_frequent(units, unit) for unit in shown]
    title = textwrap.fill(f"the {units.part} images that activate it most", 26 if narrow else 60)
    if narrow:
        names = [f"unit {unit}\n{text}" for unit, text in zip(shown, counts, strict=True)]
        axis.set_yticks(middles, names, fontsize=7.5)
    else:
        axis.set_yticks(middles, [f"unit {unit}" for unit in shown])
        for middle, text in zip(middles, counts, strict=True):
            axis.text(canvas.shape[1] + 4, middle, text, va="center")
        axis.text(canvas.shape[1] + 4, -2, f"of the top {len(units.top)}", va="bottom")
    axis.set_xticks(
        [width / 2, across * (images + 2) / 2],
        ["weights", title],
    )
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure


def most_frequent(units: HiddenUnits, unit: int) -> str:
    """Return the three most frequent classes of a unit's top images, such as "61 お  20 は"."""
    counts = units.class_counts[unit]
    most = [label for label in np.argsort(-counts, kind="stable")[:3] if counts[label]]
    return "  ".join(f"{counts[label]} {units.data.class_names[label]}" for label in most)


def finding(units: HiddenUnits) -> str:
    """Return, in a sentence, how many of the images with the largest outputs show one character."""
    share = units.class_counts.max(axis=1)
    return (
        f"Of the {len(units.top)} {units.part} images that activate a hidden unit most, "
        f"{np.median(share):.0f} show the same character (median of {len(share)} units; from "
        f"{share.min()} to {share.max()})."
    )
