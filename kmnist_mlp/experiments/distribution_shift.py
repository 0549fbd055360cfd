"""Evidence of a distribution shift: the test images come from other writers.

Validation accuracy is far above test accuracy. The gap nearly closes when training and test images
are pooled and re-split at random, and test images lie farther from the training images than
validation images do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.checks import instance, whole_number
from kmnist_mlp.support.statistics import plus_minus

POOLED = "pooled baseline"  # its name among the experiments
CHUNK = 4000  # training images whose distances are computed at once


def pooled(data: Dataset, seed: int = 0) -> Dataset:
    """Pool training and test images, and re-split them at random into parts of the same sizes.

    After that both parts come from the same writers: a difference between validation and test
    accuracy that is left is not due to the writers.

    Parameters
    ----------
    data : Dataset
    seed : int
        Of the random split.

    Returns
    -------
    Dataset
        Named "..., pooled".

    Raises
    ------
    ValueError
        If an argument is of the wrong kind.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> data = load_kmnist()
    >>> mixed = pooled(data)
    >>> mixed.train_images.shape == data.train_images.shape, mixed.name.endswith(", pooled")
    (True, True)
    """
    instance("data", data, Dataset)
    seed = whole_number("seed", seed, 0)
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    order = generator(seed, Stream.POOLING).permutation(len(images))
    train, test = np.split(order, [len(data.train_images)])
    return replace(
        data,
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
        name=f"{data.name}, pooled",
    )


def pooled_runs(data: Dataset, results: Results) -> Results:
    """Train the baseline of ``results`` on :func:`pooled` data, with the same seeds."""
    runs = results.of("baseline")
    return run({POOLED: runs[0].config}, [run.config.seed for run in runs], data=pooled(data))


def gap(results: Results, name: str = "baseline") -> pd.Series:
    """Return validation minus test accuracy in percentage points, by seed."""
    return results.values("validation_accuracy", name) - results.values("test_accuracy", name)


def pooled_comparison(published: Results, mixed: Results) -> pd.DataFrame:
    """Compare the baseline's accuracies on the data as published and on the pooled data.

    Parameters
    ----------
    published : Results
        With the experiment "baseline".
    mixed : Results
        What :func:`pooled_runs` returned.
    """
    rows = {}
    for row, results, name in (
        ("as published", published, "baseline"),
        ("pooled and re-split at random", mixed, POOLED),
    ):
        rows[row] = {
            "validation accuracy, %": plus_minus(results.values("validation_accuracy", name), 2),
            "test accuracy, %": plus_minus(results.values("test_accuracy", name), 2),
            "gap, points": plus_minus(gap(results, name), 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="data")


def nearest_distances(
    data: Dataset, config: Config | None = None, count: int = 1000
) -> dict[str, np.ndarray]:
    """Return distances of validation and test images to the nearest image of the training split.

    Euclidean distance of the pixels as fractions of full ink, in chunks of the training split by
    ``|a - b|^2 = |a|^2 - 2 a.b + |b|^2``.

    Parameters
    ----------
    data : Dataset
    config : Config
        Decides the split, and its seed the choice of test images; by default the baseline's.
    count : int
        Number of images of each part, if there are as many.

    Returns
    -------
    dict of str to ndarray, shape (count,)
        "validation" and "test".
    """
    config = config or Config()
    train_rows, validation_rows = split_rows(len(data.train_images), config)
    test_rows = generator(config.seed, Stream.DISTANCES).permutation(len(data.test_images))[:count]
    chosen = {
        "validation": data.train_images[validation_rows[:count]],
        "test": data.test_images[test_rows],
    }
    images = _as_fractions(np.concatenate(list(chosen.values())))
    nearest = np.full(len(images), np.inf, np.float32)
    for start in range(0, len(train_rows), CHUNK):
        chunk = _as_fractions(data.train_images[train_rows[start : start + CHUNK]])
        partial = (chunk**2).sum(axis=1) - 2 * images @ chunk.T
        np.minimum(nearest, partial.min(axis=1), out=nearest)
    distances = np.sqrt(np.maximum(nearest + (images**2).sum(axis=1), 0))
    return dict(zip(chosen, np.split(distances, [len(chosen["validation"])]), strict=True))


def _as_fractions(images: np.ndarray) -> np.ndarray:
    """Return images of uint8 as float32 from 0 to 1, shape (n, pixels)."""
    return images.reshape(len(images), -1).astype(np.float32) / 255
