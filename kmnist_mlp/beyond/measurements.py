"""What `make beyond` measures on test images once the final networks are trained: all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.pretrained import FOLDER, load_ensemble
from kmnist_mlp.beyond.protocol import LEDGER, load_ledger, measure
from kmnist_mlp.beyond.robustness import CORRUPTIONS
from kmnist_mlp.beyond.shift_averaging import average_over_shifts
from kmnist_mlp.data import Dataset
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import write_csv

NETWORK = "final network"
ENSEMBLE = "ensemble"
SHIFTS = ", mean over nine shifts"
MEASURED = (NETWORK, NETWORK + SHIFTS, ENSEMBLE, ENSEMBLE + SHIFTS)
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
    networks, images, labels = load_ensemble(folder), data.test_images, data.test_labels
    seeds = f"0 to {len(networks) - 1}"
    plain = np.array([network.predict_proba(images) for network in networks])
    for seed, probabilities in enumerate(plain):
        measure(NETWORK, seed, probabilities.argmax(axis=1), labels, ledger)
    measure(ENSEMBLE, seeds, plain.mean(axis=0).argmax(axis=1), labels, ledger)
    shifted = [average_over_shifts(network.predict_proba, images) for network in networks]
    measure(NETWORK + SHIFTS, 0, shifted[0].argmax(axis=1), labels, ledger)
    measure(ENSEMBLE + SHIFTS, seeds, np.mean(shifted, axis=0).argmax(axis=1), labels, ledger)
    models = {"the paper's baseline": baseline, NETWORK: networks[0]}
    rows = []
    for corruption, (corrupt, severities) in CORRUPTIONS.items():
        for severity in severities:
            corrupted = corrupt(images, severity)
            for name, model in models.items():
                what = f"{name}, {corruption}: {severity}"
                accuracy = measure(what, 0, model.predict(corrupted), labels, ledger)
                rows.append((corruption, severity, name, accuracy))
    columns = ["corruption", "severity", "model", "accuracy"]
    write_csv(pd.DataFrame(rows, columns=columns), folder / "robustness.csv")


def ensemble_accuracy(ledger: pd.DataFrame) -> float:
    """Return the accuracy of the ensemble of the most networks that was measured, a fraction."""
    return float(ledger[ledger.what == ENSEMBLE].accuracy.iloc[-1])


def load_robustness(folder: Path = FOLDER) -> pd.DataFrame:
    """Return corruption, severity, model and accuracy, as :func:`measure_final` wrote them."""
    return pd.read_csv(folder / "robustness.csv")


def check(data: Dataset, folder: Path = FOLDER, ledger: Path = LEDGER) -> None:
    """Print whether all networks are there; on KMNIST, compare their accuracies with the ledger.

    Raises
    ------
    ValueError
        If an accuracy is not the one in the ledger.
    """
    networks = load_ensemble(folder)
    print(f"{len(networks)} x {networks[0]}")
    if data.is_stand_in:
        return  # the ledger is KMNIST's
    lines = load_ledger(ledger)
    recorded = lines[lines.what == NETWORK].set_index("seed").accuracy
    for seed, network in enumerate(networks):
        found = float((network.predict(data.test_images) == data.test_labels).mean())
        if abs(found - recorded[str(seed)]) > TOLERANCE:
            raise ValueError(
                f"the accuracy of seed {seed} is {found:.2%}; the ledger has "
                f"{recorded[str(seed)]:.2%}"
            )
