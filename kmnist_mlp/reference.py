"""Whether a change of the module has moved a result: held against committed reference results.

``reference/kmnist.csv`` and ``reference/stand-in.csv`` hold, per experiment, seed and quantity, a
value and the tolerance within which every machine gave it. `make reference` measures them anew.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.data import load_kmnist
from kmnist_mlp.experiments import Results, default_seeds, run
from kmnist_mlp.paper import EXPERIMENTS
from kmnist_mlp.storage import whole_file

QUANTITIES = (
    "test_accuracy",
    "test_loss",
    "validation_accuracy",
    "validation_loss",
    "best_epoch",
    "stopped_epoch",
    "diverged",
)
# Kernels of OpenBLAS for older and other processors: they add in another order, and with other
# instructions, than this machine's own. One that a processor cannot execute is left out.
KERNELS = ("Haswell", "SkylakeX", "Zen", "Sandybridge", "Prescott")
# The rule: a tolerance is twice the largest deviation that was ever measured in any seed of the
# experiment, between kernels or between two ways of writing the same arithmetic, and at least this
# much (two test images; rounding of a loss). What was seen once can happen again: measuring anew
# never makes a tolerance smaller.
FLOOR = {"accuracy": 2e-4, "loss": 2e-5, "epoch": 0.0, "diverged": 0.0}
FACTOR = 2


def reference_file(data_name: str) -> Path | None:
    """Return the file with the reference results of a data set; None if there is none."""
    stem = {"KMNIST": "kmnist", "stand-in data": "stand-in"}.get(data_name)
    return None if stem is None else Path(str(files("kmnist_mlp"))) / "reference" / f"{stem}.csv"


def load_reference(data_name: str) -> pd.DataFrame:
    """Return experiment, seed, quantity, value, tolerance; empty if there is no reference."""
    path = reference_file(data_name)
    if path is None or not path.is_file():
        return pd.DataFrame(columns=["experiment", "seed", "quantity", "value", "tolerance"])
    return pd.read_csv(path)


def deviations(results: Results, reference: pd.DataFrame) -> dict[str, list[str]]:
    """Return, per experiment, a sentence for every value that left its tolerance.

    An experiment without any reference value is not in the result.
    """
    found: dict[str, list[str]] = {}
    measured = results.frame.set_index(["experiment", "seed"])
    for row in reference.itertuples():
        if (row.experiment, row.seed) not in measured.index:
            continue
        sentences = found.setdefault(row.experiment, [])
        value = float(measured.loc[(row.experiment, row.seed), row.quantity])
        # Written so that a NaN counts as a deviation.
        if not abs(value - row.value) <= row.tolerance + 1e-9:
            sentences.append(
                f"seed {row.seed}: {row.quantity} {value:.6g}, reference {row.value:.6g}, "
                f"tolerance {row.tolerance:.2g}"
            )
    return {name: found[name] for name in results.names if name in found}


def check(results: Results) -> None:
    """Print a line per experiment: the same on every machine if all is well, else the culprit."""
    found = deviations(results, load_reference(results.data_name))
    for name in results.names:
        if name not in found:
            print(f"{name}: NO REFERENCE for these seeds")
        elif found[name]:
            print(f"{name}: MOVED; " + "; ".join(found[name]))
        else:
            print(f"{name}: agrees with the reference results")


# ---- measuring them anew (`make reference`) ------------------------------------------------------


def scatter(kernels: tuple[str, ...], seeds: int) -> pd.DataFrame:
    """Return the largest deviation of any kernel from this machine's own, per experiment.

    Every kernel runs all experiments with the first seeds in a process of its own.

    Returns
    -------
    DataFrame
        Index experiment, one column per quantity.
    """
    here = run(EXPERIMENTS, range(seeds)).frame.set_index(["experiment", "seed"])
    largest = pd.DataFrame(0.0, index=list(EXPERIMENTS), columns=list(QUANTITIES))
    for kernel in kernels:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "frame.csv"
            code = (
                "import sys; from kmnist_mlp.experiments import run, EXPERIMENTS\n"
                "run(EXPERIMENTS, range(int(sys.argv[1]))).frame.to_csv(sys.argv[2], index=False)"
            )
            done = subprocess.run(
                [sys.executable, "-c", code, str(seeds), str(table)],
                env={**os.environ, "OPENBLAS_CORETYPE": kernel},
            )
            if done.returncode:
                print(f"  {kernel}: not executable here, left out")
                continue
            other = pd.read_csv(table).set_index(["experiment", "seed"])
        difference = (
            other[list(QUANTITIES)].astype(float) - here[list(QUANTITIES)].astype(float)
        ).abs()
        per_experiment = difference.groupby(level="experiment").max()
        largest = np.maximum(largest, per_experiment.loc[largest.index])
        print(f"  {kernel}: largest deviation of a test accuracy "
              f"{per_experiment.test_accuracy.max() * 100:.2f} points", flush=True)  # fmt: skip
    return largest


def make_reference(
    results: Results, largest: pd.DataFrame, previous: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the table of reference values with tolerances by the rule above.

    Parameters
    ----------
    results : Results
    largest : DataFrame
        What :func:`scatter` measured.
    previous : DataFrame
        The reference until now, if there is one.
    """
    before = {}
    if previous is not None:
        before = previous.groupby(["experiment", "quantity"]).tolerance.max().to_dict()
    rows = []
    for record in results.frame.to_dict("records"):
        for quantity in QUANTITIES:
            floor = next(value for kind, value in FLOOR.items() if kind in quantity)
            name = record["experiment"]
            kept = before.get((name, quantity), 0.0)
            tolerance = max(floor, kept, FACTOR * largest.loc[name, quantity])
            rows.append(
                {
                    "experiment": name,
                    "seed": record["seed"],
                    "quantity": quantity,
                    "value": float(f"{float(record[quantity]):.7g}"),
                    "tolerance": float(f"{tolerance:.2g}"),
                }
            )
    return pd.DataFrame(rows)


def main() -> int:
    """Measure values and tolerances, show what moved, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m kmnist_mlp.reference", description=main.__doc__
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds per other kernel (default 1)")
    parser.add_argument("--kernels", nargs="*", default=KERNELS, help="OpenBLAS kernels to compare")
    arguments = parser.parse_args()
    data = load_kmnist()
    path = reference_file(data.name)
    print(f"{data!r}: {len(EXPERIMENTS)} experiments, seeds {default_seeds()}", flush=True)
    results = run(EXPERIMENTS, data=data)
    previous = load_reference(data.name)
    moved = deviations(results, previous)
    for name, sentences in moved.items():
        print(f"{name}: " + ("; ".join(sentences) or "as before"))
    table = make_reference(results, scatter(tuple(arguments.kernels), arguments.seeds), previous)
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())
    print(f"{path}: {len(table)} values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
