"""Learning curves: loss and accuracy by epoch, of one experiment or of several in one panel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.paper_curves import paper_curves
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure, title
from kmnist_mlp.figures.style import COLOURS, DASHES, legend_above, panel
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE
from kmnist_mlp.support.statistics import mean_curve, typeset

AT_KEPT_EPOCH = ("test_loss", "test_accuracy", "best_epoch", "stopped_epoch")
QUANTITIES = (
    *(f"{part}_{kind}" for part in ("training", "validation") for kind in ("loss", "accuracy")),
    *AT_KEPT_EPOCH,
    "generalisation_gap",
)


# ---- one experiment ------------------------------------------------------------------------------


def learning_curves(results: Results, name: str) -> ReportFigure:
    """Draw loss and accuracy by epoch, training and validation, a panel each.

    Thin lines are the seeds; the thick line is their mean and the band one standard deviation,
    until the first seed stops. Dashed: the epoch whose weights are kept, with the test result as a
    diamond; dotted: the epoch at which training stopped (medians of the seeds). Grey and thin: the
    curves of the paper's figures, one run on KMNIST.
    """
    numbers = curve_numbers(results, name)
    classes = results.of(name)[0].config.layer_specs[-1]
    loss = _draw_curves(numbers, "loss", 1, f"cross-entropy / {classes}")
    accuracy = _draw_curves(numbers, "accuracy", 100, "accuracy, %")
    for figure, number in zip(
        (loss, accuracy), PAPER[name].figures if name in PAPER else (), strict=False
    ):
        (axis,) = figure.axes
        axis.set_title(f"Figure {number}. {axis.get_title(loc='left')}")
    kept = numbers[numbers.stopped_epoch.notna()]
    epochs = kept[["epoch", "stopped_epoch"]].median()
    finding = (
        f"Test accuracy is {100 * kept.test_accuracy.mean():.1f} % with the weights of epoch "
        f"{epochs.epoch:g}; training stops at epoch {epochs.stopped_epoch:g}."
    )
    panels = [loss, accuracy]
    return report_figure(
        panels, numbers, finding, results=results, names=[name], quantities=QUANTITIES
    )


def curve_numbers(results: Results, name: str) -> pd.DataFrame:
    """Return the history of every seed of an experiment, and the curves of the paper's figures.

    Returns
    -------
    DataFrame
        Columns source ("ours" or "paper"), seed, epoch, and loss and accuracy (a fraction) on
        training and validation split; test_loss, test_accuracy, best_epoch and stopped_epoch in
        the row of the epoch whose weights are kept. That row is epoch 0, the initial weights, if
        the first epoch diverged. The paper's rows have no seed, but uncertainties.
    """
    histories = []
    for seed, run in zip(results.values("seconds", name).index, results.of(name), strict=True):
        history, kept = run.history, run.kept_epoch
        if kept == 0:
            initial = pd.DataFrame({"epoch": [0], **run.returned})
            history = pd.concat([initial, history]) if len(history) else initial
        history.insert(0, "source", "ours")
        history.insert(1, "seed", seed)
        for quantity in AT_KEPT_EPOCH:
            history[quantity] = np.where(history.epoch == kept, getattr(run, quantity), np.nan)
        histories.append(history)
    ours = pd.concat(histories, ignore_index=True)
    if name not in PAPER or not PAPER[name].figures:
        return ours
    shown = PAPER[name].figures
    uncertainty = paper_curves(shown, "uncertainty").add_suffix("_uncertainty")
    paper = paper_curves(shown).join(uncertainty).reset_index().assign(source="paper")
    return pd.concat([ours.astype({"seed": "Int64"}), paper])  # it stays whole beside no seed


def _draw_curves(numbers: pd.DataFrame, kind: str, factor: int, label: str) -> Figure:
    """Draw loss or accuracy; without validation images there is no validation curve."""
    ours, paper = (numbers[numbers.source == source] for source in ("ours", "paper"))
    at_kept = ours[ours.stopped_epoch.notna()]
    kept, stopped = at_kept.epoch.median(), at_kept.stopped_epoch.median()
    test = factor * at_kept[f"test_{kind}"].mean()
    figure, axis = panel(3.6)
    for part, colour in (("training", BLUE), ("validation", ORANGE)):
        column = f"{part}_{kind}"
        if part == "validation" and len(ours) and ours[column].isna().all():
            continue
        curves = [factor * curve for curve in _curves(ours, column)]
        for curve in curves:
            axis.plot([len(curve)] * len(curve[-1:]), curve[-1:], "|", color=colour, ms=7)
        mean, deviation = _draw_seeds_and_mean(axis, curves, part, color=colour)
        epochs = np.arange(1, len(mean) + 1)
        axis.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.2, lw=0)
    axis.plot(kept, test, "D", color=GREEN, ms=7, label="test", zorder=5)
    for part in ("training", "validation") if len(paper) else ():
        values = factor * paper[f"{part}_{kind}"]
        axis.plot(paper.epoch, values, color=GREY, lw=1, label="paper, one run", zorder=1.9)
    axis.axvline(kept, color=GREY, ls="--", lw=1, label=f"weights of epoch {kept:.4g}")
    if stopped != kept:
        axis.axvline(stopped, color=GREY, ls=":", lw=1, label=f"stopped at {stopped:.4g}")
    if kind == "loss":  # the initial loss would hide the rest
        drawn = numbers.loc[numbers.epoch > 0, ["training_loss", "validation_loss"]]
        axis.set_ylim(0, 1.05 * np.nanmax([*drawn.max(), test]))
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axis.set(xlabel="epoch", ylabel=label)
    axis.set_title(kind.capitalize())
    legend_above(axis)
    return figure


# ---- several experiments -------------------------------------------------------------------------


def overlay(results: Results, names: str | Iterable[str], *quantities: str) -> ReportFigure:
    """Draw the learning curves of several experiments together, a panel per quantity.

    Thin lines are the seeds; the thick line is their mean, until the first seed stops. Without a
    quantity, the validation accuracy is drawn.
    """
    names, quantities = results.chosen(names), quantities or ("validation_accuracy",)
    rows, panels = [], []
    for quantity in quantities:
        is_accuracy = quantity.endswith("accuracy")
        figure, axis = panel(3.5)
        best = []
        for place, name in enumerate(names):
            seeds = results.values("seconds", name).index
            curves = [
                (100 if is_accuracy else 1) * run.curves[quantity] for run in results.of(name)
            ]
            for seed, curve in zip(seeds, curves, strict=True):
                points = list(enumerate(curve, start=1)) or [
                    (0, np.nan)
                ]  # its first epoch diverged
                rows += [(quantity, name, seed, epoch, value) for epoch, value in points]
            style = {"color": COLOURS[place % len(COLOURS)], "ls": DASHES[place % len(DASHES)]}
            mean, _ = _draw_seeds_and_mean(axis, curves, title(name), **style)
            if np.isfinite(mean).any():
                epoch = int(np.nanargmax(mean) if is_accuracy else np.nanargmin(mean))
                value = f"{mean[epoch]:.1f} %" if is_accuracy else typeset(f"{mean[epoch]:.3g}")
                best.append(f"{title(name)} {value} (epoch {epoch + 1})")
        label = quantity.replace("_", " ")
        axis.set(xlabel="epoch", ylabel=label + ", %" * is_accuracy)
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        legend_above(axis, 2 if max(len(title(name)) for name in names) < 22 else 1)
        panels.append(figure)
    best_is = f"{'Highest' if is_accuracy else 'Lowest'} mean {label}"
    finding = f"{best_is}: {', '.join(best)}." if best else ""
    numbers = pd.DataFrame(rows, columns=["quantity", "experiment", "seed", "epoch", "value"])
    return report_figure(
        panels, numbers, finding, results=results, names=names, quantities=quantities
    )


# ---- both ----------------------------------------------------------------------------------------


def _curves(rows: pd.DataFrame, column: str) -> list[np.ndarray]:
    """Return the curve of each seed, epoch by epoch; empty if the first epoch diverged."""
    seeds = rows.groupby("seed", sort=False)
    return [of_seed.loc[of_seed.epoch > 0, column].to_numpy() for _, of_seed in seeds]


def _draw_seeds_and_mean(
    axis: Axes, curves: list[np.ndarray], label: str, **style: object
) -> tuple[np.ndarray, np.ndarray]:
    """Draw each seed thin and their mean thick; return the mean and the standard deviation."""
    for curve in curves:
        axis.plot(np.arange(1, len(curve) + 1), curve, lw=0.6, alpha=0.45, **style)
    mean, deviation = mean_curve(curves)
    axis.plot(np.arange(1, len(mean) + 1), mean, lw=2, label=label, **style)
    return mean, deviation
