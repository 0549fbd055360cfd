"""The laboratory without a browser: its numbers are those of the network, its pictures static ones.

What a reader does with mouse and keyboard is in tests/test_jupyterlab.py.
"""

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from kmnist_mlp import MLP, Config, run
from kmnist_mlp.data import CLASS_NAMES, ROMAJI, split_and_standardise
from kmnist_mlp.laboratory.anatomy import STEPS, Backpropagation, HiddenUnits
from kmnist_mlp.laboratory.loss_surface import RATES, LossSurface, stages
from kmnist_mlp.laboratory.panel import Laboratory, explorer, how_it_ended, slider
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.report import notebook
from kmnist_mlp.report.pages import make_pages

BASELINE = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)


@pytest.fixture(scope="module")
def data(tiny10):
    return replace(tiny10, class_names=CLASS_NAMES, romaji=ROMAJI)


@pytest.fixture(scope="module")
def baseline(data):
    return run({"baseline": BASELINE}, [0, 1], n_jobs=1, data=data, cache=False)


@pytest.fixture
def laboratory(data, baseline):
    return Laboratory(data, baseline)


# ---- runs ----------------------------------------------------------------------------------------


def test_the_panel_begins_with_the_configuration_that_it_compares_with(laboratory):
    assert laboratory.chosen() == BASELINE.replace(epochs=20)


