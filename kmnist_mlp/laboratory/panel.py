"""The laboratory: choose a network, train it in the background, compare it with an experiment.

Widgets need JupyterLab and a kernel. What they show comes from functions which also return a
figure or a table: an exported page, or a viewer of notebooks, shows that instead.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from functools import lru_cache
from html import escape
from itertools import count

import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython import get_ipython

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.callbacks.live import Watch, curves_figure, ended, svg
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import overlay, tables
from kmnist_mlp.figures.report_figure import ReportFigure, ShownData, html, setting, title
from kmnist_mlp.laboratory.controls import choice, labelled, menu, offer
from kmnist_mlp.laboratory.hidden_units import HiddenUnits
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import instance, one_of
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY
from kmnist_mlp.support.statistics import mean_curve, plus_minus
from kmnist_mlp.training import train

RATES = [digit * 10.0**power for power in range(-5, 0) for digit in (1, 2, 5)] + [1.0]
PENALTIES = [0.0, 1e-6, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99]
BATCHES = [2**power for power in range(3, 11)]
PATIENCES = [0, 1, 2, 3, 5, 10, 20, 30]
SEEDS = 5  # of a run that is repeated
LAST_RUNS = (BLUE, GREEN, PURPLE, SKY)  # as many as the panel's picture shows, in these colours
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
        self.first_config = validated(first.config)
        self.given = len(baseline.names)  # experiments that were not trained here
        self.used = set(baseline.names)  # names that no further run takes
        self.worker = threading.Thread()  # at most one run at a time
        self.stop_requested, self.confirmed = threading.Event(), threading.Event()
        self.hidden_units = lru_cache(lambda name: HiddenUnits(self.results.of(name)[0], data))
        self.panel = self._panel()
        if shell := get_ipython():  # a cell may have added an activation
            shell.events.register("post_run_cell", lambda _: self._refresh())
        self._draw("Choose, and press Train.", 0.0)

    # ---- running -----------------------------------------------------------------------------

    def train(self, config: Config) -> TrainingResult | None:
        """Train in this thread; the run is added to the others.

        Raises
        ------
        ValueError
            If a run is going on in the background, the layers do not fit the data, or the
            configuration leaves no validation images.
        """
        self._require_no_run()
        self.stop_requested.clear()
        return self._train(config)

    def start(self, config: Config) -> None:
        """Train in the background, while the kernel stays free; errors are shown in the panel.

        A run that may take more than ten minutes waits until it is confirmed.

        Raises
        ------
        ValueError
            If a run is going on already.
        """
        self._start([config])

    def repeat(self, name: str) -> None:
        """Train the configuration of a run with more seeds in the background, until it has five.

        Raises
        ------
        ValueError
            If a run is going on already, there is no such run, or it was stopped by hand.
        """
        runs = self.results.of(one_of("name", name, self._trained_here()))
        if runs[0].interrupted:
            raise ValueError(f"{name!r} was stopped by hand; a run of other seeds must be like it")
        have = [run.config.seed for run in runs]
        seeds = [seed for seed in range(len(have) + SEEDS) if seed not in have]
        missing = seeds[: max(0, SEEDS - len(have))]
        self._start([runs[0].config.replace(seed=seed) for seed in missing], name)

    def remove(self, name: str) -> None:
        """Take a run of the laboratory out of its results.

        Raises
        ------
        ValueError
            If a run is going on, or there is no such run.
        """
        self._require_no_run()
        self.results = self.results.without(one_of("name", name, self._trained_here()))
        self._refresh()
        self._draw(f"{name} is removed.", 0.0)

    def stop(self) -> None:
        """End the run in the background after its current mini-batch; its best model is kept."""
        if self.worker.is_alive():
            self.message.value = "Stopping after this mini-batch ..."
        self.stop_requested.set()
        self.confirmed.set()

    def wait(self) -> None:
        """Wait for the end of the run in the background."""
        if self.worker.is_alive():
            self.worker.join()

    def _require_no_run(self) -> None:
        if self.worker.is_alive():
            raise ValueError("a run is going on: stop it, or wait for its end")

    def _trained_here(self) -> list[str]:
        return self.results.names[self.given :]

    def _train(
        self, config: Config, name: str = "", confirm: Callable[[str], None] | None = None
    ) -> TrainingResult | None:
        """Train, and add the run to those of this name; of one that is stopped too early, None."""
        numbers = (f"lab run {number}" for number in count(1))
        name = name or next(new for new in numbers if new not in self.used)
        watch = Watch(
            lambda text, done, curves: self._draw(f"{text} · {name}", done, curves),
            self.stop_requested,
            confirm,
        )
        result = train(validated(config), self.data, callbacks=[watch])
        if result.interrupted and (not result.stopped_epoch or name in self.results.names):
            self._draw("stopped: nothing of the run that went on is kept", 0.0)
            return None  # a stopped run is no further seed of others
        self.results = self.results.plus(name, result)
        self.used.add(name)
        self._refresh()
        full = result.stopped_epoch / config.epochs if result.interrupted else 1.0
        self._draw(f"{name}: {ended(result)}", full)
        return result

    def _start(self, configs: list[Config], name: str = "") -> None:
        """Train in the background."""
        self._require_no_run()
        self.stop_requested.clear()
        self.train_button.disabled, self.stop_button.disabled = True, False
        self.message.value = ""
        self._draw("preparing the images", 0.0)
        self.worker = threading.Thread(target=self._work, args=(configs, name), daemon=True)
        self.worker.start()

    def _work(self, configs: list[Config], name: str) -> None:
        try:
            for place, config in enumerate(configs):
                if not self.stop_requested.is_set():
                    self._train(config, name, None if place else self._confirm)
        except Exception as error:  # of a thread, nobody would see it
            self._draw("Choose, and press Train.", 0.0)
            self._show_error(error)
        else:
            self.message.value = ""
        self.train_button.disabled, self.stop_button.disabled = False, True

    def _confirm(self, sentence: str) -> None:
        """Show how long a run may take, and wait until the user lets it go on or stops it."""
        self.confirmed.clear()
        if self.stop_requested.is_set():
            return
        self.message.value, self.go_on_button.layout.display = sentence, ""
        self.confirmed.wait()
        self.go_on_button.layout.display = "none"
        if not self.stop_requested.is_set():
            self.message.value = ""

    # ---- what is shown -----------------------------------------------------------------------

    def figure(self) -> ReportFigure:
        """Draw validation loss and accuracy of all runs by epoch."""
        return overlay(self.results, self.results.names, "validation_loss", "validation_accuracy")

    def table(self) -> pd.DataFrame:
        """Return one row per experiment: accuracies, how it ended, and then its configuration."""
        names = self.results.names
        runs = {name: self.results.of(name) for name in names}
        configs = tables.configurations({name: runs[name][0].config for name in names})
        table = pd.DataFrame(index=configs.index)
        quantities = ["test_accuracy", "validation_accuracy"]
        for quantity in quantities:
            values = [plus_minus(self.results.values(quantity, name), 2) for name in names]
            table[f"{quantity.replace('_', ' ')}, %"] = values
        table["epochs (best)"] = [epochs(runs[name]) for name in names]
        table["end"] = [how_it_ended(runs[name]) for name in names]
        if "seed" in configs:
            seeds = [", ".join(str(run.config.seed) for run in runs[name]) for name in names]
            configs["seed"] = seeds
        table = pd.concat([table, configs], axis=1).rename_axis(columns=configs.columns.name)
        numbers = self.results.frame.drop(columns=["cached", "seconds"])
        table.attrs["shown_data"] = ShownData.of(numbers, self.results, names, quantities)
        return table

    def caption(self) -> str:
        """Return what :meth:`figure` shows, run by run, as a caption."""
        parts = [self.described(name) for name in self.results.names]
        return f"Validation loss and accuracy by epoch of {'; '.join(parts)}."

    def described(self, name: str) -> str:
        """Return a run with its configuration, such as "lab run 1 (activation ReLU)"."""
        runs = self.results.of(name)
        seeds = f", mean of {len(runs)} seeds" if len(runs) > 1 else ""
        return f"{title(name)} ({setting(runs[0].config)}{seeds})"

    def code(self, name: str) -> str:
        """Return the lines that repeat a run in a cell of a notebook, on its ``data``.

        Only what is not the default is written.
        """
        runs = self.results.of(name)
        config = runs[0].config
        changed = ", ".join(
            f"{f.name}={getattr(config, f.name)!r}"
            for f in fields(Config)
            if getattr(config, f.name) != f.default and f.name != "seed"
        )
        seeds = [run.config.seed for run in runs]
        return (
            "from kmnist_mlp import Config, run\n"
            "from kmnist_mlp.report.notebook import show_curves\n\n"
            f"mine = run({{{name!r}: Config({changed})}}, seeds={seeds}, data=data)\n"
            f"show_curves(mine, {name!r})"
        )

    def units(self, run: str, first: int = 0) -> ReportFigure:
        """Draw six hidden units of a run, from the one with the ``first``-largest weights on."""
        units = self.hidden_units(run)
        figure = units.figure(min(first, max(0, len(units.order) - 6)))
        return replace(figure, finding=f"{self.described(run)}: {figure.finding}")

    def _refresh(self) -> None:
        """Bring the menus and the table up to the results, and to the activations there are."""
        offer(self.run_menu, self.results.names)
        offer(self.trained_menu, self._trained_here())
        offer(self.controls["activation"], ACTIVATIONS)
        for control in self.actions.children:
            control.disabled = not self.trained_menu.options
        self.runs.value = f'{STYLE}<div class="lab-runs">{html(self.table())}</div>'

    def _draw(self, text: str, done: float, now: dict[str, np.ndarray] | None = None) -> None:
        """Show the current run together with the experiment and the last runs."""
        names = self.results.names
        # a run that is going on has the only warm colour
        shown = [(names[0], GREY), *zip(names[1:][-len(LAST_RUNS) :], LAST_RUNS, strict=False)]
        curves = {name: [run.curves for run in self.results.of(name)] for name, _ in shown}
        curves |= {"this run": [now]} if now else {}
        colours = dict(shown) | {"this run": ORANGE}
        lines = {}
        for name, runs in curves.items():
            loss, _ = mean_curve([run["validation_loss"] for run in runs])
            accuracy, _ = mean_curve([run["validation_accuracy"] for run in runs])
            lines[name] = loss, accuracy, {"color": colours[name]}
        titles = "Validation loss", "Validation accuracy, %"
        self.picture.value = svg(curves_figure(text, done, lines, titles, self.data.name), text)

    # ---- the panel ---------------------------------------------------------------------------

    def _panel(self) -> widgets.VBox:
        c = self.first_config
        hidden, activations = ", ".join(map(str, c.layer_specs[1:-1])), list(ACTIVATIONS)
        patience, gamma = c.early_stop * c.early_stop_epoch, c.momentum_gamma if c.momentum else 0.0
        example, most = "128, 64; none: empty", max(10**6, c.seed)
        epochs = {"value": 20, "min": 1, "max": 100}
        self.controls = {
            "hidden": labelled(widgets.Text, "hidden layers", value=hidden, placeholder=example),
            "activation": labelled(
                widgets.Dropdown, "activation", options=activations, value=c.activation
            ),
            "learning_rate": choice("learning rate", RATES, c.learning_rate),
            "momentum_gamma": choice("momentum", MOMENTA, gamma),
            "L1_penalty": choice("L1 penalty", PENALTIES, c.L1_penalty),
            "L2_penalty": choice("L2 penalty", PENALTIES, c.L2_penalty),
            "batch_size": choice("batch size", BATCHES, c.batch_size),
            "epochs": labelled(widgets.IntSlider, "epochs at most", **epochs),
            "early_stop_epoch": choice("patience", PATIENCES, patience, zero="none"),
            "seed": labelled(widgets.BoundedIntText, "seed", value=c.seed, min=0, max=most),
        }
        self.train_button = self._button("Train", lambda: self.start(self.chosen()))
        self.train_button.button_style = "primary"
        self.stop_button = self._button("Stop", self.stop)
        self.stop_button.disabled = True
        self.go_on_button = self._button("Train it", self.confirmed.set)
        self.go_on_button.layout.display = "none"
        self.message, self.picture, self.runs = (widgets.HTML() for _ in range(3))
        self.run_menu, self.trained_menu = menu("run", self.results.names), menu("run of yours", [])
        self.code_text = labelled(widgets.Textarea, "as code", rows=6, layout={"width": "720px"})
        actions = {
            "Show as code": lambda name: setattr(self.code_text, "value", self.code(name)),
            "Repeat with five seeds": self.repeat,
            "Remove": self.remove,
        }
        buttons = [
            self._button(text, lambda action=action: action(self.trained_menu.value))
            for text, action in actions.items()
        ]
        self.actions = widgets.HBox([self.trained_menu, *buttons])
        controls = list(self.controls.values())
        rows = [widgets.HBox(controls[i : i + 2]) for i in range(0, len(controls), 2)]
        run = [self.train_button, self.stop_button, self.go_on_button, self.message]
        self._refresh()
        below = [self.picture, self.runs, self.actions, self.code_text]
        return widgets.VBox([*rows, widgets.HBox(run), *below])

    def _show_error(self, error: Exception) -> None:
        self.message.value = f'<span style="color: {RED}">{escape(str(error))}</span>'

    def _button(self, text: str, action: Callable[[], object]) -> widgets.Button:
        """Return a button that does something, or shows the error if it cannot be done."""

        def press(_: object) -> None:
            try:
                action()
            except ValueError as error:
                self._show_error(error)

        button = widgets.Button(description=text, layout={"width": "auto"})
        button.on_click(press)
        return button

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
        values["layer_specs"] = (pixels, *map(int, sizes), classes)
        for switch, name in (("momentum", "momentum_gamma"), ("early_stop", "early_stop_epoch")):
            values[switch] = values[name] > 0
            if not values[switch]:
                del values[name]
        return self.first_config.replace(**values)


def epochs(runs: list[TrainingResult]) -> str:
    """Return the last and the best epoch, such as "24 (19)"; medians of the seeds."""
    stopped, best = (
        np.median([getattr(run, f"{e}_epoch") for run in runs]) for e in ("stopped", "best")
    )
    return f"{stopped:.3g} ({best:.3g})"


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


def validated(config: Config) -> Config:
    """Return a configuration with validation images, whose curves are compared, or raise."""
    if not instance("config", config, Config).validation_fraction:
        raise ValueError(
            "validation_fraction must be > 0 here, where validation curves are compared; got 0"
        )
    return config
