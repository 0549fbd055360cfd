"""A figure shows what was measured: its numbers and drawing agree with computations made here."""

import warnings
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from options import ALL_CHANGED
from printed import ACCURACIES, EXPERIMENTS, LOSSES
from shown import ends, lines, points, texts, ticks
from small_runs import SMALL_RUNS, judged_twice

from kmnist_mlp import Config, figures, run
from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.analysis import ConfidentErrors
from kmnist_mlp.experiments.claims import Claim
from kmnist_mlp.experiments.paper import paper_curves
from kmnist_mlp.experiments.paper_gradients import differences_by_epsilon
from kmnist_mlp.figures.comparison import FAR, VERDICT_STYLES
from kmnist_mlp.figures.report_figure import report_figure
from kmnist_mlp.figures.style import picture, png
from kmnist_mlp.figures.sweeps import draw_parameters
from kmnist_mlp.support.colours import BLUE, GREEN, GREY, ORANGE

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(1, 50, (10, 10)) + np.diag(RNG.integers(50, 99, 10))
PARTS = ("training", "validation")
PATHS = {"L2": [(0, "baseline"), (0.2, "l2_0.2")], "L1": [(0, "baseline")]}
DISTANCES = {"validation": RNG.uniform(1, 8, 50), "test": RNG.uniform(2, 9, 40)}


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


@pytest.fixture(autouse=True)
def style():
    """Set the style of figures for one test only."""
    plt.close("all")
    with mpl.rc_context():
        figures.use_style()
        yield


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def at(axis, **properties):
    """Return the points of the lines with these properties."""
    return points(lines(axis, **properties))


def of_seeds(results, name, quantity="test_accuracy"):
    """Return what the seeds have measured; accuracies in per cent."""
    factor = 100 if quantity.endswith("accuracy") else 1
    return np.array([factor * getattr(run, quantity) for run in results.of(name)])


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


def errors_of(data):
    labels = data.test_labels
    return ConfidentErrors(data.test_images[:9], labels[:9], labels[1:10], np.linspace(1, 0.5, 9))


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
    figures.confusion_matrix: lambda r, d: [COUNTS, d],
    figures.most_confident_errors: lambda r, d: [errors_of(d), d],
    figures.distance_histogram: lambda r, d: [DISTANCES, d.name],
    figures.difference_by_epsilon: lambda r, d: [differences_by_epsilon(d), d.name],
    figures.heat_maps: lambda r, d: [small_sweep(), "validation_accuracy"],
}


# ---- every figure --------------------------------------------------------------------------------


def test_every_figure_is_tested_here():
    made = {getattr(figures, name) for name in figures.__all__}
    assert made == set(ALL) | {figures.use_style, figures.gradient_table}


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_a_figure_is_of_finite_numbers_labelled_within_its_panels_and_marked_on_the_stand_in(
    make, small_results, kana
):
    figure = make(*ALL[make](small_results, kana))
    assert not plt.get_fignums() and len(figure.numbers) and figure.data.csv.count("\n") > 1
    assert figure.finding.endswith(".") and ". " not in figure.finding
    assert any(map(str.isdigit, figure.finding)) and not {"nan", "inf"} & {*figure.finding.split()}
    for panel in figure.panels:
        (content,) = picture(panel).values()
        edges, (width, height) = panel.get_tightbbox().extents, panel.get_size_inches()
        assert min(edges) > -0.05 and edges[2] < width + 0.05 and edges[3] < height + 0.05
        is_chart = not any(axis.images for axis in panel.axes)
        assert width <= (4.2 if is_chart else 8) and "STAND-IN" not in content
        for axis in panel.axes if is_chart else ():
            assert axis.get_xlabel() and axis.has_data()
            assert not any(np.isinf(line.get_xydata()).any() for line in axis.lines)
    name = "stand-in data, pooled"
    marked = make(*ALL[make](replace(small_results, data_name=name), replace(kana, name=name)))
    marks = [panel.get_supxlabel().startswith("STAND-IN") for panel in marked.panels]
    assert marks == [make is not figures.heat_maps] * len(marks)  # a sweep is kept of KMNIST alone
    assert not any(panel.get_supxlabel() for panel in figure.panels)


@pytest.mark.parametrize("make", OF_SEEDS, ids=lambda make: make.__name__)
def test_figures_of_a_single_seed_are_drawn_without_a_warning(make, one_seed, kana):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(map(picture, make(*ALL[make](one_seed, kana)).panels))


