"""Figures of results, in one style: white ground, colour-blind safe, kana in a Japanese font."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import Results
from kmnist_mlp.paper import PAPER
from kmnist_mlp.tables import title

# Okabe and Ito's palette, distinguishable with every common colour vision.
# Source: Wong, Nature Methods 8, 441 (2011), doi:10.1038/nmeth.1618.
BLUE, ORANGE, GREEN, GREY, PURPLE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#595959",
    "#CC79A7",
    "#56B4E9",
)
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)


def japanese_font() -> Path:
    """Return the file of a font with kana, IPAexGothic, which comes with a package."""
    import matplotlib_fontja

    return Path(matplotlib_fontja.__file__).parent / "fonts" / "ipaexg.ttf"


def use_style() -> None:
    """Set fonts (with kana), colours and resolution for every figure of the process."""
    # DejaVu stays first, for the Latin letters.
    mpl.font_manager.fontManager.addfont(str(japanese_font()))
    # It has no bold: saying so at every bold title would fill the notebooks with warnings.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.rcParams.update(
        {
            "font.family": ["DejaVu Sans", "IPAexGothic"],
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E4E4E4",
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "legend.edgecolor": "white",
            "legend.framealpha": 0.9,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.dpi": 100,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
        }
    )


def _finished(figure: Figure, data_name: str) -> Figure:
    """Mark a figure of the stand-in, so that it cannot be taken for the real thing."""
    if data_name.startswith("stand-in"):
        figure.text(
            0.995, 0.995, "STAND-IN DATA, not KMNIST", ha="right", va="top", fontsize=9,
            color="white", weight="bold", zorder=10,
            bbox={"facecolor": "#B00020", "edgecolor": "none", "pad": 3},
        )  # fmt: skip
    plt.close(figure)  # the notebook shows it once, where it is told to
    return figure


def _panels(columns: int, height: float = 3.5, width: float = 9.5) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, list(axes[0])


def learning_curves(results: Results, name: str) -> Figure:
    """Draw loss (left) and accuracy (right) by epoch, training and validation.

    Thin lines are the seeds; the thick line is their mean and the band one standard deviation,
    as long as every seed is still training. The dashed line is the mean epoch whose weights are
    returned; the diamond at it is the test result.
    """
    runs = results.of(name)
    numbers = PAPER[name].figures if name in PAPER else ()
    figure, axes = _panels(2)
    shared = min(len(run.history) for run in runs)
    returned = np.mean(
        [run.best_epoch if run.config.early_stop else run.stopped_epoch for run in runs]
    )
    for axis, quantity, factor in ((axes[0], "loss", 1), (axes[1], "accuracy", 100)):
        tops = []
        for part, colour in (("training", BLUE), ("validation", ORANGE)):
            curves = [run.history[f"{part}_{quantity}"].to_numpy() * factor for run in runs]
            for curve in curves:
                axis.plot(np.arange(1, len(curve) + 1), curve, color=colour, lw=0.6, alpha=0.45)
            together = np.array([curve[:shared] for curve in curves])
            epochs, mean = np.arange(1, shared + 1), together.mean(0)
            spread = together.std(0, ddof=1) if len(curves) > 1 else np.zeros(shared)
            axis.plot(epochs, mean, color=colour, lw=2, label=part)
            axis.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
            tops += [curve.max() for curve in curves if len(curve)]  # none: diverged at once
        test = [getattr(run, f"test_{quantity}") * factor for run in runs]
        axis.axvline(returned, color=GREY, ls="--", lw=1)
        axis.plot(returned, np.mean(test), "D", color=GREEN, ms=7, label="test", zorder=5)
        if quantity == "loss":
            axis.set_ylim(0, 1.05 * max(*tops, *test))
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("epoch")
    for axis, kind, number in zip(axes, ("loss", "accuracy"), numbers or (None, None), strict=True):
        axis.set_title((f"Figure {number}. " if number else "") + kind.capitalize())
    # above the panels: inside, it would hide the diamond of one run or another
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    axes[0].set_ylabel("cross-entropy per example / 10")
    axes[1].set_ylabel("accuracy, %")
    return _finished(figure, results.data_name)


def overlay(
    results: Results, names: Iterable[str], quantity: str = "validation_accuracy"
) -> Figure:
    """Draw one quantity by epoch for several experiments: mean over seeds, thin lines the seeds."""
    figure, (axis,) = _panels(1)
    factor = 100 if quantity.endswith("accuracy") else 1
    for name, colour in zip(names, itertools.cycle(COLOURS), strict=False):
        curves = [run.history[quantity].to_numpy() * factor for run in results.of(name)]
        for curve in curves:
            axis.plot(np.arange(1, len(curve) + 1), curve, color=colour, lw=0.6, alpha=0.5)
        shared = min(map(len, curves))
        mean = np.mean([curve[:shared] for curve in curves], axis=0)
        axis.plot(np.arange(1, shared + 1), mean, color=colour, lw=2, label=title(name))
    axis.set_xlabel("epoch")
    axis.set_ylabel(quantity.replace("_", " ") + (", %" if factor == 100 else ""))
    axis.set_xlim(left=0)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return _finished(figure, results.data_name)


def against_paper(results: Results, names: Iterable[str] | None = None) -> Figure:
    """Draw every experiment's test accuracy: seeds, mean, and the paper's value beside it."""
    names = list(names or results.names)
    figure, (axis,) = _panels(1, height=0.36 * len(names) + 1.1)
    for row, name in enumerate(names):
        values = results.values("test_accuracy", name)
        paper = PAPER[name].test_accuracy if name in PAPER else None
        if paper is not None:
            axis.plot([values.mean(), paper], [row, row], color="#BBBBBB", lw=1.5, zorder=1)
            axis.plot(paper, row, "s", color=ORANGE, ms=6, label="paper", zorder=2)
        axis.plot(values, [row] * len(values), "|", color=BLUE, ms=11, alpha=0.7, label="our seeds")
        axis.plot(values.mean(), row, "o", color=BLUE, ms=6, label="our mean", zorder=3)
    axis.set_yticks(range(len(names)), [title(name) for name in names])
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("test accuracy, %")
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axis.legend(unique.values(), unique.keys(), loc="center left", bbox_to_anchor=(1, 0.5))
    return _finished(figure, results.data_name)


def by_penalty(results: Results, paths: dict[str, list[tuple[float, str]]]) -> Figure:
    """Draw validation and test accuracy by the strength of a penalty, a panel per kind.

    ``paths`` maps a panel's title to (penalty, experiment) pairs in rising order; 0 is drawn at
    the left of a logarithmic axis.
    """
    figure, axes = _panels(len(paths))
    for axis, (kind, path) in zip(axes, paths.items(), strict=True):
        positions = range(len(path))
        for quantity, colour in (("validation_accuracy", ORANGE), ("test_accuracy", GREEN)):
            values = [results.values(quantity, name) for _, name in path]
            spread = [0 if len(v) == 1 else v.std() for v in values]
            axis.errorbar(
                positions, [v.mean() for v in values], spread, fmt="o-", color=colour, capsize=4,
                label=quantity.split("_")[0],
            )  # fmt: skip
        axis.set_xticks(positions, [f"{value:g}" for value, _ in path])
        axis.set_title(kind)
        axis.set_xlabel("penalty λ (0: none)")
        axis.set_ylabel("accuracy, %")
        axis.legend()
    return _finished(figure, results.data_name)


def by_parameters(results: Results, names: Iterable[str]) -> Figure:
    """Draw test accuracy by the number of parameters, for several topologies."""
    figure, (axis,) = _panels(1)
    for number, name in enumerate(names):
        model = results.of(name)[0].model
        size = model.parameters.size
        values = results.values("test_accuracy", name)
        axis.plot([size] * len(values), values, "|", color=BLUE, ms=10, alpha=0.7)
        axis.plot(size, values.mean(), "o", color=BLUE)
        above = number % 2 == 0
        axis.annotate(
            "-".join(map(str, model.layer_specs)), (size, values.max() if above else values.min()),
            xytext=(0, 8 if above else -16), textcoords="offset points", ha="center",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.margins(0.16, 0.22)
    axis.set_xlabel("number of parameters")
    axis.set_ylabel("test accuracy, %")
    return _finished(figure, results.data_name)


def classes(data: Dataset, per_class: int = 10) -> Figure:
    """Draw the ten characters: training examples in the left half, test examples in the right."""
    figure, axis = plt.subplots(figsize=(9.5, 5.3))
    side = data.train_images.shape[1]
    count = len(data.class_names)
    canvas = np.full((count * (side + 2), (2 * per_class + 1) * (side + 2)), 255, np.uint8)
    parts = (
        (data.train_images, data.train_labels, 0),
        (data.test_images, data.test_labels, per_class + 1),
    )
    for images, labels, first in parts:
        for label in range(count):
            for place, image in enumerate(images[labels == label][:per_class]):
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
    return _finished(figure, data.name)


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
    return _finished(figure, data.name)


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
    return _finished(figure, data.name)


def distances(parts: dict[str, np.ndarray], data: Dataset) -> Figure:
    """Draw histograms of the distance from an image to the most similar training image."""
    figure, (axis,) = _panels(1, height=3)
    bins = np.linspace(0, max(values.max() for values in parts.values()), 50)
    for (name, values), colour in zip(parts.items(), (ORANGE, GREEN, GREY), strict=False):
        label = f"{name} (median {np.median(values):.1f})"
        axis.hist(values, bins, density=True, histtype="step", color=colour, lw=2, label=label)
        axis.axvline(np.median(values), color=colour, ls="--", lw=1)
    axis.set_xlabel("distance to the most similar training image (grey levels, 0 to 1, 784 pixels)")
    axis.set_ylabel("density")
    axis.legend()
    return _finished(figure, data.name)


def by_epsilon(differences: pd.DataFrame, data_name: str) -> Figure:
    """Draw the differences of a gradient check against the step, both axes logarithmic."""
    figure, (axis,) = _panels(1)
    epsilon = differences.index.to_numpy()
    # an exact agreement has no logarithm; it is drawn at the bottom
    axis.plot(epsilon, differences.clip(lower=1e-17), color=BLUE, lw=0.8, alpha=0.7)
    guide = epsilon[:4]
    axis.plot(guide, 3 * differences.iloc[0].max() * (guide / guide[0]) ** 2, color="#999999", lw=3)
    axis.axvline(1e-2, color=GREY, ls="--", lw=1)
    axis.axhline(1e-4, color=ORANGE, ls=":", lw=1.5)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("step epsilon")
    axis.set_ylabel("difference of the gradients")
    return _finished(figure, data_name)


def heat_maps(grid: pd.DataFrame, quantity: str, data_name: str) -> Figure:
    """Draw one map of learning rate by momentum for each L2 penalty; mean over seeds, in per cent.

    The best cell has a frame. A cell of which a run diverged stays empty.
    """
    penalties = sorted(grid.L2_penalty.unique())
    figure, axes = _panels(len(penalties), height=2.9)
    finite = grid[~grid.diverged]
    mean = 100 * finite.groupby(["L2_penalty", "momentum_gamma", "learning_rate"])[quantity].mean()
    low, high = mean.quantile(0.25) - 1, mean.max()  # few bad cells shall not hide the others
    for axis, penalty in zip(axes, penalties, strict=True):
        cells = mean[penalty].unstack()
        image = axis.imshow(cells, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            colour = "white" if value < (low + high) / 2 else "black"
            axis.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)
            if value == high:
                frame = {"fill": False, "edgecolor": ORANGE, "lw": 3}
                axis.add_patch(plt.Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, **frame))
        axis.set_xticks(range(cells.shape[1]), [f"{rate:g}" for rate in cells.columns])
        axis.set_yticks(range(cells.shape[0]), [f"{gamma:g}" for gamma in cells.index])
        axis.set(title=f"L2 penalty {penalty:g}", xlabel="learning rate")
        axis.grid(False)
    axes[0].set_ylabel("momentum")
    figure.colorbar(image, ax=axes, label="accuracy, %", extend="min")
    return _finished(figure, data_name)
