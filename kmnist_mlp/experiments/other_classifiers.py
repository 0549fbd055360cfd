"""Other classifiers on KMNIST: quoted from the data set's own table, and k-NN measured here.

Source of ``published/other_classifiers.csv``: the table of results in the README of
https://github.com/rois-codh/kmnist. Of those marked as ``old_version`` it says that they were
obtained with the data as they were before February 2019, which gave slightly lower accuracies.
"""

from __future__ import annotations

import pandas as pd

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import PUBLISHED


def quoted() -> pd.DataFrame:
    """Return model, test_accuracy_percent and old_version of the data set's own table.

    Examples
    --------
    >>> quoted().test_accuracy_percent.max()
    np.float64(97.82)
    """
    return pd.read_csv(PUBLISHED / "other_classifiers.csv")


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
