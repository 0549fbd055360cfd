"""What the laboratory attaches to a run: shows its progress, asks before a long one, ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from kmnist_mlp.callbacks.live import Throttle, at_most, clock
from kmnist_mlp.results import Callback, Progress
from kmnist_mlp.training import Training

LONG = 600  # seconds from which on a run is to be confirmed
Show = Callable[[str, float, dict[str, np.ndarray]], None]


class StoppedAtOnceError(Exception):
    """A run was stopped before its first epoch ended, so that there is nothing to keep."""


class Watch(Callback):
    """Callback that shows a run from its first mini-batch on, and ends it within one.

    Parameters
    ----------
    show : callable
        Takes a line of text, the share that is done (0 to 1) and the learning curves so far.
    stop : Event
        Ends the run if it is set.
    confirm : callable, optional
        Takes a sentence with the longest time that the run may take, if that is more than
        :data:`LONG`, as measured on the second mini-batch; training goes on when it returns.

    Raises
    ------
    StoppedAtOnceError
        While training, if the run is stopped before its first epoch ends.
    """

    def __init__(
        self, show: Show, stop: threading.Event, confirm: Callable[[str], None] | None = None
    ) -> None:
        super().__init__()
        self.show, self.stop, self.confirm = show, stop, confirm
        self.throttle = Throttle()

    def start(self, run: Training) -> None:
        """Show that the run begins."""
        self.run = run
        self.began = self.last = time.perf_counter()
        self.batches, self.first = 0, (self.began, 0.0)
        self.curves = run.curves()
        self.show(f"epoch 1 of {run.config.epochs} begins", 0.0, self.curves)

    def batch(self, epochs_done: float) -> bool:
        """Show how much of the epoch is done; return whether the run is to end."""
        now, self.batches = time.perf_counter(), self.batches + 1
        if self.batches == 1:  # slower than the others: the time left is estimated without it
            self.first = now, epochs_done
        if self.batches == 2 and self.confirm:
            self._confirm(now - self.last)
        self.last = now
        self._show(epochs_done)
        if self.stop.is_set() and not self.run.epoch:
            raise StoppedAtOnceError
        return self.stop.is_set()

    def _confirm(self, seconds: float) -> None:
        """Ask whether to go on with a run of mini-batches of that many seconds, if it is long."""
        per_epoch = -(-len(self.run.split.train) // len(self.run.batch))
        longest = seconds * per_epoch * self.run.config.epochs
        if longest > LONG:
            asked = time.perf_counter()
            sentence = f"This run takes up to {clock(longest)}: {seconds:.2g} s per mini-batch."
            self.confirm(sentence)
            waited, (first, done) = time.perf_counter() - asked, self.first
            self.began, self.first = self.began + waited, (first + waited, done)

    def epoch(self, progress: Progress) -> bool:
        """Show the curves after an epoch; return whether the run is to end."""
        self.curves = progress.curves
        self._show(progress.epoch)
        return self.stop.is_set()

    def _show(self, epochs_done: float) -> None:
        """Show how far the run is, unless the last picture is too recent."""
        epochs, now = self.run.config.epochs, time.perf_counter()
        gone, (first, done) = now - self.began, self.first
        if epochs_done == done:
            first, done = self.began, 0.0
        left = (now - first) / (epochs_done - done) * (epochs - epochs_done)
        number = min(self.run.epoch + 1, epochs)
        share = f"{100 * (epochs_done - number + 1):.0f}\xa0%"
        text = (
            f"epoch {number} of {epochs}, {share} · {clock(gone)} gone, "
            f"{at_most(self.run.config)}{clock(left)} to go"
        )
        self.throttle.draw(lambda: self.show(text, epochs_done / epochs, self.curves))
