"""Training can be watched and stopped, at no cost in bits and little in time."""

import io
import os
import re
import signal
import sys
import threading
import time
import types

import numpy as np
import pytest
from IPython.display import DisplayHandle
from options import ALL_CHANGED

from kmnist_mlp import Config, train
from kmnist_mlp.callbacks import Checkpoint, Live, live
from kmnist_mlp.callbacks.live import Throttle, clock, ended, time_left
from kmnist_mlp.callbacks.svg import ACROSS, BOTTOM, LEFTS, TOP, Line, chart
from kmnist_mlp.results import Callback

CONFIG = Config(layer_specs=(36, 8, 3), learning_rate=0.01, batch_size=32, epochs=6)
has_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to oneself")


def assert_same(one, other):
    """Two runs have the same bits."""
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    for name in ("curves", "returned", "best_epoch", "stopped_epoch", "test_loss"):
        np.testing.assert_equal(getattr(one, name), getattr(other, name))


def interrupt(times=1):
    """Press the stop button, or Ctrl-C."""
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


class Pictures(list):
    """What was displayed, and how often not in the place of another."""

    displays = 0


@pytest.fixture
def shown(monkeypatch):
    """Make this process look like a notebook in JupyterLab; return the list of what it displays."""
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
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)  # a picture after every epoch
    return pictures


def standard_error(monkeypatch, is_terminal):
    """Make this process look like no notebook; return what it writes to standard error."""
    written = io.StringIO()
    written.isatty = lambda: is_terminal
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", written)
    return written


# ---- in a notebook -------------------------------------------------------------------------------


def test_a_picture_grows_in_its_place_and_the_last_one_stays(tiny, shown):
    result = train(CONFIG, tiny, callbacks=[Live()])
    assert len(shown) == CONFIG.epochs + 1 and shown.displays == 1
    for epoch, (data, _) in enumerate(shown[:-1], start=1):
        assert f"epoch {epoch} of 6" in data["text/html"]
        points = data["text/html"].split('<polyline points="')[1].split('"')[0]
        assert len(points.split()) == epoch
    data, metadata = shown[-1]
    assert set(data) == {"image/svg+xml", "text/plain"}, "also seen where HTML is filtered"
    assert f"{100 * result.test_accuracy:.2f}\xa0%" in data["image/svg+xml"]
    assert ended(result) in metadata["image/svg+xml"]["alt"]


