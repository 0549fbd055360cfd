"""Many runs: configurations x seeds, in parallel on one machine or a cluster."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import timeit
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend.process import LokyProcess
from joblib.parallel import get_active_backend
from tqdm.auto import tqdm

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.callbacks.checkpoint import Checkpoint
from kmnist_mlp.callbacks.live import clock, in_notebook, someone_looks
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.store import ResultCache, environment, quantities_of
from kmnist_mlp.network import MLP
from kmnist_mlp.results import Progress, TrainingResult
from kmnist_mlp.support.checks import float_type, instance, layers_for, short, whole_number
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.threads import one_blas_thread
from kmnist_mlp.training import train

OPTIONS = [field.name for field in fields(Config) if field.name != "seed"]
EVERY = 60.0  # seconds between two lines of progress in a log
_one_at_a_time = threading.Lock()  # the workers are shared by all threads
Job: TypeAlias = Callable[[Any, Config, Dataset], Any]
Configs: TypeAlias = "Config | str | Iterable[Config | str] | Mapping[str, Config | str]"


def default_seeds() -> list[int]:
    """Return the seeds of the report: 0 to 4, or as many as KMNIST_MLP_SEEDS asks for."""
    text = os.environ.get("KMNIST_MLP_SEEDS") or "5"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"KMNIST_MLP_SEEDS must be a number of seeds >= 1; got {text!r}")
    return list(range(int(text)))


class Interrupted(KeyboardInterrupt, *(() if hasattr(sys, "ps1") else (SystemExit,))):
    """Ends a call in one line: in a notebook, and in a script, which ends as after SystemExit."""

    code = property(str)  # what Python prints after SystemExit

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True, eq=False)
class Results:
    """Results of many runs, in the order in which they were asked for.

    Attributes
    ----------
    runs : dict of (name, seed) to TrainingResult
        None where only numbers are kept.
    frame : DataFrame
        One row per run: experiment, seed, the hyper-parameters in which
        the runs differ, by their names, test_accuracy and test_loss,
        the training and validation loss and accuracy of the epoch whose
        weights the run returned, generalisation_gap (training minus
        validation accuracy), late_fluctuation (of the training loss
        over the last ten epochs: standard deviation from a straight
        line, over the mean; 1 for a run that diverged),
        small_weight_share (of the first layer's weights, those between
        -0.001 and 0.001), best_epoch, stopped_epoch, diverged, seconds,
        cached. Accuracies, their gap and shares are fractions.
    data_name : str
        Name of the data set.

    Examples
    --------
    >>> results = run(Config(layer_specs=(784, 10), epochs=2), seeds=[0, 1], n_jobs=1, cache=False)
    >>> results.names, len(results.of("run 1"))
    (['run 1'], 2)
    >>> results.curves.head(2)[["experiment", "seed", "quantity", "epoch"]]
      experiment  seed       quantity  epoch
    0      run 1     0  training_loss      1
    1      run 1     0  training_loss      2
    >>> results.values("stopped_epoch", "run 1").to_dict()
    {0: 2, 1: 2}
    """

    runs: dict[tuple[str, int], TrainingResult]
    frame: pd.DataFrame
    data_name: str

    def __post_init__(self) -> None:
        """Give the frame the hyper-parameters that differ, if the runs are at hand."""
        if self.runs and all(self.runs.values()):
            frame = self.frame.drop(columns=OPTIONS, errors="ignore")
            configs = pd.DataFrame([vars(run.config) for run in self.runs.values()])[OPTIONS]
            parts = frame.iloc[:, :2], configs.loc[:, configs.nunique() > 1], frame.iloc[:, 2:]
            self.__dict__["frame"] = pd.concat(parts, axis=1)

    @classmethod
    def empty(cls, data: Dataset) -> Results:
        """Return results without any run, to judge the gradient check by itself."""
        return cls({}, pd.DataFrame(), data.name)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, data_name: str = "KMNIST", **where: Any) -> Results:
        """Return results that are numbers alone, such as those kept with the project.

        Parameters
        ----------
        frame : DataFrame
            Columns experiment, seed and quantities as in :attr:`frame`.
        data_name : str
        **where
            Values by column: other rows, and these columns, are left out.

        Examples
        --------
        >>> from kmnist_mlp.experiments.readings import load_runs
        >>> as_coded = Results.of_frame(load_runs(), deviations="all")
        >>> as_coded.values("stopped_epoch", "baseline").to_dict()
        {0: 25, 1: 25, 2: 25, 3: 25, 4: 25}
        """
        for column, value in where.items():
            frame = frame[frame[column] == value]
        frame = frame.drop(columns=[*where]).reset_index(drop=True)
        keys = zip(frame.experiment, frame.seed, strict=True)
        return cls(dict.fromkeys(keys), frame, data_name)

    def plus(self, name: str, run: TrainingResult) -> Results:
        """Return these results and one more run.

        Raises
        ------
        ValueError
            If the name has a run of this seed, or is that of another
            configuration.
        """
        seed = run.config.seed
        for (known, used), other in self.runs.items():
            if known == name and (seed == used or other.config.replace(seed=seed) != run.config):
                raise ValueError(f"{name!r}, seed {seed}, must be new; there is {other.config!r}")
        row = pd.DataFrame([_row((name, seed), run, False)])
        frame = pd.concat([self.frame, row], ignore_index=True)
        return Results({**self.runs, (name, seed): run}, frame, self.data_name)

    def without(self, name: str) -> Results:
        """Return these results without the runs of one experiment."""
        runs = {key: run for key, run in self.runs.items() if key[0] != name}
        frame = self.frame[self.frame.experiment != name].reset_index(drop=True)
        return Results(runs, frame, self.data_name)

    @property
    def names(self) -> list[str]:
        """Names of the experiments, in order."""
        return list(dict.fromkeys(name for name, _ in self.runs))

    def of(self, name: str) -> list[TrainingResult]:
        """Return the runs of one experiment, seed by seed."""
        found = [run for (known, _), run in self.runs.items() if known == name]
        if not found:
            raise KeyError(f"no experiment {name!r} here; there are {self.names}")
        return found

    def chosen(self, names: str | Iterable[str] | None = None) -> list[str]:
        """Return one name or several as a list; all names if none is given."""
        return [names] if isinstance(names, str) else list(names or self.names)

    def values(self, quantity: str, name: str) -> pd.Series:
        """Return one quantity of one experiment, indexed by seed.

        Accuracies and shares are in per cent, the generalisation gap
        in percentage points.
        """
        self.of(name)
        rows = self.frame[self.frame.experiment == name].set_index("seed")
        is_fraction = quantity.endswith(("accuracy", "gap", "share"))
        return rows[quantity] * 100 if is_fraction else rows[quantity]

    @property
    def curves(self) -> pd.DataFrame:
        """All learning curves, a row per value; empty where only numbers are kept.

        Returns
        -------
        DataFrame
            Columns:

            - experiment
            - seed
            - quantity, one of :data:`~kmnist_mlp.results.CURVES`
            - epoch, from 1 on
            - value; an accuracy is a fraction
        """
        rows = [
            (*key, quantity, epoch, value)
            for key, run in self.runs.items()
            for quantity, curve in (run.curves.items() if run else ())
            for epoch, value in enumerate(curve, start=1)
        ]
        return pd.DataFrame(rows, columns=["experiment", "seed", "quantity", "epoch", "value"])

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False, float_format="{:.4g}".format)


# ---- running ---------------------------------------------------------


def run(
    configs: Configs,
    seeds: Iterable[int] | int | None = None,
    n_jobs: int = -1,
    data: Dataset | None = None,
    cache: bool = True,
    dtype: Any = np.float32,
) -> Results:
    """Train every configuration with every seed, or take the result from the cache.

    Parameters
    ----------
    configs : Config, str, several of them, or a dict of name to Config or str
        What to run; a text is the name of an experiment of the paper,
        with as many inputs and outputs as the data has.
        A configuration without a name is named "run 1", "run 2", ...
    seeds : iterable of int
        Replace those of the configurations; by default those of the
        report (0 to 4).
    n_jobs : int
        Number of processes; -1 is one for each core. Results do not
        depend on it. Under ``joblib.parallel_config(backend="dask")``
        the runs go to that cluster.
    data : Dataset
        By default what :func:`load_kmnist` returns.
    cache : bool
        Whether results are looked up and kept on disk.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``. Only results in float32
        are looked up and kept.

    Returns
    -------
    Results
        With a table, ``.frame``, of one row per run, and every
        :class:`TrainingResult`.

    Raises
    ------
    ValueError
        For an unknown name, an empty list, or a configuration that
        does not fit the data; before anything is trained.
    KeyboardInterrupt
        After Ctrl-C; a notebook and a script say in one line how many
        runs are finished.

    Notes
    -----
    Each run is kept as soon as it is finished, so that an
    interrupted call is continued by the next one. If a worker
    process dies (killed, out of memory), only the unfinished runs
    are repeated, up to twice.

    Examples
    --------
    >>> small = Config(layer_specs=(784, 8, 10), epochs=1)
    >>> configs = {"gentle": small, "bold": small.replace(learning_rate=5e-3)}
    >>> results = run(configs, seeds=[0, 1], n_jobs=1, cache=False)
    >>> results.frame[["experiment", "seed", "stopped_epoch", "diverged"]]
      experiment  seed  stopped_epoch  diverged
    0     gentle     0              1     False
    1     gentle     1              1     False
    2       bold     0              1     False
    3       bold     1              1     False
    """
    named = named_configs(configs)
    seeds = default_seeds() if seeds is None else seeds
    several = seeds if isinstance(seeds, Iterable) else [seeds]
    seeds = [whole_number("seeds: each seed", seed, 0) for seed in several]
    if n_jobs != -1:
        whole_number("n_jobs, if not -1 for all cores,", n_jobs, 1)
    if not named or not seeds:
        raise ValueError("nothing to run: give at least one configuration and one seed")
    dtype = float_type(dtype)
    missing, store = {}, None
    try:
        data = load_kmnist() if data is None else instance("data", data, Dataset)
        for name, config in named.items():  # before the first of them trains for hours
            if config is EXPERIMENTS.get(name):  # as it is on images such as these
                layers = layers_on(data, *config.layer_specs[1:-1])
                named[name] = config = config.replace(layer_specs=layers)
            layers_for(config.layer_specs, *layers_on(data))
            split_rows(len(data.train_images), config)
        wanted = {(name, n): each.replace(seed=n) for name, each in named.items() for n in seeds}
        store = ResultCache(data) if cache and dtype == np.float32 else None
        known = {key: store.get(config) if store else None for key, config in wanted.items()}
        missing = {key: config for key, config in wanted.items() if known[key] is None}
        if missing and someone_looks():
            names = ", ".join(dict.fromkeys(name for name, _ in missing))
            limit = clock(longest(missing.values(), data, n_jobs))
            text = f"Training {len(missing)} networks, at most about {limit}: {names}"
            tell(text, None if in_notebook() else sys.stderr)
        with closing(train_all(missing, data, n_jobs, partial(train_one, dtype=dtype))) as trained:
            for key, result, here in trained:
                known[key] = result
                if store and here:
                    store.put(result)
    except KeyboardInterrupt:
        done = sum(known[key] is not None for key in missing)
        kept = f"{done} of {len(missing)} networks are trained{' and kept' * bool(store)}"
        raise Interrupted(f"Interrupted: {kept if missing else 'nothing was trained'}.") from None
    rows = [_row(key, result, key not in missing) for key, result in known.items()]
    return Results(known, pd.DataFrame(rows), data.name)


def layers_on(data: Dataset, *hidden: int) -> tuple[int, ...]:
    """Return ``layer_specs`` of a network on some data: its pixels, hidden units, its classes.

    Examples
    --------
    >>> layers_on(load_kmnist(), 64, 64)
    (784, 64, 64, 10)
    """
    return data.train_images[0].size, *hidden, len(data.class_names)


def named_configs(configs: Configs) -> dict[str, Config]:
    """Return configurations, as :func:`run` takes them, by name.

    Raises
    ------
    ValueError
        For an unknown name, or what is no configuration.

    Examples
    --------
    >>> list(named_configs(["relu", Config()]))
    ['relu', 'run 2']
    >>> mine = named_configs({"baseline": "baseline", "my L2": Config(L2_penalty=0.1)})
    >>> mine["my L2"].L2_penalty
    0.1
    """
    if isinstance(configs, (Config, str)):
        configs = [configs]
    if not isinstance(configs, Iterable):
        raise ValueError(f"configs must be a Config, names or several; got {short(configs)}")
    if not isinstance(configs, Mapping):
        listed = enumerate(configs, start=1)
        configs = {c if isinstance(c, str) else f"run {n}": c for n, c in listed}
    found: dict[str, Config] = {}
    for given, config in configs.items():
        name = instance("the name of an experiment", given, str)
        found[name] = EXPERIMENTS.get(config, config) if isinstance(config, str) else config
        if not isinstance(found[name], Config):
            known = f"one of the paper's experiments, {[*EXPERIMENTS]}, or a Config"
            example = f"such as {{{short(name)}: Config(L2_penalty=0.1)}}"
            raise ValueError(f"{short(name)} must be {known}, {example}; got {short(config)}")
    return found


def _row(key: tuple[str, int], run: TrainingResult, cached: bool) -> dict[str, Any]:
    row = {"experiment": key[0], "seed": key[1]} | quantities_of(run)
    return row | {"seconds": run.seconds, "cached": cached}


# ---- in parallel -----------------------------------------------------


def cost(config: Config) -> float:
    """Return the work of a run per training image of the data set, in multiplications.

    That is weights x share of the images that is trained on x epochs:
    a measure of duration, for the order of runs and their progress. A
    run that stops early does less.

    Examples
    --------
    >>> cost(Config(layer_specs=(10, 4, 2), epochs=3, validation_fraction=0.25))
    108.0
    """
    weights = int(np.dot(config.layer_specs[:-1], config.layer_specs[1:]))
    return weights * (1 - config.validation_fraction) * config.epochs


def longest(configs: Collection[Config], data: Dataset, n_jobs: int) -> float:
    """Return about how many seconds runs take at most, from the pace of one gradient.

    A gradient takes two thirds of the time: the rest is taken by
    mini-batches, steps and curves.
    """
    slowest = max(configs, key=cost)
    model, x = MLP(slowest.layer_specs, slowest.activation), np.zeros((128, slowest.layer_specs[0]))
    with one_blas_thread():
        times = timeit.repeat(lambda: model.gradients(x, [0] * len(x)), number=1, repeat=5)
    pace = 1.5 * min(times) / len(x) / model.parameters.size
    work = sum(map(cost, configs)) * len(data.train_images)
    return pace * work / min(len(configs), effective_n_jobs(n_jobs))


def train_all(
    todo: Mapping[Any, Config], data: Dataset, n_jobs: int, job: Job
) -> Iterator[tuple[Any, Any, bool]]:
    """Train every configuration; yield key, result and more as soon as a run is finished.

    The third is whether it was trained with the sources, NumPy and BLAS
    of this process; a worker of a cluster may have others, and a warning
    says so. Calls in several threads wait for each other.

    The runs with the highest cost come first, so that no core waits
    long for the last one. If a worker process dies, the runs that are
    not finished are tried again, up to twice.

    Parameters
    ----------
    todo : mapping of key to Config
    data : Dataset
    n_jobs : int
        Number of processes; -1 is one for each core.
    job : callable
        Takes key, configuration and data, in a process of its own;
        returns the result.
    """
    if not todo:
        return
    left = dict(sorted(todo.items(), key=lambda item: -cost(item[1])))
    parts = [getattr(data, field.name) for field in fields(data)]
    # a worker does not know the activations of a notebook
    activations = {c.activation: ACTIVATIONS[c.activation] for c in left.values()}
    ours = environment()
    bar = tqdm(
        total=sum(map(cost, left.values())),  # as runs differ much in duration
        desc=f"training {len(todo)} networks",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} to go",
        leave=False,
        disable=not someone_looks(),  # as in an exported page or a log
    )
    with _one_at_a_time, bar:
        # workers of an earlier call may run edited code as it was
        get_reusable_executor().shutdown()
        told = time.monotonic()
        for tries_left in (2, 1, 0):
            parallel = in_parallel(min(n_jobs, len(left)))
            jobs = [delayed(_one)(job, *item, activations, *parts) for item in left.items()]
            try:
                for key, result, theirs in parallel(jobs):
                    bar.update(cost(left.pop(key)))
                    if bar.disable and time.monotonic() - told > EVERY:
                        told = time.monotonic()
                        done = f"{len(todo) - len(left)} of {len(todo)}"
                        tell(f"{done} networks are trained", sys.stderr)
                    if theirs != ours:
                        text = f"{key} was trained with {theirs}, not with {ours}: it is not kept"
                        warnings.warn(text, stacklevel=3)
                    yield key, result, theirs == ours
                return
            except (BrokenExecutor, CancelledError, OSError) as error:
                if not tries_left:
                    raise
                kind, count = type(error).__name__, f"{len(left)} of {len(todo)}"
                text = f"a worker was lost ({kind}); {count} runs are tried again"
                warnings.warn(text, stacklevel=3)


def _one(job: Job, key: Any, config: Config, activations: dict, *parts: Any) -> tuple:
    # The arrays of a data set are separate arguments: joblib passes
    # large ones as memory maps, and a cluster sends each to a worker
    # once, not with every run.
    ACTIVATIONS.update(activations)
    return key, job(key, config, Dataset(*parts)), environment()


def in_parallel(n_jobs: int) -> Parallel:
    """Return joblib's runner; not every backend gives results one by one."""
    backend, _ = get_active_backend()
    # Dask's: joblib does the work of one thread in this process
    if hasattr(backend, "client"):
        backend.effective_n_jobs = lambda n: max(2, type(backend).effective_n_jobs(backend, n))
    try:
        return Parallel(n_jobs, return_as="generator_unordered")
    except ValueError:
        return Parallel(n_jobs)


