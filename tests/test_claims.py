"""The paper's claims are all there, and are judged by one rule, on 95 % intervals."""

import re
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from printed import CLAIMS as PRINTED

from kmnist_mlp.experiments.causes import CAUSE_RULE, MATERIAL
from kmnist_mlp.experiments.claims import (
    CLAIMS,
    KINDS,
    NO_MATTER,
    RULE,
    Claim,
    claims_of,
    judge,
    losses_above,
    printed_outside,
    rounding_limits,
    verdict,
)
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval, prediction_interval

INF = np.inf


def given(loss=0.06, **accuracies):
    """Results with these test accuracies in per cent, one per seed."""
    rows = [
        {"experiment": name, "seed": seed, "test_accuracy": value / 100, "test_loss": loss}
        for name, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    runs = {(row["experiment"], row["seed"]): None for row in rows}
    return Results(runs, pd.DataFrame(rows), "KMNIST")


def claim(experiment="a", low=-INF, high=INF, minus="", **more):
    return Claim("3", "it is so", "test_accuracy", experiment, ((low, high),), minus, **more)


def printed(*runs, quantity="test_accuracy"):
    return Claim("6", "it was printed", quantity, "a", runs, one_run=True)


# ---- the rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.1, 1.9, "reproduced"),
        (1.0, 1.0, "not reproduced"),  # equal in every seed: neither better nor worse
        (2.0, 2.0, "not reproduced"),
        (1.5, 1.5, "reproduced"),
        (0.9, 1.5, "undecided"),
        (1.5, 2.1, "undecided"),
        (0.5, 2.5, "undecided"),
        (0.1, 0.9, "not reproduced"),
        (2.1, 2.9, "not reproduced"),
        (-INF, INF, "undecided"),
    ],
)
def test_a_verdict_compares_the_interval_with_the_claimed_range(low, high, expected):
    assert verdict(low, high, claim(low=1.0, high=2.0)) == expected


LOSSES = printed((0.0635, 0.0645), (0.0585, 0.0587), quantity="test_loss")


@pytest.mark.parametrize(
    ("low", "high", "of", "expected"),
    [
        (88.0, 88.6, printed(rounding_limits(89.0)), "reproduced"),
        (80.0, 95.0, printed(rounding_limits(89.0)), "reproduced"),
        (88.0, 88.4, printed(rounding_limits(89.0)), "not reproduced"),
        (89.6, 95.0, printed(rounding_limits(89.0)), "not reproduced"),
        (88.0, 100.1, printed(rounding_limits(89.0)), "undecided"),
        (-0.1, 95.0, printed(rounding_limits(89.0)), "undecided"),
        (-INF, INF, printed(rounding_limits(89.0)), "undecided"),
        (-INF, INF, LOSSES, "undecided"),
        (-0.1, 0.1, LOSSES, "reproduced"),
        (0.058, 0.064, LOSSES, "reproduced"),  # of several numbers, all must lie in the interval
        (0.058, 0.063, LOSSES, "not reproduced"),
        (0.060, 0.062, LOSSES, "not reproduced"),
    ],
)
def test_a_printed_number_is_reproduced_if_the_next_run_could_give_it(low, high, of, expected):
    assert verdict(low, high, of) == expected


def test_a_printed_number_is_compared_with_the_next_run_and_not_with_the_mean():
    seeds = [84.0, 84.4, 84.8, 84.2, 84.6]
    judged = judge(given(a=seeds), {}, [printed(rounding_limits(x)) for x in (85.3, 85.5)])
    low, high = judged.loc[0, ["interval_low", "interval_high"]]
    assert (low, high) == pytest.approx(prediction_interval(seeds)[1:]) and 85.3 < high < 85.5
    assert judged.verdict.tolist() == ["reproduced", "not reproduced"]
    assert 0.05 < judged.p[0] and judged.p[1] < 0.05
    both = judge(given(a=seeds), {}, [printed(*(rounding_limits(x) for x in (85.3, 85.5)))])
    assert both.p[0] == judged.p[1] and both.verdict[0] == "not reproduced"


@pytest.mark.parametrize("seed", range(10))
def test_verdicts_and_p_values_agree(seed):
    rng = np.random.default_rng(seed)
    values, low = rng.normal(84, 0.5, 5), rng.uniform(83, 85)
    claims = [printed((low, low + 1)), claim("a", low), claim("a", low, low + 0.01)]
    for row in judge(given(a=values), {}, claims).itertuples():
        decided = {"not reproduced"} if row.one_run else {"reproduced", "not reproduced"}
        assert (row.verdict in decided) == (row.p < 0.05)


