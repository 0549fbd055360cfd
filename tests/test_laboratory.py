"""The laboratory without a browser: its numbers are those of the network, its pictures static ones.

What a reader does with mouse and keyboard is in tests/test_jupyterlab.py.
"""

import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output
from options import ALL_CHANGED
from shown import lines, numbers_of, points, texts, ticks

from kmnist_mlp import MLP, Config, run, train
from kmnist_mlp.callbacks import live
from kmnist_mlp.callbacks.svg import chart
from kmnist_mlp.data import split_and_standardise, split_rows, standardise
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.laboratory import (
    Backpropagation,
    HiddenUnits,
    Laboratory,
    LossSurface,
    hidden_units,
    panel,
    watch,
)
from kmnist_mlp.laboratory.backpropagation import STEPS
from kmnist_mlp.laboratory.loss_surface import RATES
from kmnist_mlp.laboratory.records import epochs, how_it_ended
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.report.pages import Site, make_pages
from kmnist_mlp.support.colours import BLUE, GREY, ORANGE
from kmnist_mlp.training import Training

BASELINE = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)
OTHER = ALL_CHANGED.replace(layer_specs=(24, 12, 9, 3))


@pytest.fixture(scope="module")
def data(kana):
    return kana


@pytest.fixture(scope="module")
def baseline(data):
    return run({"baseline": BASELINE}, [0, 1], n_jobs=1, data=data, cache=False)


@pytest.fixture
def laboratory(data, baseline):
    return Laboratory(data, baseline)


@pytest.fixture(scope="module")
def other_data(tiny):
    """Images that are not square, in three classes, whose names are no text."""
    parts = {name: getattr(tiny, name)[:, :, :4] for name in ("train_images", "test_images")}
    return replace(tiny, **parts, class_names=(1, 2, 3), romaji=(10, 20, 30), name="stripes")


@pytest.fixture(scope="module")
def cases(data, baseline, other_data):
    """Return the run of a usual configuration, and of one with no default option, by name."""
    return {
        "usual": (baseline.of("baseline")[0], data),
        "other": (train(OTHER, other_data, np.float64), other_data),
    }


@pytest.fixture(params=["usual", "other"])
def case(cases, request):
    return cases[request.param]


def split_of(run, data):
    """Return the split that training made."""
    return split_and_standardise(data, run.config, run.model.dtype)


@pytest.mark.parametrize("look_into", [HiddenUnits, LossSurface])
def test_what_is_no_result_of_training_on_this_data_is_refused(cases, look_into):
    (run, data), (_, other_data) = cases.values()
    with pytest.raises(ValueError, match=r"run.*MLP\(36"):
        look_into(run.model, data)
    with pytest.raises(ValueError, match="data.*None"):
        look_into(run, None)
    with pytest.raises(ValueError, match=r"run.*24.*3.*stripes.*MLP\(36"):
        look_into(run, other_data)
    with pytest.raises(ValueError, match=r"run.*standardisation.*MLP\(36"):
        look_into(replace(run, model=MLP(run.model.layer_specs)), data)


# ---- runs ----------------------------------------------------------------------------------------


def test_the_panel_begins_with_the_configuration_that_it_compares_with(laboratory, cases):
    assert laboratory.chosen() == BASELINE.replace(epochs=20)
    _, other_data = cases["other"]
    results = run({"other": OTHER}, [7], n_jobs=1, data=other_data, cache=False)
    assert Laboratory(other_data, results).chosen() == OTHER.replace(epochs=20)


def test_the_panel_passes_on_what_is_chosen(laboratory):
    chosen = {
        "hidden": "12, 6", "activation": "sigmoid", "learning_rate": 0.5, "momentum_gamma": 0.98,
        "L1_penalty": 0.001, "L2_penalty": 0.2, "epochs": 7, "batch_size": 64,
        "early_stop_epoch": 3, "seed": 11,
    }  # fmt: skip
    for name, value in chosen.items():
        laboratory.controls[name].value = value
    hidden = chosen.pop("hidden")
    assert laboratory.chosen() == BASELINE.replace(layer_specs=(36, 12, 6, 10), **chosen)
    for text, layers in ((" 64-64 ", (36, 64, 64, 10)), ("", (36, 10)), (hidden, (36, 12, 6, 10))):
        laboratory.controls["hidden"].value = text
        assert laboratory.chosen().layer_specs == layers
    laboratory.controls["momentum_gamma"].value = 0.0
    assert not laboratory.chosen().momentum
    assert laboratory.chosen().early_stop
    laboratory.controls["early_stop_epoch"].value = 0
    assert not laboratory.chosen().early_stop


