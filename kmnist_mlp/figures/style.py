"""One style for all figures: white ground, colour-blind safe, kana in a Japanese font."""

from __future__ import annotations

import base64
import io
import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kmnist_mlp.data import is_stand_in
from kmnist_mlp.support.colours import BLUE, GREEN, ORANGE, PALE, PURPLE, RED, SKY

if TYPE_CHECKING:
    from kmnist_mlp.figures.exhibit import ExhibitData

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # told apart without any colour


# ---- making a figure -----------------------------------------------------------------------------


def use_style() -> None:
    """Set fonts (with kana), colours and resolution for every figure of the process."""
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
        }
    )


def panels(columns: int, height: float = 3.5, width: float = 9.5) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes side by side; height and width are in inches."""
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    return figure, list(axes[0])


def finished(figure: Figure, data_name: str, exhibit_data: ExhibitData) -> Figure:
    """Attach its data to a figure, and mark it if it shows the stand-in instead of KMNIST."""
    figure.exhibit_data = exhibit_data
    if is_stand_in(data_name):
        figure.text(
            0.995, 0.995, "STAND-IN DATA, not KMNIST", ha="right", va="top", fontsize=9,
            color="white", weight="bold", zorder=10,
            bbox={"facecolor": RED, "edgecolor": "none", "pad": 3},
        )  # fmt: skip
    plt.close(figure)  # else the notebook would show it a second time
    return figure


# ---- figures and fonts as bytes ------------------------------------------------------------------


def png(figure: Figure, dpi: int | None = None) -> bytes:
    """Return a figure as PNG, the same bytes every time; in the style's resolution by default."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    return content.getvalue()


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
