"""Training methods beyond the paper, off by default: data augmentation, dropout and others."""

from __future__ import annotations

from typing import Any

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.extensions.averaging import WeightAverage
from kmnist_mlp.extensions.batch_normalisation import BatchNormalisation
from kmnist_mlp.extensions.dropout import Dropout
from kmnist_mlp.extensions.targets import Mixup, smooth
from kmnist_mlp.network import MLP
from kmnist_mlp.support.memory import Buffers


class Methods:
    """The methods that a configuration asks for, as training uses them.

    Attributes
    ----------
    in_use : tuple
        What distorts the images, what mixes them, what normalises and what drops hidden units;
        each may be None.
    """

    def __init__(
        self, config: Config, model: MLP, buffers: Buffers, shape: tuple[int, int]
    ) -> None:
        c, batch = config, len(buffers.outputs[0])
        smooth(buffers.targets, c.label_smoothing)
        rng = generator(c.seed, Stream.DISTORTION)
        distort = Distortion(shape, c.distortion, rng) if c.distortion else None
        mix = Mixup(c, buffers.targets) if c.mixup else None
        hidden = model.layer_specs[1:-1]
        normalises = c.batch_normalisation and hidden
        self.normalise = BatchNormalisation(c, model, batch) if normalises else None
        drop = Dropout(c, model, batch) if c.dropout else None
        averaged = [model.parameters, *(self.normalise.averaged if self.normalise else [])]
        self.average = WeightAverage(c.weight_averaging, averaged) if c.weight_averaging else None
        self.in_use = (distort, mix, self.normalise, drop)
        owners = {"normalise": self.normalise, "drop": drop, "distort": distort, "mix": mix}
        owners |= {"average": self.average}
        self.owners = {name: owner for name, owner in owners.items() if owner is not None}

    def step(self, epochs_done: float) -> None:
        """Update the parameters that the methods have of their own, after each mini-batch."""
        if self.normalise:
            self.normalise.step(epochs_done)
        if self.average:
            self.average.step()

    def plain(self, model: MLP) -> MLP:
        """Return the network as it is without what it has only in training."""
        if self.average:
            self.average.exchange()
        plain = self.normalise.folded(model) if self.normalise else model
        if self.average:
            plain = plain.copy()
            self.average.exchange()
        return plain

    def state(self) -> dict[str, Any]:
        """Return what changes in the methods during a run."""
        return {name: owner.state() for name, owner in self.owners.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        for name, owner in self.owners.items():
            owner.restore(state[name])
