"""Training can be watched and stopped, at no cost in bits and little in time."""

import io
import signal
import sys
from collections import namedtuple
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from options import ALL_CHANGED
from shown import lines, points

from kmnist_mlp import Config, train
from kmnist_mlp.callbacks import Live, live
from kmnist_mlp.callbacks.live import curves_figure, ended, svg
from kmnist_mlp.results import Callback

CONFIG = Config(layer_specs=(36, 8, 3), learning_rate=0.01, batch_size=32, epochs=6)
NO_VALIDATION = ALL_CHANGED.replace(validation_fraction=0)
Picture = namedtuple("Picture", "kind figure title alt")
IMAGE, HTML = "image/svg+xml", "text/html"  # the former is also seen where HTML is filtered


def assert_same(one, other):
    """Two runs have the same bits."""
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    for name in ("curves", "returned", "best_epoch", "stopped_epoch", "test_loss"):
        np.testing.assert_equal(getattr(one, name), getattr(other, name))


class Press(Callback):
    """Press the stop button, or Ctrl-C, twice within one mini-batch."""

    def __init__(self, number):
        self.number, self.batches = number, 0

    def batch(self, epochs_done):
        self.batches += 1
        for _ in range(2 * (self.batches == self.number)):
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def shown(monkeypatch):
    """Make this process look like a notebook in JupyterLab; return the list of what it displays.

    There is a picture after each mini-batch; it is not drawn.
    """
    pictures, places = [], []

    def display(data, metadata, raw, display_id, update):
        assert raw and update == (display_id in places), "in the place of the last one"
        places.append(display_id)
        kind, *others = metadata
        assert others in ([], [HTML]) and data.keys() == {*metadata, "text/plain"}
        pictures.append(Picture(kind, *data[kind], metadata[kind]["alt"]))

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    monkeypatch.setattr(live, "svg", lambda figure, title: (figure, title))
    return pictures


# ---- in a notebook ---------------------------------------------------


def test_a_picture_grows_in_its_place_and_the_last_one_stays(tiny, shown):
    result = train(CONFIG, tiny, callbacks=[Live()])
    assert len(shown) == 1 + 6 * (6 + 1) + 1  # 192 images in batches of 32
    assert shown[0].title == "epoch 1 of 6 begins"
    titles = [picture.title.partition("\xa0%")[0] for picture in shown[8:14]]
    assert titles == [f"epoch 2 of 6, {share}" for share in (8, 25, 42, 58, 75, 92)]
    curves = [picture.figure.axes[0].lines[0].get_ydata() for picture in shown[:-1]]
    assert [len(curve) for curve in curves] == sorted([0, *list(range(6)) * 6, *range(1, 7)])
    assert [picture.kind for picture in shown] == [HTML] * 43 + [IMAGE]
    assert f"{100 * result.test_accuracy:.2f}\xa0%" in shown[-1].title == ended(result)
    assert ended(result) in shown[-1].alt


