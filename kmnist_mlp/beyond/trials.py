"""Tables and figures beyond the paper: trials, final networks, other classifiers, the ledger."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond.evaluation import expected_calibration_error
from kmnist_mlp.beyond.plan import GROUPS, IMAGES_SEEN, LONG, SHORT
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies
from kmnist_mlp.beyond.records import HELD_OUT, Records, load_timing
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.figures.images import first_of_each_class, image_grid
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure
from kmnist_mlp.figures.style import COLOURS, DASHES, draw_means, in_two_lines, legend_above, panel
from kmnist_mlp.figures.tables import ends, table_of
from kmnist_mlp.support import statistics
from kmnist_mlp.support.colours import BLUE, GREY, PALE
from kmnist_mlp.support.statistics import MISSING, interval, plus_minus, signed, wilson_interval

ACCURACY = "accuracy, %"
KMNIST = "KMNIST"  # what the shipped results were measured on
CHANGE = "change of accuracy, points"
COPIES = 7  # of each image in the figure of data augmentation


# ---- tables of trials ----------------------------------------------------------------------------


def changes_table(records: Records, groups: list, corner: str, base: str = "trial") -> pd.DataFrame:
    """Return how much each change of a trial changes its accuracy.

    Per part of the images: the mean difference over seeds, seed by seed, with its 95 % interval.
    Then the largest p-value of McNemar's test among the seeds, on the images of the held-out
    clusters.

    Parameters
    ----------
    records : Records
    groups : list of str
        Of the plan.
    corner : str
        Heading of the titles.
    base : str
        Group of the run without a change.
    """
    unchanged = records.runs.loc[base].loc["nothing"].run
    rows = {"nothing": _accuracies(records.percent.loc[base].loc["nothing"])}
    points = records.changes(groups, base)
    changed = records.runs.loc[groups].query("title != 'nothing'")
    for title, runs in changed.groupby("title", sort=False):
        row = rows[title] = _accuracies(records.percent.loc[runs.index])
        for part, change in points.loc[title].dropna(axis=1).items():
            mean, *between = interval(change)
            row[f"change ({part})"] = signed(mean, 2)
            row[f"95 % interval ({part})"] = ends(*between, 2)
        same = unchanged[runs.index.get_level_values("seed")]
        pairs = map(records.correct, runs.run), map(records.correct, same)
        row["McNemar's p"] = statistics.p_text(max(p for *_, p in map(statistics.mcnemar, *pairs)))
    table = table_of(rows, corner, numbers=records.table).fillna(MISSING)
    return table.loc[:, (table != MISSING).any()]  # one seed has no interval


def _accuracies(percent: pd.DataFrame) -> dict[str, str]:
    return {f"{part}, %": plus_minus(values, 2) for part, values in percent.items()}


def clear_changes(records: Records) -> tuple[list[str], list[str]]:
    """Return what lowers, and what raises, the accuracy on held-out clusters if it is left out.

    Those whose difference over seeds is significant by the t-test at the level of 5 %, corrected
    for their number by Holm's method.
    """
    changes = records.changes(["left out"])[HELD_OUT].groupby("title", sort=False)
    corrected = statistics.holm(statistics.p_value(points, 0, 0) for _, points in changes)
    means = changes.mean()
    clear = means[[title for (title, _), p in zip(changes, corrected, strict=True) if p < 0.05]]
    return clear.index[clear < 0].tolist(), clear.index[clear >= 0].tolist()


def least_difference(records: Records) -> float:
    """Return how many points two runs of equal expected accuracy and one seed differ by, in 95 %.

    From the standard deviation of a change on held-out clusters over seeds, pooled over all that
    is left out.
    """
    changes = records.changes(["left out"])[HELD_OUT].groupby("title")
    deviation, free = statistics.pooled_deviation(points for _, points in changes)
    return float(statistics.students_t(free + 1) * deviation)


def steps_table(records: Records) -> pd.DataFrame:
    """Return one row per step from the paper's baseline to the final network.

    Changes are differences to the step before, seed by seed: mean and standard deviation.
    """
    percent, seconds = records.percent.loc["step"], load_timing(records.folder)
    by_seed = percent[HELD_OUT].unstack("seed")
    changes, rows = by_seed.loc[percent.index.unique("title")].diff(), {}
    for title, runs in records.runs.loc["step"].groupby("title", sort=False):
        change = changes.loc[title].dropna()
        spread = f" ± {change.std():.2f}" * (len(change) > 1)
        text = signed(change.mean(), 2) + spread if len(change) else MISSING
        rows[title] = _accuracies(percent.loc[title]) | {
            f"change ({HELD_OUT})": text,
            "seeds": len(runs),
            "parameters": f"{runs.parameters.iloc[0]:,}",
            "epochs": statistics.median_and_range(runs.epochs),
            "minutes": f"{runs.epochs.median() * seconds[title] / 60:.1f}",
        }
    return table_of(rows, "step", numbers=records.table)


# ---- tables of test images -----------------------------------------------------------------------


def final_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the final networks, one row per seed, and their ensemble.

    ``lines`` are those of the ledger about them, here and below: see
    :func:`~kmnist_mlp.beyond.protocol.recorded`.
    """
    rows = {}
    for line in lines.itertuples():
        low, high = wilson_interval(round(line.accuracy * line.images), line.images)
        seeds = f"seed{'s' * (not line.seed.isdigit())} {line.seed}"
        rows[f"{line.kind}, {seeds}"] = f"{100 * line.accuracy:.2f}", f"{low:.2f} to {high:.2f}"
    columns = ["test accuracy, %", "95 % interval (images)"]
    table = pd.DataFrame.from_dict(rows, "index", columns=columns)
    return table_of(table, "network", numbers=lines)


