"""The paper's claims as data, and the one rule by which they are judged: :data:`RULE`.

A claim is a number that the paper prints for one run, or a range for a quantity of an experiment or
for the difference of two experiments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import holm, interval, p_value, prediction_interval


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
        "generalisation_gap" (training minus validation), "test_loss", "stopped_epoch", ...; or
        "gradient_difference".
    experiment : str
        The experiment whose quantity it is.
    low, high : float
        The claim is true if the quantity lies between them.
    minus : str or None
        If there is one, the claim is about the difference to this experiment, seed by seed.
    runs : tuple of (float, float)
        For numbers that the paper prints as results of single runs: the limits between which each
        of them was rounded. They are compared with a further run of ours, not with our mean;
        ``low`` and ``high`` enclose them all.

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
    runs: tuple[tuple[float, float], ...] = ()

    @property
    def one_run(self) -> bool:
        """Whether the claim is a number that the paper prints for one run."""
        return bool(self.runs)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """The ranges that must hold, all of them."""
        return self.runs or ((self.low, self.high),)


# ---- the claims ----------------------------------------------------------------------------------

# Where the paper uses words, these are the numbers that we judge them by: our choice.
NO_MATTER = 0.5  # percentage points: a smaller difference is "no difference"
MUCH = 1.0  # percentage points: at least this is "much better"
FAILS = 5.0  # percentage points that are lost: no "satisfying accuracy"
SETTLED = 0.05  # a loss that fluctuates by more than this share of it has not settled
MANY = 0.5  # share of the weights that are driven to zero


def rounding_limits(printed: float) -> tuple[float, float]:
    """Return the limits of what was rounded to a printed number.

    Examples
    --------
    >>> rounding_limits(89.0), [round(limit, 4) for limit in rounding_limits(0.064)]
    ((88.5, 89.5), [0.0635, 0.0645])
    """
    half = 0.5 * 10.0 ** -len(f"{printed:g}".partition(".")[2])
    return printed - half, printed + half


def of_one_run(
    section: str, statement: str, quantity: str, experiment: str, *runs: tuple[float, float]
) -> Claim:
    """Return the claim that single runs had results between these limits, one pair for each."""
    low, high = min(low for low, _ in runs), max(high for _, high in runs)
    return Claim(section, statement, quantity, experiment, low, high, runs=runs)


def _printed(name: str, others: str = "", also: Mapping[str, tuple] | None = None) -> list[Claim]:
    """Claims that an experiment has the printed accuracy and loss; ``also`` further numbers."""
    entry, claims = PAPER[name], []
    for quantity, label, unit in (("test_accuracy", "accuracy", " %"), ("test_loss", "loss", "")):
        value = getattr(entry, quantity)
        if value is not None:
            numbers = (value, *(also or {}).get(quantity, ()))
            text = ", ".join(f"{number:g}" for number in numbers)
            title = entry.title[0].upper() + entry.title[1:]
            statement = f"{title}{others}: test {label} {text}{unit}"
            runs = map(rounding_limits, numbers)
            claims.append(of_one_run(entry.section, statement, quantity, name, *runs))
    return claims


def _compare(
    section: str, statement: str, experiment: str, minus: str, low: float = -inf, high: float = inf,
    quantity: str = "test_accuracy",
) -> Claim:  # fmt: skip
    return Claim(section, statement, quantity, experiment, low, high, minus)


_LIKE_BASELINE = PAPER["l1_1e-6"]  # the same results as the baseline in every printed digit

# Going through the paper sentence by sentence. "abstract" to "6" are its sections.
CLAIMS: tuple[Claim, ...] = (
    _compare("abstract", "The network is better than its linear counterpart",
             "baseline", "linear", low=0),
    _compare("abstract", "Momentum helps accuracy", "baseline", "no_momentum", low=0),
    _compare("abstract", "Normalisation helps accuracy: each pixel standardised, not over 255",
             "baseline", "no_standardisation", low=0),
    Claim("1", "All gradient differences are at most 0.0001", "gradient_difference", "gradients",
          high=1e-4),
    _compare("2.2a", "Learning rate 0.0005 trains to a better training accuracy than 0.005",
             "baseline_100_epochs", "learning_rate_0.005", low=0, quantity="training_accuracy"),
    _compare("2.2a", "Learning rate 0.0005 trains to a better validation accuracy than 0.005",
             "baseline_100_epochs", "learning_rate_0.005", low=0, quantity="validation_accuracy"),
    _compare("2.2a", "Learning rate 0.5: no satisfying accuracy (5 points or more below 0.0005)",
             "learning_rate_0.5", "baseline_100_epochs", high=-FAILS,
             quantity="validation_accuracy"),
    Claim("2.2a", "Learning rate 0.5: hard to converge (the loss fluctuates by 5 % or more)",
          "late_fluctuation", "learning_rate_0.5", low=SETTLED),
    of_one_run("2.2b", "The baseline stops early at about epoch 25 (23 to 27)", "stopped_epoch",
               "baseline", (22.5, 27.5)),
    _compare("2.2b", "Early stopping avoids overfitting: a lower test loss than after 100 epochs",
             "baseline", "baseline_100_epochs", high=0, quantity="test_loss"),
    # 84.01 % is what section 3.1 prints for the same setting
    *_printed("baseline", " (and with L1 0.000001)", {
        "test_accuracy": (84.01, _LIKE_BASELINE.test_accuracy),
        "test_loss": (_LIKE_BASELINE.test_loss,),
    }),
    *_printed("l2_0.2"),
    _compare("3.1a", "L2 penalty 0.2 generalises better than no penalty",
             "l2_0.2", "baseline", low=0),
    _compare("3.1a", "L2 penalty 0.2 overfits less: training minus validation accuracy is smaller",
             "l2_0.2", "baseline", high=0, quantity="generalisation_gap"),
    _compare("3.1a", "\"Any kind\" of penalty does: L1 0.001 too", "l1_1e-3", "baseline", low=0),
    *_printed("l2_1e-3"),
    _compare("3.1b", "L2 penalty 0.001 is worse than 0.2", "l2_1e-3", "l2_0.2", high=0),
    _compare("3.1b", "L2 penalty 0.001 is too small to matter (within 0.5 points of none)",
             "l2_1e-3", "baseline", -NO_MATTER, NO_MATTER),
    _compare("3.1b", "L2 penalty 0.5 is worse than 0.2", "l2_0.5", "l2_0.2", high=0),
    _compare("3.1b", "L2 penalty 0.5 is \"even worse\": worse than 0.001", "l2_0.5", "l2_1e-3",
             high=0),
    Claim("3.1b", "L2 penalty 0.5 disrupts learning (the loss fluctuates by 5 % or more)",
          "late_fluctuation", "l2_0.5", low=SETTLED),
    _compare("3.2a", "L1 (0.000001) is not as good as L2 (0.2)", "l1_1e-6", "l2_0.2",
             high=0),
    _compare("3.2a", "The reason might be: L1 0.001 drives half of the weights to zero",
             "l1_1e-3", "baseline", low=100 * MANY, quantity="small_weight_share"),
    _compare("3.2a", "The same with 0.2 (our choice): half of the weights more than with L2",
             "l1_0.2", "l2_0.2", low=100 * MANY, quantity="small_weight_share"),
    *_printed("l1_1e-3"),
    _compare("3.2b", "A small L1 penalty hardly matters: 0.001 within 0.5 points of 0.000001",
             "l1_1e-3", "l1_1e-6", -NO_MATTER, NO_MATTER),
    Claim("3.2b", "L1 penalty 0.2 does not converge (the loss fluctuates by 5 % or more)",
          "late_fluctuation", "l1_0.2", low=SETTLED),
    _compare("3.2b", "The same, as loss of accuracy (our reading: 5 points or more)", "l1_0.2",
             "baseline", high=-FAILS),
    *_printed("sigmoid"),
    _compare("4.1", "Sigmoid is not recommended: worse than tanh", "sigmoid", "baseline", high=0),
    *_printed("relu"),
    _compare("4.3", "ReLU is much better than tanh (1 point or more)",
             "relu", "baseline", low=MUCH),
    _compare("4.3", "ReLU is much better than sigmoid (1 point or more)",
             "relu", "sigmoid", low=MUCH),
    *_printed("hidden_256"),
    _compare("5.1a", "256 hidden units are better than 128", "hidden_256", "baseline", low=0),
    _compare("5.1a", "256 hidden units have less bias: better training accuracy at the kept epoch",
             "hidden_256", "baseline", low=0, quantity="training_accuracy"),
    *_printed("hidden_64"),
    _compare("5.1b", "64 hidden units are worse than 128", "hidden_64", "baseline", high=0),
    *_printed("two_hidden_layers"),
    _compare("5.2", "Two layers of 64 units are worse than one of 128", "two_hidden_layers",
             "baseline", high=0),
    *_printed("final"),
    _compare("6", "The final model is much better than the default (1 point or more)", "final",
             "baseline", low=MUCH),
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
    "A number that the paper prints is the result of one run. It is reproduced if it could be one "
    "more run of ours: if it lies, as exactly as it is printed (89 % is 88.5 to 89.5), in the 95 % "
    "prediction interval of our seeds, mean ± t s √(1 + 1/n). Where the paper prints several "
    "numbers for what is one measurement here, all of them must. So such a number is reproduced if "
    "our runs do not contradict it, and the more they scatter, the easier that is. All other "
    "claims are a range for a mean, or for the mean difference of two experiments with the same "
    "seeds. If its 95 % confidence interval lies inside the range, the claim is reproduced; if it "
    "lies wholly outside, not reproduced; else undecided. The bound on the gradient check must "
    "hold in every seed: there, the interval is the range over seeds."
)


def verdict(low: float, high: float, claim: Claim) -> str:
    """Judge a claim by an interval, according to :data:`RULE`.

    Parameters
    ----------
    low, high : float
        Ends of the interval: of the next run for a claim about one run, else of the mean.
    claim : Claim

    Returns
    -------
    str
        "reproduced", "not reproduced" or "undecided".

    Examples
    --------
    >>> claim = Claim("2", "84 points or more", "test_accuracy", "baseline", low=84)
    >>> verdict(84.1, 84.4, claim), verdict(83.0, 84.2, claim), verdict(82.0, 83.0, claim)
    ('reproduced', 'undecided', 'not reproduced')
    >>> claim = of_one_run("6", "89 %", "test_accuracy", "final", (88.5, 89.5))
    >>> verdict(89.4, 90.2, claim), verdict(89.6, 90.2, claim)
    ('reproduced', 'not reproduced')
    """
    if any(high < lowest or low > highest for lowest, highest in claim.ranges):
        return "not reproduced"
    inside = claim.low <= low and high <= claim.high
    if inside or (claim.one_run and np.isfinite([low, high]).all()):
        return "reproduced"
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
        Columns section, claim, quantity, experiment, minus, one_run, low, high (the claimed range),
        mean, inside (how far the mean lies inside the range, negative outside; of several the
        smallest), interval_low, interval_high, verdict, p (of the t-test against the nearest end of
        the range), p_holm (corrected for the number of these tests; source: Holm 1979, Scand. J.
        Statist. 6, 65) and corrected (the verdict by these: a printed number that is no longer
        rejected counts as reproduced, any other claim as undecided).

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
            mean, low, high, p = float(np.mean(values)), min(values), max(values), np.nan
        else:
            if not {claim.experiment, claim.minus} - {None} <= set(results.names):
                continue
            values = results.values(claim.quantity, claim.experiment)
            if claim.minus:
                values = values - results.values(claim.quantity, claim.minus)
            mean, low, high = (prediction_interval if claim.one_run else interval)(values)
            p = min(p_value(values, *limits, claim.one_run) for limits in claim.ranges)
        rows.append(
            {
                "section": claim.section,
                "claim": claim.statement,
                "quantity": claim.quantity,
                "experiment": claim.experiment,
                "minus": claim.minus or "",
                "one_run": claim.one_run,
                "low": claim.low,
                "high": claim.high,
                "mean": mean,
                "inside": min(min(mean - a, b - mean) for a, b in claim.ranges),
                "interval_low": low,
                "interval_high": high,
                "verdict": verdict(low, high, claim),
                "p": p,
            }
        )
    judged = pd.DataFrame(rows)
    if rows:
        judged["p_holm"] = holm(judged.p)
        instead = np.where(judged.one_run, "reproduced", "undecided")
        falls = (judged.p < 0.05) & (judged.p_holm >= 0.05)
        judged["corrected"] = judged.verdict.where(~falls, instead)
    judged.attrs["data_name"] = results.data_name
    return judged


def losses_above(results: Results) -> tuple[int, int, float]:
    """Return how many printed losses lie above our mean, of how many, and the sign test's p-value.

    The p-value is that of a fair coin, two-sided. Experiments that were not run do not count, and
    L1 of 0.000001, the same measurement as the baseline, not a second time.
    """
    from scipy.stats import binomtest  # only here, as it loads slowly

    above = [
        PAPER[name].test_loss > results.values("test_loss", name).mean()
        for name in results.names
        if name in PAPER and PAPER[name].test_loss is not None and name != "l1_1e-6"
    ]
    count = int(sum(above))
    return count, len(above), float(binomtest(count, len(above)).pvalue)
