"""Check results against committed reference results, to notice when a change moves one.

``reference_results/kmnist.csv`` and ``stand-in.csv`` hold a value and a tolerance for each
experiment, seed and quantity; on every machine the result must lie within that tolerance. A
tolerance follows from how far results move under other BLAS kernels, in another type of number or
on another processor: ``kmnist-scatter.csv`` and ``stand-in-scatter.csv``.

Three results that are not runs of the experiments are checked in the same form: the baseline on
pooled data, the gradient check of Tables 1 to 3 (sums over the six gradients of a pattern), and the
distances of validation and test images to the training images.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.data import STAND_IN, Dataset
from kmnist_mlp.experiments.claims import CLAIMS
from kmnist_mlp.experiments.distribution_shift import POOLED, nearest_distances, pooled
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.paper_gradients import gradient_checks
from kmnist_mlp.experiments.published_runs import load_runs
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.experiments.store import FOLDER, Table
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv

GRADIENTS, DISTANCES = "gradient check", "nearest distances"
VALUE_KEY = ["experiment", "seed", "quantity"]
SCATTER_KEY = ["variant", "experiment", "quantity"]
FILES = {"KMNIST": "kmnist", STAND_IN: "stand-in"}  # by the name of the data set


def tables_of(data_name: str) -> tuple[Table, Table]:
    """Return where the reference values of a data set, and their scatter, are kept.

    The deviation of a variant is its largest in any of its seeds.
    """
    name = FILES.get(data_name, "other data")
    return (
        Table(FOLDER / f"{name}.csv", VALUE_KEY, ["value", "tolerance"]),
        Table(FOLDER / f"{name}-scatter.csv", SCATTER_KEY, ["deviation", "seeds"]),
    )


def load_reference(data_name: str) -> pd.DataFrame:
    """Return experiment, seed, quantity, value, tolerance; empty if there is no reference."""
    return tables_of(data_name)[0].load()


# ---- checking ------------------------------------------------------------------------------------


def deviations(results: Results, reference: pd.DataFrame) -> dict[str, list[str]]:
    """Return, for each experiment, a sentence for every value outside its tolerance.

    Experiments without any reference value are left out.

    Examples
    --------
    >>> frame = pd.DataFrame([{"experiment": "baseline", "seed": 0, "best_epoch": 18}])
    >>> row = {"experiment": "baseline", "seed": 0, "quantity": "best_epoch"}
    >>> reference = pd.DataFrame([{**row, "value": 19, "tolerance": 0}])
    >>> deviations(Results.of_frame(frame), reference)
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
    rows = []
    for seed, table in checks.items():
        sums = table.assign(gradient=table.actual_gradient.abs()).groupby("pattern")
        row: dict[str, Any] = {"experiment": GRADIENTS, "seed": seed}
        for column in ("gradient", "difference"):
            row |= {f"{name}_{column}": value for name, value in sums[column].sum().items()}
        rows.append(row)
    return Results.of_frame(pd.DataFrame(rows), data_name)


def distance_results(parts: Mapping[str, np.ndarray], data_name: str) -> Results:
    """Return the medians of what :func:`nearest_distances` returns (seed 0), as results."""
    medians = {f"{part}_distance": float(np.median(values)) for part, values in parts.items()}
    row = {"experiment": DISTANCES, "seed": 0, **medians}
    return Results.of_frame(pd.DataFrame([row]), data_name)


# ---- measuring -----------------------------------------------------------------------------------

# OpenBLAS's kernels for older and other processors add in another order and with other
# instructions; float64 rounds differently throughout. The number of BLAS threads is no variant: a
# training run always uses one (tests/test_training.py). A kernel that this processor cannot execute
# is left out.
VARIANTS = ("Haswell", "SkylakeX", "Zen", "Sandybridge", "Prescott", "float64")
# A tolerance is FACTOR times the largest deviation of any variant in any seed of the experiment,
# and at least FLOOR: two images of KMNIST, of 10,000 or of a tenth of the training split; the
# rounding of a loss; a thousandth of a fluctuation's mean, or of the weights.
FACTOR = 2
FLOOR = {
    "training_accuracy": 4.2e-4, "accuracy": 2e-4, "loss": 2e-6, "fluctuation": 1e-3,
    "share": 1e-3, "epoch": 0.0, "diverged": 0.0, "gradient": 1e-6, "difference": 1e-9,
    "distance": 1e-3,
}  # fmt: skip
FOR_CLAIMS = ("late_fluctuation", "small_weight_share")  # compared where a claim uses them
LEFT_OUT = {"experiment", "seed", "generalisation_gap", "seconds", "cached"}


def compared(experiment: str, columns: Iterable[str]) -> list[str]:
    """Return which columns of an experiment's results are compared."""
    used = {c.quantity for c in CLAIMS if experiment in (c.experiment, c.minus)}
    unused = {*FOR_CLAIMS} - used
    return [column for column in columns if column not in LEFT_OUT | unused]


