"""Saturated units and gradients per layer, against slopes and gradients computed here."""

import numpy as np
import pytest
from small_runs import SMALL

from kmnist_mlp import MLP, run, train
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
    with pytest.raises(ValueError, match="y must"):
        layer_table(MLP((6, 3)), X, Y + 3)
    with pytest.raises(ValueError, match="x must"):
        layer_table(MLP((5, 3)), X, Y)


def test_runs_are_measured_on_2000_training_images_with_their_first_and_their_kept_weights(
    make_dataset,
):
    data = make_dataset(train=2600)
    config = SMALL.replace(layer_specs=(36, 4, 3), learning_rate=1.0, epochs=6)
    results = run({"a": SMALL.replace(layer_specs=(36, 3)), "b": config}, [3, 1], 1, data, False)
    numbers = saturation_by_seed(results, ["b", "a"], data)
    groups = numbers.groupby(["experiment", "seed"], sort=False)
    assert list(groups.groups) == [("b", 3), ("b", 1), ("a", 3), ("a", 1)]
    for key, found in groups:
        result = results.runs[key]
        start = Training(result.config, data)
        x, y = start.split.train[:2000], start.split.train_labels[:2000]
        for weights, epoch, model in (
            ("initial", 0, start.model), ("kept", result.kept_epoch, result.model),
        ):  # fmt: skip
            own = found[found.weights == weights].reset_index(drop=True)
            assert (own.epoch == epoch).all()
            expected = layer_table(model, x, y)
            assert own[expected.columns].equals(expected)
    assert 0 < results.of("b")[0].kept_epoch < 6


def test_a_learning_rate_that_is_far_too_large_saturates_tanh(tiny10):
    config = SMALL.replace(learning_rate=20.0, early_stop=False)
    table = saturation(train(config, tiny10), tiny10)
    initial, kept = table[table.layer == 1].saturated_share
    assert initial < 0.2 and kept > 0.9


def test_the_table_of_saturation_has_means_over_seeds_in_per_cent(tiny10):
    sigmoid = SMALL.replace(layer_specs=(36, 5, 5, 10), activation="sigmoid")
    results = run({"baseline": SMALL, "two_hidden_layers": sigmoid}, [0, 1], 1, tiny10, False)
    numbers = saturation_by_seed(results, results.names, tiny10)
    table = tables.saturation(numbers, tiny10.name)
    row = table.loc["two layers of 64 units: kept weights"]
    own = numbers.query("experiment == 'two_hidden_layers' and weights == 'kept'")
    shares, norms = (own[own.layer == 2][name] for name in ("saturated_share", "gradient_norm"))
    percent = f"{100 * shares.mean():.1f}".removesuffix(".0")
    assert row["saturated units, layer 2, %"].startswith(percent)
    assert row["gradient norm, layer 2"].startswith(f"{norms.mean():.2f}")
    missing = table.loc["baseline, early stopping: kept weights"]
    assert missing["saturated units, layer 2, %"] == missing["gradient norm, layer 3"] == "–"
    assert "saturated units, layer 3, %" not in table, "the output layer has no hidden units"