@pytest.fixture(scope="module")
def one_seed(kana):
    return run(SMALL_RUNS, 0, n_jobs=1, data=kana, cache=False)


def test_charts_are_svg_with_text_the_same_every_time_and_images_are_png(small_results, kana):
    charts = [figures.learning_curves(small_results, "baseline").panels[0] for _ in range(2)]
    (text, again) = (picture(chart)["image/svg+xml"] for chart in charts)
    assert text == again and ">epoch</text>" in text and "metadata" not in text
    assert list(picture(figures.example_images(kana).panels[0])) == ["image/png"]
    written = "".join(CLASS_NAMES) + " 0.0005, not 0.0123456 (0.25)"
    figure = plt.figure(figsize=(3, 1))
    figure.text(0.123456, 0.5, written)
    assert f">{written}</text>" in picture(figure)["image/svg+xml"], "numbers to read stay"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")  # a character without a glyph
        png(figure)


def test_the_data_of_a_figure_name_configurations_and_seeds(small_results):
    data = figures.overlay(small_results, ["baseline", "mine"]).data
    assert list(data.experiments) == ["baseline", "mine"] and data.seeds == (0, 1, 2)
    assert Config.from_dict(data.experiments["mine"]) == small_results.of("mine")[0].config
    assert "seed" not in data.experiments["mine"]
    assert data.quantities == ("validation_accuracy",)
    with pytest.raises(AttributeError):  # else a figure of the stand-in might not be marked
        report_figure([plt.figure()], pd.DataFrame({"a": [1]}))


def test_a_matplotlibrc_of_the_user_does_not_reach_the_figures():
    with mpl.rc_context({"text.usetex": True}):
        figures.use_style()
        assert not mpl.rcParams["text.usetex"]


# ---- curves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["baseline", "baseline_100_epochs", "two_hidden_layers", "mine"])
def test_learning_curves_are_the_seeds_their_mean_and_spread_beside_the_papers(small_results, name):
    runs, figure = small_results.of(name), figures.learning_curves(small_results, name)
    numbers = figure.numbers.query("source == 'ours'")
    shared = np.arange(min(len(run.history) for run in runs))
    assert numbers.seed.tolist() == np.repeat([0, 1, 2], [len(r.history) for r in runs]).tolist()
    assert numbers.epoch.tolist() == [epoch for run in runs for epoch in run.history.epoch]
    in_paper = EXPERIMENTS.get(name, "|").split("|")[1]
    in_paper = [int(number) for number in in_paper.split("-") if number]
    kept = [run.best_epoch if run.config.early_stop else run.stopped_epoch for run in runs]
    stopped = [run.stopped_epoch for run in runs]
    at_kept = numbers.dropna(subset="test_accuracy")
    assert at_kept.epoch.tolist() == kept and at_kept.stopped_epoch.tolist() == stopped
    for place, (kind, factor) in enumerate({"loss": 1, "accuracy": 100}.items()):
        (axis,) = figure.panels[place].axes
        heading = f"Figure {in_paper[place]}. " if in_paper else ""
        assert axis.get_title(loc="left") == heading + kind.capitalize()
        assert axis.get_ylabel() == {"loss": "cross-entropy / 10", "accuracy": "accuracy, %"}[kind]
        for part, colour, band in zip(PARTS, (BLUE, ORANGE), axis.collections, strict=True):
            histories = [factor * run.history[f"{part}_{kind}"].to_numpy() for run in runs]
            first = np.array([history[shared] for history in histories])
            centre, spread = first.sum(axis=0) / 3, first.std(axis=0, ddof=1)
            close(factor * numbers[f"{part}_{kind}"], np.concatenate(histories))
            seeds = np.transpose([numbers.epoch, np.concatenate(histories)])
            close(at(axis, color=colour, linewidth=0.6), seeds)
            close(at(axis, color=colour, label=part), np.transpose([shared + 1, centre]))
            close(at(axis, color=colour, marker="|"), [(len(h), h[-1]) for h in histories])
            expected = np.transpose([shared + 1, centre - spread, centre + spread])
            close([end for end in ends(band) if end[0]], expected)
        close(at(axis, linestyle="--")[:, 0], np.median(kept))
        dotted = at(axis, linestyle=":")
        assert len(dotted) == 2 * (stopped != kept)
        close(dotted[:, 0], np.median(stopped))
        test = of_seeds(small_results, name, f"test_{kind}").sum() / 3
        close(at(axis, marker="D"), [(np.median(kept), test)])
        grey = lines(axis, color=GREY, linestyle="-", linewidth=1.0)
        assert len(grey) == (2 if in_paper else 0)
        for line, part in zip(grey, PARTS, strict=False):
            curve, uncertainty = (
                paper_curves([in_paper[place]], what)[f"{part}_{kind}"]
                for what in ("value", "uncertainty")
            )
            theirs = figure.numbers.query("source == 'paper'")
            close(points([line]), [*(factor * curve).items()])
            close(theirs[f"{part}_{kind}_uncertainty"], uncertainty)
            assert max(factor * curve.dropna()) < axis.get_ylim()[1]
    epochs = f"the weights of epoch {np.median(kept):g}; training stops at epoch"
    assert figure.finding.endswith(f"is {test:.1f} % with {epochs} {np.median(stopped):g}.")
    legend = [text.get_text() for text in figure.panels[1].legends[0].get_texts()]
    assert f"weights of epoch {np.median(kept):.4g}" in legend
    assert legend.count("paper, one run") == bool(in_paper)


