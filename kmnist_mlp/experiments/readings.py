"""The paper's experiments under other readings of its text, and by its published code.

**Readings.** Three choices change results and are not in the paper's
text: over what pixels are standardised, the form of momentum, and the
variance of the initial weights. ``make measure WHAT=readings`` trains
all experiments under all twelve combinations with three seeds. Pixels
divided by 255 and raw pixels are no readings of the paper, which
standardises them; the baseline is trained on both, too.

**Published code.** ``make measure WHAT=published`` trains the
experiments by this project's algorithm ("none") and by that of the
published code ("all"), then, for seven of them, each deviation of
published_code.py added to the first alone ("+clipping") and left out
of the second alone ("-clipping").
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.claims import CLAIMS, Claim, judge
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER, PUBLISHED
from kmnist_mlp.experiments.published_code import DEVIATIONS, train_as_published
from kmnist_mlp.experiments.runs import Results, train_missing
from kmnist_mlp.experiments.store import FOLDER, Table
from kmnist_mlp.results import TrainingResult

# ---- readings --------------------------------------------------------

CHOICES = ["standardisation", "momentum", "variance"]
READINGS = [
    dict(zip(CHOICES, values, strict=True))
    for values in product(("pixel", "global", "image"), ("unit gain", "classical"), (2.0, 1.0))
]
OURS = READINGS[0]
SCALED, RAW = ({**OURS, "standardisation": kind} for kind in ("scale", "none"))
TABLE = Table(FOLDER / "readings.csv", [*CHOICES, "experiment", "seed"])
load_readings = TABLE.load


def read_as(reading: dict[str, Any], config: Config) -> Config:
    """Return an experiment's configuration under a reading.

    Parameters
    ----------
    reading : dict
        standardisation, as in :class:`kmnist_mlp.Config`. momentum:
        "unit gain" is ``v <- gamma * v + (1 - gamma) * g``, "classical"
        is ``v <- gamma * v + g``, the same as unit gain with a learning
        rate of ``1 / (1 - gamma)`` times as much. variance of the
        initial weights, times the inputs of their layer.
    config : Config

    Examples
    --------
    >>> read_as({**OURS, "momentum": "classical"}, Config()).learning_rate
    0.005
    """
    rate = config.learning_rate
    if reading["momentum"] == "classical" and config.momentum:
        rate = float(f"{rate / (1 - config.momentum_gamma):.12g}")
    config = config.replace(standardisation=reading["standardisation"])
    return config.replace(initial_variance=reading["variance"], learning_rate=rate)


def plan() -> dict[tuple, Config]:
    """Return all configurations by reading, experiment and seed."""
    pairs = [*product(READINGS, EXPERIMENTS), (SCALED, "baseline"), (RAW, "baseline")]
    return {
        (*reading.values(), name, seed): read_as(reading, EXPERIMENTS[name]).replace(seed=seed)
        for reading, name in pairs
        if name != "no_standardisation"
        for seed in range(3)
    }


def verdicts(table: pd.DataFrame, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """Return the verdict on each claim (rows) in each reading (columns, as in READINGS)."""
    judged = [judge(Results.of_frame(table, **reading), {}, claims) for reading in READINGS]
    columns = dict(enumerate(frame.verdict for frame in judged))
    claims = judged[0].number.astype(str) + " " + judged[0].claim
    return pd.DataFrame(columns).set_axis(claims.rename("claim"))


def measure(data: Dataset) -> None:
    """Train what is missing of all experiments under all readings (1.5 hours on two cores)."""
    train_missing(TABLE.missing(plan()), TABLE.add, data)


# ---- the published code ----------------------------------------------

ABLATION = pd.read_csv(PUBLISHED / "ablation.csv")
# Four deviations that hardly change a result are measured with the
# three activations alone; the form of the penalty, where there is an
# L1 penalty.
MINOR = {"L2 outside", "clipping", "one draw", "batch 129"}
# The experiments of which each other deviation is measured. Those left
# out differ from these in little but a penalty or the learning rate.
ABLATED = tuple(ABLATION.experiment[ABLATION.deviations == "+untrained biases"])
PUBLISHED_TABLE = Table(FOLDER / "published_code.csv", ["experiment", "deviations", "seed"])
# the learning curves under all deviations of the experiments of which
# the paper shows them
CURVE_TABLE = Table(FOLDER / "published_code_curves.csv", ["experiment", "seed", "epoch"])
load_runs, load_curves = PUBLISHED_TABLE.load, CURVE_TABLE.load


def published_plan() -> dict[tuple, Config]:
    """Return all runs of the published code: the two whole algorithms, then the ablation.

    Configurations by experiment, deviations ("none", "all", "+name" or
    "-name") and seed. A deviation that cannot change an experiment is
    not measured there.
    """
    return {
        (name, deviations, seed): EXPERIMENTS[name].replace(seed=seed)
        for name, deviations in ABLATION.itertuples(index=False)
        for seed in range(5)
    }


def train_published(key: tuple, config: Config, data: Dataset) -> TrainingResult:
    """Train one planned run of the published code."""
    every, alone = {*DEVIATIONS}, {key[1][1:]}
    # by the first character of "none", "all", "+name" and "-name"
    names = {"n": set(), "a": every, "+": alone, "-": every - alone}
    return train_as_published(config, data, names[key[1][0]])


def keep_published(key: tuple, run: TrainingResult) -> str:
    """Keep the row of a run; before it the curves, if it is of the whole code."""
    name, deviations, seed = key
    if deviations == "all" and PAPER[name].figures:
        epochs = range(1, run.stopped_epoch + 1)
        rows = {"experiment": name, "seed": seed, "epoch": epochs} | run.curves
        CURVE_TABLE.write(pd.DataFrame(rows).round(6))
    return PUBLISHED_TABLE.add(key, run)


def measure_published(data: Dataset) -> None:
    """Train what is missing of the published algorithm and its ablation (an hour on two cores)."""
    missing = PUBLISHED_TABLE.missing(published_plan())
    train_missing(missing, keep_published, data, train_published)
