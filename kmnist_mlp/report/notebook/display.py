"""Begin a notebook, and show figures and tables so that the exported pages can use them too.

A notebook reads well by itself in any viewer. What the exported pages need besides (captions that
belong to their figure, numbers to download, provenance) lies in the metadata of its outputs, under
"kmnist_mlp". Figures and tables have the paper's numbers; this project's own are numbered within
their section: "Figure S2.1" is the first of section 2.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib_inline.backend_inline import set_matplotlib_formats

from kmnist_mlp.callbacks.live import someone_looks
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_and_announce
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.provenance import facts
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.figures.curves import learning_curves, overlay
from kmnist_mlp.figures.report_figure import ReportFigure, ShownData, html, setting, title
from kmnist_mlp.figures.style import picture, use_style

STAND_IN_BANNER = """
> # ⚠ STAND-IN DATA
> **This is not Kuzushiji-MNIST.** Every number and figure below was measured on a small drawn data
> set, and every comparison with the paper compares **stand-in data** with KMNIST.
>
> {}
"""


def begin(seeds: Sequence[int] | None = None) -> Dataset:
    """Set the style of figures, load the data, and show data, seeds and provenance.

    From here on, the notebook reloads what is changed in the module (IPython's autoreload).

    Parameters
    ----------
    seeds : sequence of int, optional
        Those of the results that the notebook shows, if they are not the report's.
    """
    if shell := get_ipython():
        shell.run_line_magic("load_ext", "autoreload")
        shell.run_line_magic("autoreload", "2")
    use_style()
    set_matplotlib_formats("retina")  # twice the pixels, for sharp print and screens
    data, announcement = load_and_announce()
    seeds = default_seeds() if seeds is None else list(seeds)
    if announcement:
        say(STAND_IN_BANNER.format(announcement), role="banner")
    say(
        f"**Data:** {data.name}, {len(data.train_images):,} training and {len(data.test_images):,} "
        f"test images (fingerprint `{data.fingerprint[:12]}`). "
        f"**Seeds:** {', '.join(map(str, seeds))}. "
        + (
            "Values with ± are mean and standard deviation over seeds; epochs are medians, with "
            "their range in brackets."
            if len(seeds) > 1
            else ""
        ),
        role="provenance",
        facts=list(facts(data, seeds).items()),  # notebooks would sort the names of a dict
    )
    return data


def say(text: str, **own: object) -> None:
    """Show text as Markdown: a discussion whose numbers come from the results."""
    display(Markdown(textwrap.dedent(text).strip()), metadata={"kmnist_mlp": own} if own else None)


def show(
    content: ReportFigure | pd.DataFrame,
    caption: str,
    role: str | None = None,
    widget: Any = None,
    frames: Iterable[ReportFigure] = (),
) -> None:
    """Show a figure with its caption below, or a table with its caption above.

    Parameters
    ----------
    content : ReportFigure or DataFrame
        A table without ``attrs["shown_data"]`` is itself the numbers for download.
    caption : str
        "Figure S2.1. What is seen." Up to the first full stop and space it is the number, which is
        followed by the finding of a figure.
    role : str
        "results", "scoreboard", "picture", "characters", "shift" or "beyond": what the index page
        uses the figure or table for.
    widget : Widget
        Takes the place of a figure where it works: in JupyterLab, with its kernel. Pages, and
        viewers of notebooks, show the figure.
    frames : iterable of ReportFigure
        On pages, a reader goes through these, forwards and back.
    """
    number, _, text = " ".join(textwrap.dedent(caption).split()).partition(". ")
    is_table = isinstance(content, pd.DataFrame)
    data = content.attrs.get("shown_data") if is_table else content.data
    data = vars(data or ShownData.of(content.reset_index()))
    mark = data | {"number": number, "caption": text, "index": role}
    mark["experiments"] = [*mark["experiments"].items()]  # notebooks would sort the names of a dict
    if is_table:
        say(f"**{number}.** {text}", role="caption")
        shown = {"text/html": html(content), "text/plain": str(content)}
        display(shown, raw=True, metadata={"kmnist_mlp": mark | {"role": "table"}})
        return
    full = f"{content.finding} {text}".strip()
    mark |= {"role": "figure", "finding": content.finding, "strip": content.strip}
    mark["frames"] = [
        {"panels": [*chain(*map(dict.values, map(picture, f.panels)))], "text": f.finding}
        for f in frames
    ]
    looks = widget is not None and someone_looks()  # the widget takes the place of all panels
    for place, panel in enumerate(content.panels[:1] if looks else content.panels):
        axis = panel.axes[0]
        name = axis.get_title(loc="left") or axis.get_title() or axis.get_ylabel() or number
        shown, metadata = picture(panel), {"alt": name if place else full}
        metadata["width"] = int(100 * panel.get_figwidth())
        metadata = dict.fromkeys(shown, metadata)
        if looks:
            view = widget._repr_mimebundle_().items()
            shown |= {kind: value for kind, value in view if "widget" in kind}
        metadata["kmnist_mlp"] = {"role": "panel"} if place else mark
        display({"text/plain": repr(panel), **shown}, raw=True, metadata=metadata)
    say(f"**{number}.** {full}", role="caption")


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
        (Figure {first}) and accuracy (Figure {second}). Grey: the paper's curves, single runs
        on KMNIST, read from its figures; validation has the higher loss and the lower accuracy."""
    elif not caption:
        changed = setting(results.of(name)[0].config)
        caption = f"Learning curves of {title(name)}. Loss (left) and accuracy (right); {changed}."
    show(figure, caption)


def try_out(
    results: Results, data: Dataset, name: str, number: str, epochs: int = 10, **changes: Any
) -> None:
    """Train a changed experiment with one seed; show its validation curves beside the report's.

    ``results`` stays as it is, so that nothing tried out here can change what the report states.

    Parameters
    ----------
    results : Results
        With the experiment ``name``.
    data : Dataset
    name : str
    number : str
        Of the figure: "Figure S2.8".
    epochs : int
        At most; few, so that it takes seconds.
    **changes
        Other values of fields of :class:`~kmnist_mlp.Config`, such as ``learning_rate=0.002``.
    """
    config = results.of(name)[0].config.replace(epochs=epochs, **changes)
    mine = run({"your run": config}, data=data, seeds=config.seed)
    both = results.plus("your run", mine.of("your run")[0])
    show(
        overlay(both, [name, "your run"], "validation_loss", "validation_accuracy"),
        f"""{number}. Your run: validation loss and accuracy by epoch of the report's experiment
        (thick: mean over seeds; thin: each seed) and of one run with seed {config.seed} and
        {setting(config)}.""",
    )
