"""Training can be watched and stopped, at no cost in bits and little in time."""

import io
import os
import signal
import threading
import time

import numpy as np
import pytest
from IPython.display import DisplayHandle

from kmnist_mlp import Config, train
from kmnist_mlp.callbacks import live
from kmnist_mlp.callbacks.live import Live, Throttle, clock, ended, time_left
from kmnist_mlp.callbacks.svg import Line, chart

CONFIG = Config(layer_specs=(36, 8, 3), learning_rate=0.01, batch_size=32, epochs=6)


def same(one, other):
    return (
        np.array_equal(one.model.parameters, other.model.parameters)
        and all(np.array_equal(one.curves[name], other.curves[name]) for name in one.curves)
        and (one.best_epoch, one.stopped_epoch) == (other.best_epoch, other.stopped_epoch)
        and (one.test_loss, one.returned) == (other.test_loss, other.returned)
    )


class Pictures(list):
    """What was displayed, and how often not in the place of another."""

    displays = 0


@pytest.fixture
def shown(monkeypatch):
    """Pretend to be a notebook that someone looks at; return the list of what it displays."""
    pictures = Pictures()

    def display(data, metadata=None, raw=False, display_id=None):
        assert raw and display_id is True, "a display that can be updated"
        pictures.append((data, metadata))
        pictures.displays += 1
        return DisplayHandle()

    def update(self, data, metadata=None, raw=False):
        assert raw and pictures
        pictures.append((data, metadata))

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(DisplayHandle, "update", update)
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "someone_looks", lambda: True)
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)  # a picture after every epoch
    return pictures


# ---- the hook ------------------------------------------------------------------------------------


def test_on_epoch_sees_every_epoch_with_the_curves_so_far(tiny):
    seen = []

    def look(progress):
        best = progress.curves["validation_loss"].argmin() + 1
        seen.append((progress.epoch, progress.best_epoch == best, len(progress.curves)))
        assert {len(curve) for curve in progress.curves.values()} == {progress.epoch}

    result = train(CONFIG, tiny, on_epoch=look)
    assert seen == [(epoch, True, 4) for epoch in range(1, 7)]
    assert same(result, train(CONFIG, tiny)) and not result.interrupted


def test_on_epoch_also_sees_the_epoch_at_which_patience_ends(tiny):
    config, seen = CONFIG.replace(learning_rate=0.5, epochs=60, early_stop_epoch=2), []
    result = train(config, tiny, on_epoch=lambda progress: seen.append(progress.epoch))
    assert seen[-1] == result.stopped_epoch < 60 and not result.interrupted


@pytest.mark.parametrize("early_stop", [True, False])
def test_a_true_answer_ends_training_and_the_best_model_so_far_is_kept(tiny, early_stop):
    config = CONFIG.replace(learning_rate=0.2, epochs=30, early_stop=early_stop)
    models = []

    def until_it_got_worse(progress):
        models.append(progress.model.parameters.copy())
        return progress.epoch > progress.best_epoch

    result = train(config, tiny, on_epoch=until_it_got_worse)
    assert result.interrupted and result.best_epoch == result.stopped_epoch - 1
    np.testing.assert_array_equal(result.model.parameters, models[result.best_epoch - 1])
    assert len(result.history) == result.stopped_epoch
    best = result.history.iloc[result.best_epoch - 1]
    assert result.returned["validation_loss"] == best.validation_loss
    assert "interrupted after epoch" in repr(result)


def test_what_on_epoch_raises_is_passed_on(tiny):
    def fail(progress):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        train(CONFIG, tiny, on_epoch=fail)


@pytest.mark.parametrize(
    ("given", "told"),
    [({"live": 1}, "live must be of the kind bool; got 1"), ({"on_epoch": 3}, "callable; got 3")],
)
def test_a_bad_argument_is_named(tiny, given, told):
    with pytest.raises(ValueError, match=told):
        train(CONFIG, tiny, **given)


# ---- in a notebook -------------------------------------------------------------------------------


