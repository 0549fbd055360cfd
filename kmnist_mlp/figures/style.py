"""One style for all figures: colour-blind safe, kana in a Japanese font; charts as SVG.

A figure is drawn twice: as wide as a page, and for a narrow screen, where its panels stand below
each other. Pages show the one that fits.
"""

from __future__ import annotations

import base64
import io
import logging
import re
import textwrap
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from PIL import Image

from kmnist_mlp.data import is_stand_in
from kmnist_mlp.support.colours import BLUE, GREEN, ORANGE, PALE, PURPLE, RED, SKY

if TYPE_CHECKING:
    import pandas as pd

    from kmnist_mlp.figures.exhibit import ExhibitData

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # told apart without any colour
WIDE, NARROW = 9.5, 4.0  # inches
_narrow = ContextVar("narrow", default=False)


# ---- making a figure -----------------------------------------------------------------------------


def use_style() -> None:
    """Set fonts (with kana), colours and resolution for every figure of the process.

    A matplotlibrc of the user's own has no effect on them.
    """
    mpl.rcdefaults()
    # DejaVu stays first, for the Latin letters.
    mpl.font_manager.fontManager.addfont(str(japanese_font()))
    # IPAexGothic has no bold: a warning at every bold title would fill the notebooks.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.rcParams.update(
        {
            "font.family": ["DejaVu Sans", "IPAexGothic"],
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": PALE,
            "axes.axisbelow": True,
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "legend.edgecolor": "white",
            "legend.framealpha": 0.9,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.dpi": 100,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "kmnist_mlp",  # the same identifiers every time
        }
    )


def is_narrow() -> bool:
    """Whether the figure in the making is the one for narrow screens."""
    return _narrow.get()


def width() -> float:
    """Return the width of the figure in the making, in inches."""
    return NARROW if is_narrow() else WIDE


