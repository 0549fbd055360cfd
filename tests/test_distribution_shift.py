"""Pooled data are re-split at random; distances are those to the nearest training image."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from kmnist_mlp import Config, Dataset, run, train
from kmnist_mlp.config import generator
from kmnist_mlp.data import split_rows
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


def test_pooling_keeps_every_image_with_its_label_and_the_sizes():
    numbers = np.arange(50, dtype=np.uint8)  # every image holds its own number, its label the last
    images, labels = np.repeat(numbers, 6).reshape(50, 2, 3), numbers % 2
    parts = images[:40], labels[:40], images[40:], labels[40:]
    data = Dataset(*parts, "stand-in data", ("even", "odd"), ("e", "o"))
    for seed, mixed in ((0, pooled(data)), (1, pooled(data, 1))):
        assert mixed.name == "stand-in data, pooled" and mixed.is_stand_in
        assert (mixed.class_names, mixed.romaji) == (data.class_names, data.romaji)
        assert len(mixed.train_images) == 40 and len(mixed.test_images) == 10
        found = np.concatenate([mixed.train_images, mixed.test_images])[:, 1, 2]
        assert found.tolist() == list(generator(seed, distribution_shift.POOLING).permutation(50))
        assert np.array_equal(np.concatenate([mixed.train_labels, mixed.test_labels]), found % 2)
    for wrong, seed, given in ((None, 0, "data.*None"), (data, -1, "seed.*-1")):
        with pytest.raises(ValueError, match=given):
            pooled(wrong, seed)


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
    for row, these, name in ((0, results, "baseline"), (1, mixed, POOLED)):
        validation, test = (
            these.values(quantity, name) for quantity in ("validation_accuracy", "test_accuracy")
        )
        assert (gap(these, name) == validation - test).all()
        expected = [plus_minus(values, 2) for values in (validation, test, validation - test)]
        assert table.iloc[row].tolist() == expected
    assert "re-split" in table.index[1]


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
    assert len(nearest_distances(data, config, 5000)["validation"]) == 1800, "as many as there are"


def test_a_network_tells_shifted_test_images_from_training_images_but_not_two_alike(make_dataset):
    data = make_dataset(classes=10, train=600, test=300)
    shifted = replace(data, test_images=255 - data.test_images)
    assert origin_auc(shifted) > 0.95
    assert origin_auc(shifted, control=True) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("control", [False, True])
def test_the_network_for_the_origin_is_the_baselines_and_is_measured_on_a_quarter_of_the_images(
    make_dataset, monkeypatch, control
):
    data, runs = make_dataset(classes=10, train=600, test=200), []
    monkeypatch.setattr(
        distribution_shift, "train", lambda *a: runs.append((*a, train(*a))) or runs[-1][2]
    )
    found = origin_auc(data, 3, control)
    ((config, origins, result),) = runs
    assert config == Config(layer_specs=(36, 128, 2), seed=3)
    assert (len(origins.train_images), len(origins.test_images)) == (300, 100)
    output = result.model.predict_proba(origins.test_images)[:, 1]
    assert found == pytest.approx(roc_auc_score(origins.test_labels, output))
    rows = generator(3, distribution_shift.ORIGINS).permutation(600)
    others = data.train_images[rows[200:400]] if control else data.test_images
    images = np.concatenate([origins.train_images, origins.test_images])
    labels = np.concatenate([origins.train_labels, origins.test_labels])
    for label, expected in enumerate((data.train_images[rows[:200]], others)):
        taken = sorted(image.tobytes() for image in images[labels == label])
        assert taken == sorted(image.tobytes() for image in expected)
