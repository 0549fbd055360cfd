"""The laboratory: choose a network, train it in the background, compare it with an experiment.

Widgets need JupyterLab and a kernel. What they show comes from functions which also return a
figure or a table: an exported page, or a viewer of notebooks, shows that instead.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from html import escape
from itertools import count

import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython import get_ipython
from matplotlib.figure import Figure

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.callbacks.live import ended
from kmnist_mlp.callbacks.svg import Line, chart
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import overlay
from kmnist_mlp.figures.exhibit import setting, title
from kmnist_mlp.figures.markup import html
from kmnist_mlp.laboratory.checks import for_data
from kmnist_mlp.laboratory.controls import LABELS, choice, menu, offer
from kmnist_mlp.laboratory.hidden_units import HiddenUnits
from kmnist_mlp.laboratory.records import code, runs_table
from kmnist_mlp.laboratory.watch import StoppedAtOnceError, Watch
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import instance
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY
from kmnist_mlp.support.statistics import mean_curve
from kmnist_mlp.training import train

RATES = [digit * 10.0**power for power in range(-5, 0) for digit in (1, 2, 5)] + [1.0]
PENALTIES = [0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99]
BATCHES = [2**power for power in range(3, 11)]
PATIENCES = [0, 1, 2, 3, 5, 10, 20, 30]
SEEDS = 5  # of a run that is repeated
LAST_RUNS = (BLUE, GREEN, PURPLE, SKY)  # as many as the panel's picture shows, in these colours
BUSY = "a run is going on: stop it, or wait for its end"
STYLE = """<style>.lab-runs { overflow-x: auto; }
.lab-runs table { border-collapse: collapse; font-size: 12px; }
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
        If the experiment was measured on other data or without validation images, or has no runs.
    """

    def __init__(self, data: Dataset, baseline: Results) -> None:
        self.data = instance("data", data, Dataset)
        self.results = instance("baseline", baseline, Results)
        if baseline.data_name != data.name:
            raise ValueError(f"baseline must be of {data.name}; it is of {baseline.data_name}")
        if not baseline.names:
            raise ValueError("baseline must hold the runs of an experiment; it has none")
        first = baseline.of(baseline.names[0])[0]
        for_data(first.model, data)
        self.first_config = validated(first.config)
        self.worker: threading.Thread | None = None
        self.stop_requested, self.confirmed = threading.Event(), threading.Event()
        self.given = len(baseline.names)  # experiments that were not trained here
        self.removed: set[str] = set()  # names that are not used again
        self.running = threading.Lock()  # at most one run at a time
        self.hidden_units = lru_cache(lambda name: HiddenUnits(self.results.of(name)[0], data))
        self.panel = self._panel()
        if shell := get_ipython():  # a cell may have added an activation
            shell.events.register("post_run_cell", lambda _: self._offer_activations())
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
            return self._train(config, self._new_name())
        finally:
            self.running.release()

    def start(self, config: Config) -> None:
        """Train in the background, while the kernel stays free; errors are shown in the panel.

        A run that may take more than ten minutes waits until it is confirmed.

        Raises
        ------
        ValueError
            If a run is going on already.
        """
        self._start(lambda: self._train(config, self._new_name(), self._wait_for_confirmation))

    def repeat(self, name: str) -> None:
        """Train the configuration of a run with more seeds in the background, until it has five.

        Raises
        ------
        ValueError
            If a run is going on already, there is no such run, or it was stopped by hand.
        """
        runs = self.results.of(self._own(name))
        if runs[0].interrupted:
            raise ValueError(f"{name!r} was stopped by hand; a run of other seeds must be like it")
        have = [run.config.seed for run in runs]
        seeds = [seed for seed in range(len(have) + SEEDS) if seed not in have]
        missing = seeds[: max(0, SEEDS - len(have))]

        def train_all() -> None:
            for seed in missing:
                confirm = self._wait_for_confirmation if seed == missing[0] else None
                self._train(runs[0].config.replace(seed=seed), name, confirm)

        self._start(train_all)

    def remove(self, name: str) -> None:
        """Take a run of the laboratory out of its results.

        Raises
        ------
        ValueError
            If a run is going on, or there is no such run.
        """
        self._own(name)
        if not self.running.acquire(blocking=False):
            raise ValueError(BUSY)
        try:
            self.results = self.results.without(name)
            self.removed.add(name)
        finally:
            self.running.release()
        self._refresh()
        self._draw(f"{name} is removed.", 0.0)

    def code(self, name: str) -> str:
        """Return the lines that repeat a run in a cell of a notebook."""
        return code(self.results, name)

    def stop(self) -> None:
        """End the run in the background after its current mini-batch; its best model is kept."""
        if self.running.locked():
            self.message.value = "Stopping after this mini-batch ..."
        self.stop_requested.set()
        self.confirmed.set()

    def wait(self) -> None:
        """Wait for the end of the run in the background."""
        if self.worker is not None:
            self.worker.join()

    def _new_name(self) -> str:
        names = (f"lab run {number}" for number in count(1))
        return next(name for name in names if name not in {*self.results.names, *self.removed})

    def _own(self, name: str) -> str:
        """Return the name of a run of the laboratory, or raise ValueError."""
        own = self.results.names[self.given :]
        if name not in own:
            raise ValueError(f"name must be that of a run here, one of {own}; got {name!r}")
        return name

    def _train(
        self, config: Config, name: str, confirm: Callable[[str], None] | None = None
    ) -> TrainingResult:
        """Train, and add the run to those of this name."""

        def show(text: str, done: float, curves: dict[str, np.ndarray]) -> None:
            self._draw(f"{text} · {name}", done, curves)

        watch = Watch(show, self.stop_requested, confirm)
        result = train(validated(config), self.data, callbacks=[watch])
        if result.interrupted and name in self.results.names:
            raise StoppedAtOnceError  # a stopped run is no further seed of others
        self.results = self.results.plus(name, result)
        self._refresh()
        full = result.stopped_epoch / config.epochs if result.interrupted else 1.0
        self._draw(f"{name}: {ended(result)}", full)
        return result

    def _start(self, work: Callable[[], object]) -> None:
        """Do something in the background that trains."""
        if not self.running.acquire(blocking=False):
            raise ValueError(BUSY)
        self.stop_requested.clear()
        self.train_button.disabled, self.stop_button.disabled = True, False
        self.message.value = ""
        self._draw("preparing the images", 0.0)
        self.worker = threading.Thread(target=self._work, args=(work,), daemon=True)
        self.worker.start()

    def _work(self, work: Callable[[], object]) -> None:
        message = ""
        try:
            work()
        except StoppedAtOnceError:
            self._draw("stopped: nothing of the run that went on is kept", 0.0)
        except Exception as error:  # of a thread, nobody would see it
            message = in_red(error)
            self._draw("Choose, and press Train.", 0.0)
        self.running.release()
        self.message.value = message
        self.train_button.disabled, self.stop_button.disabled = False, True

    def _wait_for_confirmation(self, sentence: str) -> None:
        self.confirmed.clear()
        if self.stop_requested.is_set():
            return
        self.message.value, self.go_on_button.layout.display = sentence, ""
        self.confirmed.wait()
        self.go_on_button.layout.display = "none"
        if not self.stop_requested.is_set():
            self.message.value = ""

    # ---- what is shown -----------------------------------------------------------------------

    def figure(self) -> Figure:
        """Draw validation loss and accuracy of all runs by epoch."""
        return overlay(self.results, self.results.names, "validation_loss", "validation_accuracy")

    def table(self) -> pd.DataFrame:
        """Return one row per experiment: its accuracies, how it ended, and its configuration."""
        return runs_table(self.results)

    def caption(self) -> str:
        """Return what :meth:`figure` shows, run by run, as a caption."""
        parts = [self.described(name) for name in self.results.names]
        return f"Validation loss and accuracy by epoch of {'; '.join(parts)}."

    def described(self, name: str) -> str:
        """Return a run with its configuration, such as "lab run 1 (activation ReLU)"."""
        runs = self.results.of(name)
        seeds = f", mean of {len(runs)} seeds" if len(runs) > 1 else ""
        return f"{title(name)} ({setting(runs[0].config)}{seeds})"

    def units(self, run: str, first: int = 0) -> Figure:
        """Draw six hidden units of a run, from the one with the ``first``-largest weights on."""
        units = self.hidden_units(run)
        figure = units.figure(min(first, max(0, len(units.order) - 6)))
        data = figure.exhibit_data
        finding = f"{self.described(run)}: {data.finding}"
        figure.exhibit_data = replace(data, finding=finding)
        return figure

    def _refresh(self) -> None:
        """Bring the menus and the table up to the results."""
        offer(self.run_menu, self.results.names)
        offer(self.own_menu, self.results.names[self.given :])
        self._offer_activations()
        for control in self.own.children:
            control.disabled = not self.own_menu.options
        self.runs.value = f'{STYLE}<div class="lab-runs">{html(self.table())}</div>'

    def _offer_activations(self) -> None:
        offer(self.controls["activation"], ACTIVATIONS)

    def _draw(self, text: str, done: float, now: dict[str, np.ndarray] | None = None) -> None:
        """Show the current run together with the experiment and the last runs."""
        names = self.results.names
        # a run that is going on has the only warm colour
        shown = [(names[0], GREY), *zip(names[1:][-len(LAST_RUNS) :], LAST_RUNS, strict=False)]
        curves = [
            (name, [run.curves for run in self.results.of(name)], colour) for name, colour in shown
        ]
        if now:
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
            "batch_size": choice("batch size", BATCHES, first.batch_size),
            "epochs": widgets.IntSlider(20, min=1, max=100, description="epochs at most", **look),
            "early_stop_epoch": choice(
                "patience", PATIENCES, first.early_stop * first.early_stop_epoch, zero="none"
            ),
            "seed": widgets.BoundedIntText(
                first.seed, min=0, max=max(10**6, first.seed), description="seed", **look
            ),
        }
        self.train_button = widgets.Button(description="Train", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        self.go_on_button = widgets.Button(description="Train it", layout={"display": "none"})
        self.train_button.on_click(lambda _: self._try(lambda: self.start(self.chosen())))
        self.stop_button.on_click(lambda _: self.stop())
        self.go_on_button.on_click(lambda _: self.confirmed.set())
        self.message, self.picture, self.runs = (widgets.HTML() for _ in range(3))
        self.run_menu = menu("run", self.results.names)
        controls = list(self.controls.values())
        rows = [widgets.HBox(controls[i : i + 2]) for i in range(0, len(controls), 2)]
        buttons = [self.train_button, self.stop_button, self.go_on_button, self.message]
        below = [self.picture, self.runs, self._own_controls()]
        self._refresh()
        return widgets.VBox([*rows, widgets.HBox(buttons), *below])

    def _own_controls(self) -> widgets.VBox:
        """Return the menu of the runs made here, with what can be done with each."""
        self.own_menu = menu("run of yours", [])
        self.code_text = widgets.Textarea(
            description="as code", rows=6, style=LABELS, layout={"width": "720px"}
        )
        actions = {
            "Show as code": lambda name: setattr(self.code_text, "value", self.code(name)),
            "Repeat with five seeds": self.repeat,
            "Remove": self.remove,
        }
        buttons = []
        for text, action in actions.items():
            button = widgets.Button(description=text, layout={"width": "auto"})
            button.on_click(lambda _, action=action: self._try(lambda: action(self.own_menu.value)))
            buttons.append(button)
        self.own = widgets.HBox([self.own_menu, *buttons])
        return widgets.VBox([self.own, self.code_text])

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
        patience = values.pop("early_stop_epoch")
        stop = {"early_stop": patience > 0} | ({"early_stop_epoch": patience} if patience else {})
        layers = (pixels, *map(int, sizes), classes)
        return self.first_config.replace(layer_specs=layers, **momentum, **stop, **values)

    def _try(self, action: Callable[[], object]) -> None:
        """Do what a button is for; show the error if it cannot be done."""
        try:
            action()
        except ValueError as error:
            self.message.value = in_red(error)


def in_red(error: Exception) -> str:
    """Return an error as the panel shows it."""
    return f'<span style="color: {RED}">{escape(str(error))}</span>'


def validated(config: Config) -> Config:
    """Return a configuration with validation images, whose curves are compared, or raise."""
    if not instance("config", config, Config).validation_fraction:
        raise ValueError(
            "validation_fraction must be > 0 here, where validation curves are compared; got 0"
        )
    return config
