"""Tables and figures show what was measured, never a NaN, and say so on the stand-in."""

import inspect as python_inspect
import io
import re
import warnings
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

from kmnist_mlp.config import Config
from kmnist_mlp.data import CLASS_NAMES, ROMAJI
from kmnist_mlp.datasets.kmnist import StandInWarning
from kmnist_mlp.experiments import sweep as grid
from kmnist_mlp.experiments.claims import CLAIMS, judge
from kmnist_mlp.experiments.paper import EXPERIMENTS, published_gradients
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.figures import charts as figures
from kmnist_mlp.figures import style as style_room
from kmnist_mlp.figures import tables
from kmnist_mlp.gradient_check import check_paper_patterns, differences_by_epsilon
from kmnist_mlp.report import notebook
from kmnist_mlp.support.statistics import plus_minus, signed

SMALL = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)
CONFIGS = {
    "baseline": SMALL,
    "baseline_100_epochs": SMALL.replace(early_stop=False),
    "l2_0.2": SMALL.replace(L2_penalty=0.2),
    "learning_rate_0.5": SMALL.replace(
        activation="ReLU", learning_rate=1e12, momentum=False, epochs=5
    ),
    "two_hidden_layers": SMALL.replace(layer_specs=(36, 5, 5, 10)),
    "linear": SMALL.replace(layer_specs=(36, 10)),
    "mine": SMALL.replace(epochs=2),
}


@pytest.fixture(scope="module")
def kana(tiny10):
    """Small images that carry the ten kana as their classes."""
    return replace(tiny10, name="KMNIST", class_names=CLASS_NAMES, romaji=ROMAJI)


@pytest.fixture(scope="module")
def results(kana):
    """Two seeds of small runs under the names of the paper's experiments; one diverges."""
    return run(CONFIGS, [0, 1], n_jobs=1, data=kana, cache=False)


@pytest.fixture(scope="module")
def one_seed(kana):
    return run(CONFIGS, [0], n_jobs=1, data=kana, cache=False)


@pytest.fixture(scope="module")
def checks(kana):
    return {seed: check_paper_patterns(kana, seed) for seed in (0, 1)}


@pytest.fixture
def style():
    """Set the style of figures for one test only."""
    with mpl.rc_context():
        figures.use_style()
        yield


def plain(text):
    """Put ordinary spaces in the place of no-break spaces."""
    return text.replace("\xa0", " ")


# ---- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "digits", "text"),
    [
        ([84.0, 85.0], 2, "84.50 ± 0.71"),
        ([84.0], 2, "84.00"),
        ([1.0, 2.0, 3.0], 1, "2.0 ± 1.0"),
        ([123456.0], 2, "1.2e+05"),
        ([1.0, np.nan], 2, "not finite"),
        ([np.inf], 2, "not finite"),
    ],
)
def test_plus_minus_is_mean_and_standard_deviation_over_seeds(values, digits, text):
    assert plain(plus_minus(values, digits)) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(1.234, 2, "+1.23"), (-0.5, 1, "−0.5"), (0.0, 2, "+0.00")]
)
def test_a_difference_has_its_sign(value, digits, text):
    assert signed(value, digits) == text


# ---- tables --------------------------------------------------------------------------------------


def text_of(table):
    return table.reset_index().astype(str).to_csv(index=False)


@pytest.mark.parametrize("which", ["results", "one_seed"])
def test_the_comparison_holds_no_nan_even_where_runs_diverged(request, which):
    results = request.getfixturevalue(which)
    table = tables.comparison(results)
    assert not table.isna().any(axis=None)
    assert not any(bad in text_of(table).lower() for bad in ("nan", "inf", "none"))


def test_the_comparison_survives_a_loss_that_overflowed(results):
    frame = results.frame.copy()
    frame.loc[frame.experiment == "baseline", "test_loss"] = [np.inf, 0.06]
    table = tables.comparison(Results(results.runs, frame, "KMNIST"), ["baseline"])
    assert table.loc["baseline, early stopping", "test loss"] == "not finite"
    assert not any(bad in text_of(table).lower() for bad in ("nan", "inf,"))


