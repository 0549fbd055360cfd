"""Calibration, robustness, test-time augmentation and the interval of a share are as defined."""

import numpy as np
import pytest

from kmnist_mlp.beyond.evaluation import (
    add_noise,
    average_over_shifts,
    calibration_error_interval,
    calibration_table,
    expected_calibration_error,
    rotate,
    shift_right,
)
from kmnist_mlp.support.statistics import mcnemar, wilson_interval


def predictions(confidence, n, right, classes=4):
    """Return n predictions of one confidence, of which some are right, and the labels."""
    p = np.full((n, classes), (1 - confidence) / (classes - 1))
    p[:, 1] = confidence
    return p, np.where(np.arange(n) < right, 1, 2)


def test_calibration_counts_what_is_right_in_each_bin_of_confidence():
    parts = [predictions(0.55, 10, 4), predictions(0.95, 30, 30), predictions(1.0, 10, 9)]
    table = calibration_table(*map(np.concatenate, zip(*parts, strict=True)))
    assert table.images.tolist() == [10, 40]
    np.testing.assert_allclose(table.confidence, [0.55, (30 * 0.95 + 10) / 40])
    np.testing.assert_allclose(table.accuracy, [0.4, 39 / 40])
    np.testing.assert_allclose(table[["from", "to"]], [[0.5, 0.6], [0.9, 1.0]])
    expected = 0.2 * 0.15 + 0.8 * abs((30 * 0.95 + 10) / 40 - 39 / 40)
    assert expected_calibration_error(table) == pytest.approx(expected)


def test_the_interval_of_the_calibration_error_is_that_of_a_share_of_one_bin():
    """All in one bin: the error is the distance of a share from 0.95, with the share's scatter."""
    for n in (400, 40_000):
        low, high = calibration_error_interval(*predictions(0.95, n, n // 2))
        half = 1.96 * (0.5 * 0.5 / n) ** 0.5
        np.testing.assert_allclose([low, high], [0.45 - half, 0.45 + half], atol=0.1 * half)
    low, high = calibration_error_interval(*predictions(0.75, 400, 301))
    assert low == 0 and 0 <= high < 0.05  # an error near 0


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0, 16.11), (1, 29, 0.61, 17.18)],
)
def test_the_wilson_interval_is_that_of_a_published_table(right, n, low, high):
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=0.005)


def test_mcnemar_counts_only_images_that_the_two_treat_differently():
    one, other = np.array([1, 1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 1, 0], bool)
    assert mcnemar(one, other)[:2] == (3, 1)
    assert mcnemar(one, other)[2] == pytest.approx(2 * (1 + 4) / 16)  # 0 or 1 of 4 heads, twice
    assert mcnemar(one, one) == (0, 0, 1.0)


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)


def test_a_whole_shift_moves_pixels_and_half_a_shift_averages_neighbours():
    expected = np.zeros_like(IMAGES)
    expected[:, :, 3:] = IMAGES[:, :, :-3]
    np.testing.assert_array_equal(shift_right(IMAGES, 3), expected)
    np.testing.assert_array_equal(shift_right(IMAGES, 0), IMAGES)
    np.testing.assert_array_equal(shift_right(IMAGES[:, :, ::-1], -3)[:, :, ::-1], expected)
    between = (IMAGES[:, :, :-1].astype(int) + IMAGES[:, :, 1:] + 1) // 2
    np.testing.assert_array_equal(shift_right(IMAGES, 0.5)[:, :, 1:], between)


def test_a_rotation_keeps_the_size_and_leaves_the_centre_in_place():
    image = np.zeros((1, 9, 9), np.uint8)
    image[0, 4, 4:8] = 255  # from the centre to the right
    turned = rotate(image, 45)
    assert turned.shape == image.shape and turned[0, 4, 4] == 255
    assert turned[0, 2, 6] > 100 and turned[0, 6, 6] == 0  # up right, not down right


def test_noise_has_the_stated_strength_and_stays_within_grey_levels():
    images = np.full((50, 28, 28), 128, np.uint8)
    np.testing.assert_array_equal(add_noise(images, 0), images)
    drawn = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    np.testing.assert_array_equal(add_noise(images, 20), np.rint(128 + 20 * drawn))
    strong = add_noise(images, 500)
    assert strong.dtype == np.uint8
    assert 0.3 < (strong == 0).mean() < 0.5 and 0.3 < (strong == 255).mean() < 0.5


def test_test_time_augmentation_averages_nine_shifts_by_up_to_one_pixel():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 1:3, 4] = 90, 9
    expected = np.zeros((1, 5, 5))
    expected[0, :3, 3:] += 10
    expected[0, 1:4, 3:] += 1  # what leaves the image on the right does not come back
    np.testing.assert_allclose(average_over_shifts(lambda x: x.astype(float), image), expected)
