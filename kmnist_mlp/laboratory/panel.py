"""The laboratory: choose a network, train it in the background, compare it with an experiment.

Widgets need JupyterLab and a kernel. What they show comes from functions which also return a
figure or a table: an exported page, or a viewer of notebooks, shows that instead.
"""

from __future__ import annotations

import re
import threading
import time
from functools import lru_cache
from html import escape
from itertools import count

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.callbacks.live import Throttle, ended, time_left
from kmnist_mlp.callbacks.svg import Line, chart
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import overlay, tables
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.markup import html
from kmnist_mlp.laboratory.controls import LABELS, choice, menu
from kmnist_mlp.laboratory.hidden_units import HiddenUnits
from kmnist_mlp.results import Progress, TrainingResult
from kmnist_mlp.support.checks import instance
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY
from kmnist_mlp.support.statistics import mean_curve, plus_minus
from kmnist_mlp.training import train

RATES = [digit * 10.0**power for power in range(-5, 0) for digit in (1, 2, 5)] + [1.0]
PENALTIES = [0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99]
LAST_RUNS = (BLUE, GREEN, PURPLE, SKY)  # as many as the panel's picture shows, in these colours
BUSY = "a run is going on: stop it, or wait for its end"
STYLE = """<style>.lab-runs table { border-collapse: collapse; font-size: 12px; }
.lab-runs th, .lab-runs td { padding: 3px 8px; text-align: left; border-bottom: 1px solid #8884;
white-space: nowrap; }
.lab-runs .number { text-align: right; }</style>"""


