"""Saturated units and gradients per layer, against slopes and gradients computed here."""

import numpy as np
import pytest
from small_runs import SMALL

from kmnist_mlp import MLP, run
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.experiments.saturation import (
    layer_table,
    saturation,
    saturation_by_seed,
)
from kmnist_mlp.figures import tables
from kmnist_mlp.training import Training

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 6)), RNG.integers(0, 3, 20)


@pytest.fixture(scope="module")
def results(tiny10):
    configs = {
        "baseline": SMALL.replace(learning_rate=0.1, epochs=30),  # keeps an earlier epoch
        "bold": SMALL.replace(learning_rate=20.0, early_stop=False),
        "two_hidden_layers": SMALL.replace(layer_specs=(36, 5, 5, 10), activation="sigmoid"),
    }
    return run(configs, [0, 1], n_jobs=1, data=tiny10, cache=False)


@pytest.mark.parametrize(
    ("activation", "saturated", "not_saturated"),
    [
        ("tanh", [-2.19, 2.19, 50.0], [-2.17, 0.0, 2.17]),
        ("sigmoid", [-4.37, 4.37, 50.0], [-4.35, 0.0, 2.19]),
        ("ReLU", [-50.0, -0.1, 0.0], [0.001, 2.0, 50.0]),
    ],
)
def test_a_unit_is_saturated_where_its_slope_is_below_a_twentieth_of_the_largest(
    activation, saturated, not_saturated
):
    z = np.array([saturated, not_saturated]).T  # an image per row: one of two units is saturated
    model = MLP.from_parameters(activation, [np.eye(2), np.eye(2)], [np.zeros(2), np.zeros(2)])
    table = layer_table(model, z, np.zeros(3, int))
    assert table.saturated_share[0] == 0.5
    assert table.always_saturated_share[0] == 0.5
    one_image_less = layer_table(model, np.vstack([z, z[:1, ::-1]]), np.zeros(4, int))
    assert one_image_less.saturated_share[0] == 0.5
    assert one_image_less.always_saturated_share[0] == 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_norm_of_a_layer_is_the_mean_over_images_of_the_norm_of_its_gradient(
    activation,
):
    model = MLP((6, 5, 4, 3), activation, seed=1, dtype=np.float64)
    per_image = [model.gradients(X[i : i + 1], Y[i : i + 1])[0] for i in range(len(X))]
    expected = [np.mean([np.linalg.norm(own[layer]) for own in per_image]) for layer in range(3)]
    table = layer_table(model, X, Y)
    assert table.gradient_norm.tolist() == pytest.approx(expected, rel=1e-12)
    assert table.layer.tolist() == [1, 2, 3]
    assert table.saturated_share.isna().tolist() == [False, False, True]


def test_a_model_without_hidden_layers_has_a_gradient_and_no_units():
    table = layer_table(MLP((6, 3)), X, Y)
    assert len(table) == 1 and table.gradient_norm[0] > 0
    assert table[["saturated_share", "always_saturated_share"]].isna().all(axis=None)


def test_labels_and_images_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="y must"):
        layer_table(MLP((6, 3)), X, Y + 3)
    with pytest.raises(ValueError, match="x must"):
        layer_table(MLP((5, 3)), X, Y)


def test_a_run_is_measured_on_its_training_split_with_its_first_and_its_kept_weights(
    results, tiny10
):
    result = results.of("baseline")[1]
    assert 0 < result.kept_epoch < result.stopped_epoch
    start = Training(result.config, tiny10)
    x, y = start.split.train, start.split.train_labels
    table = saturation(result, tiny10)
    assert table.weights.tolist() == ["initial"] * 2 + ["kept"] * 2
    assert table.epoch.tolist() == [0, 0, result.kept_epoch, result.kept_epoch]
    for weights, model in (("initial", start.model), ("kept", result.model)):
        own = table[table.weights == weights].reset_index(drop=True)
        assert own[layer_table(model, x, y).columns].equals(layer_table(model, x, y))


def test_of_a_large_training_split_the_first_2000_images_are_measured(make_dataset):
    data = make_dataset(train=2600)
    result = run({"a": SMALL.replace(layer_specs=(36, 4, 3))}, 3, n_jobs=1, data=data, cache=False)
    split = Training(result.of("a")[0].config, data).split
    expected = layer_table(result.of("a")[0].model, split.train[:2000], split.train_labels[:2000])
    found = saturation(result.of("a")[0], data).query("weights == 'kept'").reset_index(drop=True)
    assert found[expected.columns].equals(expected)


def test_a_learning_rate_that_is_far_too_large_saturates_tanh(results, tiny10):
    table = saturation(results.of("bold")[0], tiny10)
    initial, kept = table[table.layer == 1].saturated_share
    assert initial < 0.2 and kept > 0.9


def test_every_run_of_every_experiment_is_measured(results, tiny10):
    names = ["baseline", "two_hidden_layers"]
    numbers = saturation_by_seed(results, names, tiny10)
    groups = numbers.groupby(["experiment", "seed"], sort=False)
    assert list(groups.groups) == [(name, seed) for name in names for seed in (0, 1)]
    for (name, seed), own in groups:
        expected = saturation(results.runs[name, seed], tiny10)
        assert own[expected.columns].reset_index(drop=True).equals(expected)


def test_the_table_of_saturation_has_means_over_seeds_in_per_cent(results, tiny10):
    numbers = saturation_by_seed(results, ["baseline", "two_hidden_layers"], tiny10)
    table = tables.saturation(numbers, tiny10.name)
    assert list(table.index) == [
        f"{title}: {weights} weights"
        for title in ("baseline, early stopping", "two layers of 64 units")
        for weights in ("initial", "kept")
    ]
    row = table.loc["two layers of 64 units: kept weights"]
    own = numbers.query("experiment == 'two_hidden_layers' and weights == 'kept'")
    for layer in (1, 2):
        mean = 100 * own[own.layer == layer].saturated_share.mean()
        assert row[f"saturated units, layer {layer}, %"].startswith(
            f"{mean:.1f}".removesuffix(".0")
        )
    for layer in (1, 2, 3):
        mean = own[own.layer == layer].gradient_norm.mean()
        assert row[f"gradient norm, layer {layer}"].startswith(f"{mean:.2f}")
    missing = table.loc["baseline, early stopping: kept weights"]
    assert missing["saturated units, layer 2, %"] == missing["gradient norm, layer 3"] == "–"
