"""What the index page shows, read from the notebooks' outputs: findings, scoreboard, figures."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from kmnist_mlp.beyond.measurements import accuracies
from kmnist_mlp.experiments.causes import CAUSE_RULE
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.verdicts import RULE, VERDICTS, printed_outside
from kmnist_mlp.figures.markup import html
from kmnist_mlp.figures.tables import remark, scoreboard, verdicts_by_kind
from kmnist_mlp.report.pages.page import DisplayItem, Page
from kmnist_mlp.support.statistics import interval, signed

TITLE = "A neural network from scratch on Kuzushiji-MNIST"
SYMBOLS = dict(zip(VERDICTS, "✓✗=?", strict=True))
FAILED_FIRST = ("not reproduced", "no effect", "undecided", "reproduced")
WIDTH, EDGE = 160, 8  # of the drawing of a claim, in pixels
# Columns of the scoreboard in which an empty cell is an empty text, not a missing number
NAMES = dict.fromkeys(("minus", "note", "verdict_code", "cause", "also"), "")


def index_content(pages: list[Page], address: Callable[[str, str], str]) -> dict[str, Any]:
    """Return what the template of the index page shows; a part that no notebook has is empty.

    Parameters
    ----------
    pages : list of Page
    address : callable
        Takes the stem of a page and an anchor on it and returns their address.
    """
    items = [item for page in pages for item in page.items]
    found = {item.index: item for item in items if item.index}
    judged = table_of(found["scoreboard"]) if "scoreboard" in found else None
    known = [page.facts for page in pages if "version" in page.facts]
    facts = max(known, key=lambda facts: facts.get("seeds", "").count(","), default={})
    data = facts.get("data", "Kuzushiji-MNIST")
    strip = found["characters"].output.metadata["kmnist_mlp"] if "characters" in found else {}
    content = {
        "facts": facts,
        "data": data,
        "seeds": facts.get("seeds", "0").count(",") + 1,
        "bibtex": bibtex(facts),
        "strip": strip.get("strip", ""),
        "tiles": tiles(found, judged, items, address),
        "found": found,
    }
    if judged is not None:
        judged.attrs["data_name"] = data
        content |= {
            "board": board(judged, pages),
            "symbols": SYMBOLS,
            "counts": {verdict: int((judged.verdict == verdict).sum()) for verdict in VERDICTS},
            "kinds": Markup(html(verdicts_by_kind(judged))),
            "rules": (RULE, CAUSE_RULE),
        }
    return content


def bibtex(facts: dict[str, str]) -> str:
    """Return how to cite the report as an entry of BibTeX."""
    fields = {"author": "{The kmnist_mlp authors}", "title": "{" + TITLE + "}"}
    if facts:
        fields |= {"year": facts["made"][:4], "version": facts["version"]}
        fields["note"] = f"commit {facts['commit']}"
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@software{{kmnist_mlp,\n{lines}}}\n"


def table_of(item: DisplayItem) -> pd.DataFrame:
    """Return the numbers behind a figure or table."""
    table = pd.read_csv(io.StringIO(item.data.csv), dtype=dict.fromkeys(NAMES, str))
    return table.fillna(NAMES)


def tiles(
    found: Mapping[str, DisplayItem],
    judged: pd.DataFrame | None,
    items: list[DisplayItem],
    address: Callable[[str, str], str],
) -> list[dict[str, str]]:
    """Return the findings that the notebooks at hand support, one number each.

    Their words follow from the results: a finding that no longer holds is not stated.

    Parameters
    ----------
    found : dict of str to DisplayItem
        The figures and tables marked for the index page.
    judged : pandas.DataFrame or None
        The scoreboard, if a notebook has one.
    items : list of DisplayItem
        All figures and tables, to link a finding to the one that shows it.
    address : callable
        Takes the stem of a page and an anchor on it and returns their address.

    Returns
    -------
    list of dict
        Each with number, sentence (what the number means) and address (where it is shown).
    """
    made = []

    def tile(number: str, sentence: str, *shown: DisplayItem) -> None:
        place = address(shown[0].page, shown[0].id) if shown else "#results"
        made.append({"number": number, "sentence": sentence, "address": place})

    verdict, causes = None, set()
    if judged is not None:
        outside, printed, chance = printed_outside(judged)
        sentence = "results that the paper prints lie outside the 95 % range of one more run of "
        sentence += f"ours; chance alone would put about {chance:.0f} there"
        tile(f"{outside} of {printed}", sentence)
        made[0]["address"] = "#scoreboard"
        claims = judged.set_index(["experiment", "quantity", "minus"]).verdict.sort_index()
        verdict = dict(claims).get(("final", "test_accuracy", ""))
        causes = {*judged[judged.experiment == "sigmoid"].get("cause", ())}
    if "results" in found:
        results = table_of(found["results"])
        accuracy = results.pivot(index="seed", columns="experiment", values="test_accuracy") * 100
        if "final" in accuracy:
            sentence = "is the test accuracy of the final model"
            if verdict in ("reproduced", "not reproduced"):
                sentence += f": the paper's {PAPER['final'].test_accuracy:g} % is {verdict}"
            shown = showing("test_accuracy", ["final"], items)
            tile(f"{accuracy.final.mean():.1f} %", sentence, *shown)
        if {"sigmoid", "baseline"} <= {*accuracy}:
            difference, low, _ = interval(accuracy.sigmoid - accuracy.baseline)
            sentence = "points: sigmoid is better than tanh; the paper reports the opposite"
            sentence += ", as its code stopped at epoch 25" * ("fixed epochs" in causes)
            if low > 0:
                shown = showing("test_accuracy", ["sigmoid", "baseline"], items)
                tile(signed(difference, 1), sentence, *shown)
        if "baseline" in accuracy:
            validation = results.validation_accuracy[results.experiment == "baseline"]
            gap = 100 * validation.mean() - accuracy.baseline.mean()
            sentence = "points between validation and test accuracy: the two sets of images differ"
            shown = showing("validation_accuracy", ["baseline"], items)
            tile(f"{gap:.1f}", sentence, *([found["shift"]] if "shift" in found else shown))
    if "beyond" in found:
        networks = accuracies(table_of(found["beyond"]))
        sentence = "is the test accuracy of a fully connected network beyond the paper"
        sentence += f" (mean of {len(networks)} seeds)"
        tile(f"{100 * networks.mean():.1f} %", sentence, found["beyond"])
    return made


def showing(quantity: str, experiments: list[str], items: list[DisplayItem]) -> list[DisplayItem]:
    """Return the figure that shows a quantity of all the experiments, else one for each.

    Of several, the one with the fewest experiments: there, the claim stands out most.
    """
    shown = [item for item in items if quantity in item.data.quantities]
    shown = [item for item in shown if item.number.startswith("Fig")] or shown
    # the gradient check is measured without any experiment
    wanted = [name for name in experiments if name and quantity != "gradient_difference"]
    together = [item for item in shown if {*wanted} <= {*item.data.experiments}]
    if together:
        return [min(together, key=lambda item: len(item.data.experiments))]
    if len(wanted) < 2:
        return []
    return list(dict.fromkeys(item for name in wanted for item in showing(quantity, [name], items)))


# ---- scoreboard ----------------------------------------------------------------------------------


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
        Items claim, text (of its numbers), remark, drawing (SVG) and shown (figures).
    """
    titles = {page.stem[:2].lstrip("0"): page.short for page in pages}
    items = [item for page in pages for item in page.items]
    sections: dict[str, list[dict[str, Any]]] = {}
    for claim, text in zip(judged.itertuples(), scoreboard(judged).to_dict("records"), strict=True):
        row = {"claim": claim, "text": text, "remark": remark(claim), "drawing": drawing(claim)}
        row["shown"] = showing(claim.quantity, [claim.experiment, claim.minus], items)
        title = titles.get(claim.section[0], claim.section.capitalize())
        sections.setdefault(title, []).append(row)
    for rows in sections.values():
        rows.sort(key=lambda row: FAILED_FIRST.index(row["claim"].verdict))
    return sections


def drawing(claim: Any) -> Markup:
    """Return our interval (line and dot) beside the claimed range (band) as SVG.

    The scale is the claim's own: it holds both. An end that is infinite lies at the edge.
    """
    values = [claim.low, claim.high, claim.interval_low, claim.interval_high, claim.mean]
    finite = [value for value in values if np.isfinite(value)]
    span = (max(finite) - min(finite)) or 1.0
    inner = (EDGE + (WIDTH - 2 * EDGE) * (value - min(finite)) / span for value in values)
    places = [min(max(place, 0.0), float(WIDTH)) for place in inner]
    left, right, low, high, mean = (round(place, 1) for place in places)
    known = np.isfinite(claim.interval_low)
    line = f'<path class="interval" d="M{low} 9H{high}"/>' if known else ""
    return Markup(
        f'<svg class="range" viewBox="0 0 {WIDTH} 18" aria-hidden="true">'
        f'<rect class="claimed" x="{left}" y="2" width="{max(right - left, 2):.1f}" height="14"/>'
        f'{line}<circle cx="{mean}" cy="9" r="3.5"/></svg>'
    )
