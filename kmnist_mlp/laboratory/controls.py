"""Controls for a notebook, and a figure below them that is drawn again at each change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import ipywidgets as widgets

from kmnist_mlp.callbacks.live import someone_looks
from kmnist_mlp.figures.report_figure import ReportFigure
from kmnist_mlp.figures.style import png_address


def explorer(draw: Callable[..., ReportFigure], **controls: widgets.Widget) -> widgets.VBox:
    """Return controls above the figure that ``draw`` makes of their values, drawn at each change.

    Below the figure stands its finding.

    Parameters
    ----------
    draw : callable
        Takes the values of the controls under their names.
    **controls : Widget
    """
    picture = widgets.HTML()

    def redraw(_: object = None) -> None:
        figure = draw(**{name: control.value for name, control in controls.items()})
        finding = escape(figure.finding)
        panels = "".join(
            f'<img alt="{finding}" style="width: 410px" src="{png_address(panel, 150)}">'
            for panel in figure.panels
        )
        picture.value = f"{panels}<p>{finding}</p>"

    for control in controls.values():
        control.observe(redraw, "value")
    if someone_looks():  # elsewhere the figure itself is shown, not the widget
        redraw()
    return widgets.VBox([widgets.HBox(list(controls.values())), picture])


def labelled(kind: type[widgets.Widget], name: str, **options: Any) -> widgets.Widget:
    """Return a control with its name on its left."""
    return kind(description=name, style={"description_width": "110px"}, **options)


def slider(name: str, last: int, step: int = 1) -> widgets.IntSlider:
    """Return a slider over 0, step, 2 * step, ... up to ``last``."""
    return labelled(widgets.IntSlider, name, value=0, max=last, step=step)


def menu(name: str, options: Iterable[str]) -> widgets.Dropdown:
    """Return a menu of names, the first one chosen."""
    return labelled(widgets.Dropdown, name, options=list(options))


def offer(control: widgets.Dropdown, options: Iterable[str]) -> None:
    """Give a menu other options; what is chosen stays chosen if it is among them."""
    options, chosen = list(options), control.value
    if options != list(control.options):
        control.options = options
        control.value = chosen if chosen in options else next(iter(options), None)


def choice(
    name: str, values: Iterable[float], value: float, zero: str = "0"
) -> widgets.SelectionSlider:
    """Return a slider over round numbers and the given value, which is chosen."""
    options = [(f"{v:g}" if v else zero, v) for v in sorted({*values, value})]
    return labelled(widgets.SelectionSlider, name, options=options, value=value)
