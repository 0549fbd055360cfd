"""Statistics over seeds and images: means with their spread, intervals, and these as text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

MISSING = "–"  # in a table: not measured, or not printed by the paper


def interval(values: Iterable[float]) -> tuple[float, float, float]:
    """Return the mean over seeds and the ends of its 95 % confidence interval (Student's t).

    One seed says nothing of the scatter: its interval is infinite.

    Examples
    --------
    >>> mean, low, high = interval([84.1, 84.3, 84.2])
    >>> print(f"{mean:.2f}, {low:.2f} to {high:.2f}")
    84.20, 83.95 to 84.45
    """
    from scipy.special import stdtrit  # quantiles of Student's t; only here, as it loads slowly

    values = np.asarray(list(values), dtype=float)
    mean, n = float(values.mean()), len(values)
    if n == 1:
        return mean, -np.inf, np.inf
    half = float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def mean_curve(curves: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of learning curves, until the first of them ends.

    Parameters
    ----------
    curves : iterable of ndarray, shapes (epochs,)
        One per seed.

    Returns
    -------
    mean, deviation : ndarray, shape (epochs of the shortest,)
        The deviation of a single curve is 0.

    Examples
    --------
    >>> mean, deviation = mean_curve([np.array([1.0, 3.0, 9.0]), np.array([3.0, 5.0])])
    >>> mean, deviation.round(2)
    (array([2., 4.]), array([1.41, 1.41]))
    """
    curves = list(curves)
    shared = min(map(len, curves))
    together = np.array([curve[:shared] for curve in curves])
    deviation = together.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros(shared)
    return together.mean(axis=0), deviation


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of the share ``right / n``, in per cent.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> low, high = wilson_interval(9778, 10_000)
    >>> print(f"{low:.2f} to {high:.2f} %")
    97.47 to 98.05 %
    """
    from scipy.stats import binomtest  # only here, as it loads slowly

    low, high = binomtest(right, n).proportion_ci(method="wilson")
    return float(100 * low), float(100 * high)


def plus_minus(values: Iterable[float], digits: int) -> str:
    r"""Return "mean ± standard deviation" over seeds, or just the value of a single seed.

    Values that are all NaN were not measured: a dash.

    Examples
    --------
    >>> plus_minus([84.1, 84.3, 84.2], 2), plus_minus([84.1], 2)
    ('84.20\xa0±\xa00.10', '84.10')
    """
    values = np.asarray(list(values), dtype=float)
    if np.isnan(values).all():
        return MISSING
    if not np.isfinite(values).all():
        return "not finite"
    mean = rounded(float(values.mean()), digits)
    # no-break spaces: a line must not end between a value and its uncertainty
    spread = rounded(float(values.std(ddof=1)), digits) if len(values) > 1 else ""
    return f"{mean}\u00a0±\u00a0{spread}" if spread else mean


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign.

    Examples
    --------
    >>> signed(0.251, 2), signed(-1.7, 2)
    ('+0.25', '−1.70')
    """
    return f"{value:+.{digits}f}".replace("-", "−") if np.isfinite(value) else "not finite"


def rounded(value: float, digits: int) -> str:
    """Return a number with that many decimals and a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−") if abs(value) < 1e4 else f"{value:.1e}"
