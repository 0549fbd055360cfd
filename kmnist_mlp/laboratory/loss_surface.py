"""The loss along the gradient, and across: what becomes of a step that is too long."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import BLUE, GREY, ORANGE, finished
from kmnist_mlp.network import MLP
from kmnist_mlp.training import TrainingResult, train

RATES = (0.0005, 0.005, 0.5)


class LossSurface:
    """The loss of one mini-batch around a network's weights: along its gradient, and across.

    Across is the direction of the next mini-batch's gradient, without its part along the first one
    and as long as it. Steps are plain ones, ``w - rate * g``, without momentum.

    Parameters
    ----------
    models : dict of str to MLP
        Networks to begin at, such as that of :func:`stages`.
    data : Dataset
    batch_size : int
    """

    def __init__(self, models: dict[str, MLP], data: Dataset, batch_size: int = 128) -> None:
        self.models, self.data = models, data
        split = split_and_standardise(data, 0)
        self.batches = [
            (
                split.train[start : start + batch_size],
                split.train_labels[start : start + batch_size],
            )
            for start in (0, batch_size)
        ]
        self.surface = lru_cache(self._surface)
        self.along = lru_cache(self._along)

    def directions(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient of the summed cross-entropy and what is across, (parameters,)."""
        model = self.models[stage]
        along, across = (
            np.concatenate([array.ravel() for arrays in model.gradients(x, y) for array in arrays])
            for x, y in self.batches
        )
        unit = along / (np.linalg.norm(along) or 1)
        across = across - (across @ unit) * unit
        return along, across * (np.linalg.norm(along) / (np.linalg.norm(across) or 1))

    def losses(self, stage: str, steps: Iterable[tuple[float, float]]) -> np.ndarray:
        """Return the mean cross-entropy of the mini-batch after steps (along, across)."""
        along, across = self.directions(stage)
        model, (x, y) = self.models[stage], self.batches[0]
        moved, found = model.copy(), []
        for a, b in steps:
            moved.parameters[...] = model.parameters - a * along - b * across
            found.append(moved.loss(x, y) / len(y))
        return np.array(found)

    def _along(self, stage: str) -> tuple[np.ndarray, np.ndarray]:
        rates = np.geomspace(1e-5, 1, 61)
        return rates, self.losses(stage, [(rate, 0.0) for rate in rates])

    def _surface(self, stage: str, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return steps along (n,), steps across (m,) and the losses (m, n), three steps wide."""
        a, b = np.linspace(-1, 3, 21) * rate, np.linspace(-1.5, 1.5, 15) * rate
        losses = self.losses(stage, [(s, t) for t in b for s in a])
        return a, b, losses.reshape(len(b), len(a))

    def figure(self, stage: str) -> Figure:
        """Draw the loss along the gradient (top), and the surface around three steps (below)."""
        figure, axes = plt.subplot_mosaic("AAA;BCD", figsize=(9.5, 6), height_ratios=[1, 1.15])
        top = axes["A"]
        before = self.losses(stage, [(0, 0), *((rate, 0.0) for rate in RATES)])
        for name in self.models:
            chosen = name == stage
            style = {"color": BLUE, "lw": 2} if chosen else {"color": "#B5B5B5", "lw": 1}
            rates, losses = self.along(name)
            top.plot(rates, losses, **style, zorder=3 if chosen else 2)
            top.text(rates[0], losses[0] * 1.15, name, color=style["color"] if chosen else GREY)
        top.axhline(before[0], color=GREY, ls=":", lw=1)
        for rate, loss in zip(RATES, before[1:], strict=True):
            top.plot(rate, loss, "o", color=ORANGE, zorder=4)
            note = {"textcoords": "offset points", "xytext": (0, 9), "ha": "center"}
            top.annotate(f"{rate:g}: {loss:.3g}", (rate, loss), **note, weight="bold")
        top.set_xscale("log")
        top.set_yscale("log")
        top.set_xlabel("length of the step: learning rate")
        top.set_ylabel("cross-entropy per image")
        top.set_title("Loss of the mini-batch along its gradient")
        low, high = top.get_ylim()
        top.set_ylim(low, high * 2)
        for key, rate, loss in zip("BCD", RATES, before[1:], strict=True):
            a, b, losses = self.surface(stage, rate)
            axis = axes[key]
            image = axis.contourf(a / rate, b / rate, np.log10(losses), levels=14, cmap="viridis")
            bar = figure.colorbar(
                image, ax=axis, shrink=0.9, ticks=np.linspace(*image.get_clim(), 4)
            )
            bar.ax.set_yticklabels([f"{10**tick:.3g}" for tick in bar.get_ticks()])
            arrow = {"arrowstyle": "-|>", "color": "white", "lw": 2}
            axis.annotate("", (1, 0), (0, 0), arrowprops=arrow)
            axis.plot(0, 0, "o", color="white", ms=5)
            axis.set_title(f"{rate:g}: {before[0]:.3g} → {loss:.3g}")
            axis.set_xlabel("steps along the gradient")
            axis.grid(visible=False)
        axes["B"].set_ylabel("steps across")
        after = [f"{loss:.3g} ({rate:g})" for rate, loss in zip(RATES, before[1:], strict=True)]
        finding = (
            f"{stage.capitalize()}, a mini-batch has a loss of {before[0]:.3g} per image; after "
            f"one step along its gradient it is {', '.join(after)}."
        )
        numbers = pd.concat(
            pd.DataFrame({"stage": name, "learning_rate": rates, "cross_entropy": losses})
            for name, (rates, losses) in ((name, self.along(name)) for name in self.models)
        )
        return finished(figure, self.data.name, ExhibitData.of(numbers, finding))


def stages(config: Config, data: Dataset, trained: TrainingResult) -> dict[str, MLP]:
    """Return a network at the start of a training, after one epoch, and at its end."""
    after_one = train(config.replace(epochs=1, early_stop=False), data).model
    return {
        "at the start": MLP(config.layer_specs, config.activation, config.seed),
        "after one epoch": after_one,
        "at the end": trained.model,
    }
