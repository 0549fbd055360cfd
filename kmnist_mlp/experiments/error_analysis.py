"""Error analysis on the test images: confusion matrices and the most confident errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kmnist_mlp.data import Dataset
from kmnist_mlp.results import TrainingResult

CONFIDENT = 0.9  # from this probability on, a prediction counts as confident


class ConfidentErrors(NamedTuple):
    """Test images that a network classifies wrongly, the most confident first.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, height, width)
    labels, predictions : ndarray of int, shape (n,)
        True and predicted classes.
    confidences : ndarray, shape (n,)
        Probabilities of the predicted classes.
    """

    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    confidences: np.ndarray


@dataclass(frozen=True, eq=False)
class ErrorAnalysis:
    """Predictions of networks of several seeds for the test images.

    Attributes
    ----------
    matrices : list of ndarray, shape (classes, classes)
        Confusion matrix of each seed.
    most_confident : ConfidentErrors
        Of the first seed.
    confident_share : float
        Share of the first seed's errors with a probability above 0.9, in per cent.
    """

    matrices: list[np.ndarray]
    most_confident: ConfidentErrors
    confident_share: float

    @property
    def recall(self) -> np.ndarray:
        """Share of each class that is recognised, in per cent, mean over seeds: (classes,).

        NaN for a class without test images.
        """
        return 100 * np.mean([recall(matrix) for matrix in self.matrices], axis=0)


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count images by true class (row) and predicted class (column).

    Parameters
    ----------
    labels, predictions : ndarray of int, shape (n,)
    classes : int

    Returns
    -------
    ndarray of int, shape (classes, classes)

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), classes=3)
    array([[1, 1, 0],
           [0, 1, 0],
           [1, 0, 0]])
    """
    pairs = labels.astype(np.int64) * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def recall(matrix: np.ndarray) -> np.ndarray:
    """Return the share of each class (row) that is recognised; NaN for a class without images.

    Parameters
    ----------
    matrix : ndarray, shape (classes, classes)
        A confusion matrix. Of its transpose, this is the precision.

    Examples
    --------
    >>> recall(np.array([[3, 1], [0, 0]]))
    array([0.75,  nan])
    """
    images = matrix.sum(axis=1)
    return np.where(images > 0, np.diag(matrix) / np.maximum(images, 1), np.nan)


def most_confident_errors(
    probabilities: np.ndarray, data: Dataset, count: int = 24
) -> ConfidentErrors:
    """Return the errors to which a network gives the highest probabilities.

    Parameters
    ----------
    probabilities : ndarray, shape (test images, classes)
        Of all test images of ``data``, in their order.
    data : Dataset
    count : int
        Number of errors, if there are as many.
    """
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != data.test_labels)
    rows = wrong[np.argsort(-confidences[wrong], kind="stable")][:count]
    arrays = data.test_images, data.test_labels, predictions, confidences
    return ConfidentErrors(*(array[rows] for array in arrays))


def analyse_errors(runs: Iterable[TrainingResult], data: Dataset, count: int = 24) -> ErrorAnalysis:
    """Let the network of each run classify the test images, and analyse the errors.

    Parameters
    ----------
    runs : iterable of TrainingResult
        One per seed, at least one.
    data : Dataset
    count : int
        Number of most confident errors.
    """
    probabilities = [run.model.predict_proba(data.test_images) for run in runs]
    matrices = [
        confusion_matrix(data.test_labels, p.argmax(axis=1), len(data.class_names))
        for p in probabilities
    ]
    errors = most_confident_errors(probabilities[0], data, len(data.test_labels))
    share = float(100 * (errors.confidences > CONFIDENT).sum() / max(len(errors.labels), 1))
    first = ConfidentErrors(*(array[:count] for array in errors))
    return ErrorAnalysis(matrices, first, share)
