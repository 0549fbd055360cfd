"""A network as arrays and files: made of given parameters, copied, pickled, saved, loaded."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Self

import numpy as np

from kmnist_mlp.support.checks import array_list, as_array, finite_array

FORMAT = "kmnist_mlp.MLP 1"


class Persistent:
    """The part of :class:`kmnist_mlp.MLP` that has nothing to do with its mathematics."""

    layer_specs: tuple[int, ...]
    activation: str
    dtype: np.dtype
    parameters: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    standardisation: tuple[np.ndarray, np.ndarray] | None

    @classmethod
    def from_parameters(
        cls,
        activation: str,
        weights: list[np.ndarray],
        biases: list[np.ndarray],
        standardisation: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Self:
        """Return a network of copies of the given arrays, which also decide layers and dtype.

        ``weights``, ``biases`` and ``standardisation`` are as the attributes of these names,
        ``activation`` as in MLP.

        Raises
        ------
        ValueError
            If the arrays do not fit together.

        Examples
        --------
        XOR, which no linear model can represent:

        >>> from kmnist_mlp import MLP
        >>> weights = [np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 4.0], [0.0, -8.0]])]
        >>> biases = [np.array([0.0, -1.0]), np.array([2.0, 0.0])]
        >>> model = MLP.from_parameters("ReLU", weights, biases)
        >>> model.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
        array([0, 1, 1, 0])
        """
        if not isinstance(weights, (list, tuple)) or not weights:
            raise ValueError(f"weights must be a list of arrays, one per layer; got {weights!r}")
        arrays = [as_array("each of weights", array) for array in weights]
        sizes = (*arrays[0].shape[:1], *(a.shape[-1] for a in arrays if a.ndim))
        model = cls(sizes, activation, dtype=arrays[0].dtype)  # type: ignore[call-arg]
        model.set_parameters(weights, biases)
        if standardisation is not None:
            own = all(np.shape(array) == (0,) for array in standardisation)  # of each image
            shapes = [(0,) if own else sizes[:1]] * 2
            mean, std = array_list("standardisation", standardisation, shapes, model.dtype)
            if not (std > 0).all():
                raise ValueError(f"std in standardisation must be > 0; got {std.min()}")
            model.standardisation = mean.copy(), std.copy()
        return model

    def set_parameters(self, weights: list[np.ndarray], biases: list[np.ndarray]) -> None:
        """Replace all parameters by copies of ``weights`` and ``biases``, lists of arrays.

        Raises
        ------
        ValueError
            If a shape is not this network's, or a value is no finite number.

        Examples
        --------
        >>> from kmnist_mlp import MLP
        >>> model = MLP((3, 2))
        >>> model.set_parameters([np.ones((3, 2))], [[5, 6]])
        >>> model.parameters
        array([1., 1., 1., 1., 1., 1., 5., 6.], dtype=float32)
        """
        checked = [
            *array_list("weights", weights, [a.shape for a in self.weights], self.dtype),
            *array_list("biases", biases, [a.shape for a in self.biases], self.dtype),
        ]
        for own, given in zip(self.weights + self.biases, checked, strict=True):
            own[...] = given

    def copy(self) -> Self:
        """Return an independent copy with the same parameters.

        Examples
        --------
        >>> from kmnist_mlp import MLP
        >>> model = MLP((3, 2))
        >>> model.copy().biases[0][...] = 7
        >>> model.biases[0]
        array([0., 0.], dtype=float32)
        """
        return copy.deepcopy(self)

    def __reduce__(self) -> tuple:
        # Pickled as they are, parameters, weights and biases would no longer share their memory.
        state = self.parameters, self.standardisation
        return type(self), (self.layer_specs, self.activation, 0, self.dtype), state

    def __setstate__(self, state: tuple) -> None:
        self.parameters[...], self.standardisation = state

    def to_arrays(self, half: bool = False) -> dict[str, np.ndarray]:
        """Return weights_0, biases_0, weights_1, ..., mean and std: what :meth:`save` writes.

        ``half`` rounds weights to float16, as in :meth:`save`.

        Examples
        --------
        >>> from kmnist_mlp import MLP
        >>> {name: array.shape for name, array in MLP((3, 2)).to_arrays().items()}
        {'weights_0': (3, 2), 'biases_0': (2,)}
        """
        arrays: dict[str, np.ndarray] = {}
        for layer, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            W = finite_array(f"weights_{layer}", W, np.dtype(np.float16)) if half else W
            arrays |= {f"weights_{layer}": W, f"biases_{layer}": b}
        if self.standardisation is not None:
            arrays["mean"], arrays["std"] = self.standardisation
        return arrays

    @classmethod
    def from_arrays(cls, activation: str, arrays: dict[str, np.ndarray]) -> Self:
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
        >>> from kmnist_mlp import MLP
        >>> MLP.from_arrays("tanh", MLP((3, 2)).to_arrays()).layer_specs
        (3, 2)
        """
        layers = range(sum(name.startswith("weights_") for name in arrays))
        weights = [arrays[f"weights_{i}"] for i in layers]
        if any(W.dtype == np.float16 for W in weights):
            weights = [W.astype(np.float32) for W in weights]
        own = (arrays["mean"], arrays["std"]) if "mean" in arrays else None
        return cls.from_parameters(
            activation, weights, [arrays[f"biases_{i}"] for i in layers], own
        )

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
        ValueError
            If ``path`` is no path, or ``half`` is asked for with a weight beyond 65,504.

        Examples
        --------
        >>> from kmnist_mlp import MLP
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     MLP.load(MLP((784, 16, 10), "ReLU").save(f"{folder}/model.npz"))
        MLP(784-16-10, ReLU, 12,730 parameters, float32)
        """
        from kmnist_mlp.support.files import (  # only here: training needs none
            checked_path,
            save_arrays,
        )

        path = checked_path("path", path)
        header = {"format": FORMAT, "activation": self.activation}
        save_arrays(path, header, self.to_arrays(half))
        return path

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
        >>> from kmnist_mlp import MLP
        >>> MLP.load(__file__)
        Traceback (most recent call last):
            ...
        ValueError: ...persistence.py is damaged or no archive of arrays: ...
        """
        from kmnist_mlp.support.files import checked_path, load_arrays  # as in save

        path = checked_path("path", path)
        header, arrays = load_arrays(path)
        try:
            if header["format"] != FORMAT:
                raise ValueError(f"its format is {header['format']!r}, expected {FORMAT!r}")
            return cls.from_arrays(header["activation"], arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{path} holds no saved MLP: {error}") from error
