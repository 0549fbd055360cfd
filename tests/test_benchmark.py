"""`make bench` compares like with like, and its tables and files hold what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.benchmark import implementations
from kmnist_mlp.benchmark.__main__ import alternate, main, parts, parts_table, table

DOCS = Path(__file__).resolve().parent.parent / "docs"
MEASURED = json.loads((DOCS / "benchmark.json").read_text("utf-8"))
CONFIG = Config(layer_specs=(64, 16, 10), batch_size=32)


@pytest.fixture(scope="module")
def data(make_dataset):
    return make_dataset(classes=10, train=600, test=20, side=8)


@pytest.mark.parametrize("name", implementations.IMPLEMENTATIONS)
def test_every_installed_implementation_trains_an_epoch(name, data):
    package, maker = implementations.IMPLEMENTATIONS[name]
    if package != "numpy":
        pytest.importorskip(package, reason=f"{package} is only compared with (extra 'bench')")
    epoch = maker(CONFIG, data)
    epoch()
    epoch()


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
    durations = alternate(epochs, rounds=3)
    assert "".join(calls) == "ab" + "ab" * 3
    assert {name: len(seconds) for name, seconds in durations.items()} == {"a": 3, "b": 3}


def test_the_parts_of_a_mini_batch_are_all_timed(data):
    found = parts(CONFIG, data, rounds=2)
    assert "matrix products" in found and "momentum and update" in found
    assert all(microseconds > 0 for microseconds in found.values())


def test_the_table_holds_ratios_of_the_fastest_and_of_the_medians():
    durations = {"net": {"matrix products alone": [2.0, 4.0, 5.0], "other": [3.0, 6.0, 20.0]}}
    assert table(durations).splitlines()[2:] == [
        "| matrix products alone | 1.00 (1.00) |",
        "| other | 1.50 (1.50) |",
    ]


def test_the_command_writes_what_it_prints(monkeypatch, tmp_path, capsys):
    """With the measurement of the committed file instead of minutes of a new one."""
    measured = MEASURED[0]
    monkeypatch.setattr("kmnist_mlp.benchmark.__main__.measure", lambda data, rounds: measured)
    assert main(["--to", str(tmp_path / "new")]) == 0
    printed, written = capsys.readouterr().out, tmp_path / "new" / "benchmark.json"
    assert json.loads(written.read_text("utf-8")) == measured
    assert table(measured["epochs"]) in printed and parts_table(measured["parts"]) in printed


@pytest.mark.parametrize("measured", MEASURED, ids=[m["blas"] for m in MEASURED])
def test_the_tables_in_the_documentation_are_those_of_the_committed_measurements(measured):
    page = (DOCS / "benchmark.md").read_text("utf-8")
    assert measured["data"] == "KMNIST"
    assert table(measured["epochs"]) in page
    assert parts_table(measured["parts"]) in page
