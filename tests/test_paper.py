"""The published report's configurations and numbers are all there, as printed."""

import csv
import re
from dataclasses import fields

import pytest

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER, PUBLISHED, published_gradients

ROWS = list(csv.DictReader((PUBLISHED / "published_results.csv").read_text("utf-8").splitlines()))


def test_the_experiments_are_the_sixteen_published_rows_and_three_of_the_abstract():
    assert len(ROWS) == 16
    assert list(PAPER) == [row["id"] for row in ROWS] + [
        "no_momentum", "no_standardisation", "linear"
    ]  # fmt: skip
    assert EXPERIMENTS == {name: entry.config for name, entry in PAPER.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_configuration_is_as_published(row):
    config = EXPERIMENTS[row["id"]]
    assert "-".join(map(str, config.layer_specs)) == row["layer_specs"]
    assert config.activation == row["activation"]
    assert config.batch_size == int(row["batch_size"]) and config.epochs == int(row["epochs"])
    for name in ("learning_rate", "L1_penalty", "L2_penalty"):
        assert getattr(config, name) == float(row[name])
    assert str(config.early_stop) == row["early_stop"]
    if config.early_stop:
        assert config.early_stop_epoch == int(row["patience"])
    assert config.momentum and config.momentum_gamma == 0.9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_published_number_is_kept_as_printed(row):
    entry = PAPER[row["id"]]
    assert entry.section == row["section"]
    for ours, printed in (
        (entry.test_loss, row["test_loss"]),
        (entry.test_accuracy, row["test_accuracy_percent"]),
    ):
        assert (ours is None) == (printed == "")
        assert ours is None or ours == float(printed)


def test_the_three_runs_without_numbers_differ_from_the_baseline_in_one_thing_each():
    baseline = EXPERIMENTS["baseline"]
    for name, changed in (
        ("no_momentum", "momentum"),
        ("no_standardisation", "standardisation"),
        ("linear", "layer_specs"),
    ):
        different = {
            field.name
            for field in fields(Config)
            if getattr(EXPERIMENTS[name], field.name) != getattr(baseline, field.name)
        }
        assert different == {changed}
    assert not EXPERIMENTS["no_momentum"].momentum
    assert EXPERIMENTS["no_standardisation"].standardisation == "none"
    assert EXPERIMENTS["linear"].layer_specs == (784, 10)


def test_figures_1_to_22_belong_to_one_experiment_each():
    numbers = [number for entry in PAPER.values() for number in entry.figures]
    assert sorted(numbers) == list(range(1, 23))
    assert all(len(entry.figures) in (0, 2) for entry in PAPER.values())
    assert PAPER["baseline"].figures == (3, 4) and PAPER["two_hidden_layers"].figures == (21, 22)


def test_every_experiment_has_a_title_of_its_own():
    titles = [entry.title for entry in PAPER.values()]
    assert all(titles) and len(set(titles)) == len(titles)
    for name, entry in PAPER.items():
        in_name, in_title = (
            {float(number) for number in re.findall(r"\d[\d.]*(?:e-\d)?", text)}
            for text in (name, entry.title)
        )
        assert in_name <= in_title, entry


def test_the_eighteen_published_gradients_are_there_as_numbers():
    rows = published_gradients()
    assert len(rows) == 18
    assert [row["pattern"] for row in rows] == ["first"] * 6 + ["sixth"] * 6 + ["last"] * 6
    assert rows[0]["approximated_gradient"] == 0.000353
    assert rows[11]["difference"] == 4.173e-05 and rows[11]["index"] == "4,5"
