"""Other classifiers on KMNIST: quoted with their source, and k-NN measured here.

Source of ``published/other_classifiers.csv``: the table of results in the README of
https://github.com/rois-codh/kmnist. The multilayer perceptron is the one of the highest accuracy
that we found, https://github.com/Ying-Kai-Liao/kmnist-fc-classifier; its epoch was chosen on test.
Of those marked as ``old_version`` the table says that they were obtained with the data as they were
before February 2019, which gave slightly lower accuracies. ``make measure`` measures k-NN again.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import PUBLISHED
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv

FILE = Path(__file__).with_name("reference_results") / "other_classifiers.csv"


def quoted() -> pd.DataFrame:
    """Return model, test_accuracy_percent, old_version and source (an address).

    Examples
    --------
    >>> quoted().test_accuracy_percent.max()
    np.float64(99.34)
    """
    return pd.read_csv(PUBLISHED / "other_classifiers.csv")


def measured() -> pd.DataFrame:
    """Return model and test_accuracy_percent of what was measured here, on KMNIST."""
    return pd.read_csv(FILE)


def nearest_neighbour_accuracy(data: Dataset, k: int = 4) -> float:
    """Return the share of test images whose k nearest training images vote for the right class.

    A vote weighs one over the Euclidean distance of the pixels, as in the data set's own benchmark.
    scikit-learn must be installed; 10,000 test images take a quarter of a minute on two cores.
    """
    from sklearn.neighbors import KNeighborsClassifier  # not needed for anything else

    train, test = (
        images.reshape(len(images), -1).astype("float32")
        for images in (data.train_images, data.test_images)
    )
    model = KNeighborsClassifier(k, weights="distance", algorithm="brute", n_jobs=-1)
    return float(model.fit(train, data.train_labels).score(test, data.test_labels))


def measure(data: Dataset) -> None:
    """Measure 4 nearest neighbours on KMNIST, and write their accuracy (a minute)."""
    accuracy = 100 * nearest_neighbour_accuracy(data)
    rows = [{"model": "4 nearest neighbours", "test_accuracy_percent": accuracy}]
    write_csv(pd.DataFrame(rows), FILE)
    tell(f"{FILE}: {accuracy:.2f} %")
