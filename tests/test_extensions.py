"""Methods beyond the paper: right gradients, and a plain network in the end."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from textbook import FUNCTIONS, assert_slopes, probabilities, smoothed, some_batch, some_model

from kmnist_mlp import Config
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import one_hot
from kmnist_mlp.extensions import BatchNormalisation, Dropout
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.network import forward
from kmnist_mlp.results import Callback
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.training import Training

LAYERS = (5, 7, 6, 3)
OPTIONS = {
    "batch_normalisation": True, "dropout": 0.4, "label_smoothing": 0.2, "mixup": 0.4,
    "weight_averaging": 0.5,
}  # fmt: skip
EACH = [{name: value} for name, value in OPTIONS.items()]


def method(kind, model, seed=0, **options):
    """Return a method as a run of these options makes it."""
    return kind(SimpleNamespace(config=Config(seed=seed, **options), model=model, methods=[]))


def normalisation(model):
    """Return a batch normalisation whose gains are not 1."""
    found = method(BatchNormalisation, model, batch_normalisation=True)
    found.values[0] += np.random.default_rng(0).uniform(-0.4, 0.4, found.values[0].shape)
    return found


class Watch(Callback):
    """Keeps mini-batches and their targets; its hook comes last."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def mini_batch(self, x, t):
        self.seen.append((x.copy(), t.copy()))


def of_kind(run, kind):
    """Return the method of that kind that a run uses, if any."""
    return next((each for each in run.methods if isinstance(each, kind)), None)


@pytest.mark.parametrize("options", [*EACH, OPTIONS], ids=" ".join)
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_a_step_is_the_slope_of_its_loss_times_the_learning_rate(tiny, activation, options):
    """All images are one mini-batch, in whose middle half an epoch is done."""
    config = Config(
        (36, 5, 4, 3), activation, 0.01, 10**6, 8, L1_penalty=0.2, L2_penalty=0.3, seed=2,
        momentum_gamma=0.6, distortion=0.5, schedule="cosine", warm_up=2.0, **options,
    )  # fmt: skip
    run = Training(config, tiny, np.float64)
    run.model.parameters[...] = some_model(config.layer_specs, seed=1).parameters
    normalise, drop = of_kind(run, BatchNormalisation), of_kind(run, Dropout)
    gains = []
    if normalise:
        normalise.values[0] = np.linspace(0.6, 1.4, 9)
        gains = [gain.copy() for gain in normalise.gains]
    model, watch = run.model.copy(), Watch()
    run.train_epoch([watch])
    ((x, targets),) = watch.seen

    def by_the_batch(layer, z):
        return gains[layer] * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)

    def loss():
        masks = drop.masks if drop else None
        p = probabilities(model, x, by_the_batch if normalise else None, masks)
        norms = sum(0.2 * np.abs(w).sum() + 0.3 * (w**2).sum() for w in model.weights)
        return -(targets * np.log(p)).sum() + norms

    step = 0.01 * (1 - 0.6) * (0.5 / 2) * (1 + math.cos(math.pi * 0.5 / 8)) / 2
    assert_slopes((model.parameters - run.model.parameters) / step, loss, model.parameters)
    for gain, own in zip(gains, normalise.gains if normalise else [], strict=True):
        assert_slopes((gain - own) / step, loss, gain)


# ---- batch normalisation ---------------------------------------------


def test_running_statistics_approach_those_of_the_batches():
    model = some_model((5, 4, 3))
    normalise, buffers = normalisation(model), Buffers(model, 30)
    mean, variance = np.zeros(4), np.ones(4)
    for seed in range(3):
        x, _ = some_batch((5, 4, 3), size=30, seed=seed)
        forward(model, x, buffers, [normalise])
        z = x @ model.weights[0]
        mean, variance = 0.95 * mean + 0.05 * z.mean(axis=0), 0.95 * variance + 0.05 * z.var(axis=0)
        np.testing.assert_allclose(normalise.means, [mean], rtol=1e-10)
        np.testing.assert_allclose(normalise.variances, [variance], rtol=1e-10)


@pytest.mark.parametrize("spread", [1, 1e-3])
def test_the_network_that_is_left_is_a_plain_one_with_the_running_statistics(spread):
    """Variances as small as 1e-6 show what is added to them."""
    model, (x, _) = some_model(LAYERS), some_batch(LAYERS)
    normalise, before = normalisation(model), model.parameters.copy()
    statistics = np.random.default_rng(3).uniform(0.5, 2, normalise.values[1:].shape)
    normalise.values[1:] = statistics * [[spread], [spread**2]]

    def by_running_statistics(layer, z):
        deviation = np.sqrt(normalise.variances[layer] + 1e-5)
        return normalise.gains[layer] * (z - normalise.means[layer]) / deviation

    plain = normalise.folded(model)
    expected = probabilities(model, x, by_running_statistics)
    np.testing.assert_allclose(plain.predict_proba(x), expected, rtol=1e-9)
    np.testing.assert_array_equal(model.parameters, before)


