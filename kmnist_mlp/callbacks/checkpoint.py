"""A file from which a training run goes on after an interruption, with the same bits."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from kmnist_mlp.results import Callback, Progress
from kmnist_mlp.support.files import checked_path, load_arrays, save_arrays
from kmnist_mlp.training import Training

FORMAT = "kmnist_mlp checkpoint 3"


class Checkpoint(Callback):
    """Writes the whole state of a run after each epoch; a run that finds the file goes on from it.

    The file is written before the first epoch, too. It is replaced in one step, so that there is
    always a whole one.

    Parameters
    ----------
    path : str or os.PathLike

    Raises
    ------
    ValueError
        If ``path`` is no path; when training starts: if the file is damaged, or is that of another
        configuration, data set or type of number.
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
        self.path = checked_path("path", path)

    def start(self, run: Training) -> None:
        """Take up the state in the file, if there is one."""
        self.run = run
        self.identity = {
            "format": FORMAT,
            "config": run.config.to_dict(),
            "data": run.data.fingerprint,
            "dtype": str(run.model.dtype),
        }
        if self.path.exists():
            header, arrays = load_arrays(self.path)
            for name, own in self.identity.items():
                if header.get(name) != own:
                    raise ValueError(
                        f"the checkpoint {self.path} is of another run: its {name} is "
                        f"{header.get(name)!r}, here {own!r}; delete it, or name another file"
                    )
            run.restore(_joined(header["state"], arrays))
        self.write()  # before the first epoch, as training would be lost if it could not be

    def epoch(self, progress: Progress) -> None:
        """Write the state after an epoch."""
        self.write()

    def write(self) -> None:
        """Write the present state."""
        arrays: dict[str, np.ndarray] = {}
        numbers = _separated(self.run.state(), arrays)
        save_arrays(self.path, {**self.identity, "state": numbers}, arrays)


def _separated(state: dict[str, Any], arrays: dict[str, np.ndarray], prefix: str = "") -> dict:
    """Move the arrays of a nested state into ``arrays``; return it with their names instead.

    Examples
    --------
    >>> arrays = {}
    >>> _separated({"epoch": 3, "optimizer": {"velocity": np.zeros(2)}}, arrays)
    {'epoch': 3, 'optimizer': {'velocity': 'array optimizer/velocity'}}
    """
    numbers: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, dict):
            numbers[name] = _separated(value, arrays, f"{prefix}{name}/")
        elif isinstance(value, np.ndarray):
            arrays[prefix + name] = value
            numbers[name] = f"array {prefix}{name}"
        else:
            numbers[name] = value
    return numbers


def _joined(numbers: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Undo :func:`_separated`."""
    return {
        name: _joined(value, arrays)
        if isinstance(value, dict)
        else arrays[value.removeprefix("array ")]
        if isinstance(value, str) and value.startswith("array ")
        else value
        for name, value in numbers.items()
    }
