"""Finished runs, kept on disk under a key of everything that decides them."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.network import MLP, pack_parameters, unpack_parameters
from kmnist_mlp.support.files import cache_folder, full_path, load_arrays, save_arrays
from kmnist_mlp.training import CURVES, TrainingResult

# What decides a result: a change in one of these files makes every cached result unused.
NUMERICAL_ROOMS = (
    "activations",
    "extensions/augmentation",
    "callbacks/checkpoint",
    "config",
    "data",
    "network",
    "optimizer",
    "schedules",
    "training",
    "extensions/regularised_mlp",
)
SCALARS = (
    "returned",
    "best_epoch",
    "stopped_epoch",
    "diverged",
    "test_loss",
    "test_accuracy",
    "seconds",
)


class ResultCache:
    """Finished runs on disk, each one file under a key of everything that decides it.

    The key is a hash of configuration (with seed), data, NumPy, BLAS and the source of the
    numerical rooms. The folder is KMNIST_MLP_RESULTS, else ``results`` in the cache folder.
    A file appears whole or not at all; a damaged one is recomputed, with a warning; where the
    folder cannot be written, results are not kept, with a warning.
    """

    def __init__(self, data: Dataset) -> None:
        self.fingerprint = data.fingerprint
        given = os.environ.get("KMNIST_MLP_RESULTS")
        named = full_path("KMNIST_MLP_RESULTS", given) if given else None
        self.folder = named or cache_folder() / "results"

    def key(self, config: Config) -> str:
        """Return everything that decides the result of one configuration."""
        return json.dumps([config.to_dict(), self.fingerprint, *_environment()], sort_keys=True)

    def path(self, config: Config) -> Path:
        """Return the file of one configuration."""
        digest = hashlib.sha256(self.key(config).encode()).hexdigest()
        return self.folder / f"{digest[:40]}.npz"

    def get(self, config: Config) -> TrainingResult | None:
        """Return a kept result, or None."""
        path = self.path(config)
        try:
            header, arrays = load_arrays(path)
            if header["key"] != self.key(config):
                raise ValueError(f"{path} holds the result of another run")
            model = MLP.from_parameters(config.activation, *unpack_parameters(arrays))
            curves = {name: arrays[name] for name in CURVES}
            return TrainingResult(config, model, curves, **{name: header[name] for name in SCALARS})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"a cached result is damaged and is computed anew: {error}", stacklevel=3)
            return None

    def put(self, result: TrainingResult) -> bool:
        """Keep the result of a run that ended by itself; return whether it is kept.

        A run that a callback interrupted is not the result of its configuration.
        """
        if result.interrupted:
            return False
        arrays = pack_parameters(result.model)
        header = {"key": self.key(result.config)}
        header |= {name: getattr(result, name) for name in SCALARS}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_arrays(self.path(result.config), header, {**arrays, **result.curves})
        except OSError as error:
            warnings.warn(
                f"results are not kept, as {self.folder} cannot be written: {error}", stacklevel=3
            )
            return False
        return True


@lru_cache(maxsize=1)
def _environment() -> tuple[str, ...]:
    """Return what decides a result besides configuration and data: sources, NumPy, BLAS."""
    here = Path(__file__).parents[1]
    sources = "".join(_code((here / f"{room}.py").read_text("utf-8")) for room in NUMERICAL_ROOMS)
    blas = {
        f"{pool.get('internal_api')} {pool.get('version')} {pool.get('architecture')}"
        for pool in blas_pools()
    }
    return (hashlib.sha256(sources.encode()).hexdigest(), np.__version__, *sorted(blas))


def blas_pools() -> list[dict[str, Any]]:
    """Return what threadpoolctl tells of the BLAS that NumPy multiplies matrices with."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    # NumPy's own, if it brought one (SciPy brings another); else the one that all of conda shares
    return [pool for pool in pools if "numpy" in pool.get("filepath", "")] or pools


def _code(source: str) -> str:
    """Return what a source does, without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            del node.body[0]
    return ast.dump(tree)
