"""Standardised pixels: their statistics, and images that are standardised when they are needed.

All 60,000 images as float32 would take 188 MB and be read from memory once an epoch; as uint8 they
take 47 MB. A mini-batch is standardised when it is trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 256  # images that are standardised at once: they stay in the processor's cache


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


def by_own_statistics(x: np.ndarray) -> np.ndarray:
    """Standardise each row of ``x``, (images, pixels), by its own mean and deviation, in place.

    Examples
    --------
    >>> by_own_statistics(np.array([[0.0, 2.0], [7.0, 7.0]]))  # a blank image becomes zeros
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    x -= x.mean(axis=1, keepdims=True)
    std = np.sqrt(np.square(x).mean(axis=1, keepdims=True))
    x /= np.where(std == 0, 1, std)
    return x


def standardise(images: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return ``(images - mean) / std``, computed as :class:`StandardisedImages` does.

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
    if not mean.size:
        return by_own_statistics(images.astype(mean.dtype))
    return images * (1 / std) - mean / std


class StandardisedImages:
    """Some rows of a uint8 image array as standardised numbers, made only when asked for.

    Shape (n, pixels); a slice of it is an ordinary float array.

    Parameters
    ----------
    images : ndarray of uint8, shape (all images, pixels)
    rows : ndarray of int, shape (n,)
        Which images, in which order.
    mean, std : ndarray, shape (pixels,), or (0,)
        In the type of number that is wanted, float32 or float64. Without any, each image is
        standardised by its own mean and standard deviation.

    Examples
    --------
    >>> images = np.array([[0, 10], [4, 10]], np.uint8)  # two images of two pixels
    >>> mean, std = pixel_statistics(images, np.arange(2))
    >>> StandardisedImages(images, np.array([1, 0, 0]), mean, std)[:2]
    array([[ 1.,  0.],
           [-1.,  0.]])
    """

    def __init__(
        self, images: np.ndarray, rows: np.ndarray, mean: np.ndarray, std: np.ndarray
    ) -> None:
        self.images, self.rows, self.mean, self.std = images, rows, mean, std
        self.shape = (len(rows), images.shape[1])
        # (pixel - mean) / std is computed as pixel * scale - shift. NumPy is twice as fast on two
        # arrays of one shape as on an array and a row, so the rows are repeated for a block.
        self.scale = np.tile(1 / std, (BLOCK, 1))
        self.shift = np.tile(mean / std, (BLOCK, 1))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        """Return standardised images, shape (of the slice, pixels)."""
        rows = self.rows[part]
        return self.write(rows, np.empty((len(rows), self.shape[1]), self.mean.dtype))

    def write(
        self,
        rows: np.ndarray,
        out: np.ndarray,
        distort: Callable[[np.ndarray, np.ndarray], Any] = np.copyto,
    ) -> np.ndarray:
        """Write the images numbered ``rows`` (of all images) into ``out``, and return it.

        ``distort(out, pixels)`` turns pixels of uint8 into numbers from 0 to 255.
        """
        for start in range(0, len(rows), BLOCK):
            pixels = self.images.take(rows[start : start + BLOCK], axis=0)
            block = out[start : start + BLOCK]
            distort(block, pixels)
            if not self.mean.size:
                by_own_statistics(block)
                continue
            block *= self.scale[: len(block)]
            block -= self.shift[: len(block)]
        return out
