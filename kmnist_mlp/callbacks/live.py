"""Watch a network train: the time that is left, and learning curves that grow.

In JupyterLab this is one picture, redrawn in place; in a terminal, one
line; in a notebook that nbconvert or nbval runs, only the last picture;
in a log, nothing.
"""

import io
import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kmnist_mlp.data import is_stand_in
from kmnist_mlp.results import Callback, Progress, TrainingResult
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, PALE, RED
from kmnist_mlp.support.statistics import in_percent
from kmnist_mlp.training import Training

SHORTEST = 0.25  # seconds between two pictures: fast enough to look continuous
SHARE = 0.1  # of the training time at most is spent on pictures
# Seconds within which a second interrupt is taken for part of the first
DOUBLE_CLICK = 1.0
LONG = 600  # seconds from which on a run is to be confirmed
STYLES = {"training": {"color": BLUE}, "validation": {"color": ORANGE, "ls": "--"}}


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    return "ipykernel" in sys.modules


def someone_looks() -> bool:
    """Whether progress would be seen: in JupyterLab or a terminal, not in a page or log.

    JupyterLab's server names the notebook; a kernel that nbconvert or
    nbval starts has no name.
    """
    return "JPY_SESSION_NAME" in os.environ if in_notebook() else sys.stderr.isatty()


class Live(Callback):
    """Callback that shows a run, and lets the stop button end it.

    The first press of the stop button (Ctrl-C in a terminal) ends
    training after the current mini-batch and keeps the best model so
    far. Another one, a second later or more, raises KeyboardInterrupt
    at once. In a thread other than the main one, the stop button is
    left as it is.

    Parameters
    ----------
    show : callable, optional
        Takes a line of text, the share that is done (0 to 1) and the
        learning curves so far. It is called less often the longer it takes.
    stop : Event, optional
        Ends the run after the current mini-batch if it is set.
    confirm : callable, optional
        Takes a sentence with the longest time that the run may take, if
        that is more than :data:`LONG`, as measured on the second
        mini-batch; training goes on when it returns.
    """

    def __init__(self, show: Any = None, stop: Any = None, confirm: Any = None) -> None:
        self.show = show or self._show
        self.stop = stop or threading.Event()
        self.confirm = confirm

    def start(self, run: Training) -> None:
        """Show that the run begins, and install the handler of the stop button."""
        self.run, self.curves, self.result = run, run.curves(), None
        self.began, self.due, self.first = time.perf_counter(), 0.0, None
        self.place, self.displayed = f"{id(self)} at {self.began}", False
        self.handler_before = self.pressed_at = None  # of the stop button
        self.show(f"epoch {run.epoch + 1} of {run.config.epochs} begins", 0.0, self.curves)
        if threading.current_thread() is threading.main_thread():
            self.handler_before = signal.signal(signal.SIGINT, self._stop_pressed)

    def batch(self, epochs_done: float) -> bool:
        """Show how far the run is, unless the last picture is too recent for its cost."""
        config, now = self.run.config, time.perf_counter()
        # slower than the others: the time left is estimated without it
        if self.first is None:
            self.first = now, epochs_done
        seconds, done = now - self.first[0], epochs_done - self.first[1]
        if done and self.confirm:
            if (longest := seconds / done * config.epochs) > LONG:
                self.confirm(f"This run takes up to {clock(longest)}.")
                self.began = now = time.perf_counter()  # waiting is no training
                self.first = now - seconds, self.first[1]
            self.confirm = None
        if now >= self.due:
            number = min(self.run.epoch + 1, config.epochs)
            share, gone = 100 * (epochs_done - number + 1), clock(now - self.began)
            text = f"epoch {number} of {config.epochs}, {share:.0f}\xa0% · {gone} gone"
            if done:
                left = clock(seconds / done * (config.epochs - epochs_done))
                text += f", {'at most ' * config.early_stop}{left} to go"
            self.show(text, epochs_done / config.epochs, self.curves)
            shown = time.perf_counter()
            self.due = shown + max(SHORTEST, (shown - now) / SHARE)
        return self.stop.is_set() or self.pressed_at is not None

    def epoch(self, progress: Progress) -> bool:
        """Show the curves after an epoch; return whether the run is to end."""
        self.curves = progress.curves
        return self.batch(progress.epoch)

    def end(self, result: TrainingResult | None) -> None:
        """Restore the stop button; show the result if there is one."""
        if self.handler_before is not None:
            signal.signal(signal.SIGINT, self.handler_before)
        if result is not None:
            self.result = result
            self.show(ended(result), result.stopped_epoch / result.config.epochs, result.curves)
        elif not in_notebook() and someone_looks():
            print(file=sys.stderr)  # the error is written below the line

    def _stop_pressed(self, *_: object) -> None:
        now = time.perf_counter()
        if self.pressed_at is None:
            self.pressed_at = now
        elif now - self.pressed_at >= DOUBLE_CLICK:
            raise KeyboardInterrupt

    def _show(self, text: str, done: float, curves: dict[str, np.ndarray]) -> None:
        """Display a picture in place of the last one; in a terminal, write over the line."""
        config, result = self.run.config, self.result
        parts = list(STYLES) if config.validation_fraction else ["training"]
        if in_notebook() and (result or someone_looks()):
            from IPython.display import display

            lines = {p: (curves[f"{p}_loss"], curves[f"{p}_accuracy"], STYLES[p]) for p in parts}
            titles = f"Loss (cross-entropy per example / {config.layer_specs[-1]})", "Accuracy, %"
            marked = result.best_epoch if result and len(parts) > 1 else 0
            figure = curves_figure(text, done, lines, titles, self.run.data.name, marked)
            # as HTML it is replaced without a blank moment, and never wider
            # than its cell; as an image, seen where HTML is not
            kinds = ["image/svg+xml"] * bool(result) + ["text/html"] * someone_looks()
            alt = f"Learning curves: {text}."
            about = dict.fromkeys(kinds, {"alt": alt, "width": 800})
            drawn = dict.fromkeys(kinds, svg(figure, text)) | {"text/plain": alt}
            display(drawn, metadata=about, raw=True, display_id=self.place, update=self.displayed)
            self.displayed = True
        elif someone_looks():
            if len(values := curves[f"{parts[-1]}_accuracy"]) and not result:
                text += f" · {parts[-1]} accuracy {in_percent(values[-1])}"
            print(f"\r{text:<100}", end="\n" * bool(result), file=sys.stderr, flush=True)