def panels(columns: int, height: float = 3.5) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes side by side, or below each other; height in inches of each row."""
    if is_narrow():
        low = height if height > 4 or columns == 1 else 2.9  # a high one has a row per name
        figure, axes = plt.subplots(columns, 1, figsize=(NARROW, columns * low), squeeze=False)
        return figure, list(axes[:, 0])
    figure, axes = plt.subplots(1, columns, figsize=(WIDE, height), squeeze=False)
    return figure, list(axes[0])


def legend_above(figure: Figure, handles: Iterable, labels: Iterable, columns: int) -> None:
    """Put a legend above the axes: inside, it would hide one mark or another."""
    labels = list(labels)
    if is_narrow():
        columns = min(columns, 2 if max(map(len, labels)) < 20 else 1)
    figure.legend(list(handles), labels, loc="outside upper left", ncols=columns)


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


def finished(draw: Callable[[], Figure], data_name: str, exhibit_data: ExhibitData) -> Figure:
    """Draw a figure, wide and narrow, with its data, marked if it shows the stand-in.

    The narrow one is its attribute ``narrow``.
    """
    figure = _drawn(draw, data_name)
    token = _narrow.set(True)
    try:
        figure.narrow = _drawn(draw, data_name)
        for axis in figure.narrow.axes:
            axis.set_xlabel(textwrap.fill(axis.get_xlabel(), 26))
            locator = axis.xaxis.get_major_locator()
            if isinstance(locator, MaxNLocator):
                locator.set_params(nbins=4)
    finally:
        _narrow.reset(token)
    figure.exhibit_data = exhibit_data
    return figure


def _drawn(draw: Callable[[], Figure], data_name: str) -> Figure:
    figure = draw()
    if is_stand_in(data_name):
        figure.text(
            0.995, 0.995, "STAND-IN DATA, not KMNIST", ha="right", va="top", fontsize=9,
            color="white", weight="bold", zorder=10,
            bbox={"facecolor": RED, "edgecolor": "none", "pad": 3},
        )  # fmt: skip
    plt.close(figure)  # else the notebook would show it a second time
    return figure


def in_two_lines(labels: Iterable[str]) -> list[str]:
    """Return labels such as "お o" with the second word below the first."""
    return [label.replace(" ", "\n") for label in labels]


def is_chart(figure: Figure) -> bool:
    """Whether a figure consists of lines and marks, not of images."""
    return not any(axis.images for axis in figure.axes)


def described(figure: Figure) -> str:
    """Return what kind of chart a figure is, and its axes, in words.

    Examples
    --------
    >>> figure, (axis,) = panels(1)
    >>> _ = axis.plot([1, 2, 3], [3, 1, 2]), axis.set(xlabel="epoch", ylabel="loss")
    >>> plt.close(figure)
    >>> described(figure)
    'Line chart: loss by epoch.'
    """
    if not is_chart(figure):
        return "Images."
    shown = [axis for axis in figure.axes if axis.lines or axis.patches or axis.collections]
    pairs = [(axis.get_ylabel(), axis.get_xlabel()) for axis in shown]
    label = next((ylabel for ylabel, _ in pairs if ylabel), "")
    axes = [" by ".join(filter(None, (ylabel or label, xlabel))) for ylabel, xlabel in pairs]
    kinds = {
        "Histogram": any(isinstance(p, Polygon) for axis in shown for p in axis.patches),
        "Bar chart": any(axis.containers and axis.patches for axis in shown),
        "Heat map": any(isinstance(c, QuadMesh) for axis in shown for c in axis.collections),
        "Line chart": any(
            line.get_linestyle() != "None" and len(line.get_xdata()) > 2
            for axis in shown
            for line in axis.lines
        ),
    }
    kind = next((kind for kind, found in kinds.items() if found), "Dot plot")
    if not any(axes):
        return "Diagram."
    return f"{kind}: {'; '.join(dict.fromkeys(filter(None, axes)))}."


# ---- figures and fonts as bytes ------------------------------------------------------------------


def png(figure: Figure, dpi: int | None = None) -> bytes:
    """Return a figure as PNG, the same bytes every time; in the style's resolution by default."""
    content, small = io.BytesIO(), io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    image = Image.open(content).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def svg(figure: Figure) -> str:
    """Return a figure as SVG, the same text every time, with coordinates in one decimal."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    text = content.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", _shortened, text)  # what stands between two tags is text to read


def _shortened(tag: re.Match) -> str:
    """Return a tag of an SVG with coordinates in one decimal, in a path without repeated names."""
    text = re.sub(r"-?\d+\.\d{2,}(?=[ \n\"),;])", lambda n: f"{float(n[0]):.1f}", tag[0])
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    # what follows a point of a line is a line, unless it is named
    text = re.sub(r"([ML])( [-\d. ]+\n)((?:L [-\d. ]+\n)+)", _one_line, text)
    return re.sub(r"\s+", " ", text)


def _one_line(part: re.Match) -> str:
    """Return the points of a broken line with one command."""
    return part[1] + part[2].rstrip("\n") + part[3].replace("\nL", "").replace("L", "", 1)


def picture(figure: Figure) -> dict[str, Any]:
    """Return a figure by its type of medium, as a notebook keeps it: SVG, or PNG in base64."""
    if is_chart(figure):
        return {"image/svg+xml": svg(figure)}
    return {"image/png": base64.b64encode(png(figure)).decode()}


def png_address(figure: Figure, dpi: int | None = None) -> str:
    """Return a figure as an address for web pages: PNG in base64."""
    return f"data:image/png;base64,{base64.b64encode(png(figure, dpi)).decode()}"


def japanese_font() -> Path:
    """Return the file of a font with kana, IPAexGothic, which comes with a package."""
    import matplotlib_fontja

    return Path(matplotlib_fontja.__file__).parent / "fonts" / "ipaexg.ttf"


@lru_cache(maxsize=4)
def web_font(text: str) -> str:
    """Return the characters of a text in that font as an address for web pages: WOFF in base64."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(japanese_font(), recalcTimestamp=False)  # the same bytes every time
    glyphs = subset.Subsetter()
    glyphs.populate(text=text)
    glyphs.subset(font)
    font.flavor = "woff"
    content = io.BytesIO()
    font.save(content)
    return f"data:font/woff;base64,{base64.b64encode(content.getvalue()).decode()}"
