"""What is kept with the project is what its plans say, and leads to the numbers shown."""

import dataclasses

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from small_runs import assert_digests

from kmnist_mlp import Config
from kmnist_mlp.experiments import EXPERIMENTS, Results, readings, reference, run, sweep
from kmnist_mlp.experiments.claims import Claim
from kmnist_mlp.experiments.readings import OURS, READINGS, read_as
from kmnist_mlp.experiments.store import PACKAGE
from kmnist_mlp.network import MLP
from kmnist_mlp.report import measure
from kmnist_mlp.results import CURVES, TrainingResult


@pytest.mark.filterwarnings("ignore:STAND-IN")
@pytest.mark.usefixtures("results_folder")
def test_on_the_stand_in_the_command_trains_experiments_alone(monkeypatch, capsys):
    small = Config(layer_specs=(784, 10), epochs=1)
    monkeypatch.setattr(measure, "EXPERIMENTS", {"baseline": small})
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    run({"a": small}, [0], n_jobs=1)
    measure.main(["experiments"])
    assert capsys.readouterr().out == "2 runs on stand-in data, 1 of them computed now\n"
    for name in measure.ON_KMNIST:
        monkeypatch.setitem(measure.ON_KMNIST, name, pytest.fail)
        with pytest.raises(SystemExit, match="KMNIST only"):
            measure.main([name])


@pytest.mark.parametrize(
    ("table", "planned", "left"),
    [
        (readings.TABLE, readings.plan(), 5 * 12 * 3),  # five experiments were added later
        (readings.PUBLISHED_TABLE, readings.published_plan(), 0),
        (sweep.TABLES["grid"], sweep.plan(), 0),
        (sweep.TABLES["seeds"], {(seed,): None for seed in range(20)}, 0),
    ],
)
def test_the_committed_runs_are_planned_ones(table, planned, left):
    rows = table.load()
    known = {*rows[table.key].itertuples(index=False, name=None)}
    assert known <= planned.keys() and len(known) == len(rows)
    assert len(planned.keys() - known) == left


def test_each_kept_file_is_as_the_command_that_makes_it_wrote_it():
    """Facts that are typed are noted by hand: ``sha256sum *.csv > SHA256SUMS`` in their folder."""
    assert_digests(PACKAGE / "experiments", 20)
    assert_digests(PACKAGE / "beyond", 15)


def test_numbers_that_two_kept_files_hold_are_the_same():
    known = reference.load_reference("KMNIST").set_index(reference.KEY)
    ours = Results.of_frame(readings.load_readings(), **OURS).frame
    plain = Results.of_frame(readings.load_runs(), deviations="none").frame
    twenty = sweep.load("seeds").assign(experiment="baseline")
    for frame, count in ((ours, 300), (plain, 500), (twenty, 5)):
        numbers = reference.numbers_of(frame).rename("again")
        both = known.join(numbers, how="inner").query("quantity != 'late_fluctuation'")
        apart = (both.again - both.value).abs()
        assert len(both) >= count and (apart <= both.tolerance + 1e-9).all()


# ---- readings --------------------------------------------------------


def test_a_reading_changes_what_it_names_and_ours_changes_nothing():
    for config in EXPERIMENTS.values():
        assert read_as(OURS, config) == config.replace(standardisation="pixel")
    classical = {**OURS, "momentum": "classical"}
    for momentum, rate in ((True, 0.08), (False, 0.02)):
        config = Config(learning_rate=0.02, momentum_gamma=0.75, momentum=momentum)
        assert read_as(classical, config).learning_rate == rate
    runs = readings.plan()
    assert len({key[:3] for key in runs}) == 14 and len(READINGS) == 12
    changed = runs["image", "unit gain", 1.0, "baseline", 2]
    assert changed == Config(standardisation="image", initial_variance=1.0, seed=2)


