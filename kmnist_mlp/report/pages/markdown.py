"""Markdown as HTML that needs no script: formulas become MathML, headings get anchors."""

from __future__ import annotations

import re

from latex2mathml.converter import convert as mathml
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

Heading = tuple[int, str, str]  # level, HTML, anchor


def slug(text: str) -> str:
    """Return a text as an anchor: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class _Renderer(IPythonRenderer):
    def __init__(self, prefix: str, headings: list[Heading]) -> None:
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


def render_markdown(source: str, prefix: str = "", headings: list[Heading] | None = None) -> str:
    """Return HTML of a Markdown text with formulas.

    Parameters
    ----------
    source : str
    prefix : str
        Begins the anchors of its headings.
    headings : list of (level, HTML, anchor)
        Its headings are appended to this list.
    """
    renderer = _Renderer(prefix, [] if headings is None else headings)
    text = MarkdownWithMath(renderer=renderer).render(source)
    # A table may be wider than a phone.
    box = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
    return text.replace("<table>", f"{box}<table>").replace("</table>", "</table></div>")
