"""The training loop: mini-batches, learning curves, early stopping with the best weights."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.data import Dataset, one_hot, split_and_standardise, standardise
from kmnist_mlp.extensions import METHODS
from kmnist_mlp.extensions.method import Method
from kmnist_mlp.network import MLP, backpropagate, cross_entropies, hooks, logits, unflagged
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.results import CURVES, Callback, Progress, TrainingResult
from kmnist_mlp.support.checks import boolean, class_indices, instance, layers_for
from kmnist_mlp.support.memory import Buffers, Resumable, aligned
from kmnist_mlp.support.threads import one_blas_thread


def train(
    config: Config, data: Dataset, dtype: Any = np.float32, *,
    callbacks: Iterable[Callback | Callable[[Progress], object]] = (),
) -> TrainingResult:  # fmt: skip
    """Train a network on the training split, choose the epoch on validation, measure on test.

    Training uses one BLAS thread whatever the environment: a seed gives
    the same bits.

    Parameters
    ----------
    config : Config
    data : Dataset
        Its pixels and classes must be the first and the last of
        ``config.layer_specs``.
    dtype : type
        ``numpy.float32`` or ``numpy.float64``.
    callbacks : iterable of Callback or callable
        Called after each epoch with a :class:`Progress`; if one returns
        True, training ends there and the best model so far is kept, which
        is the initial one until the first epoch ends. What they raise is
        passed on. Live learning curves and checkpoints are in
        :mod:`kmnist_mlp.callbacks`.

    Returns
    -------
    TrainingResult
        The network with its learning curves and its test result.

    Raises
    ------
    ValueError
        If the layers do not fit the data, an argument is of the wrong
        kind, or a callback returns anything else than True, False or
        None.

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
    ValueError: layer_specs must be (784, ..., 10); got (64, 10)
    """
    callbacks = instance("callbacks", callbacks, Iterable)
    watching = [each if isinstance(each, Callback) else Callback(each) for each in callbacks]
    began, result, stop = time.perf_counter(), None, False
    run = Training(config, data, dtype)
    run.altered_by = tuple(filter(None, (callback.alters for callback in watching)))
    with one_blas_thread(), unflagged(), ExitStack() as stack:
        for callback in watching:
            for end in hooks([callback], "end"):
                stack.callback(lambda end: end(result), end)
            for start in hooks([callback], "start"):
                start(run)
        began -= run.seconds
        while not (run.ended or stop):
            stop = run.train_epoch(watching)
            if not stop:
                run.measure_epoch()
            run.seconds = time.perf_counter() - began
            if not (stop or run.diverged):
                plain, best = run.plain(), run.best_model
                progress = Progress(run.epoch, run.best_epoch, run.curves(), plain, best)
                stop = told_to_stop(epoch(progress) for epoch in hooks(watching, "epoch"))
        result = run.result(stop)
    return result


def told_to_stop(answers: Iterable[object]) -> bool:
    """Ask all callbacks, and return whether one returned True; ValueError for what is no answer."""
    found = [boolean("what a callback returns", False if a is None else a) for a in answers]
    return any(found)


class Training(Resumable):
    """One run: its network and all that changes with it, an epoch at a time.

    Parameters
    ----------
    config : Config
    data : Dataset
    dtype : type

    Attributes
    ----------
    split : Split
    model, best_model : MLP
        The network in training, and a plain copy with the weights of
        ``best_epoch``.
    measured : list of tuple
        The values of :data:`CURVES` after each epoch that did not diverge.
    epoch, best_epoch : int
        The last epoch, and that of the lowest validation loss
        (without validation images the last one that did not diverge);
        0 before the first.
    best_loss : float
    diverged : bool
        Whether a loss of the last epoch was infinite or NaN.
    seconds : float
    """

    numbers = ("epoch", "best_epoch", "best_loss", "seconds", "measured")

    def __init__(self, config: Config, data: Dataset, dtype: Any = np.float32) -> None:
        self.config, self.data = config, data
        self.split = split = split_and_standardise(data, config, dtype)
        layers, pixels = config.layer_specs, split.train.shape[1]
        layers_for(layers, pixels, len(data.class_names))
        self.model = MLP(layers, config.activation, config.seed, dtype, config.initial_variance)
        self.model.standardisation = split.mean, split.std
        self.best_model = self.model.copy()
        self.optimizer = SGD(self.model, config)
        self.changing = {"velocity": self.optimizer.velocity, "parameters": self.model.parameters}
        self.changing["best_parameters"] = self.best_model.parameters
        size = min(config.batch_size, len(split.train))
        self.buffers = Buffers(self.model, size)
        self.targets = one_hot(split.train_labels, layers[-1]).astype(dtype)
        self.methods: list[Method] = []
        self.methods += (kind(self) for kind in METHODS if getattr(config, kind.option))
        fewest = max([1, *(method.fewest for method in self.methods)])
        if size < fewest:
            raise ValueError(f"mini-batches must have {fewest} images or more; there are {size}")
        # a last mini-batch of fewer images joins the one before
        self.starts = range(0, len(split.train) + 1 - fewest, size)
        self.batch = aligned((size + fewest - 1, pixels), dtype)
        self.rng = generator(config.seed, Stream.BATCHES)
        # To measure the whole training split after each epoch would cost
        # half an epoch: the curve is that of a fixed tenth of it.
        order = generator(config.seed, Stream.CURVES).permutation(len(split.train))
        part = np.sort(order[: (len(order) + 9) // 10])
        self.curve_rows, self.curve_y = split.rows[part], split.train_labels[part]
        self.measured: list[tuple[float, ...]] = []
        self.epoch, self.best_epoch, self.best_loss = 0, 0, np.inf
        self.seconds, self.diverged = 0.0, False
        self.altered_by: tuple[str, ...] = ()

    def train_epoch(self, callbacks: Sequence[Callback] = ()) -> bool:
        """Pass over the reshuffled training split; the last, smaller mini-batch counts, too.

        Return whether a callback ended the run after a mini-batch.
        """
        methods: list[Any] = [*self.methods, *callbacks]
        order = self.rng.permutation(len(self.split.train))
        for start, rows in zip(self.starts, np.split(order, self.starts[1:]), strict=True):
            x, t, n = self.images(rows, methods), self.targets[rows], len(rows)
            for change in hooks(methods, "mini_batch"):
                change(x, t)
            buffers = self.buffers if n == len(self.buffers.ones) else Buffers(self.model, n)
            backpropagate(self.model, x, t, buffers, methods)
            epochs_done = self.epoch + (start + n / 2) / len(order)
            self.optimizer.step(buffers.gradient, epochs_done)
            if told_to_stop(after(epochs_done) for after in hooks(methods, "batch")):
                return True
        return False

    def images(self, rows: np.ndarray, methods: Sequence[object]) -> np.ndarray:
        """Return images of the training split, changed by hooks and standardised, (n, pixels).

        They are in the memory of :attr:`batch`.
        """
        split, x = self.split, self.batch[: len(rows)]
        distort = hooks(methods, "pixels")
        if not distort:  # mode="clip" spares NumPy a copy; no row is ever out of range
            return split.train.take(rows, axis=0, out=x, mode="clip")
        x[...] = self.data.train_images[split.rows[rows]].reshape(x.shape)
        for change in distort:
            change(x)
        return standardise(x, split.mean, split.std)

    def plain(self) -> MLP:
        """Return the network as it is without what it has only in training."""
        plain = self.model
        for name in ("exchange", "folded", "exchange"):
            for change in hooks(self.methods, name):
                plain = change(plain)
        return plain

    def measure_epoch(self) -> None:
        """Measure the learning curves, and keep the network if its validation loss is the lowest.

        Without validation images, the last network counts as the best.
        """
        self.epoch += 1
        model = self.plain()
        row, validated = self.measure(model), len(self.split.validation) > 0
        if not np.isfinite(row if validated else row[:2]).all():
            self.diverged = True
            return
        self.measured.append(row)
        if not validated or row[2] < self.best_loss:
            self.best_loss, self.best_epoch = row[2], self.epoch
            self.best_model.parameters[...] = model.parameters

    def measure(self, model: MLP) -> tuple[float, ...]:
        """Return the values of :data:`CURVES`; NaN for validation without images."""
        split, validation = self.split, (np.nan, np.nan)
        if len(split.validation):
            validation = evaluate(model, split.validation, split.validation_labels)
        curve_x = self.data.train_images[self.curve_rows]
        return (*evaluate(model, curve_x, self.curve_y), *validation)

    @property
    def sound(self) -> bool:
        """Whether epochs, curves and parameters, as restored from a file, can be those of a run."""
        curves = np.array(self.measured, float).reshape(self.epoch, len(CURVES))
        return (
            0 <= self.best_epoch <= self.epoch
            and not (self.best_loss < 0 or self.seconds < 0)
            and not (curves < 0).any()
            and not (curves[:, 1::2] > 1).any()
            and all(bool(np.isfinite(array).all()) for array in self.changing.values())
        )

    @property
    def ended(self) -> bool:
        """Whether no epoch is to come: diverged, all done, or early stopping's patience is over."""
        c, waited = self.config, self.epoch - self.best_epoch
        patience_over = c.early_stop and waited >= c.early_stop_epoch
        return self.diverged or patience_over or self.epoch >= c.epochs

    def curves(self) -> dict[str, np.ndarray]:
        """Return what was measured as a column for each of :data:`CURVES`."""
        return dict(zip(CURVES, np.array(self.measured).reshape(-1, 4).T, strict=True))

    def result(self, interrupted: bool = False) -> TrainingResult:
        """Choose the network to return, the best or the last, and measure it on the test images."""
        keeps_best = self.config.early_stop or self.diverged or interrupted
        model = self.best_model if keeps_best else self.plain()
        kept = self.best_epoch if keeps_best else self.epoch  # 0 if the first epoch diverged
        at_kept = self.measured[kept - 1] if self.measured else self.measure(model)
        tested = evaluate(model, self.data.test_images, self.data.test_labels)
        return TrainingResult(
            self.config, model, self.curves(), dict(zip(CURVES, at_kept, strict=True)), kept,
            self.best_epoch, self.epoch, self.diverged, *tested, self.seconds, interrupted,
            self.altered_by,
        )  # fmt: skip


