"""The scoreboard of the index page: claims by section, each with its interval drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from kmnist_mlp.experiments.verdicts import VERDICTS
from kmnist_mlp.figures.tables import remark, scoreboard

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


@dataclass(frozen=True)
class Row:
    """One claim as the scoreboard shows it; texts, and the drawing as SVG."""

    number: int
    claim: str
    claimed: str
    ours: str
    interval: str
    verdict: str
    code: str
    remark: str
    drawing: Markup
    links: Markup


def board(judged: pd.DataFrame, links: list[Markup]) -> dict[str, list[Row]]:
    """Return the claims by the title of their section; in each section, those that failed first.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    links : list of Markup
        The figures that show each claim.
    """
    texts = scoreboard(judged)
    rows = [
        (
            _title(claim.section),
            Row(
                claim.number, claim.claim, text.claimed, text.ours, text["95 % interval"],
                claim.verdict, claim.verdict_code, remark(claim), drawing(claim), link,
            ),
        )
        for claim, (_, text), link in zip(
            judged.itertuples(), texts.iterrows(), links, strict=True
        )
    ]  # fmt: skip
    sections = {section: [row for own, row in rows if own == section] for section, _ in rows}
    order = FAILED_FIRST.index
    return {s: sorted(own, key=lambda row: order(row.verdict)) for s, own in sections.items()}


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
