"""Backpropagation compared with central differences, one weight at a time (paper, section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kmnist_mlp.network import MLP
from kmnist_mlp.support.checks import instance, real_number
from kmnist_mlp.support.memory import Array

if TYPE_CHECKING:
    import pandas as pd

# The paper's choice: (name, attribute of the network, layer, index);
# layer -1 is the last one
PAPER_PARAMETERS = (
    ("output bias", "biases", -1, (0,)),
    ("hidden bias", "biases", 0, (0,)),
    ("input to hidden", "weights", 0, (0, 2)),
    ("input to hidden", "weights", 0, (4, 5)),
    ("hidden to output", "weights", -1, (0, 2)),
    ("hidden to output", "weights", -1, (4, 5)),
)
COLUMNS = "weight index approximated_gradient actual_gradient difference within_tolerance".split()
TOLERANCE = 1e-4  # the paper: "we should get a difference within 10^-4"


def central_difference(
    model: MLP, parameter: Array, index: tuple[int, ...], x: Array, y: Array, epsilon: float
) -> float:
    """Return ``(E(w + epsilon) - E(w - epsilon)) / (2 epsilon)`` for one entry of a parameter.

    Parameters
    ----------
    model : MLP
    parameter : ndarray
        One of the model's own arrays; its entry is restored afterwards.
    index : tuple of int
        Of that entry.
    x, y : ndarray, shapes (batch, inputs) and (batch,)
    epsilon : float
        The error of the result falls with its square, until
        rounding takes over.

    Returns
    -------
    float

    Examples
    --------
    >>> model = MLP((2, 3, 2), dtype=np.float64)
    >>> x, y = np.array([[0.5, -1.0]]), np.array([1])
    >>> slope = central_difference(model, model.weights[0], (0, 2), x, y, 1e-2)
    >>> weight_gradients, _ = model.gradients(x, y)
    >>> abs(slope - weight_gradients[0][0, 2]) < 1e-4
    np.True_
    """
    kept = parameter[index]
    parameter[index] = kept + epsilon
    above = model.loss(x, y)
    parameter[index] = kept - epsilon
    below = model.loss(x, y)
    parameter[index] = kept
    return (above - below) / (2 * epsilon)


def check_gradients(model: MLP, x: Array, y: Array, epsilon: float = 1e-2) -> pd.DataFrame:
    """Compare backpropagation with central differences for the paper's six parameters.

    Parameters
    ----------
    model : MLP
        In float64, as rounding would hide a small error; with 6 units or
        more in each layer, as the paper's choice of parameters needs them.
    x, y : ndarray, shapes (batch, inputs) and (batch,)
        The pattern; the paper takes one at a time.
    epsilon : float
        Step of the central difference, > 0.

    Returns
    -------
    DataFrame
        Columns weight, index, approximated_gradient, actual_gradient,
        difference (absolute), and within_tolerance (at most 1e-4, the
        paper's bound).

    Raises
    ------
    ValueError
        If the model is not in float64 or too small, or epsilon is not a
        positive number.

    Examples
    --------
    >>> model = MLP((8, 6, 6), dtype=np.float64)
    >>> x, y = np.linspace(-1, 1, 8).reshape(1, 8), np.array([2])
    >>> check_gradients(model, x, y)[["weight", "index", "within_tolerance"]]
                 weight index  within_tolerance
    0       output bias     0              True
    1       hidden bias     0              True
    2   input to hidden   0,2              True
    3   input to hidden   4,5              True
    4  hidden to output   0,2              True
    5  hidden to output   4,5              True
    """
    import pandas as pd

    if instance("model", model, MLP).dtype != np.float64:
        raise ValueError(f"gradients are checked in float64; this model is in {model.dtype}")
    if min(model.layer_specs) < 6:
        raise ValueError(f"the paper's parameters need 6 units or more in each layer of {model!r}")
    epsilon = real_number("epsilon", epsilon, above=0)
    computed = dict(zip(("weights", "biases"), model.gradients(x, y), strict=True))
    rows = []
    for name, kind, layer, index in PAPER_PARAMETERS:
        actual, place = float(computed[kind][layer][index]), ",".join(map(str, index))
        approximated = central_difference(model, getattr(model, kind)[layer], index, x, y, epsilon)
        difference = abs(approximated - actual)
        rows.append((name, place, approximated, actual, difference, difference <= TOLERANCE))
    return pd.DataFrame(rows, columns=COLUMNS)
