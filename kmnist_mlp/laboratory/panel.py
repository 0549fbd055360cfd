"""The laboratory: choose a network, train it in the background, compare it with an experiment.

Widgets need JupyterLab and a kernel. What they show comes from functions
which also return a figure or a table: an exported page, or a viewer of
notebooks, shows that instead.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from html import escape
from itertools import count
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython import get_ipython

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.callbacks.live import Live, curves_figure, ended, someone_looks, svg
from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import ReportFigure, html, label, setting, title
from kmnist_mlp.figures.style import encoded, png
from kmnist_mlp.laboratory.hidden_units import hidden_units
from kmnist_mlp.laboratory.in_page import source
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import one_of
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY
from kmnist_mlp.training import train

# Values of the options in the panel, besides those of the experiment
CHOICES = json.loads(Path(__file__).with_suffix(".json").read_text())
SEEDS = 5  # of a run that is repeated
# Room for a control's name on its left
NAMED = {"style": {"description_width": "110px"}}
# As many as the panel's picture shows, in these colours
LAST_RUNS = (BLUE, GREEN, PURPLE, SKY)


def explorer(draw: Callable[..., ReportFigure], **controls: widgets.Widget) -> widgets.VBox:
    """Return controls above the figure that ``draw`` makes of their values.

    It is drawn again at each change; below it stands its finding.

    Parameters
    ----------
    draw : callable
        Takes the values of the controls under their names.
    **controls : Widget
    """
    picture = widgets.HTML()

    def redraw(_: object = None) -> None:
        figure = draw(**{name: control.value for name, control in controls.items()})
        text = escape(figure.finding)
        image = f'<img alt="{text}" style="width: 410px" src="data:image/png;base64,'
        panels = [f'{image}{encoded(png(panel, 150))}">' for panel in figure.panels]
        picture.value = f"{''.join(panels)}<p>{text}</p>"

    for control in controls.values():
        control.observe(redraw, "value")
    if someone_looks():  # elsewhere the figure itself is shown, not the widget
        redraw()
    return widgets.VBox([widgets.HBox(list(controls.values())), picture])


def slider(name: str, last: int, step: int = 1) -> widgets.IntSlider:
    """Return a slider over 0, step, 2 * step, ... up to ``last``."""
    return widgets.IntSlider(description=name, max=last, step=step, **NAMED)


def menu(name: str, options: Iterable[str]) -> widgets.Dropdown:
    """Return a menu of names, the first one chosen."""
    return widgets.Dropdown(description=name, options=list(options), **NAMED)


class Laboratory:
    """Single runs that a user trains, compared with an experiment of several seeds.

    Parameters
    ----------
    data : Dataset
    baseline : Results
        The experiment to compare with, such as
        ``run("baseline", data=data)``; the panel begins with its
        configuration, but for 20 epochs at most.

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
        If the experiment was measured on other data.
    """

    def __init__(self, data: Dataset, baseline: Results) -> None:
        if baseline.data_name != data.name:
            raise ValueError(f"baseline must be of {data.name}; it is of {baseline.data_name}")
        self.data, self.results, self.given = data, baseline, baseline.names
        self.first_config = baseline.of(self.given[0])[0].config
        self.new_names = (f"lab run {number}" for number in count(1))
        self.worker = threading.Thread()  # at most one run at a time
        self.stop_requested, self.confirmed = threading.Event(), threading.Event()
        self.panel = self._panel()
        if shell := get_ipython():  # a cell may have added an activation
            shell.events.register("post_run_cell", lambda _: self._refresh())
        self._draw("Choose, and press Train.", 0.0)

    # ---- running -----------------------------------------------------

    def train(
        self, config: Config, name: str = "", confirm: Callable[[str], None] | None = None
    ) -> TrainingResult | None:
        """Train in this thread; the run is added to the others.

        Parameters
        ----------
        config : Config
        name : str
            The run of which this is a further seed, if it is.
        confirm : callable, optional
            As :class:`~kmnist_mlp.callbacks.Live` takes it.

        Returns
        -------
        TrainingResult or None
            None if the run was stopped in its first epoch, or is a
            further seed and was stopped.

        Raises
        ------
        ValueError
            If the layers do not fit the data, or there are to be no
            validation images.
        """
        if not config.validation_fraction:
            raise ValueError("validation_fraction must be > 0: validation curves are compared here")
        name = name or next(new for new in self.new_names if new not in self.results.names)

        def show(text: str, done: float, curves: dict[str, np.ndarray]) -> None:
            self._draw(f"{text} · {name}", done, curves)

        result = train(config, self.data, callbacks=[Live(show, self.stop_requested, confirm)])
        if result.interrupted and (not result.stopped_epoch or name in self.results.names):
            self._draw("stopped: nothing of the run that went on is kept", 0.0)
            return None  # a stopped run is no further seed of others
        self.results = self.results.plus(name, result)
        self._refresh()
        self._draw(f"{name}: {ended(result)}", result.stopped_epoch / config.epochs)
        return result

    def start(self, *configs: Config, name: str = "") -> None:
        """Train in the background; errors are shown in the panel.

        A run that may take more than ten minutes waits until
        it is confirmed.

        Parameters
        ----------
        *configs : Config
            One after the other.
        name : str
            The run of which these are further seeds, if they are.

        Raises
        ------
        ValueError
            If a run is going on already.
        """
        if self.worker.is_alive():
            raise ValueError("a run is going on: stop it, or wait for its end")
        self.confirmed.clear()
        self.buttons["Train"].disabled, self.buttons["Stop"].disabled = True, False
        self.message.value = ""
        self._draw("preparing the images", 0.0)
        work = (self._train_all, configs, name)
        self.worker = threading.Thread(target=self._attempt, args=work, daemon=True)
        self.worker.start()

    def repeat(self, name: str) -> None:
        """Train a run with more seeds in the background, until it has five.

        Raises
        ------
        ValueError
            If a run is going on already, there is no such run, or it was
            stopped by hand.
        """
        runs = self.results.of(one_of("name", name, self.trained_menu.options))
        if runs[0].interrupted:
            raise ValueError(f"{name!r} was stopped by hand; a run of other seeds must be like it")
        have = [run.config.seed for run in runs]
        seeds = [seed for seed in range(len(have) + SEEDS) if seed not in have]
        missing = seeds[: max(0, SEEDS - len(have))]
        self.start(*(runs[0].config.replace(seed=seed) for seed in missing), name=name)

    def remove(self, name: str) -> None:
        """Take a run of the laboratory out of its results.

        Raises
        ------
        ValueError
            If there is no such run.
        """
        self.results = self.results.without(one_of("name", name, self.trained_menu.options))
        self._refresh()
        self._draw(f"{name} is removed.", 0.0)

    def stop(self) -> None:
        """End the run after its current mini-batch; its best model is kept."""
        self.message.value = "Stopping after this mini-batch ..."
        self.stop_requested.set()
        self.confirmed.set()

    def _train_all(self, configs: Iterable[Config], name: str) -> None:
        """Train one after the other, in the background."""
        try:
            for number, config in enumerate(configs):
                if not self.stop_requested.is_set():
                    self.train(config, name, None if number else self._confirm)
            self.message.value = ""
        finally:
            self.stop_requested.clear()
            self.buttons["Train"].disabled, self.buttons["Stop"].disabled = False, True

    def _confirm(self, sentence: str) -> None:
        """Show how long a run may take, and wait for the user's decision."""
        go_on = self.buttons["Train it"].layout
        self.message.value, go_on.display = sentence, ""
        self.confirmed.wait()
        self.message.value, go_on.display = "", "none"

    # ---- what is shown -----------------------------------------------

    def table(self) -> pd.DataFrame:
        """Return accuracies, end and configuration, a row per experiment."""
        runs = {name: self.results.of(name) for name in self.results.names}
        table = tables.comparison(self.results)[["test accuracy, %", "validation accuracy, %"]]
        of_each = self.results.frame.groupby("experiment", sort=False)
        epochs = of_each[["stopped_epoch", "best_epoch"]].median().to_numpy()
        table["epochs (best)"] = [f"{stopped:.3g} ({best:.3g})" for stopped, best in epochs]
        table["end"] = [how_it_ended(of_one) for of_one in runs.values()]
        configs = tables.configurations({name: seeds[0].config for name, seeds in runs.items()})
        if "seed" in configs:
            configs["seed"] = [", ".join(map(str, seeds)) for _, seeds in of_each.seed]
        table[configs.columns] = configs
        return table

    def caption(self) -> str:
        """Return a caption of validation loss and accuracy, run by run."""
        parts = [self.described(name) for name in self.results.names]
        return f"Validation loss and accuracy by epoch of {'; '.join(parts)}."

    def described(self, name: str) -> str:
        """Return a run with its configuration, such as "lab run 1 (activation ReLU)"."""
        runs = self.results.of(name)
        seeds = f", mean of {len(runs)} seeds" if len(runs) > 1 else ""
        return f"{title(name)} ({setting(runs[0].config)}{seeds})"

    def show_code(self, name: str) -> None:
        """Show the lines that repeat a run in a cell of a notebook, on its ``data``."""
        runs = self.results.of(name)
        seeds = [run.config.seed for run in runs]
        code = Path(__file__).with_name("code.txt").read_text()
        self.code_text.value = code.format(name=name, config=runs[0].config, seeds=seeds)

    def units(self, run: str, first: int = 0) -> ReportFigure:
        """Draw six hidden units of a run, from the one with the ``first``-largest weights on."""
        return hidden_units(self.results.of(run)[0], self.data, first)

    def _refresh(self) -> None:
        """Bring menus and table up to the results and activations."""
        names = self.results.names
        trained = [name for name in names if name not in self.given]
        menus = self.run_menu, self.trained_menu, self.controls["activation"]
        now = names, trained, list(ACTIVATIONS)
        for control, options in zip(menus, now, strict=True):
            chosen = control.value
            # new options would choose the first one
            if options != list(control.options):
                control.options = options
                control.value = chosen if chosen in options else next(iter(options), None)
        for control in self.actions.children:
            control.disabled = not trained
        style = f"<style>{source('runs.css')}</style>"
        self.runs.value = f'{style}<div class="lab-runs">{html(self.table())}</div>'

    def _draw(self, text: str, done: float, now: dict[str, np.ndarray] | None = None) -> None:
        """Show the current run together with the experiment and the last runs."""
        first, *others = self.results.names
        colours = {first: GREY} | dict(zip(others[-len(LAST_RUNS) :], LAST_RUNS, strict=False))
        curves = {name: [run.curves for run in self.results.of(name)] for name in colours}
        if now:  # a run that is going on has the only warm colour
            curves["this run"], colours["this run"] = [now], ORANGE
        lines = {}
        for name, runs in curves.items():
            # until the first of them ends
            parts = "validation_loss", "validation_accuracy"
            shared = min(len(run[parts[0]]) for run in runs)
            means = (np.mean([run[part][:shared] for run in runs], axis=0) for part in parts)
            lines[name] = *means, {"color": colours[name]}
        titles = "Validation loss", "Validation accuracy, %"
        self.picture.value = svg(curves_figure(text, done, lines, titles, self.data.name), text)

    # ---- the panel ---------------------------------------------------

    def _panel(self) -> widgets.VBox:
        first, example = self.first_config.replace(epochs=20), "128, 64; none: empty"
        hidden = widgets.Text(description="hidden layers", placeholder=example, **NAMED)
        hidden.value = ", ".join(map(str, first.layer_specs[1:-1]))
        self.controls = {"hidden": hidden, "activation": menu("activation", ACTIVATIONS)}
        self.controls["activation"].value = first.activation
        off = [name for switch, name in tables.SWITCHES.items() if not getattr(first, switch)]
        for name, values in CHOICES.items():
            value = 0 if name in off else getattr(first, name)
            options = [(f"{v:g}", v) for v in sorted({*values, value})]
            given = {"description": label(name), "options": options, "value": value}
            self.controls[name] = widgets.SelectionSlider(**given, **NAMED)
        self.message, self.picture, self.runs = (widgets.HTML() for _ in range(3))
        self.run_menu, self.trained_menu = menu("run", []), menu("run of yours", [])
        wide = {"rows": 8, "layout": {"width": "720px"}}
        self.code_text = widgets.Textarea(description="as code", **wide, **NAMED)
        actions = {
            "Train": lambda: self.start(self.chosen()),
            "Stop": self.stop,
            "Train it": self.confirmed.set,
            "Show as code": lambda: self.show_code(self.trained_menu.value),
            "Repeat with five seeds": lambda: self.repeat(self.trained_menu.value),
            "Remove": lambda: self.remove(self.trained_menu.value),
        }
        self.buttons = {}
        for text, action in actions.items():
            button = widgets.Button(description=text, layout={"width": "auto"})
            button.on_click(lambda _, action=action: self._attempt(action))
            self.buttons[text] = button
        train_button, stop, go_on, *more = self.buttons.values()
        train_button.button_style, stop.disabled, go_on.layout.display = "primary", True, "none"
        self.actions = widgets.HBox([self.trained_menu, *more])
        self._refresh()
        controls = list(self.controls.values())
        rows = [widgets.HBox(controls[i : i + 2]) for i in range(0, len(controls), 2)]
        run = widgets.HBox([train_button, stop, go_on, self.message])
        below = [self.picture, self.runs, self.actions, self.code_text]
        return widgets.VBox([*rows, run, *below])

    def _attempt(self, action: Callable[..., object], *arguments: object) -> None:
        """Do something; if it fails, show the error in the panel."""
        try:
            action(*arguments)
        except Exception as error:
            self.message.value = f'<span style="color: {RED}">{escape(str(error))}</span>'

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
        for switch, name in tables.SWITCHES.items():  # off at 0
            values |= {switch: values[name] > 0, name: values[name] or getattr(Config, name)}
        return self.first_config.replace(**values)


def how_it_ended(runs: list[TrainingResult]) -> str:
    """Return why training ended, of a single run, else how many."""
    if len(runs) > 1:
        return f"{len(runs)} seeds"
    (run,) = runs
    end = "no improvement" if run.stopped_epoch < run.config.epochs else "all epochs"
    end = "diverged" if run.diverged else end
    return "stopped by hand" if run.interrupted else end
