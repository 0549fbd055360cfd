"""One style for all figures: panels of one width, colour-blind safe, kana in a Japanese font."""

from __future__ import annotations

import base64
import io
import logging
import re
import zlib
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from PIL import Image

from kmnist_mlp.support.colours import BLUE, GREEN, ON_DARK, ON_PALE, ORANGE, PALE, PURPLE, SKY

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # told apart without any colour
JAPANESE = Path(find_spec("matplotlib_fontja").origin).parent / "fonts" / "ipaexg.ttf"
PANEL = 4.2  # inches: two side by side fill a page, one a telephone or a column of print


# ---- making a panel ------------------------------------------------------------------------------


def use_style() -> None:
    """Set fonts (with kana), colours and resolution for every figure of the process.

    A matplotlibrc of the user's own has no effect on them.
    """
    # IPAexGothic has no bold: a warning at every bold title would fill the notebooks.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.font_manager.fontManager.addfont(str(JAPANESE))
    mpl.rcdefaults()
    plt.style.use(Path(__file__).parent / "report.mplstyle")
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=COLOURS)
    mpl.rcParams["grid.color"] = PALE


def panel(height: float = 3.2, width: float = PANEL) -> tuple[Figure, Axes]:
    """Return a figure of one panel and its axes; sizes in inches."""
    return plt.subplots(figsize=(width, height))


def legend_above(axis: Axes, columns: int = 2) -> None:
    """Put a legend above the axes, an entry per label: inside, it would hide one mark or another.

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
    axis.figure.legend(
        unique.values(), unique.keys(), loc="outside upper left", ncols=columns, columnspacing=1.2
    )


def draw_means(
    axis: Axes, values: pd.core.groupby.SeriesGroupBy, evenly: bool = False, **style: Any
) -> pd.Series:
    """Draw the mean of each group, with the standard deviation (of one value: none) as a bar.

    Parameters
    ----------
    axis : Axes
    values : SeriesGroupBy
    evenly : bool
        Whether groups stand at 0, 1, 2 and so on, not at what they are grouped by.
    **style
        As :meth:`~matplotlib.axes.Axes.errorbar` takes it.

    Returns
    -------
    Series
        The means.
    """
    means, deviations = values.mean(), values.std().fillna(0)
    axis.errorbar(range(len(means)) if evenly else means.index, means, deviations, **style)
    return means


def heat_map(
    axis: Axes, cells: pd.DataFrame, missing: str = "", fontsize: float = 10, **style: Any
) -> QuadMesh:
    """Draw a table as coloured cells with their numbers, its first row on top; return the cells.

    Parameters
    ----------
    axis : Axes
    cells : DataFrame
        Its labels are those of the ticks. A cell of NaN has no colour.
    missing : str
        Stands in a cell of NaN.
    fontsize : float
    **style
        As :meth:`~matplotlib.axes.Axes.pcolormesh` takes it.
    """
    mesh = axis.pcolormesh(cells, edgecolor="none", **style)
    for (row, column), value in np.ndenumerate(cells.to_numpy()):
        text, colour = missing, "black"
        if np.isfinite(value):
            pale = np.dot(mesh.to_rgba(value)[:3], (0.3, 0.6, 0.1)) > 0.5
            text, colour = f"{value:.1f}", ON_PALE if pale else ON_DARK
        style = {"ha": "center", "va": "center", "fontsize": fontsize, "color": colour}
        axis.text(column + 0.5, row + 0.5, text, **style)
    axis.set_xticks(np.arange(cells.shape[1]) + 0.5, cells.columns)
    axis.set_yticks(np.arange(cells.shape[0]) + 0.5, cells.index)
    axis.invert_yaxis()
    axis.grid(False)
    return mesh


def in_two_lines(labels: Iterable[str]) -> list[str]:
    """Return labels such as "お o" with the second word below the first."""
    return [label.replace(" ", "\n") for label in labels]


# ---- pictures and fonts as bytes -----------------------------------------------------------------


def png(figure: Figure, dpi: int | None = None) -> bytes:
    """Return a figure as PNG, the same bytes every time; in the style's resolution by default."""
    content, small = io.BytesIO(), io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    image = Image.open(content).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def picture(figure: Figure) -> dict[str, Any]:
    """Return a figure by its type of medium, as a notebook keeps it, the same every time.

    Images are PNG in base64, charts SVG with coordinates in two decimals.
    """
    if any(axis.images for axis in figure.axes):
        return {"image/png": base64.b64encode(png(figure)).decode()}
    content = io.StringIO()
    nothing = dict.fromkeys(("Date", "Format", "Type", "Creator"))
    figure.savefig(content, format="svg", metadata=nothing)
    text = content.getvalue().partition("<svg")[2]
    return {
        "image/svg+xml": "<svg" + re.sub(r"(\.\d\d)\d+(?=[^<>]*>)", r"\1", text)
    }  # in tags only


def png_address(figure: Figure, dpi: int | None = None) -> str:
    """Return a figure as an address for web pages: PNG in base64."""
    return f"data:image/png;base64,{base64.b64encode(png(figure, dpi)).decode()}"


@lru_cache(maxsize=4)
def web_font(text: str) -> str:
    """Return the characters of a text in that font as an address for web pages: WOFF in base64."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(JAPANESE, recalcTimestamp=False)  # the same bytes every time
    glyphs = subset.Subsetter()
    glyphs.populate(text=text)
    glyphs.subset(font)
    font.flavor = "woff"
    content = io.BytesIO()
    font.save(content)
    return f"data:font/woff;base64,{base64.b64encode(content.getvalue()).decode()}"


def deflated(content: bytes) -> str:
    """Return bytes, compressed, in base64: a page's script gets them with DecompressionStream.

    Examples
    --------
    >>> len(deflated(bytes(10_000))) < 100
    True
    """
    return base64.b64encode(zlib.compress(content, 9)).decode()
