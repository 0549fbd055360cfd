"""What each run of the plan gave, in ``records/``; ``make beyond`` trains those without a record.

``runs.csv`` has a row for each run, ``runs.npz`` its learning curves and its predictions for the
held-out clusters, ``log.txt`` what `make beyond` said. A final network's weights are in a file of
its own, rounded to eight bits.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from kmnist_mlp.beyond.distillation import distil
from kmnist_mlp.beyond.plan import TEACHERS, Run, work
from kmnist_mlp.beyond.protocol import held_out_clusters, without_test_images
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import ResultCache, train_cached
from kmnist_mlp.experiments.parallel import end_without_parent
from kmnist_mlp.experiments.result_cache import source_hash
from kmnist_mlp.network import MLP
from kmnist_mlp.results import CURVES, Progress, TrainingResult
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import load_arrays, save_arrays, write_csv

FOLDER = Path(__file__).parent / "records"


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
        code (hash of the numerical sources) and configuration (JSON).
    arrays : dict of str to ndarray
        ``"curves <n>"``, (epochs, 4), and ``"predicted <n>"``, (images of the held-out clusters,),
        for row n of the table.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.table, self.arrays = pd.DataFrame(), {}
        if (folder / "runs.csv").exists():
            self.table = pd.read_csv(folder / "runs.csv")
            header, arrays = load_arrays(folder / "runs.npz")
            # Written one after the other: a row whose arrays are missing is not a record.
            self.table, self.arrays = self.table.iloc[: header["runs"]], arrays

    def row(self, config: Config, data: str = "trials") -> pd.Series | None:
        """Return the row of a run, or None."""
        if self.table.empty:
            return None
        wanted = _as_text(config)
        found = self.table[(self.table.configuration == wanted) & (self.table.data == data)]
        return None if found.empty else found.iloc[0]

    def add(self, run: Run, result: TrainingResult, held_out: np.ndarray) -> None:
        """Write the record of a run; ``held_out`` are the images of the held-out clusters."""
        self.folder.mkdir(parents=True, exist_ok=True)
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
            "code": source_hash()[:12],
            "configuration": _as_text(run.config),
        }
        if run.data != "all":  # it was not trained on the held-out clusters
            row |= {"held_out_loss": result.test_loss, "held_out_accuracy": result.test_accuracy}
            predicted = result.model.predict(held_out).astype(np.uint8)
            self.arrays[f"predicted {number}"] = predicted
        else:
            save_rounded(result.model, self.folder / f"final_{run.config.seed}.npz")
        curves = np.array([result.curves[name] for name in CURVES], np.float32).T
        self.arrays[f"curves {number}"] = curves
        self.table = pd.concat([self.table, pd.DataFrame([row])], ignore_index=True)
        write_csv(self.table, self.folder / "runs.csv")
        save_arrays(self.folder / "runs.npz", {"runs": len(self.table)}, self.arrays)


def _as_text(config: Config) -> str:
    return json.dumps(config.to_dict(), sort_keys=True)


# ---- weights of eight bits -----------------------------------------------------------------------


def save_rounded(model: MLP, path: Path) -> None:
    """Write a network whose weights are rounded to 255 multiples of one number for each unit."""
    arrays = model.to_arrays()
    for layer, W in enumerate(model.weights):
        scale = np.maximum(np.abs(W).max(axis=0), np.finfo(np.float32).tiny) / 127
        arrays[f"weights_{layer}"] = np.rint(W / scale).astype(np.int8)
        arrays[f"scales_{layer}"] = scale.astype(np.float32)
    save_arrays(path, {"activation": model.activation}, arrays)


def load_rounded(path: Path) -> MLP:
    """Return the network that :func:`save_rounded` wrote."""
    header, arrays = load_arrays(path)
    for name in [name for name in arrays if name.startswith("scales_")]:
        weights = name.replace("scales", "weights")
        arrays[weights] = arrays[weights] * arrays[name]
    return MLP.from_arrays(header["activation"], arrays)


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
        records.add(run, result, trials.test_images)
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
