"""Numbers of the results as they stand in a sentence, with their spread or interval."""

from __future__ import annotations

from kmnist_mlp.experiments.claims import SETTLED
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval, plus_minus, signed


def percent(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return an accuracy, such as "83.84 ± 0.21 %"."""
    return plus_minus(results.values(quantity, name), 2) + " %"


def error(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return 100 % minus an accuracy, such as "16.16 ± 0.21 %"."""
    return plus_minus(100 - results.values(quantity, name), 2) + " %"


def number(results: Results, name: str, quantity: str, digits: int = 1) -> str:
    """Return any quantity, such as "24.4 ± 1.1" (epochs)."""
    return plus_minus(results.values(quantity, name), digits)


def at_epoch(results: Results, name: str, epoch: int) -> str:
    """Return the validation accuracy at an epoch, or at the last one before it."""
    curves = [run.curves["validation_accuracy"] for run in results.of(name)]
    return plus_minus([100 * curve[:epoch][-1] for curve in curves], 2) + " %"


def points(results: Results, name: str, minus: str, quantity: str = "test_accuracy") -> str:
    """Return a difference, such as "+3.02 points (95 % interval +2.71 to +3.33)"."""
    difference = results.values(quantity, name) - results.values(quantity, minus)
    mean, low, high = interval(difference)
    known = f"95 % interval {signed(low, 2)} to {signed(high, 2)}"
    return f"{signed(mean, 2)} points ({known if len(difference) > 1 else 'one seed'})"


def compared(results: Results, name: str, minus: str, quantity: str = "test_accuracy") -> str:
    """Return a difference in words, by its 95 % interval over seeds.

    For example "higher by 3.02 points (95 % interval +2.71 to +3.33)", "not measurably different
    (+0.05 points, 95 % interval −0.81 to +0.91)" or "the same in every seed".
    """
    difference = results.values(quantity, name) - results.values(quantity, minus)
    if (difference == 0).all():
        return "the same in every seed"
    mean, low, high = interval(difference)
    known = f"95 % interval {signed(low, 2)} to {signed(high, 2)}"
    known = known if len(difference) > 1 else "one seed"
    if low <= 0 <= high:
        return f"not measurably different ({signed(mean, 2)} points, {known})"
    return f"{'higher' if low > 0 else 'lower'} by {abs(mean):.2f} points ({known})"


def levelled_off(results: Results, name: str) -> str:
    """Return whether the training loss no longer changes at the end of a run, with the measure.

    It has levelled off if its standard deviation over the last ten epochs is below 5 % of its
    mean: a loss that still falls, or that jumps, varies more.
    """
    variation = results.values("late_variation", name)
    level = int((variation < SETTLED).sum())
    has = {0: "has not levelled off", len(variation): "has levelled off"}
    verdict = has.get(level, f"has levelled off in {level} of {len(variation)} seeds")
    return (
        f"{verdict} (standard deviation over the last ten epochs: "
        f"{plus_minus(100 * variation, 1)} % of the mean)"
    )
