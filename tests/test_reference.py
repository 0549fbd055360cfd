"""A result that moved is named, with its value and its tolerance; one that did not agrees."""

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.experiments import EXPERIMENTS, Results, gradient_checks, reference
from kmnist_mlp.experiments.distribution_shift import POOLED
from kmnist_mlp.experiments.reference import (
    DISTANCES,
    FACTOR,
    FLOOR,
    GRADIENTS,
    check,
    deviations,
    distance_results,
    gradient_results,
    load_reference,
    make_reference,
    scatter_of,
    tables_of,
)

MEASURED = {
    "test_accuracy": 0.84, "test_loss": 0.06, "validation_accuracy": 0.94, "validation_loss": 0.03,
    "training_accuracy": 0.99, "training_loss": 0.01, "late_fluctuation": 0.03,
    "small_weight_share": 0.01, "best_epoch": 19, "stopped_epoch": 24, "diverged": False,
}  # fmt: skip
NONE = pd.DataFrame(columns=["variant", "experiment", "quantity", "deviation"])


def results(data_name="KMNIST", names=("baseline", "relu"), seeds=(0, 1), **changes):
    rows = [{"experiment": n, "seed": s, **MEASURED, **changes} for n in names for s in seeds]
    return Results.of_frame(pd.DataFrame(rows), data_name)


@pytest.fixture
def kept(monkeypatch):
    """The reference of exactly the results above: every quantity, whatever the claims use."""
    monkeypatch.setattr(reference, "FOR_CLAIMS", ())
    return make_reference(results(), NONE)


# ---- checking ------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", MEASURED)
def test_a_value_just_inside_its_tolerance_passes_and_one_just_outside_is_named(kept, quantity):
    assert deviations(results(), kept) == {"baseline": [], "relu": []}
    value = float(MEASURED[quantity])
    row = kept[(kept.experiment == "relu") & (kept.seed == 1) & (kept.quantity == quantity)]
    tolerance = row.tolerance.item()
    frame = results().frame.astype(dict.fromkeys(MEASURED, float))
    here = (frame.experiment == "relu") & (frame.seed == 1)
    for direction in (-1, 1):
        frame.loc[here, quantity] = value + direction * tolerance * 0.99
        assert deviations(Results.of_frame(frame), kept)["relu"] == []
        moved = value + direction * (tolerance * 1.01 + 1e-6)
        frame.loc[here, quantity] = moved
        found = deviations(Results.of_frame(frame), kept)
        assert found["baseline"] == [] and found["relu"] == [
            f"seed 1: {quantity} {moved:.6g}, reference {value:.6g}, tolerance {tolerance:.2g}"
        ]


def test_only_what_was_run_and_has_a_reference_is_compared_and_what_is_no_number_deviates(kept):
    assert deviations(results(seeds=[1]), kept) == {"baseline": [], "relu": []}
    assert len(deviations(results(seeds=[1], best_epoch=20), kept)["relu"]) == 1
    assert list(deviations(results(names=["mine", "relu"]), kept)) == ["relu"]
    assert deviations(results(seeds=[7]), kept) == {}
    for broken in (np.nan, np.inf):
        found = deviations(results(test_loss=broken), kept)
        assert [len(sentences) for sentences in found.values()] == [2, 2]
        assert f"test_loss {broken}" in found["relu"][0]


@pytest.fixture
def folder(kept, tmp_path, monkeypatch):
    """A folder with that reference of KMNIST and another one of the stand-in, in place of ours."""
    kept.to_csv(tmp_path / "kmnist.csv", index=False)
    make_reference(results(test_loss=0.07), NONE).to_csv(tmp_path / "stand-in.csv", index=False)
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    return tmp_path


def test_the_check_prints_a_line_that_is_the_same_where_all_agrees_and_names_what_moved(
    folder, capsys
):
    for seeds in ((0,), (0, 1)):
        check(results(seeds=seeds, test_loss=0.060001))
        assert capsys.readouterr().out == (
            "baseline: agrees with the reference results\nrelu: agrees with the reference results\n"
        )
    check(results(names=["mine", "relu"], seeds=[0], test_accuracy=0.80, best_epoch=3))
    none, relu = capsys.readouterr().out.splitlines()
    assert none == "mine: NO REFERENCE for these seeds"
    assert relu.startswith("relu: MOVED; seed 0: test_accuracy 0.8, reference 0.84, tolerance")
    assert "; seed 0: best_epoch 3, reference 19, tolerance 0" in relu


@pytest.mark.parametrize(
    ("data_name", "loss", "agree"),
    [
        ("KMNIST", 0.06, "agrees"),
        ("KMNIST", 0.07, "MOVED"),
        ("stand-in data", 0.07, "agrees"),
        ("stand-in data", 0.06, "MOVED"),
        ("my images", 0.06, "NO REFERENCE"),
    ],
)
def test_the_check_compares_each_data_set_with_its_own_reference(
    folder, capsys, data_name, loss, agree
):
    check(results(data_name, test_loss=loss))
    assert capsys.readouterr().out.count(agree) == 2


# ---- measuring -----------------------------------------------------------------------------------