def test_the_comparison_puts_the_papers_numbers_beside_ours(results):
    table = tables.comparison(results)
    row = table.loc["baseline, early stopping"]
    accuracy = results.values("test_accuracy", "baseline")
    loss = results.values("test_loss", "baseline")
    assert plain(row["test accuracy, %"]) == f"{accuracy.mean():.2f} ± {accuracy.std():.2f}"
    assert row["paper, %"] == "84.47" and row["paper loss"] == "0.064"
    assert row["difference"] == f"{accuracy.mean() - 84.47:+.2f}".replace("-", "−")
    assert row["loss difference"] == f"{loss.mean() - 0.064:+.4f}".replace("-", "−")


def test_where_the_paper_prints_no_number_the_comparison_has_a_dash(results):
    table = tables.comparison(results, ["linear", "mine"])
    assert list(table.index) == ["linear softmax", "mine"]
    columns = ["paper, %", "difference", "paper loss", "loss difference"]
    assert (table[columns] == tables.MISSING).all(axis=None)


def test_the_comparison_counts_the_runs_that_diverged(results):
    stopped = tables.comparison(results)["stopped at epoch"]
    assert stopped["learning rate 0.5"].endswith(", 2 diverged")
    assert not stopped.drop("learning rate 0.5").str.contains("diverged").any()


def test_a_table_of_the_stand_in_says_so(results):
    stand_in = replace(results, data_name="stand-in data")
    assert "STAND-IN" in tables.comparison(stand_in).to_html()
    assert "STAND-IN" not in tables.comparison(results).to_html()


def test_the_table_of_configurations_shows_every_hyper_parameter_that_differs():
    table = tables.configurations(EXPERIMENTS)
    assert len(table) == len(EXPERIMENTS) and not table.isna().any(axis=None)
    # the paper's runs are all different, so their rows must be, too
    assert not table.duplicated().any()
    final = table.loc["final model"]
    assert final["layers"] == "784-256-256-10" and final["patience"] == 30
    assert table.loc["linear softmax", "activation"] == tables.MISSING
    assert table.loc["without momentum", "momentum"] == "none"
    assert table.loc["baseline, 100 epochs", "patience"] == "none"
    pd.testing.assert_frame_equal(
        tables.configurations(["final"]), table.loc[["final model"]], check_dtype=False
    )


def test_exactly_five_of_the_eighteen_printed_gradients_disagree_with_themselves():
    wrong = [row for row in published_gradients() if not tables.agrees_with_itself(row)]
    where = [(row["pattern"], row["weight"], row["index"]) for row in wrong]
    assert where == [
        ("first", "hidden to output", "0,2"),
        ("first", "hidden to output", "4,5"),
        ("sixth", "hidden to output", "0,2"),
        ("sixth", "hidden to output", "4,5"),
        ("last", "output bias", "0"),
    ]


@pytest.mark.parametrize("pattern", ["first", "sixth", "last"])
def test_each_gradient_table_has_our_six_rows_beside_the_papers(checks, pattern):
    table = tables.gradient_table(checks[0], pattern)
    ours = checks[0][checks[0].pattern == pattern]
    printed = [row for row in published_gradients() if row["pattern"] == pattern]
    assert list(table.index) == [f"{row['weight']} [{row['index']}]" for row in printed]
    for column, values in (
        ("approximated", ours.approximated_gradient),
        ("actual", ours.actual_gradient),
        ("paper: actual", [row["actual_gradient"] for row in printed]),
    ):
        assert table[column].astype(float).tolist() == pytest.approx(list(values), rel=1e-3)
    assert (table["at most 1e-4"] == "yes").all()
    assert table["paper: difference"].tolist() == [f"{row['difference']:.5g}" for row in printed]


def test_a_gradient_that_is_wrong_stands_out(checks):
    wrong = checks[0].assign(within_tolerance=False)
    assert (tables.gradient_table(wrong, "first")["at most 1e-4"] == "NO").all()


def test_the_scoreboard_shows_every_claim_that_was_judged(results, checks):
    judged = judge(results, checks)
    board = tables.scoreboard(judged)
    assert 5 < len(board) == len(judged) < len(CLAIMS)
    assert list(board.index) == list(range(1, len(board) + 1))
    assert board.claim.tolist() == judged.claim.tolist()
    assert board.verdict.tolist() == judged.verdict.tolist()
    assert not any(bad in text_of(board).lower() for bad in ("nan", "inf", "none"))


def test_the_scoreboard_of_one_seed_calls_the_interval_unknown(one_seed):
    board = tables.scoreboard(judge(one_seed, {}))
    assert (board["95 % interval"] == "one seed: unknown").all()
    assert (board.verdict == "undecided").all()


