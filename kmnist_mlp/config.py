"""Every hyper-parameter of a run, once: its default, its meaning and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import IntEnum
from functools import partial, wraps
from inspect import cleandoc
from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.support import checks

PAPERS = 12  # the first options are the paper's
LAYERS = partial(checks.layer_sizes)
YES_NO = partial(checks.boolean)
COUNT = partial(checks.whole_number, at_least=1)
POSITIVE = partial(checks.real_number, above=0)
NOT_NEGATIVE = partial(checks.real_number, at_least=0)
STRENGTHS = partial(checks.one_or_five_numbers, at_least=0)
FRACTION = partial(checks.real_number, at_least=0, below=1)
SEED = partial(checks.whole_number, at_least=0)
ACTIVATION = partial(checks.one_of, allowed=ACTIVATIONS)
SCHEDULE = partial(checks.one_of, allowed=("constant", "cosine"))
STANDARDISATION = partial(checks.one_of, allowed=("pixel", "global", "image", "scale", "none"))


def option(default: Any, check: partial, meaning: str) -> Any:
    """Return a field of :class:`Config`; ``check(name, value)`` returns the canonical value."""
    return field(default=default, metadata={"check": check, "meaning": meaning})


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of one training run; immutable, so that it can be a cache key.

    The first twelve have the paper's own names. The others go beyond the
    paper, and are off by default.

    Parameters
    ----------
    {options}

    Raises
    ------
    ValueError
        If a value has the wrong type or lies outside its bounds, or if
        there is no hyper-parameter of a name.

    Examples
    --------
    >>> Config(layer_specs=(784, 256, 10), activation="relu").activation
    'ReLU'
    >>> Config(activaton="ReLU")
    Traceback (most recent call last):
        ...
    ValueError: unknown key 'activaton': did you mean 'activation'?
    """

    layer_specs: tuple[int, ...] = option(
        (784, 128, 10), LAYERS, "Units per layer: inputs, hidden layers (or none), classes."
    )
    activation: str = option("tanh", ACTIVATION, "Activation of the hidden layers.")
    learning_rate: float = option(5e-4, POSITIVE, "Step on the gradient *summed* over a batch.")
    batch_size: int = option(128, COUNT, "Images per mini-batch; the last may be smaller.")
    epochs: int = option(100, COUNT, "Largest number of epochs.")
    early_stop: bool = option(True, YES_NO, "Stop by validation loss; keep the best weights.")
    early_stop_epoch: int = option(5, COUNT, "Patience: epochs in a row without a lower loss.")
    L1_penalty: float = option(0.0, NOT_NEGATIVE, "Factor of ``||W||_1`` in the loss.")
    L2_penalty: float = option(0.0, NOT_NEGATIVE, "Factor of ``||W||^2`` in the loss.")
    momentum: bool = option(True, YES_NO, "Follow a running mean of the gradients.")
    momentum_gamma: float = option(0.9, FRACTION, "Decay of that running mean.")
    seed: int = option(0, SEED, "Seed of the split, the weights and the mini-batches.")
    distortion: float | tuple[float, ...] = option(
        0.0,
        STRENGTHS,
        "Strength of distortions, or of rotation, stretch, shear, shift, elastic field.",
    )
    elastic_cells: int = option(4, COUNT, "Cells of the elastic field along each side.")
    batch_normalisation: bool = option(False, YES_NO, "Normalise inputs of the hidden units.")
    dropout: float = option(0.0, FRACTION, "Probability that a hidden unit is left out.")
    label_smoothing: float = option(0.0, FRACTION, "Share of a label spread over all classes.")
    mixup: float = option(0.0, NOT_NEGATIVE, "Mixes images in pairs, shares ~ Beta(mixup, mixup).")
    weight_averaging: float = option(0.0, FRACTION, "Decay of a running mean of the weights.")
    schedule: str = option("constant", SCHEDULE, "How the learning rate changes.")
    warm_up: float = option(0.0, NOT_NEGATIVE, "Epochs in which the learning rate rises from 0.")
    standardisation: str = option(
        "pixel", STANDARDISATION, "Of each pixel, all pixels or each image; scale: /255; none: raw."
    )
    initial_variance: float = option(2.0, POSITIVE, "Variance of initial weights x fan-in.")
    validation_fraction: float = option(0.2, FRACTION, "Share of training images held out.")

    def __post_init__(self) -> None:
        """Bring every option to its canonical type, or say what is wrong with it."""
        for f in fields(self):
            object.__setattr__(self, f.name, f.metadata["check"](f.name, getattr(self, f.name)))
        if self.early_stop and not self.validation_fraction:
            raise ValueError("early_stop=True needs validation images: a validation_fraction > 0")
        # One normalised value is 0, and two are -1 and 1, whatever the
        # images: nothing is learnt.
        if self.batch_normalisation and self.batch_size < 3:
            raise ValueError(f"batch_size must be >= 3 to normalise over; got {self.batch_size}")

    def __repr__(self) -> str:
        """Read like the call that makes it; options beyond the paper only where they are used."""
        values = (f"{name}={getattr(self, name)!r}" for name in self.to_dict())
        return f"Config({', '.join(values)})"

    @classmethod
    def options(cls) -> list[dict[str, Any]]:
        """Return name, default, what is allowed, and meaning of every option.

        Examples
        --------
        >>> Config.options()[3]["name"], Config.options()[3]["allowed"]
        ('batch_size', 'whole number >= 1')
        """
        return [
            {"name": f.name, "default": f.default, "meaning": f.metadata["meaning"]}
            | {"allowed": checks.described(f.metadata["check"])}
            for f in fields(cls)
        ]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Make a configuration from a dictionary such as the one printed in the paper's section 6.

        Parameters
        ----------
        values : mapping of str to value
            What is missing keeps its default.

        Returns
        -------
        Config

        Raises
        ------
        ValueError
            As of :class:`Config`.

        Examples
        --------
        >>> config = Config.from_dict({"layer_specs": [784, 256, 10], "L2_penalty": 0.2})
        >>> config.layer_specs, config.L2_penalty, config.batch_size
        ((784, 256, 10), 0.2, 128)
        """
        return cls(**{str(name): value for name, value in values.items()})

    def replace(self, **changes: Any) -> Config:
        """Return a copy with some hyper-parameters changed.

        Parameters
        ----------
        **changes
            New values by the names of the hyper-parameters.

        Returns
        -------
        Config

        Raises
        ------
        ValueError
            As :meth:`from_dict`.

        Examples
        --------
        >>> Config().replace(momentum_gamma=1)
        Traceback (most recent call last):
            ...
        ValueError: momentum_gamma must be a finite number >= 0 and < 1; got 1
        """
        return self.from_dict({**asdict(self), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the hyper-parameters as plain JSON values (lists for tuples).

        Of those that go beyond the paper, only what differs
        from its default.

        Returns
        -------
        dict

        Examples
        --------
        >>> values = Config(layer_specs=(784, 10)).to_dict()
        >>> values["layer_specs"], Config.from_dict(values) == Config(layer_specs=(784, 10))
        ([784, 10], True)
        """
        values = asdict(self)
        unused = [f.name for f in fields(self)[PAPERS:] if values[f.name] == f.default]
        used = {name: value for name, value in values.items() if name not in unused}
        return {name: [*v] if isinstance(v, tuple) else v for name, v in used.items()}


@wraps(Config.__init__)
def named(self: Config, *values: Any, **options: Any) -> None:
    """Raise ValueError for an unknown name, with the nearest known one, else initialise."""
    known = [f.name for f in fields(Config)]
    for key in [key for key in options if key not in known]:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {known}"
        raise ValueError(f"unknown key {checks.short(key)}: {hint}")
    named.__wrapped__(self, *values, **options)


Config.__init__ = named  # type: ignore[method-assign]
# help(Config) shows the options as they stand in the fields. Python 3.13
# and later dedent the docstring before this; here, it is in all of them.
LINES = (
    "{name} : {allowed}, default {default!r}\n    {meaning}".format(**row)
    for row in Config.options()
)
Config.__doc__ = cleandoc(Config.__doc__ or "").format(options="\n".join(LINES))


class Stream(IntEnum):
    """The independent streams of random numbers of a run; experiments have numbers of their own.

    Initial weights are no stream: they are those of ``MLP(seed=seed)``,
    which also stands alone.
    """

    SPLIT, BATCHES, CURVES, DISTORTION, DROPOUT, MIXUP = 1, 3, 4, 5, 6, 9


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return the generator of one stream of a seed."""
    return np.random.default_rng([seed, stream])
