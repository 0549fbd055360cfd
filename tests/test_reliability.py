"""Calibration and damages: what is measured about trust is what is stated."""

import numpy as np
import pytest

from kmnist_mlp.beyond.robustness import (
    calibration,
    expected_calibration_error,
    noisy,
    over_shifts,
    robustness,
    shifted,
    turned,
)


def answers(confidence, n, right, classes=4):
    """Return n answers of one confidence, of which some are right, and the labels."""
    p = np.full((n, classes), (1 - confidence) / (classes - 1))
    p[:, 1] = confidence
    return p, np.where(np.arange(n) < right, 1, 2)


def test_calibration_counts_what_is_right_in_each_range_of_confidence():
    parts = [answers(0.55, 10, 4), answers(0.95, 30, 30), answers(1.0, 10, 9)]
    table = calibration(
        np.concatenate([p for p, _ in parts]), np.concatenate([y for _, y in parts])
    )
    assert table.images.tolist() == [10, 40]
    np.testing.assert_allclose(table.confidence, [0.55, (30 * 0.95 + 10) / 40])
    np.testing.assert_allclose(table.accuracy, [0.4, 39 / 40])
    np.testing.assert_allclose(table[["from", "to"]], [[0.5, 0.6], [0.9, 1.0]])
    expected = 0.2 * 0.15 + 0.8 * abs((30 * 0.95 + 10) / 40 - 39 / 40)
    assert expected_calibration_error(table) == pytest.approx(expected)


def test_answers_as_right_as_they_are_sure_have_no_calibration_error():
    p, y = answers(0.7, 100, 70)
    assert expected_calibration_error(calibration(p, y)) == pytest.approx(0, abs=1e-12)
    p, y = answers(0.999, 100, 0)
    assert expected_calibration_error(calibration(p, y)) == pytest.approx(0.999)


def test_shifts_go_where_they_say_and_nothing_comes_back():
    image = np.zeros((1, 5, 6), np.uint8)
    image[0, 1, 2], image[0, 4, 5] = 7, 9
    down = shifted(image, 2, 1)
    assert down[0, 3, 3] == 7 and down.sum() == 7
    up = shifted(image, -1, -2)
    assert up[0, 0, 0] == 7 and up[0, 3, 3] == 9 and up.sum() == 16
    assert shifted(image, 5, 0).sum() == 0
    np.testing.assert_array_equal(shifted(image, 0, 0), image)


def test_a_quarter_turn_is_counter_clockwise_and_loses_nothing():
    images = np.random.default_rng(0).integers(0, 256, (130, 8, 8)).astype(np.uint8)
    np.testing.assert_array_equal(turned(images, 0), images)
    np.testing.assert_array_equal(turned(images, 90), np.rot90(images, axes=(1, 2)))
    np.testing.assert_array_equal(turned(images, -90), np.rot90(images, -1, axes=(1, 2)))


def test_noise_has_the_stated_strength_and_stays_within_grey_levels():
    images = np.full((50, 28, 28), 128, np.uint8)
    assert noisy(images, 20).std() == pytest.approx(20, rel=0.02)
    np.testing.assert_array_equal(noisy(images, 0), images)
    np.testing.assert_array_equal(noisy(images, 20), noisy(images, 20))
    wild = noisy(images, 500)
    assert wild.min() == 0 and wild.max() == 255


def test_an_answer_over_shifts_is_the_mean_of_nine():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 2, 2] = 90
    np.testing.assert_allclose(over_shifts(lambda x: x.astype(float), image)[0, 1:4, 1:4], 10)


def test_robustness_measures_every_model_at_every_degree():
    images = np.zeros((6, 28, 28), np.uint8)
    images[:3, :, 20] = 255  # a stroke on the right: class 1; nothing: class 0
    labels = np.array([1, 1, 1, 0, 0, 0])

    def sees(column):
        def answer(x):
            p = (x[:, :, column].mean(axis=1) > 100).astype(float)
            return np.stack([1 - p, p], axis=1)

        return answer

    table = robustness({"here": sees(20), "there": sees(22)}, images, labels)
    accuracy = table.set_index(["damage", "degree", "model"]).accuracy
    assert accuracy["shift to the right, pixels", 0, "here"] == 1
    assert accuracy["shift to the right, pixels", 2, "here"] == 0.5
    assert accuracy["shift to the right, pixels", 2, "there"] == 1
    assert (
        accuracy["rotation, degrees", 0, "here"] == accuracy["noise, grey levels of 255", 0, "here"]
    )
    assert set(table.model) == {"here", "there"} and table.accuracy.between(0, 1).all()
