"""Training follows the conventions of the report: each has a test that fails without it."""

import threading
import tracemalloc

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  # its BLAS comes with the first training
from options import ALL_CHANGED
from textbook import some_batch, some_model
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


class Losses(Callback):
    """Lets a run measure the given losses, one an epoch, and keeps the networks measured."""

    def __init__(self, validation, training=None):
        super().__init__()
        self.validation, self.networks = validation, []
        self.training = training or [1.0] * len(validation)

    def start(self, run):
        run.measure = self.measure

    def measure(self, model):
        epoch = len(self.networks)
        self.networks.append(model.copy())
        return (self.training[epoch], 0.5, self.validation[epoch], 0.25)


def diary(calls):
    """Return a callback that writes down what its methods are called with."""
    watch = Callback(lambda progress: calls.append(progress.epoch))
    watch.start = watch.end = calls.append
    return watch


def plain_loss_and_accuracy(model, x, y):
    p = model.predict_proba(x).astype(np.float64)
    loss = -np.log(p[np.arange(len(y)), y]).mean() / p.shape[1]
    return loss, (p.argmax(axis=1) == y).mean()


# ---- options ---------------------------------------------------------

STOPS_EARLY = quick(early_stop_epoch=1, learning_rate=0.02, epochs=30)


@pytest.mark.parametrize("name", [row["name"] for row in Config.options()])
def test_every_option_changes_the_result(tiny, name):
    base = STOPS_EARLY if name.startswith("early_stop") else quick(early_stop=False, distortion=1)
    value = getattr(ALL_CHANGED, name)
    assert value != getattr(base, name)
    one, other = (train(config, tiny).model for config in (base, base.replace(**{name: value})))
    assert not np.array_equal(one.parameters, other.parameters)


def test_a_trained_network_carries_its_standardisation_and_takes_images_as_they_are(tiny):
    kinds = [quick(standardisation=kind) for kind in ("pixel", "image", "scale", "none")]
    for config in (ALL_CHANGED, ALL_CHANGED.replace(early_stop=True), *kinds):
        result, split = train(config, tiny), split_and_standardise(tiny, config)
        validated = result.returned["validation_loss"], result.returned["validation_accuracy"]
        assert evaluate(result.model, split.validation, split.validation_labels) == validated
        measured = result.test_loss, result.test_accuracy
        assert evaluate(result.model, tiny.test_images, tiny.test_labels) == measured
        x = standardise(tiny.test_images.reshape(60, -1).astype(np.float32), split.mean, split.std)
        assert evaluate(result.model, x, tiny.test_labels) == measured
        one = result.model.predict_proba(tiny.test_images[2])  # of one image
        np.testing.assert_allclose(one, result.model.predict_proba(x)[[2]], rtol=1e-4)


# ---- measuring -------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 700])
def test_the_reported_loss_is_the_mean_cross_entropy_divided_by_the_classes(rows):
    model, (x, y) = some_model((6, 5, 4)), some_batch((6, 5, 4), rows)
    loss, accuracy = evaluate(model, x, y)
    expected = plain_loss_and_accuracy(model, x, y)
    assert (loss, accuracy) == (pytest.approx(expected[0], rel=1e-12), expected[1])
    assert {type(loss), type(accuracy)} == {float}  # they print as plain numbers


@pytest.mark.parametrize(
    ("images", "fraction", "size"), [(240, 0.2, 20), (240, 0.5, 12), (240, 0, 24), (243, 0, 25)]
)
def test_curves_are_measured_on_the_same_images(make_dataset, images, fraction, size):
    """Without penalty; training: a tenth that the seed draws."""
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
    assert list(result.history.columns) == ["epoch", *CURVES] == ["epoch", *result.returned]
    assert np.isfinite(result.history).all(axis=None) == bool(fraction)
    last = result.history.iloc[-1][[*CURVES]]
    np.testing.assert_array_equal([*result.returned.values()], last)


def test_without_validation_images_the_last_network_is_the_best(tiny):
    config = quick(validation_fraction=0, early_stop=False)
    losses = Losses([np.nan] * 4, training=[4, 2, 3, 5])
    result = train(config, tiny, callbacks=[losses])
    assert not result.diverged and result.best_epoch == result.stopped_epoch == 4
    assert_same_parameters(result.model, losses.networks[3])
    stopped = train(config, tiny, callbacks=[lambda progress: progress.epoch == 2])
    assert_same_parameters(stopped.model, losses.networks[1])
    assert stopped.returned["training_loss"] == stopped.curves["training_loss"][1]


