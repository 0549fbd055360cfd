"""Notebooks as pages, and what the index page shows of them."""

import io
import re
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import nbformat
import numpy as np
import pandas as pd
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import ClearOutputPreprocessor
from nbformat import NotebookNode

from kmnist_mlp.beyond.protocol import accuracies
from kmnist_mlp.experiments import causes, claims, paper
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.report.pages.pictures import figure_html, gather_panels
from kmnist_mlp.report.pages.text import slug
from kmnist_mlp.support.statistics import interval, typeset

TEMPLATES = Path(__file__).parent / "templates"
CHECK = "## Check"  # begins the last section, which is for maintainers
LONGEST = 24  # characters of a title in the menu, else the name of the file
WIDTH, EDGE = 160, 8  # of the drawing of a claim, in pixels
DRAWN = ["low", "high", "interval_low", "interval_high", "mean"]
# Columns of the scoreboard in which an empty cell is an empty text
NAMES = dict.fromkeys(("minus", "note", "verdict_code", "cause", "also"), "")


def make_pages(notebooks: dict[Path, NotebookNode]) -> list[SimpleNamespace]:
    """Return a page for each notebook.

    Returns
    -------
    list of SimpleNamespace
        stem, title, short, summary : str
            Its address, and how the menu and the index page name it.
        content, check : str
            HTML; ``check`` compares the results with the
            reference, for maintainers.
        items : list of NotebookNode
            The numbered figures and tables: what
            :func:`kmnist_mlp.report.notebook.show` has written into
            the metadata of an output, with the page, the output, an
            anchor (id) and the first sentence of the caption (short).
        exercises : list of str
            Their headings.
        download : str
            An address that holds the notebook, without outputs.
        facts : dict of str to str
            What the page was made with.

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
    for path, notebook in deepcopy(notebooks).items():
        # cells for an answer are of no use here, unless they give code
        cells = [c for c in notebook.cells if "nbgrader" not in c.metadata or "tags" in c.metadata]
        code = [cell for cell in cells if cell.cell_type == "code"]
        if any(c.source for c in code) and not any(c.execution_count for c in code):
            raise ValueError(f"{path.name} has no outputs; `make report` executes it")
        gather_panels(code)
        first = cells[0].source if cells else ""
        title, summary, *_ = [*filter(None, first.splitlines()), "", ""]
        title = title.lstrip("# ") or path.stem
        number, _, name = path.stem.partition("_")
        name = f"{number.lstrip('0')} {name.replace('_', ' ').capitalize()}"
        short = title if len(title) <= LONGEST else name
        page = SimpleNamespace(stem=path.stem, title=title, short=short, items=[], facts={})
        page.summary = re.sub("[*`]", "", summary)
        for output in (output for cell in code for output in cell.outputs):
            marks = output.get("metadata", {}).get("kmnist_mlp") or {}
            page.facts.update(marks.get("facts", ()))
            if "number" in marks:
                short = re.split(r"(?<=[a-z0-9)])[.:;] ", marks.caption.rstrip("."))[0]
                item = NotebookNode(marks, page=page.stem, output=output, short=short)
                item |= {"id": slug(item.number), "experiments": dict(item.experiments)}
                page.items.append(item)
        starts = (n for n, cell in enumerate(cells) if cell.source.startswith(CHECK))
        end = max(starts, default=len(cells))
        parts = (NotebookNode({**notebook, "cells": part}) for part in (cells[:end], cells[end:]))
        page.content, page.check = (exporter.from_notebook_node(part)[0] for part in parts)
        page.exercises = re.findall("<h3>(Exercise .*?)</h3>", page.content)
        text = nbformat.writes(without_outputs(notebook), indent=0)
        page.download = data_address(text, "application/x-ipynb+json")
        pages.append(page)
    return pages


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook without outputs.

    Parameters
    ----------
    notebook : NotebookNode
        Is left as it is.
    """
    cleared, _ = ClearOutputPreprocessor().preprocess(deepcopy(notebook), {})
    # how outputs were made, their state
    cleared.metadata.pop("widgets", None)
    return cleared


def render_markdown(source: str) -> str:
    """Return HTML of a Markdown text; its formulas become MathML."""
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    box = '<div class="formula" tabindex="0">{}</div>'.format
    renderer.block_math = lambda body: box(mathml(body.strip(), display="block"))
    renderer.inline_math = lambda body: mathml(body.strip())
    text = MarkdownWithMath(renderer=renderer).render(source)
    # a table may be wider than a phone
    scroll = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
    return text.replace("<table>", f"{scroll}<table>").replace("</table>", "</table></div>")


def data_address(text: str, kind: str = "text/csv") -> str:
    """Return an address that holds the text itself: a link to it needs no file."""
    return f"data:{kind};charset=utf-8,{quote(text, safe='/:,;=@+()[]*!$-._~')}"


FILTERS = {"slug": slug, "data_address": data_address, "figure_html": figure_html}


# ---- the index page --------------------------------------------------


