"""Changes in the text of a page, which leave its tags as they are."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable

KANA = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+")
NO_TEXT = ("script", "style", "svg", "title", "textarea")


def in_text(html: str, change: Callable[[str], str], without: tuple[str, ...] = NO_TEXT) -> str:
    """Change what stands between the tags of a page, but not inside the elements ``without``."""
    untouched = re.compile(rf"(?is)<({'|'.join(without)})\b[^>]*>.*?</\1>|<[^>]*>")
    parts, last = [], 0
    for tag in untouched.finditer(html):
        parts += [change(html[last : tag.start()]), tag[0]]
        last = tag.end()
    return "".join([*parts, change(html[last:])])


def mark_kana(html: str) -> str:
    """Mark Japanese characters in the text of a page as Japanese (WCAG 3.1.2).

    Examples
    --------
    >>> mark_kana('<td title="お">お o</td>')
    '<td title="お"><span lang="ja">お</span> o</td>'
    """
    return in_text(html, lambda text: KANA.sub(r'<span lang="ja">\g<0></span>', text))


def kept_together(html: str) -> str:
    r"""Keep each number of a page and its per cent sign on one line.

    Examples
    --------
    >>> kept_together('<p title="5 %">5 % of 60</p>')
    '<p title="5 %">5\xa0% of 60</p>'
    """
    return in_text(html, lambda text: re.sub(r"(?<=\d) %", "\u00a0%", text))


def plain(html: str) -> str:
    """Return the text of a piece of HTML, with single blanks.

    Examples
    --------
    >>> plain("<p>After 24 <a href='#'>epochs</a>.</p><p>Its loss</p>")
    'After 24 epochs. Its loss'
    """
    html = re.sub(r"</?(a|abbr|b|cite|code|em|i|small|span|strong|sub|sup)\b[^>]*>", "", html)
    return " ".join(entities.unescape(re.sub(r"<[^>]*>", " ", html)).split())
