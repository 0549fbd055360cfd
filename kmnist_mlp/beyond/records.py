"""What each run of the plan gave, in ``results/``, and the command that makes all that is there.

``runs.csv`` has a row for each run, ``runs.npz`` which images of the held-out clusters it
classifies correctly, ``timing.csv`` the time of an epoch. A final network's weights are in a file
of its own, rounded to eight bits, and ``MODEL_CARD.md`` describes them.
"""

from __future__ import annotations

import datetime
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond import protocol
from kmnist_mlp.beyond.distillation import Teachers
from kmnist_mlp.beyond.plan import FINAL, FINAL_SEEDS, Run, identity, planned, step_configs
from kmnist_mlp.beyond.pretrained import FOLDER, from_rounded, load_ensemble, rounded
from kmnist_mlp.beyond.protocol import held_out_clusters, without_test_images
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import end_without_parent, train_all, train_or_resume
from kmnist_mlp.experiments.runs import run as run_experiments
from kmnist_mlp.experiments.store import source_hash
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import load_arrays, save_arrays, whole_file, write_csv
from kmnist_mlp.support.statistics import in_percent, interval, wilson_interval
from kmnist_mlp.training import Training, train

TEMPLATE = Path(__file__).with_name("model_card.md")
EPOCHS = 3  # whose median is an epoch's time, alone on one core
COLUMNS = [
    "run", "group", "title", "seed", "data", "parameters", "epochs", "diverged", "seconds",
    "training_loss", "training_accuracy", "validation_loss", "validation_accuracy", "date", "code",
    "configuration", "changed_by_rounding", "held_out_loss", "held_out_accuracy",
]  # fmt: skip


