"""Whether a change of the module has moved a result: held against committed reference results.

``reference/kmnist.csv`` and ``reference/stand-in.csv`` hold, per experiment, seed and quantity, a
value and the tolerance within which every machine shall give it. The tolerances follow from
``reference/*-scatter.csv``: how far results moved under other BLAS kernels, another type of number
or another processor. `make reference` measures both anew; nothing else writes them.

Besides the experiments there are, in the same form: the baseline on pooled data, the gradient
check of Tables 1 to 3 (sums over the six gradients of a pattern) and the distances from
validation and test images to the training images.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.data import Dataset, pooled
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.distribution_shift import POOLED, nearest_distances
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import Results, default_seeds, gradient_checks, run, run_in_float64
from kmnist_mlp.support.files import whole_file

FOLDER = Path(__file__).with_name("reference_results")
QUANTITIES = (
    "test_accuracy",
    "test_loss",
    "validation_accuracy",
    "validation_loss",
    "training_accuracy",
    "training_loss",
    "best_epoch",
    "stopped_epoch",
    "diverged",
)
GRADIENTS, DISTANCES = "gradient check", "nearest distances"
OTHER_QUANTITIES = {
    GRADIENTS: tuple(
        f"{pattern}_{sums}"
        for pattern in ("first", "sixth", "last")
        for sums in ("gradient", "difference")
    ),
    DISTANCES: ("validation_distance", "test_distance"),
}
# OpenBLAS's kernels for older and other processors add in another order, and with other
# instructions, than this machine's own; float64 rounds elsewhere altogether. The number of BLAS
# threads is no variant: a training run always uses one (tests/test_training.py). A kernel that a
# processor cannot execute is left out.
KERNELS = ("Haswell", "SkylakeX", "Zen", "Sandybridge", "Prescott")
VARIANTS = (*KERNELS, "float64")
# The rule: a tolerance is FACTOR times the largest deviation that any variant ever showed in any
# seed of the experiment, and at least FLOOR (two test images of KMNIST; a loss's rounding).
# A training quantity is measured like its validation quantity, on as many images of the same
# network, so the latter's scatter counts for it, too.
FLOOR = {
    "accuracy": 2e-4,
    "loss": 2e-6,
    "epoch": 0.0,
    "diverged": 0.0,
    "gradient": 1e-6,
    "difference": 1e-9,
    "distance": 1e-3,
}
FACTOR = 2


def reference_file(data_name: str) -> Path | None:
    """Return the file with the reference results of a data set; None if there is none."""
    published = data_name.removesuffix(", pooled")  # the pooled baseline stands with the others
    stem = {"KMNIST": "kmnist", "stand-in data": "stand-in"}.get(published)
    return None if stem is None else FOLDER / f"{stem}.csv"


def load_reference(data_name: str) -> pd.DataFrame:
    """Return experiment, seed, quantity, value, tolerance; empty if there is no reference."""
    path = reference_file(data_name)
    if path is None or not path.is_file():
        return pd.DataFrame(columns=["experiment", "seed", "quantity", "value", "tolerance"])
    return pd.read_csv(path)


def deviations(results: Results, reference: pd.DataFrame) -> dict[str, list[str]]:
    """Return, per experiment, a sentence for every value that left its tolerance.

    An experiment without any reference value is not in the result.

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
    """Print a line per experiment: the same on every machine if all is well, else the culprit."""
    found = deviations(results, load_reference(results.data_name))
    for name in results.names:
        if name not in found:
            print(f"{name}: NO REFERENCE for these seeds")
        elif found[name]:
            print(f"{name}: MOVED; " + "; ".join(found[name]))
        else:
            print(f"{name}: agrees with the reference results")


def gradient_results(checks: Mapping[int, pd.DataFrame], data_name: str) -> Results:
    """Return Tables 1 to 3 in the form of results: sums over the six gradients of a pattern."""
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
    """Return the medians of :func:`nearest_distances` (seed 0) in the form of results."""
    medians = {f"{part}_distance": float(np.median(values)) for part, values in parts.items()}
    return _as_results(DISTANCES, {0: medians}, data_name)


def _as_results(name: str, rows: dict[int, dict[str, float]], data_name: str) -> Results:
    frame = pd.DataFrame([{"experiment": name, "seed": seed, **row} for seed, row in rows.items()])
    return Results({(name, seed): None for seed in rows}, frame, data_name)


# ---- measuring them anew (`make reference`) ------------------------------------------------------


def load_scatter(data_name: str) -> pd.DataFrame:
    """Return variant, experiment, quantity, deviation (the largest of any seed), seeds."""
    path = _scatter_file(data_name)
    if path is None or not path.is_file():
        return pd.DataFrame(columns=["variant", "experiment", "quantity", "deviation", "seeds"])
    return pd.read_csv(path)


def _scatter_file(data_name: str) -> Path | None:
    path = reference_file(data_name)
    return None if path is None else path.with_name(f"{path.stem}-scatter.csv")


def measure(data: Dataset, seeds: Iterable[int], many: Callable[..., Results] = run) -> Results:
    """Return everything that has a reference; ``many`` runs the experiments."""
    seeds = list(seeds)
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
    return OTHER_QUANTITIES.get(experiment, QUANTITIES)


def _measured_as(variant: str, seeds: int) -> pd.DataFrame | None:
    """Return experiment, seed and quantities of all experiments; None if not executable here."""
    environment = {"OPENBLAS_CORETYPE": variant} if variant in KERNELS else {}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "frame.csv"
        own = [sys.executable, "-m", "kmnist_mlp.experiments.reference", "--seeds", str(seeds)]
        done = subprocess.run(
            [*own, "--measure", variant, str(table)], env={**os.environ, **environment}
        )
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


def _write(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as file:
        file.write(table.to_csv(index=False, lineterminator="\n").encode())
    print(f"{path}: {len(table)} rows")


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
    parser.add_argument("--measure", nargs=2, metavar=("VARIANT", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    data = load_kmnist()
    if given.measure:
        variant, path = given.measure
        many = run_in_float64 if variant == "float64" else run
        measure(data, range(given.seeds), many).frame.to_csv(path, index=False)
        return 0
    print(f"{data!r}: {len(EXPERIMENTS)} experiments, seeds {default_seeds()}", flush=True)
    results = measure(data, default_seeds())
    old = load_reference(data.name)
    for name, sentences in deviations(results, old).items():
        print(f"{name}: " + ("; ".join(sentences) or "as before"))
    new = []
    if given.count_old_as and not old.empty:
        before = old.pivot(index=["experiment", "seed"], columns="quantity", values="value")
        new.append(scatter_of(given.count_old_as, before.reset_index(), results.frame))
    for variant in given.variants:
        other = _measured_as(variant, given.seeds)
        if other is None:
            print(f"  {variant}: not executable here, what is known of it is kept")
            continue
        new.append(scatter_of(variant, other, results.frame))
        points = 100 * new[-1][new[-1].quantity == "test_accuracy"].deviation.max()
        print(f"  {variant}: a test accuracy moved by {points:.2f} points at most", flush=True)
    scatter = load_scatter(data.name)
    measured = {name for rows in new for name in rows.variant}
    scatter = pd.concat([scatter[~scatter.variant.isin(measured)], *new], ignore_index=True)
    FOLDER.mkdir(exist_ok=True)
    _write(scatter, _scatter_file(data.name))
    _write(make_reference(results, scatter), reference_file(data.name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
