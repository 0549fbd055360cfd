"""Check results against committed reference results, to notice when a change moves one.

``reference_results/kmnist.csv`` and ``stand-in.csv`` hold a value and a
tolerance for each experiment, seed and quantity; on every machine the
result must lie within that tolerance. A tolerance follows from how far
results move under other BLAS kernels, in another type of number or on
another processor: ``kmnist-scatter.csv`` and ``stand-in-scatter.csv``.

What notebooks state besides is compared in
:mod:`kmnist_mlp.report.statements`.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.data import STAND_IN, Dataset
from kmnist_mlp.experiments.analysis import POOLED, pooled
from kmnist_mlp.experiments.claims import CLAIMS
from kmnist_mlp.experiments.paper import EXPERIMENTS, RULES
from kmnist_mlp.experiments.readings import load_runs
from kmnist_mlp.experiments.runs import OPTIONS, Results, default_seeds, run
from kmnist_mlp.experiments.store import FOLDER, Table, write_kept
from kmnist_mlp.support.console import tell

KEY = ["experiment", "seed", "quantity"]
LEFT_OUT = ["generalisation_gap", "seconds", "cached"]
FILES = {"KMNIST": "kmnist", STAND_IN: "stand-in"}  # by the name of the data set


def tables_of(data_name: str) -> tuple[Table, Table]:
    """Return where the reference values of a data set, and their scatter, are kept.

    The deviation of a variant is its largest in any of its seeds.
    """
    name = FILES.get(data_name, "other data")
    scatter = Table(FOLDER / f"{name}-scatter.csv", ["variant", *KEY[::2]])
    return Table(FOLDER / f"{name}.csv", KEY), scatter


def load_reference(data_name: str) -> pd.DataFrame:
    """Return experiment, seed, quantity, value, tolerance; empty if there is no reference."""
    return tables_of(data_name)[0].load()


# ---- checking --------------------------------------------------------


def numbers_of(frame: pd.DataFrame) -> pd.Series:
    """Return the numbers of runs that are compared, by experiment, seed and quantity."""
    columns = frame.set_index(KEY[:2]).drop(columns=[*LEFT_OUT, *OPTIONS], errors="ignore")
    return columns.rename_axis(columns=KEY[2]).astype(float).stack().dropna()


def check(results: Results) -> None:
    """Print one line per experiment: the same on every machine, or which values have moved.

    Examples
    --------
    >>> frame = pd.DataFrame([{"experiment": "baseline", "seed": 0, "best_epoch": 19}])
    >>> check(Results.of_frame(frame, "my images"))
    baseline: NO REFERENCE for these seeds
    """
    reference = load_reference(results.data_name)
    measured = numbers_of(results.frame).to_dict()
    for name in results.names:
        seeds = [seed for known, seed in results.runs if known == name]
        rows = reference[(reference.experiment == name) & reference.seed.isin(seeds)]
        moved = []
        for _, seed, quantity, expected, tolerance in rows.itertuples(index=False):
            value = measured.get((name, seed, quantity), np.nan)
            # Written so that a NaN counts as a deviation.
            if not abs(value - expected) <= tolerance + 1e-9:
                limits = f"reference {expected:.6g}, tolerance {tolerance:.2g}"
                moved.append(f"seed {seed}: {quantity} {value:.6g}, {limits}")
        text = "agrees with the reference results"
        if moved:
            text = "; ".join(["MOVED", *moved])
        elif rows.empty:
            text = "NO REFERENCE for these seeds"
        print(f"{name}: {text}")


# ---- measuring -------------------------------------------------------

# OpenBLAS's kernels for older and other processors add in another
# order and with other instructions; float64 rounds differently
# throughout. The number of BLAS threads is no variant: a training run
# always uses one (tests/test_training.py). A kernel that this
# processor cannot execute is left out.
VARIANTS = ("Haswell", "SkylakeX", "Zen", "Sandybridge", "Prescott", "float64")
# A tolerance is FACTOR times the largest deviation of any variant in
# any seed of the experiment, and at least FLOOR: two images of
# KMNIST, of 10,000 or of a tenth of the training split; the rounding
# of a loss; a thousandth of a fluctuation's mean, or of the weights.
FACTOR = 2
FLOOR = RULES["smallest_tolerances"]
# compared where a claim uses them
FOR_CLAIMS = ("late_fluctuation", "small_weight_share")


def measure_results(data: Dataset, seeds: Sequence[int], dtype: Any = np.float32) -> Results:
    """Return all results that have a reference."""
    parts = (
        run(EXPERIMENTS, seeds, data=data, dtype=dtype),
        run({POOLED: EXPERIMENTS["baseline"]}, seeds, data=pooled(data), dtype=dtype),
    )
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    return Results.of_frame(frame, data.name)


def scatter_of(variant: str, other: pd.DataFrame, here: pd.DataFrame) -> pd.DataFrame:
    """Return how far two frames of results are apart: rows of the table of scatter."""
    # what both of them have
    apart = (numbers_of(other) - numbers_of(here)).abs().dropna()
    largest = apart.groupby(level=KEY[::2], sort=False).max()
    rows = largest.map(lambda value: float(f"{value:.3g}")).rename("deviation").reset_index()
    rows.insert(0, "variant", variant)
    return rows.assign(seeds=apart.index.get_level_values("seed").nunique())


def make_reference(results: Results, scatter: pd.DataFrame) -> pd.DataFrame:
    """Return the table of reference values, with tolerances by the rule above.

    A training quantity is measured like its validation quantity, on
    other images of the same network, so the scatter of the latter
    counts for it, too.

    Parameters
    ----------
    results : Results
    scatter : DataFrame
        Columns experiment, quantity, deviation, as
        :func:`scatter_of` returns them.
    """
    largest = scatter.groupby(["experiment", "quantity"]).deviation.max().to_dict()
    used = {(name, c.quantity) for c in CLAIMS for name in (c.experiment, c.minus)}
    rows = []
    for (name, seed, quantity), value in numbers_of(results.frame).items():
        if quantity in FOR_CLAIMS and (name, quantity) not in used:
            continue
        floor = next(limit for kind, limit in FLOOR.items() if kind in quantity)
        alike = (quantity, quantity.replace("training", "validation"))
        tolerance = max(floor, *(FACTOR * largest.get((name, q), 0.0) for q in alike))
        rounded = float(f"{value:.7g}"), float(f"{tolerance:.2g}")
        rows.append((name, seed, quantity, *rounded))
    return pd.DataFrame(rows, columns=[*KEY, "value", "tolerance"])


def measured_as(variant: str) -> pd.DataFrame | None:
    """Return results of seed 0 under one of :data:`VARIANTS`; None if not executable here.

    In a process of its own, as BLAS looks for its kernel when
    it is loaded.
    """
    kernel = {} if variant == "float64" else {"OPENBLAS_CORETYPE": variant}
    dtype = "float32" if kernel else variant
    code = f"""
