"""The published report as data: experiments, curves and gradients.

The numbers are those of ``published/*.csv``; claims.py judges what the
paper concludes from them.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from kmnist_mlp.config import Config

PUBLISHED = Path(__file__).with_name("published")
RULES = tomllib.loads(Path(__file__).with_name("rules.toml").read_text("utf-8"))


def read_published(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file of ``published``: numbers as such, "" for an empty field."""
    texts = dict.fromkeys(("section", "printed", "table", "index"), str)
    rows = pd.read_csv(PUBLISHED / name, dtype=texts)
    return rows.astype(object).fillna("").to_dict("records")


# ---- the experiments -------------------------------------------------


@dataclass(frozen=True)
class Published:
    """One experiment of the paper.

    Attributes
    ----------
    title : str
        For tables, figures and captions.
    config : Config
    section : str
        Of the paper. The abstract states without numbers that momentum
        and normalisation help, and that the network is far better than
        its linear counterpart.
    figures : tuple of int
        The numbers of its loss and accuracy figures; empty if
        it has none.
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

    title: str
    config: Config
    section: str
    figures: tuple[int, ...] = ()
    test_loss: float | None = None
    test_accuracy: float | None = None


def _published(row: dict[str, Any]) -> Published:
    layers, figures = (
        tuple(int(number) for number in row[name].split("-") if number)
        for name in ("layer_specs", "figures")
    )
    patience = int(row["patience"] or Config.early_stop_epoch)
    options = {field.name: row[field.name] for field in fields(Config) if field.name in row}
    config = Config(**options | {"layer_specs": layers, "early_stop_epoch": patience})
    printed = (row[name] or None for name in ("test_loss", "test_accuracy_percent"))
    return Published(row["title"], config, row["section"], figures, *printed)


PAPER = {row["id"]: _published(row) for row in read_published("published_results.csv")}
EXPERIMENTS = {name: entry.config for name, entry in PAPER.items()}


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
    return read_published("published_gradients.csv")


# ---- the learning curves ---------------------------------------------


def paper_curves(figures: Iterable[int], what: str = "value") -> pd.DataFrame:
    """Return the curves of the paper's figures: of a loss, an accuracy, or both.

    They were read from the pictures by this project; the authors'
    numbers are not printed. Each axis was calibrated with its ticks,
    and both lines of a figure were fitted with one vertex per epoch.
    The uncertainty is a cautious bound: line width, calibration and
    slope. Source: the report as PDF in
    https://github.com/Ruizhang666/Mnist-MLP_from_scratch

    Parameters
    ----------
    figures : iterable of int
        Odd numbers are losses, even ones accuracies.
    what : str
        "value" or "uncertainty".

    Returns
    -------
    DataFrame
        Indexed by epoch, from 1; columns training_loss, validation_loss,
        training_accuracy and validation_accuracy (fractions), as far as
        the figures show them. NaN after a curve's end.

    Examples
    --------
    >>> paper_curves((3, 4)).loc[25].round(3).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'training_accuracy': 0.997, 'training_loss': 0.003,
     'validation_accuracy': 0.931, 'validation_loss': 0.024}
    """
    rows = pd.read_csv(PUBLISHED / "figure_curves.csv")
    rows["name"] = rows.curve + "_" + rows.quantity
    chosen = rows[rows.figure.isin(list(figures))]
    return chosen.pivot(index="epoch", columns="name", values=what).rename_axis(columns=None)


def offset_and_rest(curves: pd.DataFrame, others: pd.DataFrame) -> tuple[float, float]:
    """Return by how much curves lie above others, and the standard deviation around that.

    All curves have one offset. Epochs that only one side has
    do not count.

    Examples
    --------
    >>> curves = pd.DataFrame({"training": [3.0, 2.0, 9.0], "validation": [6.0, 5.0, 9.0]})
    >>> offset_and_rest(curves, pd.DataFrame({"training": [1.0, 1.0], "validation": [3.0, 3.0]}))
    (2.0, 0.7071...)
    """
    difference = (curves - others).stack()
    return float(difference.mean()), float(difference.std(ddof=0))
