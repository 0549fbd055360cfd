"""Begin a notebook, and show figures and tables so that the exported pages can use them too.

A notebook reads well by itself in any viewer. What the exported pages need besides (captions that
belong to their figure, numbers to download, provenance) lies in the metadata of its outputs, under
"kmnist_mlp". Figures and tables have the paper's numbers; this project's own are numbered within
their section: "Figure S2.1" is the first of section 2.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

from kmnist_mlp.callbacks.live import someone_looks
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_and_announce
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.provenance import facts
from kmnist_mlp.experiments.runs import Results, default_seeds
from kmnist_mlp.figures.curves import learning_curves
from kmnist_mlp.figures.exhibit import ExhibitData, setting, title
from kmnist_mlp.figures.markup import html
from kmnist_mlp.figures.style import described, is_chart, picture, use_style
from kmnist_mlp.laboratory.drawing_pad import DrawingPad

STAND_IN_BANNER = """
> # ⚠ STAND-IN DATA
> **This is not Kuzushiji-MNIST.** Every number and figure below was measured on a small drawn data
> set, and every comparison with the paper compares **stand-in data** with KMNIST.
>
> {}
"""


def begin() -> Dataset:
    """Set the style of figures, load the data, and show data, seeds and provenance."""
    use_style()
    set_matplotlib_formats("retina")  # twice the pixels, for sharp print and screens
    data, announcement = load_and_announce()
    seeds = default_seeds()
    if announcement:
        say(STAND_IN_BANNER.format(announcement), role="banner")
    say(
        f"**Data:** {data.name}, {len(data.train_images):,} training and {len(data.test_images):,} "
        f"test images (fingerprint `{data.fingerprint[:12]}`). "
        f"**Seeds:** {', '.join(map(str, seeds))}. "
        + ("Values are mean ± standard deviation over the seeds." if len(seeds) > 1 else ""),
        role="provenance",
        facts=list(facts(data, seeds).items()),  # notebooks would sort the names of a dict
    )
    return data


def say(text: str, **own: object) -> None:
    """Show text as Markdown: a discussion whose numbers come from the results."""
    display(Markdown(textwrap.dedent(text).strip()), metadata={"kmnist_mlp": own} if own else None)


def show(
    content: Figure | DrawingPad | pd.DataFrame,
    caption: str,
    role: str | None = None,
    widget: Any = None,
    frames: Iterable[Figure] = (),
) -> None:
    """Show a figure or drawing pad with its caption below, or a table with its caption above.

    Parameters
    ----------
    content : Figure, DrawingPad or DataFrame
        With its ExhibitData as attribute or in ``attrs``; without it, a table's own numbers count.
    caption : str
        "Figure S2.1. What is seen." Up to the first full stop and space it is the number.
    role : str
        "results", "scoreboard", "picture", "characters" or "beyond": what the index page uses
        this exhibit for.
    widget : Widget
        Takes the place of a figure where it works: in JupyterLab, with its kernel. Pages, and
        viewers of notebooks, show the figure.
    frames : iterable of Figure
        On pages, a reader goes through these, forwards and back.
    """
    text = " ".join(textwrap.dedent(caption).split())
    number, _, rest = text.partition(". ")
    is_table = isinstance(content, pd.DataFrame)
    if is_table:
        data = content.attrs.get("exhibit_data") or ExhibitData.of(content.reset_index())
    else:
        data = getattr(content, "exhibit_data", None) or ExhibitData("")
    own = {"role": "exhibit", "number": number, "caption": rest, "index": role, **data.to_dict()}
    if is_table:
        say(f"**{number}.** {rest}", role="caption")
        display(
            {"text/html": html(content), "text/plain": str(content)},
            raw=True,
            metadata={"kmnist_mlp": own},
        )
        return
    if isinstance(content, Figure):
        shown = {"text/plain": repr(content), **picture(content)}
        (kind,) = shown.keys() & {"image/svg+xml", "image/png"}
        if strip := getattr(content, "strip", ""):
            own["strip"] = strip
        narrow = getattr(content, "narrow", content)
        if narrow.get_figwidth() < content.get_figwidth():
            (own["narrow"],) = picture(narrow).values()
        own["frames"] = [
            {"content": next(iter(picture(frame).values())), "text": frame.exhibit_data.finding}
            for frame in frames
        ]
        alt = f"{described(content)} {data.finding or text}" if is_chart(content) else data.finding
        size = {} if is_chart(content) else {"width": int(100 * content.get_figwidth())}
        metadata = {kind: {"alt": alt or text, **size}, "kmnist_mlp": own}
        if widget is not None and someone_looks():
            view = widget._repr_mimebundle_().items()
            shown |= {kind: value for kind, value in view if "widget" in kind}
        display(shown, raw=True, metadata=metadata)
    else:
        display(content, metadata={"kmnist_mlp": own})
    say(f"**{number}.** {rest}", role="caption")


def show_curves(results: Results, name: str, caption: str = "") -> None:
    """Show the learning curves of an experiment with the paper's figure numbers.

    Parameters
    ----------
    results : Results
    name : str
        Of any experiment in ``results``.
    caption : str
        As in :func:`show`. By default it names the experiment: one of one's own, which has no
        figure in the paper, with what of its configuration is not the default.
    """
    figure, entry = learning_curves(results, name), PAPER.get(name)
    if not caption and entry and entry.figures:
        first, second = entry.figures
        text = entry.title[0].upper() + entry.title[1:]
        if entry.config.early_stop and "early stopping" not in entry.title:
            text += ", early stopping"
        caption = f"""Figures {first} and {second}. {text}: learning curves, loss
        (Figure {first}) and accuracy (Figure {second})."""
    elif not caption:
        changed = setting(results.of(name)[0].config)
        caption = f"Learning curves of {title(name)}. Loss (left) and accuracy (right); {changed}."
    show(figure, caption)
