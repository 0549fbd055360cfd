"""What each run of the plan gave, in ``results/``; ``make beyond`` trains those without a record.

``runs.csv`` has a row for each run, ``runs.npz`` its learning curves and which images of the
held-out clusters it classifies correctly, ``log.txt`` what `make beyond` said. A final network's
weights are in a file of its own, rounded to eight bits.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from kmnist_mlp.beyond.distillation import distil
from kmnist_mlp.beyond.plan import TEACHERS, Run, work
from kmnist_mlp.beyond.pretrained import FOLDER, from_rounded, rounded, save_rounded
from kmnist_mlp.beyond.protocol import held_out_clusters, without_test_images
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import ResultCache, train_cached
from kmnist_mlp.experiments.parallel import end_without_parent
from kmnist_mlp.experiments.result_cache import source_hash
from kmnist_mlp.results import CURVES, Progress, TrainingResult
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import load_arrays, save_arrays, write_csv

SEEDS = 5  # at most, of one configuration
EMPTY = pd.DataFrame(columns=["validation_accuracy", "held_out_accuracy", "seconds"], dtype=float)


class Records:
    """The records in a folder, and the way to add one; only one process may add.

    Parameters
    ----------
    folder : Path
        Made if there is none.

    Attributes
    ----------
    table : DataFrame
        A row per run: group, title, seed, data, parameters, epochs, kept_epoch, seconds, losses
        and accuracies (fractions) on training and validation images and held-out clusters, date,
        code (hash of the numerical sources) and configuration (JSON); of a final network
        changed_by_rounding, the trials' training images that it classifies otherwise afterwards.
    arrays : dict of str to ndarray
        ``"curves <n>"``, (epochs, 4), and ``"right <n>"``, packed bits, for row n of the table.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.table, self.header, self.arrays = pd.DataFrame(), {"runs": 0}, {}
        if (folder / "runs.csv").exists():
            self.table = pd.read_csv(folder / "runs.csv")
            self.header, self.arrays = load_arrays(folder / "runs.npz")
            # Written one after the other: a row whose arrays are missing is not a record.
            self.table = self.table.iloc[: self.header["runs"]]

    def row(self, config: Config, data: str = "trials") -> pd.Series | None:
        """Return the row of a run, or None."""
        if self.table.empty:
            return None
        wanted = _as_text(config)
        found = self.table[(self.table.configuration == wanted) & (self.table.data == data)]
        return None if found.empty else found.iloc[0]

    def of(self, config: Config, data: str = "trials") -> pd.DataFrame:
        """Return the rows of a configuration with any seed, sorted by seed, which is the index."""
        rows = [self.row(config.replace(seed=seed), data) for seed in range(SEEDS)]
        found = [row for row in rows if row is not None]
        return pd.DataFrame(found).astype({"seed": int}).set_index("seed") if found else EMPTY

    def right(self, config: Config, data: str = "trials") -> np.ndarray:
        """Return which images of the held-out clusters one run classified correctly, (n,)."""
        row = self.row(config, data)
        if row is None:
            raise KeyError(f"there is no record of {config}")
        bits = np.unpackbits(self.arrays[f"right {row.name}"])
        return bits[: int(self.header["held_out_images"])].astype(bool)

    def curves(self, config: Config, data: str = "trials") -> pd.DataFrame:
        """Return the learning curves of one run: epoch and :data:`~kmnist_mlp.results.CURVES`."""
        row = self.row(config, data)
        if row is None:
            raise KeyError(f"there is no record of {config}")
        curves = pd.DataFrame(self.arrays[f"curves {row.name}"], columns=list(CURVES))
        curves.insert(0, "epoch", np.arange(1, len(curves) + 1))
        return curves

    def add(self, run: Run, result: TrainingResult, trials: Dataset) -> None:
        """Write the record of a run; ``trials`` is the data that holds the clusters out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.append(run, result, trials)
        if run.data == "all":
            save_rounded(result.model, self.folder / f"final_{run.config.seed}.npz")
        write_csv(self.table, self.folder / "runs.csv")
        save_arrays(self.folder / "runs.npz", self.header, self.arrays)

    def append(self, run: Run, result: TrainingResult, trials: Dataset) -> None:
        """Take up the record of a run without writing it."""
        number = len(self.table)
        row: dict[str, Any] = {
            "group": run.group,
            "title": run.title,
            "seed": run.config.seed,
            "data": run.data,
            "parameters": result.model.parameters.size,
            "epochs": result.stopped_epoch,
            "kept_epoch": result.kept_epoch,
            "diverged": result.diverged,
            "seconds": round(result.seconds),
            **result.returned,
            "date": datetime.date.today().isoformat(),
            "code": _code(),
            "configuration": _as_text(run.config),
        }
        if run.data != "all":  # it was not trained on the held-out clusters
            row |= {"held_out_loss": result.test_loss, "held_out_accuracy": result.test_accuracy}
            right = result.model.predict(trials.test_images) == trials.test_labels
            self.arrays[f"right {number}"] = np.packbits(right)
        else:
            model, images = result.model, trials.train_images
            differ = from_rounded(model.activation, rounded(model)).predict(images)
            row["changed_by_rounding"] = int((differ != model.predict(images)).sum())
        curves = np.array([result.curves[name] for name in CURVES], np.float32).T
        self.arrays[f"curves {number}"] = curves
        self.table = pd.concat([self.table, pd.DataFrame([row])], ignore_index=True)
        self.header = {"runs": len(self.table), "held_out_images": len(trials.test_labels)}


@lru_cache
def _code() -> str:
    return source_hash()[:12]


def _as_text(config: Config) -> str:
    return json.dumps(config.to_dict(), sort_keys=True)


# ---- make beyond ---------------------------------------------------------------------------------


def train_missing(
    runs: list[Run], data: Dataset, records: Records, n_jobs: int = -1, minutes: float = np.inf
) -> None:
    """Train the runs that have no record, two or more at a time, and write a record of each.

    An interrupted call is continued by the next one: from the records, from the result cache, and
    within a run from the checkpoint of its last epoch.

    Parameters
    ----------
    runs : list of Run
    data : Dataset
        With test images; nothing that trains sees them.
    records : Records
    n_jobs : int
        Number of processes; -1 is one for each core.
    minutes : float
        No run is begun after so many.
    """
    missing = [run for run in runs if records.row(run.config, run.data) is None]
    tell(f"{len(runs)} runs, {len(missing)} to train")
    if not missing:
        return
    trials, everything = held_out_clusters(data), without_test_images(data)
    began = time.monotonic()
    left = total = sum(work(run, len(trials.train_images)) for run in missing)

    def jobs() -> Iterator[Any]:
        for run in missing:
            if time.monotonic() - began < 60 * minutes:
                yield delayed(_train)(run, everything if run.data == "all" else trials)

    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="n_jobs")
    for done, (run, result) in enumerate(parallel(jobs()), start=1):
        records.add(run, result, trials)
        left -= work(run, len(trials.train_images))
        to_go = (time.monotonic() - began) * left / (total - left) / 60
        line = (
            f"{datetime.datetime.now():%Y-%m-%d %H:%M} {run.group}, {run.title}, seed "
            f"{run.config.seed}: {_accuracies(result, run)}, {result.seconds / 60:.1f} min; "
            f"{done} of {len(missing)}, about {to_go:.0f} min to go"
        )
        tell(line)
        with open(records.folder / "log.txt", "a", encoding="utf-8") as log:
            log.write(line + "\n")


def _train(run: Run, data: Dataset) -> tuple[Run, TrainingResult]:
    data = dataclasses.replace(
        data,
        train_images=data.train_images[: run.first],
        train_labels=data.train_labels[: run.first],
    )
    said = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal said
        if time.monotonic() - said > 60:
            said = time.monotonic()
            tell(
                f"  {run.title}, seed {run.config.seed}: epoch {progress.epoch} of "
                f"{run.config.epochs}"
            )

    callbacks, cache = [end_without_parent, report], ResultCache(data)
    if run.data != "distilled":
        return run, train_cached(run.config, data, cache, callbacks)
    teachers = [
        train_cached(run.config.replace(seed=seed), data, cache, callbacks).model
        for seed in TEACHERS
    ]
    return run, distil(run.config, data, teachers, callbacks)


def _accuracies(result: TrainingResult, run: Run) -> str:
    if run.data == "all":
        return f"{result.returned['training_accuracy']:.2%} of training images"
    return (
        f"{result.returned['validation_accuracy']:.2%} of validation images, "
        f"{result.test_accuracy:.2%} of held-out clusters"
    )
