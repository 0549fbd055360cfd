"""Tables and figures of notebook 7 show the numbers they are given, and say so in words."""

import io

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.beyond import figures as beyond_figures
from kmnist_mlp.beyond import runs as beyond
from kmnist_mlp.beyond.robustness import calibration
from kmnist_mlp.beyond.runs import BESIDE, LADDER, LARGE

ACCURACIES = {"baseline": [0.80, 0.82], "relu": [0.86], "best": [0.95]}


@pytest.fixture
def runs():
    rows = [
        (name, seed, 101_770, 10 + seed, 60, accuracy + 0.01, accuracy, 0.05)
        for name, values in {**ACCURACIES, "even": [0.9], "weaker": [0.91]}.items()
        for seed, accuracy in enumerate(values)
    ]
    columns = ["name", "seed", "parameters", "epochs", "seconds", "validation_accuracy"]
    frame = pd.DataFrame(rows, columns=[*columns, "test_accuracy", "test_loss"])
    frame.loc[frame.name == "best", "validation_accuracy"] = np.nan
    return frame


def numbers_behind(figure):
    return pd.read_csv(io.StringIO(figure.exhibit_data.csv))


def test_a_rung_of_the_table_has_its_mean_spread_and_change(runs):
    table = beyond_figures.ladder_table(runs)
    assert list(table.index) == [LADDER[n].title for n in ("baseline", "relu", "even", "best")]
    assert table["test accuracy, %"].tolist() == [
        "81.00\u00a0±\u00a01.41",
        "86.00",
        "90.00",
        "95.00",
    ]
    assert table["change"].tolist() == ["–", "+5.00", "+4.00", "+5.00"]
    assert table["validation accuracy, %"].tolist()[-1] == "–"
    assert table["seeds"].tolist() == [2, 1, 1, 1]


def test_the_figure_of_the_ladder_has_every_seed_and_what_comes_on_top(runs):
    figure = beyond_figures.ladder_figure(runs, {"committee": 0.97})
    numbers = numbers_behind(figure)
    assert numbers.test_accuracy_percent.tolist() == pytest.approx([80, 82, 86, 90, 95, 97])
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "committee"
    assert "From 81.0 % to 97.0 %" in figure.exhibit_data.finding


def test_the_large_networks_stand_side_by_side(runs):
    runs.loc[runs.name == "weaker", "name"] = "even_long"
    table = beyond_figures.long_table(runs)
    assert list(table.index) == ["best network", LARGE["even_long"].title]
    assert table["test accuracy, %"].tolist() == ["95.00", "91.00"]
    assert table["in the committee"].tolist() == ["yes", "no"]


def test_what_was_tried_stands_against_its_rung(runs):
    table = beyond_figures.beside_table(runs)
    assert list(table.index) == ["as it is", BESIDE["weaker"].title]
    assert table["test change"].tolist() == ["–", "+1.00"]


def test_reliability_shows_each_models_error():
    p = np.full((100, 4), 0.1)
    p[:, 0] = 0.7
    tables = {
        "good": calibration(p, np.where(np.arange(100) < 70, 0, 1)),
        "bad": calibration(p, np.ones(100, int)),
    }
    figure = beyond_figures.reliability_figure(tables, "KMNIST")
    titles = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]
    assert titles == ["good: error 0.000", "bad: error 0.700"]
    assert set(numbers_behind(figure).model) == {"good", "bad"}


def test_robustness_has_a_panel_a_damage_and_a_line_a_model():
    rows = [(d, x, m, 0.5) for d in ("shift", "noise") for x in (0, 1, 2) for m in ("a", "b")]
    table = pd.DataFrame(rows, columns=["damage", "degree", "model", "accuracy"])
    figure = beyond_figures.robustness_figure(table, "stand-in data")
    assert [axis.get_xlabel() for axis in figure.axes] == ["shift", "noise"]
    assert [len(axis.lines) for axis in figure.axes] == [2, 2]
    assert "STAND-IN DATA" in " ".join(text.get_text() for text in figure.texts)


def test_histories_are_drawn_where_they_were_measured():
    histories = beyond.load_histories()
    figure = beyond_figures.history_figure(histories, ["wide", "best"])
    training, validation = figure.axes
    assert len(training.lines) == 2 and len(validation.lines) == 1  # all images: no validation
    assert set(numbers_behind(figure).name) == {"wide", "best"}


def test_distorted_copies_are_shown_below_their_image(kmnist):
    figure = beyond_figures.distortions(kmnist, copies=3)
    (axis,) = figure.axes
    canvas = axis.images[0].get_array()
    height = kmnist.train_images.shape[1]
    first = kmnist.train_images[np.flatnonzero(kmnist.train_labels == 0)[0]]
    np.testing.assert_array_equal(255 - canvas[:height, : first.shape[1]], first)
    assert canvas.shape[0] == 4 * (height + 2)
    assert (numbers_behind(figure).mean_change_of_a_pixel > 0.01).all()
