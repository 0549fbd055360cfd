"""The loss of one mini-batch around a network's weights: what too long a step does."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.data import Dataset
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.figures.style import DASHES, panel
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import layers_for
from kmnist_mlp.support.colours import BLUE, GREY, ON_DARK, ORANGE
from kmnist_mlp.support.threads import one_blas_thread
from kmnist_mlp.training import Training

RATES = (0.0005, 0.005, 0.5)  # the learning rates that the paper compares
# Loss that is drawn: a loss of 0 has no logarithm
SMALLEST = 1e-12


class LossSurface:
    """The loss of one mini-batch around a run's weights, along its gradient and across it.

    Across is the direction of the next mini-batch's gradient,
    orthogonalised to the first one and scaled to its length. Steps are
    plain ones, ``w - rate * g`` with the gradient g of the summed
    cross-entropy: no momentum, penalty, augmentation, dropout or
    smoothed labels, and batch normalisation as the fixed scale and
    shift that it is in the trained network.

    Parameters
    ----------
    run : TrainingResult
        Its configuration decides the split, the standardisation and the
        size of the mini-batch (half of the training split at most).
    data : Dataset
        The data that it was trained on.

    Attributes
    ----------
    models : dict of str to MLP
        The run's network "at the start", "after one epoch" and "at the
        end" of training.
    batches : list of (x, y)
        The two mini-batches: standardised images (batch size, pixels)
        and labels (batch size,).

    Raises
    ------
    ValueError
        If the network has other numbers of inputs and outputs than
        ``data`` of pixels and classes.
    """

    def __init__(self, run: TrainingResult, data: Dataset) -> None:
        layers_for(run.model.layer_specs, data.train_images[0].size, len(data.class_names))
        self.data, again = data, Training(run.config, data, run.model.dtype)
        size = min(run.config.batch_size, len(again.split.train) // 2)
        split, parts = again.split, [slice(0, size), slice(size, 2 * size)]
        self.batches = [(split.train[part], split.train_labels[part]) for part in parts]
        self.models = {"at the start": again.plain().copy()}
        with one_blas_thread():
            again.train_epoch()
        self.models |= {"after one epoch": again.plain(), "at the end": run.model}

    def directions(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient, and a direction across it: (parameters,) each."""
        gradients = (sum(self.models[stage].gradients(*batch), []) for batch in self.batches)
        along, across = (np.concatenate([*map(np.ravel, arrays)]) for arrays in gradients)
        length = np.linalg.norm(along)
        unit = along / (length or 1)
        across = across - (across @ unit) * unit
        return along, across * (length / (np.linalg.norm(across) or 1))

    def losses(self, stage: str, steps: Iterable[tuple[float, float]]) -> np.ndarray:
        """Return the mean cross-entropy of the mini-batch after steps (along, across): (steps,).

        ``loss(w - a * along - b * across) / batch size`` for each
        step (a, b).
        """
        along, across = self.directions(stage)
        model, (x, y) = self.models[stage], self.batches[0]
        moved, found = model.copy(), []
        with one_blas_thread():  # for such small products, more are slower
            for a, b in steps:
                moved.parameters[...] = model.parameters - a * along - b * across
                found.append(moved.loss(x, y) / len(y))
        return np.array(found)

    def along(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        """Return learning rates and the losses after one step with each, (61,) each."""
        rates = np.geomspace(1e-5, 1, 61)
        return rates, self.losses(stage, [(rate, 0.0) for rate in rates])

    def figure(self, stage: str) -> ReportFigure:
        """Draw the loss along the gradient, and the surface around one step of each rate."""
        columns = ("learning_rate", "cross_entropy")
        along = {n: pd.DataFrame(np.transpose(self.along(n)), columns=columns) for n in self.models}
        numbers = pd.concat(along, names=["stage"]).reset_index("stage")
        before, *after = self.losses(stage, [(rate, 0.0) for rate in (0.0, *RATES)])
        steps = [f"{loss:.3g} with {rate:g}" for rate, loss in zip(RATES, after, strict=True)]
        finding = FINDINGS["loss_surface"].format(stage.capitalize(), before, ", ".join(steps))
        surfaces = [draw_surface(self, stage, rate) for rate in RATES]
        panels = [draw_along(numbers, stage, before, after), *surfaces]
        return report_figure(panels, numbers, finding, data_name=self.data.name)


def draw_along(numbers: pd.DataFrame, stage: str, before: float, after: list[float]) -> Figure:
    """Draw the loss by the length of the step; one stage is emphasised."""
    figure, axis = panel(3.3)
    for (name, line), dashes in zip(numbers.groupby("stage", sort=False), DASHES, strict=False):
        style = {"color": BLUE, "lw": 2, "zorder": 3} if name == stage else {"color": GREY, "lw": 1}
        style |= {"ls": dashes, "label": name}
        axis.plot(line.learning_rate, line.cross_entropy.clip(SMALLEST), **style)
    figure.legend(loc="outside upper left", ncols=3, columnspacing=1)
    axis.axhline(max(before, SMALLEST), color=GREY, ls=":", lw=1)
    for number, (rate, loss) in enumerate(zip(RATES, after, strict=True)):
        at = rate, max(loss, SMALLEST)
        axis.plot(*at, "o", color=ORANGE, zorder=4)
        place = (0, -17 if number == 1 else 9)  # no label on another one's dot
        note = {"textcoords": "offset points", "xytext": place, "ha": "center", "weight": "bold"}
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axis.annotate(f"{rate:g}: {loss:.3g}", at, **note, bbox=ground, zorder=5)
    axis.set(xscale="log", yscale="log", title="Loss along the gradient")
    axis.set(xlabel="length of the step: learning rate", ylabel="cross-entropy per image")
    axis.margins(y=0.15)  # room for the highest label
    return figure


def draw_surface(surface: LossSurface, stage: str, rate: float) -> Figure:
    """Draw the loss around one step as contours of its logarithm; the arrow is the step."""
    figure, axis = panel(3.3)
    a, b = np.linspace(-1, 3, 21), np.linspace(-1.5, 1.5, 15)  # in steps
    steps = [(rate * along, rate * across) for across in b for along in a]
    *losses, before, after = surface.losses(stage, [*steps, (0.0, 0.0), (rate, 0.0)])
    logarithm = np.log10(np.clip(losses, SMALLEST, None)).reshape(len(b), len(a))
    image = axis.contourf(a, b, logarithm, levels=14, cmap="viridis")
    bar = figure.colorbar(image, ax=axis, shrink=0.9, ticks=np.linspace(*image.get_clim(), 4))
    bar.ax.set_yticklabels([f"{10**tick:.3g}" for tick in bar.get_ticks()])
    bar.set_label("cross-entropy per image")
    axis.annotate("", (1, 0), (0, 0), arrowprops={"color": ON_DARK, "lw": 2, "arrowstyle": "-|>"})
    axis.plot(0, 0, "o", color=ON_DARK, ms=5)
    axis.set_title(f"Learning rate {rate:g}: {before:.3g} → {after:.3g}")
    axis.set(xlabel="steps along the gradient", ylabel="steps across")
    axis.grid(visible=False)
    return figure
