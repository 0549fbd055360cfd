"""The paper's claims, of ``published/claims.csv``, and the verdict on each by :data:`RULE`.

A claim is a number that the paper prints for one run, or a range for a
quantity of an experiment or for the difference of two experiments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.paper import PAPER, RULES, read_published
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support import statistics

# percentage points: a smaller difference is "no difference"; our
# choice, as in RULE
NO_DIFFERENCE = 0.5
RULE = " ".join(RULES["claims"].split())
VERDICTS = ("reproduced", "not reproduced", "no effect", "undecided")
COLUMNS = (
    "number section kind statement quantity experiment minus one_run our_threshold "
    "low high mean ranges values inside interval_low interval_high verdict p note"
).split()
KINDS = ("printed accuracy", "printed loss", "comparison", "mechanism")


# ---- the claims ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One claim of the paper: a quantity and the range in which it would be true.

    Attributes
    ----------
    section : str
        Of the paper.
    statement : str
        The claim in our words.
    quantity : str
        A column of the results: "test_accuracy" or another accuracy
        (in percentage points here), "generalisation_gap"
        (training minus validation), "test_loss", "stopped_epoch",
        ...; or "gradient_difference".
    experiment : str
        The experiment whose quantity it is.
    ranges : tuple of (float, float)
        The claim is true if the quantity lies in all of them. For
        numbers that the paper prints as results of single runs: the
        limits between which each of them was rounded.
    minus : str
        If there is one, the claim is about the difference to this
        experiment, seed by seed.
    one_run : bool
        Whether the claim is a number that the paper prints for one run.
        It is compared with a further run of ours, not with our mean.
    kind : str
        One of :data:`KINDS`. Verdicts are counted for each kind.
    our_threshold : bool
        Whether an end of the range is a number that we chose for a
        word of the paper: 1 point for "much better", 5 points for "no
        satisfying accuracy", 5 % of the loss for "fluctuates", half
        of the weights for "many", 0.5 points for "no difference",
        22.5 to 27.5 for "about 25".
    doubt : str
        Why the quantity cannot decide the claim; empty if it can.
    number : int
        Of the claim among all of the paper's, from 1; 0
        for another claim.

    Examples
    --------
    >>> claim = CLAIMS[0]
    >>> print(claim.statement, claim.quantity, claim.experiment, claim.minus, sep="; ")
    The network is better than its linear counterpart; test_accuracy; baseline; linear
    """

    section: str
    statement: str
    quantity: str
    experiment: str
    ranges: tuple[tuple[float, float], ...]
    minus: str = ""
    one_run: bool = False
    kind: str = "mechanism"
    our_threshold: bool = False
    doubt: str = ""
    number: int = 0


def rounding_limits(printed: float, quantity: str = "test_accuracy") -> tuple[float, float]:
    """Return the limits of what may stand behind a printed number.

    An accuracy is rounded to nearest. A loss may have been rounded or
    truncated, and its limits hold both: the notebook of the paper's
    authors shows the digits behind five of them, and .05737 is
    printed as .0573, .06985 as .0698. (.06159 is printed as .0618,
    which is neither.) Source:
    https://github.com/Ruizhang666/Mnist-MLP_from_scratch

    Examples
    --------
    >>> rounding_limits(89.0)
    (88.5, 89.5)
    >>> [round(limit, 5) for limit in rounding_limits(0.0573, "test_loss")]
    [0.05725, 0.0574]
    """
    unit = 10.0 ** -len(f"{printed:g}".partition(".")[2])
    return printed - unit / 2, printed + (unit if quantity.endswith("loss") else unit / 2)


def _claim(number: int, row: dict[str, Any]) -> Claim:
    numbers = map(float, row.pop("printed").split())
    printed = [rounding_limits(number, row["quantity"]) for number in numbers]
    ends = row.pop("low"), row.pop("high")
    return Claim(ranges=tuple(printed or [ends]), number=number, **row)


