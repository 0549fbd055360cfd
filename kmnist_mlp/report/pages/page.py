"""A notebook as a page: its title and summary, numbered exhibits, facts and HTML content."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config as Settings

from kmnist_mlp.config import Config
from kmnist_mlp.data import is_stand_in
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import ShownData, html
from kmnist_mlp.report.pages.glossary import link_terms
from kmnist_mlp.report.pages.markdown import Heading, render_markdown, slug
from kmnist_mlp.report.pages.pictures import figure_html, with_gathered_panels

TEMPLATES = Path(__file__).parent / "templates"
CHECK = "## Check"  # begins the last section of a notebook, which is for maintainers
LONGEST = 24  # characters of a title in the menu; else the name of the file stands there
AGREES = ("agrees with the reference results", "as recorded")


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A numbered figure or table. ``index`` is what the index page uses it for, if anything."""

    number: str
    caption: str
    page: str
    data: ShownData
    output: nbformat.NotebookNode = field(repr=False)
    index: str | None = None
    finding: str = ""

    @property
    def id(self) -> str:
        """Its anchor, such as "figures-1-and-2"."""
        return slug(self.number)

    @property
    def strip(self) -> str:
        """A picture of all characters in base64, if it carries one."""
        return (self.output.metadata.get("kmnist_mlp") or {}).get("strip", "")

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
    check: str = field(default="", repr=False)
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
    def check_summary(self) -> str:
        """Whether the comparisons at the end of the notebook agree, in one line."""
        lines = entities.unescape(re.sub("<.*?>", "", self.check)).splitlines()
        agree = sum(line.endswith(AGREES) for line in lines)
        moved = sum("MOVED" in line for line in lines)
        what = "comparison agrees" if agree == 1 else "comparisons agree"
        return f"{agree} {what} with the reference results" + f", {moved} MOVED" * bool(moved)

    @property
    def configurations(self) -> str:
        """Table of the configurations of all experiments on the page."""
        values = {
            name: config
            for exhibit in self.exhibits
            for name, config in exhibit.data.experiments.items()
        }
        experiments = {name: _config_of(config) for name, config in values.items()}
        return html(tables.configurations(experiments)) if experiments else ""


def _config_of(values: dict[str, Any]) -> Config:
    """Return a configuration; an activation that a notebook has added is only a name here."""
    config = Config.from_dict({**values, "activation": Config.activation})
    object.__setattr__(config, "activation", values["activation"])
    return config


def make_pages(
    notebooks: dict[Path, nbformat.NotebookNode], link: Callable[..., str]
) -> list[Page]:
    """Return a page for each notebook, with its content, linked to its neighbours.

    ``link`` takes the stem of a page and returns its address.
    """
    exporter = _PageExporter()
    pages = []
    for path, original in notebooks.items():
        notebook = with_gathered_panels(original)
        first = notebook.cells[0].source if notebook.cells else ""
        lines = [line.strip() for line in first.splitlines() if line.strip()]
        title = lines[0].lstrip("# ") if lines else path.stem
        summary = re.sub("[*`]", "", lines[1]) if len(lines) > 1 else ""
        number, _, name = path.stem.partition("_")
        name = f"{number.lstrip('0')} {name.replace('_', ' ').capitalize()}"
        short = title if len(title) <= LONGEST else name
        page = Page(path.stem, title, short, summary)
        for own, output in marked_outputs(notebook):
            if "number" in own:
                page.exhibits.append(_exhibit(own, output, page.stem))
            elif own["role"] == "provenance":
                page.facts.update(own["facts"])
        page.facts.update(notebook.metadata.get("kmnist_mlp", {}).get("facts", {}))
        glossary = link("glossary") if ".html" in link("glossary") else ""
        resources = {  # the exporter works on a copy
            "prefix": slug(path.stem), "toc": [], "linked": set(), "glossary": glossary,
        }  # fmt: skip
        body, check = _without_check(notebook)
        page.content, resources = exporter.from_notebook_node(body, resources=resources)
        page.headings = resources["toc"]
        if check.cells:
            page.check, _ = exporter.from_notebook_node(check, resources={**resources, "toc": []})
        pages.append(page)
    for before, after in zip(pages, pages[1:], strict=False):
        before.next, after.previous = after, before
    return pages


def _without_check(
    notebook: nbformat.NotebookNode,
) -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """Separate the cells that compare results with the reference: they are for maintainers."""
    cells = notebook.cells
    starts = [n for n, cell in enumerate(cells) if cell.source.startswith(CHECK)]
    place = starts[-1] if starts else len(cells)
    return tuple(
        nbformat.from_dict({**notebook, "cells": part}) for part in (cells[:place], cells[place:])
    )


def marked_outputs(
    notebook: nbformat.NotebookNode,
) -> list[tuple[dict[str, Any], nbformat.NotebookNode]]:
    """Return the outputs that `report.notebook` has marked, each with its mark."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    marked = [(output.get("metadata", {}).get("kmnist_mlp"), output) for output in outputs]
    return [(own, output) for own, output in marked if own]


def _exhibit(own: dict[str, Any], output: nbformat.NotebookNode, stem: str) -> Exhibit:
    values = {each.name: own[each.name] for each in fields(ShownData)}
    data = ShownData(**{**values, "experiments": dict(own["experiments"])})
    finding = own.get("finding", "")
    return Exhibit(own["number"], own["caption"], stem, data, output, own["index"], finding)


class _PageExporter(HTMLExporter):
    """nbconvert's HTML exporter with this project's template: the content of a page."""

    def __init__(self) -> None:
        super().__init__(
            template_name=TEMPLATES.name,
            extra_template_basedirs=[str(TEMPLATES.parent)],
            config=Settings(
                TagRemovePreprocessor={"enabled": True, "remove_all_outputs_tags": {"only-live"}}
            ),
            filters={
                "slug": slug,
                "data_address": data_address,
                "figure_html": figure_html,
                "linked": self.linked,
            },
        )
        self.exclude_input_prompt = self.exclude_output_prompt = True

    @jinja2.pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Render Markdown; the filter of that name in the template."""
        resources = context["resources"]
        return self.linked(context, render_markdown(source, resources["prefix"], resources["toc"]))

    @staticmethod
    @jinja2.pass_context
    def linked(context: Any, html: str) -> str:
        """Link the terms that occur here first on the page; the filter of that name."""
        resources = context["resources"]
        return link_terms(html, resources["linked"], resources["glossary"])


def data_address(text: str, kind: str = "text/csv") -> str:
    """Return an address that holds the text itself, so that a link to it needs no file."""
    return f"data:{kind};charset=utf-8,{quote(text, safe='/:,;=@+()[]*!$-._~')}"
