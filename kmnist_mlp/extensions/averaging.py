"""A running mean of the weights, which is used in place of the weights of the last mini-batch."""

from __future__ import annotations

from typing import Any

import numpy as np


class WeightAverage:
    """Exponential moving average of arrays: ``m <- decay * m + (1 - decay) * w`` after each step.

    (Source: Tarvainen and Valpola 2017, arXiv:1703.01780, eq. 3. Plain averages of weights go back
    to Polyak and Juditsky 1992, doi:10.1137/0330046.)

    Parameters
    ----------
    decay : float
        Per mini-batch.
    arrays : list of ndarray
        Weights, and what belongs to them; training changes them in place.
    """

    def __init__(self, decay: float, arrays: list[np.ndarray]) -> None:
        self.decay, self.arrays = decay, arrays
        self.means = [array.copy() for array in arrays]
        self.scratch = [np.empty_like(array) for array in arrays]

    def step(self) -> None:
        """Take the present values into the means."""
        for mean, array, scratch in zip(self.means, self.arrays, self.scratch, strict=True):
            np.subtract(array, mean, out=scratch)
            scratch *= 1 - self.decay
            mean += scratch

    def exchange(self) -> None:
        """Exchange values and means; a second call takes it back."""
        for mean, array, scratch in zip(self.means, self.arrays, self.scratch, strict=True):
            scratch[...], array[...] = array, mean
            mean[...] = scratch

    def state(self) -> dict[str, Any]:
        """Return copies of the means."""
        return {f"mean {i}": mean.copy() for i, mean in enumerate(self.means)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        for i, mean in enumerate(self.means):
            mean[...] = state[f"mean {i}"]