def test_html_escapes_text_but_not_markup_and_aligns_columns_of_numbers():
    table = pd.DataFrame(
        {"loss < 1": ["0.5", "–"], "link": [Markup("<a>b</a>"), "<i>"]}, index=["a & b", "c"]
    )
    page = tables.html(table)
    assert '<th scope="col" class="number">loss &lt; 1</th>' in page
    assert '<th scope="row">a &amp; b</th><td class="number">0.5</td>' in page
    assert "<td><a>b</a></td>" in page and "<td>&lt;i&gt;</td>" in page


def test_the_numbers_behind_tables_are_not_rounded(results, checks):
    frame = pd.read_csv(io.StringIO(tables.comparison(results, ["mine"]).attrs["exhibit_data"].csv))
    expected = results.frame[results.frame.experiment == "mine"]
    assert frame.test_loss.tolist() == pytest.approx(expected.test_loss.tolist(), rel=1e-6)
    gradients = tables.gradient_table(checks[0], "sixth").attrs["exhibit_data"].csv
    gradients = pd.read_csv(io.StringIO(gradients))
    printed = [row for row in published_gradients() if row["pattern"] == "sixth"]
    assert gradients.paper_difference.tolist() == [row["difference"] for row in printed]
    board = pd.read_csv(
        io.StringIO(tables.scoreboard(judge(results, checks)).attrs["exhibit_data"].csv)
    )
    assert {"experiment", "minus", "low", "high", "mean", "verdict"} <= set(board.columns)


def test_the_verdicts_are_counted_in_words():
    judged = pd.DataFrame({"verdict": ["reproduced", "undecided", "reproduced"]})
    assert tables.verdict_counts(judged) == "2 reproduced, 0 not reproduced, 1 undecided"


# ---- errors --------------------------------------------------------------------------------------


MATRICES = [
    np.diag([8] * 10) + 2 * np.eye(10, k=1, dtype=int) + 2 * np.eye(10, k=-9, dtype=int),
    np.diag([10] * 10),
]


def test_accuracy_and_precision_are_given_for_each_character(kana):
    table = tables.per_class(MATRICES, kana)
    assert list(table.index) == list(CLASS_NAMES) and table["read"].tolist() == list(ROMAJI)
    assert set(map(plain, table["accuracy, %"])) == {"90.0 ± 14.1"}
    skewed = np.diag([10] * 10)
    skewed[0] = 5  # class 0: 5 of 50 right; 5 of each other's 15 answers are wrong
    table = tables.per_class([skewed], kana)
    assert table["accuracy, %"].tolist() == ["10.0"] + ["100.0"] * 9
    assert table["precision, %"].tolist() == ["100.0"] + ["66.7"] * 9


def test_the_most_confused_pairs_come_first_and_no_right_answer_is_among_them(kana):
    matrix = np.diag([90] * 10)
    matrix[2, 6], matrix[7, 0] = 10, 4
    table = tables.most_confused([matrix, matrix], kana, count=2)
    assert table["character"].tolist() == ["す (su)", "や (ya)"]
    assert table["taken for"].tolist() == ["ま (ma)", "お (o)"]
    assert table["images per seed"].tolist() == ["10.0", "4.0"]
    assert table["share of the character, %"].tolist() == ["10.0", "4.3"]


# ---- figures -------------------------------------------------------------------------------------

DRAWN = {
    "learning_curves": lambda r, d: figures.learning_curves(r, "baseline"),
    "overlay": lambda r, d: figures.overlay(r, ["baseline", "l2_0.2", "mine"]),
    "against_paper": lambda r, d: figures.against_paper(r, ["baseline", "l2_0.2", "linear"]),
    "ladder": lambda r, d: figures.ladder(r, "linear", ["baseline", "l2_0.2"], "mine"),
    "first_layer": lambda r, d: figures.first_layer(r, ["baseline", "linear"], units=5),
    "by_penalty": lambda r, d: figures.by_penalty(
        r, {"L2": [(0, "baseline"), (0.2, "l2_0.2")], "L1": [(0, "baseline")]}
    ),
    "by_parameters": lambda r, d: figures.by_parameters(r, ["linear", "baseline"]),
    "classes": lambda r, d: figures.classes(d),
    "confusion": lambda r, d: figures.confusion(MATRICES[0], d),
    "gallery": lambda r, d: figures.gallery(
        d.test_images[:10], d.test_labels[:10], d.test_labels[1:11], np.linspace(1, 0.5, 10), d
    ),
    "distances": lambda r, d: figures.distances(
        {"validation": np.arange(1.0, 9), "test": np.arange(2.0, 9)}, d
    ),
    "by_epsilon": lambda r, d: figures.by_epsilon(differences_by_epsilon(d), d.name),
    "heat_maps": lambda r, d: figures.heat_maps(grid.load("grid"), "validation_accuracy"),
}
OF_KMNIST_ALONE = {"heat_maps"}  # from committed results, whatever the rest was measured on


