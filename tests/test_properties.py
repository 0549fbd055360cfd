"""What holds for every network, every batch and every configuration, not only for chosen ones."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from kmnist_mlp import MLP, Config, Dataset, evaluate, one_hot, train
from kmnist_mlp.config import ACTIVATION_NAMES
from kmnist_mlp.data import pixel_statistics, split_and_standardise
from kmnist_mlp.network import cross_entropies, softmax
from kmnist_mlp.optimizer import SGD

activations = st.sampled_from(ACTIVATION_NAMES)
dtypes = st.sampled_from([np.float32, np.float64])
layers = st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple)
seeds = st.integers(0, 2**70)
THEIR_NAMES = {"tanh": "tanh", "sigmoid": "logistic", "ReLU": "relu"}


@st.composite
def networks(draw, dtypes=dtypes, layers=layers):
    """Return a network whose biases are not zero, so that they take part."""
    model = MLP(draw(layers), draw(activations), draw(seeds), draw(dtypes))
    rng = np.random.default_rng(draw(seeds))
    for b in model.biases:
        b += rng.uniform(-1, 1, b.shape)
    return model


def batch(model, rows, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    x = scale * rng.standard_normal((rows, model.layer_specs[0]))
    return x.astype(model.dtype), rng.integers(0, model.layer_specs[-1], rows)


def all_gradients(model, x, y):
    return np.concatenate([g.ravel() for part in model.gradients(x, y) for g in part])


def assert_close(given, expected, rtol=1e-9):
    """Compare with a tolerance relative to the largest entry: the small ones are differences."""
    scale = max(np.abs(expected).max(), 1e-300)
    np.testing.assert_allclose(given / scale, expected / scale, rtol=0, atol=rtol)


double = networks(dtypes=st.just(np.float64))

# ---- shapes, batches -----------------------------------------------------------------------------


@given(networks(), st.integers(1, 300), seeds)
def test_every_output_has_its_shape_and_type_and_probabilities_sum_to_one(model, rows, seed):
    x, y = batch(model, rows, seed)
    p = model.predict_proba(x)
    assert p.shape == (rows, model.layer_specs[-1]) and p.dtype == model.dtype
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=8 * np.finfo(model.dtype).eps)
    predicted = model.predict(x)
    assert predicted.shape == (rows,)
    assert (np.take_along_axis(p, predicted[:, None], 1)[:, 0] == p.max(axis=1)).all()
    assert type(model.loss(x, y)) is float and model.loss(x, y) >= 0
    for part, own in zip(model.gradients(x, y), (model.weights, model.biases), strict=True):
        assert [(g.shape, g.dtype) for g in part] == [(a.shape, a.dtype) for a in own]


@given(double, st.integers(2, 40), st.data())
def test_loss_and_gradients_of_a_batch_are_the_sums_over_any_two_parts_of_it(model, rows, data):
    x, y = batch(model, rows)
    cut = data.draw(st.integers(1, rows - 1))
    parts = [(x[:cut], y[:cut]), (x[cut:], y[cut:])]
    assert model.loss(x, y) == pytest.approx(sum(model.loss(*part) for part in parts), rel=1e-12)
    expected = sum(all_gradients(model, *part) for part in parts)
    assert_close(all_gradients(model, x, y), expected)


@given(double, st.integers(1, 40), seeds)
def test_the_order_of_the_rows_does_not_matter(model, rows, seed):
    x, y = batch(model, rows)
    order = np.random.default_rng(seed).permutation(rows)
    assert model.loss(x[order], y[order]) == pytest.approx(model.loss(x, y), rel=1e-12)
    assert_close(all_gradients(model, x[order], y[order]), all_gradients(model, x, y))


@given(networks(), st.integers(1, 300))
def test_the_reported_loss_and_accuracy_are_means_over_the_rows(model, rows):
    x, y = batch(model, rows)
    loss, accuracy = evaluate(model, x, y)
    mean = model.loss(x, y) / rows / model.layer_specs[-1]
    assert loss == pytest.approx(mean, rel=1e-5, abs=1e-7)
    assert accuracy == np.mean(model.predict(x) == y)


# ---- invariances ---------------------------------------------------------------------------------


@given(
    networks(
        dtypes=st.just(np.float64), layers=st.lists(st.integers(1, 8), min_size=3, max_size=5)
    ),
    st.data(),
)
def test_permuting_the_units_of_a_hidden_layer_permutes_their_gradients_and_nothing_else(
    model, data
):
    layer = data.draw(st.integers(0, len(model.weights) - 2))
    order = np.array(data.draw(st.permutations(range(model.layer_specs[layer + 1]))))
    x, y = batch(model, 9)

    def permuted(weights, biases):
        weights, biases = list(weights), list(biases)
        weights[layer], biases[layer] = weights[layer][:, order], biases[layer][order]
        weights[layer + 1] = weights[layer + 1][order]
        return weights, biases

    other = MLP.from_parameters(model.activation, *permuted(model.weights, model.biases))
    np.testing.assert_allclose(other.predict_proba(x), model.predict_proba(x), rtol=1e-9)
    expected = np.concatenate([g.ravel() for p in permuted(*model.gradients(x, y)) for g in p])
    assert_close(all_gradients(other, x, y), expected)


@given(double, st.floats(-1e3, 1e3))
def test_a_constant_added_to_all_logits_changes_nothing(model, constant):
    x, y = batch(model, 9)
    shifted = model.copy()
    shifted.biases[-1] += constant
    np.testing.assert_allclose(shifted.predict_proba(x), model.predict_proba(x), rtol=1e-9)
    assert shifted.loss(x, y) == pytest.approx(model.loss(x, y), rel=1e-9, abs=1e-11)
    assert_close(all_gradients(shifted, x, y), all_gradients(model, x, y))


@given(double, st.data())
def test_classes_may_be_numbered_in_any_order(model, data):
    order = np.array(data.draw(st.permutations(range(model.layer_specs[-1]))))
    x, y = batch(model, 9)
    other = model.copy()
    other.weights[-1][...] = model.weights[-1][:, order]
    other.biases[-1][...] = model.biases[-1][order]
    np.testing.assert_allclose(other.predict_proba(x), model.predict_proba(x)[:, order], rtol=1e-9)
    assert other.loss(x, order.argsort()[y]) == pytest.approx(model.loss(x, y), rel=1e-12)


@given(double, seeds)
def test_the_gradient_is_the_slope_of_the_loss_in_any_direction(model, seed):
    x, y = batch(model, 5)
    direction = np.random.default_rng(seed).standard_normal(model.parameters.shape)
    direction /= np.linalg.norm(direction)
    losses, start = [], model.parameters.copy()
    for step in (-2e-6, -1e-6, 1e-6, 2e-6):
        model.parameters[...] = start + step * direction
        losses.append(model.loss(x, y))
    model.parameters[...] = start
    below, above = (losses[1] - losses[0]) / 1e-6, (losses[3] - losses[2]) / 1e-6
    slope = all_gradients(model, x, y) @ direction
    if model.activation == "ReLU" and abs(above - below) > 1e-4:
        return  # a kink lies between
    assert (losses[2] - losses[1]) / 2e-6 == pytest.approx(slope, rel=1e-5, abs=1e-7)


# ---- extremes ------------------------------------------------------------------------------------


@given(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(-1e4, 1e4, width=32),
    ),
    st.data(),
)
def test_logits_up_to_ten_thousand_do_not_overflow_in_float32(logits, data):
    y = np.array([data.draw(st.integers(0, logits.shape[1] - 1)) for _ in logits])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, losses = softmax(logits.copy()), cross_entropies(logits.copy(), y)
    assert np.isfinite(p).all() and np.isfinite(losses).all() and losses.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    rows = [math.fsum(math.exp(z - max(row)) for z in row) for row in logits.tolist()]
    expected = [max(row) - row[c] for row, c in zip(logits.tolist(), y, strict=True)]
    expected = [e + math.log(r) for e, r in zip(expected, rows, strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=2e-3)


@given(networks(dtypes=st.just(np.float32)), st.integers(1, 20), st.data())
def test_pixels_of_a_million_of_either_sign_give_finite_numbers(model, rows, data):
    shape = (rows, model.layer_specs[0])
    x = data.draw(arrays.arrays(np.float32, shape, elements=st.sampled_from([-1e6, 0, 1, 1e6])))
    _, y = batch(model, rows)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = [model.predict_proba(x), model.loss(x, y), *sum(model.gradients(x, y), [])]
        assert np.isfinite(evaluate(model, x, y)).all()
    assert all(np.isfinite(array).all() for array in found)


# ---- round trips ---------------------------------------------------------------------------------


@given(networks(), st.data())
def test_every_finite_parameter_survives_saving_and_loading_to_the_last_bit(model, data):
    width = 8 * model.dtype.itemsize
    values = st.floats(allow_nan=False, allow_infinity=False, width=width)
    model.parameters[...] = data.draw(
        arrays.arrays(model.dtype, model.parameters.shape, elements=values)
    )
    with tempfile.TemporaryDirectory() as folder:
        loaded = MLP.load(model.save(Path(folder) / "model.npz"))
    assert repr(loaded) == repr(model)
    assert loaded.parameters.tobytes() == model.parameters.tobytes()


@given(
    layers,
    activations,
    st.floats(0, 1e300, exclude_min=True),
    st.integers(1, 10**9),
    st.booleans(),
    st.floats(0, 1e300),
    st.floats(0, 1, exclude_max=True),
    seeds,
)
def test_every_configuration_survives_its_dictionary(sizes, activation, rate, n, flag, L, g, seed):
    config = Config(sizes, activation, rate, n, n, flag, n, L, L, flag, g, seed)
    assert Config.from_dict(config.to_dict()) == config
    assert config.replace() == config
    given = (sizes, activation, rate, n, n, flag, n, L, L, flag, g, seed)
    assert tuple(config.to_dict().values()) == (list(sizes), *given[1:])


@given(st.lists(st.integers(0, 11)), st.integers(12, 15))
def test_one_hot_rows_are_the_rows_of_the_unit_matrix(labels, classes):
    found = one_hot(np.array(labels, np.int64), classes)
    assert found.shape == (len(labels), classes)
    np.testing.assert_array_equal(found, np.array(labels)[:, None] == np.arange(classes))


# ---- data ----------------------------------------------------------------------------------------


def noise(n, seed=0, side=3):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n + 5, side, side)).astype(np.uint8)
    images[:, 0, 0] = 9  # constant
    labels = rng.integers(0, 3, n + 5)
    return Dataset(images[:n], labels[:n], images[n:], labels[n:], "noise")


@given(st.integers(3, 700), seeds)
def test_every_split_is_a_partition_and_standardised_by_its_training_part(n, seed):
    data = noise(n)
    split = split_and_standardise(data, seed, dtype=np.float64)
    rows = np.concatenate([split.train.rows, split.validation.rows])
    assert sorted(rows) == list(range(n))
    assert len(split.validation) == round(n / 5)
    scaler = StandardScaler().fit(data.train_images.reshape(n, -1)[split.train.rows])
    for part, images in ((split.train, data.train_images), (split.test, data.test_images)):
        expected = scaler.transform(images.reshape(len(images), -1)[part.rows])
        np.testing.assert_allclose(part[:], expected, rtol=1e-9, atol=1e-9)


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 2100), st.integers(1, 3))))
def test_statistics_of_pixels_are_numpys(images):
    mean, std = pixel_statistics(images, np.arange(len(images)))
    np.testing.assert_allclose(mean, images.mean(axis=0), rtol=1e-12)
    expected = images.std(axis=0)
    np.testing.assert_allclose(std, np.where(np.ptp(images, axis=0) == 0, 1, expected), rtol=1e-9)


# ---- training ------------------------------------------------------------------------------------


@given(st.integers(3, 60), st.integers(1, 10**12), st.integers(1, 3))
def test_batches_of_every_size_take_every_image_once_an_epoch(n, size, epochs):
    data = noise(n)
    config = Config((9, 10), batch_size=size, epochs=epochs, early_stop=False)
    seen, original = [], SGD.step
    counted = []

    def step(self, scaled_gradient):
        counted.append(self)
        original(self, scaled_gradient)

    def backpropagate(self, x, y, *others):
        seen.append(len(x))
        descend(self, x, y, *others)

    descend = MLP.backpropagate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SGD, "step", step)
        patch.setattr(MLP, "backpropagate", backpropagate)
        result = train(config, data)
    trained_on = n - round(n / 5)
    full, rest = divmod(trained_on, min(size, trained_on))
    assert seen == ([min(size, trained_on)] * full + [rest] * (rest > 0)) * epochs
    assert len(counted) == len(seen)
    assert len(result.history) == result.stopped_epoch == epochs


@pytest.mark.parametrize("activation", ACTIVATION_NAMES)
@pytest.mark.parametrize(("gamma", "L2"), [(0.0, 0.0), (0.9, 0.0), (0.5, 0.05)])
def test_training_is_that_of_scikit_learn_on_data_prepared_without_this_module(
    tiny, activation, gamma, L2
):
    """Their split, scaler, order, network and optimiser: 55 mini-batches, each eleventh smaller.

    Scikit-learn takes mean gradients, no factor 1 - gamma, and alpha / 2 * ||W||^2.
    """
    sizes, rate, size, seed = (36, 7, 5, 3), 0.02, 18, 11
    config = Config(
        sizes, activation, rate, size, 5, False, L2_penalty=L2, momentum_gamma=gamma, seed=seed
    )
    ours = train(config, tiny, np.float64)

    order = np.random.default_rng([seed, 1]).permutation(240)[:192]
    x, y = tiny.train_images.reshape(240, -1)[order], tiny.train_labels[order]
    x = StandardScaler().fit_transform(x.astype(float))
    theirs = MLPClassifier(
        hidden_layer_sizes=sizes[1:-1],
        activation=THEIR_NAMES[activation],
        solver="sgd",
        momentum=gamma,
        nesterovs_momentum=False,
        alpha=2 * L2,
        shuffle=False,
    )
    theirs.partial_fit(x[:size], y[:size], classes=range(3))  # so that it has its attributes
    start = MLP(sizes, activation, seed, np.float64)
    for own, copied in zip(
        theirs.coefs_ + theirs.intercepts_, start.weights + start.biases, strict=True
    ):
        own[...] = copied
    for velocity in theirs._optimizer.velocities:
        velocity[...] = 0
    rng, steps = np.random.default_rng([seed, 3]), 0
    for _ in range(5):
        shuffled = rng.permutation(192)
        for first in range(0, 192, size):
            part = shuffled[first : first + size]
            theirs._optimizer.learning_rate = rate * (1 - gamma) * len(part)
            theirs.partial_fit(x[part], y[part])
            steps += 1
    assert steps == 55
    expected = theirs.coefs_ + theirs.intercepts_
    for own, wanted in zip(ours.model.weights + ours.model.biases, expected, strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-10, atol=1e-11)
    test = StandardScaler().fit(tiny.train_images.reshape(240, -1)[order].astype(float))
    assert ours.test_accuracy == theirs.score(
        test.transform(tiny.test_images.reshape(60, -1)), tiny.test_labels
    )
