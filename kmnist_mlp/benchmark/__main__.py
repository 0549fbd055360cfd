"""Time an epoch of training beside its matrix products and other libraries (`make bench`).

All implementations take turns within one process that is pinned to one core, so that a busy machine
slows them alike. No duration makes anything fail.
"""

import importlib.util
import json
import os
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from timeit import timeit
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import Config
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.provenance import blas, processor
from kmnist_mlp.network import softmax
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.threads import one_blas_thread
from kmnist_mlp.training import Training

CONFIGS = Config(), Config(layer_specs=(784, 256, 256, 10), activation="ReLU")


# ---- one epoch of training, by this project and by others ----------------------------------------
# Each function takes a run, for its configuration and its standardised training split, and returns
# a function that trains one epoch, or measures one, each time it is called.


def products(run: Training) -> Callable:
    """Return a function that computes the matrix products of one epoch, and nothing else.

    Per mini-batch and layer: ``x W`` in the forward pass; ``x.T delta`` and, above the first
    layer, ``delta W.T`` in the backward pass.
    """
    rng, size = np.random.default_rng(0), run.config.batch_size
    weights, layers = run.model.copy().weights, range(len(run.model.weights))
    x = [rng.standard_normal((size, units), np.float32) for units in run.config.layer_specs]
    outputs, deltas, gradients = (list(map(np.empty_like, arrays)) for arrays in (x, x, weights))
    factors = [(x[layer], weights[layer], outputs[layer + 1]) for layer in layers]
    factors += [(x[layer].T, x[layer + 1], gradients[layer]) for layer in layers]
    factors += [(x[layer + 1], weights[layer].T, deltas[layer]) for layer in layers[1:]]
    batches = range(len(run.split.train) // size)
    return lambda: [np.matmul(a, b, out=c) for _ in batches for a, b, c in factors]


def plain_numpy(run: Training) -> Callable:
    """Return one epoch of a loop in plain NumPy: arrays allocated once, otherwise not optimised."""
    config, images, labels = run.config, run.split.train, run.split.train_labels
    model, size, rng = run.model.copy(), config.batch_size, np.random.default_rng(0)
    f, rate, gamma = ACTIVATIONS[config.activation], config.learning_rate, config.momentum_gamma
    layers, parameters = len(model.weights), model.weights + model.biases
    velocities, gradients = ([np.zeros_like(array) for array in parameters] for _ in range(2))
    hidden = [np.empty((size, units), np.float32) for units in config.layer_specs[1:-1]]

    def epoch() -> None:
        for rows in rng.permutation(len(images))[: len(images) // size * size].reshape(-1, size):
            outputs = [images[rows]]
            for W, b, out in zip(model.weights, model.biases, hidden, strict=False):
                np.add(np.matmul(outputs[-1], W, out=out), b, out=out)
                outputs.append(f.value(out, out=out))
            delta = softmax(outputs[-1] @ model.weights[-1] + model.biases[-1])
            delta[np.arange(size), labels[rows]] -= 1
            for layer in reversed(range(layers)):
                np.matmul(outputs[layer].T, delta, out=gradients[layer])
                np.sum(delta, axis=0, out=gradients[layers + layer])
                if layer:
                    delta = (delta @ model.weights[layer].T) * f.derivative(outputs[layer])
            for w, v, g in zip(parameters, velocities, gradients, strict=True):
                v *= gamma
                v += np.multiply(g, 1 - gamma, out=g)
                w -= rate * v

    return epoch


def scikit_learn(run: Training) -> Callable:
    """Return one epoch of ``MLPClassifier.fit``."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)  # after one epoch
    config, gamma, size = run.config, run.config.momentum_gamma, run.config.batch_size
    rate = config.learning_rate * (1 - gamma) * size
    theirs = MLPClassifier(
        config.layer_specs[1:-1], config.activation.lower(), solver="sgd", alpha=0, max_iter=1,
        batch_size=size, learning_rate_init=rate, momentum=gamma, nesterovs_momentum=False,
    )  # fmt: skip
    return partial(theirs.fit, run.split.train, run.split.train_labels)


def pytorch(run: Training) -> Callable:
    """Return one epoch of eager PyTorch."""
    import torch

    torch.set_num_threads(1)
    nn, config, gamma = torch.nn, run.config, run.config.momentum_gamma
    f = {"tanh": nn.Tanh, "ReLU": nn.ReLU}[config.activation]
    layers = [layer for pair in pairwise(config.layer_specs) for layer in (nn.Linear(*pair), f())]
    model = nn.Sequential(*layers[:-1])
    rate, loss = config.learning_rate, nn.CrossEntropyLoss(reduction="sum")
    sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=gamma, dampening=gamma)
    x, y = torch.from_numpy(run.split.train), torch.tensor(run.split.train_labels.tolist())

    def epoch() -> None:
        for rows in torch.randperm(len(x)).split(config.batch_size):
            sgd.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            sgd.step()

    return epoch


def jax(run: Training) -> Callable:
    """Return one epoch of JAX: jitted as a whole, the loop over mini-batches in ``lax.scan``."""
    import jax
    import jax.numpy as jnp

    config, model, rng = run.config, run.model, np.random.default_rng(0)
    f = {"tanh": jnp.tanh, "ReLU": jax.nn.relu}[config.activation]
    state = jax.tree.map(jnp.array, (model.weights, model.biases))
    state = (state, jax.tree.map(jnp.zeros_like, state))
    x, y = jnp.array(run.split.train), jnp.array(run.split.train_labels.astype(np.int32))
    gamma, rate, size = config.momentum_gamma, config.learning_rate, config.batch_size

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        *hidden, (W, b) = zip(*parameters, strict=True)
        for V, c in hidden:
            x = f(x @ V + c)
        return -jnp.take_along_axis(jax.nn.log_softmax(x @ W + b), y[:, None], axis=1).sum()

    def step(state: Any, rows: Any) -> Any:
        parameters, velocity = state
        gradient = jax.grad(loss)(parameters, x[rows], y[rows])
        velocity = jax.tree.map(lambda v, g: gamma * v + (1 - gamma) * g, velocity, gradient)
        return (jax.tree.map(lambda p, v: p - rate * v, parameters, velocity), velocity), None

    whole = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows)[0], donate_argnums=0)

    def epoch() -> None:
        nonlocal state
        rows = rng.permutation(len(x))[: len(x) // size * size].reshape(-1, size)
        state = jax.block_until_ready(whole(state, rows))

    return epoch


# name in the table: (package that must be installed, maker of an epoch)
IMPLEMENTATIONS: dict[str, tuple[str, Callable]] = {
    "matrix products alone": ("numpy", products),
    "this project": ("numpy", lambda run: run.train_epoch),
    "its learning curves": ("numpy", lambda run: lambda: run.measure(run.plain())),
    "JAX, jitted, lax.scan": ("jax", jax),
    "plain preallocated NumPy": ("numpy", plain_numpy),
    "scikit-learn MLPClassifier": ("sklearn", scikit_learn),
    "PyTorch, eager": ("torch", pytorch),
}


# ---- measuring -----------------------------------------------------------------------------------


def alternate(epochs: dict[str, Callable], rounds: int = 7) -> dict[str, list[float]]:
    """Return the durations of each function, in seconds, over rounds in which all take turns."""
    turns = [{name: timeit(epochs[name], number=1) for name in epochs} for _ in range(rounds + 1)]
    # in the first, each compiles, and touches its memory for the first time
    return {name: [turn[name] for turn in turns[1:]] for name in epochs}


def table(durations: dict[str, dict[str, list[float]]]) -> str:
    """Return ratios to the matrix products alone: of the fastest rounds (and of the medians).

    Examples
    --------
    >>> print(table({"net": {"matrix products alone": [2.0, 4.0], "other": [3.0, 9.0]}}))
    | | net |
    |---|---:|
    | matrix products alone | 1.00 (1.00) |
    | other | 1.50 (2.00) |
    """
    floors = [columns["matrix products alone"] for columns in durations.values()]
    lines = [f"| | {' | '.join(durations)} |", f"|---|{'---:|' * len(durations)}"]
    for name in next(iter(durations.values())):
        pairs = zip((columns[name] for columns in durations.values()), floors, strict=True)
        cells = [f"{min(t) / min(u):.2f} ({median(t) / median(u):.2f})" for t, u in pairs]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def main() -> None:
    """Pin this process to one core, measure, print the table and write ``build/benchmark.json``."""
    if hasattr(os, "sched_setaffinity"):  # before any library counts the cores
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    data, epochs = load_kmnist(), {}
    makers = {n: maker for n, (p, maker) in IMPLEMENTATIONS.items() if importlib.util.find_spec(p)}
    with one_blas_thread():
        for config in CONFIGS:
            run, layers = Training(config, data), "-".join(map(str, config.layer_specs))
            turns = alternate({name: maker(run) for name, maker in makers.items()})
            epochs[f"{layers}, {config.activation}"] = turns
        result = {"data": data.name, "cpu": processor(), "blas": blas(), "numpy": np.__version__}
    tell("{data}, {cpu}, {blas}, NumPy {numpy}".format(**result))
    tell("One epoch on one core; 1.00 is the matrix products alone: fastest (median)\n")
    tell(table(epochs))
    path = Path("build", "benchmark.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result | {"epochs": epochs}, indent=1) + "\n", "utf-8")
    tell(f"\nWritten: {path}")


if __name__ == "__main__":
    main()
