"""The published report as data: its experiments, their configurations and their numbers.

The numbers are those of ``published/*.csv``; claims.py holds what the paper concludes from them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmnist_mlp.config import Config

PUBLISHED = Path(__file__).with_name("published")


def _read(name: str) -> list[dict[str, str]]:
    with open(PUBLISHED / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float | None:
    return float(text) if text else None


@dataclass(frozen=True)
class Published:
    """One experiment of the paper.

    Attributes
    ----------
    name : str
        Its id in ``published_results.csv``; our own for the last three, of the abstract.
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
    "l2_0.2_25_epochs": "L2 penalty 0.2, 25 epochs",
    "starter": "starter configuration",
    "l2_1e-3": "L2 penalty 0.001",
    "l2_0.5": "L2 penalty 0.5",
    "l1_1e-6": "L1 penalty 0.000001",
    "l1_1e-6_25_epochs": "L1 penalty 0.000001, 25 epochs",
    "l1_1.25e-4": "L1 penalty 0.000125",
    "l1_1e-3": "L1 penalty 0.001",
    "l1_0.2": "L1 penalty 0.2",
    "sigmoid": "sigmoid",
    "relu": "ReLU",
    "hidden_256": "256 hidden units",
    "hidden_256_25_epochs": "256 hidden units, 25 epochs",
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


# Three more runs that the abstract mentions without numbers: it states that momentum and
# normalisation help, and that the network is far better than its linear counterpart.
_UNPUBLISHED = (
    Published("no_momentum", "without momentum", Config(momentum=False), "abstract"),
    Published(
        "no_standardisation",
        "raw pixels, 0 to 255",
        Config(standardisation="none"),
        "abstract",
    ),
    Published("linear", "linear softmax", Config(layer_specs=(784, 10)), "abstract"),
)
PAPER: dict[str, Published] = {
    published.name: published
    for published in (*map(_published, _read("published_results.csv")), *_UNPUBLISHED)
}
EXPERIMENTS: dict[str, Config] = {name: entry.config for name, entry in PAPER.items()}


def experiments_of(*sections: str) -> list[str]:
    """Return the experiments whose section begins with one of the given names, such as "3".

    Examples
    --------
    >>> experiments_of("4")
    ['sigmoid', 'relu']
    """
    return [name for name, entry in PAPER.items() if entry.section.startswith(sections)]


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
