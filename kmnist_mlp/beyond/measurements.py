"""What `make beyond` measures: final networks on test images, and the time of an epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond.plan import FINAL
from kmnist_mlp.beyond.pretrained import FOLDER, load_ensemble
from kmnist_mlp.beyond.protocol import LEDGER, load_ledger, measure, weights_digest
from kmnist_mlp.beyond.robustness import CORRUPTIONS
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import write_csv
from kmnist_mlp.training import Training

NETWORK, ENSEMBLE, SHIFTS = "final network", "ensemble", ", mean over nine shifts"
EPOCHS = 3  # whose median is an epoch's time, alone on one core
TOLERANCE = 0.00025  # two images: another BLAS may round the odd probability to the other side


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
    for corruption, (corrupt, severities) in CORRUPTIONS.items():
        for severity, (name, model, config) in product(severities, models):
            accuracy = measure(
                f"{name}, corrupted images", model, config, "0", data,
                changed=f"{corruption}: {severity}", change=partial(corrupt, severity=severity),
                ledger=ledger,
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
    own = ledger[ledger.kind.isin(kinds) & ledger.network.isin([*names, weights_digest(networks)])]
    missing = set(names) - set(own.network)
    if missing:
        raise ValueError(f"networks {sorted(missing)} are not in the ledger: call `make beyond`")
    return own.drop_duplicates(["kind", "network"], keep="last")


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
    found = {str(seed): own for seed, own in enumerate(probabilities)}
    found[f"0 to {len(networks) - 1}"] = sum(probabilities)
    for line in lines[lines.kind.isin([NETWORK, ENSEMBLE])].itertuples():
        own = float((found[line.seed].argmax(axis=1) == data.test_labels).mean())
        if abs(own - line.accuracy) > TOLERANCE:
            raise ValueError(
                f"{line.kind}, seed {line.seed}: its accuracy is {own:.2%}, in the ledger "
                f"{line.accuracy:.2%}"
            )


# ---- time ----------------------------------------------------------------------------------------


def epoch_seconds(configs: dict[str, Config], data: Dataset) -> pd.DataFrame:
    """Return how long an epoch of each configuration takes, with its measurement, on one core.

    Parameters
    ----------
    configs : dict of str to Config
    data : Dataset

    Returns
    -------
    DataFrame
        Columns step and seconds_per_epoch, the median of three epochs. Configurations that differ
        only in their number of epochs are timed once.
    """
    timed: dict[Config, float] = {}
    for config in configs.values():
        alike = config.replace(epochs=EPOCHS)
        if alike not in timed:
            training, seconds = Training(alike, data), []
            with threadpool_limits(1, user_api="blas"):
                for _ in range(EPOCHS):
                    began = time.perf_counter()
                    training.train_epoch()
                    training.measure_epoch()
                    seconds.append(time.perf_counter() - began)
            timed[alike] = float(np.median(seconds))
    rows = [(title, timed[config.replace(epochs=EPOCHS)]) for title, config in configs.items()]
    return pd.DataFrame(rows, columns=["step", "seconds_per_epoch"])


def load_timing(folder: Path) -> pd.DataFrame:
    """Return what :func:`epoch_seconds` measured when `make beyond` ran."""
    return pd.read_csv(folder / "timing.csv")
