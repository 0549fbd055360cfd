"""Beyond the paper: measures are as defined; tables and figures show records and ledger."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.beyond import FOLDER, evaluation, trials
from kmnist_mlp.beyond.plan import FINAL, GROUPS, plan, planned
from kmnist_mlp.beyond.protocol import AVERAGED, ENSEMBLE, NETWORK, config_digest
from kmnist_mlp.beyond.records import Records, changes, chosen
from kmnist_mlp.experiments.sweep import QUOTED
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.support.statistics import signed, wilson_interval

CHANGE = "change of accuracy, points"
PARTS = {"held_out": "held-out clusters", "validation": "validation"}
SETTINGS, STEPS = ([*GROUPS[group]["runs"]] for group in ("settings", "step"))


@pytest.fixture
def records(tmp_path):
    """Records of each run of the plan, whose numbers are made up: no two are alike."""
    use_style()
    rng, runs = np.random.default_rng(0), planned()
    table = pd.DataFrame(index=range(len(runs)), columns=pd.read_csv(FOLDER / "runs.csv").columns)
    table["run"] = [run.identity for run in runs]
    for column in table.filter(regex="accuracy"):
        table[column] = rng.permutation(range(5000, 9999))[: len(table)] / 1e4
    table.to_csv(tmp_path / "runs.csv", index=False)
    return Records(tmp_path)


def accuracy(records, title, part="held_out", group="step"):
    """Return per cent by seed."""
    run, seeds = plan()[group, title]
    names = [run.with_seed(seed).identity for seed in range(seeds)]
    return 100 * records.table[f"{part}_accuracy"].loc[names].reset_index(drop=True)


def change(records, title, part="held_out", group="settings"):
    first = accuracy(records, "nothing", part, group)
    return accuracy(records, title, part, group) - first


# ---- tables ----------------------------------------------------------


def test_changes_are_differences_of_the_same_draw_with_their_standard_error(records):
    table = trials.changes_table(records.accuracy.loc["settings"], "changed")
    assert table.index.tolist() == SETTINGS
    taken = chosen(changes(records.accuracy.loc["settings"]))
    for title, row in table.iterrows():
        expected = {"by the rule": "better" if title in taken else "–"}
        for part, name in PARTS.items():
            points = change(records, title, part)
            error = points.std() / len(points) ** 0.5
            text = f"{signed(points.mean(), 2)} ± {error:.2f}"
            expected[f"change ({name})"] = text if title != "nothing" else "–"
            expected[f"{name}, %"] = f"{accuracy(records, title, part, 'settings').mean():.2f}"
        assert row.to_dict() == expected
    assert 0 < len(taken) < len(SETTINGS) - 1


def test_averages_stand_by_copies_with_a_column_for_each_pair_of_networks():
    names, copies = ["one network", "two alike", "two unlike"], ["one copy", "nine shifts"]
    places = pd.MultiIndex.from_product(
        [names, copies, range(3)], names=["networks", "copies", "draw"]
    )
    values = np.random.default_rng(0).random((18, 2))
    parts = ["held_out_accuracy", "validation_accuracy"]
    table = trials.averages_table(pd.DataFrame(values, places, parts).reset_index())
    means = 100 * values[:, 0].reshape(3, 2, 3).mean(axis=2)
    of_clusters = table.filter(regex=r"^(held-out|two).*%$").to_numpy().T
    assert of_clusters.tolist() == [[f"{mean:.2f}" for mean in of] for of in means]
    change = table["change (held-out clusters)"]["nine shifts"]
    assert change.startswith(signed(means[0, 1] - means[0, 0], 2)) and [*table.index] == copies


def test_final_networks_stand_beside_all_other_classifiers_in_order():
    now, together = config_digest(FINAL), (ENSEMBLE, ENSEMBLE + AVERAGED)
    rows = [("2", NETWORK, now, "0", 0.96), ("1", NETWORK, now, "1", 0.91),
            ("3", "first attempt", "", "", 0.5), ("4", together[0], now, "0 to 1", 0.97),
            ("5", together[1], now, "0 to 1", 0.98), ("2", "first attempt", "", "", 0.7),
            ("9", "first attempt", "", "", 0.6), ("0", NETWORK, "another", "0", 0.8)]  # fmt: skip
    columns = ["date", "kind", "configuration", "seed", "accuracy"]
    ledger = pd.DataFrame(rows, columns=columns).assign(images=200)
    lines = ledger[ledger.configuration == now]
    found = trials.final_table(lines)
    names = [f"{NETWORK}, seed 0", f"{NETWORK}, seed 1", *(f"{e}, seeds 0 to 1" for e in together)]
    rights = 192, 182, 194, 196
    for name, right, (title, row) in zip(names, rights, found.iterrows(), strict=True):
        between = "{:.2f} to {:.2f}".format(*wilson_interval(right, 200))
        assert [title, *row] == [name, f"{right / 2:.2f}", between]
    percent = trials.others_table(lines)["test accuracy, %"].astype(float)
    assert percent.is_monotonic_increasing and len(percent) == 3 + len(QUOTED)
    names = QUOTED.model + ["*" * old for old in QUOTED.old_version]
    quoted = dict(zip(names, QUOTED.test_accuracy_percent, strict=True))
    assert percent.to_dict() == quoted | {NETWORK: 93.5, together[0]: 97, together[1]: 98}
    counted = trials.ledger_table(ledger)
    assert counted.T.to_dict("list") == {
        NETWORK: [2, "1 to 2", "91.00 to 96.00"],
        "first attempt": [3, "2 to 9", "50.00 to 70.00"],
        together[0]: [1, "4", "97.00"],
        together[1]: [1, "5", "98.00"],
        f"earlier {NETWORK}": [1, "0", "80.00"],
    }


# ---- figures ---------------------------------------------------------


def assert_drawn(axis, expected, xlabel, ylabel=""):
    """Compare the lines with these labels, by (x, values) of a mean, and axes."""
    assert (axis.get_xlabel(), axis.get_ylabel()) == (xlabel, ylabel)
    found = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    found.pop("share of the predictions", None)  # bars
    assert [*found] == [*expected]
    for label, points in expected.items():
        means = [(x, np.mean(y)) for x, y in points]
        np.testing.assert_allclose(found[label].get_xydata(), means, atol=1e-9)


def test_steps_and_changes_have_a_row_each_with_the_mean_of_both_parts(records):
    values = records.accuracy.loc["settings"]
    changed, steps = trials.changes_figure(values), trials.steps_figure(records)
    mean = pd.Series({title: change(records, title).mean() for title in SETTINGS[1:]})
    by_mean = [*mean.sort_values(ascending=False).index]
    for figure, names, of in ((changed, by_mean, change), (steps, STEPS, accuracy)):
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
    most = mean.abs().idxmax()
    assert f"{(mean > 0).sum()} of {len(mean)} changes raise" in changed.finding
    assert f"{signed(mean[most], 2)} points ({most})" in changed.finding
    accuracies = pd.Series({title: accuracy(records, title).mean() for title in STEPS})
    assert "from {:.1f} % to {:.1f} %".format(*accuracies.iloc[[0, -1]]) in steps.finding
    gain = accuracies.diff()
    assert f"{gain.idxmax()} ({signed(gain.max(), 2)} points)" in steps.finding


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


def test_a_temperature_is_that_of_the_other_half_and_keeps_the_predicted_class():
    rng, n = np.random.default_rng(0), 4000
    true = rng.dirichlet(np.full(4, 0.3), n)
    labels = np.array([rng.choice(4, p=p) for p in true])
    labels[1::2] = (labels[1::2] + 1) % 4  # all wrong: nothing there is to be believed
    flat = true**0.5 / (true**0.5).sum(axis=1, keepdims=True)
    found, _ = evaluation.calibrated(flat, labels)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == flat.argmax(axis=1)).all()
    assert np.allclose(found[1::2], true[1::2], atol=0.06), "T = 0.5 undoes the root"
    assert found[::2].max() < 0.5, "almost equal"
    both, temperature = evaluation.calibrated(flat[::2], labels[::2])
    assert temperature == pytest.approx(0.5, abs=0.04)
    errors = [evaluation.calibration_table(p, labels[::2]) for p in (flat[::2], both)]
    before, after = map(evaluation.expected_calibration_error, errors)
    assert after < 0.04 < 0.1 < before


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


def test_copies_are_regular_shifts_and_rotations_of_the_image():
    image = np.zeros((1, 5, 5), np.uint8)
    image[0, 1:3, 4] = 90, 9
    network = SimpleNamespace(predict_proba=lambda x: x.astype(float))
    expected = np.zeros((1, 5, 5))
    expected[0, :3, 3:] += 10
    expected[0, 1:4, 3:] += 1  # what leaves the image on the right does not come back
    found = evaluation.mean_probabilities([network] * 2, image, "nine shifts")
    np.testing.assert_allclose(found, expected)
    (same,) = evaluation.COPIES["one copy"]
    np.testing.assert_array_equal(evaluation.moved(image, *same), image)
    half = evaluation.moved(image, 0.5, 0, 0)
    np.testing.assert_array_equal(half[0, 1:4, 4], [45, 50, 5])  # of 49.5 and 4.5
    both = evaluation.moved(image, 1, -1, 4)
    turned = evaluation.rotate(image, 4)
    np.testing.assert_array_equal(both[:, 1:, :-1], turned[:, :-1, 1:])
    counts = {name: (len({*c}), *np.max(c, axis=0)) for name, c in evaluation.COPIES.items()}
    assert [*counts.values()] == [
        (1, 0, 0, 0), (9, 0.5, 0.5, 0), (9, 1, 1, 0), (25, 2, 2, 0), (3, 0, 0, 4), (27, 1, 1, 4),
    ]  # fmt: skip
