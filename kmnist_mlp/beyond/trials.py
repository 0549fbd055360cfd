"""Tables and figures beyond the paper: trials, networks, classifiers, ledger."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond.evaluation import BINS, expected_calibration_error
from kmnist_mlp.beyond.plan import GROUPS, IMAGES_SEEN
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies
from kmnist_mlp.beyond.records import HELD_OUT, Records, load_timing
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.figures import style
from kmnist_mlp.figures.images import first_of_each_class, image_grid
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.figures.tables import ends, highest_and_lowest, table_of
from kmnist_mlp.support import statistics
from kmnist_mlp.support.colours import BLUE, GREY, PALE
from kmnist_mlp.support.statistics import MISSING, signed, wilson_interval

ACCURACY, PERCENT = "accuracy, %", "accuracy_percent"
CHANGE, POINTS = "change of accuracy, points", "difference_points"
COPIES = 4  # of each image in the figure of data augmentation
# what ships was measured on it
on_kmnist = partial(report_figure, data_name="KMNIST")


# ---- tables of trials ------------------------------------------------


def changes_table(records: Records, groups: list, corner: str, base: str = "trial") -> pd.DataFrame:
    """Return how much each change of a trial changes its accuracy.

    Per part of the images: the mean difference over seeds, seed by seed,
    with its 95 % interval.

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
    # a run may belong to two groups, and its seed lack a run without a change
    points = records.changes(groups, base).dropna(how="all")
    points = points[~points.index.duplicated()].drop("nothing", level="title", errors="ignore")
    rows = {"nothing": _accuracies(records.percent.loc[base].loc["nothing"])}
    changed = records.runs.run.loc[groups].drop_duplicates()
    changed = changed[changed.droplevel("group").index.isin(points.index)]
    for title, runs in changed.groupby("title", sort=False):
        row = rows[title] = _accuracies(records.percent.loc[runs.index])
        for part, change in points.loc[title].dropna(axis=1).items():
            mean, *between = statistics.interval(change)
            row[f"change ({part})"] = signed(mean, 2)
            row[f"95 % interval ({part})"] = ends(*between, 2)
    means = points[HELD_OUT].groupby("title").mean()
    most = means.abs().idxmax()
    said = (means > 0).sum(), len(means), signed(means[most], 2), most
    finding = FINDINGS["each change"].format(*said)
    table = table_of(rows, corner, numbers=records.table, finding=finding).fillna(MISSING)
    return table.loc[:, (table != MISSING).any()]  # one seed has no interval


def _accuracies(percent: pd.DataFrame) -> dict[str, str]:
    return {f"{part}, %": statistics.plus_minus(p, 2) for part, p in percent.items()}


def clear_changes(records: Records) -> tuple[list[str], list[str]]:
    """Return what lowers, and what raises, the accuracy on held-out clusters if left out.

    Those whose difference over seeds is significant by the t-test at the
    level of 5 %, corrected for their number by Holm's method.
    """
    changes = records.changes(["left out"])[HELD_OUT].groupby("title", sort=False)
    p = statistics.holm(statistics.p_value(points, 0, 0) for _, points in changes)
    clear = changes.mean()[p < 0.05]
    return [*clear.index[clear < 0]], [*clear.index[clear >= 0]]


def least_difference(records: Records) -> float:
    """Return how many points two runs of equal expected accuracy differ by, in 95 %.

    They have one seed. From the standard deviation of a change on
    held-out clusters over seeds, pooled over all that is left out.
    """
    changes = records.changes(["left out"])[HELD_OUT].groupby("title")
    deviation, free = statistics.pooled_deviation(points for _, points in changes)
    return float(statistics.students_t(free + 1) * deviation)


