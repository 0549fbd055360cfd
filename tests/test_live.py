"""Training can be watched and stopped, at no cost in bits and little in time."""

import io
import os
import signal
import sys
import threading
import time
import types

import numpy as np
import pytest
from options import ALL_CHANGED
from shown import lines, points

from kmnist_mlp import Config, train
from kmnist_mlp.callbacks import Live, live
from kmnist_mlp.callbacks.live import clock, curves_figure, ended, svg
from kmnist_mlp.results import Callback

CONFIG = Config(layer_specs=(36, 8, 3), learning_rate=0.01, batch_size=32, epochs=6)
NO_VALIDATION = ALL_CHANGED.replace(validation_fraction=0)
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


@pytest.fixture
def shown(monkeypatch):
    """Make this process look like a notebook in JupyterLab; return the list of what it displays.

    There is a picture after each mini-batch; it is not drawn, its title and lines stand for it.
    """
    pictures, places = [], []

    def display(data, metadata, raw, display_id, update):
        assert raw and update == (display_id in places), "in the place of the last one"
        places.append(display_id)
        pictures.append((data, metadata))

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    monkeypatch.setattr(live, "svg", lambda figure, title: (figure, title))
    return pictures


def titles(shown, kind="text/html"):
    return [data[kind][1] for data, _ in shown if kind in data]


def last_title(shown):
    return titles(shown, "image/svg+xml")[-1]


# ---- in a notebook -------------------------------------------------------------------------------


def test_a_picture_grows_in_its_place_and_the_last_one_stays(tiny, shown):
    result = train(CONFIG, tiny, callbacks=[Live()])
    assert len(shown) == 1 + 6 * (6 + 1) + 1  # 192 images in batches of 32
    assert titles(shown)[0] == "epoch 1 of 6 begins"
    assert [t.partition(" ·")[0] for t in titles(shown)[8:14]] == [
        f"epoch 2 of 6, {share}\xa0%" for share in (8, 25, 42, 58, 75, 92)
    ]
    curves = [data["text/html"][0].axes[0].lines[0].get_ydata() for data, _ in shown[:-1]]
    assert [len(curve) for curve in curves] == sorted([0, *list(range(6)) * 6, *range(1, 7)])
    data, metadata = shown[-1]
    assert set(data) == {"image/svg+xml", "text/plain"}, "also seen where HTML is filtered"
    assert f"{100 * result.test_accuracy:.2f}\xa0%" in last_title(shown)
    assert ended(result) in metadata["image/svg+xml"]["alt"]


