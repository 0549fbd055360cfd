"""What each run of the plan gave, in ``results/``, and the command that makes all of it.

``runs.csv`` has a row for each run, ``timing.csv`` the time of an epoch.
A final network's weights are in a file of its own, rounded to eight
bits, and ``MODEL_CARD.md`` describes them.
"""

import datetime
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from timeit import repeat

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond import FOLDER, from_rounded, load_ensemble, protocol, rounded
from kmnist_mlp.beyond.evaluation import distorted
from kmnist_mlp.beyond.plan import FINAL, SEEDS, Run, plan, planned
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import runs
from kmnist_mlp.experiments.store import note_digest, source_hash, write_kept
from kmnist_mlp.network import MLP
from kmnist_mlp.results import Callback, TrainingResult
from kmnist_mlp.support.files import save_arrays, whole_file
from kmnist_mlp.support.statistics import in_percent, interval, wilson_interval
from kmnist_mlp.training import Training, train

HELD_OUT = "held-out clusters"
PARTS = {"held_out_accuracy": HELD_OUT, "validation_accuracy": "validation"}
TEMPLATE = Path(__file__).with_name("model_card.md")


class Records:
    """The records in a folder, as they are when it is made.

    Parameters
    ----------
    folder : Path
        With ``runs.csv``; without a record, it has a heading.

    Attributes
    ----------
    table : DataFrame
        A row per run, its :attr:`~kmnist_mlp.beyond.plan.Run.identity`
        as index: group and title as planned, seed, data
        (:attr:`~kmnist_mlp.beyond.plan.Run.data`), images (fingerprint,
        12 digits, of the data set that these are of), parameters,
        epochs, diverged, seconds (beside other work, with pauses),
        losses and accuracies (fractions) on training images (a tenth of
        them), validation images and held-out clusters, date, code (hash
        of the numerical sources) and configuration (JSON); of a final
        network changed_by_rounding, the share of augmented training
        images that it classifies otherwise afterwards.
    runs : DataFrame
        The rows of the table by group and title of the plan
        (a run may have several) and seed, the identity as column "run".
    accuracy, percent : DataFrame
        Their accuracies on both parts of the held-out images, as
        fractions and in per cent.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        texts = dict.fromkeys(["run", "images", "code"], str)  # also those of digits alone
        self.table = pd.read_csv(folder / "runs.csv", index_col="run", dtype=texts)
        known = {}
        for place, (run, _) in plan().items():
            known |= {(*place, seed): run.with_seed(seed).identity for seed in SEEDS}
        names = pd.Series(known, name="run").rename_axis(["group", "title", "seed"])
        table = self.table.drop(columns=names.index.names)
        self.runs = names.to_frame().join(table, "run", "inner")
        # the teachers of a distilled network have seen its
        # validation images
        self.runs.loc[self.runs.data == "distilled", "validation_accuracy"] = np.nan
        self.accuracy = self.runs[[*PARTS]].rename(columns=PARTS)
        self.percent = 100 * self.accuracy

    def changes(self, groups: list[str], base: str = "trial") -> pd.DataFrame:
        """Return by how many points accuracies of groups differ from those of "nothing".

        That is a trial without a change, in the group ``base``, of the
        same seed. A row per title and seed, a column per part: held-out
        clusters and validation.
        """
        changed = self.accuracy.loc[groups].droplevel("group")
        unchanged = self.accuracy.loc[base].loc["nothing"]
        return 100 * (changed - unchanged.reindex(changed.index, level="seed"))


def add(folder: Path, images: Dataset, run: Run, result: TrainingResult) -> str:
    """Write the record of a run, and return a line about it for the console.

    Parameters
    ----------
    folder : Path
    images : Dataset
        What it was trained on; the test images of a trial are held-out
        clusters.
    run : Run
    result : TrainingResult
    """
    table, model = Records(folder).table, result.model
    row = {
        "run": run.identity,
        "group": run.group,
        "title": run.title,
        "seed": run.config.seed,
        "data": run.data,
        "images": images.fingerprint[:12],
        "parameters": model.parameters.size,
        "epochs": result.stopped_epoch,
        "diverged": result.diverged,
        "seconds": round(result.seconds),
        **result.returned,
        "date": datetime.date.today().isoformat(),
        "code": source_hash()[:12],
        "configuration": json.dumps(run.config.to_dict(), sort_keys=True),
    }
    # trained on all images: nothing held out measures it
    if run.data == "all":
        row["changed_by_rounding"] = changed_by_rounding(model, images)
        path = folder / f"final_{run.config.seed}.npz"
        save_arrays(path, *rounded(model))
        note_digest(path)
    else:
        row["held_out_loss"] = result.test_loss
        row["held_out_accuracy"] = result.test_accuracy
    rows = [*table.reset_index().to_dict("records"), row]
    # last: a row has what belongs to it, also after an interruption
    table = pd.DataFrame(rows, columns=["run", *table])
    write_kept(table, folder / "runs.csv")
    return f"{run.group}, {run.title}, seed {run.config.seed}: {result}"


def changed_by_rounding(model: MLP, data: Dataset) -> float:
    """Return the share of augmented training images that rounding reclassifies."""
    seen, after = distorted(data.train_images), from_rounded(*rounded(model))
    return float((after.predict(seen) != model.predict(seen)).mean())


# ---- training --------------------------------------------------------


class Teachers(Callback):
    """Distillation: each image, as it was augmented, gets the teachers' mean probabilities.

    A callback of :func:`~kmnist_mlp.training.train`; the labels are only
    measured with. Source: Hinton, Vinyals and Dean 2015,
    arXiv:1503.02531, section 2, at temperature 1 and without the labels.

    Parameters
    ----------
    models : sequence of MLP
        Trained on images standardised as the student's.

    Raises
    ------
    ValueError
        Without models, or if labels are smoothed, which has no effect.
    """

    def __init__(self, models: Sequence[MLP]) -> None:
        if not models:
            raise ValueError(f"models must be one or more networks; got {models!r}")
        self.models, self.identity = models, protocol.weights_digest(models)

    def start(self, run: Training) -> None:
        """Refuse a run whose targets would be smoothed labels."""
        if run.config.label_smoothing:
            given = run.config.label_smoothing
            raise ValueError(f"label_smoothing must be 0 with teachers; got {given}")

    def mini_batch(self, x: np.ndarray, t: np.ndarray) -> None:
        """Write the probabilities of each row of ``x`` into ``t``, (batch, classes)."""
        t[...] = sum(model.predict_proba(x) for model in self.models) / len(self.models)


def train_records(wanted: list[Run], data: Dataset, folder: Path, n_jobs: int = -1) -> tuple:
    """Train the runs that have no record, one on each core, and write a record of each.

    An interrupted call is continued by the next one: from the records,
    from the result cache, and within a run from the checkpoint of its
    last epoch (a distilled network begins again).

    Parameters
    ----------
    wanted : list of Run
    data : Dataset
        With test images; nothing that trains sees them.
    folder : Path
        Of the records.
    n_jobs : int
        Number of processes; -1 is one for each core.

    Returns
    -------
    trials, whole : Dataset
        What trials and final networks are trained on, as
        :func:`~kmnist_mlp.beyond.protocol.held_out_clusters` and
        :func:`~kmnist_mlp.beyond.protocol.without_test_images` give it.

    Raises
    ------
    ValueError
        If the folder's records are of other images.
    """
    table = Records(folder).table
    missing = [run for run in wanted if run.identity not in table.index]
    trials = protocol.held_out_clusters(data)
    whole = protocol.without_test_images(data)
    jobs = []
    for final, images in ((True, whole), (False, trials)):
        todo = {run: run.config for run in missing if (run.data == "all") == final}
        known, here = table.images[(table.data == "all") == final], images.fingerprint[:12]
        if todo and (others := {*known} - {here}):
            raise ValueError(f"{folder} holds records of images {others}, not of {here}")
        jobs.append((todo, partial(add, folder, images), images))
    for job in jobs:
        runs.train_missing(*job, train_run, n_jobs)
    return trials, whole


def train_run(run: Run, config: Config, data: Dataset) -> TrainingResult:
    """Train one run: a job of :func:`~kmnist_mlp.experiments.runs.train_missing`."""
    images, labels = data.train_images[: run.first], data.train_labels[: run.first]
    data = replace(data, train_images=images, train_labels=labels)
    if not run.teachers:
        return runs.train_or_resume(run, config, data)
    models = [runs.train_or_resume(run, teacher, data).model for teacher in run.teachers]
    callbacks = [Teachers(models), runs.end_without_parent]
    return train(config, data, callbacks=callbacks)


# ---- all that ships --------------------------------------------------


def measure(data: Dataset, folder: Path = FOLDER, ledger: Path = protocol.LEDGER) -> None:
    """Train what has no record (hours), then time, measure and describe final networks.

    Parameters
    ----------
    data : Dataset
    folder, ledger : Path
        Where the records are; and what the accuracies on test images
        are added to.
    """
    trials, whole = train_records(planned(), data, folder)
    timing = {}
    for (group, title), (run, _) in plan().items():
        if group == "step":
            timing[title] = epoch_seconds(run.config, trials)
    timing[protocol.NETWORK] = epoch_seconds(FINAL, whole)
    table = pd.DataFrame(timing.items(), columns=["step", "seconds_per_epoch"])
    write_kept(table, folder / "timing.csv")
    baseline = runs.run(["baseline"], [0], data=data).of("baseline")[0].model
    todo = protocol.final_measurements(load_ensemble(folder), baseline)
    protocol.measure(todo, data, ledger)
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(folder, protocol.load_ledger(ledger), data).encode())
    note_digest(folder / "MODEL_CARD.md")


def epoch_seconds(config: Config, data: Dataset) -> float:
    """Return how long an epoch with its measurement takes on one core (median of 3)."""
    run = Training(config, data)
    with threadpool_limits(1, user_api="blas"):
        times = repeat(lambda: (run.train_epoch(), run.measure_epoch()), number=1, repeat=3)
    return median(times)


def load_timing(folder: Path) -> pd.Series:
    """Return the seconds per epoch of each step and of a final network, as measured."""
    return pd.read_csv(folder / "timing.csv", index_col="step").seconds_per_epoch


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
    networks = 100 * protocol.accuracies(lines)
    right = models[0].predict(data.test_images) == data.test_labels
    by_class = pd.Series(right).groupby(data.test_labels).mean()
    rows = zip(data.class_labels, by_class, strict=True)
    settings = [f"    {name}={value!r}," for name, value in FINAL.to_dict().items()]
    seconds = Records(folder).table.query("group == 'final'").seconds
    return TEMPLATE.read_text("utf-8").format(
        data=data,
        model=models[0],
        epochs=FINAL.epochs,
        minutes=FINAL.epochs * load_timing(folder)[protocol.NETWORK] / 60,
        spent=(seconds / 60).agg(["min", "max"]),
        config="\n".join(["Config(", *settings, ")"]).replace("'", '"'),
        right=right.mean(),
        accuracy=100 * right.mean(),
        of_images=wilson_interval(int(right.sum()), len(right)),
        count=len(networks),
        of_seeds=interval(networks),
        ensemble=100 * protocol.accuracies(lines, protocol.ENSEMBLE).iloc[0],
        classes="\n".join(f"| {label} | {in_percent(share, 1)} |" for label, share in rows),
    )
