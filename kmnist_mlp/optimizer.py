"""Mini-batch gradient descent with momentum, and the L1 and L2 penalties on the weights."""

from __future__ import annotations

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP


def penalty(weights: list[np.ndarray], L1: float = 0.0, L2: float = 0.0) -> float:
    """Return ``L1 * sum |w| + L2 * sum w**2`` over all weight matrices (never the biases)."""
    return float(sum(L1 * np.abs(w).sum() + L2 * np.square(w).sum() for w in weights))


def add_penalty_gradient(
    gradient: np.ndarray, weights: np.ndarray, L1: float, L2: float, scratch: np.ndarray
) -> None:
    """Add ``L1 * sign(w) + 2 * L2 * w`` to ``gradient``; ``scratch`` is overwritten."""
    if L1:
        gradient += np.multiply(np.sign(weights, out=scratch), L1, out=scratch)
    if L2:
        gradient += np.multiply(weights, 2 * L2, out=scratch)


class SGD:
    """Updates a model's parameters in place, one mini-batch after the other.

    With momentum of unit gain: ``v <- gamma * v + (1 - gamma) * g`` and ``w <- w - rate * v``;
    without: ``w <- w - rate * g``. Here g is the gradient of the summed cross-entropy plus, for
    weights, that of the penalty.

    Parameters
    ----------
    model : MLP
        Its arrays are changed by :meth:`step`.
    config : Config
        Gives learning rate, momentum and penalties.
    """

    def __init__(self, model: MLP, config: Config) -> None:
        self.model, self.config = model, config
        self.velocities = [np.zeros_like(array) for array in model.weights + model.biases]
        self.scratch = [np.empty_like(array) for array in model.weights]

    def step(self, weight_gradients: list[np.ndarray], bias_gradients: list[np.ndarray]) -> None:
        """Take one step; the gradients are overwritten."""
        config = self.config
        for gradient, weights, scratch in zip(
            weight_gradients, self.model.weights, self.scratch, strict=True
        ):
            add_penalty_gradient(gradient, weights, config.L1_penalty, config.L2_penalty, scratch)
        gamma = config.momentum_gamma if config.momentum else 0.0
        for parameters, gradient, velocity in zip(
            self.model.weights + self.model.biases,
            weight_gradients + bias_gradients,
            self.velocities,
            strict=True,
        ):
            # v is kept multiplied by the learning rate, which saves a pass over memory:
            # rate * v <- gamma * (rate * v) + rate * (1 - gamma) * g
            gradient *= config.learning_rate * (1 - gamma)
            velocity *= gamma
            velocity += gradient
            parameters -= velocity
