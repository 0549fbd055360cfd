"""Accuracy by a hyper-parameter: penalty, number of parameters, and the sweep of three at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import draw_means, finished, is_narrow, legend_above, panels, width
from kmnist_mlp.support.colours import BLUE, GREEN, ON_DARK, ON_PALE, ORANGE
from kmnist_mlp.support.statistics import typeset

Paths = Mapping[str, list[tuple[float, str]]]

# ---- penalty -------------------------------------------------------------------------------------


def accuracy_by_penalty(results: Results, paths: Paths) -> Figure:
    """Draw validation and test accuracy by the strength of a penalty, a panel per kind.

    Parameters
    ----------
    results : Results
    paths : dict of str to list of (float, str)
        Penalties in rising order and the experiments that have them, by the panel's title. The
        penalties are drawn at equal distances.
    """
    numbers = penalty_numbers(results, paths)
    names = dict.fromkeys(name for path in paths.values() for _, name in path)
    quantities = ["validation_accuracy", "test_accuracy"]
    data = ExhibitData.of(numbers, penalty_finding(numbers), results, names, quantities)
    return finished(lambda: draw_penalties(numbers), results.data_name, data)


def penalty_numbers(results: Results, paths: Paths) -> pd.DataFrame:
    """Return a row per kind, penalty, quantity and seed: the accuracy in per cent."""
    rows = [
        (kind, penalty, quantity, seed, value)
        for kind, path in paths.items()
        for penalty, name in path
        for quantity in ("validation_accuracy", "test_accuracy")
        for seed, value in results.values(quantity, name).items()
    ]
    return pd.DataFrame(rows, columns=["kind", "penalty", "quantity", "seed", "percent"])


def draw_penalties(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`penalty_numbers` gives: means, and standard deviations as bars."""
    kinds = numbers.groupby("kind", sort=False)
    figure, axes = panels(len(kinds))
    for axis, (kind, rows) in zip(axes, kinds, strict=True):
        quantities = rows.groupby("quantity", sort=False)
        for (quantity, own), colour in zip(quantities, (ORANGE, GREEN), strict=True):
            mean = draw_means(
                axis, own.groupby("penalty", sort=False).percent, evenly=True, fmt="o-",
                color=colour, capsize=4, label=quantity.split("_")[0],
            )  # fmt: skip
        axis.set_xticks(range(len(mean)), [typeset(f"{penalty:g}") for penalty in mean.index])
        axis.set_title(kind)
        axis.set_xlabel("penalty λ (0: none)")
        axis.set_ylabel("accuracy, %")
    legend_above(figure, *axes[0].get_legend_handles_labels(), 2)
    return figure


def penalty_finding(numbers: pd.DataFrame) -> str:
    """Return the best and the worst penalty of each kind as sentences."""
    sentences = []
    for kind, rows in numbers[numbers.quantity == "test_accuracy"].groupby("kind", sort=False):
        mean = rows.groupby("penalty", sort=False).percent.mean()
        best, worst = (typeset(f"{penalty:g}") for penalty in (mean.idxmax(), mean.idxmin()))
        sentences.append(
            f"{kind}: test accuracy is highest at {best} ({mean.max():.1f} %), lowest at {worst} "
            f"({mean.min():.1f} %)."
        )
    return " ".join(sentences)


# ---- number of parameters ------------------------------------------------------------------------


def accuracy_by_parameters(results: Results, names: str | Iterable[str]) -> Figure:
    """Draw test accuracy by the number of parameters, for several topologies."""
    names = results.chosen(names)
    numbers = parameter_numbers(results, names)
    data = ExhibitData.of(numbers, parameter_finding(numbers), results, names, ["test_accuracy"])
    return finished(lambda: draw_parameters(numbers), results.data_name, data)


def parameter_numbers(results: Results, names: Iterable[str]) -> pd.DataFrame:
    """Return a row per experiment and seed: layers, number of parameters, test accuracy."""
    rows = []
    for name in names:
        model = results.of(name)[0].model
        layers, size = "-".join(map(str, model.layer_specs)), model.parameters.size
        values = results.values("test_accuracy", name)
        rows += [(name, layers, size, seed, value) for seed, value in values.items()]
    columns = ["experiment", "layers", "parameters", "seed", "test_accuracy_percent"]
    return pd.DataFrame(rows, columns=columns)


