"""Figures of results, each with what is behind it (exhibit.py): numbers and finding.

Pictures of images and weights are in pictures.py, the style of all in style.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.images import classes, confusion, first_layer, gallery
from kmnist_mlp.figures.style import (
    BLUE,
    COLOURS,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    finished,
    panels,
    use_style,
)  # fmt: skip
from kmnist_mlp.figures.tables import title
from kmnist_mlp.support.statistics import interval, signed

__all__ = [
    "against_paper", "by_epsilon", "by_parameters", "by_penalty", "classes", "confusion",
    "distances", "first_layer", "gallery", "ladder", "learning_curves", "overlay", "use_style",
]  # fmt: skip


def learning_curves(results: Results, name: str) -> Figure:
    """Draw loss (left) and accuracy (right) by epoch, training and validation.

    Thin lines are the seeds; the thick line is their mean and the band one standard deviation,
    as long as every seed is still training. The dashed line is the mean epoch whose weights are
    returned; the diamond at it is the test result.
    """
    runs = results.of(name)
    numbers = PAPER[name].figures if name in PAPER else ()
    figure, axes = panels(2)
    shared = min(len(run.history) for run in runs)
    ends = [run.best_epoch if run.config.early_stop else run.stopped_epoch for run in runs]
    returned, stopped = np.mean(ends), np.mean([run.stopped_epoch for run in runs])
    for axis, quantity, factor in ((axes[0], "loss", 1), (axes[1], "accuracy", 100)):
        tops = []
        for part, colour in (("training", BLUE), ("validation", ORANGE)):
            curves = [run.history[f"{part}_{quantity}"].to_numpy() * factor for run in runs]
            for curve in curves:
                axis.plot(np.arange(1, len(curve) + 1), curve, color=colour, lw=0.6, alpha=0.45)
                axis.plot([len(curve)] * len(curve[-1:]), curve[-1:], "|", color=colour, ms=7)
            together = np.array([curve[:shared] for curve in curves])
            epochs, mean = np.arange(1, shared + 1), together.mean(0)
            spread = together.std(0, ddof=1) if len(curves) > 1 else np.zeros(shared)
            axis.plot(epochs, mean, color=colour, lw=2, label=part)
            axis.fill_between(epochs, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
            tops += [curve.max() for curve in curves if len(curve)]  # none: diverged at once
        test = [getattr(run, f"test_{quantity}") * factor for run in runs]
        axis.axvline(returned, color=GREY, ls="--", lw=1, label=f"weights of epoch {returned:.4g}")
        if stopped != returned:
            axis.axvline(stopped, color=GREY, ls=":", lw=1, label=f"stopped at {stopped:.4g}")
        axis.plot(returned, np.mean(test), "D", color=GREEN, ms=7, label="test", zorder=5)
        if quantity == "loss":
            axis.set_ylim(0, 1.05 * max(*tops, *test))
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("epoch")
    for axis, kind, number in zip(axes, ("loss", "accuracy"), numbers or (None, None), strict=True):
        axis.set_title((f"Figure {number}. " if number else "") + kind.capitalize())
    # above the panels: inside, it would hide the diamond of one run or another
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=5)
    axes[0].set_ylabel("cross-entropy per example / 10")
    axes[1].set_ylabel("accuracy, %")
    return finished(figure, results.data_name, _behind_curves(results, name))


def _behind_curves(results: Results, name: str) -> ExhibitData:
    """Return every seed's history, its test result in the row of the epoch that is returned."""
    histories = []
    for (_, seed), run in ((key, run) for key, run in results.runs.items() if key[0] == name):
        history = run.history
        history.insert(0, "seed", seed)
        epoch = run.best_epoch if run.config.early_stop else run.stopped_epoch
        for quantity in ("test_loss", "test_accuracy"):
            history[quantity] = np.where(history.epoch == epoch, getattr(run, quantity), np.nan)
        histories.append(history)
    mean = {
        quantity: results.values(quantity, name).mean()
        for quantity in (*QUANTITIES, "best_epoch", "stopped_epoch")
    }
    finding = (
        f"{title(name)}: the validation loss is lowest at epoch {mean['best_epoch']:.1f} and "
        f"training ends at epoch {mean['stopped_epoch']:.1f}. The weights that are returned have "
        f"{mean['training_accuracy']:.1f} % training, {mean['validation_accuracy']:.1f} % "
        f"validation and {mean['test_accuracy']:.1f} % test accuracy; loss "
        f"{mean['training_loss']:.3f}, {mean['validation_loss']:.3f} and {mean['test_loss']:.3f}."
    )
    quantities = (*QUANTITIES, "excess_accuracy", "stopped_epoch", "best_epoch")
    return ExhibitData.of(pd.concat(histories), finding, results, [name], quantities)