@pytest.mark.parametrize("config", [CONFIG, ALL_CHANGED], ids=["defaults", "all options changed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_watching_changes_no_bit_of_the_result(tiny, shown, config, dtype):
    watched = train(config, tiny, dtype, callbacks=[Live()])
    assert_same(watched, train(config, tiny, dtype))
    assert watched.model.dtype == dtype


@pytest.mark.parametrize(
    "config", [CONFIG.replace(learning_rate=0.05, epochs=20, early_stop_epoch=3), NO_VALIDATION]
)
def test_the_picture_shows_the_curves_of_the_run_and_marks_its_best_epoch(tiny, shown, config):
    result = train(config, tiny, callbacks=[Live()])
    figure, _ = shown[-1][0]["image/svg+xml"]
    parts = ["training", "validation"][: 1 + (config is not NO_VALIDATION)]
    for axis, quantity, factor in zip(figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
        for part in parts:
            (line,) = lines(axis, label=part)
            curve = factor * result.curves[f"{part}_{quantity}"]
            expected = np.transpose([range(1, result.stopped_epoch + 1), curve])
            np.testing.assert_array_equal(points([line]), expected)
        marks = [line.get_xdata()[0] for line in axis.lines if "lowest" in line.get_label()]
        assert marks == [result.best_epoch] * (len(parts) - 1)
        assert axis.get_xlim()[1] == max(5, result.stopped_epoch), "all epochs are seen"
    assert [axis.get_title("left") for axis in figure.axes] == [
        "Loss (cross-entropy per example / 3)", "Accuracy, %",
    ]  # fmt: skip
    assert [text.get_text() for text in figure.legends[0].get_texts()][: len(parts)] == parts
    assert figure.get_figwidth() <= 8.48, "the width of a cell in JupyterLab"


def test_where_nobody_looks_only_the_last_picture_is_shown(tiny, shown, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME")
    train(CONFIG, tiny, callbacks=[Live()])
    assert len(shown) == 1 and "image/svg+xml" in shown[0][0]


def test_an_object_can_watch_one_run_after_another_however_they_end(tiny, shown):
    watch, before = Live(), signal.getsignal(signal.SIGINT)
    one, other = (train(CONFIG, tiny, callbacks=[watch]) for _ in range(2))
    assert_same(one, other)
    ending = train(CONFIG, tiny, callbacks=[watch, lambda progress: progress.epoch == 2])
    assert ending.interrupted and ending.stopped_epoch == 2 and ended(ending) in last_title(shown)
    with np.errstate(all="ignore"):
        wild = CONFIG.replace(learning_rate=1e30, activation="ReLU")
        diverged = train(wild, tiny, callbacks=[watch])
    assert diverged.diverged and ended(diverged) in last_title(shown)
    with pytest.raises(ZeroDivisionError):
        train(CONFIG, tiny, callbacks=[watch, lambda progress: 1 / 0])
    assert signal.getsignal(signal.SIGINT) is before and len(titles(shown, "image/svg+xml")) == 4


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
    assert ended(result) in last_title(shown)
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
    assert ended(result) in last_title(shown)


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


def test_in_another_thread_it_is_watched_without_a_stop_button(tiny, shown):
    handlers, before = [], signal.getsignal(signal.SIGINT)
    look = [Live(), lambda progress: handlers.append(signal.getsignal(signal.SIGINT))]
    thread = threading.Thread(target=train, args=(CONFIG, tiny), kwargs={"callbacks": look})
    thread.start()
    thread.join()
    assert set(handlers) == {before} and "text/html" not in shown[-1][0]


# ---- in a terminal and a log ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "part"), [(CONFIG, "validation"), (NO_VALIDATION, "training"), (CONFIG, None)]
)
def test_a_terminal_gets_one_line_and_a_log_nothing(tiny, monkeypatch, config, part):
    written = io.StringIO()
    written.isatty = lambda: part is not None
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    result = train(config, tiny, callbacks=[Live()])
    assert_same(result, train(config, tiny))
    if part is None:
        assert written.getvalue() == ""
        return
    text = written.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n"), "the line is written over itself"
    *_, before, last = text.rstrip().split("\r")
    accuracy = 100 * result.curves[f"{part}_accuracy"][-1]
    assert f"{part} accuracy {accuracy:.2f}\xa0%" in before and last == ended(result)
    with pytest.raises(ZeroDivisionError):
        train(config, tiny, callbacks=[lambda progress: 1 / 0, Live()])
    assert written.getvalue().count("\n") == 2, "an error stands below the line"


# ---- what it costs, what it says -----------------------------------------------------------------


class Clock:
    """Stands for the time: what is watched lets it pass."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(live.time, "perf_counter", lambda: self.now)

    def begin(self, watch, epoch=0, **changes):
        """Begin a run of CONFIG with changes; ``epoch`` epochs are done before."""
        config = CONFIG.replace(**changes)
        watch.start(types.SimpleNamespace(config=config, epoch=epoch, curves=dict))

    def batch(self, watch, now, epochs_done):
        self.now = now
        watch.run.epoch = int(epochs_done)
        watch.batch(epochs_done)


def test_pictures_take_a_small_share_of_the_time(monkeypatch):
    time_, drawn = Clock(monkeypatch), []

    def draw(*_):
        drawn.append(time_.now)
        time_.now += 0.08

    watch = Live(draw)
    time_.begin(watch, epochs=1000)
    for number in range(2000):
        time_.batch(watch, time_.now + 0.1, number / 2)
    assert len(drawn) > 5 and 0.08 * len(drawn) / time_.now < 0.11


@pytest.mark.parametrize(
    ("before", "early_stop", "text"),
    [
        (0, True, "epoch 6 of 100, 1\xa0% · 8 s gone, at most 1 min 35 s to go"),
        (45, False, "epoch 51 of 100, 1\xa0% · 8 s gone, 50 s to go"),
    ],
)
def test_the_time_that_is_left_is_estimated_without_the_first_mini_batch(
    monkeypatch, before, early_stop, text
):
    time_, told = Clock(monkeypatch), []
    watch = Live(lambda text, *_: told.append(text))
    time_.begin(watch, epoch=before, epochs=100, early_stop=early_stop)
    time_.batch(watch, 3.0, before + 0.01)
    time_.batch(watch, 8.0, before + 5.01)
    assert told[0] == f"epoch {before + 1} of 100 begins" and told[-1] == text
    assert "to go" not in told[1]
    assert (clock(59.4), clock(60), clock(3725)) == ("59 s", "1 min 00 s", "1 h 02 min")


@pytest.mark.parametrize("epochs", [1000, 10])
def test_a_long_run_is_to_be_confirmed_with_the_time_of_all_its_mini_batches(monkeypatch, epochs):
    time_, told, asked = Clock(monkeypatch), [], []

    def confirm(sentence):
        asked.append(sentence)
        time_.now += 100

    watch = Live(lambda text, *_: told.append(text), confirm=confirm)
    time_.begin(watch, epochs=epochs)
    for number, now in enumerate((3.0, 5.0, 107.0, 109.0)):  # ten batches an epoch, of 2 s
        time_.batch(watch, now, 0.05 + 0.1 * number)
    if epochs == 1000:
        assert asked == ["This run takes up to 5 h 33 min."]
        assert told[-1].endswith("4 s gone, at most 5 h 33 min to go"), "waiting is no training"
    else:
        assert asked == []


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [np.nan]])
def test_any_curve_makes_a_picture_with_its_text_and_a_stand_in_is_marked(values):
    one = {"a < b": (np.array(values), np.array(values), {"color": "#000000"})}
    for name in ("KMNIST", "stand-in data"):
        picture = svg(curves_figure("1 < 2", 0.5, one, ("Loss", "Accuracy"), name), "1 < 2")
        assert picture.startswith("<svg ") and "<title>1 &lt; 2</title>" in picture
        assert "nan" not in picture and ("STAND-IN DATA" in picture) == (name != "KMNIST")
