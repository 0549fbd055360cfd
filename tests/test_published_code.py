"""The published algorithm: equal to ours without deviations, to a plain reference with all."""

import math

import numpy as np
import pytest

from kmnist_mlp import Config, train
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import split_rows
from kmnist_mlp.experiments import EXPERIMENTS, published_code
from kmnist_mlp.experiments.published_code import DEVIATIONS, activate, train_as_published
from kmnist_mlp.results import CURVES

SMALL = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=6)
OURS = {
    "tanh": {},
    "sigmoid, two hidden layers": {"activation": "sigmoid", "layer_specs": (36, 6, 5, 10)},
    "no hidden layer": {"layer_specs": (36, 10)},
    "L1 and ReLU": {"L1_penalty": 0.05, "activation": "ReLU"},
    "L2": {"L2_penalty": 0.2},
    "no momentum, all epochs": {"momentum": False, "early_stop": False},
    "patience": {"learning_rate": 0.11, "epochs": 9, "early_stop_epoch": 1},
    "raw pixels": {"standardisation": "none", "learning_rate": 1e-5},
    "diverges": {"activation": "ReLU", "learning_rate": 1e12, "momentum": False},
    "diverges later": {"learning_rate": 1e3, "L2_penalty": 1.0, "early_stop": False, "epochs": 20},
}


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("seed", [0, 1])
def test_without_deviations_it_is_our_own_algorithm(name, seed, make_dataset):
    data = make_dataset(classes=10, train=301, test=100)  # 241 are no whole number of tenths
    config = SMALL.replace(seed=seed, **OURS[name])
    ours = train(config, data, np.float64)
    found = train_as_published(config, data, (), np.float64)
    assert found.stopped_epoch == ours.stopped_epoch
    assert ours.diverged == ("diverges" in name)
    for curve in CURVES:
        np.testing.assert_allclose(found.curves[curve], ours.curves[curve], rtol=1e-9, atol=1e-12)
    assert found.test_loss == pytest.approx(ours.test_loss, rel=1e-9)
    assert found.test_accuracy == ours.test_accuracy


# ---- all deviations, image by image ----------------------------------


def passed(x, weights, biases, activation):
    """Return the outputs of all layers for one image, slopes of the hidden ones, probabilities."""
    layers, slopes = [x], []
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        z = layers[-1] @ W + b
        if activation == "tanh":
            layers.append(np.array([1.7159 * math.tanh(2 * value / 3) for value in z]))
            slopes.append(1 - np.tanh(z) ** 2)
        elif activation == "sigmoid":
            layers.append(1 / (1 + np.exp(-np.clip(z, -20, 20))))
            slopes.append(layers[-1] * (1 - layers[-1]))
        else:
            layers.append(np.array([min(max(value, 0.0), 200.0) for value in z]))
            slopes.append(z >= 0)
    powers = np.exp(np.clip(layers[-1] @ weights[-1] + biases[-1], -20, 20))
    return layers, slopes, powers / powers.sum()


def summed_gradient(images, labels, weights, biases, activation):
    """Return the gradient of the weights, image by image: nothing needs that of the biases."""
    total = [np.zeros_like(W) for W in weights]
    for x, label in zip(images, labels, strict=True):
        layers, slopes, p = passed(x, weights, biases, activation)
        delta = p - (np.arange(len(p)) == label)
        for layer in range(len(weights) - 1, -1, -1):
            total[layer] += np.outer(layers[layer], delta)
            if layer:
                delta = weights[layer] @ delta * slopes[layer - 1]
    return total


def reported(images, labels, weights, biases, activation):
    p = np.array([passed(x, weights, biases, activation)[2] for x in images])
    loss = -np.log(p[np.arange(len(p)), labels]).mean() / 10
    return loss, (p.argmax(axis=1) == labels).mean()


def own_scale(images):
    x = images.reshape(len(images), -1).astype(float)
    std = np.array([np.std(column) for column in x.T])
    return (x - x.mean(axis=0)) / np.where(std == 0, 1, std)


