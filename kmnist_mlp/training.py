"""The training loop: mini-batches, learning curves, early stopping with the best weights."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from kmnist_mlp.callbacks.checkpoint import Checkpoint, State
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, Split, StandardisedImages, split_and_standardise
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.extensions.regularised_mlp import TrainingBuffers, TrainingMLP, network
from kmnist_mlp.network import MLP, Buffers, cross_entropies
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.schedules import rate_factor
from kmnist_mlp.support.checks import instance

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy")
CHUNK = 256  # images per forward pass when a model is evaluated: its arrays stay in the cache


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What one run of :func:`train` gives.

    Attributes
    ----------
    config : Config
    model : MLP
        With the weights of ``best_epoch`` (early stopping), else of the last epoch.
    curves : dict of str to ndarray, shape (epochs,)
        The columns of :attr:`history`.
    returned : dict of str to float
        The same quantities of the returned model; finite also where the first epoch diverged.
    best_epoch : int
        Epoch of the lowest validation loss, counted from 1; 0 if the first one diverged.
    stopped_epoch : int
        The last epoch that was trained.
    diverged : bool
        Whether a loss became infinite or NaN; that epoch is not in the history, and the model is
        that of ``best_epoch``.
    test_loss : float
        Reported loss on the test images.
    test_accuracy : float
        Fraction of the test images that is right.
    seconds : float
        Duration of the run.
    interrupted : bool
        Whether ``on_epoch`` or, watching live, the stop button ended the run; the model is that of
        ``best_epoch``.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
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
    best_epoch: int
    stopped_epoch: int
    diverged: bool
    test_loss: float
    test_accuracy: float
    seconds: float
    interrupted: bool = False

    @property
    def history(self) -> pd.DataFrame:
        """Columns epoch, training and validation loss and accuracy; one row per epoch."""
        import pandas as pd  # only here: training itself does not wait for it

        epochs = np.arange(1, len(self.curves["training_loss"]) + 1)
        return pd.DataFrame({"epoch": epochs, **self.curves})

    def __repr__(self) -> str:
        """Say in one line how the run went."""
        end = "interrupted" if self.interrupted else "stopped"
        end = "diverged at" if self.diverged else f"{end} after"
        return (
            f"TrainingResult({self.model!r}, {end} epoch {self.stopped_epoch}, best epoch "
            f"{self.best_epoch}, test accuracy {self.test_accuracy:.2%})"
        )


@dataclass(frozen=True, eq=False)
class Progress:
    """What a run has done so far, as ``on_epoch`` sees it.

    Attributes
    ----------
    epoch, best_epoch : int
        The epoch that has just been measured, and that of the lowest validation loss.
    curves : dict of str to ndarray, shape (epoch,)
    model, best_model : MLP
        With the present weights and with those of ``best_epoch``. Training goes on with this
        memory: copy what is to be kept.
    """

    epoch: int
    best_epoch: int
    curves: dict[str, np.ndarray]
    model: MLP
    best_model: MLP


def train(
    config: Config,
    data: Dataset,
    dtype: Any = np.float32,
    *,
    checkpoint: str | os.PathLike | None = None,
    live: bool = False,
    on_epoch: Callable[[Progress], object] | None = None,
) -> TrainingResult:
    """Train a network on the training split, choose the epoch on validation, measure on test.

    One BLAS thread is used whatever the environment says, so that a seed gives the same bits.

    Parameters
    ----------
    config : Config
    data : Dataset
        Its pixels and classes must be the first and the last of ``config.layer_specs``.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``.
    checkpoint : path
        File that holds the state after each epoch. If it is there, training goes on from it, and
        ends with the same bits as without the interruption.
    live : bool
        Whether to show how it goes: growing curves in a notebook, one line in a terminal. The stop
        button (Ctrl-C) then ends training after the epoch that is running and *keeps* the best
        model so far; else it raises KeyboardInterrupt, as everywhere. The bits are the same.
    on_epoch : callable
        Called with a :class:`Progress` after each epoch; if it returns true, training ends there
        and the best model so far is kept. What it raises is passed on.

    Returns
    -------
    TrainingResult
        The network with its learning curves and its test result.

    Raises
    ------
    ValueError
        If the layers do not fit the data, an argument is of the wrong kind, or the checkpoint is
        that of another run.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> data = load_kmnist()
    >>> result = train(Config(layer_specs=(784, 32, 10), epochs=5), data)
    >>> result.test_accuracy > 0.5  # guessing: 0.1
    True
    >>> train(Config(layer_specs=(64, 10)), data)
    Traceback (most recent call last):
        ...
    ValueError: layer_specs must begin with the 784 pixels and end with the 10 classes of ...
    """
    began = time.perf_counter()
    instance("config", config, Config)
    instance("data", data, Dataset)
    instance("live", live, bool)
    if on_epoch is not None and not callable(on_epoch):
        raise ValueError(f"on_epoch must be callable; got {on_epoch!r}")
    if live:
        from kmnist_mlp.callbacks.live import Live  # only here: others need no display

        with Live(config, data.name, on_epoch) as watch:
            result = train(config, data, dtype, checkpoint=checkpoint, on_epoch=watch)
            watch.finish(result)
        return result
    pixels, classes = data.train_images[0].size, len(data.class_names)
    if (config.layer_specs[0], config.layer_specs[-1]) != (pixels, classes):
        raise ValueError(
            f"layer_specs must begin with the {pixels} pixels and end with the {classes} classes "
            f"of {data.name}; got {config.layer_specs}"
        )
    split = split_and_standardise(
        data, config.seed, config.validation_fraction, dtype, config.each_pixel
    )
    model = network(config, dtype)
    trainer = Epochs(model, SGD(model, config), split, config)
    state = State(config, trainer.current().copy())
    kept = checkpoint is not None and Checkpoint(checkpoint, data.fingerprint, trainer, state)
    before, interrupted = state.seconds, False
    with threadpool_limits(1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
        while not (state.ended or interrupted):
            trainer.train_one()
            now = trainer.current()
            state.add(trainer.measure(), now)
            if kept and not state.diverged:
                state.seconds = before + time.perf_counter() - began
                kept.save()
            if on_epoch is not None and not state.diverged:
                curves = _columns(state.measured)
                seen = Progress(state.epoch, state.best_epoch, curves, now, state.best_model)
                interrupted = bool(on_epoch(seen))
        keeps_best = config.early_stop or state.diverged or interrupted
        trainer.model = final = state.best_model if keeps_best else trainer.current()
        row = state.best_epoch - 1 if keeps_best else -1
        at_end = state.measured[row] if state.measured else trainer.measure()
        returned = dict(zip(CURVES, at_end, strict=True))
        test_loss, test_accuracy = evaluate(final, split.test, split.test_labels)
    final.standardisation = split.mean, split.std
    return TrainingResult(
        config=config,
        model=final,
        curves=_columns(state.measured),
        returned=returned,
        best_epoch=state.best_epoch,
        stopped_epoch=state.epoch,
        diverged=state.diverged,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
        seconds=before + time.perf_counter() - began,
        interrupted=interrupted,
    )


def _columns(measured: list[tuple[float, ...]]) -> dict[str, np.ndarray]:
    """Return the rows of what was measured as a column for each of :data:`CURVES`."""
    return dict(zip(CURVES, np.array(measured).reshape(-1, len(CURVES)).T, strict=True))


class Epochs:
    """One epoch of training and its measurement, with every array made beforehand."""

    def __init__(self, model: MLP, optimizer: SGD, split: Split, config: Config) -> None:
        self.model, self.optimizer, self.split, self.config = model, optimizer, split, config
        self.epoch = 0
        self.rng = np.random.default_rng([config.seed, 3])
        size = min(config.batch_size, len(split.train))
        self.buffers = (TrainingBuffers if isinstance(model, TrainingMLP) else Buffers)(model, size)
        self.pixels = np.empty((size, split.train.shape[1]), np.uint8)
        self.batch = np.empty(self.pixels.shape, model.dtype)
        # Measuring the whole training split after each epoch would cost half an epoch: a fixed,
        # seeded part of it, as large as the validation split, gives the curve.
        order = np.random.default_rng([config.seed, 4]).permutation(len(split.train))
        self.measured = np.sort(order[: len(split.validation) or -(-len(order) // 5)])
        train = split.train
        self.distort = np.copyto
        if config.distortion:
            self.distort = Distortion(split.shape, config.distortion, [config.seed, 5])
        self.measured_images = StandardisedImages(
            train.images, train.rows[self.measured], train.mean, train.std
        )

    def current(self) -> MLP:
        """Return the network as it is without what it has only while it trains."""
        return self.model.folded() if isinstance(self.model, TrainingMLP) else self.model

    def train_one(self) -> None:
        """Pass over the reshuffled training split; the last, smaller mini-batch counts, too."""
        train, labels = self.split.train, self.split.train_labels
        order = self.rng.permutation(len(train))
        rows, labels = train.rows[order], labels[order]
        varies = self.config.warm_up or self.config.schedule != "constant"
        for start in range(0, len(rows), len(self.batch)):
            part = rows[start : start + len(self.batch)]
            n = len(part)
            train.write(part, self.pixels[:n], self.batch[:n], self.distort)
            buffers = self.buffers if n == len(self.batch) else self.buffers.first(n)
            if varies:
                middle = self.epoch + (start + n / 2) / len(rows)
                self.optimizer.scale *= rate_factor(self.config, middle)
            scale = self.optimizer.scale
            self.model.backpropagate(self.batch[:n], labels[start : start + n], buffers, scale)
            self.optimizer.step(buffers.gradient)
        self.epoch += 1

    def measure(self) -> tuple[float, ...]:
        """Return the values of :data:`CURVES`; NaN for a validation part that is empty."""
        split, model = self.split, self.current()
        validation = (np.nan, np.nan)
        if len(split.validation):
            validation = evaluate(model, split.validation, split.validation_labels)
        return (
            *evaluate(model, self.measured_images, split.train_labels[self.measured]),
            *validation,
        )


def evaluate(model: MLP, x: np.ndarray | StandardisedImages, y: np.ndarray) -> tuple[float, float]:
    """Return the reported loss and the accuracy of a model.

    The reported loss is the paper's: mean cross-entropy per example divided by the number of
    classes, without penalty. The accuracy is the fraction of rows whose most probable class is
    the right one.

    Parameters
    ----------
    model : MLP
    x : ndarray or StandardisedImages, shape (n, inputs)
        Standardised images; read in chunks, so that no copy of the whole is made.
    y : ndarray of int, shape (n,)
        Class indices.

    Returns
    -------
    loss, accuracy : float

    Raises
    ------
    ValueError
        If ``x`` or ``y`` does not fit the model.

    Examples
    --------
    A model that knows nothing: log(10) / 10, and the share of class 0.

    >>> model = MLP((784, 10))
    >>> model.weights[0][...] = 0
    >>> loss, accuracy = evaluate(model, np.ones((4, 784)), [0, 3, 5, 9])
    >>> round(loss, 4), accuracy
    (0.2303, 0.25)
    """
    instance("model", model, MLP)
    if not isinstance(x, StandardisedImages):
        x = model.checked_inputs(x)
    elif x.shape[1] != model.layer_specs[0]:
        raise ValueError(f"x must have the shape (n, {model.layer_specs[0]}); got {x.shape}")
    y = model.checked_labels(y, len(x))
    buffers = Buffers(model, min(CHUNK, len(x)), backward=False)
    chunk_of = _chunks_of(x, model)
    loss, right = 0.0, 0
    for start in range(0, len(x), CHUNK):
        labels = y[start : start + CHUNK]
        n = len(labels)
        logits = model.forward(chunk_of(start, n), buffers if n == CHUNK else buffers.first(n))
        right += np.count_nonzero(logits.argmax(axis=1) == labels)
        loss += cross_entropies(logits, labels).sum(dtype=np.float64)
    return float(loss) / len(x) / model.layer_specs[-1], int(right) / len(x)


def _chunks_of(x: np.ndarray | StandardisedImages, model: MLP) -> Callable[[int, int], np.ndarray]:
    """Return a function (start, n) that gives n rows of ``x``, in the same memory every time."""
    if not isinstance(x, StandardisedImages):
        return lambda start, n: x[start : start + n]
    pixels = np.empty((min(CHUNK, len(x)), x.shape[1]), np.uint8)
    out = np.empty(pixels.shape, model.dtype)

    def write(start: int, n: int) -> np.ndarray:
        x.write(x.rows[start : start + n], pixels[:n], out[:n])
        return out[:n]

    return write
