"""A result that moved is named, with its value and its tolerance; one that did not agrees."""

import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.experiments import reference
from kmnist_mlp.experiments.distribution_shift import POOLED
from kmnist_mlp.experiments.measure_reference import (
    FACTOR,
    FLOOR,
    QUANTITIES,
    load_scatter,
    make_reference,
    measure,
    quantities_of,
    scatter_of,
)
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.paper_gradients import gradient_checks
from kmnist_mlp.experiments.reference import (
    DISTANCES,
    GRADIENTS,
    check,
    deviations,
    distance_results,
    gradient_results,
    load_reference,
    reference_file,
)
from kmnist_mlp.experiments.runs import Results

MEASURED = {
    "test_accuracy": 0.84,
    "test_loss": 0.06,
    "validation_accuracy": 0.94,
    "validation_loss": 0.03,
    "training_accuracy": 0.99,
    "training_loss": 0.01,
    "late_fluctuation": 0.03,
    "small_weight_share": 0.01,
    "best_epoch": 19,
    "stopped_epoch": 24,
    "diverged": False,
}


def results(data_name="KMNIST", names=("baseline", "relu"), seeds=(0, 1), **changes):
    rows = [{"experiment": n, "seed": s, **MEASURED, **changes} for n in names for s in seeds]
    return Results(
        {(r["experiment"], r["seed"]): None for r in rows}, pd.DataFrame(rows), data_name
    )


def scatter(*rows):
    return pd.DataFrame(rows, columns=["variant", "experiment", "quantity", "deviation"])


@pytest.fixture
def all_quantities(monkeypatch):
    """Compare every quantity of every experiment, whatever the claims use."""
    monkeypatch.setattr("kmnist_mlp.experiments.measure_reference.FOR_CLAIMS", ())


@pytest.fixture
def kept(all_quantities):
    """The reference of exactly the results above."""
    return make_reference(results(), scatter())


def test_equal_values_are_no_deviation(kept):
    assert deviations(results(), kept) == {"baseline": [], "relu": []}


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_value_just_inside_its_tolerance_passes_and_one_just_outside_is_named(kept, quantity):
    value = float(MEASURED[quantity])
    row = kept[(kept.experiment == "relu") & (kept.seed == 1) & (kept.quantity == quantity)]
    tolerance = row.tolerance.item()
    frame = results().frame.astype(dict.fromkeys(QUANTITIES, float))
    here = (frame.experiment == "relu") & (frame.seed == 1)
    for direction in (-1, 1):
        frame.loc[here, quantity] = value + direction * tolerance * 0.99
        assert deviations(Results(results().runs, frame, "KMNIST"), kept)["relu"] == []
        moved = value + direction * (tolerance * 1.01 + 1e-6)
        frame.loc[here, quantity] = moved
        found = deviations(Results(results().runs, frame, "KMNIST"), kept)
        assert found["baseline"] == [] and len(found["relu"]) == 1
        assert found["relu"][0] == (
            f"seed 1: {quantity} {moved:.6g}, reference {value:.6g}, tolerance {tolerance:.2g}"
        )


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_a_deviation(kept, broken):
    found = deviations(results(test_loss=broken), kept)
    assert [len(sentences) for sentences in found.values()] == [2, 2]
    assert f"test_loss {broken}" in found["relu"][0]


def test_only_the_seeds_that_were_run_are_compared(kept):
    assert deviations(results(seeds=[1]), kept) == {"baseline": [], "relu": []}
    assert len(deviations(results(seeds=[1], best_epoch=20), kept)["relu"]) == 1


def test_what_has_no_reference_is_not_in_the_result(kept):
    assert list(deviations(results(names=["mine", "relu"]), kept)) == ["relu"]
    assert deviations(results(seeds=[7]), kept) == {}


@pytest.fixture
def folder(kept, tmp_path, monkeypatch):
    """A folder with that reference of KMNIST and another one of the stand-in, in place of ours."""
    kept.to_csv(tmp_path / "kmnist.csv", index=False)
    stand_in = make_reference(results(test_loss=0.07), scatter())
    stand_in.to_csv(tmp_path / "stand-in.csv", index=False)
    monkeypatch.setattr(reference, "FOLDER", tmp_path)


def test_the_check_prints_the_same_line_for_each_experiment_that_agrees(folder, capsys):
    for seeds in ((0,), (0, 1)):
        check(results(seeds=seeds, test_loss=0.060001))
        assert capsys.readouterr().out == (
            "baseline: agrees with the reference results\nrelu: agrees with the reference results\n"
        )


