"""Methods beyond the paper: right gradients, and a plain network in the end."""

import math

import numpy as np
import pytest
from textbook import (
    FUNCTIONS,
    assert_slopes,
    central_differences,
    probabilities,
    smoothed,
    some_batch,
    some_model,
)

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.extensions import BatchNormalisation, Distortion, Dropout
from kmnist_mlp.network import backpropagate, forward
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.training import Training

LAYERS = (5, 7, 6, 3)
OPTIONS = {
    "batch normalisation": {"batch_normalisation": True},
    "dropout": {"dropout": 0.4},
    "label smoothing": {"label_smoothing": 0.2},
    "mixup": {"mixup": 0.4},
    "weight averaging": {"weight_averaging": 0.5},
    "all": {
        "batch_normalisation": True,
        "dropout": 0.3,
        "label_smoothing": 0.1,
        "mixup": 0.4,
        "weight_averaging": 0.5,
    },
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def drawn_mixtures(config, n):
    """Return the partner of each image of the first mini-batch, and the share of its own."""
    rng = generator(config.seed, Stream.MIXUP)
    return rng.permutation(n), rng.beta(config.mixup, config.mixup, (n, 1))


def by_the_batch(gains):
    """Return what normalises z with the statistics of the mini-batch."""
    return lambda layer, z: gains[layer] * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)


def normalisation(model, batch, seed=0):
    """Return a batch normalisation whose gains are not 1."""
    found = BatchNormalisation(Config(model.layer_specs), model, batch)
    rng = np.random.default_rng(seed)
    found.parameters += rng.uniform(-0.4, 0.4, found.parameters.shape)
    return found


@pytest.mark.parametrize("layers", [(5, 3), (5, 4, 3), LAYERS, (4, 6, 5, 4, 3)], ids=str)
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(("normalised", "dropped"), [(True, False), (False, True), (True, True)])
def test_the_gradient_of_every_parameter_and_gain_is_the_slope_of_the_loss(
    layers, activation, normalised, dropped
):
    """In a mini-batch that is smaller than those before it."""
    model, (x, y) = some_model(layers, activation), some_batch(layers, size=9)
    normalise = normalisation(model, 12) if normalised else None
    drop = Dropout(Config(layers, dropout=0.4), model, 12) if dropped else None
    buffers = Buffers(model, 12)
    backpropagate(model, *some_batch(layers, size=12, seed=1), buffers, normalise, drop)
    backpropagate(model, x, y, buffers.first(9), normalise, drop)
    targets = smoothed(y, layers[-1])

    def loss():
        own = by_the_batch(normalise.gains) if normalise else None
        p = probabilities(model, x, own, drop.masks if drop else None)
        return -(targets * np.log(p)).sum()

    assert_slopes(buffers.gradient, central_differences(loss, model.parameters))
    if normalise:
        assert_slopes(normalise.gradient, central_differences(loss, normalise.parameters))


@each_option
def test_a_step_of_training_is_the_slope_of_its_loss_times_the_learning_rate(tiny, options):
    """All images are one mini-batch, in whose middle half an epoch is done."""
    config = Config(
        (36, 5, 4, 3), "sigmoid", 0.01, 10**6, 8, L1_penalty=0.2, L2_penalty=0.3, seed=2,
        momentum_gamma=0.6, distortion=0.5, schedule="cosine", warm_up=2.0, **options,
    )  # fmt: skip
    run = Training(config, tiny, np.float64)
    drawn = some_model(config.layer_specs, "sigmoid", seed=1)
    run.model.set_parameters(drawn.weights, drawn.biases)
    model, order = run.model.copy(), generator(2, Stream.BATCHES).permutation(192)
    run.train_epoch()
    targets = smoothed(run.split.train_labels[order], 3, config.label_smoothing)
    if config.mixup:
        other, share = drawn_mixtures(config, 192)
        targets = share * targets + (1 - share) * targets[other]
    *_, normalise, drop = run.methods.in_use
    gains = [np.ones(5), np.ones(4)]

    def loss():
        own = by_the_batch(gains) if normalise else None
        p = probabilities(model, run.batch, own, drop.masks if drop else None)
        norms = sum(0.2 * np.abs(w).sum() + 0.3 * (w**2).sum() for w in model.weights)
        return -(targets * np.log(p)).sum() + norms

    step = 0.01 * (1 - 0.6) * (0.5 / 2) * (1 + math.cos(math.pi * 0.5 / 8)) / 2
    slopes = central_differences(loss, model.parameters)
    assert_slopes((model.parameters - run.model.parameters) / step, slopes)
    for gain, own in zip(gains, normalise.gains if normalise else [], strict=bool(normalise)):
        assert_slopes((gain - own) / step, central_differences(loss, gain))