QUANTITIES = tuple(
    f"{part}_{quantity}"
    for part in ("training", "validation", "test")
    for quantity in ("loss", "accuracy")
)


def overlay(results: Results, names: Iterable[str], *quantities: str) -> Figure:
    """Draw quantities by epoch, a panel each, for several experiments.

    Thick: the mean over seeds as long as all are training; thin: the seeds. Validation accuracy
    if no quantity is named.
    """
    names, quantities = list(names), quantities or ("validation_accuracy",)
    figure, axes = panels(len(quantities))
    rows, finding = [], []
    for axis, quantity in zip(axes, quantities, strict=True):
        accuracy = quantity.endswith("accuracy")
        best = []
        for number, name in enumerate(names):
            style = {"color": COLOURS[number % len(COLOURS)], "ls": DASHES[number % len(DASHES)]}
            curves = [run.curves[quantity] * (100 if accuracy else 1) for run in results.of(name)]
            for seed, curve in zip(results.values("seconds", name).index, curves, strict=True):
                axis.plot(np.arange(1, len(curve) + 1), curve, lw=0.6, alpha=0.4, **style)
                epochs = enumerate(curve, start=1)
                rows += [(quantity, name, seed, epoch, value) for epoch, value in epochs]
            shared = min(map(len, curves))
            mean = np.mean([curve[:shared] for curve in curves], axis=0)
            axis.plot(np.arange(1, shared + 1), mean, lw=2, label=title(name), **style)
            if shared:
                epoch = int(mean.argmax() if accuracy else mean.argmin())
                value = f"{mean[epoch]:.1f} %" if accuracy else f"{mean[epoch]:.4f}"
                best.append(f"{title(name)} {value} (epoch {epoch + 1})")
        finding.append(f"Best mean {quantity.replace('_', ' ')}: {', '.join(best)}.")
        axis.set_xlabel("epoch")
        axis.set_ylabel(quantity.replace("_", " ") + (", %" if accuracy else ""))
        axis.set_xlim(left=0)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=min(4, len(names))
    )
    numbers = pd.DataFrame(rows, columns=["quantity", "experiment", "seed", "epoch", "value"])
    behind = ExhibitData.of(numbers, " ".join(finding), results, names, quantities)
    return finished(figure, results.data_name, behind)


