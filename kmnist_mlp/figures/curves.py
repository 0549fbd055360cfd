"""Learning curves: loss and accuracy by epoch, of one experiment or several."""

from collections.abc import Iterable
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.experiments.paper import PAPER, paper_curves
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure, title
from kmnist_mlp.figures.style import COLOURS, DASHES, legend_above, panel
from kmnist_mlp.results import CURVES
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE
from kmnist_mlp.support.statistics import typeset

AT_KEPT_EPOCH = ("test_loss", "test_accuracy", "best_epoch", "stopped_epoch")


def histories(results: Results, names: Iterable[str]) -> pd.DataFrame:
    """Return the history of every run of some experiments.

    Returns
    -------
    DataFrame
        Columns experiment, seed, epoch, and loss and accuracy
        (a fraction) on training and validation split; test_loss,
        test_accuracy, best_epoch and stopped_epoch in the row of the
        epoch whose weights are kept. That row is epoch 0, the initial
        weights, if the first epoch diverged.
    """
    tables = {}
    for key, run in results.runs.items():
        if key[0] in names:
            history = run.history
            if run.kept_epoch == 0:
                initial = pd.DataFrame({"epoch": [0], **run.returned})
                history = pd.concat([initial, history]) if len(history) else initial
            kept = history.epoch == run.kept_epoch
            for quantity in AT_KEPT_EPOCH:
                history[quantity] = np.where(kept, getattr(run, quantity), np.nan)
            tables[key] = history
    return pd.concat(tables, names=["experiment", "seed"]).reset_index(level=[0, 1])


def learning_curves(results: Results, name: str) -> ReportFigure:
    """Draw loss and accuracy by epoch, training and validation, a panel each.

    Thin lines are the seeds; the thick line is their mean and the
    band one standard deviation, until the first seed stops. Dashed:
    the epoch whose weights are kept, with the test result as a
    diamond; dotted: the epoch at which training stopped
    (medians of the seeds). Grey and thin: the curves of the paper's
    figures, one run on KMNIST.

    The numbers are those of :func:`histories` and, as source "paper",
    the paper's curves, which have no seed, but uncertainties.
    """
    numbers = histories(results, [name]).assign(experiment="ours")
    numbers = numbers.rename(columns={"experiment": "source"})
    if papers := getattr(PAPER.get(name), "figures", ()):
        uncertainty = paper_curves(papers, "uncertainty").add_suffix("_uncertainty")
        paper = paper_curves(papers).join(uncertainty)
        paper = paper.reset_index().assign(source="paper")
        # it stays whole
        numbers = pd.concat([numbers.astype({"seed": "Int64"}), paper])
    classes = results.of(name)[0].config.layer_specs[-1]
    headings = [f"Figure {number}. " for number in papers] or ["", ""]
    labels = {"loss": f"cross-entropy / {classes}", "accuracy": "accuracy, %"}
    percent = numbers.assign(**100 * numbers.filter(regex="accuracy$"))
    epochs = numbers.dropna(subset="stopped_epoch")[["epoch", "stopped_epoch"]].median()
    panels = []
    for heading, (kind, label) in zip(headings, labels.items(), strict=True):
        heading += kind.capitalize()
        panels.append(_draw_curves(percent, heading, kind, label, *epochs))
    finding = FINDINGS["curves"].format(percent.test_accuracy.mean(), *epochs)
    quantities = [*CURVES, *AT_KEPT_EPOCH, "generalisation_gap"]
    return report_figure(panels, numbers, finding, results, [name], quantities)