def draw_parameters(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`parameter_numbers` gives: seeds, mean, and the layers as text beside it.

    The text stands on the right of its point; on the left, if the next larger model is near or if
    there is none.
    """
    figure, (axis,) = panels(1)
    sizes = np.sort(numbers.parameters.unique())
    for _, own in numbers.groupby("experiment", sort=False):
        size, values = own.parameters.iloc[0], own.test_accuracy_percent
        axis.plot(own.parameters, values, "_", color=BLUE, ms=11, alpha=0.7)
        axis.plot(size, values.mean(), "o", color=BLUE, ms=4)
        larger = sizes[sizes > size]
        left = not len(larger) or larger[0] < 1.5 * size
        axis.annotate(
            own.layers.iloc[0], (size, values.mean()), xytext=(-11 if left else 11, 0),
            textcoords="offset points", ha="right" if left else "left", va="center",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.margins(0.08, 0.1)
    axis.set_xlabel("number of parameters")
    axis.set_ylabel("test accuracy, %")
    return figure


def parameter_finding(numbers: pd.DataFrame) -> str:
    """Return the mean accuracy of each topology as a sentence."""
    keys = ["experiment", "layers", "parameters"]
    means = numbers.groupby(keys, sort=False).test_accuracy_percent.mean()
    points = [
        f"{mean:.1f} % with {size:,} parameters ({layers})"
        for (_, layers, size), mean in means.items()
    ]
    return f"Test accuracy by size: {'; '.join(points)}."


# ---- learning rate, momentum and penalty ---------------------------------------------------------


def heat_maps(sweep: pd.DataFrame, quantity: str) -> Figure:
    """Draw an accuracy by learning rate and momentum, a map for each L2 penalty.

    The best cell has a frame. A cell of which a run diverged has no value.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    quantity : str
        "validation_accuracy" or "test_accuracy".
    """
    numbers = sweep_numbers(sweep, quantity)
    data = ExhibitData.of(numbers, sweep_finding(numbers))
    return finished(
        lambda: draw_heat_maps(numbers), "KMNIST", data
    )  # a sweep is kept for KMNIST alone


def sweep_numbers(sweep: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return a row per combination: the mean over seeds in per cent, NaN if a run diverged."""
    combinations = sweep.groupby(["L2_penalty", "momentum_gamma", "learning_rate"])
    percent = 100 * combinations[quantity].mean()
    percent = percent.mask(combinations.diverged.any())
    numbers = percent.rename("percent").reset_index()
    numbers.insert(3, "quantity", quantity)
    return numbers


def draw_heat_maps(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`sweep_numbers` gives."""
    # a few bad cells shall not hide the differences of the others
    low, high = numbers.percent.quantile(0.25) - 1, numbers.percent.max()
    penalties = numbers.groupby("L2_penalty")
    columns = 1 if is_narrow() else 3
    rows = math.ceil(len(penalties) / columns)
    figure, grid = plt.subplots(rows, columns, figsize=(width(), 2.8 * rows + 0.4), squeeze=False)
    axes = grid.ravel()
    for unused in axes[len(penalties) :]:
        unused.set_visible(False)
    for axis, (penalty, own) in zip(axes, penalties, strict=False):
        cells = own.pivot(index="momentum_gamma", columns="learning_rate", values="percent")
        image = axis.pcolormesh(cells, cmap="cividis", vmin=low, vmax=high, edgecolor="none")
        axis.invert_yaxis()
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            if np.isnan(value):  # on the ground of the page
                text, colour = "–", "black"
            else:
                text, colour = f"{value:.1f}", ON_PALE if value > (low + high) / 2 else ON_DARK
            place = (column + 0.5, row + 0.5)
            axis.text(*place, text, ha="center", va="center", color=colour, fontsize=9)
            if value == high:
                frame = {"fill": False, "edgecolor": ORANGE, "lw": 3}
                axis.add_patch(Rectangle((column + 0.04, row + 0.04), 0.92, 0.92, **frame))
        rates = [f"{rate:g}" for rate in cells.columns]
        axis.set_xticks(np.arange(len(rates)) + 0.5, rates, rotation=40, fontsize=8.5)
        momenta = [f"{gamma:g}" for gamma in cells.index]
        axis.set_yticks(np.arange(len(momenta)) + 0.5, momenta)
        axis.set(title=f"L2 penalty {penalty:g}", xlabel="learning rate")
        axis.grid(False)
    for axis in grid[:, 0]:
        axis.set_ylabel("momentum")
    where = "bottom" if is_narrow() else "right"
    bar = figure.colorbar(
        image, ax=axes, label="accuracy, %", extend="min", location=where, aspect=30, pad=0.03
    )
    bar.solids.set_rasterized(True)
    return figure


def sweep_finding(numbers: pd.DataFrame) -> str:
    """Return the best combination and the range of all as a sentence."""
    best = numbers.loc[numbers.percent.idxmax()]
    return (
        f"The best of {len(numbers)} combinations reaches {best.percent:.2f} %: learning rate "
        f"{best.learning_rate:g}, momentum {best.momentum_gamma:g}, L2 penalty "
        f"{best.L2_penalty:g}; the worst reaches {numbers.percent.min():.2f} %."
    )
