"""Pooled data are re-split at random; distances are those to the nearest training image."""

from dataclasses import replace

import numpy as np
import pytest

from kmnist_mlp import Config, Dataset, run
from kmnist_mlp.data import STAND_IN, split_rows
from kmnist_mlp.experiments.distribution_shift import (
    POOLED,
    gap,
    nearest_distances,
    origin_auc,
    pooled,
    pooled_comparison,
    pooled_runs,
)
from kmnist_mlp.support.statistics import plus_minus

CONFIG = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)


def numbered(train=40, test=10, **names):
    """A data set in which every image holds its own number, and its label a digit of that."""
    numbers = np.arange(train + test, dtype=np.uint8)
    images = np.broadcast_to(numbers[:, None, None], (train + test, 2, 3)).copy()
    labels = numbers % 2
    return Dataset(
        images[:train], labels[:train], images[train:], labels[train:],
        **{"name": "numbers", "class_names": ("even", "odd"), "romaji": ("e", "o"), **names},
    )  # fmt: skip


def test_pooling_keeps_every_image_with_its_label_and_the_sizes():
    data = numbered()
    mixed = pooled(data)
    assert mixed.name == "numbers, pooled" and mixed.fingerprint != data.fingerprint
    assert (mixed.class_names, mixed.romaji) == (data.class_names, data.romaji)
    assert len(mixed.train_images) == 40 and len(mixed.test_images) == 10
    numbers = np.concatenate([mixed.train_images, mixed.test_images])[:, 0, 0]
    assert sorted(numbers) == list(range(50))
    labels = np.concatenate([mixed.train_labels, mixed.test_labels])
    assert np.array_equal(labels, numbers % 2)
    assert 0 < (mixed.test_images[:, 0, 0] < 40).sum() < 10, "some of either, not in their order"


def test_a_seed_decides_the_random_split():
    one, same, other = pooled(numbered()), pooled(numbered(), 0), pooled(numbered(), 1)
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_pooled_stand_in_data_are_not_taken_for_kmnist():
    mixed = pooled(numbered(name=STAND_IN))
    assert mixed.is_stand_in and mixed.name != STAND_IN


@pytest.mark.parametrize(("data", "seed", "given"), [(None, 0, "data.*None"), (0, -1, "seed.*-1")])
def test_pooling_refuses_what_is_no_data_set_or_no_seed(data, seed, given):
    with pytest.raises(ValueError, match=given):
        pooled(numbered() if data == 0 else data, seed)


def test_the_baseline_is_trained_again_with_its_own_configuration_and_seeds(
    tiny10, monkeypatch, tmp_path
):
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    other = CONFIG.replace(layer_specs=(36, 10))
    results = run({"other": other, "baseline": CONFIG}, [3, 1], n_jobs=1, data=tiny10)
    mixed = pooled_runs(tiny10, results)
    assert list(mixed.runs) == [(POOLED, 3), (POOLED, 1)]
    assert [r.config for r in mixed.of(POOLED)] == [CONFIG.replace(seed=s) for s in (3, 1)]
    assert mixed.data_name == f"{tiny10.name}, pooled"
    table = pooled_comparison(results, mixed)
    for row, these, name in (("published", results, "baseline"), ("re-split", mixed, POOLED)):
        (found,) = table[table.index.str.contains(row)].to_dict("records")
        validation, test = (
            these.values(quantity, name) for quantity in ("validation_accuracy", "test_accuracy")
        )
        assert (gap(these, name) == validation - test).all()
        assert list(found.values()) == [
            plus_minus(values, 2) for values in (validation, test, validation - test)
        ]


def test_the_nearest_distance_is_that_of_a_full_search(tiny10):
    config = Config(seed=4, validation_fraction=0.3)
    found = nearest_distances(tiny10, config, count=30)
    train_rows, validation_rows = split_rows(300, config)
    pixels = tiny10.train_images.reshape(len(tiny10.train_images), -1) / 255
    train, validation = pixels[train_rows], pixels[validation_rows[:30]]
    full = np.linalg.norm(validation[:, None] - train[None], axis=2).min(axis=1)
    np.testing.assert_allclose(found["validation"], full, atol=1e-4)
    assert len(found["test"]) == 30


def test_a_test_image_that_is_also_a_training_image_is_at_no_distance(tiny10):
    copies = replace(tiny10, test_images=tiny10.train_images, test_labels=tiny10.train_labels)
    found = nearest_distances(copies, count=len(tiny10.train_images))
    assert np.mean(found["test"] < 1e-2) == pytest.approx(0.8)  # the others are in validation
    assert len(found["validation"]) == 60, "as many as there are"


def test_a_network_tells_shifted_test_images_from_training_images_but_not_two_alike(make_dataset):
    data = make_dataset(classes=10, train=600, test=300)
    shifted = replace(data, test_images=255 - data.test_images)
    assert origin_auc(shifted) > 0.95
    assert origin_auc(shifted, control=True) == pytest.approx(0.5, abs=0.15)
    assert origin_auc(data, seed=1) != origin_auc(data)
