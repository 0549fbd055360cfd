"""How long augmenting an image and training on it take, on this machine."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from timeit import repeat

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond.ablation import STEPS
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.training import Training

REPEATS = 10
EPOCHS = 3  # whose median is taken


def seconds_per_image(data: Dataset) -> tuple[float, float]:
    """Return the time to augment an image, and to train the best network on it, in seconds.

    Each is that of the fastest of ten mini-batches, on one core; the second without augmentation.
    """
    config = STEPS["best"].config
    size = config.batch_size
    batch = dataclasses.replace(
        data, train_images=data.train_images[:size], train_labels=data.train_labels[:size]
    )
    images = batch.train_images.reshape(len(batch.train_images), -1)
    augment = Distortion(data.train_images.shape[1:], config.distortion, config.seed)
    out = np.empty(images.shape, np.float32)
    training = Training(config.replace(distortion=0.0), batch)  # an epoch is one mini-batch
    with threadpool_limits(1, user_api="blas"):
        augmentation = min(repeat(lambda: augment(out, images), number=1, repeat=REPEATS))
        step = min(repeat(training.train_epoch, number=1, repeat=REPEATS))
    return augmentation / len(images), step / len(images)


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
    for config in configs.values():
        alike = config.replace(epochs=EPOCHS)
        if alike not in timed:
            training, seconds = Training(alike, data), []
            with threadpool_limits(1, user_api="blas"):
                for _ in range(EPOCHS):
                    began = time.perf_counter()
                    training.train_epoch()
                    training.measure_epoch()
                    seconds.append(time.perf_counter() - began)
            timed[alike] = float(np.median(seconds))
    rows = [(title, timed[config.replace(epochs=EPOCHS)]) for title, config in configs.items()]
    return pd.DataFrame(rows, columns=["step", "seconds_per_epoch"])


def load_timing(folder: Path) -> pd.DataFrame:
    """Return what :func:`epoch_seconds` measured when `make beyond` ran."""
    return pd.read_csv(folder / "timing.csv")
