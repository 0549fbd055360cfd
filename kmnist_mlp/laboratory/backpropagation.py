"""One step of training of a network so small that every number of it can be shown."""

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.figures.style import panel
from kmnist_mlp.network import MLP, backpropagate, forward
from kmnist_mlp.support.colours import BLUE, CELL, COMPUTED, GREY, INPUT, ORANGE, RULE
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.support.statistics import rounded

HERE = Path(__file__).parent
# Each step: a sentence, its formula, the arrays that it computes, and
# those it needs.
STEPS = list(pd.read_csv(HERE / "backpropagation.csv", keep_default_na=False).itertuples())
# column and row of cells of each array's upper left corner: the
# forward pass on the left, one layer below the other, and the
# gradients on the right
PLACES = pd.read_csv(HERE / "places.csv", index_col="array")


class Backpropagation:
    """One step of training of a 4-3-2 network with one image, number by number.

    The numbers are those of :class:`MLP`; only the weighted inputs z1,
    which it does not keep, are computed separately. The last step has
    the learning rate 0.1.

    Attributes
    ----------
    arrays : list of dict of str to ndarray
        The arrays that are known after each of :data:`STEPS`, each
        as a matrix.
    """

    def __init__(self) -> None:
        model = MLP((4, 3, 2), "tanh", 4, np.float64)
        x, t = np.array([[0.9, -0.4, 0.1, -0.8]]), np.array([[0.0, 1.0]])
        right = t.argmax(axis=1)
        buffers = Buffers(model, 1)
        z2 = forward(model, x, buffers).copy()
        # this turns the logits into probabilities
        backpropagate(model, x, t, buffers)
        (dW1, dW2), (db1, db2) = buffers.weight_gradients, buffers.bias_gradients
        W1, W2, b1, b2 = (array.copy() for array in (*model.weights, *model.biases))
        values = {
            "x": x, "t": t, "W1": W1, "b1": b1, "W2": W2, "b2": b2,
            "z1": x @ W1 + b1, "a1": buffers.outputs[0], "z2": z2, "p": model.predict_proba(x),
            "E": np.array(model.loss(x, right)), "d2": buffers.bias_gradients[1],
            "d1": buffers.deltas[0], "dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2,
        }  # fmt: skip
        model.parameters -= 0.1 * buffers.gradient
        self.arrays, known = [], {}
        for step in STEPS:
            if step is STEPS[-1]:
                W1, W2, b1, b2 = (*model.weights, *model.biases)
                values = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "E": model.loss(x, right)}
            for name in step.computes.split():
                known[name] = np.atleast_2d(values[name])
            self.arrays.append(known.copy())

    def figure(self, number: int) -> ReportFigure:
        """Draw all arrays after a step, counted from 0; those not known yet are empty.

        Orange: computed in this step; blue: its inputs. Forward goes
        from top to bottom, the gradients stand on the right and go from
        bottom to top.
        """
        step, arrays = STEPS[number], self.arrays[number]
        figure, axis = panel(7.6)
        for name, last in self.arrays[-1].items():
            face, colour, weight = "white" if name in arrays else CELL, GREY, "normal"
            if name in step.computes.split():
                face, colour, weight = COMPUTED, ORANGE, "bold"
            elif name in step.needs.split():
                face, colour, weight = INPUT, BLUE, "bold"
            left, top = PLACES.loc[name]
            axis.text(left, top - 0.15, name, color=colour, weight=weight, va="bottom")
            for row, column in np.ndindex(last.shape):
                x, y = left + column, top + row
                axis.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor=RULE, lw=0.6))
                if name in arrays:
                    value = rounded(round(float(arrays[name][row, column]), 2) + 0.0, 2)  # not -0
                    axis.text(x + 0.5, y + 0.53, value, ha="center", va="center")
        title = textwrap.fill(f"{number}. {step.text}", 44)
        title = title if "\n" in title else f"\n{title}"  # always two lines
        axis.set_title(f"{title}\n{step.formula}")
        axis.set(xlim=(-0.2, 7.2), ylim=(25, -1))
        axis.axis("off")
        cells = {name: pd.DataFrame(array).stack() for name, array in arrays.items()}
        numbers = pd.concat(cells, names=["array", "row", "column"]).reset_index(name="value")
        losses = (known["E"].item() for known in self.arrays[-2:])
        finding = FINDINGS["step"].format(number, len(STEPS) - 1, step.text, *losses)
        return report_figure([figure], numbers, finding, data_name="")
