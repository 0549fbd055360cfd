"""What a training run gives, what can be seen of it meanwhile, and what can be attached to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP
from kmnist_mlp.support.checks import short

if TYPE_CHECKING:
    import pandas as pd

# Hooks (of extensions/method.py, too) that can change what is trained
ALTERING = (
    "start", "batch", "pixels", "mini_batch", "weighted_inputs", "weighted_inputs_backward",
    "outputs", "outputs_backward", "exchange", "folded",
)  # fmt: skip
CURVES = ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy")


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What one run of :func:`kmnist_mlp.train` gives.

    Attributes
    ----------
    config : Config
    model : MLP
        With the weights of ``best_epoch`` (early stopping, divergence,
        or a callback that ended the run), else of the last epoch.
    curves : dict of str to ndarray, shape (epochs,)
        The columns of :attr:`history`.
    returned : dict of str to float
        The same quantities of the returned model; finite also where the
        first epoch diverged.
    kept_epoch : int
        Epoch of the returned weights; 0 for the initial ones, if the
        first epoch diverged or was not trained to its end.
    best_epoch : int
        Epoch of the lowest validation loss, counted from 1; 0 as above.
    stopped_epoch : int
        The last epoch that was trained to its end; 0 if a callback ended
        the run in the first.
    diverged : bool
        Whether a loss became infinite or NaN; that epoch is not in the
        history, and the model is that of ``best_epoch``.
    test_loss : float
        Reported loss on the test images.
    test_accuracy : float
        Fraction of the test images that is right.
    seconds : float
        Duration of the run.
    interrupted : bool
        Whether a callback ended the run; the model is that of
        ``best_epoch``.
    altered_by : tuple of str
        The callbacks that changed how it was trained: the configuration
        alone does not decide such a result.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist, train
    >>> result = train(Config(layer_specs=(784, 16, 10), epochs=3), load_kmnist())
    >>> result.stopped_epoch, result.best_epoch, result.history.columns[-1]
    (3, 3, 'validation_accuracy')
    >>> bool(result.curves["validation_loss"][2] == result.returned["validation_loss"])
    True
    """

    config: Config
    model: MLP
    curves: dict[str, np.ndarray]
    returned: dict[str, float]
    kept_epoch: int
    best_epoch: int
    stopped_epoch: int
    diverged: bool
    test_loss: float
    test_accuracy: float
    seconds: float
    interrupted: bool = False
    altered_by: tuple[str, ...] = ()

    @property
    def history(self) -> pd.DataFrame:
        """Columns epoch, training and validation loss and accuracy; one row per epoch."""
        import pandas as pd  # only here: training itself does not wait for it

        epochs = np.arange(1, len(self.curves["training_loss"]) + 1)
        return pd.DataFrame({"epoch": epochs, **self.curves})

    @property
    def remedy(self) -> str:
        """What to lower after a divergence, in brackets, else an empty text."""
        penalty = " or L2_penalty" * (self.config.L2_penalty > 0)
        return f" (lower learning_rate{penalty})" * self.diverged

    def __repr__(self) -> str:
        """Show in one line how the run went."""
        end = "interrupted after" if self.interrupted else "stopped after"
        end = "diverged at" if self.diverged else end
        epochs = f"{end} epoch {self.stopped_epoch}, best epoch {self.best_epoch}{self.remedy}"
        return f"TrainingResult({self.model!r}, {epochs}, test accuracy {self.test_accuracy:.2%})"


class Progress(NamedTuple):
    """How far a run is after an epoch.

    Attributes
    ----------
    epoch, best_epoch : int
        The epoch that has just been measured, and that of the lowest
        validation loss.
    curves : dict of str to ndarray, shape (epoch,)
    model, best_model : MLP
        With the present weights, and with those of ``best_epoch``.
        Training changes their arrays in place: copy what you keep.
    """

    epoch: int
    best_epoch: int
    curves: dict[str, np.ndarray]
    model: MLP
    best_model: MLP


class Callback:
    """Something attached to a training run: an object with some of these methods.

    ``start(run)``
        Is called with the :class:`kmnist_mlp.training.Training` before
        the first epoch.
    ``batch(epochs_done)``
        Is called after each mini-batch; ends the run within its epoch by
        returning True.
    ``epoch(progress)``
        Is called after each epoch that did not diverge; ends the run by
        returning True.
    ``end(result)``
        Is called at the end; with None if an error ended the run.

    It may also have the hooks of a training method
    (:mod:`kmnist_mlp.extensions.method`). Such a callback alters the run,
    and so may one of your own that has ``start`` or ``batch``: its
    ``identity``, a text, tells it from others of its class.

    Parameters
    ----------
    function : callable, optional
        What is called as ``epoch``.
    """

    def __init__(self, function: Callable[[Progress], object] | None = None) -> None:
        if isinstance(function, type) or not callable(function or print):
            raise ValueError(
                f"each of callbacks must be a function or Callback; got {short(function)}"
            )
        if function:
            self.epoch = function

    @property
    def alters(self) -> str:
        """Its class and identity if it may change how a network is trained, else an empty text."""
        known = type(self).__module__.startswith("kmnist_mlp.callbacks.")
        if known or not any(hasattr(self, name) for name in ALTERING):
            return ""
        return f"{type(self).__qualname__} {getattr(self, 'identity', '')}".strip()
