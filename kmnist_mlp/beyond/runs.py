"""Beyond the paper: the ladder from its baseline to the best multilayer perceptron found here.

`make beyond` trains every rung and writes ``best/``: the table of all runs, their histories, the
weights of the best network, the answers of the committee to the test images, and the model card.
It goes on where it was interrupted: finished runs are in the result cache, and one that was cut off
has a checkpoint of its last epoch. Notebook 7 shows the results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond.robustness import over_shifts
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.result_cache import ResultCache
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.extensions.regularised_mlp import TrainingBuffers, network
from kmnist_mlp.network import MLP
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.support.files import load_arrays, save_arrays, whole_file
from kmnist_mlp.support.statistics import wilson_interval
from kmnist_mlp.training import CURVES, Progress, TrainingResult, train

FOLDER = Path(__file__).parent / "best"


@dataclass(frozen=True)
class Rung:
    """One configuration of the ladder, or beside it.

    Attributes
    ----------
    title : str
        What is new against the rung before it; beside the ladder, against "even".
    config : Config
    seeds : int
        How many, from that of the configuration on.
    """

    title: str
    config: Config
    seeds: int = 1


WIDE = EXPERIMENTS["relu"].replace(layer_specs=(784, 512, 512, 10))
DISTORTED = WIDE.replace(distortion=1.0, epochs=20, early_stop=False)
COSINE = DISTORTED.replace(schedule="cosine", warm_up=1, learning_rate=2e-3)
NORMALISED = COSINE.replace(batch_normalisation=True, learning_rate=4e-3, batch_size=256)
SMALL = NORMALISED.replace(layer_specs=(784, 256, 256, 10))
EVEN = NORMALISED.replace(each_pixel=False)
DECAYED = EVEN.replace(L2_penalty=0.05)
BEST = DECAYED.replace(layer_specs=(784, 1024, 1024, 10), epochs=200, validation_fraction=0.0)
LONG = BEST.replace(L2_penalty=0.0)

LADDER = {
    "baseline": Rung("the paper's baseline", EXPERIMENTS["baseline"], seeds=5),
    "relu": Rung("ReLU", EXPERIMENTS["relu"], seeds=5),
    "wide": Rung("two layers of 512", WIDE, seeds=5),
    "distorted": Rung("distorted images, 20 epochs", DISTORTED, seeds=5),
    "cosine": Rung("cosine schedule, larger steps", COSINE, seeds=5),
    "normalised": Rung("batch normalisation", NORMALISED, seeds=5),
    "even": Rung("all pixels standardised alike", EVEN, seeds=5),
    "decayed": Rung("L2 penalty of 0.05", DECAYED, seeds=5),
    "best": Rung("two layers of 1024, 200 epochs, all images", BEST),
}
COMMITTEE = {
    "again": Rung("another seed, 100 epochs", BEST.replace(epochs=100, seed=1)),
}
LARGE = {  # as large and on all images, too, but without the penalty: no members
    "longer": Rung("no penalty, 300 epochs", LONG.replace(epochs=300)),
    "uneven_long": Rung(
        "no penalty, each pixel standardised by itself, 100 epochs",
        LONG.replace(each_pixel=True, epochs=100),
    ),
    "even_long": Rung("no penalty, 50 epochs", LONG.replace(epochs=50)),
    "weaker_long": Rung(
        "no penalty, distortions half as strong, 60 epochs",
        LONG.replace(epochs=60, distortion=0.5),
    ),
}
BESIDE = {
    "weaker": Rung("distortions half as strong", EVEN.replace(distortion=0.5)),
    "light": Rung("L2 penalty of 0.01", EVEN.replace(L2_penalty=0.01)),
}


def plan() -> list[tuple[str, Config]]:
    """Return every run: the first seed of all rungs, then the second, and so on."""
    rungs = LADDER | BESIDE | COMMITTEE | LARGE
    runs = [
        (name, rung.config.replace(seed=rung.config.seed + i))
        for name, rung in rungs.items()
        for i in range(rung.seeds)
    ]
    return sorted(runs, key=lambda run: run[1].seed)


def run_one(
    config: Config, data: Dataset, on_epoch: Callable[[Progress], object] | None = None
) -> TrainingResult:
    """Take a run from the result cache, or train it, from its checkpoint if it has one."""
    cache = ResultCache(data)
    if (known := cache.get(config)) is not None:
        return known
    cache.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = cache.path(config).with_suffix(".checkpoint")
    result = train(config, data, checkpoint=checkpoint, on_epoch=on_epoch)
    cache.put(result)
    checkpoint.unlink(missing_ok=True)
    return result


def fewer_images(data: Dataset, sizes: Iterable[int], seen: int, n_jobs: int = -1) -> Results:
    """Train small networks on the first images only, distorted and not.

    Parameters
    ----------
    data : Dataset
    sizes : iterable of int
        Numbers of training images, a fifth of which validates.
    seen : int
        Images that each network is trained on, over all epochs: fewer images, more epochs.
    n_jobs : int
        Processes; -1 is one for each core.

    Returns
    -------
    Results
        One seed. Experiments are called "1000 images, distorted", "1000 images, as they are".
    """
    runs, frames = {}, []
    for size in sizes:
        part = Dataset(
            data.train_images[:size], data.train_labels[:size], data.test_images, data.test_labels,
            data.name, data.class_names, data.romaji,
        )  # fmt: skip
        config = SMALL.replace(epochs=max(1, round(seen / (0.8 * size))))
        configs = {
            f"{size} images, as they are": config.replace(distortion=0.0),
            f"{size} images, distorted": config,
        }
        own = run(configs, [0], n_jobs, part)
        runs |= own.runs
        frames.append(own.frame)
    return Results(runs, pd.concat(frames, ignore_index=True), data.name)


def seconds_per_image(data: Dataset, times: int = 10) -> tuple[float, float]:
    """Return what distorting an image takes, and training the best network on it, in seconds.

    The fastest of some mini-batches, on one core.
    """
    model = network(BEST)
    optimizer, buffers = SGD(model, BEST), TrainingBuffers(model, BEST.batch_size)
    distort = Distortion(data.train_images.shape[1:], BEST.distortion, BEST.seed)
    images = data.train_images[: BEST.batch_size].reshape(BEST.batch_size, -1)
    labels = data.train_labels[: BEST.batch_size]
    x, found = np.empty(images.shape, np.float32), []
    with threadpool_limits(1, user_api="blas"):
        for _ in range(times):
            began = time.perf_counter()
            distort(x, images)
            distorted = time.perf_counter()
            x /= 255
            model.backpropagate(x, labels, buffers, optimizer.scale)
            optimizer.step(buffers.gradient)
            found.append((distorted - began, time.perf_counter() - distorted))
    own, step = np.min(found, axis=0) / len(images)
    return float(own), float(step)


# ---- what is shipped -----------------------------------------------------------------------------


def load_runs() -> pd.DataFrame:
    """Return a row per run: name, seed, parameters, epochs, seconds, losses and accuracies."""
    return pd.read_csv(FOLDER / "runs.csv")


def load_histories() -> pd.DataFrame:
    """Return a row per run and epoch: name, seed, epoch, training and validation curves."""
    return pd.read_csv(FOLDER / "histories.csv")


def load_best() -> MLP:
    """Return the best network, which takes images of uint8 as they are."""
    return MLP.load(FOLDER / "weights.npz")


def load_committee() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the members' names and their probabilities of KMNIST's test images.

    Twice, as the images are and as the mean over nine shifts, each of the shape (members, images,
    classes). The network that is shipped is not among them: it can be asked itself.
    """
    header, arrays = load_arrays(FOLDER / "committee.npz")
    plain, shifted = (arrays[key].astype(np.float32) for key in ("probabilities", "over_shifts"))
    return header["members"], plain, shifted