@pytest.mark.parametrize("text", ["many", "64.5", "64,,64", "-3", "0", "64; 64"])
def test_what_is_no_layer_is_shown_in_the_panel_and_not_trained(laboratory, text):
    laboratory.controls["hidden"].value = text
    laboratory.train_button.click()
    assert text in laboratory.message.value
    assert laboratory.worker is None and laboratory.results.names == ["baseline"]
    laboratory.controls["hidden"].value = "4"
    laboratory.train_button.click()
    laboratory.wait()
    assert laboratory.message.value == "" and laboratory.results.names == ["baseline", "lab run 1"]


def test_a_run_in_the_background_has_the_bits_of_one_in_the_foreground(laboratory):
    config = BASELINE.replace(activation="ReLU", L2_penalty=0.01)
    laboratory.start(config)
    laboratory.wait()
    laboratory.train(config)
    one, other = (laboratory.results.of(name)[0] for name in ("lab run 1", "lab run 2"))
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    assert one.config == config and not one.interrupted
    assert laboratory.run_menu.options == ("baseline", "lab run 1", "lab run 2")


def test_a_run_never_takes_the_name_of_another(data):
    named = {name: BASELINE.replace(epochs=1) for name in ("run 1", "lab run 1", "lab run 3")}
    laboratory = Laboratory(data, run(named, [0], n_jobs=1, data=data, cache=False))
    for _ in range(2):
        laboratory.train(BASELINE.replace(epochs=2))
    names = ["run 1", "lab run 1", "lab run 3", "lab run 2", "lab run 4"]
    assert laboratory.results.names == names
    assert [laboratory.results.of(n)[0].config.epochs for n in names] == [1, 1, 1, 2, 2]


def stop_at(laboratory, text):
    """Let the stop button be pressed as soon as a picture shows this text; return the pictures."""
    pictures = []

    def look(change):
        pictures.append(change.new)
        if text in change.new and not laboratory.stop_button.disabled:
            laboratory.stop_button.click()

    laboratory.picture.observe(look, "value")
    return pictures


@pytest.fixture
def each_picture(monkeypatch):
    """Let a picture be drawn after each mini-batch."""
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)


def bar(picture):
    """Return how much of a picture's bar is full."""
    full, done = (float(width) for width in re.findall(r'width="([\d.]+)" height="6"', picture))
    return done / full


def test_stop_ends_the_run_and_keeps_its_best_model(laboratory, each_picture):
    messages = []
    laboratory.message.observe(lambda change: messages.append(change.new), "value")
    pictures = stop_at(laboratory, "epoch 3 of")
    laboratory.start(BASELINE.replace(epochs=1000, early_stop=False))
    for another in (laboratory.start, laboratory.train):
        with pytest.raises(ValueError, match="a run is going on"):
            another(BASELINE)
    laboratory.wait()
    (run,) = laboratory.results.of("lab run 1")
    assert run.interrupted and run.stopped_epoch == 2
    assert run.returned["validation_loss"] == min(run.curves["validation_loss"])
    assert f"{100 * run.test_accuracy:.2f}\xa0%" in pictures[-1]
    assert bar(pictures[-1]) == pytest.approx(2 / 1000, abs=1e-3)
    assert len(messages) == 2 and "Stopping" in messages[0] and not messages[1]
    assert not laboratory.train_button.disabled and laboratory.stop_button.disabled
    assert laboratory.table().loc["lab run 1", "end"] == "stopped by hand"
    laboratory.train(BASELINE)  # only one run was to stop
    assert not laboratory.results.of("lab run 2")[0].interrupted
    assert bar(pictures[-1]) == 1


def test_a_run_is_shown_from_its_start_on_and_stops_within_its_first_epoch(
    laboratory, each_picture
):
    pictures = stop_at(laboratory, "epoch 1 of 9, ")
    laboratory.start(BASELINE.replace(batch_size=1, epochs=9))
    laboratory.wait()
    shares = [re.search(r"epoch 1 of 9, (\d+)", picture) for picture in pictures]
    assert [share[1] for share in shares if share] == ["0"], "one mini-batch of 240"
    assert "epoch 1 of 9 begins" in pictures[1], "the first one is drawn before the images are read"
    assert laboratory.results.names == ["baseline"] and "nothing" in pictures[-1]
    assert bar(pictures[-1]) == 0 and laboratory.stop_button.disabled


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_run_that_may_take_long_waits_for_a_confirmation_with_its_time(
    laboratory, monkeypatch, goes_on
):
    asked = threading.Event()
    monkeypatch.setattr(watch, "LONG", 0)
    show = laboratory.go_on_button.layout
    show.observe(lambda change: change.new == "" and asked.set(), "display")
    laboratory.start(BASELINE)
    assert asked.wait(60) and "per mini-batch" in laboratory.message.value
    assert laboratory.results.names == ["baseline"]
    (laboratory.go_on_button if goes_on else laboratory.stop_button).click()
    laboratory.wait()
    assert show.display == "none" and laboratory.message.value == ""
    assert laboratory.results.names == ["baseline", *["lab run 1"] * goes_on]


