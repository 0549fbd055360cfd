"""A figure shows what was measured: its data and its drawing agree with computations made here."""

import io
import re
import warnings
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from options import ALL_CHANGED
from small_runs import SMALL, SMALL_RUNS

from kmnist_mlp import Config, figures, run
from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.claims import Claim
from kmnist_mlp.experiments.error_analysis import ConfidentErrors
from kmnist_mlp.experiments.paper_gradients import differences_by_epsilon
from kmnist_mlp.experiments.verdicts import judge
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.comparison import FAR, paper_finding
from kmnist_mlp.figures.scoreboard import scoreboard_numbers
from kmnist_mlp.figures.style import described, picture, png
from kmnist_mlp.figures.sweeps import draw_parameters, penalty_finding
from kmnist_mlp.support.statistics import MISSING, prediction_interval

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1, 50, (10, 10)) + np.diag(RNG.integers(50, 99, 10))
PATHS = {"L2": [(0, "baseline"), (0.2, "l2_0.2")], "L1": [(0, "baseline")]}
DISTANCES = {"validation": RNG.uniform(1, 8, 50), "test": RNG.uniform(2, 9, 40)}


@pytest.fixture(autouse=True)
def _no_open_figure():
    """Close what another test may have left open: these tests count the open figures."""
    plt.close("all")


def errors_of(data, count=10):
    """Images of a data set as if each were taken for the character of the next one."""
    labels, probabilities = data.test_labels, np.linspace(1, 0.5, count)
    return ConfidentErrors(
        data.test_images[:count], labels[:count], labels[1 : count + 1], probabilities
    )


def small_sweep():
    """Two rates by two penalties, two seeds; one run of the best combination diverged."""
    rows = [
        (5e-4, 0.9, 0.2, 0.950, 0.900),
        (1e-3, 0.9, 0.2, 0.960, 0.890),
        (5e-4, 0.9, 0.4, 0.940, 0.910),
        (1e-3, 0.9, 0.4, 0.990, 0.990),
    ]
    frame = pd.DataFrame(
        [(*r[:3], seed, r[3] + seed / 500, r[4], False) for r in rows for seed in (0, 1)],
        columns=[*sweep.AXES, "seed", "validation_accuracy", "test_accuracy", "diverged"],
    )
    frame.loc[frame.index[-1], "diverged"] = True
    return frame


DRAWN = {
    figures.learning_curves: lambda r, d: [r, "baseline"],
    figures.overlay: lambda r, d: [r, ["baseline", "l2_0.2", "linear", "mine"]],
    figures.against_paper: lambda r, d: [r, ["baseline", "l2_0.2", "linear"]],
    figures.difference_to_paper: lambda r, d: [r],
    figures.scoreboard_figure: lambda r, d: [judge(r, {})],
    figures.contributions: lambda r, d: [r, "linear", ["baseline", "l2_0.2"], "mine"],
    figures.first_layer_weights: lambda r, d: [r, ["baseline", "linear"], d, 5],
    figures.accuracy_by_penalty: lambda r, d: [r, PATHS],
    figures.accuracy_by_parameters: lambda r, d: [r, ["linear", "two_hidden_layers"]],
    figures.example_images: lambda r, d: [d],
    figures.confusion_matrix: lambda r, d: [COUNTS, d],
    figures.most_confident_errors: lambda r, d: [errors_of(d), d],
    figures.distance_histogram: lambda r, d: [DISTANCES, d.name],
    figures.difference_by_epsilon: lambda r, d: [differences_by_epsilon(d), d.name],
    figures.heat_maps: lambda r, d: [small_sweep(), "validation_accuracy"],
}
OF_KMNIST_ALONE = {figures.heat_maps}  # from committed results, whatever the rest was measured on


@pytest.fixture(autouse=True)
def style():
    """Set the style of figures for one test only."""
    with mpl.rc_context():
        figures.use_style()
        yield


def numbers_of(figure):
    return pd.read_csv(io.StringIO(figure.exhibit_data.csv))


