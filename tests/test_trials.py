"""Tables and figures beyond the paper show what the records and the ledger hold."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from kmnist_mlp.beyond import load_ensemble, trials
from kmnist_mlp.beyond.evaluation import calibration_table
from kmnist_mlp.beyond.plan import GROUPS
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies, load_ledger, recorded
from kmnist_mlp.beyond.records import Records, load_timing
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.support.statistics import interval, mcnemar, p_text, wilson_interval

PARTS = {"held_out": "held-out clusters", "validation": "validation"}
LEFT_OUT, STEPS = ([*GROUPS[group]["runs"]] for group in ("left out", "step"))
RECORDED_AS = {  # runs of two groups
    ("step", "1,024 units"): ("trial", "nothing"),
    ("step", "label smoothing of 0.05"): ("left out", "width: 512 units"),
}


@pytest.fixture
def records():
    use_style()
    return Records()


def accuracy(records, group, title, part="held_out"):
    """Return per cent by seed, from the rows of the file that have this group and title."""
    group, title = RECORDED_AS.get((group, title), (group, title))
    rows = records.table[(records.table.group == group) & (records.table.title == title)]
    return 100 * rows.set_index("seed")[f"{part}_accuracy"]


def change(records, title, part="held_out", group="left out"):
    return accuracy(records, group, title, part) - accuracy(records, "trial", "nothing", part)


def signed(value, digits=2):
    return f"{value:+.{digits}f}".replace("-", "−")


# ---- tables --------------------------------------------------------------------------------------


def test_changes_are_differences_of_the_same_seed_with_interval_and_mcnemars_test(records):
    table = trials.changes_table(records, ["left out"], "left out")
    assert table.index.tolist() == ["nothing", *LEFT_OUT]
    title = "depth: two hidden layers"
    for part, name in PARTS.items():
        mean, low, high = interval(change(records, title, part))
        assert table[f"change ({name})"][title] == signed(mean)
        assert table[f"95 % interval ({name})"][title] == f"{signed(low)} to {signed(high)}"
    runs = records.table.reset_index().groupby("title").run.apply(list)
    p = [
        mcnemar(records.correct(one), records.correct(other))[2]
        for one, other in zip(runs[title], runs["nothing"], strict=True)
    ]
    assert len(set(p)) == 3 and table["McNemar's p"][title] == p_text(max(p))
    single = trials.changes_table(records, ["added", "distilled"], "added")
    (distilled,) = GROUPS["distilled"]["runs"]
    row = single.loc[distilled]  # not compared on images that its teachers have seen
    assert row["validation, %"] == row["change (validation)"] == "–"
    found = change(records, distilled, group="distilled")[0]
    assert row["change (held-out clusters)"] == signed(found)
    long = trials.changes_table(records, ["long"], "changed", base="long")
    assert long.index.tolist() == [*GROUPS["long"]["runs"]]
    assert not long.columns.str.contains("interval").any()  # of one seed
    base = accuracy(records, "step", "40 epochs")[0]
    longer = accuracy(records, "long", "mixup of 0.2, twice the epochs")[0]
    assert long["change (held-out clusters)"]["mixup of 0.2"] == signed(longer - base)


def test_the_least_difference_is_that_of_a_t_test_with_the_pooled_deviation(records):
    variances = [change(records, title).var(ddof=1) for title in LEFT_OUT]
    t = scipy.stats.t.ppf(0.975, 2 * len(variances))
    assert trials.least_difference(records) == pytest.approx(t * np.mean(variances) ** 0.5)


def test_a_change_is_clear_if_its_test_is_after_correction_for_their_number(records):
    base = records.accuracy["held-out clusters"].loc["trial"].loc["nothing"]
    nothing, all_seeds = (0.01, -0.01, 0.0), slice(None)
    clear = {"batch normalisation": (0.5, 0.51, 0.49), "cosine schedule": (-0.5, -0.51, -0.49)}
    clear |= {"L2 penalty": (-0.5, -0.55, -0.45)}  # p = 0.003
    shifts = dict.fromkeys(LEFT_OUT, nothing) | clear
    shifts["label smoothing"] = (-0.5, -0.6, -0.4)  # p = 0.013
    for title, shift in shifts.items():
        place = ("left out", title, all_seeds), "held-out clusters"
        records.accuracy.loc[place] = (base + np.array(shift) / 100).to_numpy()
    expected = ["cosine schedule", "L2 penalty"], ["batch normalisation"]
    assert trials.clear_changes(records) == expected


def test_steps_have_their_change_over_the_seeds_of_both_and_the_minutes_of_their_epochs(records):
    table, seconds = trials.steps_table(records), load_timing(records.folder)
    assert table.index.tolist() == STEPS
    values = [accuracy(records, "step", title) for title in STEPS]
    changes = table["change (held-out clusters)"].tolist()
    third, wider = values[3] - values[2], (values[-2] - values[-3]).dropna()
    assert changes[0] == "–" and changes[3] == f"{signed(third.mean())} ± {third.std():.2f}"
    assert changes[-2] == f"{signed(wider.mean())} ± {wider.std():.2f}"
    assert changes[-1] == signed(values[-1][0] - values[-2][0])  # of one seed
    assert table.minutes["40 epochs"] == f"{40 * seconds['40 epochs'] / 60:.1f}"
    assert table.seeds.tolist() == [2] * (len(STEPS) - 3) + [3, 3, 1]


def test_final_networks_stand_beside_all_other_classifiers_in_order():
    ledger = load_ledger()
    lines = recorded(load_ensemble(), ledger)
    found = trials.final_table(lines)
    assert found["test accuracy, %"].tolist() == [f"{100 * own:.2f}" for own in lines.accuracy]
    low, high = wilson_interval(round(1e4 * lines.accuracy.iloc[0]), 10_000)
    assert found.iloc[0, 1] == f"{low:.2f} to {high:.2f}"
    assert found.index[0] == "final network, seed 0" and "ensemble, seeds 0 to 4" in found.index
    table = trials.others_table(lines)
    percent = table["test accuracy, %"].astype(float)
    assert percent.is_monotonic_increasing and percent.index.str.endswith("*").sum() == 6
    assert percent[NETWORK] == pytest.approx(100 * accuracies(lines).mean(), abs=0.005)
    assert percent[ENSEMBLE] == pytest.approx(100 * accuracies(lines, ENSEMBLE).iloc[0], abs=0.005)
    assert len(table) == 2 + len(QUOTED)
    counted = trials.ledger_table(ledger)
    assert counted.evaluations.to_dict() == ledger.kind.value_counts(sort=False).to_dict()
    worst, best = 100 * accuracies(lines).min(), 100 * accuracies(lines).max()
    assert counted["accuracy, %"][NETWORK] == f"{worst:.2f} to {best:.2f}"
    first = ledger[ledger.kind == "first attempt"].date
    assert " to ".join(sorted({*first})) == counted.dates["first attempt"] == first.min()


# ---- figures -------------------------------------------------------------------------------------


def means(axis):
    """Return the points of the line of each label."""
    handles, labels = axis.get_legend_handles_labels()
    lines = (getattr(handle, "lines", [handle])[0] for handle in handles)
    found = zip(labels, lines, strict=True)
    return {label: line.get_xydata() for label, line in found if hasattr(line, "get_xydata")}


def test_steps_and_changes_have_a_row_each_with_the_mean_of_both_parts(records):
    def step(title, part):
        return accuracy(records, "step", title, part)

    def left_out(title, part):
        return change(records, title, part)

    change_figure, steps_figure = trials.changes_figure(records), trials.steps_figure(records)
    for figure, names, of in (
        (change_figure, LEFT_OUT, left_out), (steps_figure, STEPS, step),
    ):  # fmt: skip
        (axis,) = figure.panels[0].axes
        rows = {text.get_text(): round(text.get_position()[1] + 0.2) for text in axis.texts}
        assert rows == {name: row for row, name in enumerate(names)} and axis.yaxis_inverted()
        for number, (part, label) in enumerate(PARTS.items()):
            expected = [(of(name, part).mean(), row + 0.2 * number) for name, row in rows.items()]
            np.testing.assert_allclose(means(axis)[label], expected, atol=1e-9)
            numbers = figure.numbers[figure.numbers.part == label]
            every = np.concatenate([of(name, part) for name in names])
            np.testing.assert_allclose(sorted(numbers.iloc[:, -1]), sorted(every))
    lost = {name: change(records, name).mean() for name in LEFT_OUT}
    worst, best = min(lost, key=lost.get), max(lost, key=lost.get)
    assert f"lowest mean is that of {worst} ({signed(lost[worst])} points)" in change_figure.finding
    assert f"highest that of {best} ({signed(lost[best])})" in change_figure.finding
    first = [accuracy(records, "step", title)[0] for title in STEPS]
    most = np.diff(first).argmax() + 1
    assert f"from {first[0]:.1f} % to {first[-1]:.1f} %" in steps_figure.finding
    assert f"{STEPS[most]} ({signed(max(np.diff(first)))} points)" in steps_figure.finding


def test_the_ranking_compares_the_first_seed_at_two_lengths(records):
    figure = trials.ranking_figure(records)
    base = accuracy(records, "step", "40 epochs")[0]
    title = "cosine schedule"
    longer = accuracy(records, "long", f"{title}, twice the epochs")[0]
    row = figure.numbers.set_index("left_out").loc[title]
    np.testing.assert_allclose(row, [change(records, title)[0], longer - base])
    (axis,) = figure.panels[0].axes
    ordered = figure.numbers.sort_values("short")
    assert [text.get_text() for text in axis.texts] == ordered.left_out.tolist()
    for label, column in (("20 epochs", "short"), ("40 epochs", "long")):
        np.testing.assert_allclose(means(axis)[label][:, 0], ordered[column])
    correlation = scipy.stats.spearmanr(ordered.short, ordered.long).statistic
    assert f"{correlation:.2f} (Spearman)" in figure.finding
    assert f"{(ordered.short * ordered.long > 0).sum()} of {len(LEFT_OUT)} " in figure.finding


def test_strengths_and_sizes_are_drawn_as_means_over_seeds(records):
    figure = trials.strength_figure(records)
    assert len(figure.numbers) == 4 * 3 * 2 * 2
    for panel, (part, label) in zip(figure.panels, PARTS.items(), strict=True):
        assert panel.axes[0].get_title(loc="left") == label
        for epochs in (5, 20, 60):
            expected = {
                s: accuracy(records, "strength", f"strength {s:g}, {epochs} epochs", part).mean()
                for s in (0, 0.5, 1, 1.5)
            }
            np.testing.assert_allclose(
                means(panel.axes[0])[f"{epochs} epochs"], [*expected.items()]
            )
            best = f"{max(expected, key=expected.get):g} at {epochs} epochs"
            assert part == "validation" or best in figure.finding
    figure = trials.sizes_figure(records)
    (axis,) = figure.panels[0].axes
    crosses = [line.get_xydata() for line in axis.lines if line.get_marker() == "x"]
    sizes, whole = (1000, 4000, 16_000, 48_000), {}
    for number, kind in enumerate(("not augmented", "augmented")):
        whole[kind], half = (
            [
                (n, accuracy(records, "size", f"{n} images, {kind}, {seen} seen").mean())
                for n in sizes
            ]
            for seen in (1_600_000, 800_000)
        )
        np.testing.assert_allclose(means(axis)[kind], whole[kind])
        np.testing.assert_allclose(crosses[number], half)
    gain = whole["augmented"][0][1] - whole["not augmented"][0][1]
    assert f"by {signed(gain, 1)} points with 1,000" in figure.finding


def test_calibration_shows_each_models_error_and_intervals():
    p = np.full((100, 4), 0.1)
    p[:, 0] = 0.7
    less = p.copy()
    less[60:] = 0.4, 0.2, 0.2, 0.2
    right = np.isin(np.arange(100), [*range(45), *range(60, 70)])  # 45 of 60, and 10 of 40
    made = {
        "good": calibration_table(p, np.where(np.arange(100) < 70, 0, 1)),
        "bad": calibration_table(less, np.where(right, 0, 1)),
    }
    figure = trials.calibration_figure(made, "KMNIST")
    assert "good 0.000, bad 0.090" in figure.finding
    bins = {"good": [(0.7, 70, 100)], "bad": [(0.4, 10, 40), (0.7, 45, 60)]}
    for panel, (model, own) in zip(figure.panels, bins.items(), strict=True):
        (axis,) = panel.axes
        assert model in axis.get_title(loc="left")
        assert means(axis)["accuracy"] == pytest.approx(np.array([(c, k / n) for c, k, n in own]))
        expected = [(c, *(end / 100 for end in wilson_interval(k, n))) for c, k, n in own]
        ends = [segment.ravel()[[0, 1, 3]] for segment in axis.collections[0].get_segments()]
        np.testing.assert_allclose(ends, expected, rtol=1e-5)
        shown = figure.numbers.query("model == @model")[["confidence", "low", "high"]]
        np.testing.assert_allclose(shown, expected, rtol=1e-5)
        assert [bar.get_height() for bar in axis.patches] == [n / 100 for _, _, n in own]


def test_robustness_has_a_panel_per_corruption_and_a_line_per_model():
    first = {("shift", "a"): 0.9, ("shift", "b"): 0.8, ("noise", "a"): 0.8, ("noise", "b"): 0.7}
    rows = [(c, s, m, start - s / 10) for (c, m), start in first.items() for s in (0, 1, 3)]
    table = pd.DataFrame(rows, columns=["corruption", "severity", "model", "accuracy"])
    figure = trials.robustness_figure(table)
    axes = [panel.axes[0] for panel in figure.panels]
    assert [axis.get_xlabel() for axis in axes] == ["shift", "noise"]
    for axis in axes:
        for model in "ab":
            start = first[axis.get_xlabel(), model]
            expected = [(severity, 100 * start - 10 * severity) for severity in (0, 1, 3)]
            np.testing.assert_allclose(means(axis)[model], expected)
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert "lowest accuracy is 40 % (b, noise: 3)" in figure.finding
