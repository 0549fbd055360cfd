"""The algorithm of the paper's published code, written anew.

One of the authors published the code of the report,
github.com/Ruizhang666/Mnist-MLP_from_scratch. Where it differs from
the report's text, and from this project, is stated here as facts; no
line of it is used. Each difference is a name in :data:`DEVIATIONS`.
Without any of them, :func:`train_as_published` is the algorithm of
:func:`kmnist_mlp.train`; with all of them, it is that of the
published code. readings.py measures which of them explains what.

Shapes are ``(images, units)``. ``x`` holds standardised images, a row
each; ``y`` class indices.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.data import Dataset, pixel_statistics, split_and_standardise, standardise
from kmnist_mlp.experiments.paper import read_published
from kmnist_mlp.network import MLP, initial_weights, unflagged
from kmnist_mlp.results import CURVES, TrainingResult
from kmnist_mlp.support.threads import one_blas_thread

Array = np.ndarray
Arrays = list[np.ndarray]

# Name: what the published code does.
DEVIATIONS = {
    row["choice"]: row["the published code"]
    for row in read_published("choices.csv")
    if row["status"] == "deviation"
}
# The published dictionaries' early_stop_epoch is the number of
# epochs. All configurations that the notebook prints have 25 where
# the text has a patience of 5; the final model's has 30.
EPOCHS_FOR_PATIENCE = {5: 25}
# in every printed configuration, also where the text has no penalty
STORED_L2 = 1e-4


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


# ---- the network -----------------------------------------------------


def scaled_tanh(z: Array) -> Array:
    """Return ``1.7159 tanh(2z / 3)``, whose derivative is ``1.7159 · 2/3 · (1 - tanh(2z / 3)²)``.

    The published code has it with the derivative of tanh(z). Source:
    LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp", section 4.4.

    Examples
    --------
    >>> scaled_tanh(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-1.,  0.,  1.])
    """
    return 1.7159 * np.tanh(2 / 3 * z)


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
    a = np.tanh(z)
    return (scaled_tanh(z) if "scaled tanh" in names else a), 1 - a**2


def forward(model: MLP, x: Array, names: frozenset[str]) -> tuple[Arrays, Arrays, Array]:
    """Return each layer's input, each hidden layer's derivative, and the log-probabilities."""
    inputs, slopes = [x], []
    for W, b in zip(model.weights[:-1], model.biases[:-1], strict=True):
        a, slope = activate(inputs[-1] @ W + b, model.activation, names)
        inputs.append(a)
        slopes.append(slope)
    z = inputs[-1] @ model.weights[-1] + model.biases[-1]
    if "clipping" in names:
        z = np.clip(z, -20, 20)
    z -= z.max(axis=1, keepdims=True)
    return inputs, slopes, z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def backward(model: MLP, inputs: Arrays, slopes: Arrays, log_p: Array, y: Array) -> Arrays:
    """Return dW of each layer, then each db, for the cross-entropy summed over a batch.

    Delta is ``p - one_hot(y)``, then ``(delta @ W.T) * f'``;
    ``dW = a.T @ delta``.
    """
    deltas = [np.exp(log_p)]
    deltas[0][np.arange(len(y)), y] -= 1
    for W, slope in zip(model.weights[:0:-1], slopes[::-1], strict=True):
        deltas.insert(0, deltas[0] @ W.T * slope)
    weights = [a.T @ delta for a, delta in zip(inputs, deltas, strict=True)]
    return weights + [delta.sum(axis=0) for delta in deltas]


def step(w: Array, g: Array, before: Array, config: Config, names: frozenset[str]) -> Array:
    """Change one array of parameters, given its gradient g; return what the next step needs.

    Momentum: ``v <- 0.9 v + 0.1 g`` and ``w <- w - rate * v``. Over
    two mini-batches, v is ``0.9 g_before + 0.1 g`` instead, and
    g_before is 0 at first. The gradient g has the penalties' part,
    ``L1 * sign(w) + 2 * L2 * w``, unless they act outside the
    momentum: ``w <- w - rate * (v + 2 * L2 * w)``, and for the L1 of
    the stored cell, which has no sign, ``w <- w - rate * (v + L1)``.
    The factors L1 and L2 are those of the experiment's caption;
    biases have no penalty.
    """
    L1, L2, outside = config.L1_penalty, config.L2_penalty, 0.0
    if w.ndim == 2:
        if "stored penalties" in names:
            outside = L1
        elif L1:
            g = g + L1 * np.sign(w)
        if "L2 outside" in names:
            outside = 2 * (L2 or STORED_L2) * w + outside
        elif L2:
            g = g + 2 * L2 * w
    gamma = config.momentum_gamma if config.momentum else 0.0
    v = gamma * before + (1 - gamma) * g
    w -= config.learning_rate * (v + outside)
    return g if "two-batch momentum" in names else v


# ---- training --------------------------------------------------------


@one_blas_thread()
@unflagged()
def train_as_published(
    config: Config, data: Dataset, deviations: Iterable[str] = (), dtype: Any = np.float32
) -> TrainingResult:
    """Train a network with some of the published code's deviations.

    The random numbers are those of :func:`kmnist_mlp.train` with the
    same seed, so that runs with and without a deviation have the same
    split, first layer and mini-batches. The number of epochs under
    "fixed epochs" is ``early_stop_epoch``, and 25 where that is 5, the
    patience of the text.

    Parameters
    ----------
    config : Config
        Without the options that go beyond the paper; tanh,
        sigmoid or ReLU.
    data : Dataset
    deviations : iterable of str
        Names in :data:`DEVIATIONS`; what is not :func:`applicable`
        has no effect.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``.

    Returns
    -------
    TrainingResult
        Its duration is not measured (0). Its model has the weights
        that are kept, and not the deviations: what it predicts is not
        what was measured here.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> config, data = Config(layer_specs=(784, 16, 10), epochs=2), load_kmnist()
    >>> result = train_as_published(config, data, ["clipping"])
    >>> result.stopped_epoch, len(result.curves["validation_loss"])
    (2, 2)
    """
    names = frozenset(deviations) & applicable(config)
    split = split_and_standardise(data, config, dtype)
    x, y = split.train, split.train_labels
    part = generator(config.seed, Stream.CURVES).permutation(len(y))[: (len(y) + 9) // 10]
    test_images = data.test_images.reshape(len(data.test_images), -1)
    others = []
    for images in (split.validation, test_images):
        mean, std = split.mean, split.std
        if "own statistics" in names:
            mean, std = pixel_statistics(images, np.arange(len(images)))
        x_other = images.astype(dtype)
        others.append(standardise(x_other, mean.astype(dtype), std.astype(dtype)))

    model = MLP(config.layer_specs, config.activation, config.seed, dtype)
    (for_biases,) = np.random.default_rng(config.seed).spawn(1)
    for W, b in zip(model.weights, model.biases, strict=True):
        if "one draw" in names:
            W[...] = initial_weights(np.random.default_rng(config.seed), W.shape)
        if "untrained biases" in names:
            b[...] = for_biases.standard_normal(len(b))
    trained = model.weights + ([] if "untrained biases" in names else model.biases)
    memory = [np.zeros_like(array) for array in trained]

    size = 129 if "batch 129" in names else config.batch_size
    patience, epochs = config.early_stop_epoch, config.epochs
    stops = config.early_stop and "fixed epochs" not in names
    if "fixed epochs" in names:
        epochs = min(epochs, EPOCHS_FOR_PATIENCE.get(patience, patience))
    batches, curves = generator(config.seed, Stream.BATCHES), []
    lowest, best_epoch, best = np.inf, 0, model.copy()
    for epoch in range(1, epochs + 1):
        order = batches.permutation(len(y))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            gradients = backward(model, *forward(model, x[rows], names), y[rows])
            for place, (w, g) in enumerate(zip(trained, gradients, strict=False)):
                memory[place] = step(w, g, memory[place], config, names)
        training = measured(model, x[part], y[part], names)
        validation = measured(model, others[0], split.validation_labels, names)
        row = np.array([*training, *validation])
        diverged = not np.isfinite(row).all()
        if diverged:
            break
        if row[2] < lowest:
            lowest, best_epoch, best = row[2], epoch, model.copy()
        # reported with the loss, and nothing is chosen by it
        if "stored penalties" in names:
            row[::2] += 0.5 * config.L1_penalty * sum(abs(W).sum() for W in model.weights)
        curves.append(row)
        if stops and epoch - best_epoch >= patience:
            break
    kept, model = (best_epoch, best) if stops or diverged else (epoch, model)
    by_name = dict(zip(CURVES, np.reshape(curves, (-1, 4)).T, strict=True))
    returned = dict(zip(CURVES, curves[kept - 1] if curves else row, strict=True))
    tested = measured(model, others[1], data.test_labels, names)
    return TrainingResult(
        config, model, by_name, returned, kept, best_epoch, epoch, diverged, *tested, seconds=0.0
    )


def measured(model: MLP, x: Array, y: Array, names: frozenset[str]) -> tuple[float, float]:
    """Return the reported loss (mean cross-entropy over the number of classes) and the accuracy."""
    _, _, log_p = forward(model, x, names)
    loss = -log_p[np.arange(len(y)), y].sum(dtype=np.float64) / len(y) / log_p.shape[1]
    return float(loss), float((log_p.argmax(axis=1) == y).mean())
