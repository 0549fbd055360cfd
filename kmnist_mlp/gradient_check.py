"""Backpropagation held against central differences, one weight at a time (paper, section 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.network import MLP
from kmnist_mlp.support.checks import instance, real_number

if TYPE_CHECKING:
    import pandas as pd

# The paper's choice: (name, first layer of weights or last, bias or weight, index)
PAPER_PARAMETERS = (
    ("output bias", "biases", -1, (0,)),
    ("hidden bias", "biases", 0, (0,)),
    ("input to hidden", "weights", 0, (0, 2)),
    ("input to hidden", "weights", 0, (4, 5)),
    ("hidden to output", "weights", -1, (0, 2)),
    ("hidden to output", "weights", -1, (4, 5)),
)
TOLERANCE = 1e-4  # the paper: "we should get a difference within 10^-4"


def central_difference(
    model: MLP, parameter: np.ndarray, index: tuple[int, ...], x: np.ndarray, y: np.ndarray,
    epsilon: float,
) -> float:  # fmt: skip
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
        The error of the result falls with its square, until rounding takes over.

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
    try:
        parameter[index] = kept + epsilon
        above = model.loss(x, y)
        parameter[index] = kept - epsilon
        below = model.loss(x, y)
    finally:
        parameter[index] = kept
    return (above - below) / (2 * epsilon)


def check_gradients(
    model: MLP,
    x: np.ndarray,
    y: np.ndarray,
    epsilon: float = 1e-2,
    parameters: tuple[tuple[str, str, int, tuple[int, ...]], ...] = PAPER_PARAMETERS,
) -> pd.DataFrame:
    """Compare backpropagation with central differences for the paper's six parameters.

    Parameters
    ----------
    model : MLP
        In float64, or rounding hides what is looked for; with a hidden layer.
    x, y : ndarray, shapes (batch, inputs) and (batch,)
        The pattern; the paper takes one at a time.
    epsilon : float
        Step of the central difference, > 0.
    parameters : tuple of (name, "weights" or "biases", layer, index)
        Which entries to check.

    Returns
    -------
    DataFrame
        Columns weight, index, approximated_gradient, actual_gradient, difference (absolute), and
        within_tolerance (at most 1e-4, the paper's bound).

    Raises
    ------
    ValueError
        If the model is not in float64, epsilon is not a positive number, or the model has no such
        parameter.

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
    epsilon = real_number("epsilon", epsilon, above=0)
    _check_places(model, parameters)
    weight_gradients, bias_gradients = model.gradients(x, y)
    computed = {"weights": weight_gradients, "biases": bias_gradients}
    rows: list[dict[str, Any]] = []
    for name, kind, layer, index in parameters:
        approximated = central_difference(model, getattr(model, kind)[layer], index, x, y, epsilon)
        actual = float(computed[kind][layer][index])
        rows.append(
            {
                "weight": name,
                "index": ",".join(map(str, index)),
                "approximated_gradient": approximated,
                "actual_gradient": actual,
                "difference": abs(approximated - actual),
                "within_tolerance": abs(approximated - actual) <= TOLERANCE,
            }
        )
    return pd.DataFrame(rows)


def _check_places(model: MLP, parameters: Any) -> None:
    """Raise ValueError if one of the parameters to check is none of the model's."""
    if not isinstance(parameters, (tuple, list)) or not parameters:
        raise ValueError(f"parameters must be a tuple of entries to check; got {parameters!r}")
    layers = len(model.weights)
    for entry in parameters:
        try:
            name, kind, layer, index = entry
            shape = {"weights": model.weights, "biases": model.biases}[kind][layer].shape
            inside = all(0 <= int(i) == i < n for i, n in zip(index, shape, strict=True))
        except (TypeError, ValueError, KeyError, IndexError):
            raise ValueError(
                'each of parameters must be (name, "weights" or "biases", layer, index), with a '
                f"layer from {-layers} to {layers - 1} and a tuple as index; got {entry!r}"
            ) from None
        if not inside:
            raise ValueError(f"{name} {index} is not in {kind} of shape {shape}; choose others")


def paper_patterns(
    data: Dataset, seed: int = 0
) -> Iterator[tuple[str, MLP, np.ndarray, np.ndarray]]:
    """Yield name, network, image and label of the first, sixth and last training pattern.

    The network is a freshly initialised 784-128-10 one with tanh, in float64; shapes are
    (1, pixels) and (1,).
    """
    split = split_and_standardise(data, seed, dtype=np.float64)
    model = MLP((split.train.shape[1], 128, len(data.class_names)), "tanh", seed, np.float64)
    for pattern, row in (("first", 0), ("sixth", 5), ("last", len(split.train) - 1)):
        one = slice(row, row + 1)
        yield pattern, model, split.train[one], split.train_labels[one]


def check_paper_patterns(data: Dataset, seed: int = 0) -> pd.DataFrame:
    """Check the first, the sixth and the last pattern of the training split: Tables 1 to 3.

    Returns
    -------
    DataFrame
        The columns of :func:`check_gradients` after a column pattern, 18 rows.
    """
    import pandas as pd

    tables = []
    for pattern, model, x, y in paper_patterns(data, seed):
        table = check_gradients(model, x, y)
        table.insert(0, "pattern", pattern)
        tables.append(table)
    together = pd.concat(tables, ignore_index=True)
    together.attrs["data_name"] = data.name
    return together


def differences_by_epsilon(data: Dataset, seed: int = 0) -> pd.DataFrame:
    """Return the 18 differences of Tables 1 to 3 for steps from 0.1 down to 1e-8.

    Returns
    -------
    DataFrame
        Index epsilon, one column per gradient.
    """
    import pandas as pd

    steps = 10.0 ** -np.arange(1, 9)
    patterns = list(paper_patterns(data, seed))
    rows = [
        np.concatenate(
            [check_gradients(model, x, y, step).difference for _, model, x, y in patterns]
        )
        for step in steps
    ]
    return pd.DataFrame(rows, index=pd.Index(steps, name="epsilon"))
