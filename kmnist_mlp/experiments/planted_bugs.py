"""Backpropagation with a bug planted in it, and which gradient check finds the bug.

Backpropagation and numerical slopes are written here once more, in plain NumPy and for tanh only,
so that a bug can be planted without touching :mod:`kmnist_mlp.network`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.paper_gradients import paper_patterns, relative_difference
from kmnist_mlp.experiments.runs import default_seeds
from kmnist_mlp.gradient_check import PAPER_PARAMETERS, TOLERANCE
from kmnist_mlp.network import MLP
from kmnist_mlp.support.checks import one_of

Gradients = dict[str, list[np.ndarray]]  # "weights" and "biases", an array per layer

BUGS = {
    "none": "no bug",
    "sign": "sign: one_hot(y) - p in the output layer",
    "factor": "forgotten factor: no derivative of tanh",
    "transpose": "wrong transpose: delta.T @ a for a square weight matrix",
    "mean": "wrong factor: bias gradients averaged over the batch, not summed",
}
CHECKS = (
    "six parameters, absolute",
    "six parameters, relative",
    "all parameters, relative",
    "all parameters, relative, mini-batch",
)
RELATIVE_BOUND = 1e-4  # our choice: the paper's number, but relative
# Our choice: with the paper's 1e-2 the error of the central difference itself can exceed the
# relative bound where a gradient is close to zero, and correct code would be rejected.
EPSILON = 1e-4


# ---- both gradients ------------------------------------------------------------------------------


def backpropagation(model: MLP, x: np.ndarray, y: np.ndarray, bug: str = "none") -> Gradients:
    """Return the gradients of the summed cross-entropy, wrong in the way that ``bug`` names.

    Parameters
    ----------
    model : MLP
        With tanh.
    x, y : ndarray, shapes (batch, inputs) and (batch,)
    bug : str
        A name in :data:`BUGS`.

    Returns
    -------
    dict
        "weights" and "biases": a list of arrays in the shapes of the model's.

    Raises
    ------
    ValueError
        If there is no such bug.

    Examples
    --------
    >>> model = MLP((3, 4, 4, 2), dtype=np.float64)
    >>> x, y = np.eye(3), np.array([0, 1, 1])
    >>> right, wrong = backpropagation(model, x, y), backpropagation(model, x, y, "transpose")
    >>> [bool(np.allclose(a, b)) for a, b in zip(right["weights"], wrong["weights"], strict=True)]
    [True, False, True]
    """
    bug = one_of("bug", bug, BUGS)
    outputs = [x]
    for W, b in zip(model.weights[:-1], model.biases[:-1], strict=True):
        outputs.append(np.tanh(outputs[-1] @ W + b))
    z = outputs[-1] @ model.weights[-1] + model.biases[-1]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(p.shape[1])[y]

    delta = one_hot - p if bug == "sign" else p - one_hot
    gradients: Gradients = {"weights": [], "biases": []}
    for layer in reversed(range(len(model.weights))):
        a, W = outputs[layer], model.weights[layer]
        swapped = (
            bug == "transpose" and W.shape[0] == W.shape[1]
        )  # elsewhere the shapes would clash
        gradients["weights"].insert(0, delta.T @ a if swapped else a.T @ delta)
        gradients["biases"].insert(0, delta.mean(axis=0) if bug == "mean" else delta.sum(axis=0))
        if layer > 0:
            delta = delta @ W.T
            if bug != "factor":
                delta = delta * (1 - a**2)
    return gradients


def slopes(model: MLP, x: np.ndarray, y: np.ndarray, epsilon: float = EPSILON) -> Gradients:
    """Return the central differences of each image's cross-entropy for every parameter.

    A step in ``W[i, j]`` moves only the weighted input ``z_j``, by ``a_i`` times the step; a step
    in ``b[j]`` moves it by the step. So the layers before need not be computed again.

    Parameters
    ----------
    model : MLP
        With tanh, in float64.
    x, y : ndarray, shapes (images, inputs) and (images,)
    epsilon : float

    Returns
    -------
    dict
        "weights" and "biases": a list of arrays, (images, inputs of the layer, units) and
        (images, units).

    Examples
    --------
    >>> model = MLP((3, 4, 2), dtype=np.float64)
    >>> x, y = np.eye(3), np.array([0, 1, 1])
    >>> summed = slopes(model, x, y)["weights"][0].sum(axis=0)
    >>> bool(np.allclose(summed, model.gradients(x, y)[0][0], atol=1e-7))
    True
    """
    a, found = x, Gradients(weights=[], biases=[])
    for layer, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        z = a @ W + b
        by_input = [_slopes(model, layer, z, y, a_i, epsilon) for a_i in a.T]
        found["weights"].append(np.stack(by_input, axis=1))
        found["biases"].append(_slopes(model, layer, z, y, np.ones(len(x)), epsilon))
        a = np.tanh(z)
    return found


def _slopes(
    model: MLP, layer: int, z: np.ndarray, y: np.ndarray, a_i: np.ndarray, epsilon: float
) -> np.ndarray:
    """Return (images, units): slopes for the weights that lead from one input to all units."""
    moves = epsilon * a_i[:, None, None] * np.eye(z.shape[1])
    above = _losses(model, layer, z[:, None] + moves, y)
    below = _losses(model, layer, z[:, None] - moves, y)
    return (above - below) / (2 * epsilon)


def _losses(model: MLP, layer: int, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the cross-entropy (images, variants) for weighted inputs (images, variants, units)."""
    for W, b in zip(model.weights[layer + 1 :], model.biases[layer + 1 :], strict=True):
        z = np.tanh(z) @ W + b
    z_y = np.take_along_axis(z, y[:, None, None], axis=2)[..., 0]
    largest = z.max(axis=2)
    return np.log(np.exp(z - largest[..., None]).sum(axis=2)) + largest - z_y


