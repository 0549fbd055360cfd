"""Notebooks as pages: semantic HTML, numbered figures and tables, nothing from a network."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from latex2mathml.converter import convert as mathml
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from kmnist_mlp.config import Config
from kmnist_mlp.data import CLASS_NAMES, STAND_IN
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.style import web_font

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A numbered figure or table, with what is behind it (behind.py) as plain values."""

    number: str
    caption: str
    page: str
    behind: dict[str, Any]
    output: nbformat.NotebookNode = field(repr=False)

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
    headings: list[tuple[int, str, str]] = field(default_factory=list)  # level, HTML, anchor
    exhibits: list[Exhibit] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    previous: Page | None = field(default=None, repr=False)
    next: Page | None = field(default=None, repr=False)

    @property
    def is_stand_in(self) -> bool:
        """Whether its numbers are those of the stand-in."""
        return self.facts.get("data", "").startswith(STAND_IN)

    @property
    def configurations(self) -> str:
        """Table of the configurations of all experiments on the page."""
        experiments: dict[str, Config] = {}
        for exhibit in self.exhibits:
            for name, config in exhibit.behind["experiments"].items():
                experiments[name] = Config.from_dict(config)
        return tables.html(tables.configurations(experiments)) if experiments else ""


def slug(text: str) -> str:
    """Return a text as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def data_address(text: str, kind: str = "text/csv") -> str:
    """Return an address that holds the text itself, so that a link to it needs no file."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


# ---- Markdown and notebooks ----------------------------------------------------------------------


class _Renderer(IPythonRenderer):
    """Formulas become MathML, which needs no script; headings get anchors and are noted."""

    def __init__(self, prefix: str, headings: list[tuple[int, str, str]]) -> None:
        super().__init__(escape=False)
        self.prefix, self.headings = prefix, headings

    def heading(self, text: str, level: int, **attributes: object) -> str:
        anchor = slug(f"{self.prefix}-{re.sub('<.*?>', '', text)}")
        while any(anchor == taken for _, _, taken in self.headings):
            anchor += "-again"
        self.headings.append((level, text, anchor))
        link = f'<a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a>'
        return f'<h{level} id="{anchor}">{text} {link}</h{level}>\n'

    def block_math(self, body: str) -> str:
        return f'<div class="formula" tabindex="0">{mathml(body.strip(), display="block")}</div>'

    def inline_math(self, body: str) -> str:
        return mathml(body.strip())


def render_markdown(source: str, prefix: str = "", headings: list | None = None) -> str:
    """Return HTML of a Markdown text with formulas; note its headings in the given list."""
    renderer = _Renderer(prefix, [] if headings is None else headings)
    text = MarkdownWithMath(renderer=renderer).render(source)
    # A table may be wider than a phone.
    box = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
    return text.replace("<table>", f"{box}<table>").replace("</table>", "</table></div>")


class PageExporter(HTMLExporter):
    """nbconvert's HTML exporter with this project's template: the content of a page."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            template_name="report",
            extra_template_basedirs=[str(TEMPLATES)],
            filters={"slug": slug, "data_address": data_address},
            **options,
        )
        self.exclude_input_prompt = self.exclude_output_prompt = True

    @jinja2.pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Render Markdown; the filter of that name in the template."""
        return render_markdown(source, context["resources"]["prefix"], context["resources"]["toc"])


def make_pages(notebooks: dict[Path, nbformat.NotebookNode]) -> list[Page]:
    """Return a page for each notebook, with its content."""
    exporter = PageExporter()
    pages = []
    for path, notebook in notebooks.items():
        first = notebook.cells[0].source if notebook.cells else ""
        lines = [line.strip() for line in first.splitlines() if line.strip()]
        title = lines[0].lstrip("# ") if lines else path.stem
        summary = lines[1] if len(lines) > 1 else ""
        short = re.sub(r"^(\d+)_", r"\1 ", path.stem).replace("_", " ").lstrip("0")
        page = Page(path.stem, title, short, summary)
        for own, output in owned(notebook):
            if own["role"] == "exhibit":
                behind = {**own, "experiments": dict(own["experiments"])}
                page.exhibits.append(
                    Exhibit(own["number"], own["caption"], page.stem, behind, output)
                )
            elif own["role"] == "provenance":
                page.facts.update(own["facts"])
        page.facts.update(notebook.metadata.get("kmnist_mlp", {}).get("facts", {}))
        resources = {"prefix": slug(path.stem), "toc": []}
        page.content, resources = exporter.from_notebook_node(notebook, resources=resources)
        page.headings = resources["toc"]
        pages.append(page)
    return pages


def owned(notebook: nbformat.NotebookNode) -> list[tuple[dict[str, Any], nbformat.NotebookNode]]:
    """Return the outputs that notebook.py has marked, each with its mark."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    marked = [(output.get("metadata", {}).get("kmnist_mlp"), output) for output in outputs]
    return [(own, output) for own, output in marked if own]


# ---- the frame around the content ----------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """How pages refer to each other: as files of one folder, or as parts of a single file."""

    single: bool = False

    def link(self, stem: str, anchor: str = "") -> str:
        """Return the address of a page or of an anchor on it."""
        if self.single:
            return f"#{anchor or f'page-{stem}'}"
        return f"{stem}.html" + (f"#{anchor}" if anchor else "")


def environment(site: Site) -> jinja2.Environment:
    """Return the templates of the frame, the index page and the single file."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "report"), autoescape=True, trim_blocks=True
    )
    templates.filters.update(
        slug=slug, data_address=data_address, html=Markup, title_of=tables.title
    )
    templates.globals.update(site=site, style=Markup(style()))
    return templates


def _kana_font() -> str:
    """Return a style that brings the ten kana along: a reader may have no Japanese font."""
    source = f'url("{web_font("".join(CLASS_NAMES))}")'
    only = ", ".join(f"U+{ord(kana):X}" for kana in CLASS_NAMES)
    return f'@font-face {{ font-family: "Kana"; src: {source}; unicode-range: {only}; }}'


def style() -> str:
    """Return the style of all pages, in itself: kana, code in light and dark, our own."""
    light = HtmlFormatter(style="xcode", cssclass="highlight").get_style_defs()
    dark = HtmlFormatter(style="github-dark", cssclass="highlight").get_style_defs()
    own = (TEMPLATES / "report" / "style.css").read_text(encoding="utf-8")
    dark = f"@media screen and (prefers-color-scheme: dark) {{ {dark} }}"
    return f"{_kana_font()}\n{light}\n{dark}\n{own}"