class Laboratory:
    """Single runs that a user trains, compared with an experiment of several seeds.

    Parameters
    ----------
    data : Dataset
    baseline : Results
        The experiment to compare with, such as ``run("baseline", data=data)``; the panel begins
        with its configuration, but for 20 epochs at most.

    Attributes
    ----------
    results : Results
        That experiment and all runs so far: "lab run 1", "lab run 2", ...
    first_config : Config
        That of the experiment.
    panel : Widget
        Controls, buttons, learning curves and the table of the runs.
    run_menu : Widget
        The choice of a run, for :func:`explorer`.

    Raises
    ------
    ValueError
        If the experiment was measured on other data, or without validation images.
    """

    def __init__(self, data: Dataset, baseline: Results) -> None:
        self.data = instance("data", data, Dataset)
        self.results = instance("baseline", baseline, Results)
        if baseline.data_name != data.name:
            raise ValueError(f"baseline must be of {data.name}; it is of {baseline.data_name}")
        self.first_config = validated(baseline.of(baseline.names[0])[0].config)
        self.worker: threading.Thread | None = None
        self.stop_requested = threading.Event()
        self.running = threading.Lock()  # at most one run at a time
        self.hidden_units = lru_cache(lambda name: HiddenUnits(self.results.of(name)[0], data))
        self.panel = self._panel()
        self._draw("Choose, and press Train.", 0.0)

    # ---- running -----------------------------------------------------------------------------

    def train(self, config: Config) -> TrainingResult:
        """Train in this thread; the run is added to the others.

        Raises
        ------
        ValueError
            If a run is going on in the background, the layers do not fit the data, or the
            configuration leaves no validation images.
        """
        if not self.running.acquire(blocking=False):
            raise ValueError(BUSY)
        try:
            self.stop_requested.clear()
            began, throttle = time.perf_counter(), Throttle()

            def watch(progress: Progress) -> bool:
                stop = self.stop_requested.is_set()
                text = time_left(progress.epoch, config, time.perf_counter() - began)
                done = progress.epoch / config.epochs
                throttle.draw(lambda: self._draw(text, done, progress.curves))
                return stop

            result = train(validated(config), self.data, callbacks=[watch])
            names = (f"lab run {number}" for number in count(1))
            name = next(name for name in names if name not in self.results.names)
            self.results = self.results.plus(name, result)
        finally:
            self.running.release()
        self._draw(f"{name}: {ended(result)}", 1.0)
        self.run_menu.options = self.results.names
        self.runs.value = f'{STYLE}<div class="lab-runs">{html(self.table())}</div>'
        return result

    def start(self, config: Config) -> None:
        """Train in the background, while the kernel stays free; errors are shown in the panel.

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
        """End the run in the background after its current epoch; its best model is kept."""
        self.stop_requested.set()

    def wait(self) -> None:
        """Wait for the end of the run in the background."""
        if self.worker is not None:
            self.worker.join()

    def _work(self, config: Config) -> None:
        try:
            self.train(config)
        except Exception as error:  # of a thread, nobody would see it
            self._show_error(error)
        self.train_button.disabled, self.stop_button.disabled = False, True

    # ---- what is shown -----------------------------------------------------------------------

    def figure(self) -> Figure:
        """Draw validation loss and accuracy of all runs by epoch."""
        return overlay(self.results, self.results.names, "validation_loss", "validation_accuracy")

    def table(self) -> pd.DataFrame:
        """Return one row per experiment: its configuration, its accuracies, how it ended."""
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

    def units(self, run: str, first: int = 0) -> Figure:
        """Draw six hidden units of a run, from the one with the ``first``-largest weights on."""
        units = self.hidden_units(run)
        return units.figure(min(first, max(0, len(units.order) - 6)))

    def _draw(self, text: str, done: float, now: dict[str, np.ndarray] | None = None) -> None:
        """Show the current run together with the experiment and the last runs."""
        names = self.results.names
        # a run that is going on has the only warm colour
        shown = [(names[0], GREY), *zip(names[1:][-len(LAST_RUNS) :], LAST_RUNS, strict=False)]
        curves = [
            (name, [run.curves for run in self.results.of(name)], colour) for name, colour in shown
        ]
        if now is not None:
            curves.append(("this run", [now], ORANGE))
        panels = {
            title: [
                Line(name, factor * mean_curve([c[quantity] for c in runs])[0], colour)
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
        first, look = self.first_config, {"style": LABELS}
        hidden = ", ".join(map(str, first.layer_specs[1:-1]))
        self.controls = {
            "hidden": widgets.Text(
                hidden, description="hidden layers", placeholder="128, 64; none: empty", **look
            ),
            "activation": widgets.Dropdown(
                options=list(ACTIVATIONS), value=first.activation, description="activation", **look
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
        self.train_button.on_click(lambda _: self._train_chosen())
        self.stop_button.on_click(lambda _: self.stop())
        self.message, self.picture, self.runs = (widgets.HTML() for _ in range(3))
        self.run_menu = menu("run", self.results.names)
        rows = [list(self.controls.values())[i : i + 2] for i in range(0, 7, 2)]
        buttons = widgets.HBox([self.train_button, self.stop_button, self.message])
        return widgets.VBox([*map(widgets.HBox, rows), buttons, self.picture, self.runs])

    def chosen(self) -> Config:
        """Return the configuration that the controls are set to.

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
        pixels, *_, classes = self.first_config.layer_specs
        gamma = values.pop("momentum_gamma")
        momentum = {"momentum": gamma > 0} | ({"momentum_gamma": gamma} if gamma else {})
        layers = (pixels, *map(int, sizes), classes)
        return self.first_config.replace(layer_specs=layers, **momentum, **values)

    def _train_chosen(self) -> None:
        try:
            self.start(self.chosen())
        except ValueError as error:
            self._show_error(error)

    def _show_error(self, error: Exception) -> None:
        self.message.value = f'<span style="color: {RED}">{escape(str(error))}</span>'


def validated(config: Config) -> Config:
    """Return a configuration with validation images, whose curves are compared, or raise."""
    if not config.validation_fraction:
        raise ValueError(
            "validation_fraction must be > 0 here, where validation curves are compared; got 0"
        )
    return config


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
    """Return the last and the best epoch, such as "24 (19)"; means over seeds."""
    stopped, best = (
        np.mean([getattr(run, f"{e}_epoch") for run in runs]) for e in ("stopped", "best")
    )
    return f"{stopped:.3g} ({best:.3g})"
