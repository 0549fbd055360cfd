"""Calibration: the probabilities of predictions beside the share of them that is right."""

from __future__ import annotations

import numpy as np
import pandas as pd

BINS = 10  # of equal width, from 0 to 1


def calibration_table(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return confidence and accuracy of the predictions in each bin of confidence.

    The confidence of a prediction is the largest of its probabilities.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
    labels : ndarray of int, shape (n,)

    Returns
    -------
    DataFrame
        One row per bin that is not empty: from, to, images, confidence (mean), accuracy.
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = [
        (i / BINS, (i + 1) / BINS, int(own.sum()), confidence[own].mean(), right[own].mean())
        for i in range(BINS)
        if (own := bins == i).any()
    ]
    return pd.DataFrame(rows, columns=["from", "to", "images", "confidence", "accuracy"])


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return ``sum_b n_b / n * |accuracy_b - confidence_b|`` over the bins of a table.

    Source: Guo, Pleiss, Sun and Weinberger 2017, arXiv:1706.04599, eq. 3.
    """
    share = table.images / table.images.sum()
    return float((share * (table.confidence - table.accuracy).abs()).sum())


def calibration_error_interval(
    probabilities: np.ndarray, labels: np.ndarray, resamples: int = 1000
) -> tuple[float, float]:
    """Return an approximate 95 % interval of the expected calibration error over other images.

    The images are drawn again with replacement; the 2.5 % and 97.5 % quantiles of the errors are
    reflected at the error of the images themselves ("basic" bootstrap), as drawing again adds
    scatter, which raises a mean distance. An end below 0 is 0: near 0, the lower end says little.
    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 5.2.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
    labels : ndarray of int, shape (n,)
    resamples : int
    """
    confidence = probabilities.max(axis=1).astype(float)
    surplus = confidence - (probabilities.argmax(axis=1) == labels)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    sums = np.zeros((len(labels), BINS))
    sums[np.arange(len(labels)), bins] = surplus

    def error(counts: np.ndarray) -> np.ndarray:
        return np.abs(counts @ sums).sum(axis=-1) / len(labels)

    rng = np.random.default_rng(0)
    share = np.full(len(labels), 1 / len(labels))
    drawn = [error(rng.multinomial(len(labels), share)) for _ in range(resamples)]
    own = error(np.ones(len(labels)))
    low, high = 2 * own - np.quantile(drawn, [0.975, 0.025])
    return max(float(low), 0.0), max(float(high), 0.0)
