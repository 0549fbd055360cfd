"""Every experiment of the paper under every reading of what the paper leaves open.

Three choices change results and are not in the paper's text: over what pixels are standardised, the
form of momentum, and the variance of the initial weights. ``make measure`` trains all experiments
under all twelve combinations with three seeds. Pixels divided by 255 and raw pixels are no readings
of the paper, which standardises them; the baseline is trained on both of them, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.claims import CLAIMS, Claim, judge
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import Results, train_missing
from kmnist_mlp.experiments.store import FOLDER, Table

SEEDS = range(3)
CHOICES = ["standardisation", "momentum", "variance"]
TABLE = Table(
    FOLDER / "readings.csv",
    [*CHOICES, "experiment", "seed"],
    [
        "test_accuracy", "test_loss", "training_accuracy", "validation_accuracy",
        "generalisation_gap", "late_fluctuation", "small_weight_share", "best_epoch",
        "stopped_epoch",
    ],
)  # fmt: skip
load_readings = TABLE.load


@dataclass(frozen=True)
class Reading:
    """One combination of the choices that the paper leaves open.

    Attributes
    ----------
    standardisation : str
        As in :class:`kmnist_mlp.Config`.
    momentum : str
        "unit gain": ``v <- gamma * v + (1 - gamma) * g``. "classical": ``v <- gamma * v + g``, the
        same as unit gain with a learning rate of ``1 / (1 - gamma)`` times as much.
    variance : float
        Of the initial weights, times the inputs of their layer.

    Examples
    --------
    >>> Reading("image", "classical", 1.0).apply(Config()).learning_rate
    0.005
    """

    standardisation: str
    momentum: str
    variance: float

    def apply(self, config: Config) -> Config:
        """Return an experiment's configuration under this reading."""
        rate = config.learning_rate
        if self.momentum == "classical" and config.momentum:
            rate = float(f"{rate / (1 - config.momentum_gamma):.12g}")
        return config.replace(
            standardisation=self.standardisation,
            initial_variance=self.variance,
            learning_rate=rate,
        )


READINGS = [
    Reading(*choices)
    for choices in product(("pixel", "global", "image"), ("unit gain", "classical"), (2.0, 1.0))
]
OURS = READINGS[0]
SCALED, RAW = (Reading(kind, "unit gain", 2.0) for kind in ("scale", "none"))


def plan() -> dict[tuple, Config]:
    """Return all runs: configurations by standardisation, momentum, variance, experiment, seed."""
    pairs = [*product(READINGS, EXPERIMENTS), (SCALED, "baseline"), (RAW, "baseline")]
    return {
        (*vars(reading).values(), name, seed): reading.apply(EXPERIMENTS[name]).replace(seed=seed)
        for reading, name in pairs
        for seed in SEEDS
        if name != "no_standardisation"
    }


def verdicts(table: pd.DataFrame, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """Return the verdict on each claim (rows) in each reading (columns, as in READINGS)."""
    found = [Results.of_frame(table, **vars(reading)) for reading in READINGS]
    judged = [judge(results, {}, claims) for results in found]
    columns = {number: frame.verdict for number, frame in enumerate(judged)}
    claims = judged[0].number.astype(str) + " " + judged[0].claim
    return pd.DataFrame(columns).set_axis(claims.rename("claim"))


def measure(data: Dataset) -> None:
    """Train what is missing of all experiments under all readings (1.5 hours on two cores)."""
    train_missing(plan(), TABLE, data)
