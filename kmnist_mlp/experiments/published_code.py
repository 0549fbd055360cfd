"""The algorithm that the paper's published code runs, written anew beside this project's own.

One of the authors published the code of the report, github.com/Ruizhang666/Mnist-MLP_from_scratch.
Where it differs from the report's text, and from this project, is stated here as facts; no line of
it is used. Each difference is a name in :data:`DEVIATIONS`. Without any of them,
:func:`train_as_published` is the algorithm of :func:`kmnist_mlp.train`; with all of them, it is
that of the published code. published_runs.py measures which of them explains what.

Shapes are ``(images, units)``. ``x`` holds standardised images, a row each; ``y`` class indices.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.data import Dataset, pixel_statistics, split_rows, standardise
from kmnist_mlp.network import initial_weights
from kmnist_mlp.results import CURVES
from kmnist_mlp.support.checks import float_type, instance, layers_for, one_of
from kmnist_mlp.support.threads import one_blas_thread

Array = np.ndarray
Arrays = list[np.ndarray]

DEVIATIONS = {
    "fixed epochs": "Training lasts a fixed number of epochs; the last weights are kept.",
    "untrained biases": "Biases are drawn from N(0, 1) and never updated.",
    "scaled tanh": "tanh is 1.7159 tanh(2z/3); its derivative is coded as 1 - tanh(z)^2.",
    "two-batch momentum": "Momentum: 0.9 x the previous mini-batch's gradient, 0.1 x this one's.",
    "own statistics": "Validation and test images are standardised by their own statistics.",
    "L2 outside": "An L2 penalty, 1e-4 where the text has none, acts outside the momentum.",
    "clipping": "Softmax and sigmoid clip their inputs to -20 to 20, ReLU its output to 0 to 200.",
    "one draw": "Each layer's weights are drawn from the same random numbers.",
    "batch 129": "A mini-batch has 129 images.",
    "stored penalties": "L1 subtracts a constant, without the weight's sign, and is in the curves.",
}
# The published dictionaries' early_stop_epoch is the number of epochs. All configurations that
# the notebook prints have 25 where the text has a patience of 5; the final model's has 30.
EPOCHS_FOR_PATIENCE = {5: 25}
STORED_L2 = 1e-4  # in every printed configuration, also where the text has no penalty


@dataclass(frozen=True, eq=False)
class PublishedRun:
    """The result of one run.

    Attributes
    ----------
    test_accuracy : float
        A fraction.
    test_loss : float
        The reported one: mean cross-entropy per image, divided by the number of classes.
    stopped_epoch, best_epoch : int
        The last epoch, and that of the lowest validation loss (cross-entropy alone).
    diverged : bool
    curves : dict of str to ndarray
        For each of :data:`kmnist_mlp.results.CURVES`, the values after each epoch.
    returned : dict of str to float
        The same quantities of the weights that are kept.
    weights : list of ndarray
        Those that are kept.
    """

    test_accuracy: float
    test_loss: float
    stopped_epoch: int
    best_epoch: int
    diverged: bool
    curves: dict[str, Array]
    returned: dict[str, float]
    weights: Arrays


def applicable(config: Config) -> frozenset[str]:
    """Return the deviations that can change the run of a configuration.

    Parameters
    ----------
    config : Config

    Examples
    --------
    >>> sorted(frozenset(DEVIATIONS) - applicable(Config(activation="sigmoid")))
    ['scaled tanh', 'stored penalties']
    """
    hidden = len(config.layer_specs) > 2
    without = {
        "fixed epochs": not config.early_stop,
        "scaled tanh": config.activation != "tanh" or not hidden,
        "two-batch momentum": not config.momentum,
        "own statistics": config.standardisation != "pixel",
        "one draw": not hidden,
        "batch 129": config.batch_size == 129,
        "stored penalties": not config.L1_penalty,
    }
    return frozenset(name for name in DEVIATIONS if not without.get(name))


def train_as_published(
    config: Config, data: Dataset, deviations: Iterable[str] = (), dtype: Any = np.float32
) -> PublishedRun:
    """Train a network with some of the published code's deviations.

    The random numbers are those of :func:`kmnist_mlp.train` with the same seed, so that runs with
    and without a deviation have the same split, first layer and mini-batches. The number of epochs
    under "fixed epochs" is ``early_stop_epoch``, and 25 where that is 5, the patience of the text.

    Parameters
    ----------
    config : Config
        Without the options that go beyond the paper.
    data : Dataset
    deviations : iterable of str
        Names in :data:`DEVIATIONS`; what is not :func:`applicable` has no effect.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``.

    Returns
    -------
    PublishedRun

    Raises
    ------
    ValueError
        For an unknown deviation, layers that do not fit the data, or an option beyond the paper.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> config, data = Config(layer_specs=(784, 16, 10), epochs=2), load_kmnist()
    >>> ours = train_as_published(config, data)
    >>> ours.stopped_epoch, len(ours.curves["validation_loss"])
    (2, 2)
    >>> train_as_published(config, data, ["cliping"])
    Traceback (most recent call last):
        ...
    ValueError: unknown deviation 'cliping': did you mean 'clipping'?
    """
    names = checked_deviations(deviations)
    beyond = set(instance("config", config, Config).to_dict()) - {*Config().to_dict()}
    if beyond - {"standardisation"}:
        raise ValueError(f"config must have no option beyond the paper; got {sorted(beyond)}")
    one_of("activation", config.activation, ("tanh", "sigmoid", "ReLU"))
    pixels = instance("data", data, Dataset).train_images[0].size
    layers_for(config.layer_specs, pixels, len(data.class_names))
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _train(config, data, names & applicable(config), float_type(dtype))


def checked_deviations(names: Iterable[str]) -> frozenset[str]:
    """Return names of deviations as a set; ValueError for an unknown one.

    Examples
    --------
    >>> checked_deviations("all")
    Traceback (most recent call last):
        ...
    ValueError: deviations must be several names; got 'all'
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"deviations must be several names; got {names!r}")
    names = list(names)
    for name in names:
        if name not in list(DEVIATIONS):
            near = difflib.get_close_matches(str(name), DEVIATIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {list(DEVIATIONS)}"
            raise ValueError(f"unknown deviation {name!r}: {hint}")
    return frozenset(names)


# ---- the network ---------------------------------------------------------------------------------


def activate(z: Array, activation: str, names: frozenset[str] = frozenset()) -> tuple[Array, Array]:
    """Return a = f(z), and its derivative as it is coded, in the shape of ``z``.

    Examples
    --------
    The scaled tanh has the slope 1.7159 * 2/3 = 1.14 at 0:

    >>> a, slope = activate(np.array([-1e-4, 0, 1e-4]), "tanh", frozenset({"scaled tanh"}))
    >>> round((a[2] - a[0]) / 2e-4, 2), slope[1]
    (np.float64(1.14), np.float64(1.0))
    """
    clips = "clipping" in names
    if activation == "sigmoid":
        a = 1 / (1 + np.exp(-(np.clip(z, -20, 20) if clips else z)))
        return a, a * (1 - a)
    if activation == "ReLU":
        return (np.clip(z, 0, 200), z >= 0) if clips else (np.maximum(z, 0), z > 0)
    if "scaled tanh" in names:
        return 1.7159 * np.tanh(2 / 3 * z), 1 - np.tanh(z) ** 2
    a = np.tanh(z)
    return a, 1 - a**2


def forward(
    x: Array, weights: Arrays, biases: Arrays, activation: str, names: frozenset[str]
) -> tuple[Arrays, Arrays, Array]:
    """Return each layer's input, each hidden layer's derivative, and the log-probabilities."""
    inputs, slopes = [x], []
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        a, slope = activate(inputs[-1] @ W + b, activation, names)
        inputs.append(a)
        slopes.append(slope)
    z = inputs[-1] @ weights[-1] + biases[-1]
    if "clipping" in names:
        z = np.clip(z, -20, 20)
    z -= z.max(axis=1, keepdims=True)
    return inputs, slopes, z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def backward(
    inputs: Arrays, slopes: Arrays, log_p: Array, y: Array, weights: Arrays
) -> list[tuple[Array, Array]]:
    """Return dW and db of each layer, for the cross-entropy summed over a batch.

    Delta is ``p - one_hot(y)``, then ``(delta @ W.T) * f'``; ``dW = a.T @ delta``.
    """
    delta = np.exp(log_p)
    delta[np.arange(len(y)), y] -= 1
    deltas = [delta]
    for W, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        deltas.append(deltas[-1] @ W.T * slope)
    pairs = zip(inputs, deltas[::-1], strict=True)
    return [(a.T @ delta, delta.sum(axis=0)) for a, delta in pairs]


def _initial(config: Config, names: frozenset[str], dtype: np.dtype) -> tuple[Arrays, Arrays]:
    """Draw weights as :class:`kmnist_mlp.MLP` does, and biases from a stream of their own."""
    rng = np.random.default_rng(config.seed)
    (for_biases,) = rng.spawn(1)
    weights, biases = [], []
    for inputs, units in zip(config.layer_specs, config.layer_specs[1:], strict=False):
        if "one draw" in names:
            rng = np.random.default_rng(config.seed)
        weights.append(initial_weights(rng, (inputs, units)).astype(dtype))
        drawn = for_biases.standard_normal(units)
        biases.append((drawn if "untrained biases" in names else np.zeros(units)).astype(dtype))
    return weights, biases


# ---- training ------------------------------------------------------------------------------------


class Steps:
    """Changes weights and biases, mini-batch by mini-batch.

    Momentum: ``v <- 0.9 v + 0.1 g`` and ``w <- w - rate * v``. Over two mini-batches, v is
    ``0.9 g_before + 0.1 g`` instead, and g_before is 0 at first. The gradient g has the penalties'
    part, ``L1 * sign(w) + 2 * L2 * w``, unless they act outside the momentum:
    ``w <- w - rate * (v + 2 * L2 * w)``, and for the L1 of the stored cell, which has no sign,
    ``w <- w - rate * (v + L1)``. The factors L1 and L2 are those of the experiment's caption.

    Parameters
    ----------
    config : Config
    names : frozenset of str
        Deviations.
    weights, biases : list of ndarray
        Changed by :meth:`step`, layer by layer.
    """

    def __init__(
        self, config: Config, names: frozenset[str], weights: Arrays, biases: Arrays
    ) -> None:
        self.weights, self.biases, self.rate = weights, biases, config.learning_rate
        self.gamma = config.momentum_gamma if config.momentum else 0.0
        self.two_batches = "two-batch momentum" in names
        self.train_biases = "untrained biases" not in names
        self.inside = {"L1": config.L1_penalty, "L2": config.L2_penalty}
        self.outside = {"L1": 0.0, "L2": 0.0}
        if "L2 outside" in names:
            self.inside["L2"], self.outside["L2"] = 0.0, config.L2_penalty or STORED_L2
        if "stored penalties" in names:
            self.inside["L1"], self.outside["L1"] = 0.0, config.L1_penalty
        self.memory = [np.zeros_like(w) for w in (*weights, *biases)]

    def step(self, layer: int, dW: Array, db: Array) -> None:
        """Take the step of one layer, given the gradients of the summed cross-entropy."""
        W, inside, outside = self.weights[layer], self.inside, self.outside
        if inside["L1"]:
            dW += inside["L1"] * np.sign(W)
        if inside["L2"]:
            dW += 2 * inside["L2"] * W
        v = self.average(layer, dW)
        if outside["L1"] or outside["L2"]:
            v = v + (2 * outside["L2"] * W + outside["L1"])
        W -= self.rate * v
        if self.train_biases:
            self.biases[layer] -= self.rate * self.average(layer + len(self.weights), db)

    def average(self, parameter: int, g: Array) -> Array:
        """Return v after the gradient g of one array of parameters, and remember what is needed."""
        before = self.memory[parameter]
        v = self.gamma * before + (1 - self.gamma) * g
        self.memory[parameter] = g if self.two_batches else v
        return v


def _train(config: Config, data: Dataset, names: frozenset[str], dtype: np.dtype) -> PublishedRun:
    splits = _splits(config, data, "own statistics" in names, dtype)
    x, y = splits["training"]
    part = generator(config.seed, Stream.CURVES).permutation(len(y))[: (len(y) + 9) // 10]
    weights, biases = _initial(config, names, dtype)
    steps = Steps(config, names, weights, biases)
    size = 129 if "batch 129" in names else config.batch_size
    stops = config.early_stop and "fixed epochs" not in names
    epochs = config.epochs
    if "fixed epochs" in names:
        patience = config.early_stop_epoch
        epochs = min(epochs, EPOCHS_FOR_PATIENCE.get(patience, patience))

    def measured(x: Array, y: Array) -> tuple[float, float]:
        """Return the reported loss and the accuracy."""
        _, _, log_p = forward(x, weights, biases, config.activation, names)
        loss = -log_p[np.arange(len(y)), y].sum(dtype=np.float64) / len(y) / log_p.shape[1]
        return float(loss), float((log_p.argmax(axis=1) == y).mean())

    batches, curves = generator(config.seed, Stream.BATCHES), []
    lowest, best_epoch, best = np.inf, 0, [w.copy() for w in (*weights, *biases)]
    for epoch in range(1, epochs + 1):
        order = batches.permutation(len(y))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            passed = forward(x[batch], weights, biases, config.activation, names)
            for layer, gradients in enumerate(backward(*passed, y[batch], weights)):
                steps.step(layer, *gradients)
        row = np.array([measured(x[part], y[part]), measured(*splits["validation"])]).ravel()
        diverged = not np.isfinite(row).all()
        if diverged:
            break
        if row[2] < lowest:
            lowest, best_epoch, best = row[2], epoch, [w.copy() for w in (*weights, *biases)]
        curves.append(row)
        if "stored penalties" in names:  # reported with the loss, and nothing is chosen by it
            row[::2] += 0.5 * config.L1_penalty * sum(abs(W).sum() for W in weights)
        if stops and epoch - best_epoch >= config.early_stop_epoch:
            break
    kept = len(curves)
    if stops or diverged:
        kept, weights, biases = best_epoch, best[: len(weights)], best[len(weights) :]
    at_kept = curves[kept - 1] if curves else row
    loss, accuracy = measured(*splits["test"])
    by_name = dict(zip(CURVES, np.reshape(curves, (-1, 4)).T, strict=True))
    returned = dict(zip(CURVES, at_kept, strict=True))
    return PublishedRun(
        accuracy, loss, epoch, best_epoch, diverged, by_name, returned, weights
    )  # fmt: skip


def _splits(
    config: Config, data: Dataset, own: bool, dtype: np.dtype
) -> dict[str, tuple[Array, Array]]:
    """Return standardised images (n, pixels) and labels of training, validation and test."""
    training, validation = split_rows(len(data.train_images), config)
    parts = {
        "training": (data.train_images[training], data.train_labels[training]),
        "validation": (data.train_images[validation], data.train_labels[validation]),
        "test": (data.test_images, data.test_labels),
    }
    splits, statistics = {}, None
    for name, (images, labels) in parts.items():
        pixels = images.reshape(len(images), -1)
        if own or statistics is None:
            mean, std = pixel_statistics(pixels, np.arange(len(pixels)), config.standardisation)
            statistics = mean.astype(dtype), std.astype(dtype)
        splits[name] = standardise(pixels, *statistics), labels
    return splits
