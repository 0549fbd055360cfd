"""The frame around the content of pages: templates, style, and how pages refer to each other."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2
import nbformat
from markupsafe import Markup
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES

from kmnist_mlp.beyond import load_best
from kmnist_mlp.data import CLASS_NAMES, Dataset
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.style import deflated, web_font
from kmnist_mlp.laboratory import drawing_pad
from kmnist_mlp.laboratory.in_page import TEST, TRAINING, playground_html
from kmnist_mlp.report.pages.glossary import TERMS, anchor
from kmnist_mlp.report.pages.index import TITLE, index_content
from kmnist_mlp.report.pages.markdown import slug
from kmnist_mlp.report.pages.page import TEMPLATES, Page, data_address, make_pages
from kmnist_mlp.report.pages.pictures import figure_html
from kmnist_mlp.report.pages.text import kept_together, mark_kana, plain


@dataclass(frozen=True)
class Site:
    """Pages as files of one folder, or as parts of a single file."""

    single: bool = False

    def link(self, stem: str, anchor: str = "") -> str:
        """Return the address of a page or of an anchor on it."""
        if self.single:
            return f"#{anchor or f'page-{stem}'}"
        return f"{stem}.html" + (f"#{anchor}" if anchor else "")


@dataclass(frozen=True)
class Extra:
    """A page that is no notebook. ``button`` invites to it, on the index page and in the menu."""

    stem: str
    title: str
    button: str = ""


PAD_BITS, PAD_IMAGES = 5, 250  # of a weight of the final network, and images: less than 2.5 MB
EXTRAS = [
    Extra("draw", "Draw a character", "Draw one"),
    Extra("train", "Train a network", "Train one"),
    Extra("glossary", "Glossary"),
    Extra("accessibility", "Accessibility"),
]


SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def with_policy(page: str) -> str:
    """Return a page with a Content-Security-Policy: only its own scripts run, nothing is loaded.

    A script that a notebook's output brings along is one of them: pages are made from notebooks
    that are trusted.
    """
    hashes = {hashlib.sha256(script.encode()).digest() for script in SCRIPT.findall(page)}
    scripts = " ".join(sorted(f"'sha256-{base64.b64encode(own).decode()}'" for own in hashes))
    return page.replace("POLICY", f"{POLICY}; script-src {scripts}", 1)


POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; worker-src blob:"
)


@lru_cache(maxsize=1)  # of the same images, for a folder and for a single file
def _scripted(data: Dataset) -> dict[str, Markup]:
    """Return what runs in a page: the final network on a drawing pad, and training."""
    pad = drawing_pad(load_best(), data, bits=PAD_BITS, images=PAD_IMAGES)
    return {"pad": Markup(pad.data), "playground": Markup(playground_html(data))}


def page_names(notebooks: dict[Path, nbformat.NotebookNode]) -> list[str]:
    """Return the stems of all pages of a folder."""
    return ["index", *(path.stem for path in notebooks), *(own.stem for own in EXTRAS)]


def render(
    notebooks: dict[Path, nbformat.NotebookNode], data: Dataset, site: Site, key: str = ""
) -> dict[str, str]:
    """Return the HTML of every page by its stem; of a single file, "index" alone.

    Parameters
    ----------
    notebooks : dict of Path to NotebookNode
    data : Dataset
        A reader trains networks on some of its images.
    site : Site
    key : str
        Of what the pages are made from; every page carries it.
    """
    pages = make_pages(notebooks, site.link)
    templates = _environment(site, pages, data, key)
    front = templates.get_template("single.html.j2" if site.single else "start.html.j2")
    files = {"index": front.render(index_content(pages, site.link), here="index")}
    if not site.single:
        template = templates.get_template("page.html.j2")
        files |= {page.stem: template.render(page=page, here=page.stem) for page in pages}
        template = templates.get_template("extra.html.j2")
        files |= {own.stem: template.render(extra=own, here=own.stem) for own in EXTRAS}
    return {stem: with_policy(mark_kana(kept_together(text))) for stem, text in files.items()}


def _environment(site: Site, pages: list[Page], data: Dataset, key: str) -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True
    )
    templates.filters.update(
        slug=slug, data_address=data_address, html=Markup, title_of=title,
        figure_html=figure_html, term_anchor=anchor, headings=HEADING.findall,
    )  # fmt: skip
    templates.globals.update(
        site=site,
        style=Markup(style()),
        script=Markup(script()),
        sections=deflated(json.dumps(sections(pages, site), ensure_ascii=False).encode()),
        pages=pages,
        extras=EXTRAS,
        terms=TERMS,
        key=key,
        title=TITLE,
        stand_in=any(page.is_stand_in for page in pages),
        dataset=data,
        images={"training": TRAINING, "test": TEST},
        **_scripted(data),
    )
    return templates


# ---- search --------------------------------------------------------------------------------------

NOT_TEXT = re.compile(
    r"<(figure|svg|script|style|math|table|pre)\b.*?</\1>|<details class=\"(?:code|data)\".*?"
    r"</details>",
    re.DOTALL,
)
HEADING = re.compile(r'<h[123] id="([^"]+)">(.*?)</h[123]>', re.DOTALL)


def sections(pages: list[Page], site: Site) -> list[dict[str, str]]:
    """Return the text of each section of each page, and each caption, with their addresses."""
    found = []

    def add(page: str, address: str, title: str, text: str) -> None:
        found.append({"page": page, "href": address, "title": title, "text": text})

    for page in pages:
        parts = HEADING.split(NOT_TEXT.sub(" ", page.content))
        for place, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            name = plain(name).removesuffix(" #")
            add(page.title, site.link(page.stem, place), name, plain(text))
        for e in page.exhibits:
            text = f"{e.finding} {e.caption}"
            add(page.title, site.link(page.stem, e.id), e.number, text)
    for term, (_, meaning) in TERMS.items():
        add("Glossary", site.link("glossary", anchor(term)), term, meaning)
    return found


# ---- style and script ----------------------------------------------------------------------------


def script() -> str:
    """Return the script of all pages: search (MiniSearch, with its licence), theme, numbers."""
    return "\n".join(
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("minisearch.js", "site.js")
    )


def style() -> str:
    """Return the style sheet of all pages: kana font, code in light and dark, our own."""
    own = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return f"{_kana_font()}\n{_code_colours()}\n{own}"


def _code_colours() -> str:
    """Return colours of code for light and dark, each kind of token in both."""
    light, dark = (get_style_by_name(name) for name in ("xcode", "github-dark"))
    rules = []
    for token, short in STANDARD_TYPES.items():
        one, other = (each.style_for_token(token)["color"] for each in (light, dark))
        if short and (one or other):
            pair = f"light-dark(#{one or '000000'}, #{other or 'e6edf3'})"
            rules.append(f".highlight .{short} {{ color: {pair}; }}")
    return "\n".join(rules)


def _kana_font() -> str:
    """Return a style that brings the ten kana along: a reader may have no Japanese font."""
    source = f'url("{web_font("".join(CLASS_NAMES))}")'
    only = ", ".join(f"U+{ord(kana):X}" for kana in CLASS_NAMES)
    return f'@font-face {{ font-family: "Kana"; src: {source}; unicode-range: {only}; }}'
