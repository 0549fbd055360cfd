"""Figures on a page: charts in the page's own colours and font, wide and narrow, described."""

from __future__ import annotations

import html as entities
import re
from typing import Any

from markupsafe import Markup, escape

from kmnist_mlp.report.pages.text import KANA
from kmnist_mlp.support import colours

# What a chart is drawn in, and the variable of the style sheet that takes its place.
VARIABLES = {
    "#000000": "--ink",
    "#ffffff": "--ground",
    colours.GREY: "--soft",
    colours.PALE: "--pale",
    colours.RULE: "--rule",
    colours.BAND: "--band",
    colours.CELL: "--cell",
    colours.INPUT: "--cell-input",
    colours.COMPUTED: "--cell-computed",
    **{
        getattr(colours, name): f"--{name.lower()}"
        for name in ("BLUE", "ORANGE", "GREEN", "PURPLE", "SKY", "RED")
    },
}
VARIABLES = {colour.lower(): variable for colour, variable in VARIABLES.items()}
FONT = "'DejaVu Sans', 'IPAexGothic'"  # of figures/style.py


def figure_html(output: Any, number: str, place: str = "") -> Markup:
    """Return the figure of a notebook's output as HTML, for wide and for narrow screens.

    Parameters
    ----------
    output : NotebookNode
        With a picture in its data, and its alternative text and narrow form in its metadata.
    number : str
        "Figure S2.1": names the box that scrolls.
    place : str
        Begins the identifiers inside of it: a figure may stand on more than one page.
    """
    own = output.metadata.get("kmnist_mlp") or {}
    kind = "image/svg+xml" if "image/svg+xml" in output.data else "image/png"
    size = output.metadata.get(kind) or {}
    own_title = re.search("<title>(.*?)</title>", output.data[kind])
    alt = size.get("alt") or (entities.unescape(own_title[1]) if own_title else "Picture")
    still, frames = output.data[kind], own.get("frames") or ()
    shown = Markup()
    if still not in [frame["content"] for frame in frames]:
        shown += forms_html(still, own.get("narrow"), kind, place, alt)
    for n, frame in enumerate(frames):  # without scripts, only the still is shown
        shown += Markup('<div class="frame" data-text="{}"{}>{}</div>').format(
            without_kana(frame["text"]),
            Markup(" hidden") if frame["content"] != still else "",
            forms_html(
                frame["content"], frame.get("narrow"), kind, f"{place}frame{n}", frame["alt"]
            ),
        )
    kinds = "scroll" if own.get("narrow") else "scroll only-wide"
    box = '<div class="{}" tabindex="0" role="group" aria-label="{}">{}</div>'
    return Markup(box).format(kinds, number, shown)


def forms_html(wide: str, narrow: str | None, kind: str, prefix: str, alt: str) -> Markup:
    """Return a picture as HTML, in two forms if it has one for narrow screens."""
    if not narrow:
        return picture_html(wide, kind, f"{prefix}wide", alt, "only")
    return Markup("").join(
        picture_html(content, kind, f"{prefix}{name}", alt, name)
        for name, content in (("wide", wide), ("narrow", narrow))
    )


def picture_html(content: str, kind: str, prefix: str, alt: str, name: str) -> Markup:
    """Return one picture as HTML: an SVG as a part of the page, a PNG as an image."""
    if kind == "image/svg+xml":
        return themed(content, prefix, without_kana(alt), name)
    tag = '<img class="figure {}" alt="{}" src="data:image/png;base64,{}">'
    return Markup(tag).format(name, without_kana(alt), content.replace("\n", ""))


def themed(svg: str, prefix: str, alt: str, name: str) -> Markup:
    """Return an SVG that takes its colours and font from the page, with identifiers of its own.

    Examples
    --------
    >>> svg = '<svg width="9pt" height="9pt" viewBox="0 0 9 9"><path style="fill: #0072b2"/></svg>'
    >>> print(themed(svg, "p", "A square.", "wide"))
    <svg class="figure wide" role="img" aria-label="A square." viewBox="0 0 9 9"><path style="fill: var(--blue)"/></svg>
    """  # noqa: E501
    opening, _, rest = svg.partition(">")
    box = re.search(r'viewBox="[^"]*"', opening)
    referred = set(re.findall(r'(?:url\(|href=")#([^")]+)', rest))
    rest = re.sub(
        r' id="([^"]+)"',
        lambda found: f' id="{prefix}-{found[1]}"' if found[1] in referred else "",
        rest,
    )
    rest = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}-", rest)
    rest = rest.replace("font-size: 10px; ", "").replace(f"font-family: {FONT}; ", "")
    rest = _without_bare_groups(rest)
    rest = re.sub(r"<style.*?</style>", "", rest, flags=re.DOTALL)  # it would rule the whole page
    rest = re.sub(r"#[0-9a-fA-F]{6}\b", _variable, rest).replace(FONT, "var(--font)")
    opening = f'class="figure {name}" role="img" aria-label="{escape(alt)}" {box[0] if box else ""}'
    return Markup(f"<svg {opening}>{rest.strip()}")


def _without_bare_groups(svg: str) -> str:
    """Return an SVG without the groups that have no attributes: they change nothing."""
    parts, bare, last = [], [], 0
    for tag in re.finditer(r"<g( [^>]*)?>|</g>", svg):
        closes = tag[0] == "</g>"
        drop = bare.pop() if closes and bare else not tag[1] and not closes
        if not closes:
            bare.append(drop)
        parts += [svg[last : tag.start()], "" if drop else tag[0]]
        last = tag.end()
    return re.sub(r"\n\s*", "\n", "".join([*parts, svg[last:]]))


def _variable(colour: re.Match) -> str:
    variable = VARIABLES.get(colour[0].lower())
    return f"var({variable})" if variable else colour[0]


def without_kana(text: str) -> str:
    """Return a text in which Japanese characters that stand before their reading are left out.

    An alternative text has one language; a voice for English cannot read them.

    Examples
    --------
    >>> without_kana("す su is taken for つ tsu (す su)")
    'su is taken for tsu (su)'
    """
    return " ".join(re.sub(rf"{KANA.pattern}\s*", "", text).split())