def test_the_longest_time_is_that_of_all_mini_batches(tiny10, monkeypatch):
    clock, sentences = iter([0.0, 3.0, 3.0, 5.0, 5.0, 5.0] + [6.0] * 1000), []
    monkeypatch.setattr(watch.time, "perf_counter", lambda: next(clock))
    looking = watch.Watch(lambda *shown: None, threading.Event(), sentences.append)
    looking.throttle.draw = lambda picture: None
    looking.start(Training(BASELINE.replace(epochs=1000), tiny10))
    for _ in range(2):
        looking.batch(0.1)
    # 240 images in batches of 32 are 8 of 2 s each
    assert sentences == ["This run takes up to 4 h 26 min: 2 s per mini-batch."]


def test_a_run_can_be_repeated_with_more_seeds_and_removed(laboratory):
    config = BASELINE.replace(seed=1, epochs=2)
    laboratory.train(config)
    laboratory.units("lab run 1")
    assert laboratory.own_menu.options == ("lab run 1",)
    button = {b.description: b for b in laboratory.own.children[1:]}
    button["Repeat with five seeds"].click()
    laboratory.wait()
    runs = laboratory.results.of("lab run 1")
    assert [run.config for run in runs] == [config.replace(seed=s) for s in (1, 0, 2, 3, 4)]
    row = laboratory.table().loc["lab run 1"]
    assert row["seed"] == "1, 0, 2, 3, 4" and row["end"] == "5 seeds"
    button["Show as code"].click()
    code = laboratory.code_text.value
    button["Remove"].click()
    assert laboratory.results.names == ["baseline"] and laboratory.own_menu.options == ()
    assert all(b.disabled for b in button.values()) and "lab run 1" not in laboratory.runs.value
    laboratory.train(BASELINE.replace(epochs=1))
    assert laboratory.results.names == ["baseline", "lab run 2"], "no name is used twice"
    names = {"data": laboratory.data}
    exec(code.partition("show_curves(mine")[0], names)
    again = names["mine"].of("lab run 1")
    for one, other in zip(runs, again, strict=True):
        np.testing.assert_array_equal(one.model.parameters, other.model.parameters)


def test_a_further_run_leaves_what_is_chosen_in_the_menus(laboratory):
    for number in (1, 2, 3):
        laboratory.train(BASELINE.replace(epochs=1))
        if number == 2:
            laboratory.run_menu.value = laboratory.own_menu.value = "lab run 2"
    assert laboratory.run_menu.value == laboratory.own_menu.value == "lab run 2"
    assert laboratory.own_menu.options == ("lab run 1", "lab run 2", "lab run 3")


def test_what_is_not_a_run_of_ones_own_is_neither_repeated_nor_removed(laboratory):
    for action in (laboratory.repeat, laboratory.remove):
        for name in ("baseline", "lab run 9", None):
            with pytest.raises(ValueError, match=f"name.*{name}"):
                action(name)


def test_a_stopped_run_is_not_repeated_and_stopping_a_repetition_keeps_whole_runs_only(
    laboratory, each_picture
):
    stop_at(laboratory, "epoch 3 of 50")
    laboratory.start(BASELINE.replace(epochs=50, early_stop=False))
    laboratory.wait()
    with pytest.raises(ValueError, match="'lab run 1'.*by hand"):
        laboratory.repeat("lab run 1")
    laboratory.train(BASELINE.replace(epochs=4, early_stop=False))
    stop_at(laboratory, "epoch 3 of 4")
    laboratory.repeat("lab run 2")
    laboratory.wait()
    assert len(laboratory.results.of("lab run 2")) == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"layer_specs": (784, 10)}, ["layer_specs", "36", "784"]),
        ({"validation_fraction": 0, "early_stop": False}, ["validation_fraction", "0"]),
    ],
)
def test_an_error_in_the_background_is_shown_in_the_panel(laboratory, changes, named):
    laboratory.start(BASELINE.replace(**changes))
    laboratory.wait()
    assert all(part in laboratory.message.value for part in named)
    assert not laboratory.train_button.disabled
    laboratory.start(BASELINE)
    laboratory.wait()
    assert laboratory.results.names == ["baseline", "lab run 1"]


