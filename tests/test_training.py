"""Training follows the conventions of the report: each has a test that fails without it."""

import hashlib
import json
import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from kmnist_mlp import MLP, Config, Dataset, evaluate, train, training
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.network import Buffers
from kmnist_mlp.optimizer import SGD

LAYERS = (36, 8, 3)


def quick(**changes):
    """Return a configuration that learns the tiny data set within a few epochs."""
    settings = {"layer_specs": LAYERS, "learning_rate": 0.01, "batch_size": 32, "epochs": 4}
    return Config(**settings | changes)


def assert_same_parameters(a, b):
    for one, other in zip(a.weights + a.biases, b.weights + b.biases, strict=True):
        np.testing.assert_array_equal(one, other)


def rows_of(array):
    """Return each row of an array as bytes, so that rows can be counted and compared."""
    return [row.tobytes() for row in array]


@pytest.fixture
def batches(monkeypatch):
    """Record every mini-batch that training sees, as (x, y) copies."""
    seen, original = [], MLP.backpropagate

    def record(self, x, y, *others):
        seen.append((x.copy(), y.copy()))
        original(self, x, y, *others)

    monkeypatch.setattr(MLP, "backpropagate", record)
    return seen


@pytest.fixture
def measured(monkeypatch):
    """Return a function that makes training measure the given validation losses, one an epoch.

    It returns the list of the networks that were measured.
    """

    def let(losses):
        networks, remaining = [], iter(losses)

        def measure(self):
            networks.append(self.model.copy())
            return (1.0, 0.5, next(remaining), 0.25)

        monkeypatch.setattr(training.Epochs, "measure", measure)
        return networks

    return let


def plain_loss_and_accuracy(model, x, y):
    p = model.predict_proba(x).astype(np.float64)
    loss = -np.log(p[np.arange(len(y)), y]).mean() / p.shape[1]
    return loss, (p.argmax(axis=1) == y).mean()


# ---- split and standardisation -------------------------------------------------------------------


def raw(split, part):
    """Return the pixel values that a standardised part of the split was made from."""
    return np.rint(part[:] * split.std + split.mean).astype(np.uint8)


def test_four_fifths_of_the_training_images_are_trained_on_and_one_fifth_validates(make_dataset):
    for images, expected in ((240, (192, 48)), (60, (48, 12)), (33, (26, 7))):
        split = split_and_standardise(make_dataset(train=images), seed=0)
        assert (len(split.train), len(split.validation)) == expected
        assert (len(split.train_labels), len(split.validation_labels)) == expected


def test_training_and_validation_share_no_image_and_miss_none(tiny):
    split = split_and_standardise(tiny, seed=3, dtype=np.float64)
    train, validation = (rows_of(raw(split, p)) for p in (split.train, split.validation))
    assert len(set(train + validation)) == 240
    assert set(train + validation) == set(rows_of(tiny.train_images.reshape(240, -1)))


def test_every_image_keeps_its_label(tiny):
    split = split_and_standardise(tiny, seed=3, dtype=np.float64)
    label = dict(zip(rows_of(tiny.train_images), tiny.train_labels, strict=True))
    for part, labels in (
        (split.train, split.train_labels),
        (split.validation, split.validation_labels),
    ):
        assert [label[row] for row in rows_of(raw(split, part))] == labels.tolist()
    np.testing.assert_array_equal(split.test_labels, tiny.test_labels)
    np.testing.assert_array_equal(raw(split, split.test), tiny.test_images.reshape(60, -1))


def test_the_split_is_shuffled_by_the_seed(tiny):
    parts = [split_and_standardise(tiny, seed, dtype=np.float64) for seed in (0, 0, 1)]
    one, again, other = (rows_of(raw(split, split.validation)) for split in parts)
    assert one == again
    assert set(one) != set(other)
    assert set(one) != set(rows_of(tiny.train_images.reshape(240, -1)[-48:]))


