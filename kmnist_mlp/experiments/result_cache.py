"""Finished runs, kept on disk under a key of everything that decides their results."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS, Activation
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.folders import cache_folder, full_path
from kmnist_mlp.experiments.provenance import blas_library, blas_pools
from kmnist_mlp.network import MLP
from kmnist_mlp.results import CURVES, TrainingResult
from kmnist_mlp.support.files import load_arrays, save_arrays

PACKAGE = Path(__file__).parents[1]
# A result is decided by these files and by all that they import from this package.
NUMERICAL_SOURCES = ("training.py", "callbacks/checkpoint.py")
SCALARS = (
    "returned",
    "kept_epoch",
    "best_epoch",
    "stopped_epoch",
    "diverged",
    "test_loss",
    "test_accuracy",
    "seconds",
)


class ResultCache:
    """Finished runs on disk, each one file under a key of everything that decides it.

    The key is a hash of configuration (with seed), data, NumPy, BLAS and the numerical code. The
    folder is KMNIST_MLP_RESULTS, else ``results`` in the cache folder. A file appears whole or not
    at all. A damaged file is recomputed, with a warning. If the folder cannot be written, results
    are not kept, with a warning. A run with an activation that is not in activations.py is neither
    looked up nor kept, as the key would not change with it.

    Parameters
    ----------
    data : Dataset
        Whose results are looked up and kept.
    """

    def __init__(self, data: Dataset) -> None:
        self.decided_by = [data.fingerprint, *_environment()]
        given = os.environ.get("KMNIST_MLP_RESULTS")
        named = full_path("KMNIST_MLP_RESULTS", given) if given else None
        self.folder = named or cache_folder() / "results"

    def key(self, config: Config) -> str:
        """Return everything that decides the result of one configuration."""
        return json.dumps([config.to_dict(), *self.decided_by], sort_keys=True)

    def path(self, config: Config) -> Path:
        """Return the file of one configuration."""
        digest = hashlib.sha256(self.key(config).encode()).hexdigest()
        return self.folder / f"{digest[:40]}.npz"

    def get(self, config: Config) -> TrainingResult | None:
        """Return a kept result, or None."""
        if not in_sources(ACTIVATIONS[config.activation]):
            return None
        path = self.path(config)
        try:
            header, arrays = load_arrays(path)
            if header["key"] != self.key(config):
                raise ValueError(f"{path} holds the result of another run")
            model = MLP.from_arrays(config.activation, arrays)
            curves = {name: arrays[name] for name in CURVES}
            return TrainingResult(config, model, curves, **{name: header[name] for name in SCALARS})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"{path} is damaged, its run is repeated: {error!r}", stacklevel=3)
            return None

    def put(self, result: TrainingResult) -> bool:
        """Keep the result of a run that ended by itself; return whether it is kept.

        A run that a callback interrupted is not the result of its configuration.
        """
        if result.interrupted or not in_sources(ACTIVATIONS[result.config.activation]):
            return False
        header = {"key": self.key(result.config)}
        header |= {name: getattr(result, name) for name in SCALARS}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_arrays(
                self.path(result.config), header, {**result.model.to_arrays(), **result.curves}
            )
        except OSError as error:
            warnings.warn(
                f"results are not kept, as {self.folder} cannot be written: {error}", stacklevel=3
            )
            return False
        return True


def in_sources(activation: Activation) -> bool:
    """Whether an activation is defined in activations.py, which :func:`source_hash` covers."""
    return all(getattr(f, "__module__", "") == Activation.__module__ for f in activation)


def _environment() -> tuple[str, ...]:
    """Return what decides a result besides configuration and data: sources, NumPy, BLAS."""
    # The sources as they were loaded: as they are now only where a notebook reloads what changed.
    reloaded = "IPython.extensions.autoreload" in sys.modules
    stamps = [path.stat().st_mtime_ns for path in sorted(PACKAGE.rglob("*.py"))] if reloaded else []
    return _environment_of(tuple(stamps))


@lru_cache(maxsize=1)
def _environment_of(stamps: tuple[int, ...]) -> tuple[str, ...]:
    libraries = {blas_library(pool) for pool in blas_pools()}
    return (source_hash(), np.__version__, *sorted(libraries))


def source_hash(package: Path = PACKAGE) -> str:
    """Return a hash of the numerical code, without comments, layout and docstrings.

    Parameters
    ----------
    package : Path
        Folder of the package; the files are :data:`NUMERICAL_SOURCES` and what they import.
    """
    trees: dict[Path, ast.Module] = {}
    waiting = [package / name for name in NUMERICAL_SOURCES]
    while waiting:
        path = waiting.pop()
        if path not in trees:
            trees[path] = ast.parse(path.read_text("utf-8"))
            waiting += _imported(trees[path], package)
    digest = hashlib.sha256()
    for path, tree in sorted(trees.items()):
        digest.update(f"{path.relative_to(package)}\n{_code(tree)}\n".encode())
    return digest.hexdigest()


def _imported(tree: ast.Module, package: Path) -> list[Path]:
    """Return the files of the package that a file imports, also inside functions."""
    names = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    inside = [name.split(".")[1:] for name in names if name.startswith("kmnist_mlp.")]
    modules = {package.joinpath(*parts[:n]) for parts in inside for n in range(1, len(parts) + 1)}
    files = [f for m in modules for f in (m.with_suffix(".py"), m / "__init__.py")]
    return [file for file in files if file.is_file()]


def _code(tree: ast.Module) -> str:
    """Return what a source does, without comments, layout and docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree)