def steps_table(records: Records) -> pd.DataFrame:
    """Return one row per step from the paper's baseline to the final network.

    Changes are differences to the step before, seed by seed: mean and
    standard deviation.
    """
    percent, seconds = records.percent.loc["step"], load_timing(records.folder)
    changes = percent[HELD_OUT].unstack("seed", sort=False).diff()
    rows = {}
    for title, runs in records.runs.loc["step"].groupby("title", sort=False):
        change = changes.loc[title].dropna()
        text = signed(change.mean(), 2) if len(change) else MISSING
        text += f" ± {change.std():.2f}" if len(change) > 1 else ""
        row = rows[title] = _accuracies(percent.loc[title])
        row[f"change ({HELD_OUT})"] = text
        row["seeds"] = len(runs)
        row["parameters"] = f"{runs.parameters.iloc[0]:,}"
        row["epochs"] = statistics.median_and_range(runs.epochs)
        row["minutes"] = f"{runs.epochs.median() * seconds[title] / 60:.1f}"
    minutes = [row["minutes"] for row in rows.values()]
    finding = FINDINGS["cost"].format(minutes[0], minutes[-1])
    return table_of(rows, "step", numbers=records.table, finding=finding)


# ---- tables of test images -------------------------------------------


def final_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the final networks, one row per seed, and their ensemble.

    ``lines`` are those of the ledger about them, here and below: see
    :func:`~kmnist_mlp.beyond.protocol.recorded`.
    """
    rows = {}
    for line in lines.itertuples():
        low, high = wilson_interval(round(line.accuracy * line.images), line.images)
        seed = "seed" if line.seed.isdigit() else "seeds"
        row = rows[f"{line.kind}, {seed} {line.seed}"] = {}
        row["test accuracy, %"] = f"{100 * line.accuracy:.2f}"
        row["95 % interval (images)"] = f"{low:.2f} to {high:.2f}"
    return table_of(rows, "network", numbers=lines)


def others_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return other classifiers as quoted, and ours, by accuracy."""
    networks = 100 * accuracies(lines)
    seeds = f"measured here, mean of {len(networks)} seeds"
    ours = [(NETWORK, networks.mean(), False, seeds)]
    ours += [(ENSEMBLE, 100 * accuracies(lines, ENSEMBLE).iloc[0], False, "measured here")]
    numbers = pd.concat([QUOTED, pd.DataFrame(ours, columns=QUOTED.columns)])
    numbers = numbers.sort_values("test_accuracy_percent", kind="stable")
    percent = numbers.test_accuracy_percent.map("{:.2f}".format)
    table = pd.DataFrame({"test accuracy, %": percent, "source": numbers.source})
    names = numbers.model + numbers.old_version.map({True: "*", False: ""})
    finding = highest_and_lowest(numbers.test_accuracy_percent.set_axis(names))
    return table_of(table.set_axis(names), "classifier", numbers=numbers, finding=finding)


