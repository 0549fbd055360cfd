"""Augmentation, calibration and robustness are drawn as the numbers say, and named in words."""

import numpy as np
import pandas as pd
from shown import ends, lines, numbers_of, points, ticks

from kmnist_mlp.beyond import figures
from kmnist_mlp.beyond.evaluation import calibration_table


def test_augmented_copies_stand_below_their_image(kmnist):
    figure = figures.augmentation_figure(kmnist)
    (axis,) = figure.axes
    canvas, (height, width) = 255 - axis.images[0].get_array(), kmnist.train_images.shape[1:]
    assert canvas.shape == (8 * (height + 2), 10 * (width + 2))
    for label in (0, 9):
        first = kmnist.train_images[np.flatnonzero(kmnist.train_labels == label)[0]]
        left = label * (width + 2)
        np.testing.assert_array_equal(canvas[:height, left : left + width], first)
        copy = canvas[height + 2 : 2 * height + 2, left : left + width]
        assert 0.01 < np.abs(copy - first).mean() / 255 < np.abs(first[::-1] - first).mean() / 255
    rows = canvas.reshape(8, height + 2, 10, width + 2)[:, :height, :, :width]
    change = np.abs(rows[1:] - rows[0]).mean(axis=(1, 2, 3)) / 255
    assert numbers_of(figure)["copy"].tolist() == list(range(1, 8))
    np.testing.assert_allclose(numbers_of(figure).mean_change_of_a_pixel, change, 1e-5)
    assert f"{100 * sum(change) / 7:.1f} %" in figure.exhibit_data.finding
    skewed = pd.DataFrame({"mean_change_of_a_pixel": [0.1, 0.1, 0.4]})
    assert " 20.0 %" in figures.augmentation_finding(skewed)
    names = list(ticks(axis, "y").values())
    assert names == ["original", *(f"copy {number}" for number in range(1, 8))]
    assert list(ticks(axis, "x").values()) == list(kmnist.class_labels)


def test_calibration_shows_each_models_error_and_intervals():
    p = np.full((100, 4), 0.1)
    p[:, 0] = 0.7
    less = p.copy()
    less[60:] = 0.4, 0.2, 0.2, 0.2
    right = np.isin(np.arange(100), [*range(45), *range(60, 70)])  # 45 of 60, and 10 of 40
    made = {
        "good": calibration_table(p, np.where(np.arange(100) < 70, 0, 1)),
        "bad": calibration_table(less, np.where(right, 0, 1)),
    }
    figure = figures.calibration_figure(made, "KMNIST")
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert titles == ["good: ECE 0.000", "bad: ECE 0.090"]
    assert "good 0.000, bad 0.090" in figure.exhibit_data.finding
    numbers = numbers_of(figure).set_index("model")
    bins = {"good": [(0.7, 70, 100)], "bad": [(0.4, 10, 40), (0.7, 45, 60)]}
    for axis, (model, own) in zip(figure.axes, bins.items(), strict=True):
        confidence, hits, images = np.transpose(own)
        accuracy, z = hits / images, 1.959964
        middle = (accuracy + z**2 / images / 2) / (1 + z**2 / images)
        half = (accuracy * (1 - accuracy) / images + z**2 / images**2 / 4) ** 0.5
        half *= z / (1 + z**2 / images)  # Wilson's interval
        np.testing.assert_allclose(points(lines(axis, marker="o")).T, [confidence, accuracy])
        expected = np.transpose([confidence, middle - half, middle + half])
        (intervals,) = axis.collections
        np.testing.assert_allclose(ends(intervals), expected, rtol=1e-5)
        shown = numbers.loc[[model], ["confidence", "low", "high"]]
        np.testing.assert_allclose(shown, expected, rtol=1e-5)
        assert [bar.get_height() for bar in axis.patches if bar.get_height()] == list(images / 100)


def test_robustness_has_a_panel_per_corruption_and_a_line_per_model():
    first = {("shift", "a"): 0.9, ("shift", "b"): 0.8, ("noise", "a"): 0.8, ("noise", "b"): 0.7}
    rows = [(c, s, m, start - s / 10) for (c, m), start in first.items() for s in (0, 1, 3)]
    table = pd.DataFrame(rows, columns=["corruption", "severity", "model", "accuracy"])
    figure = figures.robustness_figure(table, "stand-in data")
    assert [axis.get_xlabel() for axis in figure.axes] == ["shift", "noise"]
    drawn = [line for axis in figure.axes for line in axis.lines]
    assert [line.get_label() for line in drawn] == ["a", "b", "a", "b"]
    for line, start in zip(drawn, first.values(), strict=True):
        expected = [(severity, 100 * start - 10 * severity) for severity in (0, 1, 3)]
        np.testing.assert_allclose(points([line]), expected)
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    assert "STAND-IN DATA" in " ".join(text.get_text() for text in figure.texts)
    last = "a 60 % at 3 (shift); b 50 % at 3 (shift); a 50 % at 3 (noise); b 40 % at 3 (noise)"
    assert last in figure.exhibit_data.finding
