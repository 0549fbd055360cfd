"""Tables beyond the paper show what the records and the ledger hold."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from fake_records import fake_records

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond import trial_tables as tables
from kmnist_mlp.beyond.plan import identity
from kmnist_mlp.beyond.pretrained import load_ensemble
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies, load_ledger, recorded
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.experiments.sweep import quoted
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
    change = (
        accuracy(records, plan.changed(plan.DISTILLED), "distilled")[0]
        - accuracy(records, plan.TRIAL)[0]
    )
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


def test_final_networks_stand_beside_all_other_classifiers_in_order():
    ledger = load_ledger()
    lines = recorded(load_ensemble(), ledger)
    found = tables.final_table(lines)["test accuracy, %"].tolist()
    assert found[:5] == [f"{100 * accuracy:.2f}" for accuracy in accuracies(lines)]
    table = tables.others_table(lines)
    percent = table["test accuracy, %"].astype(float)
    assert percent.is_monotonic_increasing and {NETWORK, ENSEMBLE} < set(table.index)
    assert percent[NETWORK] == pytest.approx(100 * accuracies(lines).mean(), abs=0.005)
    assert len(table) == 2 + len(quoted()) and table.index.str.endswith("*").sum() == 6
    counted = tables.ledger_table(ledger).evaluations
    assert counted.sum() == len(ledger) and counted["first attempt"] == 54
    assert counted[ENSEMBLE] == 1 and counted[NETWORK] == 5


def test_mcnemar_counts_only_images_that_the_two_treat_differently():
    one, other = np.array([1, 1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 0, 1, 0], bool)
    assert mcnemar(one, other)[:2] == (3, 1)
    assert mcnemar(one, other)[2] == pytest.approx(2 * (1 + 4) / 16)  # 0 or 1 of 4 heads, twice
    assert mcnemar(one, one) == (0, 0, 1.0)
