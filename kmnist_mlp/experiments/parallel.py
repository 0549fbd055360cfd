"""Training runs in parallel processes, on one machine or on a cluster."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError
from typing import Any, TypeVar

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend.process import LokyProcess
from tqdm.auto import tqdm

from kmnist_mlp.activations import ACTIVATIONS, Activation
from kmnist_mlp.callbacks.live import someone_looks
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.store import ResultCache, Table, train_cached
from kmnist_mlp.results import Progress, TrainingResult
from kmnist_mlp.support.console import tell
from kmnist_mlp.training import train

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


def cost(config: Config) -> float:
    """Return the work of a run per training image of the data set, in multiplications.

    That is weights x share of the images that is trained on x epochs: a measure of duration, for
    the order of runs and their progress. A run that stops early does less.

    Examples
    --------
    >>> cost(Config(layer_specs=(10, 4, 2), epochs=3, validation_fraction=0.25))
    108.0
    """
    weights = sum(a * b for a, b in itertools.pairwise(config.layer_specs))
    return weights * (1 - config.validation_fraction) * config.epochs


def train_all(
    todo: Mapping[Key, Config],
    data: Dataset,
    n_jobs: int,
    job: Callable[[Key, Config, Dataset], Result],
) -> Iterator[tuple[Key, Result]]:
    """Train every configuration; yield key and result as soon as a run is finished.

    The runs with the highest cost come first, so that no core waits long for the last one. If a
    worker process dies, the runs that are not finished are tried again, up to twice.

    Parameters
    ----------
    todo : mapping of key to Config
    data : Dataset
    n_jobs : int
        Number of processes; -1 is one for each core.
    job : callable
        Takes key, configuration and data, in a process of its own; returns the result.
    """
    if not todo:
        return
    left = dict(sorted(todo.items(), key=lambda item: -cost(item[1])))
    get_reusable_executor().shutdown()  # workers of an earlier call may run edited code as it was
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    names = (data.name, data.class_names, data.romaji)
    with progress(sum(map(cost, left.values())), f"training {len(todo)} networks") as bar:
        for tries_left in (2, 1, 0):
            parallel = Parallel(n_jobs=min(n_jobs, len(left)), return_as="generator_unordered")
            activations = dict(ACTIVATIONS)  # a worker does not know those of a notebook
            jobs = [delayed(_one)(job, *item, names, activations, *arrays) for item in left.items()]
            try:
                for key, result in parallel(jobs):
                    bar.update(cost(left.pop(key)))
                    yield key, result
                return
            except (BrokenExecutor, CancelledError, OSError) as error:
                if not tries_left:
                    raise
                warnings.warn(
                    f"a worker was lost ({type(error).__name__}); {len(left)} of {len(todo)} runs "
                    "are not finished and are tried again",
                    stacklevel=3,
                )


def _one(
    job: Callable[[Key, Config, Dataset], Result],
    key: Key,
    config: Config,
    names: tuple,
    activations: dict[str, Activation],
    *arrays: np.ndarray,
) -> tuple[Key, Result]:
    # The four arrays are separate arguments: joblib passes large ones as memory maps, and a cluster
    # sends each to a worker once, not with every run.
    ACTIVATIONS.update(activations)
    return key, job(key, config, Dataset(*arrays, *names))


def train_one(key: Hashable, config: Config, data: Dataset, dtype: np.dtype) -> TrainingResult:
    """Train one configuration: with a type of number, a job of :func:`train_all`."""
    return train(config, data, dtype, callbacks=[end_without_parent])


def train_or_resume(key: Hashable, config: Config, data: Dataset) -> TrainingResult:
    """Do :func:`train_cached`: a job of :func:`train_all` for long runs."""
    return train_cached(config, data, ResultCache(data), [end_without_parent])


def train_missing(
    planned: Mapping[tuple, Config],
    table: Table,
    data: Dataset,
    n_jobs: int = -1,
    job: Callable[[Any, Config, Dataset], Any] = train_or_resume,
) -> int:
    """Train the planned runs that are not in a table, and return how many they were.

    Each is added as soon as it is finished: an interrupted call is continued by the next one.

    Parameters
    ----------
    planned : mapping of tuple to Config
        By their values in the table's key columns.
    table : Table
    data : Dataset
    n_jobs, job
        As for :func:`train_all`.
    """
    known = table.known()
    todo = {key: config for key, config in planned.items() if key not in known}
    for number, (key, result) in enumerate(train_all(todo, data, n_jobs, job), start=1):
        tell(f"{number} of {len(todo)}: {table.add(key, result)}")
    tell(f"{table.path}: {len(planned)} runs, of which {len(todo)} are new")
    return len(todo)


def end_without_parent(progress: Progress) -> None:
    """End a worker whose parent was killed, such as the kernel of a notebook that is restarted."""
    started_by = multiprocessing.parent_process()  # whether or not it is still there
    a_worker = isinstance(multiprocessing.current_process(), LokyProcess)  # not one of a cluster
    if a_worker and started_by is not None and os.getppid() != started_by.pid:
        os._exit(1)


def progress(total: float, what: str) -> Any:
    """Return a progress bar: in a terminal and in JupyterLab, not in an exported page or a log.

    Parameters
    ----------
    total : float
        Work of all runs, as :func:`cost` measures it: runs differ much in duration.
    what : str
        Description beside the bar.
    """
    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} to go"
    return tqdm(total=total, desc=what, bar_format=layout, leave=False, disable=not someone_looks())