# ---- dropout ---------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_draws_a_mask_for_each_image_and_layer_that_keeps_the_mean(dtype):
    """A unit is left out with the probability that is asked for; the seed decides which."""
    model = some_model((5, 400, 30, 3), dtype=dtype)
    drop, rng = method(Dropout, model, 8, dropout=0.3), np.random.default_rng([8, 6])
    for layer, units, rows in ((0, 400, 200), (1, 30, 200), (0, 400, 50)):
        a = np.random.default_rng(0).uniform(1, 2, (rows, units)).astype(dtype)
        kept, mask = a.copy(), (rng.random((rows, units), dtype) >= 0.3) / 0.7
        out = drop.outputs(layer, a)
        assert out.dtype == dtype
        np.testing.assert_allclose(out, a * mask, rtol=1e-6)
        np.testing.assert_array_equal(a, kept)
        assert (out == 0).mean() == pytest.approx(0.3, abs=0.02)
        drop.outputs_backward(layer, a)
        np.testing.assert_array_equal(a, out)


# ---- training --------------------------------------------------------


def test_training_distorts_its_mini_batches_and_not_what_it_measures(tiny):
    config = Config((36, 3), batch_size=10**6, seed=4, elastic_cells=3)
    plain, distorting = (Training(config.replace(distortion=d), tiny) for d in (0, 0.7))
    assert plain.methods == []
    order = generator(4, Stream.BATCHES).permutation(192)
    pixels = tiny.train_images.reshape(240, 36)[plain.split.rows[order]]
    distort, seen = (
        Distortion((6, 6), 0.7, np.random.default_rng([4, 5]), 3),
        pixels / np.float32(1),
    )
    for run in (plain, distorting):
        run.train_epoch()
        expected = (seen - run.split.mean) / run.split.std
        np.testing.assert_allclose(run.batch, expected, rtol=1e-4, atol=1e-4)
        distort(seen, pixels)
    assert np.abs(plain.batch - distorting.batch).mean() > 0.1
    assert plain.measure(plain.model) == distorting.measure(plain.model)


def test_mixup_mixes_each_image_with_another_one_in_the_share_of_their_targets(tiny):
    """Also in the last, smaller mini-batch, and with smoothed labels; the targets stay as given."""
    config = Config((36, 3), batch_size=150, epochs=1, seed=4, mixup=0.5, label_smoothing=0.3)
    watch, rng = Watch(), generator(4, Stream.MIXUP)
    run = Training(config, tiny, np.float64)
    run.train_epoch([watch])
    order, split = generator(4, Stream.BATCHES).permutation(192), run.split
    for part, (x, targets) in zip((order[:150], order[150:]), watch.seen, strict=True):
        other = rng.permutation(len(part))
        share = rng.beta(0.5, 0.5, (len(part), 1))
        own = split.train[part], smoothed(split.train_labels[part], 3, 0.3)
        for found, plain in zip((x, targets), own, strict=True):
            np.testing.assert_allclose(found, share * plain + (1 - share) * plain[other], atol=1e-9)
    np.testing.assert_array_equal(run.targets, one_hot(split.train_labels, 3))


@pytest.mark.parametrize("normalised", [False, True])
def test_averaged_weights_are_returned_and_training_goes_on_with_its_own(tiny, normalised):
    config = Config(
        (36, 8, 3), batch_size=64, early_stop=False, seed=3, batch_normalisation=normalised
    )
    plain = Training(config, tiny, np.float64)
    run = Training(config.replace(weight_averaging=0.7), tiny, np.float64)
    own, taken = of_kind(run, BatchNormalisation), []
    arrays = [run.model.parameters, *([own.values] if normalised else [])]
    means, watch = [array.copy() for array in arrays], Callback()
    watch.batch = lambda _: taken.append([array.copy() for array in arrays])
    for training in (plain, run) * 2:
        training.train_epoch([watch] * (training is run))
        training.measure_epoch()
    np.testing.assert_array_equal(run.model.parameters, plain.model.parameters)
    assert len(taken) == 2 * 3
    for step, values in enumerate(taken, start=1):  # Adam's correction: the start does not count
        share = 0.3 / (1 - 0.7**step)
        pairs = zip(means, values, strict=True)
        means = [(1 - share) * mean + share * value for mean, value in pairs]
    for array, mean in zip(arrays, means, strict=True):
        array[...] = mean
    expected = own.folded(run.model) if normalised else run.model.copy()
    for array, value in zip(arrays, taken[-1], strict=True):
        array[...] = value
    found = run.result().model
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9, atol=1e-12)
