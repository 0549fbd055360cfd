"""Beyond the paper: measures are as defined; tables and figures show records and ledger."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from kmnist_mlp.beyond import evaluation, load_ensemble, trials
from kmnist_mlp.beyond.plan import GROUPS
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies, load_ledger, recorded
from kmnist_mlp.beyond.records import Records, load_timing
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.support.statistics import interval, mcnemar, p_text, signed, wilson_interval

PARTS = {"held_out": "held-out clusters", "validation": "validation"}
LEFT_OUT, STEPS = ([*GROUPS[group]["runs"]] for group in ("left out", "step"))
RECORDED_AS = {  # runs of two groups
    ("step", "1,024 units"): ("trial", "nothing"),
    ("step", "label smoothing of 0.05"): ("left out", "width: 512 units"),
    ("long", "length: half the epochs, twice the epochs"): ("trial", "nothing"),
}


@pytest.fixture
def records():
    use_style()
    return Records()


def accuracy(records, title, part="held_out", group="step"):
    """Return per cent by seed, from the rows of the file that have this group and title."""
    group, title = RECORDED_AS.get((group, title), (group, title))
    rows = records.table[(records.table.group == group) & (records.table.title == title)]
    return 100 * rows.set_index("seed")[f"{part}_accuracy"]


def change(records, title, part="held_out", group="left out"):
    unchanged = accuracy(records, "nothing", part, "trial")
    return accuracy(records, title, part, group) - unchanged


# ---- tables --------------------------------------------------------------------------------------


def test_changes_are_differences_of_the_same_seed_with_interval_and_mcnemars_test(records):
    table = trials.changes_table(records, ["left out"], "left out")
    assert table.index.tolist() == ["nothing", *LEFT_OUT]
    title = "depth: two hidden layers"
    for part, name in PARTS.items():
        mean, low, high = interval(change(records, title, part))
        assert table[f"change ({name})"][title] == signed(mean, 2)
        assert table[f"95 % interval ({name})"][title] == f"{signed(low, 2)} to {signed(high, 2)}"
    runs = records.table.reset_index().groupby("title").run.apply(list)
    pairs = zip(runs[title], runs["nothing"], strict=True)
    p = [mcnemar(*map(records.correct, pair))[2] for pair in pairs]
    assert table["McNemar's p"][title] == p_text(max(p)) != p_text(min(p))
    (distilled,) = GROUPS["distilled"]["runs"]
    row = trials.changes_table(records, ["added", "distilled"], "added").loc[distilled]
    # not compared on images that its teachers have seen
    assert row["validation, %"] == row["change (validation)"] == "–"
    found = change(records, distilled, group="distilled")[0]
    assert row["change (held-out clusters)"] == signed(found, 2)
    long = trials.changes_table(records, ["long"], "changed", base="long")
    assert not long.columns.str.contains("interval").any()  # of one seed
    base = accuracy(records, "40 epochs")[0]
    longer = accuracy(records, "mixup of 0.2, twice the epochs", group="long")[0]
    assert long["change (held-out clusters)"]["mixup of 0.2"] == signed(longer - base, 2)


def test_the_least_difference_is_that_of_a_t_test_with_the_pooled_deviation(records):
    variances = [change(records, title).var(ddof=1) for title in LEFT_OUT]
    t = scipy.stats.t.ppf(0.975, 2 * len(variances))
    assert trials.least_difference(records) == pytest.approx(t * np.mean(variances) ** 0.5)


def test_a_change_is_clear_if_its_test_is_after_correction_for_their_number(records):
    base = records.accuracy["held-out clusters"].loc["trial"].loc["nothing"]
    shifts = dict.fromkeys(LEFT_OUT, (0.01, -0.01, 0.0)) | {
        "batch normalisation": (0.5, 0.51, 0.49),
        "cosine schedule": (-0.5, -0.51, -0.49),
        "L2 penalty": (-0.5, -0.55, -0.45),  # p = 0.003
        "label smoothing": (-0.5, -0.6, -0.4),  # p = 0.013
    }
    for title, shift in shifts.items():
        place = ("left out", title, slice(None)), "held-out clusters"
        records.accuracy.loc[place] = (base + np.array(shift) / 100).to_numpy()
    expected = ["cosine schedule", "L2 penalty"], ["batch normalisation"]
    assert trials.clear_changes(records) == expected


def test_steps_have_their_change_over_the_seeds_of_both_and_the_minutes_of_their_epochs(records):
    table, seconds = trials.steps_table(records), load_timing(records.folder)
    assert table.index.tolist() == STEPS
    values = [accuracy(records, title) for title in STEPS]
    changes = table["change (held-out clusters)"].tolist()
    third, wider = values[3] - values[2], (values[-2] - values[-3]).dropna()
    assert changes[0] == "–" and changes[3] == f"{signed(third.mean(), 2)} ± {third.std():.2f}"
    assert changes[-2] == f"{signed(wider.mean(), 2)} ± {wider.std():.2f}"
    assert changes[-1] == signed(values[-1][0] - values[-2][0], 2)  # of one seed
    assert table.minutes["40 epochs"] == f"{40 * seconds['40 epochs'] / 60:.1f}"
    assert table.seeds.tolist() == [2] * (len(STEPS) - 3) + [3, 3, 1]


def test_final_networks_stand_beside_all_other_classifiers_in_order():
    ledger = load_ledger()
    lines = recorded(load_ensemble(), ledger)
    found = trials.final_table(lines)
    low, high = wilson_interval(round(1e4 * lines.accuracy.iloc[0]), 10_000)
    assert found["test accuracy, %"].tolist() == [f"{100 * own:.2f}" for own in lines.accuracy]
    assert found.iloc[0, 1] == f"{low:.2f} to {high:.2f}"
    percent = trials.others_table(lines)["test accuracy, %"].astype(float)
    assert percent.is_monotonic_increasing and len(percent) == 2 + len(QUOTED)
    assert percent.index.str.endswith("*").sum() == 6
    for kind in (NETWORK, ENSEMBLE):
        assert percent[kind] == pytest.approx(100 * accuracies(lines, kind).mean(), abs=0.005)
    counted = trials.ledger_table(ledger)
    assert counted.evaluations.to_dict() == ledger.kind.value_counts(sort=False).to_dict()
    worst, best = 100 * accuracies(lines).min(), 100 * accuracies(lines).max()
    assert counted["accuracy, %"][NETWORK] == f"{worst:.2f} to {best:.2f}"
    assert counted.dates["first attempt"] == ledger.date.min()


# ---- figures -------------------------------------------------------------------------------------


def assert_drawn(axis, expected):
    """Compare the points of the lines that have these labels."""
    found = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    for label, points in expected.items():
        line = getattr(found[label], "lines", [found[label]])[0]
        np.testing.assert_allclose(line.get_xydata(), points, atol=1e-9)


def test_steps_and_changes_have_a_row_each_with_the_mean_of_both_parts(records):
    changes, steps = trials.changes_figure(records), trials.steps_figure(records)
    for figure, names, of in ((changes, LEFT_OUT, change), (steps, STEPS, accuracy)):
        (axis,) = figure.panels[0].axes
        rows = {text.get_text(): round(text.get_position()[1] + 0.2) for text in axis.texts}
        assert rows == {name: row for row, name in enumerate(names)} and axis.yaxis_inverted()
        for number, (part, label) in enumerate(PARTS.items()):
            values = [of(records, name, part) for name in names]
            marks = [(own.mean(), row + 0.2 * number) for row, own in enumerate(values)]
            assert_drawn(axis, {label: marks})
    lost = pd.Series({name: change(records, name).mean() for name in LEFT_OUT})
    for words, name in (("between", lost.idxmin()), ("and", lost.idxmax())):
        assert f"{words} {signed(lost[name], 2)} points without {name}" in changes.finding
    first = pd.Series({title: accuracy(records, title)[0] for title in STEPS})
    assert f"from {first.iloc[0]:.1f} % to {first.iloc[-1]:.1f} %" in steps.finding
    gain = first.diff()
    assert f"{gain.idxmax()} ({signed(gain.max(), 2)} points)" in steps.finding


def test_the_ranking_compares_the_first_seed_at_two_lengths(records):
    figure = trials.ranking_figure(records)
    titles = [f"{title}, twice the epochs" for title in LEFT_OUT]
    base = accuracy(records, "40 epochs")[0]
    short = np.array([change(records, title)[0] for title in LEFT_OUT])
    long = np.array([accuracy(records, title, group="long")[0] for title in titles]) - base
    (axis,), order, rows = figure.panels[0].axes, short.argsort(), np.arange(len(LEFT_OUT))
    assert [text.get_text() for text in axis.texts] == [LEFT_OUT[place] for place in order]
    assert_drawn(axis, {"20 epochs": np.transpose([short[order], rows])})
    assert_drawn(axis, {"40 epochs": np.transpose([long[order], rows + 0.2])})
    correlation = scipy.stats.spearmanr(short, long).statistic
    assert f"{correlation:.2f} (Spearman)" in figure.finding
    assert f"{(short * long > 0).sum()} of {len(LEFT_OUT)} " in figure.finding


def test_strengths_and_sizes_are_drawn_as_means_over_seeds(records):
    def points(group, title, places, part="held_out"):
        """Return (place, mean) of the runs with these places in their titles."""
        found = (accuracy(records, title.format(place), part, group) for place in places)
        return [(place, own.mean()) for place, own in zip(places, found, strict=True)]

    figure = trials.strength_figure(records)
    for panel, (part, label) in zip(figure.panels, PARTS.items(), strict=True):
        (axis,) = panel.axes
        assert axis.get_title(loc="left") == label
        best = []
        for epochs in (5, 20, 60):
            title = f"strength {{:g}}, {epochs} epochs"
            expected = points("strength", title, (0, 0.5, 1, 1.5), part)
            assert_drawn(axis, {f"{epochs} epochs": expected})
            best.append(f"{max(expected, key=lambda point: point[1])[0]:g}")
        assert f"{', '.join(best)} on {label}" in figure.finding
    figure = trials.sizes_figure(records)
    (axis,), first = figure.panels[0].axes, []
    crosses = [line.get_xydata() for line in axis.lines if line.get_marker() == "x"]
    for kind, found in zip(("not augmented", "augmented"), crosses, strict=True):
        whole, half = (
            points("size", f"{{}} images, {kind}, {seen} seen", (1000, 4000, 16_000, 48_000))
            for seen in (1_600_000, 800_000)
        )
        assert_drawn(axis, {kind: whole})
        np.testing.assert_allclose(found, half)
        first.append(whole[0][1])
    assert f"by {signed(first[1] - first[0], 1)} points with 1,000" in figure.finding


def predictions(confidence, n, right, classes=4):
    """Return n predictions of one confidence, of which some are right, and the labels."""
    p = np.full((n, classes), (1 - confidence) / (classes - 1))
    p[:, 1] = confidence
    return p, np.where(np.arange(n) < right, 1, 2)


def test_calibration_counts_what_is_right_in_each_bin_of_confidence_and_is_drawn():
    use_style()
    parts = [predictions(0.55, 10, 4), predictions(0.95, 30, 30), predictions(1.0, 10, 9)]
    table = evaluation.calibration_table(*map(np.concatenate, zip(*parts, strict=True)))
    confidence, n, right = np.array([0.55, 38.5 / 40]), np.array([10, 40]), np.array([4, 39])
    expected = [0.5, 0.9], [0.6, 1.0], n, confidence, right / n
    np.testing.assert_allclose(table, np.transpose(expected))
    error = 0.2 * 0.15 + 0.8 * (39 - 38.5) / 40
    assert evaluation.expected_calibration_error(table) == pytest.approx(error)
    all_right = evaluation.calibration_table(*predictions(1.0, 10, 10))
    figure = trials.calibration_figure({"one": all_right, "two": table}, "KMNIST")
    assert f"one 0.000, two {error:.3f}" in figure.finding
    (axis,) = figure.panels[1].axes
    assert "two" in axis.get_title(loc="left")
    assert_drawn(axis, {"accuracy": np.transpose([confidence, right / n])})
    intervals = np.array([*map(wilson_interval, right, n)]) / 100
    expected = np.dstack([np.column_stack([confidence] * 2), intervals])
    np.testing.assert_allclose(axis.collections[0].get_segments(), expected)
    assert [bar.get_height() for bar in axis.patches] == [0.2, 0.8]


def test_the_interval_of_the_calibration_error_is_that_of_a_share_of_one_bin():
    """All in one bin: the error is the distance of a share from 0.95, with the share's scatter."""
    for n in (400, 40_000):
        interval = evaluation.calibration_error_interval(*predictions(0.95, n, n // 2))
        half = 1.96 * (0.5 * 0.5 / n) ** 0.5
        np.testing.assert_allclose(interval, [0.45 - half, 0.45 + half], atol=0.1 * half)
    low, high = evaluation.calibration_error_interval(*predictions(0.75, 400, 301))
    assert low == 0 and 0 <= high < 0.05  # an error near 0


def test_robustness_has_a_panel_per_corruption_and_a_line_per_model():
    start = {("shift", "a"): 0.9, ("shift", "b"): 0.8, ("noise", "a"): 0.8, ("noise", "b"): 0.7}
    rows = [(*of, s, accuracy - s / 10) for of, accuracy in start.items() for s in (0, 1, 3)]
    table = pd.DataFrame(rows, columns=["corruption", "model", "severity", "accuracy"])
    figure = trials.robustness_figure(table)
    axes = {axis.get_xlabel(): axis for panel in figure.panels for axis in panel.axes}
    assert [*axes] == ["shift", "noise"]
    for (corruption, model), accuracy in start.items():
        line = [(s, 100 * accuracy - 10 * s) for s in (0, 1, 3)]
        assert_drawn(axes[corruption], {model: line})
    assert len({axis.get_ylim() for axis in axes.values()}) == 1
    assert "a and b at the highest severity: 60 % and 50 % (shift: 3), 50 %" in figure.finding


# ---- corruptions, test-time augmentation, statistics of shares -----------------------------------


def test_a_shift_to_the_left_moves_pixels_and_half_a_shift_averages_neighbours():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)
    moved = evaluation.shift_right(images, -3)
    np.testing.assert_array_equal(moved[:, :, :5], images[:, :, 3:])
    assert not moved[:, :, 5:].any()
    between = (images[:, :, :-1].astype(int) + images[:, :, 1:] + 1) // 2
    np.testing.assert_array_equal(evaluation.shift_right(images, 0.5)[:, :, 1:], between)


def test_a_rotation_keeps_the_size_and_leaves_the_centre_in_place():
    image = np.zeros((1, 9, 9), np.uint8)
    image[0, 4, 4:8] = 255  # from the centre to the right
    turned = evaluation.rotate(image, 45)
    assert turned.shape == image.shape and turned[0, 4, 4] == 255
    assert turned[0, 2, 6] > 100 and turned[0, 6, 6] == 0  # up right, not down right


def test_noise_has_the_stated_strength_and_stays_within_grey_levels():
    images = np.full((50, 28, 28), 128, np.uint8)
    drawn = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    for strength in (0, 20, 500):
        expected = np.rint(128 + strength * drawn).clip(0, 255)
        np.testing.assert_array_equal(evaluation.add_noise(images, strength), expected)


def test_test_time_augmentation_averages_nine_shifts_by_up_to_one_pixel():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 1:3, 4] = 90, 9
    expected = np.zeros((1, 5, 5))
    expected[0, :3, 3:] += 10
    expected[0, 1:4, 3:] += 1  # what leaves the image on the right does not come back
    found = evaluation.average_over_shifts(lambda x: x.astype(float), image)
    np.testing.assert_allclose(found, expected)


def test_the_wilson_interval_is_that_of_a_published_table():
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    published = {(81, 263): (25.53, 36.62), (15, 148): (6.24, 16.05)}
    published |= {(0, 20): (0, 16.11), (1, 29): (0.61, 17.18)}
    for (right, n), expected in published.items():
        assert wilson_interval(right, n) == pytest.approx(expected, abs=0.005)


def test_mcnemar_counts_only_images_that_the_two_treat_differently():
    one, other = np.array([1, 1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 1, 0], bool)
    assert mcnemar(one, other)[:2] == (3, 1)
    assert mcnemar(one, other)[2] == pytest.approx(2 * (1 + 4) / 16)  # 0 or 1 of 4 heads, twice
    assert mcnemar(one, one) == (0, 0, 1.0)
