"""Statistics over seeds and images, and these as text."""

import re
from collections.abc import Iterable

import numpy as np

MISSING = "–"  # in a table: not measured, or not printed by the paper
NUMBER = re.compile(r"([+-]?)(\d[\d.,]*)(?:e([+-]?\d+))?")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def interval(values: Iterable[float], one_more: bool = False) -> tuple[float, float, float]:
    """Return the mean over seeds and the ends of its 95 % confidence interval.

    With ``one_more``, they are those of the prediction interval of one
    more value, ``mean ± t s sqrt(1 + 1/n)`` (Student's t, n - 1 degrees
    of freedom). One seed says nothing of the scatter: its interval is
    infinite. Source: Geisser 1993, Predictive Inference,
    doi:10.1201/9780203742310.

    Examples
    --------
    >>> for one_more in (False, True):
    ...     mean, low, high = interval([84.1, 84.3, 84.2], one_more)
    ...     print(f"{mean:.2f}, {low:.2f} to {high:.2f}")
    84.20, 83.95 to 84.45
    84.20, 83.70 to 84.70
    """
    values = np.asarray(list(values), dtype=float)
    mean, n, half = float(values.mean()), len(values), np.inf
    if n > 1:
        half = float(students_t(n) * values.std(ddof=1) * np.sqrt(1 / n + one_more))
    return mean, mean - half, mean + half


def students_t(n: int | np.ndarray) -> float | np.ndarray:
    """Return the quantile of Student's t for a two-sided 95 % interval from n values.

    Examples
    --------
    >>> print(f"{students_t(5):.3f}")
    2.776
    """
    from scipy.special import stdtrit  # only here, as it loads slowly

    return stdtrit(np.subtract(n, 1), 0.975)


def p_value(values: Iterable[float], low: float, high: float, one_more: bool = False) -> float:
    """Return the two-sided p-value of the t-test against the nearest end of a range.

    The test is whether the mean of the values is that end; or with
    ``one_more``, whether a further value in the range could come from
    the same distribution, which is certain (1) if the mean lies in the
    range. NaN for one value, as it says nothing of the scatter.

    Examples
    --------
    >>> round(p_value([84.1, 84.3, 84.2], low=84.0, high=85.0), 3)
    0.074
    """
    values = np.asarray(list(values), dtype=float)
    mean, n = values.mean(), len(values)
    if n > 1 and one_more and low <= mean <= high:
        return 1.0
    distance = min(abs(mean - low), abs(mean - high))
    return min(2 * _below(-distance, values, np.sqrt(1 / n + one_more)), 1.0)


def equivalence_p(values: Iterable[float], margin: float) -> float:
    """Return the p-value of two one-sided t-tests that a mean lies between -margin and margin.

    It is the larger of the two. NaN for one value.
    Source: Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657,
    doi:10.1007/BF01068419.

    Examples
    --------
    >>> round(equivalence_p([0.1, -0.1, 0.2, 0.0], margin=0.5), 3)
    0.003
    """
    values = np.asarray(list(values), dtype=float)
    return _below(abs(values.mean()) - margin, values, np.sqrt(1 / len(values)))


def _below(distance: float, values: np.ndarray, factor: float) -> float:
    """Return P(t <= distance / error), with the error ``factor * s``; NaN for one value."""
    from scipy.special import stdtr  # only here, as it loads slowly

    if len(values) == 1:
        return np.nan
    error = values.std(ddof=1) * factor
    return float(stdtr(len(values) - 1, distance / error)) if error else float(distance >= 0)


def pooled_deviation(groups: Iterable[Iterable[float]]) -> tuple[float, int]:
    """Return the standard deviation within groups, pooled, and its degrees of freedom.

    Examples
    --------
    >>> pooled_deviation([[1.0, 2.0, 3.0], [7.0]]), pooled_deviation([[1.0]])
    ((1.0, 2), (nan, 0))
    """
    arrays = [np.asarray(list(group), dtype=float) for group in groups]
    free = sum(max(len(group) - 1, 0) for group in arrays)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in arrays if len(group))
    return (float(np.sqrt(squares / free)) if free else np.nan), free


def holm(p: Iterable[float]) -> np.ndarray:
    """Return p-values corrected for their number by Holm's method; NaN stays NaN.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, np.nan]).round(3)
    array([0.03, 0.06, 0.06,  nan])
    >>> holm([0.6, 0.7]), len(holm([]))
    (array([1., 1.]), 0)
    """
    p = np.asarray(list(p), dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    corrected = np.full(len(p), np.nan)
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1)
    return corrected


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