import sys
from kmnist_mlp import load_kmnist
from {__name__} import measure_results
results = measure_results(load_kmnist(), [0], {dtype!r})
results.frame.to_csv(sys.stdout, index=False)
"""
    command, environment = [sys.executable, "-c", code], os.environ | kernel
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    return None if done.returncode else pd.read_csv(StringIO(done.stdout))


def measure(data: Dataset) -> None:
    """Measure reference values and their tolerances again (hours), and tell what has moved."""
    results = measure_results(data, default_seeds())
    values, scatters = tables_of(data.name)
    check(results)
    others = {variant: measured_as(variant) for variant in VARIANTS}
    if data.name == "KMNIST":  # the same algorithm, in another order of operations
        others["plain loop"] = Results.of_frame(load_runs(), deviations="none").frame
    scatter = scatters.load()
    for variant, other in others.items():
        if other is None:
            tell(f"  {variant}: not executable here, what is known of it is kept")
            continue
        new = scatter_of(variant, other, results.frame)
        points = 100 * new[new.quantity == "test_accuracy"].deviation.max()
        tell(f"  {variant}: a test accuracy moved by {points:.2f} points at most")
        scatter = pd.concat([scatter[scatter.variant != variant], new], ignore_index=True)
    write_kept(make_reference(results, scatter), values.path)
    write_kept(scatter, scatters.path)
    tell(f"{values.path} and {scatters.path} are written")
