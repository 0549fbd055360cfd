"""Training follows the conventions of the report: each has a test that fails without it."""

import hashlib
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  # its BLAS comes with the first training
from options import ALL_CHANGED
from threadpoolctl import threadpool_info, threadpool_limits

from kmnist_mlp import MLP, Config, evaluate, train
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import split_and_standardise, standardise
from kmnist_mlp.results import CURVES, Callback
from kmnist_mlp.training import Training

LAYERS = (36, 8, 3)


def quick(**changes):
    """Return a configuration that learns the tiny data set within a few epochs."""
    settings = {"layer_specs": LAYERS, "learning_rate": 0.01, "batch_size": 32, "epochs": 4}
    return Config(**settings | changes)


def assert_same_parameters(a, b):
    np.testing.assert_array_equal(a.parameters, b.parameters)


class Batches(Callback):
    """Keeps the numbers of the images of every mini-batch, and the pixels that were trained on."""

    def start(self, run):
        self.rows, self.x = [], []
        images = run.images

        def record(rows):
            x = images(rows)
            self.rows.append(run.split.rows[rows])
            self.x.append(x.copy())
            return x

        run.images = record


class Losses(Callback):
    """Lets a run measure the given losses, one an epoch, and keeps the networks measured."""

    def __init__(self, validation, training=()):
        super().__init__()
        self.validation, self.training, self.networks = validation, training, []

    def start(self, run):
        def measure(model):
            epoch = len(self.networks)
            self.networks.append(model.copy())
            training = self.training[epoch] if self.training else 1.0
            return (training, 0.5, self.validation[epoch], 0.25)

        run.measure = measure


class Diary(Callback):
    """Writes down which of its methods are called, and with what."""

    def __init__(self, name, calls, stops_at=None):
        super().__init__()
        self.name, self.calls, self.stops_at = name, calls, stops_at

    def start(self, run):
        assert isinstance(run, Training) and run.epoch == 0
        self.calls.append((self.name, "start"))

    def epoch(self, progress):
        self.calls.append((self.name, progress.epoch))
        return progress.epoch == self.stops_at

    def end(self, result):
        self.calls.append((self.name, result))


def plain_loss_and_accuracy(model, x, y):
    p = model.predict_proba(x).astype(np.float64)
    loss = -np.log(p[np.arange(len(y)), y]).mean() / p.shape[1]
    return loss, (p.argmax(axis=1) == y).mean()


# ---- mini-batches --------------------------------------------------------------------------------


def test_an_epoch_sees_each_training_image_once_and_no_other(tiny):
    seen, config = Batches(), quick(early_stop=False, validation_fraction=0.5, seed=4)
    train(config, tiny, callbacks=[seen])
    training, rng = split_and_standardise(tiny, config).rows, generator(4, Stream.BATCHES)
    for order in np.concatenate(seen.rows).reshape(config.epochs, 120):
        np.testing.assert_array_equal(order, training[rng.permutation(120)])  # anew every epoch


def test_the_seed_decides_the_order_of_the_images_and_no_other_option_moves_it(tiny):
    def order(**changes):
        seen = Batches()
        train(quick(**changes), tiny, callbacks=[seen])
        return np.concatenate(seen.rows).tolist()

    options = vars(ALL_CHANGED) | {"epochs": 4, "validation_fraction": 0.2, "seed": 0}
    assert order() == order(**options) != order(seed=1)


def test_the_test_images_decide_nothing(tiny, make_dataset):
    other = make_dataset(seed=5)
    data = replace(tiny, test_images=other.test_images, test_labels=other.test_labels)
    one, two = train(quick(epochs=8), tiny), train(quick(epochs=8), data)
    assert_same_parameters(one.model, two.model)
    assert one.history.equals(two.history)
    assert one.test_loss != two.test_loss


# ---- options -------------------------------------------------------------------------------------

STOPS_EARLY = quick(early_stop_epoch=1, learning_rate=0.02, epochs=30)