def check(data: Dataset) -> None:
    """Print whether what is shipped belongs together; on KMNIST hold accuracies against the record.

    Raises
    ------
    ValueError
        If a network or an answer does not have the accuracy that was recorded, within 0.1 points:
        half precision moves a few answers.
    """
    runs, best = load_runs(), load_best()
    names, answers, _ = load_committee()
    own, members = runs[runs.name == "best"].iloc[0], runs[runs.name.isin(list(COMMITTEE))]
    whole = best.parameters.size == own.parameters and len(members) == len(names)
    print(f"{best}, and a committee with {len(names)} more: {'as recorded' if whole else 'MOVED'}")
    if data.is_stand_in:
        return  # the records are KMNIST's
    recorded = [own.test_accuracy, *members.test_accuracy]
    found = [test_probabilities(best, data.test_images), *answers]
    for name, accuracy, p in zip(["best", *names], recorded, found, strict=True):
        now = (p.argmax(axis=1) == data.test_labels).mean()
        if abs(now - accuracy) > 0.001:
            raise ValueError(f"{name} has an accuracy of {now:.2%}; recorded is {accuracy:.2%}")


def row_of(name: str, result: TrainingResult) -> dict[str, Any]:
    """Return a run as a row of :func:`load_runs`."""
    return {
        "name": name,
        "seed": result.config.seed,
        "parameters": result.model.parameters.size,
        "epochs": result.stopped_epoch,
        "seconds": round(result.seconds),
        **result.returned,
        "test_loss": result.test_loss,
        "test_accuracy": result.test_accuracy,
    }


