"""Figures on a page: panels side by side, charts in the page's own colours and font."""

import re

from markupsafe import Markup
from nbformat import NotebookNode

from kmnist_mlp.report.pages.text import KANA
from kmnist_mlp.support import colours

# What a chart is drawn in, and what takes its place: variables of the
# style sheet
NAMES = {"GREY": "soft", "INPUT": "cell-input", "COMPUTED": "cell-computed"}
REPLACED = {
    colour.lower(): f"var(--{NAMES.get(name, name.lower())})"
    for name, colour in vars(colours).items()
    if name.isupper() and not name.startswith("ON_")
} | {
    "#000000": "var(--ink)",
    "#ffffff": "var(--ground)",
    # of figures/report.mplstyle
    "'DejaVu Sans', 'IPAexGothic'": "var(--font)",
    # it would rule the whole page
    "*{stroke-linejoin: round; stroke-linecap: butt}": "",
}


def gather_panels(cells: list[NotebookNode]) -> None:
    """Give the first panel of each figure those that follow it, in place."""
    for cell in cells:
        kept: list[NotebookNode] = []
        for output in cell.outputs:
            if output.get("metadata", {}).get("kmnist_mlp", {}).get("role") == "panel":
                kept[-1].setdefault("panels", []).append(output)
            else:
                kept.append(output)
        cell.outputs = kept


def figure_html(output: NotebookNode, number: str, place: str = "") -> Markup:
    """Return the panels of a figure, or its frames, as HTML.

    Parameters
    ----------
    output : NotebookNode
        With a picture in its data, and perhaps further panels.
    number : str
        "Figure S2.1": names the picture if it has no text.
    place : str
        Begins the identifiers inside of it: a figure may stand on more
        than one page.
    """
    marks = output.metadata.get("kmnist_mlp") or {}
    box = Markup('<div class="panels{}" data-text="{}"{}>{}</div>').format
    pictures = Markup()
    for n, panel in enumerate([output, *output.get("panels", ())]):
        kind = "image/svg+xml" if "image/svg+xml" in panel.data else "image/png"
        facts = {"alt": number} | (panel.metadata.get(kind) or {})
        pictures += picture_html(panel.data[kind], f"{place}-{n}", **facts)
    html = box("", marks.get("finding", ""), "", pictures)
    # hidden without scripts
    for n, frame in enumerate(marks.get("frames") or ()):
        pictures, text = Markup(), frame["text"]
        for m, content in enumerate(frame["panels"]):
            pictures += picture_html(content, f"{place}-frame{n}-{m}", number if m else text)
        html += box(" frame", text, " hidden", pictures)
    return html


def picture_html(content: str, prefix: str, alt: str, width: float = 0, **_) -> Markup:
    """Return a picture as HTML: a PNG as an image, an SVG as a part of the page.

    The SVG takes its colours and font from the page, and has
    identifiers of its own. An alternative text has one language:
    Japanese characters before their reading are left out.

    Examples
    --------
    >>> path = '<path id="a" style="fill: #0072b2"/>'
    >>> print(picture_html(f"<svg>{path}</svg>", "p", "す su"))
    <svg class="figure" role="img" aria-label="su"><path id="p-a" style="fill: var(--blue)"/></svg>
    """
    # what is wider than a panel takes a row of its own
    kind = "figure wide" if width > 500 else "figure"
    alt = " ".join(re.sub(rf"{KANA.pattern}\s*", "", alt).split())
    if not content.startswith("<svg"):
        tag = '<img class="{}" alt="{}" src="data:image/png;base64,{}">'
        return Markup(tag).format(kind, alt, content.replace("\n", ""))
    for drawn, shown in REPLACED.items():
        content = content.replace(drawn, shown)
    for reference in ('id="', "url(#", 'href="#'):
        content = content.replace(reference, f"{reference}{prefix}-")
    start, _, inside = content.partition(">")
    size = "".join(re.findall(r' viewBox="[^"]*"', start))
    opening = Markup('<svg class="{}" role="img" aria-label="{}"').format(kind, alt)
    return opening + Markup(f"{size}>{inside}")