def against_paper(results: Results, names: Iterable[str] | None = None) -> Figure:
    """Draw every experiment's test accuracy: seeds, mean, and the paper's value beside it."""
    names = list(names or results.names)
    figure, (axis,) = panels(1, height=0.36 * len(names) + 1.1)
    differences, numbers = {}, []
    for row, name in enumerate(names):
        values = results.values("test_accuracy", name)
        paper = PAPER[name].test_accuracy if name in PAPER else None
        if paper is not None:
            axis.plot([values.mean(), paper], [row, row], color="#BBBBBB", lw=1.5, zorder=1)
            axis.plot(paper, row, "s", color=ORANGE, ms=6, label="paper", zorder=2)
            differences[name] = values.mean() - paper
        axis.plot(values, [row] * len(values), "|", color=BLUE, ms=11, alpha=0.7, label="our seeds")
        axis.plot(values.mean(), row, "o", color=BLUE, ms=6, label="our mean", zorder=3)
        numbers += [(name, seed, value, paper) for seed, value in values.items()]
    axis.set_yticks(range(len(names)), [title(name) for name in names])
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("test accuracy, %")
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper left", ncols=3)
    means = {name: results.values("test_accuracy", name).mean() for name in names}
    best, worst = max(means, key=means.get), min(means, key=means.get)
    finding = (
        f"Test accuracy lies between {means[worst]:.1f} % ({title(worst)}) and "
        f"{means[best]:.1f} % ({title(best)})."
    )
    if differences:
        near = sum(abs(value) <= 1 for value in differences.values())
        far = max(differences, key=lambda name: abs(differences[name]))
        finding += (
            f" In {near} of {len(differences)} experiments with a published value our mean is "
            f"within 1 point of it; farthest is {title(far)}, {signed(differences[far], 1)} points."
        )
    columns = ["experiment", "seed", "test_accuracy_percent", "paper_test_accuracy_percent"]
    behind = ExhibitData.of(
        pd.DataFrame(numbers, columns=columns), finding, results, names, ["test_accuracy"]
    )
    return finished(figure, results.data_name, behind)


def ladder(results: Results, start: str, rungs: Iterable[str], end: str) -> Figure:
    """Draw the way from one experiment to another: each change by itself, and all together.

    The changes (``rungs``, each measured alone against ``start``) are stacked as if they added up;
    the last rung but one is what is missing or left over to the measured ``end``.
    """
    rungs = list(rungs)
    base = results.values("test_accuracy", start)
    gains = {name: results.values("test_accuracy", name) - base for name in [*rungs, end]}
    rest = gains[end] - sum(gains[name] for name in rungs)
    figure, (axis,) = panels(1, height=0.5 * (len(rungs) + 3) + 0.8)
    steps = [(f"+ {title(name)}", gains[name], BLUE) for name in rungs]
    steps.append((f"rest: overlap, and what\nonly the {title(end)} has", rest, ORANGE))
    level, labels, numbers = base.mean(), [], []
    axis.plot(level, 0, "D", color=GREEN, ms=8)
    axis.text(level, -0.38, f"{level:.1f} %", ha="center", fontsize=9)
    for row, (label, gain, colour) in enumerate(steps, start=1):
        mean, low, high = interval(gain)
        axis.plot([level, level], [row - 1, row], color="#BBBBBB", lw=1, zorder=1)
        axis.barh(row, mean, left=level, height=0.5, color=colour)
        if np.isfinite(low):
            axis.plot([level + low, level + high], [row, row], color="black", lw=1.2, zorder=4)
        right = level + max(mean, high if np.isfinite(high) else mean, 0)
        axis.text(right + 0.12, row, signed(mean, 2), va="center", fontsize=9)
        level += mean
        labels.append(label)
        label = label.replace("\n", " ")
        numbers += [(label, seed, value) for seed, value in gain.items()]
    axis.plot([level, level], [len(steps), len(steps) + 1], color="#BBBBBB", lw=1, zorder=1)
    axis.plot(level, len(steps) + 1, "D", color=GREEN, ms=8)
    axis.text(level, len(steps) + 0.62, f"{level:.1f} %", ha="center", fontsize=9)
    axis.set_yticks(range(len(steps) + 2), [title(start), *labels, title(end)])
    axis.set_ylim(len(steps) + 1.5, -0.8)
    axis.use_sticky_edges = False  # a bar would end the axis, and cut the diamond in two
    axis.margins(x=0.08)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("test accuracy, %")
    finding = (
        f"From {title(start)} ({base.mean():.1f} %) to {title(end)} ({level:.1f} %) it is "
        f"{signed(gains[end].mean(), 1)} points. Alone, "
        + ", ".join(f"{title(name)} gives {signed(gains[name].mean(), 1)}" for name in rungs)
        + f"; the rest is {signed(rest.mean(), 1)} points."
    )
    frame = pd.DataFrame(numbers, columns=["step", "seed", "points"])
    behind = ExhibitData.of(frame, finding, results, [start, *rungs, end], ["test_accuracy"])
    return finished(figure, results.data_name, behind)


