"""Training methods beyond the paper, off by default: augmentation, normalisation, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.extensions.batch_normalisation import BatchNormalisation
from kmnist_mlp.extensions.dropout import Dropout
from kmnist_mlp.network import MLP


class Methods:
    """The methods that a configuration asks for, as training uses them.

    Attributes
    ----------
    in_use : tuple
        What distorts the images (:class:`Distortion`, or a plain copy), and what normalises and
        what drops hidden units, or None.
    """

    def __init__(self, config: Config, model: MLP, batch: int, shape: tuple[int, int]) -> None:
        self.normalise = (
            BatchNormalisation(config, model, batch) if config.batch_normalisation else None
        )
        drop = Dropout(config, model, batch) if config.dropout else None
        rng = generator(config.seed, Stream.DISTORTION)
        distort = Distortion(shape, config.distortion, rng) if config.distortion else None
        self.in_use = (distort or np.copyto, self.normalise, drop)
        owners = {"normalise": self.normalise, "drop": drop, "distort": distort}
        self.owners = {name: owner for name, owner in owners.items() if owner is not None}

    def step(self, epochs_done: float) -> None:
        """Update the parameters that the methods have of their own."""
        if self.normalise:
            self.normalise.step(epochs_done)

    def plain(self, model: MLP) -> MLP:
        """Return the network as it is without what it has only in training."""
        return self.normalise.folded(model) if self.normalise else model

    def state(self) -> dict[str, Any]:
        """Return what changes in the methods during a run."""
        return {name: owner.state() for name, owner in self.owners.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        for name, owner in self.owners.items():
            owner.restore(state[name])
