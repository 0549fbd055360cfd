"""Numbers of the results as they stand in a sentence: each with its name, and with its spread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.support.statistics import interval, median_and_range, plus_minus, signed

# Factor, digits and unit of a quantity of Results.values, by the last word of its name
FORMATS = {
    "accuracy": (1, 2, " %"),
    "share": (1, 1, " %"),
    "fluctuation": (100, 1, " %"),
    "loss": (1, 4, ""),
    "norm": (1, 2, ""),
}

# What an experiment is called in a sentence, if not by its title
CALLED = {
    "baseline": "the tanh baseline",
    "baseline_100_epochs": "the baseline over 100 epochs",
    "no_momentum": "the baseline without momentum",
    "no_standardisation": "the baseline on raw pixels",
    "linear": "the linear softmax model",
    "starter": "the starter configuration",
    "final": "the final model",
}


def called(name: str) -> str:
    """Return what an experiment is called in a sentence."""
    return CALLED.get(name) or title(name)


def listed(items: Iterable[str], nothing: str = "none") -> str:
    """Return texts as one.

    Examples
    --------
    >>> listed(["one", "two", "three"]), listed(["one"]), listed([])
    ('one, two and three', 'one', 'none')
    """
    *first, last = list(items) or [nothing]
    return f"{', '.join(first)} and {last}" if first else last


def number(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return a quantity, such as "83.84 ± 0.21 %", or "24 (23–26)" for an epoch."""
    values, kind = results.values(quantity, name), quantity.split("_")[-1]
    if kind == "epoch":
        return median_and_range(values)
    factor, digits, unit = FORMATS[kind]
    return plus_minus(factor * values, digits) + unit


def named(results: Results, *names: str, of: str = "test_accuracy") -> str:
    """Return experiments with a quantity: "sigmoid (85.75 ± 0.34 %) and ReLU (86.76 ± 0.28 %)"."""
    brackets = str.maketrans("()", "[]")
    return listed(f"{called(n)} ({number(results, n, of).translate(brackets)})" for n in names)


def printed(*names: str) -> str:
    """Return experiments with the test accuracy that the paper prints.

    Examples
    --------
    >>> printed("sigmoid", "final")
    'sigmoid (83.05 %) and the final model (89 %)'
    """
    accuracies = {name: PAPER[name].test_accuracy for name in names}
    digits = {name: 0 if value == round(value) else 2 for name, value in accuracies.items()}
    return listed(f"{called(n)} ({accuracies[n]:.{digits[n]}f} %)" for n in names)


def compared(results: Results, name: str, minus: str, of: str = "test_accuracy") -> str:
    """Return how two experiments differ, in words that follow the 95 % interval over seeds.

    For example "ReLU had a test accuracy 2.68 points higher than sigmoid (95 % interval 2.3 to
    3.1)"; or "not measurably different from that of sigmoid", or "the same ... in every seed".

    Parameters
    ----------
    results : Results
    name, minus : str
        Experiments, compared seed by seed.
    of : str
        A quantity in per cent or percentage points.
    """
    one, other, what = called(name), called(minus), of.replace("_", " ")
    difference = results.values(of, name) - results.values(of, minus)
    if (difference == 0).all():
        return f"{one} had the same {what} as {other} in every seed"
    difference = difference.dropna()  # seeds that only one of them has
    mean, low, high = interval(difference)
    known = f"95 % interval {signed(low, 2)} to {signed(high, 2)}"
    if len(difference) == 1 or low <= 0 <= high:
        known = "one seed" if len(difference) == 1 else known
        return (
            f"{one} had a {what} not measurably different from that of {other} "
            f"({signed(mean, 2)} points, {known})"
        )
    nearer, farther = sorted((abs(low), abs(high)))
    way = "higher" if low > 0 else "lower"
    return (
        f"{one} had a {what} {abs(mean):.2f} points {way} than {other} "
        f"(95 % interval {nearer:.2f} to {farther:.2f})"
    )


def at_epoch(results: Results, epoch: int) -> Results:
    """Return the results that learning curves show at an epoch, or at the last one before it."""
    rows = []
    for (name, seed), run in results.runs.items():
        values = {what: [np.nan, *curve[:epoch]][-1] for what, curve in run.curves.items()}
        rows.append({"experiment": name, "seed": seed, **values})
    return replace(results, frame=pd.DataFrame(rows))
