"""Distillation: a network learns the probabilities of several others in place of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kmnist_mlp.network import MLP
from kmnist_mlp.results import Callback
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.training import Training


class Teachers(Callback):
    """Gives each image of a mini-batch, as it was augmented, the teachers' mean probabilities.

    A callback of :func:`~kmnist_mlp.training.train`; the labels are only measured with.
    Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531, section 2, at temperature 1 and
    without the labels.

    Parameters
    ----------
    models : sequence of MLP
        Trained on images standardised as the student's.
    """

    def __init__(self, models: Sequence[MLP]) -> None:
        super().__init__()
        self.models = models

    def start(self, run: Training) -> None:
        """Take the place of what mixes images; the run must use a method of extensions/."""
        distort, mix, normalise, drop = run.methods.in_use
        if mix is not None:
            raise ValueError(f"mixup must be 0 with teachers; got {run.config.mixup}")
        run.methods.in_use = distort, self.label, normalise, drop

    def label(self, x: np.ndarray, y: np.ndarray, buffers: Buffers) -> np.ndarray:
        """Write a target for each row of ``x``, and return its number."""
        buffers.targets = sum(model.predict_proba(x) for model in self.models) / len(self.models)
        return np.arange(len(y))