def test_curves_of_diverged_runs_or_without_validation_show_what_was_measured(kana, tiny):
    diverging = SMALL_RUNS["learning_rate_0.5"].replace(early_stop=False)
    diverged = run({"diverges": diverging}, [0, 1], n_jobs=1, data=kana, cache=False)
    kept = figures.learning_curves(diverged, "diverges").numbers.dropna(subset="test_loss")
    assert kept.epoch.tolist() == [run.best_epoch for run in diverged.of("diverges")]
    close(kept.test_loss, of_seeds(diverged, "diverges", "test_loss"))
    config = ALL_CHANGED.replace(validation_fraction=0.0)
    without = run({"mine": config}, [7], n_jobs=1, data=tiny, cache=False)
    axes = [panel.axes[0] for panel in figures.learning_curves(without, "mine").panels]
    assert [axis.get_ylabel() for axis in axes] == ["cross-entropy / 3", "accuracy, %"]
    assert all(lines(axis, label="training") for axis in axes)
    assert not any(lines(axis, label="validation") for axis in axes)


def test_an_overlay_holds_the_curves_of_all_experiments_told_apart_without_colour(small_results):
    names = {"baseline": "baseline, early stopping", "learning_rate_0.5": "learning rate 0.5",
             "linear": "linear softmax", "mine": "mine"}  # fmt: skip
    quantities = {"validation_loss": "validation loss", "training_accuracy": "training accuracy, %"}
    figure = figures.overlay(small_results, names, *quantities)
    numbers = figure.numbers.set_index(["quantity", "experiment", "seed"])
    for panel, (quantity, label) in zip(figure.panels, quantities.items(), strict=True):
        (axis,), thick = panel.axes, lines(panel.axes[0], linewidth=2)
        assert axis.get_ylabel() == label
        assert [text.get_text() for text in panel.legends[0].get_texts()] == [*names.values()]
        assert len({line.get_linestyle() for line in thick}) == len(names)
        for (name, shown), line in zip(names.items(), thick, strict=True):
            factor = 100 if "accuracy" in quantity else 1
            curves = [factor * run.history[quantity].to_numpy() for run in small_results.of(name)]
            for seed, curve in enumerate(curves):
                rows, first = numbers.loc[[(quantity, name, seed)]], min(1, len(curve))
                close(rows.value, curve if first else [np.nan])
                assert rows.epoch.tolist() == list(range(first, len(curve) + 1))
            thin = at(axis, linewidth=0.6, color=line.get_color())
            close(thin[:, 1], np.concatenate(curves))
            mean = sum(curve[: min(map(len, curves))] for curve in curves) / 3
            close(points([line]), np.transpose([np.arange(len(mean)) + 1, mean]))
            best = f"{shown} {mean.max():.1f} % (epoch {mean.argmax() + 1})" if len(mean) else ""
            assert quantity == "validation_loss" or best in figure.finding


# ---- comparison ----------------------------------------------------------------------------------