def by_penalty(results: Results, paths: dict[str, list[tuple[float, str]]]) -> Figure:
    """Draw validation and test accuracy by the strength of a penalty, a panel per kind.

    ``paths`` maps a panel's title to (penalty, experiment) pairs in rising order; 0 is drawn at
    the left of a logarithmic axis.
    """
    figure, axes = panels(len(paths))
    numbers, finding = [], []
    for axis, (kind, path) in zip(axes, paths.items(), strict=True):
        tests = {value: results.values("test_accuracy", name).mean() for value, name in path}
        best = max(tests, key=tests.get)
        finding.append(
            f"{kind}: test accuracy is highest at {best:g} ({tests[best]:.1f} %), lowest at "
            f"{min(tests, key=tests.get):g} ({min(tests.values()):.1f} %)."
        )
        positions = range(len(path))
        for quantity, colour in (("validation_accuracy", ORANGE), ("test_accuracy", GREEN)):
            values = [results.values(quantity, name) for _, name in path]
            spread = [0 if len(v) == 1 else v.std() for v in values]
            for (penalty, _), seeds in zip(path, values, strict=True):
                numbers += [(kind, penalty, quantity, *item) for item in seeds.items()]
            axis.errorbar(
                positions, [v.mean() for v in values], spread, fmt="o-", color=colour, capsize=4,
                label=quantity.split("_")[0],
            )  # fmt: skip
        axis.set_xticks(positions, [f"{value:g}" for value, _ in path])
        axis.set_title(kind)
        axis.set_xlabel("penalty λ (0: none)")
        axis.set_ylabel("accuracy, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    frame = pd.DataFrame(numbers, columns=["kind", "penalty", "quantity", "seed", "percent"])
    names = dict.fromkeys(name for path in paths.values() for _, name in path)
    quantities = ["validation_accuracy", "test_accuracy"]
    behind = ExhibitData.of(frame, " ".join(finding), results, names, quantities)
    return finished(figure, results.data_name, behind)


def by_parameters(results: Results, names: Iterable[str]) -> Figure:
    """Draw test accuracy by the number of parameters, for several topologies."""
    figure, (axis,) = panels(1)
    names, rows, points = list(names), [], {}
    for number, name in enumerate(names):
        model = results.of(name)[0].model
        size = model.parameters.size
        values = results.values("test_accuracy", name)
        axis.plot([size] * len(values), values, "_", color=BLUE, ms=10, alpha=0.7)
        axis.plot(size, values.mean(), "o", color=BLUE)
        layers = "-".join(map(str, model.layer_specs))
        rows += [(name, layers, size, *item) for item in values.items()]
        points[name] = f"{values.mean():.1f} % with {size:,} parameters ({layers})"
        above = number % 2 == 0
        axis.annotate(
            layers, (size, values.max() if above else values.min()),
            xytext=(0, 8 if above else -16), textcoords="offset points", ha="center",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.margins(0.16, 0.22)
    axis.set_xlabel("number of parameters")
    axis.set_ylabel("test accuracy, %")
    columns = ["experiment", "layers", "parameters", "seed", "test_accuracy_percent"]
    finding = f"Test accuracy by size: {'; '.join(points[name] for name in names)}."
    behind = ExhibitData.of(
        pd.DataFrame(rows, columns=columns), finding, results, names, ["test_accuracy"]
    )
    return finished(figure, results.data_name, behind)


def distances(parts: dict[str, np.ndarray], data: Dataset) -> Figure:
    """Draw histograms of the distance from an image to the most similar training image."""
    figure, (axis,) = panels(1, height=3)
    bins = np.linspace(0, max(values.max() for values in parts.values()), 50)
    for (name, values), colour in zip(parts.items(), (ORANGE, GREEN, GREY), strict=False):
        label = f"{name} (median {np.median(values):.1f})"
        axis.hist(values, bins, density=True, histtype="step", color=colour, lw=2, label=label)
        axis.axvline(np.median(values), color=colour, ls="--", lw=1)
    axis.set_xlabel("distance to the most similar training image (grey levels, 0 to 1, 784 pixels)")
    axis.set_ylabel("density")
    axis.legend()
    medians = ", ".join(f"{name} {np.median(values):.2f}" for name, values in parts.items())
    finding = f"Median distance to the most similar training image: {medians}."
    numbers = pd.DataFrame(
        [(name, value) for name, values in parts.items() for value in values],
        columns=["part", "distance"],
    )
    return finished(figure, data.name, ExhibitData.of(numbers, finding))


def by_epsilon(differences: pd.DataFrame, data_name: str) -> Figure:
    """Draw the differences of a gradient check against the step, both axes logarithmic."""
    figure, (axis,) = panels(1)
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
    largest = differences.max(axis=1)
    papers = largest.iloc[np.abs(np.log10(epsilon) + 2).argmin()]
    finding = (
        f"With the paper's step of 0.01 the largest of {differences.shape[1]} differences is "
        f"{papers:.1e}, {'below' if papers <= 1e-4 else 'ABOVE'} the bound of 0.0001; it is "
        f"smallest, {largest.min():.1e}, with a step of {largest.idxmin():.0e}."
    )
    numbers = differences.rename_axis(index="epsilon").reset_index()
    behind = ExhibitData.of(numbers, finding, quantities=["gradient_difference"])
    return finished(figure, data_name, behind)


def heat_maps(sweep: pd.DataFrame, quantity: str) -> Figure:
    """Draw one map of learning rate by momentum for each L2 penalty; mean over seeds, in per cent.

    The best cell has a frame. A cell of which a run diverged stays empty.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    quantity : str
        "validation_accuracy" or "test_accuracy".
    """
    keys = ["L2_penalty", "momentum_gamma", "learning_rate"]
    cells = 100 * sweep.groupby(keys)[quantity].mean()
    cells[sweep.groupby(keys).diverged.any()] = np.nan
    low, high = cells.quantile(0.25) - 1, cells.max()  # few bad cells shall not hide the others
    figure, axes = panels(len(cells.index.levels[0]), height=2.9)
    for axis, (penalty, part) in zip(axes, cells.groupby(level=0), strict=True):
        grid = part.droplevel(0).unstack()
        image = axis.imshow(grid, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (row, column), value in np.ndenumerate(grid.to_numpy()):
            text = "–" if np.isnan(value) else f"{value:.1f}"
            colour = "white" if value < (low + high) / 2 else "black"
            axis.text(column, row, text, ha="center", va="center", color=colour)
            if value == high:
                frame = {"fill": False, "edgecolor": ORANGE, "lw": 3}
                axis.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, **frame))
        axis.set_xticks(range(grid.shape[1]), [f"{rate:g}" for rate in grid.columns])
        axis.set_yticks(range(grid.shape[0]), [f"{gamma:g}" for gamma in grid.index])
        axis.set(title=f"L2 penalty {penalty:g}", xlabel="learning rate")
        axis.grid(False)
    axes[0].set_ylabel("momentum")
    figure.colorbar(image, ax=axes, label="accuracy, %", extend="min")
    penalty, gamma, rate = cells.idxmax()
    finding = (
        f"The best of {len(cells)} combinations reaches {high:.2f} %: learning rate {rate:g}, "
        f"momentum {gamma:g}, L2 penalty {penalty:g}; the worst {cells.min():.2f} %."
    )
    return finished(figure, "KMNIST", ExhibitData.of(cells.reset_index(), finding))
