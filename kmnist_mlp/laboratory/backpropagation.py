"""One step of training of a network so small that every number of it can be shown."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import NARROW, WIDE, finished, is_narrow
from kmnist_mlp.network import MLP, backpropagate, forward
from kmnist_mlp.support.checks import whole_number
from kmnist_mlp.support.colours import BLUE, CELL, COMPUTED, GREY, INPUT, ORANGE, RULE
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.support.statistics import rounded

# Each step: a sentence, its formula, the arrays that it computes, and those it needs.
STEPS = list(
    pd.read_csv(
        Path(__file__).with_suffix(".csv"),
        keep_default_na=False,
        converters={"computes": str.split, "needs": str.split},
    ).itertuples(index=False)
)


class Backpropagation:
    """One step of training of a 4-3-2 network with one image, number by number.

    The numbers are those of :class:`MLP`; only the weighted inputs z1, which it does not keep, are
    computed separately.

    Parameters
    ----------
    learning_rate : float
        Of the last step.
    seed : int
        Of the weights.

    Attributes
    ----------
    arrays : list of dict of str to ndarray
        The arrays that are known after each of :data:`STEPS`, each as a matrix.
    """

    def __init__(self, learning_rate: float = 0.1, seed: int = 4) -> None:
        model = MLP((4, 3, 2), "tanh", seed, np.float64)
        x, right = np.array([[0.9, -0.4, 0.1, -0.8]]), np.array([1])
        buffers = Buffers(model, 1)
        z2 = forward(model, x, buffers).copy()  # the next line turns the logits into probabilities
        backpropagate(model, x, np.array([[0.0, 1.0]]), buffers)
        (dW1, dW2), (db1, db2) = buffers.weight_gradients, buffers.bias_gradients
        W1, W2, b1, b2 = (array.copy() for array in (*model.weights, *model.biases))
        values = {
            "x": x, "t": np.array([[0.0, 1.0]]), "W1": W1, "b1": b1, "W2": W2, "b2": b2,
            "z1": x @ W1 + b1, "a1": buffers.outputs[0], "z2": z2, "p": model.predict_proba(x),
            "E": np.array(model.loss(x, right)), "d2": buffers.bias_gradients[1],
            "d1": buffers.deltas[0], "dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2,
        }  # fmt: skip
        known: dict[str, np.ndarray] = {}
        self.arrays = []
        for step in STEPS[:-1]:
            known = known | {name: np.atleast_2d(values[name]) for name in step.computes}
            self.arrays.append(known)
        rate = learning_rate
        model.set_parameters([W1 - rate * dW1, W2 - rate * dW2], [b1 - rate * db1, b2 - rate * db2])
        after = [*model.weights, *model.biases, np.array(model.loss(x, right))]
        names = ("W1", "W2", "b1", "b2", "E")
        self.arrays.append(known | dict(zip(names, map(np.atleast_2d, after), strict=True)))

    def figure(self, number: int = len(STEPS) - 2) -> Figure:
        """Draw all arrays after a step, counted from 0; those not known yet are empty.

        Orange: computed in this step; blue: its inputs.

        Raises
        ------
        ValueError
            If there is no such step.
        """
        whole_number("number", number, 0, len(STEPS) - 1)
        numbers = pd.DataFrame(
            [
                (name, row, column, value)
                for name, array in self.arrays[number].items()
                for (row, column), value in np.ndenumerate(array)
            ],
            columns=["array", "row", "column", "value"],
        )
        exhibit = ExhibitData.of(numbers, finding(self.arrays, number))
        return finished(lambda: draw(self.arrays, number), "", exhibit)


# column and row of cells of each array's upper left corner: forward above, gradients below
PLACES = {
    "x": (0, 0), "W1": (5, 0), "b1": (5, 5), "z1": (9, 0), "a1": (13, 0),
    "W2": (17, 0), "b2": (17, 5), "z2": (20, 0), "p": (23, 0), "E": (23, 5),
    "dW1": (5, 8), "db1": (5, 13), "d1": (9, 8), "dW2": (17, 8), "db2": (17, 13),
    "d2": (20, 8), "t": (23, 8),
}  # fmt: skip
# on a narrow screen: one layer below the other, the gradients of its weights beside them
NARROW_PLACES = {
    "x": (0, 0), "W1": (4.6, 0), "dW1": (8, 0), "z1": (0, 2), "b1": (4.6, 5), "db1": (8, 5),
    "a1": (0, 4), "d1": (0, 6), "z2": (0, 8.5), "W2": (4.6, 8.5), "dW2": (8, 8.5), "p": (0, 10.5),
    "E": (2.8, 10.5), "t": (0, 12.5), "b2": (4.6, 12.5), "db2": (8, 12.5), "d2": (0, 14.5),
}  # fmt: skip


def draw(arrays: list[dict[str, np.ndarray]], number: int) -> Figure:
    """Draw every array in its place, after a step."""
    step, narrow = STEPS[number], is_narrow()
    places = NARROW_PLACES if narrow else PLACES
    figure, axis = plt.subplots(figsize=(NARROW, 7.2) if narrow else (WIDE, 4.6))
    for name, last in arrays[-1].items():
        known = arrays[number].get(name)
        face, colour, weight = "white" if known is not None else CELL, GREY, "normal"
        if name in step.computes:
            face, colour, weight = COMPUTED, ORANGE, "bold"
        elif name in step.needs:
            face, colour, weight = INPUT, BLUE, "bold"
        left, top = places[name]
        axis.text(left, top - 0.2, name, color=colour, weight=weight, fontsize=9.5, va="bottom")
        draw_cells(axis, left, top, last.shape, face, known)
    notes = {
        (0, 9.6): "above: forward,\nfrom left to right",
        (0, 11.6): "below: the gradients,\nfrom right to left",
    }
    if narrow:
        notes = {(3, 14.6): "forward from top to bottom,\nthe gradients from bottom to top"}
    for place, note in notes.items():
        axis.text(*place, note, fontsize=8.5, color=GREY, va="top")
    title = textwrap.fill(f"{number}. {step.text}", 42 if narrow else 100)
    axis.set_title(f"{title}\n", fontsize=9 if narrow else 11)
    size = 8.5 if narrow else 10.5
    axis.text(0, -1.75, step.formula, family="monospace", fontsize=size, color=ORANGE)
    axis.set_xlim(-0.2, 11.1 if narrow else 25.2)
    axis.set_ylim(16.2 if narrow else 14.4, -2.4)
    axis.axis("off")
    return figure


def draw_cells(
    axis: Axes, left: float, top: float, shape: tuple[int, ...], face: str, known: np.ndarray | None
) -> None:
    """Draw the cells of one array, with their numbers if they are known."""
    for row, column in np.ndindex(shape):
        axis.add_patch(
            Rectangle((left + column, top + row), 1, 1, facecolor=face, edgecolor=RULE, lw=0.6)
        )
        if known is not None:
            value = round(float(known[row, column]), 2) + 0.0  # never -0.00
            middle = (left + column + 0.5, top + row + 0.53)
            axis.text(
                *middle,
                rounded(value, 2),
                ha="center",
                va="center",
                fontsize=7.5 if is_narrow() else 8,
            )


def finding(arrays: list[dict[str, np.ndarray]], number: int) -> str:
    """Return, in a sentence, which step it is, and the loss before and after the last one."""
    before, after = (arrays[n]["E"].item() for n in (-2, -1))
    return (
        f"Step {number} of {len(STEPS) - 1} of one backpropagation in a 4-3-2 network: "
        f"{STEPS[number].text}. The loss is {before:.3f} before and {after:.3f} after the step."
    )
