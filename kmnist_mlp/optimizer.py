"""Mini-batch gradient descent with momentum, and the L1 and L2 penalties on the weights."""

from __future__ import annotations

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP


def penalty(weights: list[np.ndarray], L1: float = 0.0, L2: float = 0.0) -> float:
    """Return ``L1 * sum |w| + L2 * sum w**2`` over all weight matrices (never the biases).

    Examples
    --------
    >>> penalty([np.array([[1.0, -2.0]]), np.array([[3.0], [0.0]])], L1=0.5, L2=0.1)
    4.4
    """
    return float(sum(L1 * np.abs(w).sum() + L2 * np.square(w).sum() for w in weights))


class SGD:
    """Updates a model's parameters in place, one mini-batch after the other.

    With momentum of unit gain: ``v <- gamma * v + (1 - gamma) * g`` and ``w <- w - rate * v``;
    without: ``w <- w - rate * g``. Here g is the gradient of the summed cross-entropy plus, for
    weights, that of the penalty: ``L1 * sign(w) + 2 * L2 * w``. Source of momentum: Polyak 1964,
    doi:10.1016/0041-5553(64)90137-5.

    Large networks wait for memory here, so a step makes as few passes over it as it can. It keeps
    ``rate * v`` as ``decay * u``: to multiply the velocity by gamma then takes one multiplication
    of the number ``decay``, and u only grows by the gradient divided by ``decay``. Before that
    gets too small, u is multiplied by it and ``decay`` starts again at 1.

    Parameters
    ----------
    model : MLP
        Its parameters are changed by :meth:`step`.
    config : Config
        Gives learning rate, momentum and penalties.

    Attributes
    ----------
    scale : float
        ``rate * (1 - gamma) / decay``: what the next :meth:`step` wants the gradient multiplied by.

    Examples
    --------
    Two steps beside the formula, with a gradient of ones:

    >>> model = MLP((2, 2), dtype=np.float64)
    >>> w, v = model.parameters.copy(), 0.0
    >>> sgd = SGD(model, Config(layer_specs=(2, 2), learning_rate=0.1, momentum_gamma=0.9))
    >>> for _ in range(2):
    ...     sgd.step(sgd.scale * np.ones(6))
    ...     v = 0.9 * v + (1 - 0.9) * 1.0
    ...     w = w - 0.1 * v
    >>> np.allclose(model.parameters, w)
    True
    """

    SMALLEST_DECAY = 1e-3

    def __init__(self, model: MLP, config: Config) -> None:
        from scipy.linalg.blas import get_blas_funcs  # only here: it takes a moment to import

        self.gamma = config.momentum_gamma if config.momentum else 0.0
        self.rate = config.learning_rate * (1 - self.gamma)
        self.L1, self.L2 = config.L1_penalty, config.L2_penalty
        self.parameters = model.parameters
        self.weights = model.parameters[: sum(array.size for array in model.weights)]
        self.u, self.decay, self.scale = np.zeros_like(self.parameters), 1.0, self.rate
        self.scratch = np.empty_like(self.weights) if self.L1 else None
        self.add = get_blas_funcs("axpy", dtype=model.dtype)  # add(x, y, a=a): y <- y + a * x

    def step(self, scaled_gradient: np.ndarray) -> None:
        """Take one step.

        Parameters
        ----------
        scaled_gradient : ndarray, shape (number of parameters,)
            :attr:`scale` times the gradient of the summed cross-entropy, without penalty.
        """
        u = self.u
        u += scaled_gradient
        if self.L1:
            signs = np.sign(self.weights, out=self.scratch)
            self.add(signs, u[: signs.size], a=self.scale * self.L1)
        if self.L2:
            self.add(self.weights, u[: self.weights.size], a=self.scale * 2 * self.L2)
        self.add(u, self.parameters, a=-self.decay)
        self.decay *= self.gamma
        if self.decay < self.SMALLEST_DECAY:
            u *= self.decay
            self.decay = 1.0
        self.scale = self.rate / self.decay