def test_the_panel_passes_on_what_is_chosen(laboratory):
    chosen = {
        "hidden": "12, 6", "activation": "sigmoid", "learning_rate": 0.5, "momentum_gamma": 0.98,
        "L1_penalty": 0.001, "L2_penalty": 0.2, "epochs": 7,
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


@pytest.mark.parametrize("text", ["many", "64.5", "64,,64", "-3", "0", "64; 64"])
def test_what_is_no_layer_is_said_in_the_panel_and_not_trained(laboratory, text):
    laboratory.controls["hidden"].value = text
    laboratory.train_button.click()
    assert "whole number" in laboratory.message.value
    assert laboratory.worker is None and laboratory.results.names == ["baseline"]
    laboratory.controls["hidden"].value = "4"
    laboratory.train_button.click()
    laboratory.wait()
    assert laboratory.message.value == "" and laboratory.results.names == ["baseline", "run 1"]


def test_a_run_in_the_background_has_the_bits_of_one_in_the_foreground(laboratory):
    config = BASELINE.replace(activation="ReLU", L2_penalty=0.01)
    laboratory.start(config)
    laboratory.wait()
    laboratory.train(config)
    one, other = (laboratory.results.of(name)[0] for name in ("run 1", "run 2"))
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    assert one.config == config and not one.interrupted
    assert laboratory.which.options == ("baseline", "run 1", "run 2")


def test_stop_ends_the_run_and_keeps_its_best_model(laboratory, monkeypatch):
    drawn, enough = [], threading.Event()
    draw = laboratory._draw

    def record(text, *others):
        drawn.append(text)
        draw(text, *others)
        if len(drawn) == 3:
            laboratory.stop_button.click()
            enough.set()

    monkeypatch.setattr(laboratory, "_draw", record)
    monkeypatch.setattr("kmnist_mlp.callbacks.live.SHORTEST", 0.0)
    laboratory.start(BASELINE.replace(epochs=100_000, early_stop=False))
    assert laboratory.train_button.disabled and not laboratory.stop_button.disabled
    with pytest.raises(ValueError, match="a run is going on"):
        laboratory.start(BASELINE)
    with pytest.raises(ValueError, match="a run is going on"):
        laboratory.train(BASELINE)
    assert enough.wait(60)
    laboratory.wait()
    (run,) = laboratory.results.of("run 1")
    assert run.interrupted and run.returned["validation_loss"] == min(run.curves["validation_loss"])
    assert drawn[0].startswith("epoch 1 of 100000") and "stopped by hand" in drawn[-1]
    assert not laboratory.train_button.disabled and laboratory.stop_button.disabled
    assert laboratory.table().loc["run 1", "end"] == "stopped by hand"
    laboratory.train(BASELINE)  # the wish to stop was that of one run only
    assert not laboratory.results.of("run 2")[0].interrupted


def test_what_goes_wrong_in_the_background_is_said_in_the_panel(laboratory):
    laboratory.start(BASELINE.replace(layer_specs=(784, 10)))
    laboratory.wait()
    assert "must begin with the 36 pixels" in laboratory.message.value
    assert not laboratory.train_button.disabled
    laboratory.start(BASELINE)
    laboratory.wait()
    assert laboratory.results.names == ["baseline", "run 1"]


def test_the_panel_shows_the_experiment_the_last_runs_and_the_one_that_goes_on(laboratory):
    for _ in range(6):
        laboratory.train(BASELINE.replace(epochs=1))
    picture = laboratory.picture.value
    assert picture.count("<polyline") == 2 * (1 + 4)
    assert "baseline" in picture and ">run 2<" not in picture and ">run 6<" in picture
    laboratory._draw("", 0.5, laboratory.results.of("run 1")[0].curves)
    assert ">this run<" in laboratory.picture.value


def test_the_table_says_what_was_chosen_what_came_of_it_and_how_it_ended(laboratory):
    laboratory.train(BASELINE.replace(L2_penalty=0.2, momentum=False, epochs=3))
    table = laboratory.table()
    row = table.loc["run 1"]
    (trained,) = laboratory.results.of("run 1")
    assert (row["layers"], row["L2 penalty"], row["momentum"]) == ("36-8-10", "0.2", "none")
    assert row["test accuracy, %"] == f"{100 * trained.test_accuracy:.2f}"
    assert row["epochs (best)"] == f"3 ({trained.best_epoch})" and row["end"] == "all epochs"
    assert table.iloc[0]["end"] == "2 seeds" and "±" in table.iloc[0]["test accuracy, %"]
    assert "<table" in laboratory.runs.value and "run 1" in laboratory.runs.value
    assert table.attrs["exhibit_data"].experiments["run 1"]["L2_penalty"] == 0.2


def test_every_way_to_end_is_told_apart(laboratory):
    trained = laboratory.train(BASELINE)
    ends = {"interrupted": "stopped by hand", "diverged": "diverged"}
    for name, told in ends.items():
        assert how_it_ended([replace(trained, **{name: True})]) == told
    assert how_it_ended([replace(trained, stopped_epoch=2)]) == "no improvement"


def test_the_static_figure_holds_all_runs(laboratory):
    laboratory.train(BASELINE)
    figure = laboratory.figure()
    assert [text.get_text() for text in figure.legends[0].get_texts()][1] == "run 1"
    assert (
        "validation loss" in figure.exhibit_data.finding
        and "run 1" in figure.exhibit_data.experiments
    )


# ---- hidden units --------------------------------------------------------------------------------


def test_a_unit_is_shown_with_the_images_to_which_its_answer_is_largest(data, baseline):
    run = baseline.of("baseline")[0]
    units = HiddenUnits(run, data)
    split = split_and_standardise(data, 0)
    x = split.validation[:]
    expected = np.tanh(x @ run.model.weights[0] + run.model.biases[0])
    np.testing.assert_allclose(units.outputs, expected, rtol=1e-4, atol=1e-5)
    third = split.validation.images[split.validation.rows[3]]
    np.testing.assert_array_equal(units.images[3].ravel(), third)
    lines = units.figure(0, count=2, images=3).exhibit_data.csv.splitlines()[1:]
    assert len(lines) == 6
    first = int(np.argmax(np.linalg.norm(run.model.weights[0], axis=0)))
    unit, rank, character, output = lines[0].split(",")
    best = expected[:, first].argmax()
    assert (int(unit), int(rank)) == (first, 1)
    assert float(output) == pytest.approx(expected[best, first], rel=1e-4)
    assert character == ROMAJI[split.validation_labels[best]]


def test_the_last_units_can_be_reached_and_a_linear_model_has_units_too(laboratory):
    laboratory.train(BASELINE.replace(layer_specs=(36, 10)))
    for which in ("baseline", "run 1"):
        last = laboratory.units(which, 1000)
        assert len(last.axes[0].get_yticklabels()) == 6
        assert "show the same character" in last.exhibit_data.finding


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
        0.1 * np.concatenate([array.ravel() for array in (*weights, *biases)])
    )
    after = steps.arrays[-1]
    np.testing.assert_allclose(after["W1"], model.weights[0], rtol=1e-12)
    np.testing.assert_allclose(after["b2"], model.biases[1][None], rtol=1e-12)
    assert after["E"].item() == pytest.approx(model.loss(x, y)) and after["E"] < known["E"]


@pytest.mark.parametrize("number", range(1, len(STEPS) - 1))
def test_each_formula_holds_for_the_arrays_that_are_shown(number):
    """The text of a formula, read as Python, gives the arrays that the step calls new."""
    steps = Backpropagation()
    before, after, step = steps.arrays[number - 1], steps.arrays[number], STEPS[number]
    right = int(after["t"].argmax())
    names = {**before, "tanh": np.tanh, "exp": np.exp, "log": np.log, "sum": np.sum}
    for formula in step.formula.split(",  "):
        name, _, expression = formula.partition(" = ")
        expression = expression.replace("p[right]", f"p[0, {right}]")
        assert name in step.new
        np.testing.assert_allclose(after[name], np.atleast_2d(eval(expression, names)), rtol=1e-12)
    assert set(step.of) <= set(before), "nothing is used that is not known yet"


