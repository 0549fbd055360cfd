"""The paper's claims as data; verdicts.py judges them.

A claim is a number that the paper prints for one run, or a range for a quantity of an experiment or
for the difference of two experiments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import inf

from kmnist_mlp.experiments.paper import PAPER


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
    kind : str
        One of :data:`KINDS`. Verdicts are counted for each kind.
    doubt : str
        Why the quantity cannot decide the claim; empty if it can.

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
    kind: str = "mechanism"
    doubt: str = ""

    @property
    def one_run(self) -> bool:
        """Whether the claim is a number that the paper prints for one run."""
        return bool(self.runs)

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """The ranges that must hold, all of them."""
        return self.runs or ((self.low, self.high),)

    @property
    def our_threshold(self) -> bool:
        """Whether an end of the range is a number that we chose for a word of the paper."""
        return any(abs(end) in THRESHOLDS for end in (self.low, self.high))


# ---- the claims ----------------------------------------------------------------------------------

KINDS = ("printed accuracy", "printed loss", "comparison", "mechanism")
# Where the paper uses words, these are the numbers that we judge them by: our choice.
NO_MATTER = 0.5  # percentage points: a smaller difference is "no difference"
MUCH = 1.0  # percentage points: at least this is "much better"
FAILS = 5.0  # percentage points that are lost: no "satisfying accuracy"
SETTLED = 0.05  # a loss that fluctuates by more than this share of it has not settled
MANY = 0.5  # share of the weights that are driven to zero
ABOUT_25 = (22.5, 27.5)  # epochs
THRESHOLDS = {NO_MATTER, MUCH, FAILS, SETTLED, 100 * MANY, *ABOUT_25}


def rounding_limits(printed: float, quantity: str = "test_accuracy") -> tuple[float, float]:
    """Return the limits of what may stand behind a printed number.

    An accuracy is rounded to nearest. A loss may have been rounded or truncated, and its limits
    hold both: the notebook of the paper's authors shows the digits behind five of them, and .05737
    is printed as .0573, .06985 as .0698. (.06159 is printed as .0618, which is neither.) Source:
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


def of_one_run(
    section: str, statement: str, quantity: str, experiment: str, *runs: tuple[float, float]
) -> Claim:
    """Return the claim that single runs had results between these limits, one pair for each."""
    low, high = min(low for low, _ in runs), max(high for _, high in runs)
    kind = f"printed {quantity.removeprefix('test_')}"
    kind = kind if kind in KINDS else "mechanism"
    return Claim(section, statement, quantity, experiment, low, high, runs=runs, kind=kind)


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
            runs = (rounding_limits(number, quantity) for number in numbers)
            claims.append(of_one_run(entry.section, statement, quantity, name, *runs))
    return claims


def _compare(
    section: str, statement: str, experiment: str, minus: str, low: float = -inf, high: float = inf,
    quantity: str = "test_accuracy", kind: str = "comparison",
) -> Claim:  # fmt: skip
    return Claim(section, statement, quantity, experiment, low, high, minus, kind=kind)


_explain = partial(_compare, kind="mechanism")
_CURVATURE = (
    "the fluctuation of runs that stop early contains the curvature of a loss that still falls"
)

_LIKE_BASELINE = PAPER["l1_1e-6"]  # the same results as the baseline in every printed digit

# Going through the paper sentence by sentence. "abstract" to "6" are its sections.
CLAIMS: tuple[Claim, ...] = (
    _compare("abstract", "The network is better than its linear counterpart",
             "baseline", "linear", low=0),
    _compare("abstract", "Momentum helps accuracy", "baseline", "no_momentum", low=0),
    _compare("abstract", "Normalisation helps accuracy: each pixel standardised, against raw "
             "pixels (not against pixels divided by 255)", "baseline", "no_standardisation", low=0),
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
               "baseline", ABOUT_25),
    _explain("2.2b", "Early stopping avoids overfitting: a lower test loss than after 100 epochs",
             "baseline", "baseline_100_epochs", high=0, quantity="test_loss"),
    *_printed("baseline", " (and with L1 0.000001)", {
        "test_accuracy": (_LIKE_BASELINE.test_accuracy,),
        "test_loss": (_LIKE_BASELINE.test_loss,),
    }),
    *_printed("l2_0.2"),
    *_printed("starter"),
    _compare("3.1a", "L2 penalty 0.2 generalises better than no penalty",
             "l2_0.2", "baseline", low=0),
    _explain("3.1a", "L2 penalty 0.2 overfits less: training minus validation accuracy is smaller",
             "l2_0.2", "baseline", high=0, quantity="generalisation_gap"),
    _compare("3.1a", "\"Any kind\" of penalty generalises better than none: L1 0.001",
             "l1_1e-3", "baseline", low=0),
    *_printed("l2_1e-3"),
    _compare("3.1b", "L2 penalty 0.001 is worse than 0.2", "l2_1e-3", "l2_0.2", high=0),
    _compare("3.1b", "L2 penalty 0.001 is too small to matter (within 0.5 points of none)",
             "l2_1e-3", "baseline", -NO_MATTER, NO_MATTER),
    _compare("3.1b", "L2 penalty 0.5 is worse than 0.2", "l2_0.5", "l2_0.2", high=0),
    _compare("3.1b", "L2 penalty 0.5 is \"even worse\": worse than 0.001", "l2_0.5", "l2_1e-3",
             high=0),
    Claim("3.1b", "L2 penalty 0.5 disrupts learning (the loss fluctuates by 5 % or more)",
          "late_fluctuation", "l2_0.5", low=SETTLED, doubt=_CURVATURE),
    _compare("3.2a", "L1 (0.000001) is not as good as L2 (0.2)", "l1_1e-6", "l2_0.2",
             high=0),
    _explain("3.2a", "The reason might be: L1 0.001 drives half of the weights to zero",
             "l1_1e-3", "baseline", low=100 * MANY, quantity="small_weight_share"),
    _explain("3.2a", "L1 0.2 (our choice): half of the weights more driven to zero than by L2 0.2",
             "l1_0.2", "l2_0.2", low=100 * MANY, quantity="small_weight_share"),
    *_printed("l1_1e-3"),
    _compare("3.2b", "A small L1 penalty hardly matters: 0.001 within 0.5 points of 0.000001",
             "l1_1e-3", "l1_1e-6", -NO_MATTER, NO_MATTER),
    Claim("3.2b", "L1 penalty 0.2 does not converge (the loss fluctuates by 5 % or more)",
          "late_fluctuation", "l1_0.2", low=SETTLED, doubt=_CURVATURE),
    _compare("3.2b", "L1 penalty 0.2 loses accuracy (5 points or more)", "l1_0.2",
             "baseline", high=-FAILS),
    *_printed("sigmoid"),
    _compare("4.1", "Sigmoid is not recommended: worse than tanh", "sigmoid", "baseline", high=0),
    *_printed("relu"),
    Claim("4.3", "With tanh, accuracy is about 84 % on average (83.5 to 84.5)", "test_accuracy",
          "baseline", *rounding_limits(84.0), kind="printed accuracy"),
    _compare("4.3", "ReLU is much better than tanh (1 point or more)",
             "relu", "baseline", low=MUCH),
    _compare("4.3", "ReLU is much better than sigmoid (1 point or more)",
             "relu", "sigmoid", low=MUCH),
    *_printed("hidden_256"),
    _compare("5.1a", "256 hidden units are better than 128", "hidden_256", "baseline", low=0),
    _explain("5.1a", "256 hidden units have less bias: better training accuracy at the kept epoch",
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
