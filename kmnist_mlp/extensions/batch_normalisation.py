"""Batch normalisation of the hidden layers' weighted inputs, while a network trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP
from kmnist_mlp.optimizer import SGD

EPSILON = 1e-5  # added to a variance before its root is taken
MEMORY = 0.95  # share of the running mean and variance that a mini-batch leaves


class BatchNormalisation:
    """Replaces the weighted inputs z of hidden units by ``gain * (z - m) / sqrt(v + epsilon)``.

    m and v are mean and variance of z over the mini-batch. The bias that follows takes the place
    of the usual shift. When training ends, running means and variances take the place of m and v:
    a fixed scale and shift of each unit, which :meth:`folded` puts into weights and biases.
    (Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.)

    Parameters
    ----------
    config : Config
    model : MLP
    batch : int
        Images per mini-batch at most.

    Attributes
    ----------
    gains : list of ndarray, shapes (units,)
        Of each hidden layer; all in the memory of ``parameters``, and trained like the biases.
    means, variances : list of ndarray, shapes (units,)
        Running mean and variance of z of each hidden layer; all in the memory of ``running``.
    """

    def __init__(self, config: Config, model: MLP, batch: int) -> None:
        units = model.layer_specs[1:-1]
        ends = np.cumsum(units)[:-1]
        self.parameters = np.ones(sum(units), model.dtype)
        self.gradient = np.zeros_like(self.parameters)
        self.running = np.zeros((2, sum(units)), model.dtype)
        self.running[1] = 1
        self.gains, self.gradients, self.means, self.variances = (
            np.split(row, ends) if units else []
            for row in (self.parameters, self.gradient, *self.running)
        )
        self.averaged = [self.parameters, self.running]  # if the weights are averaged
        self.weights: list[np.ndarray] = []
        self.optimizer = SGD(self, config.replace(L1_penalty=0, L2_penalty=0))  # not of gains
        self.normalised = [np.empty((batch, n), model.dtype) for n in units]
        self.inverse_deviations = [np.empty(n, model.dtype) for n in units]

    def forward(self, layer: int, z: np.ndarray) -> np.ndarray:
        """Normalise z, shape (batch, units), in place, and update the running statistics."""
        kept, inverse = self.normalised[layer][: len(z)], self.inverse_deviations[layer]
        mean = z.mean(axis=0)
        np.subtract(z, mean, out=kept)
        variance = np.einsum("ij,ij->j", kept, kept) / len(z)
        np.divide(1, np.sqrt(variance + EPSILON), out=inverse)
        kept *= inverse
        for running, new in ((self.means, mean), (self.variances, variance)):
            running[layer] += (1 - MEMORY) * (new - running[layer])
        return np.multiply(kept, self.gains[layer], out=z)

    def backward(self, layer: int, delta: np.ndarray) -> None:
        """Turn the gradient with respect to what :meth:`forward` gave into that of z, in place.

        With n images and normalised inputs z', ``delta <- gain / deviation *
        (delta - sum(delta) / n - z' * sum(delta * z') / n)``; the last sum is the gain's gradient.
        """
        n, kept, gradient = len(delta), self.normalised[layer][: len(delta)], self.gradients[layer]
        np.einsum("ij,ij->j", delta, kept, out=gradient)
        delta -= delta.sum(axis=0) / n
        delta -= kept * (gradient / n)
        delta *= self.gains[layer] * self.inverse_deviations[layer]

    def step(self, epochs_done: float) -> None:
        """Update the gains with their last gradient."""
        self.optimizer.step(self.gradient, epochs_done)

    def folded(self, model: MLP) -> MLP:
        """Return a plain network: ``W * k``, ``b - m * k`` for ``k = gain / sqrt(v + epsilon)``."""
        plain = model.copy()
        for layer, gain in enumerate(self.gains):
            scale = gain / np.sqrt(self.variances[layer] + EPSILON)
            plain.weights[layer] *= scale
            plain.biases[layer] -= self.means[layer] * scale
        return plain

    def state(self) -> dict[str, Any]:
        """Return copies of the gains, their velocity, and the running statistics."""
        own = {"gains": self.parameters, "velocity": self.optimizer.velocity}
        return {name: array.copy() for name, array in {**own, "running": self.running}.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        self.parameters[...] = state["gains"]
        self.optimizer.velocity[...] = state["velocity"]
        self.running[...] = state["running"]
