"""Terms that a reader may not know, explained once and linked where they first occur in a page."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import escape

from kmnist_mlp.report.pages.markdown import slug
from kmnist_mlp.report.pages.text import in_text

ENTRY = re.compile(r"^## (.+)\n(?:`(.+)`\n)?\n((?:.+\n)+)", re.MULTILINE)
# Term, the pattern of its forms, and its explanation.
TERMS: dict[str, tuple[str, str]] = {
    term: (form or term, " ".join(meaning.split()))
    for term, form, meaning in ENTRY.findall(
        Path(__file__).with_name("glossary.md").read_text(encoding="utf-8")
    )
}
ANY_TERM = re.compile(rf"\b(?:{'|'.join(f'({form})' for form, _ in TERMS.values())})\b", re.I)
NOT_IN = ("a", "code", "pre", "math", "h1", "h2", "h3", "h4", "th", "td", "button", "summary")


def anchor(term: str) -> str:
    """Return the anchor of a term on the page of the glossary."""
    return f"term-{slug(term)}"


def link_terms(html: str, linked: set[str], page: str) -> str:
    """Link each term where it first occurs in running text.

    Parameters
    ----------
    html : str
    linked : set of str
        The terms that are linked already; those found here are added.
    page : str
        Address of the glossary without anchor; empty if it is in the same file.

    Examples
    --------
    >>> link_terms("<p><code>epoch</code> an epoch, an epoch</p>", set(), "g.html")[:62]
    '<p><code>epoch</code> an <a class="term" href="g.html#term-epo'
    """

    def link(found: re.Match) -> str:
        term, (_, meaning) = list(TERMS.items())[found.lastindex - 1]
        if term in linked:
            return found[0]
        linked.add(term)
        address = f"{page}#{anchor(term)}"
        return f'<a class="term" href="{address}" title="{escape(meaning)}">{found[0]}</a>'

    return in_text(html, lambda text: ANY_TERM.sub(link, text), NOT_IN)