def test_the_check_names_what_moved_and_what_has_no_reference(folder, capsys):
    moved = results(names=["mine", "relu"], seeds=[0], test_accuracy=0.80, best_epoch=3)
    check(moved)
    none, relu = capsys.readouterr().out.splitlines()
    assert none == "mine: NO REFERENCE for these seeds"
    assert relu.startswith("relu: MOVED; seed 0: test_accuracy 0.8, reference 0.84, tolerance")
    assert "; seed 0: best_epoch 3, reference 19, tolerance 0" in relu


@pytest.mark.parametrize(
    ("data_name", "loss"),
    [("KMNIST", 0.06), ("KMNIST, pooled", 0.06), ("stand-in data", 0.07)],
)
def test_the_check_compares_each_data_set_with_its_own_reference(folder, capsys, data_name, loss):
    check(results(data_name, test_loss=loss))
    assert capsys.readouterr().out.count("agrees") == 2
    check(results(data_name, test_loss=0.13 - loss))
    assert capsys.readouterr().out.count("MOVED") == 2


def test_other_data_have_no_reference(capsys):
    assert reference_file("my images") is None and load_reference("my images").empty
    check(results("my images"))
    assert capsys.readouterr().out.count("NO REFERENCE") == 2


def test_the_tolerance_is_the_largest_scatter_times_a_factor_and_never_below_the_floor(
    all_quantities,
):
    measured = scatter(
        ("Haswell", "relu", "test_accuracy", 0.002),
        ("Prescott", "relu", "test_accuracy", 0.001),
        ("Prescott", "relu", "best_epoch", 2),
        ("Zen", "relu", "validation_loss", 0.003),
        ("Zen", "relu", "training_loss", 0.001),
    )
    table = make_reference(results(), measured).set_index(["experiment", "seed", "quantity"])
    assert len(table) == 2 * 2 * len(QUANTITIES)
    assert table.loc[("relu", 1, "test_accuracy"), "tolerance"] == pytest.approx(0.002 * FACTOR)
    assert table.loc[("relu", 0, "best_epoch"), "tolerance"] == 2 * FACTOR
    # a training quantity moves as much as its validation quantity may
    assert table.loc[("relu", 0, "training_loss"), "tolerance"] == pytest.approx(0.003 * FACTOR)
    assert table.loc[("baseline", 0, "best_epoch"), "tolerance"] == 0
    # two of ten thousand test images
    assert table.loc[("baseline", 0, "test_accuracy"), "tolerance"] == pytest.approx(2e-4)
    assert table.loc[("relu", 0, "diverged"), "value"] == 0


def test_the_scatter_of_a_variant_is_its_largest_deviation_in_any_seed_that_both_have():
    here = results(seeds=[0, 1, 2]).frame
    other = results(seeds=[0, 1]).frame.astype({"test_accuracy": float, "best_epoch": float})
    other.loc[other.experiment == "relu", "test_accuracy"] += [0.001, -0.003]
    other.loc[other.experiment == "relu", "best_epoch"] -= [0, 4]
    rows = scatter_of("Zen", other, here)
    assert set(rows.variant) == {"Zen"} and set(rows.seeds) == {2}
    rows = rows.set_index(["experiment", "quantity"]).deviation
    assert rows["relu", "test_accuracy"] == pytest.approx(0.003)
    assert rows["relu", "best_epoch"] == 4
    assert rows.drop([("relu", "test_accuracy"), ("relu", "best_epoch")]).eq(0).all()
    assert len(rows) == 2 * len(QUANTITIES)


@pytest.mark.parametrize("data_name", ["KMNIST", "stand-in data"])
def test_the_committed_tolerances_follow_from_the_committed_scatter_by_the_rule(data_name):
    table = load_reference(data_name).set_index(["experiment", "quantity", "seed"]).sort_index()
    measured = load_scatter(data_name)
    assert {"Haswell", "SkylakeX", "Zen", "Prescott", "float64"} <= {*measured.variant}
    largest = measured.groupby(["experiment", "quantity"]).deviation.max()
    for name, quantity in table.index.droplevel("seed").unique():
        floor = next(value for kind, value in FLOOR.items() if kind in quantity)
        deviation = largest.get((name, quantity), 0)
        if quantity.startswith("training"):
            as_validation = quantity.replace("training", "validation")
            deviation = max(deviation, largest.get((name, as_validation), 0))
        expected = float(f"{max(floor, FACTOR * deviation):.2g}")
        assert set(table.tolerance[name, quantity]) == {expected}, (name, quantity)


