"""Evidence of a distribution shift between the training and the test images.

Validation accuracy is far above test accuracy. The gap nearly closes when training and test images
are pooled and re-split at random; test images lie farther from the training images than validation
images do; and a network can tell them apart. What the cause is, none of this shows. Probably the
test images come from other writers; the data set does not say (an open question:
https://github.com/rois-codh/kmnist/issues/17).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from kmnist_mlp.config import Config, generator
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.checks import instance, whole_number
from kmnist_mlp.support.statistics import plus_minus
from kmnist_mlp.training import train

POOLED = "pooled baseline"  # its name among the experiments
POOLING, DISTANCES, ORIGINS = 2, 7, 8  # random numbers that no Stream of a run uses
CHUNK = 4000  # training images whose distances are computed at once


def pooled(data: Dataset, seed: int = 0) -> Dataset:
    """Pool training and test images, and re-split them at random into parts of the same sizes.

    After that both parts come from one distribution: a difference between validation and test
    accuracy that is left is not due to a shift.

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
    order = generator(seed, POOLING).permutation(len(images))
    (train_images, test_images), (train_labels, test_labels) = (
        np.split(array[order], [len(data.train_images)]) for array in (images, labels)
    )
    return replace(
        data, train_images=train_images, train_labels=train_labels,
        test_images=test_images, test_labels=test_labels, name=f"{data.name}, pooled",
    )  # fmt: skip


def pooled_runs(data: Dataset, results: Results) -> Results:
    """Train the baseline of ``results`` on :func:`pooled` data, with the same seeds."""
    runs = results.of("baseline")
    seeds = [run.config.seed for run in runs]
    found = run({POOLED: runs[0].config}, seeds, data=pooled(data))
    return replace(found, data_name=data.name)  # whose reference results are compared


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
    for results, name, row in (
        (published, "baseline", "as published"),
        (mixed, POOLED, "pooled and re-split at random"),
    ):
        values = {
            "validation accuracy, %": results.values("validation_accuracy", name),
            "test accuracy, %": results.values("test_accuracy", name),
            "gap, points": gap(results, name),
        }
        rows[row] = {column: plus_minus(of_seeds, 2) for column, of_seeds in values.items()}
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
    rows, validation_rows = split_rows(len(data.train_images), config)
    test_rows = generator(config.seed, DISTANCES).permutation(len(data.test_images))[:count]

    def as_fractions(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32) / 255

    validation = data.train_images[validation_rows[:count]]
    images = as_fractions(np.concatenate([validation, data.test_images[test_rows]]))
    nearest = np.full(len(images), np.inf, np.float32)
    for start in range(0, len(rows), CHUNK):
        chunk = as_fractions(data.train_images[rows[start : start + CHUNK]])
        partial = (chunk**2).sum(axis=1) - 2 * images @ chunk.T
        np.minimum(nearest, partial.min(axis=1), out=nearest)
    distances = np.sqrt(np.maximum(nearest + (images**2).sum(axis=1), 0))
    return {"validation": distances[: len(validation)], "test": distances[len(validation) :]}


def origin_auc(data: Dataset, seed: int = 0, control: bool = False) -> float:
    """Return how well a network tells test images from training images that it has not seen.

    The baseline's network, with two classes, is trained to say of images whether they are training
    or test images, as many of each as there are test images, and is measured on a quarter of them.

    Parameters
    ----------
    data : Dataset
    seed : int
        Of the choice of images, and of the network.
    control : bool
        Take further training images in the place of the test images: nothing can be told.

    Returns
    -------
    float
        Area under the ROC curve: the probability that of one test and one training image, the test
        image has the higher output. 0.5 is guessing, 1 a perfect distinction.
        Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    from scipy.stats import mannwhitneyu  # only here, as it loads slowly

    rng = generator(seed, ORIGINS)
    count = min(len(data.test_images), len(data.train_images) // 2)
    rows = rng.permutation(len(data.train_images))
    others = data.train_images[rows[count : 2 * count]] if control else data.test_images
    images = np.concatenate([data.train_images[rows[:count]], others[rng.permutation(count)]])
    labels = np.repeat([0, 1], count)
    seen, unseen = np.split(rng.permutation(2 * count), [3 * count // 2])
    origins = Dataset(
        images[seen], labels[seen], images[unseen], labels[unseen],
        f"{data.name}, origins", ("training", "test"),
    )  # fmt: skip
    layers = (images[0].size, 128, 2)
    model = train(Config(layer_specs=layers, seed=seed), origins).model
    output, is_test = model.predict_proba(origins.test_images)[:, 1], origins.test_labels == 1
    statistic = mannwhitneyu(output[is_test], output[~is_test]).statistic
    return float(statistic / int(is_test.sum() * (~is_test).sum()))
