"""A multilayer perceptron from scratch in NumPy, and a report on Kuzushiji-MNIST made with it."""

from importlib import import_module
from typing import Any

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.gradient_check import check_gradients
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.training import evaluate, train

__version__ = "1.0.0.dev0"

__all__ = [
    "MLP", "Config", "Dataset", "TrainingResult", "check_gradients", "evaluate", "load_kmnist",
    "run", "train",
]  # fmt: skip


LATER = {"load_kmnist": "kmnist_mlp.datasets.kmnist", "run": "kmnist_mlp.experiments.runs"}


def __getattr__(name: str) -> Any:
    """Import what lies beside the core only when it is asked for: ``run`` brings pandas."""
    if name in LATER:
        return getattr(import_module(LATER[name]), name)
    raise AttributeError(f"module 'kmnist_mlp' has no attribute {name!r}")