def test_a_step_shows_what_is_known_by_then_and_no_more():
    steps = Backpropagation()
    shown = [len(steps.figure(number).exhibit_data.csv.splitlines()) for number in (0, 1, 9)]
    assert shown[0] < shown[1] < shown[2]
    texts = [text.get_text() for text in steps.figure(4).axes[0].texts]
    assert f"{steps.arrays[4]['p'][0, 0]:.2f}" in texts and "−0.00" not in texts


# ---- the length of a step ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def surface(data, baseline):
    return LossSurface(stages(BASELINE, data, baseline.of("baseline")[0]), data, 32)


def test_the_loss_along_the_gradient_is_that_of_a_plain_step(surface):
    for stage, model in surface.models.items():
        x, y = surface.batches[0]
        weights, biases = model.gradients(x, y)
        for rate in RATES:
            moved = model.copy()
            for own, gradient in zip(moved.weights + moved.biases, weights + biases, strict=True):
                own -= rate * gradient
            expected = moved.loss(x, y) / len(y)
            assert surface.losses(stage, [(rate, 0.0)])[0] == pytest.approx(expected, rel=1e-4)


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


def test_the_stages_are_those_of_one_training(surface, baseline):
    start, one, end = surface.models.values()
    x, y = surface.batches[0]
    assert start.loss(x, y) > one.loss(x, y) > end.loss(x, y)
    assert end is baseline.of("baseline")[0].model
    figure = surface.figure("after one epoch")
    assert (
        "0.0005" in figure.exhibit_data.finding and figure.exhibit_data.csv.count("at the end") > 20
    )


# ---- widgets and what stands in their place ------------------------------------------------------


def test_an_explorer_draws_only_where_someone_looks_and_then_at_each_change(monkeypatch):
    seen, steps = [], Backpropagation()

    def draw(number):
        seen.append(number)
        return steps.figure(number)

    silent = explorer(draw, number=slider("step", 10))
    assert seen == [] and silent.children[1].value == ""
    monkeypatch.setattr("kmnist_mlp.laboratory.panel.someone_looks", lambda: True)
    control = slider("step", 10)
    box = explorer(draw, number=control)
    control.value = 4
    assert seen == [0, 4]
    assert 'alt="Step 4 of 10' in box.children[1].value and "base64," in box.children[1].value


PICTURE = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}


@pytest.mark.parametrize("looks", [True, False])
def test_a_widget_takes_the_figures_place_in_jupyterlab_and_the_figure_in_a_page(
    monkeypatch, looks
):
    outputs = []

    def display(content, metadata=None, raw=False):
        data = content if raw else PICTURE
        outputs.append(new_output("display_data", data=data, metadata=metadata))

    formatter = SimpleNamespace(format=lambda _: (PICTURE, {}))
    shell = SimpleNamespace(display_formatter=formatter)
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    monkeypatch.setattr(notebook, "display", display)
    monkeypatch.setattr(notebook, "say", lambda *_, **__: None)
    monkeypatch.setattr(notebook, "someone_looks", lambda: looks)
    figure = Backpropagation().figure(1)
    notebook.show(figure, "Figure S8.1. A figure.", widget=slider("step", 10))
    widget = {"application/vnd.jupyter.widget-view+json"} if looks else set()
    assert set(outputs[0].data) == {"image/png", "text/plain"} | widget
    cell = new_code_cell("1", outputs=outputs, execution_count=1)
    (page,) = make_pages({Path("08_laboratory.ipynb"): new_notebook(cells=[cell])})
    assert page.content.count("<img") == 1 and page.exhibits[0].number == "Figure S8.1"
    for trace in ("widget", "IntSlider", "<script", "unpkg", "require"):
        assert trace not in page.content


def test_a_page_shows_nothing_of_a_widget_that_has_no_figure():
    view = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "a"},
        "text/plain": "IntText()",
    }
    output = new_output("display_data", data=view)
    cell = new_code_cell("1", outputs=[output], execution_count=1)
    (page,) = make_pages({Path("08_laboratory.ipynb"): new_notebook(cells=[cell])})
    assert "widget" not in page.content and "<script" not in page.content


def test_a_page_shows_the_last_picture_of_watched_training_with_its_words():
    data = {"image/svg+xml": "<svg></svg>", "text/plain": "Learning curves"}
    alt = {"image/svg+xml": {"alt": "Learning curves: 8 epochs < 9"}}
    cell = new_code_cell("1", outputs=[new_output("display_data", data=data, metadata=alt)])
    (page,) = make_pages({Path("08_laboratory.ipynb"): new_notebook(cells=[cell])})
    assert 'src="data:image/svg+xml;' in page.content
    assert 'alt="Learning curves: 8 epochs &lt; 9"' in page.content


def test_show_without_a_widget_is_as_ever(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda *content, **_: shown.append(content))
    monkeypatch.setattr(notebook, "someone_looks", lambda: True)
    figure = Backpropagation().figure(1)
    notebook.show(figure, "Figure 1. One.")
    assert shown[0] == (figure,)