def test_each_claim_is_judged_in_each_reading():
    rows = pd.DataFrame(READINGS).assign(experiment="relu")
    rows["test_accuracy"] = [0.85, 0.75, 0.65] * 4
    claims = [
        Claim("4", f"ReLU is {word}", "test_accuracy", "relu", ((limit, np.inf),))
        for word, limit in (("perfect", 99), ("good", 80))
    ]
    found = readings.verdicts(rows.merge(pd.DataFrame({"seed": range(3)}), how="cross"), claims)
    no = "not reproduced"
    assert found.loc["1 ReLU is perfect"].tolist() == [no] * 12
    assert found.loc["2 ReLU is good"].tolist() == ["reproduced", no, no] * 4


# ---- the published code ----------------------------------------------


def test_a_run_of_the_whole_published_code_is_kept_with_its_curves(tmp_path, monkeypatch, tiny10):
    def quick(config, data, deviations):
        values = np.full(2, config.seed + len(deviations) / 8)
        curves, kept = dict.fromkeys(CURVES, values), dict.fromkeys(CURVES, values[-1])
        tested = 0.0123456789, 0.5, 0.0
        return TrainingResult(config, MLP((2, 2)), curves, kept, 2, 1, 2, False, *tested)

    for name in ("PUBLISHED_TABLE", "CURVE_TABLE"):
        table = dataclasses.replace(getattr(readings, name), path=tmp_path / f"{name}.csv")
        monkeypatch.setattr(readings, name, table)
    keys = [("relu", kind, 1) for kind in ("all", "-clipping", "+clipping", "none")]
    monkeypatch.setattr(readings, "train_as_published", quick)
    monkeypatch.setattr(readings, "published_plan", lambda: dict.fromkeys(keys, Config(seed=1)))
    with joblib.parallel_config("sequential"):
        readings.measure_published(tiny10)
    assert_digests(tmp_path, 2)
    rows = readings.PUBLISHED_TABLE.load().set_index("deviations")
    losses = {"+clipping": 1 + 1 / 8, "-clipping": 1 + 9 / 8, "all": 1 + 10 / 8, "none": 1}
    assert rows.training_loss.to_dict() == losses
    assert set(rows.stopped_epoch) == {2} and set(rows.test_loss) == {0.01234568}
    curves = readings.CURVE_TABLE.load()
    columns = ["experiment", "seed", "epoch", "training_loss"]
    assert curves[columns].to_numpy().tolist() == [["relu", 1, 1, 2.25], ["relu", 1, 2, 2.25]]


# ---- the sweep -------------------------------------------------------


def grid_of(rows):
    columns = [*sweep.AXES, "seed", "validation_accuracy", "test_accuracy", "diverged"]
    return pd.DataFrame(rows, columns=columns)


def test_combinations_are_ranked_by_validation_and_one_that_diverged_comes_last():
    rows = [
        (5e-4, 0.9, 0.2, 0, 0.950, 0.90, False), (5e-4, 0.9, 0.2, 1, 0.952, 0.90, False),
        (1e-3, 0.9, 0.4, 0, 0.990, 0.99, False), (1e-3, 0.9, 0.4, 1, 0.992, 0.99, True),
        (1e-3, 0.9, 0.2, 0, 0.960, 0.88, False), (1e-3, 0.9, 0.2, 1, 0.964, 0.90, False),
    ]  # fmt: skip
    ranked = sweep.means(grid_of(rows))
    assert ranked.validation_accuracy.round(4).tolist() == [0.962, 0.951, 0.991]
    assert ranked.test_accuracy.round(4).tolist() == [0.89, 0.90, 0.99]
    assert ranked.learning_rate.tolist() == [1e-3, 5e-4, 1e-3]
    assert ranked.diverged.tolist() == [0, 0, 0.5]


