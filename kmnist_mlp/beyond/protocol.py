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
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.evaluation import CORRUPTIONS, average_over_shifts
from kmnist_mlp.beyond.plan import FINAL
from kmnist_mlp.beyond.pretrained import FOLDER, load_ensemble
from kmnist_mlp.config import Config, generator
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.store import key_of
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import write_csv

CLUSTERS, HELD_OUT = 12, 2  # of the training images of each character
STREAM = 10  # of random numbers that no Stream of a run uses
ITERATIONS = 20  # of k-means
LEDGER = Path(__file__).with_name("ledger.csv")
COLUMNS = ["date", "kind", "what", "configuration", "seed", "network", "images", "accuracy"]
NETWORK, ENSEMBLE, SHIFTS = "final network", "ensemble", ", mean over nine shifts"
TOLERANCE = 0.00025  # two images: another BLAS may round the odd probability to the other side


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

    rng, held_out = generator(0, STREAM), np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        pixels = images[rows].reshape(len(rows), -1) / 255
        _, cluster = kmeans2(pixels, CLUSTERS, ITERATIONS, minit="++", seed=rng)
        held_out[rows] = np.isin(cluster, rng.choice(CLUSTERS, HELD_OUT, replace=False))
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
    corruption: str = "",
    severity: float = 0,
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
    corruption : str
        One of :data:`~kmnist_mlp.beyond.evaluation.CORRUPTIONS`, with which images are changed.
    severity : float
    shifts : bool
        Whether probabilities are averaged over shifts of each image.
    ledger : Path
        A line that is there already, the same but for its date, is not added again.
    """
    images, changed = data.test_images, ""
    if corruption:
        images = CORRUPTIONS[corruption][0](images, severity)
        changed = f"{corruption}: {severity}"
    predictors = [network.predict_proba for network in networks]
    if shifts:
        predictors = [partial(average_over_shifts, predictor) for predictor in predictors]
    probabilities = sum(predictor(images) for predictor in predictors)
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
    return key_of({n: value for n, value in config.to_dict().items() if n != "seed"})[:12]


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


def measure_final(
    data: Dataset, baseline: MLP, folder: Path = FOLDER, ledger: Path = LEDGER
) -> None:
    """Measure the final networks and their ensemble on the test images, and write robustness.csv.

    Parameters
    ----------
    data : Dataset
    baseline : MLP
        The paper's, for comparison on corrupted images.
    folder : Path
        With the networks; ``robustness.csv`` is written there, with columns corruption, severity,
        model and accuracy (a fraction).
    ledger : Path
        Gets a line for each accuracy.
    """
    networks = load_ensemble(folder)
    first, all_seeds = networks[:1], f"0 to {len(networks) - 1}"
    on_test = partial(measure, config=FINAL, data=data, ledger=ledger)
    for seed, network in enumerate(networks):
        on_test(NETWORK, [network], seeds=str(seed))
    on_test(ENSEMBLE, networks, seeds=all_seeds)
    on_test(NETWORK + SHIFTS, first, seeds="0", shifts=True)
    on_test(ENSEMBLE + SHIFTS, networks, seeds=all_seeds, shifts=True)
    models = (
        ("the paper's baseline", [baseline], EXPERIMENTS["baseline"]),
        (NETWORK, first, FINAL),
    )
    rows = []
    for corruption, (_, severities) in CORRUPTIONS.items():
        for severity, (name, model, config) in product(severities, models):
            accuracy = measure(
                f"{name}, corrupted images", model, config, "0", data,
                corruption=corruption, severity=severity, ledger=ledger,
            )  # fmt: skip
            rows.append((corruption, severity, name, accuracy))
    columns = ["corruption", "severity", "model", "accuracy"]
    write_csv(pd.DataFrame(rows, columns=columns), folder / "robustness.csv")


def recorded(networks: Sequence[MLP], ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of a ledger that are about networks, one by one and all together.

    Lines of networks that were trained another time are left out, as are those of changed images.

    Parameters
    ----------
    networks : sequence of MLP
        As :func:`~kmnist_mlp.beyond.pretrained.load_ensemble` returns them.
    ledger : DataFrame

    Raises
    ------
    ValueError
        If one of the networks is not in the ledger.
    """
    names = [weights_digest([network]) for network in networks]
    kinds = [NETWORK, ENSEMBLE, NETWORK + SHIFTS, ENSEMBLE + SHIFTS]
    theirs = ledger.network.isin([*names, weights_digest(networks)])
    lines = ledger[ledger.kind.isin(kinds) & theirs]
    if missing := set(names) - set(lines.network):
        raise ValueError(
            f"networks {sorted(missing)} are not in the ledger; `make measure` (beyond) adds them"
        )
    return lines.drop_duplicates(["kind", "network"], keep="last")


def accuracies(lines: pd.DataFrame, kind: str = NETWORK) -> pd.Series:
    """Return the accuracies (fractions) of one kind among what :func:`recorded` returned."""
    return lines[lines.kind == kind].accuracy


def load_robustness(folder: Path = FOLDER) -> pd.DataFrame:
    """Return corruption, severity, model and accuracy, as :func:`measure_final` wrote them."""
    return pd.read_csv(folder / "robustness.csv")


def check(data: Dataset, folder: Path = FOLDER, ledger: Path = LEDGER) -> None:
    """Compare the shipped networks with the ledger: their weights; on KMNIST, their accuracies.

    Raises
    ------
    ValueError
        If weights are not in the ledger, or an accuracy is not the one there.
    """
    networks = load_ensemble(folder)
    lines = recorded(networks, load_ledger(ledger))
    print(f"weights of {len(networks)} x {networks[0]}: as recorded")
    if data.is_stand_in:
        return  # the accuracies are KMNIST's
    probabilities = [network.predict_proba(data.test_images) for network in networks]
    by_seed = {str(seed): found for seed, found in enumerate(probabilities)}
    by_seed[f"0 to {len(networks) - 1}"] = sum(probabilities)
    for line in lines[lines.kind.isin([NETWORK, ENSEMBLE])].itertuples():
        accuracy = float((by_seed[line.seed].argmax(axis=1) == data.test_labels).mean())
        if abs(accuracy - line.accuracy) > TOLERANCE:
            raise ValueError(
                f"{line.kind}, seed {line.seed}: its accuracy is {accuracy:.2%}, in the ledger "
                f"{line.accuracy:.2%}"
            )
