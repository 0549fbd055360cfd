"""What holds for every network, every batch and every configuration, not only for chosen ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from textbook import probabilities, some_batch, some_model

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.activations import ACTIVATIONS

activations = st.sampled_from(list(ACTIVATIONS))
dtypes = st.sampled_from([np.float32, np.float64])
layers = st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple)
seeds = st.integers(0, 2**70)
THEIR_NAMES = {"tanh": "tanh", "sigmoid": "logistic", "ReLU": "relu"}


# ---- shapes, batches -------------------------------------------------


@given(st.builds(some_model, layers, activations, seeds, dtypes), st.integers(1, 300), seeds)
def test_every_output_has_the_value_of_the_textbook_and_its_own_shape_and_type(model, rows, seed):
    x, y = some_batch(model.layer_specs, rows, seed)
    x = x.astype(model.dtype)
    p, expected = model.predict_proba(x), probabilities(model, x.astype(float))
    assert p.shape == (rows, model.layer_specs[-1]) and p.dtype == model.dtype
    tolerance = 1e3 * float(np.finfo(model.dtype).eps)
    np.testing.assert_allclose(p, expected, rtol=tolerance, atol=1e-300)
    cross_entropy = -np.log(expected[np.arange(rows), y]).sum()
    assert model.loss(x, y) == pytest.approx(cross_entropy, rel=tolerance, abs=rows * tolerance)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=8 * np.finfo(model.dtype).eps)
    predicted = model.predict(x)
    assert predicted.shape == (rows,)
    assert (np.take_along_axis(p, predicted[:, None], 1)[:, 0] == p.max(axis=1)).all()
    assert type(model.loss(x, y)) is float and model.loss(x, y) >= 0
    for part, own in zip(model.gradients(x, y), (model.weights, model.biases), strict=True):
        assert [(g.shape, g.dtype) for g in part] == [(a.shape, a.dtype) for a in own]


# ---- training --------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("gamma", "L2", "schedule", "warm_up"),
    [(0.9, 0, "constant", 0), (0.5, 0.05, "constant", 0), (0, 0.05, "cosine", 1.5)],
)
def test_training_is_that_of_scikit_learn(tiny, activation, gamma, L2, schedule, warm_up):
    """Their split, scaler, order, network and optimiser: 55 mini-batches, each eleventh smaller.

    Scikit-learn takes mean gradients, no factor 1 - gamma, and alpha / 2 * ||W||^2. The learning
    rate is that of the middle of a mini-batch, counted in images.
    """
    sizes, rate, size, seed = (36, 7, 5, 3), 0.02, 18, 11
    config = Config(
        sizes, activation, rate, size, 5, False, L2_penalty=L2, momentum_gamma=gamma, seed=seed,
        schedule=schedule, warm_up=warm_up,
    )  # fmt: skip
    ours = train(config, tiny, np.float64)

    order = np.random.default_rng([seed, 1]).permutation(240)[:192]
    x, y = tiny.train_images.reshape(240, -1)[order], tiny.train_labels[order]
    scaler = StandardScaler().fit(x.astype(float))
    x = scaler.transform(x)
    theirs = MLPClassifier(
        sizes[1:-1], THEIR_NAMES[activation], solver="sgd", alpha=2 * L2, momentum=gamma,
        nesterovs_momentum=False, shuffle=False,
    )  # fmt: skip
    theirs.partial_fit(x[:size], y[:size], classes=range(3))  # so that it has its attributes
    start = MLP(sizes, activation, seed, np.float64)
    found = theirs.coefs_ + theirs.intercepts_
    for own, copied in zip(found, start.weights + start.biases, strict=True):
        own[...] = copied
    for velocity in theirs._optimizer.velocities:
        velocity[...] = 0
    rng, factor = np.random.default_rng([seed, 3]), 1.0
    for epoch in range(5):
        shuffled = rng.permutation(192)
        for first in range(0, 192, size):
            part = shuffled[first : first + size]
            done = epoch + (first + len(part) / 2) / 192
            if schedule == "cosine":
                factor = math.cos(math.pi * done / 5 / 2) ** 2 * min(1, done / warm_up)
            theirs._optimizer.learning_rate = rate * factor * (1 - gamma) * len(part)
            theirs.partial_fit(x[part], y[part])
    for own, wanted in zip(ours.model.weights + ours.model.biases, found, strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-10, atol=1e-11)
    test = scaler.transform(tiny.test_images.reshape(60, -1))
    assert ours.test_accuracy == theirs.score(test, tiny.test_labels)
