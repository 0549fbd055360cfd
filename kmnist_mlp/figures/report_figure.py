"""Figures and tables with their numbers and the runs behind them."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from kmnist_mlp.config import Config
from kmnist_mlp.datasets.folder import mark_of
from kmnist_mlp.experiments.claims import VERDICTS
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.colours import GREY, RED
from kmnist_mlp.support.files import csv_text
from kmnist_mlp.support.statistics import MISSING, typeset

LONG = 40  # characters of a cell of a table that may break its lines
WORDS = tomllib.loads((Path(__file__).parent / "words.toml").read_text("utf-8"))
FINDINGS = WORDS["findings"]
HTML = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    (Path(__file__).parent / "table.html.j2").read_text("utf-8")
)


def shown_data(
    numbers: pd.DataFrame,
    results: Results | None = None,
    names: Iterable[str] = (),
    quantities: Iterable[str] = (),
) -> SimpleNamespace:
    """Return what a figure or table shows, in plain values, for a notebook's metadata.

    A table has it as ``attrs["shown_data"]``.

    Parameters
    ----------
    numbers : DataFrame
        What is shown; without its index.
    results : Results
        What the numbers come from.
    names : iterable of str
        The experiments that are shown.
    quantities : iterable of str
        The quantities of a result that are shown; claims about them
        link to the figure.

    Returns
    -------
    SimpleNamespace
        csv : str
            The numbers, unrounded, for download.
        quantities : tuple of str
        experiments : dict of str to dict
            Configuration of each experiment by its name,
            without the seed.
        seeds : tuple of int

    Examples
    --------
    >>> print(shown_data(pd.DataFrame({"epoch": [1], "loss": [0.5]})).csv)
    epoch,loss
    1,0.5
    <BLANKLINE>
    """
    experiments, seeds = {}, {}
    for name in names:
        config = experiments[name] = results.of(name)[0].config.to_dict()
        del config["seed"]
        seeds |= dict.fromkeys(run.config.seed for run in results.of(name))
    plain = {"csv": csv_text(numbers), "quantities": tuple(quantities)}
    return SimpleNamespace(**plain, experiments=experiments, seeds=tuple(seeds))


@dataclass(frozen=True)
class ReportFigure:
    """A figure of one or more panels, which pages set side by side or stacked.

    Attributes
    ----------
    panels : tuple of matplotlib.figure.Figure
    numbers : DataFrame
        What is drawn, unrounded.
    finding : str
        One short sentence with its numbers, which begins the
        caption; or "".
    data : SimpleNamespace
        What :func:`shown_data` gives.
    strip : str
        A small picture for the index page, as PNG in base64; or "".
    """

    panels: tuple[Figure, ...]
    numbers: pd.DataFrame
    finding: str
    data: SimpleNamespace
    strip: str = ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(*self.panels)


class Powers(LogFormatter):
    """Ticks of a logarithmic axis as text: formulas are off, as a name may hold a "$"."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick, such as "10⁻⁵"; "" for none."""
        return typeset(super().__call__(x, pos).replace("−", "-"))


def report_figure(
    panels: Sequence[Figure],
    numbers: pd.DataFrame,
    finding: str = "",
    results: Results | None = None,
    names: Iterable[str] = (),
    quantities: Iterable[str] = (),
    **data: str,
) -> ReportFigure:
    """Return a figure of the report; other data than KMNIST is marked.

    The parameters are those of :class:`ReportFigure` and
    :func:`shown_data`; without ``results``, ``data_name`` is that of
    the data set.
    """
    mark = mark_of(results.data_name if results else data["data_name"])
    for figure in panels:
        for own in (own for axis in figure.axes for own in (axis.xaxis, axis.yaxis)):
            if isinstance(own.get_major_formatter(), LogFormatter):
                own.set_major_formatter(Powers())
                own.set_minor_formatter(Powers())
        if mark:
            style = {"x": 0.99, "ha": "right", "fontsize": 9, "color": "white", "weight": "bold"}
            box = {"facecolor": RED if "STAND-IN" in mark else GREY, "edgecolor": "none", "pad": 2}
            figure.supxlabel(mark, bbox=box, **style)
        plt.close(figure)  # else a notebook would show it a second time
    of_data = shown_data(numbers, results, names, quantities)
    return ReportFigure(tuple(panels), numbers, finding, of_data)


def html(table: pd.DataFrame) -> str:
    """Return a table as HTML; text is escaped, but not a cell that is ``Markup``.

    A number that Python has written, such as "-1e-06", is printed
    with a minus and a power of ten.

    Class "number" aligns a column of numbers, "wrap" lets a column of
    long text break its lines. A table with such a column has class
    "cards": on a narrow screen, each row is a card. The roles keep it
    a table for screen readers.

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
    kinds = [_kind(table[column]) for column in table.columns]
    cells = table.map(lambda cell: typeset(cell) if type(cell) is str else cell)
    rows = cells.itertuples(name=None)
    return HTML.render(columns=table.columns, kinds=kinds, rows=rows, verdicts=VERDICTS)


def _kind(cells: pd.Series) -> str:
    """Return the class of a column of numbers, ranges or spreads, or of long text."""
    texts = cells.astype(str)
    if texts.str.match(rf"[\d+−-]|({MISSING}|none)$").all():
        return "number"
    read = [cell.striptags() if isinstance(cell, Markup) else str(cell) for cell in cells]
    return "wrap" if max(map(len, read)) > LONG else ""


def title(name: str) -> str:
    """Return the title of an experiment; its name if it is not the paper's.

    Examples
    --------
    >>> title("l2_0.2"), title("run 1")
    ('L2 penalty 0.2', 'run 1')
    """
    # matplotlib hides a label that begins with "_": a word joiner has no width
    shown_as = f"\u2060{name}" if str(name).startswith("_") else name
    return PAPER[name].title if name in PAPER else shown_as


def label(option: str) -> str:
    """Return the name of an option of :class:`Config` in figures and tables."""
    return WORDS["labels"].get(option, option.replace("_", " "))


def shown(value: Any) -> str:
    """Return the value of an option: two that differ do not look alike.

    Examples
    --------
    >>> shown(1e-6), shown(1234567), shown(True), shown((784, 10))
    ('1e-06', '1234567', 'yes', '784-10')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def setting(config: Config) -> str:
    """Return in words what of a configuration, besides its seed, is not the default.

    Examples
    --------
    >>> setting(Config(layer_specs=(784, 64, 10), L2_penalty=0.1, early_stop=False))
    'layers 784-64-10, no early stopping, L2 penalty 0.1'
    >>> setting(Config(seed=3))
    'the default configuration'
    """
    words = []
    for f in fields(Config):
        value, name = getattr(config, f.name), label(f.name)
        if value != f.default and f.name != "seed":
            switch = name if value else f"no {name}"
            words.append(switch if isinstance(value, bool) else f"{name} {shown(value)}")
    return ", ".join(words) or "the default configuration"
