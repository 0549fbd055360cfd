"""The paper's claims are all there, and are judged by one rule, on 95 % intervals."""

import re
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from printed import CLAIMS as PRINTED

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.claims import (
    CLAIMS,
    KINDS,
    NO_MATTER,
    RULE,
    Claim,
    claims_of,
    judge,
    losses_above,
    of_one_run,
    printed_outside,
    rounding_limits,
    verdict,
)
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.statistics import interval, prediction_interval


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
        (1.0, 1.0, "not reproduced"),  # equal in every seed: neither better nor worse
        (1.5, 1.5, "reproduced"),
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


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (88.0, 88.6, "reproduced"),
        (80.0, 95.0, "reproduced"),
        (88.0, 88.4, "not reproduced"),
        (89.6, 95.0, "not reproduced"),
        (-np.inf, np.inf, "undecided"),
    ],
)
def test_a_printed_number_is_reproduced_if_the_next_run_could_give_it(low, high, expected):
    printed = of_one_run("6", "89 %", "test_accuracy", "a", rounding_limits(89.0))
    assert verdict(low, high, printed) == expected


def test_of_several_numbers_for_one_measurement_all_must_lie_in_the_interval():
    printed = of_one_run("2", "loss", "test_loss", "a", (0.0635, 0.0645), (0.0585, 0.0587))
    assert (printed.low, printed.high) == (0.0585, 0.0645)
    assert verdict(0.058, 0.064, printed) == "reproduced"
    assert verdict(0.058, 0.063, printed) == "not reproduced"
    assert verdict(0.060, 0.062, printed) == "not reproduced"


def test_a_printed_number_is_compared_with_the_next_run_and_not_with_the_mean():
    seeds = [84.0, 84.4, 84.8, 84.2, 84.6]
    printed = [
        of_one_run("2", "it is", "test_accuracy", "a", rounding_limits(x)) for x in (85.3, 85.5)
    ]
    judged = judge(given(a=seeds), {}, printed)
    low, high = judged.loc[0, ["interval_low", "interval_high"]]
    assert (low, high) == pytest.approx(prediction_interval(seeds)[1:]) and 85.3 < high < 85.5
    assert judged.verdict.tolist() == ["reproduced", "not reproduced"]
    assert 0.05 < judged.p[0] and judged.p[1] < 0.05


@pytest.mark.parametrize("seed", range(20))
def test_verdicts_and_p_values_agree(seed):
    rng = np.random.default_rng(seed)
    values, low = rng.normal(84, 0.5, 5), rng.uniform(83, 85)
    for one_run in (True, False):
        claims = [of_one_run("2", "x", "test_accuracy", "a", (low, low + 1))]
        if not one_run:
            claims = [claim("a", low), claim("a", low, low + 0.01)]
        judged = judge(given(a=values), {}, claims)
        for row in judged.itertuples():
            decided = row.verdict == "not reproduced" if one_run else row.verdict != "undecided"
            assert decided == (row.p < 0.05)


def test_a_difference_that_is_shown_to_be_small_is_no_effect_and_not_undecided():
    claims = [claim("a", low=0, minus="b"), claim("a", low=0.4, minus="b")]
    for lead, expected in ((0.1, "no effect"), (-0.3, "undecided"), (0.3, "undecided")):
        a = 84 + lead + np.array([-0.3, 0.3, -0.2, 0.2, 0.0])
        judged = judge(given(a=a, b=[84.0] * 5), {}, claims)
        assert judged.verdict[0] == expected
        t = scipy.stats.ttest_1samp(a - 84, 0.5, alternative="less").pvalue
        below = scipy.stats.ttest_1samp(a - 84, -0.5, alternative="greater").pvalue
        assert (max(t, below) < 0.05) == (expected == "no effect")
        if expected == "no effect":
            assert judged.p[0] == pytest.approx(max(t, below))
        assert judged.verdict[1] != "no effect", "the claim is not that one is better"
    assert judge(given(a=[84.1, 84.0, 84.05]), {}, [claim("a", low=84)]).verdict[0] == "undecided"


