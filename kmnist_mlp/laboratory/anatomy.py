"""What happens inside a network: what its hidden units look for, and one backpropagation."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import BLUE, GREY, ORANGE, finished
from kmnist_mlp.network import MLP, Buffers
from kmnist_mlp.training import CHUNK, TrainingResult

# ---- hidden units --------------------------------------------------------------------------------


class HiddenUnits:
    """The first hidden layer of a trained network, and the validation images that excite it.

    Parameters
    ----------
    run : TrainingResult
        Of a network without a hidden layer, the outputs take the units' place.
    data : Dataset
        What it was trained on.

    Attributes
    ----------
    outputs : ndarray, shape (validation images, units)
    order : ndarray, shape (units,)
        The units by the Euclidean norm of their weights, the largest first.
    """

    def __init__(self, run: TrainingResult, data: Dataset) -> None:
        split = split_and_standardise(data, run.config.seed)
        self.data, self.images = data, data.train_images[split.validation.rows]
        self.labels, self.weights = split.validation_labels, run.model.weights[0]
        part = Buffers(run.model, CHUNK, backward=False)
        outputs = []
        for start in range(0, len(self.images), CHUNK):
            x = split.validation[start : start + CHUNK]
            buffers = part.first(len(x))
            run.model.forward(x, buffers)
            outputs.append(buffers.outputs[0].copy())
        self.outputs = np.concatenate(outputs)
        self.order = np.argsort(-np.linalg.norm(self.weights, axis=0))

    def figure(self, first: int = 0, count: int = 6, images: int = 12) -> Figure:
        """Draw some units, a row each: the weights as an image, then what excites the unit most.

        Beside the row: how many of the hundred most exciting images show which character.
        """
        units = self.order[first : first + count]
        side, gap = self.data.train_images.shape[1], 3
        step = side + gap
        canvas = np.ones((len(units) * step - gap, (images + 1) * step + 2 * gap, 3))
        counts, rows = [], []
        for line, unit in enumerate(units):
            weights = self.weights[:, unit].reshape(side, side)
            tiles = [mpl.colormaps["RdBu_r"](0.5 + weights / abs(weights).max() / 2)[:, :, :3]]
            ranked = np.argsort(-self.outputs[:, unit], kind="stable")
            top = ranked[:images]
            tiles += [
                np.repeat(1 - image[:, :, None] / 255, 3, axis=2) for image in self.images[top]
            ]
            for place, tile in enumerate(tiles):
                left = place * step + 2 * gap * (place > 0)
                canvas[line * step : line * step + side, left : left + side] = tile
            shown = np.bincount(self.labels[ranked[:100]], minlength=len(self.data.class_names))
            counts.append(
                "  ".join(
                    f"{shown[label]} {self.data.class_names[label]}"
                    for label in np.argsort(-shown, kind="stable")[:3]
                    if shown[label]
                )
            )
            rows += [
                (int(unit), place + 1, self.data.romaji[self.labels[row]], self.outputs[row, unit])
                for place, row in enumerate(top)
            ]
        figure, axis = plt.subplots(figsize=(9.5, 0.62 * len(units) + 0.35))
        axis.imshow(canvas, interpolation="nearest")
        middles = np.arange(len(units)) * step + side / 2
        axis.set_yticks(middles, [f"unit {unit}" for unit in units])
        for middle, text in zip(middles, counts, strict=True):
            axis.text(canvas.shape[1] + 4, middle, text, va="center")
        axis.set_xticks(
            [side / 2, step * (images + 2) / 2], ["weights", "the images that excite it most"]
        )
        axis.xaxis.tick_top()
        axis.text(canvas.shape[1] + 4, -5, "of the top 100", va="bottom")
        axis.tick_params(length=0)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        most = self.labels[np.argsort(-self.outputs, axis=0, kind="stable")[:100]]
        share = [np.bincount(column).max() for column in most.T]
        finding = (
            f"Of the hundred images that excite a hidden unit most, {np.median(share):.0f} show "
            f"the same character (median of {len(share)} units; from {min(share)} to {max(share)})."
        )
        columns = ["unit", "rank", "character", "output"]
        return finished(
            figure, self.data.name, ExhibitData.of(pd.DataFrame(rows, columns=columns), finding)
        )


# ---- one backpropagation -------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One step of a backpropagation: what is computed, from what, by which formula."""

    says: str
    formula: str
    new: tuple[str, ...]
    of: tuple[str, ...] = ()


STEPS = (
    Step(
        "An image of four pixels, its right class, and the weights to begin with",
        "",
        ("x", "W1", "b1", "W2", "b2", "t"),
    ),
    Step(
        "Forward: the weighted inputs of the hidden units",
        "z1 = x @ W1 + b1",
        ("z1",),
        ("x", "W1", "b1"),
    ),
    Step("The activation squeezes them between -1 and 1", "a1 = tanh(z1)", ("a1",), ("z1",)),
    Step("The logits, one per class", "z2 = a1 @ W2 + b2", ("z2",), ("a1", "W2", "b2")),
    Step("Softmax makes probabilities of them", "p = exp(z2) / sum(exp(z2))", ("p",), ("z2",)),
    Step("The loss: how surprising the right class is", "E = -log(p[right])", ("E",), ("p", "t")),
    Step(
        "Backward: the gradient by the logits is the error of the probabilities",
        "d2 = p - t",
        ("d2",),
        ("p", "t"),
    ),
    Step(
        "The gradients of the last weights and biases",
        "dW2 = a1.T @ d2,  db2 = d2",
        ("dW2", "db2"),
        ("a1", "d2"),
    ),
    Step(
        "The error flows back through the weights, and through the slope of tanh",
        "d1 = (d2 @ W2.T) * (1 - a1**2)",
        ("d1",),
        ("d2", "W2", "a1"),
    ),
    Step(
        "The gradients of the first weights and biases",
        "dW1 = x.T @ d1,  db1 = d1",
        ("dW1", "db1"),
        ("x", "d1"),
    ),
    Step(
        "One step down the gradient: the loss falls",
        "W = W - rate * dW,  b = b - rate * db",
        ("W1", "b1", "W2", "b2", "E"),
        ("dW1", "db1", "dW2", "db2"),
    ),
)