def measure_results(
    data: Dataset, seeds: Sequence[int], only: Sequence[str] = (), dtype: Any = np.float32
) -> Results:
    """Return all results that have a reference, or with ``only``, those of these experiments."""
    if only:
        return run(only, seeds, data=data, dtype=dtype)
    parts = (
        run(EXPERIMENTS, seeds, data=data, dtype=dtype),
        run({POOLED: EXPERIMENTS["baseline"]}, seeds, data=pooled(data), dtype=dtype),
        gradient_results(gradient_checks(data, seeds), data.name),
        distance_results(nearest_distances(data), data.name),
    )
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    return Results.of_frame(frame, data.name)


def scatter_of(variant: str, other: pd.DataFrame, here: pd.DataFrame) -> pd.DataFrame:
    """Return how far two frames of results are apart: rows of the table of scatter."""
    columns = [column for column in here if column in other and column not in LEFT_OUT]
    a, b = (
        frame.set_index(["experiment", "seed"])[columns].astype(float) for frame in (other, here)
    )
    apart = (a - b).abs().dropna(how="all")  # seeds that only one of them has
    largest = apart.groupby(level="experiment").max().rename_axis(columns="quantity")
    rows = largest.stack().dropna().rename("deviation").reset_index()
    rows["deviation"] = [float(f"{value:.3g}") for value in rows.deviation]
    rows.insert(0, "variant", variant)
    rows["seeds"] = apart.index.get_level_values("seed").nunique()
    return rows


def make_reference(results: Results, scatter: pd.DataFrame) -> pd.DataFrame:
    """Return the table of reference values, with tolerances by the rule above.

    A training quantity is measured like its validation quantity, on other images of the same
    network, so the scatter of the latter counts for it, too.

    Parameters
    ----------
    results : Results
    scatter : DataFrame
        Columns experiment, quantity, deviation, as :func:`scatter_of` returns them.
    """
    largest = scatter.groupby(["experiment", "quantity"]).deviation.max().to_dict()
    rows = []
    for name, runs in results.frame.groupby("experiment", sort=False):
        quantities = compared(name, runs.dropna(axis="columns", how="all"))
        for record, quantity in product(runs.to_dict("records"), quantities):
            floor = next(value for kind, value in FLOOR.items() if kind in quantity)
            alike = (quantity, quantity.replace("training", "validation"))
            tolerance = max(floor, *(FACTOR * largest.get((name, q), 0.0) for q in alike))
            value = float(f"{float(record[quantity]):.7g}")
            rows.append((name, record["seed"], quantity, value, float(f"{tolerance:.2g}")))
    return pd.DataFrame(rows, columns=[*VALUE_KEY, "value", "tolerance"])


def measured_as(variant: str, only: Sequence[str]) -> pd.DataFrame | None:
    """Return results of seed 0 under one of :data:`VARIANTS`; None if not executable here.

    In a process of its own, as BLAS looks for its kernel when it is loaded.
    """
    kernel = {} if variant == "float64" else {"OPENBLAS_CORETYPE": variant}
    code = (
        f"import sys, {__name__} as m, numpy as np; dtype, path, *only = sys.argv[1:]; "
        "found = m.measure_results(m.load_kmnist(), [0], only, np.dtype(dtype)); "
        "found.frame.to_csv(path, index=False)"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "frame.csv")
        dtype = "float32" if kernel else "float64"
        command = [sys.executable, "-c", code, dtype, path, *only]
        done = subprocess.run(command, env={**os.environ, **kernel})
        return None if done.returncode else pd.read_csv(path)


def measure(data: Dataset, only: Sequence[str] = ()) -> None:
    """Measure reference values and their scatter again, and report what has moved.

    Parameters
    ----------
    data : Dataset
    only : sequence of str
        Measure these experiments alone, and keep all other rows.
    """
    seeds = default_seeds()
    tell(f"{data!r}: {', '.join(only) or 'all experiments'}, seeds {seeds}")
    results = measure_results(data, seeds, only)
    old, scatter = (table.load() for table in tables_of(data.name))
    for name, sentences in deviations(results, old).items():
        tell(f"{name}: " + ("; ".join(sentences) or "as before"))
    others = {variant: measured_as(variant, only) for variant in VARIANTS}
    if data.name == "KMNIST":  # the same algorithm, in another order of operations
        others["plain loop"] = Results.of_frame(load_runs(), deviations="none").frame
    for variant, other in others.items():
        if other is None:
            tell(f"  {variant}: not executable here, what is known of it is kept")
            continue
        new = scatter_of(variant, other, results.frame)
        points = 100 * new[new.quantity == "test_accuracy"].deviation.max()
        tell(f"  {variant}: a test accuracy moved by {points:.2f} points at most")
        again = (scatter.variant == variant) & (scatter.experiment.isin(only) | (not only))
        scatter = pd.concat([scatter[~again], new], ignore_index=True)
    reference = make_reference(results, scatter)
    if only:
        reference = pd.concat([old[~old.experiment.isin(only)], reference])
    for table, path in zip((reference, scatter), tables_of(data.name), strict=True):
        write_csv(table, path.path)
        tell(f"{path.path}: {len(table)} rows")