def evaluate(model: MLP, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the reported loss and the accuracy of a model.

    The reported loss is the paper's: mean cross-entropy per example
    divided by the number of classes, without penalty. The accuracy is
    the fraction of rows whose most probable class is the right one.

    Parameters
    ----------
    model : MLP
    x : ndarray, shape (n, inputs)
        As in all methods of :class:`MLP`: standardised images, or pixels.
    y : ndarray of int, shape (n,)
        Class indices.

    Returns
    -------
    loss, accuracy : float
        A loss that is not finite is that of a network that has diverged.

    Raises
    ------
    ValueError
        If ``x`` or ``y`` does not fit the model.

    Examples
    --------
    Equal probabilities: the loss is log(10) / 10, the accuracy the share of class 0.

    >>> model = MLP((784, 10))
    >>> model.weights[0][...] = 0
    >>> loss, accuracy = evaluate(model, np.ones((4, 784)), [0, 3, 5, 9])
    >>> round(loss, 4), accuracy
    (0.2303, 0.25)
    """
    classes = instance("model", model, MLP).layer_specs[-1]
    x = model.checked_inputs(x)
    y = class_indices("y", y, classes, len(x))
    loss, right = 0.0, 0
    with unflagged():
        for part, z in logits(model, x):
            right += int(np.count_nonzero(z.argmax(axis=1) == y[part]))
            loss += cross_entropies(z, y[part]).sum(dtype=np.float64)
    return float(loss) / len(x) / classes, right / len(x)
