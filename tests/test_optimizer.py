"""Each step of the optimiser is the formula that stands in the design, penalties included."""

import numpy as np
import pytest
from conftest import descend
from sklearn.neural_network import MLPClassifier

from kmnist_mlp import MLP, Config
from kmnist_mlp.network import Buffers
from kmnist_mlp.optimizer import SGD, penalty

LAYERS = (7, 6, 5, 4)
PLAIN = {
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "ReLU": (lambda z: z * (z > 0), lambda a: 1.0 * (a > 0)),
}


def configuration(**changes):
    return Config(layer_specs=LAYERS).replace(**changes)


def random_gradients(model, seed=0):
    rng = np.random.default_rng(seed)
    draw = [rng.standard_normal(array.shape) for array in model.weights + model.biases]
    return draw[: len(model.weights)], draw[len(model.weights) :]


def steps(config, gradients, count=1):
    """Return how far the weights and biases move in the last of ``count`` equal steps."""
    model = MLP(LAYERS, seed=1, dtype=np.float64)
    sgd = SGD(model, config)
    for _ in range(count):
        before = model.copy()
        descend(sgd, *gradients)
    return (
        [new - old for new, old in zip(model.weights, before.weights, strict=True)],
        [new - old for new, old in zip(model.biases, before.biases, strict=True)],
        before,
    )


def assert_all_close(given, expected, **tolerance):
    assert len(given) == len(expected)
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def batches(count, size, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal((size, LAYERS[0])), rng.integers(0, LAYERS[-1], size))
        for _ in range(count)
    ]


# ---- one term at a time --------------------------------------------------------------------------


def test_without_momentum_a_step_is_the_learning_rate_times_the_gradient():
    gradients = random_gradients(MLP(LAYERS))
    config = configuration(momentum=False, learning_rate=0.25)
    weights, biases, _ = steps(config, gradients, count=2)
    assert_all_close(weights, [-0.25 * g for g in gradients[0]], rtol=1e-12, atol=1e-15)
    assert_all_close(biases, [-0.25 * g for g in gradients[1]], rtol=1e-12, atol=1e-15)


def test_the_first_step_with_momentum_is_one_minus_gamma_of_the_gradient():
    gradients = random_gradients(MLP(LAYERS))
    weights, biases, _ = steps(configuration(learning_rate=0.25, momentum_gamma=0.8), gradients)
    assert_all_close(weights, [-0.25 * 0.2 * g for g in gradients[0]], rtol=1e-12, atol=1e-15)
    assert_all_close(biases, [-0.25 * 0.2 * g for g in gradients[1]], rtol=1e-12, atol=1e-15)


def test_momentum_has_unit_gain():
    """Under a gradient that never changes, the steps grow to those without momentum."""
    gradients = random_gradients(MLP(LAYERS))
    weights, biases, _ = steps(configuration(learning_rate=0.01), gradients, count=300)
    assert_all_close(weights, [-0.01 * g for g in gradients[0]], rtol=1e-10, atol=1e-14)
    assert_all_close(biases, [-0.01 * g for g in gradients[1]], rtol=1e-10, atol=1e-14)


def test_the_penalties_move_weights_by_their_gradients_and_biases_not_at_all():
    none = [[np.zeros_like(a) for a in part] for part in random_gradients(MLP(LAYERS))]
    rate = {"momentum": False, "learning_rate": 0.25}
    weights, biases, before = steps(configuration(L2_penalty=0.3, **rate), none, count=2)
    assert_all_close(weights, [-0.25 * 2 * 0.3 * w for w in before.weights], rtol=1e-12, atol=1e-15)
    assert not any(np.any(b) for b in biases)
    weights, biases, before = steps(configuration(L1_penalty=0.03, **rate), none, count=2)
    signs = [np.sign(w) for w in before.weights]
    assert_all_close(weights, [-0.25 * 0.03 * s for s in signs], rtol=1e-12, atol=1e-15)
    assert not any(np.any(b) for b in biases)


def test_biases_other_than_zero_are_not_penalised_either():
    model = MLP(LAYERS, dtype=np.float64)
    for b in model.biases:
        b += 3
    config = configuration(L1_penalty=0.5, L2_penalty=0.5, momentum=False)
    SGD(model, config).step(np.zeros_like(model.parameters))
    assert all(np.all(b == 3) for b in model.biases)


def test_l1_leaves_a_weight_of_exactly_zero_alone():
    model = MLP(LAYERS, dtype=np.float64)
    model.weights[0][2, 3] = 0
    config = configuration(L1_penalty=0.5, momentum=False)
    SGD(model, config).step(np.zeros_like(model.parameters))
    assert model.weights[0][2, 3] == 0


