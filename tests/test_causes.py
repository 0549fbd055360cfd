"""The cause of a difference is the deviation that moves a claim when added and when left out."""

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.experiments.causes import (
    COLUMNS,
    NOT_FOUND,
    NOT_MEASURED,
    causes,
    in_both_readings,
)
from kmnist_mlp.experiments.claims import Claim, judge
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval

INF = np.inf
NOISE = np.random.default_rng(0)
WORSE = Claim("4", "Sigmoid is worse than tanh", "test_accuracy", "sigmoid", ((-INF, 0),), "tanh")
PRINTED = Claim("4", "83.05 %", "test_accuracy", "sigmoid", ((83.045, 83.055),), one_run=True)
OURS, THEIRS = {"sigmoid": 85.75, "tanh": 84.1}, {"sigmoid": 83.1, "tanh": 84.9}
# Points by which each deviation changes sigmoid and tanh, added to ours, and left out of theirs.
# The two differ: deviations interact.
EFFECTS = {
    "fixed epochs": ((-3.0, 0.1), (1.8, 0.0)),
    "own statistics": ((-0.6, -0.6), (0.5, 0.5)),
    "too small": ((-0.2, 0.0), (0.2, 0.0)),
    "only when added": ((-2.0, 0.0), (-1.5, 0.0)),
    "only when left out": ((0.0, 0.0), (2.0, 0.0)),
    "away": ((1.5, 0.0), (-1.0, 0.0)),
}


def results(values, seeds=5, data_name="KMNIST"):
    """Results with these accuracies, in per cent, and noise that most runs of a seed share."""
    shared = np.random.default_rng(1).normal(0, 0.4, seeds)
    rows = [
        {
            "experiment": name,
            "seed": seed,
            "test_accuracy": (value + shared[seed] + NOISE.normal(0, 0.05)) / 100,
        }
        for name, value in values.items()
        for seed in range(seeds)
    ]
    keys = {(row["experiment"], row["seed"]): None for row in rows}
    return Results(keys, pd.DataFrame(rows), data_name)


def ablation(theirs=THEIRS, seeds=5, without=()):
    found = {"none": results(OURS, seeds), "all": results(theirs, seeds)}
    for name, effects in EFFECTS.items():
        for sign, start, effect in zip("+-", (OURS, theirs), effects, strict=True):
            moved = {n: start[n] + change for n, change in zip(OURS, effect, strict=True)}
            found[sign + name] = results(moved, seeds)
    return {key: runs for key, runs in found.items() if key[1:] not in without}


def both(readings, claims=(WORSE, PRINTED), data_name="KMNIST", ours=OURS):
    judged = judge(results(ours, data_name=data_name), {}, claims)
    return in_both_readings(judged, readings, claims)


def test_the_cause_is_the_deviation_that_moves_a_claim_when_added_and_when_left_out():
    readings = ablation()
    found = both(readings)
    assert found.verdict.tolist() == ["not reproduced"] * 2
    assert found.verdict_code.tolist() == ["reproduced"] * 2
    assert found.cause.tolist() == ["fixed epochs"] * 2
    # statistics of the images move both networks alike: not the difference, but the number
    assert found.also.tolist() == ["too small", "own statistics"]
    accuracies = [readings[r].values("test_accuracy", "sigmoid") for r in ("+fixed epochs", "none")]
    change, low, high = interval(accuracies[0] - accuracies[1])
    row = found.loc[1]
    assert (row.cause_change, row.cause_low, row.cause_high) == pytest.approx((change, low, high))
    # -3.0 goes 0.3 beyond the printed number, which is 2.7 away
    reached = accuracies[1].mean() + change
    share = 1 - (83.045 - reached) / (accuracies[1].mean() - 83.055)
    assert row.cause_share == pytest.approx(share) and 0.8 < share < 0.95
    assert found.cause_share[0] == 1, "inside the claimed range"
    also_near = Claim(
        "4", "two", "test_accuracy", "sigmoid", ((84.9, 85.0), *PRINTED.ranges), one_run=True
    )
    assert causes(also_near, readings)[0]["cause_share"] == pytest.approx(share), "the farthest"


def test_what_moves_a_claim_away_is_no_cause_whichever_way_it_has_to_move():
    better = Claim("4", "better", "test_accuracy", "sigmoid", ((2.5, INF),), "tanh")
    (cause,) = causes(better, ablation({"sigmoid": 90.0, "tanh": 84.0}))
    assert cause["cause"] == "away" and cause["cause_change"] > 0 and cause["cause_share"] == 1


def test_without_a_reproduction_by_the_code_or_a_deviation_that_explains_it_no_cause_is_found():
    still_better = both(ablation({"sigmoid": 86.0, "tanh": 84.0}), [WORSE])
    assert still_better.cause.tolist() == [NOT_FOUND]
    assert still_better[COLUMNS[1:]].isna().all(axis=None)
    others = ablation(without={"fixed epochs", "too small", "own statistics"})
    assert both(others).cause.tolist() == [NOT_FOUND] * 2
    assert causes(WORSE, ablation(seeds=1)) == [], "one seed has no interval"
    alone = both(ablation(without=EFFECTS))
    assert alone.cause.tolist() == [NOT_MEASURED] * 2, "no ablation of its experiments"


def test_only_a_claim_of_kmnist_that_the_text_does_not_reproduce_has_a_cause():
    claims = [
        Claim("4", "tanh is worse", "test_accuracy", "tanh", ((-INF, 0),), "sigmoid"),
        Claim("4", "undecided", "test_accuracy", "tanh", ((84.1, INF),)),
        Claim("4", "of another experiment", "test_accuracy", "relu", ((0, INF),)),
    ]
    found = both(ablation(), claims)
    assert found.verdict.tolist() == ["reproduced", "undecided"]
    assert found.cause.tolist() == ["", ""]
    found = both(ablation(), data_name="stand-in data")
    assert found.verdict_code.tolist() == ["reproduced"] * 2, "that of KMNIST"
    assert found.cause.tolist() == ["", ""] and found.attrs["data_name"] == "stand-in data"


def test_a_claim_that_the_code_was_not_run_for_has_no_verdict_by_it():
    claims = [WORSE, Claim("4", "high", "test_accuracy", "relu", ((90, INF),))]
    found = both(ablation(), claims, ours={"relu": 80.0})
    assert found.verdict_code.tolist() == [""] and found.cause.tolist() == [NOT_FOUND]


def test_an_experiment_that_a_deviation_does_not_apply_to_is_as_without_it():
    readings = ablation(without={"too small"})
    readings["+scaled tanh"] = results({"tanh": OURS["tanh"] + 2.5})
    readings["-scaled tanh"] = results({"tanh": THEIRS["tanh"] - 2.2})
    names = [cause["cause"] for cause in causes(WORSE, readings)]
    assert names == ["fixed epochs", "scaled tanh"]