# ---- early stopping --------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "patience", "best", "stopped"),
    [
        pytest.param([5, 6, 4, 6, 3], 1, 1, 2, id="patience-of-one"),
        pytest.param([1, 2, 2, 0.5, 2, 2, 2, 2], 3, 4, 7, id="better-just-in-time"),
        pytest.param([1, 2, 2, 2, 0.5], 3, 1, 4, id="better-too-late"),
        pytest.param([1, 9, 8, 7, 6, 5], 4, 1, 5, id="better-than-the-last-is-not-enough"),
        pytest.param([2, 1, 1, 1, 1, 1], 3, 2, 5, id="as-good-is-not-better"),
        pytest.param([1, 1 - 1e-15, 2, 2], 2, 2, 4, id="the-smallest-improvement-counts"),
        pytest.param([3, 1, 2, 2], 5, 2, 4, id="the-epochs-run-out-first"),
    ],
)
def test_training_stops_after_exactly_the_patience(tiny, losses, patience, best, stopped):
    let, epochs = Losses(losses), max(4, stopped + (patience < 5) * 20)
    result = train(quick(epochs=epochs, early_stop_epoch=patience), tiny, callbacks=[let])
    assert result.best_epoch == result.kept_epoch == best
    assert result.stopped_epoch == stopped
    assert result.curves["validation_loss"].tolist() == losses[:stopped]
    assert result.returned["validation_loss"] == min(losses[:stopped])
    assert not result.diverged and not result.interrupted
    assert_same_parameters(result.model, let.networks[best - 1])
    test = evaluate(let.networks[best - 1], tiny.test_images, tiny.test_labels)
    assert (result.test_loss, result.test_accuracy) == test


# ---- divergence ------------------------------------------------------


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["training", "validation"])
def test_divergence_ends_training_with_the_best_weights_before_it(tiny, early_stop, broken, where):
    good, bad = [1, 1, 1, 1], [3, 1, 2, 2]
    let = Losses(*([good, bad[:3] + [broken]] if where == "training" else [bad[:3] + [broken]]))
    calls, config = [], quick(epochs=50, early_stop=early_stop)
    result = train(config, tiny, callbacks=[let, diary(calls)])
    assert result.diverged is True and calls[1:] == [1, 2, 3, result]
    assert "diverged at epoch 4, best epoch" in repr(result) and 0 < result.seconds < 60
    assert "learning_rate" in repr(result)
    assert result.kept_epoch == result.best_epoch == (1 if where == "training" else 2)
    assert result.curves[f"{where}_loss"].tolist() == [3, 1, 2]
    assert_same_parameters(result.model, let.networks[result.best_epoch - 1])
    assert result.returned["validation_loss"] == 1
    assert np.isfinite(result.model.parameters).all() and np.isfinite(result.test_loss)
    assert np.isfinite([*result.returned.values(), *result.history.min()]).all()


@pytest.mark.parametrize("fraction", [0.2, 0])
def test_divergence_in_the_first_epoch_gives_the_initial_weights_and_empty_curves(tiny, fraction):
    validated = {"validation_fraction": fraction, "early_stop": fraction > 0}
    config = quick(activation="ReLU", learning_rate=1e30, seed=2, **validated)
    result = train(config, tiny)
    assert result.diverged
    assert (result.kept_epoch, result.best_epoch, result.stopped_epoch) == (0, 0, 1)
    assert len(result.history) == 0 and list(result.history.columns) == ["epoch", *CURVES]
    assert_same_parameters(result.model, MLP(LAYERS, "ReLU", seed=2))
    measured = Training(config, tiny).measure(result.model)
    assert list(result.returned.values()) == pytest.approx(measured, nan_ok=True)
    assert np.isfinite([result.test_loss, *measured[:2]]).all()


# ---- callbacks -------------------------------------------------------


