"""A result that moved is named, with its value and its tolerance; one that did not agrees."""

import numpy as np
import pandas as pd
import pytest
from small_runs import assert_digests

from kmnist_mlp.experiments import EXPERIMENTS, Results, reference
from kmnist_mlp.experiments.analysis import POOLED
from kmnist_mlp.experiments.reference import check, make_reference, tables_of
from kmnist_mlp.experiments.store import write_kept

MEASURED = {
    "test_accuracy": 0.84, "test_loss": 0.06, "validation_accuracy": 0.94, "validation_loss": 0.03,
    "training_accuracy": 0.99, "training_loss": 0.01, "late_fluctuation": 0.03,
    "small_weight_share": 0.01, "best_epoch": 19, "stopped_epoch": 24, "diverged": False,
}  # fmt: skip
ALWAYS = {*MEASURED} - {"late_fluctuation", "small_weight_share"}
EXPECTED = dict.fromkeys([*EXPERIMENTS, POOLED], ALWAYS) | {
    "l1_0.2": ALWAYS | {"late_fluctuation"},
    "l1_1e-3": ALWAYS | {"small_weight_share"},
}  # what must have a reference value
NONE = pd.DataFrame(columns=["variant", "experiment", "quantity", "deviation"])
AGREES = "agrees with the reference results"