@pytest.mark.parametrize("name", [row["name"] for row in Config.options()])
def test_every_option_changes_the_result(tiny, name):
    base = STOPS_EARLY if name.startswith("early_stop") else quick(early_stop=False)
    value = getattr(ALL_CHANGED, name)
    assert value != getattr(base, name)
    one, other = (train(config, tiny).model for config in (base, base.replace(**{name: value})))
    assert not np.array_equal(one.parameters, other.parameters)


def test_a_trained_network_carries_its_standardisation_and_takes_images_as_they_are(tiny, tmp_path):
    by_image = quick(standardisation="image")
    for config in (ALL_CHANGED, ALL_CHANGED.replace(early_stop=True), quick(), by_image):
        result, split = train(config, tiny), split_and_standardise(tiny, config)
        validated = result.returned["validation_loss"], result.returned["validation_accuracy"]
        assert evaluate(result.model, split.validation, split.validation_labels) == validated
        measured = result.test_loss, result.test_accuracy
        assert evaluate(result.model, tiny.test_images, tiny.test_labels) == measured
        predicted = result.model.predict(tiny.test_images)
        assert (predicted == tiny.test_labels).mean() == result.test_accuracy
        x = standardise(tiny.test_images.reshape(60, -1).astype(np.float32), split.mean, split.std)
        assert evaluate(result.model, x, tiny.test_labels) == measured
        loaded = MLP.load(result.model.save(tmp_path / "model.npz"))
        assert evaluate(loaded, tiny.test_images, tiny.test_labels) == measured
        for given, own in zip(result.model.standardisation, (split.mean, split.std), strict=True):
            np.testing.assert_array_equal(given, own)


# ---- measuring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 127, 255, 256, 257, 700])
def test_the_reported_loss_is_the_mean_cross_entropy_divided_by_the_classes(rows):
    rng = np.random.default_rng(rows)
    model = MLP((6, 5, 4), seed=1, dtype=np.float64)
    x, y = rng.standard_normal((rows, 6)), rng.integers(0, 4, rows)
    loss, accuracy = evaluate(model, x, y)
    expected = plain_loss_and_accuracy(model, x, y)
    assert (loss, accuracy) == (pytest.approx(expected[0], rel=1e-12), expected[1])
    assert {type(loss), type(accuracy)} == {float}  # they print as plain numbers
    assert loss == pytest.approx(model.loss(x, y) / rows / 4, rel=1e-12)


@pytest.mark.parametrize(
    ("images", "fraction", "size"), [(240, 0.2, 20), (240, 0.5, 12), (240, 0, 24), (243, 0, 25)]
)
def test_the_curves_are_measured_without_penalty_on_the_same_images_every_epoch(
    make_dataset, images, fraction, size
):
    """Training: a tenth that the seed draws."""
    data = make_dataset(train=images)
    config = quick(
        seed=7, early_stop=False, validation_fraction=fraction, L1_penalty=0.02, L2_penalty=0.1,
        label_smoothing=0.1, distortion=0.5, dropout=0.1, batch_normalisation=True,
    )  # fmt: skip
    split = split_and_standardise(data, config, np.float64)
    drawn = generator(7, Stream.CURVES).permutation(len(split.train))[:size]
    parts = {"training": (split.train[drawn], split.train_labels[drawn])}
    if fraction:
        parts["validation"] = split.validation, split.validation_labels
    epochs = []

    def check(progress):
        epochs.append(progress.epoch)
        assert {len(curve) for curve in progress.curves.values()} == {len(epochs)}
        for name, (x, y) in parts.items():
            last = [progress.curves[f"{name}_{quantity}"][-1] for quantity in ("loss", "accuracy")]
            assert last == pytest.approx(plain_loss_and_accuracy(progress.model, x, y))

    result = train(config, data, np.float64, callbacks=[check])
    assert epochs == [1, 2, 3, 4] == result.history["epoch"].tolist()
    assert list(result.history.columns) == ["epoch", *CURVES]
    assert np.isfinite(result.history).all(axis=None) == bool(fraction)
    assert (result.test_loss, result.test_accuracy) == pytest.approx(
        plain_loss_and_accuracy(result.model, data.test_images, data.test_labels)
    )
    assert result.returned == pytest.approx(
        {name: curve[-1] for name, curve in result.curves.items()}, nan_ok=True
    )


