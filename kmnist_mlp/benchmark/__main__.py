"""Time an epoch of training beside its matrix products and other libraries (`make bench`).

All implementations take turns within one process that is pinned to one core, so that a busy machine
slows them alike. No duration makes anything fail.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import Config
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.provenance import blas, processor
from kmnist_mlp.network import MLP, softmax
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.threads import one_blas_thread
from kmnist_mlp.training import Training

Epoch = Callable[[], Any]
CONFIGS = {
    "784-128-10, tanh": Config(),
    "784-256-256-10, ReLU": Config(layer_specs=(784, 256, 256, 10), activation="ReLU"),
}
FLOOR = "matrix products alone"
ROUNDS = 7


# ---- one epoch of training, by this project and by others ----------------------------------------
# Each function takes a run, for its configuration and its standardised training split, and returns
# a function that trains one epoch, or measures one, each time it is called.


def products(run: Training, batches: int | None = None) -> Epoch:
    """Return a function that computes the matrix products of one epoch, and nothing else.

    Or those of some ``batches``. Per mini-batch and layer: ``x W`` in the forward pass;
    ``x.T delta`` and, above the first layer, ``delta W.T`` in the backward pass.
    """
    rng, size = np.random.default_rng(0), run.config.batch_size
    batches, weights = batches or len(run.split.train) // size, MLP(run.config.layer_specs).weights
    x = [rng.standard_normal((size, units), np.float32) for units in run.config.layer_specs]
    outputs, deltas = ([np.empty_like(array) for array in x] for _ in range(2))
    gradients = [np.empty_like(array) for array in weights]

    def epoch() -> None:
        for _ in range(batches):
            for layer, W in enumerate(weights):
                np.matmul(x[layer], W, out=outputs[layer + 1])
            for layer in reversed(range(len(weights))):
                np.matmul(x[layer].T, x[layer + 1], out=gradients[layer])
                if layer:
                    np.matmul(x[layer + 1], weights[layer].T, out=deltas[layer])

    return epoch


def plain_numpy(run: Training) -> Epoch:
    """Return one epoch of a loop in plain NumPy: arrays allocated once, otherwise not optimised."""
    config, images, labels = run.config, run.split.train, run.split.train_labels
    model, size, rng = run.model.copy(), config.batch_size, np.random.default_rng(0)
    f, rate, gamma = ACTIVATIONS[config.activation], config.learning_rate, config.momentum_gamma
    layers, parameters = len(model.weights), model.weights + model.biases
    velocities, gradients = ([np.zeros_like(array) for array in parameters] for _ in range(2))
    hidden = [np.empty((size, units), np.float32) for units in config.layer_specs[1:-1]]

    def epoch() -> None:
        order = rng.permutation(len(images))
        for start in range(0, len(images) - size + 1, size):
            rows = order[start : start + size]
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


def scikit_learn(run: Training) -> Epoch:
    """Return one epoch of ``MLPClassifier.fit``."""
    from sklearn.neural_network import MLPClassifier

    config = run.config
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
        with warnings.catch_warnings(action="ignore"):  # it has not converged after one epoch
            theirs.fit(run.split.train, run.split.train_labels)

    return epoch


def pytorch(run: Training) -> Epoch:
    """Return one epoch of eager PyTorch."""
    import torch

    torch.set_num_threads(1)
    config, gamma = run.config, run.config.momentum_gamma
    activation = {"tanh": torch.nn.Tanh, "ReLU": torch.nn.ReLU}[config.activation]
    pairs = itertools.pairwise(config.layer_specs)
    layers = [layer for pair in pairs for layer in (torch.nn.Linear(*pair), activation())]
    model = torch.nn.Sequential(*layers[:-1])
    rate, loss = config.learning_rate, torch.nn.CrossEntropyLoss(reduction="sum")
    sgd = torch.optim.SGD(model.parameters(), lr=rate, momentum=gamma, dampening=gamma)
    x = torch.from_numpy(run.split.train)
    y = torch.from_numpy(run.split.train_labels.astype(np.int64))

    def epoch() -> None:
        for rows in torch.randperm(len(x)).split(config.batch_size):
            sgd.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            sgd.step()

    return epoch


def jax(run: Training) -> Epoch:
    """Return one epoch of JAX: jitted as a whole, the loop over mini-batches in ``lax.scan``."""
    import jax
    import jax.numpy as jnp

    config, model, rng = run.config, MLP(run.config.layer_specs), np.random.default_rng(0)
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


# name in the tables: (package that must be installed, maker of an epoch)
IMPLEMENTATIONS: dict[str, tuple[str, Callable[[Training], Epoch]]] = {
    FLOOR: ("numpy", products),
    "this project": ("numpy", lambda run: run.train_epoch),
    "its learning curves": ("numpy", lambda run: lambda: run.measure(run.plain())),
    "JAX, jitted, lax.scan": ("jax", jax),
    "plain preallocated NumPy": ("numpy", plain_numpy),
    "scikit-learn MLPClassifier": ("sklearn", scikit_learn),
    "PyTorch, eager": ("torch", pytorch),
}


# ---- measuring -----------------------------------------------------------------------------------


def alternate(epochs: dict[str, Epoch], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return the durations of each function, in seconds, over rounds in which all take turns."""
    durations: dict[str, list[float]] = {name: [] for name in epochs}
    for epoch in epochs.values():
        epoch()  # compiles, and touches its memory for the first time
    for _ in range(rounds):
        for name, epoch in epochs.items():
            began = time.perf_counter()
            epoch()
            durations[name].append(time.perf_counter() - began)
    return durations


