"""The gradient check of the paper's three patterns (Tables 1 to 3), also for other epsilons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.experiments.runs import default_seeds
from kmnist_mlp.gradient_check import check_gradients
from kmnist_mlp.network import MLP


def paper_patterns(
    data: Dataset, seed: int = 0
) -> Iterator[tuple[str, MLP, np.ndarray, np.ndarray]]:
    """Yield name, network, image and label of the first, sixth and last training pattern.

    The network is a freshly initialised 784-128-10 one with tanh, in float64; shapes are
    (1, pixels) and (1,).
    """
    split = split_and_standardise(data, Config(seed=seed), np.float64)
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
    steps = 10.0 ** -np.arange(1, 9)
    patterns = list(paper_patterns(data, seed))
    rows = [
        np.concatenate(
            [check_gradients(model, x, y, step).difference for _, model, x, y in patterns]
        )
        for step in steps
    ]
    return pd.DataFrame(rows, index=pd.Index(steps, name="epsilon"))


def gradient_checks(data: Dataset, seeds: Iterable[int] | None = None) -> dict[int, pd.DataFrame]:
    """Return the gradient check of the paper's three patterns for each seed."""
    seeds = default_seeds() if seeds is None else seeds
    return {seed: check_paper_patterns(data, seed) for seed in seeds}
