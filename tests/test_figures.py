"""A figure shows what was measured: its numbers and drawing agree with computations made here."""

import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from options import ALL_CHANGED
from printed import ACCURACIES, LOSSES
from shown import ends, lines, points, texts, ticks
from small_runs import SMALL_RUNS, judged_twice

from kmnist_mlp import Config, figures, run
from kmnist_mlp.beyond import protocol, records, trials
from kmnist_mlp.beyond.evaluation import calibration_table
from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.analysis import most_confident_errors
from kmnist_mlp.experiments.claims import Claim
from kmnist_mlp.experiments.paper import paper_curves
from kmnist_mlp.experiments.paper_gradients import differences_by_epsilon
from kmnist_mlp.figures import concepts
from kmnist_mlp.figures.comparison import FAR, VERDICT_STYLES
from kmnist_mlp.figures.report_figure import report_figure, title
from kmnist_mlp.figures.style import picture, png
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE
from kmnist_mlp.support.statistics import interval, signed

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1, 50, (10, 10)) + np.diag(RNG.integers(50, 99, 10))
PARTS, KINDS = ("training", "validation"), [("loss", 1), ("accuracy", 100)]
PATHS = {"L2": ["baseline", "l2_0.2"], "L1": ["baseline"]}
LINES = {"rising": pd.DataFrame({"b": [1.0, 2.0], "off": [True, False]}).rename_axis("x")}
P = RNG.dirichlet(np.full(10, 0.2), 100)  # has nothing to do with the labels
DISTANCES = {"validation": RNG.uniform(1, 8, 50), "test": RNG.uniform(2, 9, 40)}


@pytest.fixture(scope="module")
def small_results(kana):
    """Return runs of three seeds whose mean is not their median, kept and last epoch differ."""
    longer = {"learning_rate": 0.05, "epochs": 15, "early_stop_epoch": 2}
    configs = {name: config.replace(**longer) for name, config in SMALL_RUNS.items()}
    configs["mine"] = configs["mine"].replace(epochs=4)
    configs["learning_rate_0.5"] = SMALL_RUNS["learning_rate_0.5"]
    return run(configs, [0, 1, 2], n_jobs=1, data=kana, cache=False)


@pytest.fixture(autouse=True, scope="module")
def style():
    figures.use_style()


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def at(axis, **properties):
    """Return the points of the lines with these properties."""
    return points(lines(axis, **properties))


def pairs_at(values, rows):
    """Return the points of values in their rows: (rows, n) becomes (rows * n, 2)."""
    return np.transpose([values.ravel(), np.repeat(rows, values.shape[1])])


def accuracies(results, names):
    """Return the test accuracy of experiments in per cent: (names, seeds)."""
    runs = [results.of(name) for name in names]
    return 100 * np.array([[run.test_accuracy for run in seeds] for seeds in runs])


def changed_sweep():
    """Return a part of the kept sweep, of whose best combination one run has diverged."""
    runs = sweep.load("grid").query("L2_penalty > 0.1")
    runs.loc[runs.validation_accuracy.idxmax(), "diverged"] = True
    return runs


OF_SEEDS = {  # arguments of each figure, of results and a data set
    figures.learning_curves: lambda r, d: [r, "baseline"],
    figures.overlay: lambda r, d: [r, ["baseline", "l2_0.2", "mine"], "validation_loss"],
    figures.against_paper: lambda r, d: [r, ["baseline", "l2_0.2", "linear"]],
    figures.difference_to_paper: lambda r, d: [r],
    figures.scoreboard_figure: lambda r, d: [judged_twice(r)],
    figures.contributions: lambda r, d: [r, "linear", ["baseline", "l2_0.2"], "mine"],
    figures.first_layer_weights: lambda r, d: [r, ["baseline", "linear"], d, 5],
    figures.accuracy_by_penalty: lambda r, d: [r, PATHS],
    figures.accuracy_by_parameters: lambda r, d: [r, ["linear", "two_hidden_layers"]],
}
ALL = OF_SEEDS | {
    figures.example_images: lambda r, d: [d],
    concepts.predictions: lambda r, d: [d, np.roll(d.test_labels, 1)],
    concepts.line_panels: lambda r, d: [LINES, "a", "It rises.", d.name],
    figures.confusion_matrix: lambda r, d: [COUNTS, d],
    figures.most_confident_errors: lambda r, d: [most_confident_errors(P, d), d],
    figures.distance_histogram: lambda r, d: [DISTANCES, d.name],
    figures.difference_by_epsilon: lambda r, d: [differences_by_epsilon(d), d.name],
    trials.augmentation_figure: lambda r, d: [d],
    trials.calibration_figure: lambda r, d: [{"one": calibration_table(P, d.test_labels)}, d.name],
}
KEPT = {  # measured on KMNIST, on whatever data a notebook runs
    figures.heat_maps: lambda r, d: [changed_sweep(), "validation_accuracy"],
    trials.robustness_figure: lambda r, d: [protocol.robustness(protocol.load_ledger())],
    trials.steps_figure: lambda r, d: [records.Records()],
    trials.changes_figure: lambda r, d: [records.Records().accuracy.loc["settings"]],
}


