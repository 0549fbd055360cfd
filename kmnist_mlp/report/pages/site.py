"""The frame around the content of pages: templates, style, and how pages refer to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2
import nbformat
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.figures.exhibit import title
from kmnist_mlp.figures.style import web_font
from kmnist_mlp.report.pages.index import TITLE, index_content
from kmnist_mlp.report.pages.markdown import slug
from kmnist_mlp.report.pages.page import TEMPLATES, data_address, make_pages


@dataclass(frozen=True)
class Site:
    """Pages as files of one folder, or as parts of a single file."""

    single: bool = False

    def link(self, stem: str, anchor: str = "") -> str:
        """Return the address of a page or of an anchor on it."""
        if self.single:
            return f"#{anchor or f'page-{stem}'}"
        return f"{stem}.html" + (f"#{anchor}" if anchor else "")


def render(
    notebooks: dict[Path, nbformat.NotebookNode], site: Site, key: str = ""
) -> dict[str, str]:
    """Return the HTML of every page by its stem; of a single file, "index" alone."""
    pages = make_pages(notebooks)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True
    )
    templates.filters.update(slug=slug, data_address=data_address, html=Markup, title_of=title)
    templates.globals.update(
        site=site,
        style=Markup(style()),
        pages=pages,
        key=key,
        title=TITLE,
        stand_in=any(page.is_stand_in for page in pages),
    )
    front = templates.get_template("single.html.j2" if site.single else "start.html.j2")
    files = {"index": front.render(**index_content(pages, site.link), here="index")}
    if not site.single:
        template = templates.get_template("page.html.j2")
        files |= {page.stem: template.render(page=page, here=page.stem) for page in pages}
    return files


def style() -> str:
    """Return the style sheet of all pages: kana font, code in light and dark, our own."""
    light = HtmlFormatter(style="xcode", cssclass="highlight").get_style_defs()
    dark = HtmlFormatter(style="github-dark", cssclass="highlight").get_style_defs()
    own = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    dark = f"@media screen and (prefers-color-scheme: dark) {{ {dark} }}"
    return f"{_kana_font()}\n{light}\n{dark}\n{own}"


def _kana_font() -> str:
    """Return a style that brings the ten kana along: a reader may have no Japanese font."""
    source = f'url("{web_font("".join(CLASS_NAMES))}")'
    only = ", ".join(f"U+{ord(kana):X}" for kana in CLASS_NAMES)
    return f'@font-face {{ font-family: "Kana"; src: {source}; unicode-range: {only}; }}'
