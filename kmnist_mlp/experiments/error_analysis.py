"""What models get wrong on the test images: confusion, per class, and the surest mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.training import TrainingResult


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Answers of several seeds' models to the test images.

    Attributes
    ----------
    matrices : list of ndarray, shape (classes, classes)
        Confusion matrix of each seed: rows the right class, columns the predicted one.
    gallery : tuple of ndarray
        Images, right classes, predicted classes and their probabilities: the surest mistakes of the
        first seed.
    sure_share : float
        Per cent of the first seed's mistakes that were made with a probability above 0.9.
    """

    matrices: list[np.ndarray]
    gallery: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    sure_share: float

    @property
    def recall(self) -> np.ndarray:
        """Per cent of each class that is recognised, mean over seeds, shape (classes,)."""
        return np.mean([np.diag(m) / m.sum(axis=1) for m in self.matrices], axis=0) * 100


def confusion_matrix(right: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts, shape (classes, classes): row the right class, column the predicted one.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), classes=3)
    array([[1, 1, 0],
           [0, 1, 0],
           [1, 0, 0]])
    """
    pairs = right.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def test_probabilities(run: TrainingResult, data: Dataset) -> np.ndarray:
    """Return a trained model's class probabilities of all test images, shape (n, classes)."""
    images = split_and_standardise(data, run.config.seed).test
    return np.concatenate(
        [run.model.predict_proba(images[i : i + 1000]) for i in range(0, len(images), 1000)]
    )


def inspect(runs: list[TrainingResult], data: Dataset, count: int = 24) -> Mistakes:
    """Let each run's model read the test images, and sort its mistakes."""
    labels = data.test_labels
    probabilities = [test_probabilities(run, data) for run in runs]
    matrices = [
        confusion_matrix(labels, p.argmax(axis=1), len(data.class_names)) for p in probabilities
    ]
    answers, sure = probabilities[0].argmax(axis=1), probabilities[0].max(axis=1)
    wrong = np.flatnonzero(answers != labels)
    surest = wrong[np.argsort(-sure[wrong], kind="stable")][:count]
    return Mistakes(
        matrices,
        (data.test_images[surest], labels[surest], answers[surest], sure[surest]),
        float((sure[wrong] > 0.9).mean() * 100) if len(wrong) else 0.0,
    )
