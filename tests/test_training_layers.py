"""Batch normalisation, dropout and smoothed labels: right gradients, and nothing left behind."""

import numpy as np
import pytest

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.extensions.regularised_mlp import (
    EPSILON,
    MEMORY,
    TrainingBuffers,
    TrainingMLP,
    network,
)
from kmnist_mlp.network import Buffers
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.training import Epochs

OPTIONS = {
    "batch normalisation": {"batch_normalisation": True},
    "dropout": {"dropout": 0.4},
    "label smoothing": {"label_smoothing": 0.2},
    "all": {"batch_normalisation": True, "dropout": 0.3, "label_smoothing": 0.1},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
each_activation = pytest.mark.parametrize("activation", ["tanh", "sigmoid", "ReLU"])


def some_model(layers=(5, 7, 6, 3), activation="tanh", seed=0, dtype=np.float64, **options):
    """Return a network whose biases and gains are none of 0 and 1."""
    model = network(Config(layers, activation, seed=seed, **options), dtype)
    rng = np.random.default_rng([seed, 99])
    model.parameters += rng.uniform(-0.4, 0.4, model.parameters.size)
    return model


def some_batch(layers=(5, 7, 6, 3), size=9, seed=0):
    rng = np.random.default_rng([seed, 98])
    return rng.standard_normal((size, layers[0])), np.arange(size) % layers[-1]


def gradient(model, x, y, scale=1.0):
    """Return all gradients with the masks that :func:`loss` has."""
    buffers = TrainingBuffers(model, len(x))
    model.rng = np.random.default_rng(5)
    model.backpropagate(x, y, buffers, scale)
    return buffers.gradient


def loss(model, x, y):
    model.rng = np.random.default_rng(5)
    return model.training_loss(x, y)


@each_option
@each_activation
@pytest.mark.parametrize("layers", [(5, 3), (5, 4, 3), (5, 7, 6, 3), (4, 6, 5, 4, 3)], ids=str)
def test_the_gradient_of_every_parameter_agrees_with_its_central_difference(
    layers, activation, options
):
    epsilon = 1e-5
    model = some_model(layers, activation, **options)
    x, y = some_batch(layers)
    given, difference = gradient(model, x, y), np.empty_like(model.parameters)
    for i, kept in enumerate(model.parameters.copy()):
        model.parameters[i] = kept + epsilon
        above = loss(model, x, y)
        model.parameters[i] = kept - epsilon
        difference[i] = (above - loss(model, x, y)) / (2 * epsilon)
        model.parameters[i] = kept
    assert np.abs(difference).max() > 0.1
    np.testing.assert_allclose(given, difference, atol=1e-7 * np.abs(difference).max())
    np.testing.assert_allclose(gradient(model, x, y, 0.25), given / 4, atol=1e-12)


@each_activation
def test_a_layer_is_normalised_as_its_formula_says(activation):
    model = some_model(activation=activation, batch_normalisation=True)
    x, y = some_batch()
    f = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "ReLU": lambda z: z * (z > 0)}
    a = x
    for layer in (0, 1):
        z = a @ model.weights[layer]
        z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + EPSILON)
        a = f[activation](model.gains[layer] * z + model.biases[layer])
    logits = a @ model.weights[2] + model.biases[2]
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]
    assert model.training_loss(x, y) == pytest.approx(expected.sum(), rel=1e-10)


def test_the_network_that_is_left_is_a_plain_one_with_the_running_statistics():
    model = some_model(batch_normalisation=True, dropout=0.3)
    x, y = some_batch(size=40)
    for _ in range(3):
        model.training_loss(x, y)
    plain = model.folded()
    assert type(plain) is MLP and plain.parameters.size < model.parameters.size
    a = x
    for layer in (0, 1):
        z = a @ model.weights[layer] - model.means[layer]
        z = z / np.sqrt(model.variances[layer] + EPSILON)
        a = np.tanh(model.gains[layer] * z + model.biases[layer])
    logits = a @ model.weights[2] + model.biases[2]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plain.predict_proba(x), expected, rtol=1e-10)