def test_a_picture_grows_in_its_place_and_the_last_one_stays(tiny, shown):
    result = train(CONFIG, tiny, live=True)
    assert len(shown) == CONFIG.epochs + 1 and shown.displays == 1
    for epoch, (data, _) in enumerate(shown[:-1], start=1):
        assert f"epoch {epoch} of 6" in data["text/html"] and "to go" in data["text/html"]
        points = data["text/html"].split('<polyline points="')[1].split('"')[0]
        assert len(points.split()) == epoch
    data, metadata = shown[-1]
    assert set(data) == {"image/svg+xml", "text/plain"}, "also seen where HTML is filtered"
    assert f"test accuracy {result.test_accuracy:.2%}" in data["image/svg+xml"]
    assert ended(result) in metadata["image/svg+xml"]["alt"]


def test_watching_changes_no_bit_of_the_result(tiny, shown):
    assert same(train(CONFIG, tiny, live=True), train(CONFIG, tiny))


def test_where_nobody_looks_only_the_last_picture_is_shown(tiny, shown, monkeypatch):
    monkeypatch.setattr(live, "someone_looks", lambda: False)
    train(CONFIG, tiny, live=True)
    assert len(shown) == 1 and "image/svg+xml" in shown[0][0]


def test_on_epoch_is_called_while_watching_too_and_can_end_training(tiny, shown):
    result = train(CONFIG, tiny, live=True, on_epoch=lambda progress: progress.epoch == 2)
    assert result.interrupted and result.stopped_epoch == 2
    assert "stopped by hand after 2 epochs" in shown[-1][0]["image/svg+xml"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to oneself")
def test_the_stop_button_ends_training_and_keeps_the_best_model(tiny, shown):
    before = signal.getsignal(signal.SIGINT)

    def press(progress):
        if progress.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)  # an impatient double click

    result = train(CONFIG, tiny, live=True, on_epoch=press)
    assert result.interrupted and 3 <= result.stopped_epoch <= 4
    unwatched = train(CONFIG.replace(epochs=result.stopped_epoch), tiny)
    assert same(result, unwatched), "the model and history of the epochs that were trained"
    assert "stopped by hand" in shown[-1][0]["image/svg+xml"]
    assert signal.getsignal(signal.SIGINT) is before, "the button is given back"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to oneself")
def test_another_press_a_second_later_leaves_at_once(tiny, shown, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.0)
    before = signal.getsignal(signal.SIGINT)

    def press(progress):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tiny, live=True, on_epoch=press)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to oneself")
def test_without_live_the_stop_button_raises_as_everywhere(tiny):
    def press(progress):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

    # Where a shell started the tests in the background, they ignore the signal from the beginning.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, tiny, on_epoch=press)
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_it_is_watched_without_a_stop_button(tiny, shown):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(CONFIG, tiny, live=True)))
    thread.start()
    thread.join()
    assert same(results[0], train(CONFIG, tiny)) and len(shown) == 7


def test_a_watched_run_goes_on_from_its_checkpoint(tiny, shown, tmp_path):
    path = tmp_path / "state.npz"
    train(CONFIG, tiny, checkpoint=path, live=True, on_epoch=lambda now: now.epoch == 2)
    pictures = len(shown)
    result = train(CONFIG, tiny, checkpoint=path, live=True)
    assert same(result, train(CONFIG, tiny)) and len(shown) - pictures == CONFIG.epochs - 2 + 1


# ---- in a terminal and a log ---------------------------------------------------------------------


