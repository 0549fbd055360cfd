"""Activations of the hidden layers: each function with its derivative beside it.

A derivative is written in terms of the *output* a = f(z), which the forward
pass has kept, so that the weighted input z need not be kept as well. Only
where a does not decide the slope (swish, GELU) is z kept, too.

To add one, write
``ACTIVATIONS["leaky ReLU"] = Activation(value, derivative)``, here or in
a notebook: ``Config(activation="leaky ReLU")`` then trains with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kmnist_mlp.support.checks import ACTIVATIONS


@dataclass(frozen=True)
class Activation:
    """An elementwise function of an array of any shape, with its derivative.

    Both are tried on numbers between -8 and 8 when it is made.

    Attributes
    ----------
    value : callable
        ``value(z, out=None)`` returns a = f(z); ``out``, an array for the
        result that may be ``z`` itself, saves memory and may be ignored.
    derivative : callable
        ``derivative(a, out=None)`` returns f'(z) written in terms of
        a = f(z); or ``derivative(a, z)``, in terms of both.
    needs_z : bool
        Whether the derivative is called with z, as it cannot be called
        without.

    Raises
    ------
    ValueError
        If they cannot be called like this, or one that ignores ``out``
        changes z; if the derivative is not the slope of the function
        (central difference): with the z where they differ most.

    Examples
    --------
    >>> f = ACTIVATIONS["tanh"]
    >>> z, h = np.array([-1.0, 0.0, 2.0]), 1e-5
    >>> a = f.value(z)
    >>> f.derivative(a).round(4)
    array([0.42  , 1.    , 0.0707])
    >>> ((f.value(z + h) - f.value(z - h)) / (2 * h)).round(4)
    array([0.42  , 1.    , 0.0707])

    The slope of the sine cannot be told from its value alone:

    >>> Activation(np.sin, lambda a, z: np.cos(z)).needs_z
    True
    >>> Activation(np.sin, lambda a, out=None: 1 - a)
    Traceback (most recent call last):
        ...
    ValueError: derivative is 1.75858 at z = 4.003; the central difference is -0.651577
    """

    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    needs_z: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        z, h = np.linspace(-7.77, 7.77, 100).reshape(4, 25), 1e-6  # next to no usual kink
        kept, place, scratch = z.copy(), z.copy(), np.zeros_like(z)
        try:
            a, above, below = self.value(z), self.value(z + h), self.value(z - h)
            try:
                self.derivative(a, out=scratch)
            except TypeError:
                object.__setattr__(self, "needs_z", True)
            difference = "the central difference", (above - below) / (2 * h)
            for name, found, other, right in (
                ("z after value(z)", z, "before", kept),
                ("value(z, out=z)", self.value(place, out=place), "value(z)", a),
                ("derivative", self.slope(a, z), *difference),
                ("derivative with out", self.slope(a, z, scratch), *difference),
            ):
                off = np.abs(found - right)
                if not (off <= 1e-6 * np.maximum(1, np.abs(right))).all():
                    i = np.unravel_index(off.argmax(), z.shape)
                    text = f"{np.broadcast_to(found, z.shape)[i]:.6g} at z = {kept[i]:.4g}"
                    raise ValueError(f"{name} is {text}; {other} is {right[i]:.6g}")
        except TypeError as error:
            calls = "value(z, out=None) and derivative(a, out=None) or derivative(a, z)"
            raise ValueError(f"an activation is {calls}; {error}") from error

    def slope(self, a: np.ndarray, z: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return f'(z), where a = f(z); ``z`` counts only where it is needed."""
        return self.derivative(a, z) if self.needs_z else self.derivative(a, out=out)


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
