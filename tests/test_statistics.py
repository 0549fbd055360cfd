"""Means over seeds, with their spread, as curves and as text."""

import numpy as np
import pytest

from kmnist_mlp.support.statistics import mean_curve, plus_minus, signed


@pytest.mark.parametrize(
    ("values", "digits", "text"),
    [
        ([84.0, 85.0], 2, "84.50 ± 0.71"),
        ([84.0], 2, "84.00"),
        ([1.0, 2.0, 3.0], 1, "2.0 ± 1.0"),
        ([123456.0], 2, "1.2e+05"),
        ([1.0, np.nan], 2, "not finite"),
        ([np.inf], 2, "not finite"),
    ],
)
def test_plus_minus_is_mean_and_standard_deviation_over_seeds(values, digits, text):
    assert plus_minus(values, digits).replace("\xa0", " ") == text


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(1.234, 2, "+1.23"), (-0.5, 1, "−0.5"), (0.0, 2, "+0.00")]
)
def test_a_difference_has_its_sign(value, digits, text):
    assert signed(value, digits) == text


def test_the_mean_curve_ends_with_the_first_of_its_curves():
    curves = [np.array([1.0, 2.0, 6.0, 7.0]), np.array([3.0, 6.0, 7.0]), np.array([2.0, 4.0, 2.0])]
    mean, deviation = mean_curve(curves)
    assert mean.tolist() == [2, 4, 5]
    np.testing.assert_allclose(deviation, [1, 2, 7**0.5])
    assert [part.tolist() for part in mean_curve([curves[0]])] == [[1, 2, 6, 7], [0, 0, 0, 0]]
    assert [len(part) for part in mean_curve([curves[0], np.array([])])] == [0, 0]
