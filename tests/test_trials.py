"""Tables and figures beyond the paper show what the records and the ledger hold."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fake_records import fake_records

from kmnist_mlp.beyond import figures, plan, tables
from kmnist_mlp.beyond.measurements import (
    ENSEMBLE,
    NETWORK,
    SHIFTS,
    check,
    load_robustness,
    measure_final,
)
from kmnist_mlp.beyond.pretrained import load_ensemble, load_rounded, save_rounded
from kmnist_mlp.beyond.protocol import load_ledger
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.beyond.timing import epoch_seconds, load_timing
from kmnist_mlp.experiments.other_classifiers import quoted
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import write_csv
from kmnist_mlp.support.statistics import interval, mcnemar


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    timing = pd.DataFrame({"step": list(plan.STEPS), "seconds_per_epoch": 6.0})
    write_csv(timing, folder / "timing.csv")
    return fake_records(folder)


# ---- tables --------------------------------------------------------------------------------------


def test_changes_are_differences_of_the_same_seed_with_their_interval(records):
    table = tables.changes_table(records, plan.LEFT_OUT, "left out")
    assert table.index.tolist() == ["nothing", *plan.LEFT_OUT]
    title = "L2 penalty"
    difference = [
        100
        * (
            records.row(plan.changed(title).replace(seed=seed)).held_out_accuracy
            - records.row(plan.TRIAL.replace(seed=seed)).held_out_accuracy
        )
        for seed in (0, 1, 2)
    ]
    mean, low, high = interval(difference)
    row = table.loc[title]
    assert row["change (held-out clusters)"] == f"{mean:+.2f}".replace("-", "−")
    ends = f"{low:+.2f} to {high:+.2f}".replace("-", "−")
    assert row["95 % interval (held-out clusters)"] == ends
    assert len(row["McNemar's p, each seed"].split(", ")) == 3


def test_the_least_difference_is_that_of_a_t_test_with_the_pooled_deviation(records):
    accuracies = [
        100 * records.of(config).held_out_accuracy.to_numpy()
        for config in (plan.TRIAL, *map(plan.changed, plan.LEFT_OUT))
    ]
    pooled = np.sqrt(np.mean([values.var(ddof=1) for values in accuracies]))
    t = scipy.stats.t.ppf(0.975, 2 * len(accuracies))
    assert tables.least_difference(records) == pytest.approx(t * np.sqrt(2) * pooled)


def test_a_change_is_clear_if_its_interval_excludes_zero(records, tmp_path):
    moved = Records(tmp_path)
    moved.table, moved.header, moved.arrays = records.table.copy(), records.header, records.arrays

    def shift(title, *points):
        for seed, point in enumerate(points):
            row = moved.row(plan.changed(title).replace(seed=seed)).name
            base = moved.row(plan.TRIAL.replace(seed=seed)).held_out_accuracy
            moved.table.loc[row, "held_out_accuracy"] = base + point / 100

    shift("L2 penalty", 0.5, 0.51, 0.49)
    shift("label smoothing", -0.5, -0.51, -0.49)
    shift("cosine schedule", 0.5, -0.5, 0.1)
    limit = tables.least_difference(moved)
    shift("dropout of 0.1", limit + 0.01)
    shift("mixup of 0.2", limit - 0.01)
    titles = ["L2 penalty", "label smoothing", "cosine schedule", "dropout of 0.1", "mixup of 0.2"]
    lower, higher = tables.clear_changes(moved, titles)
    assert lower == ["label smoothing"] and higher == ["L2 penalty", "dropout of 0.1"]


def test_a_distilled_network_is_not_compared_on_images_that_its_teachers_saw(records):
    table = tables.changes_table(records, [plan.DISTILLED], "added")
    row = table.loc[plan.DISTILLED]
    assert row["validation, %"] == "–" and "change (validation)" not in table
    own, base = (records.row(plan.TRIAL, kind) for kind in ("distilled", "trials"))
    change = 100 * (own.held_out_accuracy - base.held_out_accuracy)
    assert row["change (held-out clusters)"] == f"{change:+.2f}".replace("-", "−")


def test_one_long_run_has_no_interval(records):
    table = tables.changes_table(records, plan.LONG_RUNS, "changed", plan.LONG)
    assert table.index.tolist() == ["nothing", *plan.LONG_RUNS]
    assert not table.columns.str.contains("interval").any()
    assert "change (held-out clusters)" in table


def test_steps_have_their_change_and_the_minutes_of_their_epochs(records):
    table = tables.steps_table(records)
    assert table.index.tolist() == list(plan.STEPS)
    means = [100 * records.of(c).held_out_accuracy.mean() for c in plan.step_configs().values()]
    changes = table["change (held-out clusters)"].tolist()
    assert changes[0] == "–"
    assert changes[3] == f"{means[3] - means[2]:+.2f}".replace("-", "−")
    assert table.minutes["200 epochs"] == "20.0" and table.minutes["data augmentation"] == "2.0"


def test_a_run_without_a_record_is_left_out_of_every_table(tmp_path):
    runs = [run for run in plan.planned() if run.group in ("trial", "final")]
    write_csv(
        pd.DataFrame({"step": list(plan.STEPS), "seconds_per_epoch": 6.0}), tmp_path / "timing.csv"
    )
    few = fake_records(tmp_path, runs)
    assert tables.changes_table(few, plan.LEFT_OUT, "left out").index.tolist() == ["nothing"]
    assert tables.steps_table(few).index.tolist() == ["1,024 units"]


# ---- measured on test images ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory, kana):
    """The final networks, tiny and untrained, measured on 100 images: folder and ledger."""
    folder = tmp_path_factory.mktemp("measured")
    for seed in plan.FINAL_SEEDS:
        save_rounded(untrained(seed), folder / f"final_{seed}.npz")
    measure_final(kana, untrained(9), folder, folder / "ledger.csv")
    return folder, folder / "ledger.csv"


def untrained(seed):
    """Return a network for images of 6 x 6 pixels."""
    model = MLP((36, 10), seed=seed)
    model.standardisation = np.zeros(36, np.float32), np.full(36, 99, np.float32)
    return model


def test_the_ledger_has_the_accuracy_of_each_final_network_and_of_their_mean(measured, kana):
    folder, file = measured
    ledger, networks = load_ledger(file), load_ensemble(folder)
    by_what = ledger.groupby("what").accuracy.apply(list)
    right = [float((n.predict(kana.test_images) == kana.test_labels).mean()) for n in networks]
    assert by_what[NETWORK] == pytest.approx(right) and len(right) == 5
    mean = np.mean([n.predict_proba(kana.test_images) for n in networks], axis=0)
    expected = float((mean.argmax(axis=1) == kana.test_labels).mean())
    assert by_what[ENSEMBLE] == [pytest.approx(expected)]
    assert len(by_what[NETWORK + SHIFTS]) == len(by_what[ENSEMBLE + SHIFTS]) == 1
    table = tables.final_table(fake_records(folder, plan.planned()[:5]), ledger)
    assert table["test accuracy, %"].tolist()[:5] == [f"{100 * a:.2f}" for a in right]


def test_robustness_is_measured_on_all_test_images_and_through_the_ledger(measured, kana):
    folder, file = measured
    robustness, ledger = load_robustness(folder), load_ledger(file)
    assert (ledger.images == 100).all()
    severe = ledger[ledger.what.str.contains("noise")]
    in_figure = robustness[robustness.corruption.str.contains("noise")]
    assert sorted(severe.accuracy) == pytest.approx(sorted(in_figure.accuracy))
    unchanged = robustness[(robustness.severity == 0) & (robustness.model == NETWORK)]
    assert set(unchanged.accuracy) == {ledger[ledger.what == NETWORK].accuracy.iloc[0]}


def test_measuring_again_adds_nothing_to_the_ledger(measured, kana):
    folder, file = measured
    before = file.read_bytes()
    measure_final(kana, untrained(9), folder, file)
    assert file.read_bytes() == before


def test_the_check_refuses_networks_whose_accuracy_is_not_in_the_ledger(measured, kana, tmp_path):
    folder, file = measured
    check(kana, folder, file)
    moved = load_ledger(file)
    place = moved.index[(moved.what == NETWORK) & (moved.seed == "3")]
    moved.loc[place, "accuracy"] += 0.02
    write_csv(moved, tmp_path / "ledger.csv")
    with pytest.raises(ValueError, match=f"seed 3.*{moved.accuracy[place[0]]:.2%}"):
        check(kana, folder, tmp_path / "ledger.csv")


def test_all_other_classifiers_stand_beside_ours_in_order(measured):
    table = tables.others_table(load_ledger(measured[1]))
    accuracies = table["test accuracy, %"].astype(float)
    assert accuracies.is_monotonic_increasing and {NETWORK, ENSEMBLE} < set(table.index)
    assert len(table) == 2 + len(quoted()) and table.index.str.endswith("*").sum() == 5


def test_the_ledger_is_counted_by_what_was_evaluated(measured):
    ledger = load_ledger(measured[1])
    table = tables.ledger_table(ledger)
    assert table.evaluations.sum() == len(ledger)
    assert table.evaluations[ENSEMBLE] == 1 and table.evaluations[NETWORK] == 5
    assert tables.ledger_table(load_ledger()).evaluations["first ascent"] == 54


# ---- figures -------------------------------------------------------------------------------------


def test_the_finding_of_each_figure_is_that_of_its_numbers(records):
    steps = figures.steps_numbers(records)
    held_out = steps[steps.part == "held-out clusters"].groupby("step", sort=False)
    last = held_out.accuracy_percent.mean().iloc[-1]
    assert f"to {last:.1f} %" in figures.steps_finding(steps)
    changes = figures.changes_numbers(records, plan.LEFT_OUT)
    means = changes[changes.part == "held-out clusters"].groupby("change").difference_points.mean()
    assert f"lowest mean is that of {means.idxmin()} " in figures.changes_finding(changes)
    strengths = figures.strength_numbers(records)
    assert len(strengths) == 4 * 3 * 3 * 2
    sizes = figures.sizes_numbers(records)
    whole = sizes[sizes.images_seen == plan.IMAGES_SEEN].groupby(["training_images", "augmented"])
    gain = whole.accuracy_percent.mean()[1000, True] - whole.accuracy_percent.mean()[1000, False]
    assert f"{gain:+.1f} points with 1,000".replace("-", "−") in figures.sizes_finding(sizes)


def test_the_ranking_compares_the_first_seed_at_two_lengths(records):
    numbers = figures.ranking_numbers(records)
    assert numbers.left_out.tolist() == list(plan.LEFT_OUT)
    row = numbers.set_index("left_out").loc["length: half the epochs"]
    short, half = (
        records.row(plan.TRIAL.replace(epochs=epochs)).held_out_accuracy for epochs in (20, 10)
    )
    longer = records.row(plan.TRIAL.replace(epochs=40)).held_out_accuracy
    assert row.short == pytest.approx(100 * (half - short))
    assert row.long == pytest.approx(100 * (short - longer))
    same = pd.DataFrame({"left_out": "abc", "short": [1, 2, 3], "long": [5, 6, 9]})
    assert "1.00" in figures.ranking_finding(same)


@pytest.mark.parametrize(
    "draw",
    [
        figures.steps_figure,
        lambda records: figures.changes_figure(records, plan.LEFT_OUT),
        figures.ranking_figure,
        figures.strength_figure,
        figures.sizes_figure,
    ],
)
def test_every_mark_and_name_lies_inside_the_figure(records, draw):
    use_style()
    for figure in (wide := draw(records), wide.narrow):
        figure.draw_without_rendering()
        box = figure.bbox
        for axis in figure.axes:
            for text in [*axis.texts, *axis.get_yticklabels()]:
                own = text.get_window_extent()
                inside = own.x0 >= box.x0 - 1 and own.x1 <= box.x1 + 1
                assert inside or not text.get_text(), text.get_text()


# ---- statistics and time -------------------------------------------------------------------------


def test_mcnemar_counts_only_images_that_the_two_treat_differently():
    one, other = np.array([1, 1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 1, 0], bool)
    assert mcnemar(one, other)[:2] == (3, 1)
    assert mcnemar(one, other)[2] == pytest.approx(2 * (1 + 4) / 16)  # 0 or 1 of 4 heads, twice
    assert mcnemar(one, one) == (0, 0, 1.0)


def test_an_epoch_of_each_step_is_timed_once_for_all_lengths(kana, tmp_path, monkeypatch):
    base = plan.EXPERIMENTS["baseline"].replace(layer_specs=(36, 8, 10))
    longer = base.replace(epochs=7)
    timing = epoch_seconds({"one": base, "longer": longer}, kana)
    assert timing.step.tolist() == ["one", "longer"]
    assert timing.seconds_per_epoch[0] == timing.seconds_per_epoch[1] > 0
    write_csv(timing, tmp_path / "timing.csv")
    assert load_timing(tmp_path).step.tolist() == ["one", "longer"]


def test_the_rounded_weights_of_a_network_predict_like_the_network(kana, tmp_path):
    model = untrained(0)
    save_rounded(model, tmp_path / "model.npz")
    rounded = load_rounded(tmp_path / "model.npz")
    difference = rounded.predict_proba(kana.test_images) - model.predict_proba(kana.test_images)
    assert 0 < np.abs(difference).max() < 0.05
