"""What each run of the plan gave, in ``results/``; ``make beyond`` trains those without a record.

``runs.csv`` has a row for each run, ``runs.npz`` which images of the held-out clusters it
classifies correctly, ``log.txt`` a line for each, from several calls of `make beyond`. A final
network's weights are in a file of its own, rounded to eight bits.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.distillation import Teachers
from kmnist_mlp.beyond.plan import FINAL_SEEDS, TEACHERS, Run
from kmnist_mlp.beyond.pretrained import FOLDER, from_rounded, rounded, save_rounded
from kmnist_mlp.beyond.protocol import held_out_clusters, short_hash, without_test_images
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import ResultCache, train_cached
from kmnist_mlp.experiments.parallel import end_without_parent, train_all
from kmnist_mlp.experiments.result_cache import source_hash
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import load_arrays, save_arrays, write_csv
from kmnist_mlp.training import train

COLUMNS = ["seed", "parameters", "epochs", "validation_accuracy", "held_out_accuracy"]


def identity(config: Config, data: str) -> str:
    """Return the name of a run in the records: a hash of its configuration and its data."""
    return short_hash([config.to_dict(), data])


class Records:
    """The records in a folder, and the way to add one.

    Parameters
    ----------
    folder : Path
        Made if there is none.

    Attributes
    ----------
    table : DataFrame
        A row per run, its :func:`identity` as index: group and title as planned, seed, data,
        parameters, epochs, diverged, seconds (beside other work, with pauses), losses and
        accuracies (fractions) on training images (a tenth of them), validation images and held-out
        clusters, date, code (hash of the numerical sources) and configuration (JSON); of a final
        network changed_by_rounding, the share of augmented training images that it classifies
        otherwise afterwards.
    right : dict of str to ndarray
        By identity, which images of the held-out clusters are classified correctly: packed bits.
    clusters : tuple of (str, int)
        Fingerprint of the trials' data, and number of images in the held-out clusters.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.load()

    def load(self) -> None:
        """Read what is in the folder."""
        self.table, self.right, self.clusters = pd.DataFrame(), {}, ("", 0)
        if (self.folder / "runs.csv").exists():
            header, self.right = load_arrays(self.folder / "runs.npz")
            self.clusters = header["trials"], header["held_out_images"]
            self.table = pd.read_csv(self.folder / "runs.csv", index_col="run")

    def has(self, config: Config, data: str = "trials") -> bool:
        """Whether there is a record of a run."""
        return identity(config, data) in self.table.index

    def of(self, config: Config, data: str = "trials") -> pd.DataFrame:
        """Return the rows of a configuration with any seed, sorted by seed, which is the index.

        Accuracies of a run that diverged are NaN.
        """
        runs = [identity(config.replace(seed=seed), data) for seed in FINAL_SEEDS]
        rows = self.table.reindex(columns=self.table.columns.union(COLUMNS))
        rows = rows.loc[[run for run in runs if run in self.table.index]].copy()
        accuracies = [column for column in rows if column.endswith("_accuracy")]
        rows.loc[rows.diverged.astype(bool) if len(rows) else [], accuracies] = np.nan
        return rows.astype({"seed": int}).set_index("seed")

    def difference(
        self, one: Config, other: Config, part: str = "held_out", data: str = "trials"
    ) -> pd.Series:
        """Return by how many points an accuracy differs, by seed, where both have a record.

        Parameters
        ----------
        one, other : Config
        part : str
            "held_out" or "validation".
        data : str
            Of the first of the two; the other's is that of the trials.
        """
        first, second = (
            self.of(config, kind)[f"{part}_accuracy"]
            for config, kind in ((one, data), (other, "trials"))
        )
        return 100 * (first - second).dropna().astype(float)

    def correct(self, config: Config, data: str = "trials") -> np.ndarray:
        """Return which images of the held-out clusters a run classifies correctly, (n,).

        Raises
        ------
        KeyError
            If there is no record.
        """
        if not self.has(config, data):
            raise KeyError(f"there is no record of {config} with the data {data!r}")
        return np.unpackbits(self.right[identity(config, data)])[: self.clusters[1]].astype(bool)

    def add(self, run: Run, result: TrainingResult, trials: Dataset, code: str = "") -> None:
        """Write the record of a run, beside what is in the folder by now.

        Parameters
        ----------
        run : Run
        result : TrainingResult
        trials : Dataset
            See :func:`~kmnist_mlp.beyond.protocol.held_out_clusters`.
        code : str
            Hash of the numerical sources.

        Raises
        ------
        ValueError
            If the folder's records are of other held-out clusters.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.load()
        self.append(run, result, trials, code)
        if run.data == "all":
            save_rounded(result.model, self.folder / f"final_{run.config.seed}.npz")
        header = dict(zip(("trials", "held_out_images"), self.clusters, strict=True))
        save_arrays(self.folder / "runs.npz", header, self.right)
        # last: a row has what belongs to it, also after an interruption
        write_csv(self.table.reset_index(names="run"), self.folder / "runs.csv")

    def append(self, run: Run, result: TrainingResult, trials: Dataset, code: str = "") -> None:
        """Take up the record of a run as :meth:`add` does, without writing it."""
        clusters = (trials.fingerprint, len(trials.test_labels))
        if not self.table.empty and self.clusters != clusters:
            raise ValueError(
                f"{self.folder} holds records of other data or held-out clusters: its fingerprint "
                f"is {self.clusters[0][:12]}, here {clusters[0][:12]}"
            )
        row: dict[str, Any] = {
            "group": run.group,
            "title": run.title,
            "seed": run.config.seed,
            "data": run.data,
            "parameters": result.model.parameters.size,
            "epochs": result.stopped_epoch,
            "diverged": result.diverged,
            "seconds": round(result.seconds),
            **result.returned,
            "date": datetime.date.today().isoformat(),
            "code": code,
            "configuration": json.dumps(run.config.to_dict(), sort_keys=True),
        }
        name = identity(run.config, run.data)
        if run.data == "all":  # trained on the held-out clusters, too: they measure nothing
            row["changed_by_rounding"] = changed_by_rounding(result.model, trials)
        else:
            row |= {"held_out_loss": result.test_loss, "held_out_accuracy": result.test_accuracy}
            right = result.model.predict(trials.test_images) == trials.test_labels
            self.right[name] = np.packbits(right)
        self.clusters = clusters
        self.table = pd.concat([self.table, pd.DataFrame([row], index=[name])])


def changed_by_rounding(model: MLP, data: Dataset) -> float:
    """Return the share of training images, once augmented, that rounding classifies otherwise."""
    images = data.train_images.reshape(len(data.train_images), -1)
    augmented = np.empty(images.shape, np.float32)
    Distortion(data.train_images.shape[1:], 1.0, 0)(augmented, images)
    seen = np.rint(augmented).astype(np.uint8)
    after = from_rounded(model.activation, rounded(model))
    return float((after.predict(seen) != model.predict(seen)).mean())


# ---- make beyond ---------------------------------------------------------------------------------


def train_missing(runs: list[Run], data: Dataset, records: Records, n_jobs: int = -1) -> None:
    """Train the runs that have no record, one on each core, and write a record of each.

    An interrupted call is continued by the next one: from the records, from the result cache, and
    within a run from the checkpoint of its last epoch (a distilled network begins again).

    Parameters
    ----------
    runs : list of Run
    data : Dataset
        With test images; nothing that trains sees them.
    records : Records
    n_jobs : int
        Number of processes; -1 is one for each core.
    """
    missing = {run: run.config for run in runs if not records.has(run.config, run.data)}
    tell(f"{len(runs)} runs, {len(missing)} to train")
    if not missing:
        return
    trials, code = held_out_clusters(data), source_hash()[:12]
    for kind in dict.fromkeys(run.data for run in missing):
        todo = {run: config for run, config in missing.items() if run.data == kind}
        images = without_test_images(data) if kind == "all" else trials
        first = next(iter(todo)).first
        images = dataclasses.replace(
            images,
            train_images=images.train_images[:first],
            train_labels=images.train_labels[:first],
        )
        for run, result in train_all(todo, images, n_jobs, _train):
            records.add(run, result, trials, code)
            measured = records.table.iloc[-1].filter(like="accuracy").dropna()
            each = ", ".join(f"{name} {value:.2%}" for name, value in measured.items())
            line = (
                f"{datetime.datetime.now():%Y-%m-%d %H:%M} {run.group}, {run.title}, seed "
                f"{run.config.seed}: {each}, {result.seconds / 60:.1f} min"
            )
            tell(line)
            with open(records.folder / "log.txt", "a", encoding="utf-8") as log:
                log.write(line + "\n")


def _train(run: Run, config: Config, data: Dataset) -> TrainingResult:
    callbacks, cache = [end_without_parent], ResultCache(data)
    if run.data != "distilled":
        return train_cached(config, data, cache, callbacks)
    teachers = [
        train_cached(config.replace(seed=seed), data, cache, callbacks).model for seed in TEACHERS
    ]
    return train(config, data, callbacks=[Teachers(teachers), *callbacks])