def test_the_tolerance_is_the_largest_scatter_times_a_factor_and_never_below_the_floor(kept):
    rows = [
        ("Haswell", "relu", "test_accuracy", 0.002),
        ("Prescott", "relu", "test_accuracy", 0.001),
        ("Prescott", "relu", "best_epoch", 2),
        ("Zen", "relu", "validation_loss", 0.003),
        ("Zen", "relu", "training_loss", 0.001),
    ]
    table = make_reference(results(), pd.DataFrame(rows, columns=NONE.columns))
    assert len(table) == 2 * 2 * len(MEASURED)
    table = table.set_index(["experiment", "seed", "quantity"])
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
    assert len(rows) == 2 * len(MEASURED)


def expected_quantities(name):
    """Return what must have a reference value."""
    if name == GRADIENTS:
        kinds = ("gradient", "difference")
        return {f"{which}_{kind}" for which in ("first", "sixth", "last") for kind in kinds}
    if name == DISTANCES:
        return {"validation_distance", "test_distance"}
    used = {"l1_0.2": {"late_fluctuation"}, "l1_1e-3": {"small_weight_share"}}
    always = {*MEASURED} - {"late_fluctuation", "small_weight_share"}
    return always | used.get(name, set())


@pytest.mark.parametrize("data_name", ["KMNIST", "stand-in data"])
def test_the_committed_reference_has_every_experiment_with_the_reports_five_seeds(data_name):
    table = load_reference(data_name)
    found = table.groupby(["experiment", "seed"]).quantity.agg(set)
    seeds = {**dict.fromkeys([*EXPERIMENTS, POOLED, GRADIENTS], range(5)), DISTANCES: [0]}
    assert {*found.index} == {(name, seed) for name in seeds for seed in seeds[name]}
    for (name, _), quantities in found.items():
        assert quantities >= expected_quantities(name)
    assert not table.duplicated(["experiment", "seed", "quantity"]).any()
    assert np.isfinite(table[["value", "tolerance"]].to_numpy()).all()
    assert table.value[table.quantity.str.contains("accuracy")].between(0, 1).all()
    sigmoid = table[table.experiment == "sigmoid"].quantity
    assert not {"late_fluctuation", "small_weight_share"} & {*sigmoid}


@pytest.mark.parametrize("data_name", ["KMNIST", "stand-in data"])
def test_the_committed_tolerances_follow_from_the_committed_scatter_by_the_rule(data_name):
    table = load_reference(data_name).set_index(["experiment", "quantity", "seed"]).sort_index()
    measured = tables_of(data_name)[1].load()
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


def test_the_gradient_check_and_the_distances_are_compared_by_sums_and_medians(tiny10):
    checks = gradient_checks(tiny10, [0, 1])
    frame = gradient_results(checks, "KMNIST").frame.set_index("seed")
    sixth = checks[1][checks[1].pattern == "sixth"]
    assert frame.sixth_difference[1] == pytest.approx(sixth.difference.sum())
    assert frame.sixth_gradient[1] == pytest.approx(np.abs(sixth.actual_gradient).sum())
    assert set(frame.columns) == {"experiment", *expected_quantities(GRADIENTS)}
    parts = {"validation": np.array([1.0, 2.0, 9.0]), "test": np.array([4.0, 5.0, 6.0])}
    (row,) = distance_results(parts, "KMNIST").frame.to_dict("records")
    assert row == {
        "experiment": DISTANCES, "seed": 0, "validation_distance": 2.0, "test_distance": 5.0
    }  # fmt: skip


def test_measuring_writes_a_reference_of_everything_and_with_which_all_agrees(
    folder, tiny10, monkeypatch, capsys
):
    def quick(configs, seeds, data, dtype):
        return results(data.name, [*configs], seeds, test_loss=0.07)

    def variant(name, only):
        names = only or [*EXPERIMENTS, POOLED]
        return None if name == "Zen" else results(names=names, test_loss=0.07002).frame

    monkeypatch.setattr(reference, "run", quick)
    monkeypatch.setattr(reference, "measured_as", variant)
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    monkeypatch.setitem(reference.FILES, tiny10.name, "new")
    reference.measure(tiny10)
    table, scatter = (table.load() for table in tables_of(tiny10.name))
    names = [*EXPERIMENTS, POOLED, GRADIENTS, DISTANCES]
    assert list(table.experiment.unique()) == names
    assert {*scatter.variant} == {*reference.VARIANTS} - {"Zen"}
    loss = table[table.quantity == "test_loss"]
    assert set(loss.value) == {0.07} and set(loss.tolerance) == {4e-5}
    everything = reference.measure_results(tiny10, [0, 1])
    assert deviations(everything, table) == {name: [] for name in names}
    # one experiment again, with a variant that is farther away: all other rows stay
    monkeypatch.setattr(reference, "VARIANTS", ("Haswell",))
    monkeypatch.setattr(
        reference, "measured_as", lambda *_: results(names=["relu"], test_loss=0.08).frame
    )
    reference.measure(tiny10, only=["relu"])
    again = tables_of(tiny10.name)[0].load()
    assert len(again) == len(table)
    tolerances = again[again.quantity == "test_loss"].groupby("experiment").tolerance.max()
    assert tolerances["relu"] == 0.02 and tolerances["sigmoid"] == 4e-5
