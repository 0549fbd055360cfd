"""`make bench` compares like with like, and its tables and files hold what was measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.benchmark import __main__ as benchmark
from kmnist_mlp.benchmark.__main__ import IMPLEMENTATIONS, alternate, parts, parts_table, table
from kmnist_mlp.training import Training

DOCS = Path(__file__).resolve().parent.parent / "docs"
MEASURED = json.loads((DOCS / "benchmark.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def run(make_dataset):
    data = make_dataset(classes=10, train=600, test=20, side=8)
    return Training(Config(layer_specs=(64, 16, 10), batch_size=32), data)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_every_installed_implementation_trains_an_epoch(name, run):
    package, maker = IMPLEMENTATIONS[name]
    pytest.importorskip(package, reason=f"{package} is only compared with (extra 'bench')")
    epoch = maker(run)
    epoch()
    epoch()


def test_the_products_are_those_of_forward_and_backward_pass(run, monkeypatch):
    shapes = []
    monkeypatch.setattr(
        np, "matmul", lambda a, b, out: shapes.append((a.shape, b.shape, out.shape))
    )
    benchmark.products(run)()
    forward = [((32, 64), (64, 16), (32, 16)), ((32, 16), (16, 10), (32, 10))]
    backward = [((16, 32), (32, 10), (16, 10)), ((32, 10), (10, 16), (32, 16))]
    backward += [((64, 32), (32, 16), (64, 16))]
    step = forward + backward
    assert shapes[: len(step)] == step and len(shapes) == len(step) * (480 // 32)


def test_durations_come_from_alternating_rounds_after_one_that_is_not_timed(run):
    calls = []
    durations = alternate({name: (lambda name=name: calls.append(name)) for name in "ab"}, 3)
    assert "".join(calls) == "ab" + "ab" * 3
    assert {name: len(seconds) for name, seconds in durations.items()} == {"a": 3, "b": 3}
    assert all(microseconds > 0 for microseconds in parts(run, rounds=2).values())


def test_the_command_writes_what_it_prints(monkeypatch, tmp_path, capsys):
    """With the measurement of the committed file instead of minutes of a new one."""
    monkeypatch.setattr(benchmark, "measure", lambda: MEASURED[0])
    monkeypatch.chdir(tmp_path)
    benchmark.main()
    printed = capsys.readouterr().out
    assert json.loads((tmp_path / "build" / "benchmark.json").read_text("utf-8")) == MEASURED[0]
    assert table(MEASURED[0]["epochs"]) in printed and parts_table(MEASURED[0]["parts"]) in printed


@pytest.mark.parametrize("measured", MEASURED, ids=[m["blas"] for m in MEASURED])
def test_the_tables_in_the_documentation_are_those_of_the_committed_measurements(measured):
    page = (DOCS / "benchmark.md").read_text("utf-8")
    assert measured["data"] == "KMNIST"
    assert table(measured["epochs"]) in page and parts_table(measured["parts"]) in page