def test_pixels_are_standardised_with_the_statistics_of_the_training_split_alone(tiny):
    split = split_and_standardise(tiny, seed=0, dtype=np.float64)
    pixels = raw(split, split.train).astype(np.float64)
    mean, std = pixels.mean(axis=0), pixels.std(axis=0)
    std[std == 0] = 1
    for part in (split.train, split.validation, split.test):
        expected = (raw(split, part) - mean) / std
        np.testing.assert_allclose(part[:], expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(split.train[:].std(axis=0)[1:], 1, rtol=1e-10)


def test_all_pixels_can_be_standardised_alike(tiny):
    split = split_and_standardise(tiny, seed=0, dtype=np.float64, each_pixel=False)
    pixels = raw(split, split.train).astype(np.float64)
    np.testing.assert_allclose(split.mean, np.full(36, pixels.mean()), rtol=1e-12)
    np.testing.assert_allclose(split.std, np.full(36, pixels.std()), rtol=1e-12)
    np.testing.assert_allclose(split.train[:], (pixels - pixels.mean()) / pixels.std(), atol=1e-10)
    model = train(quick(each_pixel=False), tiny).model
    assert len(set(model.standardisation[0])) == len(set(model.standardisation[1])) == 1


def test_a_constant_pixel_is_divided_by_one(tiny):
    test_images = tiny.test_images.copy()
    test_images[:, 0, 0] = 9  # 7 in all training images
    data = Dataset(
        tiny.train_images,
        tiny.train_labels,
        test_images,
        tiny.test_labels,
        class_names=tiny.class_names,
    )
    split = split_and_standardise(data, seed=0)
    assert split.std[0] == 1
    assert np.all(split.train[:][:, 0] == 0)
    assert np.all(split.test[:][:, 0] == 2)


# ---- mini-batches --------------------------------------------------------------------------------


def test_an_epoch_sees_each_training_image_once_and_no_validation_or_test_image(tiny, batches):
    train(quick(epochs=1, early_stop=False), tiny, np.float64)
    split = split_and_standardise(tiny, seed=0, dtype=np.float64)
    seen = rows_of(np.concatenate([x for x, _ in batches]))
    assert sorted(seen) == sorted(rows_of(split.train[:]))
    assert not set(seen) & set(rows_of(split.validation[:]))
    assert not set(seen) & set(rows_of(split.test[:]))
    label = dict(zip(rows_of(split.train[:]), split.train_labels, strict=True))
    assert [label[row] for row in seen] == [y for _, labels in batches for y in labels]


def test_the_last_smaller_mini_batch_counts(tiny, batches):
    train(quick(batch_size=50, epochs=2), tiny)
    assert [len(x) for x, _ in batches] == [50, 50, 50, 42] * 2
    assert [len(y) for _, y in batches] == [50, 50, 50, 42] * 2


def test_the_training_split_is_reshuffled_every_epoch(tiny, batches):
    train(quick(batch_size=200, epochs=3), tiny)
    orders = [rows_of(x) for x, _ in batches]
    assert len(orders) == 3
    assert {x.dtype for x, _ in batches} == {np.dtype(np.float32)}
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])


def test_the_seed_decides_the_order_of_the_mini_batches(tiny, batches):
    orders = []
    for seed in (0, 0, 1):
        batches.clear()
        train(quick(epochs=1, seed=seed), tiny, np.float64)
        split = split_and_standardise(tiny, seed, dtype=np.float64)
        place = {row: number for number, row in enumerate(rows_of(split.train[:]))}
        orders.append([place[row] for x, _ in batches for row in rows_of(x)])
    assert orders[0] == orders[1] != orders[2]


def test_a_batch_size_beyond_the_data_is_one_batch_of_all(tiny, batches):
    huge, exact = (train(quick(batch_size=size), tiny) for size in (10**9, 192))
    assert [len(x) for x, _ in batches] == [192] * 8
    assert_same_parameters(huge.model, exact.model)


def test_a_batch_size_of_one_takes_one_image_at_a_time(tiny, batches):
    config = quick(batch_size=1, epochs=2, early_stop=False)
    result = train(config, tiny)
    images = list(batches)
    assert [len(x) for x, _ in images] == [1] * 384
    model = MLP(LAYERS)
    sgd = SGD(model, config)
    for x, y in images:
        buffers = Buffers(model, len(x))
        model.backpropagate(x, y, buffers, sgd.scale)
        sgd.step(buffers.gradient)
    assert_same_parameters(result.model, model)


