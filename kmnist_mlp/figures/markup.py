"""Tables as HTML with scoped headers, for notebooks and pages."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup, escape

from kmnist_mlp.experiments.verdicts import VERDICTS
from kmnist_mlp.figures.style import deflated  # noqa: F401  until all import it from there
from kmnist_mlp.support.statistics import MISSING, typeset

WRAP = Markup(' class="wrap"')
LONG = 40  # characters of a cell that may break its lines
VERDICT = {  # coloured on pages
    verdict: Markup(' class="{}"').format(verdict.replace(" ", "-")) for verdict in VERDICTS
}


def html(table: pd.DataFrame) -> str:
    """Return a table as HTML; text is escaped, a cell that is ``Markup`` stays as it is.

    A number that Python has written, such as "-1e-06", is printed with a minus and a power of ten.

    Class "number" aligns a column of numbers, "wrap" lets a column of long text break its lines. A
    table with such a column has class "cards": on a narrow screen, each row is a card. The roles
    keep it a table for screen readers.

    Examples
    --------
    >>> print(html(pd.DataFrame({"loss": ["0.06"]}, index=["baseline"])))
    <table>
    <thead><tr><td></td><th scope="col" class="number">loss</th></tr></thead>
    <tbody>
    <tr><th scope="row">baseline</th><td class="number">0.06</td></tr>
    </tbody>
    </table>
    """
    classes = [_kind(table[column]) for column in table.columns]
    cards = WRAP in classes  # too wide for a telephone: a row is a card there
    labels = [
        Markup(' data-label="{}"').format(column) if cards else "" for column in table.columns
    ]
    role = Markup(' role="{}"').format if cards else (lambda name: "")
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(kind, column)
        for column, kind in zip(table.columns, classes, strict=True)
    )
    body = Markup("").join(
        Markup('<tr{}><th scope="row"{}>{}</th>{}</tr>\n').format(
            role("row"),
            role("rowheader"),
            label,
            Markup("").join(
                Markup("<td{}{}{}>{}</td>").format(
                    VERDICT.get(cell, kind), role("cell"), name, _typeset(cell)
                )
                for cell, kind, name in zip(cells, classes, labels, strict=True)
            ),
        )
        for label, *cells in table.itertuples(name=None)
    )
    corner = escape(table.columns.name or "")
    corner = Markup('<th scope="col">{}</th>').format(corner) if corner else Markup("<td></td>")
    kinds = Markup(' class="cards" role="table"') if cards else ""
    page = Markup("<table{}>\n<thead><tr>{}{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>")
    return str(page.format(kinds, corner, head, body))


def _kind(cells: pd.Series) -> Markup:
    if all(map(_is_number, cells)):
        return Markup(' class="number"')
    lengths = [len(cell.striptags() if isinstance(cell, Markup) else str(cell)) for cell in cells]
    return WRAP if max(lengths) > LONG else Markup("")


def _typeset(cell: object) -> object:
    return typeset(cell) if type(cell) is str else cell


def _is_number(cell: object) -> bool:
    """Whether a cell is a number, a range or spread of numbers, missing or "none"."""
    return str(cell) in (MISSING, "none") or str(cell).startswith(tuple("0123456789+−-"))
