"""Pictures that explain: the network, its predictions, and functions as lines."""

from collections.abc import Mapping
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.data import Dataset
from kmnist_mlp.figures.images import image_grid
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.figures.style import COLOURS, DASHES, legend_above, panel
from kmnist_mlp.support.colours import BLUE, PALE, RULE

# Of the network: its arrays with their shapes, other texts, and their places
TEXTS = pd.read_csv(Path(__file__).with_name("network.csv"), keep_default_na=False)


def network_diagram(data: Dataset) -> ReportFigure:
    """Draw the network of 128 hidden units with its arrays' shapes.

    Parameters
    ----------
    data : Dataset
        Gives the image, and the names of the classes.

    Returns
    -------
    ReportFigure

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> figure = network_diagram(load_kmnist())
    >>> print(", ".join(figure.numbers.array + " " + figure.numbers["shape"]))
    x (n, 784), W1 (784, 128), b1 (128,), a (n, 128), W2 (128, 10), b2 (10,), p (n, 10)
    >>> figure.finding
    '100,480 of the 101,770 parameters connect the pixels to the hidden units.'
    """
    image, labels = data.train_images[0], data.class_labels
    sizes, units = (image.size, 128, len(labels)), np.linspace(1, -1, len(labels))
    figure, axis = panel(4.0)
    edges = np.linspace(-0.4, 0.4, len(image) + 1)
    axis.pcolormesh(edges - 0.75, -edges, image, cmap="gray_r", rasterized=True)
    texts = TEXTS.assign(text=[text.format(*sizes) for text in TEXTS.text])
    for name, text, *place in texts.itertuples(index=False):
        weight = "bold" if name else "normal"
        axis.text(*place, f"{name} {text}".strip(), ha="center", va="center", weight=weight)
    for y, label in zip(units, labels, strict=True):
        axis.text(2.95, y, label, va="center")
    shown = units[abs(units) > 0.2]
    layers = [[(1.4 * n, y) for y in each] for n, each in enumerate((shown, shown, units))]
    for layer in layers:
        axis.plot(*np.transpose(layer), "o", color=BLUE, ms=6)
    for pair in pairwise(layers):
        axis.plot(*np.transpose([*product(*pair)]), color=RULE, lw=0.3, zorder=0)
    axis.set(xlim=(-1.2, 3.55), ylim=(-2, 1.6))
    axis.axis("off")
    first, last = ((m + 1) * n for m, n in pairwise(sizes))
    finding = FINDINGS["network"].format(first, first + last)
    numbers = texts.loc[texts.array != "", ["array", "text"]].rename(columns={"text": "shape"})
    return report_figure([figure], numbers, finding, data_name=data.name)


def line_panels(
    tables: Mapping[str, pd.DataFrame], label: str, finding: str, data_name: str = "", **style: Any
) -> ReportFigure:
    """Draw the columns of tables as lines over their index, a panel per table.

    Parameters
    ----------
    tables : dict of str to DataFrame
        By the title of the panel. A column of bools is no line: where
        it is true, the ground is shaded.
    label : str
        Of the vertical axis.
    finding : str
    data_name : str
        Marks a figure of the stand-in.
    **style
        As :meth:`~matplotlib.axes.Axes.plot` takes it.

    Returns
    -------
    ReportFigure
    """
    panels = []
    for heading, table in tables.items():
        figure, axis = panel(3.0)
        for name, shaded in table.select_dtypes(bool).items():
            ground = {"transform": axis.get_xaxis_transform(), "color": PALE, "zorder": 0}
            axis.fill_between(table.index, 0, 1, shaded, label=name, **ground)
        lines = table.select_dtypes("number").items()
        for (name, line), colour, dashes in zip(lines, COLOURS, DASHES, strict=False):
            axis.plot(line, **{"color": colour, "ls": dashes, "lw": 2, "label": name} | style)
        axis.set(title=heading, xlabel=table.index.name, ylabel=label)
        if table.shape[1] > 1:
            legend_above(axis, 3)
        panels.append(figure)
    numbers = pd.concat({n: t.reset_index() for n, t in tables.items()}, names=["panel"])
    return report_figure(panels, numbers.reset_index("panel"), finding, data_name=data_name)


def predictions(data: Dataset, predicted: np.ndarray) -> ReportFigure:
    """Draw the first 40 test images with their predicted class.

    Errors are framed, with "true → predicted" above them.

    Parameters
    ----------
    data : Dataset
    predicted : ndarray of int, shape (test images,)

    Returns
    -------
    ReportFigure
    """
    pairs = np.column_stack([data.test_labels, predicted])[:40]
    names = np.array(data.class_names)[pairs]
    captions = [" → ".join(dict.fromkeys(pair)) for pair in names]
    wrong = pairs[:, 0] != pairs[:, 1]
    grids = [
        image_grid(data.test_images[part], 5, captions=captions[part], framed=wrong[part])
        for part in (slice(20), slice(20, 40))
    ]
    numbers = pd.DataFrame(np.array(data.romaji)[pairs], columns=["true", "predicted"])
    finding = FINDINGS["predictions"].format((~wrong).sum(), len(pairs))
    return report_figure(grids, numbers, finding, data_name=data.name)
