"""The paper's claims are all there, and are judged by one rule, on 95 % confidence intervals."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.claims import CLAIMS, Claim, claims_of, judge, verdict
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.statistics import interval


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_the_interval_is_students(n):
    values = np.random.default_rng(n).normal(84, 0.3, n)
    expected = scipy.stats.t.interval(0.95, n - 1, values.mean(), scipy.stats.sem(values))
    mean, low, high = interval(values)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(expected, rel=1e-12)


def test_the_interval_of_one_seed_is_infinite():
    assert interval([84.0]) == (84.0, -np.inf, np.inf)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.1, 1.9, "reproduced"),
        (1.0, 2.0, "reproduced"),
        (0.9, 1.5, "undecided"),
        (1.5, 2.1, "undecided"),
        (0.5, 2.5, "undecided"),
        (0.1, 0.9, "not reproduced"),
        (2.1, 2.9, "not reproduced"),
        (-np.inf, np.inf, "undecided"),
    ],
)
def test_a_verdict_compares_the_interval_with_the_claimed_range(low, high, expected):
    assert verdict(low, high, Claim("1", "it is so", "test_loss", "a", 1.0, 2.0)) == expected


def given(data_name="KMNIST", **accuracies):
    """Results with these test accuracies in per cent, one per seed."""
    rows = [
        {"experiment": name, "seed": seed, "test_accuracy": value / 100, "test_loss": 0.06}
        for name, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    runs = {(row["experiment"], row["seed"]): None for row in rows}
    return Results(runs, pd.DataFrame(rows), data_name)


def claim(experiment="a", low=-np.inf, high=np.inf, minus=None):
    return Claim("3", "it is so", "test_accuracy", experiment, low, high, minus)


def test_each_claim_is_judged_by_the_interval_of_its_own_mean():
    values = {"near": [84.0, 84.1, 84.2], "wide": [82.0, 84.0, 86.0], "far": [70.0, 70.1, 70.3]}
    judged = judge(given(**values), {}, [claim(name, 83, 85) for name in ("far", "near", "wide")])
    assert judged.experiment.tolist() == ["far", "near", "wide"]
    assert judged.verdict.tolist() == ["not reproduced", "reproduced", "undecided"]
    for row in judged.itertuples():
        assert (row.low, row.high) == (83, 85)
        expected = interval(values[row.experiment])
        assert (row.mean, row.ci_low, row.ci_high) == pytest.approx(expected)
    assert judge(given(a=[84.0]), {}, [claim(low=83, high=85)]).verdict.tolist() == ["undecided"]


def test_differences_are_taken_seed_by_seed():
    scattered = given(a=[70.1, 80.2, 90.0], b=[69.0, 79.0, 89.0])
    claims = [claim(low=0.5, high=2, minus="b"), claim(high=0, minus="b"), claim("b", 0, 2, "a")]
    judged = judge(scattered, {}, claims)
    assert judged.verdict.tolist() == ["reproduced", "not reproduced", "not reproduced"]
    assert judged["mean"].tolist() == pytest.approx([1.1, 1.1, -1.1])


def test_claims_about_what_was_not_run_are_left_out():
    claims = [claim("a"), claim("b"), claim("a", minus="b"), claim("b", minus="a")]
    assert len(judge(given(a=[84.0, 84.1]), {}, claims)) == 1


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        ([1e-5, 5e-5], "reproduced"),
        ([1e-5, 2e-4], "undecided"),
        ([2e-4, 3e-4], "not reproduced"),
        ([5e-5], "reproduced"),
    ],
)
def test_the_gradient_claim_is_a_bound_on_the_largest_difference_of_every_seed(largest, expected):
    gradients = {
        seed: pd.DataFrame({"difference": [1e-9, value, 1e-7]})
        for seed, value in enumerate(largest)
    }
    bound = Claim("1", "all are small", "gradient_difference", "gradients", high=1e-4)
    judged = judge(given(a=[84.0]), gradients, [bound])
    assert judged.verdict.tolist() == [expected] and judged.ci_high.tolist() == [max(largest)]
    assert judge(given(a=[84.0]), {}, [bound]).empty


# ---- the claims of the paper ---------------------------------------------------------------------


def test_the_paper_makes_48_claims_and_none_twice():
    assert len(CLAIMS) == 48
    assert len({claim.statement for claim in CLAIMS}) == 48


@pytest.mark.parametrize("name", PAPER)
def test_every_published_number_is_the_subject_of_a_claim(name):
    entry = PAPER[name]
    for quantity, printed, margin in (
        ("test_accuracy", entry.test_accuracy, 1.0),
        ("test_loss", entry.test_loss, 0.005),
    ):
        ranges = [
            (claim.low, claim.high)
            for claim in CLAIMS
            if (claim.experiment, claim.quantity, claim.minus) == (name, quantity, None)
        ]
        assert printed is None or pytest.approx((printed - margin, printed + margin)) in ranges


def test_every_experiment_is_the_subject_of_a_claim():
    subjects = {claim.experiment for claim in CLAIMS} | {claim.minus for claim in CLAIMS}
    assert set(EXPERIMENTS) <= subjects


def test_every_claim_is_about_experiments_and_quantities_that_there_are(tiny10):
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