def ledger_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how many evaluations on test images there were, by their kind."""
    rows = {}
    for kind, lines in ledger.groupby("kind", sort=False):
        row = rows[kind] = {"evaluations": len(lines)}
        row["dates"] = " to ".join(dict.fromkeys([lines.date.min(), lines.date.max()]))
        percent = (100 * lines.accuracy).agg(["min", "max"]).map("{:.2f}".format)
        row["accuracy, %"] = " to ".join(percent.unique())
    finding = FINDINGS["ledger"].format(len(ledger), *next(ledger.kind.value_counts().items()))
    return table_of(rows, "evaluated", numbers=ledger, finding=finding)


# ---- figures of trials -----------------------------------------------


def draw_rows(numbers: pd.DataFrame, names: str, series: str, y: str, xlabel: str) -> Figure:
    """Draw y by names, a row each: strokes are seeds, marks are the mean of a series."""
    rows = {name: row for row, name in enumerate(numbers[names].unique())}
    figure, axis = style.panel(0.36 * len(rows) + 1.1)
    for number, (label, group) in enumerate(numbers.groupby(series, sort=False)):
        places = group[names].map(rows) + 0.2 * number
        look = {"color": style.COLOURS[number], "ls": ""}
        axis.plot(group[y], places, marker="|", ms=9, alpha=0.6, **look)
        means = group[y].groupby(places).mean()
        axis.plot(means, means.index, marker="os"[number], ms=5, label=label, **look)
    for name, row in rows.items():
        axis.text(0.02, row - 0.2, name, transform=axis.get_yaxis_transform())
    axis.set(yticks=[], ylim=(len(rows) - 0.5, -0.7), xlabel=xlabel)
    style.legend_above(axis)
    return figure


def draw_series(numbers: pd.DataFrame, x: str, y: str, series: str, **axes: object) -> Figure:
    """Draw the means of y by x, a line per series, with standard deviations."""
    figure, axis = style.panel(2.8)
    for number, (label, group) in enumerate(numbers.groupby(series, sort=False)):
        look = {"color": style.COLOURS[number], "ls": style.DASHES[number], "label": label}
        style.draw_means(axis, group.groupby(x)[y], fmt="o", ms=4, capsize=3, **look)
    axis.set(**axes)
    style.legend_above(axis, 3)
    return figure


def by_part(values: pd.DataFrame, name: str, of: str) -> pd.DataFrame:
    """Return a row per title (as ``name``), seed and part, with the value as ``of``."""
    long = values.rename_axis(columns="part").stack()
    return long.reset_index(name=of).rename(columns={"title": name})


def steps_figure(records: Records) -> ReportFigure:
    """Show the accuracy of each step on both held-out parts, by seed."""
    percent = records.percent.loc["step"]
    accuracy = percent[HELD_OUT].xs(0, level="seed")  # it has all steps
    gain = accuracy.diff()
    most = gain.idxmax(), signed(gain.max(), 2)
    finding = FINDINGS["steps"].format(*accuracy.iloc[[0, -1]], *most)
    numbers = by_part(percent, "step", PERCENT)
    figure = draw_rows(numbers, "step", "part", PERCENT, ACCURACY)
    return on_kmnist([figure], numbers, finding)


def changes_figure(records: Records) -> ReportFigure:
    """Show how accuracy on both parts changes if one thing is left out of a trial."""
    points = records.changes(["left out"])
    means = points[HELD_OUT].groupby("title").mean()
    titles = means.agg(["idxmin", "idxmax"])
    finding = FINDINGS["changes"].format(*titles, *(signed(means[name], 2) for name in titles))
    numbers = by_part(points, "change", POINTS)
    figure = draw_rows(numbers, "change", "part", POINTS, CHANGE)
    figure.axes[0].axvline(0, color=GREY, lw=1)
    return on_kmnist([figure], numbers, finding)


def strength_figure(records: Records) -> ReportFigure:
    """Show accuracy by the strength of the augmentation, a line per length of training."""
    numbers = by_part(records.percent.loc["strength"], "title", PERCENT)
    words = numbers.pop("title").str.split("[ ,]+", expand=True)
    numbers.insert(0, "strength", words[1].astype(float))
    numbers.insert(1, "epochs", words[2].astype(int))
    means = numbers.groupby(["epochs", "part", "strength"])[PERCENT].mean()
    best = means.unstack().idxmax(axis=1).map("{:g}".format).unstack()
    texts = "; ".join(f"{', '.join(values)} on {part}" for part, values in best.items())
    finding = FINDINGS["strength"].format(", ".join(map(str, best.index)), texts)
    drawn = numbers.assign(length=numbers.epochs.map("{} epochs".format))
    axes, panels = {"xlabel": "strength of the augmentation", "ylabel": ACCURACY}, []
    for part, rows in drawn.groupby("part"):
        panels.append(draw_series(rows, "strength", PERCENT, "length", title=part, **axes))
    return on_kmnist(panels, numbers, finding)


def sizes_figure(records: Records) -> ReportFigure:
    """Show accuracy on held-out clusters by the number of images, augmented and not.

    Runs half as long are crosses.
    """
    groups = ["size", "size, half as long"]
    numbers = records.percent[HELD_OUT].loc[groups].reset_index(name=PERCENT)
    titles, seen = numbers.pop("title"), {name: GROUPS[name]["images_seen"] for name in groups}
    numbers.insert(0, "training_images", titles.str.split().str[0].astype(int))
    numbers.insert(1, "augmented", ~titles.str.contains("not"))
    numbers.insert(2, "images_seen", numbers.pop("group").map(seen))
    numbers = numbers.sort_values([*numbers][:4])
    whole = numbers.images_seen == IMAGES_SEEN
    kinds = numbers.augmented.map({False: "not augmented", True: "augmented"})
    axes = {"xlabel": "training images (a fifth of them for validation)", "xscale": "log"}
    axes["ylabel"] = f"accuracy on {HELD_OUT}, %"
    drawn = numbers[whole].assign(kind=kinds)
    figure = draw_series(drawn, "training_images", PERCENT, "kind", **axes)
    means = numbers.groupby([whole, "augmented", "training_images"])[PERCENT].mean()
    for augmented in (False, True):
        half = means[False, augmented]
        figure.axes[0].plot(half.index, half, "x", ms=6, color=style.COLOURS[augmented])
    gains = (means[True, True] - means[True, False]).items()
    texts = [f"{signed(gain, 1)} points with {images:,}" for images, gain in gains]
    finding = FINDINGS["sizes"].format(", ".join(texts))
    return on_kmnist([figure], numbers, finding)


# ---- figures of augmentation, calibration, robustness ----------------


def augmentation_figure(data: Dataset) -> ReportFigure:
    """Show the first training image of each class, and augmented copies of it."""
    first = first_of_each_class(data.train_labels).ravel()
    images = data.train_images[first].astype(np.float32)
    flat = images.reshape(len(images), -1)
    copies = np.empty((COPIES, *flat.shape), np.float32)
    augment = Distortion(images.shape[1:], 1.0, 0)
    for copy in copies:
        augment(copy, flat)
    change = np.abs(copies - flat).mean(axis=(1, 2)) / 255
    numbers = pd.DataFrame({"copy": range(1, COPIES + 1), "mean_change_of_a_pixel": change})
    rows = np.concatenate([images, *copies.reshape(COPIES, *images.shape)])
    names = ["original", *numbers["copy"].map("copy {}".format)]
    columns = [label.replace(" ", "\n") for label in data.class_labels]
    figure = image_grid(rows, len(images), rows=names, columns=columns)
    finding = FINDINGS["augmentation"].format(100 * change.mean())
    return report_figure([figure], numbers, finding, data_name=data.name)


def calibration_figure(tables: dict[str, pd.DataFrame], data_name: str) -> ReportFigure:
    """Show accuracy by confidence, one panel per model: a reliability diagram.

    ``tables`` holds a
    :func:`~kmnist_mlp.beyond.evaluation.calibration_table` per model.
    Vertical lines are 95 % intervals of the accuracy.
    """
    panels, numbers, errors = [], [], []
    for model, table in tables.items():
        right = (table.accuracy * table.images).round().astype(int)
        low, high = np.array([*map(wilson_interval, right, table.images)]).T / 100
        numbers.append(table.assign(model=model, low=low, high=high))
        error = f"{expected_calibration_error(table):.3f}"
        errors.append(f"{model} {error}")
        figure, axis = style.panel(3.6)
        share, label = table.images / table.images.sum(), "share of the predictions"
        axis.bar(table["from"], share, 1 / BINS, align="edge", color=PALE, label=label)
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect calibration")
        axis.vlines(table.confidence, low, high, color=BLUE, lw=1)
        axis.plot(table.confidence, table.accuracy, "o-", color=BLUE, ms=5, label="accuracy")
        axis.set(title=f"{model}: ECE {error}", xlim=(0, 1), ylim=(0, 1))
        axis.set(xlabel="confidence", ylabel="accuracy, and share")
        style.legend_above(axis)
        panels.append(figure)
    finding = f"Expected calibration error: {', '.join(errors)}."
    return report_figure(panels, pd.concat(numbers), finding, data_name=data_name)


def robustness_figure(numbers: pd.DataFrame) -> ReportFigure:
    """Show accuracy by severity, one panel per corruption, one line per model.

    ``numbers`` is that of :func:`~kmnist_mlp.beyond.protocol.robustness`.
    """
    percent, panels, said = numbers.assign(accuracy=100 * numbers.accuracy), [], []
    axes = {"ylabel": ACCURACY, "ylim": (percent.accuracy.min() - 3, 100)}
    for corruption, rows in percent.groupby("corruption", sort=False):
        axes["xlabel"], most = corruption, rows.severity.max()
        panels.append(draw_series(rows, "severity", "accuracy", "model", **axes))
        last = rows.accuracy[rows.severity == most].map("{:.0f} %".format)
        said.append(f"{' and '.join(last)} ({corruption}: {most})")
    models = " and ".join(percent.model.unique())
    finding = FINDINGS["robustness"].format(models, ", ".join(said))
    return on_kmnist(panels, numbers, finding)
