"""How long training takes, beside the matrix products that it cannot do without (`make bench`).

Every figure is a ratio or a duration within one run: contenders take turns, so that a busy
machine slows all of them alike. Nothing here ever fails because of a duration.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.benchmark.alternatives import CONTENDERS, Epoch, ours, products
from kmnist_mlp.config import Config
from kmnist_mlp.data import Split, StandardisedImages, split_and_standardise
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.provenance import blas, processor
from kmnist_mlp.network import MLP, softmax
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.support.files import whole_file
from kmnist_mlp.training import Epochs

CONFIGS = {
    "784-128-10, tanh": Config(),
    "784-256-256-10, ReLU": Config(layer_specs=(784, 256, 256, 10), activation="ReLU"),
}


# ---- measuring -----------------------------------------------------------------------------------


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


def contest(split: Split, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the durations of one epoch of every installed contender, for both topologies."""
    return {
        title: alternate(
            {
                name: make(config, split)
                for name, (package, make) in CONTENDERS.items()
                if importlib.util.find_spec(package)
            },
            rounds,
        )
        for title, config in CONFIGS.items()
    }


def parts(config: Config, split: Split, rounds: int = 300) -> dict[str, float]:
    """Return what each part of one mini-batch takes when it is done alone, in microseconds."""
    model = MLP(config.layer_specs, config.activation)
    trainer = Epochs(model, SGD(model, config), split, config)
    f, buffers, size = ACTIVATIONS[config.activation], trainer.buffers, config.batch_size
    rng = np.random.default_rng(0)
    rows = rng.permutation(split.train.rows)
    logits = buffers.outputs[-1]
    hidden = list(zip(model.biases, buffers.outputs, buffers.scratch, buffers.deltas, strict=False))
    position = 0

    def gather() -> None:
        nonlocal position
        position = (position + size) % (len(rows) - size)
        part = rows[position : position + size]
        np.take(split.train.images, part, axis=0, out=trainer.pixels, mode="clip")

    def prepare() -> None:
        nonlocal position
        position = (position + size) % (len(rows) - size)
        split.train.write(rows[position : position + size], trainer.pixels, trainer.batch)

    def activate() -> None:
        for biases, out, _, _ in hidden:
            out += biases
            f.value(out, out=out)

    def derive() -> None:
        for _, out, scratch, delta in hidden:
            delta *= f.derivative(out, out=scratch)

    def sums() -> None:
        for _, _, _, delta in hidden:
            np.add.reduce(delta, axis=0)

    one_batch = products(config, _first(split, size))
    measured = {
        "matrix products": one_batch,
        "gathering the images": gather,
        "gathering and standardising": prepare,
        "biases and activation": activate,
        "softmax": lambda: softmax(logits),
        "derivative of the activation": derive,
        "gradients of the biases": sums,
        "momentum and update": lambda: trainer.optimizer.step(buffers.gradient),
    }
    buffers.gradient[:] = 0
    for array in (*buffers.outputs, *buffers.deltas):
        array[:] = rng.standard_normal(array.shape)
    return {name: min(t) * 1e6 for name, t in alternate(measured, rounds).items()}


def _first(split: Split, images: int) -> Split:
    """Return a split with fewer training images."""
    train = split.train
    fewer = StandardisedImages(train.images, train.rows[:images], train.mean, train.std)
    return replace(split, train=fewer, train_labels=split.train_labels[:images])