def test_seeds_that_all_reach_the_highest_accuracy_refute_that_one_is_better():
    claims = [claim("a", low=0, minus="b")]
    for value, note in ((100, "equal in every seed: both at 100 %, a ceiling"),
                        (84, "equal in every seed")):  # fmt: skip
        judged = judge(given(a=[value] * 3, b=[value] * 3), {}, claims)
        assert (judged.verdict[0], judged.note[0]) == ("not reproduced", note)
        assert np.isnan(judged.p[0])
    assert judge(given(a=[84], b=[84]), {}, claims).verdict[0] == "undecided"


def test_a_quantity_that_cannot_decide_a_claim_leaves_it_undecided():
    doubted = Claim("3", "it is so", "test_accuracy", "a", low=90, doubt="it measures otherwise")
    judged = judge(given(a=[84.0, 84.1, 84.2]), {}, [doubted, claim("a", low=90)])
    assert judged.verdict.tolist() == ["undecided", "not reproduced"]
    assert judged.note.tolist() == ["it measures otherwise", ""] and np.isnan(judged.p[0])


def test_printed_numbers_that_are_contradicted_are_counted_beside_what_chance_would_give():
    near = of_one_run("2", "near", "test_accuracy", "a", (84.0, 84.1))
    far = [of_one_run("2", f"far {x}", "test_accuracy", "a", (x, x)) for x in (60, 70, 95)]
    judged = judge(given(a=[84.0, 84.1, 84.2]), {}, [near, *far, claim("a", low=90)])
    assert printed_outside(judged) == (3, 4, 0.2)
    one_seed = judge(given(a=[84.0]), {}, [near, *far])
    assert printed_outside(one_seed) == (0, 0, 0)


def test_holms_correction_tells_which_verdicts_rest_on_the_number_of_claims():
    values = given(a=[84.0, 84.3, 84.1], b=[90.0, 90.001, 90.002])
    claims = [claim("a", low=83.7), claim("b", low=84)]
    judged = judge(values, {}, claims)
    assert judged.verdict.tolist() == ["reproduced", "reproduced"] and judged.p[0] < 0.05
    assert judged.corrected.tolist() == judged.verdict.tolist()
    printed = of_one_run("2", "it is", "test_accuracy", "a", (85.0, 85.0))
    others = [claim("a", low=84 + x / 100) for x in range(8, 20)]
    judged = judge(values, {}, [claims[0], printed, *others])
    assert judged.verdict.tolist()[:2] == ["reproduced", "not reproduced"]
    assert judged.corrected.tolist()[:2] == ["undecided", "no longer rejected"]
    assert judged.corrected[2:].tolist() == judged.verdict[2:].tolist()


def test_losses_below_the_printed_ones_are_counted_and_tested_like_a_fair_coin():
    rows = [
        {"experiment": name, "seed": seed, "test_accuracy": 0.8, "test_loss": loss + seed / 1e4}
        for name, loss in {"baseline": 0.05, "l1_1e-6": 0.05, "relu": 0.07, "sigmoid": 0.05}.items()
        for seed in (0, 1)
    ]
    runs = {(row["experiment"], row["seed"]): None for row in rows}
    count, of, p = losses_above(Results(runs, pd.DataFrame(rows), "KMNIST"))
    assert (count, of) == (2, 3) and p == pytest.approx(1.0)


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
        assert (row.mean, row.interval_low, row.interval_high) == pytest.approx(expected)
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
    assert judged.verdict.tolist() == [expected] and judged.interval_high.tolist() == [max(largest)]
    assert judge(given(a=[84.0]), {}, [bound]).empty


# ---- the claims of the paper ---------------------------------------------------------------------


TYPED = [[part.strip() for part in line.split("|")] for line in PRINTED.strip().splitlines()]


def test_the_paper_makes_53_claims_and_none_twice():
    assert len(CLAIMS) == len(TYPED) == 53
    assert len({claim.statement for claim in CLAIMS}) == 53


def test_each_claim_is_of_one_kind():
    kinds = pd.Series([claim.kind for claim in CLAIMS]).value_counts()
    assert kinds.to_dict() == dict(zip(KINDS, (12, 9, 22, 10), strict=True))
    for claim in CLAIMS:
        if claim.kind == "comparison":
            assert claim.minus and claim.quantity.endswith("accuracy")
        if claim.kind.startswith("printed"):
            assert claim.kind.endswith(claim.quantity.removeprefix("test_")) and not claim.minus
        if claim.quantity in ("late_fluctuation", "small_weight_share", "generalisation_gap"):
            assert claim.kind == "mechanism"


