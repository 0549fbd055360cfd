"""The gradient check of the paper's three patterns (Tables 1 to 3), also for other epsilons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.experiments.runs import default_seeds
from kmnist_mlp.gradient_check import TOLERANCE, check_gradients
from kmnist_mlp.network import MLP

PAPER_EPSILON = 1e-2
# The check of the paper's published code, https://github.com/Ruizhang666/Mnist-MLP_from_scratch:
# its step, by what it divides backpropagation's gradients, and a row of Table 2 as printed there.
CODE_EPSILON, CODE_DIVISOR = 0.1, 10
CODE_ROW = {
    "approximated_gradient": 7.9605e-4, "actual_gradient": 7.9260e-4, "difference": 3.4542e-6,
}  # fmt: skip


def paper_patterns(
    data: Dataset, seed: int = 0, hidden: tuple[int, ...] = (128,)
) -> Iterator[tuple[str, MLP, np.ndarray, np.ndarray]]:
    """Yield name, network, image and label of the first, sixth and last training pattern.

    The network is freshly initialised, with tanh, in float64: 784-128-10 unless other ``hidden``
    layers are given. The shapes are (1, pixels) and (1,).
    """
    split = split_and_standardise(data, Config(seed=seed), np.float64)
    model = MLP((split.train.shape[1], *hidden, len(data.class_names)), "tanh", seed, np.float64)
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
        Index epsilon, one column per gradient: (weight, index, pattern).
    """
    patterns, columns = list(paper_patterns(data, seed)), {}
    for step in 10.0 ** -np.arange(1, 9):
        for pattern, model, x, y in patterns:
            for row in check_gradients(model, x, y, step).itertuples():
                columns.setdefault((row.weight, row.index, pattern), {})[step] = row.difference
    table = pd.DataFrame(columns).rename_axis("epsilon")
    return table.rename_axis(["weight", "index", "pattern"], axis=1)


def relative_difference(a: np.ndarray | float, b: np.ndarray | float) -> float:
    """Return ``|a - b| / max(|a|, |b|)``, of arrays with the Euclidean norm; 0 if both are 0.

    Source: Stanford's course CS231n, notes "Learning", section "Gradient checks",
    https://cs231n.github.io/neural-networks-3/#gradcheck

    Examples
    --------
    >>> relative_difference(0.000543, 0.000584)  # printed in the paper's Table 2
    0.0702...
    >>> relative_difference(np.array([3.0, 4.0]), np.zeros(2))
    1.0
    """
    largest = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(np.subtract(a, b)) / largest) if largest else 0.0


def consistent_difference(row: Mapping[str, float]) -> float:
    """Return a printed difference with the exponent that fits the gradients of its row, or NaN.

    It is the printed one wherever that fits, else the nearest power of ten with the same digits. A
    gradient printed with digit d in its last place is known to d / 2; the paper prints three to
    five significant digits, so half a unit in the third one is allowed for each gradient.

    Examples
    --------
    >>> row = {"approximated_gradient": 0.000263, "actual_gradient": 0.000255}
    >>> [consistent_difference(row | {"difference": d}) for d in (7.571e-6, 7.571e-5, 5e-5)]
    [7.571e-06, 7.571e-06, nan]
    """
    gradients = row["approximated_gradient"], row["actual_gradient"]
    rounding = sum(0.5 * 10.0 ** (np.floor(np.log10(abs(g))) - 2) for g in gradients)
    for power in (0, -1, 1, -2, 2, -3, 3):
        difference = float(f"{row['difference'] * 10.0**power:.10g}")
        if abs(abs(gradients[0] - gradients[1]) - difference) <= rounding:
            return difference
    return np.nan


def would_pass(gradients: Iterable[float], factor: float) -> int:
    """Return how many gradients could be wrong by a factor and still keep the paper's bound.

    Examples
    --------
    >>> would_pass([0.00002, 0.0005, 0.1], 0), would_pass([0.00002, 0.0005, 0.1], 0.9)
    (1, 2)
    """
    return sum(abs(g - factor * g) <= TOLERANCE for g in gradients)


def gradient_checks(data: Dataset, seeds: Iterable[int] | None = None) -> dict[int, pd.DataFrame]:
    """Return the gradient check of the paper's three patterns for each seed."""
    seeds = default_seeds() if seeds is None else seeds
    return {seed: check_paper_patterns(data, seed) for seed in seeds}
