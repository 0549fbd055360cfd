"""How many seeds a comparison needs: twenty runs of the baseline that differ in the seed only.

``make grid`` measures them; they are kept in ``reference_results/seeds.csv``, and notebook 2 shows
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp.datasets.kmnist import kmnist_or_exit
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.experiments.runs import run
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv
from kmnist_mlp.support.statistics import pooled_deviation, students_t

FILE = Path(__file__).with_name("reference_results") / "seeds.csv"
MANY = range(20)


def load_seeds() -> pd.DataFrame:
    """Return seed and test_accuracy (a fraction) of the twenty runs, measured on KMNIST."""
    return pd.read_csv(FILE)


def widths(values: Iterable[float], counts: Iterable[int] = range(2, 21)) -> pd.DataFrame:
    """Return how wide 95 % intervals are to be expected with some numbers of seeds.

    Parameters
    ----------
    values : iterable of float
        One per seed; their standard deviation is taken for that of all seeds.
    counts : iterable of int
        Numbers of seeds, each at least 2.

    Returns
    -------
    DataFrame
        Columns seeds, mean (half the width of the confidence interval, ``t s / sqrt n``)
        and next_run (that of the prediction interval, ``t s sqrt(1 + 1/n)``).

    Examples
    --------
    >>> widths([84.1, 84.3, 84.2], [2, 5]).round(2)
       seeds  mean  next_run
    0      2  0.90      1.56
    1      5  0.12      0.30
    """
    n = np.array(list(counts))
    half = students_t(n) * np.std(list(values), ddof=1)
    return pd.DataFrame(
        {"seeds": n, "mean": half / np.sqrt(n), "next_run": half * np.sqrt(1 + 1 / n)}
    )


def printed_runs() -> list[np.ndarray]:
    """Return the reference test accuracies, in per cent, of each experiment in COMPARISONS.

    L1 of 0.000001 has the baseline's runs, so it does not count a second time.
    """
    reference = load_reference("KMNIST").query("quantity == 'test_accuracy'")
    names = {name for pair in COMPARISONS for name in pair} - {"l1_1e-6"}
    return [
        100 * reference.value[reference.experiment == name].to_numpy() for name in sorted(names)
    ]


def smallest_difference(groups: Iterable[Iterable[float]]) -> tuple[float, float, float]:
    """Return the smallest difference of two single runs that chance does not explain.

    Two runs of one configuration differ by less in 95 of 100 cases: ``t s sqrt(2)``, in the unit of
    the values, with s pooled over groups of runs that differ in their seed only.

    Returns
    -------
    difference, low, high : float
        With its 95 % confidence interval, by the distribution of s (chi-squared).

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


# What the paper compares with each other, in its own order.
COMPARISONS = [
    ("l2_0.2", "baseline"), ("l2_1e-3", "baseline"), ("l2_1e-3", "l2_0.2"), ("l1_1e-6", "l2_0.2"),
    ("l1_1e-3", "l1_1e-6"), ("sigmoid", "baseline"), ("relu", "baseline"), ("relu", "sigmoid"),
    ("hidden_256", "baseline"), ("hidden_64", "baseline"), ("two_hidden_layers", "baseline"),
    ("two_hidden_layers", "hidden_64"), ("final", "baseline"),
]  # fmt: skip


def single_run_comparisons(groups: Iterable[Iterable[float]]) -> pd.DataFrame:
    """Return the paper's comparisons of two single runs beside what chance explains.

    Parameters
    ----------
    groups : iterable of iterable of float
        Test accuracies in per cent: for each experiment, one per seed.

    Returns
    -------
    DataFrame
        Columns experiment, minus, difference (percentage points, of the paper's two printed test
        accuracies) and beyond_chance: "yes" or "no" if it lies beyond or below the interval of
        :func:`smallest_difference`, else "borderline".
    """
    _, low, high = smallest_difference(groups)
    rows = []
    for name, minus in COMPARISONS:
        difference = PAPER[name].test_accuracy - PAPER[minus].test_accuracy
        size = abs(difference)
        beyond = "yes" if size > high else "no" if size < low else "borderline"
        rows.append((name, minus, difference, beyond))
    return pd.DataFrame(rows, columns=["experiment", "minus", "difference", "beyond_chance"])


def main() -> None:
    """Train the baseline with twenty seeds, and write their results."""
    data = kmnist_or_exit("The seeds are kept")
    write_csv(run("baseline", MANY, data=data).frame[["seed", "test_accuracy"]], FILE)
    tell(f"{FILE}: {len(MANY)} runs")


if __name__ == "__main__":
    main()
