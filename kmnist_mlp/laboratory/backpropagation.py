"""One step of training of a network so small that every number of it can be shown."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kmnist_mlp.figures.report_figure import ReportFigure, report_figure
from kmnist_mlp.figures.style import panel
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
        model.parameters -= rate * buffers.gradient
        after = [*model.weights, *model.biases, np.array(model.loss(x, right))]
        names = ("W1", "W2", "b1", "b2", "E")
        self.arrays.append(known | dict(zip(names, map(np.atleast_2d, after), strict=True)))

    def figure(self, number: int = len(STEPS) - 2) -> ReportFigure:
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
        before, after = (arrays["E"].item() for arrays in self.arrays[-2:])
        finding = (
            f"Step {number} of {len(STEPS) - 1}: {STEPS[number].text}. "
            f"The loss is {before:.3f} before and {after:.3f} after the last step."
        )
        return report_figure([draw(self.arrays, number)], numbers, finding, data_name="")


# column and row of cells of each array's upper left corner: one layer below the other, with the
# gradients of its weights beside them
PLACES = {
    "x": (0, 0), "W1": (4.6, 0), "dW1": (8, 0), "z1": (0, 2), "b1": (4.6, 5), "db1": (8, 5),
    "a1": (0, 4), "d1": (0, 6), "z2": (0, 8.5), "W2": (4.6, 8.5), "dW2": (8, 8.5), "p": (0, 10.5),
    "E": (2.8, 10.5), "t": (0, 12.5), "b2": (4.6, 12.5), "db2": (8, 12.5), "d2": (0, 14.5),
}  # fmt: skip


def draw(arrays: list[dict[str, np.ndarray]], number: int) -> Figure:
    """Draw every array in its place, after a step; with its numbers if they are known by then."""
    step = STEPS[number]
    figure, axis = panel(7)
    for name, last in arrays[-1].items():
        known = arrays[number].get(name)
        face, colour, weight = "white" if known is not None else CELL, GREY, "normal"
        if name in step.computes:
            face, colour, weight = COMPUTED, ORANGE, "bold"
        elif name in step.needs:
            face, colour, weight = INPUT, BLUE, "bold"
        left, top = PLACES[name]
        axis.text(left, top - 0.2, name, color=colour, weight=weight, fontsize=9.5, va="bottom")
        for row, column in np.ndindex(last.shape):
            x, y = left + column, top + row
            axis.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor=RULE, lw=0.6))
            if known is not None:
                value = rounded(round(float(known[row, column]), 2) + 0.0, 2)  # never -0.00
                axis.text(x + 0.5, y + 0.53, value, ha="center", va="center", fontsize=7.5)
    note = "forward from top to bottom,\nthe gradients from bottom to top"
    axis.text(3, 14.6, note, fontsize=8.5, color=GREY, va="top")
    title = textwrap.fill(f"{number}. {step.text}", 48)
    axis.set_title(title if "\n" in title else f"\n{title}", fontsize=9)  # always two lines
    axis.text(0, -1.75, step.formula, family="monospace", fontsize=8.5, color=ORANGE)
    axis.set(xlim=(-0.2, 11.1), ylim=(16.2, -2.2))
    axis.axis("off")
    return figure