def test_the_penalty_is_summed_over_all_weights():
    weights = [np.array([[1.0, -2.0]]), np.array([[3.0], [-0.5]])]
    assert penalty(weights) == 0
    assert penalty(weights, L1=2) == pytest.approx(2 * 6.5)
    assert penalty(weights, L2=2) == pytest.approx(2 * (1 + 4 + 9 + 0.25))
    assert penalty(weights, L1=1, L2=1) == pytest.approx(6.5 + 14.25)


# ---- whole trajectories against other implementations --------------------------------------------


def plain_step(weights, biases, velocities, x, y, config):
    """Return weights, biases and velocities after one step, exactly as a textbook writes it."""
    f, derivative = PLAIN[config.activation]
    outputs = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        outputs.append(f(outputs[-1] @ w + b))
    logits = outputs[-1] @ weights[-1] + biases[-1]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    delta = probabilities - np.eye(LAYERS[-1])[y]
    weight_gradients, bias_gradients = [], []
    for layer in range(len(weights) - 1, -1, -1):
        gradient = outputs[layer].T @ delta
        gradient = gradient + config.L1_penalty * np.sign(weights[layer])
        gradient = gradient + config.L2_penalty * 2 * weights[layer]
        weight_gradients.insert(0, gradient)
        bias_gradients.insert(0, delta.sum(axis=0))
        if layer > 0:
            delta = delta @ weights[layer].T * derivative(outputs[layer])
    gamma = config.momentum_gamma if config.momentum else 0
    gradients = weight_gradients + bias_gradients
    velocities = [gamma * v + (1 - gamma) * g for v, g in zip(velocities, gradients, strict=True)]
    parameters = [
        p - config.learning_rate * v for p, v in zip(weights + biases, velocities, strict=True)
    ]
    return parameters[: len(weights)], parameters[len(weights) :], velocities


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("activation", PLAIN)
@pytest.mark.parametrize(
    "terms",
    [
        {"momentum": False},
        {"momentum_gamma": 0.9},
        {"momentum_gamma": 0.5, "L2_penalty": 0.2},
        {"momentum_gamma": 0.9, "L1_penalty": 0.01, "L2_penalty": 0.03},
    ],
    ids=lambda terms: "-".join(f"{k}={v}" for k, v in terms.items()),
)
def test_200_steps_agree_with_the_plain_formulas(dtype, tolerance, activation, terms):
    config = configuration(activation=activation, learning_rate=0.02, **terms)
    model = MLP(LAYERS, activation, seed=3, dtype=dtype)
    weights, biases = ([a.astype(np.float64) for a in p] for p in (model.weights, model.biases))
    velocities = [np.zeros_like(a) for a in weights + biases]
    start = model.copy()
    buffers, sgd = Buffers(model, 16), SGD(model, config)
    for x, y in batches(200, 16):
        x = x.astype(dtype)
        model.backpropagate(x, y, buffers, sgd.scale)
        sgd.step(buffers.gradient)
        weights, biases, velocities = plain_step(
            weights, biases, velocities, x.astype(np.float64), y, config
        )
    assert (
        min(np.abs(a - b).max() for a, b in zip(model.weights, start.weights, strict=True)) > 0.01
    )
    assert_all_close(model.weights + model.biases, weights + biases, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("activation", "its_name"), [("tanh", "tanh"), ("sigmoid", "logistic"), ("ReLU", "relu")]
)
@pytest.mark.parametrize(("gamma", "L2"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.05)])
def test_50_mini_batches_leave_the_weights_that_scikit_learn_has(activation, its_name, gamma, L2):
    """Scikit-learn takes the mean gradient, no factor 1 - gamma, and alpha / 2 * ||W||^2."""
    size, rate = 16, 0.02
    model = MLP(LAYERS, activation, seed=5, dtype=np.float64)
    theirs = MLPClassifier(
        hidden_layer_sizes=LAYERS[1:-1],
        activation=its_name,
        solver="sgd",
        learning_rate_init=rate * (1 - gamma) * size,
        momentum=gamma,
        nesterovs_momentum=False,
        alpha=2 * L2,
        shuffle=False,
    )
    data = batches(50, size, seed=8)
    theirs.partial_fit(*data[0], classes=range(LAYERS[-1]))  # only so that it has its attributes
    theirs.coefs_ = [w.copy() for w in model.weights]
    theirs.intercepts_ = [b.copy() for b in model.biases]
    del theirs._optimizer  # with it, the velocities of that first call
    config = configuration(
        activation=activation, learning_rate=rate, momentum_gamma=gamma, L2_penalty=L2
    )
    start, sgd = model.copy(), SGD(model, config)
    for x, y in data:
        descend(sgd, *model.gradients(x, y))
        theirs.partial_fit(x, y)
    assert np.abs(model.weights[0] - start.weights[0]).max() > 0.01
    assert_all_close(model.weights, theirs.coefs_, rtol=1e-10, atol=1e-12)
    assert_all_close(model.biases, theirs.intercepts_, rtol=1e-10, atol=1e-12)
