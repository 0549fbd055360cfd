"""The laboratory: choose a network, train it in the background beside the baseline, look inside.

Widgets need JupyterLab and a kernel. All that they show is made by functions which also give a
figure or a table: that is what a page, or a viewer of notebooks, shows in their place.
"""

from __future__ import annotations

import base64
import io
import re
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.callbacks.live import Throttle, ended, someone_looks, time_left
from kmnist_mlp.callbacks.svg import Line, chart
from kmnist_mlp.config import ACTIVATION_NAMES, Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.charts import overlay
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY
from kmnist_mlp.laboratory.anatomy import HiddenUnits
from kmnist_mlp.support.checks import instance
from kmnist_mlp.support.statistics import plus_minus
from kmnist_mlp.training import Progress, TrainingResult, train

RATES = [digit * 10.0**power for power in range(-5, 0) for digit in (1, 2, 5)] + [1.0]
PENALTIES = [0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99]
EARLIER = (BLUE, GREEN, PURPLE, SKY)  # the last runs in the panel's picture
BUSY = "a run is going on: stop it, or wait for its end"
STYLE = """<style>.lab-runs table { border-collapse: collapse; font-size: 12px; }
.lab-runs th, .lab-runs td { padding: 3px 8px; text-align: left; border-bottom: 1px solid #8884;
white-space: nowrap; }
.lab-runs .number { text-align: right; }</style>"""