def drawn(figure):
    """Draw a figure really; a character without a glyph is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        return png(figure, 40)


def marks(figure):
    return [text for text in figure.texts if "STAND-IN" in text.get_text() and text.get_visible()]


def lines(axis, **properties):
    """Return the lines of an axis with these properties, such as label="test"."""
    return [
        line
        for line in axis.lines
        if all(getattr(line, f"get_{name}")() == value for name, value in properties.items())
    ]


# ---- every figure --------------------------------------------------------------------------------


def test_every_figure_that_is_exported_is_drawn_here():
    made = {getattr(figures, name) for name in figures.__all__}
    assert made == set(DRAWN) | {figures.use_style, figures.gradient_table}


@pytest.mark.parametrize("make", DRAWN, ids=lambda make: make.__name__)
def test_a_figure_is_closed_marked_on_the_stand_in_only_and_has_its_numbers_and_finding(
    make, small_results, kana
):
    figure = make(*DRAWN[make](small_results, kana))
    assert isinstance(figure, Figure) and not plt.get_fignums()
    assert drawn(figure).startswith(b"\x89PNG")
    name = "stand-in data, pooled"
    stand_in = replace(small_results, data_name=name), replace(kana, name=name)
    assert len(marks(make(*DRAWN[make](*stand_in)))) == (make not in OF_KMNIST_ALONE)
    assert not marks(figure)
    numbers, finding = numbers_of(figure), figure.exhibit_data.finding
    assert len(numbers) and not numbers.columns.str.startswith("Unnamed").any()
    assert re.search(r"\d", finding) and finding.endswith(".") and len(finding) < 600
    assert not re.search(r"\b(nan|inf)\b", finding)


@pytest.mark.parametrize("make", DRAWN, ids=lambda make: make.__name__)
def test_a_figure_has_a_narrow_form_in_which_nothing_is_cut_off(make, small_results, kana):
    narrow = make(*DRAWN[make](small_results, kana)).narrow
    assert narrow.get_figwidth() <= 4
    assert drawn(narrow).startswith(b"\x89PNG")
    shown = narrow.get_tightbbox()
    assert shown.x0 >= -0.05 and shown.x1 <= narrow.get_figwidth() + 0.05


def test_a_scoreboard_without_an_interval_has_room_for_its_legend(one_seed):
    figure = figures.scoreboard_figure(judge(one_seed, {}))
    for form in (figure, figure.narrow):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture(form)


def test_charts_are_svg_with_text_the_same_every_time_and_images_are_png(small_results, kana):
    charts = [figures.learning_curves(small_results, "baseline") for _ in range(2)]
    (text, again) = (picture(chart)["image/svg+xml"] for chart in charts)
    assert text == again and ">epoch</text>" in text
    written = "learning rate 0.0005, not 0.0123456 (0.25)"
    figure = plt.figure(figsize=(3, 1))
    figure.text(0.123456, 0.5, written)
    plt.close(figure)
    assert f">{written}</text>" in picture(figure)["image/svg+xml"], "numbers to read stay"
    assert list(picture(figures.example_images(kana))) == ["image/png"]
    assert list(picture(figures.confusion_matrix(COUNTS, kana))) == ["image/svg+xml"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (figures.learning_curves, "Line chart: cross-entropy per example / 10 by epoch;"),
        (figures.contributions, "Bar chart: test accuracy, %."),
        (figures.confusion_matrix, "Heat map: true character by predicted"),
        (figures.against_paper, "Dot plot: test accuracy, %."),
    ],
)
def test_a_chart_is_named_by_its_kind_and_axes(make, words, small_results, kana):
    assert described(make(*DRAWN[make](small_results, kana))).startswith(words)


@pytest.fixture(scope="module")
def one_seed(kana):
    return run(SMALL_RUNS, 0, n_jobs=1, data=kana, cache=False)


@pytest.mark.parametrize("make", list(DRAWN)[:7], ids=lambda make: make.__name__)
def test_figures_of_a_single_seed_are_drawn_without_a_warning(make, one_seed, kana):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawn(make(*DRAWN[make](one_seed, kana)))


def test_the_data_of_a_figure_name_configurations_and_seeds(small_results):
    data = figures.overlay(small_results, ["baseline", "mine"]).exhibit_data
    assert list(data.experiments) == ["baseline", "mine"] and data.seeds == (0, 1)
    assert Config.from_dict(data.experiments["mine"]) == SMALL_RUNS["mine"]
    assert "seed" not in data.experiments["mine"]
    assert data.quantities == ("validation_accuracy",)


def test_all_ten_kana_are_drawn_with_a_real_glyph():
    figure = plt.figure()
    figure.text(0.1, 0.5, "".join(CLASS_NAMES), weight="bold")
    plt.close(figure)
    assert drawn(figure)
    with mpl.rc_context({"font.family": ["DejaVu Sans"]}):  # the check itself can fail
        figure.text(0.1, 0.8, CLASS_NAMES[0])
        with pytest.raises(UserWarning, match="Glyph"):
            drawn(figure)


# ---- curves --------------------------------------------------------------------------------------


def test_learning_curves_are_the_histories_of_the_seeds_and_their_mean(small_results):
    runs, figure = small_results.of("baseline"), figures.learning_curves(small_results, "baseline")
    numbers = numbers_of(figure)
    shared = min(len(run.history) for run in runs)
    for axis, kind, factor in zip(figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
        for part in ("training", "validation"):
            histories = [run.history[f"{part}_{kind}"] for run in runs]
            np.testing.assert_allclose(numbers[f"{part}_{kind}"], np.concatenate(histories), 1e-6)
            (mean,) = lines(axis, label=part)
            expected = factor * np.mean([history[:shared] for history in histories], axis=0)
            np.testing.assert_allclose(mean.get_ydata(), expected)
            assert mean.get_xdata().tolist() == list(range(1, shared + 1))
            spread = factor * np.std([history[:shared] for history in histories], axis=0, ddof=1)
            bands = [band.get_paths()[0].vertices[1 : shared + 1, 1] for band in axis.collections]
            assert any(np.allclose(band, expected - spread) for band in bands)
        (test,) = lines(axis, label="test")
        expected = [factor * getattr(run, f"test_{kind}") for run in runs]
        assert test.get_ydata() == pytest.approx([np.mean(expected)])
        strokes = [line.get_xdata()[0] for line in lines(axis, marker="|")]
        assert strokes == 2 * [len(run.history) for run in runs]


def test_the_dashed_line_and_the_test_result_are_at_the_epoch_whose_weights_are_kept(kana):
    cases = {
        "stops early": (SMALL.replace(learning_rate=0.1, epochs=30), "best_epoch"),
        "does not": (SMALL.replace(learning_rate=0.1, epochs=9, early_stop=False), "stopped_epoch"),
        "diverges": (SMALL_RUNS["learning_rate_0.5"].replace(early_stop=False), "best_epoch"),
    }
    configs = {name: config for name, (config, _) in cases.items()}
    results = run(configs, [0, 1], n_jobs=1, data=kana, cache=False)
    for name, (_, epoch) in cases.items():
        runs, figure = results.of(name), figures.learning_curves(results, name)
        assert any(run.best_epoch != run.stopped_epoch for run in runs)
        kept = [getattr(run, epoch) for run in runs]
        for axis in figure.axes:
            (dashed,) = lines(axis, linestyle="--")
            assert set(dashed.get_xdata()) == {np.mean(kept)}
            stopped = [run.stopped_epoch for run in runs]
            dotted = [line.get_xdata()[0] for line in lines(axis, linestyle=":")]
            assert dotted == ([np.mean(stopped)] if stopped != kept else [])
        rows = numbers_of(figure).dropna(subset="test_accuracy")
        assert rows.epoch.tolist() == kept
        assert rows.test_accuracy.tolist() == [run.test_accuracy for run in runs]
        accuracy = 100 * np.mean([run.returned["training_accuracy"] for run in runs])
        assert f"{accuracy:.1f} % training" in figure.exhibit_data.finding
        assert drawn(figure)


def test_learning_curves_of_other_classes_without_validation_say_what_was_measured(tiny):
    config = ALL_CHANGED.replace(validation_fraction=0.0)
    results = run({"mine": config}, [7], n_jobs=1, data=tiny, cache=False)
    figure = figures.learning_curves(results, "mine")
    assert figure.axes[0].get_ylabel().endswith("/ 3")
    for axis in figure.axes:
        assert lines(axis, label="training") and not lines(axis, label="validation")
    assert "validation" not in figure.exhibit_data.finding
    assert tables.comparison(results).loc["mine", "validation accuracy, %"] == MISSING


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("baseline", ["Figure 3. Loss", "Figure 4. Accuracy"]),
        ("two_hidden_layers", ["Figure 21. Loss", "Figure 22. Accuracy"]),
        ("mine", ["Loss", "Accuracy"]),
    ],
)
def test_learning_curves_have_the_papers_figure_numbers(small_results, name, titles):
    axes = figures.learning_curves(small_results, name).axes
    assert [axis.get_title(loc="left") for axis in axes] == titles


def test_an_overlay_holds_the_curves_of_all_experiments_told_apart_without_colour(small_results):
    names = ["baseline", "learning_rate_0.5", "linear", "mine"]
    quantities = ("validation_loss", "training_accuracy")
    figure = figures.overlay(small_results, names, *quantities)
    numbers = numbers_of(figure).set_index(["quantity", "experiment", "seed"])
    for axis, quantity in zip(figure.axes, quantities, strict=True):
        thick = lines(axis, linewidth=2)
        assert len({line.get_linestyle() for line in thick}) == len(names)
        for name, line in zip(names, thick, strict=True):
            curves = [run.history[quantity] for run in small_results.of(name)]
            curves = [curve * (100 if "accuracy" in quantity else 1) for curve in curves]
            for seed, curve in enumerate(curves):
                own = numbers.loc[(quantity, name, seed)]
                expected = curve if len(curve) else [np.nan]  # it diverged at once
                np.testing.assert_allclose(own.value, expected, 1e-6)
            mean = np.mean([curve[: min(map(len, curves))] for curve in curves], axis=0)
            np.testing.assert_allclose(line.get_ydata(), mean)
            if len(mean):
                best = f"{mean.max():.1f} %" if "accuracy" in quantity else f"{mean.min():.4f}"
                epoch = mean.argmax() if "accuracy" in quantity else mean.argmin()
                assert f"{best} (epoch {epoch + 1})" in figure.exhibit_data.finding


# ---- comparison ----------------------------------------------------------------------------------


def test_our_means_and_the_papers_values_are_drawn_for_every_experiment(small_results):
    names = ["linear", "baseline", "l2_0.2", "baseline_100_epochs"]
    figure = figures.against_paper(small_results, names)
    ours = [small_results.frame.query("experiment == @name").test_accuracy for name in names]
    means = [100 * values.mean() for values in ours]
    (axis,) = figure.axes
    near = [row for row, mean in enumerate(means) if abs(mean - sorted(means)[1]) <= FAR]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines(axis, marker="o")]
    np.testing.assert_allclose(dots, [(means[row], row) for row in near])
    at_the_edge = [text.get_text().strip("◂▸ ") for text in axis.texts]
    assert at_the_edge == [f"{means[row]:.1f} %" for row in range(4) if row not in near]
    squares = {line.get_xdata()[0]: line.get_ydata()[0] for line in lines(axis, marker="s")}
    assert squares == {
        paper: pytest.approx(row + 0.3) for row, paper in ((1, 84.47), (2, 86.26)) if row in near
    }
    numbers = numbers_of(figure)
    np.testing.assert_allclose(numbers.test_accuracy_percent, 100 * np.concatenate(ours))
    papers = numbers.paper_test_accuracy_percent.fillna(0)
    assert papers.tolist() == np.repeat([0, 84.47, 86.26, 0], 2).tolist()
    assert f"{min(means):.1f} %" in figure.exhibit_data.finding
    assert f"−{86.26 - means[2]:.1f} points" in figure.exhibit_data.finding


def test_the_next_run_is_drawn_beside_each_printed_number(small_results):
    figure = figures.difference_to_paper(small_results)
    numbers = numbers_of(figure)
    for axis, (quantity, paper) in zip(
        figure.axes, {"test_accuracy": 84.47, "test_loss": 0.064}.items(), strict=True
    ):
        values = small_results.values(quantity, "baseline")
        own = numbers[(numbers.experiment == "baseline") & (numbers.quantity == quantity)]
        np.testing.assert_allclose(own.ours, values, rtol=1e-6)
        _, low, high = prediction_interval(values)
        np.testing.assert_allclose(own[["low", "high"]].iloc[0], [low, high], rtol=1e-5)
        (dots,) = [line for line in lines(axis, marker="o") if line.get_ydata()[0] == 0]
        assert dots.get_xdata()[0] == pytest.approx(values.mean() - paper)
        band, *_ = [line for line in lines(axis, linewidth=2.0) if line.get_ydata()[0] == 0]
        np.testing.assert_allclose(band.get_xdata(), [low - paper, high - paper])


def test_claims_of_any_unit_are_drawn_in_halves_of_their_interval(small_results):
    claims = [
        Claim("2", "a bound below", "test_accuracy", "baseline", low=10),
        Claim("2", "a bound above", "test_accuracy", "baseline", high=10),
        Claim("3", "a difference", "test_loss", "baseline", high=0, minus="linear"),
    ]
    judged = judge(small_results, {}, claims)
    inside = scoreboard_numbers(judged).inside
    half = (judged.interval_high - judged.interval_low) / 2
    expected = [judged["mean"][0] - 10, 10 - judged["mean"][1], -judged["mean"][2]] / half
    np.testing.assert_allclose(inside, expected)
    figure = figures.scoreboard_figure(judged)
    assert [label.get_text()[:1] for label in figure.axes[0].get_yticklabels()] == ["1", "2", "3"]
    assert figures.scoreboard_figure(judge(small_results, {}, claims[:1])).axes


def test_a_claim_about_two_experiments_that_are_equal_in_every_seed_has_a_mark_without_a_bar(
    small_results,
):
    claims = [Claim("3", "no difference", "test_loss", "linear", low=low, minus="linear")
              for low in (0, -1, 1)]  # fmt: skip
    numbers = scoreboard_numbers(judge(small_results, {}, claims))
    assert numbers.inside.tolist() == [0, np.inf, -np.inf]
    assert (numbers.low[0], numbers.high[0]) == (0, 0)
    assert numbers.verdict.tolist() == ["undecided", "reproduced", "not reproduced"]


def test_the_finding_names_the_largest_difference_to_the_paper():
    ours, papers = [84.0, 85.2, 89.0], [84.9, 86.7, np.nan]
    rows = zip(["baseline", "relu", "final"], [0, 0, 0], ours, papers, strict=True)
    columns = ["experiment", "seed", "test_accuracy_percent", "paper_test_accuracy_percent"]
    finding = paper_finding(pd.DataFrame(rows, columns=columns))
    for part in (
        "84.0 % (baseline, early stopping)",
        "89.0 % (final",
        "2 experiments",
        "−1.5 points (ReLU",
    ):
        assert part in finding


def test_contributions_and_the_rest_add_up_to_the_measured_difference(small_results):
    figure = figures.contributions(small_results, "linear", ["baseline", "l2_0.2"], "mine")
    accuracy = 100 * small_results.frame.pivot(
        index="seed", columns="experiment", values="test_accuracy"
    )
    gains = [accuracy["baseline"] - accuracy.linear, accuracy["l2_0.2"] - accuracy.linear]
    gains.append(accuracy.mine - accuracy.linear - gains[0] - gains[1])
    numbers = numbers_of(figure)
    np.testing.assert_allclose(numbers.points.dropna(), np.concatenate(gains), atol=1e-5)
    ends = np.concatenate([accuracy.linear, accuracy.mine])
    np.testing.assert_allclose(numbers.test_accuracy_percent.dropna(), ends, 1e-6)
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    level = accuracy.linear.mean()
    for (left, width), gain in zip(bars, gains, strict=True):
        assert (left, width) == pytest.approx((level, gain.mean()))
        level += gain.mean()
    assert level == pytest.approx(accuracy.mine.mean())


# ---- sweeps --------------------------------------------------------------------------------------


def test_accuracy_by_penalty_is_drawn_as_means_with_standard_deviations(small_results):
    figure = figures.accuracy_by_penalty(small_results, PATHS)
    frame = small_results.frame.set_index("experiment")
    for axis, path in zip(figure.axes, PATHS.values(), strict=True):
        for bars, part in zip(axis.containers, ("validation", "test"), strict=True):
            values = [100 * frame.loc[name, f"{part}_accuracy"] for _, name in path]
            line, _, (spread,) = bars.lines
            assert list(line.get_ydata()) == pytest.approx([v.mean() for v in values])
            ends = [(v.mean() - v.std(ddof=1), v.mean() + v.std(ddof=1)) for v in values]
            np.testing.assert_allclose([s[:, 1] for s in spread.get_segments()], ends)
    numbers = numbers_of(figure).set_index(["kind", "penalty", "quantity"]).sort_index()
    for quantity in ("validation_accuracy", "test_accuracy"):
        own = numbers.loc[("L2", 0.2, quantity)].percent
        np.testing.assert_allclose(own, 100 * frame.loc["l2_0.2", quantity], 1e-6)


def test_the_finding_names_the_best_and_the_worst_penalty_on_the_test_images():
    rows = [("L2", 0.1, 92, 85), ("L2", 0.2, 91, 87), ("L2", 0.5, 93, 84)]
    numbers = pd.DataFrame(
        rows, columns=["kind", "penalty", "validation_accuracy", "test_accuracy"]
    )
    numbers = numbers.melt(["kind", "penalty"], var_name="quantity", value_name="percent")
    assert re.search(r"0\.2 \(87\.0 %\).* 0\.5 \(84\.0 %\)", penalty_finding(numbers))


def test_accuracy_is_drawn_at_the_number_of_parameters(small_results):
    figure = figures.accuracy_by_parameters(small_results, ["linear", "two_hidden_layers"])
    sizes = [37 * 10, 37 * 5 + 6 * 5 + 6 * 10]
    dots = lines(figure.axes[0], marker="o")
    assert [line.get_xdata()[0] for line in dots] == sizes
    means = 100 * small_results.frame.groupby("experiment").test_accuracy.mean()
    drawn_means = [line.get_ydata()[0] for line in dots]
    assert drawn_means == pytest.approx(list(means[["linear", "two_hidden_layers"]]))
    assert numbers_of(figure).parameters.tolist() == [sizes[0]] * 2 + [sizes[1]] * 2


def test_the_layers_stand_beside_their_own_point_and_cover_no_other():
    points = [("784-64-10", 50_890, 81), ("784-64-64-10", 55_050, 81)]
    points += [("784-10", 7_850, 69), ("784-256-10", 203_530, 86)]
    rows = [(layers, layers, size, 0, accuracy) for layers, size, accuracy in points]
    columns = ["experiment", "layers", "parameters", "seed", "test_accuracy_percent"]
    figure = draw_parameters(pd.DataFrame(rows, columns=columns))
    (axis,) = figure.axes
    figure.canvas.draw()
    at = {layers: axis.transData.transform((size, accuracy)) for layers, size, accuracy in points}
    boxes = {text.get_text(): text.get_window_extent() for text in axis.texts}
    assert boxes.keys() == at.keys()
    for layers, box in boxes.items():
        x, y = at[layers]
        assert box.y0 < y < box.y1 and 0 < min(abs(box.x0 - x), abs(box.x1 - x)) < 20
        assert axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1
        assert not any(box.contains(*point) for point in at.values())
        assert sum(box.overlaps(other) for other in boxes.values()) == 1  # itself
    plt.close(figure)


def test_a_heat_map_frames_the_best_combination_and_shows_none_that_diverged():
    figure = figures.heat_maps(small_sweep(), "validation_accuracy")
    written = [text.get_text() for axis in figure.axes[:2] for text in axis.texts]
    assert written == ["95.1", "96.1", "94.1", "–"]
    framed = [len(axis.patches) for axis in figure.axes[:2]]
    assert framed == [1, 0] and figure.axes[0].patches[0].get_center() == pytest.approx((1.5, 0.5))
    assert numbers_of(figure).percent.tolist()[:3] == pytest.approx([95.1, 96.1, 94.1])
    for value in ("0.001", "0.9", "0.2", "96.10 %"):
        assert value in figure.exhibit_data.finding


# ---- gradients and distances ---------------------------------------------------------------------


def test_the_differences_of_the_gradients_are_drawn_against_the_step_a_panel_per_kind():
    columns = [("bias", "0", "first"), ("weight", "0,2", "first"), ("bias", "0", "last")]
    values = [[1e-2, 1e-3, 2e-3], [2e-5, 3e-5, 4e-6], [0.0, 1e-9, 3e-8]]
    names = pd.MultiIndex.from_tuples(columns, names=["weight", "index", "pattern"])
    differences = pd.DataFrame(values, [0.1, 0.01, 1e-5], names).rename_axis("epsilon")
    figure = figures.difference_by_epsilon(differences, "KMNIST")
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["bias (2)", "weight (1)"]
    expected = [[1e-2, 2e-5, 1e-17], [2e-3, 4e-6, 3e-8], [6e-3, 1.2e-5, 1.5e-8]]  # with the median
    for line, own in zip(figure.axes[0].lines, expected, strict=False):
        assert line.get_ydata().tolist() == pytest.approx(own)
        assert line.get_xdata().tolist() == [0.1, 0.01, 1e-5]
    for line in figure.axes[1].lines[:2]:
        assert line.get_ydata().tolist() == [1e-3, 3e-5, 1e-9]
    for axis in figure.axes:
        rounding, truncation, step, bound = axis.lines[-4:]
        slopes = [np.diff(np.log(line.get_ydata())) / np.diff(np.log(line.get_xdata()))
                  for line in (rounding, truncation)]  # fmt: skip
        np.testing.assert_allclose(slopes, [[-1, -1], [2, 2]])
        assert step.get_xdata()[0] == 1e-2 and bound.get_ydata()[0] == 1e-4
        low, high = axis.get_ylim()
        assert low < 1e-17 and high > truncation.get_ydata().max()
    numbers = numbers_of(figure)
    assert list(numbers.columns) == [
        "epsilon", "bias [0], first image", "weight [0,2], first image", "bias [0], last image",
    ]  # fmt: skip
    np.testing.assert_allclose(numbers.to_numpy()[:, 1:], values)
    for value in ("3.0e-05, below", "3.0e-08", "1e-05"):  # at the paper's step; the smallest
        assert value in figure.exhibit_data.finding
    finding = figures.difference_by_epsilon(10 * differences, "KMNIST").exhibit_data.finding
    assert "3.0e-04, ABOVE" in finding


def test_distances_are_drawn_with_their_medians():
    figure = figures.distance_histogram(DISTANCES, "KMNIST")
    medians = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert medians == pytest.approx([np.median(values) for values in DISTANCES.values()])
    numbers = numbers_of(figure)
    for part, values in DISTANCES.items():
        np.testing.assert_allclose(numbers[numbers.part == part].distance, values, 1e-6)


# ---- images --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oblong(make_dataset):
    """Images of 4 x 9 pixels in 3 classes: neither square nor of ten characters."""
    data = make_dataset(side=6)
    shape = (-1, 4, 9)
    return replace(
        data, train_images=data.train_images.reshape(shape),
        test_images=data.test_images.reshape(shape),
    )  # fmt: skip


def test_examples_are_the_first_images_of_each_class(oblong):
    figure = figures.example_images(oblong, per_class=2)
    canvas = 255 - figure.axes[0].images[0].get_array()
    numbers = numbers_of(figure)
    for part, images, labels, first in (
        ("training", oblong.train_images, oblong.train_labels, 0),
        ("test", oblong.test_images, oblong.test_labels, 3),
    ):
        for label in range(3):
            rows = [row for row, own in enumerate(labels) if own == label][:2]
            shown = numbers[(numbers.part == part) & (numbers.label == label)]
            assert shown.index_in_data_set.tolist() == rows
            for place, row in enumerate(rows, start=first):
                cell = canvas[6 * label : 6 * label + 4, 11 * place : 11 * place + 9]
                assert np.array_equal(cell, images[row])
    assert canvas.shape == (3 * 6, 5 * 11)
    deviations = [
        (oblong.train_images[oblong.train_labels == label] / 255).std(axis=0).mean()
        for label in range(3)
    ]
    most, least = np.argmax(deviations), np.argmin(deviations)
    found = re.findall(r"\b([abc]) (?:varies|least).*?([\d.]+\d)", figure.exhibit_data.finding)
    assert found == [("abc"[label], f"{deviations[label]:.2f}") for label in (most, least)]


def test_the_first_layer_shows_the_units_with_the_largest_weights(oblong):
    config = Config(layer_specs=(36, 5, 3), epochs=1)
    results = run({"a": config}, [0, 1], n_jobs=1, data=oblong, cache=False)
    figure = figures.first_layer_weights(results, ["a"], oblong, units=3)
    weights = results.of("a")[0].model.weights[0]
    largest = sorted(range(5), key=lambda unit: -(weights[:, unit] ** 2).sum())[:3]
    assert numbers_of(figure).unit.tolist() == largest
    for axis, unit in zip(figure.axes, largest, strict=True):
        image = axis.images[0].get_array()
        np.testing.assert_allclose(image, weights[:, unit].reshape(4, 9), atol=1e-4)
    images = weights.T.reshape(5, 4, 9)
    pairs = [(images[..., i].ravel(), images[..., i + 1].ravel()) for i in range(8)]
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    assert f"{np.corrcoef(left, right)[0, 1]:.2f}" in figure.exhibit_data.finding


def test_a_class_without_test_images_is_neither_the_worst_nor_confused(kana):
    counts = np.diag([9] * 10)
    counts[4] = 0
    assert "100.0 % (お o)" in figures.confusion_matrix(counts, kana).exhibit_data.finding
    assert "error" not in figures.confusion_matrix(counts, kana).exhibit_data.finding
    counts[2, 6] = 1
    figure = figures.confusion_matrix(counts, kana)
    assert "90.0 % (す su)" in figure.exhibit_data.finding
    assert "su taken for ま ma, 10.0 %" in figure.exhibit_data.finding
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(shown) == ["10.0", *["100.0"] * 8, "90.0"]


def test_a_confusion_matrix_is_drawn_in_per_cent_with_the_errors_coloured(oblong):
    counts = np.array([[8, 2, 0], [1, 7, 2], [0, 0, 0]])  # no image of the last class
    figure = figures.confusion_matrix(counts, oblong)
    coloured = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(coloured, [[0, 20, 0], [10, 0, 20], [0, 0, 0]])
    written = {text.get_position()[::-1]: text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[0].yaxis_inverted()  # the first row on top
    assert written == {
        (0.5, 0.5): "80.0", (0.5, 1.5): "20.0", (1.5, 0.5): "10.0", (1.5, 1.5): "70.0",
        (1.5, 2.5): "20.0",
    }  # fmt: skip
    np.testing.assert_allclose(
        numbers_of(figure).iloc[:, 1:], [[80, 20, 0], [10, 70, 20], [np.nan] * 3]
    )
    for part in ("70.0 % (b)", "80.0 % (a)", "a taken for b, 20.0 %"):
        assert part in figure.exhibit_data.finding


def test_errors_are_drawn_with_true_and_predicted_character_and_probability(oblong):
    errors = ConfidentErrors(
        oblong.test_images[:3], np.array([0, 1, 0]), np.array([2, 2, 2]), np.array([0.99, 0.9, 0.8])
    )
    figure = figures.most_confident_errors(errors, oblong)
    for axis, image, title in zip(
        figure.axes,
        errors.images,
        ("a → c  99\xa0%", "b → c  90\xa0%", "a → c  80\xa0%"),
        strict=False,
    ):
        assert np.array_equal(255 - axis.images[0].get_array(), image)
        assert axis.get_title() == title
    assert numbers_of(figure).to_dict("list") == {
        "true_character": ["a", "b", "a"], "predicted_character": ["c", "c", "c"],
        "probability": [0.99, 0.9, 0.8],
    }  # fmt: skip
    assert re.search(r"80\.0\s%.* a taken for c \(2", figure.exhibit_data.finding)


def test_no_error_is_drawn_as_an_empty_figure(kana):
    assert drawn(figures.most_confident_errors(errors_of(kana, count=0), kana))


def test_a_matplotlibrc_of_ones_own_does_not_reach_the_figures():
    with mpl.rc_context({"text.usetex": True, "lines.linewidth": 9, "axes.facecolor": "red"}):
        figures.use_style()
        found = [mpl.rcParams[n] for n in ("text.usetex", "lines.linewidth", "axes.facecolor")]
    assert found == [False, mpl.rcParamsDefault["lines.linewidth"], "white"]
