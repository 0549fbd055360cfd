"""Figures and tables of notebook 7: the ladder, what did not help, calibration, robustness."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.beyond.robustness import expected_calibration_error
from kmnist_mlp.beyond.runs import BESIDE, COMMITTEE, LADDER, LARGE
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import BLUE, COLOURS, DASHES, GREY, ORANGE, finished, panels
from kmnist_mlp.figures.tables import MISSING
from kmnist_mlp.support.statistics import plus_minus, signed, wilson_interval

KMNIST = "KMNIST"  # what the shipped results were measured on


def _titles() -> dict[str, str]:
    return {name: rung.title for name, rung in (LADDER | BESIDE).items()}


def distortions(data: Dataset, strength: float = 1.0, copies: int = 7) -> Figure:
    """Draw one training image per row (five classes), as it is and distorted."""
    figure, axis = plt.subplots(figsize=(9.5, 4.4))
    shape = data.train_images.shape[1:]
    rows = [int(np.flatnonzero(data.train_labels == c)[0]) for c in range(len(data.class_names))]
    images = data.train_images[rows].reshape(len(rows), -1)
    distort = Distortion(shape, strength, 0)
    out = np.empty((len(rows), images.shape[1]), np.float32)
    columns, change = [images.astype(np.float32)], []
    for _ in range(copies):
        distort(out, images)
        columns.append(out.copy())
        change.append(np.abs(out - images).mean() / 255)
    frame = [np.pad(c.reshape(-1, *shape), ((0, 0), (0, 2), (0, 2))) for c in columns]
    canvas = np.concatenate([np.concatenate(list(column), axis=1) for column in frame], axis=0)
    axis.imshow(255 - canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    height = shape[0] + 2
    places = [(i + 0.5) * height for i in range(copies + 1)]
    axis.set_yticks(places, ["as it is", *(f"copy {i + 1}" for i in range(copies))])
    names = [f"{k} {r}" for k, r in zip(data.class_names, data.romaji, strict=True)]
    axis.set_xticks([(i + 0.5) * (shape[1] + 2) for i in range(len(names))], names)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    finding = f"A copy differs from its image by {100 * np.mean(change):.1f} % of full ink a pixel."
    numbers = pd.DataFrame({"copy": range(1, copies + 1), "mean_change_of_a_pixel": change})
    return finished(figure, data.name, ExhibitData.of(numbers, finding))


def ladder_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rungs: accuracy with spread, gain over the rung before, parameters, seconds."""
    rows, before = {}, None
    for name, title in _titles().items():
        own = runs[runs.name == name]
        if name not in LADDER or own.empty:
            continue
        mean = 100 * own.test_accuracy.mean()
        validation = 100 * own.validation_accuracy
        rows[title] = {
            "test accuracy, %": plus_minus(100 * own.test_accuracy, 2),
            "change": MISSING if before is None else signed(mean - before, 2),
            "validation accuracy, %": plus_minus(validation, 2)
            if validation.notna().all()
            else MISSING,
            "seeds": len(own),
            "parameters": f"{own.parameters.iloc[0]:,}",
            "epochs": plus_minus(own.epochs, 0),
            "seconds": plus_minus(own.seconds, 0),
        }
        before = mean
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns.name = "change, kept from here on"
    table.attrs["exhibit_data"] = ExhibitData.of(runs[runs.name.isin(list(LADDER))])
    return table


