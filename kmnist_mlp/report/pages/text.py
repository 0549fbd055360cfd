"""What is done to the text of a whole page at its end: anchors, contents, terms, kana, search."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString
from markupsafe import escape

# Terms that a reader may not know: each has its meaning, and its forms if there are several.
GLOSSARY = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text(encoding="utf-8"))
FORMS = (entry.get("forms", term) for term, entry in GLOSSARY.items())
TERM = re.compile(rf"\b(?:{'|'.join(f'({form})' for form in FORMS)})\b", re.IGNORECASE)
KANA = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+")
HEADINGS = {"h1", "h2", "h3", "dt"}
NOT_SEARCHED = HEADINGS | {"figure", "svg", "math", "table", "pre", "summary", "button"}
NOT_LINKED = HEADINGS | {"a", "button", "code", "dl", "math", "pre", "summary", "svg", "td", "th"}


def slug(text: str) -> str:
    """Return a text as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def finish(page: BeautifulSoup, address: Callable[[str, str], str]) -> list[dict[str, str]]:
    """Give headings their anchors, fill the contents, and mark the text of a page, in place.

    In an article of class "notebook", each term of the glossary is linked where it first occurs.

    Parameters
    ----------
    page : BeautifulSoup
        With one or more articles, whose identifiers are "page-" and a stem.
    address : callable
        Takes a stem and an anchor and returns the address of a place.

    Returns
    -------
    list of dict
        What the search finds, each with page, href, title and text: the sections between headings,
        the captions, and the entries of the glossary.
    """
    articles, found = page.find_all("article"), []
    for article in articles:
        stem = article["id"].removeprefix("page-")
        is_notebook = "notebook" in article["class"]
        if is_notebook:
            _name_headings(article, stem)
        sections = _sections(article, lambda anchor, stem=stem: address(stem, anchor))
        found += sections
        unlinked = dict(GLOSSARY) if is_notebook else {}
        for text in article.find_all(string=lambda text: type(text) is NavigableString):
            marked = _marked(text, unlinked, address)
            if marked != escape(text):
                text.replace_with(BeautifulSoup(marked, "html.parser"))
        contents = _contents(article)
        if len(articles) > 1 and article is not articles[0] and contents:
            contents = f"<details><summary>{sections[0]['page']}</summary>{contents}</details>"
        page.find(class_="toc").append(BeautifulSoup(contents, "html.parser"))
    return found


def _name_headings(article: BeautifulSoup, stem: str) -> None:
    taken = set()
    for heading in article.select(".prose :is(h1, h2, h3, h4)"):
        anchor = slug(f"{stem}-{heading.get_text()}")
        while anchor in taken:
            anchor += "-again"
        taken.add(anchor)
        heading["id"] = anchor


def _contents(article: BeautifulSoup) -> str:
    """Return the list of sections; each heading of a notebook gets a link to itself."""
    items = ""
    for heading in article.select(":is(h2, h3)[id]"):
        if not heading.find_parent("details"):
            link = f'<a href="#{heading["id"]}">{heading.decode_contents()}</a>'
            items += f'<li class="level-{heading.name[1]}">{link}</li>'
    for heading in article.select(".prose :is(h1, h2, h3, h4)[id]"):
        link = f' <a class="anchor" href="#{heading["id"]}" aria-label="Link to this section">#</a>'
        heading.append(BeautifulSoup(link, "html.parser"))
    return items and f"<ul>{items}</ul>"


def _sections(article: BeautifulSoup, address: Callable[[str], str]) -> list[dict[str, str]]:
    found = []

    def section(anchor: str, title: str, text: str = "") -> dict[str, str]:
        page = found[0]["page"] if found else title
        found.append({"page": page, "href": address(anchor), "title": title, "text": text})
        return found[-1]

    current = {"text": ""}
    for node in article.descendants:
        if node.name in HEADINGS and node.get("id"):
            current = section(node["id"], node.get_text())
        elif node.name == "figure" and node.get("id") and node.figcaption:
            number, _, caption = node.figcaption.get_text().partition(". ")
            section(node["id"], number, caption)
        elif type(node) is NavigableString:
            if not NOT_SEARCHED & {tag.name for tag in node.parents}:
                current["text"] += node
    return [{**each, "text": " ".join(each["text"].split())} for each in found]


def _marked(text: NavigableString, unlinked: dict, address: Callable[[str, str], str]) -> str:
    """Return a text of a page as HTML.

    Japanese characters are marked as such (WCAG 3.1.2), a number and its per cent sign stay on one
    line, and terms that are not linked yet are.
    """
    inside = {tag.name for tag in text.parents}
    if "title" in inside or text.parent.get("lang") == "ja":
        return escape(text)
    tag = "tspan" if "svg" in inside else "span"
    html = re.sub(r"(?<=\d) %", "\u00a0%", escape(text))
    html = KANA.sub(rf'<{tag} lang="ja">\g<0></{tag}>', html)

    def link(found: re.Match) -> str:
        term = list(GLOSSARY)[found.lastindex - 1]
        entry = unlinked.pop(term, None)
        if not entry:
            return found[0]
        href, meaning = (
            address("glossary", f"term-{slug(term)}"),
            " ".join(entry["meaning"].split()),
        )
        return f'<a class="term" href="{href}" title="{escape(meaning)}">{found[0]}</a>'

    return TERM.sub(link, html) if unlinked and not inside & NOT_LINKED else html
