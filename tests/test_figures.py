"""A figure shows what was measured: its data and its drawing agree with computations made here."""

import re
import warnings
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from options import ALL_CHANGED
from shown import ends, lines, numbers_of, points, texts, ticks
from small_runs import SMALL_RUNS, judged_twice

from kmnist_mlp import Config, figures, run
from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.claims import Claim
from kmnist_mlp.experiments.error_analysis import ConfidentErrors
from kmnist_mlp.experiments.paper import PAPER, paper_curves
from kmnist_mlp.experiments.paper_gradients import differences_by_epsilon
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.comparison import FAR, difference_finding
from kmnist_mlp.figures.curves import curve_numbers, draw_curves
from kmnist_mlp.figures.scoreboard import scoreboard_numbers
from kmnist_mlp.figures.style import described, picture, png
from kmnist_mlp.figures.sweeps import draw_parameters
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE
from kmnist_mlp.support.statistics import MISSING

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1, 50, (10, 10)) + np.diag(RNG.integers(50, 99, 10))
PATHS = {"L2": [(0, "baseline"), (0.2, "l2_0.2")], "L1": [(0, "baseline")]}
DISTANCES = {"validation": RNG.uniform(1, 8, 50), "test": RNG.uniform(2, 9, 40)}


@pytest.fixture(autouse=True)
def _no_open_figure():
    """Close what another test may have left open: these tests count the open figures."""
    plt.close("all")


@pytest.fixture(scope="module")
def small_results(kana):
    """Return runs of three seeds whose mean is not their median, kept and last epoch differ."""
    longer = {"learning_rate": 0.05, "epochs": 15, "early_stop_epoch": 2}
    configs = {
        name: config.replace(**longer if name != "learning_rate_0.5" else {})
        for name, config in SMALL_RUNS.items()
    }
    configs["mine"] = configs["mine"].replace(epochs=4)
    return run(configs, [0, 1, 2], n_jobs=1, data=kana, cache=False)


def accuracies(results, name, part="test"):
    """Return the accuracies of the seeds in per cent."""
    return np.array([100 * getattr(run, f"{part}_accuracy") for run in results.of(name)])


def errors_of(data, count=10):
    """Images of a data set as if each were taken for the character of the next one."""
    labels, probabilities = data.test_labels, np.linspace(1, 0.5, count)
    return ConfidentErrors(
        data.test_images[:count], labels[:count], labels[1 : count + 1], probabilities
    )


def small_sweep():
    """Two rates by three momenta by two penalties; one run of the best combination diverged."""
    cells = [(rate, gamma, penalty) for penalty in (0.2, 0.4) for gamma in (0.5, 0.9, 0.99)
             for rate in (5e-4, 1e-3)]  # fmt: skip
    frame = pd.DataFrame(
        [(*cell, seed, 0.95 + place / 200 + seed**2 / 1000, 0.90 - place / 300 + seed**2 / 500)
         for place, cell in enumerate(cells) for seed in (0, 1, 2)],
        columns=[*sweep.AXES, "seed", "validation_accuracy", "test_accuracy"],
    ).assign(diverged=False)  # fmt: skip
    frame.loc[frame.index[-1], "diverged"] = True
    return frame


