"""Numbers of the results as they stand in a sentence, with their spread or interval."""

from __future__ import annotations

from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval, median_and_range, plus_minus, signed


def percent(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return an accuracy, such as "83.84 ± 0.21 %"."""
    return plus_minus(results.values(quantity, name), 2) + " %"


def error(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return 100 % minus an accuracy, such as "16.16 ± 0.21 %"."""
    return plus_minus(100 - results.values(quantity, name), 2) + " %"


def number(results: Results, name: str, quantity: str, digits: int = 1) -> str:
    """Return any quantity, such as "0.056 ± 0.002" (a loss), or "24 (23–26)" for epochs."""
    values = results.values(quantity, name)
    return median_and_range(values) if quantity.endswith("_epoch") else plus_minus(values, digits)


def at_epoch(results: Results, name: str, epoch: int) -> str:
    """Return the validation accuracy at an epoch, or at the last one before it."""
    curves = [run.curves["validation_accuracy"] for run in results.of(name)]
    return plus_minus([100 * curve[:epoch][-1] for curve in curves], 2) + " %"


def compared(results: Results, name: str, minus: str, quantity: str = "test_accuracy") -> str:
    """Return a difference in words, by its 95 % interval over seeds.

    For example "3.02 points higher (95 % interval 2.71 to 3.33)", "not measurably different (+0.05
    points, 95 % interval −0.81 to +0.91)" or "the same in every seed".
    """
    difference = results.values(quantity, name) - results.values(quantity, minus)
    if (difference == 0).all():
        return "the same in every seed"
    mean, low, high = interval(difference)
    if len(difference) == 1:
        return f"not measurably different ({signed(mean, 2)} points, one seed)"
    if low <= 0 <= high:
        known = f"95 % interval {signed(low, 2)} to {signed(high, 2)}"
        return f"not measurably different ({signed(mean, 2)} points, {known})"
    nearer, farther = sorted((abs(low), abs(high)))
    known = f"95 % interval {nearer:.2f} to {farther:.2f}"
    return f"{abs(mean):.2f} points {'higher' if low > 0 else 'lower'} ({known})"


def briefly(
    results: Results, name: str, minus: str, other: str, quantity: str = "test_accuracy"
) -> str:
    """Return a difference of two accuracies in few words; ``tables.changes`` has its interval.

    For example "3.0 points better than tanh", "not measurably different from tanh" or "the same as
    tanh in every seed", where ``other`` is "tanh".
    """
    difference = results.values(quantity, name) - results.values(quantity, minus)
    if (difference == 0).all():
        return f"the same as {other} in every seed"
    mean, low, high = interval(difference)
    if len(difference) == 1 or low <= 0 <= high:
        return f"not measurably different from {other}"
    return f"{abs(mean):.1f} points {'better' if low > 0 else 'worse'} than {other}"


def fluctuation(results: Results, name: str) -> str:
    """Return how much the training loss fluctuates at the end, in per cent of its mean.

    It is the standard deviation from a straight line over the last ten epochs; the curvature of a
    loss that still falls counts, too.
    """
    return plus_minus(100 * results.values("late_fluctuation", name), 1) + " %"