def ladder_figure(runs: pd.DataFrame, committee: dict[str, float]) -> Figure:
    """Draw the test accuracy of each rung, its seeds and their mean, and what comes on top."""
    names = [name for name in LADDER if (runs.name == name).any()]
    figure, (axis,) = panels(1, height=0.38 * (len(names) + len(committee)) + 1.0)
    labels, means, ends, numbers = [], [], [], []
    for row, name in enumerate(names):
        values = 100 * runs[runs.name == name].test_accuracy.to_numpy()
        axis.plot(values, [row] * len(values), "|", color=BLUE, ms=11, alpha=0.7)
        labels.append(LADDER[name].title)
        means.append(values.mean())
        ends.append(values.max())
        numbers += [(LADDER[name].title, value) for value in values]
    for title, value in committee.items():
        labels.append(title)
        means.append(100 * value)
        ends.append(100 * value)
        numbers.append((title, 100 * value))
    axis.plot(means, range(len(means)), "-o", color=BLUE, ms=6, lw=1)
    for row, (mean, end) in enumerate(zip(means, ends, strict=True)):
        axis.annotate(f"{mean:.2f}", (end, row), (8, 0), textcoords="offset points", va="center")
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.margins(x=0.1)
    axis.set_xlabel("test accuracy, %")
    steps = np.diff(means)
    largest = int(steps.argmax()) + 1
    finding = (
        f"From {means[0]:.1f} % to {means[-1]:.1f} % test accuracy; the largest step is "
        f"{labels[largest]} ({signed(steps[largest - 1], 2)} points)."
    )
    frame = pd.DataFrame(numbers, columns=["rung", "test_accuracy_percent"])
    return finished(figure, KMNIST, ExhibitData.of(frame, finding))


def beside_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what was tried in the place of a part of the rung "even"."""
    base = runs[(runs.name == "even") & (runs.seed == 0)].iloc[0]
    rows = {}
    for name in ["even", *BESIDE]:
        own = runs[(runs.name == name) & (runs.seed == 0)]
        if own.empty:
            continue
        own = own.iloc[0]
        validation, test = (
            MISSING if name == "even" else signed(100 * (own[key] - base[key]), 2)
            for key in ("validation_accuracy", "test_accuracy")
        )
        rows["as it is" if name == "even" else BESIDE[name].title] = {
            "validation accuracy, %": f"{100 * own.validation_accuracy:.2f}",
            "change": validation,
            "test accuracy, %": f"{100 * own.test_accuracy:.2f}",
            "test change": test,
            "test loss": f"{own.test_loss:.4f}",
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns.name = "instead"
    return table


def long_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return all large networks by themselves: the best, the committee's other, and more."""
    titles = {"best": "best network"}
    titles |= {name: rung.title for name, rung in (COMMITTEE | LARGE).items()}
    own = runs[runs.name.isin(list(titles))].set_index("name")
    own = own.loc[[name for name in titles if name in own.index]]
    table = pd.DataFrame(
        {
            "in the committee": ["no" if name in LARGE else "yes" for name in own.index],
            "epochs": own.epochs.astype(str),
            "test accuracy, %": [f"{100 * value:.2f}" for value in own.test_accuracy],
            "test loss": [f"{value:.4f}" for value in own.test_loss],
        }
    )
    table.index = pd.Index([titles[name] for name in own.index])
    table.columns.name = "network"
    table.attrs["exhibit_data"] = ExhibitData.of(own.reset_index())
    return table


def history_figure(histories: pd.DataFrame, names: list[str]) -> Figure:
    """Draw training loss and validation accuracy of some rungs (first seed) by epoch."""
    figure, axes = panels(2)
    ends = []
    for number, name in enumerate(names):
        own = histories[(histories.name == name) & (histories.seed == 0)]
        style = {"color": COLOURS[number % len(COLOURS)], "ls": DASHES[number % len(DASHES)]}
        axes[0].plot(own.epoch, own.training_loss, label=_titles()[name], **style)
        if own.validation_accuracy.notna().any():
            axes[1].plot(own.epoch, 100 * own.validation_accuracy, **style)
        ends.append(f"{_titles()[name]} {own.training_loss.iloc[-1]:.4f}")
    axes[0].set_yscale("log")
    axes[0].set_ylabel("training loss (cross-entropy / 10)")
    axes[1].set_ylabel("validation accuracy, %")
    for axis in axes:
        axis.set_xlabel("epoch")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    shown = histories[histories.name.isin(names) & (histories.seed == 0)]
    finding = f"Training loss at the end, without distortion: {'; '.join(ends)}."
    return finished(figure, KMNIST, ExhibitData.of(shown, finding))


