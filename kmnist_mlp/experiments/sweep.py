"""Two sweeps: hyper-parameters around the paper's final model, and seeds of the baseline.

The paper supposes that more time and tuning would have brought more
than 90 %. ``make measure WHAT=sweep`` tests this: it trains every
combination of learning rate, momentum and L2 penalty for a few
epochs, takes the one that is best on the validation split, and trains
it for as long as the paper trained its final model (notebook 6).
Twenty runs of the baseline that differ in the seed only say how many
seeds a comparison needs (notebook 2).

Beside them stand other classifiers.
``published/other_classifiers.csv`` quotes the table of results in the
README of https://github.com/rois-codh/kmnist. The multilayer
perceptron is the one of the highest accuracy that we found,
https://github.com/Ying-Kai-Liao/kmnist-fc-classifier; its epoch was
chosen on test. Of those marked as ``old_version`` the table says that
they were obtained with the data as they were before February 2019,
which gave slightly lower accuracies.
"""

from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER, PUBLISHED
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.experiments.runs import train_missing
from kmnist_mlp.experiments.store import FOLDER, Table
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.statistics import pooled_deviation, students_t

# Extended, by validation accuracy, until the best combination lay at
# no edge of the grid.
LEARNING_RATES = (5e-4, 2e-3, 4e-3, 8e-3)
MOMENTA = (0.0, 0.9, 0.99)
L2_PENALTIES = (0.00625, 0.0125, 0.025, 0.05, 0.2)
AXES = ["learning_rate", "momentum_gamma", "L2_penalty"]
TABLES = {
    "grid": Table(FOLDER / "grid.csv", [*AXES, "seed"]),
    "tuned": Table(FOLDER / "tuned.csv", [*AXES, "seed"]),
    "seeds": Table(FOLDER / "seeds.csv", ["seed"]),
    "other classifiers": Table(FOLDER / "other_classifiers.csv", ["model"]),
}
# model, test_accuracy_percent, old_version and source (an address)
QUOTED = pd.read_csv(PUBLISHED / "other_classifiers.csv")
COMPARISONS = pd.read_csv(PUBLISHED / "comparisons.csv")  # of the paper, in its own order


def load(name: str) -> pd.DataFrame:
    """Return one of TABLES: "grid", "tuned" or "seeds" have a row per run on KMNIST."""
    return TABLES[name].load()


# ---- hyper-parameters ------------------------------------------------


def plan() -> dict[tuple, Config]:
    """Return the configurations of the grid by learning rate, momentum, penalty and seed."""
    final = EXPERIMENTS["final"].replace(epochs=15)
    return {
        values: final.replace(**dict(zip([*AXES, "seed"], values, strict=True)))
        for values in product(LEARNING_RATES, MOMENTA, L2_PENALTIES, range(3))
    }


