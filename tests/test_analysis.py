"""Errors, saturation and the distribution shift, against what is computed here another way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import confusion_matrix, roc_auc_score
from small_runs import SMALL

from kmnist_mlp import MLP, Config, Dataset, run, train
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import generator
from kmnist_mlp.data import split_rows
from kmnist_mlp.experiments import analyse_errors, analysis
from kmnist_mlp.experiments.analysis import POOLED, layer_table, nearest_distances, pooled
from kmnist_mlp.figures import tables
from kmnist_mlp.support.statistics import plus_minus
from kmnist_mlp.training import Training

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 6)), RNG.integers(0, 3, 20)

# ---- errors ----------------------------------------------------------


def test_errors_are_those_of_the_networks_predictions(tiny10):
    config = SMALL.replace(learning_rate=0.1, epochs=6)
    runs = run({"a": config}, [0, 1], n_jobs=1, data=tiny10, cache=False).of("a")
    data = replace(tiny10, test_labels=np.roll(tiny10.test_labels, 1))  # many errors
    found = analyse_errors(runs, data)
    for matrix, result in zip(found.matrices, runs, strict=True):
        predictions = result.model.predict(data.test_images)
        assert np.array_equal(matrix, confusion_matrix(data.test_labels, predictions))
    probabilities = runs[0].model.predict_proba(data.test_images)  # of the first seed alone
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != data.test_labels)
    rows = wrong[np.argsort(-confidences[wrong])]
    errors = found.most_confident
    assert errors.index.tolist() == rows.tolist()
    assert errors.label.tolist() == data.test_labels[rows].tolist()
    assert errors.prediction.tolist() == predictions[rows].tolist()
    assert errors.confidence.tolist() == confidences[rows].tolist()
    share = 100 * (confidences[wrong] > 0.9).mean()
    assert found.confident_share == pytest.approx(share) and 0 < share < 100
    perfect = analyse_errors(runs[:1], replace(data, test_labels=predictions))
    assert perfect.confident_share == 0 and len(perfect.most_confident) == 0


# ---- saturation ------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "saturated", "other"),
    [
        ("tanh", [-2.19, 2.19, 50.0], [-2.17, 0.0, 2.17]),
        ("sigmoid", [-4.37, 4.37, 50.0], [-4.35, 0.0, 2.19]),
        ("ReLU", [-50.0, -0.1, 0.0], [0.001, 2.0, 50.0]),
    ],
)
def test_saturation_is_a_small_slope(activation, saturated, other):
    z = np.transpose([saturated, other])  # an image per row: one of two units is saturated
    model = MLP.from_parameters(activation, [np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    assert layer_table(model, z, np.zeros(3, int)).saturated_share[0] == 0.5


@pytest.mark.parametrize("layers", [(6, 5, 4, 3), (6, 3)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_gradient_norm_is_the_mean_over_images(activation, layers):
    model = MLP(layers, activation, seed=1, dtype=np.float64)
    per_image = [model.gradients(X[i : i + 1], Y[i : i + 1])[0] for i in range(len(X))]
    norms = [[np.linalg.norm(weights) for weights in gradients] for gradients in per_image]
    table = layer_table(model, X, Y)
    assert table.gradient_norm.tolist() == pytest.approx(np.mean(norms, axis=0), rel=1e-12)
    assert table.layer.tolist() == [*range(1, len(layers))]
    assert table.saturated_share.isna().tolist() == [False] * (len(layers) - 2) + [True]


def test_first_and_kept_weights_are_measured(make_dataset):
    data = make_dataset(train=2600)
    # early stopping: under any BLAS kernel, the kept epoch is not the last
    config = Config((36, 4, 3), learning_rate=1.0, epochs=60, early_stop_epoch=1)
    results = run({"b": config, "a": SMALL.replace(layer_specs=(36, 3))}, [3, 1], 1, data, False)
    found, expected = analysis.saturation_by_seed(results, data), {}
    for key, result in results.runs.items():
        start = Training(result.config, data)
        measured = start.split.train[:2000], start.split.train_labels[:2000]
        expected[*key, "initial", 0] = layer_table(start.model, *measured)
        expected[*key, "kept", result.kept_epoch] = layer_table(result.model, *measured)
    names = ["experiment", "seed", "weights", "epoch"]
    expected = pd.concat(expected, names=names).reset_index(names)
    assert found.equals(expected.reset_index(drop=True))
    assert 0 < results.of("b")[0].kept_epoch < results.of("b")[0].stopped_epoch


def test_the_table_of_saturation_has_means_over_seeds_in_per_cent():
    columns = ["experiment", "weights", "epoch", "layer"]
    columns += ["saturated_share", "gradient_norm"]
    rows = [("two", "kept", 9, 1, 0.1, 4.0), ("two", "kept", 9, 2, 0.25, 5.0),
            ("two", "kept", 9, 3, np.nan, 6.0), ("baseline", "kept", 4, 1, 0.5, 2.0),
            ("baseline", "kept", 4, 2, np.nan, 3.0)]  # fmt: skip
    first = pd.DataFrame(rows, columns=columns)
    second = first.assign(gradient_norm=first.gradient_norm + 1)
    table = tables.saturation(pd.concat([first, second]), "KMNIST")
    norms = [f"{n}.50\u00a0±\u00a00.71" for n in range(7)]
    assert table.loc["two: kept weights"].tolist() == ["9", "10", "25", *norms[4:]]
    shown = ["4", "50", "–", *norms[2:4], "–"]  # the output layer has no hidden units
    assert table.loc["baseline, early stopping: kept weights"].tolist() == shown


# ---- distribution shift ----------------------------------------------


def test_pooling_keeps_images_labels_and_sizes():
    numbers = np.arange(50, dtype=np.uint8)  # every image holds its number, its label the last bit
    images, labels = np.repeat(numbers, 6).reshape(50, 2, 3), numbers % 2
    parts = images[:40], labels[:40], images[40:], labels[40:]
    mixed = pooled(Dataset(*parts, "stand-in data", ("even", "odd"), ("e", "o")))
    assert (mixed.class_names, mixed.romaji) == (("even", "odd"), ("e", "o"))
    assert mixed.is_stand_in
    assert len(mixed.train_images) == 40 and len(mixed.test_images) == 10
    found = np.concatenate([mixed.train_images, mixed.test_images])[:, 1, 2]
    assert found.tolist() == list(generator(0, analysis.POOLING).permutation(50))
    assert np.array_equal(np.concatenate([mixed.train_labels, mixed.test_labels]), found % 2)


def test_the_baseline_is_trained_again_with_the_same_seeds(tiny10, results_folder):
    other = SMALL.replace(layer_specs=(36, 10))
    results = run({"other": other, "baseline": SMALL}, [3, 1], n_jobs=1, data=tiny10)
    mixed = analysis.pooled_runs(tiny10, results)
    assert [r.config for r in mixed.of(POOLED)] == [SMALL.replace(seed=s) for s in (3, 1)]
    assert mixed.data_name == tiny10.name  # whose reference results it has
    table = analysis.pooled_comparison(results, mixed)
    for row, these, name in ((0, results, "baseline"), (1, mixed, POOLED)):
        parts = (f"{part}_accuracy" for part in ("validation", "test"))
        validation, test = (these.values(part, name) for part in parts)
        assert (analysis.gap(these, name) == validation - test).all()
        expected = [plus_minus(values, 2) for values in (validation, test, validation - test)]
        assert table.iloc[row].tolist() == expected
    assert "re-split" in table.index[1]


def test_the_nearest_distance_is_that_of_a_full_search(make_dataset):
    data = make_dataset(train=6000, test=1100)
    train_rows, validation_rows = split_rows(6000, Config())
    chosen = data.test_images.copy()
    chosen[:200] = data.train_images[train_rows[-1]]
    found = nearest_distances(replace(data, test_images=chosen))
    parts = {
        "validation": data.train_images[validation_rows[:1000]],
        "test": chosen[generator(0, 7).permutation(1100)[:1000]],
    }
    for part, distances in found.items():
        both = parts[part], data.train_images[train_rows]
        full = cdist(*(a.reshape(len(a), -1) / 255 for a in both)).min(axis=1)
        np.testing.assert_allclose(distances, full, atol=1e-4)
    assert list(found) == list(parts)


@pytest.mark.parametrize("control", [False, True])
def test_a_network_tells_shifted_images(make_dataset, monkeypatch, control):
    data, runs = make_dataset(classes=10, train=600, test=200), []
    data = replace(data, test_images=255 - data.test_images)
    monkeypatch.setattr(analysis, "train", lambda *a: runs.append((*a, train(*a))) or runs[-1][2])
    found = analysis.origin_auc(data, 3, control)
    ((config, origins, result),) = runs
    assert config == Config(layer_specs=(36, 128, 2), seed=3)
    assert (len(origins.train_images), len(origins.test_images)) == (300, 100)
    output = result.model.predict_proba(origins.test_images)[:, 1]
    assert found == pytest.approx(roc_auc_score(origins.test_labels, output))
    assert 0.3 < found < 0.7 if control else found > 0.95
    rows = generator(3, analysis.ORIGINS).permutation(600)
    others = data.train_images[rows[200:400]] if control else data.test_images
    images = np.concatenate([origins.train_images, origins.test_images])
    labels = np.concatenate([origins.train_labels, origins.test_labels])
    for label, expected in enumerate((data.train_images[rows[:200]], others)):
        taken = sorted(map(bytes, images[labels == label]))
        assert taken == sorted(map(bytes, expected))
