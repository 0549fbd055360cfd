"""Check results against committed reference results, to notice when a change moves one.

``reference_results/kmnist.csv`` and ``stand-in.csv`` hold a value and a tolerance for each
experiment, seed and quantity; on every machine the result must lie within that tolerance.
measure_reference.py measures both.

Three results that are not runs of the experiments are checked in the same form: the baseline on
pooled data, the gradient check of Tables 1 to 3 (sums over the six gradients of a pattern), and the
distances of validation and test images to the training images.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.data import STAND_IN
from kmnist_mlp.experiments.runs import Results

FOLDER = Path(__file__).with_name("reference_results")
GRADIENTS, DISTANCES = "gradient check", "nearest distances"


def reference_file(data_name: str) -> Path | None:
    """Return the file with the reference results of a data set; None if there is none."""
    unpooled = data_name.removesuffix(", pooled")  # the pooled baseline is in the same file
    stem = {"KMNIST": "kmnist", STAND_IN: "stand-in"}.get(unpooled)
    return None if stem is None else FOLDER / f"{stem}.csv"


def load_reference(data_name: str) -> pd.DataFrame:
    """Return experiment, seed, quantity, value, tolerance; empty if there is no reference."""
    path = reference_file(data_name)
    if path is None or not path.is_file():
        return pd.DataFrame(columns=["experiment", "seed", "quantity", "value", "tolerance"])
    return pd.read_csv(path)


def deviations(results: Results, reference: pd.DataFrame) -> dict[str, list[str]]:
    """Return, for each experiment, a sentence for every value outside its tolerance.

    Experiments without any reference value are left out.

    Examples
    --------
    >>> frame = pd.DataFrame([{"experiment": "baseline", "seed": 0, "best_epoch": 18}])
    >>> row = {"experiment": "baseline", "seed": 0, "quantity": "best_epoch"}
    >>> reference = pd.DataFrame([{**row, "value": 19, "tolerance": 0}])
    >>> deviations(Results({("baseline", 0): None}, frame, "KMNIST"), reference)
    {'baseline': ['seed 0: best_epoch 18, reference 19, tolerance 0']}
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
    """Print one line per experiment: the same on every machine, or which values have moved."""
    found = deviations(results, load_reference(results.data_name))
    for name in results.names:
        if name not in found:
            print(f"{name}: NO REFERENCE for these seeds")
        elif found[name]:
            print(f"{name}: MOVED; " + "; ".join(found[name]))
        else:
            print(f"{name}: agrees with the reference results")


def gradient_results(checks: Mapping[int, pd.DataFrame], data_name: str) -> Results:
    """Return Tables 1 to 3 as results: sums over the six gradients of each pattern."""
    rows = {}
    for seed, table in checks.items():
        sums = table.assign(gradient=table.actual_gradient.abs()).groupby("pattern")
        rows[seed] = {
            f"{pattern}_{column}": value
            for column in ("gradient", "difference")
            for pattern, value in sums[column].sum().items()
        }
    return _as_results(GRADIENTS, rows, data_name)


def distance_results(parts: Mapping[str, np.ndarray], data_name: str) -> Results:
    """Return the medians of what :func:`nearest_distances` returns (seed 0), as results."""
    medians = {f"{part}_distance": float(np.median(values)) for part, values in parts.items()}
    return _as_results(DISTANCES, {0: medians}, data_name)


def _as_results(name: str, rows: dict[int, dict[str, float]], data_name: str) -> Results:
    frame = pd.DataFrame([{"experiment": name, "seed": seed, **row} for seed, row in rows.items()])
    return Results({(name, seed): None for seed in rows}, frame, data_name)