@pytest.mark.parametrize(("ends", "kept"), [(3, 2), (5, 5)])
def test_all_epochs_run_unless_a_callback_returns_true(tiny, ends, kept):
    """The last network is returned, but the best one if the run was ended."""
    calls, let = [], Losses([3, 1, 2, 4, 5])
    callbacks = [let, lambda progress: progress.epoch == ends < 5, diary(calls)]
    config = quick(epochs=5, early_stop=False, early_stop_epoch=1)
    result = train(config, tiny, callbacks=callbacks)
    assert calls[1:] == [*range(1, ends + 1), result]
    assert result.interrupted is (ends == 3) and not result.diverged
    assert (result.stopped_epoch, result.best_epoch, result.kept_epoch) == (ends, 2, kept)
    assert result.returned["validation_loss"] == let.validation[kept - 1]
    assert_same_parameters(result.model, let.networks[kept - 1])


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_callback_can_end_the_run_after_any_mini_batch_with_the_best_network_so_far(tiny, epochs):
    config = quick(early_stop=False)  # 192 images: six mini-batches an epoch
    ending, done, last, calls = Callback(), [], 6 * epochs + 4, []
    ending.batch = lambda epochs_done: done.append(epochs_done) or len(done) == last
    result = train(config, tiny, callbacks=[ending, diary(calls)])
    assert done == pytest.approx([n // 6 + (n % 6 + 0.5) / 6 for n in range(last)])
    assert calls[1:] == [*range(1, epochs + 1), result]
    assert result.interrupted and not result.diverged
    assert result.stopped_epoch == result.kept_epoch == len(result.history) == epochs
    shorter = train(quick(epochs=2), tiny).model if epochs else Training(config, tiny).model
    assert_same_parameters(result.model, shorter)
    assert all(np.isfinite(value) for value in result.returned.values())
    assert all(part in repr(result) for part in ("interrupted", f"epoch {epochs},"))


@pytest.mark.parametrize("method", ["start", "batch", "epoch", "end"])
def test_an_exception_of_a_callback_passes_through_and_the_others_hear_of_the_end(tiny, method):
    calls, broken = [], Callback()
    setattr(broken, method, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(quick(epochs=1), tiny, callbacks=[diary(calls), broken])
    run, *epochs, last = calls
    assert isinstance(run, Training) and epochs == [1] * (method in ("epoch", "end"))
    assert (last is None) == (method != "end")


def test_a_run_can_be_trained_by_hand_and_goes_back_to_a_state_that_was_kept(tiny):
    """state() is a copy: what is trained later does not change it."""
    for config in (quick(early_stop=False), ALL_CHANGED):
        run, whole = Training(config, tiny), train(config, tiny)
        run.train_epoch()
        run.measure_epoch()
        state = run.state()
        for _ in range(3):
            assert run.epoch == 1 and len(run.curves()["training_loss"]) == 1
            while not run.ended:
                run.train_epoch()
                run.measure_epoch()
            result = run.result()
            assert_same_parameters(result.model, whole.model)
            assert result.returned == whole.returned and result.best_epoch == whole.best_epoch
            run.restore(state)


# ---- threads ---------------------------------------------------------


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_trainings_use_one_blas_thread_and_give_the_others_back(tiny):
    seen, begun, ended = [], threading.Event(), threading.Event()
    watch, config = Callback(lambda _: seen.append(blas_threads())), quick(epochs=1)
    watch.start = watch.end = watch.epoch
    waiting = Callback(lambda _: begun.set() or ended.wait(60))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        both = [waiting, watch]
        other = threading.Thread(target=lambda: train(config, tiny, callbacks=both))
        other.start()
        begun.wait(60)
        train(config, tiny, callbacks=[watch])
        ended.set()
        other.join(60)
        assert seen == [[1] * len(before)] * 6 and blas_threads() == before


# ---- memory ----------------------------------------------------------


def test_an_epoch_allocates_no_array_of_a_mini_batch_or_of_the_weights(make_dataset):
    data = make_dataset(classes=10, train=3200, test=10, side=28)  # 20 whole mini-batches
    run = Training(Config(L2_penalty=1e-4), data)
    run.train_epoch()
    tracemalloc.start()
    run.train_epoch()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < min(128 * 784, 784 * 128) * 4 / 2


def test_progress_names_the_best_epoch_and_has_its_network(tiny):
    seen, config = [], quick(learning_rate=0.2, epochs=8, early_stop=False)

    def watch(progress):
        best = 1 + int(np.argmin(progress.curves["validation_loss"]))
        assert (progress.epoch, progress.best_epoch) == (len(seen) + 1, best)
        seen.append(progress.model.parameters.copy())
        np.testing.assert_array_equal(progress.best_model.parameters, seen[best - 1])

    result = train(config, tiny, callbacks=[watch])
    assert result.best_epoch < len(seen) == 8
    assert "stopped" in repr(result) and "interrupted" not in repr(result)
    run = Training(config, tiny)
    assert (run.seconds, run.result().interrupted) == (0, False)
