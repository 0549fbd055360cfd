"""Pooled data are re-split at random; distances are those to the nearest training image."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from kmnist_mlp import Config, Dataset, run, train
from kmnist_mlp.config import generator
from kmnist_mlp.data import STAND_IN, split_rows
from kmnist_mlp.experiments import distribution_shift
from kmnist_mlp.experiments.distribution_shift import (
    CHUNK,
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
    order = generator(1, 2).permutation(50)
    assert np.concatenate([other.train_images, other.test_images])[:, 0, 0].tolist() == list(order)


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
    assert mixed.data_name == tiny10.name  # whose reference results it has
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


def test_the_nearest_distance_of_1000_images_of_each_part_is_that_of_a_full_search(make_dataset):
    """Among more training images than are compared at once."""
    data, config = make_dataset(train=6000, test=1100), Config(seed=4, validation_fraction=0.3)
    train_rows, validation_rows = split_rows(6000, config)
    test_images = data.test_images.copy()
    test_images[:200] = data.train_images[train_rows[CHUNK - 1]]  # the last to be compared at once
    data = replace(data, test_images=test_images)
    train, test = (a.reshape(len(a), -1) / 255 for a in (data.train_images, data.test_images))
    chosen = {
        "validation": train[validation_rows[:1000]],
        "test": test[generator(4, 7).permutation(1100)[:1000]],
    }
    for part, distances in nearest_distances(data, config).items():
        full = cdist(chosen[part], train[train_rows]).min(axis=1)
        np.testing.assert_allclose(distances, full, atol=1e-4)


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


@pytest.mark.parametrize("control", [False, True])
def test_the_network_for_the_origin_is_the_baselines_and_is_measured_on_a_quarter_of_the_images(
    make_dataset, monkeypatch, control
):
    data, runs = make_dataset(classes=10, train=600, test=200), []
    monkeypatch.setattr(
        distribution_shift, "train_network", lambda *a: runs.append((*a, train(*a))) or runs[-1][2]
    )
    found = origin_auc(data, 3, control)
    ((config, origins, result),) = runs
    assert config == Config(layer_specs=(36, 128, 2), seed=3)
    assert (len(origins.train_images), len(origins.test_images)) == (300, 100)
    output = result.model.predict_proba(origins.test_images)[:, 1]
    assert found == pytest.approx(roc_auc_score(origins.test_labels, output))
    rows, others = generator(3, 8).permutation(600), data.test_images
    others = data.train_images[rows[200:400]] if control else others
    for label, images in enumerate((data.train_images[rows[:200]], others)):
        own = [
            part_images[labels == label]
            for part_images, labels in (
                (origins.train_images, origins.train_labels),
                (origins.test_images, origins.test_labels),
            )
        ]
        taken = sorted(image.tobytes() for image in np.concatenate(own))
        assert taken == sorted(image.tobytes() for image in images)
