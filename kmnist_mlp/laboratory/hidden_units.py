"""What the first hidden layer of a trained network responds to, as pictures.

A hidden unit's weights form an image: one weight per pixel. Its output
``f(x @ W + b)`` is large for images that have ink where the weights are
positive, and paper where they are negative.
"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.figures.images import tiles
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.network import standardised
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import layers_for

# The images with the largest outputs, of which the classes are counted
TOP = 100
COUNT, ROWS = 6, 3  # units in a figure, and in one panel
IMAGES = 12  # that are shown of a unit, in two rows
GAP = 3  # pixels between two tiles of the figure


def hidden_units(run: TrainingResult, data: Dataset, first: int = 0) -> ReportFigure:
    """Draw six units below each other: the weights, then what activates the unit most.

    The images are the validation images of the run's own split. Beside
    them: how many of the 100 images that activate the unit most show
    which character.

    Parameters
    ----------
    run : TrainingResult
        If the network has no hidden layer, its outputs (logits)
        are shown instead.
    data : Dataset
        The data that it was trained on.
    first : int
        Rank of the first unit shown, by the norm of its weights (0: the
        largest); at most that of the sixth from the last.

    Raises
    ------
    ValueError
        If the network has other numbers of inputs and outputs than
        ``data`` of pixels and classes.
    """
    model, classes = run.model, len(data.class_names)
    layers_for(model.layer_specs, data.train_images[0].size, classes)
    _, rows = split_rows(len(data.train_images), run.config)
    images, labels = data.train_images[rows], data.train_labels[rows]
    weights = model.weights[0]
    # shape (images, units)
    outputs = standardised(model, model.checked_inputs(images)) @ weights
    outputs += model.biases[0]
    if len(model.weights) > 1:
        outputs = ACTIVATIONS[model.activation].value(outputs, out=outputs)
    order = np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")
    first = min(first, max(0, len(order) - COUNT))
    shown = order[first : first + COUNT]
    top = np.argsort(-outputs, axis=0, kind="stable")[:TOP]
    counts = np.array([np.bincount(best, minlength=classes) for best in labels[top].T])
    ranks = range(1, min(IMAGES, len(top)) + 1)
    index = pd.MultiIndex.from_product([shown, ranks], names=["unit", "rank"])
    numbers = index.to_frame(index=False)
    best = top[:IMAGES, shown].T  # (units, images)
    numbers["character"] = np.array(data.romaji)[labels[best.ravel()]]
    numbers["output"] = outputs[best.ravel(), numbers.unit]
    share = counts.max(axis=1)
    found = len(top), np.median(share), len(share), share.min(), share.max()
    finding = FINDINGS["hidden_units"].format(*found)
    names = []
    for unit in shown:
        most = pd.Series(counts[unit], data.class_names).nlargest(3)
        known = [f"{n} {name}" for name, n in most[most > 0].items()]
        names.append("\n".join([f"unit {unit}", *known]))
    weights = weights.T.reshape(-1, *images.shape[1:])[shown]
    parts = [slice(row, row + ROWS) for row in range(0, len(shown), ROWS)]
    drawn = [draw(weights[part], images[best[part]], names[part]) for part in parts]
    return report_figure(drawn, numbers, finding, data_name=data.name)


def draw(weights: np.ndarray, images: np.ndarray, names: list[str]) -> Figure:
    """Draw weights (red: positive), twice as large, beside two rows of images.

    Parameters
    ----------
    weights : ndarray, shape (units, height, width)
    images : ndarray of uint8, shape (units, images, height, width)
    names : list of str
        What stands beside each unit.
    """
    height, width = weights.shape[1:]
    down, across, columns = height + GAP, width + GAP, IMAGES // 2
    rows = np.arange(len(weights)) * (2 * down + 2 * GAP)
    left = 2 * width + 3 * GAP  # of the images
    canvas = np.ones((rows[-1] + 2 * height + GAP, left + columns * across - GAP, 3))
    for top, weight, best in zip(rows, weights, images, strict=True):
        shade = (1 + weight / (abs(weight).max() or 1)) / 2
        tile = mpl.colormaps["RdBu_r"](shade)[:, :, :3].repeat(2, axis=0).repeat(2, axis=1)
        canvas[top : top + 2 * height, : 2 * width] = tile
        for place, image in enumerate(best):
            y, x = top + place // columns * down, left + place % columns * across
            canvas[y : y + height, x : x + width] = 1 - image[:, :, None] / 255
    titles = "weights", "validation images that\nactivate it most"
    places = width, (left + canvas.shape[1]) / 2
    return tiles(canvas, (rows + height, names), (places, titles))
