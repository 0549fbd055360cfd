"""Which difference between our algorithm and the paper's published code explains what.

``make published`` trains the experiments of the paper by this project's algorithm ("none") and by
that of the published code ("all"), then, for seven of them, each deviation of published_code.py
added to the first alone ("+clipping") and left out of the second alone ("-clipping"). Each run is
kept as soon as it is finished, and only missing ones are trained. The results are in
``reference_results/published_code.csv``, and the learning curves of the published algorithm, for
the experiments with figures, in ``published_code_curves.csv``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import kmnist_or_exit
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.parallel import train_all
from kmnist_mlp.experiments.published_code import (
    DEVIATIONS,
    PublishedRun,
    applicable,
    checked_deviations,
    train_as_published,
)
from kmnist_mlp.experiments.runs import Results, quantities_of
from kmnist_mlp.results import CURVES
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv

FOLDER = Path(__file__).with_name("reference_results")
RUNS, LEARNING_CURVES = "published_code.csv", "published_code_curves.csv"
SEEDS = range(5)
# The experiments of which each deviation is measured. The others differ from these in little but a
# penalty or the learning rate. Four deviations that hardly change a result are measured with the
# three activations alone; the form of the penalty, where there is an L1 penalty.
ABLATED = (
    "baseline", "sigmoid", "relu", "hidden_256", "hidden_64", "two_hidden_layers", "l2_0.2"
)  # fmt: skip
MINOR = {"L2 outside", "clipping", "one draw", "batch 129"}
KEY = ["experiment", "deviations", "seed"]
COLUMNS = [
    *KEY, "test_accuracy", "test_loss", *CURVES, "generalisation_gap", "late_fluctuation",
    "small_weight_share", "best_epoch", "epochs", "diverged",
]  # fmt: skip


class Run(NamedTuple):
    """One run: an experiment of the paper, a text for :func:`deviations_of`, a seed."""

    experiment: str
    deviations: str
    seed: int


def deviations_of(text: str) -> frozenset[str]:
    """Return the deviations that "none", "all", "+name" or "-name" stands for.

    Raises
    ------
    ValueError
        For any other text.

    Examples
    --------
    >>> sorted(deviations_of("+clipping")), len(deviations_of("-clipping"))
    (['clipping'], 9)
    """
    if text in ("none", "all"):
        return frozenset(DEVIATIONS if text == "all" else ())
    if text[:1] not in ("+", "-"):
        raise ValueError(f"deviations must be 'none', 'all', '+name' or '-name'; got {text!r}")
    alone = checked_deviations([text[1:]])
    return alone if text[0] == "+" else frozenset(DEVIATIONS) - alone


def plan() -> list[Run]:
    """Return all runs: the two whole algorithms, then the ablation.

    A deviation that cannot change an experiment is not measured there.
    """
    pairs = [(name, text) for name in (*ABLATED, *PAPER) for text in ("none", "all")]
    major = DEVIATIONS.keys() - MINOR
    for names, deviations in (
        (ABLATED, major),
        (ABLATED[:3], MINOR),
        (PAPER, {"stored penalties"}),
    ):
        for name in names:
            found = [one for one in DEVIATIONS if one in deviations & applicable(EXPERIMENTS[name])]
            pairs += [(name, sign + one) for one in found for sign in "+-"]
    return [Run(*pair, seed) for pair in dict.fromkeys(pairs) for seed in SEEDS]


def load_runs(folder: Path = FOLDER) -> pd.DataFrame:
    """Return a row per run: experiment, deviations, seed and what was measured.

    The columns are those of :attr:`kmnist_mlp.experiments.runs.Results.frame`, but for "epochs",
    the number of epochs that were trained. Accuracies are fractions; losses are the reported ones.
    """
    return _read(folder / RUNS, COLUMNS)


def results_of(deviations: str, table: pd.DataFrame) -> Results:
    """Return the runs of one set of deviations, for :func:`kmnist_mlp.experiments.judge`.

    Parameters
    ----------
    deviations : str
        "none", "all", "+name" or "-name".
    table : DataFrame
        What :func:`load_runs` gives.
    """
    frame = table[table.deviations == deviations].drop(columns="deviations")
    frame = frame.rename(columns={"epochs": "stopped_epoch"}).reset_index(drop=True)
    return Results(dict.fromkeys(zip(frame.experiment, frame.seed, strict=True)), frame, "KMNIST")


def load_curves(folder: Path = FOLDER) -> pd.DataFrame:
    """Return experiment, seed, epoch and the learning curves under all deviations.

    ``groupby(["experiment", "epoch"]).mean()`` gives the mean over seeds.
    """
    return _read(folder / LEARNING_CURVES, ["experiment", "seed", "epoch", *CURVES])


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame(columns=columns)
    table = pd.read_csv(path)
    if list(table) != columns:
        raise ValueError(f"{path} must have the columns {columns}; got {list(table)}")
    return table


def keep(run: Run, result: PublishedRun, folder: Path) -> None:
    """Add one run to the files: its curves first, so that no run that counts lacks them."""
    if run.deviations == "all" and PAPER[run.experiment].figures:
        labels = {"experiment": run.experiment, "seed": run.seed}
        epochs = range(1, result.stopped_epoch + 1)
        own = pd.DataFrame({**labels, "epoch": epochs, **result.curves}).round(6)
        _add(own, [*labels, "epoch"], folder / LEARNING_CURVES)
    row = {**run._asdict(), **quantities_of(result, result.weights[0])}
    row["epochs"] = row.pop("stopped_epoch")
    _add(pd.DataFrame([row])[COLUMNS], KEY, folder / RUNS)


def _add(rows: pd.DataFrame, key: list[str], path: Path) -> None:
    """Add rows to a file, sorted: the order in which runs finish does not show."""
    known = _read(path, [*rows])
    table = pd.concat([known, rows]) if len(known) else rows
    write_csv(table.drop_duplicates(key, keep="last").sort_values(key), path)


def train_missing(planned: Sequence[Run], data: Dataset, folder: Path, n_jobs: int = -1) -> int:
    """Train the planned runs that are not in the files, and return how many they were."""
    known = set(load_runs(folder)[KEY].itertuples(index=False, name=None))
    todo = {
        run: EXPERIMENTS[run.experiment].replace(seed=run.seed)
        for run in planned
        if run not in known
    }
    for number, (run, result) in enumerate(train_all(todo, data, n_jobs, _train), start=1):
        keep(run, result, folder)
        tell(
            f"{number} of {len(todo)}: {run.experiment}, {run.deviations}, seed {run.seed}: "
            f"{100 * result.test_accuracy:.2f} %, {result.test_loss:.4f}, "
            f"{result.stopped_epoch} epochs"
        )
    return len(todo)


def _train(run: Run, config: Config, data: Dataset) -> PublishedRun:
    return train_as_published(config, data, deviations_of(run.deviations))


def main() -> None:
    """Train what is missing, and write the table of all runs."""
    data = kmnist_or_exit("The runs of the published algorithm are kept")
    trained = train_missing(plan(), data, FOLDER)
    tell(f"{FOLDER / RUNS}: {len(load_runs())} runs, of which {trained} are new")


if __name__ == "__main__":
    main()