def reliability_figure(tables: dict[str, pd.DataFrame], data_name: str) -> Figure:
    """Draw accuracy against confidence, a panel a model, with the share of the answers as bars."""
    figure, axes = panels(len(tables), height=3.6)
    finding = []
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        share = table.images / table.images.sum()
        axis.bar(
            table["from"], share, table.to - table["from"], align="edge", color="#DDDDDD",
            label="share of the answers",
        )  # fmt: skip
        axis.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect calibration")
        # few answers say little: 95 % intervals
        bounds = np.array(
            [
                wilson_interval(round(a * n), n)
                for a, n in zip(table.accuracy, table.images, strict=True)
            ]
        )
        axis.vlines(table.confidence, bounds[:, 0] / 100, bounds[:, 1] / 100, color=BLUE, lw=1)
        axis.plot(table.confidence, table.accuracy, "o-", color=BLUE, ms=5, label="accuracy")
        error = expected_calibration_error(table)
        axis.set_title(f"{name}: error {error:.3f}")
        axis.set_xlabel("confidence: probability of the answer")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        finding.append(f"expected calibration error of {name} {error:.3f}")
    axes[0].set_ylabel("accuracy, and share")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    numbers = pd.concat([t.assign(model=name) for name, t in tables.items()])
    return finished(
        figure, data_name, ExhibitData.of(numbers, "; ".join(finding).capitalize() + ".")
    )


def robustness_figure(table: pd.DataFrame, data_name: str) -> Figure:
    """Draw accuracy by degree of damage, a panel a kind, a line a model."""
    kinds = list(table.damage.unique())
    figure, axes = panels(len(kinds), height=3.4)
    finding = []
    for axis, kind in zip(axes, kinds, strict=True):
        for number, (model, own) in enumerate(
            table[table.damage == kind].groupby("model", sort=False)
        ):
            axis.plot(
                own.degree, 100 * own.accuracy, "o", ms=4, label=model,
                color=COLOURS[number], ls=DASHES[number],
            )  # fmt: skip
            worst = own.iloc[-1]
            finding.append(f"{model} {100 * worst.accuracy:.0f} % at {worst.degree:g} ({kind})")
        axis.set_xlabel(kind)
    axes[0].set_ylabel("accuracy, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return finished(figure, data_name, ExhibitData.of(table, "; ".join(finding) + "."))


def learning_curve_figure(results: Results) -> Figure:
    """Draw test accuracy against the number of images; names are "<images> images, <kind>"."""
    frame = results.frame.copy()
    frame[["images", "kind"]] = frame.experiment.str.split(" images, ", expand=True)
    frame["images"] = frame.images.astype(int)
    figure, (axis,) = panels(1, height=3.6)
    finding = []
    for number, (kind, own) in enumerate(frame.groupby("kind", sort=False)):
        colour = (ORANGE, BLUE)[number % 2]
        axis.plot(own.images, 100 * own.test_accuracy, "|", color=colour, ms=9)
        mean = own.groupby("images").test_accuracy.mean() * 100
        axis.plot(mean.index, mean, "o", color=colour, ls=DASHES[number], label=kind)
        finding.append(f"{kind}: {mean.iloc[0]:.1f} to {mean.iloc[-1]:.1f} %")
    axis.set_xscale("log")
    axis.set_xlabel("training images (a fifth of them for validation)")
    axis.set_ylabel("test accuracy, %")
    axis.legend()
    names = list(results.names)
    behind = ExhibitData.of(frame, "; ".join(finding) + ".", results, names, ["test_accuracy"])
    return finished(figure, results.data_name, behind)