# ---- batch normalisation -------------------------------------------------------------------------


def test_running_statistics_approach_those_of_the_batches():
    model = some_model((5, 4, 3))
    normalise, buffers = normalisation(model, 30), Buffers(model, 30)
    mean, variance = np.zeros(4), np.ones(4)
    for seed in range(3):
        x, _ = some_batch((5, 4, 3), size=30, seed=seed)
        z = x @ model.weights[0]
        forward(model, x, buffers, normalise)
        mean, variance = 0.95 * mean + 0.05 * z.mean(axis=0), 0.95 * variance + 0.05 * z.var(axis=0)
        np.testing.assert_allclose(normalise.means, [mean], rtol=1e-10)
        np.testing.assert_allclose(normalise.variances, [variance], rtol=1e-10)


@pytest.mark.parametrize("spread", [1, 1e-3])
def test_the_network_that_is_left_is_a_plain_one_with_the_running_statistics(spread):
    """Variances as small as 1e-6 show what is added to them."""
    model, (x, _) = some_model(LAYERS), some_batch(LAYERS)
    normalise, before = normalisation(model, 40), model.parameters.copy()
    rng = np.random.default_rng(3)
    normalise.running[...] = rng.uniform(0.5, 2, normalise.running.shape) * [[spread], [spread**2]]

    def by_running_statistics(layer, z):
        deviation = np.sqrt(normalise.variances[layer] + 1e-5)
        return normalise.gains[layer] * (z - normalise.means[layer]) / deviation

    plain = normalise.folded(model)
    assert type(plain) is MLP
    expected = probabilities(model, x, by_running_statistics)
    np.testing.assert_allclose(plain.predict_proba(x), expected, rtol=1e-9)
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(("images", "learns"), [(1, False), (2, False), (3, True)])
def test_batch_normalisation_passes_a_gradient_on_from_three_images_on(images, learns):
    """That of fewer is zero but for what is added to the variance: Config refuses them."""
    model = some_model((5, 4, 3))
    x, y = some_batch((5, 4, 3), size=images)
    buffers = Buffers(model, images)
    backpropagate(model, x, y, buffers, normalisation(model, images))
    assert (abs(buffers.weight_gradients[0]).max() > 0.01) == learns
    assert Config(batch_size=3, batch_normalisation=True).batch_size == 3


# ---- dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_draws_a_mask_for_each_image_and_layer_that_keeps_the_mean(dtype):
    """A unit is left out with the probability that is asked for; the seed decides which."""
    model = some_model((5, 400, 30, 3), dtype=dtype)
    drop, rng = Dropout(Config(dropout=0.3, seed=8), model, 200), np.random.default_rng([8, 6])
    for layer, units, rows in ((0, 400, 200), (1, 30, 200), (0, 400, 50)):
        a = np.random.default_rng(0).uniform(1, 2, (rows, units)).astype(dtype)
        kept, mask = a.copy(), (rng.random((rows, units), dtype) >= 0.3) / 0.7
        out = drop.forward(layer, a)
        assert out.dtype == dtype
        np.testing.assert_allclose(out, a * mask, rtol=1e-6)
        np.testing.assert_array_equal(a, kept)
        assert (out == 0).mean() == pytest.approx(0.3, abs=0.02)
        drop.backward(layer, a)
        np.testing.assert_array_equal(a, out)


# ---- training ------------------------------------------------------------------------------------


@each_option
def test_training_learns_and_returns_a_plain_network_to_which_its_curves_belong(tiny, options):
    config = Config((36, 16, 3), "ReLU", 0.01, 32, 12, early_stop=False, **options)
    result = train(config, tiny)
    assert type(result.model) is MLP
    assert result.test_accuracy > 0.9
    split = split_and_standardise(tiny, config)
    right = result.model.predict(split.validation) == split.validation_labels
    assert right.mean() == result.curves["validation_accuracy"][-1]
    run = Training(config, tiny)
    while not run.ended:
        run.train_epoch()
        run.measure_epoch()
    if "weight_averaging" not in options:
        normalise = run.methods.normalise
        expected = normalise.folded(run.model) if normalise else run.model
        np.testing.assert_allclose(result.model.parameters, expected.parameters, atol=1e-3)


