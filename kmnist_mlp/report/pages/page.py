"""A notebook as a page: its title and summary, figures and tables, facts and HTML content."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from traitlets.config import Config as Settings

from kmnist_mlp.config import Config
from kmnist_mlp.data import is_stand_in
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.report.pages.pictures import figure_html, with_gathered_panels
from kmnist_mlp.report.pages.text import slug

TEMPLATES = Path(__file__).parent / "templates"
CHECK = "## Check"  # begins the last section of a notebook, which is for maintainers
LONGEST = 24  # characters of a title in the menu; else the name of the file stands there
AGREES = ("agrees with the reference results", "as recorded")


@dataclass
class Page:
    """One page of the report.

    Attributes
    ----------
    stem, title, short, summary : str
        Its address, and how the menu and the index page name it.
    content, check : str
        HTML; ``check`` compares the results with the reference, for maintainers.
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
    content: str = field(default="", repr=False)
    check: str = field(default="", repr=False)
    check_summary: str = ""
    items: list[NotebookNode] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def is_stand_in(self) -> bool:
        """Whether its numbers are those of the stand-in."""
        return is_stand_in(self.facts.get("data", ""))

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
    """Return a page for each notebook, with its content."""
    exporter = HTMLExporter(
        template_name=TEMPLATES.name,
        extra_template_basedirs=[str(TEMPLATES.parent)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        config=Settings(
            TagRemovePreprocessor={"enabled": True, "remove_all_outputs_tags": {"only-live"}}
        ),
        filters={
            "markdown2html": render_markdown,
            "slug": slug,
            "data_address": data_address,
            "figure_html": figure_html,
        },
    )

    def content(cells: list[NotebookNode], notebook: NotebookNode) -> str:
        part = NotebookNode({**notebook, "cells": cells})
        return exporter.from_notebook_node(part)[0] if cells else ""

    pages = []
    for path, original in notebooks.items():
        notebook = with_gathered_panels(original)
        page = _titled(path.stem, notebook)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            marks = output.get("metadata", {}).get("kmnist_mlp") or {}
            page.facts.update(marks.get("facts", ()))
            if "number" in marks:
                short = re.split(r"(?<=[a-z0-9)])[.:;] ", marks.caption.rstrip("."))[0]
                item = NotebookNode(marks, page=page.stem, output=output, short=short)
                item |= {"id": slug(item.number), "experiments": dict(item.experiments)}
                page.items.append(item)
        page.facts.update(notebook.metadata.get("kmnist_mlp", {}).get("facts", ()))
        cells = notebook.cells
        starts = [n for n, cell in enumerate(cells) if cell.source.startswith(CHECK)]
        end = starts[-1] if starts else len(cells)
        page.content, page.check = content(cells[:end], notebook), content(cells[end:], notebook)
        page.check_summary = _check_summary(cells[end:])
        pages.append(page)
    return pages


def _titled(stem: str, notebook: NotebookNode) -> Page:
    first = notebook.cells[0].source if notebook.cells else ""
    title, summary, *_ = [*filter(None, map(str.strip, first.splitlines())), "", ""]
    title = title.lstrip("# ") or stem
    number, _, name = stem.partition("_")
    name = f"{number.lstrip('0')} {name.replace('_', ' ').capitalize()}"
    short = title if len(title) <= LONGEST else name
    return Page(stem, title, short, re.sub("[*`]", "", summary))


def _check_summary(cells: list[NotebookNode]) -> str:
    """Return in one line whether the comparisons at the end of a notebook agree."""
    printed = (output.get("text", "") for cell in cells for output in cell.get("outputs", []))
    lines = "".join(printed).splitlines()
    agree = sum(line.endswith(AGREES) for line in lines)
    moved = sum("MOVED" in line for line in lines)
    what = "comparison agrees" if agree == 1 else "comparisons agree"
    return f"{agree} {what} with the reference results" + f", {moved} MOVED" * bool(moved)


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
