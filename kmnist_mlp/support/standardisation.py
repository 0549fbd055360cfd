"""Standardised pixels, and the statistics that they are standardised with."""

from __future__ import annotations

import numpy as np


def pixel_statistics(
    images: np.ndarray, rows: np.ndarray, standardisation: str = "pixel"
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the pixels over some images.

    Parameters
    ----------
    images : ndarray of uint8, shape (all images, pixels)
    rows : ndarray of int
        Which images count.
    standardisation : str
        "pixel": of each pixel by itself. "global": of all pixels together, repeated for each.
        "image": none, as each image will be standardised by its own. "scale": 0 and 255, so that
        pixels lie between 0 and 1. "none": 0 and 1, so that they stay what they are.

    Returns
    -------
    mean, std : ndarray of float64, shape (pixels,), or (0,) for "image"
        A standard deviation of 0 is replaced by 1.
    """
    if standardisation == "image":
        return np.empty(0), np.empty(0)
    if standardisation in ("scale", "none"):
        divisor = 255.0 if standardisation == "scale" else 1.0
        return np.zeros(images.shape[1]), np.full(images.shape[1], divisor)
    sums, squares = np.zeros((2, images.shape[1]))
    for start in range(0, len(rows), 2000):  # the sums are exact: whole numbers below 2**53
        chunk = images[rows[start : start + 2000]].astype(np.float64)
        sums += chunk.sum(axis=0)
        squares += np.square(chunk, out=chunk).sum(axis=0)
    if standardisation == "global":
        sums, squares = (np.full_like(total, total.mean()) for total in (sums, squares))
    n = len(rows)
    std = np.sqrt(n * squares - sums**2) / n
    return sums / n, np.where(std == 0, 1.0, std)


def standardise(images: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return ``(images - mean) / std``, in the type of ``mean``.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, pixels)
    mean, std : ndarray of float, shape (pixels,), or (0,) for each image's own

    Examples
    --------
    >>> standardise(np.array([[0, 10], [4, 10]], np.uint8), np.array([2, 10.0]), np.array([2, 1.0]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    return standardise_in_place(images.astype(mean.dtype), mean, std)


def standardise_in_place(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Turn floats from 0 to 255, (n, pixels), into ``(x - mean) / std``, and return them.

    Examples
    --------
    Each image by its own mean and deviation; a blank one becomes zeros:

    >>> standardise_in_place(np.array([[0.0, 2.0], [7.0, 7.0]]), np.empty(0), np.empty(0))
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    if not mean.size:
        mean = x.mean(axis=1, keepdims=True)
        std = np.sqrt(np.square(x - mean).mean(axis=1, keepdims=True))
        std[std == 0] = 1
    x -= mean
    x /= std
    return x
