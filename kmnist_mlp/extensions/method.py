"""What a training method beyond the paper is: an object with some of the hooks of training."""

from typing import Any, ClassVar

from kmnist_mlp.config import Stream, generator
from kmnist_mlp.support.memory import Resumable


class Method(Resumable):
    """A training method, made for a run; it does what its hooks do, and has those that it needs.

    A callback of :func:`kmnist_mlp.train` may have hooks, too. All
    change their arrays in place.

    ``pixels(x)``
        Change images (batch, pixels) of numbers from 0 to 255, before
        they are standardised.
    ``mini_batch(x, t)``
        Change standardised images (batch, pixels) and their targets
        (batch, classes).
    ``weighted_inputs(layer, z)``,
    ``weighted_inputs_backward(layer, delta)``
        Change ``a @ W`` of a hidden layer (batch, units); and a gradient
        with respect to the result into that with respect to z.
    ``outputs(layer, a)``, ``outputs_backward(layer, delta)``
        Return what takes the place of the outputs of a hidden layer,
        which stay as they are; and change the gradient as above.
    ``batch(epochs_done)``
        Update what the method trains, after each step of the optimiser.
    ``exchange(model)``
        Exchange what is trained and what is measured in its place, and
        return a copy of the network; a second call takes it back.
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
    fewest : int
        Images that a mini-batch must have.
    value
        Of the option.
    changing : dict of str to ndarray
        What changes during a run.
    """

    option: ClassVar[str]
    stream: ClassVar[Stream | None] = None
    fewest: ClassVar[int] = 1

    def __init__(self, run: Any) -> None:
        self.value = getattr(run.config, self.option)
        self.rng = generator(run.config.seed, self.stream) if self.stream else None
        self.changing = {}
