"""What the index page shows, read from the notebooks' outputs: findings, scoreboard, figures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from nbformat import NotebookNode

from kmnist_mlp.beyond.protocol import accuracies
from kmnist_mlp.experiments.causes import CAUSE_RULE
from kmnist_mlp.experiments.claims import RULE, VERDICTS, printed_outside
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.figures.tables import remark, scoreboard, verdicts_by_kind
from kmnist_mlp.report.pages.page import Page
from kmnist_mlp.support.statistics import interval, signed

SYMBOLS = dict(zip(VERDICTS, "✓✗=?", strict=True))
FAILED_FIRST = ("not reproduced", "no effect", "undecided", "reproduced")
WIDTH, EDGE = 160, 8  # of the drawing of a claim, in pixels
# Columns of the scoreboard in which an empty cell is an empty text, not a missing number
NAMES = dict.fromkeys(("minus", "note", "verdict_code", "cause", "also"), "")


def index_content(pages: list[Page]) -> dict[str, Any]:
    """Return what the template of the index page shows; a part that no notebook has is empty."""
    items = [item for page in pages for item in page.items]
    found = {item.index: item for item in items if item.index}
    known = [page.facts for page in pages if "version" in page.facts]
    facts = max(known, key=lambda facts: facts.get("seeds", "").count(","), default={})
    content = {
        "facts": facts,
        "data": facts.get("data", "Kuzushiji-MNIST"),
        "seeds": facts.get("seeds", "0").count(",") + 1,
        "found": found,
        "findings": findings(found),
        "paper": PAPER,
        "signed": signed,
        "showing": lambda quantity, *names: showing(quantity, names, items),
    }
    if "scoreboard" in found:
        judged = table_of(found["scoreboard"])
        judged.attrs["data_name"] = content["data"]
        content |= {
            "board": board(judged, pages),
            "symbols": SYMBOLS,
            "counts": {verdict: int((judged.verdict == verdict).sum()) for verdict in VERDICTS},
            "kinds": Markup(html(verdicts_by_kind(judged))),
            "rules": (RULE, CAUSE_RULE),
        }
    return content


def table_of(item: NotebookNode) -> pd.DataFrame:
    """Return the numbers behind a figure or table."""
    table = pd.read_csv(io.StringIO(item.csv), dtype=dict.fromkeys(NAMES, str))
    return table.fillna(NAMES)


def findings(found: Mapping[str, NotebookNode]) -> dict[str, Any]:
    """Return the numbers of the findings that the notebooks at hand support.

    Parameters
    ----------
    found : dict of str to NotebookNode
        The figures and tables that are marked for the index page.

    Returns
    -------
    dict
        outside (results that the paper prints outside the range of one more run, of how many, how
        many by chance), verdict on the final model, fixed (whether the fixed number of epochs is a
        cause of what the paper says of sigmoid), final and best accuracy, gap (validation minus
        test accuracy), in per cent, and sigmoid (minus tanh, in points, if the interval of the
        difference lies above 0), and members (networks that the best accuracy is the mean of).
    """
    numbers: dict[str, Any] = {}
    if "scoreboard" in found:
        judged = table_of(found["scoreboard"])
        claims = zip(judged.experiment, judged.quantity, judged.minus, judged.verdict, strict=True)
        numbers["outside"] = printed_outside(judged)
        numbers["verdict"] = {claim[:3]: claim[3] for claim in claims}.get(
            ("final", "test_accuracy", "")
        )
        numbers["fixed"] = "fixed epochs" in {*judged.cause[judged.experiment == "sigmoid"]}
    if "results" in found:
        results = table_of(found["results"]).pivot(index="seed", columns="experiment")
        test, validation = 100 * results.test_accuracy, 100 * results.validation_accuracy
        if "final" in test:
            numbers["final"] = test.final.mean()
        if {"sigmoid", "baseline"} <= {*test}:
            difference, low, _ = interval(test.sigmoid - test.baseline)
            numbers["sigmoid"] = difference if low > 0 else 0
        if "baseline" in test:
            numbers["gap"] = (validation.baseline - test.baseline).mean()
    if "beyond" in found:
        networks = accuracies(table_of(found["beyond"]))
        numbers |= {"best": 100 * networks.mean(), "members": len(networks)}
    return numbers


def showing(quantity: str, names: tuple[str, ...], items: list[NotebookNode]) -> list[NotebookNode]:
    """Return the figure that shows a quantity of all these experiments, else one for each.

    Of several, the one with the fewest experiments: there, the claim stands out most.
    """
    shown = [item for item in items if quantity in item.quantities]
    shown = [item for item in shown if item.number.startswith("Fig")] or shown
    # the gradient check is measured without any experiment
    wanted = [name for name in names if name and quantity != "gradient_difference"]
    together = [item for item in shown if {*wanted} <= {*item.experiments}]
    if together:
        return [min(together, key=lambda item: len(item.experiments))]
    if len(wanted) < 2:
        return []
    return [item for name in wanted for item in showing(quantity, (name,), items)]


def board(judged: pd.DataFrame, pages: list[Page]) -> dict[str, list[dict[str, Any]]]:
    """Return the claims by the title of their section; in each section, those that failed first.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    pages : list of Page
        Their figures show the claims.

    Returns
    -------
    dict of str to list of dict
        Items claim, text (of its numbers), remark, shown (figures) and places (in its drawing).
    """
    titles = {page.stem[:2].lstrip("0"): page.short for page in pages}
    items = [item for page in pages for item in page.items]
    sections: dict[str, list[dict[str, Any]]] = {}
    texts = scoreboard(judged).to_dict("records")
    for claim, text in zip(judged.itertuples(), texts, strict=True):
        row = {"claim": claim, "text": text, "remark": remark(claim), "places": places(claim)}
        row["shown"] = showing(claim.quantity, (claim.experiment, claim.minus), items)
        title = titles.get(claim.section[0], claim.section.capitalize())
        sections.setdefault(title, []).append(row)
    for rows in sections.values():
        rows.sort(key=lambda row: FAILED_FIRST.index(row["claim"].verdict))
    return sections


def places(claim: Any) -> list[float]:
    """Return where the drawing of a claim has its range, our interval and our mean, in pixels.

    The scale is the claim's own: it holds all five. An end that is infinite lies at the edge.
    """
    values = [claim.low, claim.high, claim.interval_low, claim.interval_high, claim.mean]
    finite = [value for value in values if np.isfinite(value)]
    span = (max(finite) - min(finite)) or 1.0
    inner = (EDGE + (WIDTH - 2 * EDGE) * (value - min(finite)) / span for value in values)
    return [round(min(max(place, 0.0), float(WIDTH)), 1) for place in inner]
