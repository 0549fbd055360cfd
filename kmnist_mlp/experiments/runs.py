"""Many runs: configurations x seeds, in parallel (parallel.py), kept on disk (result_cache.py).

claims.py judges the paper's claims by their results, and reference.py checks whether the results
have moved.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.callbacks.checkpoint import Checkpoint
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, split_rows
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.parallel import train_all, train_one
from kmnist_mlp.experiments.result_cache import ResultCache
from kmnist_mlp.results import Callback, Progress, TrainingResult
from kmnist_mlp.support.checks import float_type, instance, layers_for, whole_number
from kmnist_mlp.training import train


def default_seeds() -> list[int]:
    """Return the seeds of the report: 0 to 4, or as many as KMNIST_MLP_SEEDS asks for."""
    text = os.environ.get("KMNIST_MLP_SEEDS") or "5"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"KMNIST_MLP_SEEDS must be a number of seeds >= 1; got {text!r}")
    return list(range(int(text)))


@dataclass(frozen=True, eq=False)
class Results:
    """Results of many runs, in the order in which they were asked for.

    Attributes
    ----------
    runs : dict of (name, seed) to TrainingResult
    frame : DataFrame
        One row per run: experiment, seed, test_accuracy and test_loss, the training and validation
        loss and accuracy of the epoch whose weights the run returned, generalisation_gap
        (training minus validation accuracy), late_fluctuation (of the training loss over the
        last ten epochs: standard deviation from a straight line, over the mean; 1 for a run that
        diverged), small_weight_share (of the first layer's weights, those between -0.001 and
        0.001), best_epoch, stopped_epoch, diverged, seconds, cached.
        Accuracies, their gap and shares are fractions.
    data_name : str
        Name of the data set.

    Examples
    --------
    >>> results = run(Config(layer_specs=(784, 10), epochs=2), seeds=[0, 1], n_jobs=1, cache=False)
    >>> results.names, len(results.of("run 1"))
    (['run 1'], 2)
    >>> results.values("stopped_epoch", "run 1").to_dict()
    {0: 2, 1: 2}
    """

    runs: dict[tuple[str, int], TrainingResult]
    frame: pd.DataFrame
    data_name: str

    @classmethod
    def empty(cls, data: Dataset) -> Results:
        """Return results without any run, to judge the gradient check by itself."""
        return cls({}, pd.DataFrame(), data.name)

    def plus(self, name: str, run: TrainingResult) -> Results:
        """Return these results and one more run.

        Raises
        ------
        ValueError
            If the name is no text, has a run of this seed, or is that of another configuration.
        """
        key = (instance("name", name, str), run.config.seed)
        others = [other for (own, _), other in self.runs.items() if own == name]
        if key in self.runs or any(o.config.replace(seed=key[1]) != run.config for o in others):
            raise ValueError(f"{name!r} with seed {key[1]} must be new; there is {others[0]!r}")
        row = {**_row(*key, run), "cached": False}
        frame = pd.concat([self.frame, pd.DataFrame([row])], ignore_index=True)
        return Results({**self.runs, key: run}, frame, self.data_name)

    def without(self, name: str) -> Results:
        """Return these results without the runs of one experiment."""
        self.of(name)
        runs = {key: run for key, run in self.runs.items() if key[0] != name}
        frame = self.frame[self.frame.experiment != name].reset_index(drop=True)
        return Results(runs, frame, self.data_name)

    @property
    def names(self) -> list[str]:
        """Names of the experiments, in order."""
        return list(dict.fromkeys(name for name, _ in self.runs))

    def of(self, name: str) -> list[TrainingResult]:
        """Return the runs of one experiment, seed by seed."""
        found = [run for (own, _), run in self.runs.items() if own == name]
        if not found:
            raise KeyError(f"no experiment {name!r} here; there are {self.names}")
        return found

    def chosen(self, names: str | Iterable[str] | None = None) -> list[str]:
        """Return one name or several as a list; all names if none is given."""
        return [names] if isinstance(names, str) else list(names or self.names)

    def values(self, quantity: str, name: str) -> pd.Series:
        """Return one quantity of one experiment, indexed by seed.

        Accuracies and shares are in per cent, the generalisation gap in percentage points.
        """
        self.of(name)
        if quantity not in self.frame:
            raise KeyError(f"no quantity {quantity!r} here; there are {list(self.frame)}")
        rows = self.frame[self.frame.experiment == name].set_index("seed")
        is_fraction = quantity.endswith(("accuracy", "gap", "share"))
        return rows[quantity] * 100 if is_fraction else rows[quantity]

    def _repr_html_(self) -> str:
        return self.frame.round(4).to_html(index=False)


# ---- running -------------------------------------------------------------------------------------


def run(
    configs: Config | str | Iterable[Config | str] | Mapping[str, Config | str],
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
        What to run; a text is the name of an experiment of the paper. A configuration without a
        name is named "run 1", "run 2", ...
    seeds : iterable of int
        Replace the configurations' own; by default those of the report (0 to 4).
    n_jobs : int
        Number of processes; -1 is one for each core. Results do not depend on it. Under
        ``joblib.parallel_config(backend="dask")`` the runs go to that cluster.
    data : Dataset
        By default what :func:`load_kmnist` returns.
    cache : bool
        Whether results are looked up and kept on disk.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``. Only results in float32 are looked up and kept.

    Returns
    -------
    Results
        With a table, ``.frame``, of one row per run, and every :class:`TrainingResult`.

    Raises
    ------
    ValueError
        For an unknown name, an empty list, or a configuration that does not fit the data; before
        anything is trained.

    Notes
    -----
    Each run is kept as soon as it is finished, so that an interrupted call is continued by the
    next one. If a worker process dies (killed, out of memory), only the unfinished runs are
    repeated, up to twice.

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
    if seeds is None:
        seeds = default_seeds()
    elif isinstance(seeds, Integral):
        seeds = [seeds]
    elif not isinstance(seeds, Iterable):
        raise ValueError(f"seeds must be a whole number >= 0, or some of them; got {seeds!r}")
    seeds = [whole_number("seed", seed, 0) for seed in seeds]
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs must be a whole number >= 1, or -1 for all cores; got {n_jobs!r}")
    if not named or not seeds:
        raise ValueError("nothing to run: give at least one configuration and one seed")
    dtype = float_type(dtype)
    data = load_kmnist() if data is None else instance("data", data, Dataset)
    for config in named.values():  # before the first of them trains for hours
        layers_for(config.layer_specs, data.train_images[0].size, len(data.class_names))
        split_rows(len(data.train_images), config)
    wanted = {
        (name, seed): config.replace(seed=seed) for name, config in named.items() for seed in seeds
    }
    store = ResultCache(data) if cache and dtype == np.float32 else None
    known = {key: store.get(config) for key, config in wanted.items()} if store else {}
    found = {key: result for key, result in known.items() if result is not None}
    missing = {key: config for key, config in wanted.items() if key not in found}
    for key, result in train_all(missing, data, n_jobs, partial(train_one, dtype=dtype)):
        found[key] = result
        if store:
            store.put(result)
    runs = {key: found[key] for key in wanted}
    rows = [{**_row(*key, result), "cached": key not in missing} for key, result in runs.items()]
    return Results(runs, pd.DataFrame(rows), data.name)


def train_cached(
    config: Config,
    data: Dataset,
    cache: ResultCache,
    callbacks: Sequence[Callback | Callable[[Progress], object]] = (),
) -> TrainingResult:
    """Take a run from the cache, or train it here, from its checkpoint if it has one.

    For a long run that callbacks watch; :func:`run` is for many. The checkpoint stands beside the
    results and is replaced after each epoch. It is deleted only when the result is in the cache: a
    run that was interrupted, by an error or by a callback, goes on from there at the next call.

    Parameters
    ----------
    config : Config
    data : Dataset
    cache : ResultCache
        That of ``data``.
    callbacks : sequence of Callback or callable
        Called by :func:`train` after each epoch, unless the result is taken from the cache.

    Returns
    -------
    TrainingResult
    """
    known = cache.get(config)
    if known is not None:
        return known
    cache.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = cache.path(config).with_suffix(".checkpoint")

    result = train(config, data, callbacks=[Checkpoint(checkpoint), *callbacks])
    if cache.put(result):
        checkpoint.unlink(missing_ok=True)
    return result


def named_configs(
    configs: Config | str | Iterable[Config | str] | Mapping[str, Config | str],
) -> dict[str, Config]:
    """Return configurations, given in any of the ways that :func:`run` takes, by their names.

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
        raise ValueError(f"configs must be a Config, names or several of them; got {configs!r}")
    if isinstance(configs, Mapping):
        pairs = list(configs.items())
    else:
        listed = enumerate(configs, start=1)
        pairs = [(c if isinstance(c, str) else f"run {number}", c) for number, c in listed]
    for name, _ in pairs:
        instance("the name of an experiment", name, str)
    return {name: _config(name, config) for name, config in pairs}