@pytest.mark.parametrize(
    ("activation", "L2"), [("tanh", 0.0), ("tanh", 0.3), ("sigmoid", 0.0), ("ReLU", 0.0)]
)
def test_with_all_deviations_it_is_the_plain_reference(activation, L2, make_dataset):
    data = make_dataset(classes=10, train=170, test=20)
    rate, L1, seed, sizes = 0.05, 0.02, 3, (36, 5, 4, 10)
    config = Config(
        layer_specs=sizes, activation=activation, learning_rate=rate, epochs=2, seed=seed,
        L1_penalty=L1, L2_penalty=L2,
    )  # fmt: skip
    training, validation = split_rows(170, config)
    x, y = own_scale(data.train_images[training]), data.train_labels[training]
    weights = [
        np.random.default_rng(seed).standard_normal((m, n)) * math.sqrt(2 / m)
        for m, n in zip(sizes, sizes[1:], strict=False)
    ]
    (drawn,) = np.random.default_rng(seed).spawn(1)
    biases = [drawn.standard_normal(n) for n in sizes[1:]]
    before, order = [np.zeros_like(W) for W in weights], generator(seed, Stream.BATCHES)
    for _ in range(2):
        epoch = order.permutation(136)
        for batch in (epoch[:129], epoch[129:]):
            now = summed_gradient(x[batch], y[batch], weights, biases, activation)
            for W, g, previous in zip(weights, now, before, strict=True):
                W -= rate * (0.9 * previous + 0.1 * g + 2 * (L2 or 1e-4) * W + L1)
            before = now
    in_curves = 0.5 * L1 * sum(np.abs(W).sum() for W in weights)
    tested = reported(own_scale(data.test_images), data.test_labels, weights, biases, activation)
    held_out = data.train_images[validation], data.train_labels[validation]
    validated = reported(own_scale(held_out[0]), held_out[1], weights, biases, activation)

    found = train_as_published(config, data, DEVIATIONS, np.float64)
    assert found.stopped_epoch == 2
    assert (found.test_loss, found.test_accuracy) == pytest.approx(tested, rel=1e-9)
    assert found.curves["validation_accuracy"][-1] == pytest.approx(validated[1])
    expected = validated[0] + in_curves
    assert found.curves["validation_loss"][-1] == pytest.approx(expected, rel=1e-9)


# ---- one deviation at a time -----------------------------------------

# Each deviation changes these runs; "clipping" needs a wild one.
CHANGED = dict.fromkeys(DEVIATIONS, {"early_stop_epoch": 2}) | {
    "clipping": {"activation": "ReLU", "learning_rate": 0.2, "early_stop": False},
    "stored penalties": {"L1_penalty": 0.1}, "L2 outside": {"L2_penalty": 0.1},
}  # fmt: skip
# ... and does not apply to these.
SAME = {
    "fixed epochs": {"early_stop": False}, "scaled tanh": {"activation": "sigmoid"},
    "two-batch momentum": {"momentum": False}, "own statistics": {"standardisation": "none"},
    "one draw": {"layer_specs": (36, 10)}, "batch 129": {"batch_size": 129},
    "stored penalties": {"L2_penalty": 0.1},
}  # fmt: skip


@pytest.mark.parametrize("name", DEVIATIONS)
def test_each_deviation_changes_a_run_to_which_it_applies_and_no_other(name, tiny10):
    config = SMALL.replace(**CHANGED[name])
    without, changed = (train_as_published(config, tiny10, names) for names in ((), [name]))
    assert without.test_loss != changed.test_loss
    if name in SAME:
        assert name not in published_code.applicable(SMALL.replace(**SAME[name]))


def test_fixed_epochs_are_those_of_the_published_dictionaries_and_keep_the_last_weights(tiny10):
    config = SMALL.replace(learning_rate=0.11, epochs=100)  # its patience of 5 ends before 25
    names = ["fixed epochs"]
    assert train_as_published(config, tiny10).stopped_epoch < 25
    assert train_as_published(config, tiny10, names).stopped_epoch == 25
    longer = train_as_published(config.replace(early_stop_epoch=30), tiny10, names)
    assert longer.stopped_epoch == EXPERIMENTS["final"].early_stop_epoch == 30
    last = train_as_published(config.replace(early_stop=False, epochs=25), tiny10)
    assert train_as_published(config, tiny10, names).test_loss == last.test_loss


def test_large_inputs_are_clipped_and_the_slope_of_relu_at_0_is_1():
    z = np.array([-300.0, -25.0, -0.5, 0.0, 0.5, 25.0, 300.0])
    a, slope = activate(z, "ReLU", frozenset({"clipping"}))
    assert a.tolist() == [0, 0, 0, 0, 0.5, 25, 200] and slope.tolist() == [0, 0, 0, 1, 1, 1, 1]
    a, _ = activate(z, "sigmoid", frozenset({"clipping"}))
    assert a[0] == a[1] == pytest.approx(1 / (1 + math.exp(20))) and a[6] == a[5]
    assert activate(z, "ReLU")[1].tolist() == [0, 0, 0, 0, 1, 1, 1]
