"""Memory that is made once: all parameters in one array, and the arrays of a pass.

With all parameters in one array, the optimiser updates them in few long
operations; with arrays that are made beforehand, a mini-batch allocates
nothing of its size.
"""

import math
from collections.abc import Sequence
from copy import copy
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

Array = np.ndarray


class Resumable:
    """What changes in place and draws random numbers, and can go on from where it was.

    Attributes
    ----------
    changing : dict of str to ndarray
    numbers : tuple of str
        Names of the attributes that change, too.
    rng : numpy.random.Generator or None
    methods : sequence of Resumable
        Parts of it, each with an ``option`` as its name.
    """

    changing: dict[str, Array]
    numbers: tuple[str, ...] = ()
    rng: Any
    methods: Sequence[Any] = ()

    def state(self) -> dict[str, Any]:
        """Return copies of all that changes: numbers, arrays, states of generators."""
        drawn = {"rng": self.rng.bit_generator.state} if self.rng else {}
        numbers = {name: copy(getattr(self, name)) for name in self.numbers}
        arrays = {name: array.copy() for name, array in self.changing.items()}
        methods = {method.option: method.state() for method in self.methods}
        return drawn | numbers | arrays | {"methods": methods}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back, or on, to what :meth:`state` returned for the same configuration.

        KeyError, TypeError or ValueError of what is no such state.
        """
        if self.rng:
            self.rng.bit_generator.state = state["rng"]
        for name in self.numbers:
            setattr(self, name, copy(state[name]))
        for name, array in self.changing.items():
            kept = state[name]
            if (kept.shape, kept.dtype) != (array.shape, array.dtype):
                given = f"{kept.dtype} of shape {kept.shape}"
                raise ValueError(
                    f"{name} must be {array.dtype} of shape {array.shape}; got {given}"
                )
            array[...] = kept
        for method in self.methods:
            method.restore(state["methods"][method.option])


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
        What each layer got in the last forward pass: x, and the outputs
        of the hidden layers.
    weighted_inputs : list of ndarray
        z of the hidden layers in the last forward pass; overwritten by
        the outputs if the activation does not need it for its slope.
    outputs, deltas, scratch : list of ndarray
        One array (batch, units) per layer; deltas and scratch for the
        hidden layers only.
    ones : ndarray, shape (batch,)
    weight_gradients, bias_gradients : list of ndarray
        In the shapes of the parameters.
    gradient : ndarray
        The memory of all gradients, in the order of
        :attr:`kmnist_mlp.MLP.parameters`.

    Examples
    --------
    >>> from kmnist_mlp import MLP
    >>> [array.shape for array in Buffers(MLP((784, 128, 10)), batch=32).outputs]
    [(32, 128), (32, 10)]
    """

    def __init__(self, model: Any, batch: int, backward: bool = True) -> None:
        layers, dtype = model.layer_specs, model.dtype
        hidden = [(batch, units) for units in layers[1:-1]]
        self.inputs: list[Array] = [np.empty(0)] * (len(layers) - 1)
        # The logits of one class lie next to each other in memory:
        # maxima and sums over the few classes then run along whole
        # columns, twice as fast as along many short rows.
        self.outputs = [aligned(shape, dtype) for shape in hidden]
        self.weighted_inputs = [*self.outputs]
        self.outputs += [aligned((layers[-1], batch), dtype).T]
        if backward:
            self.deltas, self.scratch = ([aligned(s, dtype) for s in hidden] for _ in range(2))
            self.ones = np.ones(batch, dtype)
            self.gradient, self.weight_gradients, self.bias_gradients = allocate(layers, dtype)


def aligned(shape: tuple[int, ...], dtype: Any) -> Array:
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


def allocate(layers: tuple[int, ...], dtype: np.dtype) -> tuple[Array, list[Array], list[Array]]:
    """Return one array of zeros for all parameters, and views of it as weights and biases."""
    shapes = [*pairwise(layers), *((units,) for units in layers[1:])]
    ends = [0, *accumulate(map(math.prod, shapes))]
    memory = aligned((ends[-1],), dtype)
    parts = zip(pairwise(ends), shapes, strict=True)
    views = [memory[start:end].reshape(shape) for (start, end), shape in parts]
    return memory, views[: len(layers) - 1], views[len(layers) - 1 :]
