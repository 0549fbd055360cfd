"""Which difference between our algorithm and the paper's published code explains what.

``make measure`` trains the experiments of the paper by this project's algorithm ("none") and by
that of the published code ("all"), then, for seven of them, each deviation of published_code.py
added to the first alone ("+clipping") and left out of the second alone ("-clipping").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.published_code import (
    DEVIATIONS,
    applicable,
    train_as_published,
)
from kmnist_mlp.experiments.runs import train_missing
from kmnist_mlp.experiments.store import FOLDER, Table
from kmnist_mlp.results import CURVES, TrainingResult

SEEDS = range(5)
# The experiments of which each deviation is measured. The others differ from these in little but a
# penalty or the learning rate. Four deviations that hardly change a result are measured with the
# three activations alone; the form of the penalty, where there is an L1 penalty.
ABLATED = (
    "baseline", "sigmoid", "relu", "hidden_256", "hidden_64", "two_hidden_layers", "l2_0.2"
)  # fmt: skip
MINOR = {"L2 outside", "clipping", "one draw", "batch 129"}


class Run(NamedTuple):
    """One run: an experiment of the paper, a text for :func:`deviations_of`, a seed."""

    experiment: str
    deviations: str
    seed: int


@dataclass(frozen=True)
class RunTable(Table):
    """The runs, and in a second table the learning curves under all deviations."""

    def add(self, key: tuple, run: TrainingResult) -> str:
        """Add the row of a run, its curves first, so that no run that counts lacks them."""
        name, deviations, seed = key
        if deviations == "all" and PAPER[name].figures:
            epochs = range(1, run.stopped_epoch + 1)
            rows = pd.DataFrame({"experiment": name, "seed": seed, "epoch": epochs, **run.curves})
            replace(CURVE_TABLE, path=self.path.with_stem(CURVE_TABLE.path.stem)).write(
                rows.round(6)
            )
        return super().add(key, run)


TABLE = RunTable(
    FOLDER / "published_code.csv",
    [*Run._fields],
    [
        "test_accuracy", "test_loss", *CURVES, "generalisation_gap", "late_fluctuation",
        "small_weight_share", "best_epoch", "stopped_epoch", "diverged",
    ],
)  # fmt: skip
CURVE_TABLE = Table(
    FOLDER / "published_code_curves.csv", ["experiment", "seed", "epoch"], [*CURVES]
)
load_runs, load_curves = TABLE.load, CURVE_TABLE.load


def deviations_of(text: str) -> frozenset[str]:
    """Return the deviations that "none", "all", "+name" or "-name" stands for.

    Raises
    ------
    ValueError
        For any other text.

    Examples
    --------
    >>> sorted(deviations_of("+clipping")), len(deviations_of("-clipping"))
    (['clipping'], 9)
    """
    if text in ("none", "all"):
        return frozenset(DEVIATIONS if text == "all" else ())
    if text[:1] not in ("+", "-"):
        raise ValueError(f"deviations must be 'none', 'all', '+name' or '-name'; got {text!r}")
    alone = frozenset({text[1:]})
    return alone if text[0] == "+" else frozenset(DEVIATIONS) - alone


def plan() -> dict[Run, Config]:
    """Return all runs: the two whole algorithms, then the ablation.

    A deviation that cannot change an experiment is not measured there.
    """
    pairs = [(name, text) for name in (*ABLATED, *PAPER) for text in ("none", "all")]
    major = DEVIATIONS.keys() - MINOR
    for names, deviations in (
        (ABLATED, major),
        (ABLATED[:3], MINOR),
        (PAPER, {"stored penalties"}),
    ):
        for name in names:
            found = [one for one in DEVIATIONS if one in deviations & applicable(EXPERIMENTS[name])]
            pairs += [(name, sign + one) for one in found for sign in "+-"]
    runs = [Run(*pair, seed) for pair in pairs for seed in SEEDS]
    return {run: EXPERIMENTS[run.experiment].replace(seed=run.seed) for run in runs}


def train_run(run: Run, config: Config, data: Dataset) -> TrainingResult:
    """Train one run: a job of :func:`~kmnist_mlp.experiments.runs.train_all`."""
    return train_as_published(config, data, deviations_of(run.deviations))


def measure(data: Dataset) -> None:
    """Train what is missing of the published algorithm and its ablation (an hour on two cores)."""
    train_missing(plan(), TABLE, data, job=train_run)
