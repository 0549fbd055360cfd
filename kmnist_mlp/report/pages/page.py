"""Notebooks as pages, and what the index page shows of them: findings, scoreboard, figures."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from kmnist_mlp.beyond.protocol import accuracies
from kmnist_mlp.config import Config
from kmnist_mlp.experiments.causes import CAUSE_RULE
from kmnist_mlp.experiments.claims import RULE, VERDICTS, printed_outside
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.report.pages.pictures import figure_html, with_gathered_panels
from kmnist_mlp.report.pages.text import slug
from kmnist_mlp.support.statistics import interval

TEMPLATES = Path(__file__).parent / "templates"
CHECK = "## Check"  # begins the last section of a notebook, which is for maintainers
LONGEST = 24  # characters of a title in the menu; else the name of the file stands there
AGREES = ("agrees with the reference results", "as recorded")
FAILED_FIRST = ("not reproduced", "no effect", "undecided", "reproduced")
WIDTH, EDGE = 160, 8  # of the drawing of a claim, in pixels
DRAWN = ["low", "high", "interval_low", "interval_high", "mean"]
# Columns of the scoreboard in which an empty cell is an empty text, not a missing number
NAMES = dict.fromkeys(("minus", "note", "verdict_code", "cause", "also"), "")


@dataclass
class Page:
    """One page of the report.

    Attributes
    ----------
    stem, title, short, summary : str
        Its address, and how the menu and the index page name it.
    content, check : str
        HTML; ``check`` compares the results with the reference, for maintainers.
    agree, moved : int
        How many of these comparisons agree, and how many do not.
    items : list of NotebookNode
        The numbered figures and tables: what :func:`kmnist_mlp.report.notebook.show` has written
        into the metadata of an output, with the page, the output, an anchor (id) and the first
        sentence of the caption (short).
    facts : dict of str to str
        What the page was made with.
    """

    stem: str
    title: str
    short: str
    summary: str = ""
    content: str = ""
    check: str = ""
    agree: int = 0
    moved: int = 0
    items: list[NotebookNode] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def configurations(self) -> str:
        """Table of the configurations of all experiments on the page."""
        configs = {}
        for name, values in (pair for item in self.items for pair in item.experiments.items()):
            configs[name] = Config.from_dict({**values, "activation": Config.activation})
            # one that a notebook has added is only a name here
            object.__setattr__(configs[name], "activation", values["activation"])
        return html(tables.configurations(configs)) if configs else ""


def make_pages(notebooks: dict[Path, NotebookNode]) -> list[Page]:
    """Return a page for each notebook, with its content.

    Raises
    ------
    ValueError
        If a notebook has no outputs.
    """
    exporter = HTMLExporter(
        template_name=TEMPLATES.name,
        extra_template_basedirs=[str(TEMPLATES.parent)],
        filters={"markdown2html": render_markdown, **FILTERS},
    )
    pages = []
    for path, original in notebooks.items():
        notebook = with_gathered_panels(original)
        cells = notebook.cells
        code = [cell for cell in cells if cell.cell_type == "code" and cell.source]
        if code and not any(cell.execution_count for cell in code):
            raise ValueError(f"{path.name} has no outputs; `make report` executes it")
        first = cells[0].source if cells else ""
        title, summary, *_ = [*filter(None, map(str.strip, first.splitlines())), "", ""]
        title = title.lstrip("# ") or path.stem
        number, _, name = path.stem.partition("_")
        name = f"{number.lstrip('0')} {name.replace('_', ' ').capitalize()}"
        short = title if len(title) <= LONGEST else name
        page = Page(path.stem, title, short, re.sub("[*`]", "", summary))
        for output in (output for cell in cells for output in cell.get("outputs", [])):
            marks = output.get("metadata", {}).get("kmnist_mlp") or {}
            page.facts.update(marks.get("facts", ()))
            if "number" in marks:
                short = re.split(r"(?<=[a-z0-9)])[.:;] ", marks.caption.rstrip("."))[0]
                item = NotebookNode(marks, page=page.stem, output=output, short=short)
                item |= {"id": slug(item.number), "experiments": dict(item.experiments)}
                page.items.append(item)
        page.facts.update(notebook.metadata.get("kmnist_mlp", {}).get("facts", ()))
        starts = [n for n, cell in enumerate(cells) if cell.source.startswith(CHECK)]
        end = starts[-1] if starts else len(cells)
        page.content, page.check = (
            exporter.from_notebook_node(NotebookNode({**notebook, "cells": part}))[0]
            for part in (cells[:end], cells[end:])
        )
        printed = (o.get("text", "") for cell in cells[end:] for o in cell.get("outputs", []))
        lines = "".join(printed).splitlines()
        page.agree = sum(line.endswith(AGREES) for line in lines)
        page.moved = sum("MOVED" in line for line in lines)
        pages.append(page)
    return pages


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return f'<div class="formula" tabindex="0">{mathml(body.strip(), display="block")}</div>'

    def inline_math(self, body: str) -> str:
        return mathml(body.strip())


def render_markdown(source: str) -> str:
    """Return HTML of a Markdown text; its formulas become MathML, which needs no script."""
    renderer = _Renderer(escape=False, exclude_anchor_links=True)
    text = MarkdownWithMath(renderer=renderer).render(source)
    # a table may be wider than a phone
    box = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
    return text.replace("<table>", f"{box}<table>").replace("</table>", "</table></div>")


def data_address(text: str, kind: str = "text/csv") -> str:
    """Return an address that holds the text itself, so that a link to it needs no file."""
    return f"data:{kind};charset=utf-8,{quote(text, safe='/:,;=@+()[]*!$-._~')}"


FILTERS = {"slug": slug, "data_address": data_address, "figure_html": figure_html}


# ---- the index page ------------------------------------------------------------------------------


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
        "showing": partial(showing, items),
    }
    if "scoreboard" in found:
        judged = table_of(found["scoreboard"])
        judged.attrs["data_name"] = facts.get("data", "")
        content |= {
            "board": board(judged, pages),
            "counts": judged.verdict.value_counts().reindex(VERDICTS, fill_value=0).to_dict(),
            "kinds": html(tables.verdicts_by_kind(judged)),
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
    texts = tables.scoreboard(judged)
    rows = judged.assign(
        title=judged.section.str[0].map(titles).fillna(judged.section.str.capitalize()),
        rank=judged.verdict.map(FAILED_FIRST.index),
        claimed=texts.claimed.tolist(),
        ours=texts.ours.tolist(),
        between=texts["95 % interval"].tolist(),
        remark=[tables.remark(claim) for claim in judged.itertuples()],
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