def test_without_validation_images_the_last_network_is_the_best(tiny):
    config = quick(validation_fraction=0, early_stop=False)
    losses = Losses([np.nan] * 4, training=[4, 2, 3, 5])
    result = train(config, tiny, callbacks=[losses])
    assert not result.diverged and result.best_epoch == result.stopped_epoch == 4
    assert_same_parameters(result.model, losses.networks[3])
    stopped = train(config, tiny, callbacks=[lambda progress: progress.epoch == 2])
    assert_same_parameters(stopped.model, losses.networks[1])
    assert stopped.returned["training_loss"] == stopped.curves["training_loss"][1]


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
        pytest.param([3, 1, 2, 2], 5, 2, 4, id="the-epochs-run-out-first"),
    ],
)
def test_training_stops_after_exactly_the_patience_with_the_best_weights(
    tiny, losses, patience, best_epoch, stopped_epoch
):
    let = Losses(losses)
    epochs = max(4, stopped_epoch + (patience < 5) * 20)
    result = train(quick(epochs=epochs, early_stop_epoch=patience), tiny, callbacks=[let])
    assert (result.best_epoch, result.stopped_epoch) == (best_epoch, stopped_epoch)
    assert result.kept_epoch == best_epoch
    assert result.curves["validation_loss"].tolist() == losses[:stopped_epoch]
    assert result.returned["validation_loss"] == min(losses[:stopped_epoch])
    assert not result.diverged and not result.interrupted
    assert_same_parameters(result.model, let.networks[best_epoch - 1])
    test = result.model.checked_inputs(tiny.test_images), tiny.test_labels
    assert result.test_loss == evaluate(let.networks[best_epoch - 1], *test)[0]


def test_without_early_stopping_all_epochs_run_and_the_last_weights_are_returned(tiny):
    let = Losses([3, 1, 2, 4, 5, 6])
    config = quick(epochs=6, early_stop=False, early_stop_epoch=1)
    result = train(config, tiny, callbacks=[let])
    assert (result.best_epoch, result.stopped_epoch, result.kept_epoch) == (2, 6, 6)
    assert_same_parameters(result.model, let.networks[-1])
    assert result.returned["validation_loss"] == 6


# ---- divergence ----------------------------------------------------------------------------------


def assert_finite_everywhere(result):
    assert np.isfinite(result.model.parameters).all()
    assert np.isfinite(result.history.to_numpy()).all()
    assert np.isfinite([result.test_loss, result.test_accuracy, *result.returned.values()]).all()


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["training", "validation"])
def test_divergence_ends_training_with_the_best_weights_before_it(tiny, early_stop, broken, where):
    good, bad = [1, 1, 1, 1], [3, 1, 2, 2]
    let = Losses(*([good, bad[:3] + [broken]] if where == "training" else [bad[:3] + [broken]]))
    epochs = []
    see = lambda progress: epochs.append(progress.epoch)  # noqa: E731
    result = train(quick(epochs=50, early_stop=early_stop), tiny, callbacks=[let, see])
    assert result.diverged is True and result.stopped_epoch == 4 and epochs == [1, 2, 3]
    assert result.kept_epoch == result.best_epoch == (1 if where == "training" else 2)
    assert result.curves[f"{where}_loss"].tolist() == [3, 1, 2]
    assert_same_parameters(result.model, let.networks[result.best_epoch - 1])
    assert result.returned["validation_loss"] == 1
    assert_finite_everywhere(result)


