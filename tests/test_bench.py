"""What `make bench` compares is comparable, and its table says what was measured."""

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.benchmark import alternatives as contenders
from kmnist_mlp.benchmark import measure as bench
from kmnist_mlp.data import split_and_standardise


@pytest.fixture(scope="module")
def split(make_dataset):
    return split_and_standardise(make_dataset(classes=10, train=600, test=20, side=8), seed=0)


CONFIG = Config(layer_specs=(64, 16, 10), batch_size=32)


def test_every_contender_that_is_installed_does_an_epoch(split):
    for package, make in bench.CONTENDERS.values():
        if bench.importlib.util.find_spec(package):
            make(CONFIG, split)()


def test_the_products_are_those_of_forward_and_backward_pass(split, monkeypatch):
    shapes = []

    def matmul(a, b, out):
        shapes.append((a.shape, b.shape))
        return out

    monkeypatch.setattr(contenders.np, "matmul", matmul)
    bench.products(CONFIG, split)()
    forward = [((32, 64), (64, 16)), ((32, 16), (16, 10))]
    backward = [((16, 32), (32, 10)), ((32, 10), (10, 16)), ((64, 32), (32, 16))]
    assert shapes == (forward + backward) * (480 // 32)


def test_durations_of_all_contenders_come_from_alternating_rounds(monkeypatch):
    calls = []
    epochs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    durations = bench.alternate(epochs, rounds=3)
    assert "".join(calls) == "ab" + "ab" * 3  # the first is not timed
    assert {name: len(seconds) for name, seconds in durations.items()} == {"a": 3, "b": 3}


def test_the_table_holds_ratios_of_the_fastest_and_of_the_medians():
    durations = {"net": {"matrix products alone": [2.0, 4.0, 5.0], "other": [3.0, 6.0, 20.0]}}
    assert bench.table(durations).splitlines()[2:] == [
        "| matrix products alone | 1.00 (1.00) |",
        "| other | 1.50 (1.50) |",
    ]


def test_a_part_of_a_split_has_its_first_images(split):
    few = bench._first(split, 100)
    assert np.array_equal(few.train[:], split.train[:100])
    assert len(few.train_labels) == 100 and few.test is split.test
