"""Tables beyond the paper show what the records and the ledger hold."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fake_records import fake_records

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond import trial_tables as tables
from kmnist_mlp.beyond.measurements import (
    ENSEMBLE,
    NETWORK,
    accuracies,
    check,
    epoch_seconds,
    load_robustness,
    load_timing,
    measure_final,
    recorded,
)
from kmnist_mlp.beyond.pretrained import load_ensemble, load_rounded, save_rounded
from kmnist_mlp.beyond.protocol import load_ledger, weights_digest
from kmnist_mlp.beyond.records import Records, identity
from kmnist_mlp.experiments.other_classifiers import quoted
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


def points(value):
    return f"{value:+.2f}".replace("-", "−")


def accuracy(records, config, data="trials"):
    return 100 * records.of(config, data).held_out_accuracy


def test_changes_are_differences_of_the_same_seed_with_interval_and_mcnemars_test(records):
    table = tables.changes_table(records, plan.LEFT_OUT, "left out")
    assert table.index.tolist() == ["nothing", *plan.LEFT_OUT]
    config, row = plan.changed("L2 penalty"), table.loc["L2 penalty"]
    mean, low, high = interval(accuracy(records, config) - accuracy(records, plan.TRIAL))
    assert row["change (held-out clusters)"] == points(mean)
    assert row["95 % interval (held-out clusters)"] == f"{points(low)} to {points(high)}"
    p = [
        mcnemar(
            records.correct(config.replace(seed=seed)),
            records.correct(plan.TRIAL.replace(seed=seed)),
        )[2]
        for seed in (0, 1, 2)
    ]
    assert len(set(p)) == 3
    assert row["McNemar's p"] == tables.p_text(max(p))


def test_the_least_difference_is_that_of_a_t_test_with_the_pooled_deviation(records):
    base = accuracy(records, plan.TRIAL)
    changes = [accuracy(records, plan.changed(title)) - base for title in plan.LEFT_OUT]
    pooled = np.sqrt(np.mean([own.var(ddof=1) for own in changes]))
    t = scipy.stats.t.ppf(0.975, 2 * len(changes))
    assert tables.least_difference(records) == pytest.approx(t * pooled)


def test_a_change_is_clear_if_its_test_is_after_correction_for_their_number(records, tmp_path):
    moved = Records(tmp_path)
    moved.table, moved.right, moved.clusters = records.table.copy(), records.right, records.clusters

    def shift(title, *changes):
        for seed, change in enumerate(changes):
            row = identity(plan.changed(title).replace(seed=seed), "trials")
            base = identity(plan.TRIAL.replace(seed=seed), "trials")
            base_accuracy = moved.table.held_out_accuracy[base]
            moved.table.loc[row, "held_out_accuracy"] = base_accuracy + change / 100

    shift("batch normalisation", 0.5, 0.51, 0.49)
    shift("cosine schedule", -0.5, -0.51, -0.49)
    shift("L2 penalty", -0.5, -0.55, -0.45)  # p = 0.003
    shift("label smoothing", -0.5, -0.6, -0.4)  # p = 0.013
    shift("dropout of 0.1", 9)  # one seed is not tested
    titles = ["batch normalisation", "cosine schedule", "label smoothing", "dropout of 0.1"]
    lower, higher = tables.clear_changes(moved, titles)
    assert lower == ["cosine schedule", "label smoothing"] and higher == ["batch normalisation"]
    lower, higher = tables.clear_changes(moved, plan.LEFT_OUT)
    assert "L2 penalty" in lower and "label smoothing" not in lower
    assert tables.clear_changes(moved, plan.ADDED) == ([], [])


def test_a_distilled_network_is_not_compared_on_images_that_its_teachers_saw(records):
    row = tables.changes_table(records, [plan.DISTILLED], "added").loc[plan.DISTILLED]
    assert row["validation, %"] == "–" and "change (validation)" not in row
    change = accuracy(records, plan.TRIAL, "distilled")[0] - accuracy(records, plan.TRIAL)[0]
    assert row["change (held-out clusters)"] == points(change)


def test_one_long_run_has_no_interval(records):
    table = tables.changes_table(records, plan.LONG_RUNS, "changed", long=True)
    assert table.index.tolist() == ["nothing", *plan.LONG_RUNS]
    assert not table.columns.str.contains("interval").any()
    assert "change (held-out clusters)" in table


def test_steps_have_their_change_over_the_seeds_of_both_and_the_minutes_of_their_epochs(records):
    table = tables.steps_table(records)
    assert table.index.tolist() == list(plan.STEPS)
    values = [accuracy(records, config) for config in plan.step_configs().values()]
    changes = table["change (held-out clusters)"].tolist()
    third = values[3] - values[2]
    assert changes[0] == "–" and changes[3] == f"{points(third.mean())} ± {third.std():.2f}"
    assert changes[-1] == points(values[-1][0] - values[-2][0])  # of one seed
    assert table.minutes["40 epochs"] == "4.0" and table.minutes["data augmentation"] == "2.0"


def test_what_has_no_record_is_left_out_of_every_table(tmp_path):
    runs = [run for run in plan.planned() if run.group in ("trial", "final")]
    write_csv(
        pd.DataFrame({"step": list(plan.STEPS), "seconds_per_epoch": 6.0}), tmp_path / "timing.csv"
    )
    few = fake_records(tmp_path, runs)
    assert tables.changes_table(few, plan.LEFT_OUT, "left out").index.tolist() == ["nothing"]
    assert tables.clear_changes(few, plan.LEFT_OUT) == ([], [])
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
    networks = load_ensemble(folder)
    lines = recorded(networks, load_ledger(file))
    right = [float((n.predict(kana.test_images) == kana.test_labels).mean()) for n in networks]
    assert accuracies(lines).tolist() == pytest.approx(right) and len(right) == 5
    mean = np.mean([n.predict_proba(kana.test_images) for n in networks], axis=0)
    expected = float((mean.argmax(axis=1) == kana.test_labels).mean())
    assert accuracies(lines, ENSEMBLE).tolist() == [pytest.approx(expected)]
    assert len(lines) == 5 + 1 + 2  # the last two with shifts
    table = tables.final_table(lines)
    assert table["test accuracy, %"].tolist()[:5] == [f"{100 * a:.2f}" for a in right]
    wilson = scipy.stats.binomtest(round(100 * right[0]), 100).proportion_ci(method="wilson")
    low, high = (f"{100 * end:.2f}" for end in wilson)
    assert table["95 % interval (images)"].iloc[0] == f"{low} to {high}"


def test_networks_that_were_trained_again_are_told_from_those_before(measured, kana):
    networks, ledger = load_ensemble(measured[0]), load_ledger(measured[1])
    before = ledger[ledger.kind == NETWORK].assign(network="0" * 12, accuracy=0.0)
    both = pd.concat([before, ledger])
    assert accuracies(recorded(networks, both)).tolist() == accuracies(ledger).tolist()
    with pytest.raises(ValueError, match=weights_digest([networks[0]])):
        recorded(networks, before)


def test_robustness_is_measured_on_all_test_images_and_through_the_ledger(measured, kana):
    folder, file = measured
    robustness, ledger = load_robustness(folder), load_ledger(file)
    assert (ledger.images == 100).all()
    severe = ledger[ledger.what.str.contains("noise")]
    in_figure = robustness[robustness.corruption.str.contains("noise")]
    assert sorted(severe.accuracy) == pytest.approx(sorted(in_figure.accuracy))
    severities = robustness.groupby("corruption", sort=False).severity.unique().map(list).tolist()
    assert severities == [[*range(-4, 5)], [*range(-40, 41, 10)], [*range(0, 101, 20)]]
    unchanged = robustness[(robustness.severity == 0) & (robustness.model == NETWORK)]
    assert set(unchanged.accuracy) == {accuracies(ledger).iloc[0]}
    assert robustness.groupby(["corruption", "model"]).accuracy.nunique().max() > 1


def test_measuring_again_adds_nothing_to_the_ledger(measured, kana):
    folder, file = measured
    before = file.read_bytes()
    measure_final(kana, untrained(9), folder, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(("kind", "seed"), [(NETWORK, "3"), (ENSEMBLE, "0 to 4")])
def test_the_check_refuses_networks_whose_accuracy_is_not_in_the_ledger(
    measured, kana, tmp_path, kind, seed
):
    folder, file = measured
    check(kana, folder, file)
    moved = load_ledger(file)
    place = moved.index[(moved.kind == kind) & (moved.seed == seed)]
    moved.loc[place, "accuracy"] += 0.02
    write_csv(moved, tmp_path / "ledger.csv")
    with pytest.raises(ValueError, match=f"{kind}, seed {seed}.*{moved.accuracy[place[0]]:.2%}"):
        check(kana, folder, tmp_path / "ledger.csv")


def test_all_other_classifiers_stand_beside_ours_in_order(measured):
    lines = recorded(load_ensemble(measured[0]), load_ledger(measured[1]))
    table = tables.others_table(lines)
    found = table["test accuracy, %"].astype(float)
    assert found.is_monotonic_increasing and {NETWORK, ENSEMBLE} < set(table.index)
    assert found[NETWORK] == pytest.approx(100 * accuracies(lines).mean(), abs=0.005)
    assert len(table) == 2 + len(quoted()) and table.index.str.endswith("*").sum() == 6


def test_the_ledger_is_counted_by_what_was_evaluated(measured):
    ledger = load_ledger(measured[1])
    table = tables.ledger_table(ledger)
    assert table.evaluations.sum() == len(ledger)
    assert table.evaluations[ENSEMBLE] == 1 and table.evaluations[NETWORK] == 5
    percent = 100 * ledger.accuracy[ledger.kind == NETWORK]
    shown = dict.fromkeys((f"{percent.min():.2f}", f"{percent.max():.2f}"))
    assert len(shown) == 2 and table["accuracy, %"][NETWORK] == " to ".join(shown)
    assert tables.ledger_table(load_ledger()).evaluations["first attempt"] == 54


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