@pytest.mark.parametrize("fraction", [0.2, 0])
def test_divergence_in_the_first_epoch_gives_the_initial_weights_and_empty_curves(tiny, fraction):
    config = quick(
        activation="ReLU", learning_rate=1e30, seed=2, validation_fraction=fraction,
        early_stop=fraction > 0,
    )  # fmt: skip
    result = train(config, tiny)
    assert result.diverged
    assert (result.kept_epoch, result.best_epoch, result.stopped_epoch) == (0, 0, 1)
    assert len(result.history) == 0
    assert list(result.history.columns) == ["epoch", *CURVES]
    assert_same_parameters(result.model, MLP(LAYERS, "ReLU", seed=2))
    measured = Training(config, tiny).measure(result.model)
    assert list(result.returned.values()) == pytest.approx(measured, nan_ok=True)
    assert np.isfinite([result.test_loss, *measured[:2]]).all()


# ---- callbacks -----------------------------------------------------------------------------------


def test_a_callback_that_returns_true_ends_the_run_with_the_best_network_and_all_are_called(tiny):
    calls, let = [], Losses([3, 1, 2, 4, 5])
    callbacks = [let, Diary("a", calls, stops_at=3), Diary("b", calls)]
    result = train(quick(epochs=5, early_stop=False), tiny, callbacks=callbacks)
    assert [call for call in calls if call[1] == 3] == [("a", 3), ("b", 3)]
    assert result.interrupted is True and not result.diverged
    assert (result.stopped_epoch, result.best_epoch, result.kept_epoch) == (3, 2, 2)
    assert result.returned["validation_loss"] == 1
    assert_same_parameters(result.model, let.networks[1])


