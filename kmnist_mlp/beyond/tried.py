"""Kinds of augmentation that only trials use; no option of a configuration has them."""

import json
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kmnist_mlp.config import generator
from kmnist_mlp.results import Callback

STREAM = 11  # of random numbers that no Stream of a run uses


def change_strokes(images: np.ndarray, most: float, rng: np.random.Generator) -> None:
    """Make strokes thicker or thinner: a share of a grey dilation, or of an erosion.

    The share is uniformly distributed, from 0 to ``most``; the
    neighbourhood is a pixel and the four beside it.
    """
    windows = sliding_window_view(np.pad(images, ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2))
    cross = windows[..., [0, 1, 1, 1, 2], [1, 0, 1, 2, 1]]
    share = rng.uniform(-most, most, (len(images), 1, 1))
    images += np.abs(share) * (np.where(share > 0, cross.max(-1), cross.min(-1)) - images)


def erase(images: np.ndarray, probability: float, rng: np.random.Generator) -> None:
    """Blank a rectangle, of a seventh to half of the width and height, in some of the images.

    Source: Zhong et al. 2020, arXiv:1708.04896, section 3.2; there, the
    rectangle is filled with noise.
    """
    erased = (rng.random(len(images)) < probability)[:, None, None]
    for axis, size in enumerate(images.shape[1:], start=1):
        length = rng.integers(max(size // 7, 1), size // 2, len(images), endpoint=True)
        first = rng.integers(0, size - length, endpoint=True)
        after = np.arange(size) - first[:, None]
        erased = erased & np.expand_dims((after >= 0) & (after < length[:, None]), 3 - axis)
    images[erased] = 0


def change_contrast(images: np.ndarray, most: float, rng: np.random.Generator) -> None:
    """Raise pixels, as shares of 255, to a power whose logarithm is up to ``most``, + or -."""
    power = np.exp(rng.uniform(-most, most, (len(images), 1, 1)))
    images[...] = 255 * (images / 255) ** power


# each changes images (n, height, width) of floats from 0 to 255 in place
KINDS = {"strokes": change_strokes, "erasing": erase, "contrast": change_contrast}


class Tried(Callback):
    """Changes the images of each mini-batch anew; a callback of :func:`~kmnist_mlp.train`.

    Parameters
    ----------
    kinds : dict of str to float
        Strengths by the names in :data:`KINDS`.
    """

    def __init__(self, kinds: dict[str, float]) -> None:
        self.kinds, self.identity = kinds, json.dumps(kinds, sort_keys=True)

    def start(self, run: Any) -> None:
        """Restart the random numbers, which the seed decides."""
        self.rng = generator(run.config.seed, STREAM)
        self.shape = run.data.train_images.shape[1:]

    def pixels(self, x: np.ndarray) -> None:
        """Change images, (batch, pixels), in place."""
        for kind, strength in self.kinds.items():
            KINDS[kind](x.reshape(-1, *self.shape), strength, self.rng)
