"""An example of a sweep: learning rate x momentum x L2 penalty around the paper's final model.

The paper supposes that more time and tuning would have brought more than 90 %. ``make grid`` tests
this: it trains every combination for a few epochs, takes the one that is best on the validation
split, and trains it for as long as the paper trained its final model. The results are in
``reference_results/grid.csv`` and ``tuned.csv``; notebook 6 shows them.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.datasets.kmnist import kmnist_or_exit
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import run
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv
from kmnist_mlp.support.statistics import in_percent

# Extended, by validation accuracy, until the best combination lay at no edge of the grid.
LEARNING_RATES = (5e-4, 2e-3, 4e-3, 8e-3)
MOMENTA = (0.0, 0.9, 0.99)
L2_PENALTIES = (0.00625, 0.0125, 0.025, 0.05, 0.2)
AXES = ["learning_rate", "momentum_gamma", "L2_penalty"]
EPOCHS = 15
GRID_SEEDS, TUNED_SEEDS = range(3), range(5)
FOLDER = Path(__file__).with_name("reference_results")


def configurations() -> dict[str, Config]:
    """Return all combinations, named after their three values."""
    base = EXPERIMENTS["final"].replace(epochs=EPOCHS)
    combinations = product(LEARNING_RATES, MOMENTA, L2_PENALTIES)
    return {
        " ".join(f"{value:g}" for value in values): base.replace(
            **dict(zip(AXES, values, strict=True))
        )
        for values in combinations
    }


def load(name: str) -> pd.DataFrame:
    """Return "grid" or "tuned": one row per run, accuracies as fractions, measured on KMNIST."""
    return pd.read_csv(FOLDER / f"{name}.csv")


def means(grid: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds of each combination, the best validation accuracy first.

    A combination of which a run diverged comes last, whatever its accuracy.
    """
    columns = ["validation_accuracy", "test_accuracy", "diverged"]
    table = grid.groupby(AXES, as_index=False)[columns].mean()
    return table.sort_values(["diverged", "validation_accuracy"], ascending=[True, False])


def edges(grid: pd.DataFrame) -> list[str]:
    """Return the axes on which the best combination has the smallest or the largest value."""
    best = means(grid).iloc[0]
    return [axis for axis in AXES if best[axis] in (grid[axis].min(), grid[axis].max())]


def chosen_by(grid: pd.DataFrame) -> pd.DataFrame:
    """Return what choosing on the test images would bring, seed by seed.

    Parameters
    ----------
    grid : DataFrame
        What :func:`load` gives.

    Returns
    -------
    DataFrame
        A row per seed: test_accuracy (in per cent) of the combination that is best on this seed's
        "validation" images, and of that which is best on the "test" images themselves.
    """
    rows = {}
    for seed, runs in grid[~grid.diverged.astype(bool)].groupby("seed"):
        rows[seed] = {
            name: 100 * runs.test_accuracy[runs[f"{name}_accuracy"].idxmax()]
            for name in ("validation", "test")
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")


def _measure(configs: dict[str, Config], seeds: range, name: str) -> pd.DataFrame:
    """Run all configurations and write the table of their runs."""
    frame = run(configs, seeds).frame
    for axis in AXES:
        frame[axis] = [getattr(configs[experiment], axis) for experiment in frame.experiment]
    columns = [*AXES, "seed", "validation_accuracy", "test_accuracy", "best_epoch", "diverged"]
    write_csv(frame[columns], FOLDER / f"{name}.csv")
    return frame


def main() -> None:
    """Measure the grid and its best combination, and write both tables."""
    kmnist_or_exit("The sweep is kept")
    best = means(_measure(configurations(), GRID_SEEDS, "grid")).iloc[0]
    tell("Best on validation: " + ", ".join(f"{axis} {best[axis]:g}" for axis in AXES))
    tell("At an edge of the grid: " + (", ".join(edges(load("grid"))) or "no axis"))
    tuned = EXPERIMENTS["final"].replace(**{axis: float(best[axis]) for axis in AXES})
    frame = _measure({"tuned": tuned}, TUNED_SEEDS, "tuned")
    tell(f"Test accuracy of its {len(frame)} runs: {in_percent(frame.test_accuracy.mean())}")


if __name__ == "__main__":
    main()
