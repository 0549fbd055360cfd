"""Accuracy by a hyper-parameter: penalty, number of parameters, and the sweep of three at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure
from kmnist_mlp.figures.style import draw_means, heat_map, legend_above, panel
from kmnist_mlp.support.colours import BLUE, GREEN, ORANGE
from kmnist_mlp.support.statistics import typeset


def accuracy_by_penalty(
    results: Results, paths: Mapping[str, list[tuple[float, str]]]
) -> ReportFigure:
    """Draw validation and test accuracy by the strength of a penalty, a panel per kind.

    Points are means, bars standard deviations over seeds.

    Parameters
    ----------
    results : Results
    paths : dict of str to list of (float, str)
        Penalties in rising order and the experiments that have them, by the panel's title. The
        penalties are drawn at equal distances.
    """
    colours = {"validation_accuracy": ORANGE, "test_accuracy": GREEN}
    rows = [
        (kind, penalty, quantity, seed, value)
        for kind, path in paths.items()
        for penalty, name in path
        for quantity in colours
        for seed, value in results.values(quantity, name).items()
    ]
    numbers = pd.DataFrame(rows, columns=["kind", "penalty", "quantity", "seed", "percent"])
    panels, best = [], []
    for kind, of_kind in numbers.groupby("kind", sort=False):
        figure, axis = panel(3.3)
        for quantity, colour in colours.items():
            values = of_kind[of_kind.quantity == quantity].groupby("penalty", sort=False).percent
            style = {"color": colour, "fmt": "o-", "capsize": 4, "label": quantity.split("_")[0]}
            mean = draw_means(axis, values, evenly=True, **style)
        axis.set_xticks(range(len(mean)), [typeset(f"{penalty:g}") for penalty in mean.index])
        axis.set(xlabel="penalty λ (0: none)", ylabel="accuracy, %")
        axis.set_title(kind)
        legend_above(axis)
        panels.append(figure)
        best.append(f"{kind}, λ = {typeset(f'{mean.idxmax():g}')} ({mean.max():.1f} %)")
    names = dict.fromkeys(name for path in paths.values() for _, name in path)
    finding = f"Test accuracy is highest with {' and '.join(best)}."
    return report_figure(panels, numbers, finding, results=results, names=names, quantities=colours)


def accuracy_by_parameters(results: Results, names: str | Iterable[str]) -> ReportFigure:
    """Draw test accuracy by the number of parameters, for several topologies.

    Beside the mean of each stand its layers: on the right; on the left, if the next larger model
    is near or if there is none.
    """
    names, rows = results.chosen(names), []
    for name in names:
        model = results.of(name)[0].model
        layers, size = "-".join(map(str, model.layer_specs)), model.parameters.size
        values = results.values("test_accuracy", name)
        rows += [(name, layers, size, seed, value) for seed, value in values.items()]
    columns = ["experiment", "layers", "parameters", "seed", "test_accuracy_percent"]
    numbers = pd.DataFrame(rows, columns=columns)
    means = numbers.groupby(["parameters", "layers"]).test_accuracy_percent.mean()
    sizes = means.index.get_level_values("parameters")
    figure, axis = panel(3.6)
    axis.plot(numbers.parameters, numbers[columns[-1]], "_", color=BLUE, ms=11, alpha=0.7)
    axis.plot(sizes, means, "o", color=BLUE, ms=4)
    for ((size, layers), mean), larger in zip(means.items(), [*sizes[1:], 0], strict=True):
        place, side = (-11, "right") if larger < 1.5 * size else (11, "left")
        axis.annotate(
            layers, (size, mean), (place, 0), textcoords="offset points", ha=side, va="center"
        )
    axis.set(xscale="log", xlabel="number of parameters", ylabel="test accuracy, %")
    axis.set_xlim(sizes[0] / 2.5, sizes[-1] * 1.15)  # with room for a text on the left
    axis.margins(y=0.1)
    size, layers = means.idxmax()
    finding = f"Test accuracy is highest with {layers} ({means.max():.1f} %, {size:,} parameters)."
    return report_figure(
        [figure], numbers, finding, results=results, names=names, quantities=["test_accuracy"]
    )


def heat_maps(sweep: pd.DataFrame, quantity: str) -> ReportFigure:
    """Draw an accuracy by learning rate and momentum, a map for each L2 penalty.

    The best cell has a frame. A cell of which a run diverged has no value.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    quantity : str
        "validation_accuracy" or "test_accuracy".
    """
    combinations = sweep.groupby(["L2_penalty", "momentum_gamma", "learning_rate"])
    percent = (100 * combinations[quantity].mean()).mask(combinations.diverged.any())
    numbers = percent.rename("percent").reset_index()
    numbers.insert(3, "quantity", quantity)
    best = numbers.loc[numbers.percent.idxmax()]
    # a few bad cells shall not hide the differences of the others
    limits = {"vmin": numbers.percent.quantile(0.25) - 1, "vmax": best.percent}
    panels = []
    for penalty, rows in numbers.groupby("L2_penalty"):
        figure, axis = panel(2.8)
        cells = rows.pivot(index="momentum_gamma", columns="learning_rate", values="percent")
        labelled = cells.rename("{:g}".format).rename(columns="{:g}".format)
        heat_map(axis, labelled, missing="–", cmap="cividis", **limits)
        for row, column in np.argwhere(cells.to_numpy() == best.percent):
            place = (column + 0.04, row + 0.04)
            axis.add_patch(Rectangle(place, 0.92, 0.92, fill=False, edgecolor=ORANGE, lw=3))
        axis.tick_params(axis="x", rotation=40)
        axis.set(xlabel="learning rate", ylabel="momentum")
        axis.set_title(f"Accuracy, %; L2 penalty {penalty:g}")
        panels.append(figure)
    finding = (
        f"The best of {len(numbers)} combinations reaches {best.percent:.2f} %: learning rate "
        f"{best.learning_rate:g}, momentum {best.momentum_gamma:g}, L2 penalty {best.L2_penalty:g}."
    )
    return report_figure(panels, numbers, finding, data_name="KMNIST")  # kept for KMNIST alone