# ---- every figure ----------------------------------------------------


@pytest.mark.parametrize("make", ALL | KEPT, ids=lambda make: make.__name__)
def test_a_figure_draws_finite_numbers_of_its_table(make, small_results, kana):
    opened = plt.get_fignums()
    arguments = (ALL | KEPT)[make]
    figure = make(*arguments(small_results, kana))
    assert plt.get_fignums() == opened
    assert len(figure.numbers) and figure.data.csv.count("\n") > 1
    assert not figure.finding[:-1].count(". ") and figure.finding[-1:] in ("", ".")
    assert not {"nan", "inf"} & {*figure.finding.split()}
    for panel in figure.panels:
        (content,) = picture(panel).values()
        edges, (width, height) = panel.get_tightbbox().extents, panel.get_size_inches()
        assert min(edges) > -0.05 and edges[2] < width + 0.05 and edges[3] < height + 0.05
        is_chart = not any(axis.images for axis in panel.axes)
        assert width <= (4.2 if is_chart else 8) and "STAND-IN" not in content
        assert "$" not in content, "formulas are off: a dollar is one of a name"
        for axis in panel.axes if is_chart else ():
            assert axis.get_xlabel() and axis.has_data()
            assert not np.isinf(points(axis.lines)).any()
    name = "stand-in data, pooled"
    marked = make(*arguments(replace(small_results, data_name=name), replace(kana, name=name)))
    marks = [panel.get_supxlabel().startswith("STAND-IN") for panel in marked.panels]
    assert marks == [make in ALL] * len(marks)
    assert not any(panel.get_supxlabel() for panel in figure.panels)
    if make in OF_SEEDS:
        first = {key: run for key, run in small_results.runs.items() if key[1] == 0}
        frame = small_results.frame.query("seed == 0")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make(*arguments(replace(small_results, runs=first, frame=frame), kana))


def test_charts_are_svg_with_text_the_same_every_time(small_results, kana):
    charts = [figures.learning_curves(small_results, "baseline").panels[0] for _ in range(2)]
    (text, again) = (picture(chart)["image/svg+xml"] for chart in charts)
    assert text == again and ">epoch</text>" in text and "metadata" not in text
    written = "".join(CLASS_NAMES) + " 0.0005, not 0.0123456 (0.25)"
    figure = plt.figure(figsize=(3, 1))
    figure.text(0.123456, 0.5, written)
    assert f">{written}</text>" in picture(figure)["image/svg+xml"], "numbers to read stay"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")  # a character without a glyph
        png(figure)
    with pytest.raises(KeyError):  # else a figure of the stand-in might not be marked
        report_figure([figure], pd.DataFrame({"a": [1]}))


