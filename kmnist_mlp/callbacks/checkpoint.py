"""A file from which a training run goes on after an interruption, with the same bits."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kmnist_mlp.results import Callback, Progress
from kmnist_mlp.support.checks import short
from kmnist_mlp.support.files import load_arrays, save_arrays
from kmnist_mlp.training import Training

FORMAT = "kmnist_mlp checkpoint 4"


class Checkpoint(Callback):
    """Writes the whole state of a run after each epoch; a run that finds the file goes on from it.

    The file is written before the first epoch, too. It is replaced in one
    step, so that there is always a whole one. With a constant learning
    rate, a run of more epochs goes on from the file, too.

    Parameters
    ----------
    path : str or os.PathLike

    Raises
    ------
    ValueError
        When training starts: if the file is damaged, or is that of
        another configuration, data set or type of number.
    FileNotFoundError
        When training starts: if the folder does not exist.
    OSError
        When training starts: if the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from kmnist_mlp import Config, load_kmnist, train
    >>> config, data = Config(layer_specs=(784, 10), epochs=3), load_kmnist()
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "run.npz"
    ...     stopped = train(config, data, callbacks=[Checkpoint(file), lambda p: p.epoch == 2])
    ...     resumed = train(config, data, callbacks=[Checkpoint(file)])
    >>> stopped.stopped_epoch, resumed.stopped_epoch
    (2, 3)
    >>> bool((resumed.model.parameters == train(config, data).model.parameters).all())
    True
    """

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        self.path = Path(path)

    def start(self, run: Training) -> None:
        """Take up the state in the file, if there is one."""
        self.run = run
        anonymous = [name for name in run.altered_by if " " not in name]
        if anonymous:
            raise ValueError(f"{anonymous[0]} must have an identity to be used with a checkpoint")
        self.identity = {
            "format": FORMAT,
            "data": run.data.fingerprint,
            "dtype": str(run.model.dtype),
            "altered_by": list(run.altered_by),
            **asdict(run.config),
        }
        # as it is read from a file: lists for tuples
        self.identity = json.loads(json.dumps(self.identity))
        if self.path.exists():
            self.take_up(*load_arrays(self.path))
        self.write()  # before the first epoch, as training would be lost if it could not be

    def take_up(self, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Restore the state of a file; ValueError if it is not one of this run."""
        differ = [name for name, here in self.identity.items() if header.get(name) != here]
        schedule = self.run.config.schedule
        if differ == ["epochs"] and schedule == "constant":
            differ = []
        for name in differ:
            why = f" (which the {schedule} schedule depends on)" * (name == "epochs")
            raise ValueError(
                f"the checkpoint {self.path} is of another run: its {name}{why} is "
                f"{short(header.get(name))}, here {short(self.identity[name])}; "
                "delete it, or name another file"
            )

        def array_or_dict(part: dict) -> dict | np.ndarray:
            return arrays[part["array"]] if "array" in part else part

        try:
            self.run.restore(json.loads(header["state"], object_hook=array_or_dict))
            if not self.run.sound:
                raise ValueError("epochs, curves or parameters are none of a run")
        except (LookupError, AttributeError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"the checkpoint {self.path} holds no state of this run") from error
        if self.run.epoch > self.run.config.epochs:
            allowed = f"epochs must be {self.run.epoch} or more to go on from {self.path}"
            raise ValueError(f"{allowed}; got {self.run.config.epochs}")

    def epoch(self, progress: Progress) -> None:
        """Write the state after an epoch."""
        self.write()

    def write(self) -> None:
        """Write the present state: its arrays by number, the rest as JSON that refers to them."""
        arrays: dict[str, np.ndarray] = {}

        def reference(array: np.ndarray) -> dict[str, str]:
            name = str(len(arrays))
            arrays[name] = array
            return {"array": name}

        state = json.dumps(self.run.state(), default=reference)
        save_arrays(self.path, {**self.identity, "state": state}, arrays)
