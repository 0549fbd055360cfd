"""Distillation: a network learns the probabilities of several others in place of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kmnist_mlp.network import MLP
from kmnist_mlp.results import Callback


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

    def mini_batch(self, x: np.ndarray, t: np.ndarray) -> None:
        """Write the probabilities of each row of ``x`` into ``t``, (batch, classes)."""
        t[...] = sum(model.predict_proba(x) for model in self.models) / len(self.models)
