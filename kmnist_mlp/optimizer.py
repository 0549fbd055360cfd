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
        Its parameters are changed by :meth:`step`.
    config : Config
        Gives learning rate, momentum and penalties.

    Attributes
    ----------
    scale : float
        ``rate * (1 - gamma)``: what :meth:`step` wants the gradient multiplied by.
    """

    def __init__(self, model: MLP, config: Config) -> None:
        self.gamma = config.momentum_gamma if config.momentum else 0.0
        self.scale = config.learning_rate * (1 - self.gamma)
        self.L1, self.L2 = config.L1_penalty, config.L2_penalty
        self.parameters = model.parameters
        self.weights = model.parameters[: sum(array.size for array in model.weights)]
        self.velocity = np.zeros_like(self.parameters)  # multiplied by the learning rate
        self.scratch = np.empty_like(self.weights)

    def step(self, scaled_gradient: np.ndarray) -> None:
        """Take one step.

        ``rate * v <- gamma * (rate * v) + rate * (1 - gamma) * g`` and ``w <- w - rate * v``: with
        the learning rate inside, each line is a single pass over the memory.

        Parameters
        ----------
        scaled_gradient : ndarray, shape (number of parameters,)
            :attr:`scale` times the gradient of the summed cross-entropy, without penalty.
        """
        velocity = self.velocity
        velocity *= self.gamma
        velocity += scaled_gradient
        add_penalty_gradient(
            velocity[: self.weights.size],
            self.weights,
            self.scale * self.L1,
            self.scale * self.L2,
            self.scratch,
        )
        self.parameters -= velocity
