"""Activations of the hidden layers: each function with its derivative beside it.

A derivative is written in terms of the *output* a = f(z), which the forward
pass has kept, so that the weighted input z need not be kept as well.

To add one, write
``ACTIVATIONS["leaky ReLU"] = Activation(value, derivative)``, here or in
a notebook: ``Config(activation="leaky ReLU")`` then trains with it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kmnist_mlp.support.checks import ACTIVATIONS


class Activation(NamedTuple):
    """An elementwise function of an array of any shape, with its derivative.

    Attributes
    ----------
    value : callable
        ``value(z, out=None)`` returns a = f(z); ``out``, an array for the
        result that may be ``z`` itself, saves memory and may be ignored.
    derivative : callable
        ``derivative(a, out=None)`` returns f'(z) written in terms of
        a = f(z).

    Examples
    --------
    >>> f = ACTIVATIONS["tanh"]
    >>> z, h = np.array([-1.0, 0.0, 2.0]), 1e-5
    >>> a = f.value(z)
    >>> f.derivative(a).round(4)
    array([0.42  , 1.    , 0.0707])
    >>> ((f.value(z + h) - f.value(z - h)) / (2 * h)).round(4)
    array([0.42  , 1.    , 0.0707])
    """

    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]


def tanh(z: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return tanh(z), between -1 and 1.

    Like all functions of this file, it works elementwise and returns an
    array of the same shape.

    Parameters
    ----------
    z : ndarray of float
        Weighted inputs, any shape.
    out : ndarray, optional
        Array for the result, in the shape of ``z``; may be ``z`` itself.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> tanh(np.array([-1e4, 0.0, 0.5])).round(3)
    array([-1.   ,  0.   ,  0.462])
    """
    return np.tanh(z, out=out)


def tanh_derivative(a: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return tanh'(z) = 1 - a**2, where a = tanh(z).

    Examples
    --------
    >>> tanh_derivative(np.array([0.0, 0.5, 1.0]))  # a saturated unit no longer learns
    array([1.  , 0.75, 0.  ])
    """
    out = np.multiply(a, a, out=out)
    return np.subtract(1, out, out=out)


def sigmoid(z: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return 1 / (1 + exp(-z)), as (1 + tanh(z / 2)) / 2, which cannot overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1e4, 0.0, 2.0])).round(3)
    array([0.   , 0.5  , 0.881])
    """
    out = np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    return np.add(out, 0.5, out=out)


def sigmoid_derivative(a: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return sigmoid'(z) = a * (1 - a), where a = sigmoid(z).

    Examples
    --------
    >>> sigmoid_derivative(np.array([0.0, 0.5, 0.9])).round(2)  # never more than a quarter
    array([0.  , 0.25, 0.09])
    """
    out = np.subtract(1, a, out=out)
    return np.multiply(out, a, out=out)


def relu(z: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return max(z, 0).

    Examples
    --------
    >>> relu(np.array([-3.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    zeros = np.zeros(np.shape(z)[-1:], getattr(z, "dtype", None))
    return np.maximum(z, zeros, out=out)  # NumPy is twice as fast on a row of zeros as on one 0


def relu_derivative(a: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return 1 where a > 0, else 0 (also at the kink).

    Examples
    --------
    >>> relu_derivative(np.array([0.0, 3.0]))
    array([0., 1.])
    """
    out = np.empty_like(a) if out is None else out
    return np.greater(a, 0, out=out)


# A new activation is added here, and nowhere else.
ACTIVATIONS["tanh"] = Activation(tanh, tanh_derivative)
ACTIVATIONS["sigmoid"] = Activation(sigmoid, sigmoid_derivative)
ACTIVATIONS["ReLU"] = Activation(relu, relu_derivative)
