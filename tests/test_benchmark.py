"""`make bench` compares like with like, and its tables and files hold what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.benchmark import implementations, measure
from kmnist_mlp.benchmark.__main__ import main
from kmnist_mlp.benchmark.tables import growth_figure, parts_table, table

DOCS = Path(__file__).resolve().parent.parent / "docs"
CONFIG = Config(layer_specs=(64, 16, 10), batch_size=32)


@pytest.fixture(scope="module")
def data(make_dataset):
    return make_dataset(classes=10, train=600, test=20, side=8)


@pytest.mark.parametrize("name", measure.installed())
def test_every_installed_implementation_trains_an_epoch(name, data):
    epoch = implementations.IMPLEMENTATIONS[name][1](CONFIG, data)
    epoch()
    epoch()


def test_this_project_and_plain_numpy_are_always_measured():
    assert {"matrix products alone", "this project", "plain preallocated NumPy"} <= set(
        measure.installed()
    )


def test_the_products_are_those_of_forward_and_backward_pass(data, monkeypatch):
    shapes = []
    monkeypatch.setattr(
        np, "matmul", lambda a, b, out: shapes.append((a.shape, b.shape, out.shape))
    )
    implementations.products(CONFIG, data)()
    forward = [((32, 64), (64, 16), (32, 16)), ((32, 16), (16, 10), (32, 10))]
    backward = [((16, 32), (32, 10), (16, 10)), ((32, 10), (10, 16), (32, 16))]
    backward += [((64, 32), (32, 16), (64, 16))]
    assert shapes == (forward + backward) * (480 // 32)


def test_durations_come_from_alternating_rounds_after_one_that_is_not_timed():
    calls = []
    epochs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    durations = measure.alternate(epochs, rounds=3)
    assert "".join(calls) == "ab" + "ab" * 3
    assert {name: len(seconds) for name, seconds in durations.items()} == {"a": 3, "b": 3}


@pytest.mark.parametrize("images", [100, 128, 480])
def test_a_smaller_data_set_has_the_training_images_that_were_asked_for(data, images):
    few = measure.first_images(data, CONFIG, images)
    assert len(implementations.split_of(CONFIG, few).train) == images
    assert np.array_equal(few.train_images, data.train_images[: len(few.train_images)])


def test_the_parts_of_a_mini_batch_are_all_timed(data):
    found = measure.parts(CONFIG, data, rounds=2)
    assert "matrix products" in found and "momentum and update" in found
    assert all(microseconds > 0 for microseconds in found.values())


def test_the_table_holds_ratios_of_the_fastest_and_of_the_medians():
    durations = {"net": {"matrix products alone": [2.0, 4.0, 5.0], "other": [3.0, 6.0, 20.0]}}
    assert table(durations).splitlines()[2:] == [
        "| matrix products alone | 1.00 (1.00) |",
        "| other | 1.50 (1.50) |",
    ]


def test_the_figure_draws_every_measured_point():
    growth = json.loads((DOCS / "benchmark.json").read_text("utf-8"))["growth"]
    figure = growth_figure(growth, "some processor")
    for ax, (quantity, points) in zip(figure.axes, growth.items(), strict=True):
        training, floor = ax.lines
        assert ax.get_xlabel() == quantity
        assert list(training.get_xdata()) == [point["value"] for point in points]
        assert np.allclose(training.get_ydata(), [point["training"] * 1e6 for point in points])
        assert np.allclose(floor.get_ydata(), [point["floor"] * 1e6 for point in points])


def test_the_command_writes_what_it_prints(monkeypatch, tmp_path, capsys):
    """With the measurement of the committed file instead of minutes of a new one."""
    measured = json.loads((DOCS / "benchmark.json").read_text("utf-8"))
    of_one = {name: measured[name] for name in ("one core", "parts", "growth")}
    monkeypatch.setattr(
        "kmnist_mlp.benchmark.__main__.measure_in_new_process",
        lambda cores, rounds: of_one if cores == "one core" else measured["all cores"],
    )
    assert main(["--to", str(tmp_path / "new")]) == 0
    printed, written = capsys.readouterr().out, tmp_path / "new"
    assert json.loads((written / "benchmark.json").read_text("utf-8"))["growth"] == of_one["growth"]
    assert (written / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert table(measured["all cores"]) in printed and parts_table(measured["parts"]) in printed


def test_the_tables_in_the_documentation_are_those_of_the_committed_measurement():
    measured = json.loads((DOCS / "benchmark.json").read_text("utf-8"))
    page = (DOCS / "benchmark.md").read_text("utf-8")
    assert measured["data"] == "KMNIST"
    assert table(measured["one core"]) in page
    assert table(measured["all cores"]) in page
    assert parts_table(measured["parts"]) in page