def train_one(key: Any, config: Config, data: Dataset, dtype: np.dtype) -> TrainingResult:
    """Train one configuration: with a type of number, a job of :func:`train_all`."""
    return train(config, data, dtype, callbacks=[end_without_parent])


def train_or_resume(key: Any, config: Config, data: Dataset) -> TrainingResult:
    """Take a run from the cache, or train it, from its checkpoint if it has one.

    A job of :func:`train_all` for long runs. The checkpoint stands
    beside the results and is replaced after each epoch. It is deleted
    only when the result is in the cache: a run that was interrupted,
    by an error or by a callback, goes on from there at the next call.

    Parameters
    ----------
    key : Any
    config : Config
    data : Dataset
    """
    cache = ResultCache(data)
    if known := cache.get(config):
        return known
    cache.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = cache.path(config).with_suffix(".checkpoint")
    result = train(config, data, callbacks=[Checkpoint(checkpoint), end_without_parent])
    if cache.put(result):
        checkpoint.unlink(missing_ok=True)
    return result


def train_missing(
    missing: Mapping[Any, Config],
    keep: Callable[[Any, Any], str],
    data: Dataset,
    job: Job = train_or_resume,
    n_jobs: int = -1,
) -> None:
    """Train runs that are not kept yet, in parallel.

    Each is kept as soon as it is finished: an interrupted call is
    continued by the next one.

    Parameters
    ----------
    missing : mapping of key to Config
        Such as :meth:`~kmnist_mlp.experiments.store.Table.missing`
        returns them.
    keep : callable
        Takes key and result, keeps them, and returns what is told
        of the run.
    data : Dataset
    job : callable
    n_jobs : int
        As for :func:`train_all`.
    """
    tell(f"{len(missing)} runs to train")
    with closing(train_all(missing, data, n_jobs, job)) as trained:
        for number, (key, result, _) in enumerate(trained, start=1):
            tell(f"{number} of {len(missing)}: {keep(key, result)}")


def end_without_parent(progress: Progress) -> None:
    """End a worker whose parent was killed, such as a notebook's kernel that is restarted."""
    started_by = multiprocessing.parent_process()
    # not one of a cluster
    of_loky = isinstance(multiprocessing.current_process(), LokyProcess)
    if of_loky and started_by and os.getppid() != started_by.pid:
        os._exit(1)