def growth(split: Split, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return seconds per epoch against hidden units, batch size and number of images."""
    images = len(split.train)
    few = _first(split, min(images, 8192))
    cases: dict[str, list[tuple[int, Config, Split]]] = {
        "hidden units": [
            (n, Config(layer_specs=(784, n, 10)), few) for n in (32, 64, 128, 256, 512, 1024, 2048)
        ],
        "batch size": [(n, Config(batch_size=n), few) for n in (16, 64, 128, 256, 1024, 4096)],
        "training images": [
            (n, Config(), _first(split, n)) for n in (750, 1500, 3000, 6000, 12000, 24000, 48000)
        ],
    }
    found: dict[str, list[dict[str, float]]] = {}
    for quantity, points in cases.items():
        found[quantity] = []
        for n, config, part in points:
            if n > images and quantity == "training images" or config.batch_size > len(part.train):
                continue
            t = alternate({"training": ours(config, part), "floor": products(config, part)}, rounds)
            done = len(part.train) // config.batch_size * config.batch_size
            found[quantity].append(
                {
                    "value": n,
                    "training": min(t["training"]) / len(part.train),
                    "floor": min(t["floor"]) / done,
                }
            )
    return found


def measure(what: str, rounds: int) -> dict[str, Any]:
    """Return one kind of measurement, in this process, on the cores that it may use."""
    split = split_and_standardise(load_kmnist(), seed=0)
    if what == "all cores":
        # The update asks SciPy's BLAS, whose threads would wait for those of NumPy's, and these for
        # them, at every step: thirty times as long. In training both have one thread.
        import scipy.linalg.blas  # noqa: F401

        pools = ThreadpoolController()
        of_scipy = [pool["filepath"] for pool in pools.info() if "scipy.libs" in pool["filepath"]]
        with pools.select(filepath=of_scipy).limit(limits=1):
            return contest(split, rounds)
    with threadpool_limits(1):
        return {
            "one core": contest(split, rounds),
            "parts": {title: parts(config, split) for title, config in CONFIGS.items()},
            "growth": growth(split, rounds=3),
        }


def _measure_elsewhere(what: str, rounds: int) -> dict[str, Any]:
    """Measure in a new process; for one core it is pinned before any library counts the cores."""
    command = [
        sys.executable,
        "-m",
        "kmnist_mlp.benchmark.measure",
        "--measure",
        what,
        "--rounds",
        f"{rounds}",
    ]

    def pin() -> None:
        if what == "one core" and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    done = subprocess.run(command, stdout=subprocess.PIPE, preexec_fn=pin, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# ---- showing -------------------------------------------------------------------------------------


def table(durations: dict[str, dict[str, list[float]]]) -> str:
    """Return the durations as a Markdown table of ratios to the matrix products: min (median)."""

    def ratios(own: list[float], base: list[float]) -> str:
        return f"{min(own) / min(base):.2f} ({np.median(own) / np.median(base):.2f})"

    return _markdown(
        {
            title: {name: ratios(own, t["matrix products alone"]) for name, own in t.items()}
            for title, t in durations.items()
        }
    )


def _markdown(columns: dict[str, dict[str, str]]) -> str:
    """Return a Markdown table of columns that have the same rows."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name in next(iter(columns.values())):
        cells = " | ".join(column[name] for column in columns.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def figure(result: dict[str, Any], path: Path) -> None:
    """Draw how the time of an epoch grows, with the floor in it."""
    import matplotlib.pyplot as plt

    from kmnist_mlp.figures.style import use_style

    use_style()
    panels = result["growth"]
    fig, axes = plt.subplots(1, len(panels), figsize=(11, 3.4), sharey=True, layout="constrained")
    for ax, (quantity, points) in zip(axes, panels.items(), strict=True):
        x = [point["value"] for point in points]
        ax.plot(x, [p["training"] * 1e6 for p in points], "o-", label="training")
        ax.plot(x, [p["floor"] * 1e6 for p in points], "s--", label="matrix products alone")
        ax.set(xscale="log", yscale="log", xlabel=quantity)
        ax.set_xticks(x, [f"{n:,}" for n in x], rotation=40)
        ax.minorticks_off()
    axes[0].set_ylabel("microseconds per image")
    axes[0].legend()
    fig.suptitle(f"784-128-10, tanh, batches of 128 where nothing else is said; {result['cpu']}")
    with whole_file(path) as file:
        fig.savefig(file, format="png", dpi=150)
    plt.close(fig)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; write bench.json and bench.png."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--to", default="build", type=Path, help="folder of bench.json, bench.png")
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds (default 7)")
    parser.add_argument("--measure", choices=("one core", "all cores"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        print(json.dumps(measure(given.measure, given.rounds)))
        return 0
    data = load_kmnist()
    result = {
        "data": data.name,
        "training_images": len(data.train_images) * 4 // 5,
        "cpu": processor(),
        "blas": blas(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "rounds": given.rounds,
    }
    print(f"{data!r}, {result['cpu']}, {result['blas']}, NumPy {np.__version__}")
    missing = [n for n, (package, _) in CONTENDERS.items() if not importlib.util.find_spec(package)]
    if missing:
        print(f"Not installed: {', '.join(missing)} (pip install -e '.[bench]' brings them).")
    result |= _measure_elsewhere("one core", given.rounds)
    result["all cores"] = _measure_elsewhere("all cores", given.rounds)
    for cores in ("one core", "all cores"):
        print(f"\nOne epoch on {cores}; 1.00 is the matrix products alone: fastest (median)\n")
        print(table(result[cores]))
    print("\nOne mini-batch on one core, each part done alone, in microseconds\n")
    rounded = {
        title: {name: f"{microseconds:.0f}" for name, microseconds in found.items()}
        for title, found in result["parts"].items()
    }
    print(_markdown(rounded))
    given.to.mkdir(parents=True, exist_ok=True)
    with whole_file(given.to / "bench.json") as file:
        file.write((json.dumps(result, indent=1) + "\n").encode())
    figure(result, given.to / "bench.png")
    print(f"\nWritten: {given.to / 'bench.json'}, {given.to / 'bench.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
