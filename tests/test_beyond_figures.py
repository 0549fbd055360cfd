"""Tables and figures of notebook 7 show the numbers that they are given, and name them in words."""

import numpy as np
import pandas as pd
import pytest
from shown import ends, lines, numbers_of, points, ticks

from kmnist_mlp.beyond import figures, tables
from kmnist_mlp.beyond.ablation import ALL, ALTERNATIVES, NO_PENALTY, STEPS
from kmnist_mlp.beyond.calibration import calibration_table
from kmnist_mlp.beyond.pretrained import load_histories
from kmnist_mlp.beyond.training_set_size import fewer_images

ACCURACIES = {
    "baseline": [0.80, 0.81, 0.85],
    "relu": [0.86],
    "best": [0.95],
    "global_standardisation": [0.9, 0.98],
    "weak_augmentation": [0.91],
    "no_penalty_50_epochs": [0.93],
}


@pytest.fixture
def runs():
    rows = [
        (name, seed, 101_770, 10 + seed, 60, accuracy + 0.01, accuracy, 0.05)
        for name, values in ACCURACIES.items()
        for seed, accuracy in enumerate(values)
    ]
    columns = ["name", "seed", "parameters", "epochs", "seconds", "validation_accuracy"]
    frame = pd.DataFrame(rows, columns=[*columns, "test_accuracy", "test_loss"])
    frame.loc[frame.name == "best", "validation_accuracy"] = np.nan
    return frame


def test_a_step_of_the_table_has_its_mean_spread_and_change(runs):
    table = tables.ablation_table(runs)
    names = ["baseline", "relu", "global_standardisation", "best"]
    assert list(table.index) == [STEPS[name].title for name in names]
    accuracies = " ".join(table["test accuracy, %"]).replace("\u00a0", "")
    assert accuracies == "82.00±2.65 86.00 94.00±5.66 95.00"
    assert table["change"].tolist() == ["–", "+4.00", "+8.00", "+1.00"]
    assert table["validation accuracy, %"].tolist()[-1] == "–"
    assert table["seeds"].tolist() == [3, 1, 2, 1]


def test_an_alternative_stands_beside_the_step_that_it_replaces(runs):
    table = tables.alternatives_table(runs)
    titles = [STEPS["global_standardisation"].title, ALTERNATIVES["weak_augmentation"].title]
    assert list(table.index) == titles
    assert table["test change"].tolist() == table["validation change"].tolist() == ["–", "+1.00"]


def test_large_networks_stand_side_by_side(runs):
    table = tables.large_networks_table(runs)
    assert list(table.index) == ["best network", NO_PENALTY["no_penalty_50_epochs"].title]
    assert table["test accuracy, %"].tolist() == ["95.00", "93.00"]
    assert table["in the ensemble"].tolist() == ["yes", "no"]


def test_the_figure_of_the_ablation_has_every_seed_and_averages_of_predictions_last(runs):
    figure = figures.ablation_figure(runs, {"ensemble": 0.97})
    expected = [80, 81, 85, 86, 90, 98, 95, 97]
    numbers, (axis,) = numbers_of(figure), figure.axes
    assert numbers.test_accuracy_percent.tolist() == pytest.approx(expected)
    steps = [STEPS[name].title for name in ACCURACIES if name in STEPS]
    steps = sorted(steps, key=[step.title for step in STEPS.values()].index)
    assert numbers.step.unique().tolist() == [*steps, "ensemble"]
    assert numbers.averaged.tolist() == [False] * 7 + [True]
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "ensemble"
    assert axis.yaxis_inverted()  # the first step on top
    labels = [(text.get_text(), text.xy[0]) for text in axis.texts]  # right of the last seed
    assert labels == [("82.00", 85), ("86.00", 86), ("94.00", 98), ("95.00", 95), ("97.00", 97)]
    rows = [0, 0, 0, 1, 2, 2, 3, 4]
    np.testing.assert_allclose(points(lines(axis, marker="|")), np.transpose([expected, rows]))
    means = [(82, 0), (86, 1), (94, 2), (95, 3), (97, 4)]
    np.testing.assert_allclose(points(lines(axis, marker="o")), means)
    finding = figure.exhibit_data.finding
    assert "82.0 % to 97.0 %" in finding and "global standardisation (+8.00 points)" in finding


def test_histories_are_drawn_where_they_were_measured():
    figure = figures.history_figure(load_histories(), ["wide", "best"])
    training, validation = figure.axes
    assert len(training.lines) == 2 and len(validation.lines) == 1  # all images: no validation
    histories = load_histories().query("seed == 0")
    wide, best = (histories[histories.name == name] for name in ("wide", "best"))
    assert [ALL[name].title for name in ("wide", "best")] == [
        line.get_label() for line in training.lines
    ]
    for line, own in zip(training.lines, (wide, best), strict=True):
        expected = [*enumerate(own.training_loss, start=1)]
        np.testing.assert_allclose(points([line]), expected)
        assert f"{line.get_label()} {expected[-1][1]:.4f}" in figure.exhibit_data.finding
    expected = [*enumerate(100 * wide.validation_accuracy, start=1)]
    np.testing.assert_allclose(points(validation.lines), expected)
    assert "training loss" in training.get_ylabel()
    assert validation.get_ylabel() == "validation accuracy, %"
    assert set(numbers_of(figure).name) == {"wide", "best"} and set(numbers_of(figure).seed) == {0}


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
    assert titles == ["good: error 0.000", "bad: error 0.090"]
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
    assert "STAND-IN DATA" in " ".join(text.get_text() for text in figure.texts)
    last = "a 60 % at 3 (shift); b 50 % at 3 (shift); a 50 % at 3 (noise); b 40 % at 3 (noise)"
    assert last in figure.exhibit_data.finding


def test_the_size_of_the_training_set_is_drawn_with_and_without_augmentation(make_dataset):
    data = make_dataset(classes=10, train=60, test=20, side=28)
    results = fewer_images(data, [20, 60], images_seen=50, n_jobs=1)
    figure = figures.training_set_size_figure(results)
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(drawn) == {"augmented", "not augmented"}
    for label, line in drawn.items():
        expected = [results.of(f"{size} images, {label}")[0].test_accuracy for size in (20, 60)]
        np.testing.assert_allclose(line.get_ydata(), 100 * np.array(expected))
        assert line.get_xdata().tolist() == [20, 60]
        few, many = (f"{100 * accuracy:.1f} % with" for accuracy in expected)
        assert f"{label} {few} 20 images, {many} 60" in figure.exhibit_data.finding
    assert list(figure.exhibit_data.experiments) == results.names