CLAIMS = tuple(_claim(*row) for row in enumerate(read_published("claims.csv"), start=1))


def claims_of(*sections: str) -> list[Claim]:
    """Return the claims whose section begins with one of the given names, such as "3".

    Examples
    --------
    >>> sorted({claim.section for claim in claims_of("3")})
    ['3.1a', '3.1b', '3.2a', '3.2b']
    """
    return [claim for claim in CLAIMS if claim.section.startswith(sections)]


# ---- the verdicts --------------------------------------------------------------------------------


def verdict(low: float, high: float, claim: Claim) -> str:
    """Judge a claim by an interval, according to :data:`RULE`.

    Parameters
    ----------
    low, high : float
        Ends of the interval: of the next run for a claim about one
        run, else of the mean.
    claim : Claim

    Returns
    -------
    str
        "reproduced", "not reproduced" or "undecided"; :func:`judge`
        knows when it is "no effect".

    Examples
    --------
    >>> claim = Claim("2", "84 points or more", "test_accuracy", "baseline", ((84, 100),))
    >>> verdict(84.1, 84.4, claim), verdict(83.0, 84.2, claim), verdict(82.0, 83.0, claim)
    ('reproduced', 'undecided', 'not reproduced')
    >>> claim = Claim("6", "89 %", "test_accuracy", "final", ((88.5, 89.5),), one_run=True)
    >>> verdict(89.4, 90.2, claim), verdict(89.6, 90.2, claim)
    ('reproduced', 'not reproduced')
    >>> verdict(-35.0, 155.0, claim)
    'undecided'
    """
    if any(high < lowest or low > highest for lowest, highest in claim.ranges):
        return "not reproduced"
    if claim.one_run:
        possible = 0 <= low <= high <= 100 or not claim.quantity.endswith("accuracy")
        return "reproduced" if possible and np.isfinite([low, high]).all() else "undecided"
    # strictly: two experiments with equal results in all seeds are
    # neither better nor worse
    if all(lowest < low and high < highest for lowest, highest in claim.ranges):
        return "reproduced"
    return "not reproduced" if low == high else "undecided"


def values_of(claim: Claim, *results: Results) -> pd.Series | None:
    """Return the values that a claim is about, one per seed; None if an experiment was not run.

    Each experiment is taken from the first of the results that has it.
    """
    values = []
    for name in filter(None, (claim.experiment, claim.minus)):
        having = [each for each in results if name in each.names]
        if not having:
            return None
        values.append(having[0].values(claim.quantity, name))
    return values[0].sub(*values[1:]).dropna() if claim.minus else values[0].dropna()


