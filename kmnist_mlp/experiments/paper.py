"""The published report as data: its configurations, its numbers and its claims.

The numbers stand in ``published/*.csv``. A claim is a quantity (of one experiment, or the
difference of two) with the range in which the paper says it lies; experiments.py judges it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from math import inf
from typing import Any

from kmnist_mlp.config import Config

ACCURACY_MARGIN = 1.0  # percentage points: a published accuracy holds if ours is as near as this
LOSS_MARGIN = 0.005  # the same for a reported loss
NO_MATTER = 0.5  # percentage points: a smaller difference is "no difference"
MUCH = 1.0  # percentage points: at least this is "much better"
FAILS = 5.0  # percentage points below the baseline: "does not converge", "hard to converge"


def _read(name: str) -> list[dict[str, str]]:
    text = files("kmnist_mlp.experiments").joinpath("published", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _number(text: str) -> float | None:
    return float(text) if text else None


@dataclass(frozen=True)
class Published:
    """One experiment of the paper.

    Attributes
    ----------
    name : str
        Its id in ``published_results.csv``; ours for what the paper mentions without a number.
    title : str
        For tables, figures and captions.
    config : Config
    section : str
        Of the paper.
    figures : tuple of int
        The numbers of its loss and accuracy figures; empty if it has none.
    test_loss : float or None
        Reported loss.
    test_accuracy : float or None
        In per cent.

    Examples
    --------
    >>> final = PAPER["final"]
    >>> final.test_accuracy, final.config.layer_specs, final.config.activation
    (89.0, (784, 256, 256, 10), 'ReLU')
    """

    name: str
    title: str
    config: Config
    section: str
    figures: tuple[int, ...] = ()
    test_loss: float | None = None
    test_accuracy: float | None = None


TITLES = {
    "baseline_100_epochs": "baseline, 100 epochs",
    "baseline": "baseline, early stopping",
    "learning_rate_0.005": "learning rate 0.005",
    "learning_rate_0.5": "learning rate 0.5",
    "l2_0.2": "L2 penalty 0.2",
    "l2_1e-3": "L2 penalty 0.001",
    "l2_0.5": "L2 penalty 0.5",
    "l1_1e-6": "L1 penalty 0.000001",
    "l1_1e-3": "L1 penalty 0.001",
    "l1_0.2": "L1 penalty 0.2",
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "hidden_256": "256 hidden units",
    "hidden_64": "64 hidden units",
    "two_hidden_layers": "two layers of 64 units",
    "final": "final model",
}


def _published(row: dict[str, str]) -> Published:
    config = Config.from_dict(
        {
            "layer_specs": [int(size) for size in row["layer_specs"].split("-")],
            "activation": row["activation"],
            "learning_rate": float(row["learning_rate"]),
            "batch_size": int(row["batch_size"]),
            "epochs": int(row["epochs"]),
            "early_stop": row["early_stop"] == "True",
            "early_stop_epoch": int(row["patience"] or 5),
            "L1_penalty": float(row["L1_penalty"]),
            "L2_penalty": float(row["L2_penalty"]),
        }
    )
    return Published(
        row["id"],
        TITLES[row["id"]],
        config,
        row["section"],
        tuple(int(number) for number in row["figures"].split("-") if number),
        _number(row["test_loss"]),
        _number(row["test_accuracy_percent"]),
    )


# Two more runs that the abstract speaks of without printing a number: momentum is said to help,
# and the network to be far better than its linear counterpart.
_UNPUBLISHED = (
    Published("no_momentum", "without momentum", Config(momentum=False), "abstract"),
    Published("linear", "linear softmax", Config(layer_specs=(784, 10)), "abstract"),
)
PAPER: dict[str, Published] = {
    published.name: published
    for published in (*map(_published, _read("published_results.csv")), *_UNPUBLISHED)
}
EXPERIMENTS: dict[str, Config] = {name: entry.config for name, entry in PAPER.items()}


def published_gradients() -> list[dict[str, Any]]:
    """Return the eighteen rows of the paper's Tables 1 to 3, numbers as float.

    Examples
    --------
    >>> rows = published_gradients()
    >>> len(rows), rows[0]["weight"], max(row["difference"] for row in rows) < 1e-4
    (18, 'output bias', True)
    """
    numbers = ("approximated_gradient", "actual_gradient", "difference")
    return [
        {**row, **{name: float(row[name]) for name in numbers}}
        for row in _read("published_gradients.csv")
    ]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper: a quantity and the range in which it would be true.

    Attributes
    ----------
    section : str
        Where the paper says it.
    statement : str
        What it says, in our words.
    quantity : str
        A column of the results: "test_accuracy" or another accuracy (in percentage points here),
        "excess_accuracy" (training minus validation), "test_loss", "stopped_epoch"; or
        "gradient_difference".
    experiment : str
        Whose quantity; with ``minus`` the difference to that other experiment, seed by seed.
    low, high : float
        The claim is true if the quantity lies between them.

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


def _values(name: str) -> list[Claim]:
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


def _than(
    section: str, statement: str, experiment: str, minus: str, low: float = -inf, high: float = inf,
    quantity: str = "test_accuracy",
) -> Claim:  # fmt: skip
    return Claim(section, statement, quantity, experiment, low, high, minus)


# Going through the paper sentence by sentence. "abstract" to "6" are its sections.
CLAIMS: tuple[Claim, ...] = (
    _than("abstract", "The network is better than its linear counterpart",
          "baseline", "linear", low=0),
    _than("abstract", "Momentum helps accuracy", "baseline", "no_momentum", low=0),
    Claim("1", "All gradient differences are at most 0.0001", "gradient_difference", "gradients",
          high=1e-4),
    _than("2.2a", "Learning rate 0.0005 trains to a better training accuracy than 0.005",
          "baseline", "learning_rate_0.005", low=0, quantity="training_accuracy"),
    _than("2.2a", "Learning rate 0.0005 trains to a better validation accuracy than 0.005",
          "baseline", "learning_rate_0.005", low=0, quantity="validation_accuracy"),
    _than("2.2a", "Learning rate 0.5 is too large: 5 points or more are lost",
          "learning_rate_0.5", "baseline", high=-FAILS),
    Claim("2.2b", "The baseline stops early at about epoch 25 (20 to 30)", "stopped_epoch",
          "baseline", 20, 30),
    _than("2.2b", "Early stopping avoids overfitting: a lower test loss than after 100 epochs",
          "baseline", "baseline_100_epochs", high=0, quantity="test_loss"),
    *_values("baseline"),
    *_values("l2_0.2"),
    Claim("3.1a", "The default setting: test accuracy 84.01 %", "test_accuracy", "baseline",
          84.01 - ACCURACY_MARGIN, 84.01 + ACCURACY_MARGIN),
    _than("3.1a", "L2 penalty 0.2 generalises better than no penalty", "l2_0.2", "baseline", low=0),
    _than("3.1a", "L2 penalty 0.2 overfits less: training minus validation accuracy is smaller",
          "l2_0.2", "baseline", high=0, quantity="excess_accuracy"),
    _than("3.1a", "\"Any kind\" of penalty does: L1 0.001 too", "l1_1e-3", "baseline", low=0),
    *_values("l2_1e-3"),
    _than("3.1b", "L2 penalty 0.001 is worse than 0.2", "l2_1e-3", "l2_0.2", high=0),
    _than("3.1b", "L2 penalty 0.001 is too small to matter (within 0.5 points of none)",
          "l2_1e-3", "baseline", -NO_MATTER, NO_MATTER),
    _than("3.1b", "L2 penalty 0.5 is worse than 0.2", "l2_0.5", "l2_0.2", high=0),
    _than("3.1b", "L2 penalty 0.5 is \"even worse\": worse than 0.001", "l2_0.5", "l2_1e-3",
          high=0),
    *_values("l1_1e-6"),
    *_values("l1_1e-3"),
    _than("3.2a", "L1 (0.001) is not as good as L2 (0.2)", "l1_1e-3", "l2_0.2",
          high=0),
    _than("3.2b", "A small L1 penalty hardly matters: 0.001 within 0.5 points of 0.000001",
          "l1_1e-3", "l1_1e-6", -NO_MATTER, NO_MATTER),
    _than("3.2b", "L1 penalty 0.2 fails to converge: 5 points or more are lost", "l1_0.2",
          "baseline", high=-FAILS),
    *_values("sigmoid"),
    _than("4.1", "Sigmoid is not recommended: worse than tanh", "sigmoid", "baseline", high=0),
    *_values("relu"),
    _than("4.3", "ReLU is much better than tanh (1 point or more)", "relu", "baseline", low=MUCH),
    _than("4.3", "ReLU is much better than sigmoid (1 point or more)", "relu", "sigmoid", low=MUCH),
    *_values("hidden_256"),
    _than("5.1a", "256 hidden units are better than 128", "hidden_256", "baseline", low=0),
    _than("5.1a", "256 hidden units have less bias: a better training accuracy than 128",
          "hidden_256", "baseline", low=0, quantity="training_accuracy"),
    *_values("hidden_64"),
    _than("5.1b", "64 hidden units are worse than 128", "hidden_64", "baseline", high=0),
    *_values("two_hidden_layers"),
    _than("5.2", "Two layers of 64 units are worse than one of 128", "two_hidden_layers",
          "baseline", high=0),
    *_values("final"),
    _than("6", "The final model is much better than the default (3 points or more)", "final",
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
