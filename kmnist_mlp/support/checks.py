"""Checks of input at the public door: each returns the value in its canonical type, or raises.

An error names the argument, what is allowed and what was given.
"""

import reprlib
import sys
from collections.abc import Iterable, Sized
from functools import partial
from math import inf, isfinite, nan
from numbers import Integral, Real
from operator import ge, gt, le, lt
from typing import Any

import numpy as np

SIGNS = {"above": (">", gt), "at_least": (">=", ge), "below": ("<", lt), "at_most": ("<=", le)}
SHORT = reprlib.Repr()
SHORT.maxlist, SHORT.maxtuple = 3, 12
SHORT.maxother = SHORT.maxstring = SHORT.maxlong = 300  # characters
# The names of activations and what they are: filled by activations.py,
# and kept when a notebook reloads that file, so that all who hold this
# dictionary know a new one at once.
ACTIVATIONS: dict[str, Any] = {}


def described(check: partial) -> str:
    """Return in words what one of the following checks, with its keywords, lets pass.

    Examples
    --------
    >>> described(partial(whole_number, at_least=1)), described(partial(boolean))
    ('whole number >= 1', 'boolean')
    >>> described(partial(one_of, allowed=("constant", "cosine")))
    "one of 'constant', 'cosine'"
    """
    limits = dict(check.keywords)
    words = ", ".join(map(repr, limits.pop("allowed", ()))) or bounds(**limits)
    return f"{check.func.__name__.replace('_', ' ')} {words}".strip()


def bounds(**limits: float) -> str:
    """Return in words the bounds of a number, such as ">= 0 and < 1"."""
    finite = [(SIGNS[name], limit) for name, limit in limits.items() if isfinite(limit)]
    return " and ".join(f"{sign} {limit:g}" for (sign, _), limit in finite)


def short(value: Any) -> str:
    """Return a value as an error shows it: its beginning, and the length of what is longer.

    Examples
    --------
    >>> short(0.5), short(list(range(1000)))
    ('0.5', '[0, 1, 2, ...] (list of length 1000)')
    """
    try:
        text = SHORT.repr(value)
    except ValueError:  # of a number with more digits than Python writes
        text = f"a number of {value.bit_length()} bits"
    if isinstance(value, Sized) and "..." in text:
        text += f" ({type(value).__name__} of length {len(value)})"
    return text


def whole_number(name: str, value: Any, at_least: int, at_most: float = inf) -> int:
    """Return a whole number within bounds as int, or raise ValueError."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not at_least <= value <= at_most:
        limits = bounds(at_least=at_least, at_most=at_most)
        raise ValueError(f"{name} must be a whole number {limits}; got {short(value)}")
    return int(value)


def real_number(name: str, value: Any, **limits: float) -> float:
    """Return a finite number as float, or raise ValueError; ``limits`` as in :func:`bounds`."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    number = float(value) if real and abs(value) <= sys.float_info.max else nan
    if isfinite(number) and all(SIGNS[name][1](number, limits[name]) for name in limits):
        return number
    raise ValueError(f"{name} must be a finite number {bounds(**limits)}; got {short(value)}")


def one_or_five_numbers(name: str, values: Any, **limits: float) -> float | tuple[float, ...]:
    """Return a finite number as float, or five as a tuple (if equal, one), or raise ValueError.

    Examples
    --------
    >>> one_or_five_numbers("distortion", [1, 2, 1, 1, 0]), one_or_five_numbers("distortion", 1)
    ((1.0, 2.0, 1.0, 1.0, 0.0), 1.0)
    """
    several = isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim)
    try:
        numbers = [
            real_number(name, value, **limits) for value in (values if several else [values])
        ]
        if several and len(numbers) != 5:
            raise ValueError
    except ValueError:
        allowed = f"{name} must be one or five numbers {bounds(**limits)}, all finite"
        raise ValueError(f"{allowed}; got {short(values)}") from None
    return tuple(numbers) if len({*numbers}) > 1 else numbers[0]