def test_differences_are_taken_seed_by_seed():
    scattered = given(a=[70.1, 80.2, 90.0], b=[69.0, 79.0, 89.0])
    claims = [claim(low=0.5, high=2, minus="b"), claim(high=0, minus="b"), claim("b", 0, 2, "a")]
    judged = judge(scattered, {}, claims)
    assert judged.verdict.tolist() == ["reproduced", "not reproduced", "not reproduced"]
    first = judged.loc[0, ["mean", "interval_low", "interval_high", "inside", "low", "high"]]
    assert first.tolist() == pytest.approx([*interval([1.1, 1.2, 1.0]), 0.6, 0.5, 2])
    assert judged["mean"].tolist() == pytest.approx([1.1, 1.1, -1.1])
    assert judged.inside.tolist() == pytest.approx([0.6, -1.1, -1.1])
    assert judged["values"].tolist() == ["1.1 1.2 1", "1.1 1.2 1", "-1.1 -1.2 -1"]


def test_claims_about_what_was_not_run_are_left_out():
    claims = [claim("a"), claim("b"), claim("a", minus="b"), claim("b", minus="a")]
    assert len(judge(given(a=[84.0, 84.1]), {}, claims)) == 1


def test_a_difference_that_is_shown_to_be_small_is_no_effect_and_not_undecided():
    claims = [claim("a", low=0, minus="b"), claim("a", low=0.4, minus="b")]
    for lead, expected in ((0.1, "no effect"), (-0.3, "undecided"), (0.3, "undecided")):
        a = 84 + lead + np.array([-0.3, 0.3, -0.2, 0.2, 0.0])
        judged = judge(given(a=a, b=[84.0] * 5), {}, claims)
        p = max(
            scipy.stats.ttest_1samp(a - 84, 0.5, alternative="less").pvalue,
            scipy.stats.ttest_1samp(a - 84, -0.5, alternative="greater").pvalue,
        )
        assert judged.verdict[0] == expected and (p < 0.05) == (expected == "no effect")
        assert expected == "undecided" or judged.p[0] == pytest.approx(p)
        assert judged.verdict[1] != "no effect", "the claim is not that one is better"
    assert judge(given(a=[84.1, 84.0, 84.05]), {}, [claim("a", low=84)]).verdict[0] == "undecided"


def test_seeds_that_all_reach_the_highest_accuracy_refute_that_one_is_better():
    claims = [claim("a", low=0, minus="b")]
    for value, ceiling in ((100, True), (84, False)):
        (row,) = judge(given(a=[value] * 3, b=[value] * 3), {}, claims).itertuples()
        assert (row.verdict, "ceiling" in row.note) == ("not reproduced", ceiling)
        assert "every seed" in row.note and np.isnan(row.p)
    assert judge(given(a=[84], b=[84]), {}, claims).verdict[0] == "undecided"


def test_a_quantity_that_cannot_decide_a_claim_leaves_it_undecided():
    claims = [claim("a", low=90, doubt="it measures otherwise"), claim("a", low=90)]
    judged = judge(given(a=[84.0, 84.1, 84.2]), {}, claims)
    assert judged.verdict.tolist() == ["undecided", "not reproduced"]
    assert judged.note.tolist() == ["it measures otherwise", ""] and np.isnan(judged.p[0])


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
    tables = {n: pd.DataFrame({"difference": [1e-9, x, 1e-7]}) for n, x in enumerate(largest)}
    bound = Claim("1", "all are small", "gradient_difference", "gradients", ((-INF, 1e-4),))
    judged = judge(given(a=[84.0]), tables, [bound])
    assert judged.verdict.tolist() == [expected] and judged.interval_high.tolist() == [max(largest)]
    assert judge(given(a=[84.0]), {}, [bound]).empty


def test_holms_correction_tells_which_verdicts_rest_on_the_number_of_claims():
    values = given(a=[84.0, 84.3, 84.1], b=[90.0, 90.001, 90.002])
    claims = [claim("a", low=83.7), claim("b", low=84)]
    others = [claim("a", low=84 + x / 100) for x in range(8, 20)]
    judged = judge(values, {}, [claims[0], *others[:2]])  # its p-value is 0.04, corrected 0.12
    assert judged.corrected[0] == "undecided" and 0.05 < judged.p_holm[0] < 0.2
    judged = judge(values, {}, [claims[0], printed((85.0, 85.0)), *others])
    assert judged.verdict.tolist()[:2] == ["reproduced", "not reproduced"]
    assert judged.corrected.tolist()[:2] == ["undecided", "no longer rejected"]
    assert judged.corrected[2:].tolist() == judged.verdict[2:].tolist()


