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
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import html
from kmnist_mlp.report.execution import NotebookError
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
    NotebookError
        If a notebook has no outputs.
    """
    exporter = HTMLExporter(
        template_name=TEMPLATES.name,
        extra_template_basedirs=[str(TEMPLATES.parent)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        config=Settings(
            TagRemovePreprocessor={"enabled": True, "remove_all_outputs_tags": {"only-live"}}
        ),
        filters={"markdown2html": render_markdown, **FILTERS},
    )
    pages = []
    for path, original in notebooks.items():
        notebook = with_gathered_panels(original)
        cells = notebook.cells
        code = [cell for cell in cells if cell.cell_type == "code" and cell.source]
        if code and not any(cell.execution_count for cell in code):
            raise NotebookError(f"{path.name} has no outputs; `make report` executes it")
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
