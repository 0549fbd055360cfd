"""How long an epoch of each step takes: measured by `make beyond`, alone on one core."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.training import Training

EPOCHS = 3  # whose median is taken


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