def test_a_laboratory_refuses_other_data_and_an_experiment_without_validation_curves(
    baseline, cases
):
    _, other_data = cases["other"]
    with pytest.raises(ValueError, match="baseline.*stripes.*KMNIST"):
        Laboratory(other_data, baseline)
    config = OTHER.replace(validation_fraction=0)
    with pytest.raises(ValueError, match="validation_fraction.*0"):
        Laboratory(other_data, run(config, [0], n_jobs=1, data=other_data, cache=False))


def test_a_laboratory_refuses_an_experiment_without_runs_or_of_other_images(
    data, baseline, other_data
):
    with pytest.raises(ValueError, match="baseline"):
        Laboratory(data, Results.empty(data))
    with pytest.raises(ValueError, match="24 inputs.*36"):
        Laboratory(replace(other_data, name=data.name), baseline)


@pytest.mark.parametrize(
    ("look", "named"),
    [
        (lambda lab: lab.train(None), "config.*None"),
        (lambda lab: lab.units("baseline", -4), "first.*-4"),
        (lambda lab: lab.hidden_units("baseline").figure(first=8), "first.*7.*8"),
        (lambda lab: lab.hidden_units("baseline").figure(count=0), "count.*0"),
        (lambda lab: lab.hidden_units("baseline").figure(images=101), "images.*100.*101"),
        (lambda lab: lab.hidden_units("baseline").figure(images=0), "images.*0"),
        (lambda lab: Backpropagation().figure(-1), "number.*-1"),
        (lambda lab: Backpropagation().figure(len(STEPS)), f"number.*{len(STEPS)}"),
        (
            lambda lab: LossSurface(lab.results.of("baseline")[0], lab.data).figure("middle"),
            "stage.*'at the end'.*'middle'",
        ),
    ],
)
def test_what_there_is_not_is_refused_by_its_name(laboratory, look, named):
    with pytest.raises(ValueError, match=named):
        look(laboratory)


def test_the_panel_shows_the_experiment_the_last_runs_and_the_one_that_goes_on(laboratory):
    pictures = []
    laboratory.picture.observe(lambda change: pictures.append(change.new), "value")
    for _ in range(6):
        laboratory.train(BASELINE.replace(epochs=1))
    during, after = pictures[-2:]
    assert after.count("<polyline") == 2 * (1 + 4) and during.count("<polyline") == 2 * (1 + 4 + 1)
    assert "baseline" in after and ">lab run 2<" not in after and ">lab run 6<" in after
    assert ">this run<" in during


def test_the_table_tells_configuration_result_and_end_of_each_run(laboratory):
    laboratory.train(BASELINE.replace(L2_penalty=0.2, momentum=False, epochs=3))
    table = laboratory.table()
    row = table.loc["lab run 1"]
    (trained,) = laboratory.results.of("lab run 1")
    assert (row["layers"], row["L2 penalty"], row["momentum"]) == ("36-8-10", "0.2", "none")
    assert row["test accuracy, %"] == f"{100 * trained.test_accuracy:.2f}"
    assert list(table)[:3] == ["test accuracy, %", "validation accuracy, %", "epochs (best)"]
    assert row["epochs (best)"] == f"3 ({trained.best_epoch})" and row["end"] == "all epochs"
    assert table.iloc[0]["end"] == "2 seeds" and "±" in table.iloc[0]["test accuracy, %"]
    assert "<table" in laboratory.runs.value and "lab run 1" in laboratory.runs.value
    assert table.attrs["exhibit_data"].experiments["lab run 1"]["L2_penalty"] == 0.2


def test_every_way_to_end_is_told_apart(cases):
    run, _ = cases["usual"]
    ended = [{}, {"interrupted": True}, {"diverged": True}, {"stopped_epoch": 2}]
    assert len({how_it_ended([replace(run, **end)]) for end in ended}) == 4
    runs = [replace(run, stopped_epoch=n, best_epoch=n - 5) for n in (24, 30, 90)]
    assert epochs(runs[:1]) == "24 (19)" and epochs(runs) == "30 (25)"  # medians


def test_picture_and_static_figure_hold_the_validation_curves_of_all_runs(laboratory, monkeypatch):
    pictures = []
    monkeypatch.setattr(panel, "chart", lambda *shown: pictures.append(shown[2]) or "")
    laboratory.train(BASELINE.replace(epochs=3))
    figure = laboratory.figure()
    assert [text.get_text() for text in figure.legends[0].get_texts()][1] == "lab run 1"
    assert list(figure.exhibit_data.experiments) == ["baseline", "lab run 1"]
    for axis, panel_lines, quantity, factor in zip(
        figure.axes, pictures[-1].values(), ("validation_loss", "validation_accuracy"), (1, 100),
        strict=True,
    ):  # fmt: skip
        for name, line, own in zip(
            laboratory.results.names, lines(axis, linewidth=2), panel_lines, strict=True
        ):
            curves = [factor * r.history[quantity] for r in laboratory.results.of(name)]
            np.testing.assert_allclose(line.get_ydata(), sum(curves) / len(curves))
            np.testing.assert_allclose(own.values, sum(curves) / len(curves))
            assert own.name == name


