"""What each run of the plan gave, in ``results/``, and the command that makes all of it.

``runs.csv`` has a row for each run, ``averages.csv`` accuracies of mean
probabilities. A final network's weights are in a file of its own,
rounded to eight bits, its learning curves in ``curves.csv``, and
``MODEL_CARD.md`` describes all of them.
"""

import datetime
import json
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.beyond import FOLDER, load_ensemble, protocol, rounded
from kmnist_mlp.beyond.evaluation import COPIES, calibrated, moved
from kmnist_mlp.beyond.plan import DRAWS, FINAL, Run, plan, planned
from kmnist_mlp.beyond.tried import Tried
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.experiments import runs
from kmnist_mlp.experiments.store import Table, note_digest, source_hash, write_kept
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.files import save_arrays, whole_file
from kmnist_mlp.support.statistics import in_percent, interval, wilson_interval
from kmnist_mlp.training import train

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
        as index: group and title as planned, seed, draw of held-out
        clusters (none of a final network), images (fingerprint, 12
        digits, of the data set that it was trained on), parameters,
        epochs, diverged, seconds (beside other work, with pauses),
        losses and accuracies (fractions) on training images (a tenth of
        them), validation images and held-out clusters, date, code (hash
        of the numerical sources) and configuration (JSON).
    runs : DataFrame
        The rows of the table by group and title of the plan
        (a run may have several) and seed, the identity as column "run".
    accuracy : DataFrame
        Their accuracies (fractions) on held-out clusters and validation
        images.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        # texts also of digits alone, whole numbers also with gaps
        types = dict.fromkeys(["run", "images", "code"], str) | {"draw": "Int64"}
        self.table = pd.read_csv(folder / "runs.csv", index_col="run", dtype=types)
        known = {}
        for place, (run, seeds) in plan().items():
            known |= {(*place, seed): run.with_seed(seed).identity for seed in range(seeds)}
        names = pd.Series(known, name="run").rename_axis(["group", "title", "seed"])
        table = self.table.drop(columns=names.index.names)
        self.runs = names.to_frame().join(table, "run", "inner")
        self.accuracy = self.runs[[*PARTS]].rename(columns=PARTS)


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
        "draw": run.draw,
        "images": images.fingerprint[:12],
        "parameters": model.parameters.size,
        "epochs": result.stopped_epoch,
        "diverged": result.diverged,
        "seconds": round(result.seconds),
        **result.returned,
        "date": datetime.date.today().isoformat(),
        "code": source_hash()[:12],
        "configuration": json.dumps(run.config.to_dict() | dict(run.tried), sort_keys=True),
    }
    # trained on all images: nothing held out measures it
    if run.draw is None:
        path = folder / f"{run.group}_{run.config.seed}.npz"
        save_arrays(path, *rounded(model))
        note_digest(path)
        curves = {name: result.curves[name] for name in ("training_loss", "training_accuracy")}
        epochs = {"run": run.identity, "epoch": range(1, 1 + result.stopped_epoch)}
        Table(folder / "curves.csv", ["run", "epoch"]).write(pd.DataFrame(epochs | curves).round(6))
    else:
        row["held_out_loss"] = result.test_loss
        row["held_out_accuracy"] = result.test_accuracy
    rows = [*table.reset_index().to_dict("records"), row]
    # last: a row has what belongs to it, also after an interruption
    table = pd.DataFrame(rows, columns=["run", *table])
    write_kept(table, folder / "runs.csv")
    return f"{run.group}, {run.title}, seed {run.config.seed}: {result}"


# ---- training --------------------------------------------------------


def train_records(wanted: list[Run], data: Dataset, folder: Path, n_jobs: int = -1) -> None:
    """Train the runs that have no record, one on each core, and write a record of each.

    An interrupted call is continued by the next one: from the records,
    from the result cache, and within a run from the checkpoint of its
    last epoch (runs that try other augmentations begin again).

    Parameters
    ----------
    wanted : list of Run
        Trials are trained first.
    data : Dataset
        With test images; nothing that trains sees them.
    folder : Path
        Of the records.
    n_jobs : int
        Number of processes; -1 is one for each core.

    Raises
    ------
    ValueError
        If the folder's records are of other images.
    """
    table, jobs = Records(folder).table, []
    if {run.identity for run in wanted} <= {*table.index}:
        return
    for draw in (*range(DRAWS), None):
        of_draw = {run.identity: run for run in wanted if run.draw == draw}
        images, known = images_of(draw, data), table.images[table.index.isin(of_draw)]
        here = images.fingerprint[:12]
        if others := {*known} - {here}:
            raise ValueError(f"{folder} holds records of images {others}, not of {here}")
        todo = {run: run.config for name, run in of_draw.items() if name not in table.index}
        jobs.append((todo, partial(add, folder, images), images))
    for job in jobs:
        runs.train_missing(*job, train_run, n_jobs)


def images_of(draw: int | None, data: Dataset) -> Dataset:
    """Return what the runs of a draw are trained on."""
    if draw is None:
        return protocol.without_test_images(data)
    return protocol.held_out_clusters(data, draw)


def train_run(run: Run, config: Config, data: Dataset) -> TrainingResult:
    """Train one run: a job of :func:`~kmnist_mlp.experiments.runs.train_missing`."""
    if run.tried:
        return train(config, data, callbacks=[Tried(dict(run.tried)), runs.end_without_parent])
    return runs.train_or_resume(run, config, data)


# ---- all that ships --------------------------------------------------


