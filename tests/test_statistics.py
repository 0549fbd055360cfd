"""Means over seeds, with their spread, as curves and as text."""

import numpy as np
import pytest
import scipy.stats

from kmnist_mlp.support import statistics


def test_a_mean_may_be_large_or_not_finite():
    assert statistics.plus_minus([123456.0], 2) == "1.2\u00a0×\u00a010⁵"
    for values in ([1.0, np.inf], [1.0, np.nan]):
        assert statistics.plus_minus(values, 2) == "not finite"


def test_p_values_are_those_of_students_test():
    values = np.random.default_rng(1).normal(84, 0.5, 5)
    expected = scipy.stats.ttest_1samp(values, 84.2).pvalue
    for ends in ((84.2, 90), (-np.inf, 84.2)):  # the nearest counts
        assert statistics.p_value(values, *ends) == pytest.approx(expected)
    assert np.isnan(statistics.p_value([84.0], 80, 85))
    assert statistics.p_value([1.0, 1.0], 0, 2) == 0 and statistics.p_value([1.0, 1.0], 1, 2) == 1
    mean, low, high = statistics.prediction_interval(values)
    for start, end, p in ((high, 90, 0.05), (80, low, 0.05), (mean - 1, mean + 1, 1)):
        assert statistics.p_value(values, start, end, one_more=True) == pytest.approx(p)
    assert statistics.interval(values)[2] < high


@pytest.mark.parametrize("shift", [-0.7, -0.2, 0.0, 0.3])
def test_equivalence_is_the_worse_of_two_one_sided_tests(shift):
    values = np.random.default_rng(2).normal(shift, 0.2, 6)
    ends = [(-0.5, "greater"), (0.5, "less")]
    p = [scipy.stats.ttest_1samp(values, end, alternative=side).pvalue for end, side in ends]
    assert statistics.equivalence_p(values, 0.5) == pytest.approx(max(p))
    assert np.isnan(statistics.equivalence_p([0.0], 0.5))
    for same, p in ((0.1, 0), (0.6, 1)):
        assert statistics.equivalence_p([same, same], 0.5) == p


def test_the_pooled_deviation_is_around_each_mean():
    found = statistics.pooled_deviation([[1.0, 2.0, 6.0], [101.0, 103.0], [50.0]])
    assert found == pytest.approx((((4 + 1 + 9) + (1 + 1)) ** 0.5 / 3**0.5, 3))
    assert np.isnan(statistics.pooled_deviation([[1.0]])[0])


def test_a_p_value_below_the_level_never_looks_like_the_level():
    texts = {0.0454: "0.045", 0.0496: "< 0.05", 0.05: "0.050", 0.0504: "0.050", 1.0: "1.000"}
    texts |= {0.00096: "< 0.001", 0.001: "0.001", 0.0: "< 0.001"}
    assert {p: statistics.p_text(p).replace("\u00a0", " ") for p in texts} == texts


def test_holms_method_multiplies_by_what_is_left_and_keeps_the_order():
    found = statistics.holm([0.04, np.nan, 0.001, 0.03, 0.5])
    np.testing.assert_allclose(found, [0.09, np.nan, 0.004, 0.09, 0.5])
    assert statistics.holm([0.6, 0.7]).tolist() == [1, 1] and len(statistics.holm([])) == 0