def png(figure):
    """Draw a figure really; a character without a glyph is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        file = io.BytesIO()
        figure.savefig(file, dpi=40)
    return file.getvalue()


def marks(figure):
    return [text for text in figure.texts if "STAND-IN" in text.get_text() and text.get_visible()]


def test_every_function_of_the_room_is_drawn_here():
    functions = python_inspect.getmembers(figures, python_inspect.isfunction)
    makers = {
        name
        for name, function in functions
        if function.__module__ != style_room.__name__
        and not name.startswith("_")
        and python_inspect.signature(function).return_annotation == "Figure"
    }
    assert makers == set(DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_each_figure_is_drawn_with_real_glyphs_closed_and_marked_on_the_stand_in_only(
    name, results, kana, style
):
    figure = DRAWN[name](results, kana)
    assert isinstance(figure, Figure) and not plt.get_fignums()
    assert png(figure).startswith(b"\x89PNG")
    assert not marks(figure)
    stand_in = DRAWN[name](
        replace(results, data_name="stand-in data"), replace(kana, name="stand-in data")
    )
    assert len(marks(stand_in)) == (name not in OF_KMNIST_ALONE)


@pytest.mark.parametrize("name", DRAWN)
def test_each_figure_carries_its_numbers_and_a_finding_from_them(name, results, kana, style):
    behind = DRAWN[name](results, kana).exhibit_data
    numbers = pd.read_csv(io.StringIO(behind.csv))
    assert len(numbers) and not numbers.columns.str.startswith("Unnamed").any()
    assert re.search(r"\d", behind.finding) and behind.finding.endswith(".")
    assert len(behind.finding) < 600, "it is read out in one go"
    assert not re.search(r"\bnan\b", behind.finding)


def test_what_is_behind_a_figure_names_configurations_seeds_and_cache(results, style):
    behind = figures.overlay(results, ["baseline", "mine"]).exhibit_data
    assert list(behind.experiments) == ["baseline", "mine"] and behind.seeds == (0, 1)
    assert Config.from_dict(behind.experiments["mine"]) == CONFIGS["mine"]
    assert behind.cached == 0 and behind.quantities == ("validation_accuracy",)


def test_the_rungs_of_the_ladder_add_up_to_the_measured_difference(results, style):
    figure = figures.ladder(results, "linear", ["baseline", "l2_0.2"], "mine")
    steps = (
        pd.read_csv(io.StringIO(figure.exhibit_data.csv)).groupby("step", sort=False).points.mean()
    )
    end, start = (results.values("test_accuracy", name).mean() for name in ("mine", "linear"))
    assert steps.sum() == pytest.approx(end - start, abs=1e-5)
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert [width for _, width in bars] == pytest.approx(list(steps), abs=1e-5)
    assert bars[0][0] == pytest.approx(start)
    for (left, width), (following, _) in zip(bars, bars[1:], strict=False):
        assert left + width == pytest.approx(following)


def test_the_first_layer_shows_the_units_with_the_largest_weights(results, style):
    figure = figures.first_layer(results, ["baseline"], units=3)
    weights = results.of("baseline")[0].model.weights[0]
    largest = np.argsort(-np.linalg.norm(weights, axis=0))[:3]
    drawn = [axis.images[0].get_array() for axis in figure.axes]
    for image, unit in zip(drawn, largest, strict=True):
        np.testing.assert_array_equal(image.ravel(), weights[:, unit])
        assert image.shape == (6, 6)


def test_each_seed_has_a_stroke_where_it_stopped(results, style):
    accuracy = figures.learning_curves(results, "baseline").axes[1]
    strokes = [line.get_xdata()[0] for line in accuracy.lines if line.get_marker() == "|"]
    assert strokes == 2 * [len(run.history) for run in results.of("baseline")]


def test_curves_are_told_apart_without_colour(results, style):
    (axis,) = figures.overlay(results, ["baseline", "l2_0.2", "linear", "mine"]).axes
    dashes = [line.get_linestyle() for line in axis.lines if line.get_linewidth() == 2]
    assert len(dashes) == len(set(dashes)) == 4


@pytest.mark.parametrize(
    "name", ["learning_curves", "overlay", "against_paper", "by_penalty", "ladder"]
)
def test_figures_of_a_single_seed_are_drawn_without_a_warning(name, one_seed, kana, style):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert png(DRAWN[name](one_seed, kana))


def test_figures_of_pooled_stand_in_data_are_marked(results, kana, style):
    assert marks(figures.classes(replace(kana, name="stand-in data, pooled")))


def test_all_ten_kana_are_drawn_with_a_real_glyph(style):
    figure = plt.figure()
    figure.text(0.1, 0.5, "".join(CLASS_NAMES))
    figure.text(0.1, 0.2, "お → き  97%", weight="bold")
    plt.close(figure)
    assert png(figure)
    with mpl.rc_context({"font.family": ["DejaVu Sans"]}):  # the check itself can fail
        figure.text(0.1, 0.8, CLASS_NAMES[0])
        with pytest.raises(UserWarning, match="Glyph"):
            png(figure)


def lines(axis, label):
    return [line for line in axis.lines if line.get_label() == label]


def test_the_thick_curve_is_the_mean_over_seeds_as_long_as_all_are_training(results, style):
    runs = results.of("baseline")
    loss, accuracy = figures.learning_curves(results, "baseline").axes
    shared = min(len(r.history) for r in runs)
    for axis, quantity, factor in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for part in ("training", "validation"):
            (line,) = lines(axis, part)
            mean = np.mean([r.history[f"{part}_{quantity}"][:shared] for r in runs], axis=0)
            np.testing.assert_allclose(line.get_ydata(), mean * factor)
            assert line.get_xdata().tolist() == list(range(1, shared + 1))
        (test,) = lines(axis, "test")
        mean = np.mean([getattr(r, f"test_{quantity}") for r in runs]) * factor
        assert test.get_ydata() == pytest.approx([mean])


@pytest.mark.parametrize(
    ("name", "epoch"), [("baseline", "best_epoch"), ("baseline_100_epochs", "stopped_epoch")]
)
def test_the_dashed_line_marks_the_epoch_whose_weights_are_returned(results, style, name, epoch):
    expected = np.mean([getattr(run, epoch) for run in results.of(name)])
    for axis in figures.learning_curves(results, name).axes:
        (dashed,) = [line for line in axis.lines if line.get_linestyle() == "--"]
        assert list(dashed.get_xdata()) == [expected, expected]


def test_learning_curves_carry_the_papers_figure_numbers(results, style):
    for name, titles in (
        ("baseline", ["Figure 3. Loss", "Figure 4. Accuracy"]),
        ("two_hidden_layers", ["Figure 21. Loss", "Figure 22. Accuracy"]),
        ("mine", ["Loss", "Accuracy"]),
    ):
        axes = figures.learning_curves(results, name).axes
        assert [axis.get_title(loc="left") for axis in axes] == titles
        assert all(axis.get_xlabel() and axis.get_ylabel() for axis in axes)


def test_learning_curves_of_runs_that_diverged_at_once_are_drawn(results, style):
    assert png(figures.learning_curves(results, "learning_rate_0.5"))


def test_a_gallery_without_a_mistake_is_drawn_empty(kana, style):
    none = kana.test_images[:0], kana.test_labels[:0], kana.test_labels[:0], np.zeros(0)
    assert png(figures.gallery(*none, kana))


# ---- what the notebooks say ----------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """What the notebook room displays: Markdown as text, a table as HTML, a figure as it is."""
    shown = []

    def display(thing, **_):
        thing = thing["text/html"] if isinstance(thing, dict) else thing
        shown.append(getattr(thing, "data", thing))

    monkeypatch.setattr(notebook, "display", display)
    return shown


def test_a_table_has_its_caption_above_and_a_figure_below(shown, results, style):
    table, figure = tables.comparison(results), Figure()
    notebook.show(table, "Table 4. All\n    results.")
    notebook.show(figure, "Figure 3. The loss. It falls.")
    assert shown[0] == "**Table 4.** All results."
    assert "<table" in shown[1] and "baseline, early stopping" in shown[1]
    assert shown[2] is figure and shown[3] == "**Figure 3.** The loss. It falls."


def test_the_caption_of_learning_curves_names_both_figures_and_the_experiment(
    shown, results, style
):
    notebook.show_curves(results, "two_hidden_layers")
    caption = shown[1]
    assert caption.startswith("**Figures 21 and 22.** Two layers of 64 units, early stopping")
    assert "2 seeds" in caption


@pytest.mark.parametrize("stand_in", [True, False])
def test_a_notebook_begins_with_the_data_and_a_banner_on_the_stand_in_only(
    shown, kana, monkeypatch, stand_in
):
    data = replace(kana, name="stand-in data") if stand_in else kana

    def load():
        # a warning of another kind must not bring the banner
        warnings.warn("why", StandInWarning if stand_in else UserWarning, stacklevel=2)
        return data

    monkeypatch.setattr(notebook, "load_kmnist", load)
    monkeypatch.setattr(notebook, "set_matplotlib_formats", lambda *_: None)
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert notebook.begin() is data
    assert sum("STAND-IN DATA" in text for text in shown) == stand_in
    assert data.fingerprint[:12] in shown[-1] and "**Seeds:** 0, 1." in shown[-1]


def test_a_difference_in_a_sentence_has_its_interval(results, one_seed):
    said = notebook.points(results, "l2_0.2", "baseline")
    difference = results.values("test_accuracy", "l2_0.2") - results.values(
        "test_accuracy", "baseline"
    )
    assert said.startswith(signed(difference.mean(), 2) + " points (95 % interval")
    assert notebook.points(one_seed, "l2_0.2", "baseline").endswith("(one seed)")


def test_the_structure_of_a_table_is_printed_without_its_numbers(capsys):
    notebook.structure(pd.DataFrame({"loss": [0.06]}, index=["baseline"]))
    printed = capsys.readouterr().out
    assert "baseline" in printed and "loss" in printed and "0.06" not in printed


def test_the_gradient_verdicts_name_the_gradient_that_is_wrong_in_any_seed(checks, capsys):
    notebook.gradient_verdicts(checks)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 18 and all(line.endswith("within 0.0001") for line in lines)
    wrong = checks[1].copy()
    wrong.loc[7, ["difference", "within_tolerance"]] = [0.5, False]
    notebook.gradient_verdicts({0: checks[0], 1: wrong})
    lines = capsys.readouterr().out.splitlines()
    assert lines[7] == "sixth image, hidden bias [0]: TOO LARGE: 5.0e-01"
    assert sum("TOO LARGE" in line for line in lines) == 1


# ---- the sweep -----------------------------------------------------------------------------------


def small_sweep():
    """Two rates by two penalties, two seeds; the best on validation is not the best on test."""
    rows = [
        (5e-4, 0.9, 0.2, 0.950, 0.900),
        (1e-3, 0.9, 0.2, 0.960, 0.890),
        (5e-4, 0.9, 0.4, 0.940, 0.910),
        (1e-3, 0.9, 0.4, 0.990, 0.990),
    ]
    measured = ["validation_accuracy", "test_accuracy", "best_epoch", "diverged"]
    frame = pd.DataFrame(
        [(*r[:3], seed, r[3] + seed / 500, r[4], 9, False) for r in rows for seed in (0, 1)],
        columns=[*grid.AXES, "seed", *measured],
    )
    frame.loc[frame.index[-1], "diverged"] = True
    return frame


def test_the_table_of_the_sweep_has_the_best_and_the_papers_own_place():
    table = tables.sweep_table(small_sweep(), count=1)
    assert list(table.index) == [1, 2]
    assert list(table["learning rate"]) == ["0.001", "0.0005"]
    assert list(table["L2 penalty"]) == ["0.2", "0.2 (paper)"]
    assert table["test accuracy, %"].iloc[0] == plus_minus([89.0, 89.0], 2)


def test_a_combination_that_diverged_has_no_accuracy_in_the_heat_map(style):
    figure = figures.heat_maps(small_sweep(), "validation_accuracy")
    written = [text.get_text() for axis in figure.axes[:2] for text in axis.texts]
    assert written == ["95.1", "96.1", "94.1", "–"]
    assert "learning rate 0.001, momentum 0.9, L2 penalty 0.2" in figure.exhibit_data.finding
