"""Time an epoch of training beside its matrix products and other libraries (`make bench`).

All implementations take turns within one process that is pinned to one core, so that a busy
machine slows them alike. No duration makes anything fail.
"""

import json
import os
import warnings
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from timeit import timeit

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
FLOOR = "matrix products alone"


# ---- one epoch of training, by this project and by others ------------
# Each function takes a run, for its configuration and its standardised training split, and
# returns a function that trains one epoch, or measures one, each time it is called.


def products(run: Training) -> Callable:
    """Return a function that computes the matrix products of one epoch, and nothing else.

    Per mini-batch and layer: ``x W`` in the forward pass; ``x.T delta`` and, above the first
    layer, ``delta W.T`` in the backward pass.
    """
    rng, size = np.random.default_rng(0), run.config.batch_size
    x = [rng.standard_normal((size, n), np.float32) for n in run.config.layer_specs]
    forward, gradients, deltas = [], [], []
    for below, W, delta in zip(x, run.model.copy().weights, x[1:], strict=False):
        forward.append((below, W, np.empty_like(delta)))
        gradients.append((below.T, delta, np.empty_like(W)))
        deltas.append((delta, W.T, np.empty_like(below)))
    factors = forward + gradients + deltas[1:]
    batches = range(len(run.split.train) // size)
    return lambda: [np.matmul(a, b, out=c) for _ in batches for a, b, c in factors]


def plain_numpy(run: Training) -> Callable:
    """Return an epoch in plain NumPy: arrays allocated once, otherwise not optimised."""
    config, images, labels = run.config, run.split.train, run.split.train_labels
    model, size, rng = run.model.copy(), config.batch_size, np.random.default_rng(0)
    f, rate, gamma = ACTIVATIONS[config.activation], config.learning_rate, config.momentum_gamma
    weights, biases = model.weights, model.biases
    layers, parameters = len(weights), weights + biases
    velocities, gradients = ([np.zeros_like(array) for array in parameters] for _ in range(2))
    hidden = [np.empty((size, units), np.float32) for units in config.layer_specs[1:-1]]

    def epoch() -> None:
        order = rng.permutation(len(images))
        for rows in order[: len(images) // size * size].reshape(-1, size):
            outputs = [images[rows]]
            for W, b, out in zip(weights, biases, hidden, strict=False):
                np.matmul(outputs[-1], W, out=out)
                np.add(out, b, out=out)
                outputs.append(f.value(out, out=out))
            delta = softmax(outputs[-1] @ weights[-1] + biases[-1])
            delta[np.arange(size), labels[rows]] -= 1
            for layer in reversed(range(layers)):
                np.matmul(outputs[layer].T, delta, out=gradients[layer])
                np.sum(delta, axis=0, out=gradients[layers + layer])
                if layer:
                    delta = (delta @ weights[layer].T) * f.derivative(outputs[layer])
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
    config, gamma = run.config, run.config.momentum_gamma
    size, f = config.batch_size, config.activation.lower()
    rate = config.learning_rate * (1 - gamma) * size
    theirs = MLPClassifier(
        config.layer_specs[1:-1], f, solver="sgd", alpha=0, batch_size=size, max_iter=1,
        learning_rate_init=rate, momentum=gamma, nesterovs_momentum=False,
    )  # fmt: skip
    return partial(theirs.fit, run.split.train, run.split.train_labels)


def pytorch(run: Training) -> Callable:
    """Return one epoch of eager PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    config, gamma = run.config, run.config.momentum_gamma
    f = {"tanh": nn.Tanh, "ReLU": nn.ReLU}[config.activation]
    layers = []
    for sizes in pairwise(config.layer_specs):
        layers += [nn.Linear(*sizes), f()]
    model = nn.Sequential(*layers[:-1])
    loss = nn.CrossEntropyLoss(reduction="sum")
    rate = config.learning_rate
    sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=gamma, dampening=gamma)
    x = torch.from_numpy(run.split.train)
    y = torch.tensor(run.split.train_labels.tolist())

    def epoch() -> None:
        for rows in torch.randperm(len(x)).split(config.batch_size):
            sgd.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            sgd.step()

    return epoch


def jax(run: Training) -> Callable:
    """Return one epoch of JAX: jitted as a whole, mini-batches in ``lax.scan``."""
    import jax
    import jax.numpy as jnp

    config, rng = run.config, np.random.default_rng(0)
    gamma, rate, size = config.momentum_gamma, config.learning_rate, config.batch_size
    f = {"tanh": jnp.tanh, "ReLU": jax.nn.relu}[config.activation]
    start = jax.tree.map(jnp.array, (run.model.weights, run.model.biases))
    state = start, jax.tree.map(jnp.zeros_like, start)
    x = jnp.array(run.split.train)
    y = jnp.array(run.split.train_labels.astype(np.int32))

    def loss(parameters, x, y):
        *hidden, (W, b) = zip(*parameters, strict=True)
        for V, c in hidden:
            x = f(x @ V + c)
        log_p = jax.nn.log_softmax(x @ W + b)
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).sum()

    def step(state, rows):
        p, v = state
        g = jax.grad(loss)(p, x[rows], y[rows])
        v = jax.tree.map(lambda v, g: gamma * v + (1 - gamma) * g, v, g)
        return (jax.tree.map(lambda p, v: p - rate * v, p, v), v), None

    def scan(state, rows):
        return jax.lax.scan(step, state, rows)[0]

    whole = jax.jit(scan, donate_argnums=0)

    def epoch() -> None:
        nonlocal state
        rows = rng.permutation(len(x))[: len(x) // size * size]
        state = jax.block_until_ready(whole(state, rows.reshape(-1, size)))

    return epoch


# name in the table: (package that must be installed, maker of an epoch)
IMPLEMENTATIONS: dict[str, tuple[str, Callable]] = {
    FLOOR: ("numpy", products),
    "this project": ("numpy", lambda run: run.train_epoch),
    "its learning curves": ("numpy", lambda run: lambda: run.measure(run.plain())),
    "JAX, jitted, lax.scan": ("jax", jax),
    "plain preallocated NumPy": ("numpy", plain_numpy),
    "scikit-learn MLPClassifier": ("sklearn", scikit_learn),
    "PyTorch, eager": ("torch", pytorch),
}


# ---- measuring -------------------------------------------------------


def alternate(epochs: dict[str, Callable], rounds: int = 7) -> dict[str, list[float]]:
    """Return the durations of each function, in seconds; in a round, all take turns."""
    durations = {name: [] for name in epochs}
    for _ in range(rounds + 1):
        for name, epoch in epochs.items():
            durations[name].append(timeit(epoch, number=1))
    # in the first, each compiles, and touches its memory for the first time
    return {name: times[1:] for name, times in durations.items()}


def table(durations: dict[str, dict[str, list[float]]]) -> str:
    """Return ratios to the matrix products alone: fastest round (and median).

    Examples
    --------
    >>> print(table({"net": {"matrix products alone": [2.0, 4.0], "other": [3.0, 9.0]}}))
    | | net |
    |---|---:|
    | matrix products alone | 1.00 (1.00) |
    | other | 1.50 (2.00) |
    """
    lines = [f"| | {' | '.join(durations)} |", f"|---{'|---:' * len(durations)}|"]
    for name in next(iter(durations.values())):
        line = f"| {name} |"
        for columns in durations.values():
            fastest, middle = (f(columns[name]) / f(columns[FLOOR]) for f in (min, median))
            line += f" {fastest:.2f} ({middle:.2f}) |"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Pin this process to one core, measure, print and write build/benchmark.json."""
    ArgumentParser(prog="make bench", description=main.__doc__).parse_args()
    if hasattr(os, "sched_setaffinity"):  # before any library counts the cores
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    data, epochs = load_kmnist(), {}
    with one_blas_thread():
        for config in CONFIGS:
            run, layers = Training(config, data), "-".join(map(str, config.layer_specs))
            found = IMPLEMENTATIONS.items()
            todo = {name: make(run) for name, (package, make) in found if find_spec(package)}
            epochs[f"{layers}, {config.activation}"] = alternate(todo)
        result = {"data": data.name, "cpu": processor(), "blas": blas()}
    result["numpy"] = np.__version__
    tell("{data}, {cpu}, {blas}, NumPy {numpy}".format(**result))
    tell("One epoch on one core; 1.00 is the matrix products alone: fastest (median)\n")
    tell(table(epochs))
    path = Path("build", "benchmark.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result | {"epochs": epochs}, indent=1) + "\n", "utf-8")
    tell(f"\nWritten: {path}")


if __name__ == "__main__":
    main()