def test_two_images_are_enough_to_train_and_one_is_not(tiny):
    def few(n):
        return Dataset(
            tiny.train_images[:n],
            tiny.train_labels[:n],
            tiny.test_images,
            tiny.test_labels,
            class_names=tiny.class_names,
        )

    assert len(train(quick(epochs=2), few(3)).history) == 2
    with pytest.raises(ValueError, match="1 training images cannot be split"):
        train(quick(epochs=2), few(1))


@pytest.mark.parametrize(("gamma", "L2"), [(0.0, 0.0), (0.9, 0.03)])
def test_training_leaves_the_weights_that_scikit_learn_has_after_60_mini_batches(
    tiny, batches, gamma, L2
):
    config = quick(
        batch_size=16,
        epochs=5,
        early_stop=False,
        momentum=gamma > 0,
        momentum_gamma=gamma,
        L2_penalty=L2,
        seed=6,
    )
    ours = train(config, tiny, np.float64).model
    theirs = MLPClassifier(
        hidden_layer_sizes=LAYERS[1:-1],
        activation="tanh",
        solver="sgd",
        learning_rate_init=config.learning_rate * (1 - gamma) * 16,  # of the mean, not the sum
        momentum=gamma,
        nesterovs_momentum=False,
        alpha=2 * L2,
        shuffle=False,
    )
    theirs.partial_fit(*batches[0], classes=range(3))  # only so that it has its attributes
    start = MLP(LAYERS, "tanh", seed=6, dtype=np.float64)
    theirs.coefs_ = [w.copy() for w in start.weights]
    theirs.intercepts_ = [b.copy() for b in start.biases]
    del theirs._optimizer  # with it, the velocities of that first call
    assert len(batches) == 60
    for x, y in batches:
        theirs.partial_fit(x, y)
    given = ours.weights + ours.biases
    for a, b in zip(given, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# ---- measuring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 127, 128, 129, 256, 257, 700])
def test_the_reported_loss_is_the_mean_cross_entropy_divided_by_the_classes(rows):
    rng = np.random.default_rng(rows)
    model = MLP((6, 5, 4), seed=1, dtype=np.float64)
    x, y = rng.standard_normal((rows, 6)), rng.integers(0, 4, rows)
    loss, accuracy = evaluate(model, x, y)
    expected = plain_loss_and_accuracy(model, x, y)
    assert (loss, accuracy) == (pytest.approx(expected[0], rel=1e-12), expected[1])
    assert {type(loss), type(accuracy)} == {float}  # they print as plain numbers
    assert loss == pytest.approx(model.loss(x, y) / rows / 4, rel=1e-12)


def test_the_reported_loss_is_exact_where_float32_sums_would_not_be():
    model = MLP((1, 2))
    model.weights[0][:] = 0
    x, y = np.zeros((300_000, 1), np.float32), np.zeros(300_000, np.int64)
    assert evaluate(model, x, y)[0] == pytest.approx(np.log(2) / 2, rel=1e-7)


def test_the_history_has_one_row_per_epoch_of_loss_and_accuracy(tiny):
    history = train(quick(early_stop=False), tiny).history
    assert list(history.columns) == [
        "epoch",
        "training_loss",
        "training_accuracy",
        "validation_loss",
        "validation_accuracy",
    ]
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history.notna().all(axis=None)


@pytest.mark.parametrize("penalty", [{}, {"L1_penalty": 0.02, "L2_penalty": 0.1}])
def test_validation_and_test_are_measured_on_their_own_images_without_penalty(tiny, penalty):
    result = train(quick(early_stop=False, **penalty), tiny, np.float64)
    split = split_and_standardise(tiny, seed=0, dtype=np.float64)
    last = result.history.iloc[-1]
    assert (last["validation_loss"], last["validation_accuracy"]) == pytest.approx(
        plain_loss_and_accuracy(result.model, split.validation[:], split.validation_labels)
    )
    assert (result.test_loss, result.test_accuracy) == pytest.approx(
        plain_loss_and_accuracy(result.model, split.test[:], split.test_labels)
    )


def test_the_training_curve_is_measured_on_the_same_training_images_every_epoch(tiny, monkeypatch):
    seen, original = [], training.evaluate

    def record(model, x, y):
        seen.append((x[:].copy(), np.array(y), original(model, x, y)))
        return original(model, x, y)

    monkeypatch.setattr(training, "evaluate", record)
    result = train(quick(early_stop=False, epochs=3), tiny)
    split = split_and_standardise(tiny, seed=0)
    subsets = [call for call in seen if set(rows_of(call[0])) <= set(rows_of(split.train[:]))]
    assert len(subsets) == 3
    for x, y, _ in subsets:
        assert len(set(rows_of(x))) == len(x) == len(split.validation)
        np.testing.assert_array_equal(x, subsets[0][0])
        np.testing.assert_array_equal(y, subsets[0][1])
    label = dict(zip(rows_of(split.train[:]), split.train_labels, strict=True))
    assert [label[row] for row in rows_of(subsets[0][0])] == subsets[0][1].tolist()
    history = result.history[["training_loss", "training_accuracy"]]
    assert history.to_numpy().tolist() == [list(values) for _, _, values in subsets]


def test_that_subset_is_drawn_by_the_seed_from_a_stream_of_its_own(tiny):
    split = split_and_standardise(tiny, seed=7)
    model = MLP(LAYERS, seed=7)
    config = quick(seed=7)
    loop = training.Epochs(model, SGD(model, config), split, config)
    drawn = np.random.default_rng([7, 4]).permutation(192)[:48]
    assert loop.measured.tolist() == sorted(drawn)


def test_images_measured_in_parts_have_the_bits_of_those_measured_as_an_array(tiny):
    split, model = split_and_standardise(tiny, seed=0), MLP(LAYERS)
    for part, labels in ((split.train, split.train_labels), (split.test, split.test_labels)):
        assert evaluate(model, part, labels) == evaluate(model, part[:], labels)


def test_the_test_images_decide_nothing(tiny, make_dataset):
    other = make_dataset(seed=5)
    data = Dataset(
        tiny.train_images,
        tiny.train_labels,
        other.test_images,
        other.test_labels,
        class_names=tiny.class_names,
    )
    one, two = train(quick(epochs=8), tiny), train(quick(epochs=8), data)
    assert_same_parameters(one.model, two.model)
    assert one.history.equals(two.history)
    assert one.test_loss != two.test_loss


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "ReLU"])
@pytest.mark.parametrize("layers", [(36, 3), (36, 12, 3), (36, 10, 8, 3)])
def test_every_activation_and_depth_learns(tiny, activation, layers):
    config = quick(layer_specs=layers, activation=activation, learning_rate=0.03, epochs=30)
    result = train(config, tiny)
    assert result.test_accuracy > 0.9
    assert result.history["training_loss"].iloc[-1] < result.history["training_loss"].iloc[0]