def test_captions_are_those_of_the_runs_that_are_shown(laboratory):
    laboratory.train(BASELINE.replace(L2_penalty=0.2, dropout=0.25))
    for part in ("baseline", "mean of 2 seeds", "lab run 1", "L2 penalty 0.2", "dropout 0.25"):
        assert part in laboratory.caption()
    assert "dropout 0.25" in laboratory.units("lab run 1").exhibit_data.finding
    assert "dropout" not in laboratory.units("baseline").exhibit_data.finding


def test_the_table_shows_what_two_runs_differ_in(laboratory):
    laboratory.train(BASELINE)
    laboratory.train(BASELINE.replace(dropout=0.5))
    configs = laboratory.table().iloc[1:, 4:]
    assert configs["dropout"].tolist() == ["0", "0.5"] and not configs.duplicated().any()


# ---- hidden units --------------------------------------------------------------------------------


def test_a_unit_is_shown_with_the_images_for_which_its_output_is_largest(case, monkeypatch):
    monkeypatch.setattr(hidden_units, "TOP", 15)  # fewer than there are validation images
    run, data = case
    units, split = HiddenUnits(run, data), split_of(run, data)
    z = (
        standardise(split.validation, split.mean, split.std) @ run.model.weights[0]
        + run.model.biases[0]
    )
    expected = np.tanh(z) if run.config.activation == "tanh" else 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(units.outputs, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(
        units.images, data.train_images[split_rows(len(data.train_images), run.config)[1]]
    )
    assert units.part == "validation"
    unit = int(np.argmax(np.linalg.norm(run.model.weights[0], axis=0)))
    assert units.order[0] == unit
    best = np.argsort(-expected[:, unit])[:15]
    counts = np.bincount(split.validation_labels[best], minlength=len(data.class_names))
    np.testing.assert_array_equal(units.class_counts[unit], counts)
    figure = units.figure(0, count=2, images=3)
    numbers, (axis,) = numbers_of(figure), figure.axes
    shown = np.argsort(-np.linalg.norm(run.model.weights[0], axis=0))[:2]
    ranked = np.argsort(-expected, axis=0)[:15]
    three = ranked[:3, shown].T
    assert numbers.unit.tolist() == np.repeat(shown, 3).tolist()
    assert numbers["rank"].tolist() == [1, 2, 3, 1, 2, 3]
    np.testing.assert_allclose(
        numbers.output, np.sort(expected[:, shown].T)[:, :-4:-1].ravel(), 1e-4
    )
    names = [str(data.romaji[label]) for label in split.validation_labels[three.ravel()]]
    assert numbers.character.astype(str).tolist() == names
    canvas, (height, width) = axis.images[0].get_array(), data.train_images.shape[1:]
    assert list(ticks(axis, "y").values()) == [f"unit {unit}" for unit in shown]
    (left, of_weights), (right, of_images) = ticks(axis, "x").items()
    assert left < width < right and of_weights == "weights" and "validation images" in of_images
    for row, (unit, images) in enumerate(zip(shown, three, strict=True)):
        line = canvas[row * (height + 3) :][:height]
        weights = run.model.weights[0][:, unit].reshape(height, width)
        colours = mpl.colormaps["RdBu_r"](weights / abs(weights).max() / 2 + 0.5)  # red: positive
        np.testing.assert_allclose(line[:, :width], colours[..., :3], atol=0.01)
        for place, image in enumerate(images, start=1):
            tile = line[:, place * (width + 3) + 6 :][:, :width, 0]
            np.testing.assert_allclose(1 - tile, units.images[image] / 255, atol=1e-6)
        own = np.bincount(split.validation_labels[ranked[:, unit]], minlength=len(data.class_names))
        most = "  ".join(
            f"{own[c]} {data.class_names[c]}" for c in np.argsort(-own, kind="stable")[:3]
        )
        assert axis.texts[row].get_text() == most.partition("  0 ")[0]
    share = [np.bincount(split.validation_labels[top]).max() for top in ranked.T]
    of_all = f"{np.median(share):.0f} show the same character (median of {len(share)} units"
    assert of_all in figure.exhibit_data.finding
    assert f"from {min(share)} to {max(share)}" in figure.exhibit_data.finding


def test_a_run_without_validation_images_is_shown_with_training_images(other_data):
    run = train(OTHER.replace(validation_fraction=0), other_data)
    units = HiddenUnits(run, other_data)
    assert units.part == "training" and len(units.images) == len(other_data.train_images)
    assert any("training" in tick.get_text() for tick in units.figure().axes[0].get_xticklabels())


def test_the_last_units_can_be_reached_and_a_linear_model_has_units_too(laboratory):
    laboratory.train(BASELINE.replace(layer_specs=(36, 10)))
    for name in ("baseline", "lab run 1"):
        last = laboratory.units(name, 1000)
        assert len(last.axes[0].get_yticklabels()) == 6
    (run,) = laboratory.results.of("lab run 1")
    linear = HiddenUnits(run, laboratory.data)
    powers = np.exp(linear.outputs)
    softmax = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, run.model.predict_proba(linear.images), rtol=1e-4)


