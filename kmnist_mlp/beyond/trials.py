"""Tables and figures beyond the paper: trials, networks, classifiers, ledger."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond.evaluation import BINS, expected_calibration_error
from kmnist_mlp.beyond.plan import FINAL
from kmnist_mlp.beyond.protocol import AVERAGED, ENSEMBLE, NETWORK, accuracies, config_digest
from kmnist_mlp.beyond.records import HELD_OUT, PARTS, Records, changes, chosen
from kmnist_mlp.beyond.tried import KINDS
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.figures import style
from kmnist_mlp.figures.images import first_of_each_class, image_grid
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.figures.tables import highest_and_lowest, table_of
from kmnist_mlp.support.colours import BLUE, GREY, PALE
from kmnist_mlp.support.statistics import MISSING, signed, wilson_interval

ACCURACY, PERCENT = "accuracy, %", "accuracy_percent"
CHANGE, POINTS = "change of accuracy, points", "difference_points"
AUGMENTED = 2  # copies of each image in the figure of data augmentation
SHOWN = {"strokes": 1.0, "erasing": 1.0, "contrast": 0.5}  # as tried; erasing in each image
# what ships was measured on it
on_kmnist = partial(report_figure, data_name="KMNIST")


# ---- tables of trials ------------------------------------------------


def changes_table(values: pd.DataFrame, corner: str, base: str = "nothing") -> pd.DataFrame:
    """Return how much each change of a trial changes its accuracy.

    Per part of the images: mean accuracy, and mean change over draws
    with its standard error.

    Parameters
    ----------
    values : DataFrame
        Fractions, as :func:`~kmnist_mlp.beyond.records.changes` takes
        them.
    corner, base : str
        Heading of the titles, and the title without a change.
    """
    points = changes(values, base)
    taken, means = chosen(points), points[HELD_OUT].groupby(level=0, sort=False).mean()
    rows = {}
    for title, own in points.groupby(level=0, sort=False):
        row = rows[title] = {}
        for part, change in own.items():
            row[f"{part}, %"] = f"{100 * values.loc[title, part].mean():.2f}"
            row[f"change ({part})"] = over_draws(change)
            if title == base:
                row[f"change ({part})"] = MISSING
        row["by the rule"] = "better" if title in taken else MISSING
    return table_of(
        rows, corner, numbers=values.reset_index(), finding=changes_finding(means.drop(base))
    )


def over_draws(points: pd.Series) -> str:
    """Return the mean change over draws, and its standard error."""
    return f"{signed(points.mean(), 2)} ± {points.sem():.2f}"


def changes_finding(means: pd.Series) -> str:
    """Return how many changes raise accuracy, and the largest."""
    most = means.abs().idxmax()
    said = (means > 0).sum(), len(means), signed(means[most], 2), most
    return FINDINGS["each change"].format(*said)


def averages_table(averages: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies with several copies of an image: of one network, and of two.

    ``averages`` is that of :func:`~kmnist_mlp.beyond.records.measure_averages`.
    """
    by_networks = averages.rename(columns=PARTS).set_index(["copies", "draw"]).groupby("networks")
    values = {name: rows[[*PARTS.values()]] for name, rows in by_networks}
    table = changes_table(values.pop("one network"), "copies", "one copy")
    for name, rows in values.items():
        means = 100 * rows[HELD_OUT].groupby("copies").mean()
        table[f"{name} ({HELD_OUT}), %"] = means.map("{:.2f}".format)
    return table


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
    ours = []
    for kind in (NETWORK, ENSEMBLE, ENSEMBLE + AVERAGED):
        own = 100 * accuracies(lines, kind)
        seeds = f", mean of {len(own)} seeds" if len(own) > 1 else ""
        ours.append((kind, own.mean(), False, "measured here" + seeds))
    numbers = pd.concat([QUOTED, pd.DataFrame(ours, columns=QUOTED.columns)])
    numbers = numbers.sort_values("test_accuracy_percent", kind="stable")
    percent = numbers.test_accuracy_percent.map("{:.2f}".format)
    table = pd.DataFrame({"test accuracy, %": percent, "source": numbers.source})
    names = numbers.model + numbers.old_version.map({True: "*", False: ""})
    finding = highest_and_lowest(numbers.test_accuracy_percent.set_axis(names))
    return table_of(table.set_axis(names), "classifier", numbers=numbers, finding=finding)