def test_our_means_and_the_papers_values_are_drawn_for_every_experiment(small_results):
    names = {"linear": "linear softmax", "baseline": "baseline, early stopping",
             "l2_0.2": "L2 penalty 0.2", "two_hidden_layers": "two layers of 64 units",
             "mine": "mine"}  # fmt: skip
    figure = figures.against_paper(small_results, names)
    (axis,), titles = figure.panels[0].axes, list(names.values())
    ours = np.array([of_seeds(small_results, name) for name in names])
    means = ours.sum(axis=1) / 3
    papers = np.array([float(ACCURACIES.get(name) or "nan") for name in names])
    near = abs(means - np.median(means)) <= FAR
    rows = np.arange(5)
    assert list(ticks(axis, "y").values()) == titles and axis.yaxis_inverted()
    assert 1 < near.sum() < 5
    close(at(axis, marker="o"), np.transpose([means, rows])[near])
    close(at(axis, marker="|"), [(value, row) for row in rows[near] for value in ours[row]])
    close(at(axis, marker="s"), np.transpose([papers, rows + 0.2])[near & (papers > 0)])
    written = {height: text.strip("◂▸ ") for (_, height), text in texts(axis).items()}
    assert written == {row: f"{means[row]:.1f} %" for row in rows[~near]}
    assert figure.numbers.experiment.tolist() == np.repeat([*names], 3).tolist()
    close(figure.numbers.test_accuracy_percent, ours.ravel())
    close(figure.numbers.paper_test_accuracy_percent, np.repeat(papers, 3))
    far = np.nanargmax(abs(means - papers))
    difference = f"{means[far] - papers[far]:+.1f}".replace("-", "−")
    said = f"of 3 differences to a published accuracy is {difference} points ({titles[far]})."
    assert figure.finding.endswith(said)


def test_the_next_run_is_drawn_beside_each_printed_number(small_results):
    figure = figures.difference_to_paper(small_results)
    names = [name for name in SMALL_RUNS if ACCURACIES.get(name) or LOSSES.get(name)]
    counts = []
    quantities = {"test_accuracy": (ACCURACIES, 0.5), "test_loss": (LOSSES, 1)}  # or truncated
    for panel, (quantity, (printed, up)) in zip(figure.panels, quantities.items(), strict=True):
        (axis,), numbers = panel.axes, figure.numbers[figure.numbers.quantity == quantity]
        shown = [name for name in names if printed[name]]
        papers = np.array([[float(printed[name])] for name in shown])
        ours = np.array([of_seeds(small_results, name, quantity) for name in shown])
        means = ours.sum(axis=1, keepdims=True) / 3
        half = (
            ours.std(axis=1, ddof=1, keepdims=True) * scipy.stats.t.ppf(0.975, 2) * (4 / 3) ** 0.5
        )
        limits = np.hstack([means - half, means + half])
        last = np.array([[0.1 ** len(printed[name].partition(".")[2])] for name in shown])
        rounding = last * [[-0.5, up]]
        assert numbers.experiment.tolist() == np.repeat(shown, 3).tolist()
        expected = np.hstack([papers, limits]).repeat(3, axis=0)
        close(numbers[["paper", "low", "high"]], expected)
        close(numbers.ours, ours.ravel())
        for properties, expected in (
            ({"marker": "|"}, ours - papers), ({"marker": "o"}, means - papers),
            ({"linewidth": 2.0}, limits - papers), ({"linewidth": 5.0}, rounding),
        ):  # fmt: skip
            height = np.repeat([names.index(name) for name in shown], expected.shape[1])
            close(at(axis, **properties), np.transpose([expected.ravel(), height]))
        low, high = np.transpose([limits[:, 0], limits[:, 1]] - (papers + rounding)[:, ::-1].T).T
        assert 0 < sum((low <= 0) & (high >= 0)) < len(shown), "else an error would not show"
        counts.append(f"{sum((low <= 0) & (high >= 0))} of {len(shown)} printed")
    assert f"{counts[0]} accuracies and {counts[1]} losses lie" in figure.finding


