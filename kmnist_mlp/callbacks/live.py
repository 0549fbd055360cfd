"""Watch a network train: a bar with the time that is left, and learning curves that grow.

In JupyterLab that is one picture, drawn anew in its place; in a terminal one line; in a notebook
that nbconvert or nbval runs only the last picture; in a log nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from kmnist_mlp.callbacks.svg import Line, chart
from kmnist_mlp.config import Config

if TYPE_CHECKING:
    from kmnist_mlp.training import Progress, TrainingResult

SHORTEST = 0.25  # seconds between two pictures: more often, and the eye sees no more
SHARE = 0.02  # of the training time at most may go into pictures
PARTS = (("training", "#0072B2", ""), ("validation", "#D55E00", "7 3"))  # colours of style.py
PATIENCE = 1.0  # seconds after which another press of the stop button is another wish


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    return "ipykernel" in sys.modules


def someone_looks() -> bool:
    """Whether progress would be seen: in JupyterLab and in a terminal, not in a page or a log.

    JupyterLab's server names the notebook; a kernel that nbconvert or nbval starts has no name.
    """
    return "JPY_SESSION_NAME" in os.environ if in_notebook() else sys.stderr.isatty()


class Throttle:
    """Lets a picture be drawn when the last one is old enough for its cost."""

    def __init__(self) -> None:
        self.next = 0.0

    def draw(self, picture: Callable[[], None]) -> None:
        """Draw it, or leave it out; a picture that took long makes the next one wait."""
        began = time.perf_counter()
        if began >= self.next:
            picture()
            ended = time.perf_counter()
            self.next = ended + max(SHORTEST, (ended - began) / SHARE)


class Live:
    """Shows one run of :func:`kmnist_mlp.train`, and lets the stop button end it.

    Within ``with``, the first press of the stop button (Ctrl-C in a terminal) asks training to end
    after the epoch that is running; another one, a second later or more, leaves at once with
    KeyboardInterrupt. In a thread other than the main one there is no stop button.

    Parameters
    ----------
    config : Config
    data_name : str
        A stand-in is marked as such.
    on_epoch : callable, optional
        Called first, like that of :func:`kmnist_mlp.train`.
    """

    def __init__(
        self,
        config: Config,
        data_name: str,
        on_epoch: Callable[[Progress], object] | None = None,
    ) -> None:
        self.config, self.data_name, self.on_epoch = config, data_name, on_epoch
        self.bar: Any = None
        self.handle: Any = None  # of the picture, once there is one
        self.looks = someone_looks()
        self.asked: float | None = None  # when the stop button was pressed
        self.began, self.throttle = time.perf_counter(), Throttle()

    def __enter__(self) -> Live:
        """Watch the stop button; start the line in a terminal."""
        self.is_main = threading.current_thread() is threading.main_thread()
        if self.is_main:
            self.before = signal.signal(signal.SIGINT, self._ask)
        if not in_notebook():
            from tqdm import tqdm

            at_most = "at most " if self.config.early_stop else ""
            layout = f"epoch {{n}} of {{total}} |{{bar}}| {at_most}{{remaining}} to go{{postfix}}"
            self.bar = tqdm(
                total=self.config.epochs, bar_format=layout, disable=not self.looks, ncols=100
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the stop button back."""
        if self.bar is not None:
            self.bar.close()
        if self.is_main:
            signal.signal(signal.SIGINT, self.before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        if self.asked is not None and now - self.asked >= PATIENCE:
            raise KeyboardInterrupt
        self.asked = now if self.asked is None else self.asked

    def __call__(self, progress: Progress) -> bool:
        """Show the state after an epoch; return whether training is to end."""
        stop = self.on_epoch is not None and bool(self.on_epoch(progress))
        stop = stop or self.asked is not None
        if self.bar is not None:
            accuracy = progress.curves["validation_accuracy"][-1]
            self.bar.set_postfix_str(f"validation accuracy {accuracy:.2%}", refresh=False)
            self.bar.update(progress.epoch - self.bar.n)  # a checkpoint may have begun later
        elif self.looks:
            self.throttle.draw(lambda: self._show(self._picture(progress, self._how_far(progress))))
        return stop

    def finish(self, result: TrainingResult) -> None:
        """Leave the last picture, with the result."""
        if self.bar is not None:
            return
        text = ended(result)
        self._show(self._picture(result, text), alt=f"Learning curves: {text}.")

    def _how_far(self, progress: Progress) -> str:
        return time_left(progress.epoch, self.config, time.perf_counter() - self.began)

    def _picture(self, run: Progress | TrainingResult, text: str) -> str:
        panels = {
            title: [
                Line(part, run.curves[f"{part}_{quantity}"] * factor, colour, dashes)
                for part, colour, dashes in PARTS
            ]
            for title, quantity, factor in (
                ("Loss (cross-entropy per example / 10)", "loss", 1),
                ("Accuracy, %", "accuracy", 100),
            )
        }
        done = len(run.curves["training_loss"]) / self.config.epochs
        return chart(text, done, panels, self.data_name, run.best_epoch)

    def _show(self, picture: str, alt: str = "") -> None:
        """Put the picture in the place of the one before."""
        from IPython.display import display

        # As part of the page a picture is replaced without a blank moment in between; as an image
        # it is also seen where HTML is filtered.
        data = {"image/svg+xml": picture} if alt else {"text/html": picture}
        data["text/plain"] = alt or "Training ..."
        metadata = {"image/svg+xml": {"alt": alt}} if alt else None
        if self.handle is None:
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)


def time_left(epoch: int, config: Config, seconds: float) -> str:
    """Return how far a run is: "epoch 7 of 100 · 3 s gone, at most 40 s to go"."""
    left = clock(seconds / epoch * (config.epochs - epoch))
    at_most = "at most " if config.early_stop else ""
    return f"epoch {epoch} of {config.epochs} · {clock(seconds)} gone, {at_most}{left} to go"


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
    kept = result.config.early_stop or result.diverged or result.interrupted
    epoch = result.best_epoch if kept else result.stopped_epoch
    return (
        f"{how}, {clock(result.seconds)} · weights of epoch {epoch} · test accuracy "
        f"{result.test_accuracy:.2%}"
    )


def clock(seconds: float) -> str:
    """Return a duration such as "9 s" or "3 min 05 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
