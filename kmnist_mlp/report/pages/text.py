"""The text of a whole page, at its end: anchors, contents, terms, kana, search."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString
from markupsafe import escape

# Terms that a reader may not know: meaning, and forms if there
# are several
GLOSSARY = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text("utf-8"))
FORMS = (entry.get("forms", term) for term, entry in GLOSSARY.items())
TERM = re.compile(rf"\b(?:{'|'.join(f'({form})' for form in FORMS)})\b", re.IGNORECASE)
KANA = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+")
HEADINGS = {"h1", "h2", "h3", "dt"}
NOT_SEARCHED = HEADINGS | {*"figure svg math table pre summary button".split()}
NOT_LINKED = HEADINGS | {*"a button code dl math pre summary svg td th".split()}


def slug(text: str) -> str:
    """Return a text as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def finish(page: BeautifulSoup, address: Callable) -> list[dict]:
    """Give headings anchors, fill the contents, mark the text of a page, in place.

    In an article of class "notebook", each term of the glossary is
    linked where it first occurs.

    Parameters
    ----------
    page : BeautifulSoup
        With one or more articles, whose identifiers are "page-"
        and a stem.
    address : callable
        Takes a stem and an anchor and returns the address of a place.

    Returns
    -------
    list of dict
        What the search finds, each with page, href, title and text:
        the sections between headings, the captions, and the entries
        of the glossary.
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
        contents = ""
        for each in article.select(":is(h2, h3)[id]:not(details *)"):
            link = f'<a href="#{each["id"]}">{each.decode_contents()}</a>'
            contents += f'<li class="level-{each.name[1]}">{link}</li>'
        contents = contents and f"<ul>{contents}</ul>"
        if contents and article is not articles[0]:
            contents = f"<details><summary>{sections[0]['page']}</summary>{contents}</details>"
        page.find(class_="toc").append(BeautifulSoup(contents, "html.parser"))
        for heading in headings:
            link = page.new_tag("a", href=f"#{heading['id']}", attrs={"class": "anchor"})
            link["aria-label"], link.string = "Link to this section", "#"
            heading.extend([" ", link])
    return found


def _sections(article: BeautifulSoup, stem: str, address: Callable) -> list[dict]:
    found = []
    current = {"text": ""}
    for node in article.descendants:
        if type(node) is NavigableString:
            if not NOT_SEARCHED & {tag.name for tag in node.parents}:
                current["text"] += node
        elif node.name in HEADINGS and node.get("id"):
            current = {"id": node["id"], "title": node.get_text(), "text": ""}
            found.append(current)
        elif node.name == "figure" and node.get("id") and node.figcaption:
            number, _, caption = node.figcaption.get_text().partition(". ")
            found.append({"id": node["id"], "title": number, "text": caption})
    for each in found:
        each["href"] = address(stem, each.pop("id"))
        each |= {"page": found[0]["title"], "text": " ".join(each["text"].split())}
    return found


def _marked(text: NavigableString, unlinked: dict, address: Callable) -> str:
    """Return a text of a page as HTML.

    Japanese characters are marked as such (WCAG 3.1.2), a number and its
    per cent sign stay on one line, and terms that are not linked yet are.
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
        place = address("glossary", f"term-{slug(term)}")
        meaning = escape(" ".join(entry["meaning"].split()))
        return f'<a class="term" href="{place}" title="{meaning}">{found[0]}</a>'

    return TERM.sub(link, html) if unlinked and not inside & NOT_LINKED else html