# ---- early stopping ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "patience", "best_epoch", "stopped_epoch"),
    [
        pytest.param([5, 4, 3, 6, 6, 6, 6, 6, 6], 5, 3, 8, id="five-worse-epochs"),
        pytest.param([5, 6, 4, 6, 3], 1, 1, 2, id="patience-of-one"),
        pytest.param([1, 2, 2, 0.5, 2, 2, 2, 2], 3, 4, 7, id="better-just-in-time"),
        pytest.param([1, 2, 2, 2, 0.5], 3, 1, 4, id="better-too-late"),
        pytest.param([1, 9, 8, 7, 6, 5], 4, 1, 5, id="better-than-the-last-is-not-enough"),
        pytest.param([2, 1, 1, 1, 1, 1], 3, 2, 5, id="as-good-is-not-better"),
        pytest.param([3, 2, 2, 1.5, 1.6, 1.7], 2, 4, 6, id="patience-starts-anew"),
        pytest.param([1, 1 - 1e-15, 2, 2], 2, 2, 4, id="the-smallest-improvement-counts"),
    ],
)
def test_training_stops_after_exactly_the_patience(
    tiny, measured, losses, patience, best_epoch, stopped_epoch
):
    networks = measured(losses)
    result = train(quick(epochs=50, early_stop_epoch=patience), tiny)
    assert (result.best_epoch, result.stopped_epoch) == (best_epoch, stopped_epoch)
    assert len(result.history) == len(networks) == stopped_epoch
    assert result.history["validation_loss"].tolist() == losses[:stopped_epoch]
    assert not result.diverged


