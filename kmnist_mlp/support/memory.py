"""Memory that is made once: all parameters in one array, and the arrays of a pass.

With all parameters in one array, the optimiser updates them in few long operations; with arrays
that are made beforehand, a mini-batch allocates nothing of its size.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Any

import numpy as np


class Buffers:
    """All arrays that a forward and a backward pass of one batch size write into.

    Parameters
    ----------
    model : MLP
    batch : int
        Rows of x.
    backward : bool
        Without, there is only what a forward pass needs.

    Attributes
    ----------
    inputs : list of ndarray
        What each layer got in the last forward pass: x, and the outputs of the hidden layers.
    outputs, deltas, scratch : list of ndarray
        One array (batch, units) per layer; deltas and scratch for the hidden layers only.
    ones : ndarray, shape (batch,)
    weight_gradients, bias_gradients : list of ndarray
        In the shapes of the parameters.
    gradient : ndarray
        The memory of all gradients, in the order of :attr:`kmnist_mlp.MLP.parameters`.

    Examples
    --------
    >>> from kmnist_mlp import MLP
    >>> [array.shape for array in Buffers(MLP((784, 128, 10)), batch=32).outputs]
    [(32, 128), (32, 10)]
    """

    def __init__(self, model: Any, batch: int, backward: bool = True) -> None:
        layers, dtype = model.layer_specs, model.dtype

        def hidden() -> list[np.ndarray]:
            return [aligned((batch, units), dtype) for units in layers[1:-1]]

        self.inputs: list[np.ndarray] = [np.empty(0)] * (len(layers) - 1)
        # The logits of one class lie next to each other in memory: maxima and sums over the few
        # classes then run along whole columns, twice as fast as along many short rows.
        self.outputs = [*hidden(), aligned((layers[-1], batch), dtype).T]
        if backward:
            self.deltas, self.scratch, self.ones = hidden(), hidden(), np.ones(batch, dtype)
            self.gradient, self.weight_gradients, self.bias_gradients = allocate(layers, dtype)


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return zeros that begin with a cache line, 64 bytes: vectors of them are never split in two.

    Examples
    --------
    >>> aligned((3, 5), np.float32).ctypes.data % 64
    0
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def allocate(
    layers: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Return one array of zeros for all parameters, and views of it as weights and biases."""
    shapes = [*pairwise(layers), *((units,) for units in layers[1:])]
    ends = [0, *accumulate(map(math.prod, shapes))]
    try:
        memory = aligned((ends[-1],), dtype)
    except (MemoryError, OverflowError, ValueError):
        raise ValueError(
            f"layer_specs {layers} are {ends[-1]:,} parameters: no memory for so many"
        ) from None
    parts = zip(pairwise(ends), shapes, strict=True)
    views = [memory[start:end].reshape(shape) for (start, end), shape in parts]
    return memory, views[: len(layers) - 1], views[len(layers) - 1 :]