def test_running_statistics_approach_those_of_the_batch():
    model = some_model((5, 4, 3), batch_normalisation=True)
    x, y = some_batch((5, 4, 3), size=30)
    z = x @ model.weights[0]
    for steps in range(1, 4):
        model.training_loss(x, y)
        left = MEMORY**steps
        np.testing.assert_allclose(model.means[0], (1 - left) * z.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(model.variances[0], left + (1 - left) * z.var(axis=0))


def test_dropout_silences_its_share_and_keeps_the_mean():
    model = some_model((5, 400, 3), "sigmoid", dropout=0.3)
    x, _ = some_batch((5, 400, 3), size=200)
    buffers = TrainingBuffers(model, len(x))
    model.forward_in_training(x, buffers)
    silent = buffers.dropped[0] == 0
    assert silent.mean() == pytest.approx(0.3, abs=0.01)
    assert 0 < silent.all(axis=0).sum() + silent.any(axis=0).sum() and not silent.all(axis=0).any()
    assert buffers.dropped[0].mean() == pytest.approx(buffers.outputs[0].mean(), rel=0.01)
    first = silent.copy()
    model.forward_in_training(x, buffers)
    assert (first != (buffers.dropped[0] == 0)).any(axis=1).all()  # drawn anew


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_labels_are_smoothed_as_the_formula_says(smoothing):
    model = some_model((5, 3), label_smoothing=smoothing)
    x, y = some_batch((5, 3))
    p = model.folded().predict_proba(x) if smoothing else model.predict_proba(x)
    target = np.full_like(p, smoothing / 3)
    target[np.arange(len(y)), y] += 1 - smoothing
    if not smoothing:
        assert type(model) is MLP
        return
    assert model.training_loss(x, y) == pytest.approx(-(target * np.log(p)).sum(), rel=1e-10)


def test_a_smaller_last_mini_batch_has_its_own_gradient():
    model = some_model(**OPTIONS["all"])
    x, y = some_batch(size=9)
    expected = gradient(model, x[:4], y[:4]).copy()
    buffers = TrainingBuffers(model, 9)
    model.rng = np.random.default_rng(5)
    model.backpropagate(x, y, buffers)
    model.rng = np.random.default_rng(5)
    model.backpropagate(x[:4], y[:4], buffers.first(4))
    np.testing.assert_allclose(buffers.gradient, expected, rtol=1e-12)


def test_without_options_the_network_is_the_plain_one_and_costs_what_it_did(tiny):
    config = Config((36, 8, 3))
    model = network(config)
    assert type(model) is MLP
    trainer = Epochs(model, SGD(model, config), split_and_standardise(tiny, 0), config)
    assert type(trainer.buffers) is Buffers
    assert trainer.current() is model and trainer.distort is np.copyto


@each_option
def test_training_with_the_options_learns_and_returns_a_plain_network(tiny, options):
    config = Config((36, 16, 3), "ReLU", 0.01, 32, 12, early_stop=False, **options)
    result = train(config, tiny)
    assert type(result.model) is MLP
    assert result.test_accuracy > 0.9
    assert np.isfinite(result.model.parameters).all()
    again = train(config, tiny)
    np.testing.assert_array_equal(again.model.parameters, result.model.parameters)


def test_the_curves_are_those_of_the_network_that_is_returned(tiny):
    config = Config((36, 16, 3), "ReLU", 0.01, 32, 3, early_stop=False, **OPTIONS["all"])
    result = train(config, tiny)
    validation = split_and_standardise(tiny, 0).validation
    p = result.model.predict_proba(validation[:])
    labels = split_and_standardise(tiny, 0).validation_labels
    assert (p.argmax(axis=1) == labels).mean() == result.curves["validation_accuracy"][-1]


def test_all_training_images_can_be_trained_on(tiny):
    config = Config((36, 8, 3), epochs=3, early_stop=False, validation_fraction=0)
    result = train(config, tiny)
    assert not result.diverged and result.stopped_epoch == 3
    assert np.isfinite(result.curves["training_loss"]).all()
    assert np.isnan(result.curves["validation_loss"]).all()
    assert np.isfinite(result.test_loss)
    mean, std = result.model.standardisation
    np.testing.assert_allclose(mean, tiny.train_images.reshape(240, -1).mean(axis=0), rtol=1e-6)


def test_distortion_reaches_the_network_and_only_in_training(tiny, monkeypatch):
    seen, plain = [], MLP.backpropagate

    def record(self, x, *others):
        seen.append(x.copy())
        plain(self, x, *others)

    monkeypatch.setattr(MLP, "backpropagate", record)
    config = Config((36, 3), epochs=2, batch_size=500, early_stop=False, learning_rate=1e-300)
    still = train(config, tiny)
    moved = train(config.replace(distortion=1), tiny)
    np.testing.assert_array_equal(np.sort(seen[0], axis=0), np.sort(seen[1], axis=0))
    assert not np.array_equal(np.sort(seen[2], axis=0), np.sort(seen[3], axis=0))
    assert moved.test_accuracy == still.test_accuracy
    np.testing.assert_array_equal(moved.curves["training_loss"], still.curves["training_loss"])


def test_the_optimiser_moves_every_gain(tiny):
    config = Config((36, 8, 3), "ReLU", 0.01, epochs=1, batch_normalisation=True)
    model = network(config)
    assert isinstance(model, TrainingMLP)
    trainer = Epochs(model, SGD(model, config), split_and_standardise(tiny, 0), config)
    trainer.train_one()
    assert (model.gains[0] != 1).all()
