"""Memory that is made once: all parameters in one array, and the arrays of a pass.

With all parameters in one array, the optimiser updates them in few long operations; with arrays
that are made beforehand, a mini-batch allocates nothing of its size.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from mmap import mmap
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
    targets : ndarray, shape (classes, classes)
        The row of a class is the distribution that its images are trained to have: one-hot.
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
        sizes = model.layer_specs[1:]
        self.inputs: list[np.ndarray] = [np.empty(0)] * len(sizes)
        self.outputs = [aligned((batch, units), model.dtype) for units in sizes]
        # The logits of one class lie next to each other in memory: maxima and sums over the few
        # classes then run along whole columns, twice as fast as along many short rows.
        self.outputs[-1] = aligned((sizes[-1], batch), model.dtype).T
        if backward:
            self.deltas = [aligned((batch, units), model.dtype) for units in sizes[:-1]]
            self.scratch = [aligned((batch, units), model.dtype) for units in sizes[:-1]]
            self.ones = np.ones(batch, model.dtype)
            self.targets = np.eye(sizes[-1], dtype=model.dtype)
            self.gradient, self.weight_gradients, self.bias_gradients = allocate(
                model.layer_specs, model.dtype
            )

    def first(self, rows: int) -> Buffers:
        """Return buffers for a smaller batch that share this one's memory."""
        smaller = object.__new__(Buffers)
        smaller.__dict__.update(self.__dict__, inputs=list(self.inputs))
        for name in {"outputs", "deltas", "scratch"} & vars(self).keys():
            setattr(smaller, name, [array[:rows] for array in getattr(self, name)])
        if hasattr(self, "ones"):
            smaller.ones = self.ones[:rows]
        return smaller


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
    layer_specs: tuple[int, ...], dtype: np.dtype
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Return one array of zeros for all parameters, and views of it as weights and biases."""
    shapes = [*pairwise(layer_specs), *((units,) for units in layer_specs[1:])]
    ends = list(accumulate(map(math.prod, shapes)))
    try:
        memory = aligned((ends[-1],), dtype)
    except (MemoryError, OverflowError, ValueError):
        raise ValueError(
            f"layer_specs {tuple(layer_specs)} are {ends[-1]:,} parameters; there is no memory for "
            "so many"
        ) from None
    parts = zip(np.split(memory, ends[:-1]), shapes, strict=True)
    views = [part.reshape(shape) for part, shape in parts]
    return memory, views[: len(layer_specs) - 1], views[len(layer_specs) - 1 :]


def frozen(array: np.ndarray) -> np.ndarray:
    """Return an array that cannot be changed: itself if it and what it is a view of are read-only.

    Otherwise a copy.

    Examples
    --------
    >>> mine = np.zeros(3)
    >>> kept = frozen(mine)
    >>> kept.flags.writeable, kept is mine, frozen(kept) is kept, frozen(kept[1:]).base is kept
    (False, False, True, True)
    """
    owner: object = array
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        if owner.base is None:
            return array
        owner = owner.base
    if isinstance(owner, mmap) and memoryview(owner).readonly:  # as joblib's workers share arrays
        return array
    copy = array.copy()
    copy.flags.writeable = False
    return copy


class FrozenCopies:
    """Freezes the arrays of an object that is unpickled or a deep copy: NumPy makes them writeable.

    Examples
    --------
    >>> import pickle
    >>> from kmnist_mlp import load_kmnist
    >>> pickle.loads(pickle.dumps(load_kmnist())).train_labels.flags.writeable
    False
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
        self.__dict__.update(state)
