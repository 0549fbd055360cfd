"""The multilayer perceptron: softmax, loss, initial weights, forward and backward pass.

Shapes are ``(batch, units)``. ``x`` holds standardised images, a row
each; ``y`` class indices; ``t`` targets, a row of probabilities each,
which are one-hot rows of ``y`` unless a method beyond the paper changes
them. The functions of the first part trust their input, and write into
arrays that are made beforehand.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import check_standardised, grey_levels, one_hot, standardise
from kmnist_mlp.support import checks, files
from kmnist_mlp.support.memory import Array, Buffers, allocate

CHUNK = 256  # rows per forward pass when nothing is trained: its arrays stay in the cache
# A context in which floating-point flags decide nothing: BLAS raises them
# for lanes of a register that it does not use
# (https://github.com/numpy/numpy/issues/24067). Whether results are
# finite is looked up in them.
unflagged = partial(np.errstate, divide="ignore", over="ignore", invalid="ignore")


def softmax(z: Array) -> Array:
    """Turn logits (batch, classes) into probabilities ``exp(z_k) / sum_j exp(z_j)``, in place."""
    z -= np.maximum.reduce(z, axis=1, keepdims=True)  # changes no ratio, and avoids overflow
    np.exp(z, out=z)
    z /= np.add.reduce(z, axis=1, keepdims=True)
    return z


def cross_entropies(z: Array, y: Array) -> Array:
    """Return ``-log softmax(z)[y] = log(sum_k exp(z_k)) - z_y``, (batch,); overwrites ``z``."""
    z -= z.max(axis=1, keepdims=True)
    z_y = z[np.arange(len(y)), y]
    return np.log(np.exp(z, out=z).sum(axis=1)) - z_y


def initial_weights(rng: np.random.Generator, shape: tuple, variance: float = 2.0) -> Array:
    """Draw normal weights (units, units of the next layer) of variance 2 / fan-in.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10. Another
    ``variance``, also over fan-in, is LeCun's 1 (1998,
    doi:10.1007/3-540-49430-8_2, section 4.6).
    """
    return rng.standard_normal(shape) * np.sqrt(variance / shape[0])


def forward(model: MLP, x: Array, buffers: Buffers, methods: Sequence[object] = ()) -> Array:
    """Compute ``a_l = f(a_{l-1} @ W_l + b_l)``; the last layer, without f, gives the logits.

    Methods beyond the paper (extensions/) may change what
    hidden layers compute.
    """
    f, a, last = ACTIVATIONS[model.activation], x, len(model.weights) - 1
    layers = zip(model.weights, model.biases, buffers.outputs, strict=True)
    for layer, (W, b, z) in enumerate(layers):
        buffers.inputs[layer] = a
        np.matmul(a, W, out=z)
        if layer == last:
            break
        for change in hooks(methods, "weighted_inputs"):
            change(layer, z)
        z += b
        buffers.weighted_inputs[layer] = z
        # in the memory of z, unless that is still needed or f ignores out
        a = buffers.outputs[layer] = f.value(z, out=None if f.needs_z else z)
        for change in hooks(methods, "outputs"):
            a = change(layer, a)
    z += b
    return z


def backpropagate(
    model: MLP, x: Array, t: Array, buffers: Buffers, methods: Sequence[object] = ()
) -> None:
    """Write the gradients of the cross-entropy, summed over the batch, into ``buffers``.

    Delta is the gradient with respect to a layer's weighted inputs. For
    softmax and cross-entropy, that of the last layer is ``p - t``; then,
    from the last layer to the first, ``db_l = sum(delta_l)``,
    ``dW_l = a_{l-1}.T @ delta_l`` and
    ``delta_{l-1} = (delta_l @ W_l.T) * f'``. Source: Rumelhart, Hinton
    and Williams, Nature 323, 533 (1986), doi:10.1038/323533a0.
    """
    slope, last = ACTIVATIONS[model.activation].slope, len(model.weights) - 1
    delta = softmax(forward(model, x, buffers, methods))
    delta -= t
    ones = buffers.ones  # a product with it is a sum over the batch, and faster
    for layer in range(last, -1, -1):
        np.matmul(ones, delta, out=buffers.bias_gradients[layer])
        if layer < last:
            for change in hooks(methods, "weighted_inputs_backward"):
                change(layer, delta)
        np.matmul(buffers.inputs[layer].T, delta, out=buffers.weight_gradients[layer])
        if layer > 0:
            delta = np.matmul(delta, model.weights[layer].T, out=buffers.deltas[layer - 1])
            for change in hooks(methods, "outputs_backward"):
                change(layer - 1, delta)
            a, z = buffers.outputs[layer - 1], buffers.weighted_inputs[layer - 1]
            delta *= slope(a, z, out=buffers.scratch[layer - 1])


def hooks(methods: Sequence[object], name: str) -> list[Callable]:
    """Return what those methods have under the name of a hook (extensions/method.py lists them)."""
    return [getattr(method, name) for method in methods if hasattr(method, name)]


def standardised(model: MLP, x: Array) -> Array:
    """Return rows of uint8 standardised as in training, and others as they are."""
    statistics = model.standardisation
    if statistics and x.dtype == np.uint8:
        return standardise(x.astype(model.dtype), *statistics)
    return x


def logits(model: MLP, x: Array) -> Iterator[tuple[slice, Array]]:
    """Yield the logits of at most CHUNK rows of :meth:`MLP.checked_inputs`, with their place."""
    for start in range(0, len(x), CHUNK):
        part = slice(start, min(start + CHUNK, len(x)))
        buffers = Buffers(model, part.stop - start, backward=False)
        yield part, forward(model, standardised(model, x[part]), buffers)


class MLP:
    """Fully connected layers with one activation, and a softmax over the last layer's outputs.

    In all methods, ``x`` has the shape (batch, inputs) and holds
    standardised images, a row each; ``y`` has the shape (batch,) and
    holds class indices, not one-hot. For a network with a
    :attr:`standardisation`, whole numbers from 0 to 255, of any type, are
    pixels, which it standardises itself; then ``x`` may also be images of
    shape (batch, height, width), or one of them.

    Parameters
    ----------
    layer_specs : sequence of int
        Units per layer: inputs, hidden layers, classes. ``(784, 10)`` is
        the linear softmax model.
    activation : str
        Of the hidden layers: a name in
        :data:`kmnist_mlp.activations.ACTIVATIONS`.
    seed : int
        Of the initial weights (:func:`initial_weights`; layers are drawn
        independently); biases start at 0.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``.
    variance : float
        Of the initial weights, times the inputs of their layer.

    Attributes
    ----------
    weights : list of ndarray
        ``weights[l]`` has shape (units of layer l, units of layer l + 1).
    biases : list of ndarray
        ``biases[l]`` has shape (units of layer l + 1,).
    parameters : ndarray
        The memory of all of them, one after the other, weights first:
        (number of parameters,).
    standardisation : tuple of ndarray, or None
        Mean and standard deviation of each input, (inputs,) each, as in
        training; empty where each image has its own.

    Raises
    ------
    ValueError
        If an argument is of the wrong kind; from all methods: if ``x`` or
        ``y`` has another shape or type, no rows, a number that is not
        finite or neither a pixel nor standardised, a label that is no
        class; if probabilities or gradients are not finite, as the
        parameters are too large.

    Examples
    --------
    >>> MLP((784, 128, 10), "tanh")
    MLP(784-128-10, tanh, 101,770 parameters, float32)
    >>> MLP((2, 3)).predict_proba(np.zeros((1, 2))).round(3)
    array([[0.333, 0.333, 0.333]], dtype=float32)
    """

    def __init__(
        self, layer_specs: tuple[int, ...], activation: str = "tanh", seed: int = 0,
        dtype: Any = np.float32, variance: float = 2.0,
    ) -> None:  # fmt: skip
        self.layer_specs = checks.layer_sizes("layer_specs", layer_specs)
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        self.dtype = checks.float_type(dtype)
        self.parameters, self.weights, self.biases = allocate(self.layer_specs, self.dtype)
        self.standardisation: tuple[Array, Array] | None = None
        rng = np.random.default_rng(checks.whole_number("seed", seed, 0))
        variance = checks.real_number("variance", variance, above=0)
        for W in self.weights:
            W[...] = initial_weights(rng, W.shape, variance)

    def __repr__(self) -> str:
        """Read like the architecture."""
        layers, count = "-".join(map(str, self.layer_specs)), f"{self.parameters.size:,} parameters"
        return f"MLP({layers}, {self.activation}, {count}, {self.dtype})"

    # ---- what a user calls -------------------------------------------------------------------

    def predict_proba(self, x: Array) -> Array:
        """Return the probability of each class, shape (batch, classes); rows sum to 1.

        Parameters
        ----------
        x : ndarray, shape (batch, inputs)
            Standardised numbers, or pixels, as above.

        Examples
        --------
        >>> p = MLP((4, 3), seed=1).predict_proba(np.eye(4)[:2])
        >>> p.shape, p.sum(axis=1).round(6)
        ((2, 3), array([1., 1.], dtype=float32))
        """
        x = self.checked_inputs(x)
        p = np.empty((len(x), self.layer_specs[-1]), self.dtype)
        with unflagged():
            for part, z in logits(self, x):
                p[part] = softmax(z)
        return self.checked_outputs("probabilities", p)

    def predict(self, x: Array) -> Array:
        """Return the most probable class of each row of ``x``, shape (batch,).

        ``x`` is as in :meth:`predict_proba`; one image (height, width)
        is a batch of one.

        Examples
        --------
        >>> model = MLP.from_parameters("tanh", [np.eye(3)], [np.zeros(3)])
        >>> model.predict([[0, 5, 1], [2, 0, 0]])  # class k looks at input k alone
        array([1, 0])
        """
        return self.predict_proba(x).argmax(axis=1)

    def loss(self, x: Array, y: Array) -> float:
        """Return the cross-entropy *summed* over the batch, which training minimises.

        Examples
        --------
        >>> model = MLP((4, 10))
        >>> model.weights[0][...] = 0  # equal probabilities: log 10 for each image
        >>> round(model.loss(np.eye(4)[:2], [3, 7]), 4), round(2 * math.log(10), 4)
        (4.6052, 4.6052)
        """
        x = self.checked_inputs(x)
        y = checks.class_indices("y", y, self.layer_specs[-1], len(x))
        with unflagged():
            loss = sum(cross_entropies(z, y[part]).sum() for part, z in logits(self, x))
        return float(self.checked_outputs("loss", loss))

    def gradients(self, x: Array, y: Array) -> tuple[list[Array], list[Array]]:
        """Return the gradient of exactly :meth:`loss`, in the shapes of weights and biases.

        Examples
        --------
        A small step against the gradient lowers the loss by the step times its squared length:

        >>> model = MLP((3, 4, 2), "tanh", dtype=np.float64)
        >>> x, y, step = np.eye(3), np.array([0, 1, 1]), 1e-6
        >>> before, (dW, db) = model.loss(x, y), model.gradients(x, y)
        >>> for parameter, gradient in zip(model.weights + model.biases, dW + db, strict=True):
        ...     parameter -= step * gradient
        >>> squared_length = sum(np.square(gradient).sum() for gradient in dW + db)
        >>> print(f"{(before - model.loss(x, y)) / (step * squared_length):.3f}")
        1.000
        """
        x, classes = standardised(self, self.checked_inputs(x)), self.layer_specs[-1]
        y, buffers = checks.class_indices("y", y, classes, len(x)), Buffers(self, len(x))
        with unflagged():
            backpropagate(self, x, one_hot(y, classes), buffers)
        self.checked_outputs("gradients", buffers.gradient)
        return buffers.weight_gradients, buffers.bias_gradients

    def checked_inputs(self, x: Any) -> Array:
        """Return ``x`` as rows: pixels in uint8, or standardised in the model's type of number.

        Raises
        ------
        ValueError
            If it has the wrong shape or type.

        Examples
        --------
        >>> MLP((784, 10)).checked_inputs(np.zeros((5, 28)))
        Traceback (most recent call last):
            ...
        ValueError: x must have the shape (batch, 784), batch >= 1; got (5, 28)
        """
        x, inputs = np.asarray(x), self.layer_specs[0]
        if self.standardisation is not None:
            x = grey_levels("x", x)
        raw = x.dtype == np.uint8
        if raw and self.standardisation is None:
            raise ValueError("x must be standardised: uint8 needs a network with a standardisation")
        if raw and x.size and x.ndim in (2, 3) and math.prod(x.shape[-2:]) == inputs:
            x = x.reshape(-1, inputs)  # images, or one of them
        if x.ndim != 2 or x.shape[1] != inputs or not len(x):
            raise ValueError(f"x must have the shape (batch, {inputs}), batch >= 1; got {x.shape}")
        if raw:
            return x
        x = checks.finite_array("x", x, self.dtype)
        if self.standardisation is not None:
            check_standardised("x", x, *self.standardisation)
        return x

    def checked_outputs(self, name: str, values: Array) -> Array:
        """Return values that were computed, or raise ValueError if one is not finite."""
        if not np.isfinite(values).all():
            largest = f"{abs(self.parameters).max():.3g}"
            raise ValueError(
                f"{name} are not finite; the largest parameter of {self!r} is {largest}"
            )
        return values

    # ---- made of arrays, copied, saved, loaded -----------------------------------------------

    @classmethod
    def from_parameters(
        cls, activation: str, weights: list[Array], biases: list[Array],
        standardisation: tuple[Array, Array] | None = None,
    ) -> Self:  # fmt: skip
        """Return a network of copies of the given arrays, which also decide layers and dtype.

        ``weights``, ``biases`` and ``standardisation`` are as the
        attributes of these names, ``activation`` as in MLP.

        Raises
        ------
        ValueError
            If the arrays do not fit together.

        Examples
        --------
        XOR, which no linear model can represent:

        >>> weights = [np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 4.0], [0.0, -8.0]])]
        >>> biases = [np.array([0.0, -1.0]), np.array([2.0, 0.0])]
        >>> model = MLP.from_parameters("ReLU", weights, biases)
        >>> model.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
        array([0, 1, 1, 0])
        """
        if not len(weights):
            raise ValueError(f"weights must be one array or more; got {weights!r}")
        shapes = [np.shape(W) for W in weights]
        sizes = (*shapes[0][:1], *(shape[-1] for shape in shapes))
        model = cls(sizes, activation, dtype=np.asarray(weights[0]).dtype)
        parameters, given = model.weights + model.biases, [*weights, *biases]
        shapes = [parameter.shape for parameter in parameters]
        given = checks.array_list("weights and biases", given, shapes, model.dtype)
        for parameter, array in zip(parameters, given, strict=True):
            parameter[...] = array
        if standardisation is not None:
            shapes = [(0,) if np.shape(standardisation[0]) == (0,) else sizes[:1]] * 2
            mean, std = checks.array_list("standardisation", standardisation, shapes, model.dtype)
            if not (std > 0).all():
                raise ValueError(f"std in standardisation must be > 0; got {std.min()}")
            model.standardisation = mean.copy(), std.copy()
        return model

    def copy(self) -> Self:
        """Return an independent copy with the same parameters.

        Examples
        --------
        >>> model = MLP((3, 2))
        >>> model.copy().biases[0][...] = 7
        >>> model.biases[0]
        array([0., 0.], dtype=float32)
        """
        return copy.deepcopy(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Copied and pickled as they are, the arrays would no longer
        # share their memory.
        self.__dict__.update(state)
        self.parameters, self.weights, self.biases = allocate(self.layer_specs, self.dtype)
        self.parameters[...] = state["parameters"]

    def to_arrays(self) -> dict[str, Array]:
        """Return weights_0, ..., biases_0, ..., mean and std: what :meth:`save` writes.

        Examples
        --------
        >>> {name: array.shape for name, array in MLP((3, 2)).to_arrays().items()}
        {'weights_0': (3, 2), 'biases_0': (2,)}
        """
        arrays = {f"weights_{layer}": W for layer, W in enumerate(self.weights)}
        arrays |= {f"biases_{layer}": b for layer, b in enumerate(self.biases)}
        return arrays | dict(zip(("mean", "std"), self.standardisation or (), strict=False))

    @classmethod
    def from_arrays(cls, activation: str, arrays: dict[str, Array]) -> Self:
        """Return the network that :meth:`to_arrays` was called for; other arrays are ignored.

        Parameters
        ----------
        activation : str
            Name of the hidden layers' activation.
        arrays : dict of str to ndarray

        Raises
        ------
        KeyError, ValueError
            If an array is missing, or arrays do not fit together.

        Examples
        --------
        >>> MLP.from_arrays("tanh", MLP((3, 2)).to_arrays()).layer_specs
        (3, 2)
        """
        layers = range(max(1, sum(name.startswith("weights_") for name in arrays)))
        weights, biases = (
            [arrays[f"{kind}_{i}"] for i in layers] for kind in ("weights", "biases")
        )
        statistics = (arrays["mean"], arrays["std"]) if "mean" in arrays else None
        return cls.from_parameters(activation, weights, biases, statistics)

    def save(self, path: str | os.PathLike) -> Path:
        """Write the model to ``path`` (npz, no pickle); a file there is replaced in one step.

        Parameters
        ----------
        path : str or os.PathLike

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        OSError
            If it cannot be written; a file that is there stays as it is.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     MLP.load(MLP((784, 16, 10), "ReLU").save(f"{folder}/model.npz"))
        MLP(784-16-10, ReLU, 12,730 parameters, float32)
        """
        files.save_arrays(Path(path), {"activation": self.activation}, self.to_arrays())
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Return the model that :meth:`save` wrote to ``path``.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or no model.

        Examples
        --------
        >>> MLP.load(__file__)
        Traceback (most recent call last):
            ...
        ValueError: ...network.py is damaged or no archive of arrays: ...
        """
        header, arrays = files.load_arrays(Path(path))
        try:
            return cls.from_arrays(header["activation"], arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{path} holds no saved MLP: {error}") from error
