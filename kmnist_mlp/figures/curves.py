"""Learning curves: loss and accuracy by epoch, of one experiment or of several in one panel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.experiments.paper import PAPER, paper_curves
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.exhibit import ExhibitData, title
from kmnist_mlp.figures.style import COLOURS, DASHES, finished, is_narrow, legend_above, panels
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE
from kmnist_mlp.support.statistics import mean_curve, typeset

AT_KEPT_EPOCH = ("test_loss", "test_accuracy", "best_epoch", "stopped_epoch")
QUANTITIES = (
    *(f"{part}_{kind}" for part in ("training", "validation") for kind in ("loss", "accuracy")),
    *AT_KEPT_EPOCH,
    "generalisation_gap",
)


# ---- one experiment ------------------------------------------------------------------------------


def learning_curves(results: Results, name: str) -> Figure:
    """Draw loss (left) and accuracy (right) by epoch, training and validation.

    Thin lines are the seeds; the thick line is their mean and the band one standard deviation,
    until the first seed stops. Dashed: the epoch whose weights are kept, with the test result as a
    diamond; dotted: the epoch at which training stopped (medians of the seeds). Grey and thin: the
    curves of the paper's figures, one run on KMNIST.
    """
    numbers = curve_numbers(results, name)
    classes = results.of(name)[0].config.layer_specs[-1]
    own_numbers = PAPER[name].figures if name in PAPER else ()
    paper = paper_curves(own_numbers)
    finding = curve_finding(numbers, title(name)) + distance_finding(numbers, paper)
    data = ExhibitData.of(beside_paper(numbers, own_numbers), finding, results, [name], QUANTITIES)
    return finished(
        lambda: draw_curves(numbers, paper, classes, own_numbers), results.data_name, data
    )


def curve_numbers(results: Results, name: str) -> pd.DataFrame:
    """Return the history of every seed of an experiment.

    Returns
    -------
    DataFrame
        Columns seed, epoch, and loss and accuracy (a fraction) on training and validation split;
        test_loss, test_accuracy, best_epoch and stopped_epoch in the row of the epoch whose
        weights are kept. That row is epoch 0, the initial weights, if the first epoch diverged.
    """
    histories = []
    for seed, run in zip(results.values("seconds", name).index, results.of(name), strict=True):
        history, kept = run.history, run.kept_epoch
        if kept == 0:
            initial = pd.DataFrame({"epoch": [0], **run.returned})
            history = pd.concat([initial, history]) if len(history) else initial
        history.insert(0, "seed", seed)
        for quantity in AT_KEPT_EPOCH:
            history[quantity] = np.where(history.epoch == kept, getattr(run, quantity), np.nan)
        histories.append(history)
    return pd.concat(histories)


def beside_paper(numbers: pd.DataFrame, figure_numbers: tuple[int, ...]) -> pd.DataFrame:
    """Return what :func:`curve_numbers` gives with the rows of the paper, if it has any, below.

    They have no seed; their source is "paper", and each quantity has a column of uncertainties.
    """
    if not figure_numbers:
        return numbers
    uncertainty = paper_curves(figure_numbers, "uncertainty").add_suffix("_uncertainty")
    paper = paper_curves(figure_numbers).join(uncertainty).reset_index().assign(source="paper")
    ours = numbers.assign(source="ours").astype({"seed": "Int64"})  # stays whole beside no seed
    return pd.concat([ours, paper])


def draw_curves(
    numbers: pd.DataFrame, paper: pd.DataFrame, classes: int, figure_numbers: tuple[int, ...]
) -> Figure:
    """Draw what :func:`curve_numbers` gives, and the paper's curves with their figure numbers.

    Without validation images there are no validation curves.
    """
    figure, axes = panels(2)
    at_kept = numbers[numbers.stopped_epoch.notna()]
    kept, stopped = at_kept.epoch.median(), at_kept.stopped_epoch.median()
    loss_label = f"cross-entropy {'' if is_narrow() else 'per example '}/ {classes}"
    kinds = (("loss", 1, loss_label), ("accuracy", 100, "accuracy, %"))
    parts = [("training", BLUE), ("validation", ORANGE)]
    if len(numbers) and numbers.validation_loss.isna().all():
        parts.pop()
    for axis, (kind, factor, label) in zip(axes, kinds, strict=True):
        for part, colour in parts:
            curves = [factor * curve for curve in _curves(numbers, f"{part}_{kind}")]
            for curve in curves:
                axis.plot([len(curve)] * len(curve[-1:]), curve[-1:], "|", color=colour, ms=7)
            mean, deviation = _draw_seeds_and_mean(axis, curves, part, color=colour)
            epochs = np.arange(1, len(mean) + 1)
            band = (mean - deviation, mean + deviation)
            axis.fill_between(epochs, *band, color=colour, alpha=0.2, lw=0)
        test = factor * at_kept[f"test_{kind}"]
        axis.axvline(kept, color=GREY, ls="--", lw=1, label=f"weights of epoch {kept:.4g}")
        if stopped != kept:
            axis.axvline(stopped, color=GREY, ls=":", lw=1, label=f"stopped at {stopped:.4g}")
        axis.plot(kept, test.mean(), "D", color=GREEN, ms=7, label="test", zorder=5)
        published = factor * paper.filter(like=kind)
        for place, column in enumerate(published):
            name = None if place else "paper, one run"
            axis.plot(published[column], color=GREY, lw=1, label=name, zorder=1.9)  # behind ours
        if kind == "loss":
            drawn = numbers.loc[numbers.epoch > 0, ["training_loss", "validation_loss"]]
            axis.set_ylim(0, 1.05 * np.nanmax([*drawn.max(), test.max(), *published.max()]))
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_title(kind.capitalize())
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
    for axis, number in zip(axes, figure_numbers, strict=False):
        axis.set_title(f"Figure {number}. {axis.get_title(loc='left')}")
    legend_above(figure, *axes[0].get_legend_handles_labels(), 6)
    return figure


def curve_finding(numbers: pd.DataFrame, name: str) -> str:
    """Return mean accuracies with the kept weights, and the median of epochs, as sentences."""
    at_kept = numbers[numbers.stopped_epoch.notna()]
    mean, median = at_kept.mean(), at_kept.median()
    parts = [p for p in ("training", "validation", "test") if np.isfinite(mean[f"{p}_accuracy"])]
    accuracies = ", ".join(f"{100 * mean[f'{part}_accuracy']:.1f} % {part}" for part in parts)
    lowest = f"The validation loss is lowest at epoch {median.best_epoch:g}. "
    lowest = lowest if "validation" in parts else ""
    return (
        f"{name[0].upper()}{name[1:]}: accuracy {accuracies}, with the weights of epoch "
        f"{median.epoch:g}. {lowest}Training stops at epoch {median.stopped_epoch:g}."
    )


def distance_finding(numbers: pd.DataFrame, paper: pd.DataFrame) -> str:
    """Return how far the paper's validation curves lie from the mean of our seeds, as a sentence.

    It is empty if no epoch has a value on both sides.
    """
    names = ["validation_loss", "validation_accuracy"]
    ours = pd.DataFrame({name: mean_curve(_curves(numbers, name))[0] for name in names})
    difference = (paper.reindex(columns=names) - ours.set_axis(ours.index + 1)).dropna()
    if difference.empty:
        return ""
    loss, accuracy = difference.mean()
    most = difference.abs().max()
    sides = ["above" if mean > 0 else "below" for mean in (loss, accuracy)]
    return (
        f" On average over the first {len(difference)} epochs, the paper's validation loss (one "
        f"run on KMNIST, read from its figure) lies {abs(loss):.4f} {sides[0]} ours (at "
        f"most {most.validation_loss:.4f} away), and its validation accuracy "
        f"{100 * abs(accuracy):.2f} points {sides[1]} ours (at most "
        f"{100 * most.validation_accuracy:.2f} points away)."
    )


# ---- several experiments -------------------------------------------------------------------------


def overlay(results: Results, names: str | Iterable[str], *quantities: str) -> Figure:
    """Draw the learning curves of several experiments together, a panel per quantity.

    Thin lines are the seeds; the thick line is their mean, until the first seed stops. Without a
    quantity, the validation accuracy is drawn.
    """
    names, quantities = results.chosen(names), quantities or ("validation_accuracy",)
    numbers = overlay_numbers(results, names, quantities)
    data = ExhibitData.of(numbers, overlay_finding(numbers), results, names, quantities)
    return finished(lambda: draw_overlay(numbers), results.data_name, data)


def overlay_numbers(
    results: Results, names: Iterable[str], quantities: Iterable[str]
) -> pd.DataFrame:
    """Return a row per quantity, experiment, seed and epoch; accuracies in per cent.

    A run whose first epoch diverged has one row, epoch 0, without a value.
    """
    rows = []
    for quantity in quantities:
        factor = 100 if quantity.endswith("accuracy") else 1
        for name in names:
            seeds = results.values("seconds", name).index
            for seed, run in zip(seeds, results.of(name), strict=True):
                curve = enumerate(factor * run.curves[quantity], start=1)
                curve = list(curve) or [(0, np.nan)]
                rows += [(quantity, name, seed, epoch, value) for epoch, value in curve]
    return pd.DataFrame(rows, columns=["quantity", "experiment", "seed", "epoch", "value"])


def draw_overlay(numbers: pd.DataFrame) -> Figure:
    """Draw what :func:`overlay_numbers` gives."""
    by_quantity = numbers.groupby("quantity", sort=False)
    figure, axes = panels(len(by_quantity))
    for axis, (quantity, rows) in zip(axes, by_quantity, strict=True):
        experiments = rows.groupby("experiment", sort=False)
        for place, (name, own) in enumerate(experiments):
            style = {"color": COLOURS[place % len(COLOURS)], "ls": DASHES[place % len(DASHES)]}
            _draw_seeds_and_mean(axis, _curves(own, "value"), title(name), **style)
        axis.set_xlabel("epoch")
        unit = ", %" if quantity.endswith("accuracy") else ""
        axis.set_ylabel(quantity.replace("_", " ") + unit)
        axis.set_xlim(left=0)
    handles = axes[0].get_legend_handles_labels()
    legend_above(figure, *handles, min(4, len(experiments)))
    return figure


def overlay_finding(numbers: pd.DataFrame) -> str:
    """Return the best value of each curve, that of the mean of seeds, as sentences."""
    sentences = []
    for quantity, rows in numbers.groupby("quantity", sort=False):
        accuracy = quantity.endswith("accuracy")
        best = []
        for name, own in rows.groupby("experiment", sort=False):
            mean, _ = mean_curve(_curves(own, "value"))
            if not np.isfinite(mean).any():
                continue
            epoch = int(np.nanargmax(mean) if accuracy else np.nanargmin(mean))
            value = f"{mean[epoch]:.1f} %" if accuracy else typeset(f"{mean[epoch]:.3g}")
            best.append(f"{title(name)} {value} (epoch {epoch + 1})")
        if best:
            best_value = f"{'Highest' if accuracy else 'Lowest'} mean {quantity.replace('_', ' ')}"
            sentences.append(f"{best_value} while all seeds train: {', '.join(best)}.")
    return " ".join(sentences)


# ---- both ----------------------------------------------------------------------------------------


def _curves(rows: pd.DataFrame, column: str) -> list[np.ndarray]:
    """Return the curve of each seed, epoch by epoch; empty if the first epoch diverged."""
    seeds = rows.groupby("seed", sort=False)
    return [own.loc[own.epoch > 0, column].to_numpy() for _, own in seeds]


def _draw_seeds_and_mean(
    axis: Axes, curves: list[np.ndarray], label: str, **style: object
) -> tuple[np.ndarray, np.ndarray]:
    """Draw each seed thin and their mean thick; return the mean and the standard deviation."""
    for curve in curves:
        axis.plot(np.arange(1, len(curve) + 1), curve, lw=0.6, alpha=0.45, **style)
    mean, deviation = mean_curve(curves)
    axis.plot(np.arange(1, len(mean) + 1), mean, lw=2, label=label, **style)
    return mean, deviation