def test_claims_of_any_unit_are_drawn_in_halves_of_their_interval(small_results):
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
    values = [of_seeds(small_results, name) for name in ("baseline", "l2_0.2", "linear")]
    losses = [of_seeds(small_results, name, "test_loss") for name in ("baseline", "linear")]
    values.insert(2, np.subtract(*losses))
    half = [scipy.stats.t.ppf(0.975, 2) * v.std(ddof=1) / 3**0.5 for v in values]
    mean = [v.sum() / 3 for v in values]
    inside = [mean[0] - 10, 84 - mean[1], -mean[2], min(mean[3] - 84, 94 - mean[3]) / 2]
    inside = np.divide(inside, half)  # the printed number's interval is that of the next run
    figure = figures.scoreboard_figure(judged)
    numbers, axes = figure.numbers, [panel.axes[0] for panel in figure.panels]
    close(numbers[["inside", "low", "high"]][:4], np.transpose([inside, inside - 1, inside + 1]))
    assert numbers.inside[4:].tolist() == [0, np.inf, -np.inf]  # equal in every seed
    assert (numbers.low[4], numbers.high[4]) == (0, 0)
    assert [axis.get_title(loc="left") for axis in axes] == [f"Section {n}" for n in (2, 3, 5)]
    assert figure.finding.startswith("7 claims with an interval over seeds: 3 not reproduced, 2 ")
    found = [line for axis in axes for line in axis.lines]
    marks, code, bars = (
        [line for line in found if line.get_gid() == kind] for kind in ("claim", "code", "interval")
    )
    near = numbers.inside.abs() <= 8
    close(points(marks)[:, 0], np.clip(numbers.inside, -8, 8))
    close([bar.get_xdata() for bar in bars], numbers[near][["low", "high"]])
    edges = np.where(numbers.inside < 0, "<", ">")
    styles = [VERDICT_STYLES[verdict] for verdict in numbers.verdict]
    expected = [(s if n else e, c) for (s, c), n, e in zip(styles, near, edges, strict=True)]
    assert [(mark.get_marker(), mark.get_color()) for mark in marks] == expected
    by_code = [VERDICT_STYLES[verdict] for verdict in numbers.verdict_code]
    assert [(mark.get_marker(), mark.get_color()) for mark in code] == by_code
    hollow = [mark.get_markerfacecolor() == "white" for mark in marks]
    assert hollow == [claim == "a printed number" for claim in numbers.claim]
    written = [text for axis in axes for text in texts(axis).values()]
    assert written == [f"{row.number}  {row.claim}" for row in numbers.itertuples()]


def test_contributions_and_the_rest_add_up_to_the_measured_difference(small_results):
    figure = figures.contributions(small_results, "linear", ["baseline", "l2_0.2"], "mine")
    accuracy = {name: of_seeds(small_results, name) for name in SMALL_RUNS}
    gains = [accuracy[name] - accuracy["linear"] for name in ("baseline", "l2_0.2")]
    gains = np.array([*gains, accuracy["mine"] - accuracy["linear"] - sum(gains)])
    numbers, (axis,) = figure.numbers, figure.panels[0].axes
    close(numbers.points.dropna(), gains.ravel())
    outer = np.concatenate([accuracy["linear"], accuracy["mine"]])
    close(numbers.test_accuracy_percent.dropna(), outer)
    changes = gains.sum(axis=1) / 3
    start = accuracy["linear"].sum() / 3
    levels = start + np.cumsum([0, *changes])
    close(
        [(bar.get_x(), bar.get_width()) for bar in axis.patches],
        np.transpose([levels[:-1], changes]),
    )
    half = scipy.stats.t.ppf(0.975, 2) * gains.std(axis=1, ddof=1) / 3**0.5
    intervals = np.transpose([levels[1:] - half, levels[1:] + half]).ravel()
    close(at(axis, color="black"), np.transpose([intervals, [1, 1, 2, 2, 3, 3]]))
    close(at(axis, marker="D"), [(start, 0), (accuracy["mine"].sum() / 3, 4)])
    signed = [f"{change:+.2f}".replace("-", "−") for change in changes]
    assert [*texts(axis).values()] == [f"{start:.1f} %", *signed, f"{levels[-1]:.1f} %"]
    labels = list(ticks(axis, "y").values())
    assert [labels[0], *labels[2:3], labels[-1]] == ["linear softmax", "+ L2 penalty 0.2", "mine"]
    whole, alone = (f"{c:+.1f}".replace("-", "−") for c in (sum(changes), sum(changes[:2])))
    assert f"From linear softmax ({start:.1f} %) to mine ({levels[-1]:.1f} %)" in figure.finding
    assert f"by {whole} points" in figure.finding and f"add up to {alone}." in figure.finding


# ---- sweeps --------------------------------------------------------------------------------------


