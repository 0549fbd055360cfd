"""Learning curves as SVG, written by hand: for pictures that are drawn while a network trains.

One takes a millisecond. A figure of matplotlib takes some fifty, which would be felt in the
training time, and cannot be drawn in a thread beside another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from kmnist_mlp.data import is_stand_in
from kmnist_mlp.support.colours import GREEN, GREY, PALE, RED

WIDTH, HEIGHT = 960, 372
LEFTS, TOP, BOTTOM, ACROSS = (60, 550), 110, 318, 390  # of two panels side by side
MARK = f'stroke="{GREY}" stroke-dasharray="4 3"'


@dataclass(frozen=True, eq=False)
class Line:
    """A curve: its values at epochs 1, 2, ..., and how it is drawn.

    ``dashes`` are lengths of strokes and gaps, such as "7 3"; empty: a solid line.
    """

    name: str
    values: np.ndarray
    colour: str
    dashes: str = ""

    @property
    def style(self) -> str:
        """The attributes of its SVG element."""
        return (
            f'stroke="{self.colour}" stroke-width="2" '
            f'stroke-dasharray="{self.dashes or "none"}" fill="none"'
        )


def chart(
    text: str,
    done: float,
    panels: Mapping[str, Iterable[Line]],
    data_name: str,
    marked: int = 0,
) -> str:
    """Return a picture of two panels of curves by epoch under a progress bar.

    Parameters
    ----------
    text : str
        Stands above the bar.
    done : float
        How much of the bar is full, 0 to 1.
    panels : dict of str to lines
        Two titles and what is drawn below them; the legend names the first panel's lines.
    data_name : str
        A stand-in is marked as such.
    marked : int
        The epoch of the lowest validation loss; 0 marks none.

    Returns
    -------
    str
        An SVG element.
    """
    panels = {title: list(lines) for title, lines in panels.items()}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" style="max-width: 100%; height: auto; display: block" '
        'font-family="DejaVu Sans, Verdana, sans-serif" role="img">'
        f"<title>{escape(text)}</title>",
        '<g font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(60, 24, text),
        f'<rect x="60" y="34" width="880" height="6" rx="3" fill="{PALE}"/>',
        f'<rect x="60" y="34" width="{880 * done:.1f}" height="6" rx="3" fill="{GREEN}"/>',
    ]
    across = 60
    for line in next(iter(panels.values())):
        parts.append(f'<path d="M{across} 60h24" {line.style}/>')
        parts.append(_text(across + 30, 64, line.name))
        across += 50 + 8 * len(line.name)
    if marked:
        parts.append(f'<path d="M{across} 60h24" {MARK}/>')
        parts.append(_text(across + 30, 64, f"lowest validation loss: epoch {marked}"))
    for left, (title, lines) in zip(LEFTS, panels.items(), strict=True):
        parts += _panel(left, title, lines, marked)
    if is_stand_in(data_name):
        parts.append(f'<rect x="738" y="6" width="216" height="22" fill="{RED}"/>')
        mark = 'text-anchor="middle" fill="white"'
        parts.append(_text(846, 22, "STAND-IN DATA, not KMNIST", mark))
    return "\n".join([*parts, "</g></svg>"])


def _panel(left: int, title: str, lines: list[Line], marked: int) -> list[str]:
    """Return one panel: title, axes with round numbers, the curves, the marked epoch."""
    values = np.concatenate([line.values for line in lines] or [[]])
    if not len(values):
        values = np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    if "loss" in title.lower():
        low = 0.0
    ticks, step = _round_numbers(low, high)
    low, high = low - 0.03 * (high - low or 1) * (low > 0), high + 0.03 * (high - low or 1)
    last = max([5, *(len(line.values) for line in lines)])

    def x(epoch: float) -> float:
        return left + ACROSS * epoch / last

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    decimals = max(0, -int(np.floor(np.log10(step))))
    parts = [_text(left, TOP - 14, title, 'font-weight="bold"')]
    for tick in ticks:
        parts.append(f'<path d="M{left} {y(tick):.1f}h{ACROSS}" stroke="{PALE}"/>')
        parts.append(_text(left - 8, y(tick) + 4, f"{tick:.{decimals}f}", 'text-anchor="end"'))
    for tick in _round_numbers(0, last, smallest=1)[0]:
        parts.append(_text(x(tick), BOTTOM + 18, f"{tick:.0f}", 'text-anchor="middle"'))
    parts.append(f'<path d="M{left} {TOP}V{BOTTOM}h{ACROSS}" stroke="#000000" fill="none"/>')
    parts.append(_text(left + ACROSS / 2, BOTTOM + 38, "epoch", 'text-anchor="middle"'))
    if marked:
        parts.append(f'<path d="M{x(marked):.1f} {TOP}V{BOTTOM}" {MARK}/>')
    for line in lines:
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(line.values, start=1))
        parts.append(f'<polyline points="{points}" {line.style}/>')
        if len(line.values):  # a first epoch alone is no line
            end = f'cx="{x(len(line.values)):.1f}" cy="{y(line.values[-1]):.1f}"'
            parts.append(f'<circle {end} r="3.5" fill="{line.colour}"/>')
    return parts


def _round_numbers(low: float, high: float, smallest: float = 0.0) -> tuple[list[float], float]:
    """Return some multiples of 1, 2 or 5 times a power of ten in a range, and their step."""
    span = high - low or 1.0
    power = 10.0 ** np.floor(np.log10(span / 7))
    step = max(smallest, next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= 7))
    numbers = range(int(np.ceil(low / step - 1e-9)), int(high / step + 1e-9) + 1)
    return [n * step for n in numbers], step


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