def test_a_reference_survives_being_written_and_read(kept, tmp_path):
    kept.to_csv(tmp_path / "kept.csv", index=False)
    assert deviations(results(), pd.read_csv(tmp_path / "kept.csv")) == {"baseline": [], "relu": []}


@pytest.mark.parametrize("data_name", ["KMNIST", "stand-in data"])
def test_the_committed_reference_has_every_experiment_with_the_reports_five_seeds(data_name):
    table = load_reference(data_name)
    keys = set(table[["experiment", "seed", "quantity"]].itertuples(index=False, name=None))
    seeds = {**dict.fromkeys([*EXPERIMENTS, POOLED, GRADIENTS], range(5)), DISTANCES: [0]}
    assert keys == {(e, s, q) for e in seeds for s in seeds[e] for q in quantities_of(e)}
    assert len(table) == len(keys)
    assert np.isfinite(table[["value", "tolerance"]].to_numpy()).all()
    accuracy = table[table.quantity.str.contains("accuracy")]
    assert (accuracy.tolerance >= 2e-4).all() and accuracy.value.between(0, 1).all()


def test_the_gradient_check_is_compared_by_the_sums_of_each_pattern(tiny10):
    checks = gradient_checks(tiny10, [0, 1])
    frame = gradient_results(checks, "KMNIST").frame.set_index("seed")
    sixth = checks[1][checks[1].pattern == "sixth"]
    assert frame.sixth_difference[1] == pytest.approx(sixth.difference.sum())
    assert frame.sixth_gradient[1] == pytest.approx(np.abs(sixth.actual_gradient).sum())
    assert set(frame.columns) == {"experiment", *quantities_of(GRADIENTS)}


def test_the_distances_are_compared_by_their_medians():
    parts = {"validation": np.array([1.0, 2.0, 9.0]), "test": np.array([4.0, 5.0, 6.0])}
    (row,) = distance_results(parts, "KMNIST").frame.to_dict("records")
    assert row == {
        "experiment": DISTANCES, "seed": 0, "validation_distance": 2.0, "test_distance": 5.0
    }  # fmt: skip


def test_everything_that_is_measured_gets_a_reference_and_agrees_with_it(tiny10, monkeypatch):
    def many(configs, seeds, data):
        keys = {(name, seed): None for name in configs for seed in seeds}
        frame = pd.DataFrame([{"experiment": e, "seed": s, **MEASURED} for e, s in keys])
        return Results(keys, frame, data.name)

    measured = measure(tiny10, [0, 1], many)
    assert measured.names == [*EXPERIMENTS, POOLED, GRADIENTS, DISTANCES]
    table = make_reference(measured, scatter_of("Zen", measured.frame, measured.frame))
    assert deviations(measured, table) == {name: [] for name in measured.names}
    seeds = dict.fromkeys(measured.names, 2) | {DISTANCES: 1}
    assert len(table) == sum(count * len(quantities_of(name)) for name, count in seeds.items())


CHECKED = """
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.experiments.reference import check, load_reference

kept = load_reference("stand-in data").query("experiment == 'baseline' and seed == 0")
frame = kept.pivot(index=["experiment", "seed"], columns="quantity", values="value").reset_index()
frame["test_loss"] += {shift}
check(Results({{("baseline", 0): None}}, frame, "stand-in data"))
"""


@pytest.mark.parametrize("shift", [0, 1e-3])
def test_nbval_fails_when_a_result_leaves_its_tolerance_and_shows_what_moved(shift, tmp_path):
    cell = nbformat.v4.new_code_cell(CHECKED.format(shift=shift), execution_count=1)
    committed = "baseline: agrees with the reference results\n"
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=committed)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "checked.ipynb")
    nbval = ["--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "checked.ipynb"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *nbval], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == (1 if shift else 0), done.stdout
    said = "baseline: MOVED; seed 0: test_loss 0"
    assert (said in done.stdout) == bool(shift)
    if shift:
        assert "reference 0" in done.stdout and "tolerance 2" in done.stdout


def test_a_quantity_is_compared_where_a_claim_uses_it():
    assert "late_fluctuation" in quantities_of("l1_0.2")
    assert "small_weight_share" in quantities_of("l1_1e-3")
    assert not {"late_fluctuation", "small_weight_share"} & {*quantities_of("sigmoid")}
