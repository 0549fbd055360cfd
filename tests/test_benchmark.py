"""`make bench` compares like with like, and its tables are those of the committed measurements."""

import json
from collections import Counter
from doctest import DocTestFinder, DocTestRunner
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.training import Training

DOCS = Path(__file__).resolve().parent.parent / "docs"
benchmark = SimpleNamespace(**run_path(str(DOCS / "benchmark.py")))


@pytest.fixture(scope="module")
def run(make_dataset):
    data = make_dataset(classes=10, train=600, test=20, side=8)
    return Training(Config(layer_specs=(64, 16, 10), batch_size=32), data)


@pytest.mark.parametrize("name", benchmark.IMPLEMENTATIONS)
def test_every_installed_implementation_trains_an_epoch(name, run):
    package, maker = benchmark.IMPLEMENTATIONS[name]
    pytest.importorskip(package, reason=f"{package} is only compared with (extra 'bench')")
    calls, epoch = [], maker(run)
    durations = benchmark.alternate({"one": epoch, "other": lambda: calls.append(1)}, 2)
    assert len(calls) == 3 and [len(times) for times in durations.values()] == [2, 2]


def test_the_products_are_those_of_forward_and_backward_pass(run, monkeypatch):
    shapes = []
    monkeypatch.setattr(
        np, "matmul", lambda a, b, out: shapes.append((a.shape, b.shape, out.shape))
    )
    benchmark.products(run)()
    step = [((32, 64), (64, 16), (32, 16)), ((32, 16), (16, 10), (32, 10))]
    step += [((16, 32), (32, 10), (16, 10)), ((32, 10), (10, 16), (32, 16))]
    step += [((64, 32), (32, 16), (64, 16))]
    assert Counter(shapes) == dict.fromkeys(step, 480 // 32)


def test_the_example_of_the_table_runs():
    (example,) = DocTestFinder().find(benchmark.table, "table", globs=vars(benchmark))
    assert DocTestRunner().run(example).failed == 0


def test_the_tables_in_the_documentation_are_those_of_the_committed_measurements():
    page = (DOCS / "benchmark.md").read_text("utf-8")
    for measured in json.loads((DOCS / "benchmark.json").read_text("utf-8")):
        assert measured["data"] == "KMNIST" and benchmark.table(measured["epochs"]) in page
