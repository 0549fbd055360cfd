"""A claim is judged by one rule, on the 95 % confidence interval of the mean over seeds."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from kmnist_mlp.experiments.claims import judge, verdict
from kmnist_mlp.experiments.paper import Claim
from kmnist_mlp.experiments.runs import Results
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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([84.0, 84.1, 84.2], "reproduced"),
        ([82.0, 84.0, 86.0], "undecided"),
        ([70.0, 70.1, 70.2], "not reproduced"),
        ([84.0], "undecided"),
    ],
)
def test_a_claim_is_judged_by_the_interval_of_its_mean(values, expected):
    judged = judge(given(a=values), {}, [claim(low=83, high=85)])
    assert judged.verdict.tolist() == [expected]
    mean, low, high = interval(values)
    assert (judged[["low", "high"]].iloc[0] == [83, 85]).all()
    assert judged["mean"].tolist() == pytest.approx([mean])
    assert judged[["ci_low", "ci_high"]].iloc[0].tolist() == pytest.approx([low, high])


def test_differences_are_taken_seed_by_seed():
    scattered = given(a=[70.1, 80.2, 90.0], b=[69.0, 79.0, 89.0])
    assert judge(scattered, {}, [claim(low=0, minus="b")]).verdict.tolist() == ["reproduced"]
    assert judge(scattered, {}, [claim(high=0, minus="b")]).verdict.tolist() == ["not reproduced"]


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
