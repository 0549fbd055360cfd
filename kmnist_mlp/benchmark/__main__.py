"""Print the tables of a benchmark, and write benchmark.json and benchmark.png (`make bench`)."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kmnist_mlp.benchmark.implementations import IMPLEMENTATIONS
from kmnist_mlp.benchmark.measure import installed, measure, measure_in_new_process
from kmnist_mlp.benchmark.tables import growth_figure, parts_table, table
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.provenance import blas, processor
from kmnist_mlp.figures.style import png
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write; with ``--measure``, print one measurement as JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--to", default="build", type=Path, help="folder of the two files")
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds (default 7)")
    parser.add_argument("--measure", choices=("one core", "all cores"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        tell(json.dumps(measure(given.measure, given.rounds)))
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
    tell(f"{data!r}, {result['cpu']}, {result['blas']}, NumPy {np.__version__}")
    missing = [name for name in IMPLEMENTATIONS if name not in installed()]
    if missing:
        tell(f"Not installed: {', '.join(missing)} (pip install -e '.[bench]' installs them).")
    result |= measure_in_new_process("one core", given.rounds)
    result["all cores"] = measure_in_new_process("all cores", given.rounds)
    for cores in ("one core", "all cores"):
        tell(f"\nOne epoch on {cores}; 1.00 is the matrix products alone: fastest (median)\n")
        tell(table(result[cores]))
    tell("\nOne mini-batch on one core, each part done alone, in microseconds\n")
    tell(parts_table(result["parts"]))
    given.to.mkdir(parents=True, exist_ok=True)
    with whole_file(given.to / "benchmark.json") as file:
        file.write((json.dumps(result, indent=1) + "\n").encode())
    figure = growth_figure(result["growth"], result["cpu"])
    with whole_file(given.to / "benchmark.png") as file:
        file.write(png(figure, 150))
    plt.close(figure)
    tell(f"\nWritten: {given.to / 'benchmark.json'}, {given.to / 'benchmark.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
