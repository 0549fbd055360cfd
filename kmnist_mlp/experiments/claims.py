"""The paper's claims as data, and the one rule by which they are judged: :data:`RULE`.

A claim is a range for a quantity of one experiment, or for the difference of two experiments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval


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
        A column of the results: "test_accuracy" or another accuracy (in percentage points here),
        "generalisation_gap" (training minus validation), "test_loss", "stopped_epoch"; or
        "gradient_difference".
    experiment : str
        The experiment whose quantity it is.
    low, high : float
        The claim is true if the quantity lies between them.
    minus : str or None
        If there is one, the claim is about the difference to this experiment, seed by seed.

    Examples
    --------
    >>> claim = next(claim for claim in CLAIMS if claim.minus == "linear")
    >>> print(claim.statement, claim.quantity, claim.experiment, claim.minus, claim.low, sep="; ")
    The network is better than its linear counterpart; test_accuracy; baseline; linear; 0
    """

    section: str
    statement: str
    quantity: str
    experiment: str
    low: float = -inf
    high: float = inf
    minus: str | None = None


# ---- the claims ----------------------------------------------------------------------------------

ACCURACY_MARGIN = 1.0  # percentage points: a published accuracy holds if ours is as near as this
LOSS_MARGIN = 0.005  # the same for a reported loss
NO_MATTER = 0.5  # percentage points: a smaller difference is "no difference"
MUCH = 1.0  # percentage points: at least this is "much better"
FAILS = 5.0  # percentage points below the baseline: "does not converge", "hard to converge"


def _published_values(name: str) -> list[Claim]:
    """Claims that an experiment reaches the published accuracy and loss."""
    entry = PAPER[name]
    accuracy, loss = entry.test_accuracy, entry.test_loss
    claims = []
    if accuracy is not None:
        claims.append(
            Claim(
                entry.section,
                f"{entry.title}: test accuracy {accuracy:g} %",
                "test_accuracy",
                name,
                accuracy - ACCURACY_MARGIN,
                accuracy + ACCURACY_MARGIN,
            )
        )
    if loss is not None:
        claims.append(
            Claim(
                entry.section,
                f"{entry.title}: test loss {loss:g}",
                "test_loss",
                name,
                loss - LOSS_MARGIN,
                loss + LOSS_MARGIN,
            )
        )
    return claims


def _compare(
    section: str, statement: str, experiment: str, minus: str, low: float = -inf, high: float = inf,
    quantity: str = "test_accuracy",
) -> Claim:  # fmt: skip
    return Claim(section, statement, quantity, experiment, low, high, minus)


