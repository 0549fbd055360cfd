"""One epoch of training, by this project, by plain NumPy and by other libraries.

Each function takes a configuration and a data set and returns a function that trains one epoch, or
measures one, each time it is called. All train on the training split of the configuration's seed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_and_standardise, split_rows
from kmnist_mlp.network import MLP, softmax
from kmnist_mlp.training import Training

Epoch = Callable[[], Any]


def products(config: Config, data: Dataset, batches: int | None = None) -> Epoch:
    """Return a function that computes the matrix products of one epoch, and nothing else.

    Or those of some ``batches``. Per mini-batch and layer: ``x W`` in the forward pass;
    ``x.T delta`` and, above the first layer, ``delta W.T`` in the backward pass.
    """
    rng, size = np.random.default_rng(0), config.batch_size
    batches = batches or len(split_rows(len(data.train_images), config)[0]) // size
    weights = MLP(config.layer_specs).weights
    x = [rng.standard_normal((size, units), np.float32) for units in config.layer_specs]
    outputs, deltas = ([np.empty_like(array) for array in x] for _ in range(2))
    gradients = [np.empty_like(array) for array in weights]

    def epoch() -> None:
        for _ in range(batches):
            for layer, w in enumerate(weights):
                np.matmul(x[layer], w, out=outputs[layer + 1])
            for layer in reversed(range(len(weights))):
                delta = x[layer + 1]
                np.matmul(x[layer].T, delta, out=gradients[layer])
                if layer:
                    np.matmul(delta, weights[layer].T, out=deltas[layer])

    return epoch


def ours(config: Config, data: Dataset) -> Epoch:
    """Return one epoch of :func:`kmnist_mlp.train`."""
    return Training(config, data).train_epoch


def evaluation(config: Config, data: Dataset) -> Epoch:
    """Return the measurement of the learning curves after an epoch."""
    run = Training(config, data)
    return lambda: run.measure(run.plain())


def plain_numpy(config: Config, data: Dataset) -> Epoch:
    """Return one epoch of a loop in plain NumPy: arrays allocated once, otherwise not optimised."""
    split = split_and_standardise(data, config)
    model, size = MLP(config.layer_specs, config.activation), config.batch_size
    f = ACTIVATIONS[config.activation]
    parameters = model.weights + model.biases
    velocities = [np.zeros_like(array) for array in parameters]
    images, labels = split.train, split.train_labels
    hidden = [np.empty((size, units), np.float32) for units in config.layer_specs[1:-1]]
    gradients = [np.empty_like(array) for array in parameters]
    layers, rng = len(model.weights), np.random.default_rng(0)

    def epoch() -> None:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - size + 1, size):
            rows = order[start : start + size]
            outputs = [images[rows]]
            for layer, out in enumerate(hidden):
                np.matmul(outputs[-1], model.weights[layer], out=out)
                np.add(out, model.biases[layer], out=out)
                outputs.append(f.value(out, out=out))
            delta = softmax(outputs[-1] @ model.weights[-1] + model.biases[-1])
            delta[np.arange(size), labels[rows]] -= 1
            for layer in reversed(range(layers)):
                np.matmul(outputs[layer].T, delta, out=gradients[layer])
                np.sum(delta, axis=0, out=gradients[layers + layer])
                if layer:
                    delta = (delta @ model.weights[layer].T) * f.derivative(outputs[layer])
            for w, v, g in zip(parameters, velocities, gradients, strict=True):
                v *= config.momentum_gamma
                g *= 1 - config.momentum_gamma
                v += g
                w -= config.learning_rate * v

    return epoch


def scikit_learn(config: Config, data: Dataset) -> Epoch:
    """Return one epoch of ``MLPClassifier.fit``, on images standardised beforehand."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    split = split_and_standardise(data, config)
    x, y = split.train, split.train_labels
    theirs = MLPClassifier(
        config.layer_specs[1:-1],
        activation=config.activation.lower(),
        solver="sgd",
        alpha=0,
        batch_size=config.batch_size,
        learning_rate_init=config.learning_rate * (1 - config.momentum_gamma) * config.batch_size,
        momentum=config.momentum_gamma,
        nesterovs_momentum=False,
        max_iter=1,
    )

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch is intended
            theirs.fit(x, y)

    return epoch


def pytorch(config: Config, data: Dataset) -> Epoch:
    """Return one epoch of eager PyTorch, on images standardised beforehand."""
    import torch

    torch.set_num_threads(1)
    activation = {"tanh": torch.nn.Tanh, "ReLU": torch.nn.ReLU}[config.activation]
    layers: list[Any] = []
    for inputs, units in pairwise(config.layer_specs):
        layers += [torch.nn.Linear(inputs, units), activation()]
    model = torch.nn.Sequential(*layers[:-1])
    gamma = config.momentum_gamma
    sgd = torch.optim.SGD(
        model.parameters(), lr=config.learning_rate, momentum=gamma, dampening=gamma
    )
    loss = torch.nn.CrossEntropyLoss(reduction="sum")
    split = split_and_standardise(data, config)
    x, y = torch.from_numpy(split.train), torch.from_numpy(split.train_labels.astype(np.int64))

    def epoch() -> None:
        for rows in torch.randperm(len(x)).split(config.batch_size):
            sgd.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            sgd.step()

    return epoch


def jax(config: Config, data: Dataset) -> Epoch:
    """Return one epoch of JAX: jitted as a whole, the loop over mini-batches in ``lax.scan``."""
    import jax
    import jax.numpy as jnp

    model = MLP(config.layer_specs)
    f = {"tanh": jnp.tanh, "ReLU": jax.nn.relu}[config.activation]
    state = jax.tree.map(jnp.array, (model.weights, model.biases))
    state = (state, jax.tree.map(jnp.zeros_like, state))
    split = split_and_standardise(data, config)
    x, y = jnp.array(split.train), jnp.array(split.train_labels.astype(np.int32))
    gamma, rate, size = config.momentum_gamma, config.learning_rate, config.batch_size
    rng = np.random.default_rng(0)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        weights, biases = parameters
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            x = f(x @ w + b)
        logits = jax.nn.log_softmax(x @ weights[-1] + biases[-1])
        return -jnp.take_along_axis(logits, y[:, None], axis=1).sum()

    def step(state: Any, rows: Any) -> Any:
        parameters, velocity = state
        gradient = jax.grad(loss)(parameters, x[rows], y[rows])
        velocity = jax.tree.map(lambda v, g: gamma * v + (1 - gamma) * g, velocity, gradient)
        return (jax.tree.map(lambda p, v: p - rate * v, parameters, velocity), velocity), None

    whole = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows)[0], donate_argnums=0)

    def epoch() -> None:
        nonlocal state
        count = len(x) // size
        rows = rng.permutation(len(x))[: count * size].reshape(count, size)
        state = jax.block_until_ready(whole(state, rows))

    return epoch


# name in the tables: (package that must be installed, maker of an epoch)
IMPLEMENTATIONS: dict[str, tuple[str, Callable[[Config, Dataset], Epoch]]] = {
    "matrix products alone": ("numpy", products),
    "this project": ("numpy", ours),
    "its learning curves": ("numpy", evaluation),
    "JAX, jitted, lax.scan": ("jax", jax),
    "plain preallocated NumPy": ("numpy", plain_numpy),
    "scikit-learn MLPClassifier": ("sklearn", scikit_learn),
    "PyTorch, eager": ("torch", pytorch),
}
