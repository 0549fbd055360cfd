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

    Source: Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", AAAI, section "Calibration Measures".
    """
    share = table.images / table.images.sum()
    return float((share * (table.confidence - table.accuracy).abs()).sum())
