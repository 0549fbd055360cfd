"""How anything beyond the paper is chosen, and when a test image may be looked at.

1. Networks that are compared are not trained on two of twelve clusters of writing styles of each
   character (`held_out_clusters`), nor on a random fifth of the other training images. They
   are measured on both. The clusters are meant to imitate the test images, whose distribution
   differs from that of the training images; the random fifth is the usual validation split. No
   rule was fixed in advance for what to do if the two disagree.
2. What is trained for a comparison, and the final networks, are given a data set without test
   images (`held_out_clusters`, `without_test_images`).
3. The configuration of the final networks, `FINAL`, was committed
   before any of them was measured on a test image.
4. Final networks are measured on test images by `measure`, which adds a line to the ledger,
   `ledger.csv`. Later analyses of the same networks on the same images (errors, calibration,
   McNemar's test, the drawing pad's coarser weights) choose nothing.

What was known before. A first attempt reached 97.78 %. No network of 1,024 units in it had a
validation split; validation preferred augmentation half as strong as the one that was used; test
results of long runs were known when later ones were configured; the ensemble was rebuilt after its
first version had missed its goal on the test images. The final networks have the width, length,
strength of augmentation, batch normalisation and standardisation of that attempt; that these
improve accuracy was known partly from test images. Depth, penalty and label smoothing were chosen
by trials on training images, whose records are lost.

The trials shown here were trained after the configuration was fixed, some of them after the
networks had been measured, and changed nothing; to save time, their plan was shortened when twenty
of them were known. The first two final networks were started a few minutes before the configuration
was committed. The ledger begins with the first attempt, as far as its tables and records go.
Besides, it has a network of the final configuration after two epochs, whose test accuracy was
printed when the speed of training was measured.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.shift_averaging import average_over_shifts
from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.data import Dataset
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import write_csv

CLUSTERS, HELD_OUT = 12, 2  # of the training images of each character
ITERATIONS = 20  # of k-means
LEDGER = Path(__file__).with_name("ledger.csv")
COLUMNS = ["date", "kind", "what", "configuration", "seed", "network", "images", "accuracy"]


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

    The accuracy that training reports in the end is then one of training images.
    """
    return dataclasses.replace(
        data,
        test_images=data.train_images[:1000],
        test_labels=data.train_labels[:1000],
        name=f"{data.name} without test images",
    )


# ---- measuring on test images --------------------------------------------------------------------


def measure(
    kind: str,
    networks: Sequence[MLP],
    config: Config,
    seeds: str,
    data: Dataset,
    *,
    changed: str = "",
    change: Callable[[np.ndarray], np.ndarray] | None = None,
    shifts: bool = False,
    ledger: Path = LEDGER,
) -> float:
    """Return the accuracy of networks on test images, and add it to the ledger.

    Parameters
    ----------
    kind : str
        What is measured, such as "final network".
    networks : sequence of MLP
        Of several, the mean of their probabilities decides.
    config : Config
        What they were trained with, but for the seed.
    seeds : str
        Of the networks.
    data : Dataset
    changed : str
        How the test images are changed, if they are, in words.
    change : callable, optional
        Takes and returns images of uint8, shape (n, height, width).
    shifts : bool
        Whether probabilities are averaged over shifts of each image.
    ledger : Path
        A line that is there already, the same but for its date, is not added again.
    """
    images = change(data.test_images) if change else data.test_images
    probabilities = sum(
        average_over_shifts(network.predict_proba, images)
        if shifts
        else network.predict_proba(images)
        for network in networks
    )
    accuracy = float((probabilities.argmax(axis=1) == data.test_labels).mean())
    line = [
        datetime.date.today().isoformat(), kind, changed, config_digest(config), seeds,
        weights_digest(networks), len(images), round(accuracy, 6),
    ]  # fmt: skip
    lines = load_ledger(ledger).to_numpy().tolist()
    if line[1:] not in [known[1:] for known in lines]:
        write_csv(pd.DataFrame([*lines, line], columns=COLUMNS), ledger)
    return accuracy


def config_digest(config: Config) -> str:
    """Return a hash of a configuration without its seed, as the ledger names it."""
    return short_hash({n: value for n, value in config.to_dict().items() if n != "seed"})


def short_hash(values: Any) -> str:
    """Return a hash of plain values, such as a configuration's."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def weights_digest(networks: Sequence[MLP]) -> str:
    """Return a hash of the parameters of networks, as the ledger names them."""
    content = hashlib.sha256()
    for network in networks:
        content.update(network.parameters.tobytes())
    return content.hexdigest()[:12]


def load_ledger(ledger: Path = LEDGER) -> pd.DataFrame:
    """Return every evaluation on test images, a line each.

    Columns: date, kind, what (how the images are changed; of the first attempt, which network),
    configuration (see :func:`config_digest`), seed, network (see :func:`weights_digest`), images,
    accuracy (a fraction).
    """
    if not ledger.exists():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(ledger, dtype={"seed": str}, keep_default_na=False)
