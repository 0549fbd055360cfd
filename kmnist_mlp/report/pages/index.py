"""What the index page shows, read from the notebooks' outputs: findings, scoreboard, figures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from nbformat import NotebookNode

from kmnist_mlp.beyond.protocol import accuracies
from kmnist_mlp.experiments.causes import CAUSE_RULE
from kmnist_mlp.experiments.claims import RULE, VERDICTS, printed_outside
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.figures.tables import remark, scoreboard, verdicts_by_kind
from kmnist_mlp.report.pages.page import Page
from kmnist_mlp.support.statistics import interval, signed

FAILED_FIRST = ("not reproduced", "no effect", "undecided", "reproduced")
WIDTH, EDGE = 160, 8  # of the drawing of a claim, in pixels
DRAWN = ["low", "high", "interval_low", "interval_high", "mean"]
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
        "found": found,
        "findings": findings(found),
        "paper": PAPER,
        "signed": signed,
        "showing": partial(showing, items),
    }
    if "scoreboard" in found:
        judged = table_of(found["scoreboard"])
        judged.attrs["data_name"] = facts.get("data", "")
        content |= {
            "board": board(judged, pages),
            "symbols": dict(zip(VERDICTS, "✓✗=?", strict=True)),
            "counts": judged.verdict.value_counts().reindex(VERDICTS, fill_value=0).to_dict(),
            "kinds": html(verdicts_by_kind(judged)),
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
        numbers["outside"] = printed_outside(judged)
        final = "experiment == 'final' and quantity == 'test_accuracy' and minus == ''"
        numbers["verdict"] = next(iter(judged.query(final).verdict), None)
        numbers["fixed"] = "fixed epochs" in {*judged.cause[judged.experiment == "sigmoid"]}
    if "results" in found:
        results = table_of(found["results"]).pivot(index="seed", columns="experiment")
        test = 100 * results.test_accuracy.reindex(columns=["baseline", "final", "sigmoid"])
        numbers["final"] = test.final.mean()
        numbers["gap"] = (100 * results.validation_accuracy.baseline - test.baseline).mean()
        difference, low, _ = interval(test.sigmoid - test.baseline)
        numbers["sigmoid"] = difference if low > 0 else 0
    if "beyond" in found:
        networks = accuracies(table_of(found["beyond"]))
        numbers |= {"best": 100 * networks.mean(), "members": len(networks)}
    return {name: number for name, number in numbers.items() if number == number}


def showing(items: list[NotebookNode], quantity: str, *names: str) -> list[NotebookNode]:
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
    return [item for name in wanted for item in showing(items, quantity, name)]


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
        The columns of ``judged``; ours, claimed and between as text, remark, shown (figures) and
        places (in its drawing).
    """
    titles = {page.stem[:2].lstrip("0"): page.short for page in pages}
    items = [item for page in pages for item in page.items]
    texts = scoreboard(judged)
    rows = judged.assign(
        title=judged.section.str[0].map(titles).fillna(judged.section.str.capitalize()),
        rank=judged.verdict.map(FAILED_FIRST.index),
        claimed=texts.claimed.tolist(),
        ours=texts.ours.tolist(),
        between=texts["95 % interval"].tolist(),
        remark=[remark(claim) for claim in judged.itertuples()],
        places=places(judged),
        shown=[showing(items, c.quantity, c.experiment, c.minus) for c in judged.itertuples()],
    )
    return {
        title: claims.sort_values("rank", kind="stable").to_dict("records")
        for title, claims in rows.groupby("title", sort=False)
    }


def places(claims: pd.DataFrame) -> list[list[float]]:
    """Return where the drawing of a claim has its range, our interval and our mean, in pixels.

    The scale is the claim's own: it holds all five. An end that is infinite lies at the edge.
    """
    finite = claims[DRAWN].where(np.isfinite(claims[DRAWN]))
    lowest = finite.min(axis=1)
    span = (finite.max(axis=1) - lowest).replace(0, 1)
    inner = (WIDTH - 2 * EDGE) * claims[DRAWN].sub(lowest, axis=0)
    return (EDGE + inner.div(span, axis=0)).clip(0, WIDTH).round(1).to_numpy().tolist()
