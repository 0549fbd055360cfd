"""Checks of input at the public door: each returns the value in its canonical type, or raises.

An error names the argument, what was given and what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np


def layer_sizes(values: Any) -> tuple[int, ...]:
    """Return layer sizes as a tuple of int, or raise ValueError: two or more, each >= 1.

    Examples
    --------
    >>> layer_sizes([784, 0, 10])
    Traceback (most recent call last):
        ...
    ValueError: each number in layer_specs must be a whole number >= 1; got 0
    """
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = list(values)
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes, bytearray)):
        raise ValueError(f"layer_specs must be a sequence such as (784, 128, 10); got {values!r}")
    sizes = tuple(whole_number("each number in layer_specs", size, 1) for size in values)
    if len(sizes) < 2:
        raise ValueError(f"layer_specs needs at least inputs and classes; got {sizes}")
    return sizes


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return the allowed spelling of a word, whatever its letter case, or raise ValueError."""
    for known in allowed:
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    raise ValueError(f"{name} must be one of {list(allowed)}; got {value!r}")


def whole_number(name: str, value: Any, smallest: int) -> int:
    """Return a whole number >= smallest as int, or raise ValueError naming it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < smallest:
        raise ValueError(f"{name} must be a whole number >= {smallest}; got {value!r}")
    return int(value)


def boolean(name: str, value: Any) -> bool:
    """Return True or False as bool, or raise ValueError naming the argument."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def real_number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return a finite number within one or more bounds as float, or raise ValueError naming it."""
    bounds = ((">", above), (">=", at_least), ("<", below))
    limits = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if math.isfinite(bound))
    try:
        right = not isinstance(value, bool) and isinstance(value, Real)
        number = float(value) if right else math.nan
    except OverflowError:  # a whole number too large for a float
        number = math.inf
    if not (math.isfinite(number) and above < number and at_least <= number < below):
        raise ValueError(f"{name} must be a finite number {limits}; got {value!r}")
    return number


def float_type(dtype: Any) -> np.dtype:
    """Return float32 or float64 as NumPy's type, or raise ValueError."""
    try:
        found = np.dtype("None" if dtype is None else dtype)  # NumPy's None is float64
    except (TypeError, ValueError):
        raise ValueError(f"dtype must be float32 or float64; got {dtype!r}") from None
    if found not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64; got {found}")
    return found


def as_array(name: str, values: Any) -> np.ndarray:
    """Return ``np.asarray(values)``, or raise ValueError if its rows differ in length."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, all rows of one length; got {error}") from error


def instance(name: str, value: Any, kind: type) -> Any:
    """Return ``value`` if it is of that kind, or raise ValueError naming it."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be of the kind {kind.__name__}; got {value!r}")
    return value