def _draw_curves(
    numbers: pd.DataFrame, heading: str, kind: str, label: str, kept: float, stopped: float
) -> Figure:
    """Draw loss or accuracy; without validation images there is no validation curve."""
    ours, paper = (numbers[numbers.source == source] for source in ("ours", "paper"))
    figure, axis = panel(3.6)
    for part, colour in (("training", BLUE), ("validation", ORANGE)):
        column = f"{part}_{kind}"
        if ours[column].isna().all():
            continue
        shared, mean = _draw_seeds_and_mean(axis, ours, column, part, color=colour)
        ends = ours[ours.epoch > 0].groupby("seed").last()
        axis.plot(ends.epoch, ends[column], "|", color=colour, ms=7)
        deviation = shared.std(axis=1).fillna(0)
        style = {"color": colour, "alpha": 0.2, "lw": 0}
        axis.fill_between(mean.index, mean - deviation, mean + deviation, **style)
        if len(paper):
            style = {"color": GREY, "lw": 1, "zorder": 1.9}
            axis.plot(paper.epoch, paper[column], label="paper, one run", **style)
    test = ours[f"test_{kind}"].mean()
    axis.plot(kept, test, "D", color=GREEN, ms=7, label="test", zorder=5)
    axis.axvline(kept, color=GREY, ls="--", lw=1, label=f"weights of epoch {kept:.4g}")
    if stopped != kept:
        axis.axvline(stopped, color=GREY, ls=":", lw=1, label=f"stopped at {stopped:.4g}")
    if kind == "loss":  # the initial loss would hide the rest
        drawn = numbers.loc[numbers.epoch > 0, ["training_loss", "validation_loss"]]
        axis.set_ylim(0, 1.05 * np.nanmax([*drawn.max(), test]))
    _label_epochs(axis, label)
    axis.set_title(heading)
    legend_above(axis)
    return figure


def overlay(results: Results, names: str | Iterable[str], *quantities: str) -> ReportFigure:
    """Draw the learning curves of several experiments together, a panel per quantity.

    Thin lines are the seeds; the thick line is their mean, until
    the first seed stops. Without a quantity, the validation
    accuracy is drawn.
    """
    names, quantities = results.chosen(names), quantities or ("validation_accuracy",)
    numbers = histories(results, names)[["experiment", "seed", "epoch", *quantities]]
    percent = numbers.assign(**100 * numbers.filter(regex="accuracy$"))
    panels = []
    for quantity in quantities:
        is_accuracy, label = quantity.endswith("accuracy"), quantity.replace("_", " ")
        figure, axis = panel(3.5)
        best = []
        for name, (colour, dashes) in zip(names, cycle(zip(COLOURS, DASHES, strict=True))):
            rows = percent[percent.experiment == name]
            style = {"color": colour, "ls": dashes}
            _, mean = _draw_seeds_and_mean(axis, rows, quantity, title(name), **style)
            if len(mean):
                epoch, value = mean.idxmin(), typeset(f"{mean.min():.3g}")
                if is_accuracy:
                    epoch, value = mean.idxmax(), f"{mean.max():.1f} %"
                best.append(f"{title(name)} {value} (epoch {epoch})")
        _label_epochs(axis, label + ", %" * is_accuracy)
        legend_above(axis, 2 if max(len(title(name)) for name in names) < 22 else 1)
        panels.append(figure)
    extreme = "Highest" if is_accuracy else "Lowest"
    finding = f"{extreme} mean {label}: {', '.join(best)}." if best else ""
    return report_figure(panels, numbers, finding, results, names, quantities)


def _draw_seeds_and_mean(
    axis: Axes, rows: pd.DataFrame, column: str, label: str, **style: object
) -> tuple[pd.DataFrame, pd.Series]:
    """Draw seeds thin and their mean thick.

    Return the curves, a column per seed, and their mean: until the
    first seed stops.
    """
    curves = rows.pivot(index="epoch", columns="seed", values=column).loc[1:]
    axis.plot(curves.index, curves, lw=0.6, alpha=0.45, **style)
    shared = curves.dropna()
    mean = shared.mean(axis=1)
    axis.plot(mean.index, mean, lw=2, label=label, **style)
    return shared, mean


def _label_epochs(axis: Axes, label: str) -> None:
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axis.set(xlabel="epoch", ylabel=label)
