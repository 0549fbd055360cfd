"""How long an epoch takes, as durations that were measured side by side.

All implementations take turns within one process, so that a busy machine slows them alike. No
duration makes anything fail.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.benchmark.implementations import (
    IMPLEMENTATIONS,
    Epoch,
    ours,
    products,
    split_of,
)
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.network import MLP, softmax
from kmnist_mlp.optimizer import SGD

CONFIGS = {
    "784-128-10, tanh": Config(),
    "784-256-256-10, ReLU": Config(layer_specs=(784, 256, 256, 10), activation="ReLU"),
}

# Growth is measured against each of these, everything else as in the baseline.
GROWTH: dict[str, tuple[int, ...]] = {
    "hidden units": (32, 64, 128, 256, 512, 1024, 2048),
    "batch size": (16, 64, 128, 256, 1024, 4096),
    "training images": (750, 1500, 3000, 6000, 12000, 24000, 48000),
}
FEW = 8192  # training images while hidden units or the batch size grow


def installed() -> list[str]:
    """Return the names of the implementations whose packages are installed."""
    return [
        name for name, (package, _) in IMPLEMENTATIONS.items() if importlib.util.find_spec(package)
    ]


def alternate(epochs: dict[str, Epoch], rounds: int) -> dict[str, list[float]]:
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


def compare(data: Dataset, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of one epoch by topology and installed implementation."""
    return {
        title: alternate(
            {name: IMPLEMENTATIONS[name][1](config, data) for name in installed()}, rounds
        )
        for title, config in CONFIGS.items()
    }


def parts(config: Config, data: Dataset, rounds: int = 300) -> dict[str, float]:
    """Return the microseconds of each part of one mini-batch when that part is done alone."""
    rng, size = np.random.default_rng(0), config.batch_size
    train = split_of(config, data).train
    rows = rng.permutation(len(train))
    x = np.empty((size, config.layer_specs[0]), np.float32)
    start = 0

    def next_rows() -> np.ndarray:
        nonlocal start
        start = (start + size) % (len(rows) - size)
        return rows[start : start + size]

    model, f = MLP(config.layer_specs, config.activation), ACTIVATIONS[config.activation]
    optimizer = SGD(model, config)
    gradient = np.zeros_like(model.parameters)
    logits, *hidden = (
        rng.standard_normal((size, units), np.float32)
        for units in (config.layer_specs[-1], *config.layer_specs[1:-1])
    )
    deltas, scratch = [array.copy() for array in hidden], [array.copy() for array in hidden]

    def activate() -> None:
        for biases, out in zip(model.biases, hidden, strict=False):
            out += biases
            f.value(out, out=out)

    def derive() -> None:
        for out, delta, memory in zip(hidden, deltas, scratch, strict=True):
            delta *= f.derivative(out, out=memory)

    measured = {
        "matrix products": products(config, first_images(data, config, size)),
        "gathering the images": lambda: train.take(next_rows(), axis=0, out=x, mode="clip"),
        "biases and activation": activate,
        "softmax": lambda: softmax(logits),
        "derivative of the activation": derive,
        "gradients of the biases": lambda: [np.add.reduce(delta, axis=0) for delta in deltas],
        "momentum and update": lambda: optimizer.step(gradient),
    }
    return {name: min(t) * 1e6 for name, t in alternate(measured, rounds).items()}


def first_images(data: Dataset, config: Config, images: int) -> Dataset:
    """Return a data set whose training split has this many images."""
    n = round(images / (1 - config.validation_fraction))
    return replace(data, train_images=data.train_images[:n], train_labels=data.train_labels[:n])


def growth(data: Dataset, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return seconds per image against hidden units, batch size and number of images."""
    images = len(split_of(Config(), data).train)
    found: dict[str, list[dict[str, float]]] = {quantity: [] for quantity in GROWTH}
    for quantity, values in GROWTH.items():
        for n in values:
            used = n if quantity == "training images" else min(images, FEW)
            config = Config(
                layer_specs=(784, n if quantity == "hidden units" else 128, 10),
                batch_size=n if quantity == "batch size" else 128,
            )
            if not config.batch_size <= used <= images:
                continue
            part = first_images(data, config, used)
            t = alternate({"training": ours(config, part), "floor": products(config, part)}, rounds)
            whole = used // config.batch_size * config.batch_size
            found[quantity].append(
                {
                    "value": n,
                    "training": min(t["training"]) / used,
                    "floor": min(t["floor"]) / whole,
                }
            )
    return found


def measure(cores: str, rounds: int) -> dict[str, Any]:
    """Measure in this process, on the cores that it may use ("one core" or "all cores")."""
    data = load_kmnist()
    if cores == "all cores":
        return compare(data, rounds)
    with threadpool_limits(1):
        return {
            "one core": compare(data, rounds),
            "parts": {title: parts(config, data) for title, config in CONFIGS.items()},
            "growth": growth(data, rounds=3),
        }


def measure_in_new_process(cores: str, rounds: int) -> dict[str, Any]:
    """Measure in a new process; for one core it is pinned before any library counts the cores."""
    command = [sys.executable, "-m", "kmnist_mlp.benchmark"]
    command += ["--measure", cores, "--rounds", f"{rounds}"]

    def pin() -> None:
        if cores == "one core" and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    done = subprocess.run(command, stdout=subprocess.PIPE, preexec_fn=pin, check=True)
    return json.loads(done.stdout.splitlines()[-1])