def test_training_distorts_its_mini_batches_and_not_what_it_measures(tiny):
    config = Config((36, 3), batch_size=10**6, seed=4)
    plain, distorting = (Training(config.replace(distortion=d), tiny) for d in (0, 0.7))
    assert plain.methods is None
    order = generator(4, Stream.BATCHES).permutation(192)
    pixels = tiny.train_images.reshape(240, 36)[plain.split.rows[order]]
    distort, seen = (
        Distortion((6, 6), 0.7, np.random.default_rng([4, 5])),
        pixels.astype(np.float32),
    )
    for run in (plain, distorting):
        run.train_epoch()
        expected = (seen - run.split.mean) / run.split.std
        np.testing.assert_allclose(run.batch, expected, rtol=1e-4, atol=1e-4)
        distort(seen, pixels)
    assert np.abs(plain.batch - distorting.batch).mean() > 0.1
    assert plain.measure(plain.model) == distorting.measure(plain.model)


def test_mixup_mixes_each_image_with_another_one_in_the_share_of_their_targets(tiny):
    """Also in the last, smaller mini-batch, and with smoothed labels."""
    config = Config((36, 3), batch_size=150, seed=4, mixup=0.5, label_smoothing=0.3)
    run = Training(config, tiny, np.float64)
    order, seen = generator(4, Stream.BATCHES).permutation(192), []
    rng = generator(4, Stream.MIXUP)
    mix = run.methods.in_use[1]

    def watched(x, y, buffers):
        rows = mix(x, y, buffers)
        seen.append((x.copy(), buffers.targets[rows]))
        return rows

    run.methods.in_use = (run.methods.in_use[0], watched, None, None)
    run.train_epoch()
    for part, (x, targets) in zip((order[:150], order[150:]), seen, strict=True):
        other = rng.permutation(len(part))
        share = rng.beta(0.5, 0.5, (len(part), 1))
        own = run.split.train[part], smoothed(run.split.train_labels[part], 3, 0.3)
        for found, plain in zip((x, targets), own, strict=True):
            np.testing.assert_allclose(found, share * plain + (1 - share) * plain[other], atol=1e-9)


@pytest.mark.parametrize("normalised", [False, True])
def test_averaged_weights_are_measured_and_returned_and_training_goes_on_with_its_own(
    tiny, normalised
):
    config = Config((36, 8, 3), batch_size=64, epochs=2, early_stop=False, seed=3)
    config = config.replace(batch_normalisation=normalised)
    plain = Training(config, tiny, np.float64)
    run = Training(config.replace(weight_averaging=0.7), tiny, np.float64)
    own, taken = run.methods.normalise, []
    arrays = [run.model.parameters, *([own.parameters, own.running] if normalised else [])]
    means, step = [array.copy() for array in arrays], run.methods.average.step
    run.methods.average.step = lambda: (taken.append([a.copy() for a in arrays]), step())
    for training in (plain, run) * 2:
        training.train_epoch()
        training.measure_epoch()
    np.testing.assert_array_equal(run.model.parameters, plain.model.parameters)
    assert len(taken) == 2 * 3
    for values in taken:
        means = [0.7 * mean + 0.3 * value for mean, value in zip(means, values, strict=True)]
    for array, mean in zip(arrays, means, strict=True):
        array[...] = mean
    expected = own.folded(run.model) if normalised else run.model.copy()
    for array, value in zip(arrays, taken[-1], strict=True):
        array[...] = value
    found = run.result().model
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9, atol=1e-12)


def test_all_training_images_can_be_trained_on(tiny):
    config = Config((36, 8, 3), epochs=3, early_stop=False, validation_fraction=0)
    result = train(config, tiny)
    assert not result.diverged and result.stopped_epoch == 3
    assert np.isfinite([*result.curves["training_loss"], result.test_loss]).all()
    assert np.isnan(result.curves["validation_loss"]).all()
    mean, _ = result.model.standardisation
    np.testing.assert_allclose(mean, tiny.train_images.reshape(240, -1).mean(axis=0), rtol=1e-6)