class Records:
    """The records in a folder, and the way to add one.

    Parameters
    ----------
    folder : Path
        Made when a record is added, if there is none.

    Attributes
    ----------
    table : DataFrame
        A row per run, its :func:`~kmnist_mlp.beyond.plan.identity` as index: group and title as
        planned, seed, data (:attr:`~kmnist_mlp.beyond.plan.Run.data`), parameters, epochs,
        diverged, seconds (beside other work, with pauses), losses and accuracies (fractions) on
        training images (a tenth of them), validation images and held-out clusters, date, code (hash
        of the numerical sources) and configuration (JSON); of a final network changed_by_rounding,
        the share of augmented training images that it classifies otherwise afterwards.
    right : dict of str to ndarray
        By identity, which images of the held-out clusters are classified correctly: packed bits.
    clusters : dict
        "trials", the fingerprint of the trials' data, and "held_out_images", their number in the
        held-out clusters.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.load()

    def load(self) -> None:
        """Read what is in the folder."""
        self.table, self.right, self.clusters = pd.DataFrame(columns=COLUMNS[1:]), {}, {}
        if (self.folder / "runs.csv").exists():
            self.clusters, self.right = load_arrays(self.folder / "runs.npz")
            self.table = pd.read_csv(self.folder / "runs.csv", index_col="run")

    def of(self, config: Config, data: str = "trials") -> pd.DataFrame:
        """Return the rows of a configuration with any seed, sorted by seed, which is the index.

        Accuracies of a run that diverged are NaN.
        """
        runs = [identity(config.replace(seed=seed), data) for seed in FINAL_SEEDS]
        rows = self.table.loc[[run for run in runs if run in self.table.index]].copy()
        accuracies = [column for column in rows if column.endswith("_accuracy")]
        rows.loc[rows.diverged.astype(bool), accuracies] = np.nan
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
        first, second = self.of(one, data), self.of(other)
        difference = first[f"{part}_accuracy"] - second[f"{part}_accuracy"]
        return 100 * difference.dropna().astype(float)

    def correct(self, config: Config, data: str = "trials") -> np.ndarray:
        """Return which images of the held-out clusters a run classifies correctly, (n,).

        Raises
        ------
        KeyError
            If there is no record.
        """
        if identity(config, data) not in self.right:
            raise KeyError(f"there is no record of {config} with the data {data!r}")
        right = np.unpackbits(self.right[identity(config, data)])
        return right[: self.clusters["held_out_images"]].astype(bool)

    def add(self, run: Run, result: TrainingResult, trials: Dataset) -> None:
        """Write the record of a run.

        Parameters
        ----------
        run : Run
        result : TrainingResult
        trials : Dataset
            See :func:`~kmnist_mlp.beyond.protocol.held_out_clusters`.

        Raises
        ------
        ValueError
            If the folder's records are of other held-out clusters.
        """
        here = {"trials": trials.fingerprint, "held_out_images": len(trials.test_labels)}
        if self.clusters not in ({}, here):
            raise ValueError(
                f"{self.folder} holds records of other data or held-out clusters: its fingerprint "
                f"is {self.clusters['trials'][:12]}, here {trials.fingerprint[:12]}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        name, right = identity(run.config, run.data), dict(self.right)
        row = {
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
            "code": source_hash()[:12],
            "configuration": json.dumps(run.config.to_dict(), sort_keys=True),
        }
        if run.final:  # trained on the held-out clusters, too: they measure nothing
            row["changed_by_rounding"] = changed_by_rounding(result.model, trials)
            weights = self.folder / f"final_{run.config.seed}.npz"
            save_arrays(weights, {"activation": result.model.activation}, rounded(result.model))
        else:
            row |= {"held_out_loss": result.test_loss, "held_out_accuracy": result.test_accuracy}
            right[name] = np.packbits(
                result.model.predict(trials.test_images) == trials.test_labels
            )
        rows = [*self.table.reset_index(names="run").to_dict("records"), {"run": name, **row}]
        save_arrays(self.folder / "runs.npz", here, right)
        # last: a row has what belongs to it, also after an interruption
        write_csv(pd.DataFrame(rows, columns=COLUMNS), self.folder / "runs.csv")
        self.load()


def changed_by_rounding(model: MLP, data: Dataset) -> float:
    """Return the share of training images, once augmented, that rounding classifies otherwise."""
    images = data.train_images.reshape(len(data.train_images), -1)
    augmented = np.empty(images.shape, np.float32)
    Distortion(data.train_images.shape[1:], 1.0, 0)(augmented, images)
    seen = np.rint(augmented).astype(np.uint8)
    after = from_rounded(model.activation, rounded(model))
    return float((after.predict(seen) != model.predict(seen)).mean())


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
    missing = [run for run in runs if identity(run.config, run.data) not in records.table.index]
    tell(f"{len(runs)} runs, {len(missing)} to train")
    trials = held_out_clusters(data) if missing else data
    for kind in dict.fromkeys((run.final, run.first) for run in missing):
        todo = {run: run.config for run in missing if (run.final, run.first) == kind}
        images = without_test_images(data) if kind[0] else trials
        images = replace(
            images,
            train_images=images.train_images[: kind[1]],
            train_labels=images.train_labels[: kind[1]],
        )
        for run, result in train_all(todo, images, n_jobs, train_run):
            records.add(run, result, trials)
            tell(f"{run.group}, {run.title}, seed {run.config.seed}: {result}")


def train_run(run: Run, config: Config, data: Dataset) -> TrainingResult:
    """Train one run: a job of :func:`~kmnist_mlp.experiments.runs.train_all`."""
    if not run.teachers:
        return train_or_resume(run, config, data)
    teachers = [train_or_resume(run, teacher, data).model for teacher in run.teachers]
    return train(config, data, callbacks=[Teachers(teachers), end_without_parent])


# ---- all that ships ------------------------------------------------------------------------------


def measure(data: Dataset) -> None:
    """Train what has no record (hours), then time, measure and describe the final networks."""
    train_missing(planned(), data, Records())
    measure_and_write(data, run_experiments(["baseline"], [0], data=data).of("baseline")[0].model)


def measure_and_write(
    data: Dataset, baseline: MLP, folder: Path = FOLDER, ledger: Path = protocol.LEDGER
) -> None:
    """Time the steps, measure the final networks on test images, and write the model card.

    Parameters
    ----------
    data : Dataset
    baseline : MLP
        The paper's, for comparison on corrupted images.
    folder, ledger : Path
        With the networks' files and records; and what is added to.
    """
    steps = epoch_seconds(step_configs(), held_out_clusters(data))
    final = epoch_seconds({protocol.NETWORK: FINAL}, without_test_images(data))
    write_csv(pd.concat([steps, final]), folder / "timing.csv")
    protocol.measure_final(data, baseline, folder, ledger)
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(folder, protocol.load_ledger(ledger), data).encode())


def epoch_seconds(configs: dict[str, Config], data: Dataset) -> pd.DataFrame:
    """Return how long an epoch of each configuration takes, with its measurement, on one core.

    Parameters
    ----------
    configs : dict of str to Config
    data : Dataset

    Returns
    -------
    DataFrame
        Columns step and seconds_per_epoch, the median of three epochs. Configurations that differ
        only in their number of epochs are timed once.
    """
    timed: dict[Config, float] = {}
    alike = {title: config.replace(epochs=EPOCHS) for title, config in configs.items()}
    for config in set(alike.values()):
        training, seconds = Training(config, data), []
        with threadpool_limits(1, user_api="blas"):
            for _ in range(EPOCHS):
                began = time.perf_counter()
                training.train_epoch()
                training.measure_epoch()
                seconds.append(time.perf_counter() - began)
        timed[config] = float(np.median(seconds))
    rows = [(title, timed[config]) for title, config in alike.items()]
    return pd.DataFrame(rows, columns=["step", "seconds_per_epoch"])


def load_timing(folder: Path) -> pd.DataFrame:
    """Return what :func:`epoch_seconds` gave when the networks were measured."""
    return pd.read_csv(folder / "timing.csv")


def model_card(folder: Path, ledger: pd.DataFrame, data: Dataset) -> str:
    """Return the model card as Markdown, with accuracies on the test images.

    Parameters
    ----------
    folder : Path
        With the networks, their records and the time of an epoch.
    ledger : DataFrame
    data : Dataset
    """
    models = load_ensemble(folder)
    lines = protocol.recorded(models, ledger)
    networks, ensemble = (
        100 * protocol.accuracies(lines, kind) for kind in (protocol.NETWORK, protocol.ENSEMBLE)
    )
    epoch = load_timing(folder).set_index("step").seconds_per_epoch[protocol.NETWORK]
    right = models[0].predict(data.test_images) == data.test_labels
    settings = [f"    {name}={value!r}," for name, value in FINAL.to_dict().items()]
    classes = [
        f"| {label} | {in_percent(right[data.test_labels == c].mean(), 1)} |"
        for c, label in enumerate(data.class_labels)
    ]
    return TEMPLATE.read_text("utf-8").format(
        data=data.name,
        train_images=len(data.train_images),
        test_images=len(data.test_images),
        model=models[0],
        epochs=FINAL.epochs,
        minutes=FINAL.epochs * epoch / 60,
        spent=(Records(folder).of(FINAL, "all").seconds / 60).agg(["min", "max"]),
        config="\n".join(["Config(", *settings, ")"]).replace("'", '"'),
        accuracy=100 * right.mean(),
        of_images=wilson_interval(int(right.sum()), len(right)),
        count=len(networks),
        of_seeds=interval(networks),
        ensemble=ensemble.iloc[0],
        classes="\n".join(classes),
    )