# ---- curves ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "papers"), [("baseline", [3, 4]), ("two_hidden_layers", [21, 22]), ("mine", [])]
)
def test_learning_curves_are_mean_and_spread(small_results, name, papers):
    runs, figure = small_results.of(name), figures.learning_curves(small_results, name)
    numbers = figure.numbers.query("source == 'ours'")
    shared = np.arange(min(len(run.history) for run in runs))
    assert numbers.seed.tolist() == np.repeat([0, 1, 2], [len(r.history) for r in runs]).tolist()
    kept = [run.best_epoch for run in runs]
    stopped = [run.stopped_epoch for run in runs]
    at_kept = numbers.dropna(subset="test_accuracy")
    assert at_kept.epoch.tolist() == kept and at_kept.stopped_epoch.tolist() == stopped
    axes = [panel.axes[0] for panel in figure.panels]
    assert [axis.get_ylabel() for axis in axes] == ["cross-entropy / 10", "accuracy, %"]
    headings = [f"Figure {number}. " for number in papers] or ["", ""]
    for axis, heading, (kind, factor) in zip(axes, headings, KINDS, strict=True):
        assert axis.get_title(loc="left") == heading + kind.capitalize()
        for part, colour, band in zip(PARTS, (BLUE, ORANGE), axis.collections, strict=True):
            histories = [factor * run.history[f"{part}_{kind}"].to_numpy() for run in runs]
            first = np.array([history[shared] for history in histories])
            centre, spread = first.mean(axis=0), first.std(axis=0, ddof=1)
            close(factor * numbers[f"{part}_{kind}"], np.concatenate(histories))
            close(at(axis, color=colour, label=part), np.transpose([shared + 1, centre]))
            close(at(axis, color=colour, marker="|"), [(len(h), h[-1]) for h in histories])
            expected = np.transpose([shared + 1, centre - spread, centre + spread])
            close([end for end in ends(band) if end[0]], expected)
        close(at(axis, linestyle="--")[:, 0], np.median(kept))
        dotted = at(axis, linestyle=":")[:, 0]
        close(dotted, [np.median(stopped)] * 2 * (stopped != kept))
        test = factor * np.mean([getattr(run, f"test_{kind}") for run in runs])
        close(at(axis, marker="D"), [(np.median(kept), test)])
        curves = factor * paper_curves(papers).filter(like=kind)
        expected = np.transpose([[*curves.index] * 2, curves.to_numpy().ravel("F")])
        close(at(axis, color=GREY, linestyle="-", linewidth=1.0), expected)
        assert not (curves > axis.get_ylim()[1]).any(axis=None)
    epochs = f"the weights of epoch {np.median(kept):g}; training stops at epoch"
    assert figure.finding.endswith(f"is {test:.1f} % with {epochs} {np.median(stopped):g}.")


def test_curves_of_diverged_runs_or_without_validation(kana, tiny):
    diverging = SMALL_RUNS["learning_rate_0.5"].replace(early_stop=False)
    diverged = run({"diverges": diverging}, [0, 1], n_jobs=1, data=kana, cache=False)
    kept = figures.learning_curves(diverged, "diverges").numbers.dropna(subset="test_loss")
    assert kept.epoch.tolist() == [run.best_epoch for run in diverged.of("diverges")]
    config = ALL_CHANGED.replace(validation_fraction=0.0)
    without = run({"mine": config}, [7], n_jobs=1, data=tiny, cache=False)
    axes = [panel.axes[0] for panel in figures.learning_curves(without, "mine").panels]
    assert [axis.get_ylabel() for axis in axes] == ["cross-entropy / 3", "accuracy, %"]
    assert all(lines(axis, label="training") for axis in axes)
    assert not any(lines(axis, label="validation") for axis in axes)


def test_an_overlay_needs_no_colour(small_results):
    names = ["baseline", "learning_rate_0.5", "linear", "mine"]
    quantities = {"validation_loss": "validation loss", "training_accuracy": "training accuracy, %"}
    figure = figures.overlay(small_results, names, *quantities)
    data, numbers = figure.data, figure.numbers.query("epoch > 0")
    mine = data.experiments["mine"]
    assert Config.from_dict(mine) == small_results.of("mine")[0].config
    assert "seed" not in mine
    assert (list(data.experiments), data.seeds) == (names, (0, 1, 2))
    assert data.quantities == tuple(quantities)
    for panel, quantity, (_, factor) in zip(figure.panels, quantities, KINDS, strict=True):
        (axis,), thick = panel.axes, lines(panel.axes[0], linewidth=2)
        assert axis.get_ylabel() == quantities[quantity]
        legend = [text.get_text() for text in panel.legends[0].get_texts()]
        labels = [line.get_label() for line in thick]
        assert legend == labels == [title(name) for name in names]
        assert len({line.get_linestyle() for line in thick}) == len(names)
        for name, line in zip(names, thick, strict=True):
            curves = [factor * run.history[quantity].to_numpy() for run in small_results.of(name)]
            shared = min(map(len, curves))
            mean = np.mean([curve[:shared] for curve in curves], axis=0)
            close(points([line]), np.transpose([np.arange(shared) + 1, mean]))
            table = numbers[numbers.experiment == name]
            close(factor * table[quantity], np.concatenate(curves))
            if shared and factor == 100:
                best = f"{title(name)} {mean.max():.1f} % (epoch {mean.argmax() + 1})"
                assert best in figure.finding


