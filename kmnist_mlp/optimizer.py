"""Stochastic gradient descent with momentum, penalties on the weights, a learning-rate schedule."""

import math
from functools import cache
from typing import Any

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP
from kmnist_mlp.support.memory import Array, aligned


def learning_rate(config: Config, epochs_done: float) -> float:
    """Return the learning rate of a mini-batch: ``config.learning_rate``, unless it changes.

    The rate is multiplied by ``min(1, epochs_done / warm_up)`` (source:
    Goyal et al. 2017, arXiv:1706.02677, section 2.2) and, with the cosine
    schedule, by ``(1 + cos(pi * epochs_done / epochs)) / 2`` (source:
    Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts).

    Parameters
    ----------
    config : Config
        Its ``learning_rate``, ``schedule``, ``warm_up`` and ``epochs``.
    epochs_done : float
        Until the middle of the mini-batch: 0.5 in the middle of
        the first epoch.

    Examples
    --------
    >>> config = Config(learning_rate=0.1, schedule="cosine", epochs=10)
    >>> [round(learning_rate(config, epochs), 4) for epochs in (0, 5, 10)]
    [0.1, 0.05, 0.0]
    """
    rate = config.learning_rate
    if config.warm_up:
        rate *= min(1.0, epochs_done / config.warm_up)
    if config.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * epochs_done / config.epochs)) / 2
    return rate


def momentum_step(w: Array, v: Array, g: Array, config: Config, epochs_done: float = 0.0) -> None:
    """Update in place: ``v <- gamma * v + (1 - gamma) * g`` and ``w <- w - rate * v``.

    This momentum has unit gain; without momentum, gamma is 0. Source:
    Polyak 1964, doi:10.1016/0041-5553(64)90137-5.
    """
    gamma = config.momentum_gamma if config.momentum else 0.0
    v *= gamma
    add(v, 1 - gamma, g)
    add(w, -learning_rate(config, epochs_done), v)


def add(y: Array, a: float, x: Array) -> None:
    """Let ``y += a * x`` in place, in one pass over memory, where NumPy takes two.

    Both arrays must be contiguous, of one dtype and one dimension: else
    BLAS changes a copy of ``y``, in silence.
    """
    if x.size:  # BLAS refuses empty arrays
        axpy(x.dtype)(x, y, a=a)


@cache
def axpy(dtype: np.dtype) -> Any:
    """Return BLAS's function for :func:`add`."""
    from scipy.linalg import get_blas_funcs  # only here: to predict needs NumPy alone

    return get_blas_funcs("axpy", dtype=dtype)


class SGD:
    """Updates parameters in place, one mini-batch after the other.

    The gradient g of :func:`momentum_step` is that of the summed
    cross-entropy plus, for weights, that of the penalty:
    ``L1 * sign(w) + 2 * L2 * w``.

    Parameters
    ----------
    model : MLP
        Its ``parameters`` are changed by :meth:`step`; its ``weights``
        stand first among them and have the penalty.
    config : Config
        Gives learning rate, momentum and penalties.

    Examples
    --------
    Two steps beside the formula, with a gradient of ones:

    >>> model = MLP((2, 2), dtype=np.float64)
    >>> w, v = model.parameters.copy(), 0.0
    >>> sgd = SGD(model, Config(layer_specs=(2, 2), learning_rate=0.1, momentum_gamma=0.9))
    >>> for _ in range(2):
    ...     sgd.step(np.ones(6))
    ...     v = 0.9 * v + (1 - 0.9) * 1.0
    ...     w = w - 0.1 * v
    >>> np.allclose(model.parameters, w)
    True
    """

    def __init__(self, model: MLP, config: Config) -> None:
        self.config, self.parameters = config, model.parameters
        self.velocity = aligned(self.parameters.shape, self.parameters.dtype)
        self.n_weights = sum(W.size for W in model.weights)  # they stand before the biases
        axpy(model.dtype)  # loads SciPy's BLAS, before training limits it to one thread

    def step(self, g: Array, epochs_done: float = 0.0) -> None:
        """Take one step.

        Parameters
        ----------
        g : ndarray, shape (number of parameters,)
            Gradient of the summed cross-entropy, in the dtype of the
            parameters; the penalty's is added to it in place.
        epochs_done : float
            For :func:`learning_rate`; without schedule and warm-up, it
            has no effect.
        """
        c, W, dW = self.config, self.parameters[: self.n_weights], g[: self.n_weights]
        if c.L1_penalty:
            add(dW, c.L1_penalty, np.sign(W))
        if c.L2_penalty:
            add(dW, 2 * c.L2_penalty, W)
        momentum_step(self.parameters, self.velocity, g, c, epochs_done)
