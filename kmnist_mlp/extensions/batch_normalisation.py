"""Batch normalisation of the hidden layers' weighted inputs, while a network trains."""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from kmnist_mlp.extensions.method import Method
from kmnist_mlp.network import MLP
from kmnist_mlp.optimizer import momentum_step

EPSILON = 1e-5  # added to a variance before its root is taken
MEMORY = 0.95  # share of the running mean and variance that a mini-batch leaves


class BatchNormalisation(Method):
    """Replaces the weighted inputs z of hidden units by ``gain * (z - m) / sqrt(v + epsilon)``.

    m and v are mean and variance of z over the mini-batch. The bias that
    follows takes the place of the usual shift. When training ends,
    running means and variances take the place of m and v: a fixed scale
    and shift of each unit, which :meth:`folded` puts into weights and
    biases. (Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithms
    1 and 2.)

    Attributes
    ----------
    values : ndarray, shape (3, hidden units)
        Gains (trained like biases), running means and running
        variances of z.
    gains, means, variances : list of ndarray, shapes (units,)
        The same by layers.
    """

    option = "batch_normalisation"
    fewest = 3  # one normalised value is 0, and two are -1 and 1, whatever the images

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self.config, units = run.config, run.model.layer_specs[1:-1]
        parts = [slice(*ends) for ends in pairwise([0, *accumulate(units)])]
        self.values = np.zeros((3, sum(units)), run.model.dtype)
        self.values[[0, 2]] = 1
        self.gradient, self.velocity = np.zeros_like(self.values[:2])
        self.gains, self.means, self.variances, self.gradients = (
            [row[part] for part in parts] for row in (*self.values, self.gradient)
        )
        self.changing = {"values": self.values, "velocity": self.velocity}
        self.averaged = [self.values]  # if the weights are averaged
        self.kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # for the backward pass

    def weighted_inputs(self, layer: int, z: np.ndarray) -> None:
        """Normalise z, shape (batch, units), in place, and update the running statistics."""
        mean = z.mean(axis=0)
        normalised = z - mean
        variance = np.einsum("ij,ij->j", normalised, normalised) / len(z)
        inverse_deviation = 1 / np.sqrt(variance + EPSILON)
        normalised *= inverse_deviation
        for running, new in ((self.means, mean), (self.variances, variance)):
            running[layer] += (1 - MEMORY) * (new - running[layer])
        self.kept[layer] = normalised, inverse_deviation
        np.multiply(normalised, self.gains[layer], out=z)

    def weighted_inputs_backward(self, layer: int, delta: np.ndarray) -> None:
        """Turn the gradient with respect to the normalised inputs into that of z, in place.

        With n images and normalised inputs z',
        ``delta <- gain / deviation * (delta - sum(delta) / n - z' * sum(delta * z') / n)``;
        the last sum is the gain's gradient.
        """
        (normalised, inverse_deviation), gradient = self.kept[layer], self.gradients[layer]
        np.einsum("ij,ij->j", delta, normalised, out=gradient)
        delta -= delta.sum(axis=0) / len(delta)
        delta -= normalised * (gradient / len(delta))
        delta *= self.gains[layer] * inverse_deviation

    def batch(self, epochs_done: float) -> None:
        """Update the gains with their last gradient."""
        momentum_step(self.values[0], self.velocity, self.gradient, self.config, epochs_done)

    def folded(self, model: MLP) -> MLP:
        """Return a plain network: ``W * k``, ``b - m * k`` for ``k = gain / sqrt(v + epsilon)``."""
        plain = model.copy()
        for layer, gain in enumerate(self.gains):
            scale = gain / np.sqrt(self.variances[layer] + EPSILON)
            plain.weights[layer] *= scale
            plain.biases[layer] -= self.means[layer] * scale
        return plain