def judge(
    results: Results, gradients: Mapping[int, pd.DataFrame], claims: Iterable[Claim] = CLAIMS
) -> pd.DataFrame:
    """Judge all claims about the experiments of these results by :data:`RULE`.

    Parameters
    ----------
    results : Results
    gradients : dict of seed to DataFrame
        What :func:`gradient_checks` returned; the quantity is the
        largest difference. It may be empty.
    claims : iterable of Claim

    Returns
    -------
    DataFrame
        Columns number (of the claim among all of the paper's),
        section, kind, claim, quantity, experiment, minus, one_run,
        our_threshold, low, high (the claimed range), mean, ranges
        (all that must hold) and values (one per seed), both as text,
        inside (how far the mean lies inside the range, negative
        outside; of several the smallest), interval_low,
        interval_high, verdict, p (of the t-test against the nearest
        end of the range; for "no effect" that of equivalence; NaN
        without a test), note (why there is no test), p_holm
        (corrected for the number of these tests; source: Holm 1979,
        Scand. J. Statist. 6, 65) and corrected (the verdict by these:
        a claim that is rejected no more is "no longer rejected",
        another one that was decided "undecided").

    Examples
    --------
    >>> from kmnist_mlp import Config, run
    >>> results = run(Config(layer_specs=(784, 10), epochs=1), range(3), n_jobs=1, cache=False)
    >>> better = Claim("-", "One epoch beats guessing", "test_accuracy", "run 1", ((10, 100),))
    >>> judge(results, {}, [better])[["claim", "verdict"]]
                          claim     verdict
    0  One epoch beats guessing  reproduced
    """
    rows = []
    for claim in claims:
        if claim.quantity == "gradient_difference":
            values = [table.difference.max() for table in gradients.values()]
            if not values:
                continue
            # A bound on every check, not on a mean: the largest must
            # keep it.
            mean, low, high, p = float(np.mean(values)), min(values), max(values), np.nan
        else:
            values = values_of(claim, results)
            if values is None:
                continue
            mean, low, high = statistics.interval(values, claim.one_run)
            p = min(statistics.p_value(values, *ends, claim.one_run) for ends in claim.ranges)
        lowest, highest = np.min(claim.ranges), np.max(claim.ranges)
        is_accuracy = claim.quantity.endswith("accuracy")
        found = verdict(low, high, claim)
        note = claim.doubt
        if note:
            found, p = "undecided", np.nan
        elif low == high and mean in (lowest, highest):
            names = filter(None, (claim.experiment, claim.minus))
            both = [results.values(claim.quantity, name) for name in names]
            note, p = "equal in every seed", np.nan
            if is_accuracy and all((each == 100).all() for each in both):
                note += ": both at 100 %, a ceiling"
        elif found == "undecided" and is_accuracy and claim.minus:
            p_equivalent = statistics.equivalence_p(values, NO_DIFFERENCE)
            if p_equivalent < 0.05 and 0 in (lowest, highest):
                found, p = "no effect", p_equivalent
        ranges = "; ".join(f"{a:.6g} to {b:.6g}" for a, b in claim.ranges)
        shown = " ".join(f"{value:.7g}" for value in values)
        inside = min(min(mean - a, b - mean) for a, b in claim.ranges)
        stated = claim.number or len(rows) + 1, *(getattr(claim, n) for n in COLUMNS[1:9])
        computed = lowest, highest, mean, ranges, shown, inside, low, high, found, p, note
        rows.append(stated + computed)
    judged = pd.DataFrame(rows, columns=COLUMNS).rename(columns={"statement": "claim"})
    judged["p_holm"] = statistics.holm(judged.p)
    rejected = judged.verdict == "not reproduced"
    instead = np.where(rejected, "no longer rejected", "undecided")
    falls = (judged.p < 0.05) & (judged.p_holm >= 0.05)
    judged["corrected"] = judged.verdict.where(~falls, instead)
    judged.attrs["data_name"] = results.data_name
    return judged


def printed_outside(judged: pd.DataFrame) -> tuple[int, int, float]:
    """Return how many of the numbers printed for one run are contradicted, of how many decided.

    The third number is how many would be by chance if all were true:
    5 %. Several numbers for one measurement count as one.

    Examples
    --------
    >>> verdicts = ["not reproduced", "reproduced", "undecided", "not reproduced"]
    >>> printed_outside(pd.DataFrame({"verdict": verdicts, "one_run": [True, True, True, False]}))
    (1, 2, 0.1)
    """
    verdicts = judged.verdict[judged.one_run & (judged.verdict != "undecided")]
    return int((verdicts == "not reproduced").sum()), len(verdicts), 0.05 * len(verdicts)


def losses_above(results: Results) -> tuple[int, int, float]:
    """Return how many printed losses lie above our mean, of how many, and the sign test's p-value.

    The p-value is that of a fair coin, two-sided. Experiments that
    were not run do not count, and L1 of 0.000001, the same
    measurement as the baseline, not a second time.
    """
    from scipy.stats import binomtest  # only here, as it loads slowly

    printed = {n: entry.test_loss for n, entry in PAPER.items() if entry.test_loss}
    names = [n for n in results.names if n in printed and n != "l1_1e-6"]
    count = sum(bool(printed[n] > results.values("test_loss", n).mean()) for n in names)
    return count, len(names), float(binomtest(count, len(names)).pvalue)
