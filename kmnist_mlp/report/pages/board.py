"""The scoreboard of the index page: claims by section, each with its interval drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from kmnist_mlp.experiments.claims import VERDICTS
from kmnist_mlp.figures.tables import remark, scoreboard
from kmnist_mlp.report.pages.page import Exhibit

SECTIONS = {
    "abstract": "Abstract",
    "1": "Gradient check",
    "2": "Momentum and early stopping",
    "3": "Regularisation",
    "4": "Activations",
    "5": "Topology",
    "6": "Final model",
}
SYMBOLS = dict(zip(VERDICTS, ("✓", "✗", "=", "?"), strict=True))
FAILED_FIRST = ("not reproduced", "no effect", "undecided", "reproduced")
WIDTH, EDGE = 160, 8  # of the drawing of a range, in pixels


def board(judged: pd.DataFrame, shown: list[list[Exhibit]]) -> dict[str, list[dict[str, Any]]]:
    """Return the claims by the title of their section; in each section, those that failed first.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    shown : list of list of Exhibit
        The figures that show each claim.

    Returns
    -------
    dict of str to list of dict
        Items claim, text (of its numbers), remark, drawing (SVG) and exhibits.
    """
    sections: dict[str, list[dict[str, Any]]] = {}
    texts = scoreboard(judged).to_dict("records")
    for claim, text, exhibits in zip(judged.itertuples(), texts, shown, strict=True):
        row = {"claim": claim, "text": text, "exhibits": exhibits}
        row |= {"remark": remark(claim), "drawing": drawing(claim)}
        sections.setdefault(_title(claim.section), []).append(row)
    for rows in sections.values():
        rows.sort(key=lambda row: FAILED_FIRST.index(row["claim"].verdict))
    return sections


def _title(section: str) -> str:
    number = section if section in SECTIONS else section[:1]
    name = SECTIONS.get(number, section)
    return f"{number} {name}" if number.isdigit() else name


def drawing(claim: object) -> Markup:
    """Return our interval (line and dot) beside the claimed range (band) as SVG.

    The scale is the claim's own: it holds both. An end that is infinite lies at the edge.
    """
    values = [claim.low, claim.high, claim.interval_low, claim.interval_high, claim.mean]
    finite = [value for value in values if np.isfinite(value)]
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        if np.isinf(value):
            return 0.0 if value < 0 else float(WIDTH)
        return round(EDGE + (WIDTH - 2 * EDGE) * (value - low) / span, 1)

    left, right = place(claim.low), place(claim.high)
    ends = [place(value) for value in (claim.interval_low, claim.interval_high)]
    unknown = np.isinf(claim.interval_low)
    line = "" if unknown else f'<path class="interval" d="M{ends[0]} 9H{ends[1]}"/>'
    return Markup(
        f'<svg class="range" viewBox="0 0 {WIDTH} 18" aria-hidden="true">'
        f'<rect class="claimed" x="{left}" y="2" width="{max(right - left, 2):.1f}" height="14"/>'
        f'{line}<circle cx="{place(claim.mean)}" cy="9" r="3.5"/></svg>'
    )