def test_thresholds_of_our_own_are_told_from_the_papers_numbers():
    ours = {claim.statement for claim in CLAIMS if claim.our_threshold}
    worded = re.compile(r"points? or more|5 % or more|within 0.5|half of the weights|23 to 27")
    assert ours == {claim.statement for claim in CLAIMS if worded.search(claim.statement)}


@pytest.mark.parametrize(
    ("true", "printed"),
    [(0.05737, 0.0573), (0.05570, 0.0557), (0.06934, 0.0693), (0.06985, 0.0698), (0.0576, 0.058)],
)
def test_the_limits_of_a_printed_loss_hold_what_was_truncated_or_rounded_to_it(true, printed):
    low, high = rounding_limits(printed, "test_loss")
    assert low <= true < high
    unit = 10.0 ** -len(str(printed).split(".")[1])
    assert high - low == pytest.approx(1.5 * unit)


@pytest.mark.parametrize(("claim", "typed"), list(zip(CLAIMS, TYPED, strict=True)))
def test_each_claim_has_the_range_and_the_numbers_that_were_typed_from_the_paper(claim, typed):
    section, quantity, experiment, minus, limits, numbers = typed
    assert (claim.section, claim.quantity) == (section, quantity)
    assert (claim.experiment, claim.minus or "") == (experiment, minus)
    limits = list(map(float, limits.split()))
    assert list(chain(*claim.ranges)) == pytest.approx(limits, rel=1e-9)
    assert (claim.low, claim.high) == pytest.approx((min(limits), max(limits)), rel=1e-9)
    assert re.findall(r"(?<![\w.])\d+(?:\.\d+)?", claim.statement) == numbers.split()


def test_the_rule_gives_the_rounding_of_a_printed_number_and_the_level_of_its_intervals():
    numbers = [float(text) for text in re.findall(r"\d+(?:\.\d+)?(?= %| to|;)", RULE)]
    assert numbers == [89, *rounding_limits(89), 95, 100, 95, 5]
    assert f"± {NO_MATTER} points" in RULE


@pytest.mark.parametrize("name", PAPER)
def test_every_published_number_is_the_subject_of_a_claim(name):
    entry = PAPER[name]
    same = "baseline" if name == "l1_1e-6" else name  # one measurement, judged once
    for quantity in ("test_accuracy", "test_loss"):
        printed = getattr(entry, quantity)
        found = [
            claim
            for claim in CLAIMS
            if (claim.experiment, claim.quantity, claim.one_run) == (same, quantity, True)
        ]
        assert len(found) == (printed is not None)
        assert all(any(low < printed < high for low, high in claim.runs) for claim in found)


NAMES = {"sigmoid": "sigmoid", "relu": "relu", "tanh": "baseline", "linear": "linear",
         "final": "final", "momentum": "no_momentum", "raw": "no_standardisation",
         "two layers": "two_hidden_layers", "rate 0.5": "learning_rate_0.5"}  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.statement)
def test_a_statement_names_its_experiments_and_the_direction_of_its_range(claim):
    statement = claim.statement.lower()
    subjects = {claim.experiment, claim.minus}
    assert {name for word, name in NAMES.items() if word in statement} <= subjects
    if claim.minus:
        falls = re.search("worse|not as good|lower|smaller|below|loses", statement)
        rises = re.search("better|helps|more driven|drives", statement)
        assert (bool(falls), bool(rises)) == (claim.high <= 0, claim.low >= 0)


def test_every_experiment_is_the_subject_of_a_claim():
    subjects = {claim.experiment for claim in CLAIMS} | {claim.minus for claim in CLAIMS}
    captions = {"l2_0.2_25_epochs", "l1_1e-6_25_epochs", "hidden_256_25_epochs"}
    assert set(EXPERIMENTS) - subjects == captions | {"l1_1.25e-4"}, "other readings of a caption"


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
