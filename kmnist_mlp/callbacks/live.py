"""Watch a network train: a bar with the time that is left, and learning curves that grow.

In JupyterLab this is one picture, redrawn in place; in a terminal, one line; in a notebook that
nbconvert or nbval runs, only the last picture; in a log, nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from kmnist_mlp.callbacks.svg import Line, chart
from kmnist_mlp.config import Config
from kmnist_mlp.results import Callback, Progress, TrainingResult
from kmnist_mlp.support.colours import BLUE, ORANGE
from kmnist_mlp.support.statistics import in_percent
from kmnist_mlp.training import Training

SHORTEST = 0.25  # seconds between two pictures: fast enough to look continuous
SHARE = 0.02  # of the training time at most is spent on pictures
PARTS = (("training", BLUE, ""), ("validation", ORANGE, "7 3"))
DOUBLE_CLICK = 1.0  # seconds within which a second interrupt is taken for part of the first


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    return "ipykernel" in sys.modules


def someone_looks() -> bool:
    """Whether progress would be seen: in JupyterLab and in a terminal, not in a page or a log.

    JupyterLab's server names the notebook; a kernel that nbconvert or nbval starts has no name.
    """
    return "JPY_SESSION_NAME" in os.environ if in_notebook() else sys.stderr.isatty()


class Throttle:
    """Limits how often pictures are drawn, by their cost."""

    def __init__(self) -> None:
        self.next = 0.0

    def draw(self, picture: Callable[[], None]) -> None:
        """Call ``picture``, or skip it; after a slow one, more calls are skipped."""
        began = time.perf_counter()
        if began >= self.next:
            picture()
            ended = time.perf_counter()
            self.next = ended + max(SHORTEST, (ended - began) / SHARE)


class Live(Callback):
    """Callback of :func:`kmnist_mlp.train` that shows the run, and lets the stop button end it.

    The first press of the stop button (Ctrl-C in a terminal) ends training after the current
    mini-batch and keeps the best model so far. Another one, a second later or more, raises
    KeyboardInterrupt at once. In a thread other than the main one, the stop button is left as it
    is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bar: Any = None  # tqdm's, in a terminal
        self.handler_before: Any = None  # of the stop button, while this one's is installed

    def start(self, run: Training) -> None:
        """Install the handler of the stop button; in a terminal, begin the line."""
        self.config, self.data_name = run.config, run.data.name
        self.looks = someone_looks()
        self.bar = None if in_notebook() else _bar(self.config, self.looks)
        self.handle: Any = None  # of the picture, once there is one
        self.began, self.throttle = time.perf_counter(), Throttle()
        self.epochs_before: int | None = None  # more than 0 if the run continues a checkpoint
        self.stop_pressed_at: float | None = None
        if threading.current_thread() is threading.main_thread():
            self.handler_before = signal.signal(signal.SIGINT, self._stop_pressed)

    def batch(self, epochs_done: float) -> bool:
        """Return whether training is to end."""
        return self.stop_pressed_at is not None

    def epoch(self, progress: Progress) -> bool:
        """Show the state after an epoch; return whether training is to end."""
        if self.epochs_before is None:
            self.epochs_before = progress.epoch - 1
        if self.bar is not None:
            part = self._parts[-1][0]
            accuracy = progress.curves[f"{part}_accuracy"][-1]
            self.bar.set_postfix_str(f"{part} accuracy {in_percent(accuracy)}", refresh=False)
            self.bar.initial = self.epochs_before
            self.bar.update(progress.epoch - self.bar.n)
        elif self.looks:
            self.throttle.draw(lambda: self._show(self._picture(progress, self._how_far(progress))))
        return self.stop_pressed_at is not None

    def end(self, result: TrainingResult | None) -> None:
        """Show the last picture, with the result if there is one; restore the stop button."""
        try:
            if self.bar is not None:
                self.bar.close()
            elif result is not None:
                text = ended(result)
                self._show(self._picture(result, text), alt=f"Learning curves: {text}.")
        finally:
            if self.handler_before is not None:
                signal.signal(signal.SIGINT, self.handler_before)
                self.handler_before = None

    def _stop_pressed(self, number: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        if self.stop_pressed_at is None:
            self.stop_pressed_at = now
        elif now - self.stop_pressed_at >= DOUBLE_CLICK:
            raise KeyboardInterrupt

    @property
    def _parts(self) -> tuple[tuple[str, str, str], ...]:
        """The parts of the data that are measured, each with its colour and dashes."""
        return PARTS if self.config.validation_fraction else PARTS[:1]

    def _how_far(self, progress: Progress) -> str:
        seconds = time.perf_counter() - self.began
        return time_left(progress.epoch, self.config, seconds, self.epochs_before or 0)

    def _picture(self, run: Progress | TrainingResult, text: str) -> str:
        classes = self.config.layer_specs[-1]
        panels = {
            title: [
                Line(part, run.curves[f"{part}_{quantity}"] * factor, colour, dashes)
                for part, colour, dashes in self._parts
            ]
            for title, quantity, factor in (
                (f"Loss (cross-entropy per example / {classes})", "loss", 1),
                ("Accuracy, %", "accuracy", 100),
            )
        }
        done = len(run.curves["training_loss"]) / self.config.epochs
        marked = run.best_epoch if self.config.validation_fraction else 0
        return chart(text, done, panels, self.data_name, marked)

    def _show(self, picture: str, alt: str = "") -> None:
        """Display the picture in place of the previous one."""
        from IPython.display import display

        # As HTML a picture is replaced without a blank moment in between; as an image it is also
        # seen where HTML is filtered.
        data = {"image/svg+xml": picture} if alt else {"text/html": picture}
        data["text/plain"] = alt or "Training ..."
        metadata = {"image/svg+xml": {"alt": alt}} if alt else None
        if self.handle is None:
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)


