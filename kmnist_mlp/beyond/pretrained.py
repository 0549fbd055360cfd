"""The results that ship with the project, in ``best/``: measured on KMNIST by ``make beyond``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import load_arrays

if TYPE_CHECKING:
    import pandas as pd

    from kmnist_mlp.data import Dataset

FOLDER = Path(__file__).parent / "best"
TOLERANCE = 0.001  # of an accuracy: weights and probabilities in float16 change a few predictions


def load_best(folder: Path = FOLDER) -> MLP:
    """Return the best network of the ablation (97.8 % of KMNIST's test images).

    Returns
    -------
    MLP
        It carries its standardisation and takes uint8 images, shape (n, 28, 28) or (28, 28).

    Examples
    --------
    >>> model = load_best()
    >>> model
    MLP(784-1024-1024-10, ReLU, 1,863,690 parameters, float32)
    >>> model.predict(np.zeros((5, 28, 28), np.uint8)).shape
    (5,)
    """
    return MLP.load(folder / "weights.npz")


def load_runs(folder: Path = FOLDER) -> pd.DataFrame:
    """Return one row per run of :func:`~kmnist_mlp.beyond.ablation.planned_runs`.

    Columns: name, seed, parameters, epochs, seconds, and loss and accuracy (a fraction) on
    training, validation and test images. Validation values of a run without validation images
    are missing.
    """
    import pandas as pd  # only here: load_best needs NumPy alone

    return pd.read_csv(folder / "runs.csv")


def load_histories(folder: Path = FOLDER) -> pd.DataFrame:
    """Return one row per run and epoch: name, seed, epoch, training and validation curves."""
    import pandas as pd  # only here: load_best needs NumPy alone

    return pd.read_csv(folder / "histories.csv")


def load_ensemble(folder: Path = FOLDER) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return what the members of the ensemble predict for KMNIST's test images.

    The best network is a member, too, but it is not among these: its weights ship.

    Returns
    -------
    titles : list of str
    probabilities : ndarray of float32, shape (members, images, classes)
    over_shifts : ndarray of float32, shape (members, images, classes)
        Probabilities averaged over nine shifted copies of each image.
    """
    header, arrays = load_arrays(folder / "ensemble.npz")
    plain, over_shifts = (
        arrays[key].astype(np.float32) for key in ("probabilities", "over_shifts")
    )
    return header["members"], plain, over_shifts


def check(data: Dataset, folder: Path = FOLDER) -> None:
    """Print whether the shipped files agree, and compare accuracies on KMNIST with the record.

    Raises
    ------
    ValueError
        If the accuracy of the network or of an ensemble member differs from the recorded one by
        more than :data:`TOLERANCE`.
    """
    from kmnist_mlp.beyond.ablation import ENSEMBLE  # only here: it needs the experiments

    runs, best = load_runs(folder), load_best(folder)
    titles, probabilities, _ = load_ensemble(folder)
    own, members = runs[runs.name == "best"].iloc[0], runs[runs.name.isin(list(ENSEMBLE))]
    agree = best.parameters.size == own.parameters and len(members) == len(titles)
    print(f"{best} and {len(titles)} more in the ensemble: {'as recorded' if agree else 'MOVED'}")
    if data.is_stand_in:
        return  # the record is KMNIST's
    recorded = [own.test_accuracy, *members.test_accuracy]
    predicted = [best.predict(data.test_images), *probabilities.argmax(axis=2)]
    for title, accuracy, classes in zip(["best", *titles], recorded, predicted, strict=True):
        found = (classes == data.test_labels).mean()
        if abs(found - accuracy) > TOLERANCE:
            raise ValueError(
                f"the accuracy of {title!r} is {found:.2%}; recorded is {accuracy:.2%}"
            )