def test_a_column_of_numbers_is_a_line_and_one_of_bools_shades_the_ground():
    (axis,) = concepts.line_panels(LINES, "a", "It rises.").panels[0].axes
    close(points(axis.lines), [(0, 1), (1, 2)])
    assert [x for x, *_ in ends(axis.collections[0])] == [0]


def test_the_caption_of_an_error_has_both_classes_and_a_frame_below(kana):
    predicted = np.where(np.arange(100) % 7, kana.test_labels, (kana.test_labels + 1) % 10)
    figure, names = concepts.predictions(kana, predicted), np.array(kana.class_names)
    axes = [axis for panel in figure.panels for axis in panel.axes]
    captions = [caption for axis in axes for caption in texts(axis).items()]
    pairs = zip(names[kana.test_labels], names[predicted], strict=True)
    expected = [a if a == b else f"{a} → {b}" for a, b in pairs][:40]
    assert [text for _, text in captions] == expected
    assert figure.finding.startswith("34 of the first 40 ")
    above = [(f.get_center()[0], f.get_y() - 2) for axis in axes for f in axis.patches]
    assert above == [place for place, text in captions if "→" in text]


# ---- comparison ------------------------------------------------------


def test_our_means_and_the_papers_values_are_drawn(small_results):
    names = ["linear", "baseline", "l2_0.2", "learning_rate_0.5", "mine"]
    figure = figures.against_paper(small_results, names)
    (axis,), rows = figure.panels[0].axes, np.arange(5)
    means = accuracies(small_results, names).mean(axis=1)
    papers = np.array([float(ACCURACIES.get(name) or "nan") for name in names])
    near = means >= np.median(means) - FAR
    assert list(ticks(axis, "y").values()) == [title(name) for name in names]
    assert axis.yaxis_inverted() and 1 < near.sum() < 5
    close(at(axis, marker="o"), np.transpose([means, rows])[near])
    close(at(axis, marker="s"), np.transpose([papers, rows + 0.2])[near & (papers > 0)])
    written = {height: text.strip("◂ ") for (_, height), text in texts(axis).items()}
    assert written == {row: f"{means[row]:.1f} %" for row in rows[~near]}
    numbers = figure.numbers.groupby("experiment", sort=False).mean()
    close(numbers.test_accuracy_percent, means)
    close(numbers.paper_test_accuracy_percent, papers)
    assert f"highest with {title(names[means.argmax()])} ({max(means):.1f} %)" in figure.finding


def test_the_next_run_is_drawn_beside_the_paper(small_results):
    figure = figures.difference_to_paper(small_results)
    quantities = {"test_accuracy": (ACCURACIES, 0.5), "test_loss": (LOSSES, 1)}  # or truncated
    for panel, (quantity, (printed, up)) in zip(figure.panels, quantities.items(), strict=True):
        (axis,), numbers = panel.axes, figure.numbers[figure.numbers.quantity == quantity]
        shown = [name for name in SMALL_RUNS if printed.get(name)]
        papers = np.array([[float(printed[name])] for name in shown])
        ours = np.array([small_results.values(quantity, name) for name in shown])
        means, *limits = np.transpose([interval(values, True) for values in ours])
        limits, rows = np.transpose(limits), np.arange(len(shown))
        last = np.array([[0.1 ** len(printed[name].partition(".")[2])] for name in shown])
        rounding = last * [[-0.5, up]]
        assert numbers.experiment.tolist() == np.repeat(shown, 3).tolist()
        expected = np.hstack([papers, limits, papers + rounding]).repeat(3, axis=0)
        close(numbers[["paper", "low", "high", "paper_low", "paper_high"]], expected)
        close(numbers.ours, ours.ravel())
        close(at(axis, marker="o"), np.transpose([means - papers[:, 0], rows]))
        for bars, expected in zip(axis.collections, (rounding, limits - papers), strict=True):
            close(np.concatenate(bars.get_segments()), pairs_at(expected, rows))


