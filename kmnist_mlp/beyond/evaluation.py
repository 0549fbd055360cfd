"""Beyond accuracy: calibration, robustness to corruptions, test-time augmentation."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy import ndimage

from kmnist_mlp.beyond.plan import FINAL
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.network import MLP, cross_entropies, softmax

# ---- calibration -----------------------------------------------------

BINS = 10  # of confidence, of equal width, from 0 to 1


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
        One row per bin that is not empty: from, to, images, confidence
        (mean), accuracy.
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    values = pd.DataFrame({"confidence": confidence, "accuracy": right}).groupby(bins)
    low = np.unique(bins)
    places = {"from": low / BINS, "to": (low + 1) / BINS, "images": values.size()}
    return pd.DataFrame(places).join(values.mean()).reset_index(drop=True)


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return ``sum_b n_b / n * |accuracy_b - confidence_b|`` over the bins of a table.

    Source: Guo, Pleiss, Sun and Weinberger 2017, arXiv:1706.04599, eq. 3.
    """
    share = table.images / table.images.sum()
    return float((share * (table.confidence - table.accuracy).abs()).sum())


def calibrated(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return probabilities with a temperature that the other half of the images decides.

    With temperature T, they are proportional to ``p ** (1 / T)``; the
    predicted class remains. T has the least cross-entropy. That of every
    second image is applied to the others, and theirs to it. Source: Guo,
    Pleiss, Sun and Weinberger 2017, arXiv:1706.04599, section 4.2.

    Parameters
    ----------
    probabilities : ndarray, shape (n, classes)
    labels : ndarray of int, shape (n,)

    Returns
    -------
    calibrated : ndarray, shape (n, classes)
    temperature : float
        Mean of the two.

    Examples
    --------
    >>> too_low, labels = np.full((20, 2), [0.7, 0.3]), np.array([0] * 18 + [1] * 2)
    >>> found, temperature = calibrated(too_low, labels)
    >>> found[0].round(3).tolist(), round(temperature, 3)
    ([0.9, 0.1], 0.386)
    """
    from scipy.optimize import minimize_scalar  # only here, as it loads slowly

    def loss(T: float, logits: np.ndarray, labels: np.ndarray) -> float:
        return cross_entropies(logits / T, labels).mean()

    logits = np.log(np.maximum(probabilities.astype(float), np.finfo(float).tiny))
    found, temperatures = np.empty(logits.shape), []
    for start in (0, 1):
        others = logits[1 - start :: 2], labels[1 - start :: 2]
        T = minimize_scalar(loss, bounds=(0.05, 20), args=others, method="bounded").x
        found[start::2] = softmax(logits[start::2] / T)
        temperatures.append(T)
    return found, float(np.mean(temperatures))


# ---- robustness ------------------------------------------------------

# Accuracy by the severity of a corruption. Source of the method:
# Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness
# to Common Corruptions and Perturbations", ICLR, arXiv:1903.12261.

# images, shape (n, height, width), and degrees, counter-clockwise
rotate = partial(ndimage.rotate, axes=(1, 2), reshape=False, order=1)


def moved(images: np.ndarray, down: float, right: float, degrees: float) -> np.ndarray:
    """Return images of uint8, shape (n, height, width), rotated and shifted; empty pixels are 0."""
    turned = rotate(images, degrees) if degrees else images
    return ndimage.shift(turned, (0, down, right), order=1) if down or right else turned


def add_noise(images: np.ndarray, deviation: float) -> np.ndarray:
    """Return images with normal noise of a standard deviation in grey levels."""
    rng = np.random.default_rng(0)  # the same noise every time
    noise = deviation * rng.standard_normal(images.shape, np.float32)
    return np.rint(images + noise).clip(0, 255).astype(np.uint8)


def distorted(images: np.ndarray) -> np.ndarray:
    """Return images of uint8, shape (n, height, width), distorted as for final networks."""
    pixels = images.reshape(len(images), -1)
    copies = np.empty(pixels.shape, np.float32)
    Distortion(images.shape[1:], FINAL.distortion, 0, FINAL.elastic_cells)(copies, pixels)
    return np.rint(copies).astype(np.uint8).reshape(images.shape)


# function (images, severity) -> images, and the severities measured
CORRUPTIONS = {
    "shift to the right, pixels": (lambda x, pixels: moved(x, 0, pixels, 0), range(-4, 5)),
    "rotation, degrees": (rotate, range(-40, 41, 10)),
    "noise, grey levels of 255": (add_noise, range(0, 101, 20)),
}


# ---- test-time augmentation ------------------------------------------


def grid(pixels: float, reach: int = 1, degrees: float = 0) -> list[tuple[float, float, float]]:
    """Return shifts down and right by multiples of some pixels, and rotations by 0 or ± degrees."""
    steps = [pixels * step for step in range(-reach, reach + 1)]
    turns = [-degrees, 0, degrees] if degrees else [0]
    return [(down, right, turn) for turn in turns for down in steps for right in steps]


# what probabilities are averaged over: shift down and to the right, in
# pixels, and rotation, in degrees
COPIES = {
    "one copy": grid(0, 0),
    "nine shifts by half a pixel": grid(0.5),
    "nine shifts": grid(1),
    "25 shifts": grid(1, 2),
    "three rotations by 4 degrees": grid(0, 0, 4),
    "nine shifts, three rotations": grid(1, 1, 4),
}


def mean_probabilities(
    networks: Sequence[MLP], images: np.ndarray, copies: str = "one copy"
) -> np.ndarray:
    """Return the mean probabilities over networks, and over copies of each image.

    Parameters
    ----------
    networks : sequence of MLP
        Each takes as many forward passes as there are copies.
    images : ndarray of uint8, shape (n, height, width)
    copies : str
        One of :data:`COPIES`.

    Returns
    -------
    ndarray, shape (n, classes)

    Examples
    --------
    >>> from kmnist_mlp.beyond import load_ensemble
    >>> images = np.zeros((2, 28, 28), np.uint8)
    >>> mean_probabilities(load_ensemble(), images, "nine shifts").shape
    (2, 10)
    """
    seen = [moved(images, *copy) for copy in COPIES[copies]]
    each = [network.predict_proba(copy) for network in networks for copy in seen]
    return sum(each) / len(each)
