"""Measure the reference results and their tolerances (``make reference``).

A tolerance follows from how far results move under other BLAS kernels, in another type of number or
on another processor: ``reference_results/*-scatter.csv``. Both kinds of files are written here and
nowhere else; reference.py checks results against them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.claims import CLAIMS
from kmnist_mlp.experiments.distribution_shift import POOLED, nearest_distances, pooled
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.paper_gradients import gradient_checks
from kmnist_mlp.experiments.published_runs import load_runs, results_of
from kmnist_mlp.experiments.reference import (
    DISTANCES,
    GRADIENTS,
    deviations,
    distance_results,
    gradient_results,
    load_reference,
    reference_file,
)
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv

QUANTITIES = (
    "test_accuracy",
    "test_loss",
    "validation_accuracy",
    "validation_loss",
    "training_accuracy",
    "training_loss",
    "late_fluctuation",
    "small_weight_share",
    "best_epoch",
    "stopped_epoch",
    "diverged",
)
FOR_CLAIMS = ("late_fluctuation", "small_weight_share")  # compared where a claim uses them
OTHER_QUANTITIES = {
    GRADIENTS: tuple(
        f"{pattern}_{sums}"
        for pattern in ("first", "sixth", "last")
        for sums in ("gradient", "difference")
    ),
    DISTANCES: ("validation_distance", "test_distance"),
}
# OpenBLAS's kernels for older and other processors add in another order and with other
# instructions; float64 rounds differently throughout. The number of BLAS threads is no variant: a
# training run always uses one (tests/test_training.py). A kernel that this processor cannot execute
# is left out.
KERNELS = ("Haswell", "SkylakeX", "Zen", "Sandybridge", "Prescott")
VARIANTS = (*KERNELS, "float64")
# A tolerance is FACTOR times the largest deviation of any variant in any seed of the experiment,
# and at least FLOOR (two images of KMNIST, of 10,000 or of a tenth of the training split; the
# rounding of a loss; a thousandth of a fluctuation's mean, or of the weights). A training quantity
# is measured like its validation quantity, on other images of the same network, so the scatter of
# the latter counts for it, too.
FLOOR = {
    "training_accuracy": 4.2e-4,
    "accuracy": 2e-4,
    "loss": 2e-6,
    "fluctuation": 1e-3,
    "share": 1e-3,
    "epoch": 0.0,
    "diverged": 0.0,
    "gradient": 1e-6,
    "difference": 1e-9,
    "distance": 1e-3,
}
FACTOR = 2


def load_scatter(data_name: str) -> pd.DataFrame:
    """Return variant, experiment, quantity, deviation (the largest of any seed), seeds."""
    path = _scatter_file(data_name)
    if path is None or not path.is_file():
        return pd.DataFrame(columns=["variant", "experiment", "quantity", "deviation", "seeds"])
    return pd.read_csv(path)


def _scatter_file(data_name: str) -> Path | None:
    path = reference_file(data_name)
    return None if path is None else path.with_name(f"{path.stem}-scatter.csv")


def measure(
    data: Dataset,
    seeds: Iterable[int],
    many: Callable[..., Results] = run,
    only: Iterable[str] = (),
) -> Results:
    """Return all results that have a reference; ``many`` runs the experiments, as :func:`run`.

    With ``only``, the results of these experiments alone.
    """
    seeds, only = list(seeds), list(only)
    if only:
        return many({name: EXPERIMENTS[name] for name in only}, seeds, data=data)
    parts = (
        many(EXPERIMENTS, seeds, data=data),
        many({POOLED: EXPERIMENTS["baseline"]}, seeds, data=pooled(data)),
        gradient_results(gradient_checks(data, seeds), data.name),
        distance_results(nearest_distances(data), data.name),
    )
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    return Results({key: None for part in parts for key in part.runs}, frame, data.name)


def quantities_of(experiment: str) -> tuple[str, ...]:
    """Return what is compared of one experiment."""
    used = {c.quantity for c in CLAIMS if experiment in (c.experiment, c.minus)}
    left_out = {*FOR_CLAIMS} - used if experiment in (*EXPERIMENTS, POOLED) else {}
    return OTHER_QUANTITIES.get(experiment, tuple(q for q in QUANTITIES if q not in left_out))


def _measured_as(variant: str, seeds: int, only: list[str]) -> pd.DataFrame | None:
    """Return experiment, seed and quantities of all experiments; None if not executable here."""
    environment = {"OPENBLAS_CORETYPE": variant} if variant in KERNELS else {}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "frame.csv"
        command = [sys.executable, "-m", "kmnist_mlp.experiments.measure_reference"]
        command += ["--seeds", str(seeds), "--measure", variant, str(table), "--only", *only]
        done = subprocess.run(command, env={**os.environ, **environment})
        return None if done.returncode else pd.read_csv(table)


def scatter_of(variant: str, other: pd.DataFrame, here: pd.DataFrame) -> pd.DataFrame:
    """Return how far two frames of results are apart: rows of :func:`load_scatter`."""
    keys = ["experiment", "seed"]
    compared = {*QUANTITIES, *sum(OTHER_QUANTITIES.values(), ())}
    columns = [quantity for quantity in here if quantity in compared & {*other}]
    a, b = (frame.set_index(keys)[columns].astype(float) for frame in (other, here))
    apart = (a - b).abs().dropna(how="all")  # seeds that only one of them has
    largest = apart.groupby(level="experiment").max().rename_axis(columns="quantity")
    rows = largest.stack().dropna().rename("deviation").reset_index()
    rows["deviation"] = [float(f"{value:.3g}") for value in rows.deviation]
    rows.insert(0, "variant", variant)
    rows["seeds"] = apart.index.get_level_values("seed").nunique()
    return rows


def make_reference(results: Results, scatter: pd.DataFrame) -> pd.DataFrame:
    """Return the table of reference values, with tolerances by the rule above.

    Parameters
    ----------
    results : Results
    scatter : DataFrame
        Columns experiment, quantity, deviation, as :func:`load_scatter` has them.
    """
    largest = scatter.groupby(["experiment", "quantity"]).deviation.max().to_dict()
    rows = []
    for record in results.frame.to_dict("records"):
        name = record["experiment"]
        for quantity in quantities_of(name):
            floor = next(value for kind, value in FLOOR.items() if kind in quantity)
            alike = (quantity, quantity.replace("training", "validation"))
            tolerance = max(floor, *(FACTOR * largest.get((name, q), 0.0) for q in alike))
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


def main(arguments: list[str] | None = None) -> int:
    """Measure values and scatter, show what moved, write both files."""
    parser = argparse.ArgumentParser(prog="make reference", description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="seeds per variant (default 1)")
    parser.add_argument(
        "--variants", nargs="*", default=VARIANTS, help="measure these; keep the others' scatter"
    )
    parser.add_argument(
        "--count-old-as", metavar="NAME", help="the old values are scatter, too, under this name"
    )
    parser.add_argument(
        "--only", nargs="*", default=[], help="measure these experiments; keep all other rows"
    )
    parser.add_argument("--measure", nargs=2, metavar=("VARIANT", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    data = load_kmnist()
    if given.measure:
        variant, path = given.measure
        many = partial(run, dtype=np.float64) if variant == "float64" else run
        measure(data, range(given.seeds), many, given.only).frame.to_csv(path, index=False)
        return 0
    tell(f"{data!r}: {given.only or 'all experiments'}, seeds {default_seeds()}")
    results = measure(data, default_seeds(), only=given.only)
    old = load_reference(data.name)
    for name, sentences in deviations(results, old).items():
        tell(f"{name}: " + ("; ".join(sentences) or "as before"))
    new = []
    if data.name == "KMNIST":  # the same algorithm, in another order of operations
        new.append(scatter_of("plain loop", results_of("none", load_runs()).frame, results.frame))
    if given.count_old_as and not old.empty:
        before = old.pivot(index=["experiment", "seed"], columns="quantity", values="value")
        new.append(scatter_of(given.count_old_as, before.reset_index(), results.frame))
    for variant in given.variants:
        other = _measured_as(variant, given.seeds, given.only)
        if other is None:
            tell(f"  {variant}: not executable here, what is known of it is kept")
            continue
        new.append(scatter_of(variant, other, results.frame))
        points = 100 * new[-1][new[-1].quantity == "test_accuracy"].deviation.max()
        tell(f"  {variant}: a test accuracy moved by {points:.2f} points at most")
    scatter = load_scatter(data.name)
    again = {(row.variant, row.experiment) for rows in new for row in rows.itertuples()}
    kept = [(row.variant, row.experiment) not in again for row in scatter.itertuples()]
    if not given.only:  # an experiment that is no more has no scatter either
        kept = ~scatter.variant.isin({variant for variant, _ in again})
    scatter = pd.concat([scatter[kept], *new], ignore_index=True)
    reference = make_reference(results, scatter)
    if given.only:
        reference = pd.concat([old[~old.experiment.isin(given.only)], reference])
    for table, path in (
        (scatter, _scatter_file(data.name)),
        (reference, reference_file(data.name)),
    ):
        write_csv(table, path)
        tell(f"{path}: {len(table)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