def test_the_committed_final_runs_are_of_the_best_combination_which_lies_at_no_edge():
    grid, tuned = sweep.load("grid"), sweep.load("tuned")
    best = sweep.means(grid).iloc[0]
    assert (tuned[sweep.AXES] == best[sweep.AXES]).all(axis=None)
    assert list(tuned.seed) == list(range(5)) and sweep.edges(grid) == []
    options = {"learning_rate": 2e-3, "momentum_gamma": 0.99, "L2_penalty": 0.05, "seed": 1}
    changed = EXPERIMENTS["final"].replace(epochs=15, **options)
    assert sweep.plan()[tuple(options.values())] == changed
    assert sweep.edges(grid[grid.learning_rate <= best.learning_rate]) == ["learning_rate"]
    assert sweep.edges(grid[grid.L2_penalty >= best.L2_penalty]) == ["L2_penalty"]


def test_choosing_on_the_test_images_is_compared_seed_by_seed():
    rows = [  # seed, validation and test accuracy, diverged
        (0, 0.95, 0.90, False), (0, 0.94, 0.91, False), (0, 0.99, 0.99, True),
        (1, 0.93, 0.88, False), (1, 0.95, 0.89, False), (1, 0.90, 0.87, False),
    ]  # fmt: skip
    chosen = sweep.chosen_by(grid_of((1.0, 0.9, 0.1, *row) for row in rows))
    assert chosen.validation.tolist() == [90.0, 89.0] and chosen.test.tolist() == [91.0, 89.0]


# ---- seeds -----------------------------------------------------------


def test_a_comparison_of_two_runs_is_beyond_chance_only_above_the_interval_of_the_limit():
    values = [[84.0, 84.5, 84.2, 83.9, 84.4, 84.1]]
    table = sweep.single_run_comparisons(values).set_index(["experiment", "minus"])
    assert table.difference["l2_1e-3", "l2_0.2"] == pytest.approx(84.91 - 86.26)
    _, low, high = sweep.smallest_difference(values)
    sizes = table.difference.abs()
    assert (table.beyond_chance == "yes").equals(sizes > high)
    assert (table.beyond_chance == "no").equals(sizes < low)
    assert set(table.beyond_chance) == {"yes", "no", "borderline"}
    assert len(table) == 13


def test_the_limit_is_pooled_over_the_experiments_whose_accuracies_the_paper_compares():
    groups = sweep.printed_runs()
    assert [len(group) for group in groups] == [5] * 10
    variance = np.mean([np.var(group, ddof=1) for group in groups])
    expected = scipy.stats.t.ppf(0.975, 40) * np.sqrt(2 * variance)
    # the interval of a standard deviation
    ends = expected * np.sqrt(40 / scipy.stats.chi2.ppf([0.975, 0.025], 40))
    assert sweep.smallest_difference(groups) == pytest.approx((expected, *ends))
    assert expected == pytest.approx(1.14, abs=0.02)


def test_the_nearest_neighbours_are_those_quoted(make_dataset, monkeypatch, tmp_path):
    quoted = sweep.QUOTED.set_index("model").test_accuracy_percent
    (measured,) = sweep.load("other classifiers").test_accuracy_percent
    assert quoted["4 nearest neighbours"] == 92.10 == pytest.approx(measured, abs=0.005)
    table = sweep.Table(tmp_path / "measured.csv", ["model"])
    monkeypatch.setitem(sweep.TABLES, "other classifiers", table)
    data = make_dataset(train=300, test=40, side=5, noise=100)  # so that k and the weights decide
    sweep.measure_neighbours(data)
    train, test = (a.reshape(len(a), -1) / 1.0 for a in (data.train_images, data.test_images))
    distances = np.linalg.norm(test[:, None] - train, axis=2)
    closeness = np.where(distances <= np.sort(distances)[:, 3:4], 1 / distances, 0)
    right = (closeness @ np.eye(3)[data.train_labels]).argmax(axis=1) == data.test_labels
    assert table.load().test_accuracy_percent.tolist() == pytest.approx([100 * right.mean()])
