"""One style for all figures: panels of one width, safe colours, a font with kana."""

import base64
import io
import logging
import re
import textwrap
import zlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from kmnist_mlp.support.colours import BLUE, GREEN, ON_DARK, ON_PALE, ORANGE, PALE, PURPLE, SKY

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
# told apart without any colour
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
JAPANESE = Path(find_spec("matplotlib_fontja").origin).parent / "fonts" / "ipaexg.ttf"
# inches: two side by side fill a page, one a telephone or a column
# of print
PANEL = 4.2


def use_style() -> None:
    """Set fonts (with kana), colours and resolution for every figure of the process.

    A matplotlibrc of the user's own has no effect on them.
    """
    # IPAexGothic has no bold: a warning at every bold title would
    # fill the notebooks.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.font_manager.fontManager.addfont(str(JAPANESE))
    mpl.rcdefaults()
    plt.style.use(Path(__file__).parent / "report.mplstyle")
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=COLOURS)
    mpl.rcParams["grid.color"] = PALE


def panel(height: float = 3.2) -> tuple[Figure, Axes]:
    """Return a figure of one panel and its axes; the height is in inches."""
    return plt.subplots(figsize=(PANEL, height))


def legend_above(axis: Axes, columns: int = 2) -> None:
    """Put a legend above the axes, an entry per label: inside, it would hide marks.

    Examples
    --------
    >>> figure, axis = panel()
    >>> for epoch in (1, 2):
    ...     _ = axis.plot(epoch, 0.5, "o", label="seeds")
    >>> legend_above(axis)
    >>> plt.close(figure)
    >>> len(figure.legends[0].get_texts())
    1
    """
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    style = {"loc": "outside upper left", "columnspacing": 1.2, "ncols": columns}
    axis.figure.legend(unique.values(), unique.keys(), **style)


def panel_of_texts(
    texts: pd.Series | pd.Index, room: float, left: float
) -> tuple[Figure, Axes, np.ndarray]:
    """Return a panel of texts, with room for marks below each.

    Vertical places are inches.

    Parameters
    ----------
    texts : Series or Index of str
    room : float
        Height of a text of one line and its marks.
    left : float
        Where the texts begin.

    Returns
    -------
    figure, axis
    bottoms : ndarray, shape (texts,)
        Where the room of each text ends.
    """
    filled = [textwrap.fill(text, 51) for text in texts.str.replace(" %", "\u00a0%")]
    heights = 0.18 * np.array([text.count("\n") for text in filled]) + room
    bottoms = np.cumsum(heights)
    figure, axis = panel(bottoms[-1] + 1.5)
    for text, top in zip(filled, bottoms - heights, strict=True):
        axis.text(left, top, text, va="top", fontsize=10.5)
    axis.set(yticks=[], ylim=(bottoms[-1], -0.1))
    axis.spines["left"].set_visible(False)
    axis.grid(visible=False)
    return figure, axis, bottoms


def draw_means(axis: Axes, values: pd.core.groupby.SeriesGroupBy, **style: Any) -> pd.Series:
    """Draw the mean of each group, its standard deviation (of one: none) as a bar.

    Parameters
    ----------
    axis : Axes
    values : SeriesGroupBy
    **style
        As :meth:`~matplotlib.axes.Axes.errorbar` takes it.

    Returns
    -------
    Series
        The means.
    """
    means, deviations = values.mean(), values.std().fillna(0)
    axis.errorbar(means.index, means, deviations, **style)
    return means


def heat_map(axis: Axes, cells: pd.DataFrame, missing: str = "", **style: Any) -> None:
    """Draw a table as coloured cells with their numbers, its first row on top.

    Parameters
    ----------
    axis : Axes
    cells : DataFrame
        Its labels are those of the ticks. A cell of NaN has no colour.
    missing : str
        Stands in a cell of NaN.
    **style
        As :meth:`~matplotlib.axes.Axes.pcolormesh` takes it.
    """
    mesh = axis.pcolormesh(cells, edgecolor="none", **style)
    for (row, column), value in np.ndenumerate(cells.to_numpy()):
        text, colour = missing, ON_PALE
        if np.isfinite(value):
            pale = np.dot(mesh.to_rgba(value)[:3], (0.3, 0.6, 0.1)) > 0.5
            text, colour = f"{value:.1f}", ON_PALE if pale else ON_DARK
        axis.text(column + 0.5, row + 0.5, text, color=colour, ha="center", va="center")
    axis.set_xticks(np.arange(cells.shape[1]) + 0.5, cells.columns)
    axis.set(yticks=np.arange(len(cells)) + 0.5, yticklabels=cells.index, facecolor=ON_DARK)
    axis.invert_yaxis()
    axis.grid(False)


def png(figure: Figure, dpi: int | None = None) -> bytes:
    """Return a figure as PNG, the same bytes every time."""
    content, small = io.BytesIO(), io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    image = Image.open(content).convert("RGB")
    image = image.quantize(256, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def encoded(content: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(content).decode()


def picture(figure: Figure) -> dict[str, Any]:
    """Return a figure by its type of medium, the same every time.

    It is SVG, its text is text; coordinates have two decimals, but not
    the scale of an image.
    """
    content = io.StringIO()
    nothing = dict.fromkeys(("Date", "Format", "Type", "Creator"))
    figure.savefig(content, format="svg", metadata=nothing)
    text = content.getvalue().partition("<svg")[2]
    # in tags only
    shorter = re.sub(r"(matrix\([^)]*)|(\.\d\d)\d+(?=[^<>]*>)", r"\1\2", text)
    return {"image/svg+xml": "<svg" + shorter}


@lru_cache(maxsize=4)
def web_font(text: str) -> str:
    """Return the font of a text's characters as an address: WOFF in base64."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(JAPANESE, recalcTimestamp=False)  # the same bytes every time
    glyphs = subset.Subsetter()
    glyphs.populate(text=text)
    glyphs.subset(font)
    font.flavor = "woff"
    content = io.BytesIO()
    font.save(content)
    return f"data:font/woff;base64,{encoded(content.getvalue())}"


def deflated(content: bytes) -> str:
    """Return bytes compressed in base64, for DecompressionStream in a page's script.

    Examples
    --------
    >>> len(deflated(bytes(10_000))) < 100
    True
    """
    return encoded(zlib.compress(content, 9))
