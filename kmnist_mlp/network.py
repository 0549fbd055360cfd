"""The multilayer perceptron: parameters, forward pass, loss, and backpropagation.

It knows nothing of data sets, files of results or training. Shapes are ``(batch, units)``;
``x`` is standardised, ``y`` holds class indices.
"""

from __future__ import annotations

import math
import os
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import activation_name
from kmnist_mlp.support.checks import as_array, float_type, layer_sizes, whole_number
from kmnist_mlp.support.files import checked_path, load_arrays, save_arrays

FORMAT = "kmnist_mlp.MLP 1"


class MLP:
    """Fully connected layers with one activation, and a softmax over the last layer's outputs.

    In all methods, ``x`` has the shape (batch, inputs) and holds standardised images, a row each;
    ``y`` has the shape (batch,) and holds class indices, not one-hot.

    Parameters
    ----------
    layer_specs : sequence of int
        Units per layer: inputs, hidden layers, classes. ``(784, 10)`` is the linear softmax model.
    activation : str
        Of the hidden layers: "tanh", "sigmoid" or "ReLU".
    seed : int
        Of the initial weights: normal with variance 2 / fan-in (Source: He et al. 2015,
        arXiv:1502.01852, eq. 10), every layer drawn independently; biases start at 0.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``.

    Attributes
    ----------
    weights : list of ndarray
        ``weights[l]`` has shape (units of layer l, units of layer l + 1).
    biases : list of ndarray
        ``biases[l]`` has shape (units of layer l + 1,).
    parameters : ndarray
        The memory of all of them, one after the other, weights first: (number of parameters,).
    standardisation : tuple of ndarray, or None
        Mean and standard deviation of each input, (inputs,) each, as in training: a network that
        has them takes images of uint8 as they are.

    Raises
    ------
    ValueError
        If an argument is of the wrong kind; from all methods: if ``x`` or ``y`` has another shape
        or type, no rows, a number that is not finite, a label that is no class.

    Examples
    --------
    >>> MLP((784, 128, 10), "tanh")
    MLP(784-128-10, tanh, 101,770 parameters, float32)
    >>> MLP((2, 3)).predict_proba(np.zeros((1, 2))).round(3)
    array([[0.333, 0.333, 0.333]], dtype=float32)
    """

    extra = 0  # parameters behind weights and biases: those of networks in training

    def __init__(
        self,
        layer_specs: tuple[int, ...],
        activation: str = "tanh",
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        self.layer_specs = layer_sizes(layer_specs)
        self.activation = activation_name(activation)
        self.dtype = float_type(dtype)
        self.parameters, self.weights, self.biases = _allocate(
            self.layer_specs, self.dtype, self.extra
        )
        self.standardisation: tuple[np.ndarray, np.ndarray] | None = None
        rng = np.random.default_rng(whole_number("seed", seed, 0))
        for weights in self.weights:
            weights[...] = rng.standard_normal(weights.shape) * np.sqrt(2 / len(weights))

    def __repr__(self) -> str:
        """Read like the architecture."""
        layers = "-".join(map(str, self.layer_specs))
        count = f"{self.parameters.size:,} parameters"
        return f"MLP({layers}, {self.activation}, {count}, {self.dtype})"

    # ---- what a user calls -------------------------------------------------------------------

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Return the probability of each class, shape (batch, classes); rows sum to 1.

        Parameters
        ----------
        x : ndarray, shape (batch, inputs)
            Standardised numbers. Or uint8, if the network knows its :attr:`standardisation`:
            images of shape (batch, height, width), or one of them, or rows of pixels.

        Examples
        --------
        >>> p = MLP((4, 3), seed=1).predict_proba(np.eye(4)[:2])
        >>> p.shape, p.sum(axis=1).round(6)
        ((2, 3), array([1., 1.], dtype=float32))
        """
        x = self.checked_inputs(x)
        return softmax(self.forward(x, Buffers(self, len(x), backward=False)))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the most probable class of each row of ``x``, shape (batch,).

        ``x`` is as in :meth:`predict_proba`; one image (height, width) is a batch of one.

        Examples
        --------
        >>> model = MLP.from_parameters("tanh", [np.eye(3)], [np.zeros(3)])
        >>> model.predict([[0, 5, 1], [2, 0, 0]])  # class k looks at input k alone
        array([1, 0])
        """
        return self.predict_proba(x).argmax(axis=1)

    def loss(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the cross-entropy *summed* over the batch: the function that training descends.

        Examples
        --------
        >>> model = MLP((4, 10))
        >>> model.weights[0][...] = 0  # all ten classes alike: log 10 for each image
        >>> round(model.loss(np.eye(4)[:2], [3, 7]), 4), round(2 * math.log(10), 4)
        (4.6052, 4.6052)
        """
        x = self.checked_inputs(x)
        y = self.checked_labels(y, len(x))
        logits = self.forward(x, Buffers(self, len(x), backward=False))
        return float(cross_entropies(logits, y).sum())

    def gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the gradient of exactly :meth:`loss`, in the shapes of weights and biases.

        Examples
        --------
        A small step against the gradient lowers the loss by the step times its squared length:

        >>> model = MLP((3, 4, 2), "tanh", dtype=np.float64)
        >>> x, y, step = np.eye(3), np.array([0, 1, 1]), 1e-6
        >>> before, (dW, db) = model.loss(x, y), model.gradients(x, y)
        >>> for own, gradient in zip(model.weights + model.biases, dW + db, strict=True):
        ...     own -= step * gradient
        >>> squared_length = sum(np.square(gradient).sum() for gradient in dW + db)
        >>> print(f"{(before - model.loss(x, y)) / (step * squared_length):.3f}")
        1.000
        """
        x = self.checked_inputs(x)
        y = self.checked_labels(y, len(x))
        buffers = Buffers(self, len(x))
        self.backpropagate(x, y, buffers)
        return buffers.weight_gradients, buffers.bias_gradients

    def save(self, path: str | os.PathLike, half: bool = False) -> Path:
        """Write the model to ``path`` (npz, no pickle); a file there is replaced in one step.

        Parameters
        ----------
        path : str or os.PathLike
        half : bool
            Round weights to float16, for half the size; :meth:`load` makes them float32 again.

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
        path = checked_path("path", path)
        arrays = pack_parameters(self)
        if half:
            with np.errstate(over="ignore"):
                rounded = {n: a.astype(np.float16) for n, a in arrays.items() if "weights" in n}
            for name, array in rounded.items():
                arrays[name] = _finite(f"{name} in float16", array, array.dtype)
        save_arrays(path, {"format": FORMAT, "activation": self.activation}, arrays)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> MLP:
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
        path = checked_path("path", path)
        header, arrays = load_arrays(path)
        try:
            if header["format"] != FORMAT:
                raise ValueError(f"its format is {header['format']!r}, expected {FORMAT!r}")
            return cls.from_parameters(header["activation"], *unpack_parameters(arrays))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{path} holds no saved MLP: {error}") from error

    @classmethod
    def from_parameters(
        cls,
        activation: str,
        weights: list[np.ndarray],
        biases: list[np.ndarray],
        standardisation: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> MLP:
        """Return a network of copies of the given arrays, which also decide layers and dtype.

        ``weights``, ``biases`` and ``standardisation`` are as the attributes of these names,
        ``activation`` as in MLP.

        Raises
        ------
        ValueError
            If the arrays do not fit together.

        Examples
        --------
        "Exactly one of two" by hand, which no linear model can tell:

        >>> weights = [np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 4.0], [0.0, -8.0]])]
        >>> biases = [np.array([0.0, -1.0]), np.array([2.0, 0.0])]
        >>> model = MLP.from_parameters("ReLU", weights, biases)
        >>> model.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
        array([0, 1, 1, 0])
        """
        weights, biases = _array_list("weights", weights), _array_list("biases", biases)
        sizes = (*weights[0].shape[:1], *(size for b in biases for size in b.shape))
        model = cls(sizes, activation, dtype=weights[0].dtype)
        model.set_parameters(weights, biases)
        if standardisation is not None:
            mean, std = (_finite("mean and std", a, model.dtype) for a in standardisation)
            if mean.shape != sizes[:1] or std.shape != sizes[:1] or not (std > 0).all():
                raise ValueError(
                    f"mean and std must have the shape {sizes[:1]}, and std be > 0; got "
                    f"{mean.shape} and {std.shape}, smallest std {std.min(initial=np.inf)}"
                )
            model.standardisation = mean, std
        return model

    def set_parameters(self, weights: list[np.ndarray], biases: list[np.ndarray]) -> None:
        """Replace all parameters by copies of ``weights`` and ``biases``, lists of arrays.

        Raises
        ------
        ValueError
            If a shape is not this network's, or a value is no finite number.

        Examples
        --------
        >>> model = MLP((3, 2))
        >>> model.set_parameters([np.ones((3, 2))], [[5, 6]])
        >>> model.parameters
        array([1., 1., 1., 1., 1., 1., 5., 6.], dtype=float32)
        """
        checked = []
        for name, own, given in (
            ("weights", self.weights, weights),
            ("biases", self.biases, biases),
        ):
            given, expected = _array_list(name, given), [a.shape for a in own]
            shapes = [a.shape for a in given]
            if shapes != expected:
                raise ValueError(f"{name} must have the shapes {expected}; got {shapes}")
            checked += [_finite(name, array, self.dtype) for array in given]
        for own, given in zip(self.weights + self.biases, checked, strict=True):
            own[...] = given

    def copy(self) -> MLP:
        """Return an independent copy with the same parameters.

        Examples
        --------
        >>> model = MLP((3, 2))
        >>> model.copy().biases[0][...] = 7
        >>> model.biases[0]
        array([0., 0.], dtype=float32)
        """
        twin = MLP(self.layer_specs, self.activation, dtype=self.dtype)
        twin.__setstate__((self.parameters, self.standardisation))
        return twin

    def __reduce__(self) -> tuple:
        # Pickled as they are, parameters, weights and biases would no longer share their memory.
        state = self.parameters, self.standardisation
        return MLP, (self.layer_specs, self.activation, 0, self.dtype), state

    def __setstate__(self, state: tuple) -> None:
        self.parameters[...], self.standardisation = state

    # ---- what training calls: no checks, and every array is written into given buffers -------

    def forward(self, x: np.ndarray, buffers: Buffers) -> np.ndarray:
        """Write each layer's outputs and return the last: the logits, shape (batch, classes).

        Hidden layers: ``a_l = f(a_{l-1} @ W_l + b_l)``; the last one without f. ``buffers`` is
        made for as many rows as ``x`` has; the next pass overwrites it.

        Examples
        --------
        >>> model, x = MLP((3, 4, 2), "tanh"), np.eye(3, dtype=np.float32)
        >>> by_hand = np.tanh(x @ model.weights[0]) @ model.weights[1]  # the biases are 0
        >>> np.allclose(model.forward(x, Buffers(model, 3)), by_hand, atol=1e-6)
        True
        """
        f = ACTIVATIONS[self.activation].value
        outputs = buffers.outputs
        inputs = x
        for weights, biases, out in zip(self.weights, self.biases, outputs, strict=True):
            np.matmul(inputs, weights, out=out)
            out += biases
            if out is not outputs[-1]:
                f(out, out=out)
            inputs = out
        return outputs[-1]

    def backpropagate(
        self, x: np.ndarray, y: np.ndarray, buffers: Buffers, scale: float = 1.0
    ) -> None:
        """Write the gradients of the summed cross-entropy, times ``scale``, into ``buffers``.

        With softmax and cross-entropy the last layer's delta is ``p - one_hot(y)``; then, from
        the last layer to the first, ``dW_l = a_{l-1}.T @ delta_l``, ``db_l = sum(delta_l)`` and
        ``delta_{l-1} = (delta_l @ W_l.T) * f'(a_{l-1})``. All of it is linear in the last delta:
        scaling that small array scales every gradient, without a pass over all parameters.
        Source: Rumelhart, Hinton and Williams, Nature 323, 533 (1986), doi:10.1038/323533a0.

        Examples
        --------
        >>> model = MLP((3, 2), dtype=np.float64)  # no hidden layer: one line is all of it
        >>> x, y, buffers = np.array([[1.0, 2.0, 3.0]]), np.array([1]), Buffers(model, 1)
        >>> model.backpropagate(x, y, buffers)
        >>> np.allclose(buffers.weight_gradients[0], x.T @ (model.predict_proba(x) - [[0, 1]]))
        True
        """
        derivative = ACTIVATIONS[self.activation].derivative
        delta = softmax(self.forward(x, buffers))
        delta -= buffers.identity.take(y, axis=0)  # one_hot(y)
        if scale != 1:
            delta *= scale
        for layer in reversed(range(len(self.weights))):
            inputs = buffers.outputs[layer - 1] if layer else x
            np.matmul(inputs.T, delta, out=buffers.weight_gradients[layer])
            np.add.reduce(delta, axis=0, out=buffers.bias_gradients[layer])
            if layer:
                upstream = np.matmul(delta, self.weights[layer].T, out=buffers.deltas[layer - 1])
                upstream *= derivative(inputs, out=buffers.scratch[layer - 1])
                delta = upstream

    # ---- bad input ---------------------------------------------------------------------------

    def checked_inputs(self, x: Any) -> np.ndarray:
        """Return ``x`` in the model's type of number, or raise ValueError saying what is wrong.

        Examples
        --------
        >>> MLP((784, 10)).checked_inputs(np.zeros((5, 28)))
        Traceback (most recent call last):
            ...
        ValueError: x must have the shape (batch, 784); got (5, 28)
        """
        x = as_array("x", x)
        if x.dtype == np.uint8 and self.standardisation is not None:
            return self._standardised(x)
        if x.ndim != 2 or x.shape[1] != self.layer_specs[0]:
            raise ValueError(
                f"x must have the shape (batch, {self.layer_specs[0]}); got {x.shape}"
                + ("; reshape images to one row each" if x.ndim == 3 else "")
            )
        if len(x) == 0:
            raise ValueError("x holds no rows; at least one is needed")
        return _finite("x", x, self.dtype)

    def _standardised(self, images: np.ndarray) -> np.ndarray:
        """Return images of uint8 as standardised rows, or raise ValueError."""
        inputs, shape = self.layer_specs[0], images.shape
        if images.ndim in (2, 3) and images.size and inputs == math.prod(shape[-2:]):
            images = images.reshape(-1, inputs)
        if images.ndim != 2 or images.shape[1] != inputs or not images.size:
            raise ValueError(
                f"x of uint8 must be one image of {inputs} pixels, (n, height, width) of them or "
                f"(n, {inputs}), n >= 1; got {shape}"
            )
        mean, std = self.standardisation
        return (images - mean) / std

    def checked_labels(self, y: Any, rows: int) -> np.ndarray:
        """Return ``y`` as an array of ``rows`` class indices, or raise ValueError.

        Examples
        --------
        >>> MLP((784, 10)).checked_labels([3, 12], rows=2)
        Traceback (most recent call last):
            ...
        ValueError: y must hold class indices from 0 to 9; got 3 to 12
        """
        y, classes = as_array("y", y), self.layer_specs[-1]
        if y.shape != (rows,):
            one_hot = y.shape == (rows, classes)
            raise ValueError(
                f"y must have the shape ({rows},), one class index per row of x; got {y.shape}"
                + ("; turn one-hot rows into indices with y.argmax(axis=1)" if one_hot else "")
            )
        if y.dtype.kind not in "iu":
            raise ValueError(f"y must hold whole numbers (class indices); got dtype {y.dtype}")
        if y.min() < 0 or y.max() >= classes:
            raise ValueError(
                f"y must hold class indices from 0 to {classes - 1}; got {y.min()} to {y.max()}"
            )
        return y


class Buffers:
    """All arrays that a forward and a backward pass of one batch size write into.

    Training makes them once, so that a mini-batch allocates nothing of its size. Without
    ``backward`` there are only ``outputs``, all that a forward pass needs.

    Attributes
    ----------
    outputs, deltas, scratch : list of ndarray
        One array (batch, units) per layer; deltas and scratch for the hidden layers only.
    identity : ndarray, shape (classes, classes)
        Its rows are the one-hot labels.
    weight_gradients, bias_gradients : list of ndarray
        In the shapes of the parameters.
    gradient : ndarray
        The memory of all gradients, in the order of :attr:`MLP.parameters`.

    Examples
    --------
    >>> [array.shape for array in Buffers(MLP((784, 128, 10)), batch=32).outputs]
    [(32, 128), (32, 10)]
    """

    PER_IMAGE = ("outputs", "deltas", "scratch")

    def __init__(self, model: MLP, batch: int, backward: bool = True) -> None:
        sizes = model.layer_specs[1:]
        self.outputs = [np.empty((batch, units), model.dtype) for units in sizes]
        # A class beside a class for all images: maxima and sums over the few classes are then
        # taken over whole columns, which is twice as fast as many short rows.
        self.outputs[-1] = np.empty((sizes[-1], batch), model.dtype).T
        if not backward:
            return
        self.deltas = [np.empty_like(array) for array in self.outputs[:-1]]
        self.scratch = [np.empty_like(array) for array in self.outputs[:-1]]
        self.identity = np.eye(sizes[-1], dtype=model.dtype)
        self.gradient, self.weight_gradients, self.bias_gradients = _allocate(
            model.layer_specs, model.dtype, model.extra
        )

    def first(self, rows: int) -> Buffers:
        """Return buffers for a smaller batch that share this one's memory."""
        smaller = object.__new__(type(self))
        smaller.__dict__.update(self.__dict__)
        for name in set(self.PER_IMAGE) & vars(self).keys():
            setattr(smaller, name, [array[:rows] for array in getattr(self, name)])
        return smaller


