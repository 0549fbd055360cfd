"""Every experiment of the paper under every reading of what the paper leaves open.

Three choices change results and are not in the paper's text: over what pixels are standardised, the
form of momentum, and the variance of the initial weights. ``make readings`` trains all experiments
under all twelve combinations with three seeds; it goes on where it was interrupted. Pixels divided
by 255 and raw pixels are no readings of the paper, which standardises them; the baseline is trained
on both of them, too. The results go to ``reference_results/readings.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.datasets.kmnist import kmnist_or_exit
from kmnist_mlp.experiments.claims import CLAIMS, Claim, judge
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv

FILE = Path(__file__).with_name("reference_results") / "readings.csv"
SEEDS = range(3)
CHOICES = ["standardisation", "momentum", "variance"]
COLUMNS = [
    "test_accuracy", "test_loss", "training_accuracy", "validation_accuracy", "generalisation_gap",
    "late_fluctuation", "small_weight_share", "best_epoch", "stopped_epoch",
]  # fmt: skip


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
TRAINED = [*READINGS, SCALED, RAW]


def load_readings(path: Path = FILE) -> pd.DataFrame:
    """Return a row per reading, experiment and seed; accuracies are fractions."""
    return pd.read_csv(path)


def results_of(reading: Reading, table: pd.DataFrame) -> Results:
    """Return the results of one reading, for :func:`kmnist_mlp.experiments.judge`."""
    values = [reading.standardisation, reading.momentum, reading.variance]
    frame = table[(table[CHOICES] == values).all(axis=1)].drop(columns=CHOICES)
    runs = dict.fromkeys(zip(frame.experiment, frame.seed, strict=True))
    return Results(runs, frame.reset_index(drop=True), "KMNIST")


def verdicts(table: pd.DataFrame, claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """Return the verdict on each claim (rows) in each reading (columns, as in READINGS)."""
    judged = [judge(results_of(reading, table), {}, claims) for reading in READINGS]
    columns = {number: frame.verdict for number, frame in enumerate(judged)}
    claims = judged[0].number.astype(str) + " " + judged[0].claim
    return pd.DataFrame(columns).set_axis(claims.rename("claim"))


def main() -> None:
    """Measure all readings, one after the other, and write the table of their runs."""
    data = kmnist_or_exit("The readings are kept")
    frames = []
    of_paper = [name for name in EXPERIMENTS if name != "no_standardisation"]
    for number, reading in enumerate(TRAINED, start=1):
        names = of_paper if reading in READINGS else ["baseline"]
        configs = {name: reading.apply(EXPERIMENTS[name]) for name in names}
        frame = run(configs, SEEDS, data=data).frame[["experiment", "seed", *COLUMNS]]
        frames.append(frame.assign(**vars(reading)))
        tell(f"{number} of {len(TRAINED)}: {reading}")
    table = pd.concat(frames, ignore_index=True)
    write_csv(table[[*CHOICES, "experiment", "seed", *COLUMNS]], FILE)
    tell(f"{FILE}: {len(table)} runs")


if __name__ == "__main__":
    main()