class Ending(Callback):
    """Ends a run after a number of mini-batches."""

    def __init__(self, last):
        super().__init__()
        self.last, self.epochs_done = last, []

    def batch(self, epochs_done):
        self.epochs_done.append(epochs_done)
        return len(self.epochs_done) == self.last


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_callback_can_end_the_run_after_any_mini_batch_with_the_best_network_so_far(tiny, epochs):
    config = quick(early_stop=False)  # 192 images: six mini-batches an epoch
    ending, calls = Ending(last=6 * epochs + 4), []
    result = train(config, tiny, callbacks=[ending, Diary("a", calls)])
    expected = [n // 6 + (n % 6 + 0.5) / 6 for n in range(ending.last)]
    assert ending.epochs_done == pytest.approx(expected)
    assert calls[1:] == [*(("a", epoch + 1) for epoch in range(epochs)), ("a", result)]
    assert result.interrupted and not result.diverged
    assert (result.stopped_epoch, result.kept_epoch, len(result.history)) == (
        epochs,
        epochs,
        epochs,
    )
    shorter = train(quick(epochs=2), tiny).model if epochs else Training(config, tiny).model
    assert_same_parameters(result.model, shorter)
    assert all(np.isfinite(value) for value in result.returned.values())
    assert all(part in repr(result) for part in ("interrupted", f"epoch {epochs},"))


class OwnError(Exception):
    pass


def failing(*_):
    raise OwnError


@pytest.mark.parametrize("method", ["start", "batch", "epoch", "end"])
def test_an_exception_of_a_callback_passes_through_and_the_others_hear_of_the_end(tiny, method):
    calls, broken = [], Callback()
    setattr(broken, method, failing)
    with pytest.raises(OwnError):
        train(quick(epochs=1), tiny, callbacks=[Diary("a", calls), broken])
    last = calls.pop()
    assert last[0] == "a" and (last[1] is None) == (method != "end")
    assert calls == [("a", "start")] + [("a", 1)] * (method in ("epoch", "end"))


def test_a_run_can_be_trained_by_hand_and_goes_back_to_a_state_that_was_kept(tiny):
    """state() is a copy: what is trained later does not change it."""
    for config in (quick(early_stop=False), ALL_CHANGED):
        run, whole = Training(config, tiny), train(config, tiny)
        for epoch in range(config.epochs):
            run.train_epoch()
            run.measure_epoch()
            if epoch == 0:
                state, best = run.state(), run.best_model.copy()
        assert_same_parameters(run.result().model, whole.model)
        run.restore(state)
        assert run.epoch == 1 and len(run.curves()["training_loss"]) == 1
        assert_same_parameters(run.best_model, best)
        while not run.ended:
            run.train_epoch()
            run.measure_epoch()
        result = run.result()
        assert_same_parameters(result.model, whole.model)
        assert result.returned == whole.returned and result.best_epoch == whole.best_epoch
        assert not result.interrupted


# ---- seeds and threads ---------------------------------------------------------------------------


def fingerprint(result):
    numbers = [*result.curves.values(), result.model.parameters]
    return hashlib.sha256(b"".join(array.tobytes() for array in numbers)).hexdigest()


@pytest.mark.parametrize("config", [quick(), ALL_CHANGED], ids=["defaults", "all options changed"])
def test_a_seed_gives_the_same_bits_twice_and_another_seed_others(tiny, config):
    one, again, other = (train(config.replace(seed=seed), tiny) for seed in (4, 4, 5))
    assert fingerprint(one) == fingerprint(again)
    assert repr((one.test_loss, one.test_accuracy)) == repr((again.test_loss, again.test_accuracy))
    assert all((a != b).any() for a, b in zip(one.model.weights, other.model.weights, strict=True))
    assert one.test_loss != other.test_loss


def test_training_uses_one_blas_thread_and_gives_the_others_back(tiny):
    def threads(*_):
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    during, watching = [], Callback(lambda _: during.append(threads()))
    watching.start = watching.end = watching.epoch
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        train(quick(epochs=1), tiny, callbacks=[watching])
        assert threads() == before
    assert during == [[1] * len(before)] * 3


def test_of_two_trainings_at_once_the_one_that_ends_first_leaves_the_other_at_one_thread(tiny):
    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen, begun, ended = [], threading.Event(), threading.Event()

    def wait(_):
        begun.set()
        ended.wait(60)
        seen.append(threads())

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        arguments = (quick(epochs=1), tiny)
        other = threading.Thread(target=train, args=arguments, kwargs={"callbacks": [wait]})
        other.start()
        begun.wait(60)
        train(quick(epochs=1), tiny)
        ended.set()
        other.join(60)
        assert seen == [{1}] and threads() == before


SCIPY_COMES_LATER = """
import sys
from threadpoolctl import ThreadpoolController, threadpool_info
from kmnist_mlp.support.threads import one_blas_thread

def threads():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()
            if pool["user_api"] == "blas"}

for blas in ThreadpoolController().select(user_api="blas").lib_controllers:
    blas.set_num_threads(2)
before = threads()
with one_blas_thread():
    assert "scipy" not in sys.modules
    import scipy.linalg
    loaded = threads()
    with one_blas_thread():
        assert set(threads().values()) == {1}
    assert set(threads().values()) == {1}
assert threads() == {**loaded, **before}
"""


def test_one_blas_thread_holds_for_a_blas_that_is_loaded_later():
    done = subprocess.run([sys.executable, "-c", SCIPY_COMES_LATER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- memory --------------------------------------------------------------------------------------


def peak(function, *arguments):
    """Return the number of bytes that a call holds at most beyond those held before it."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def prepared(make_dataset):
    """Return the baseline's run, prepared for 3,200 images of 28 x 28."""
    data = make_dataset(classes=10, train=3200, test=10, side=28)  # 20 whole mini-batches
    return Training(Config(L2_penalty=1e-4), data)


def test_an_epoch_allocates_no_array_of_a_mini_batch_or_of_the_weights(prepared):
    smallest = min(128 * 784, 784 * 128) * 4
    prepared.train_epoch()
    assert peak(prepared.train_epoch) < smallest / 2