# Going through the paper sentence by sentence. "abstract" to "6" are its sections.
CLAIMS: tuple[Claim, ...] = (
    _compare("abstract", "The network is better than its linear counterpart",
             "baseline", "linear", low=0),
    _compare("abstract", "Momentum helps accuracy", "baseline", "no_momentum", low=0),
    Claim("1", "All gradient differences are at most 0.0001", "gradient_difference", "gradients",
          high=1e-4),
    _compare("2.2a", "Learning rate 0.0005 trains to a better training accuracy than 0.005",
             "baseline", "learning_rate_0.005", low=0, quantity="training_accuracy"),
    _compare("2.2a", "Learning rate 0.0005 trains to a better validation accuracy than 0.005",
             "baseline", "learning_rate_0.005", low=0, quantity="validation_accuracy"),
    _compare("2.2a", "Learning rate 0.5 is too large: 5 points or more are lost",
             "learning_rate_0.5", "baseline", high=-FAILS),
    Claim("2.2b", "The baseline stops early at about epoch 25 (20 to 30)", "stopped_epoch",
          "baseline", 20, 30),
    _compare("2.2b", "Early stopping avoids overfitting: a lower test loss than after 100 epochs",
             "baseline", "baseline_100_epochs", high=0, quantity="test_loss"),
    *_published_values("baseline"),
    *_published_values("l2_0.2"),
    Claim("3.1a", "The default setting: test accuracy 84.01 %", "test_accuracy", "baseline",
          84.01 - ACCURACY_MARGIN, 84.01 + ACCURACY_MARGIN),
    _compare("3.1a", "L2 penalty 0.2 generalises better than no penalty",
             "l2_0.2", "baseline", low=0),
    _compare("3.1a", "L2 penalty 0.2 overfits less: training minus validation accuracy is smaller",
             "l2_0.2", "baseline", high=0, quantity="generalisation_gap"),
    _compare("3.1a", "\"Any kind\" of penalty does: L1 0.001 too", "l1_1e-3", "baseline", low=0),
    *_published_values("l2_1e-3"),
    _compare("3.1b", "L2 penalty 0.001 is worse than 0.2", "l2_1e-3", "l2_0.2", high=0),
    _compare("3.1b", "L2 penalty 0.001 is too small to matter (within 0.5 points of none)",
             "l2_1e-3", "baseline", -NO_MATTER, NO_MATTER),
    _compare("3.1b", "L2 penalty 0.5 is worse than 0.2", "l2_0.5", "l2_0.2", high=0),
    _compare("3.1b", "L2 penalty 0.5 is \"even worse\": worse than 0.001", "l2_0.5", "l2_1e-3",
             high=0),
    *_published_values("l1_1e-6"),
    *_published_values("l1_1e-3"),
    _compare("3.2a", "L1 (0.001) is not as good as L2 (0.2)", "l1_1e-3", "l2_0.2",
             high=0),
    _compare("3.2b", "A small L1 penalty hardly matters: 0.001 within 0.5 points of 0.000001",
             "l1_1e-3", "l1_1e-6", -NO_MATTER, NO_MATTER),
    _compare("3.2b", "L1 penalty 0.2 fails to converge: 5 points or more are lost", "l1_0.2",
             "baseline", high=-FAILS),
    *_published_values("sigmoid"),
    _compare("4.1", "Sigmoid is not recommended: worse than tanh", "sigmoid", "baseline", high=0),
    *_published_values("relu"),
    _compare("4.3", "ReLU is much better than tanh (1 point or more)",
             "relu", "baseline", low=MUCH),
    _compare("4.3", "ReLU is much better than sigmoid (1 point or more)",
             "relu", "sigmoid", low=MUCH),
    *_published_values("hidden_256"),
    _compare("5.1a", "256 hidden units are better than 128", "hidden_256", "baseline", low=0),
    _compare("5.1a", "256 hidden units have less bias: a better training accuracy than 128",
             "hidden_256", "baseline", low=0, quantity="training_accuracy"),
    *_published_values("hidden_64"),
    _compare("5.1b", "64 hidden units are worse than 128", "hidden_64", "baseline", high=0),
    *_published_values("two_hidden_layers"),
    _compare("5.2", "Two layers of 64 units are worse than one of 128", "two_hidden_layers",
             "baseline", high=0),
    *_published_values("final"),
    _compare("6", "The final model is much better than the default (3 points or more)", "final",
             "baseline", low=3.0),
)  # fmt: skip


def claims_of(*sections: str) -> list[Claim]:
    """Return the claims whose section begins with one of the given names, such as "3".

    Examples
    --------
    >>> sorted({claim.section for claim in claims_of("3")})
    ['3.1a', '3.1b', '3.2a', '3.2b']
    """
    return [claim for claim in CLAIMS if claim.section.startswith(sections)]


# ---- judging them --------------------------------------------------------------------------------

RULE = (
    "A claim is a range for a quantity, or for the difference of two experiments seed by seed. If "
    "the 95 % confidence interval of our mean over the seeds (Student's t) lies inside the range, "
    "the claim is reproduced; if it lies wholly outside, not reproduced; else undecided. A "
    "published accuracy holds within 1 percentage point, a published loss within 0.005. The bound "
    "on the gradient check must hold in every seed: there, the interval is the range over seeds."
)


def verdict(low: float, high: float, claim: Claim) -> str:
    """Judge a claim by a confidence interval, according to :data:`RULE`.

    Parameters
    ----------
    low, high : float
        Ends of the interval.
    claim : Claim

    Returns
    -------
    str
        "reproduced" if the interval lies inside the claimed range, "not reproduced" if it lies
        outside, else "undecided".

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
    """Judge all claims about the experiments of these results by :data:`RULE`.

    Parameters
    ----------
    results : Results
    gradients : dict of seed to DataFrame
        What :func:`gradient_checks` returned; the quantity is the largest difference. It may be
        empty.
    claims : iterable of Claim

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
