"""Means over seeds, with their spread, as curves and as text."""

import numpy as np
import pytest
import scipy.stats

from kmnist_mlp.support.statistics import (
    equivalence_p,
    holm,
    interval,
    p_text,
    p_value,
    plus_minus,
    pooled_deviation,
    prediction_interval,
)


def test_a_mean_may_be_large_or_not_finite():
    assert plus_minus([123456.0], 2) == "1.2\u00a0×\u00a010⁵"
    assert plus_minus([1.0, np.inf], 2) == plus_minus([1.0, np.nan], 2) == "not finite"


def test_p_values_are_those_of_students_test():
    values = np.random.default_rng(1).normal(84, 0.5, 5)
    expected = scipy.stats.ttest_1samp(values, 84.2).pvalue
    for ends in ((84.2, 90), (-np.inf, 84.2)):  # the nearest counts
        assert p_value(values, *ends) == pytest.approx(expected)
    assert np.isnan(p_value([84.0], 80, 85))
    assert p_value([1.0, 1.0], 0, 2) == 0 and p_value([1.0, 1.0], 1, 2) == 1
    mean, low, high = prediction_interval(values)
    for start, end, p in ((high, 90, 0.05), (80, low, 0.05), (mean - 1, mean + 1, 1)):
        assert p_value(values, start, end, one_more=True) == pytest.approx(p)
    assert interval(values)[2] < high


@pytest.mark.parametrize("shift", [-0.7, -0.2, 0.0, 0.3])
def test_equivalence_is_the_worse_of_two_one_sided_tests(shift):
    values = np.random.default_rng(2).normal(shift, 0.2, 6)
    ends = [(-0.5, "greater"), (0.5, "less")]
    p = [scipy.stats.ttest_1samp(values, end, alternative=side).pvalue for end, side in ends]
    assert equivalence_p(values, 0.5) == pytest.approx(max(p))
    assert np.isnan(equivalence_p([0.0], 0.5))
    assert (equivalence_p([0.1, 0.1], 0.5), equivalence_p([0.6, 0.6], 0.5)) == (0, 1)


def test_the_pooled_deviation_is_around_each_mean():
    groups = [[1.0, 2.0, 6.0], [101.0, 103.0], [50.0]]
    assert pooled_deviation(groups) == (pytest.approx(((4 + 1 + 9 + 1 + 1) / 3) ** 0.5), 3)
    assert np.isnan(pooled_deviation([[1.0]])[0])


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0454, "0.045"), (0.0496, "< 0.05"), (0.05, "0.050"), (0.0504, "0.050"), (1.0, "1.000"),
     (0.00096, "< 0.001"), (0.001, "0.001"), (0.0, "< 0.001")],
)  # fmt: skip
def test_a_p_value_below_the_level_never_looks_like_the_level(p, text):
    assert p_text(p).replace("\u00a0", " ") == text


def test_holms_method_multiplies_by_what_is_left_and_keeps_the_order():
    found = holm([0.04, np.nan, 0.001, 0.03, 0.5])
    np.testing.assert_allclose(found, [0.09, np.nan, 0.004, 0.09, 0.5])
    assert holm([0.6, 0.7]).tolist() == [1, 1] and len(holm([])) == 0
