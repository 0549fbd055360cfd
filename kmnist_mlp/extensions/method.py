"""What a training method beyond the paper is: an object with some of the hooks of training."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from kmnist_mlp.config import Stream, generator


class Method:
    """A training method, made for a run; it does what its hooks do, and has those that it needs.

    A callback of :func:`kmnist_mlp.train` may have hooks, too. All change their arrays in place.

    ``pixels(x)``
        Change images (batch, pixels) of numbers from 0 to 255, before they are standardised.
    ``mini_batch(x, t)``
        Change standardised images (batch, pixels) and their targets (batch, classes).
    ``weighted_inputs(layer, z)``, ``weighted_inputs_backward(layer, delta)``
        Change ``a @ W`` of a hidden layer (batch, units); and a gradient with respect to the result
        into that with respect to z.
    ``outputs(layer, a)``, ``outputs_backward(layer, delta)``
        Return what takes the place of the outputs of a hidden layer, which stay as they are; and
        change the gradient as above.
    ``step(epochs_done)``
        Update what the method trains, after each step of the optimiser.
    ``exchange()``
        Exchange what is trained and what is measured in its place; a second call takes it back.
    ``folded(model)``
        Return a plain network that needs the method no more.

    Parameters
    ----------
    run : kmnist_mlp.training.Training

    Attributes
    ----------
    option : str
        Of Config, which switches the method on.
    stream : Stream or None
        Of the random numbers that it draws from ``rng``.
    value
        Of the option.
    changing : dict of str to ndarray
        What changes during a run, for :meth:`state`.
    """

    option: ClassVar[str]
    stream: ClassVar[Stream | None] = None

    def __init__(self, run: Any) -> None:
        self.value = getattr(run.config, self.option)
        self.rng = generator(run.config.seed, self.stream) if self.stream else None
        self.changing: dict[str, np.ndarray] = {}

    def state(self) -> dict[str, Any]:
        """Return copies of all that changes during a run."""
        drawn = {"rng": self.rng.bit_generator.state} if self.rng else {}
        return drawn | {name: array.copy() for name, array in self.changing.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` returned."""
        if self.rng:
            self.rng.bit_generator.state = state["rng"]
        for name, array in self.changing.items():
            array[...] = state[name]
