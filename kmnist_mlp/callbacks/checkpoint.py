"""How far a run has come, and the file from which it goes on after an interruption."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import checked_path, load_arrays, save_arrays

if TYPE_CHECKING:
    from kmnist_mlp.training import Epochs

VALIDATION_LOSS = 2  # of the four numbers that are measured after an epoch
FORMAT = "kmnist_mlp checkpoint 1"
NUMBERS = ("epoch", "best_epoch", "best_loss", "seconds")


@dataclass(eq=False)
class State:
    """What a run has measured, and its best network so far.

    Attributes
    ----------
    config : Config
    best_model : MLP
        With the weights of ``best_epoch``.
    measured : list of tuple
        Training and validation loss and accuracy after each epoch that did not diverge.
    epoch, best_epoch : int
        The last epoch, and that of the lowest validation loss (without validation images the
        last one that did not diverge); 0 before the first.
    best_loss : float
    diverged : bool
        Whether a loss of the last epoch was infinite or NaN.
    seconds : float
        Until the last checkpoint.
    """

    config: Config
    best_model: MLP
    measured: list[tuple[float, ...]] = field(default_factory=list)
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = np.inf
    diverged: bool = False
    seconds: float = 0.0

    def add(self, row: tuple[float, ...], model: MLP) -> None:
        """Take the measurement of one more epoch, and the network as it is after it."""
        self.epoch += 1
        validates = self.config.validation_fraction > 0  # else the loss on no image is NaN
        if not np.isfinite(row if validates else row[:VALIDATION_LOSS]).all():
            self.diverged = True
            return
        self.measured.append(row)
        if not validates or row[VALIDATION_LOSS] < self.best_loss:
            self.best_loss, self.best_epoch = row[VALIDATION_LOSS], self.epoch
            self.best_model.parameters[...] = model.parameters

    @property
    def ended(self) -> bool:
        """Whether there is no epoch to come."""
        patience_ends = (
            self.config.early_stop and self.epoch - self.best_epoch >= self.config.early_stop_epoch
        )
        return self.diverged or patience_ends or self.epoch >= self.config.epochs


class Checkpoint:
    """The file that holds the whole state of a run after an epoch.

    That is: parameters, velocity, running statistics, the best network, what was measured, and
    every generator of random numbers. The file is replaced in one step, so that there is always a
    whole one. If it is there already, the state it holds is put into ``trainer`` and ``state``.

    Parameters
    ----------
    path : str or os.PathLike
    fingerprint : str
        Of the data.
    trainer : Epochs
    state : State

    Raises
    ------
    ValueError
        If the file is damaged, or is that of another configuration, data set or type of number.
    """

    def __init__(
        self, path: str | os.PathLike, fingerprint: str, trainer: Epochs, state: State
    ) -> None:
        self.path = checked_path("checkpoint", path)
        self.trainer, self.state = trainer, state
        model, optimizer = trainer.model, trainer.optimizer
        self.run = {
            "format": FORMAT,
            "config": state.config.to_dict(),
            "data": fingerprint,
            "dtype": str(model.dtype),
        }
        self.arrays = {
            "parameters": model.parameters,
            "velocity": optimizer.u,
            "best": state.best_model.parameters,
        }
        if hasattr(model, "running"):
            self.arrays["running"] = model.running
        holders = {"order": trainer, "distortion": trainer.distort, "masks": model}
        self.generators = {
            name: holder.rng for name, holder in holders.items() if hasattr(holder, "rng")
        }
        if self.path.exists():
            self._restore()

    def save(self) -> None:
        """Write the state as it is now."""
        header = {
            **self.run,
            **{name: getattr(self.state, name) for name in NUMBERS},
            "decay": self.trainer.optimizer.decay,
            "generators": {n: rng.bit_generator.state for n, rng in self.generators.items()},
        }
        measured = np.array(self.state.measured, np.float64)
        save_arrays(self.path, header, {**self.arrays, "measured": measured})

    def _restore(self) -> None:
        header, arrays = load_arrays(self.path)
        for name, own in self.run.items():
            if header.get(name) != own:
                raise ValueError(
                    f"the checkpoint {self.path} is of another run: its {name} is "
                    f"{header.get(name)!r}, here {own!r}; delete it, or name another file"
                )
        for name, array in self.arrays.items():
            array[...] = arrays[name]
        for name in NUMBERS:
            setattr(self.state, name, header[name])
        self.state.measured = [tuple(row) for row in arrays["measured"].tolist()]
        self.trainer.epoch = self.state.epoch
        optimizer = self.trainer.optimizer
        optimizer.decay = header["decay"]
        optimizer.scale = optimizer.rate / optimizer.decay
        for name, rng in self.generators.items():
            rng.bit_generator.state = header["generators"][name]
