"""Finished runs on disk: whole in a cache, as numbers in tables."""

import ast
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.activations import ACTIVATIONS, Activation
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import cache_folder, full_path
from kmnist_mlp.experiments.provenance import blas_libraries
from kmnist_mlp.network import MLP
from kmnist_mlp.results import CURVES, TrainingResult
from kmnist_mlp.support.files import load_arrays, save_arrays, whole_file, write_csv

PACKAGE = Path(__file__).parents[1]
FOLDER = Path(__file__).with_name("reference_results")
# A result is decided by these files and by all that they import from
# this package.
NUMERICAL_SOURCES = ("training.py", "callbacks/checkpoint.py")
# all else of a result is a plain value
OTHERS = ("config", "model", "curves", "interrupted", "altered_by")
SCALARS = [field.name for field in fields(TrainingResult) if field.name not in OTHERS]


def key_of(values: Any) -> str:
    """Return a hash of plain values, such as a configuration's: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


# ---- whole results ---------------------------------------------------


class ResultCache:
    """Finished runs on disk, each one file under a key of everything that decides it.

    The key is a hash of configuration (with seed), data, NumPy, BLAS
    and the numerical code. The folder is KMNIST_MLP_RESULTS, else
    ``results`` in the cache folder. A file appears whole or not at
    all. A damaged file is recomputed, with a warning. If the folder
    cannot be written, results are not kept, with a warning. A run
    with an activation that is not in activations.py is neither looked
    up nor kept, as the key would not change with it.

    Parameters
    ----------
    data : Dataset
        Whose results are looked up and kept.
    """

    def __init__(self, data: Dataset) -> None:
        self.decided_by = [data.fingerprint, *environment()]
        given = os.environ.get("KMNIST_MLP_RESULTS") or cache_folder() / "results"
        self.folder = full_path("KMNIST_MLP_RESULTS", given)

    def key(self, config: Config) -> str:
        """Return the hash of all that decides the result of a configuration."""
        return key_of([config.to_dict(), *self.decided_by])

    def path(self, config: Config) -> Path:
        """Return the file of one configuration."""
        return self.folder / f"{self.key(config)[:40]}.npz"

    def get(self, config: Config) -> TrainingResult | None:
        """Return a kept result, or None."""
        if not in_sources(config.activation):
            return None
        path = self.path(config)
        try:
            header, arrays = load_arrays(path)
            if header.pop("key") != self.key(config):
                raise ValueError(f"{path} holds the result of another run")
            model = MLP.from_arrays(config.activation, arrays)
            result = TrainingResult(config, model, {n: arrays[n] for n in CURVES}, **header)
            if not possible(result):
                raise ValueError(f"{path} holds what no run of {config!r} gives")
            return result
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            warnings.warn(f"{path} is damaged, its run is repeated: {error!r}", stacklevel=3)
            return None

    def put(self, result: TrainingResult) -> bool:
        """Keep the result of a run that ended by itself; return whether it is kept.

        A run that a callback interrupted or altered is not the result of
        its configuration.
        """
        kept = in_sources(result.config.activation)
        if not kept or result.interrupted or result.altered_by:
            return False
        header = {name: getattr(result, name) for name in SCALARS}
        header["key"] = self.key(result.config)
        arrays = {**result.model.to_arrays(), **result.curves}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_arrays(self.path(result.config), header, arrays)
            return True
        except OSError as error:
            text = f"results are not kept, KMNIST_MLP_RESULTS cannot be written: {error}"
            warnings.warn(text, stacklevel=3)
            return False


def possible(result: TrainingResult) -> bool:
    """Whether a result can be that of a whole run of its configuration."""
    config, model, epochs = result.config, result.model, (result.best_epoch, result.kept_epoch)
    last = result.stopped_epoch
    curves = np.array([result.curves[name] for name in CURVES])
    measured = curves if config.validation_fraction else curves[:2]
    kept = [result.returned[name] for name in CURVES]
    at_kept = curves[:, result.kept_epoch - 1] if result.kept_epoch else kept
    return (
        model.layer_specs == config.layer_specs
        and model.dtype == np.float32
        and model.standardisation is not None
        and bool(np.isfinite(model.parameters).all())
        and 0 <= min(epochs) <= max(epochs) <= last <= config.epochs
        and curves.shape == (len(CURVES), last - result.diverged)
        and bool((measured >= 0).all() and (measured[1::2] <= 1).all())
        and np.array_equal(kept, at_kept, equal_nan=True)
        and 0 <= result.test_accuracy <= 1
        and min(result.test_loss, result.seconds) >= 0
        and not (result.interrupted or result.altered_by)
    )


# ---- numbers ---------------------------------------------------------


def note_digest(path: Path) -> None:
    """Note the SHA-256 of a kept file in SHA256SUMS beside it.

    The list has the form of ``sha256sum``. A number that was changed by
    another way than the command that measures it does not agree with it.
    """
    noted = path.with_name("SHA256SUMS")
    lines = noted.read_text("utf-8").splitlines() if noted.exists() else []
    digests = dict(line.split("  ")[::-1] for line in lines)
    digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    with whole_file(noted) as file:
        for name in sorted(digests):
            file.write(f"{digests[name]}  {name}\n".encode())


def write_kept(table: pd.DataFrame, path: Path) -> None:
    """Write a table that is kept with the project, and note its digest."""
    write_csv(table, path)
    note_digest(path)


def quantities_of(run: Any) -> dict[str, Any]:
    """Return the numbers of a run that :attr:`kmnist_mlp.experiments.Results.frame` shows.

    Parameters
    ----------
    run : TrainingResult
    """
    late = run.curves["training_loss"][-10:]
    epochs = np.arange(len(late))
    line = np.polyval(np.polyfit(epochs, late, 1), epochs) if len(late) > 2 else late
    fluctuation = (late - line).std() / (late.mean() or 1) if len(late) else np.nan
    returned, weights = run.returned, run.model.weights[0]
    return {
        "test_accuracy": run.test_accuracy,
        "test_loss": run.test_loss,
        **returned,
        "generalisation_gap": returned["training_accuracy"] - returned["validation_accuracy"],
        "late_fluctuation": 1.0 if run.diverged else fluctuation,
        "small_weight_share": (abs(weights) < 1e-3).mean(),
        **{name: getattr(run, name) for name in ("best_epoch", "stopped_epoch", "diverged")},
    }


@dataclass(frozen=True)
class Table:
    """Numbers of runs that are kept with the project: a CSV file with a row per run.

    A run whose row is deleted is trained again by the next
    ``make measure``.

    Attributes
    ----------
    path : Path
    key : list of str
        Columns that tell the runs apart.
    """

    path: Path
    key: list[str]

    def load(self) -> pd.DataFrame:
        """Return all rows; accuracies are fractions."""
        if self.path.exists():
            return pd.read_csv(self.path)
        return pd.DataFrame(columns=self.key)

    def missing(self, planned: Mapping[tuple, Config]) -> dict[tuple, Config]:
        """Return the planned runs, by their keys, that have no row."""
        known = set(self.load()[self.key].itertuples(index=False, name=None))
        return {key: config for key, config in planned.items() if key not in known}

    def write(self, rows: pd.DataFrame) -> None:
        """Add or replace rows, of the file's columns; keep it sorted."""
        kept = self.load()
        if self.path.exists():
            rows = rows[list(kept)]
        rows = pd.concat([kept, rows] if len(kept) else [rows])
        rows = rows.drop_duplicates(self.key, keep="last")
        write_kept(rows.sort_values(self.key), self.path)

    def add(self, key: tuple, run: Any) -> str:
        """Add the row of a run, and return a line about it for the console."""
        row = dict(zip(self.key, key, strict=True)) | quantities_of(run)
        self.write(pd.DataFrame([row]))
        return f"{', '.join(map(str, key))}: test accuracy {run.test_accuracy:.2%}"


