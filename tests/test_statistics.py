"""The tests of a mean are those of Student."""

import numpy as np
import pytest
import scipy.stats

from kmnist_mlp.support import statistics


def test_p_values_are_those_of_students_test():
    values = np.random.default_rng(1).normal(84, 0.5, 5)
    expected = scipy.stats.ttest_1samp(values, 84.2).pvalue
    for ends in ((84.2, 90), (-np.inf, 84.2)):  # the nearest counts
        assert statistics.p_value(values, *ends) == pytest.approx(expected)
    assert np.isnan(statistics.p_value([84.0], 80, 85))
    assert statistics.p_value([1.0, 1.0], 0, 2) == 0 and statistics.p_value([1.0, 1.0], 1, 2) == 1
    mean, low, high = statistics.interval(values, one_more=True)
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
