"""What images are trained to be: label smoothing, and mixtures of two images (mixup)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.support.memory import Buffers


def smooth(targets: np.ndarray, share: float) -> None:
    """Spread a share of each label over all classes, in place: ``(1 - share) * t + share / K``.

    Parameters
    ----------
    targets : ndarray, shape (classes, classes)
        The target of each class, a row each: see :class:`~kmnist_mlp.support.memory.Buffers`.
    share : float
        Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """
    targets *= 1 - share
    targets += share / len(targets)


class Mixup:
    """Mixes each image of a mini-batch, and its target, with another one of the same mini-batch.

    ``x <- k * x + (1 - k) * x'`` and ``t <- k * t + (1 - k) * t'``, with ``k`` from the
    distribution Beta(mixup, mixup), drawn for each image.
    (Source: Zhang et al. 2018, arXiv:1710.09412, section 2.)

    Parameters
    ----------
    config : Config
    targets : ndarray, shape (classes, classes)
        The target of each class, a row each.
    """

    def __init__(self, config: Config, targets: np.ndarray) -> None:
        self.alpha, self.targets = config.mixup, targets
        self.rng = generator(config.seed, Stream.MIXUP)

    def __call__(self, x: np.ndarray, y: np.ndarray, buffers: Buffers) -> np.ndarray:
        """Mix x, (batch, inputs), in place, write a target for each row, and return its number.

        Parameters
        ----------
        x : ndarray, shape (batch, inputs)
        y : ndarray of int, shape (batch,)
        buffers : Buffers
            Its ``targets`` become those of the mixed images, (batch, classes).
        """
        other = self.rng.permutation(len(x))
        share = self.rng.beta(self.alpha, self.alpha, (len(x), 1)).astype(x.dtype)
        targets = self.targets[y]
        for own in (x, targets):
            difference = own[other]
            difference -= own
            difference *= 1 - share
            own += difference
        buffers.targets = targets
        return np.arange(len(x))

    def state(self) -> dict[str, Any]:
        """Return the state of the generator."""
        return {"mixtures": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        self.rng.bit_generator.state = state["mixtures"]