def _config(name: str, config: Any) -> Config:
    if isinstance(config, Config):
        return config
    if not isinstance(config, str):
        raise ValueError(f"{name!r} must be a Config or an experiment of the paper; got {config!r}")
    if config in EXPERIMENTS:
        return EXPERIMENTS[config]
    near = difflib.get_close_matches(config, EXPERIMENTS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(
        f"no experiment {config!r}: {hint}The paper's are {list(EXPERIMENTS)}; for one of your "
        f"own, give its configuration, such as {{{name!r}: Config(L2_penalty=0.1)}}"
    )


def _row(name: str, seed: int, run: TrainingResult) -> dict[str, Any]:
    quantities = quantities_of(run, run.model.weights[0])
    return {"experiment": name, "seed": seed, **quantities, "seconds": run.seconds}


def quantities_of(run: Any, weights: np.ndarray) -> dict[str, Any]:
    """Return the columns of :attr:`Results.frame` that a run and its first layer's weights have.

    Parameters
    ----------
    run : TrainingResult, or what has its attributes curves, returned, test_accuracy, test_loss,
        best_epoch, stopped_epoch and diverged
    weights : ndarray
    """
    late = run.curves["training_loss"][-10:]
    epochs = np.arange(len(late))
    line = np.polyval(np.polyfit(epochs, late, 1), epochs) if len(late) > 2 else late
    fluctuation = (late - line).std() / (late.mean() or 1) if len(late) else np.nan
    training, validation = (run.returned[f"{part}_accuracy"] for part in ("training", "validation"))
    return {
        "test_accuracy": run.test_accuracy,
        "test_loss": run.test_loss,
        **run.returned,
        "generalisation_gap": training - validation,
        "late_fluctuation": 1.0 if run.diverged else fluctuation,
        "small_weight_share": (abs(weights) < 1e-3).mean(),
        "best_epoch": run.best_epoch,
        "stopped_epoch": run.stopped_epoch,
        "diverged": run.diverged,
    }
