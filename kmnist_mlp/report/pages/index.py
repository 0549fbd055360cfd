"""What the index page shows, read from the notebooks' outputs: abstract, scoreboard, figures."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pandas as pd
from markupsafe import Markup

from kmnist_mlp.data import is_stand_in
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.verdicts import RULE
from kmnist_mlp.figures.markup import html
from kmnist_mlp.figures.tables import scoreboard, verdict_counts
from kmnist_mlp.report.pages.markdown import render_markdown
from kmnist_mlp.report.pages.page import Exhibit, Page
from kmnist_mlp.support.statistics import plus_minus

TITLE = "A neural network from scratch on Kuzushiji-MNIST"
HEADLINES = {
    "baseline": "the baseline (784-128-10, tanh, early stopping)",
    "l2_0.2": "an L2 penalty of 0.2",
    "relu": "ReLU",
    "final": "the final model",
    "linear": "the linear softmax model",
}


def index_content(pages: list[Page], link: Callable[[str, str], str]) -> dict[str, Any]:
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
    results = _frame(found["results"]) if "results" in found else None
    facts = next((page.facts for page in pages if "version" in page.facts), {})
    if judged is not None:
        judged.attrs["data_name"] = facts.get("data", "")
    return {
        "facts": facts,
        "abstract": Markup(_abstract(results, judged, facts)),
        "scoreboard": "" if judged is None else _linked_scoreboard(judged, exhibits, link),
        "rule": RULE,
        "results": found.get("results"),
        "picture": found.get("picture"),
        "verdicts": "" if judged is None else verdict_counts(judged),
    }


def _frame(exhibit: Exhibit) -> pd.DataFrame:
    # a missing number stays NaN, a missing name is empty
    return pd.read_csv(io.StringIO(exhibit.data.csv)).fillna({"minus": ""})


def _abstract(
    results: pd.DataFrame | None, judged: pd.DataFrame | None, facts: dict[str, str]
) -> str:
    seeds = facts.get("seeds", "0").count(",") + 1
    data = facts.get("data", "Kuzushiji-MNIST")
    text = (
        "A published course report trained a multilayer perceptron on Kuzushiji-MNIST, "
        "28\u00a0×\u00a028 images of ten cursive Japanese characters, and studied momentum, early "
        "stopping, penalties, activations and topology. This report repeats every experiment with "
        f"a network written from scratch in NumPy, over {seeds} seed{'s' * (seeds > 1)}, and "
        "compares each result with the published one."
    )
    if results is not None:
        parts = []
        for name, title in HEADLINES.items():
            values = results[results.experiment == name].test_accuracy * 100
            if len(values):
                paper = PAPER[name].test_accuracy
                published = f" (the paper: {paper:g} %)" if paper else ""
                parts.append(f"{title} {plus_minus(values, 1)} %{published}")
        where = f"**{data}**" if is_stand_in(data) else data
        text += f" Test accuracy on {where}: {'; '.join(parts)}."
    if judged is not None:
        text += f" Of {len(judged)} claims, {verdict_counts(judged)}."
    return render_markdown(text)


def _linked_scoreboard(
    judged: pd.DataFrame, exhibits: list[Exhibit], link: Callable[[str, str], str]
) -> Markup:
    """Return the scoreboard with, for each claim, the figures that show it."""
    board = scoreboard(judged)
    board["verdict"] = [
        Markup('<span class="verdict {}">{}</span>').format(verdict.replace(" ", "-"), verdict)
        for verdict in board.verdict
    ]
    board["shown in"] = [
        Markup(", ").join(
            Markup('<a href="{}">{}</a>').format(link(e.page, e.id), e.number.split(". ")[0])
            for e in showing(claim.quantity, [claim.experiment, claim.minus], exhibits)
        )
        for claim in judged.itertuples()
    ]
    return Markup(html(board))


def showing(quantity: str, experiments: list[str], exhibits: list[Exhibit]) -> list[Exhibit]:
    """Return the figure that shows a quantity of all the experiments, else one for each.

    Of several, the one with the fewest experiments: there, the claim stands out most.
    """
    figures = [e for e in exhibits if e.number.startswith("Fig") and quantity in e.data.quantities]
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
