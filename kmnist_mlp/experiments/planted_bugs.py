"""Backpropagation with a bug planted in it, and which gradient check finds the bug.

Backpropagation and numerical slopes are written here once more, in plain NumPy and for tanh (and
one bug's scaled tanh), so that a bug can be planted without touching :mod:`kmnist_mlp.network`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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
    "derivative": "wrong derivative: 1 - tanh(z)² for 1.7159 tanh(2z / 3)",
    "accumulation": "no reset: gradients added to those of the mini-batch before",
}
CHECKS = (
    "six parameters, absolute",
    "six parameters, relative",
    "all parameters, relative",
    "all parameters, relative, mini-batch",
    "all parameters, relative, second mini-batch",
)
RELATIVE_BOUND = 1e-4  # our choice: the paper's number, but relative
# Our choice: with the paper's 1e-2 the error of the central difference itself can exceed the
# relative bound where a gradient is close to zero, and correct code would be rejected.
EPSILON = 1e-4


# ---- both gradients ------------------------------------------------------------------------------


def scaled_tanh(z: np.ndarray) -> np.ndarray:
    """Return ``1.7159 tanh(2z / 3)``, whose derivative is ``1.7159 · 2/3 · (1 - tanh(2z / 3)²)``.

    Source: LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp", section 4.4. The paper's
    published code has it with the derivative of tanh(z),
    https://github.com/Ruizhang666/Mnist-MLP_from_scratch

    Examples
    --------
    >>> scaled_tanh(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-1.,  0.,  1.])
    """
    return 1.7159 * np.tanh(2 / 3 * z)


def hidden_activation(bug: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the activation of the hidden units of a network with this bug."""
    return scaled_tanh if bug == "derivative" else np.tanh


def backpropagation(
    model: MLP, x: np.ndarray, y: np.ndarray, bug: str = "none", before: Gradients | None = None
) -> Gradients:
    """Return the gradients of the summed cross-entropy, wrong in the way that ``bug`` names.

    Parameters
    ----------
    model : MLP
        With tanh.
    x, y : ndarray, shapes (batch, inputs) and (batch,)
    bug : str
        A name in :data:`BUGS`.
    before : dict, optional
        What was returned for the mini-batch before; "accumulation" adds it.

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
    outputs, weighted = [x], []
    for W, b in zip(model.weights, model.biases, strict=True):
        z = outputs[-1] @ W + b
        weighted.append(z)
        outputs.append(hidden_activation(bug)(z))
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
                delta = delta * (1 - np.tanh(weighted[layer - 1]) ** 2)
    if bug == "accumulation" and before is not None:
        for kind, arrays in before.items():
            gradients[kind] = [g + b for g, b in zip(gradients[kind], arrays, strict=True)]
    return gradients


def slopes(
    model: MLP, x: np.ndarray, y: np.ndarray, epsilon: float = EPSILON, bug: str = "none"
) -> Gradients:
    """Return the central differences of each image's cross-entropy for every parameter.

    A step in ``W[i, j]`` moves only the weighted input ``z_j``, by ``a_i`` times the step; a step
    in ``b[j]`` moves it by the step. So the layers before need not be computed again.

    Parameters
    ----------
    model : MLP
        With tanh, in float64.
    x, y : ndarray, shapes (images, inputs) and (images,)
    epsilon : float
    bug : str
        Of the network: it decides the activation.

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
        by_input = [_slopes(model, layer, z, y, a_i, epsilon, bug) for a_i in a.T]
        found["weights"].append(np.stack(by_input, axis=1))
        found["biases"].append(_slopes(model, layer, z, y, np.ones(len(x)), epsilon, bug))
        a = hidden_activation(bug)(z)
    return found


def _slopes(
    model: MLP, layer: int, z: np.ndarray, y: np.ndarray, a_i: np.ndarray, epsilon: float, bug: str
) -> np.ndarray:
    """Return (images, units): slopes for the weights that lead from one input to all units."""
    moves = epsilon * a_i[:, None, None] * np.eye(z.shape[1])
    above = _losses(model, layer, z[:, None] + moves, y, bug)
    below = _losses(model, layer, z[:, None] - moves, y, bug)
    return (above - below) / (2 * epsilon)


def _losses(model: MLP, layer: int, z: np.ndarray, y: np.ndarray, bug: str) -> np.ndarray:
    """Return the cross-entropy (images, variants) for weighted inputs (images, variants, units)."""
    for W, b in zip(model.weights[layer + 1 :], model.biases[layer + 1 :], strict=True):
        z = hidden_activation(bug)(z) @ W + b
    z_y = np.take_along_axis(z, y[:, None, None], axis=2)[..., 0]
    largest = z.max(axis=2)
    return np.log(np.exp(z - largest[..., None]).sum(axis=2)) + largest - z_y


# ---- checks --------------------------------------------------------------------------------------


def planted_bugs(
    data: Dataset, seeds: Iterable[int] | None = None, epsilon: float = EPSILON
) -> pd.DataFrame:
    """Try every check on every bug, on the paper's network with two hidden layers (section 5.2).

    It is freshly initialised, in float64, and checked on the paper's three images: one by one, each
    with a copy of the network that has seen no other image; together, as a mini-batch; and as two
    mini-batches of the same images, one after the other.

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
    15                     six parameters, absolute        12         0
    16                     six parameters, relative        12         0
    17                     all parameters, relative        12         2
    18         all parameters, relative, mini-batch         6         1
    19  all parameters, relative, second mini-batch         6         1
    """
    numerical, rows = {}, []
    for bug in BUGS:
        hidden = hidden_activation(bug)
        if hidden not in numerical:
            numerical[hidden] = slopes(model, x, y, epsilon, bug)
        found = _differences(model, x, y, numerical[hidden], bug)
        for check, differences in zip(CHECKS, found, strict=True):
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
    computed = None
    for _ in range(2):  # mini-batches
        computed = backpropagation(model, x, y, bug, computed)
        yield [
            relative_difference(slope.sum(axis=0), gradient)
            for kind in numerical
            for slope, gradient in zip(numerical[kind], computed[kind], strict=True)
        ]