def parts(run: Training, rounds: int = 300) -> dict[str, float]:
    """Return the microseconds of each part of one mini-batch when that part is done alone."""
    rng, size, buffers = np.random.default_rng(0), len(run.batch), run.buffers
    rows, f = rng.permutation(len(run.split.train)), ACTIVATIONS[run.config.activation]
    batches = itertools.cycle(np.split(rows[: len(rows) // size * size], len(rows) // size))
    *hidden, logits = buffers.outputs
    logits[...] = rng.standard_normal(logits.shape)

    def activate() -> None:
        for biases, out in zip(run.model.biases, hidden, strict=False):
            out += biases
            f.value(out, out=out)

    def derive() -> None:
        for out, delta, memory in zip(hidden, buffers.deltas, buffers.scratch, strict=True):
            delta *= f.derivative(out, out=memory)

    measured = {
        "matrix products": products(run, batches=1),
        "gathering the images": lambda: run.images(next(batches)),
        "biases and activation": activate,
        "softmax": lambda: softmax(logits),
        "derivative of the activation": derive,
        "gradients of the biases": lambda: [buffers.ones @ delta for delta in buffers.deltas],
        "momentum and update": lambda: run.optimizer.step(buffers.gradient),
    }
    return {name: min(t) * 1e6 for name, t in alternate(measured, rounds).items()}


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
    return _markdown(
        durations,
        lambda own, floor: f"{min(own) / min(floor):.2f} ({median(own) / median(floor):.2f})",
    )


def parts_table(found: dict[str, dict[str, float]]) -> str:
    """Return the microseconds of each part of a mini-batch, by topology."""
    return _markdown(found, lambda microseconds, _: f"{microseconds:.0f}")


def _markdown(columns: dict[str, dict[str, Any]], text: Callable[[Any, Any], str]) -> str:
    """Return a table whose cells are the texts of a value and of the first one of its column."""
    names = list(next(iter(columns.values())))
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name in names:
        cells = [text(column[name], column[names[0]]) for column in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure() -> dict[str, Any]:
    """Pin this process to one core and measure epochs and their parts; with the conditions."""
    if hasattr(os, "sched_setaffinity"):  # before any library counts the cores
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    data = load_kmnist()
    makers = {n: maker for n, (p, maker) in IMPLEMENTATIONS.items() if importlib.util.find_spec(p)}
    epochs, of_parts = {}, {}
    with one_blas_thread():
        for title, config in CONFIGS.items():
            run = Training(config, data)
            epochs[title] = alternate({n: maker(run) for n, maker in makers.items()})
            of_parts[title] = parts(run)
        return {
            "data": data.name,
            "cpu": processor(),
            "blas": blas(),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "rounds": ROUNDS,
            "epochs": epochs,
            "parts": of_parts,
        }


def main() -> None:
    """Measure, print the tables and write ``build/benchmark.json``."""
    result, path = measure(), Path("build", "benchmark.json")
    tell("{data}, {cpu}, {blas}, NumPy {numpy}".format(**result))
    missing = IMPLEMENTATIONS.keys() - next(iter(result["epochs"].values())).keys()
    if missing:
        tell(f"Not installed: {sorted(missing)} (pip install -e '.[bench]' installs them).")
    tell("\nOne epoch on one core; 1.00 is the matrix products alone: fastest (median)\n")
    tell(table(result["epochs"]))
    tell("\nOne mini-batch on one core, each part done alone, in microseconds\n")
    tell(parts_table(result["parts"]))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    tell(f"\nWritten: {path}")


if __name__ == "__main__":
    main()
