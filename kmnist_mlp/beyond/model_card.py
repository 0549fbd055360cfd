"""Make what ships: train what has no record, time and measure it, and write the model card."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond.plan import FINAL, planned, step_configs
from kmnist_mlp.beyond.pretrained import FOLDER, load_ensemble
from kmnist_mlp.beyond.protocol import (
    ENSEMBLE,
    LEDGER,
    NETWORK,
    accuracies,
    held_out_clusters,
    load_ledger,
    measure_final,
    recorded,
    without_test_images,
)
from kmnist_mlp.beyond.records import Records, train_missing
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments import run
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import whole_file, write_csv
from kmnist_mlp.support.statistics import in_percent, interval, wilson_interval
from kmnist_mlp.training import Training

TEMPLATE = Path(__file__).with_suffix(".md")
EPOCHS = 3  # whose median is an epoch's time, alone on one core


def measure(data: Dataset) -> None:
    """Train what has no record (hours), then time, measure and describe the final networks."""
    train_missing(planned(), data, Records())
    measure_and_write(data, run(["baseline"], [0], data=data).of("baseline")[0].model)


def measure_and_write(
    data: Dataset, baseline: MLP, folder: Path = FOLDER, ledger: Path = LEDGER
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
    final = epoch_seconds({NETWORK: FINAL}, without_test_images(data))
    write_csv(pd.concat([steps, final]), folder / "timing.csv")
    measure_final(data, baseline, folder, ledger)
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(folder, load_ledger(ledger), data).encode())


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
    spent = Records(folder).of(FINAL, "all").seconds / 60
    epoch = load_timing(folder).set_index("step").seconds_per_epoch[NETWORK]
    model, lines = models[0], recorded(models, ledger)
    right = model.predict(data.test_images) == data.test_labels
    low, high = wilson_interval(int(right.sum()), len(right))
    networks = accuracies(lines)
    _, seeds_low, seeds_high = interval(100 * networks)
    settings = [f"    {name}={value!r}," for name, value in FINAL.to_dict().items()]
    classes = [
        f"| {label} | {in_percent(right[data.test_labels == c].mean(), 1)} |"
        for c, label in enumerate(data.class_labels)
    ]
    return TEMPLATE.read_text("utf-8").format(
        data=data.name,
        train_images=len(data.train_images),
        test_images=len(data.test_images),
        model=model,
        epochs=FINAL.epochs,
        minutes=FINAL.epochs * epoch / 60,
        least=spent.min(),
        most=spent.max(),
        config="\n".join(["Config(", *settings, ")"]).replace("'", '"'),
        accuracy=in_percent(right.mean()),
        low=low,
        high=high,
        count=len(networks),
        mean=in_percent(networks.mean()),
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        ensemble=in_percent(accuracies(lines, ENSEMBLE).iloc[0]),
        classes="\n".join(classes),
    )