def index_content(pages: list[SimpleNamespace]) -> dict[str, Any]:
    """Return what the index page shows; a part that no notebook has is empty."""
    items = [item for page in pages for item in page.items]
    found = {item.index: item for item in items if item.index}
    kept = {}
    for role, item in found.items():
        table = pd.read_csv(io.StringIO(item.csv), dtype=dict.fromkeys(NAMES, str))
        kept[role] = table.fillna(NAMES)
    known = [page.facts for page in pages if "version" in page.facts]
    seeds = [facts.get("seeds") for facts in known]
    facts = max(known, key=lambda facts: seeds.count(facts.get("seeds")), default={})
    content = {
        "facts": facts,
        "found": found,
        "findings": findings(kept),
        "paper": paper.PAPER,
        "showing": partial(showing, items),
    }
    if "scoreboard" in found:
        judged = kept["scoreboard"]
        judged.attrs["data_name"] = facts.get("data", "")
        content |= {
            "board": board(judged, pages),
            "counts": {each: (judged.verdict == each).sum() for each in claims.VERDICTS},
            "kinds": html(tables.verdicts_by_kind(judged)),
            "rules": (claims.RULE, causes.CAUSE_RULE),
        }
    return content


def findings(kept: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the numbers of the findings that the notebooks at hand support.

    Parameters
    ----------
    kept : dict of str to DataFrame
        The numbers of what is marked for the index page.

    Returns
    -------
    dict
        outside (results that the paper prints outside the range of
        one more run, of how many, how many by chance), verdict on the
        final model, fixed (whether the fixed number of epochs is a
        cause of what the paper says of sigmoid), final and best
        accuracy, gap (validation minus test accuracy), in per cent,
        and sigmoid (minus tanh, in points, if the interval of the
        difference lies above 0), and members (networks that the best
        accuracy is the mean of).
    """
    numbers: dict[str, Any] = {}
    if "scoreboard" in kept:
        judged = kept["scoreboard"]
        final = "experiment == 'final' and quantity == 'test_accuracy' and minus == ''"
        numbers["outside"] = claims.printed_outside(judged)
        numbers["verdict"] = next(iter(judged.query(final).verdict), None)
        of_sigmoid = judged.query("experiment == 'sigmoid'")
        numbers["fixed"] = "fixed epochs" in {*of_sigmoid.cause}
    if "results" in kept:
        results = kept["results"].pivot(index="seed", columns="experiment")
        test = 100 * results.test_accuracy.reindex(columns=["baseline", "final", "sigmoid"])
        validation = 100 * results.validation_accuracy.baseline
        numbers["final"] = test.final.mean()
        numbers["gap"] = (validation - test.baseline).mean()
        difference, low, _ = interval(test.sigmoid - test.baseline)
        numbers["sigmoid"] = difference if low > 0 else 0
    if "beyond" in kept:
        networks = accuracies(kept["beyond"])
        numbers |= {"best": 100 * networks.mean(), "members": len(networks)}
    return {name: number for name, number in numbers.items() if number == number}


def showing(items: list[NotebookNode], quantity: str, *names: str) -> list[NotebookNode]:
    """Return the figure that shows a quantity of all experiments, else one for each.

    Of several, the one with the fewest experiments: there, the claim
    stands out most.
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


def board(judged: pd.DataFrame, pages: list[SimpleNamespace]) -> dict[str, list[dict]]:
    """Return the claims by the title of their section, in the paper's order.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    pages : list of SimpleNamespace
        Their figures show the claims.

    Returns
    -------
    dict of str to list of dict
        The columns of ``judged``; ours, claimed and "95 % interval" as
        text, remark, shown (figures), places (in its drawing) and
        axis (its ends).
    """
    titles = {page.stem[:2].lstrip("0"): page.short for page in pages}
    items = [item for page in pages for item in page.items]
    texts = tables.scoreboard(judged)[["claimed", "ours", "95 % interval"]]
    measured = judged[["quantity", "experiment", "minus"]].to_numpy()
    scaled = tables.in_percent(judged)
    drawn, ends = places(scaled)
    axis = ends.map(lambda end: typeset(f"{end:.{3 + (abs(end) >= 10)}g}"))
    rows = judged.join(texts, "number").assign(
        title=judged.section.str[0].map(titles).fillna(judged.section.str.capitalize()),
        remark=[*map(tables.remark, scaled.itertuples())],
        places=drawn,
        axis=axis.to_numpy().tolist(),
        shown=[showing(items, *claim) for claim in measured],
    )
    return {name: rows[rows.title == name].to_dict("records") for name in rows.title.unique()}


def places(judged: pd.DataFrame) -> tuple[list[list[float]], pd.DataFrame]:
    """Return places of range, interval and mean in pixels, for drawings, and their ends.

    The scale is the claim's own: from the smallest (min) to the largest
    (max) of the five that are finite. An end that is infinite lies at
    the edge.
    """
    ends = judged[DRAWN].where(np.isfinite(judged[DRAWN])).agg(["min", "max"], axis=1)
    span = (ends["max"] - ends["min"]).replace(0, 1)
    inner = (WIDTH - 2 * EDGE) * judged[DRAWN].sub(ends["min"], axis=0)
    drawn = EDGE + inner.div(span, axis=0)
    return drawn.clip(0, WIDTH).round(1).to_numpy().tolist(), ends
