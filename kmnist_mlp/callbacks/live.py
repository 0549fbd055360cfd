"""Watch a network train: the time that is left, and learning curves that grow.

In JupyterLab this is one picture, redrawn in place; in a terminal, one line; in a notebook that
nbconvert or nbval runs, only the last picture; in a log, nothing.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.data import is_stand_in
from kmnist_mlp.results import Callback, Progress, TrainingResult
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, PALE, RED
from kmnist_mlp.support.statistics import in_percent
from kmnist_mlp.training import Training

SHORTEST = 0.25  # seconds between two pictures: fast enough to look continuous
SHARE = 0.1  # of the training time at most is spent on pictures
DOUBLE_CLICK = 1.0  # seconds within which a second interrupt is taken for part of the first
LONG = 600  # seconds from which on a run is to be confirmed
STYLES = {"training": {"color": BLUE}, "validation": {"color": ORANGE, "ls": "--"}}


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    return "ipykernel" in sys.modules


def someone_looks() -> bool:
    """Whether progress would be seen: in JupyterLab and in a terminal, not in a page or a log.

    JupyterLab's server names the notebook; a kernel that nbconvert or nbval starts has no name.
    """
    return "JPY_SESSION_NAME" in os.environ if in_notebook() else sys.stderr.isatty()


class Watch(Callback):
    """Callback that tells how far a run is, from its first mini-batch on, and can end it.

    Parameters
    ----------
    show : callable
        Takes a line of text, the share that is done (0 to 1) and the learning curves so far. It is
        called less often the longer it takes.
    stop : Event
        Ends the run after the current mini-batch if it is set.
    confirm : callable, optional
        Takes a sentence with the longest time that the run may take, if that is more than
        :data:`LONG`, as measured on the second mini-batch; training goes on when it returns.
    """

    def __init__(
        self,
        show: Callable[[str, float, dict[str, np.ndarray]], object],
        stop: threading.Event,
        confirm: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        self.show, self.stop, self.confirm = show, stop, confirm

    def start(self, run: Training) -> None:
        """Show that the run begins."""
        self.run, self.curves, self.due = run, run.curves(), 0.0
        self.began, self.first = time.perf_counter(), None
        self.show(f"epoch {run.epoch + 1} of {run.config.epochs} begins", 0.0, self.curves)

    def batch(self, epochs_done: float) -> bool:
        """Show how much of the epoch is done; return whether the run is to end."""
        now = time.perf_counter()
        if self.first is None:  # slower than the others: the time left is estimated without it
            self.first = now, epochs_done
        elif self.confirm:
            seconds, share = now - self.first[0], epochs_done - self.first[1]
            if (longest := seconds / share * self.run.config.epochs) > LONG:
                time_needed = f"{clock(longest)}: {seconds:.2g} s per mini-batch"
                self.confirm(f"This run takes up to {time_needed}.")
                waited = time.perf_counter() - now
                self.began, self.first = self.began + waited, (now + waited, epochs_done)
            self.confirm = None
        self._tell(epochs_done)
        return self.stop.is_set()

    def epoch(self, progress: Progress) -> bool:
        """Show the curves after an epoch; return whether the run is to end."""
        self.curves = progress.curves
        self._tell(progress.epoch)
        return self.stop.is_set()

    def _tell(self, epochs_done: float) -> None:
        """Show how far the run is, unless the last picture is too recent for its cost."""
        config, now = self.run.config, time.perf_counter()
        if now < self.due:
            return
        number = min(self.run.epoch + 1, config.epochs)
        text = f"epoch {number} of {config.epochs}, {100 * (epochs_done - number + 1):.0f}\xa0%"
        text += f" · {clock(now - self.began)} gone"
        if (gone := epochs_done - self.first[1]) > 0:
            left = (now - self.first[0]) / gone * (config.epochs - epochs_done)
            text += f", {'at most ' * config.early_stop}{clock(left)} to go"
        self.show(text, epochs_done / config.epochs, self.curves)
        ended = time.perf_counter()
        self.due = ended + max(SHORTEST, (ended - now) / SHARE)


class Live(Watch):
    """Callback of :func:`kmnist_mlp.train` that shows the run, and lets the stop button end it.

    The first press of the stop button (Ctrl-C in a terminal) ends training after the current
    mini-batch and keeps the best model so far. Another one, a second later or more, raises
    KeyboardInterrupt at once. In a thread other than the main one, the stop button is left as it
    is.
    """

    def __init__(self) -> None:
        super().__init__(self._show, threading.Event())
        self.handler_before: Any = None  # of the stop button, while this one's is installed

    def start(self, run: Training) -> None:
        """Show that the run begins, and install the handler of the stop button."""
        self.handle: Any = None  # of the picture, once there is one
        self.stop.clear()
        super().start(run)
        if threading.current_thread() is threading.main_thread():
            self.handler_before = signal.signal(signal.SIGINT, self._stop_pressed)

    def end(self, result: TrainingResult | None) -> None:
        """Show the last picture, with the result if there is one; restore the stop button."""
        try:
            text = "" if result is None else ended(result)
            if not in_notebook():
                self._write(text, "\n")
            elif result is not None:
                alt = f"Learning curves: {text}."
                data = {"image/svg+xml": self._picture(text, result.curves, result.best_epoch)}
                self._display(
                    data | {"text/plain": alt}, {"image/svg+xml": {"alt": alt, "width": 800}}
                )
        finally:
            if self.handler_before is not None:
                signal.signal(signal.SIGINT, self.handler_before)
                self.handler_before = None

    def _stop_pressed(self, number: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        if not self.stop.is_set():
            self.stop.set()
            self.pressed_at = now
        elif now - self.pressed_at >= DOUBLE_CLICK:
            raise KeyboardInterrupt

    def _show(self, text: str, done: float, curves: dict[str, np.ndarray]) -> None:
        if not in_notebook():
            part = list(self._parts)[-1]
            values = curves[f"{part}_accuracy"]
            accuracy = f" · {part} accuracy {in_percent(values[-1])}" if len(values) else ""
            self._write(text + accuracy)
        elif someone_looks():  # as HTML it is replaced without a blank moment in between
            self._display({"text/html": self._picture(text, curves), "text/plain": "Training ..."})

    def _write(self, text: str, end: str = "") -> None:
        """Write a line over the last one, in a terminal."""
        if someone_looks():
            print(f"\r{text:<100}", end=end, file=sys.stderr, flush=True)

    @property
    def _parts(self) -> dict[str, dict[str, Any]]:
        """The parts of the data that are measured, each with its style."""
        return STYLES if self.run.config.validation_fraction else {"training": STYLES["training"]}

    def _picture(self, text: str, curves: dict[str, np.ndarray], best_epoch: int = 0) -> str:
        config = self.run.config
        lines = {
            part: (curves[f"{part}_loss"], curves[f"{part}_accuracy"], style)
            for part, style in self._parts.items()
        }
        titles = f"Loss (cross-entropy per example / {config.layer_specs[-1]})", "Accuracy, %"
        done = len(curves["training_loss"]) / config.epochs
        marked = best_epoch if config.validation_fraction else 0
        return svg(curves_figure(text, done, lines, titles, self.run.data.name, marked), text)

    def _display(self, data: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        """Display something in place of the last picture."""
        from IPython.display import display

        if self.handle is None:
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)


def curves_figure(
    text: str,
    done: float,
    lines: Mapping[str, tuple[np.ndarray, np.ndarray, dict[str, Any]]],
    titles: tuple[str, str],
    data_name: str,
    marked: int = 0,
) -> Figure:
    """Draw losses and accuracies by epoch under a progress bar, 8 inches wide.

    Parameters
    ----------
    text : str
        Stands above the bar.
    done : float
        How much of the bar is full, 0 to 1.
    lines : dict of str to (losses, accuracies, style)
        By the name in the legend: values at epochs 1, 2, ..., and the style of
        :meth:`~matplotlib.axes.Axes.plot`.
    titles : tuple of str
        Of both panels.
    data_name : str
        A stand-in is marked as such.
    marked : int
        The epoch of the lowest validation loss; 0 marks none.
    """
    figure = Figure(figsize=(8, 3.6), layout="none")  # half as slow as a constrained layout
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.14, top=0.73, wspace=0.16)
    for column, (axis, title, factor) in enumerate(zip(axes, titles, (1, 100), strict=True)):
        for name, line in lines.items():
            epochs = np.arange(1, len(line[column]) + 1)
            axis.plot(epochs, factor * line[column], label=name, **line[2])
            axis.plot(epochs[-1:], factor * line[column][-1:], "o", ms=4, clip_on=False, **line[2])
        if marked:
            label = f"lowest validation loss: epoch {marked}"
            axis.axvline(marked, color=GREY, ls="--", lw=1, label=label)
        axis.set_title(title, loc="left")
        axis.set(xlabel="epoch", xlim=(0, max(5, *(len(line[0]) for line in lines.values()), 0)))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylim(bottom=0)
    above = {"loc": "upper left", "bbox_to_anchor": (0.05, 0.9), "fontsize": 9, "frameon": False}
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=6, **above)
    for share, colour in ((1.0, PALE), (done, GREEN)):
        place = {"xy": (0.06, 0.9), "width": 0.925 * share, "height": 0.018}
        figure.add_artist(Rectangle(**place, color=colour, lw=0, transform=figure.transFigure))
    mark = {"color": RED, "weight": "bold"} if is_stand_in(data_name) else {}
    text = f"STAND-IN DATA, not KMNIST · {text}" if mark else text
    figure.suptitle(text, x=0.06, y=0.985, ha="left", fontsize=9.5, **mark)
    return figure


def svg(figure: Figure, title: str) -> str:
    """Return a figure as an SVG element that is never wider than the page around it."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Title": title, "Date": None})
    element = content.getvalue().partition("<svg")[2]
    return f'<svg style="max-width: 100%; height: auto"{element}'


def ended(result: TrainingResult) -> str:
    """Return how a run ended, in a line: "24 epochs in 9 s · weights of epoch 19 · test ..."."""
    epochs = f"{result.stopped_epoch} epoch{'s' * (result.stopped_epoch != 1)}"
    if result.diverged:
        epochs = f"diverged in epoch {result.stopped_epoch}"
    elif result.interrupted:
        epochs = f"stopped by hand after {epochs}"
    return (
        f"{epochs}, {clock(result.seconds)} · weights of epoch {result.kept_epoch} · test accuracy "
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
