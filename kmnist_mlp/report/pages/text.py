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
        stem, unlinked = article["id"].removeprefix("page-"), {}
        headings = article.select(".prose :is(h1, h2, h3, h4)")
        if "notebook" in article["class"]:
            unlinked = dict(GLOSSARY)
            for heading in headings:
                heading["id"] = slug(f"{stem}-{heading.get_text()}")
                while len(article.find_all(id=heading["id"])) > 1:
                    heading["id"] += "-again"
        sections = _sections(article, stem, address)
        found += sections
        for text in article.find_all(string=lambda text: type(text) is NavigableString):
            marked = _marked(text, unlinked, address)
            if marked != escape(text):
                text.replace_with(BeautifulSoup(marked, "html.parser"))
        contents = "".join(
            f'<li class="level-{each.name[1]}"><a href="#{each["id"]}">{each.decode_contents()}</a>'
            for each in article.select(":is(h2, h3)[id]")
            if not each.find_parent("details")
        )
        contents = contents and f"<ul>{contents}</ul>".replace("</a>", "</a></li>")
        if article is not articles[0] and contents:
            contents = f"<details><summary>{sections[0]['page']}</summary>{contents}</details>"
        page.find(class_="toc").append(BeautifulSoup(contents, "html.parser"))
        for heading in headings:
            link = page.new_tag("a", href=f"#{heading['id']}", attrs={"class": "anchor"})
            link["aria-label"], link.string = "Link to this section", "#"
            heading.extend([" ", link])
    return found


def _sections(
    article: BeautifulSoup, stem: str, address: Callable[[str, str], str]
) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    current = {"text": ""}
    for node in article.descendants:
        section = {"href": address(stem, node.get("id"))} if node.name and node.get("id") else {}
        if node.name in HEADINGS and section:
            current = section | {"title": node.get_text(), "text": ""}
            found.append(current)
        elif node.name == "figure" and section and node.figcaption:
            number, _, caption = node.figcaption.get_text().partition(". ")
            found.append(section | {"title": number, "text": caption})
        elif type(node) is NavigableString:
            if not NOT_SEARCHED & {tag.name for tag in node.parents}:
                current["text"] += node
    for each in found:
        each |= {"page": found[0]["title"], "text": " ".join(each["text"].split())}
    return found


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
        place, meaning = (
            address("glossary", f"term-{slug(term)}"),
            " ".join(entry["meaning"].split()),
        )
        return f'<a class="term" href="{place}" title="{escape(meaning)}">{found[0]}</a>'

    return TERM.sub(link, html) if unlinked and not inside & NOT_LINKED else html