def curves_figure(
    text: str, done: float, lines: dict[str, Any], titles: Any, data_name: str, marked: int = 0
) -> Figure:
    """Draw losses and accuracies by epoch under a progress bar, 8 inches wide.

    Parameters
    ----------
    text : str
        Stands above the bar.
    done : float
        How much of the bar is full, 0 to 1.
    lines : dict of str to (losses, accuracies, style)
        By the name in the legend: values at epochs 1, 2, ..., and the
        style of :meth:`~matplotlib.axes.Axes.plot`.
    titles : tuple of str
        Of both panels.
    data_name : str
        A stand-in is marked as such.
    marked : int
        The epoch of the lowest validation loss; 0 marks none.
    """
    # half as slow as a constrained layout
    figure = Figure(figsize=(8, 3.6), layout="none")
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.14, top=0.73, wspace=0.16)
    for column, (axis, title, factor) in enumerate(zip(axes, titles, (1, 100), strict=True)):
        for name, line in lines.items():
            epochs, end = np.arange(1, len(line[column]) + 1), slice(-1, None)
            style = {"marker": "o", "ms": 4, "markevery": end, "clip_on": False} | line[2]
            axis.plot(epochs, factor * line[column], label=name, **style)
        if marked:
            best = f"lowest validation loss: epoch {marked}"
            axis.axvline(marked, color=GREY, ls="--", lw=1, label=best)
        axis.set_title(title, loc="left")
        axis.set(xlabel="epoch", xlim=(0, max(5, axis.dataLim.x1)))
        axis.locator_params(nbins=6)  # each tick costs time
        axis.locator_params("x", integer=True)
    axes[0].set_ylim(bottom=0)
    above = {"loc": "upper left", "bbox_to_anchor": (0.05, 0.9), "fontsize": 9, "frameon": False}
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=6, **above)
    for share, colour in ((1.0, PALE), (done, GREEN)):
        bar = {"lw": 5, "solid_capstyle": "butt", "color": colour}
        figure.add_artist(Line2D((0.06, 0.06 + 0.925 * share), (0.91, 0.91), **bar))
    place = {"x": 0.06, "y": 0.985, "ha": "left", "fontsize": 9.5}
    if is_stand_in(data_name):
        text, place["color"] = f"STAND-IN DATA, not KMNIST · {text}", RED
    figure.suptitle(text, **place)
    return figure


def svg(figure: Figure, title: str) -> str:
    """Return a figure as SVG that is never wider than its page."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Title": title, "Date": None})
    element = content.getvalue().partition("<svg")[2]
    return f'<svg style="max-width: 100%; height: auto"{element}'


def ended(result: TrainingResult) -> str:
    """Return how a run ended, in a line: "24 epochs, 9 s · weights ..."."""
    text = f"{result.stopped_epoch} epoch{'s' * (result.stopped_epoch != 1)}"
    text = f"stopped by hand after {text}" if result.interrupted else text
    text = f"diverged in epoch {result.stopped_epoch}{result.remedy}" if result.diverged else text
    weights, accuracy = f"weights of epoch {result.kept_epoch}", in_percent(result.test_accuracy)
    return f"{text}, {clock(result.seconds)} · {weights} · test accuracy {accuracy}"


def clock(seconds: float) -> str:
    """Return a duration such as "9 s", "3 min 05 s" or "2 h 30 min".

    Examples
    --------
    >>> clock(9.4), clock(185), clock(9000)
    ('9 s', '3 min 05 s', '2 h 30 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours = f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else ""
    return hours or (f"{minutes} min {rest:02d} s" if minutes else f"{rest} s")