def measure(data: Dataset, folder: Path = FOLDER, ledger: Path = protocol.LEDGER) -> None:
    """Train what has no record (hours), then measure and describe final networks.

    Parameters
    ----------
    data : Dataset
    folder, ledger : Path
        Where the records are; and what the accuracies on test images
        are added to.
    """
    train_records(planned(), data, folder)
    if not (folder / "averages.csv").exists():
        write_kept(measure_averages(data), folder / "averages.csv")
    baseline = runs.run(["baseline"], [0], data=data).of("baseline")[0].model
    todo = protocol.final_measurements(load_ensemble(folder), baseline)
    protocol.measure(todo, data, ledger)
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(folder, protocol.load_ledger(ledger), data).encode())
    note_digest(folder / "MODEL_CARD.md")


def measure_averages(data: Dataset) -> pd.DataFrame:
    """Return accuracies with the mean over networks, and over copies of an image.

    The networks are those of the group "members": one; two that differ
    in their seed; or one of each of two configurations. What is not in
    the result cache is trained again.

    Returns
    -------
    DataFrame
        A row per draw of held-out clusters, networks and copies (see
        :data:`~kmnist_mlp.beyond.evaluation.COPIES`), with accuracies
        (fractions) on held-out clusters and, of one network, on its
        validation images.
    """
    alike, unlike = (run for (group, _), (run, _) in plan().items() if group == "members")
    rows: list[tuple] = []
    for draw in range(DRAWS):
        images, later = images_of(draw, data), draw + DRAWS
        members = alike.with_seed(draw), alike.with_seed(later), unlike.with_seed(later)
        models = [runs.train_or_resume(run, run.config, images).model for run in members]
        _, validation = split_rows(len(images.train_images), members[0].config)
        seen = by_copy(models, images.test_images)
        known = by_copy(models[:1], images.train_images[validation])
        for copies, places in COPIES.items():
            first, second, third = sum(seen[place] for place in places)
            right = sum(known[place][0] for place in places).argmax(axis=1)
            of_validation = (right == images.train_labels[validation]).mean()
            means = {"one network": first, "two alike": first + second}
            for networks, p in (means | {"two unlike": first + third}).items():
                right = p.argmax(axis=1) == images.test_labels
                rows.append((draw, networks, copies, right.mean(), of_validation))
                of_validation = np.nan
    return pd.DataFrame(rows, columns=["draw", "networks", "copies", *PARTS])


def by_copy(models: list[MLP], images: np.ndarray) -> dict[tuple, np.ndarray]:
    """Return probabilities (networks, images, classes) of each place of :data:`COPIES`."""
    places = {*chain.from_iterable(COPIES.values())}
    seen = ((place, moved(images, *place)) for place in places)
    return {place: np.array([model.predict_proba(x) for model in models]) for place, x in seen}


def load_averages(folder: Path = FOLDER) -> pd.DataFrame:
    """Return what :func:`measure_averages` gave."""
    return pd.read_csv(folder / "averages.csv")


def changes(values: pd.DataFrame, base: str = "nothing") -> pd.DataFrame:
    """Return by how many points accuracies differ from those of one title.

    Parameters
    ----------
    values : DataFrame
        Fractions by title and seed (or draw), a column per part.
    base : str
        The title.
    """
    return 100 * (values - values.xs(base).reindex(values.index, level=1))


def chosen(points: pd.DataFrame) -> list[str]:
    """Return the titles that rule 2 of :mod:`~kmnist_mlp.beyond.protocol` takes, the best first.

    Parameters
    ----------
    points : DataFrame
        Changes as :func:`changes` returns them.
    """
    by_title = points.groupby(level=0, sort=False)
    mean, error = by_title.mean(), by_title.sem()
    taken = (mean > error)[HELD_OUT] & (mean >= -error)["validation"]
    return [*mean[HELD_OUT][taken].sort_values(ascending=False).index]


def model_card(folder: Path, ledger: pd.DataFrame, data: Dataset) -> str:
    """Return the model card as Markdown, with accuracies on the test images.

    Parameters
    ----------
    folder : Path
        With the networks and their records.
    ledger : DataFrame
    data : Dataset
    """
    models = load_ensemble(folder)
    lines = protocol.recorded(models, ledger)
    networks = 100 * protocol.accuracies(lines)
    p = models[0].predict_proba(data.test_images)
    right = p.argmax(axis=1) == data.test_labels
    by_class = pd.Series(right).groupby(data.test_labels).mean()
    rows = zip(data.class_labels, by_class, strict=True)
    settings = [f"    {name}={value!r}," for name, value in FINAL.to_dict().items()]
    seconds = Records(folder).table.query("group == 'final'").seconds
    return TEMPLATE.read_text("utf-8").format(
        data=data,
        model=models[0],
        epochs=FINAL.epochs,
        spent=(seconds / 60).agg(["min", "max"]),
        config="\n".join(["Config(", *settings, ")"]).replace("'", '"'),
        right=right.mean(),
        accuracy=100 * right.mean(),
        of_images=wilson_interval(int(right.sum()), len(right)),
        count=len(networks),
        of_seeds=interval(networks),
        temperature=calibrated(p, data.test_labels)[1],
        ensemble=100 * protocol.accuracies(lines, protocol.ENSEMBLE).iloc[0],
        shifted=[
            100 * protocol.accuracies(lines, kind + protocol.AVERAGED).mean()
            for kind in (protocol.NETWORK, protocol.ENSEMBLE)
        ],
        copies=protocol.AVERAGED_OVER,
        passes=len(COPIES[protocol.AVERAGED_OVER]),
        classes="\n".join(f"| {label} | {in_percent(share, 1)} |" for label, share in rows),
    )
