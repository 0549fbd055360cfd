"""Tables and figures of notebook 7 show the numbers that they are given, and name them in words."""

import io

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.beyond import figures, tables
from kmnist_mlp.beyond.ablation import ALTERNATIVES, NO_PENALTY, STEPS
from kmnist_mlp.beyond.calibration import calibration_table
from kmnist_mlp.beyond.pretrained import load_histories
from kmnist_mlp.beyond.training_set_size import fewer_images

ACCURACIES = {
    "baseline": [0.80, 0.82],
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


def shown(figure):
    """Return the numbers that a figure carries."""
    return pd.read_csv(io.StringIO(figure.exhibit_data.csv))


def test_a_step_of_the_table_has_its_mean_spread_and_change(runs):
    table = tables.ablation_table(runs)
    names = ["baseline", "relu", "global_standardisation", "best"]
    assert list(table.index) == [STEPS[name].title for name in names]
    accuracies = " ".join(table["test accuracy, %"]).replace("\u00a0", "")
    assert accuracies == "81.00±1.41 86.00 94.00±5.66 95.00"
    assert table["change"].tolist() == ["–", "+5.00", "+8.00", "+1.00"]
    assert table["validation accuracy, %"].tolist()[-1] == "–"
    assert table["seeds"].tolist() == [2, 1, 2, 1]


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
    expected = [80, 82, 86, 90, 98, 95, 97]
    assert shown(figure).test_accuracy_percent.tolist() == pytest.approx(expected)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "ensemble"
    assert axis.yaxis_inverted()  # the first step on top
    labels = [(text.get_text(), text.xy[0]) for text in axis.texts]  # right of the last seed
    assert labels == [("81.00", 82), ("86.00", 86), ("94.00", 98), ("95.00", 95), ("97.00", 97)]
    finding = figure.exhibit_data.finding
    assert "81.0 % to 97.0 %" in finding and "global standardisation (+8.00 points)" in finding


def test_histories_are_drawn_where_they_were_measured():
    figure = figures.history_figure(load_histories(), ["wide", "best"])
    training, validation = figure.axes
    assert len(training.lines) == 2 and len(validation.lines) == 1  # all images: no validation
    assert set(shown(figure).name) == {"wide", "best"} and set(shown(figure).seed) == {0}


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
    assert shown(figure).mean_change_of_a_pixel.between(0.01, 0.3).all()


def test_calibration_shows_each_models_error_and_intervals():
    p = np.full((100, 4), 0.1)
    p[:, 0] = 0.7
    made = {
        "good": calibration_table(p, np.where(np.arange(100) < 70, 0, 1)),
        "bad": calibration_table(p, np.ones(100, int)),
    }
    figure = figures.calibration_figure(made, "KMNIST")
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert titles == ["good: error 0.000", "bad: error 0.700"]
    assert [axis.patches[0].get_height() for axis in figure.axes] == [1, 1]  # all in one bin
    numbers = shown(figure)
    assert numbers.model.tolist() == ["good", "bad"]
    np.testing.assert_allclose(numbers[["low", "high"]], [[0.604, 0.781], [0, 0.037]], atol=5e-4)


def test_robustness_has_a_panel_per_corruption_and_a_line_per_model():
    rows = [(c, s, m, 0.5) for c in ("shift", "noise") for s in (0, 1, 2) for m in ("a", "b")]
    table = pd.DataFrame(rows, columns=["corruption", "severity", "model", "accuracy"])
    table.loc[table.severity == 2, "accuracy"] = 0.25
    figure = figures.robustness_figure(table, "stand-in data")
    assert [axis.get_xlabel() for axis in figure.axes] == ["shift", "noise"]
    assert [len(axis.lines) for axis in figure.axes] == [2, 2]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [50, 50, 25]
    assert "STAND-IN DATA" in " ".join(text.get_text() for text in figure.texts)
    assert figure.exhibit_data.finding.count("25 % at 2") == 4


def test_the_size_of_the_training_set_is_drawn_with_and_without_augmentation(make_dataset):
    data = make_dataset(classes=10, train=60, test=20, side=28)
    results = fewer_images(data, [20, 60], images_seen=50, n_jobs=1)
    figure = figures.training_set_size_figure(results)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(lines) == {"augmented", "not augmented"}
    for label, line in lines.items():
        expected = [results.of(f"{size} images, {label}")[0].test_accuracy for size in (20, 60)]
        np.testing.assert_allclose(line.get_ydata(), 100 * np.array(expected))
        assert line.get_xdata().tolist() == [20, 60]
    assert list(figure.exhibit_data.experiments) == results.names
