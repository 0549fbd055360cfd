"""Beyond the paper: measures are as defined; tables and figures show records and ledger."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from kmnist_mlp.beyond import FOLDER, evaluation, trials
from kmnist_mlp.beyond.plan import GROUPS, SEEDS, plan
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK
from kmnist_mlp.beyond.records import Records, load_timing
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.support import statistics
from kmnist_mlp.support.statistics import interval, signed, wilson_interval

CHANGE = "change of accuracy, points"
PARTS = {"held_out": "held-out clusters", "validation": "validation"}
LEFT_OUT, STEPS = ([*GROUPS[group]["runs"]] for group in ("left out", "step"))


@pytest.fixture
def records(tmp_path):
    """Records of each run of the plan, whose numbers are made up: no two are alike."""
    use_style()
    rng = np.random.default_rng(0)
    for name in ("timing", "runs"):
        table = pd.read_csv(FOLDER / f"{name}.csv")
        for column in table.filter(regex="accuracy|epoch|parameters"):
            numbers = rng.permutation(range(5000, 9999))[: len(table)]
            table[column] = numbers / 1e4 if column.endswith("accuracy") else numbers
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return Records(tmp_path)


def rows_of(records, title, group):
    """Return the rows of a run of the plan, by seed."""
    run, _ = plan()[group, title]
    rows = records.table[records.table.index.isin([run.with_seed(n).identity for n in SEEDS])]
    return rows.reset_index().set_index("seed")


def accuracy(records, title, part="held_out", group="step"):
    """Return per cent by seed."""
    return 100 * rows_of(records, title, group)[f"{part}_accuracy"]


def change(records, title, part="held_out", group="left out"):
    unchanged = accuracy(records, "nothing", part, "trial")
    return accuracy(records, title, part, group) - unchanged


# ---- tables ----------------------------------------------------------


def test_changes_are_differences_of_the_same_seed_with_their_interval(records):
    table = trials.changes_table(records, ["left out"], "left out")
    assert table.index.tolist() == ["nothing", *LEFT_OUT]
    for title, row in table.iterrows():
        group = "left out" if title in LEFT_OUT else "trial"
        expected = {}
        for part, name in PARTS.items():
            mean, low, high = interval(change(records, title, part, group))
            expected[f"change ({name})"] = signed(mean, 2)
            expected[f"95 % interval ({name})"] = f"{signed(low, 2)} to {signed(high, 2)}"
        expected = dict.fromkeys(expected, "–") if group == "trial" else expected
        for part, name in PARTS.items():
            expected[f"{name}, %"] = statistics.plus_minus(accuracy(records, title, part, group), 2)
        assert row.to_dict() == expected
    (distilled,) = GROUPS["distilled"]["runs"]
    row = trials.changes_table(records, ["added", "distilled"], "added").loc[distilled]
    # not compared on images that its teachers have seen
    assert row["validation, %"] == row["change (validation)"] == "–"
    found = change(records, distilled, group="distilled")[0]
    assert row["change (held-out clusters)"] == signed(found, 2)
    long = trials.changes_table(records, ["long"], "changed", base="long")
    assert not long.columns.str.contains("interval").any()  # of one seed
    longer, base = (accuracy(records, t, group="long")[0] for t in ("mixup of 0.2", "nothing"))
    assert long.loc["nothing", "held-out clusters, %"] == f"{base:.2f}"
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
    for title, before, (_, row) in zip(STEPS, [None, *STEPS], table.iterrows(), strict=False):
        runs, change = rows_of(records, title, "step"), "–"
        if before:
            by_seed = (accuracy(records, title) - accuracy(records, before)).dropna()
            change = signed(by_seed.mean(), 2) + f" ± {by_seed.std():.2f}" * (len(by_seed) > 1)
        expected = [statistics.plus_minus(accuracy(records, title, part), 2) for part in PARTS]
        epochs, minutes = runs.epochs, f"{runs.epochs.median() * seconds[title] / 60:.1f}"
        expected += [change, len(runs), f"{runs.parameters[0]:,}"]
        assert row.tolist() == [*expected, statistics.median_and_range(epochs), minutes]
    assert table.seeds.tolist() == [2] * (len(STEPS) - 3) + [3, 3, 1]


def test_final_networks_stand_beside_all_other_classifiers_in_order():
    rows = [("2", "final network", "0", 0.96), ("1", "final network", "1", 0.91),
            ("3", "first attempt", "", 0.5), ("4", "ensemble", "0 to 1", 0.97),
            ("2", "first attempt", "", 0.7), ("9", "first attempt", "", 0.6)]  # fmt: skip
    ledger = pd.DataFrame(rows, columns=["date", "kind", "seed", "accuracy"]).assign(images=200)
    lines = ledger[ledger.kind != "first attempt"]
    found = trials.final_table(lines)
    names = ["final network, seed 0", "final network, seed 1", "ensemble, seeds 0 to 1"]
    for name, right, (title, row) in zip(names, (192, 182, 194), found.iterrows(), strict=True):
        between = "{:.2f} to {:.2f}".format(*wilson_interval(right, 200))
        assert [title, *row] == [name, f"{right / 2:.2f}", between]
    percent = trials.others_table(lines)["test accuracy, %"].astype(float)
    assert percent.is_monotonic_increasing and len(percent) == 2 + len(QUOTED)
    names = QUOTED.model + ["*" * old for old in QUOTED.old_version]
    quoted = dict(zip(names, QUOTED.test_accuracy_percent, strict=True))
    assert percent.to_dict() == quoted | {NETWORK: 93.5, ENSEMBLE: 97}
    counted = trials.ledger_table(ledger)
    assert counted.T.to_dict("list") == {
        "final network": [2, "1 to 2", "91.00 to 96.00"],
        "first attempt": [3, "2 to 9", "50.00 to 70.00"],
        "ensemble": [1, "4", "97.00"],
    }


# ---- figures ---------------------------------------------------------


def assert_drawn(axis, expected, xlabel, ylabel=""):
    """Compare the lines with these labels, by (x, values) of a mean and its spread, and axes."""
    assert (axis.get_xlabel(), axis.get_ylabel()) == (xlabel, ylabel)
    found = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    found.pop("share of the predictions", None)  # bars
    assert [*found] == [*expected]
    for label, points in expected.items():
        line, *_, bars = getattr(found[label], "lines", [found[label], ()])
        means = [(x, np.mean(y)) for x, y in points]
        np.testing.assert_allclose(line.get_xydata(), means, atol=1e-9)
        if bars:
            half = np.diff(bars[0].get_segments(), axis=1)[:, 0, 1] / 2
            deviations = [np.std(y, ddof=1) if np.size(y) > 1 else 0 for _, y in points]
            np.testing.assert_allclose(half, deviations, atol=1e-9)


def test_steps_and_changes_have_a_row_each_with_the_mean_of_both_parts(records):
    changes, steps = trials.changes_figure(records), trials.steps_figure(records)
    for figure, names, of in ((changes, LEFT_OUT, change), (steps, STEPS, accuracy)):
        (axis,), expected = figure.panels[0].axes, {}
        rows = {text.get_text(): round(text.get_position()[1] + 0.2) for text in axis.texts}
        assert rows == {name: row for row, name in enumerate(names)} and axis.yaxis_inverted()
        for number, (part, label) in enumerate(PARTS.items()):
            values = [of(records, name, part) for name in names]
            own = figure.numbers[figure.numbers.part == label]
            assert own.iloc[:, 0].tolist() == np.repeat(names, [*map(len, values)]).tolist()
            np.testing.assert_allclose(own.iloc[:, -1], np.concatenate(values))
            strokes = np.transpose([own.iloc[:, -1], own.iloc[:, 0].map(rows) + 0.2 * number])
            np.testing.assert_allclose(axis.lines[2 * number].get_xydata(), strokes)
            expected[label] = [(own.mean(), row + 0.2 * number) for row, own in enumerate(values)]
        assert_drawn(axis, expected, "accuracy, %" if of is accuracy else CHANGE)
    lost = pd.Series({name: change(records, name).mean() for name in LEFT_OUT})
    for words, name in (("between", lost.idxmin()), ("and", lost.idxmax())):
        assert f"{words} {signed(lost[name], 2)} points without {name}" in changes.finding
    first = pd.Series({title: accuracy(records, title)[0] for title in STEPS})
    assert f"from {first.iloc[0]:.1f} % to {first.iloc[-1]:.1f} %" in steps.finding
    gain = first.diff()
    assert f"{gain.idxmax()} ({signed(gain.max(), 2)} points)" in steps.finding


def test_strengths_and_sizes_are_drawn_as_means_over_seeds(records):
    def points(group, title, places, part="held_out"):
        """Return (place, values) of the runs with these places in their titles."""
        return [(x, accuracy(records, title.format(x), part, group)) for x in places]

    figure = trials.strength_figure(records)
    for panel, (part, label) in zip(figure.panels, PARTS.items(), strict=True):
        (axis,), best, expected = panel.axes, [], {}
        assert axis.get_title(loc="left") == label
        for epochs in (5, 20, 60):
            title = f"strength {{:g}}, {epochs} epochs"
            found = points("strength", title, (0, 0.5, 1, 1.5), part)
            expected[f"{epochs} epochs"] = found
            best.append(f"{max(found, key=lambda point: point[1].mean())[0]:g}")
        assert_drawn(axis, expected, "strength of the augmentation", "accuracy, %")
        assert f"{', '.join(best)} on {label}" in figure.finding
    figure = trials.sizes_figure(records)
    labels = "training images (a fifth of them for validation)", "accuracy on held-out clusters, %"
    (axis,), expected = figure.panels[0].axes, {}
    crosses = [line.get_xydata() for line in axis.lines if line.get_marker() == "x"]
    for kind, found in zip(("not augmented", "augmented"), crosses, strict=True):
        title, sizes = f"{{}} images, {kind}", (1000, 4000, 16_000, 48_000)
        whole, half = (points(of, title, sizes) for of in ("size", "size, half as long"))
        expected[kind] = whole
        np.testing.assert_allclose(found, [(x, own.mean()) for x, own in half])
    assert_drawn(axis, expected, *labels)
    plain, augmented = expected.values()
    for (x, one), (_, other) in zip(augmented, plain, strict=True):
        assert f"{signed(one.mean() - other.mean(), 1)} points with {x:,}" in figure.finding


def predictions(confidence, n, right):
    """Return n predictions of one confidence, of which some are right, and the labels."""
    p = np.full((n, 4), (1 - confidence) / 3)
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
    assert axis.get_title(loc="left") == f"two: ECE {error:.3f}"
    points = {"perfect calibration": [(0, 0), (1, 1)], "accuracy": np.c_[confidence, right / n]}
    assert_drawn(axis, points, "confidence", "accuracy, and share")
    intervals = np.array([*map(wilson_interval, right, n)]) / 100
    expected = np.dstack([np.column_stack([confidence] * 2), intervals])
    np.testing.assert_allclose(axis.collections[0].get_segments(), expected)
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in axis.patches]
    np.testing.assert_allclose(bars, [(0.5, 0.1, 0.2), (0.9, 0.1, 0.8)])
    own = figure.numbers[figure.numbers.model == "two"][["low", "high"]]
    np.testing.assert_allclose(own, intervals)


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
    for panel, corruption in zip(figure.panels, ("shift", "noise"), strict=True):
        (axis,), lines = panel.axes, {}
        for model in "ab":
            lines[model] = [(s, 100 * start[corruption, model] - 10 * s) for s in (0, 1, 3)]
        assert_drawn(axis, lines, corruption, "accuracy, %")
        assert axis.get_ylim() == (37, 100), "the same, and all lines are inside"
    assert "a and b at the highest severity: 60 % and 50 % (shift: 3), 50 %" in figure.finding


# ---- corruptions, test-time augmentation -----------------------------


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