# ---- what decides a result -------------------------------------------


def in_sources(name: str) -> bool:
    """Whether an activation is defined in activations.py, which :func:`source_hash` covers."""
    functions = ACTIVATIONS[name].value, ACTIVATIONS[name].derivative
    return all(getattr(f, "__module__", "") == Activation.__module__ for f in functions)


def environment() -> tuple[str, ...]:
    """Return what decides a result besides configuration and data: sources, NumPy, BLAS."""
    # The sources as they were loaded: as they are now only where a
    # notebook reloads a change.
    if "IPython.extensions.autoreload" in sys.modules:
        _environment.cache_clear()
    return _environment()


@lru_cache
def _environment() -> tuple[str, ...]:
    return (source_hash(), np.__version__, *sorted(blas_libraries()))


def source_hash(package: Path = PACKAGE) -> str:
    """Return a hash of the numerical code, without comments, layout and docstrings.

    Parameters
    ----------
    package : Path
        Folder of the package; the files are :data:`NUMERICAL_SOURCES`
        and what they import, also inside functions.
    """
    codes: dict[str, str] = {}
    waiting = [package / name for name in NUMERICAL_SOURCES]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(package).as_posix()
        if name in codes or not path.is_file():
            continue
        tree = syntax_tree(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                if ast.get_docstring(node):
                    del node.body[0]
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("kmnist_mlp"):
                for alias in node.names:
                    module = package
                    for part in [*node.module.split(".")[1:], alias.name]:
                        module = module / part
                        waiting += [module.with_suffix(".py"), module / "__init__.py"]
        codes[name] = ast.dump(tree)
    return key_of(codes)


def syntax_tree(source: str) -> ast.Module:
    """Return a syntax tree; again if other threads disturb it (CPython's issue 106905)."""
    while True:
        with suppress(SystemError):
            return ast.parse(source)