def test_printed_numbers_that_are_contradicted_are_counted_beside_what_chance_would_give():
    claims = [printed((84.0, 84.1)), *(printed((x, x)) for x in (60, 70, 95))]
    judged = judge(given(a=[84.0, 84.1, 84.2]), {}, [*claims, claim("a", low=90)])
    assert printed_outside(judged) == (3, 4, 0.2)
    assert printed_outside(judge(given(a=[84.0]), {}, claims)) == (0, 0, 0)


def test_losses_below_the_printed_ones_are_counted_and_tested_like_a_fair_coin():
    results = given(loss=0.0575, **dict.fromkeys(["baseline", "l1_1e-6", "relu", "sigmoid"], [80]))
    assert losses_above(results) == (2, 3, pytest.approx(1.0))  # .064 and .0618, not .0573
    results.frame.loc[:, "test_loss"] = 0.05
    assert losses_above(results) == (3, 3, pytest.approx(0.25))


def test_the_rule_gives_the_rounding_of_a_printed_number_and_the_level_of_its_intervals():
    numbers = [float(text) for text in re.findall(r"\d+(?:\.\d+)?(?= %| to|;)", RULE)]
    assert numbers == [89, *rounding_limits(89), 95, 100, 95, 5]
    assert f" {100 * MATERIAL:g} % of the distance" in CAUSE_RULE
    assert f"± {NO_MATTER} points" in RULE


@pytest.mark.parametrize(
    ("true", "shown"),
    [(0.05737, 0.0573), (0.05570, 0.0557), (0.06985, 0.0698), (0.0576, 0.058)],
)
def test_the_limits_of_a_printed_loss_hold_what_was_truncated_or_rounded_to_it(true, shown):
    low, high = rounding_limits(shown, "test_loss")
    unit = 10.0 ** -len(str(shown).split(".")[1])
    assert low <= true < high and high - low == pytest.approx(1.5 * unit)


# ---- the claims of the paper ---------------------------------------------------------------------

TYPED = [[part.strip() for part in line.split("|")] for line in PRINTED.strip().splitlines()]
# numbers that the project chose for words of the paper, see printed.py
CHOSEN = {0.5, 1, 5, 0.05, 50, 22.5, 27.5}


@pytest.mark.parametrize(("claim", "typed"), list(zip(CLAIMS, TYPED, strict=True)))
def test_each_claim_has_the_range_and_the_numbers_that_were_typed_from_the_paper(claim, typed):
    section, quantity, experiment, minus, limits, numbers = typed
    assert (claim.section, claim.quantity) == (section, quantity)
    assert (claim.experiment, claim.minus) == (experiment, minus)
    limits = list(map(float, limits.split()))
    assert list(chain(*claim.ranges)) == pytest.approx(limits, rel=1e-9)
    assert re.findall(r"(?<![\w.])\d+(?:\.\d+)?", claim.statement) == numbers.split()
    assert min(limits) < max(limits) and not np.isinf(limits).all(), "it can be false"
    assert claim.our_threshold == (not CHOSEN.isdisjoint(map(abs, limits)))
    if claim.one_run and quantity.startswith("test_"):
        assert claim.kind == f"printed {quantity.removeprefix('test_')}"
    elif claim.kind == "comparison":
        assert minus and quantity.endswith("accuracy")


def test_claims_are_counted_by_kind_and_found_by_section_and_none_is_lost():
    assert len({claim.statement for claim in CLAIMS}) == 53
    kinds = pd.Series([claim.kind for claim in CLAIMS]).value_counts()
    assert kinds.to_dict() == dict(zip(KINDS, (12, 9, 22, 10), strict=True))
    assert [bool(claim.doubt) for claim in CLAIMS].count(True) == 2
    by_chapter = [claims_of(name) for name in ("abstract", "1", "2", "3", "4", "5", "6")]
    assert sum(map(len, by_chapter)) == len(CLAIMS) and all(by_chapter)
    assert claims_of("abstract", "1") == by_chapter[0] + by_chapter[1]


@pytest.mark.parametrize("name", PAPER)
def test_every_published_number_is_the_subject_of_a_claim(name):
    entry = PAPER[name]
    same = "baseline" if name == "l1_1e-6" else name  # one measurement, judged once
    for quantity in ("test_accuracy", "test_loss"):
        number = getattr(entry, quantity)
        subject = same, quantity, True
        found = [c.ranges for c in CLAIMS if (c.experiment, c.quantity, c.one_run) == subject]
        assert len(found) == (number is not None)
        assert all(any(low < number < high for low, high in runs) for runs in found)