def boolean(name: str, value: Any) -> bool:
    """Return True or False as bool, or raise ValueError."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False; got {short(value)}")
    return bool(value)


def one_of(name: str, value: Any, allowed: Iterable[str]) -> str:
    """Return the allowed spelling of a word, whatever its letter case, or raise ValueError."""
    for known in sorted(allowed, key=lambda known: known != value):  # a word as it stands first
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    words = ", ".join(map(repr, allowed))
    raise ValueError(f"{name} must be one of {words}; got {short(value)}")


def layer_sizes(name: str, values: Any) -> tuple[int, ...]:
    """Return two or more layer sizes, each >= 1, as a tuple of int, or raise ValueError.

    Examples
    --------
    >>> layer_sizes("layer_specs", [784, 0, 10])
    Traceback (most recent call last):
        ...
    ValueError: each number in layer_specs must be a whole number >= 1; got 0
    """
    if not isinstance(values, (list, tuple, np.ndarray)) or np.size(values) < 2:
        raise ValueError(f"{name} must be a sequence such as (784, 128, 10); got {short(values)}")
    return tuple(whole_number(f"each number in {name}", size, 1) for size in values)


def layers_for(layers: tuple[int, ...], pixels: int, classes: int) -> None:
    """Raise ValueError if the layers do not begin with the pixels and end with the classes."""
    if (layers[0], layers[-1]) != (pixels, classes):
        raise ValueError(f"layer_specs must be ({pixels}, ..., {classes}); got {layers}")


def float_type(dtype: Any) -> np.dtype:
    """Return float32 or float64 as NumPy's type, or raise ValueError."""
    for allowed in (np.dtype(np.float32), np.dtype(np.float64)):
        if dtype is not None and allowed == dtype:  # NumPy's None is float64
            return allowed
    raise ValueError(f"dtype must be float32 or float64; got {short(dtype)}")


def instance(name: str, value: Any, kind: type) -> Any:
    """Return ``value`` if it is of that kind, or raise ValueError."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be of the kind {kind.__name__}; got {short(value)}")
    return value


# ---- arrays --------------------------------------------------------------------------------------


def finite_array(name: str, values: Any, dtype: np.dtype) -> np.ndarray:
    """Return an array in that type of number, or raise ValueError if it holds anything else."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers; got dtype {array.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(dtype, copy=False)
        ends = (array.min(), array.max()) if array.size else ()  # of NaN, both are NaN
    if not np.isfinite(ends).all():
        raise ValueError(f"{name} holds NaN or infinite values; all must be finite in {dtype}")
    return array


def array_list(name: str, values: Any, shapes: list[tuple[int, ...]], dtype: Any) -> list:
    """Return arrays of exactly these shapes in that type of number, or raise ValueError."""
    found = [finite_array(f"each of {name}", array, dtype) for array in values]
    given = [array.shape for array in found]
    if given != shapes:
        raise ValueError(f"{name} must have the shapes {short(shapes)}; got {short(given)}")
    return found


def class_indices(name: str, labels: Any, classes: int, rows: int) -> np.ndarray:
    """Return labels from 0 to ``classes - 1`` as an array (rows,), or raise ValueError.

    Examples
    --------
    >>> class_indices("y", [3, 12], classes=10, rows=2)
    Traceback (most recent call last):
        ...
    ValueError: y must hold class indices from 0 to 9; got 3 to 12
    """
    y = np.asarray(labels)
    if y.shape != (rows,):
        rows_of_classes = y.ndim == 2 and y.shape[1] > 1
        hint = f"; turn one-hot rows into indices with {name}.argmax(axis=1)" * rows_of_classes
        raise ValueError(f"{name} must have the shape ({rows},); got {y.shape}{hint}")
    allowed = f"{name} must hold class indices from 0 to {classes - 1}"
    if y.dtype.kind not in "iu":
        hint = "; np.unique(labels, return_inverse=True) numbers classes" * (y.dtype.kind in "OU")
        raise ValueError(f"{allowed}; got dtype {y.dtype}{hint}")
    if not 0 <= y.min() <= y.max() < classes:
        raise ValueError(f"{allowed}; got {y.min()} to {y.max()}")
    return y
