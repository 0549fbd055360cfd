"""The runs of the laboratory in words: as a table, as code, and how each ended."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.statistics import plus_minus


def runs_table(results: Results) -> pd.DataFrame:
    """Return one row per experiment: its accuracies, how it ended, and then its configuration."""
    names = results.names
    runs = {name: results.of(name) for name in names}
    configs = tables.configurations({name: runs[name][0].config for name in names})
    table = pd.DataFrame(index=configs.index)
    for part in ("test", "validation"):
        values = [plus_minus(results.values(f"{part}_accuracy", n), 2) for n in names]
        table[f"{part} accuracy, %"] = values
    table["epochs (best)"] = [epochs(runs[name]) for name in names]
    table["end"] = [how_it_ended(runs[name]) for name in names]
    if "seed" in configs:
        seeds = [", ".join(str(run.config.seed) for run in runs[name]) for name in names]
        configs["seed"] = seeds
    table = pd.concat([table, configs], axis=1).rename_axis(columns=configs.columns.name)
    frame = results.frame.drop(columns=["cached", "seconds"])
    quantities = ["test_accuracy", "validation_accuracy"]
    table.attrs["exhibit_data"] = ExhibitData.of(frame, "", results, names, quantities)
    return table


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
    """Return the last and the best epoch, such as "24 (19)"; medians of the seeds."""
    stopped, best = (
        np.median([getattr(run, f"{e}_epoch") for run in runs]) for e in ("stopped", "best")
    )
    return f"{stopped:.3g} ({best:.3g})"


def code(results: Results, name: str) -> str:
    """Return the lines that repeat an experiment in a cell of a notebook, on its ``data``.

    Only what is not the default is written.
    """
    runs = results.of(name)
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