def others_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return other classifiers as quoted, and ours, by accuracy."""
    networks = 100 * accuracies(lines)
    ours = [
        (NETWORK, networks.mean(), False, f"measured here, mean of {len(networks)} seeds"),
        (ENSEMBLE, 100 * accuracies(lines, ENSEMBLE).iloc[0], False, "measured here"),
    ]
    numbers = pd.concat([QUOTED, pd.DataFrame(ours, columns=QUOTED.columns)])
    numbers = numbers.sort_values("test_accuracy_percent", kind="stable")
    percent = numbers.test_accuracy_percent.map("{:.2f}".format)
    table = pd.DataFrame({"test accuracy, %": percent, "source": numbers.source})
    names = numbers.model + numbers.old_version.map({True: "*", False: ""})
    return table_of(table.set_axis(names), "classifier", numbers=numbers)


def ledger_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how many evaluations on test images there were, by their kind."""
    kinds, percent = ledger.groupby("kind", sort=False), 100 * ledger.accuracy
    table = {
        "evaluations": kinds.size(),
        "dates": kinds.date.agg(_range, "{}"),
        "accuracy, %": percent.groupby(ledger.kind, sort=False).agg(_range, "{:.2f}"),
    }
    return table_of(pd.DataFrame(table), "evaluated", numbers=ledger)


def _range(values: pd.Series, text: str) -> str:
    return " to ".join(dict.fromkeys(map(text.format, (values.min(), values.max()))))


# ---- figures of trials ---------------------------------------------------------------------------


def draw_rows(numbers: pd.DataFrame, names: str, series: str, y: str, xlabel: str) -> Figure:
    """Draw y by names, a row each: strokes are seeds, marks are the mean of a series."""
    rows = {name: row for row, name in enumerate(dict.fromkeys(numbers[names]))}
    figure, axis = panel(0.5 * len(rows) + 1.2)
    for number, (label, group) in enumerate(numbers.groupby(series, sort=False)):
        places = group[names].map(rows) + 0.2 * number
        style = {"color": COLOURS[number], "ls": ""}
        axis.plot(group[y], places, marker="|", ms=9, alpha=0.6, **style)
        means = group[y].groupby(places).mean()
        axis.plot(means, means.index, marker="os"[number], ms=5, label=label, **style)
    for name, row in rows.items():
        axis.text(0.02, row - 0.2, name, transform=axis.get_yaxis_transform(), fontsize=9)
    axis.set(yticks=[], ylim=(len(rows) - 0.5, -0.7), xlabel=xlabel)
    legend_above(axis)
    return figure


def draw_series(numbers: pd.DataFrame, x: str, y: str, series: str, **axes: object) -> Figure:
    """Draw the means of y by x, a line per series, with the standard deviation as bars."""
    figure, axis = panel()
    for number, (label, group) in enumerate(numbers.groupby(series, sort=False)):
        style = {"color": COLOURS[number], "ls": DASHES[number], "label": label}
        draw_means(axis, group.groupby(x)[y], fmt="o", ms=4, capsize=3, **style)
    axis.set(xlabel=x, ylabel=y, **axes)
    legend_above(axis, 3)
    return figure


def by_part(values: pd.DataFrame, name: str, of: str) -> pd.DataFrame:
    """Return a row per title, seed and part, the titles in column ``name``, values in ``of``."""
    long = values.rename_axis(columns="part").stack()
    return long.reset_index(name=of).rename(columns={"title": name})


