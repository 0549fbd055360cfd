"""Evidence on why validation is so far above test: the test images come from other hands."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kmnist_mlp.data import Dataset, pooled
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.statistics import plus_minus

POOLED = "pooled baseline"  # its name among the experiments


def pooled_runs(data: Dataset, results: Results) -> Results:
    """Train the baseline on :func:`data.pooled`, with the seeds it has in ``results``."""
    seeds = list(results.values("test_accuracy", "baseline").index)
    return run({POOLED: EXPERIMENTS["baseline"]}, seeds, data=pooled(data))


def gap(results: Results, name: str = "baseline") -> pd.Series:
    """Return validation minus test accuracy in percentage points, by seed."""
    return results.values("validation_accuracy", name) - results.values("test_accuracy", name)


def pooled_comparison(results: Results, mixed: Results) -> pd.DataFrame:
    """Return the baseline's accuracies on the published data and on the pooled one."""
    rows = {}
    for row, these, name in (
        ("as published", results, "baseline"),
        ("pooled and dealt out anew", mixed, POOLED),
    ):
        rows[row] = {
            "validation accuracy, %": plus_minus(these.values("validation_accuracy", name), 2),
            "test accuracy, %": plus_minus(these.values("test_accuracy", name), 2),
            "gap, points": plus_minus(gap(these, name), 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="data")


def nearest_distances(data: Dataset, seed: int = 0, count: int = 1000) -> dict[str, np.ndarray]:
    """Return the distance of some validation and test images to the nearest training image.

    Euclidean distance of the pixels as fractions of full ink, in chunks of the training split by
    ``|a - b|^2 = |a|^2 - 2 a.b + |b|^2``.

    Returns
    -------
    dict of str to ndarray
        "validation" and "test", ``count`` distances each.
    """
    flat = data.train_images.reshape(len(data.train_images), -1)
    order = np.random.default_rng([seed, 1]).permutation(len(flat))  # the split of this seed
    held_out = round(len(flat) * 0.2)
    train, validation = order[:-held_out], order[-held_out:][:count]
    rng = np.random.default_rng([seed, 5])
    chosen = rng.permutation(len(data.test_images))[:count]
    test = data.test_images.reshape(len(data.test_images), -1)[chosen]
    asked = np.concatenate([flat[validation], test]).astype(np.float32) / 255
    nearest = np.full(len(asked), np.inf, np.float32)
    for start in range(0, len(train), 4000):
        chunk = flat[train[start : start + 4000]].astype(np.float32) / 255
        squares = (chunk**2).sum(axis=1) - 2 * asked @ chunk.T
        np.minimum(nearest, squares.min(axis=1), out=nearest)
    distances = np.sqrt(np.maximum(nearest + (asked**2).sum(axis=1), 0))
    return {"validation": distances[: len(validation)], "test": distances[len(validation) :]}
