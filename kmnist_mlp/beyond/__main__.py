"""``make beyond``: train every run of the ablation that is missing, and write ``best/``.

It can be interrupted: finished runs are in the result cache, and an unfinished one resumes from
the checkpoint of its last epoch. Notebook 7 shows the results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.ablation import ALL, ENSEMBLE, planned_runs
from kmnist_mlp.beyond.model_card import model_card
from kmnist_mlp.beyond.pretrained import FOLDER, load_best
from kmnist_mlp.beyond.shift_averaging import average_over_shifts
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import kmnist_or_refusal
from kmnist_mlp.experiments import ResultCache, cost, train_cached
from kmnist_mlp.results import CURVES, Progress, TrainingResult
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import save_arrays, whole_file, write_csv


def main() -> int:
    """Train what is missing and write everything; return the exit status."""
    data = kmnist_or_refusal("The networks beyond the paper are kept")
    if data is None:
        return 1
    train_and_write(planned_runs(), data, FOLDER)
    tell(f"Written: {FOLDER}")
    return 0


def train_and_write(runs: list[tuple[str, Config]], data: Dataset, folder: Path) -> None:
    """Train the runs that are not in the result cache, and write the results of all.

    Parameters
    ----------
    runs : list of (name, Config)
        See :func:`~kmnist_mlp.beyond.ablation.planned_runs`; one of them is named "best".
    data : Dataset
    folder : Path
        Made if there is none.
    """
    cache, results = ResultCache(data), []
    remaining = RemainingTime(config for _, config in runs)
    for name, config in runs:
        result = train_cached(config, data, cache, [remaining.printer(name, config)])
        remaining.run_done(config)
        tell(f"{name}, seed {config.seed}: {result}")
        results.append((name, result))
    write(results, data, folder)


class RemainingTime:
    """Estimates how long all runs still take, at the speed of the epochs so far.

    A run that stops early takes less time than estimated.
    """

    def __init__(self, configs: Iterable[Config]) -> None:
        self.left = {config: cost(config) for config in configs}
        self.done = 0.0
        self.began = time.perf_counter()

    def epoch_done(self, config: Config, epoch: int) -> None:
        """Count an epoch of a run."""
        per_epoch = cost(config) / config.epochs
        self.done += per_epoch
        self.left[config] = per_epoch * (config.epochs - epoch)

    def run_done(self, config: Config) -> None:
        """Count a whole run: trained, stopped early or found in the cache."""
        self.left[config] = 0

    def estimate(self, seconds_so_far: float) -> float:
        """Return the remaining time in seconds; at least one epoch must be done."""
        return seconds_so_far * sum(self.left.values()) / self.done

    def printer(self, name: str, config: Config) -> Callable[[Progress], None]:
        """Return a callback that prints the epoch and the remaining time of all runs."""

        def report(progress: Progress) -> None:
            self.epoch_done(config, progress.epoch)
            minutes = self.estimate(time.perf_counter() - self.began) / 60
            tell(
                f"{name}, seed {config.seed}: epoch {progress.epoch} of {config.epochs}; "
                f"about {minutes:.0f} min left for all runs"
            )

        return report


def write(results: list[tuple[str, TrainingResult]], data: Dataset, folder: Path) -> None:
    """Write tables, weights, the ensemble's predictions and the model card into a folder.

    :mod:`kmnist_mlp.beyond.pretrained` reads them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    runs = pd.DataFrame([_row(name, result) for name, result in results])
    write_csv(runs, folder / "runs.csv")
    write_csv(pd.concat([_history(*named) for named in results]), folder / "histories.csv")
    best = dict(results)["best"]
    best.model.save(folder / "weights.npz", half=True)
    members = {ALL[name].title: result.model for name, result in results if name in ENSEMBLE}
    images = data.test_images
    predictions = {
        "probabilities": [model.predict_proba(images) for model in members.values()],
        "over_shifts": [
            average_over_shifts(model.predict_proba, images) for model in members.values()
        ],
    }
    arrays = {key: np.array(value, np.float16) for key, value in predictions.items()}
    header = {"members": list(members), "data": data.fingerprint}
    save_arrays(folder / "ensemble.npz", header, arrays)
    run = runs[runs.name == "best"].iloc[0]
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(load_best(folder), best.config, run, data).encode())


def _row(name: str, result: TrainingResult) -> dict[str, Any]:
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


def _history(name: str, result: TrainingResult) -> pd.DataFrame:
    history = result.history.assign(name=name, seed=result.config.seed)
    return history[["name", "seed", "epoch", *CURVES]]


if __name__ == "__main__":
    sys.exit(main())
