"""What the index page shows, read from the notebooks' outputs: findings, scoreboard, figures."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from kmnist_mlp.beyond.measurements import accuracies
from kmnist_mlp.experiments.causes import CAUSE_RULE
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.verdicts import RULE, VERDICTS, printed_outside
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.figures.tables import verdicts_by_kind
from kmnist_mlp.report.pages.board import SYMBOLS, board
from kmnist_mlp.report.pages.page import Exhibit, Page
from kmnist_mlp.support.statistics import interval, signed

TITLE = "A neural network from scratch on Kuzushiji-MNIST"

Link = Callable[[str, str], str]


@dataclass(frozen=True)
class Tile:
    """A finding on the index page: a number, what it means, and where it is shown."""

    number: str
    sentence: str
    address: str


def index_content(pages: list[Page], link: Link) -> dict[str, Any]:
    """Return what the template of the index page shows; a part that no notebook has is empty.

    Parameters
    ----------
    pages : list of Page
    link : callable
        Takes the stem of a page and an anchor on it and returns their address.
    """
    exhibits = [exhibit for page in pages for exhibit in page.exhibits]
    found = {exhibit.index: exhibit for exhibit in exhibits if exhibit.index}
    judged = _frame(found["scoreboard"]) if "scoreboard" in found else None
    known = [page.facts for page in pages if "version" in page.facts]
    facts = max(known, key=lambda own: own.get("seeds", "").count(","), default={})
    content: dict[str, Any] = {
        "facts": facts,
        "data": facts.get("data", "Kuzushiji-MNIST"),
        "seeds": facts.get("seeds", "0").count(",") + 1,
        "rules": (RULE, CAUSE_RULE),
        "bibtex": bibtex(facts),
        "results": found.get("results"),
        "picture": found.get("picture"),
        "strip": found["characters"].strip if "characters" in found else "",
        "tiles": tiles(found, judged, exhibits, link),
        "board": {},
        "counts": {},
    }
    if judged is not None:
        judged.attrs["data_name"] = content["data"]
        shown = [
            showing(claim.quantity, [claim.experiment, claim.minus], exhibits)
            for claim in judged.itertuples()
        ]
        content |= {
            "board": board(judged, shown),
            "symbols": SYMBOLS,
            "counts": {verdict: int((judged.verdict == verdict).sum()) for verdict in VERDICTS},
            "kinds": Markup(html(verdicts_by_kind(judged))),
            "plain": found["scoreboard"],
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


def _frame(exhibit: Exhibit) -> pd.DataFrame:
    # a missing number stays NaN, a missing name is empty
    names = ("minus", "note", "verdict_code", "cause", "also")
    table = pd.read_csv(io.StringIO(exhibit.data.csv), dtype=dict.fromkeys(names, str))
    return table.fillna(dict.fromkeys(names, ""))


# ---- findings ------------------------------------------------------------------------------------


def tiles(
    found: dict[str, Exhibit], judged: pd.DataFrame | None, exhibits: list[Exhibit], link: Link
) -> list[Tile]:
    """Return the findings that the notebooks at hand support, one number each.

    Their words follow from the results: a finding that no longer holds is not stated.

    Parameters
    ----------
    found : dict of str to Exhibit
        The exhibits marked for the index page.
    judged : pandas.DataFrame or None
        The scoreboard, if a notebook has one.
    exhibits : list of Exhibit
        All tables and figures, to link a finding to the one that shows it.
    link : callable
        Takes the stem of a page and an anchor on it and returns their address.
    """
    made = []

    def address_of(exhibit: Exhibit) -> str:
        return link(exhibit.page, exhibit.id)

    def tile(number: str, sentence: str, quantity: str, *experiments: str) -> None:
        shown = showing(quantity, list(experiments), exhibits)
        made.append(Tile(number, sentence, address_of(shown[0]) if shown else "#results"))

    if judged is not None:
        outside, printed, chance = printed_outside(judged)
        made.append(
            Tile(
                f"{outside} of {printed}",
                "results that the paper prints lie outside the 95 % range of one more run of ours; "
                f"chance alone would put about {chance:.0f} there",
                "#scoreboard",
            )
        )
    if "results" in found:
        results = _frame(found["results"])
        mean = 100 * results.groupby("experiment").mean(numeric_only=True)
        test = mean.test_accuracy
        if "final" in test:
            sentence = "is the test accuracy of the final model"
            if judged is not None:
                own = (judged.experiment == "final") & (judged.quantity == "test_accuracy")
                verdicts = list(judged[own & (judged.minus == "")].verdict)
                holds = {"reproduced": "is reproduced", "not reproduced": "is not reproduced"}
                if verdicts and verdicts[0] in holds:
                    printed = PAPER["final"].test_accuracy
                    sentence += f": the paper's {printed:g} % {holds[verdicts[0]]}"
            tile(f"{test['final']:.1f} %", sentence, "test_accuracy", "final")
        if {"sigmoid", "baseline"} <= set(test.index):
            by_seed = results.pivot(index="seed", columns="experiment", values="test_accuracy")
            difference, low, _ = interval(100 * (by_seed.sigmoid - by_seed.baseline))
            if low > 0:
                sentence = "points: sigmoid is better than tanh; the paper reports the opposite"
                if judged is not None and "fixed epochs" in {
                    *judged.cause[judged.experiment == "sigmoid"]
                }:
                    sentence += ", as its code stopped at epoch 25"
                tile(signed(difference, 1), sentence, "test_accuracy", "sigmoid", "baseline")
        if "baseline" in test:
            gap = mean.validation_accuracy["baseline"] - test["baseline"]
            sentence = "points between validation and test accuracy: the two sets of images differ"
            if "shift" in found:
                made.append(Tile(f"{gap:.1f}", sentence, address_of(found["shift"])))
            else:
                tile(f"{gap:.1f}", sentence, "validation_accuracy", "baseline")
    if "beyond" in found:
        numbers = _frame(found["beyond"])
        networks = accuracies(numbers)
        sentence = "is the test accuracy of a fully connected network beyond the paper"
        sentence += f" (mean of {len(networks)} seeds)"
        made.append(Tile(f"{100 * networks.mean():.1f} %", sentence, address_of(found["beyond"])))
    return made


def showing(quantity: str, experiments: list[str], exhibits: list[Exhibit]) -> list[Exhibit]:
    """Return the figure that shows a quantity of all the experiments, else one for each.

    Of several, the one with the fewest experiments: there, the claim stands out most.
    """
    figures = [e for e in exhibits if e.number.startswith("Fig") and quantity in e.data.quantities]
    figures = figures or [e for e in exhibits if quantity in e.data.quantities]
    wanted = {name for name in experiments if name}
    if quantity == "gradient_difference":  # measured without any experiment
        wanted = set()
    together = [e for e in figures if wanted <= set(e.data.experiments)]
    if together:
        return [min(together, key=lambda e: len(e.data.experiments))]
    if len(wanted) < 2:
        return []
    alone = [showing(quantity, [name], exhibits) for name in experiments if name]
    return list(dict.fromkeys(e for found in alone for e in found))
