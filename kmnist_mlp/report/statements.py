"""Compare what a notebook states with the text that is kept.

``reference_results/statements.csv`` holds each paragraph, and each row
of a table, with a tolerance for each of its numbers: for one seed,
which ``make test`` compares, and for five seeds on KMNIST, which the
committed notebooks show. ``python tests/statements.py`` measures it.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from html import unescape

import pandas as pd

from kmnist_mlp.experiments.store import FOLDER, Table
from kmnist_mlp.support.statistics import SUPERSCRIPT

KEPT = Table(FOLDER / "statements.csv", ["data", "seeds", "notebook"])
POWER = r"10(?=[⁻⁰¹²³⁴-⁹])"
NUMBER = re.compile(
    rf"(?:(?<!\w)[+−-])?(?:(?:\d+(?:\.\d+)? × )?{POWER}[⁻⁰¹²³⁴-⁹]+"
    r"|(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?)"
)
PLAIN = {sup: digit for digit, sup in SUPERSCRIPT.items()} | {ord("−"): "-", ord(","): None}
# in place of tolerances: the words depend on the last bits of a result
VARIES = "varies"


def lines_of(texts: Iterable[str]) -> list[str]:
    r"""Return Markdown and tables in HTML as lines: a paragraph, an item or a row.

    Examples
    --------
    >>> lines_of(["**Two** of\n3 took 5 seconds.\n\n- One", "<tr><td>1</td><td>&lt; 2</td></tr>"])
    ['**Two** of 3 took some seconds.', '- One', '1 < 2']
    """
    parts = (part for text in texts for part in re.split(r"\n\s*\n|\n- |</tr>", text))
    plain = (unescape(re.sub(r"</?[a-z][^>]*>", " ", part)) for part in parts)
    lines = filter(None, (" ".join(part.split()) for part in plain))
    return [re.sub(r"[\d.]+(?= (seconds|hours)\b)", "some", line) for line in lines]


def parsed(line: str) -> tuple[str, list[Decimal]]:
    """Return the words of a line, with "#" for each number, and its numbers.

    Examples
    --------
    >>> parsed("1,000 images: −2.70 (1.6 × 10⁻³)")
    ('# images: # (#)', [Decimal('1000'), Decimal('-2.70'), Decimal('0.0016')])
    """
    texts = (number.replace(" × 10", "e") for number in NUMBER.findall(line))
    plain = (re.sub(POWER, "1e", text).translate(PLAIN) for text in texts)
    return NUMBER.sub("#", line), [*map(Decimal, plain)]


def kept(data_name: str, seeds: int, notebook: int) -> pd.DataFrame:
    """Return text and tolerances of the lines of a notebook."""
    rows = KEPT.load().fillna("").set_index(KEPT.key)
    return rows[rows.index == (data_name, seeds, notebook)]


def moved(line: str, text: str, tolerance: str) -> list[str]:
    """Return what of a line is not as in the kept text, within its tolerances.

    Examples
    --------
    >>> moved("84.2 % after 25", "84.0 % after 24", "0.3 0.5")
    ["'84.2 % after 25': 25, reference 24, tolerance 0.5"]
    """
    (words, numbers), (known, values) = parsed(line), parsed(text)
    if tolerance == VARIES:
        return []
    if words != known:
        return [f"{line!r}, reference {text!r}"]
    found = zip(numbers, values, map(Decimal, tolerance.split()), strict=True)
    return [
        f"{line!r}: {number}, reference {value}, tolerance {limit}"
        for number, value, limit in found
        if abs(number - value) > limit
    ]
