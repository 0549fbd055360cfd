"""One place for every hyper-parameter of a run, under the paper's own key names, validated."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from kmnist_mlp.support.checks import boolean, layer_sizes, one_of, real_number, whole_number

ACTIVATION_NAMES = ("tanh", "sigmoid", "ReLU")
SCHEDULE_NAMES = ("constant", "cosine")
BEYOND_THE_PAPER = (
    "distortion",
    "batch_normalisation",
    "dropout",
    "label_smoothing",
    "schedule",
    "warm_up",
    "each_pixel",
    "validation_fraction",
)


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of one training run; immutable, so that it can be a cache key.

    Parameters
    ----------
    layer_specs : sequence of int
        Units per layer: inputs, hidden layers (any number, also none), classes.
    activation : str
        Of the hidden layers: "tanh", "sigmoid" or "ReLU", in any letter case.
    learning_rate : float
        Step on the gradient of the cross-entropy *summed* over a mini-batch, > 0.
    batch_size : int
        Images per mini-batch, >= 1; the last mini-batch of an epoch may be smaller.
    epochs : int
        Passes over the training split at most, >= 1.
    early_stop : bool
        Stop when the validation loss no longer improves, and return the best epoch's weights.
    early_stop_epoch : int
        Patience: epochs in a row without a new lowest validation loss, >= 1.
    L1_penalty, L2_penalty : float
        Factor of ``||W||_1`` and of ``||W||^2`` in the loss, >= 0; biases are never penalised.
    momentum : bool
        Whether the step follows a running mean of the gradients.
    momentum_gamma : float
        Decay of that running mean, 0 <= gamma < 1.
    seed : int
        Decides the split, the initial weights and the order of the mini-batches, >= 0.

    The rest goes beyond the paper, and is off by default:

    distortion : float
        Strength of the random distortions of the training images (augmentation.py), >= 0.
    batch_normalisation : bool
        Normalise what each hidden unit gets over the mini-batch (training_layers.py).
    dropout : float
        Share of the hidden units that is silent for an image, 0 <= share < 1.
    label_smoothing : float
        Share of the label that is dealt out to all classes alike, 0 <= share < 1.
    schedule : str
        Of the learning rate (schedules.py): "constant", or "cosine", which ends at 0.
    warm_up : float
        Epochs in which the learning rate rises from 0, >= 0.
    each_pixel : bool
        Standardise each pixel by its own mean and standard deviation, as the paper does; else all
        by those of all pixels together.
    validation_fraction : float
        Share of the training images that is held out, 0.2 in the paper, 0 <= share < 1. With 0
        all are trained on; that needs ``early_stop=False``.

    Raises
    ------
    ValueError
        If a value has the wrong type or lies outside its range.

    Examples
    --------
    >>> Config(layer_specs=(784, 256, 10), activation="relu").activation
    'ReLU'
    >>> Config.from_dict({"lerning_rate": 0.1})
    Traceback (most recent call last):
        ...
    ValueError: unknown key 'lerning_rate': did you mean 'learning_rate'?
    """

    layer_specs: tuple[int, ...] = (784, 128, 10)
    activation: str = "tanh"
    learning_rate: float = 5e-4
    batch_size: int = 128
    epochs: int = 100
    early_stop: bool = True
    early_stop_epoch: int = 5
    L1_penalty: float = 0.0
    L2_penalty: float = 0.0
    momentum: bool = True
    momentum_gamma: float = 0.9
    seed: int = 0
    distortion: float = 0.0
    batch_normalisation: bool = False
    dropout: float = 0.0
    label_smoothing: float = 0.0
    schedule: str = "constant"
    warm_up: float = 0.0
    each_pixel: bool = True
    validation_fraction: float = 0.2

    def __post_init__(self) -> None:
        """Bring every field to its canonical type, or say what is wrong with it."""
        checked = {
            "layer_specs": layer_sizes(self.layer_specs),
            "activation": activation_name(self.activation),
            "learning_rate": real_number("learning_rate", self.learning_rate, above=0.0),
            "batch_size": whole_number("batch_size", self.batch_size, 1),
            "epochs": whole_number("epochs", self.epochs, 1),
            "early_stop": boolean("early_stop", self.early_stop),
            "early_stop_epoch": whole_number("early_stop_epoch", self.early_stop_epoch, 1),
            "L1_penalty": real_number("L1_penalty", self.L1_penalty, at_least=0.0),
            "L2_penalty": real_number("L2_penalty", self.L2_penalty, at_least=0.0),
            "momentum": boolean("momentum", self.momentum),
            "momentum_gamma": real_number(
                "momentum_gamma", self.momentum_gamma, at_least=0.0, below=1.0
            ),
            "seed": whole_number("seed", self.seed, 0),
            "distortion": real_number("distortion", self.distortion, at_least=0.0),
            "batch_normalisation": boolean("batch_normalisation", self.batch_normalisation),
            "schedule": one_of("schedule", self.schedule, SCHEDULE_NAMES),
            "each_pixel": boolean("each_pixel", self.each_pixel),
            "warm_up": real_number("warm_up", self.warm_up, at_least=0.0),
        }
        for name in ("dropout", "label_smoothing", "validation_fraction"):
            checked[name] = real_number(name, getattr(self, name), at_least=0.0, below=1.0)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.early_stop and not self.validation_fraction:
            raise ValueError(
                "early_stop must be False where validation_fraction is 0: without validation "
                "images there is no loss to stop by"
            )

    def __repr__(self) -> str:
        """Read like the call that makes it; what goes beyond the paper only where it is used."""
        values = {**self.to_dict(), "layer_specs": self.layer_specs}
        return f"Config({', '.join(f'{name}={value!r}' for name, value in values.items())})"

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
            For a key that is no hyper-parameter (with the nearest one that is), or a bad value.

        Examples
        --------
        >>> config = Config.from_dict({"layer_specs": [784, 256, 10], "L2_penalty": 0.2})
        >>> config.layer_specs, config.L2_penalty, config.batch_size
        ((784, 256, 10), 0.2, 128)
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"a configuration is a dictionary of hyper-parameters; got {values!r}")
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys are {known}"
                raise ValueError(f"unknown key {key!r}: {hint}")
        return cls(**values)

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
        """Return the hyper-parameters as plain JSON values (``layer_specs`` as a list).

        Of those that go beyond the paper, only what differs from its default.

        Returns
        -------
        dict

        Examples
        --------
        >>> values = Config(layer_specs=(784, 10)).to_dict()
        >>> values["layer_specs"], Config.from_dict(values) == Config(layer_specs=(784, 10))
        ([784, 10], True)
        """
        default = {field.name: field.default for field in fields(self)}
        values = {**asdict(self), "layer_specs": list(self.layer_specs)}
        return {
            name: value
            for name, value in values.items()
            if name not in BEYOND_THE_PAPER or value != default[name]
        }


def activation_name(name: Any) -> str:
    """Return the canonical spelling of an activation's name, whatever its letter case.

    Raises
    ------
    ValueError
        If there is no such activation.
    """
    return one_of("activation", name, ACTIVATION_NAMES)