@pytest.mark.parametrize("config", [CONFIG, ALL_CHANGED], ids=["defaults", "all options changed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_watching_changes_no_bit(tiny, shown, config, dtype):
    watched = train(config, tiny, dtype, callbacks=[Live()])
    assert_same(watched, train(config, tiny, dtype))


@pytest.mark.parametrize(
    "config", [CONFIG.replace(learning_rate=0.05, epochs=20, early_stop_epoch=3), NO_VALIDATION]
)
def test_the_picture_shows_the_curves_and_marks_the_best_epoch(tiny, shown, config):
    result = train(config, tiny, callbacks=[Live()])
    figure = shown[-1].figure
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
    titles = [axis.get_title("left") for axis in figure.axes]
    assert titles == ["Loss (cross-entropy per example / 3)", "Accuracy, %"]
    assert [text.get_text() for text in figure.legends[0].get_texts()][: len(parts)] == parts


def test_where_nobody_looks_only_the_last_picture_is_shown(tiny, shown, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME")
    train(CONFIG, tiny, callbacks=[Live()])
    assert [picture.kind for picture in shown] == [IMAGE]


def test_an_object_can_watch_one_run_after_another(tiny, shown):
    watch, before = Live(), signal.getsignal(signal.SIGINT)
    one, other = (train(CONFIG, tiny, callbacks=[watch]) for _ in range(2))
    assert_same(one, other)
    stopped = train(CONFIG, tiny, callbacks=[watch, lambda progress: progress.epoch == 2])
    assert stopped.interrupted and stopped.stopped_epoch == 2
    wild = CONFIG.replace(learning_rate=1e30, activation="ReLU")
    with np.errstate(all="ignore"):
        diverged = train(wild, tiny, callbacks=[watch])
    assert diverged.diverged
    with pytest.raises(ZeroDivisionError):
        train(CONFIG, tiny, callbacks=[watch, lambda progress: 1 / 0])
    last = [picture.title for picture in shown if picture.kind == IMAGE]
    assert last == [ended(result) for result in (one, other, stopped, diverged)]
    assert signal.getsignal(signal.SIGINT) is before


# ---- the stop button -------------------------------------------------


@pytest.mark.parametrize(("batch_size", "number", "epochs"), [(32, 15, 2), (1, 20, 0)])
def test_a_press_ends_the_run_at_once(tiny, shown, monkeypatch, batch_size, number, epochs):
    monkeypatch.setattr(live, "DOUBLE_CLICK", 600.0)  # both presses count as one
    press, before = Press(number), signal.getsignal(signal.SIGINT)
    config = CONFIG.replace(batch_size=batch_size)
    result = train(config, tiny, callbacks=[press, Live()])
    assert result.interrupted and press.batches == number and result.stopped_epoch == epochs
    if epochs:  # the model and history of the epochs that were trained
        assert_same(result, train(config.replace(epochs=epochs), tiny))
    assert shown[-1].title == ended(result) and signal.getsignal(signal.SIGINT) is before


def test_another_press_a_second_later_leaves_at_once(tiny, shown, monkeypatch):
    monkeypatch.setattr(live, "DOUBLE_CLICK", 0.0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tiny, callbacks=[Live(), Press(3)])
    assert signal.getsignal(signal.SIGINT) is before
    assert {picture.kind for picture in shown} == {HTML}, "there is no result to show"


# ---- in a terminal and a log -----------------------------------------


@pytest.mark.parametrize("config", [CONFIG, NO_VALIDATION])
def test_a_terminal_gets_one_line_and_a_log_nothing(tiny, monkeypatch, config):
    written = io.StringIO()
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    train(config, tiny, callbacks=[Live()])
    assert written.getvalue() == ""
    written.isatty = lambda: True
    result = train(config, tiny, callbacks=[Live()])
    text = written.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n"), "the line is written over itself"
    *_, before, last = text.rstrip().split("\r")
    part = "validation" if config is CONFIG else "training"
    accuracy = 100 * result.curves[f"{part}_accuracy"][-1]
    assert f"{part} accuracy {accuracy:.2f}\xa0%" in before and last == ended(result)
    with pytest.raises(ZeroDivisionError):
        train(config, tiny, callbacks=[lambda progress: 1 / 0, Live()])
    assert written.getvalue().count("\n") == 2, "an error stands below the line"


# ---- what it costs, what it says -------------------------------------


@pytest.fixture
def time_(monkeypatch):
    """Stands for the time: what is watched lets it pass."""
    time_ = SimpleNamespace(now=0.0)
    monkeypatch.setattr(live.time, "perf_counter", lambda: time_.now)
    return time_


def told(time_, batches, epoch=0, cost=0.0, confirm=pytest.fail, **changes):
    """Watch CONFIG with changes: mini-batches that end at (now, epochs done); return the texts."""
    texts = []

    def show(text, *_):
        texts.append(text)
        time_.now += cost

    run = SimpleNamespace(config=CONFIG.replace(**changes), epoch=epoch, curves=dict)
    watch = Live(show, confirm=confirm)
    watch.start(run)
    for time_.now, epochs_done in batches:
        run.epoch = int(epochs_done)
        watch.batch(epochs_done)
    watch.end(None)
    return texts


def test_pictures_take_a_small_share_of_the_time(time_):
    batches = ((time_.now + 0.1, number / 2) for number in range(2000))
    drawn = len(told(time_, batches, cost=0.08, confirm=None, epochs=1000))
    assert drawn > 5 and 0.08 * drawn / time_.now < 0.11


@pytest.mark.parametrize(
    ("before", "early_stop", "text"),
    [
        (0, True, "epoch 6 of 100, 1\xa0% · 8 s gone, at most 1 min 35 s to go"),
        (45, False, "epoch 51 of 100, 1\xa0% · 8 s gone, 50 s to go"),
    ],
)
def test_the_time_left_is_estimated(time_, before, early_stop, text):
    batches = [(3.0, before + 0.01), (8.0, before + 5.01)]
    first, second, last = told(time_, batches, before, epochs=100, early_stop=early_stop)
    assert first == f"epoch {before + 1} of 100 begins" and last == text
    assert "to go" not in second


def test_a_long_run_is_to_be_confirmed(time_):
    asked = []

    def confirm(sentence):
        asked.append(sentence)
        time_.now += 100

    batches = [(3, 0.05), (5, 0.15), (107, 0.25), (109, 0.35)]  # ten an epoch, of 2 s
    *_, last = told(time_, batches, confirm=confirm, epochs=1000)
    assert asked == ["This run takes up to 5 h 33 min."]
    assert last.endswith("4 s gone, at most 5 h 33 min to go"), "waiting is no training"


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [np.nan]])
def test_any_curve_makes_a_picture_with_its_text_and_a_stand_in_is_marked(values):
    one = {"a < b": (np.array(values), np.array(values), {"color": "#000000"})}
    for name in ("KMNIST", "stand-in data"):
        picture = svg(curves_figure("1 < 2", 0.5, one, ("Loss", "Accuracy"), name), "1 < 2")
        assert picture.startswith("<svg ") and "<title>1 &lt; 2</title>" in picture
        assert "nan" not in picture and ("STAND-IN DATA" in picture) == (name != "KMNIST")