# column of cells and row of cells of each array's corner: forward above, gradients below
PLACES = {
    "x": (0, 0), "W1": (5, 0), "b1": (5, 5), "z1": (9, 0), "a1": (13, 0),
    "W2": (17, 0), "b2": (17, 5), "z2": (20, 0), "p": (23, 0), "E": (23, 5),
    "dW1": (5, 8), "db1": (5, 13), "d1": (9, 8), "dW2": (17, 8), "db2": (17, 13),
    "d2": (20, 8), "t": (23, 8),
}  # fmt: skip


class Backpropagation:
    """One step of training of a 4-3-2 network with one image, number by number.

    The numbers are those of :class:`MLP`; the weighted inputs z1, which it does not keep, are
    computed beside it.

    Parameters
    ----------
    learning_rate : float
        Of the last step.
    seed : int
        Of the weights.

    Attributes
    ----------
    arrays : list of dict of str to ndarray
        What is known after each of :data:`STEPS`.
    """

    def __init__(self, learning_rate: float = 0.1, seed: int = 4) -> None:
        model = MLP((4, 3, 2), "tanh", seed, np.float64)
        x, right = np.array([[0.9, -0.4, 0.1, -0.8]]), np.array([1])
        buffers = Buffers(model, 1)
        z2 = model.forward(x, buffers).copy()
        a1 = buffers.outputs[0].copy()
        (dW1, dW2), (db1, db2) = model.gradients(x, right)
        model.backpropagate(x, right, buffers)
        W1, W2, b1, b2 = (array.copy() for array in (*model.weights, *model.biases))
        values = {
            "x": x, "t": np.array([[0.0, 1.0]]), "W1": W1, "b1": b1, "W2": W2, "b2": b2,
            "z1": x @ W1 + b1, "a1": a1, "z2": z2, "p": model.predict_proba(x),
            "E": np.array(model.loss(x, right)), "d2": buffers.bias_gradients[1],
            "d1": buffers.deltas[0], "dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2,
        }  # fmt: skip
        known: dict[str, np.ndarray] = {}
        self.arrays = []
        for step in STEPS[:-1]:
            known = known | {name: np.atleast_2d(values[name]) for name in step.new}
            self.arrays.append(known)
        rate = learning_rate
        model.set_parameters([W1 - rate * dW1, W2 - rate * dW2], [b1 - rate * db1, b2 - rate * db2])
        after = [*model.weights, *model.biases, np.array(model.loss(x, right))]
        names = ("W1", "W2", "b1", "b2", "E")
        self.arrays.append(known | dict(zip(names, map(np.atleast_2d, after), strict=True)))

    def figure(self, number: int = len(STEPS) - 2) -> Figure:
        """Draw all arrays after a step, counted from 0; what is not known yet is left empty.

        Orange: what the step computes; blue: what from.
        """
        step, known = STEPS[number], self.arrays[number]
        figure, axis = plt.subplots(figsize=(9.5, 4.6))
        for name, (left, top) in PLACES.items():
            self._array(axis, name, left, top, known.get(name), step)
        axis.text(0, 9.6, "above: forward,\nfrom left to right", fontsize=8.5, color=GREY, va="top")
        axis.text(
            0, 11.6, "below: the gradients,\nfrom right to left", fontsize=8.5, color=GREY, va="top"
        )
        axis.set_title(f"{number}. {step.says}\n", fontsize=11)
        axis.text(0, -1.75, step.formula, family="monospace", fontsize=10.5, color=ORANGE)
        axis.set_xlim(-0.2, 25.2)
        axis.set_ylim(14.4, -2.4)
        axis.axis("off")
        rows = [
            (name, row, column, value)
            for name, array in known.items()
            for (row, column), value in np.ndenumerate(array)
        ]
        loss, later = (self.arrays[n]["E"].item() for n in (-2, -1))
        finding = (
            f"Step {number} of {len(STEPS) - 1} of one backpropagation in a 4-3-2 network: "
            f"{step.says}. The loss is {loss:.3f} before and {later:.3f} after the step."
        )
        numbers = pd.DataFrame(rows, columns=["array", "row", "column", "value"])
        return finished(figure, "", ExhibitData.of(numbers, finding))

    def _array(
        self, axis: Axes, name: str, left: float, top: float, array: np.ndarray | None, step: Step
    ) -> None:
        shape = self.arrays[-1][name].shape
        new, used = name in step.new, name in step.of
        colour = ORANGE if new else BLUE if used else GREY
        weight = "bold" if new or used else "normal"
        axis.text(left, top - 0.2, name, color=colour, weight=weight, fontsize=9.5, va="bottom")
        for row, column in np.ndindex(shape):
            face = "#FBE3D6" if new else "#D9EAF5" if used else "white"
            face = "#F2F2F2" if array is None else face
            axis.add_patch(
                Rectangle(
                    (left + column, top + row), 1, 1, facecolor=face, edgecolor="#B5B5B5", lw=0.6
                )
            )
            if array is not None:
                rounded = round(float(array[row, column]), 2) + 0.0  # never -0.00
                text = f"{rounded:.2f}".replace("-", "−")
                axis.text(
                    left + column + 0.5,
                    top + row + 0.53,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8,
                )
