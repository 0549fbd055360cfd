"""One step of training of a network so small that every number of it can be shown."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from kmnist_mlp.data import Dataset, standardise
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure
from kmnist_mlp.figures.style import panel
from kmnist_mlp.network import MLP
from kmnist_mlp.support.colours import BLUE, CELL, COMPUTED, GREY, INPUT, ORANGE, RULE
from kmnist_mlp.support.statistics import rounded

HERE = Path(__file__).parent
# Each step: a sentence, its formula, the arrays that it computes, and
# those it needs.
STEPS = list(pd.read_csv(HERE / "backpropagation.csv", keep_default_na=False).itertuples())
# column and row of cells of each array's upper left corner: the
# forward pass on the left, one layer below the other, and the
# gradients on the right
PLACES = pd.read_csv(HERE / "places.csv", index_col="array")
# Units that are sums: of the products of which arrays, and what comes last
SUMS = {"z1": ("x", "W1", "b1"), "z2": ("a1", "W2", "b2"), "d1": ("d2", "W2.T", "slope")}
# What the formulas compute with besides the arrays; right: the place of the class 1
NAMES = {"tanh": np.tanh, "exp": np.exp, "log": np.log, "sum": np.sum, "right": (0, 1)}
RATE = 0.1  # learning rate of the last step
IMAGE = (5, 7), (-3, 1)  # left and right, top and bottom of the picture


class Backpropagation:
    """One step of training of a 4-3-2 network with one image, number by number.

    The inputs are the mean ink of the four quarters of an image,
    standardised. Each formula that is shown is also what is computed;
    the numbers are those of :class:`MLP`, from which the weights come.

    Parameters
    ----------
    data : Dataset
        The image is the first training image of its second class.

    Attributes
    ----------
    arrays : list of dict of str to ndarray
        The arrays that are known after each of :data:`STEPS`, each
        as a matrix.
    sums : dict of str to str
        How a unit is computed, by its name, such as "z1[0]".
    """

    def __init__(self, data: Dataset) -> None:
        model, images = MLP((4, 3, 2), "tanh", 4, np.float64), data.train_images
        chosen, (n, height, width) = np.argmax(data.train_labels == 1), images.shape
        self.image, self.data_name = images[chosen], data.name
        ink = images.reshape(n, 2, height // 2, 2, width // 2).mean(axis=(2, 4)).reshape(n, 4)
        x, t = standardise(ink[[chosen]], ink.mean(axis=0), ink.std(axis=0)), np.array([[0.0, 1.0]])
        parameters = map(np.atleast_2d, (*model.weights, *model.biases))
        own = dict(zip(("W1", "W2", "b1", "b2"), parameters, strict=True))
        known = {"x": x, "t": t} | {name: array.copy() for name, array in own.items()}
        self.arrays = []
        for step in STEPS[:-1]:
            for name, expression in re.findall(r"(\w+) = (.+?)(?:,  |$)", step.formula):
                known[name] = np.atleast_2d(eval(expression, NAMES, known))
            self.arrays.append(known.copy())
        for name, array in own.items():
            array -= RATE * known[f"d{name}"]
        loss = np.atleast_2d(model.loss(x, t.argmax(axis=1)))
        self.arrays.append(known | own | {"E": loss})
        units = [(name, unit) for name in SUMS for unit in range(known[name].size)]
        self.sums = {f"{name}[{unit}]": self._sum(name, unit) for name, unit in units}

    def _sum(self, name: str, unit: int) -> str:
        """Return how a unit is computed.

        For example "z1[0] = 0.52 × 0.31 + … + 0.00 = 0.16".
        """
        known = self.arrays[-2] | {"W2.T": self.arrays[0]["W2"].T}
        known["slope"] = 1 - known["a1"] ** 2
        inputs, weights, last = (known[each] for each in SUMS[name])
        terms = zip(inputs[0], weights[:, unit], strict=True)
        text = " + ".join(f"{written(a)} × {written(w)}" for a, w in terms)
        text = f"({text}) ×" if name == "d1" else f"{text} +"
        text = re.sub(r"−[\d.]+", r"(\g<0>)", f"{text} {written(last[0, unit])}")
        return f"{name}[{unit}] = {text} = {written(known[name][0, unit])}"

    def figure(self, number: int, unit: str = "") -> ReportFigure:
        """Draw all arrays after a step, counted from 0; those not known yet are empty.

        Orange: computed in this step; blue: its inputs. Forward goes
        from top to bottom, the gradients stand on the right and go from
        bottom to top. How a unit, one of ``sums``, is computed ends the
        finding.
        """
        step, arrays = STEPS[number], self.arrays[number]
        figure, axis = panel(8.4)
        edges = [np.linspace(*ends, len(self.image) + 1) for ends in IMAGE]
        axis.pcolormesh(*edges, self.image, cmap="gray_r", rasterized=True)
        axis.plot((6, 6), IMAGE[1], (5, 7), (-1, -1), color=BLUE, lw=0.6)  # quarters
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
                cell = Rectangle((x, y), 1, 1, facecolor=face, edgecolor=RULE, lw=0.6)
                axis.add_patch(cell)
                if name in arrays:
                    cell.set_gid(f"{name}-{row}-{column}")  # a page's script knows it by this
                    value = written(arrays[name][row, column])
                    axis.text(x + 0.5, y + 0.53, value, ha="center", va="center")
        title = textwrap.fill(f"{number}. {step.text}", 44)
        title = title if "\n" in title else f"\n{title}"  # always two lines
        axis.set_title(f"{title}\n{step.formula}")
        axis.set(xlim=(-0.2, 7.2), ylim=(25, -3.6))
        axis.axis("off")
        cells = {name: pd.DataFrame(array).stack() for name, array in arrays.items()}
        numbers = pd.concat(cells, names=["array", "row", "column"]).reset_index(name="value")
        numbers["sum"] = (numbers.array + numbers.column.map("[{}]".format)).map(self.sums)
        losses = (known["E"].item() for known in self.arrays[-2:])
        finding = FINDINGS["step"].format(*losses, number, len(STEPS) - 1, step.text)
        finding += f" {self.sums[unit]}" if unit else ""
        return report_figure([figure], numbers, finding, data_name=self.data_name)


def written(value: float) -> str:
    """Return a number with two decimals; none is "-0.00"."""
    return rounded(round(float(value), 2) + 0.0, 2)