def results(data_name="KMNIST", names=("baseline", "relu"), seeds=(0, 1), **changes):
    rows = [{"experiment": n, "seed": s, **MEASURED, **changes} for n in names for s in seeds]
    return Results.of_frame(pd.DataFrame(rows), data_name)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Exactly the results above as the reference of KMNIST; others as that of the stand-in."""
    monkeypatch.setattr(reference, "FOR_CLAIMS", ())  # every quantity, whatever the claims use
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    for name, loss in (("stand-in", 0.07), ("kmnist", 0.06)):
        table = make_reference(results(test_loss=loss), NONE)
        write_kept(table, tmp_path / f"{name}.csv")
    return table


@pytest.fixture
def said(capsys):
    """Return a function that gives what the check says of each experiment."""

    def said(measured):
        capsys.readouterr()
        check(measured)
        return dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())

    return said


# ---- checking --------------------------------------------------------


@pytest.mark.parametrize("quantity", MEASURED)
def test_a_value_just_inside_its_tolerance_agrees_and_one_just_outside_is_named(
    kept, said, quantity
):
    value = float(MEASURED[quantity])
    row = kept[(kept.experiment == "relu") & (kept.seed == 1) & (kept.quantity == quantity)]
    tolerance = row.tolerance.item()
    frame = results().frame.astype(dict.fromkeys(MEASURED, float))
    here = (frame.experiment == "relu") & (frame.seed == 1)
    for direction in (-1, 1):
        frame.loc[here, quantity] = value + direction * tolerance * 0.99
        assert said(Results.of_frame(frame)) == {"baseline": AGREES, "relu": AGREES}
        moved = value + direction * (tolerance * 1.01 + 1e-6)
        frame.loc[here, quantity] = moved
        sentence = f"{quantity} {moved:.6g}, reference {value:.6g}, tolerance {tolerance:.2g}"
        expected = {"baseline": AGREES, "relu": f"MOVED; seed 1: {sentence}"}
        assert said(Results.of_frame(frame)) == expected


def test_only_what_was_run_and_has_a_reference_is_compared_and_what_is_no_number_moved(kept, said):
    assert said(results(seeds=[1])) == {"baseline": AGREES, "relu": AGREES}
    none = "NO REFERENCE for these seeds"
    found = said(results(names=["mine", "relu"], seeds=[0], test_accuracy=0.80, best_epoch=3))
    assert found["mine"] == none and found["relu"].count("; seed 0: ") == 2
    assert set(said(results(seeds=[7])).values()) == {none}
    for broken in (np.nan, np.inf):
        assert f"test_loss {broken}, reference 0.06" in said(results(test_loss=broken))["relu"]


def test_the_check_compares_each_data_set_with_its_own_reference(kept, said):
    for name, loss in (("KMNIST", 0.06), ("stand-in data", 0.07)):
        assert said(results(name, test_loss=loss))["relu"] == AGREES
        assert said(results(name, test_loss=0.13 - loss))["relu"].startswith("MOVED; seed 0: test_")
    assert said(results("my images"))["relu"].startswith("NO REFERENCE")


# ---- measuring -------------------------------------------------------


def test_the_scatter_of_a_variant_is_its_largest_deviation_in_any_seed_that_both_have():
    here = results(seeds=[0, 1, 2]).frame
    other = results(seeds=[0, 1]).frame.astype({"test_accuracy": float, "best_epoch": float})
    other.loc[other.experiment == "relu", "test_accuracy"] += [0.001, -0.003]
    other.loc[other.experiment == "relu", "best_epoch"] -= [0, 4]
    rows = reference.scatter_of("Zen", other, here)
    assert set(rows.variant) == {"Zen"} and set(rows.seeds) == {2}
    rows = rows.set_index(["experiment", "quantity"]).deviation
    assert rows["relu", "test_accuracy"] == pytest.approx(0.003)
    assert rows["relu", "best_epoch"] == 4
    assert rows.drop([("relu", "test_accuracy"), ("relu", "best_epoch")]).eq(0).all()
    assert len(rows) == 2 * len(MEASURED)


@pytest.mark.parametrize("data_name", ["KMNIST", "stand-in data"])
def test_the_committed_reference_has_all_experiments_and_its_tolerances_follow_from_the_scatter(
    data_name,
):
    table, scatter = (table.load() for table in tables_of(data_name))
    found = table.groupby(["experiment", "seed"]).quantity.agg(set)
    assert {*found.index} == {(name, seed) for name in EXPECTED for seed in range(5)}
    assert all(found[key] >= EXPECTED[key[0]] for key in found.index)
    assert not {"late_fluctuation", "small_weight_share"} & found["sigmoid", 0]
    largest = scatter.groupby(["experiment", "quantity"]).deviation.max()
    for (name, quantity), rows in table.groupby(["experiment", "quantity"]):
        floor = next(value for kind, value in reference.FLOOR.items() if kind in quantity)
        # a training quantity moves as much as its validation quantity may
        alike = {quantity, quantity.replace("training", "validation")}
        scattered = reference.FACTOR * max(largest.get((name, one), 0) for one in alike)
        assert set(rows.tolerance) == {float(f"{max(floor, scattered):.2g}")}


def test_measuring_writes_a_reference_of_everything_and_with_which_all_agrees(
    kept, said, tiny10, monkeypatch, tmp_path
):
    def quick(configs, seeds, data, dtype):
        return results(data.name, [*configs], seeds, test_loss=0.07)

    def variant(name):
        names = [*EXPERIMENTS, POOLED]
        return None if name == "Zen" else results(names=names, test_loss=0.07002).frame

    monkeypatch.setattr(reference, "run", quick)
    monkeypatch.setattr(reference, "measured_as", variant)
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    monkeypatch.setitem(reference.FILES, tiny10.name, "new")
    for _ in range(2):  # the second time in place of the first
        reference.measure(tiny10)
    table, scatter = (table.load() for table in tables_of(tiny10.name))
    assert [*table.experiment.unique()] == [*EXPERIMENTS, POOLED]
    assert {*scatter.variant} == {*reference.VARIANTS} - {"Zen"}
    assert not scatter.duplicated(["variant", "experiment", "quantity"]).any()
    loss = table[table.quantity == "test_loss"]
    assert set(loss.value) == {0.07} and set(loss.tolerance) == {4e-5}
    assert_digests(tmp_path, 4)
    everything = reference.measure_results(tiny10, [0, 1])
    assert {*said(everything).values()} == {AGREES}