def _bar(config: Config, looks: bool) -> Any:
    """Return tqdm's progress bar over epochs, which writes to the terminal."""
    from tqdm import tqdm

    layout = f"epoch {{n}} of {{total}} |{{bar}}| {at_most(config)}{{remaining}} to go{{postfix}}"
    return tqdm(total=config.epochs, bar_format=layout, disable=not looks, ncols=100)


def time_left(epoch: int, config: Config, seconds: float, epochs_before: int = 0) -> str:
    """Return how far a run is: "epoch 7 of 100 · 3 s gone, at most 40 s to go".

    ``seconds`` is the duration of the epochs after the first ``epochs_before``.
    """
    left = clock(seconds / (epoch - epochs_before) * (config.epochs - epoch))
    gone = f"epoch {epoch} of {config.epochs} · {clock(seconds)} gone"
    return f"{gone}, {at_most(config)}{left} to go"


def at_most(config: Config) -> str:
    """Return "at most " before the time of a run that may stop early."""
    return "at most " if config.early_stop else ""


def ended(result: TrainingResult) -> str:
    """Return how a run ended, in a line: "24 epochs in 9 s · weights of epoch 19 · test ..."."""
    epochs = f"{result.stopped_epoch} epoch{'s' * (result.stopped_epoch != 1)}"
    how = (
        f"diverged in epoch {result.stopped_epoch}"
        if result.diverged
        else f"stopped by hand after {epochs}"
        if result.interrupted
        else epochs
    )
    return (
        f"{how}, {clock(result.seconds)} · weights of epoch {result.kept_epoch} · test accuracy "
        f"{in_percent(result.test_accuracy)}"
    )


def clock(seconds: float) -> str:
    """Return a duration such as "9 s", "3 min 05 s" or "2 h 30 min".

    Examples
    --------
    >>> clock(9.4), clock(185), clock(9000)
    ('9 s', '3 min 05 s', '2 h 30 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