def test_units_whose_weights_are_all_zero_can_be_drawn(cases):
    run, data = cases["usual"]
    model = run.model.copy()
    model.weights[0][...] = 0
    assert HiddenUnits(replace(run, model=model), data).figure().exhibit_data.csv


# ---- one backpropagation -------------------------------------------------------------------------


def test_the_steps_show_the_numbers_of_the_network():
    steps = Backpropagation(learning_rate=0.1, seed=4)
    model = MLP((4, 3, 2), "tanh", 4, np.float64)
    known = steps.arrays[-2]
    x, y = known["x"], known["t"].argmax(axis=1)
    np.testing.assert_allclose(known["p"], model.predict_proba(x), rtol=1e-12)
    assert known["E"].item() == pytest.approx(model.loss(x, y))
    weights, biases = model.gradients(x, y)
    for number in (1, 2):
        np.testing.assert_array_equal(known[f"W{number}"], model.weights[number - 1])
        np.testing.assert_array_equal(known[f"dW{number}"], weights[number - 1])
        np.testing.assert_array_equal(known[f"db{number}"], biases[number - 1][None])
    SGD(model, Config(learning_rate=0.1, momentum=False)).step(
        np.concatenate([array.ravel() for array in (*weights, *biases)])
    )
    after = steps.arrays[-1]
    np.testing.assert_allclose(after["W1"], model.weights[0], rtol=1e-12)
    np.testing.assert_allclose(after["b2"], model.biases[1][None], rtol=1e-12)
    assert after["E"].item() == pytest.approx(model.loss(x, y)) and after["E"] < known["E"]


@pytest.mark.parametrize("number", range(1, len(STEPS) - 1))
def test_each_formula_holds_for_the_arrays_that_are_shown(number):
    """The text of a formula, read as Python, gives the arrays that the step computes."""
    steps = Backpropagation()
    before, after, step = steps.arrays[number - 1], steps.arrays[number], STEPS[number]
    right = int(after["t"].argmax())
    names = {**before, "tanh": np.tanh, "exp": np.exp, "log": np.log, "sum": np.sum}
    for formula in step.formula.split(",  "):
        name, _, expression = formula.partition(" = ")
        expression = expression.replace("p[right]", f"p[0, {right}]")
        assert name in step.computes
        np.testing.assert_allclose(after[name], np.atleast_2d(eval(expression, names)), rtol=1e-12)
    used = set(re.findall(r"\w+", step.formula.replace("right", "t"))) & set(before)
    assert set(step.needs) == used, "its inputs are coloured, and nothing else"


def test_a_step_shows_what_is_known_by_then_and_no_more():
    steps = Backpropagation()
    shown = [len(steps.figure(number).exhibit_data.csv.splitlines()) for number in (0, 1, 9)]
    assert shown[0] < shown[1] < shown[2]
    figure = steps.figure(4)
    (axis,), written = figure.axes, texts(figure.axes[0])
    names = {text.get_text(): text for text in axis.texts}
    numbers = numbers_of(figure).set_index(["array", "row", "column"]).value
    for name, array in steps.arrays[4].items():
        left, top = np.add(names[name].get_position(), (0.5, 0.2 + 0.53))
        for (row, column), value in np.ndenumerate(array):
            (cell,) = [
                text
                for at, text in written.items()
                if at == pytest.approx((left + column, top + row))
            ]
            assert (
                float(cell.replace("−", "-")) == pytest.approx(value, abs=0.0051)
                and cell != "−0.00"
            )
            assert numbers[name, row, column] == pytest.approx(value, rel=1e-5)
    assert len(numbers) == sum(array.size for array in steps.arrays[4].values())
    colours = {name: to_hex(names[name].get_color()) for name in ("p", "z2", "dW1")}
    assert colours == {"p": ORANGE.lower(), "z2": BLUE.lower(), "dW1": GREY.lower()}
    before, after = steps.arrays[4 + 1]["E"].item(), steps.arrays[-1]["E"].item()
    assert f"{before:.3f} before and {after:.3f} after" in figure.exhibit_data.finding