def means(grid: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds of each combination, the best validation accuracy first.

    A combination of which a run diverged comes last,
    whatever its accuracy.
    """
    columns = ["validation_accuracy", "test_accuracy", "diverged"]
    table = grid.groupby(AXES, as_index=False)[columns].mean()
    return table.sort_values(["diverged", "validation_accuracy"], ascending=[True, False])


def edges(grid: pd.DataFrame) -> list[str]:
    """Return the axes on which the best combination lies at an end."""
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
        A row per seed: test_accuracy (in per cent) of the combination
        that is best on this seed's "validation" images, and of that
        which is best on the "test" images themselves.
    """
    runs = grid[~grid.diverged.astype(bool)]
    best = runs.groupby("seed")[["validation_accuracy", "test_accuracy"]].idxmax()
    best = best.rename(columns=lambda name: name.removesuffix("_accuracy"))
    return 100 * best.map(runs.test_accuracy.get)


def measure(data: Dataset) -> None:
    """Train what is missing of the grid, then its best combination (half an hour on two cores)."""
    grid, tuned = TABLES["grid"], TABLES["tuned"]
    train_missing(grid.missing(plan()), grid.add, data)
    best = means(grid.load())[AXES].iloc[0].to_dict()
    config = EXPERIMENTS["final"].replace(**best)
    planned = {(*best.values(), seed): config.replace(seed=seed) for seed in range(5)}
    train_missing(tuned.missing(planned), tuned.add, data)


# ---- seeds -----------------------------------------------------------


def measure_seeds(data: Dataset) -> None:
    """Train what is missing of the baseline's twenty seeds (minutes)."""
    planned = {(seed,): EXPERIMENTS["baseline"].replace(seed=seed) for seed in range(20)}
    table = TABLES["seeds"]
    train_missing(table.missing(planned), table.add, data)


def widths(values: Iterable[float]) -> pd.DataFrame:
    """Return how wide 95 % intervals are to be expected with 2 to 20 seeds.

    Parameters
    ----------
    values : iterable of float
        One per seed; their standard deviation is taken for that
        of all seeds.

    Returns
    -------
    DataFrame
        Columns seeds, mean (half the width of the confidence
        interval, ``t s / sqrt n``) and next_run (that of the
        prediction interval, ``t s sqrt(1 + 1/n)``).

    Examples
    --------
    >>> widths([84.1, 84.3, 84.2]).round(2).head(2)
       seeds  mean  next_run
    0      2  0.90      1.56
    1      3  0.25      0.50
    """
    n = np.arange(2, 21)
    half = students_t(n) * np.std(list(values), ddof=1)
    wide = {"seeds": n, "mean": half / np.sqrt(n), "next_run": half * np.sqrt(1 + 1 / n)}
    return pd.DataFrame(wide)


def printed_runs() -> list[np.ndarray]:
    """Return the reference test accuracies, in per cent, of each experiment in COMPARISONS.

    L1 of 0.000001 has the baseline's runs, so it does not count
    a second time.
    """
    reference = load_reference("KMNIST").query("quantity == 'test_accuracy'")
    names = {*COMPARISONS.experiment, *COMPARISONS.minus} - {"l1_1e-6"}
    of_each = reference[reference.experiment.isin(names)].groupby("experiment").value
    return [100 * values.to_numpy() for _, values in of_each]


def smallest_difference(groups: Iterable[Iterable[float]]) -> tuple[float, float, float]:
    """Return the smallest difference of two single runs that chance does not explain.

    Two runs of one configuration differ by less in 95 of 100 cases:
    ``t s sqrt(2)``, in the unit of the values, with s pooled over
    groups of runs that differ in their seed only.

    Returns
    -------
    difference, low, high : float
        With its 95 % confidence interval, by the distribution of s
        (chi-squared).

    Examples
    --------
    >>> [round(number, 2) for number in smallest_difference([[84.1, 84.3, 84.2]])]
    [0.61, 0.32, 3.82]
    """
    from scipy.special import chdtri  # only here, as it loads slowly

    deviation, free = pooled_deviation(groups)
    difference = students_t(free + 1) * deviation * np.sqrt(2)
    low, high = (np.sqrt(free / chdtri(free, tail)) for tail in (0.025, 0.975))
    return float(difference), float(difference * low), float(difference * high)


def single_run_comparisons(groups: Iterable[Iterable[float]]) -> pd.DataFrame:
    """Return the paper's comparisons of two single runs beside what chance explains.

    Parameters
    ----------
    groups : iterable of iterable of float
        Test accuracies in per cent: for each experiment, one per seed.

    Returns
    -------
    DataFrame
        Columns experiment, minus, difference (percentage points, of
        the paper's two printed test accuracies) and beyond_chance:
        "yes" or "no" if it lies beyond or below the interval of
        :func:`smallest_difference`, else "borderline".
    """
    _, low, high = smallest_difference(groups)
    accuracies = {name: numbers.test_accuracy for name, numbers in PAPER.items()}
    experiment, minus = (COMPARISONS[part].map(accuracies) for part in COMPARISONS)
    size = (experiment - minus).abs()
    beyond = np.select([size > high, size < low], ["yes", "no"], "borderline")
    return COMPARISONS.assign(difference=experiment - minus, beyond_chance=beyond)


# ---- other classifiers -----------------------------------------------


def measure_neighbours(data: Dataset) -> None:
    """Measure 4 nearest neighbours with scikit-learn, and write their accuracy (a minute).

    A vote weighs one over the Euclidean distance of the pixels, as in
    the data set's own benchmark.
    """
    from sklearn.neighbors import KNeighborsClassifier  # not needed for anything else

    train, test = (
        images.reshape(len(images), -1).astype("float32")
        for images in (data.train_images, data.test_images)
    )
    model = KNeighborsClassifier(4, weights="distance", algorithm="brute", n_jobs=-1)
    accuracy = 100 * model.fit(train, data.train_labels).score(test, data.test_labels)
    row = {"model": "4 nearest neighbours", "test_accuracy_percent": accuracy}
    TABLES["other classifiers"].write(pd.DataFrame([row]))
    tell(f"4 nearest neighbours: {accuracy:.2f} %")
