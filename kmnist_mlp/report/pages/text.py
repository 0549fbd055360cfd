"""The text of a whole page, at its end: anchors, contents, terms, kana, search."""

import re
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString
from markupsafe import escape

# Terms that a reader may not know: meaning, and forms if there
# are several
GLOSSARY = tomllib.loads(Path(__file__).with_name("glossary.toml").read_text("utf-8"))
TERMS = [*GLOSSARY]
FORMS = (entry.get("forms", term) for term, entry in GLOSSARY.items())
TERM = re.compile(rf"\b(?:{'|'.join(f'({form})' for form in FORMS)})\b", re.IGNORECASE)
WORD = re.compile("[A-Za-z]{3}")
KANA = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+")
HEADINGS = {"h1", "h2", "h3", "dt"}
NOT_SEARCHED = HEADINGS | {*"figure svg pre summary button provenance small".split()}
# what the search shows of a formula or a table between two parts
BETWEEN = {"mfrac": " / ", "msup": "^", "msub": "_", "tr": " · ", "mtr": " "}
HASH = re.compile(r"\((fingerprint|commit) [^)]*\)|\b(?=\d*[a-f])(?=[a-f]*\d)[\da-f]{7,}\b")
UNTOUCHED = HEADINGS | {*"a button code math pre summary svg".split()}
NOT_LINKED = UNTOUCHED | {"dl", "td", "th"}
# "Figure S2.1", "Tables 1 to 3", "section 9", but not "section 2.1 of the paper"
NUMBER = r"S?\d+(?:\.\d+)?"
SECTION = r"(?<!its )(?<!&#39;s )section(?!s?\s+\d+(?:\.\d|\s+of\s+the\s+paper))"
LISTED = rf"(?>\s+{NUMBER}|s\s+{NUMBER}(?:(?:,|,?\s+and|\s+to)\s+{NUMBER})*)"
# none in a tag
REFERENCE = re.compile(rf"\b(figure|table|{SECTION}){LISTED}(?![^<]*>)", re.IGNORECASE)
EACH = re.compile(rf"(?:\A\w+\s+)?({NUMBER})")
parsed = partial(BeautifulSoup, features="html.parser")


def slug(text: str) -> str:
    """Return a text as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def targets(pages: list) -> dict[tuple, tuple[str, str]]:
    """Return stem and anchor of what a text can refer to: ("section", "9"), ("figure", "S2.1")."""
    found = {("section", page.stem[:2].lstrip("0") or "0"): (page.stem, "") for page in pages}
    for item in (item for page in pages for item in page.items):
        kind = item.number.split()[0].lower().rstrip("s")
        found |= {(kind, n): (item.page, item.id) for n in re.findall(NUMBER, item.number)}
    return found


def finish(page: BeautifulSoup, address: Callable, places: dict) -> list[dict]:
    """Give headings anchors, fill the contents, mark the text of a page, in place.

    What a text refers to by its number is linked. In an article of
    class "notebook", so is each term of the glossary where it first
    occurs.

    Parameters
    ----------
    page : BeautifulSoup
        With one or more articles, whose identifiers are "page-"
        and a stem.
    address : callable
        Takes a stem and an anchor and returns the address of a place.
    places : dict of (str, str) to (str, str)
        What :func:`targets` gives.

    Returns
    -------
    list of dict
        What the search finds, each with page, href, title, text and
        other words for its terms: the sections between headings, the
        figures and tables, and the entries of the glossary.
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
            marked = _marked(text, unlinked, places, stem, address)
            if marked != escape(text):
                text.replace_with(parsed(marked))
        entries = []
        for each in article.select(":is(h1, h2, h3)[id]:not(details *)"):
            link = f'<a href="#{each["id"]}">{each.decode_contents()}</a>'
            entries.append(f'<li class="level-{each.name[1]}">{link}</li>')
        for leaves in page.select(".leaves"):
            leaves.append(parsed("".join(entries)))
        contents = "".join(entry for entry in entries if "level-1" not in entry)
        contents = contents and f"<ul>{contents}</ul>"
        if contents and article is not articles[0]:
            contents = f"<details><summary>{sections[0]['page']}</summary>{contents}</details>"
        page.find(class_="toc").append(parsed(contents))
        for heading in headings:
            link = page.new_tag("a", href=f"#{heading['id']}", attrs={"class": "anchor"})
            link["aria-label"], link.string = "Link to this section", "#"
            heading.extend([" ", link])
    return found


def _sections(article: BeautifulSoup, stem: str, address: Callable) -> list[dict]:
    found, current = [], {"text": ""}
    for node in article.descendants:
        inside = {name for tag in node.parents for name in (tag.name, *tag.get("class", ()))}
        if not NOT_SEARCHED & inside:
            between = BETWEEN.get(node.parent.name, "") if node.previous_sibling else ""
            current["text"] += node if type(node) is NavigableString else between
        if node.name in HEADINGS and node.get("id"):
            words = node.get("data-also", "")
            current = {"id": node["id"], "title": node.get_text(), "text": "", "words": words}
            found.append(current)
        elif node.name == "figure" and node.get("id") and node.figcaption:
            number, _, caption = node.figcaption.get_text().partition(". ")
            cells = dict.fromkeys(cell.get_text() for cell in node.select("th, td"))
            texts = " · ".join([caption, *filter(WORD.search, cells)])
            found.append({"id": node["id"], "title": number, "text": texts})
    for each in found:
        each["href"] = address(stem, each.pop("id"))
        text = " ".join(HASH.sub("", each["text"]).split())
        terms = {TERMS[match.lastindex - 1] for match in TERM.finditer(text)}
        also = " ".join(GLOSSARY[term].get("also", "") for term in sorted(terms))
        each |= {"page": found[0]["title"], "text": text, "also": also}
    return found


def _marked(
    text: NavigableString, unlinked: dict, places: dict, stem: str, address: Callable
) -> str:
    """Return a text of a page as HTML.

    Japanese characters are marked as such (WCAG 3.1.2), a number stays
    on one line with its per cent sign and what follows ±, terms that
    are not linked yet are, and so is "Figure S2.1" or "section 9",
    except in this figure or section itself.
    """
    inside = {tag.name for tag in text.parents}
    if "title" in inside or text.parent.get("lang") == "ja":
        return escape(text)
    tag = "tspan" if "svg" in inside else "span"
    html = re.sub(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)", "\u00a0", escape(text))
    html = KANA.sub(rf'<{tag} lang="ja">\g<0></{tag}>', html)

    def link(found: re.Match) -> str:
        term = TERMS[found.lastindex - 1]
        entry = unlinked.pop(term, None)
        if not entry:
            return found[0]
        place = address("glossary", f"term-{slug(term)}")
        meaning = escape(" ".join(entry["meaning"].split()))
        return f'<a class="term" href="{place}" title="{meaning}">{found[0]}</a>'

    def refer(kind: str, found: re.Match) -> str:
        place = places.get((kind.lower(), found[1]), here[0])
        return found[0] if place in here else f'<a href="{address(*place)}">{found[0]}</a>'

    html = TERM.sub(link, html) if unlinked and not inside & NOT_LINKED else html
    if inside & UNTOUCHED:
        return html
    here = [(stem, ""), *((stem, tag.get("id")) for tag in text.parents)]
    return REFERENCE.sub(lambda found: EACH.sub(partial(refer, found[1]), found[0]), html)