def test_accuracy_by_penalty_is_drawn_as_means_with_standard_deviations(small_results):
    figure = figures.accuracy_by_penalty(small_results, PATHS)
    for panel, (kind, path) in zip(figure.panels, PATHS.items(), strict=True):
        (axis,), numbers = panel.axes, figure.numbers[figure.numbers.kind == kind]
        assert axis.get_title(loc="left") == kind
        assert list(ticks(axis, "x").values()) == [f"{penalty:g}" for penalty, _ in path]
        of_test = [of_seeds(small_results, name) for _, name in path]
        of_validation = [
            np.array([100 * run.history.validation_accuracy[run.kept_epoch - 1] for run in runs])
            for runs in (small_results.of(name) for _, name in path)
        ]
        for bars, part, colour, values in zip(
            axis.containers, ("validation", "test"), (ORANGE, GREEN), (of_validation, of_test),
            strict=True,
        ):  # fmt: skip
            line, _, (spread,) = bars.lines
            assert (bars.get_label(), line.get_color()) == (part, colour), "as in curves"
            close(points([line])[:, 1], [v.sum() / 3 for v in values])
            reach = [(v.mean() - v.std(ddof=1), v.mean() + v.std(ddof=1)) for v in values]
            close([s[:, 1] for s in spread.get_segments()], reach)
            rows = numbers[numbers.quantity == f"{part}_accuracy"]
            assert rows.penalty.tolist() == np.repeat([p for p, _ in path], 3).tolist()
            close(rows.percent, np.concatenate(values))
    none, strong = (of_seeds(small_results, name).mean() for name in ("baseline", "l2_0.2"))
    expected = f"L2, λ = 0.2 ({strong:.1f} %) and L1, λ = 0 ({none:.1f} %)"
    assert none < strong and expected in figure.finding


def test_accuracy_is_drawn_at_the_number_of_parameters(small_results):
    names, sizes = ["two_hidden_layers", "linear"], [37 * 5 + 6 * 5 + 6 * 10, 37 * 10]
    figure = figures.accuracy_by_parameters(small_results, names)
    ours = np.array([of_seeds(small_results, name) for name in names])
    means, (axis,) = ours.sum(axis=1) / 3, figure.panels[0].axes
    each = np.transpose([np.repeat(sizes, 3), ours.ravel()])
    close(at(axis, marker="o"), np.transpose([sizes, means]))
    close(at(axis, marker="_"), each)
    close(figure.numbers[["parameters", "test_accuracy_percent"]], each)
    best = int(np.argmax(means))
    layers = ("36-5-5-10", "36-10")[best]
    assert f"{layers} ({means[best]:.1f} %, {sizes[best]} parameters)" in figure.finding


@pytest.mark.parametrize("smallest", [[], [("784-10", 7_850, 69)]])
def test_the_layers_stand_beside_their_own_point_and_cover_no_other(smallest):
    points = [("784-64-10", 50_890, 81), ("784-64-64-10", 55_050, 81), *smallest]
    points += [("784-256-10", 203_530, 86)]
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
        key: np.nan if rows.diverged.any() else 100 * rows[quantity].sum() / 3
        for key, rows in runs.groupby(["L2_penalty", "momentum_gamma", "learning_rate"])
    }
    best = max((key for key in cells if cells[key] == cells[key]), key=cells.get)
    for panel, penalty in zip(figure.panels, (0.2, 0.4), strict=True):
        (axis,) = panel.axes
        assert (
            axis.get_title(loc="left").endswith(f"L2 penalty {penalty}") and axis.yaxis_inverted()
        )
        coloured, written = axis.collections[0].get_array(), texts(axis)
        framed = [patch.get_center() for patch in axis.patches]
        assert len(written) == coloured.size == len(cells) / 2
        for x, rate in ticks(axis, "x").items():
            for y, gamma in ticks(axis, "y").items():
                key = (penalty, float(gamma), float(rate))
                known = np.isfinite(cells[key])
                assert written[x, y] == (f"{cells[key]:.1f}" if known else "–")
                shown = np.ma.filled(coloured, np.nan)[int(y), int(x)]
                close(shown, cells[key])
                at = [centre for centre in framed if centre == pytest.approx((x, y))]
                assert len(at) == (key == best)
    numbers = figure.numbers
    found = zip(numbers.L2_penalty, numbers.momentum_gamma, numbers.learning_rate, strict=True)
    assert list(found) == list(cells) and set(numbers.quantity) == {quantity}
    close(numbers.percent, list(cells.values()))
    penalty, gamma, rate = best
    said = (
        f"12 combinations reaches {cells[best]:.2f} %: learning rate {rate:g}, momentum {gamma:g}"
    )
    assert said in figure.finding and f"L2 penalty {penalty:g}." in figure.finding