@pytest.mark.parametrize("config", [CONFIG, ALL_CHANGED], ids=["defaults", "all options changed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_watching_changes_no_bit_of_the_result(tiny, shown, config, dtype):
    watched = train(config, tiny, dtype, callbacks=[Live()])
    assert_same(watched, train(config, tiny, dtype))
    assert watched.model.dtype == dtype
    assert len(shown) == config.epochs + 1


def panels_of(picture):
    """Return what each panel shows, read off its axes: title, curves by name, marked epoch."""
    texts = [
        (float(x), float(y), text)
        for x, y, text in re.findall(r'<text x="(\S+)" y="(\S+)" .*?>(.*?)</text>', picture)
    ]
    legend = re.findall(r'<path d="M\S+ 60h24" (.*?)/>\n<text.*?>(.*?)</text>', picture)
    for left in LEFTS:
        (title,) = [text for x, y, text in texts if (x, y) == (left, TOP - 14)]
        heights = [(y - 4, float(text)) for x, y, text in texts if x == left - 8]
        places = [
            (x, float(t)) for x, y, t in texts if y == BOTTOM + 18 and 0 <= x - left <= ACROSS
        ]
        value, epoch = (np.poly1d(np.polyfit(*np.transpose(t), 1)) for t in (heights, places))
        curves, marked = {}, []
        for style, name in legend:
            for points in re.findall(rf'<polyline points="(.*?)" {re.escape(style)}/>', picture):
                x, y = np.transpose([list(map(float, p.split(","))) for p in points.split()])
                if left <= x[0] <= left + ACROSS:
                    curves[name] = epoch(x), value(y)
            for x in re.findall(rf'<path d="M(\S+) {TOP}V{BOTTOM}" {re.escape(style)}/>', picture):
                if left <= float(x) <= left + ACROSS:
                    marked.append((name, round(epoch(float(x)), 1)))
        yield title, curves, marked


def test_the_picture_shows_the_curves_of_the_run_and_marks_its_best_epoch(tiny, shown):
    config = CONFIG.replace(learning_rate=0.05, epochs=20, early_stop_epoch=3)
    result = train(config, tiny, callbacks=[Live()])
    assert result.best_epoch < result.stopped_epoch < 20
    loss, accuracy = panels_of(shown[-1][0]["image/svg+xml"])
    for (title, curves, marked), quantity, factor in (
        (loss, "loss", 1),
        (accuracy, "accuracy", 100),
    ):
        assert title == {1: "Loss (cross-entropy per example / 3)", 100: "Accuracy, %"}[factor]
        assert list(curves) == ["training", "validation"]
        for part, (epochs, values) in curves.items():
            expected = factor * result.curves[f"{part}_{quantity}"]
            np.testing.assert_allclose(epochs, range(1, result.stopped_epoch + 1), atol=0.02)
            np.testing.assert_allclose(
                values, expected, atol=0.002 * np.ptp(expected) + 0.001 * factor
            )
        best = result.best_epoch
        assert marked == [(f"lowest validation loss: epoch {best}", best)]


def test_without_validation_images_the_training_curves_are_shown(tiny, shown):
    config = ALL_CHANGED.replace(validation_fraction=0)
    train(config, tiny, callbacks=[Live()])
    picture = shown[-1][0]["image/svg+xml"]
    assert picture.count("<polyline") == 2 and "nan" not in picture
    assert "validation" not in picture


def test_where_nobody_looks_only_the_last_picture_is_shown(tiny, shown, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME")
    train(CONFIG, tiny, callbacks=[Live()])
    assert len(shown) == 1 and "image/svg+xml" in shown[0][0]


def test_another_callback_can_end_a_watched_run(tiny, shown):
    result = train(CONFIG, tiny, callbacks=[Live(), lambda progress: progress.epoch == 2])
    assert result.interrupted and result.stopped_epoch == 2
    assert ended(result) in shown[-1][0]["image/svg+xml"]


def test_the_same_object_can_watch_one_run_after_another(tiny, shown):
    watch = Live()
    one, other = (train(CONFIG, tiny, callbacks=[watch]) for _ in range(2))
    assert_same(one, other)
    assert shown.displays == 2


def test_a_run_that_diverged_at_once_can_be_shown(tiny, shown):
    config = CONFIG.replace(learning_rate=1e30, activation="ReLU")
    with np.errstate(all="ignore"):
        result = train(config, tiny, callbacks=[Live()])
    assert result.diverged and ended(result) in shown[-1][0]["image/svg+xml"]


def test_where_training_fails_nothing_is_shown_and_the_stop_button_is_restored(tiny, shown):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="layer_specs"):
        train(CONFIG.replace(layer_specs=(784, 3)), tiny, callbacks=[Live()])
    assert shown == [] and signal.getsignal(signal.SIGINT) is before


def test_the_stop_button_is_restored_even_if_the_last_picture_cannot_be_shown(
    tiny, shown, monkeypatch
):
    def fail(self, data, metadata=None, raw=False):
        if "image/svg+xml" in data:
            raise OSError("the kernel's connection is closed")

    monkeypatch.setattr(DisplayHandle, "update", fail)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(OSError, match="closed"):
        train(CONFIG, tiny, callbacks=[Live()])
    assert signal.getsignal(signal.SIGINT) is before


# ---- the stop button -----------------------------------------------------------------------------


@has_signals
def test_the_stop_button_ends_training_and_keeps_the_best_model(tiny, shown):
    before = signal.getsignal(signal.SIGINT)

    def press(progress):
        if progress.epoch == 3:
            interrupt(times=2)  # a double click counts as one

    result = train(CONFIG, tiny, callbacks=[press, Live()])
    assert result.interrupted and 3 <= result.stopped_epoch <= 4
    unwatched = train(CONFIG.replace(epochs=result.stopped_epoch), tiny)
    assert_same(result, unwatched)  # the model and history of the epochs that were trained
    assert ended(result) in shown[-1][0]["image/svg+xml"]
    assert signal.getsignal(signal.SIGINT) is before


@has_signals
def test_the_stop_button_ends_a_long_epoch_within_a_mini_batch(tiny, shown):
    class Press(Callback):
        batches = 0

        def batch(self, epochs_done):
            self.batches += 1
            if self.batches == 20:
                interrupt()

    press = Press()
    result = train(CONFIG.replace(batch_size=1), tiny, callbacks=[press, Live()])
    assert result.interrupted and press.batches <= 22 and result.stopped_epoch == 0
    assert ended(result) in shown[-1][0]["image/svg+xml"]


@has_signals
def test_another_press_a_second_later_leaves_at_once(tiny, shown, monkeypatch):
    monkeypatch.setattr(live, "DOUBLE_CLICK", 0.0)
    before = signal.getsignal(signal.SIGINT)

    def press(progress):
        interrupt(times=2)
        time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tiny, callbacks=[Live(), press])
    assert signal.getsignal(signal.SIGINT) is before
    assert all("text/html" in data for data, _ in shown), "there is no result to show"


@has_signals
def test_without_live_the_stop_button_raises_as_everywhere(tiny):
    def press(progress):
        interrupt()
        time.sleep(0.01)

    # Where a shell started the tests in the background, they ignore the signal from the beginning.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, tiny, callbacks=[press])
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_it_is_watched_without_a_stop_button(tiny, shown):
    results, handlers, before = [], [], signal.getsignal(signal.SIGINT)
    watch = Live()
    train(CONFIG, tiny, callbacks=[watch])  # here, and then there

    def look(progress):
        handlers.append(signal.getsignal(signal.SIGINT))

    def work():
        results.append(train(CONFIG, tiny, callbacks=[watch, look]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert_same(results[0], train(CONFIG, tiny))
    assert len(shown) == 2 * 7 and set(handlers) == {before}


# ---- in a terminal and a log ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "part"),
    [
        (CONFIG, "validation"),
        (ALL_CHANGED, "validation"),
        (ALL_CHANGED.replace(validation_fraction=0), "training"),
    ],
)
def test_a_terminal_gets_one_line(tiny, monkeypatch, config, part):
    terminal = standard_error(monkeypatch, is_terminal=True)
    result = train(config, tiny, callbacks=[Live()])
    said = terminal.getvalue()
    assert_same(result, train(config, tiny))
    assert said.count("\n") == 1 and said.endswith("\n"), "the line is written over itself"
    last = said.rstrip("\n").split("\r")[-1]
    assert f"epoch {config.epochs} of {config.epochs}" in last
    accuracy = 100 * result.curves[f"{part}_accuracy"][-1]
    assert f"{part} accuracy {accuracy:.2f}\xa0%" in last


def test_a_log_gets_nothing(tiny, monkeypatch, capfd):
    log = standard_error(monkeypatch, is_terminal=False)
    train(CONFIG, tiny, callbacks=[Live()])
    assert log.getvalue() == "" and capfd.readouterr() == ("", "")


# ---- what it costs, what it says -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "epoch", "share"),
    [(0.2, 0.1, 0.03), (0.0, 0.01, 1.0)],
    ids=["slow pictures", "pictures that cost nothing"],
)
def test_pictures_take_a_small_share_of_the_time_and_are_not_drawn_too_often(
    monkeypatch, picture, epoch, share
):
    now = [0.0]
    monkeypatch.setattr(live.time, "perf_counter", lambda: now[0])
    throttle, drawn = Throttle(), []

    def draw():
        drawn.append(now[0])
        now[0] += picture

    for _ in range(1000):
        now[0] += epoch
        throttle.draw(draw)
    assert len(drawn) > 5 and min(np.diff(drawn)) >= live.SHORTEST
    assert picture * len(drawn) / now[0] < share


def test_a_picture_is_drawn_within_milliseconds():
    """Matplotlib needs some fifty times as long; so the bound is far from both."""
    values = np.random.default_rng(0).random(100)
    lines = [Line(name, values, "#000") for name in ("training", "validation")]
    durations = []
    for _ in range(20):
        began = time.perf_counter()
        chart("", 0.5, {"Loss": lines, "Loss again": lines}, "KMNIST")
        durations.append(time.perf_counter() - began)
    assert min(durations) < 0.01


@pytest.mark.parametrize(
    ("epoch", "early_stop", "before", "seconds", "times"),
    [
        (5, True, 0, 10.0, ["10 s", "3 min 10 s"]),
        (50, False, 0, 30.0, ["30 s", "30 s"]),
        (50, False, 45, 10.0, ["10 s", "1 min 40 s"]),
    ],
    ids=["so far, and at most", "certain", "after a checkpoint of 45 epochs"],
)
def test_the_time_that_is_left_is_told(epoch, early_stop, before, seconds, times):
    config = CONFIG.replace(epochs=100, early_stop=early_stop)
    text = time_left(epoch, config, seconds, before)
    assert re.findall(r"(?:\d+ min )?\d+ s", text) == times
    assert ("at most" in text) == early_stop and f"epoch {epoch} of 100" in text
    assert (clock(59.4), clock(60), clock(3725)) == ("59 s", "1 min 00 s", "1 h 02 min")


def test_a_watched_run_goes_on_from_its_checkpoint(tiny, shown, tmp_path):
    checkpoint = Checkpoint(tmp_path / "state.npz")
    train(CONFIG, tiny, callbacks=[checkpoint, lambda progress: progress.epoch == 2])
    began = []

    def ten_seconds_an_epoch(progress):
        began.append(progress.epoch)
        watch.began = time.perf_counter() - 10 * len(began)

    watch = Live()
    result = train(CONFIG, tiny, callbacks=[checkpoint, ten_seconds_an_epoch, watch])
    assert_same(result, train(CONFIG, tiny))
    assert began == [3, 4, 5, 6] and len(shown) == 5
    assert "10 s gone, at most 30 s to go" in shown[0][0]["text/html"]


def test_a_picture_of_the_stand_in_is_marked_and_text_is_escaped():
    lines = {"Loss": [Line("a < b", np.array([1.0, 0.5]), "#000")], "Accuracy": []}
    assert "STAND-IN DATA" in chart("", 0.1, lines, "stand-in data")
    picture = chart("1 < 2", 0.1, lines, "KMNIST")
    assert "STAND-IN" not in picture and "1 &lt; 2" in picture and "a &lt; b" in picture


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0], [0.0, 0.0], [1e-7, 3e6]])
def test_any_curve_makes_a_picture_of_finite_numbers(values):
    lines = [Line("one", np.array(values), "#000")]
    picture = chart("", 1.0, {"Loss": lines, "Accuracy": lines}, "KMNIST", len(values))
    assert "nan" not in picture and "inf" not in picture
