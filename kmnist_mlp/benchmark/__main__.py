"""Time an epoch of training beside its matrix products and other libraries (`make bench`).

All implementations take turns within one process that is pinned to one core, so that a busy machine
slows them alike. No duration makes anything fail.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.benchmark.implementations import IMPLEMENTATIONS, Epoch, products
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.provenance import blas, processor
from kmnist_mlp.network import softmax
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file
from kmnist_mlp.support.threads import one_blas_thread
from kmnist_mlp.training import Training

CONFIGS = {
    "784-128-10, tanh": Config(),
    "784-256-256-10, ReLU": Config(layer_specs=(784, 256, 256, 10), activation="ReLU"),
}
FLOOR = "matrix products alone"


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
    installed = [name for name, (p, _) in IMPLEMENTATIONS.items() if importlib.util.find_spec(p)]
    return {
        title: alternate({n: IMPLEMENTATIONS[n][1](config, data) for n in installed}, rounds)
        for title, config in CONFIGS.items()
    }


def parts(config: Config, data: Dataset, rounds: int = 300) -> dict[str, float]:
    """Return the microseconds of each part of one mini-batch when that part is done alone."""
    run, rng = Training(config, data), np.random.default_rng(0)
    rows = rng.permutation(len(run.split.train))
    size = len(run.batch)
    batches = itertools.cycle(np.split(rows[: len(rows) // size * size], len(rows) // size))
    hidden, deltas, scratch = run.buffers.outputs[:-1], run.buffers.deltas, run.buffers.scratch
    logits, f = run.buffers.outputs[-1], ACTIVATIONS[config.activation]
    logits[...] = rng.standard_normal(logits.shape)

    def activate() -> None:
        for biases, out in zip(run.model.biases, hidden, strict=False):
            out += biases
            f.value(out, out=out)

    def derive() -> None:
        for out, delta, memory in zip(hidden, deltas, scratch, strict=True):
            delta *= f.derivative(out, out=memory)

    measured = {
        "matrix products": products(config, data, batches=1),
        "gathering the images": lambda: run.images(next(batches)),
        "biases and activation": activate,
        "softmax": lambda: softmax(logits),
        "derivative of the activation": derive,
        "gradients of the biases": lambda: [run.buffers.ones @ delta for delta in deltas],
        "momentum and update": lambda: run.optimizer.step(run.buffers.gradient),
    }
    return {name: min(t) * 1e6 for name, t in alternate(measured, rounds).items()}


def measure(data: Dataset, rounds: int) -> dict[str, Any]:
    """Pin this process to one core and measure epochs and their parts; with the conditions."""
    if hasattr(os, "sched_setaffinity"):  # before any library counts the cores
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with one_blas_thread():
        return {
            "data": data.name,
            "cpu": processor(),
            "blas": blas(),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "rounds": rounds,
            "epochs": compare(data, rounds),
            "parts": {title: parts(config, data) for title, config in CONFIGS.items()},
        }


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

    def ratios(own: list[float], floor: list[float]) -> str:
        return f"{min(own) / min(floor):.2f} ({np.median(own) / np.median(floor):.2f})"

    return _markdown(
        {t: {n: ratios(own, d[FLOOR]) for n, own in d.items()} for t, d in durations.items()}
    )


def parts_table(found: dict[str, dict[str, float]]) -> str:
    """Return the microseconds of each part of a mini-batch, by topology."""
    return _markdown({title: {n: f"{t:.0f}" for n, t in p.items()} for title, p in found.items()})


def _markdown(columns: dict[str, dict[str, str]]) -> str:
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name in next(iter(columns.values())):
        lines.append(f"| {name} | {' | '.join(column[name] for column in columns.values())} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables and write benchmark.json."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--to", default="build", type=Path, help="folder of benchmark.json")
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds (default 7)")
    given = parser.parse_args(arguments)
    data = load_kmnist()
    result = measure(data, given.rounds)
    tell(f"{data!r}, {result['cpu']}, {result['blas']}, NumPy {np.__version__}")
    missing = IMPLEMENTATIONS.keys() - result["epochs"]["784-128-10, tanh"].keys()
    if missing:
        tell(f"Not installed: {sorted(missing)} (pip install -e '.[bench]' installs them).")
    tell("\nOne epoch on one core; 1.00 is the matrix products alone: fastest (median)\n")
    tell(table(result["epochs"]))
    tell("\nOne mini-batch on one core, each part done alone, in microseconds\n")
    tell(parts_table(result["parts"]))
    given.to.mkdir(parents=True, exist_ok=True)
    with whole_file(given.to / "benchmark.json") as file:
        file.write((json.dumps(result, indent=1) + "\n").encode())
    tell(f"\nWritten: {given.to / 'benchmark.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