def ledger_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how many evaluations on test images there were, by their kind."""
    ours = ledger.kind.str.startswith((NETWORK, ENSEMBLE))
    before = ours & (ledger.configuration != config_digest(FINAL))
    rows, kinds = {}, ledger.kind.mask(before, "earlier " + ledger.kind)
    for kind, lines in ledger.groupby(kinds, sort=False):
        row = rows[kind] = {"evaluations": len(lines)}
        row["dates"] = " to ".join(dict.fromkeys([lines.date.min(), lines.date.max()]))
        percent = (100 * lines.accuracy).agg(["min", "max"]).map("{:.2f}".format)
        row["accuracy, %"] = " to ".join(percent.unique())
    finding = FINDINGS["ledger"].format(len(ledger), *next(kinds.value_counts().items()))
    return table_of(rows, "evaluated", numbers=ledger, finding=finding)


# ---- figures of trials -----------------------------------------------


def draw_rows(numbers: pd.DataFrame, names: str, series: str, y: str, xlabel: str) -> Figure:
    """Draw y by names, a row each: ticks are seeds, marks are the mean of a series."""
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


def by_part(values: pd.DataFrame, name: str, of: str) -> pd.DataFrame:
    """Return a row per title (as ``name``), seed and part, with the value as ``of``."""
    long = values.rename_axis(columns="part").stack()
    return long.reset_index(name=of).rename(columns={"title": name})


def steps_figure(records: Records) -> ReportFigure:
    """Show the accuracy of each step on both held-out parts, by draw."""
    percent = 100 * records.accuracy.loc["step"]
    accuracy = percent[HELD_OUT].groupby("title", sort=False).mean()
    gain = accuracy.diff()
    most = gain.idxmax(), signed(gain.max(), 2)
    finding = FINDINGS["steps"].format(*accuracy.iloc[[0, -1]], *most)
    numbers = by_part(percent, "step", PERCENT)
    figure = draw_rows(numbers, "step", "part", PERCENT, ACCURACY)
    return on_kmnist([figure], numbers, finding)


def changes_figure(values: pd.DataFrame) -> ReportFigure:
    """Show the changes of :func:`changes_table` by draw, the highest on held-out clusters first."""
    points = changes(values)
    means = points[HELD_OUT].groupby(level=0, sort=False).mean()
    means = means.drop("nothing").sort_values(ascending=False)
    numbers = by_part(points.loc[means.index], "change", POINTS)
    figure = draw_rows(numbers, "change", "part", POINTS, CHANGE)
    figure.axes[0].axvline(0, color=GREY, lw=1)
    return on_kmnist([figure], numbers, changes_finding(means))


# ---- figures of augmentation, calibration, robustness ----------------


def augmentation_figure(data: Dataset) -> ReportFigure:
    """Show the first training image of each class, augmented, and by kinds that were tried."""
    first = first_of_each_class(data.train_labels).ravel()
    images = data.train_images[first].astype(np.float32)
    shape, flat = images.shape, images.reshape(len(images), -1)
    rows = {"original": images}
    for seed in range(AUGMENTED):
        copy = rows[f"augmented {seed + 1}"] = np.empty(shape, np.float32)
        Distortion(shape[1:], FINAL.distortion, seed, FINAL.elastic_cells)(
            copy.reshape(flat.shape), flat
        )
    for kind, strength in SHOWN.items():
        copy = rows[kind] = images.copy()
        KINDS[kind](copy, strength, np.random.default_rng(0))
    change = [np.abs(row - images).mean() / 255 for row in rows.values()]
    numbers = pd.DataFrame({"row": [*rows], "mean_change_of_a_pixel": change})
    columns = [label.replace(" ", "\n") for label in data.class_labels]
    figure = image_grid(
        np.concatenate([*rows.values()]), len(images), rows=[*rows], columns=columns
    )
    finding = FINDINGS["augmentation"].format(100 * np.mean(change[1 : 1 + AUGMENTED]))
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
    for corruption, rows in percent.groupby("corruption", sort=False):
        figure, axis = style.panel(2.8)
        for number, (model, line) in enumerate(rows.groupby("model", sort=False)):
            look = {"color": style.COLOURS[number], "ls": style.DASHES[number], "label": model}
            axis.plot(line.severity, line.accuracy, marker="o", ms=4, **look)
        axis.set(xlabel=corruption, ylabel=ACCURACY, ylim=(percent.accuracy.min() - 3, 100))
        style.legend_above(axis)
        panels.append(figure)
        most = rows.severity.max()
        last = rows.accuracy[rows.severity == most].map("{:.0f} %".format)
        said.append(f"{' and '.join(last)} ({corruption}: {most})")
    models = " and ".join(percent.model.unique())
    finding = FINDINGS["robustness"].format(models, ", ".join(said))
    return on_kmnist(panels, numbers, finding)
