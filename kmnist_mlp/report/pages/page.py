"""A notebook as a page: its title and summary, numbered exhibits, facts and HTML content."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from nbconvert import HTMLExporter

from kmnist_mlp.config import Config
from kmnist_mlp.data import is_stand_in
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.markup import html
from kmnist_mlp.report.pages.markdown import Heading, render_markdown, slug

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A numbered figure or table. ``index`` is what the index page uses it for, if anything."""

    number: str
    caption: str
    page: str
    data: ExhibitData
    output: nbformat.NotebookNode = field(repr=False)
    index: str | None = None

    @property
    def id(self) -> str:
        """Its anchor, such as "figures-1-and-2"."""
        return slug(self.number)

    @property
    def short(self) -> str:
        """The first sentence of its caption, for lists."""
        return re.split(r"(?<=[a-z0-9)])[.:;] ", self.caption.rstrip("."))[0]


@dataclass
class Page:
    """One page of the report, and its place among the others."""

    stem: str
    title: str
    short: str
    summary: str = ""
    content: str = field(default="", repr=False)
    headings: list[Heading] = field(default_factory=list)
    exhibits: list[Exhibit] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    previous: Page | None = field(default=None, repr=False)
    next: Page | None = field(default=None, repr=False)

    @property
    def is_stand_in(self) -> bool:
        """Whether its numbers are those of the stand-in."""
        return is_stand_in(self.facts.get("data", ""))

    @property
    def configurations(self) -> str:
        """Table of the configurations of all experiments on the page."""
        experiments = {
            name: Config.from_dict(config)
            for exhibit in self.exhibits
            for name, config in exhibit.data.experiments.items()
        }
        return html(tables.configurations(experiments)) if experiments else ""


def make_pages(notebooks: dict[Path, nbformat.NotebookNode]) -> list[Page]:
    """Return a page for each notebook, with its content, linked to its neighbours."""
    exporter = _PageExporter()
    pages = []
    for path, notebook in notebooks.items():
        first = notebook.cells[0].source if notebook.cells else ""
        lines = [line.strip() for line in first.splitlines() if line.strip()]
        title = lines[0].lstrip("# ") if lines else path.stem
        summary = lines[1] if len(lines) > 1 else ""
        short = re.sub(r"^(\d+)_", r"\1 ", path.stem).replace("_", " ").lstrip("0")
        page = Page(path.stem, title, short, summary)
        for own, output in _marked_outputs(notebook):
            if own["role"] == "exhibit":
                page.exhibits.append(_exhibit(own, output, page.stem))
            elif own["role"] == "provenance":
                page.facts.update(own["facts"])
        page.facts.update(notebook.metadata.get("kmnist_mlp", {}).get("facts", {}))
        resources = {"prefix": slug(path.stem), "toc": []}  # the exporter works on a copy
        page.content, resources = exporter.from_notebook_node(notebook, resources=resources)
        page.headings = resources["toc"]
        pages.append(page)
    for before, after in zip(pages, pages[1:], strict=False):
        before.next, after.previous = after, before
    return pages


def _marked_outputs(
    notebook: nbformat.NotebookNode,
) -> list[tuple[dict[str, Any], nbformat.NotebookNode]]:
    """Return the outputs that `report.notebook` has marked, each with its mark."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    marked = [(output.get("metadata", {}).get("kmnist_mlp"), output) for output in outputs]
    return [(own, output) for own, output in marked if own]


def _exhibit(own: dict[str, Any], output: nbformat.NotebookNode, stem: str) -> Exhibit:
    values = {each.name: own[each.name] for each in fields(ExhibitData)}
    data = ExhibitData(**{**values, "experiments": dict(own["experiments"])})
    return Exhibit(own["number"], own["caption"], stem, data, output, own["index"])


class _PageExporter(HTMLExporter):
    """nbconvert's HTML exporter with this project's template: the content of a page."""

    def __init__(self) -> None:
        super().__init__(
            template_name=TEMPLATES.name,
            extra_template_basedirs=[str(TEMPLATES.parent)],
            filters={"slug": slug, "data_address": data_address},
        )
        self.exclude_input_prompt = self.exclude_output_prompt = True

    @jinja2.pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Render Markdown; the filter of that name in the template."""
        return render_markdown(source, context["resources"]["prefix"], context["resources"]["toc"])


def data_address(text: str, kind: str = "text/csv") -> str:
    """Return an address that holds the text itself, so that a link to it needs no file."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