def test_claims_are_drawn_in_halves_of_their_interval(small_results):
    claims = [
        Claim("2.2a", "a bound below", "test_accuracy", "baseline", ((10, np.inf),)),
        Claim("2.2b", "a bound above", "test_accuracy", "l2_0.2", ((-np.inf, 84),)),
        Claim("3", "a difference", "test_loss", "baseline", ((-np.inf, 0),), "linear"),
        Claim("3", "a printed number", "test_accuracy", "linear", ((84, 94),), one_run=True),
        Claim("4", "not of seeds", "gradient_difference", "baseline", ((-np.inf, 1e-4),)),
        *(Claim("5", f"equal {low}", "test_loss", "linear", ((low, np.inf),), "linear")
          for low in (0, -1, 1)),
    ]  # fmt: skip
    judged = judged_twice(small_results, {0: pd.DataFrame({"difference": [1e-6, 2e-6]})}, claims)
    judged.loc[0, "verdict_code"] = "not reproduced"
    names = ["baseline", "l2_0.2", "linear"]
    losses = [small_results.values("test_loss", name) for name in names[::2]]
    values = np.insert(accuracies(small_results, names), 2, np.subtract(*losses), axis=0)
    mean, low, high = np.transpose([interval(v) for v in values])
    inside = [mean[0] - 10, 84 - mean[1], -mean[2], min(mean[3] - 84, 94 - mean[3]) / 2]
    inside = np.divide(inside, (high - low) / 2)  # the last one is of the next run
    figure = figures.scoreboard_figure(judged)
    numbers, axes = figure.numbers, [panel.axes[0] for panel in figure.panels]
    close(numbers[["inside", "low", "high"]][:4], np.transpose([inside, inside - 1, inside + 1]))
    assert numbers.inside[4:].tolist() == [0, np.inf, -np.inf]  # equal in every seed
    assert [*numbers[["low", "high"]].iloc[4]] == [0, 0]
    assert [axis.get_title(loc="left") for axis in axes] == [f"Section {n}" for n in (2, 3, 5)]
    assert figure.finding.startswith("7 claims with an interval over seeds: 3 not reproduced, 2 ")
    found = [line for axis in axes for line in axis.lines if len(line.get_xdata())][::-1]
    for row in numbers.itertuples():
        marker, colour = VERDICT_STYLES[row.verdict]
        if abs(row.inside) > 8:  # beyond the axis: a triangle alone
            marker = "<" if row.inside < 0 else ">"
        else:
            close(found.pop().get_xdata(), [row.low, row.high])
        mark, code = found.pop(), found.pop()
        close(mark.get_xdata(), np.clip(row.inside, -8, 8))
        assert (mark.get_marker(), mark.get_color()) == (marker, colour)
        assert (mark.get_markerfacecolor() == "white") == (row.claim == "a printed number")
        assert (code.get_marker(), code.get_color()) == VERDICT_STYLES[row.verdict_code]
    assert not found
    written = [text for axis in axes for text in texts(axis).values()]
    assert written == [f"{row.number}  {row.claim}" for row in numbers.itertuples()]


def test_contributions_and_the_rest_add_up(small_results):
    figure = figures.contributions(small_results, "linear", ["baseline", "l2_0.2"], "mine")
    names = ["linear", "baseline", "l2_0.2", "mine"]
    first, *alone, last = accuracies(small_results, names)
    gains = [*np.subtract(alone, first), last - sum(alone) + first]
    numbers, (axis,) = figure.numbers, figure.panels[0].axes
    close(numbers.T, [[0, 1, 2], first, *gains, last])
    changes, *limits = np.transpose([interval(gain) for gain in gains])
    levels = first.mean() + np.cumsum([0, *changes])
    bars = [(bar.get_x(), bar.get_width()) for bar in axis.patches]
    close(bars, np.transpose([levels[:-1], changes]))
    black = np.concatenate([line.get_segments()[0] for line in axis.collections[1:-1]])
    close(black, pairs_at(np.transpose(levels[:-1] + limits), [1, 2, 3]))
    close(at(axis, marker="o"), [(levels[0], 0), (last.mean(), 4)])
    start, *written, end = texts(axis).values()
    assert written == [signed(change, 2) for change in changes]
    assert [start, end] == [f"{level:.1f} %" for level in levels[::3]]
    labels = list(ticks(axis, "y").values())
    assert labels[::2] == ["linear softmax", "+ L2 penalty 0.2", "mine"]
    whole, alone = signed(sum(changes), 1), signed(sum(changes[:2]), 1)
    assert f"by {whole} points" in figure.finding and f"add up to {alone}." in figure.finding


