"""The laboratory without a browser: its numbers are those of the network, its pictures static ones.

What a reader does with mouse and keyboard is in tests/test_jupyterlab.py.
"""

import re
import threading
from collections import namedtuple
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from options import ALL_CHANGED
from shown import lines, points, texts, ticks

from kmnist_mlp import MLP, Config, run, train
from kmnist_mlp.callbacks import live
from kmnist_mlp.data import split_and_standardise, standardise
from kmnist_mlp.laboratory import Backpropagation, LossSurface, hidden_units, panel
from kmnist_mlp.laboratory.backpropagation import STEPS
from kmnist_mlp.laboratory.loss_surface import RATES
from kmnist_mlp.laboratory.panel import Laboratory
from kmnist_mlp.support.colours import BLUE, GREY, ORANGE

BASELINE = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)
OTHER = ALL_CHANGED.replace(layer_specs=(24, 12, 9, 3))
Picture = namedtuple("Picture", "text done lines")


@pytest.fixture(scope="module")
def baseline(kana):
    return run({"baseline": BASELINE}, [0, 1], n_jobs=1, data=kana, cache=False)


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of what the panel draws, after each mini-batch; only its text is shown."""
    pictures = []

    monkeypatch.setattr(panel, "curves_figure", lambda *of: pictures.append(Picture(*of[:3])))
    monkeypatch.setattr(panel, "svg", lambda figure, text: text)
    monkeypatch.setattr(live, "SHORTEST", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    return pictures


@pytest.fixture
def laboratory(kana, baseline, drawn):
    return Laboratory(kana, baseline)


@pytest.fixture(scope="module")
def other_data(tiny):
    """Images that are not square, in three classes, whose names are no text."""
    parts = {name: getattr(tiny, name)[:, :, :4] for name in ("train_images", "test_images")}
    return replace(tiny, **parts, class_names=(1, 2, 3), romaji=(10, 20, 30), name="stripes")


@pytest.fixture(scope="module")
def case(other_data):
    """A run in which no option has its default value, and its data."""
    return train(OTHER, other_data, np.float64), other_data


# ---- runs ------------------------------------------------------------


def test_the_panel_passes_on_what_is_chosen(laboratory, other_data, baseline):
    results = run({"other": OTHER}, [7], n_jobs=1, data=other_data, cache=False)
    expected = OTHER.replace(epochs=20, momentum_gamma=0.9, early_stop_epoch=5)
    assert Laboratory(other_data, results).chosen() == expected
    assert laboratory.chosen() == BASELINE.replace(epochs=20)
    chosen = {
        "activation": "sigmoid", "learning_rate": 0.5, "momentum_gamma": 0.98, "L1_penalty": 0.001,
        "L2_penalty": 0.2, "epochs": 7, "batch_size": 64, "early_stop_epoch": 3, "seed": 11,
    }  # fmt: skip
    for name, value in chosen.items():
        laboratory.controls[name].value = value
    for text, layers in ((" 64-64 ", (36, 64, 64, 10)), ("", (36, 10)), ("12, 6", (36, 12, 6, 10))):
        laboratory.controls["hidden"].value = text
        assert laboratory.chosen() == BASELINE.replace(layer_specs=layers, **chosen)
    for name, switch in (("momentum_gamma", "momentum"), ("early_stop_epoch", "early_stop")):
        laboratory.controls[name].value = 0
        assert not getattr(laboratory.chosen(), switch)
    with pytest.raises(ValueError, match=r"baseline.*stripes.*KMNIST"):
        Laboratory(other_data, baseline)


def test_an_error_is_shown_in_the_panel_which_then_trains_again(laboratory):
    hidden, train_button = laboratory.controls["hidden"], laboratory.buttons["Train"]
    for text in ("many", "64.5", "64,,64", "0"):
        hidden.value = text
        train_button.click()
        assert re.search(f"got .*{text}", laboratory.message.value)
    laboratory.start(BASELINE.replace(layer_specs=(784, 10)))
    laboratory.worker.join()
    assert re.search("layer_specs.*36.*784", laboratory.message.value)
    with pytest.raises(ValueError, match=r"validation_fraction.*0"):
        laboratory.train(BASELINE.replace(validation_fraction=0, early_stop=False))
    assert laboratory.results.names == ["baseline"]
    hidden.value = "4"
    train_button.click()
    laboratory.worker.join()
    assert laboratory.message.value == "" and len(laboratory.results.names) == 2


def test_runs_in_the_background_have_the_same_bits_and_new_names(kana, drawn):
    named = {name: BASELINE.replace(epochs=1) for name in ("run 1", "lab run 1", "lab run 3")}
    laboratory = Laboratory(kana, run(named, [0], n_jobs=1, data=kana, cache=False))
    config = BASELINE.replace(activation="ReLU", L2_penalty=0.01)
    laboratory.start(config)
    laboratory.worker.join()
    laboratory.run_menu.value = laboratory.trained_menu.value = "lab run 2"
    laboratory.train(config)
    assert laboratory.results.names == [*named, "lab run 2", "lab run 4"]
    one, other = (laboratory.results.of(name)[0] for name in ("lab run 2", "lab run 4"))
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    assert one.config == config and not one.interrupted
    assert laboratory.run_menu.options == (*named, "lab run 2", "lab run 4")
    assert laboratory.run_menu.value == laboratory.trained_menu.value == "lab run 2", "as chosen"


def stop_at(laboratory, text):
    """Let the stop button be pressed as soon as a picture shows this text."""

    def look(change):
        if text in change.new and not laboratory.buttons["Stop"].disabled:
            laboratory.buttons["Stop"].click()

    laboratory.picture.observe(look, "value")


def test_stop_ends_the_run_and_keeps_its_best_model(laboratory, drawn):
    stop_at(laboratory, "epoch 3 of")
    laboratory.start(BASELINE.replace(epochs=1000, early_stop=False))
    with pytest.raises(ValueError, match="a run is going on"):
        laboratory.start(BASELINE)
    laboratory.worker.join()
    (run,) = laboratory.results.of("lab run 1")
    assert run.interrupted and run.stopped_epoch == 2
    assert run.returned["validation_loss"] == min(run.curves["validation_loss"])
    assert f"{100 * run.test_accuracy:.2f}\xa0%" in drawn[-1].text
    assert drawn[-1].done == 2 / 1000
    assert laboratory.message.value == ""
    assert not laboratory.buttons["Train"].disabled and laboratory.buttons["Stop"].disabled
    with pytest.raises(ValueError, match=r"'lab run 1'.*by hand"):
        laboratory.repeat("lab run 1")
    laboratory.train(BASELINE)  # only one run was to stop
    assert not laboratory.results.of("lab run 2")[0].interrupted and drawn[-1].done == 1
    stop_at(laboratory, "epoch 3 of 4")
    laboratory.repeat("lab run 2")
    laboratory.worker.join()
    assert len(laboratory.results.of("lab run 2")) == 1, "only whole runs are seeds of others"


def test_a_run_that_stops_within_its_first_epoch_leaves_nothing(laboratory, drawn):
    stop_at(laboratory, "epoch 1 of 9, ")
    laboratory.start(BASELINE.replace(batch_size=1, epochs=9))
    laboratory.worker.join()
    assert sum("epoch 1 of 9, " in picture.text for picture in drawn) == 1, "of 240 mini-batches"
    assert laboratory.results.names == ["baseline"] and "nothing" in drawn[-1].text
    assert drawn[-1].done == 0 and laboratory.buttons["Stop"].disabled


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_run_that_may_take_long_waits_for_a_confirmation(laboratory, monkeypatch, goes_on):
    asked = threading.Event()
    monkeypatch.setattr(live, "LONG", 0)
    show = laboratory.buttons["Train it"].layout
    show.observe(lambda change: change.new == "" and asked.set(), "display")
    laboratory.start(BASELINE)
    assert asked.wait(60) and "takes up to" in laboratory.message.value
    assert laboratory.results.names == ["baseline"]
    laboratory.buttons["Train it" if goes_on else "Stop"].click()
    laboratory.worker.join()
    assert show.display == "none" and laboratory.message.value == ""
    assert laboratory.results.names == ["baseline", *["lab run 1"] * goes_on]


def test_a_run_can_be_repeated_shown_as_code_and_removed(laboratory):
    config = BASELINE.replace(seed=1, epochs=2)
    laboratory.train(config)
    assert laboratory.trained_menu.options == ("lab run 1",)
    laboratory.buttons["Repeat with five seeds"].click()
    laboratory.worker.join()
    runs = laboratory.results.of("lab run 1")
    assert [run.config for run in runs] == [config.replace(seed=s) for s in (1, 0, 2, 3, 4)]
    row = laboratory.table().loc["lab run 1"]
    assert row["seed"] == "1, 0, 2, 3, 4" and row["end"] == "5 seeds"
    assert row["epochs (best)"] == f"2 ({np.median([run.best_epoch for run in runs]):g})"
    laboratory.buttons["Show as code"].click()
    code = laboratory.code_text.value
    laboratory.buttons["Remove"].click()
    assert laboratory.results.names == ["baseline"] and laboratory.trained_menu.options == ()
    assert "lab run 1" not in laboratory.runs.value
    laboratory.train(BASELINE.replace(epochs=1))
    assert laboratory.results.names == ["baseline", "lab run 2"], "no name is used twice"
    names = {"data": laboratory.data}
    exec(code.partition("show_curves(mine")[0], names)
    for one, other in zip(runs, names["mine"].of("lab run 1"), strict=True):
        np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    for action in (laboratory.repeat, laboratory.remove):
        with pytest.raises(ValueError, match=r"name.*baseline"):
            action("baseline")


def test_the_panel_shows_means_the_last_runs_and_the_present_one(laboratory, drawn):
    for _ in range(6):
        laboratory.train(BASELINE.replace(epochs=2))
    during, after = drawn[-2:]
    last = ["baseline", *(f"lab run {number}" for number in (3, 4, 5, 6))]
    assert list(after.lines) == last and list(during.lines)[-1] == "this run"
    np.testing.assert_array_equal(during.lines["this run"][:2], after.lines["lab run 6"][:2])
    for name, (*drawn_curves, _) in after.lines.items():
        runs = [run.curves for run in laboratory.results.of(name)]
        curves = [[run["validation_loss"], run["validation_accuracy"]] for run in runs]
        np.testing.assert_allclose(drawn_curves, np.mean(curves, axis=0))


def test_table_and_captions_tell_how_each_run_was_made_and_ended(laboratory):
    laboratory.train(BASELINE.replace(L2_penalty=0.2, momentum=False, dropout=0.25, epochs=3))
    table = laboratory.table()
    row, (trained,) = table.loc["lab run 1"], laboratory.results.of("lab run 1")
    assert (row["layers"], row["L2 penalty"], row["momentum"]) == ("36-8-10", "0.2", "none")
    assert row["test accuracy, %"] == f"{100 * trained.test_accuracy:.2f}"
    validation = 100 * trained.returned["validation_accuracy"]
    assert row["validation accuracy, %"] == f"{validation:.2f}"
    assert row["epochs (best)"] == f"3 ({trained.best_epoch})" and row["end"] == "all epochs"
    ways = {"stopped by hand": "interrupted", "diverged": "diverged"}
    for words, way in (ways | {"no improvement": "stopped_epoch"}).items():
        assert panel.how_it_ended([replace(trained, **{way: 1})]) == words
    assert table.iloc[0]["end"] == "2 seeds" and "±" in table.iloc[0]["test accuracy, %"]
    assert list(table["dropout"]) == ["0", "0.25"]
    assert table.attrs["shown_data"].experiments["lab run 1"]["L2_penalty"] == 0.2
    for part in ("baseline", "mean of 2 seeds", "lab run 1", "L2 penalty 0.2", "dropout 0.25"):
        assert part in laboratory.caption()
    laboratory.results.frame["best_epoch"] = 1
    assert laboratory.table().loc["lab run 1", "epochs (best)"] == "3 (1)"


# ---- hidden units ----------------------------------------------------


@pytest.mark.parametrize("layers", [OTHER.layer_specs, (24, 3)])  # the latter shows its logits
def test_a_unit_is_shown_with_the_images_that_activate_it_most(other_data, monkeypatch, layers):
    monkeypatch.setattr(hidden_units, "TOP", 15)  # fewer than there are validation images
    monkeypatch.setattr(hidden_units, "COUNT", 2)
    monkeypatch.setattr(hidden_units, "IMAGES", 4)
    data = other_data
    run = train(OTHER.replace(layer_specs=layers), data, np.float64)
    split = split_and_standardise(data, run.config, run.model.dtype)
    W, b = run.model.weights[0], run.model.biases[0]
    z = standardise(split.validation.astype(split.mean.dtype), split.mean, split.std) @ W + b
    expected = 1 / (1 + np.exp(-z)) if len(layers) > 2 else z
    shown = np.argsort(-np.linalg.norm(W, axis=0))[:2]
    ranked = np.argsort(-expected, axis=0)[:15]
    labels = split.validation_labels[ranked]
    figure = hidden_units.hidden_units(run, data)
    numbers = figure.numbers
    assert numbers.unit.tolist() == np.repeat(shown, 4).tolist()
    assert numbers["rank"].tolist() == [1, 2, 3, 4] * 2
    largest = np.take_along_axis(expected, ranked, axis=0)[:4, shown]
    np.testing.assert_allclose(numbers.output, largest.T.ravel(), 1e-4)
    names = np.array(data.romaji)[labels[:4, shown].T.ravel()]
    assert numbers.character.tolist() == names.tolist()
    (axis,) = figure.panels[0].axes
    (left, of_weights), (right, of_images) = ticks(axis, "x").items()
    assert left < right and of_weights == "weights" and "validation images" in of_images
    height, width = data.train_images.shape[1:]
    canvas, said = axis.images[0].get_array(), list(ticks(axis, "y").values())
    for row, unit in enumerate(shown):
        block = canvas[row * 2 * (height + 6) :]
        weights = W[:, unit].reshape(height, width)
        colours = mpl.colormaps["RdBu_r"](weights / abs(weights).max() / 2 + 0.5)
        drawn = block[: 2 * height : 2, : 2 * width : 2]
        np.testing.assert_allclose(drawn, colours[..., :3], atol=0.01)  # red: positive
        for place, image in enumerate(ranked[:4, unit]):
            y, x = place // 2 * (height + 3), 2 * width + 9 + place % 2 * (width + 3)
            tile = block[y : y + height, x : x + width, 0]
            ink = split.validation[image].reshape(height, width) / 255
            np.testing.assert_allclose(1 - tile, ink, atol=1e-6)
        counts = np.bincount(labels[:, unit])
        best = [c for c in np.argsort(-counts, kind="stable")[:3] if counts[c]]
        words = [f"{counts[c]} {data.class_names[c]}" for c in best]
        assert said[row] == " ".join([f"unit {unit}", *words])
    share = [np.bincount(of_unit).max() for of_unit in labels.T]
    of_all = f"{np.median(share):.0f} show the same character (median of {len(share)} units"
    assert of_all in figure.finding and f"from {min(share)} to {max(share)}" in figure.finding


def test_after_the_last_units_there_are_none_and_weights_of_zero_are_drawn(laboratory):
    laboratory.train(BASELINE.replace(layer_specs=(36, 10))).model.weights[0][...] = 0
    last = laboratory.units("lab run 1", 1000)
    assert last.numbers.unit.unique().tolist() == [4, 5, 6, 7, 8, 9]
    assert [len(panel.axes[0].get_yticks()) for panel in last.panels] == [3, 3]


@pytest.mark.parametrize("look_into", [hidden_units.hidden_units, LossSurface])
def test_a_run_on_other_data_is_refused(case, kana, look_into):
    with pytest.raises(ValueError, match=r"layer_specs.*36.*10.*24"):
        look_into(case[0], kana)


# ---- one backpropagation ---------------------------------------------


def test_the_steps_show_the_numbers_of_the_network(kana):
    model = MLP((4, 3, 2), "tanh", 4, np.float64)
    known, after = Backpropagation(kana).arrays[-2:]
    x, y = known["x"], known["t"].argmax(axis=1)
    parts = [kana.train_images[:, i : i + 3, j : j + 3] for i in (0, 3) for j in (0, 3)]
    ink = np.transpose([part.mean(axis=(1, 2)) for part in parts])
    shown = ink[list(kana.train_labels).index(1)]
    np.testing.assert_allclose(x[0], (shown - ink.mean(axis=0)) / ink.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(known["p"], model.predict_proba(x), rtol=1e-12)
    assert known["E"].item() == pytest.approx(model.loss(x, y))
    of_layers = zip(model.weights, model.biases, *model.gradients(x, y), strict=True)
    for number, (W, b, dW, db) in enumerate(of_layers, 1):
        for name, array, slope in (("W", W, dW), ("b", b, db)):
            name = f"{name}{number}"
            np.testing.assert_array_equal(known[name], np.atleast_2d(array))
            np.testing.assert_allclose(known[f"d{name}"], np.atleast_2d(slope), rtol=1e-9)
            array -= 0.1 * slope
            np.testing.assert_allclose(after[name], np.atleast_2d(array), rtol=1e-12)
    assert after["E"].item() == pytest.approx(model.loss(x, y)) and after["E"] < known["E"]


def test_what_a_formula_computes_and_needs_is_coloured_and_nothing_else(kana):
    steps = Backpropagation(kana)
    for number, step in enumerate(STEPS[1:-1], 1):
        before, after = steps.arrays[number - 1 : number + 1]
        used = set(re.findall(r"\w+", step.formula.replace("right", "t"))) & set(before)
        assert set(step.needs.split()) == used
        assert set(step.computes.split()) == set(after) - set(before)


def test_the_sum_of_a_unit_is_what_the_unit_is(kana):
    steps = Backpropagation(kana)
    shown = steps.figure(9).numbers.dropna().set_index(["array", "column"])
    assert [f"{name}[{unit}]" for name, unit in shown.index] == [*steps.sums]
    assert shown["sum"].tolist() == [*steps.sums.values()] and len(shown) == 3 + 2 + 3
    for (unit, text), value in zip(steps.sums.items(), shown.value, strict=True):
        assert steps.figure(3, unit).finding.endswith(text)
        name, made, result = text.translate({0x2212: "-", 0xD7: "*"}).split(" = ")
        terms = {"z1": 4, "z2": 3, "d1": 3}[name[:2]]  # d1: two, and the slope
        assert name == unit and made.count("*") == terms
        assert float(result.strip("()")) == pytest.approx(value, abs=0.0051)
        assert eval(made) == pytest.approx(value, abs=0.05)  # of two decimals


def test_a_step_shows_what_is_known_by_then_and_no_more(kana):
    steps = Backpropagation(kana)
    figure = steps.figure(4)
    (axis,) = figure.panels[0].axes
    written = texts(axis)
    names = {text.get_text(): text for text in axis.texts}
    numbers = figure.numbers.set_index(["array", "row", "column"]).value
    for name, array in steps.arrays[4].items():
        left, top = np.add(names[name].get_position(), (0.5, 0.15 + 0.53))
        for (row, column), value in np.ndenumerate(array):
            place = pytest.approx((left + column, top + row))
            (cell,) = [text for at, text in written.items() if at == place]
            assert float(cell.replace("−", "-")) == pytest.approx(value, abs=0.0051)
            assert cell != "−0.00" and numbers[name, row, column] == value
    assert len(numbers) == sum(array.size for array in steps.arrays[4].values())
    ids = {patch.get_gid() for patch in axis.patches} - {None}
    assert ids == {f"{array}-{row}-{column}" for array, row, column in numbers.index}
    assert sum("." in text for text in written.values()) == len(numbers)
    colours = {name: to_hex(names[name].get_color()) for name in ("p", "z2", "dW1")}
    assert colours == {"p": ORANGE.lower(), "z2": BLUE.lower(), "dW1": GREY.lower()}
    before, after = steps.arrays[-2]["E"].item(), steps.arrays[-1]["E"].item()
    assert f"{before:.3f} before and {after:.3f} after" in figure.finding
    assert "Step 4 of 10" in figure.finding


# ---- the length of a step --------------------------------------------


@pytest.fixture(scope="module")
def surface(case):
    return LossSurface(*case)


def test_stages_and_mini_batches_are_those_of_the_run_itself(case, surface):
    run, data = case
    seen = []
    look = [lambda progress: seen.append(progress.model.copy())]
    train(run.config, data, run.model.dtype, callbacks=look)
    start, one, end = surface.models.values()
    np.testing.assert_array_equal(one.parameters, seen[0].parameters)
    np.testing.assert_array_equal(end.parameters, run.model.parameters)
    assert not np.array_equal(start.parameters, one.parameters)
    (x, y), (next_x, _) = surface.batches
    size = run.config.batch_size
    split = split_and_standardise(data, run.config, run.model.dtype)
    np.testing.assert_array_equal(x, split.train[:size])
    np.testing.assert_array_equal(y, split.train_labels[:size])
    np.testing.assert_array_equal(next_x, split.train[size : 2 * size])


def test_the_surface_lies_along_the_gradient_and_across_it(surface):
    along, across = surface.directions("at the start")
    assert np.linalg.norm(across) == pytest.approx(np.linalg.norm(along), rel=1e-4)
    assert abs(along @ across) < 1e-4 * (along @ along)
    stage = surface.models["at the start"]
    first, second = (
        np.concatenate([a.ravel() for arrays in stage.gradients(*batch) for a in arrays])
        for batch in surface.batches
    )
    np.testing.assert_array_equal(along, first)
    assert across @ second > 0, "towards where the second batch's loss falls"
    moved, (x, y) = stage.copy(), surface.batches[0]
    moved.parameters[...] = stage.parameters - 0.003 * along - 0.004 * across
    (loss,) = surface.losses("at the start", [(0.003, 0.004)])
    assert loss == pytest.approx(moved.loss(x, y) / len(y), rel=1e-5)


def test_the_figure_shows_every_stage_and_the_paper_s_steps(surface):
    for stage in surface.models:
        figure = surface.figure(stage)
        axis, *maps = [panel.axes[0] for panel in figure.panels]
        before, *after = surface.losses(stage, [(rate, 0) for rate in (0, *RATES)])
        stops = np.transpose([RATES, after])
        np.testing.assert_allclose(points(lines(axis, marker="o")), stops, 1e-4)
        notes = [f"{rate:g}: {loss:.3g}" for rate, loss in stops]
        assert [text.get_text() for text in axis.texts] == notes
        assert lines(axis, linestyle=":")[0].get_ydata()[0] == pytest.approx(before, rel=1e-4)
        numbers = figure.numbers.set_index("stage")
        assert list(numbers.index.unique()) == list(surface.models)
        for name, drawn in zip(surface.models, axis.lines, strict=False):
            assert drawn.get_label() == name and (drawn.get_linewidth() > 1) == (name == stage)
            rows = numbers.loc[name].to_numpy()
            np.testing.assert_allclose(points([drawn]), rows, 1e-5)
            assert len(rows) == 61
            losses = surface.losses(name, [(rate, 0) for rate in rows[:, 0]])
            np.testing.assert_allclose(rows[:, 1], losses, 1e-5)
        for axis, rate, loss in zip(maps, RATES, after, strict=True):
            heading = axis.get_title(loc="left") or axis.get_title()  # as the style has it
            assert heading == f"Learning rate {rate:g}: {before:.3g} → {loss:.3g}"
            (arrow,) = axis.texts
            assert (arrow.get_position(), arrow.xy) == ((0, 0), (1, 0))
            place = (0.2, -1.1)  # neither half is the mirror image of the other
            wanted = np.log10(surface.losses(stage, [np.multiply(place, rate)]))
            contours = axis.collections[0]
            inside = [path.contains_point(place) for path in contours.get_paths()]
            band, width = np.flatnonzero(inside), np.diff(contours.levels).max()
            assert contours.levels[band].min() - width <= wanted
            assert wanted <= contours.levels[band + 1].max() + width
        said = ", ".join(f"{loss:.3g} with {rate:g}" for rate, loss in stops)
        assert f"of {before:.3g} per image" in figure.finding
        assert f"it is {said}." in figure.finding


def test_a_loss_of_zero_is_drawn(kana):
    same = replace(kana, train_labels=np.zeros_like(kana.train_labels))
    run = train(BASELINE.replace(epochs=1), same)
    run.model.biases[-1][0] = 1000
    drawn = LossSurface(run, same).figure("at the end").panels[0].axes[0].lines[:3]
    assert all((line.get_ydata() > 0).all() for line in drawn)