# ---- the length of a step ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def surfaces(cases):
    return {name: LossSurface(*case) for name, case in cases.items()}


@pytest.fixture(params=["usual", "other"])
def surface(surfaces, request):
    return surfaces[request.param]


def test_the_stages_are_those_of_the_run_itself(case):
    run, data = case
    seen = []

    def look(progress):
        seen.append(progress.model.copy())

    again = train(run.config, data, run.model.dtype, callbacks=[look])
    start, one, end = LossSurface(run, data).models.values()
    np.testing.assert_array_equal(one.parameters, seen[0].parameters)
    np.testing.assert_array_equal(end.parameters, again.model.parameters)
    before = Training(run.config, data, run.model.dtype).plain()
    np.testing.assert_array_equal(start.parameters, before.parameters)
    assert start.activation == run.config.activation


def test_the_mini_batches_are_those_of_the_run_s_split_size_and_standardisation(case):
    run, data = case
    (x, y), (next_x, _) = LossSurface(run, data).batches
    split, size = split_of(run, data), run.config.batch_size
    np.testing.assert_array_equal(x, split.train[:size])
    np.testing.assert_array_equal(y, split.train_labels[:size])
    np.testing.assert_array_equal(next_x, split.train[size : 2 * size])
    images = data.train_images[split.rows[:size]]
    probabilities = run.model.predict_proba(images)
    np.testing.assert_allclose(run.model.predict_proba(x), probabilities, rtol=1e-4)


def test_across_is_as_long_as_the_gradient_and_at_right_angles(surface):
    along, across = surface.directions("at the start")
    assert np.linalg.norm(across) == pytest.approx(np.linalg.norm(along), rel=1e-4)
    assert abs(along @ across) < 1e-4 * (along @ along)


