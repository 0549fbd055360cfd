"""How anything beyond the paper is chosen, and when a test image may be looked at.

1. Networks that are compared do not see two of twelve clusters of writing styles of each
   character (:func:`held_out_clusters`), nor a random fifth of the other training images. The
   clusters imitate the test images, which are unlike the training images; the random fifth is
   the usual validation split. Both are training images of the data set.
2. Whatever trains is given a data set without test images, also the final networks
   (:func:`without_test_images`).
3. The configuration of the final networks stands in :mod:`~kmnist_mlp.beyond.plan`, and was
   committed before the first of them was measured on a test image.
4. :func:`measure` is the only function here that looks at test images. It adds a line to the
   ledger, ``ledger.csv``, for every accuracy that it returns.

The ledger begins with the networks of a first ascent, for which none of this held: most of their
settings were chosen on validation images, but results on the test images were known when long runs
were configured and when an ensemble was put together.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import Dataset
from kmnist_mlp.support.checks import class_indices
from kmnist_mlp.support.files import write_csv

if TYPE_CHECKING:
    import pandas as pd

CLUSTERS, HELD_OUT = 12, 2  # of the training images of each character
ITERATIONS = 20  # of k-means
LEDGER = Path(__file__).with_name("ledger.csv")
COLUMNS = ["date", "what", "seed", "images", "accuracy"]


# ---- choosing ------------------------------------------------------------------------------------


def held_out_rows(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which training images belong to the held-out clusters, as booleans, shape (n,).

    The images of each character are divided by k-means (k-means++ start, Euclidean distance of
    the pixels); which clusters are held out is drawn at random, once and for all.
    Source: Arthur and Vassilvitskii 2007, "k-means++: The Advantages of Careful Seeding", SODA.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
    labels : ndarray of int, shape (n,)
    """
    from scipy.cluster.vq import kmeans2  # only here, as it loads slowly

    rng, held_out = generator(0, Stream.CLUSTERS), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        pixels = images[own].reshape(len(own), -1) / 255
        _, cluster = kmeans2(pixels, CLUSTERS, ITERATIONS, minit="++", seed=rng)
        held_out[own] = np.isin(cluster, rng.choice(CLUSTERS, HELD_OUT, replace=False))
    return held_out


def held_out_clusters(data: Dataset) -> Dataset:
    """Return the training images alone: those of the held-out clusters take the test images' place.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> data = load_kmnist()
    >>> trials = held_out_clusters(data)
    >>> len(trials.train_images) + len(trials.test_images) == len(data.train_images)
    True
    """
    out = held_out_rows(data.train_images, data.train_labels)
    return dataclasses.replace(
        data,
        train_images=data.train_images[~out],
        train_labels=data.train_labels[~out],
        test_images=data.train_images[out],
        test_labels=data.train_labels[out],
        name=f"{data.name}, clusters held out",
    )


def without_test_images(data: Dataset) -> Dataset:
    """Return all training images; a thousand of them stand in the place of the test images.

    What a network is measured on after training is then something that it was trained on.
    """
    return dataclasses.replace(
        data,
        test_images=data.train_images[:1000],
        test_labels=data.train_labels[:1000],
        name=f"{data.name} without test images",
    )


# ---- measuring on test images --------------------------------------------------------------------


def measure(
    what: str,
    seed: int | str,
    predicted: np.ndarray,
    labels: np.ndarray,
    ledger: Path = LEDGER,
) -> float:
    """Return the accuracy of predictions for test images, after adding it to the ledger.

    Parameters
    ----------
    what : str
        Which network, by its name in the plan, on which images.
    seed : int or str
        Of the network; for an ensemble those of all its members.
    predicted, labels : ndarray of int, shape (images,)
        Classes.
    ledger : Path
        A line that is there already, the same but for its date, is not added again.
    """
    labels = class_indices("labels", labels, 10, len(predicted))
    accuracy = float((predicted == labels).mean())
    today = datetime.date.today().isoformat()
    line = [today, what, str(seed), len(labels), round(accuracy, 6)]
    lines = load_ledger(ledger).to_numpy().tolist()
    if line[1:] not in [known[1:] for known in lines]:
        import pandas as pd  # as in load_ledger

        write_csv(pd.DataFrame([*lines, line], columns=COLUMNS), ledger)
    return accuracy


def load_ledger(ledger: Path = LEDGER) -> pd.DataFrame:
    """Return every evaluation on test images: date, what, seed, images, accuracy (a fraction)."""
    import pandas as pd  # only here: load_best needs NumPy alone

    if not ledger.exists():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(ledger, dtype={"seed": str})
