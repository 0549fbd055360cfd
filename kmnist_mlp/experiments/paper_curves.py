"""The learning curves of the paper's Figures 1 to 22, as read from the pictures.

Source: the report as PDF in https://github.com/Ruizhang666/Mnist-MLP_from_scratch. Each axis was
calibrated with its ticks, and both lines of a figure were fitted with one vertex per epoch. The
uncertainty is a cautious bound: line width, calibration and slope. These are readings of this
project, not the authors' numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from kmnist_mlp.experiments.paper import PAPER, PUBLISHED

FILE = PUBLISHED / "figure_curves.csv"
COLUMNS = ["figure", "quantity", "curve", "epoch", "value", "uncertainty"]
ROWS, CURVES = 1420, 44
PATIENCE = PAPER["baseline"].config.early_stop_epoch


def _rows() -> pd.DataFrame:
    try:
        rows = pd.read_csv(FILE)
        whole = list(rows) == COLUMNS and len(rows.dropna()) == len(rows) == ROWS
        if not whole or rows.groupby(COLUMNS[:3]).ngroups != CURVES:
            raise ValueError(f"found {len(rows):,} rows with the columns {', '.join(rows)}")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{FILE} must have {ROWS:,} rows of {CURVES} curves, without gaps, and the columns "
            f"{', '.join(COLUMNS)} ({error}). It comes with the project: "
            f"`git checkout -- {FILE}` restores it"
        ) from error
    return rows


def paper_curves(figures: Iterable[int], what: str = "value") -> pd.DataFrame:
    """Return the curves of figures of the paper: those of a loss, of an accuracy, or of both.

    Parameters
    ----------
    figures : iterable of int
        Odd numbers are losses, even ones accuracies.
    what : str
        "value" or "uncertainty".

    Returns
    -------
    DataFrame
        Indexed by epoch, from 1; columns training_loss, validation_loss, training_accuracy and
        validation_accuracy (fractions), as far as the figures show them. NaN after a curve's end.

    Raises
    ------
    ValueError
        If the file of the curves is missing or not complete.

    Examples
    --------
    >>> paper_curves((3, 4)).loc[25].round(3).to_dict()  # doctest: +NORMALIZE_WHITESPACE
    {'training_accuracy': 0.997, 'training_loss': 0.003,
     'validation_accuracy': 0.931, 'validation_loss': 0.024}
    """
    rows = _rows()
    rows["name"] = rows.curve + "_" + rows.quantity
    chosen = rows[rows.figure.isin(list(figures))]
    return chosen.pivot(index="epoch", columns="name", values=what).rename_axis(columns=None)


def offset_and_rest(curves: pd.DataFrame, others: pd.DataFrame) -> tuple[float, float]:
    """Return by how much curves lie above others, and the standard deviation around that.

    All curves have one offset. Epochs that only one side has do not count.

    Examples
    --------
    >>> one, other = pd.DataFrame({"loss": [3.0, 2.0, 4.0]}), pd.DataFrame({"loss": [1.0, 1.0]})
    >>> offset_and_rest(one, other)
    (1.5, 0.5)
    """
    difference = (curves - others).stack()
    return float(difference.mean()), float(difference.std(ddof=0))


def patience_stop(losses: pd.Series, patience: int = PATIENCE) -> int | None:
    """Return the epoch at which early stopping would end a run with these validation losses.

    It is the first that comes ``patience`` epochs after the lowest loss so far; None if there is
    none.

    Examples
    --------
    >>> patience_stop(pd.Series([3.0, 2.0, 2.5, 2.0, 1.0], index=range(1, 6)), patience=2)
    4
    """
    best = losses.index[0]
    for epoch, loss in losses.items():
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return int(epoch)
    return None