def test_the_surface_contains_the_line_along_the_gradient(surface):
    a, b, losses = surface.surface("at the start", 0.005)
    middle = losses[len(b) // 2]
    expected = surface.losses("at the start", [(step, 0.0) for step in a])
    np.testing.assert_allclose(middle, expected, rtol=1e-5)
    assert (a[0], a[-1]) == pytest.approx((-0.005, 0.015)) and b[len(b) // 2] == 0


def plain_step(surface, stage, rate):
    """Return the loss of the mini-batch per image after one step along its gradient."""
    model, (x, y) = surface.models[stage].copy(), surface.batches[0]
    weights, biases = model.gradients(x, y)
    for own, gradient in zip(model.weights + model.biases, weights + biases, strict=True):
        own -= rate * gradient
    return model.loss(x, y) / len(y)


def test_the_figure_shows_every_stage_and_the_steps_of_the_paper_s_learning_rates(surface):
    for stage in surface.models:
        figure = surface.figure(stage)
        line, *maps = figure.axes[:4]
        before, *after = (plain_step(surface, stage, rate) for rate in (0, *RATES))
        stops = np.transpose([RATES, after])
        np.testing.assert_allclose(points(lines(line, marker="o")), stops, 1e-4)
        assert [text.get_text() for text in line.texts] == [
            f"{r:g}: {loss:.3g}" for r, loss in stops
        ]
        assert lines(line, linestyle=":")[0].get_ydata()[0] == pytest.approx(before, rel=1e-4)
        numbers = numbers_of(figure).set_index("stage")
        assert list(numbers.index.unique()) == list(surface.models)
        for name, drawn in zip(surface.models, line.lines, strict=False):
            assert drawn.get_label() == name and (drawn.get_linewidth() > 1) == (name == stage)
            own = numbers.loc[name].to_numpy()
            np.testing.assert_allclose(points([drawn]), own, 1e-5)
            assert len(own) == 61
            for rate, loss in own[::20]:
                assert loss == pytest.approx(plain_step(surface, name, rate), rel=1e-4)
        for axis, rate, loss in zip(maps, RATES, after, strict=True):
            assert axis.get_title() == f"{rate:g}: {before:.3g} → {loss:.3g}"
            (arrow,) = axis.texts
            assert (arrow.get_position(), arrow.xy) == ((0, 0), (1, 0))
            assert arrow.arrowprops["arrowstyle"] == "-|>"
            contours, (a, b, losses) = axis.collections[0], surface.surface(stage, rate)
            row, column = 2, 5  # neither half is the mirror image of the other
            steps, across, wanted = a[column] / rate, b[row] / rate, np.log10(losses[row, column])
            low = contours.levels[:-1]
            inside = [path.contains_point((steps, across)) for path in contours.get_paths()]
            band = np.flatnonzero(inside)
            assert low[band].min() - 1e-6 <= wanted <= contours.levels[band + 1].max() + 1e-6
        said = ", ".join(f"{loss:.3g} with {rate:g}" for rate, loss in stops)
        assert f"of {before:.3g} per image" in figure.exhibit_data.finding
        assert f"it is {said}." in figure.exhibit_data.finding


def test_a_mini_batch_is_half_of_the_training_split_at_most(data):
    few = replace(data, train_images=data.train_images[:5], train_labels=data.train_labels[:5])
    run = train(BASELINE.replace(epochs=1), few)
    assert [len(x) for x, _ in LossSurface(run, few).batches] == [2, 2]
    one = replace(data, train_images=data.train_images[:2], train_labels=data.train_labels[:2])
    run = train(BASELINE.replace(epochs=1, validation_fraction=0.5), one)
    with pytest.raises(ValueError, match="data.*2 training"):
        LossSurface(run, one)


def test_a_loss_of_zero_can_be_drawn_on_a_logarithmic_axis(data):
    data = replace(data, train_labels=np.zeros_like(data.train_labels))
    run = train(BASELINE.replace(epochs=1), data)
    run.model.biases[-1][0] = 1000
    surface = LossSurface(run, data)
    assert surface.after_steps("at the end").tolist() == [0, 0, 0, 0]
    figure = surface.figure("at the end")
    assert all((line.get_ydata() > 0).all() for line in figure.axes[0].lines[:3])


def test_a_run_that_diverged_in_its_first_epoch_has_only_a_start(data):
    run = train(BASELINE.replace(learning_rate=1e30, activation="ReLU"), data)
    assert run.diverged and list(LossSurface(run, data).models) == ["at the start"]


# ---- widgets and what stands in their place ------------------------------------------------------

SHOWN = """
from kmnist_mlp.laboratory import Backpropagation, explorer, slider
from kmnist_mlp.report.notebook import show

steps, step = Backpropagation(), slider("step", 10)
drawn = explorer(lambda number: print(number) or steps.figure(number), number=step)
show(steps.figure(1), "Figure S8.1. A figure.", widget=drawn)
if drawn.children[1].value:
    step.value = 4
print(drawn.children[1].value[:18])
"""


def page_of(*outputs):
    """Return the page of a notebook with these outputs."""
    cell = new_code_cell("1", outputs=list(outputs), execution_count=1)
    notebooks = {Path("08_laboratory.ipynb"): new_notebook(cells=[cell])}
    (page,) = make_pages(notebooks, Site().link)
    return page


@pytest.mark.parametrize("lab", [True, False], ids=["JupyterLab", "nbconvert"])
def test_a_widget_takes_the_figures_place_in_jupyterlab_and_the_figure_in_a_page(lab):
    notebook = new_notebook(cells=[new_code_cell(SHOWN)])
    environment = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}
    environment |= {"JPY_SESSION_NAME": "laboratory.ipynb"} if lab else {}
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute(env=environment)
    outputs = notebook.cells[0].outputs
    (figure,) = (o for o in outputs if "image/svg+xml" in o.get("data", {}))
    widget = {"application/vnd.jupyter.widget-view+json"} if lab else set()
    assert set(figure.data) == {"image/svg+xml", "text/plain"} | widget
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert printed.split() == (["0", "4", "<img", 'alt="Step', "4", "o"] if lab else [])
    page = page_of(*outputs)
    assert page.content.count("<svg") == 2  # wide and narrow
    assert page.exhibits[0].number == "Figure S8.1"
    for trace in ("widget", "IntSlider", "<script", "unpkg", "require"):
        assert trace not in page.content


def test_a_page_shows_nothing_of_a_widget_that_has_no_figure():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "IntText"}
    content = page_of(new_output("display_data", data=view)).content
    assert "widget" not in content and "<script" not in content


def test_a_page_shows_the_last_picture_of_watched_training_with_its_words():
    picture = chart("8 epochs < 9", 1.0, {"Loss": [], "Accuracy": []}, "KMNIST")
    data = {"image/svg+xml": picture, "text/plain": "Learning curves"}
    content = page_of(new_output("display_data", data=data)).content
    assert re.search('<svg [^>]*aria-label="8 epochs &lt; 9"', content)