# ---- sweeps ----------------------------------------------------------


def test_accuracy_by_penalty_has_standard_deviations(small_results):
    figure = figures.accuracy_by_penalty(small_results, PATHS)
    for panel, (kind, names) in zip(figure.panels, PATHS.items(), strict=True):
        (axis,), numbers = panel.axes, figure.numbers[figure.numbers.kind == kind]
        assert axis.get_title(loc="left") == kind
        assert list(ticks(axis, "x").values()) == ["0", "0.2"][: len(names)]
        drawn = zip(axis.containers, ("validation", "test"), (ORANGE, GREEN), strict=True)
        for bars, part, colour in drawn:
            line, _, (spread,) = bars.lines
            assert (bars.get_label(), line.get_color()) == (part, colour), "as in curves"
            values = [small_results.values(f"{part}_accuracy", name) for name in names]
            close(points([line])[:, 1], np.mean(values, axis=1))
            half = np.std(values, axis=1, ddof=1)
            close([np.ptp(bar[:, 1]) / 2 for bar in spread.get_segments()], half)
            rows = numbers[numbers.quantity == f"{part}_accuracy"]
            assert rows.penalty.tolist() == [0, 0, 0, 0.2, 0.2, 0.2][: 3 * len(names)]
            close(rows.percent, np.concatenate(values))
    none, strong = accuracies(small_results, PATHS["L2"]).mean(axis=1)
    expected = f"L2, λ = 0.2 ({strong:.1f} %) and L1, λ = 0 ({none:.1f} %)"
    assert none < strong and expected in figure.finding


def test_accuracy_is_drawn_at_the_number_of_parameters(small_results):
    sizes = {"36-5-5-10": 37 * 5 + 6 * 5 + 6 * 10, "36-10": 37 * 10}
    names = ["two_hidden_layers", "linear"]
    figure = figures.accuracy_by_parameters(small_results, names)
    (axis,), means = figure.panels[0].axes, accuracies(small_results, names).mean(axis=1)
    close(at(axis, marker="o"), np.transpose([[*sizes.values()], means]))
    close(figure.numbers.groupby("parameters").test_accuracy_percent.mean(), means)
    assert {text.get_text(): text.xy[0] for text in axis.texts} == sizes
    boxes = [text.get_window_extent() for text in axis.texts]
    assert not boxes[0].overlaps(boxes[1])
    assert all(axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1 for box in boxes)
    layers = [*sizes][np.argmax(means)]
    assert f"{layers} ({max(means):.1f} %, {sizes[layers]} parameters)" in figure.finding


@pytest.mark.parametrize("quantity", ["validation_accuracy", "test_accuracy"])
def test_a_heat_map_frames_the_best_and_none_that_diverged(quantity):
    runs = changed_sweep()
    figure = figures.heat_maps(runs, quantity)
    axes = ["L2_penalty", "momentum_gamma", "learning_rate"]
    cells = 100 * runs.groupby(axes)[quantity].mean()
    cells[runs.groupby(axes).diverged.any()] = np.nan
    percent = figure.numbers.set_index(axes).percent
    pd.testing.assert_series_equal(percent, cells, check_names=False)
    maps = zip(figure.panels, cells.groupby(level=0), strict=True)
    for panel, (penalty, expected) in maps:
        (axis,) = panel.axes
        assert axis.get_title(loc="left").endswith(f"L2 penalty {penalty}")
        expected = expected.unstack().to_numpy()
        close(np.ma.filled(axis.collections[0].get_array(), np.nan), expected)
        for which, level in (("x", 2), ("y", 1)):
            shown = {n + 0.5: f"{v:g}" for n, v in enumerate(cells.index.levels[level])}
            assert ticks(axis, which) == shown
        assert axis.yaxis_inverted() and len(axis.texts) == expected.size
        for (x, y), text in texts(axis).items():
            value = expected[int(y), int(x)]
            assert text == (f"{value:.1f}" if np.isfinite(value) else "–")
            framed = [p for p in axis.patches if p.get_center() == pytest.approx((x, y))]
            assert len(framed) == (value == cells.max())