def test_a_terminal_gets_one_line(tiny, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(live, "in_notebook", lambda: False)
    monkeypatch.setattr(live.sys, "stderr", terminal)
    result = train(CONFIG, tiny, live=True)
    said = terminal.getvalue()
    assert same(result, train(CONFIG, tiny))
    assert said.count("\n") == 1 and said.endswith("\n"), "the line is written over itself"
    last = said.rstrip("\n").split("\r")[-1]
    assert "epoch 6 of 6" in last
    assert f"validation accuracy {result.history.validation_accuracy.iloc[-1]:.2%}" in last


def test_a_log_gets_nothing(tiny, monkeypatch, capfd):
    monkeypatch.setattr(live, "in_notebook", lambda: False)
    monkeypatch.setattr(live, "someone_looks", lambda: False)
    train(CONFIG, tiny, live=True)
    assert capfd.readouterr() == ("", "")


# ---- what it costs, what it says -----------------------------------------------------------------


def test_pictures_take_a_small_share_of_the_time_however_slow_they_are(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(live.time, "perf_counter", lambda: now[0])
    throttle, drawn = Throttle(), []

    def slow_picture():
        drawn.append(now[0])
        now[0] += 0.2

    for _ in range(1000):  # epochs of a tenth of a second
        now[0] += 0.1
        throttle.draw(slow_picture)
    assert len(drawn) > 5, "but it is drawn"
    assert 0.2 * len(drawn) / now[0] < 0.03


def test_pictures_that_cost_nothing_are_drawn_no_oftener_than_one_can_see(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(live.time, "perf_counter", lambda: now[0])
    throttle, drawn = Throttle(), []
    for _ in range(1000):
        now[0] += 0.01
        throttle.draw(lambda: drawn.append(now[0]))
    assert min(np.diff(drawn)) >= live.SHORTEST and len(drawn) > 30


def test_a_picture_is_drawn_within_milliseconds(tiny):
    """Matplotlib needs some fifty times as long; so the bound is far from both."""
    result = train(CONFIG, tiny)
    curves = {name: np.resize(curve, 100) for name, curve in result.curves.items()}
    lines = [Line(name, curves[name], "#000") for name in ("training_loss", "validation_loss")]
    durations = []
    for _ in range(20):
        began = time.perf_counter()
        chart("", 0.5, {"Loss": lines, "Loss again": lines}, "KMNIST")
        durations.append(time.perf_counter() - began)
    training = result.seconds / result.stopped_epoch
    assert min(durations) < max(0.01, training)


def test_the_time_that_is_left_is_told(monkeypatch):
    assert time_left(5, CONFIG.replace(epochs=100), 10.0) == (
        "epoch 5 of 100 · 10 s gone, at most 3 min 10 s to go"
    )
    certain = CONFIG.replace(epochs=100, early_stop=False)
    assert time_left(50, certain, 30.0) == "epoch 50 of 100 · 30 s gone, 30 s to go"
    assert (clock(59.4), clock(60), clock(3725)) == ("59 s", "1 min 00 s", "62 min 05 s")


def test_a_picture_of_the_stand_in_is_marked_and_text_is_escaped():
    lines = {"Loss": [Line("a < b", np.array([1.0, 0.5]), "#000")], "Accuracy": []}
    assert "STAND-IN DATA" in chart("", 0.1, lines, "stand-in data")
    picture = chart("1 < 2", 0.1, lines, "KMNIST")
    assert "STAND-IN" not in picture and "1 &lt; 2" in picture and "a &lt; b" in picture


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0], [1e-7, 3e6]])
def test_any_curve_makes_a_picture_of_finite_numbers(values):
    lines = [Line("one", np.array(values), "#000")]
    picture = chart("", 1.0, {"Loss": lines, "Accuracy": lines}, "KMNIST", len(values))
    assert "nan" not in picture and "inf" not in picture


def test_a_run_that_diverged_at_once_can_be_shown(tiny, shown):
    with np.errstate(all="ignore"):
        result = train(CONFIG.replace(learning_rate=1e30, activation="ReLU"), tiny, live=True)
    assert result.diverged and "diverged in epoch 1" in shown[-1][0]["image/svg+xml"]


def test_live_is_no_part_of_the_display_where_training_fails(tiny, shown):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="layer_specs"):
        train(CONFIG.replace(layer_specs=(784, 3)), tiny, live=True)
    assert shown == [] and signal.getsignal(signal.SIGINT) is before
    assert Live(CONFIG, "KMNIST").asked is None


def test_on_epoch_sees_the_best_model_and_a_watched_run_has_the_precision_asked_for(tiny, shown):
    seen = []
    result = train(
        CONFIG,
        tiny,
        np.float64,
        live=True,
        on_epoch=lambda now: seen.append(now.best_model.parameters.copy()),
    )
    assert result.model.dtype == np.float64
    np.testing.assert_array_equal(seen[result.best_epoch - 1], seen[-1])
    assert np.isfinite(seen[-1]).all()