DRAWN = {
    figures.learning_curves: lambda r, d: [r, "baseline"],
    figures.overlay: lambda r, d: [r, ["baseline", "l2_0.2", "linear", "mine"]],
    figures.against_paper: lambda r, d: [r, ["baseline", "l2_0.2", "linear"]],
    figures.difference_to_paper: lambda r, d: [r],
    figures.scoreboard_figure: lambda r, d: [judged_twice(r)],
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


def drawn(figure):
    """Draw a figure really; a character without a glyph is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")
        return png(figure, 40)


def marks(figure):
    return [text for text in figure.texts if "STAND-IN" in text.get_text() and text.get_visible()]


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
    figure = figures.scoreboard_figure(judged_twice(one_seed))
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
    assert list(data.experiments) == ["baseline", "mine"] and data.seeds == (0, 1, 2)
    assert Config.from_dict(data.experiments["mine"]) == small_results.of("mine")[0].config
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
    numbers = numbers_of(figure).query("source == 'ours'")
    assert numbers.seed.tolist() == [seed for seed in range(3) for _ in runs[seed].history.epoch]
    shared = min(len(run.history) for run in runs)
    epochs = [epoch + 1 for run in runs for epoch in range(len(run.history))]
    assert numbers.epoch.tolist() == epochs and len(set(epochs)) > shared
    for axis, kind, factor in zip(figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
        assert ("%" in axis.get_ylabel()) == (kind == "accuracy") and axis.get_xlabel() == "epoch"
        for part, band in zip(("training", "validation"), axis.collections, strict=True):
            histories = [run.history[f"{part}_{kind}"].to_numpy() for run in runs]
            np.testing.assert_allclose(numbers[f"{part}_{kind}"], np.concatenate(histories), 1e-6)
            (mean,) = lines(axis, label=part, color=BLUE if part == "training" else ORANGE)
            first = factor * np.array([history[:shared] for history in histories])
            centre = sum(first) / 3
            expected = list(zip(range(1, shared + 1), centre, strict=True))
            np.testing.assert_allclose(points([mean]), expected)
            thin = points(lines(axis, color=mean.get_color(), linewidth=0.6))
            np.testing.assert_allclose(
                thin, np.transpose([epochs, factor * np.concatenate(histories)])
            )
            spread = (sum((first - centre) ** 2) / 2) ** 0.5
            assert to_hex(band.get_facecolor()[0]) == to_hex(mean.get_color())
            np.testing.assert_allclose(
                [end for end in ends(band) if end[0]],
                np.transpose([range(1, shared + 1), centre - spread, centre + spread]),
            )
            strokes = points(lines(axis, marker="|", color=mean.get_color()))
            np.testing.assert_allclose(strokes, [(len(h), factor * h[-1]) for h in histories])


def test_the_dashed_line_and_the_test_result_are_at_the_epoch_whose_weights_are_kept(
    kana, small_results
):
    diverging = {"diverges": SMALL_RUNS["learning_rate_0.5"].replace(early_stop=False)}
    diverged = run(diverging, [0, 1], n_jobs=1, data=kana, cache=False)
    for results, name, epoch in (
        (small_results, "baseline", "best_epoch"),
        (small_results, "baseline_100_epochs", "stopped_epoch"),
        (diverged, "diverges", "best_epoch"),
    ):
        runs, figure = results.of(name), figures.learning_curves(results, name)
        assert any(run.best_epoch != run.stopped_epoch for run in runs)
        kept = [getattr(run, epoch) for run in runs]
        stopped = [run.stopped_epoch for run in runs]
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        marked = [f"weights of epoch {np.median(kept):.4g}"]
        marked += [f"stopped at {np.median(stopped):.4g}"] * (stopped != kept)
        assert [text for text in legend if "epoch" in text or "stopped" in text] == marked
        for axis, kind, factor in zip(figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
            (dashed,) = lines(axis, linestyle="--")
            assert set(dashed.get_xdata()) == {np.median(kept)}
            dotted = [line.get_xdata()[0] for line in lines(axis, linestyle=":")]
            assert dotted == ([np.median(stopped)] if stopped != kept else [])
            measured = factor * np.mean([getattr(run, f"test_{kind}") for run in runs])
            (diamond,) = points(lines(axis, label="test", marker="D"))
            assert diamond == pytest.approx((np.median(kept), measured))
        rows = numbers_of(figure).dropna(subset="test_accuracy")
        assert rows.epoch.tolist() == kept
        for quantity in ("test_accuracy", "test_loss", "best_epoch", "stopped_epoch"):
            np.testing.assert_allclose(
                rows[quantity], [getattr(run, quantity) for run in runs], 1e-6
            )
        mean = {
            part: 100 * np.mean([run.returned[f"{part}_accuracy"] for run in runs])
            for part in ("training", "validation")
        }
        mean["test"] = accuracies(results, name).mean()
        named = ", ".join(f"{value:.1f} % {part}" for part, value in mean.items())
        best = [run.best_epoch for run in runs]
        said = [f"{np.median(epochs):.1f}".removesuffix(".0") for epochs in (kept, best, stopped)]
        finding = figure.exhibit_data.finding
        assert f"accuracy {named}," in finding
        assert re.findall(r"epoch ([\d.]*\d)", finding) == said
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


@pytest.mark.parametrize("name", ["baseline", "baseline_100_epochs", "mine"])
def test_the_papers_curves_stand_behind_ours_and_in_the_numbers_with_their_uncertainty(
    small_results, name
):
    figure = figures.learning_curves(small_results, name)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend.count("paper, one run") == (name != "mine")
    for axis, kind, factor in zip(figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
        theirs = lines(axis, color=GREY, linestyle="-")
        if name == "mine":
            assert not theirs and "source" not in numbers_of(figure)
            continue
        own_number = PAPER[name].figures[kind == "accuracy"]
        numbers = numbers_of(figure).query("source == 'paper'").set_index("epoch")
        for what, suffix in (("value", ""), ("uncertainty", "_uncertainty")):
            expected = paper_curves([own_number], what).add_suffix(suffix)
            pd.testing.assert_frame_equal(numbers[list(expected)], expected)
        assert numbers.seed.isna().all()
        for line, part in zip(theirs, ("training", "validation"), strict=True):
            curve = paper_curves([own_number])[f"{part}_{kind}"]
            np.testing.assert_allclose(points([line]), [*(factor * curve).items()])
            (ours,) = lines(axis, label=part)
            assert line.get_zorder() < ours.get_zorder()


def test_the_papers_curves_are_not_cut_off_where_they_lie_above_ours(small_results):
    numbers, paper = curve_numbers(small_results, "baseline"), paper_curves((3, 4))
    numbers[["training_loss", "validation_loss", "test_loss"]] *= 0.01
    loss, _ = draw_curves(numbers, paper, 10, (3, 4)).axes
    plt.close("all")
    assert paper.validation_loss.max() < loss.get_ylim()[1] < 1.2 * paper.validation_loss.max()


def test_the_finding_says_how_far_the_papers_validation_curves_are_from_our_mean(small_results):
    runs, paper = small_results.of("baseline"), paper_curves((3, 4))
    said = figures.learning_curves(small_results, "baseline").exhibit_data.finding
    shared = min(len(run.history) for run in runs)
    expected = [str(shared)]
    for kind, factor, digits in (("loss", 1, 4), ("accuracy", 100, 2)):
        ours = [
            sum(run.history[f"validation_{kind}"][epoch] for run in runs) / 3
            for epoch in range(shared)
        ]
        theirs = paper[f"validation_{kind}"].to_numpy()
        apart = [factor * (theirs[epoch] - ours[epoch]) for epoch in range(shared)]
        mean = sum(apart) / shared
        assert max(map(abs, apart)) > 1.1 * abs(mean)
        expected += [f"{abs(mean):.{digits}f}", "above" if mean > 0 else "below"]
        expected += [f"{max(map(abs, apart)):.{digits}f}"]
    distances = said[said.index("On average") :]
    assert re.findall(r"above|below|\d[\d.]*(?!\w)", distances.rstrip(".")) == expected
    assert "KMNIST" in distances
    assert "paper" not in figures.learning_curves(small_results, "mine").exhibit_data.finding


def test_an_overlay_holds_the_curves_of_all_experiments_told_apart_without_colour(small_results):
    names = ["baseline", "learning_rate_0.5", "linear", "mine"]
    quantities = ("validation_loss", "training_accuracy")
    figure = figures.overlay(small_results, names, *quantities)
    numbers = numbers_of(figure).set_index(["quantity", "experiment", "seed"])
    units = ["validation loss", "training accuracy, %"]
    assert [axis.get_ylabel() for axis in figure.axes] == units
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["baseline, early stopping", "learning rate 0.5", "linear softmax", "mine"]
    for axis, quantity in zip(figure.axes, quantities, strict=True):
        thick = lines(axis, linewidth=2)
        assert len({line.get_linestyle() for line in thick}) == len(names)
        for name, label, line in zip(names, legend, thick, strict=True):
            assert line.get_label() == label
            curves = [run.history[quantity] for run in small_results.of(name)]
            curves = [curve * (100 if "accuracy" in quantity else 1) for curve in curves]
            for seed, curve in enumerate(curves):
                own = numbers.loc[[(quantity, name, seed)]]
                expected = curve if len(curve) else [np.nan]  # it diverged at once
                np.testing.assert_allclose(own.value, expected, 1e-6)
                first = min(1, len(curve))
                assert own.epoch.tolist() == list(range(first, len(curve) + 1))
            thin = lines(axis, linewidth=0.6, color=line.get_color())
            np.testing.assert_allclose(points(thin)[:, 1], np.concatenate(curves))
            shared = min(map(len, curves))
            mean = sum(curve[:shared] for curve in curves) / 3
            assert line.get_xdata().tolist() == list(range(1, shared + 1))
            np.testing.assert_allclose(line.get_ydata(), mean)
            if len(mean):
                best = f"{mean.max():.1f} %" if "accuracy" in quantity else f"{mean.min():.4f}"
                epoch = mean.argmax() if "accuracy" in quantity else mean.argmin()
                assert f"{label} {best} (epoch {epoch + 1})" in figure.exhibit_data.finding


# ---- comparison ----------------------------------------------------------------------------------


def test_our_means_and_the_papers_values_are_drawn_for_every_experiment(small_results):
    names = ["linear", "baseline", "l2_0.2", "two_hidden_layers", "mine"]
    figure = figures.against_paper(small_results, names)
    titles = ["linear softmax", "baseline, early stopping", "L2 penalty 0.2"]
    titles += ["two layers of 64 units", "mine"]
    ours = [accuracies(small_results, name) for name in names]
    means = [sum(values) / 3 for values in ours]
    (axis,) = figure.axes
    assert list(ticks(axis, "y").values()) == titles
    near = [row for row, mean in enumerate(means) if abs(mean - np.median(means)) <= FAR]
    assert len(near) > 1 and axis.yaxis_inverted()
    dots, strokes = points(lines(axis, marker="o")), points(lines(axis, marker="|"))
    np.testing.assert_allclose(dots, [(means[row], row) for row in near])
    np.testing.assert_allclose(strokes, [(value, row) for row in near for value in ours[row]])
    at_the_edge = {height: text.strip("◂▸ ") for (_, height), text in texts(axis).items()}
    assert at_the_edge == {row: f"{means[row]:.1f} %" for row in range(5) if row not in near}
    squares = points(lines(axis, marker="s"))
    papers = {1: 84.47, 2: 86.26, 3: 83.07}
    np.testing.assert_allclose(squares, [(papers[row], row + 0.2) for row in near if row in papers])
    numbers = numbers_of(figure)
    assert numbers.experiment.tolist() == np.repeat(names, 3).tolist()
    np.testing.assert_allclose(numbers.test_accuracy_percent, np.concatenate(ours))
    published = numbers.paper_test_accuracy_percent.fillna(0).tolist()
    assert published == np.repeat([papers.get(row, 0) for row in range(5)], 3).tolist()
    least, most = np.argmin(means), np.argmax(means)
    far = max(papers, key=lambda row: abs(means[row] - papers[row]))
    difference = f"{means[far] - papers[far]:+.1f}".replace("-", "−")
    for part in (
        f"{means[least]:.1f} % ({titles[least]}) and {means[most]:.1f} % ({titles[most]})",
        f"Of 3 experiments with a published value, the largest difference is {difference} points "
        f"({titles[far]})",
    ):
        assert part in figure.exhibit_data.finding


def test_the_next_run_is_drawn_beside_each_printed_number(small_results):
    figure = figures.difference_to_paper(small_results)
    numbers, found = numbers_of(figure), re.findall(r"\d+", figure.exhibit_data.finding)
    names = list(dict.fromkeys(numbers.experiment))
    titles = [PAPER[name].title for name in names]
    assert list(ticks(figure.axes[0], "y").values()) == titles and set(names) < set(SMALL_RUNS)
    quantities = {"test_accuracy": 100, "test_loss": 1}
    for axis, (quantity, factor) in zip(figure.axes, quantities.items(), strict=True):
        printed = [getattr(PAPER[name], quantity) for name in names]
        rows = [row for row, paper in enumerate(printed) if paper is not None]
        papers = np.array([printed[row] for row in rows])
        ours = np.array([
            [factor * getattr(run, quantity) for run in small_results.of(names[row])]
            for row in rows
        ])  # fmt: skip
        means, own = ours.sum(axis=1) / 3, numbers[numbers.quantity == quantity]
        half = scipy.stats.t.ppf(0.975, 2) * ours.std(axis=1, ddof=1) * (4 / 3) ** 0.5
        np.testing.assert_allclose(own.ours, ours.ravel(), rtol=1e-5)
        assert own.paper.tolist() == np.repeat(papers, 3).tolist()
        limits = np.repeat(np.transpose([means - half, means + half]), 3, axis=0)
        np.testing.assert_allclose(own[["low", "high"]], limits, rtol=1e-5)

        def differences(**properties):
            return points(lines(axis, **properties)).reshape(len(rows), -1, 2)  # noqa: B023

        for shown, values in (
            (differences(marker="|"), ours),
            (differences(marker="o"), means[:, None]),
            (differences(linewidth=2.0), np.transpose([means - half, means + half])),
        ):
            np.testing.assert_allclose(shown[..., 0], values - papers[:, None], atol=1e-9)
            assert (shown[..., 1] == np.array(rows)[:, None]).all()
        digits = [len(str(paper).partition(".")[2]) for paper in papers]
        up = 1.0 if quantity == "test_loss" else 0.5  # a loss may have been truncated
        np.testing.assert_allclose(
            differences(linewidth=5.0)[..., 0], [[-0.5 / 10**d, up / 10**d] for d in digits]
        )
        rounding = np.array([0.5 / 10**d for d in digits])
        inside, above = sum(abs(papers - means) <= half + rounding), sum(papers > means)
        assert found[:2] + found[3:4] == [str(len(rows)), str(inside), str(above)]
        found = found[4:]
    assert 0 < inside < len(rows) and above != inside, "else an error would not show"
    low_median = {"experiment": "a", "quantity": "test_loss", "ours": [1, 1, 4], "paper": 1.5}
    finding = difference_finding(pd.DataFrame({**low_median, "low": 0, "high": 4}))
    assert "1 printed losses, 1 lie, " in finding and "0 lie above our mean" in finding


def test_claims_of_any_unit_are_drawn_in_halves_of_their_interval(small_results):
    claims = [
        Claim("2", "a bound below", "test_accuracy", "baseline", low=10),
        Claim("2", "a bound above", "test_accuracy", "l2_0.2", high=84),
        Claim("3", "a difference", "test_loss", "baseline", high=0, minus="linear"),
        Claim("3", "a printed number", "test_accuracy", "linear", runs=((84, 94),)),
        Claim("4", "not of seeds", "gradient_difference", "baseline", high=1e-4),
    ]
    judged = judged_twice(small_results, {0: pd.DataFrame({"difference": [1e-6, 2e-6]})}, claims)
    judged.loc[0, "verdict_code"] = "not reproduced"
    loss = [[run.test_loss for run in small_results.of(name)] for name in ("baseline", "linear")]
    values = [accuracies(small_results, name) for name in ("baseline", "l2_0.2")]
    values += [np.subtract(*loss), accuracies(small_results, "linear")]
    half = [scipy.stats.t.ppf(0.975, 2) * v.std(ddof=1) / 3**0.5 for v in values]
    half[3] *= 2  # of the next run
    mean = [v.sum() / 3 for v in values]
    inside = [mean[0] - 10, 84 - mean[1], -mean[2], min(mean[3] - 84, 94 - mean[3])]
    inside = [distance / h for distance, h in zip(inside, half, strict=True)]
    # the last interval reaches beyond 100 %
    verdicts = ["reproduced", "undecided", "not reproduced", "undecided"]
    assert judged.verdict.tolist() == [*verdicts, "reproduced"]
    figure = figures.scoreboard_figure(judged)
    (axis,), numbers = figure.axes, numbers_of(figure)
    expected = np.transpose([inside, np.subtract(inside, 1), np.add(inside, 1)])
    np.testing.assert_allclose(numbers[["inside", "low", "high"]], expected, 1e-5)
    assert numbers.verdict.tolist() == verdicts
    assert figure.exhibit_data.finding.startswith("4 claims with an interval over seeds: ")
    for part in ("1 reproduced", "1 not reproduced", "2 undecided"):
        assert part in figure.exhibit_data.finding
    rows = ticks(axis, "y")
    assert [label[:1] for label in rows.values()] == ["1", "2", "3", "4"]
    far = np.clip(inside, -8, 8)
    marks = [line for line in axis.lines if line.get_marker() != "None"]
    coded = [mark for mark in marks if mark.get_gid() == "code"]
    marks = [mark for mark in marks if mark not in coded]
    np.testing.assert_allclose(points(coded), [(10, row) for row in rows])
    np.testing.assert_allclose(points(marks), np.transpose([far, list(rows)]))
    legend = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert [legend[verdict].get_marker() for verdict in verdicts[:3]] == ["o", "D", "X"]
    shown = [(mark.get_marker(), mark.get_color()) for mark in coded]
    by_code = [legend[verdict] for verdict in judged.verdict_code[:4]]
    assert shown == [(handle.get_marker(), handle.get_color()) for handle in by_code]
    bars = {line.get_ydata()[0]: line for line in lines(axis, marker="None") if line.get_lw() > 1}
    for place, value, verdict, mark in zip(rows, inside, verdicts, marks, strict=True):
        assert mark.get_color() == legend[verdict].get_color()
        edge = "<" if value < -8 else ">"
        shape = legend[verdict].get_marker() if abs(value) <= 8 else edge
        assert mark.get_marker() == shape
        assert (mark.get_markerfacecolor() == "white") == (mark is marks[3])
        if abs(value) <= 8:
            np.testing.assert_allclose(bars[place].get_xdata(), [value - 1, value + 1])
    assert {abs(value) > 8 for value in inside} == {True, False}
    shaded = axis.patches[0].get_extents()
    assert axis.transData.inverted().transform(shaded)[:, 0].tolist() == pytest.approx([0, 9])
    assert figures.scoreboard_figure(judged_twice(small_results, claims=claims[:1])).axes


def test_a_claim_about_two_experiments_that_are_equal_in_every_seed_has_a_mark_without_a_bar(
    small_results,
):
    claims = [
        Claim("3", f"above {low}", "test_loss", "linear", low=low, minus="linear")
        for low in (0, -1, 1)
    ]
    numbers = scoreboard_numbers(judged_twice(small_results, claims=claims))
    assert numbers.inside.tolist() == [0, np.inf, -np.inf]
    assert (numbers.low[0], numbers.high[0]) == (0, 0)
    assert numbers.verdict.tolist() == ["not reproduced", "reproduced", "not reproduced"]


def test_contributions_and_the_rest_add_up_to_the_measured_difference(small_results):
    figure = figures.contributions(small_results, "linear", ["baseline", "l2_0.2"], "mine")
    accuracy = {name: accuracies(small_results, name) for name in SMALL_RUNS}
    gains = [accuracy[name] - accuracy["linear"] for name in ("baseline", "l2_0.2")]
    gains.append(accuracy["mine"] - accuracy["linear"] - gains[0] - gains[1])
    numbers, (axis,) = numbers_of(figure), figure.axes
    np.testing.assert_allclose(numbers.points.dropna(), np.concatenate(gains), atol=1e-5)
    outer = np.concatenate([accuracy["linear"], accuracy["mine"]])
    np.testing.assert_allclose(numbers.test_accuracy_percent.dropna(), outer, 1e-6)
    bars = [(bar.get_x(), bar.get_width()) for bar in axis.patches]
    intervals = points(lines(axis, color="black")).reshape(3, 2, 2)
    level = start = sum(accuracy["linear"]) / 3
    changes = [sum(gain) / 3 for gain in gains]
    signed = [f"{change:+.2f}".replace("-", "−") for change in changes]
    for row, (bar, gain, change) in enumerate(zip(bars, gains, changes, strict=True), start=1):
        assert bar == pytest.approx((level, change))
        half = scipy.stats.t.ppf(0.975, 2) * gain.std(ddof=1) / 3**0.5
        ends_of_it = [(level + change - half, row), (level + change + half, row)]
        np.testing.assert_allclose(intervals[row - 1], ends_of_it)
        level += change
    assert level == pytest.approx(sum(accuracy["mine"]) / 3)
    np.testing.assert_allclose(points(lines(axis, marker="D")), [(start, 0), (level, 4)])
    written = {row: text for (_, row), text in texts(axis).items()}
    assert list(written.values()) == [f"{start:.1f} %", *signed, f"{level:.1f} %"]
    labels = list(ticks(axis, "y").values())
    assert [labels[0], *labels[2:3], labels[-1]] == ["linear softmax", "+ L2 penalty 0.2", "mine"]
    short = [f"{change:+.1f}".replace("-", "−") for change in (level - start, *changes)]
    assert re.findall(r"[+−]\d+\.\d", figure.exhibit_data.finding) == short
    assert f"linear softmax ({start:.1f} %) to mine ({level:.1f} %)" in figure.exhibit_data.finding


# ---- sweeps --------------------------------------------------------------------------------------


def test_accuracy_by_penalty_is_drawn_as_means_with_standard_deviations(small_results):
    figure = figures.accuracy_by_penalty(small_results, PATHS)
    numbers = numbers_of(figure).set_index(["kind", "penalty", "quantity"]).sort_index()
    for axis, (kind, path) in zip(figure.axes, PATHS.items(), strict=True):
        assert list(ticks(axis, "x").values()) == [f"{penalty:g}" for penalty, _ in path]
        for bars in axis.containers:
            part = bars.get_label()
            values = [
                np.array(
                    [100 * run.history[f"{part}_accuracy"][run.kept_epoch - 1] for run in runs]
                )
                if part == "validation"
                else np.array([100 * run.test_accuracy for run in runs])
                for runs in (small_results.of(name) for _, name in path)
            ]
            line, _, (spread,) = bars.lines
            assert line.get_color() == {"validation": ORANGE, "test": GREEN}[part], "as in curves"
            assert list(line.get_ydata()) == pytest.approx([sum(v) / 3 for v in values])
            reach = [(v.mean() - v.std(ddof=1), v.mean() + v.std(ddof=1)) for v in values]
            np.testing.assert_allclose([s[:, 1] for s in spread.get_segments()], reach)
            for (penalty, _), own in zip(path, values, strict=True):
                rows = numbers.loc[(kind, penalty, f"{part}_accuracy")]
                np.testing.assert_allclose(rows.percent, own, 1e-6)
                assert rows.seed.tolist() == [0, 1, 2]
        assert {bars.get_label() for bars in axis.containers} == {"validation", "test"}
    none, strong = (accuracies(small_results, name).mean() for name in ("baseline", "l2_0.2"))
    expected = f"highest at 0.2 ({strong:.1f} %), lowest at 0 ({none:.1f} %)"
    assert none < strong and expected in figure.exhibit_data.finding


def test_accuracy_is_drawn_at_the_number_of_parameters(small_results):
    names = ["linear", "two_hidden_layers"]
    figure = figures.accuracy_by_parameters(small_results, names)
    sizes = [37 * 10, 37 * 5 + 6 * 5 + 6 * 10]
    ours = [accuracies(small_results, name) for name in names]
    means = [sum(values) / 3 for values in ours]
    (axis,) = figure.axes
    np.testing.assert_allclose(points(lines(axis, marker="o")), np.transpose([sizes, means]))
    each = np.transpose([np.repeat(sizes, 3), np.concatenate(ours)])
    np.testing.assert_allclose(points(lines(axis, marker="_")), each)
    numbers = numbers_of(figure)
    np.testing.assert_allclose(numbers[["parameters", "test_accuracy_percent"]], each, 1e-6)
    for mean, size, layers in zip(means, sizes, ("36-10", "36-5-5-10"), strict=True):
        assert f"{mean:.1f} % with {size} parameters ({layers})" in figure.exhibit_data.finding


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


@pytest.mark.parametrize("quantity", ["validation_accuracy", "test_accuracy"])
def test_a_heat_map_frames_the_best_combination_and_shows_none_that_diverged(quantity):
    runs = small_sweep()
    figure = figures.heat_maps(runs, quantity)
    cells = {
        key: np.nan if own.diverged.any() else 100 * own[quantity].sum() / 3
        for key, own in runs.groupby(["L2_penalty", "momentum_gamma", "learning_rate"])
    }
    best = max((key for key in cells if cells[key] == cells[key]), key=cells.get)
    for axis, penalty in zip(figure.axes, (0.2, 0.4), strict=False):
        assert axis.get_title(loc="left") == f"L2 penalty {penalty}" and axis.yaxis_inverted()
        assert (axis.get_xlabel(), figure.axes[0].get_ylabel()) == ("learning rate", "momentum")
        coloured, written = axis.collections[0].get_array(), texts(axis)
        framed = [patch.get_center() for patch in axis.patches]
        own = [key for key in cells if key[0] == penalty]
        assert len(written) == len(own) == coloured.size
        for x, rate in ticks(axis, "x").items():
            for y, gamma in ticks(axis, "y").items():
                key = (penalty, float(gamma), float(rate))
                known = np.isfinite(cells[key])
                assert written[x, y] == (f"{cells[key]:.1f}" if known else "–")
                shown = np.ma.filled(coloured, np.nan)[int(y), int(x)]
                np.testing.assert_allclose(shown, cells[key])
                at = [centre for centre in framed if centre == pytest.approx((x, y))]
                assert len(at) == (key == best)
    numbers = numbers_of(figure)
    found = zip(numbers.L2_penalty, numbers.momentum_gamma, numbers.learning_rate, strict=True)
    assert list(found) == list(cells) and set(numbers.quantity) == {quantity}
    np.testing.assert_allclose(numbers.percent, list(cells.values()), 1e-6)
    penalty, gamma, rate = best
    for part in (
        f"12 combinations reaches {cells[best]:.2f} %: learning rate {rate:g}, momentum {gamma:g}",
        f"L2 penalty {penalty:g}; the worst reaches {np.nanmin(list(cells.values())):.2f} %",
    ):
        assert part in figure.exhibit_data.finding


# ---- gradients and distances ---------------------------------------------------------------------


def test_the_differences_of_the_gradients_are_drawn_against_the_step_a_panel_per_kind():
    columns = [("bias", "0", "first"), ("weight", "0,2", "first"), ("bias", "0", "last")]
    columns.append(("bias", "0", "sixth"))
    values = [[1e-2, 1e-3, 2e-3, 3e-3], [2e-5, 3e-5, 4e-6, 5e-6], [0.0, 1e-9, 3e-8, 2e-8]]
    names = pd.MultiIndex.from_tuples(columns, names=["weight", "index", "pattern"])
    differences = pd.DataFrame(values, [0.1, 0.01, 1e-5], names).rename_axis("epsilon")
    figure = figures.difference_by_epsilon(differences, "KMNIST")
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["bias (3)", "weight (1)"]
    expected = [[1e-2, 2e-5, 1e-17], [2e-3, 4e-6, 3e-8], [3e-3, 5e-6, 2e-8]]
    expected.append([3e-3, 5e-6, 2e-8])  # the median
    first, second = figure.legends[0].get_texts()
    thin, thick = (handle.get_linewidth() for handle in figure.legends[0].legend_handles)
    assert first.get_text().startswith("one") and second.get_text().startswith("median")
    assert thin < thick == figure.axes[0].lines[3].get_linewidth()
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
        "bias [0], sixth image",
    ]  # fmt: skip
    np.testing.assert_allclose(numbers.to_numpy()[:, 1:], values)
    for value in ("3.0 × 10⁻⁵, below", "3.0 × 10⁻⁸", "10⁻⁵"):  # at the paper's step; the smallest
        assert value in figure.exhibit_data.finding.replace("\u00a0", " ")
    finding = figures.difference_by_epsilon(10 * differences, "KMNIST").exhibit_data.finding
    assert "3.0 × 10⁻⁴, ABOVE" in finding.replace("\u00a0", " ")


def test_distances_are_drawn_with_their_medians():
    figure = figures.distance_histogram(DISTANCES, "KMNIST")
    (axis,), numbers, legend = figure.axes, numbers_of(figure), figure.legends[0]
    found = zip(axis.lines, axis.patches, legend.get_texts(), DISTANCES.items(), strict=True)
    for line, outline, label, (part, values) in found:
        median = np.sort(values)[len(values) // 2 - 1 : len(values) // 2 + 1].sum() / 2
        assert line.get_xdata()[0] == pytest.approx(median)
        assert label.get_text() == f"{part} (median {median:.1f})"
        assert f"{part} {median:.2f}" in figure.exhibit_data.finding
        assert to_hex(outline.get_edgecolor()) == to_hex(line.get_color())
        edges = np.linspace(0, max(map(max, DISTANCES.values())), 50)
        density = np.histogram(values, edges)[0] / len(values) / edges[1]
        corners = outline.get_xy()
        np.testing.assert_allclose(corners[1:-1:2, 1], density, atol=1e-9)
        np.testing.assert_allclose(corners[1:-1:2, 0], edges[:-1], atol=1e-9)
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
    assert ticks(figure.axes[0], "x") == {11: "training images", 44: "test images"}
    assert ticks(figure.axes[0], "y") == {3: "a", 9: "b", 15: "c"}
    deviations = [
        (oblong.train_images[oblong.train_labels == label] / 255).std(axis=0).mean()
        for label in range(3)
    ]
    most, least = np.argmax(deviations), np.argmin(deviations)
    found = re.findall(r"\b([abc]) (?:varies|least).*?([\d.]+\d)", figure.exhibit_data.finding)
    assert found == [("abc"[label], f"{deviations[label]:.2f}") for label in (most, least)]


def test_the_first_layer_shows_the_units_with_the_largest_weights(oblong):
    config = Config(layer_specs=(36, 5, 3), epochs=1)
    configs = {"a": config, "b": config.replace(epochs=2)}
    results = run(configs, [0, 1], n_jobs=1, data=oblong, cache=False)
    both = figures.first_layer_weights(results, configs, oblong, units=3)
    assert [axis.get_title(loc="left") for axis in both.axes[::3]] == ["a", "b"]
    figure = figures.first_layer_weights(results, ["a"], oblong, units=3)
    weights = results.of("a")[0].model.weights[0]
    largest = sorted(range(5), key=lambda unit: -(weights[:, unit] ** 2).sum())[:3]
    numbers = numbers_of(figure)
    assert numbers.unit.tolist() == largest
    np.testing.assert_allclose(numbers.filter(like="pixel_"), weights[:, largest].T, atol=1e-4)
    for axis, unit in zip(figure.axes, largest, strict=True):
        image = axis.images[0].get_array()
        np.testing.assert_allclose(image, weights[:, unit].reshape(4, 9), atol=1e-4)
        red, _, blue, _ = axis.images[0].to_rgba(image)[np.unravel_index(image.argmax(), (4, 9))]
        assert red > blue, "positive weights are red"
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
    (axis, bar) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted", "true character")
    assert ticks(axis, "x") == ticks(axis, "y") == {0.5: "a", 1.5: "b", 2.5: "c"}
    assert "% of the character" in bar.get_ylabel()
    coloured = axis.collections[0].get_array()
    np.testing.assert_allclose(coloured, [[0, 20, 0], [10, 0, 20], [0, 0, 0]])
    written = {text.get_position()[::-1]: text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[0].yaxis_inverted()  # the first row on top
    assert written == {
        (0.5, 0.5): "80.0", (0.5, 1.5): "20.0", (1.5, 0.5): "10.0", (1.5, 1.5): "70.0",
        (1.5, 2.5): "20.0",
    }  # fmt: skip
    numbers = numbers_of(figure).set_index("true_character")
    assert list(numbers.index) == list(numbers) == ["a", "b", "c"]
    np.testing.assert_allclose(numbers, [[80, 20, 0], [10, 70, 20], [np.nan] * 3])
    for part in ("70.0 % (b)", "80.0 % (a)", "a taken for b, 20.0 %"):
        assert part in figure.exhibit_data.finding


def test_errors_are_drawn_with_true_and_predicted_character_and_probability(oblong):
    errors = ConfidentErrors(
        oblong.test_images[:4],
        np.array([0, 1, 0, 0]),
        np.array([2, 2, 2, 2]),
        np.array([0.99, 0.9, 0.8, 0.7]),
    )
    figure = figures.most_confident_errors(errors, oblong)
    for axis, image, title in zip(
        figure.axes,
        errors.images,
        ("a → c  99\xa0%", "b → c  90\xa0%", "a → c  80\xa0%", "a → c  70\xa0%"),
        strict=False,
    ):
        assert np.array_equal(255 - axis.images[0].get_array(), image)
        assert axis.get_title() == title
    assert numbers_of(figure).to_dict("list") == {
        "true_character": ["a", "b", "a", "a"], "predicted_character": ["c", "c", "c", "c"],
        "probability": [0.99, 0.9, 0.8, 0.7],
    }  # fmt: skip
    assert re.search(r"4 misclassified.* 70\.0\s%.* a taken for c \(3", figure.exhibit_data.finding)


def test_no_error_is_drawn_as_an_empty_figure(kana):
    assert drawn(figures.most_confident_errors(errors_of(kana, count=0), kana))


def test_a_matplotlibrc_of_ones_own_does_not_reach_the_figures():
    with mpl.rc_context({"text.usetex": True, "lines.linewidth": 9, "axes.facecolor": "red"}):
        figures.use_style()
        found = [mpl.rcParams[n] for n in ("text.usetex", "lines.linewidth", "axes.facecolor")]
    assert found == [False, mpl.rcParamsDefault["lines.linewidth"], "white"]