# ---- checks --------------------------------------------------------------------------------------


def planted_bugs(
    data: Dataset, seeds: Iterable[int] | None = None, epsilon: float = EPSILON
) -> pd.DataFrame:
    """Try every check on every bug, on the paper's network with two hidden layers (section 5.2).

    It is freshly initialised, in float64, and checked on the paper's three images: one by one, and
    in the last check together, as a mini-batch.

    Returns
    -------
    DataFrame
        A row per seed, bug and check: how many differences were compared, how many exceeded the
        bound, and the largest one.
    """
    hidden = PAPER["two_hidden_layers"].config.layer_specs[1:-1]
    tables = []
    for seed in default_seeds() if seeds is None else seeds:
        _, models, x, y = zip(*paper_patterns(data, seed, hidden), strict=True)
        table = try_checks(models[0], np.concatenate(x), np.concatenate(y), epsilon)
        table.insert(0, "seed", seed)
        tables.append(table)
    together = pd.concat(tables, ignore_index=True)
    together.attrs["data_name"] = data.name
    return together


def try_checks(model: MLP, x: np.ndarray, y: np.ndarray, epsilon: float = EPSILON) -> pd.DataFrame:
    """Return what :func:`planted_bugs` does, for one network and some images.

    Examples
    --------
    >>> model = MLP((8, 6, 6, 7), dtype=np.float64)
    >>> table = try_checks(model, np.linspace(-1, 1, 16).reshape(2, 8), np.array([2, 3]))
    >>> table[table.bug == "transpose"][["check", "compared", "exceeded"]]
                                       check  compared  exceeded
    12              six parameters, absolute        12         0
    13              six parameters, relative        12         0
    14              all parameters, relative        12         2
    15  all parameters, relative, mini-batch         6         1
    """
    numerical, rows = slopes(model, x, y, epsilon), []
    for bug in BUGS:
        for check, differences in zip(
            CHECKS, _differences(model, x, y, numerical, bug), strict=True
        ):
            bound = TOLERANCE if check.endswith("absolute") else RELATIVE_BOUND
            exceeded = sum(difference > bound for difference in differences)
            rows.append((bug, check, len(differences), exceeded, max(differences)))
    return pd.DataFrame(rows, columns=["bug", "check", "compared", "exceeded", "largest"])


def _differences(
    model: MLP, x: np.ndarray, y: np.ndarray, numerical: Gradients, bug: str
) -> Iterator[list[float]]:
    """Yield the differences that each of the CHECKS compares with its bound."""
    single = [backpropagation(model, x[[n]], y[[n]], bug) for n in range(len(x))]
    six = [
        (numerical[kind][layer][(n, *index)], computed[kind][layer][index])
        for n, computed in enumerate(single)
        for _, kind, layer, index in PAPER_PARAMETERS
    ]
    yield [abs(a - b) for a, b in six]
    yield [relative_difference(a, b) for a, b in six]
    yield [
        relative_difference(slope[n], gradient)
        for n, computed in enumerate(single)
        for kind in numerical
        for slope, gradient in zip(numerical[kind], computed[kind], strict=True)
    ]
    computed = backpropagation(model, x, y, bug)
    yield [
        relative_difference(slope.sum(axis=0), gradient)
        for kind in numerical
        for slope, gradient in zip(numerical[kind], computed[kind], strict=True)
    ]
