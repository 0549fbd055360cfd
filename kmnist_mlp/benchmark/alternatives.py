"""One epoch of training, by this project and by others, for `make bench` (bench.py).

Each function of a configuration and a split returns a function that trains, or measures, once.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import Config
from kmnist_mlp.data import Split
from kmnist_mlp.network import MLP, Buffers, softmax
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.training import Epochs

Epoch = Callable[[], Any]


def products(config: Config, split: Split) -> Epoch:
    """Return a function that does the matrix products of one epoch, and nothing else."""
    model = MLP(config.layer_specs)
    buffers = Buffers(model, config.batch_size)
    rng = np.random.default_rng(0)
    shape = (config.batch_size, -1)
    inputs = [
        rng.standard_normal(config.batch_size * units).astype(np.float32).reshape(shape)
        for units in config.layer_specs
    ]

    def epoch() -> None:
        for _ in range(len(split.train) // config.batch_size):
            for layer, weights in enumerate(model.weights):
                np.matmul(inputs[layer], weights, out=buffers.outputs[layer])
            for layer in reversed(range(len(model.weights))):
                delta = inputs[layer + 1]
                np.matmul(inputs[layer].T, delta, out=buffers.weight_gradients[layer])
                if layer:
                    np.matmul(delta, model.weights[layer].T, out=buffers.deltas[layer - 1])

    return epoch


def ours(config: Config, split: Split) -> Epoch:
    """Return one epoch of :func:`kmnist_mlp.train`."""
    model = MLP(config.layer_specs, config.activation)
    return Epochs(model, SGD(model, config), split, config).train_one


def evaluation(config: Config, split: Split) -> Epoch:
    """Return the measurement of the learning curves after an epoch."""
    model = MLP(config.layer_specs, config.activation)
    return Epochs(model, SGD(model, config), split, config).measure


def plain_numpy(config: Config, split: Split) -> Epoch:
    """Return one epoch of a preallocated loop that is written without any thought of speed."""
    model, size = MLP(config.layer_specs, config.activation), config.batch_size
    f = ACTIVATIONS[config.activation]
    parameters = model.weights + model.biases
    velocities = [np.zeros_like(array) for array in parameters]
    images, labels = split.train.images[split.train.rows], split.train_labels
    mean, std = split.mean, split.std
    hidden = [np.empty((size, units), np.float32) for units in config.layer_specs[1:-1]]
    gradients = [np.empty_like(array) for array in parameters]
    layers, rng = len(model.weights), np.random.default_rng(0)

    def epoch() -> None:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - size + 1, size):
            rows = order[start : start + size]
            outputs = [(images[rows] - mean) / std]
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


def scikit_learn(config: Config, split: Split) -> Epoch:
    """Return one epoch of ``MLPClassifier.fit``, on images that are standardised beforehand."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y = split.train[:], split.train_labels
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
            warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch is what we ask for
            theirs.fit(x, y)

    return epoch


def pytorch(config: Config, split: Split) -> Epoch:
    """Return one epoch of eager PyTorch, on images that are standardised beforehand."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    activation = torch.nn.Tanh if config.activation == "tanh" else torch.nn.ReLU
    layers: list[Any] = []
    for inputs, units in pairwise(config.layer_specs):
        layers += [torch.nn.Linear(inputs, units), activation()]
    model = torch.nn.Sequential(*layers[:-1])
    gamma = config.momentum_gamma
    sgd = torch.optim.SGD(
        model.parameters(), lr=config.learning_rate, momentum=gamma, dampening=gamma
    )
    loss = torch.nn.CrossEntropyLoss(reduction="sum")
    x, y = torch.from_numpy(split.train[:]), torch.from_numpy(split.train_labels.astype(np.int64))

    def epoch() -> None:
        for rows in torch.randperm(len(x)).split(config.batch_size):
            sgd.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            sgd.step()

    return epoch


def jax(config: Config, split: Split) -> Epoch:
    """Return one epoch of JAX: jitted as a whole, the loop over mini-batches in ``lax.scan``."""
    import jax
    import jax.numpy as jnp

    model = MLP(config.layer_specs)
    f = jnp.tanh if config.activation == "tanh" else jax.nn.relu
    state = jax.tree.map(jnp.array, (model.weights, model.biases))
    state = (state, jax.tree.map(jnp.zeros_like, state))
    x, y = jnp.array(split.train[:]), jnp.array(split.train_labels.astype(np.int32))
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


CONTENDERS: dict[str, tuple[str, Callable[[Config, Split], Epoch]]] = {
    "matrix products alone": ("numpy", products),
    "this project": ("numpy", ours),
    "its learning curves": ("numpy", evaluation),
    "JAX, jitted, lax.scan": ("jax", jax),
    "plain preallocated NumPy": ("numpy", plain_numpy),
    "scikit-learn MLPClassifier": ("sklearn", scikit_learn),
    "PyTorch, eager": ("torch", pytorch),
}