def p_text(p: float) -> str:
    r"""Return a p-value with three decimals; one below 0.05 never looks like 0.05.

    Examples
    --------
    >>> p_text(0.0454), p_text(0.0499), p_text(0.05), p_text(2e-9)
    ('0.045', '<\xa00.05', '0.050', '<\xa00.001')
    """
    for limit in (0.001, 0.05):
        if p < limit and round(p, 3) in (0, limit):
            return f"<\u00a0{limit:g}"
    return f"{p:.3f}"


def plus_minus(values: Iterable[float], digits: int) -> str:
    r"""Return "mean ± standard deviation" over seeds, or just the value of a single seed.

    Values that are all NaN were not measured: a dash. One whole number
    in all seeds, such as a last epoch, has no spread and no decimals.

    Examples
    --------
    >>> plus_minus([84.1, 84.3, 84.2], 2), plus_minus([84.1], 2), plus_minus([100, 100], 1)
    ('84.20\xa0±\xa00.10', '84.10', '100')
    >>> plus_minus([123456.0], 2), plus_minus([1.0, np.inf], 2), plus_minus([1.0, np.nan], 2)
    ('1.2\xa0×\xa010⁵', 'not finite', 'not finite')
    """
    values = np.asarray(list(values), dtype=float)
    if np.isnan(values).all():
        return MISSING
    if not np.isfinite(values).all():
        return "not finite"
    if len(values) > 1 and (values == np.rint(values[0])).all():
        return f"{values[0]:.0f}"
    mean = rounded(float(values.mean()), digits)
    if len(values) == 1:
        return mean
    # no-break spaces: a line must not end between a value and
    # its uncertainty
    return f"{mean}\u00a0±\u00a0{rounded(float(values.std(ddof=1)), digits)}"


def median_and_range(values: Iterable[float]) -> str:
    r"""Return "median (lowest–highest)" of whole numbers over seeds, such as last epochs.

    Training that ends much later with one seed would make a mean and its
    deviation misleading.

    Examples
    --------
    >>> median_and_range([13, 15, 34, 14, 11]), median_and_range([100, 100]), median_and_range([7])
    ('14\xa0(11–34)', '100', '7')
    """
    values = list(values)
    low, high = min(values), max(values)
    return f"{np.median(values):g}" + (f"\u00a0({low:g}–{high:g})" if high > low else "")


def in_percent(fraction: float, digits: int = 2) -> str:
    r"""Return a fraction in per cent, its unit set off by a no-break space.

    Examples
    --------
    >>> in_percent(0.97783), in_percent(0.5, 0)
    ('97.78\xa0%', '50\xa0%')
    """
    return f"{100 * fraction:.{digits}f}\u00a0%"


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign.

    Examples
    --------
    >>> signed(0.251, 2), signed(-1.7, 2)
    ('+0.25', '−1.70')
    """
    return typeset(f"{value:+.{digits}f}") if np.isfinite(value) else "not finite"


def rounded(value: float, digits: int) -> str:
    """Return a number with that many decimals and a true minus sign."""
    if not np.isfinite(value):
        return "not finite"
    return typeset(f"{value:.{digits}f}") if abs(value) < 1e4 else scientific(value, 1)


def scientific(value: float, digits: int = 0) -> str:
    r"""Return a number as a power of ten.

    Examples
    --------
    >>> scientific(1.62e-6, 1), scientific(-4e-5)
    ('1.6\xa0×\xa010⁻⁶', '−4\xa0×\xa010⁻⁵')
    """
    return typeset(f"{value:.{digits}e}")


def typeset(text: str) -> str:
    r"""Return a number that Python has written as one prints it.

    Examples
    --------
    >>> typeset("-0.31"), typeset("8.3e-07"), typeset("1e-4"), typeset("2-layer")
    ('−0.31', '8.3\xa0×\xa010⁻⁷', '10⁻⁴', '2-layer')
    """
    found = NUMBER.fullmatch(text)
    if found is None:
        return text
    sign, mantissa, exponent = found.groups()
    minus = "−" if sign == "-" else sign
    if exponent is None:
        return minus + mantissa
    power = "10" + str(int(exponent)).translate(SUPERSCRIPT)
    return minus + (power if mantissa == "1" else f"{mantissa}\u00a0×\u00a0{power}")