def write(
    rows: list[dict[str, Any]],
    histories: list[pd.DataFrame],
    best: MLP,
    members: dict[str, MLP],
    data: Dataset,
    folder: Path,
) -> None:
    """Write the tables, the weights, the committee's answers and the model card into a folder.

    Parameters
    ----------
    rows : list of dict
        See :func:`row_of`.
    histories : list of DataFrame
        With the columns of :func:`load_histories`.
    best : MLP
    members : dict of str to MLP
        The committee's other networks, of which the answers to the test images are kept.
    data : Dataset
    folder : Path
    """
    folder.mkdir(exist_ok=True)
    tables = {"runs": pd.DataFrame(rows), "histories": pd.concat(histories)}
    for name, table in tables.items():
        with whole_file(folder / f"{name}.csv") as file:
            file.write(table.to_csv(index=False, float_format="%.6g").encode())
    path = best.save(folder / "weights.npz", half=True)
    ask = {"probabilities": test_probabilities, "over_shifts": shifted_probabilities}
    answers = {
        key: np.array([f(model, data.test_images) for model in members.values()], np.float16)
        for key, f in ask.items()
    }
    header = {"members": list(members), "data": data.fingerprint}
    save_arrays(folder / "committee.npz", header, answers)
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(MLP.load(path), data, pd.DataFrame(rows)).encode())


def model_card(model: MLP, data: Dataset, runs: pd.DataFrame) -> str:
    """Return the card that stands beside the weights, with the figures of these weights."""
    right = model.predict(data.test_images) == data.test_labels
    low, high = wilson_interval(int(right.sum()), len(right))
    own = runs[runs.name == "best"].iloc[0]
    classes = "\n".join(
        f"| {kana} {romaji} | {right[data.test_labels == label].mean():.1%} |"
        for label, (kana, romaji) in enumerate(zip(data.class_names, data.romaji, strict=True))
    )
    template = (Path(__file__).with_name("model_card.md")).read_text("utf-8")
    return template.format(
        data=data.name,
        model=model,
        epochs=own.epochs,
        minutes=round(own.seconds / 60),
        seed=own.seed,
        config=BEST,
        accuracy=f"{right.mean():.2%}",
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        classes=classes,
    )


# ---- make beyond ---------------------------------------------------------------------------------


def history_of(name: str, result: TrainingResult) -> pd.DataFrame:
    """Return the curves of a run as a part of :func:`load_histories`."""
    history = result.history
    history.insert(0, "name", name)
    history.insert(1, "seed", result.config.seed)
    return history[["name", "seed", "epoch", *CURVES]]


def test_probabilities(model: MLP, images: np.ndarray) -> np.ndarray:
    """Return the probabilities of images of uint8, a thousand at a time."""
    return np.concatenate(
        [model.predict_proba(images[i : i + 1000]) for i in range(0, len(images), 1000)]
    )


def shifted_probabilities(model: MLP, images: np.ndarray) -> np.ndarray:
    """Return the mean of :func:`test_probabilities` over each image and its eight shifts."""
    return over_shifts(lambda moved: test_probabilities(model, moved), images)


class Clock:
    """Says after each epoch how long all the runs to come will take.

    Work is counted in multiplications, parameters times images times epochs, and goes on at the
    speed of the epochs so far. A run that stops early makes it shorter than said.
    """

    def __init__(self, runs: list[tuple[str, Config]]) -> None:
        self.left = {config: work(config) for _, config in runs}
        self.done, self.began = 0.0, time.perf_counter()

    def watch(self, name: str, config: Config) -> Callable[[Progress], None]:
        """Return what a run is to call after each epoch."""

        def say(progress: Progress) -> None:
            epoch = work(config) / config.epochs
            self.done += epoch
            self.left[config] = epoch * (config.epochs - progress.epoch)
            seconds = (time.perf_counter() - self.began) / self.done * sum(self.left.values())
            print(
                f"{name}, seed {config.seed}: epoch {progress.epoch} of {config.epochs}; "
                f"{seconds / 60:.0f} min to go for all",
                flush=True,
            )

        return say


def work(config: Config) -> float:
    """Return how much work a run is, in multiplications of its forward passes per image."""
    per_image = sum(a * b for a, b in pairwise(config.layer_specs))
    return config.epochs * per_image * (1 - config.validation_fraction)


def main() -> int:
    """Train what is not there yet, and write everything."""
    data = load_kmnist()
    if data.is_stand_in:
        print("The best network is kept for KMNIST alone; place the data first.", file=sys.stderr)
        return 1
    runs = plan()
    clock, rows, histories, members = Clock(runs), [], [], {}
    for name, config in runs:
        result = run_one(config, data, clock.watch(name, config))
        clock.left[config] = 0.0
        print(f"{name}, seed {config.seed}: {result}", flush=True)
        rows.append(row_of(name, result))
        histories.append(history_of(name, result))
        if name == "best":
            best = result.model
        if name in COMMITTEE:
            members[COMMITTEE[name].title] = result.model
    write(rows, histories, best, members, data, FOLDER)
    print(f"Written: {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
