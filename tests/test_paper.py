"""The published report's configurations, numbers and claims are all there, as printed."""

import csv
from dataclasses import fields
from importlib.resources import files

import pytest

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import CLAIMS, EXPERIMENTS, PAPER, claims_of, published_gradients
from kmnist_mlp.experiments.runs import run

PUBLISHED = files("kmnist_mlp.experiments").joinpath("published", "published_results.csv")
ROWS = list(csv.DictReader(PUBLISHED.read_text("utf-8").splitlines()))


def test_the_experiments_are_the_sixteen_published_rows_and_two_of_the_abstract():
    assert len(ROWS) == 16
    assert list(PAPER) == [row["id"] for row in ROWS] + ["no_momentum", "linear"]
    assert EXPERIMENTS == {name: entry.config for name, entry in PAPER.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_configuration_is_as_published(row):
    config = EXPERIMENTS[row["id"]]
    assert "-".join(map(str, config.layer_specs)) == row["layer_specs"]
    assert config.activation == row["activation"]
    assert config.batch_size == int(row["batch_size"]) and config.epochs == int(row["epochs"])
    for name in ("learning_rate", "L1_penalty", "L2_penalty"):
        assert getattr(config, name) == float(row[name])
    assert str(config.early_stop) == row["early_stop"]
    if config.early_stop:
        assert config.early_stop_epoch == int(row["patience"])
    assert config.momentum and config.momentum_gamma == 0.9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_each_published_number_is_kept_as_printed(row):
    entry = PAPER[row["id"]]
    assert entry.section == row["section"]
    for ours, printed in (
        (entry.test_loss, row["test_loss"]),
        (entry.test_accuracy, row["test_accuracy_percent"]),
    ):
        assert (ours is None) == (printed == "")
        assert ours is None or ours == float(printed)


def test_the_two_runs_without_numbers_differ_from_the_baseline_in_one_thing_each():
    baseline = EXPERIMENTS["baseline"]
    for name, changed in (("no_momentum", "momentum"), ("linear", "layer_specs")):
        different = {
            field.name
            for field in fields(Config)
            if getattr(EXPERIMENTS[name], field.name) != getattr(baseline, field.name)
        }
        assert different == {changed}
    assert not EXPERIMENTS["no_momentum"].momentum
    assert EXPERIMENTS["linear"].layer_specs == (784, 10)


def test_figures_1_to_22_belong_to_one_experiment_each():
    numbers = [number for entry in PAPER.values() for number in entry.figures]
    assert sorted(numbers) == list(range(1, 23))
    assert all(len(entry.figures) in (0, 2) for entry in PAPER.values())
    assert PAPER["baseline"].figures == (3, 4) and PAPER["two_hidden_layers"].figures == (21, 22)


def test_every_experiment_has_a_title_of_its_own():
    titles = [entry.title for entry in PAPER.values()]
    assert all(titles) and len(set(titles)) == len(titles)


def test_the_eighteen_published_gradients_are_there_as_numbers():
    rows = published_gradients()
    assert len(rows) == 18
    assert [row["pattern"] for row in rows] == ["first"] * 6 + ["sixth"] * 6 + ["last"] * 6
    assert rows[0]["approximated_gradient"] == 0.000353
    assert rows[11]["difference"] == 4.173e-05 and rows[11]["index"] == "4,5"


# ---- the claims ----------------------------------------------------------------------------------


def test_the_paper_makes_48_claims_and_none_twice():
    assert len(CLAIMS) == 48
    assert len({claim.statement for claim in CLAIMS}) == 48


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_every_published_number_is_the_subject_of_a_claim(row):
    for quantity, printed, margin in (
        ("test_accuracy", row["test_accuracy_percent"], 1.0),
        ("test_loss", row["test_loss"], 0.005),
    ):
        ranges = [
            (claim.low, claim.high)
            for claim in CLAIMS
            if (claim.experiment, claim.quantity, claim.minus) == (row["id"], quantity, None)
        ]
        if printed:
            number = float(printed)
            assert pytest.approx((number - margin, number + margin)) in ranges


def test_every_experiment_is_the_subject_of_a_claim():
    spoken_of = {claim.experiment for claim in CLAIMS} | {claim.minus for claim in CLAIMS}
    assert set(EXPERIMENTS) <= spoken_of


def test_every_claim_speaks_of_experiments_and_quantities_that_there_are(tiny10):
    config = Config(layer_specs=(36, 10), epochs=1)
    columns = run({"a": config}, [0], n_jobs=1, data=tiny10, cache=False).frame.columns
    for claim in CLAIMS:
        if claim.quantity == "gradient_difference":
            assert (claim.experiment, claim.minus) == ("gradients", None)
        else:
            assert {claim.experiment, claim.minus} - {None} <= set(EXPERIMENTS)
            assert claim.quantity in columns
            assert claim.minus != claim.experiment


def test_every_claim_can_be_true_and_can_be_false():
    for claim in CLAIMS:
        assert claim.low < claim.high
        assert claim.low > float("-inf") or claim.high < float("inf")


def test_claims_are_found_by_section_and_none_is_lost():
    by_chapter = [claims_of(name) for name in ("abstract", "1", "2", "3", "4", "5", "6")]
    assert sum(map(len, by_chapter)) == len(CLAIMS) and all(by_chapter)
    assert claims_of("abstract", "1") == by_chapter[0] + by_chapter[1]
    assert all(claim.section.startswith("3") for claim in by_chapter[3])


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("baseline", "linear"),
        ("baseline", "no_momentum"),
        ("baseline", "learning_rate_0.5"),
        ("l2_0.2", "baseline"),
        ("l2_0.2", "l2_1e-3"),
        ("l2_0.2", "l2_0.5"),
        ("l2_0.2", "l1_1e-3"),
        ("l2_1e-3", "l2_0.5"),
        ("baseline", "l1_0.2"),
        ("baseline", "sigmoid"),
        ("relu", "baseline"),
        ("relu", "sigmoid"),
        ("hidden_256", "baseline"),
        ("baseline", "hidden_64"),
        ("baseline", "two_hidden_layers"),
        ("final", "baseline"),
    ],
)
def test_each_order_that_the_paper_states_is_claimed_in_the_right_direction(better, worse):
    for claim in CLAIMS:
        pair = (claim.experiment, claim.minus)
        if claim.quantity == "test_accuracy" and pair == (better, worse) and claim.low >= 0:
            return
        if claim.quantity == "test_accuracy" and pair == (worse, better) and claim.high <= 0:
            return
    pytest.fail(f"no claim says that {better} is better than {worse}")
