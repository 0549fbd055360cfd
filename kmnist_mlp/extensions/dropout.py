"""Dropout of hidden units, while a network trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.network import MLP


class Dropout:
    """Multiplies the outputs of hidden units by a mask that is drawn for each image.

    The mask is 0 with probability ``config.dropout``, else ``1 / (1 - dropout)``, so that the
    mean of an output stays what it is. (Source: Srivastava et al. 2014, JMLR 15:1929, section 10.)

    Parameters
    ----------
    config : Config
    model : MLP
    batch : int
        Images per mini-batch at most.
    """

    def __init__(self, config: Config, model: MLP, batch: int) -> None:
        self.probability = config.dropout
        self.rng = generator(config.seed, Stream.DROPOUT)
        units = model.layer_specs[1:-1]
        self.masks = [np.empty((batch, n), model.dtype) for n in units]
        self.outputs = [np.empty((batch, n), model.dtype) for n in units]

    def forward(self, layer: int, a: np.ndarray) -> np.ndarray:
        """Draw a mask for a, shape (batch, units), and return the product; a stays as it is."""
        mask, out = self.masks[layer][: len(a)], self.outputs[layer][: len(a)]
        self.rng.random(dtype=a.dtype, out=out)
        np.greater_equal(out, self.probability, out=mask)
        mask *= 1 / (1 - self.probability)
        return np.multiply(a, mask, out=out)

    def backward(self, layer: int, delta: np.ndarray) -> None:
        """Multiply the gradient with respect to the product by the mask, in place."""
        delta *= self.masks[layer][: len(delta)]

    def state(self) -> dict[str, Any]:
        """Return the state of the generator."""
        return {"masks": self.rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        self.rng.bit_generator.state = state["masks"]