def test_early_stopping_returns_the_weights_of_the_best_epoch(tiny, measured):
    networks = measured([3, 1, 2, 2, 2])
    result = train(quick(epochs=50, early_stop_epoch=3), tiny)
    assert_same_parameters(result.model, networks[1])
    assert result.returned["validation_loss"] == 1
    split = split_and_standardise(tiny, seed=0)
    assert result.test_loss == evaluate(networks[1], split.test, split.test_labels)[0]
    assert result.test_loss != evaluate(networks[-1], split.test, split.test_labels)[0]


def test_the_best_weights_are_returned_also_where_the_epochs_run_out_first(tiny, measured):
    networks = measured([3, 1, 2, 2])
    result = train(quick(epochs=4, early_stop_epoch=3), tiny)
    assert (result.best_epoch, result.stopped_epoch) == (2, 4)
    assert_same_parameters(result.model, networks[1])


def test_without_early_stopping_all_epochs_run_and_the_last_weights_are_returned(tiny, measured):
    networks = measured([3, 1, 2, 4, 5, 6])
    result = train(quick(epochs=6, early_stop=False, early_stop_epoch=1), tiny)
    assert (result.best_epoch, result.stopped_epoch) == (2, 6)
    assert_same_parameters(result.model, networks[-1])
    assert result.returned["validation_loss"] == 6


# ---- divergence ----------------------------------------------------------------------------------


def assert_finite_everywhere(result):
    assert all(np.isfinite(a).all() for a in result.model.weights + result.model.biases)
    assert np.isfinite(result.history.to_numpy()).all()
    assert np.isfinite([result.test_loss, result.test_accuracy, *result.returned.values()]).all()


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_divergence_ends_training_with_the_best_weights_before_it(
    tiny, measured, early_stop, broken
):
    networks = measured([3, 1, 2, broken])
    result = train(quick(epochs=50, early_stop=early_stop), tiny)
    assert result.diverged is True
    assert (result.best_epoch, result.stopped_epoch) == (2, 4)
    assert result.history["validation_loss"].tolist() == [3, 1, 2]
    assert_same_parameters(result.model, networks[1])
    assert result.returned["validation_loss"] == 1
    assert_finite_everywhere(result)
    assert "diverged at epoch 4" in repr(result)


def test_divergence_in_the_first_epoch_gives_the_initial_weights_and_an_empty_history(tiny):
    config = quick(activation="ReLU", learning_rate=1e30, seed=2)
    result = train(config, tiny)
    assert result.diverged
    assert (result.best_epoch, result.stopped_epoch, len(result.history)) == (0, 1, 0)
    assert_same_parameters(result.model, MLP(LAYERS, "ReLU", seed=2))
    assert list(result.history.columns) == list(train(quick(epochs=1), tiny).history.columns)
    assert_finite_everywhere(result)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "ReLU"])
@pytest.mark.parametrize("early_stop", [True, False])
def test_no_learning_rate_puts_a_nan_into_a_result(tiny, activation, early_stop):
    for exponent in (1, 5, 10, 20, 30, 34, 36, 38, 40, 300):
        config = quick(
            activation=activation, learning_rate=10.0**exponent, early_stop=early_stop, epochs=3
        )
        assert_finite_everywhere(train(config, tiny))


def test_a_run_that_ends_well_has_not_diverged(tiny):
    began = time.perf_counter()
    result = train(quick(), tiny)
    assert 0 < result.seconds <= time.perf_counter() - began
    assert result.config == quick()
    assert result.diverged is False
    assert_finite_everywhere(result)
    assert "stopped after epoch 4" in repr(result)


# ---- seeds and threads ---------------------------------------------------------------------------


def fingerprint(result):
    digest = hashlib.sha256(result.history.to_numpy().tobytes())
    for array in result.model.weights + result.model.biases:
        digest.update(array.tobytes())
    return digest.hexdigest()


