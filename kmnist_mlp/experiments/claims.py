"""The paper's claims, judged by one rule: :data:`RULE`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.paper import CLAIMS, Claim
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval

RULE = (
    "A claim is a range for a quantity, or for the difference of two experiments seed by seed. If "
    "the 95 % confidence interval of our mean over the seeds (Student's t) lies inside the range, "
    "the claim is reproduced; if it lies wholly outside, not reproduced; else undecided. A "
    "published accuracy holds within 1 percentage point, a published loss within 0.005. The bound "
    "on the gradient check must hold in every seed: there, the interval is the range over seeds."
)


def verdict(low: float, high: float, claim: Claim) -> str:
    """Judge an interval: inside the claimed range reproduced, outside not, across undecided.

    Examples
    --------
    >>> claim = Claim("2", "test accuracy 84.5 %", "test_accuracy", "baseline", 83.5, 85.5)
    >>> verdict(83.9, 84.4, claim), verdict(83.0, 84.0, claim), verdict(82.0, 83.0, claim)
    ('reproduced', 'undecided', 'not reproduced')
    """
    if claim.low <= low and high <= claim.high:
        return "reproduced"
    if high < claim.low or low > claim.high:
        return "not reproduced"
    return "undecided"


def judge(
    results: Results, gradients: Mapping[int, pd.DataFrame], claims: Iterable[Claim] = CLAIMS
) -> pd.DataFrame:
    """Judge every claim that these results speak of by :data:`RULE`.

    Parameters
    ----------
    results : Results
    gradients : dict of seed to DataFrame
        What :func:`check_paper_patterns` gave; the quantity is the largest difference.

    Returns
    -------
    DataFrame
        Columns section, claim, quantity, experiment, minus, low, high (the claimed range), mean,
        ci_low, ci_high, verdict.

    Examples
    --------
    >>> from kmnist_mlp import Config, run
    >>> results = run(Config(layer_specs=(784, 10), epochs=1), range(3), n_jobs=1, cache=False)
    >>> better = Claim("-", "One epoch beats guessing", "test_accuracy", "run 1", low=10)
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
            # A bound on every check, not on a mean: the largest must keep it.
            mean, low, high = float(np.mean(values)), min(values), max(values)
        else:
            if not {claim.experiment, claim.minus} - {None} <= set(results.names):
                continue
            values = results.values(claim.quantity, claim.experiment)
            if claim.minus:
                values = values - results.values(claim.quantity, claim.minus)
            mean, low, high = interval(values)
        rows.append(
            {
                "section": claim.section,
                "claim": claim.statement,
                "quantity": claim.quantity,
                "experiment": claim.experiment,
                "minus": claim.minus or "",
                "low": claim.low,
                "high": claim.high,
                "mean": mean,
                "ci_low": low,
                "ci_high": high,
                "verdict": verdict(low, high, claim),
            }
        )
    judged = pd.DataFrame(rows)
    judged.attrs["data_name"] = results.data_name
    return judged