def steps_figure(records: Records) -> ReportFigure:
    """Show each step from the paper's baseline: accuracy on both held-out parts, by seed."""
    percent = records.percent.loc["step"]
    accuracy = percent[HELD_OUT].xs(0, level="seed")  # it has all steps
    finding = (
        f"With the first seed, accuracy on held-out clusters rises from {accuracy.iloc[0]:.1f} % "
        f"to {accuracy.iloc[-1]:.1f} %, most by the step {accuracy.diff().idxmax()} "
        f"({signed(accuracy.diff().max(), 2)} points)."
    )
    numbers = by_part(percent, "step", "accuracy_percent")
    figure = draw_rows(numbers, "step", "part", "accuracy_percent", ACCURACY)
    return report_figure([figure], numbers, finding, data_name=KMNIST)


def changes_figure(records: Records) -> ReportFigure:
    """Show how accuracy on both held-out parts changes if one thing is left out of a trial."""
    points = records.changes(["left out"])
    means = points[HELD_OUT].groupby("title").mean()
    finding = (
        f"On held-out clusters, the lowest mean is that of {means.idxmin()} "
        f"({signed(means.min(), 2)} points), the highest that of {means.idxmax()} "
        f"({signed(means.max(), 2)})."
    )
    numbers = by_part(points, "change", "difference_points")
    figure = draw_rows(numbers, "change", "part", "difference_points", CHANGE)
    figure.axes[0].axvline(0, color=GREY, lw=1)
    return report_figure([figure], numbers, finding, data_name=KMNIST)


def ranking_figure(records: Records) -> ReportFigure:
    """Compare what is lost without each part in runs of two lengths, with the first seed."""
    short = records.changes(["left out"])[HELD_OUT].xs(0, level="seed")
    long = records.changes(["left out, long"], "long")[HELD_OUT].xs(0, level="seed")
    numbers = pd.DataFrame({"short": short, "long": long}).rename_axis("left_out").reset_index()
    correlation = short.rank().corr(long.rank())
    alike = (np.sign(short) == np.sign(long)).sum()
    finding = (
        f"The order at {SHORT} epochs and at {LONG} has a rank correlation of "
        f"{correlation:.2f} (Spearman); {alike} of {len(numbers)} differences have the same sign."
    )
    names = {"short": f"{SHORT} epochs", "long": f"{LONG} epochs"}
    drawn = numbers.sort_values("short").rename(columns=names)
    figure = draw_rows(drawn.melt("left_out"), "left_out", "variable", "value", CHANGE)
    return report_figure([figure], numbers, finding, data_name=KMNIST)


def strength_figure(records: Records) -> ReportFigure:
    """Show accuracy by the strength of the augmentation, a line per length of training."""
    numbers = by_part(records.percent.loc["strength"], "title", "accuracy_percent")
    of_title = numbers.pop("title").str.extract(r"strength (?P<strength>.*), (?P<epochs>.*) epochs")
    numbers = of_title.astype({"strength": float, "epochs": int}).join(numbers)
    means = numbers.groupby(["part", "epochs", "strength"]).accuracy_percent.mean()[HELD_OUT]
    best = [f"{own.idxmax()[1]:g} at {epochs} epochs" for epochs, own in means.groupby("epochs")]
    drawn = numbers.assign(epochs=numbers.epochs.map("{} epochs".format))
    x, y = "strength of the augmentation", ACCURACY
    drawn = drawn.rename(columns={"strength": x, "accuracy_percent": y}).groupby("part")
    panels = [draw_series(own, x, y, "epochs", title=part) for part, own in drawn]
    finding = f"Highest on held-out clusters at strength {', '.join(best)}."
    return report_figure(panels, numbers, finding, data_name=KMNIST)