def _allocate(
    layer_specs: tuple[int, ...], dtype: np.dtype, extra: int = 0
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Return one array of zeros for all parameters, and views of it as weights and biases."""
    shapes = [*pairwise(layer_specs), *((units,) for units in layer_specs[1:])]
    ends = list(accumulate(map(math.prod, shapes)))
    try:
        memory = np.zeros(ends[-1] + extra, dtype)
    except (MemoryError, OverflowError, ValueError):
        raise ValueError(
            f"layer_specs {tuple(layer_specs)} are {ends[-1]:,} parameters; there is no memory for "
            "so many"
        ) from None
    views = [
        part.reshape(shape)
        for part, shape in zip(np.split(memory, ends)[: len(shapes)], shapes, strict=True)
    ]
    layers = len(layer_specs) - 1
    return memory, views[:layers], views[layers:]


def _array_list(name: str, arrays: Any) -> list[np.ndarray]:
    """Return a list of at least one array, or raise ValueError."""
    if not isinstance(arrays, (list, tuple)) or not arrays:
        raise ValueError(f"{name} must be a list of arrays, one per layer; got {arrays!r}")
    return [as_array(f"each of {name}", array) for array in arrays]


def _finite(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an array in that type of number, or raise ValueError if it holds anything else."""
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers; got dtype {array.dtype}")
    with np.errstate(over="ignore"):
        array = array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinite values; all must be finite in {dtype}")
    return array


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (batch, classes) into probabilities, in place; no logit can overflow it.

    ``p_k = exp(z_k) / sum_j exp(z_j)``, with the largest logit subtracted from all first.

    Examples
    --------
    >>> softmax(np.array([[0.0, np.log(3.0)], [1e4, -1e4]])).round(6)
    array([[0.25, 0.75],
           [1.  , 0.  ]])
    """
    logits -= np.maximum.reduce(logits, axis=1, keepdims=True)  # .max() takes twice as long
    np.exp(logits, out=logits)
    logits /= np.add.reduce(logits, axis=1, keepdims=True)
    return logits


def cross_entropies(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return ``-log softmax(logits)[y]`` of each row, shape (batch,), without rounding to -log 0.

    ``log sum_k exp(z_k) - z_y``, with the largest logit subtracted first; overwrites ``logits``.

    Examples
    --------
    >>> cross_entropies(np.array([[0.0, np.log(3.0)], [-1e4, 1e4]]), np.array([1, 0])).round(4)
    array([2.877e-01, 2.000e+04])
    """
    logits -= logits.max(axis=1, keepdims=True)
    right = logits[np.arange(len(y)), y]
    return np.log(np.exp(logits, out=logits).sum(axis=1)) - right


def pack_parameters(model: MLP) -> dict[str, np.ndarray]:
    """Return the parameters under the names weights_0, biases_0, weights_1, ...; mean and std."""
    packed = {}
    if model.standardisation is not None:
        packed["mean"], packed["std"] = model.standardisation
    for layer, (weights, biases) in enumerate(zip(model.weights, model.biases, strict=True)):
        packed |= {f"weights_{layer}": weights, f"biases_{layer}": biases}
    return packed


def unpack_parameters(
    arrays: dict[str, np.ndarray],
) -> tuple[list[np.ndarray], list[np.ndarray], tuple[np.ndarray, np.ndarray] | None]:
    """Return weights, biases and standardisation from what :func:`pack_parameters` made."""
    layers = range(sum(name.startswith("weights_") for name in arrays))
    weights = [arrays[f"weights_{i}"] for i in layers]
    if any(array.dtype == np.float16 for array in weights):
        weights = [array.astype(np.float32) for array in weights]
    own = (arrays["mean"], arrays["std"]) if "mean" in arrays else None
    return weights, [arrays[f"biases_{i}"] for i in layers], own