def test_a_seed_gives_the_same_bits_twice_and_another_seed_others(tiny):
    one, again, other = (train(quick(seed=seed), tiny) for seed in (4, 4, 5))
    assert fingerprint(one) == fingerprint(again)
    assert repr((one.test_loss, one.test_accuracy)) == repr((again.test_loss, again.test_accuracy))
    for a, b in zip(one.model.weights, other.model.weights, strict=True):
        assert not (a == b).all()
    assert one.test_loss != other.test_loss


def test_the_initial_weights_are_those_of_the_seed(tiny, monkeypatch):
    monkeypatch.setattr(SGD, "step", lambda self, scaled_gradient: None)
    result = train(quick(epochs=1, seed=9, activation="ReLU"), tiny)
    assert_same_parameters(result.model, MLP(LAYERS, "ReLU", seed=9))
    assert result.model.activation == "ReLU"


def test_training_does_not_touch_numpys_global_random_state(tiny):
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    train(quick(epochs=1), tiny)
    assert np.random.random() == expected  # noqa: NPY002


def test_training_uses_one_blas_thread_and_gives_the_others_back(tiny, monkeypatch):
    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    during, original = [], MLP.backpropagate

    def record(self, *call):
        during.append(threads())
        original(self, *call)

    monkeypatch.setattr(MLP, "backpropagate", record)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        train(quick(epochs=1, batch_size=100), tiny)
        assert threads() == before
    assert during == [[1] * len(before)] * 2


TRAINED_ELSEWHERE = """
import hashlib, json
import numpy as np
from kmnist_mlp import Config, Dataset, train

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (1100, 28, 28)).astype(np.uint8)
labels = np.arange(1100) % 10
data = Dataset(images[:1000], labels[:1000], images[1000:], labels[1000:])
result = train(Config(epochs=2), data)
digest = hashlib.sha256(b"".join(a.tobytes() for a in result.model.weights + result.model.biases))
print(json.dumps([digest.hexdigest(), result.test_loss, result.history.to_numpy().tolist()]))
"""


def test_a_seed_gives_the_same_bits_whatever_the_environment_says_about_threads():
    outputs = [
        subprocess.run(
            [sys.executable, "-c", TRAINED_ELSEWHERE],
            env=os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), n),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2", "4")
    ]
    assert len(json.loads(outputs[0])) == 3
    assert outputs[0] == outputs[1] == outputs[2]


# ---- memory --------------------------------------------------------------------------------------


def peak(function):
    """Return the number of bytes that a call holds at most beyond those held before it."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def prepared(make_dataset):
    """Return the prepared training loop of the baseline network on 3,000 images of 28 x 28."""
    data = make_dataset(classes=10, train=3000, test=10, side=28)
    config = Config(L1_penalty=1e-4, L2_penalty=1e-4)
    split = split_and_standardise(data, seed=0)
    model = MLP(config.layer_specs)
    return training.Epochs(model, SGD(model, config), split, config)


def test_an_epoch_allocates_no_array_of_a_mini_batch_or_of_the_weights(prepared):
    smallest = min(128 * 784, 784 * 128) * 4
    prepared.train_one()
    assert peak(prepared.train_one) < smallest / 2


def test_measuring_makes_no_copy_of_the_images(prepared):
    images = prepared.split.validation[:].nbytes * 2
    assert peak(prepared.measure) < images / 1.5


def test_without_validation_images_the_curve_is_of_a_fifth_of_all(tiny):
    config = quick(validation_fraction=0, early_stop=False, epochs=1, distortion=1)
    split = split_and_standardise(tiny, 0, 0.0, np.float32, True)
    model = MLP(LAYERS)
    epochs = training.Epochs(model, SGD(model, config), split, config)
    assert len(epochs.measured) == -(-len(tiny.train_images) // 5) == len(set(epochs.measured))
    # the stream that the shipped networks were trained with
    known = np.random.default_rng([config.seed, 5]).bit_generator.state
    assert epochs.distort.rng.bit_generator.state == known


def test_a_schedule_needs_no_warm_up_to_count(tiny):
    config = quick(early_stop=False)
    constant, cosine = train(config, tiny), train(config.replace(schedule="cosine"), tiny)
    assert np.abs(constant.model.parameters - cosine.model.parameters).max() > 1e-3
