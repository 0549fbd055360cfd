"""Corruptions of images, for accuracy by their severity: robustness.

Source of the method: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations", ICLR, arXiv:1903.12261.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

NOISE_SEED = 0


def shift_right(images: np.ndarray, severity: float) -> np.ndarray:
    """Return images, shape (n, height, width), shifted by pixels to the right; empty ones are 0."""
    return ndimage.shift(images, (0, 0, severity), order=1, cval=0)


def rotate(images: np.ndarray, severity: float) -> np.ndarray:
    """Return images, shape (n, height, width), rotated by degrees, counter-clockwise."""
    return ndimage.rotate(images, severity, axes=(1, 2), reshape=False, order=1, cval=0)


def add_noise(images: np.ndarray, severity: float) -> np.ndarray:
    """Return images with normal noise of a standard deviation in grey levels (0 to 255)."""
    noise = np.random.default_rng(NOISE_SEED).standard_normal(images.shape, np.float32)
    return np.clip(np.rint(images + severity * noise), 0, 255).astype(np.uint8)


# function (images, severity) -> images, and the severities measured
CORRUPTIONS = {
    "shift to the right, pixels": (shift_right, (-4, -3, -2, -1, 0, 1, 2, 3, 4)),
    "rotation, degrees": (rotate, (-40, -30, -20, -10, 0, 10, 20, 30, 40)),
    "noise, grey levels of 255": (add_noise, (0, 20, 40, 60, 80, 100)),
}
