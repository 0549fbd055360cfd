"""How far answers can be trusted: calibration, and what shifts, rotations and noise do to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pandas as pd

from kmnist_mlp.extensions.augmentation import CHUNK, Distortion

Answer = Callable[[np.ndarray], np.ndarray]  # images of uint8 -> probabilities


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """Return for each range of confidence how often the answer is right.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
    labels : ndarray of int, shape (n,)
    bins : int
        Ranges of equal width, from 0 to 1.

    Returns
    -------
    DataFrame
        A row per range that holds an answer: from, to, images, confidence (mean probability of
        the answer), accuracy.
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = [
        (i / bins, (i + 1) / bins, int(own.sum()), confidence[own].mean(), right[own].mean())
        for i in range(bins)
        if (own := place == i).any()
    ]
    return pd.DataFrame(rows, columns=["from", "to", "images", "confidence", "accuracy"])


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean distance of confidence and accuracy, weighted by images, of a calibration.

    Source: Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning", AAAI, section "Calibration Measures".
    """
    share = table.images / table.images.sum()
    return float((share * (table.confidence - table.accuracy).abs()).sum())


def shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return images (n, height, width) moved by whole pixels; what comes in is empty."""
    out, (height, width) = np.zeros_like(images), images.shape[1:]
    out[:, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = images[
        :, max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
    ]
    return out


def over_shifts(answer: Answer, images: np.ndarray) -> np.ndarray:
    """Return the mean of the probabilities of an image and its eight shifts by one pixel."""
    steps = list(product((-1, 0, 1), repeat=2))
    return sum(answer(shifted(images, *step)) for step in steps) / len(steps)


def turned(images: np.ndarray, degrees: float) -> np.ndarray:
    """Return images (n, height, width) turned counter-clockwise about their centre."""
    n, shape = len(images), images.shape[1:]
    distortion = Distortion(shape, 0, 0)
    still = np.zeros((2, CHUNK))
    fields = distortion.coefficients(
        np.full(CHUNK, np.radians(degrees)), still, still[0], still, np.zeros((2, CHUNK, 1))
    )
    out = np.empty((n, images[0].size), np.float32)
    for start in range(0, n, CHUNK):
        part = images[start : start + CHUNK].reshape(-1, images[0].size)
        distortion.sample(part, fields[:, : len(part)], out[start : start + CHUNK])
    return np.rint(out).astype(np.uint8).reshape(images.shape)


def noisy(images: np.ndarray, level: float, seed: int = 0) -> np.ndarray:
    """Return images with normal noise of that standard deviation, in grey levels of 255."""
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.clip(np.rint(images + level * noise), 0, 255).astype(np.uint8)


DAMAGES = {
    "shift to the right, pixels": (
        (-4, -3, -2, -1, 0, 1, 2, 3, 4),
        lambda x, by: shifted(x, 0, by),
    ),
    "rotation, degrees": ((-40, -30, -20, -10, 0, 10, 20, 30, 40), turned),
    "noise, grey levels of 255": ((0, 20, 40, 60, 80, 100), noisy),
}


def robustness(models: dict[str, Answer], images: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return accuracy by kind and degree of damage to the images.

    Parameters
    ----------
    models : dict of str to callable
        Each gives probabilities (n, classes) for images of uint8.
    images : ndarray of uint8, shape (n, height, width)
    labels : ndarray of int, shape (n,)

    Returns
    -------
    DataFrame
        Columns damage, degree, model, accuracy (a fraction).
    """
    rows = []
    for damage, (degrees, apply) in DAMAGES.items():
        for degree in degrees:
            damaged = apply(images, degree)
            for name, answer in models.items():
                accuracy = (answer(damaged).argmax(axis=1) == labels).mean()
                rows.append((damage, degree, name, float(accuracy)))
    return pd.DataFrame(rows, columns=["damage", "degree", "model", "accuracy"])


def mean_of(answers: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean of several members' probabilities: the committee's."""
    return np.mean(list(answers), axis=0)