def sizes_figure(records: Records) -> ReportFigure:
    """Show accuracy on held-out clusters by the number of training images, augmented and not.

    Runs half as long are crosses.
    """
    runs = records.percent[HELD_OUT].loc[["size", "size, half as long"]].reset_index()
    sizes = {
        "training_images": runs.title.str.extract(r"(\d+)", expand=False).astype(int),
        "augmented": ~runs.title.str.contains("not"),
        "images_seen": [GROUPS[group]["images_seen"] for group in runs.group],
    }
    numbers = pd.DataFrame(sizes | {"seed": runs.seed, "accuracy_percent": runs[HELD_OUT]})
    numbers = numbers.sort_values([*sizes, "seed"])
    whole = numbers.images_seen == IMAGES_SEEN
    x, y = "training images (a fifth of them for validation)", f"accuracy on {HELD_OUT}, %"
    drawn = numbers[whole].rename(columns={"training_images": x, "accuracy_percent": y})
    kinds = drawn.augmented.map({False: "not augmented", True: "augmented"})
    figure = draw_series(drawn.assign(kind=kinds), x, y, "kind", xscale="log")
    means = numbers.groupby([whole, "augmented", "training_images"]).accuracy_percent.mean()
    for augmented in (False, True):
        half = means[False, augmented]
        figure.axes[0].plot(half.index, half, "x", ms=6, color=COLOURS[augmented])
    gains = (means[True, True] - means[True, False]).items()
    texts = [f"{signed(gain, 1)} points with {images:,}" for images, gain in gains]
    finding = f"Augmentation changes accuracy by {', '.join(texts)} images."
    return report_figure([figure], numbers, finding, data_name=KMNIST)


# ---- figures of augmentation, calibration, robustness --------------------------------------------


def augmentation_figure(data: Dataset) -> ReportFigure:
    """Show the first training image of each class, and augmented copies of it."""
    images = data.train_images[first_of_each_class(data.train_labels).ravel()]
    augment, flat = Distortion(images.shape[1:], 1.0, 0), images.reshape(len(images), -1)
    copies = np.empty((1 + COPIES, *flat.shape), np.float32)
    copies[0] = flat
    for copy in copies[1:]:
        augment(copy, copies[0])
    change = np.abs(copies[1:] - copies[0]).mean(axis=(1, 2)) / 255
    numbers = pd.DataFrame({"copy": range(1, COPIES + 1), "mean_change_of_a_pixel": change})
    figure = image_grid(
        copies.reshape(-1, *images.shape[1:]), len(images),
        rows=["original", *numbers["copy"].map("copy {}".format)],
        columns=in_two_lines(data.class_labels),
    )  # fmt: skip
    finding = f"Augmentation changes a pixel by {100 * change.mean():.1f} % of full ink on average."
    return report_figure([figure], numbers, finding, data_name=data.name)


def calibration_figure(tables: dict[str, pd.DataFrame], data_name: str) -> ReportFigure:
    """Show accuracy by confidence, one panel per model: a reliability diagram.

    ``tables`` holds a :func:`~kmnist_mlp.beyond.evaluation.calibration_table` per model. Vertical
    lines are 95 % intervals of the accuracy.
    """
    panels, numbers, errors = [], [], []
    for model, table in tables.items():
        counts = (table.accuracy * table.images).round().astype(int), table.images
        low, high = np.array([*map(wilson_interval, *counts)]).T / 100
        numbers.append(table.assign(model=model, low=low, high=high))
        error = f"{expected_calibration_error(table):.3f}"
        errors.append(f"{model} {error}")
        figure, axis = panel(3.6)
        axis.bar(
            table["from"], table.images / table.images.sum(), table.to - table["from"],
            align="edge", color=PALE, label="share of the predictions",
        )  # fmt: skip
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect calibration")
        axis.vlines(table.confidence, low, high, color=BLUE, lw=1)
        axis.plot(table.confidence, table.accuracy, "o-", color=BLUE, ms=5, label="accuracy")
        axis.set(title=f"{model}: ECE {error}", xlim=(0, 1), ylim=(0, 1))
        axis.set(xlabel="confidence", ylabel="accuracy, and share")
        legend_above(axis)
        panels.append(figure)
    finding = f"Expected calibration error: {', '.join(errors)}."
    return report_figure(panels, pd.concat(numbers), finding, data_name=data_name)


def robustness_figure(numbers: pd.DataFrame) -> ReportFigure:
    """Show accuracy by severity, one panel per corruption, one line per model.

    ``numbers`` is that of :func:`~kmnist_mlp.beyond.protocol.robustness`.
    """
    percent = numbers.assign(accuracy=100 * numbers.accuracy)
    limits = percent.accuracy.min() - 3, 100
    panels = []
    for corruption, own in percent.groupby("corruption", sort=False):
        drawn = own.rename(columns={"severity": corruption, "accuracy": ACCURACY})
        panels.append(draw_series(drawn, corruption, ACCURACY, "model", ylim=limits))
    worst = percent.loc[percent.accuracy.idxmin()]
    finding = (
        f"The lowest accuracy is {worst.accuracy:.0f} % ({worst.model}, {worst.corruption}: "
        f"{worst.severity:g})."
    )
    return report_figure(panels, numbers, finding, data_name=KMNIST)
