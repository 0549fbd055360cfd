"""Figures of results, in one style: white ground, colour-blind safe, kana in a Japanese font.

Each carries what is behind it (behind.py): its numbers and, in words, what it shows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.behind import Behind
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import Results, interval
from kmnist_mlp.paper import PAPER
from kmnist_mlp.tables import signed, title

# Okabe and Ito's palette, distinguishable with every common colour vision.
# Source: Wong, Nature Methods 8, 441 (2011), doi:10.1038/nmeth.1618.
BLUE, ORANGE, GREEN, GREY, PURPLE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#595959",
    "#CC79A7",
    "#56B4E9",
)
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # told apart without any colour


def japanese_font() -> Path:
    """Return the file of a font with kana, IPAexGothic, which comes with a package."""
    import matplotlib_fontja

    return Path(matplotlib_fontja.__file__).parent / "fonts" / "ipaexg.ttf"


def use_style() -> None:
    """Set fonts (with kana), colours and resolution for every figure of the process."""
    # DejaVu stays first, for the Latin letters.
    mpl.font_manager.fontManager.addfont(str(japanese_font()))
    # It has no bold: saying so at every bold title would fill the notebooks with warnings.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.rcParams.update(
        {
            "font.family": ["DejaVu Sans", "IPAexGothic"],
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E4E4E4",
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "legend.edgecolor": "white",
            "legend.framealpha": 0.9,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.dpi": 100,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
        }
    )


def _finished(figure: Figure, data_name: str, behind: Behind) -> Figure:
    """Attach what is behind a figure; mark one of the stand-in, lest it be taken for real."""
    figure.behind = behind
    if data_name.startswith("stand-in"):
        figure.text(
            0.995, 0.995, "STAND-IN DATA, not KMNIST", ha="right", va="top", fontsize=9,
            color="white", weight="bold", zorder=10,
            bbox={"facecolor": "#B00020", "edgecolor": "none", "pad": 3},
        )  # fmt: skip
    plt.close(figure)  # the notebook shows it once, where it is told to
    return figure


def _panels(columns: int, height: float = 3.5, width: float = 9.5) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, list(axes[0])


def learning_curves(results: Results, name: str) -> Figure:
    """Draw loss (left) and accuracy (right) by epoch, training and validation.

    Thin lines are the seeds; the thick line is their mean and the band one standard deviation,
    as long as every seed is still training. The dashed line is the mean epoch whose weights are
    returned; the diamond at it is the test result.
    """
    runs = results.of(name)
    numbers = PAPER[name].figures if name in PAPER else ()
    figure, axes = _panels(2)
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
    return _finished(figure, results.data_name, _behind_curves(results, name))


def _behind_curves(results: Results, name: str) -> Behind:
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
    return Behind.of(pd.concat(histories), finding, results, [name], quantities)


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
    figure, axes = _panels(len(quantities))
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
    behind = Behind.of(numbers, " ".join(finding), results, names, quantities)
    return _finished(figure, results.data_name, behind)


def against_paper(results: Results, names: Iterable[str] | None = None) -> Figure:
    """Draw every experiment's test accuracy: seeds, mean, and the paper's value beside it."""
    names = list(names or results.names)
    figure, (axis,) = _panels(1, height=0.36 * len(names) + 1.1)
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
    behind = Behind.of(
        pd.DataFrame(numbers, columns=columns), finding, results, names, ["test_accuracy"]
    )
    return _finished(figure, results.data_name, behind)


def ladder(results: Results, start: str, rungs: Iterable[str], end: str) -> Figure:
    """Draw the way from one experiment to another: each change by itself, and all together.

    The changes (``rungs``, each measured alone against ``start``) are stacked as if they added up;
    the last rung but one is what is missing or left over to the measured ``end``.
    """
    rungs = list(rungs)
    base = results.values("test_accuracy", start)
    gains = {name: results.values("test_accuracy", name) - base for name in [*rungs, end]}
    rest = gains[end] - sum(gains[name] for name in rungs)
    figure, (axis,) = _panels(1, height=0.5 * (len(rungs) + 3) + 0.8)
    steps = [(f"+ {title(name)}", gains[name], BLUE) for name in rungs]
    steps.append((f"rest: overlap, and what only the {title(end)} has", rest, ORANGE))
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
        numbers += [(label, seed, value) for seed, value in gain.items()]
    axis.plot([level, level], [len(steps), len(steps) + 1], color="#BBBBBB", lw=1, zorder=1)
    axis.plot(level, len(steps) + 1, "D", color=GREEN, ms=8)
    axis.text(level, len(steps) + 0.62, f"{level:.1f} %", ha="center", fontsize=9)
    axis.set_yticks(range(len(steps) + 2), [title(start), *labels, title(end)])
    axis.set_ylim(len(steps) + 1.5, -0.8)
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
    behind = Behind.of(frame, finding, results, [start, *rungs, end], ["test_accuracy"])
    return _finished(figure, results.data_name, behind)


def first_layer(results: Results, names: Iterable[str], units: int = 10) -> Figure:
    """Draw the incoming weights of some hidden units as images, a row an experiment (first seed).

    The units with the largest weights (Euclidean norm), each on its own symmetric scale.
    """
    names = list(names)
    figure, axes = plt.subplots(
        len(names), units, figsize=(9.5, 1.22 * len(names) + 0.2), squeeze=False
    )
    rows, smooth = [], []
    for line, name in zip(axes, names, strict=True):
        weights = results.of(name)[0].model.weights[0]
        side = round(len(weights) ** 0.5)
        largest = np.argsort(-np.linalg.norm(weights, axis=0))[:units]
        images = weights.T.reshape(-1, side, side)
        left, right = images[:, :, :-1].ravel(), images[:, :, 1:].ravel()
        smooth.append(f"{title(name)} {np.corrcoef(left, right)[0, 1]:.2f}")
        for axis in line:
            axis.axis("off")
        for axis, unit in zip(line, largest, strict=False):
            limit = abs(images[unit]).max()
            axis.imshow(images[unit], cmap="RdBu_r", vmin=-limit, vmax=limit)
            rows.append([name, int(unit), *weights[:, unit]])
        line[0].set_title(title(name), fontsize=9.5)
    columns = ["experiment", "unit", *(f"pixel_{i}" for i in range(len(rows[0]) - 2))]
    numbers = pd.DataFrame(rows, columns=columns).round(4)
    finding = (
        "Correlation of the weights of neighbouring pixels, over all hidden units: "
        f"{', '.join(smooth)}. The higher it is, the more the images show strokes and not noise."
    )
    return _finished(figure, results.data_name, Behind.of(numbers, finding, results, names))


def by_penalty(results: Results, paths: dict[str, list[tuple[float, str]]]) -> Figure:
    """Draw validation and test accuracy by the strength of a penalty, a panel per kind.

    ``paths`` maps a panel's title to (penalty, experiment) pairs in rising order; 0 is drawn at
    the left of a logarithmic axis.
    """
    figure, axes = _panels(len(paths))
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
    behind = Behind.of(frame, " ".join(finding), results, names, quantities)
    return _finished(figure, results.data_name, behind)


def by_parameters(results: Results, names: Iterable[str]) -> Figure:
    """Draw test accuracy by the number of parameters, for several topologies."""
    figure, (axis,) = _panels(1)
    names, rows, points = list(names), [], {}
    for number, name in enumerate(names):
        model = results.of(name)[0].model
        size = model.parameters.size
        values = results.values("test_accuracy", name)
        axis.plot([size] * len(values), values, "|", color=BLUE, ms=10, alpha=0.7)
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
    behind = Behind.of(
        pd.DataFrame(rows, columns=columns), finding, results, names, ["test_accuracy"]
    )
    return _finished(figure, results.data_name, behind)


def classes(data: Dataset, per_class: int = 10) -> Figure:
    """Draw the ten characters: training examples in the left half, test examples in the right."""
    figure, axis = plt.subplots(figsize=(9.5, 5.3))
    side = data.train_images.shape[1]
    count = len(data.class_names)
    canvas = np.full((count * (side + 2), (2 * per_class + 1) * (side + 2)), 255, np.uint8)
    parts = (
        ("training", data.train_images, data.train_labels, 0),
        ("test", data.test_images, data.test_labels, per_class + 1),
    )
    shown = []
    for part, images, labels, first in parts:
        for label in range(count):
            rows = np.flatnonzero(labels == label)[:per_class]
            shown += [(data.romaji[label], part, int(row)) for row in rows]
            for place, image in enumerate(images[rows]):
                top, left = label * (side + 2), (first + place) * (side + 2)
                canvas[top : top + side, left : left + side] = 255 - image
    axis.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    labels = [f"{k}  {r}" for k, r in zip(data.class_names, data.romaji, strict=True)]
    axis.set_yticks((np.arange(count) + 0.5) * (side + 2), labels, fontsize=12)
    half = per_class * (side + 2)
    axis.set_xticks([half / 2, half * 1.5 + side + 2], ["training images", "test images"])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    # how far the images of a character lie from their mean, pixel by pixel, in grey levels
    scatter = [
        float((data.train_images[data.train_labels == label][:500] / 255).std(axis=0).mean())
        for label in range(count)
    ]
    most, least = int(np.argmax(scatter)), int(np.argmin(scatter))
    finding = (
        f"Ten rows of handwriting, one a character. {labels[most]} varies most from image to "
        f"image (standard deviation of a pixel {scatter[most]:.2f} of full ink), {labels[least]} "
        f"least ({scatter[least]:.2f})."
    )
    numbers = pd.DataFrame(shown, columns=["character", "part", "index_in_data_set"])
    return _finished(figure, data.name, Behind.of(numbers, finding))


def confusion(matrix: np.ndarray, data: Dataset) -> Figure:
    """Draw a confusion matrix (mean counts), rows the right class; the diagonal is left pale."""
    figure, axis = plt.subplots(figsize=(7.2, 6))
    share = matrix / matrix.sum(axis=1, keepdims=True) * 100
    mistakes = share.copy()
    np.fill_diagonal(mistakes, 0)
    image = axis.imshow(mistakes, cmap="Oranges", vmin=0)
    names = [f"{k} {r}" for k, r in zip(data.class_names, data.romaji, strict=True)]
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    for row, column in np.ndindex(share.shape):
        value = share[row, column]
        if value >= 0.05:
            dark = mistakes[row, column] > 0.6 * mistakes.max()
            axis.text(
                column, row, f"{value:.1f}", ha="center", va="center", fontsize=8,
                color="white" if dark else "black", weight="bold" if row == column else "normal",
            )  # fmt: skip
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("predicted")
    axis.set_ylabel("right character")
    figure.colorbar(image, label="mistakes, % of the character", shrink=0.8)
    right, (row, column) = np.diag(share), divmod(int(mistakes.argmax()), len(names))
    finding = (
        f"Between {right.min():.1f} % ({names[right.argmin()]}) and {right.max():.1f} % "
        f"({names[right.argmax()]}) of a character are recognised. The most frequent mistake: "
        f"{names[row]} taken for {names[column]}, {share[row, column]:.1f} %."
    )
    numbers = pd.DataFrame(share, columns=data.romaji)
    numbers.insert(0, "right_character", data.romaji)
    return _finished(figure, data.name, Behind.of(numbers, finding))


def gallery(
    images: np.ndarray, right: np.ndarray, predicted: np.ndarray, sure: np.ndarray, data: Dataset,
    columns: int = 8,
) -> Figure:  # fmt: skip
    """Draw images with their right and predicted characters and the probability of the latter."""
    rows = max(1, -(-len(images) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(9.5, 1.62 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, label, guess, p in zip(
        axes.flat, images, right, predicted, sure, strict=False
    ):
        axis.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
        axis.set_title(
            f"{data.class_names[label]} → {data.class_names[guess]}  {p:.0%}",
            fontsize=9.5, loc="center", weight="normal",
        )  # fmt: skip
    readings = np.array(data.romaji)
    numbers = pd.DataFrame(
        {"right": readings[right], "answer": readings[predicted], "probability": sure}
    )
    finding = "There is no mistake to show."
    if len(numbers):
        pairs = numbers.value_counts(["right", "answer"])
        pair, times = pairs.idxmax(), pairs.max()
        finding = (
            f"{len(numbers)} test images with a wrong answer of probability {sure.min():.1%} or "
            f"more; the commonest pair is {pair[0]} taken for {pair[1]} ({times} of them)."
        )
    return _finished(figure, data.name, Behind.of(numbers, finding))


def distances(parts: dict[str, np.ndarray], data: Dataset) -> Figure:
    """Draw histograms of the distance from an image to the most similar training image."""
    figure, (axis,) = _panels(1, height=3)
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
    return _finished(figure, data.name, Behind.of(numbers, finding))


def by_epsilon(differences: pd.DataFrame, data_name: str) -> Figure:
    """Draw the differences of a gradient check against the step, both axes logarithmic."""
    figure, (axis,) = _panels(1)
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
    behind = Behind.of(numbers, finding, quantities=["gradient_difference"])
    return _finished(figure, data_name, behind)