class Laboratory:
    """Runs of one's own beside an experiment of the paper.

    Parameters
    ----------
    data : Dataset
    beside : Results
        The experiment to compare with, such as ``run("baseline", data=data)``; the panel begins
        with its configuration.

    Attributes
    ----------
    results : Results
        That experiment and all runs so far: "run 1", "run 2", ...
    panel : Widget
        Controls, buttons, learning curves and the table of the runs.
    which : Widget
        The choice of a run, for :func:`explorer`.
    """

    def __init__(self, data: Dataset, beside: Results) -> None:
        self.data = instance("data", data, Dataset)
        self.results = instance("beside", beside, Results)
        self.first = beside.of(beside.names[0])[0].config
        self.worker: threading.Thread | None = None
        self.asked_to_stop = threading.Event()
        self.running = threading.Lock()  # at most one run at a time
        self.hidden_units = lru_cache(lambda name: HiddenUnits(self.results.of(name)[0], data))
        self.panel = self._panel()
        self._draw("Choose, and press Train.", 0.0)

    # ---- running -----------------------------------------------------------------------------

    def train(self, config: Config) -> TrainingResult:
        """Train here and now; the run joins the others.

        Raises
        ------
        ValueError
            If a run is going on in the background, or the layers do not fit the data.
        """
        if not self.running.acquire(blocking=False):
            raise ValueError(BUSY)
        try:
            self.asked_to_stop.clear()
            began, throttle = time.perf_counter(), Throttle()

            def watch(progress: Progress) -> bool:
                stop = self.asked_to_stop.is_set()
                text = time_left(progress.epoch, config, time.perf_counter() - began)
                done = progress.epoch / config.epochs
                throttle.draw(lambda: self._draw(text, done, progress.curves))
                return stop

            result = train(config, self.data, on_epoch=watch)
            name = f"run {len(self.results.names)}"
            self.results = self.results.plus(name, result)
        finally:
            self.running.release()
        self._draw(f"{name}: {ended(result)}", 1.0)
        self.which.options = self.results.names
        self.runs.value = f'{STYLE}<div class="lab-runs">{tables.html(self.table())}</div>'
        return result

    def start(self, config: Config) -> None:
        """Train in the background, the kernel stays free; what goes wrong is said in the panel.

        Raises
        ------
        ValueError
            If a run is going on already.
        """
        if self.running.locked():
            raise ValueError(BUSY)
        self.train_button.disabled, self.stop_button.disabled = True, False
        self.message.value = ""
        self.worker = threading.Thread(target=self._work, args=(config,), daemon=True)
        self.worker.start()

    def stop(self) -> None:
        """End the run in the background after its present epoch; its best model is kept."""
        self.asked_to_stop.set()

    def wait(self) -> None:
        """Wait for the end of the run in the background."""
        if self.worker is not None:
            self.worker.join()

    def _work(self, config: Config) -> None:
        try:
            self.train(config)
        except Exception as error:  # in a thread nobody would see it
            self._say(error)
        self.train_button.disabled, self.stop_button.disabled = False, True

    # ---- what is shown -----------------------------------------------------------------------

    def figure(self) -> Figure:
        """Draw validation loss and accuracy of all runs by epoch."""
        return overlay(self.results, self.results.names, "validation_loss", "validation_accuracy")

    def table(self) -> pd.DataFrame:
        """Return a row a run: what was chosen, what came of it, how it ended."""
        results, names = self.results, self.results.names
        runs = {name: results.of(name) for name in names}
        table = tables.configurations({name: runs[name][0].config for name in names})
        table = table.drop(columns=["batch size", "epochs at most", "patience"])
        for part in ("validation", "test"):
            values = [plus_minus(results.values(f"{part}_accuracy", n), 2) for n in names]
            table[f"{part} accuracy, %"] = values
        table["epochs (best)"] = [epochs(runs[name]) for name in names]
        table["end"] = [how_it_ended(runs[name]) for name in names]
        frame = results.frame.drop(columns=["cached", "seconds"])
        quantities = ["validation_accuracy", "test_accuracy"]
        table.attrs["exhibit_data"] = ExhibitData.of(frame, "", results, names, quantities)
        return table

    def units(self, which: str, first: int = 0) -> Figure:
        """Draw six hidden units of a run, from the one with the ``first``-largest weights on."""
        units = self.hidden_units(which)
        return units.figure(min(first, max(0, len(units.order) - 6)))

    def _draw(self, text: str, done: float, now: dict[str, np.ndarray] | None = None) -> None:
        """Show the run that is going on beside the experiment and the last runs."""
        names = self.results.names
        # where a run is going on, its colour is the only warm one
        shown = [(names[0], GREY), *zip(names[1:][-len(EARLIER) :], EARLIER, strict=False)]
        curves = [
            (name, [run.curves for run in self.results.of(name)], colour) for name, colour in shown
        ]
        if now is not None:
            curves.append(("this run", [now], ORANGE))
        panels = {
            title: [
                Line(name, mean_curve([c[quantity] * factor for c in runs]), colour)
                for name, runs, colour in curves
            ]
            for title, quantity, factor in (
                ("Validation loss", "validation_loss", 1),
                ("Validation accuracy, %", "validation_accuracy", 100),
            )
        }
        self.picture.value = chart(text, done, panels, self.data.name)

    # ---- the panel ---------------------------------------------------------------------------

    def _panel(self) -> widgets.VBox:
        first, look = self.first, {"style": {"description_width": "110px"}}
        hidden = ", ".join(map(str, first.layer_specs[1:-1]))
        self.controls = {
            "hidden": widgets.Text(
                hidden, description="hidden layers", placeholder="128, 64; none: empty", **look
            ),
            "activation": widgets.Dropdown(
                options=ACTIVATION_NAMES, value=first.activation, description="activation", **look
            ),
            "learning_rate": choice("learning rate", RATES, first.learning_rate),
            "momentum_gamma": choice(
                "momentum", MOMENTA, first.momentum_gamma if first.momentum else 0.0
            ),
            "L1_penalty": choice("L1 penalty", PENALTIES, first.L1_penalty),
            "L2_penalty": choice("L2 penalty", PENALTIES, first.L2_penalty),
            "epochs": widgets.IntSlider(20, min=1, max=100, description="epochs at most", **look),
        }
        self.train_button = widgets.Button(description="Train", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        self.train_button.on_click(lambda _: self._pressed())
        self.stop_button.on_click(lambda _: self.stop())
        self.message, self.picture, self.runs = (widgets.HTML() for _ in range(3))
        self.which = menu("run", self.results.names)
        rows = [list(self.controls.values())[i : i + 2] for i in range(0, 7, 2)]
        buttons = widgets.HBox([self.train_button, self.stop_button, self.message])
        return widgets.VBox([*map(widgets.HBox, rows), buttons, self.picture, self.runs])

    def chosen(self) -> Config:
        """Return what the controls say.

        Raises
        ------
        ValueError
            If the hidden layers are no whole numbers >= 1.
        """
        values = {name: control.value for name, control in self.controls.items()}
        text = values.pop("hidden").strip()
        sizes = [size.strip() for size in re.split("[,-]", text)] if text else []
        if not all(size.isdecimal() for size in sizes):
            raise ValueError(f"hidden layers must be whole numbers such as 128, 64; got {text!r}")
        layers = (self.first.layer_specs[0], *map(int, sizes), self.first.layer_specs[-1])
        gamma = values.pop("momentum_gamma")
        momentum = {"momentum": gamma > 0} | ({"momentum_gamma": gamma} if gamma else {})
        return self.first.replace(layer_specs=layers, **momentum, **values)

    def _pressed(self) -> None:
        try:
            self.start(self.chosen())
        except ValueError as error:
            self._say(error)

    def _say(self, error: Exception) -> None:
        self.message.value = f'<span style="color: #B00020">{escape(str(error))}</span>'


def choice(name: str, values: Iterable[float], value: float) -> widgets.SelectionSlider:
    """Return a slider over round numbers, and over the given value."""
    return widgets.SelectionSlider(
        options=[(f"{v:g}", v) for v in sorted({*values, value})],
        value=value,
        description=name,
        style={"description_width": "110px"},
    )


def slider(name: str, last: int, step: int = 1) -> widgets.IntSlider:
    """Return a slider over 0, step, 2 * step, ... up to ``last``."""
    return widgets.IntSlider(
        0, max=last, step=step, description=name, style={"description_width": "110px"}
    )


def menu(name: str, options: Iterable[str]) -> widgets.Dropdown:
    """Return a menu of names, the first one chosen."""
    return widgets.Dropdown(
        options=list(options), description=name, style={"description_width": "110px"}
    )


def how_it_ended(runs: list[TrainingResult]) -> str:
    """Return why training ended, of a single run: by hand, patience, the last epoch, divergence."""
    if len(runs) > 1:
        return f"{len(runs)} seeds"
    (run,) = runs
    if run.interrupted:
        return "stopped by hand"
    if run.diverged:
        return "diverged"
    return "all epochs" if run.stopped_epoch == run.config.epochs else "no improvement"


def epochs(runs: list[TrainingResult]) -> str:
    """Return "24 (19)": how long training went on, and the best epoch; means over seeds."""
    stopped, best = (
        np.mean([getattr(run, f"{e}_epoch") for run in runs]) for e in ("stopped", "best")
    )
    return f"{stopped:.3g} ({best:.3g})"


def mean_curve(curves: list[np.ndarray]) -> np.ndarray:
    """Return the mean over seeds as long as all are training."""
    shared = min(map(len, curves))
    return np.mean([curve[:shared] for curve in curves], axis=0)


def explorer(draw: Callable[..., Figure], **controls: Any) -> widgets.VBox:
    """Return controls above the figure that ``draw`` makes of their values, drawn at each change.

    Parameters
    ----------
    draw : callable
        Takes the values of the controls under their names.
    **controls : Widget
    """
    picture = widgets.HTML()

    def redraw(_: object = None) -> None:
        figure = draw(**{name: control.value for name, control in controls.items()})
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
        address = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
        alt = escape(figure.exhibit_data.finding)
        picture.value = f'<img alt="{alt}" style="width: 950px; max-width: 100%" src="{address}">'

    for control in controls.values():
        control.observe(redraw, "value")
    if someone_looks():  # nobody sees it elsewhere: the figure stands in its place
        redraw()
    return widgets.VBox([widgets.HBox(list(controls.values())), picture])
