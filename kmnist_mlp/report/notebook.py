"""What notebooks call: show figures and tables, put numbers into sentences.

A notebook reads well by itself in any viewer. What the exported pages
need besides (captions that belong to their figure, numbers to
download, provenance) lies in the metadata of its outputs, under
"kmnist_mlp". Figures and tables have the paper's numbers; this
project's own are numbered within their section: "Figure S2.1" is the
first of section 2.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
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
from kmnist_mlp.figures.report_figure import ReportFigure, html, setting, shown_data, title
from kmnist_mlp.figures.style import picture, use_style
from kmnist_mlp.report import statements
from kmnist_mlp.support.statistics import interval, median_and_range, plus_minus, signed

TEXTS = tomllib.loads((Path(__file__).parent / "texts/notebook.toml").read_text("utf-8"))
ABOUT = ("banner", "provenance")  # roles of text about the data and the machine
STATED: list[str] = []  # sentences, captions and tables that were shown, in order


def begin(seeds: Sequence[int] | None = None) -> Dataset:
    """Set the style of figures, load the data, and show data, seeds and provenance.

    From here on, the notebook reloads what is changed in the module
    (IPython's autoreload).

    Parameters
    ----------
    seeds : sequence of int, optional
        Those of the results that the notebook shows, if they are
        not the report's.
    """
    STATED.clear()
    if shell := get_ipython():
        shell.run_line_magic("load_ext", "autoreload")
        shell.run_line_magic("autoreload", "2")
    use_style()
    # twice the pixels, for sharp print and screens
    set_matplotlib_formats("retina")
    data, announcement = load_and_announce()
    seeds = default_seeds() if seeds is None else list(seeds)
    if announcement:
        banner = TEXTS["banner" if data.is_stand_in else "other_banner"]
        say(banner.format(announcement, data=data), role="banner")
    text = TEXTS["provenance"].format(data=data, seeds=str(seeds).strip("[]"))
    text += TEXTS["spread"] * (len(seeds) > 1)
    # notebooks would sort the names of a dict
    say(text, role="provenance", facts=[*facts(data, seeds).items()])
    return data


def say(text: str, **marks: object) -> None:
    """Show text as Markdown: a discussion whose numbers come from the results."""
    metadata = {"kmnist_mlp": marks} if marks else None
    # a name may begin a sentence: a paragraph, an item of a list
    text = re.sub(r"(?:^|\n\n|\n- )\**[a-z]", lambda m: m[0].upper(), dedent(text).strip())
    if marks.get("role") not in ABOUT:
        STATED.append(text)
    display(Markdown(text), metadata=metadata)


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
        A table without ``attrs["shown_data"]`` is itself the
        numbers for download.
    caption : str
        "Figure S2.1. What is seen." Up to the first full stop and space
        it is the number, which is followed by the finding that the
        figure or table has.
    role : str
        "results", "scoreboard", "picture", "characters", "shift" or
        "beyond": what the index page uses the figure or table for.
    widget : Widget
        Takes the place of a figure where it works: in JupyterLab, with
        its kernel. Pages, and viewers of notebooks, show the figure.
    frames : iterable of ReportFigure
        On pages, a reader goes through these, forwards and back.
    """
    number, _, text = " ".join(caption.split()).partition(". ")
    is_table = isinstance(content, pd.DataFrame)
    data = content.attrs.get("shown_data") if is_table else content.data
    finding = content.attrs.get("finding", "") if is_table else content.finding
    full = f"{finding} {text}".strip()
    mark = vars(data or shown_data(content.reset_index()))
    mark = mark | {"number": number, "finding": finding, "caption": text, "index": role}
    # notebooks would sort the names
    mark["experiments"] = [*mark["experiments"].items()]
    if is_table:
        say(f"**{number}.** {full}", role="caption")
        shown = {"text/html": html(content), "text/plain": str(content)}
        STATED.append(shown["text/html"])
        display(shown, raw=True, metadata={"kmnist_mlp": mark | {"role": "table"}})
        return
    mark |= {"role": "figure", "strip": content.strip, "frames": []}
    for frame in frames:
        drawn = [kind for panel in frame.panels for kind in picture(panel).values()]
        mark["frames"].append({"panels": drawn, "text": frame.finding})
    # it takes the place of all panels
    looks = widget is not None and someone_looks()
    for place, panel in enumerate(content.panels[: 1 if looks else None]):
        axis = panel.axes[0]
        name = axis.get_title(loc="left") or axis.get_title() or axis.get_ylabel()
        shown = picture(panel)
        about = {"alt": (name or number) if place else full}
        about["width"] = int(100 * panel.get_figwidth())
        metadata = dict.fromkeys(shown, about)
        metadata["kmnist_mlp"] = {"role": "panel"} if place else mark
        if looks:
            view = widget._repr_mimebundle_().items()
            shown |= {kind: value for kind, value in view if "widget" in kind}
        display({"text/plain": repr(panel), **shown}, raw=True, metadata=metadata)
    say(f"**{number}.** {full}", role="caption")


def show_curves(results: Results, name: str) -> None:
    """Show the learning curves of an experiment with the paper's figure numbers.

    The caption names the experiment; of one that is not the paper's,
    also what in its configuration is not the default.

    Parameters
    ----------
    results : Results
    name : str
        Of any experiment in ``results``.
    """
    entry = PAPER.get(name)
    if entry and entry.figures:
        text = entry.title[0].upper() + entry.title[1:]
        if entry.config.early_stop and "early stopping" not in text:
            text += ", early stopping"
        caption = TEXTS["papers_curves"].format(*entry.figures, text)
    else:
        config = results.of(name)[0].config
        caption = TEXTS["curves"].format(title(name), setting(config))
    show(learning_curves(results, name), caption)


def try_out(results: Results, data: Dataset, name: str, number: str, **changes: Any) -> None:
    """Train a changed experiment with one seed; show its curves beside the report's.

    ``results`` stays as it is, so that nothing tried out here can
    change what the report states.

    Parameters
    ----------
    results : Results
        With the experiment ``name``.
    data : Dataset
    name : str
    number : str
        Of the figure: "Figure S2.8".
    **changes
        Other values of fields of :class:`~kmnist_mlp.Config`, such as
        ``learning_rate=0.002``. Without ``epochs`` there are ten at
        most, so that it takes seconds.
    """
    config = results.of(name)[0].config.replace(**{"epochs": 10} | changes)
    mine = run({"your run": config}, data=data, seeds=config.seed)
    both = results.plus("your run", mine.of("your run")[0])
    figure = overlay(both, [name, "your run"], "validation_loss", "validation_accuracy")
    show(figure, TEXTS["your_run"].format(number, config.seed, setting(config)))


# ---- numbers in sentences --------------------------------------------


def called(name: str) -> str:
    """Return what an experiment is called in a sentence."""
    return TEXTS["called"].get(name) or title(name)


def listed(items: Iterable[str]) -> str:
    """Return texts as one.

    Examples
    --------
    >>> listed(["one", "two", "three"]), listed(["one"]), listed([])
    ('one, two and three', 'one', 'none')
    """
    *first, last = list(items) or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def number(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return a quantity, such as "83.84 ± 0.21 %", or "24 (23–26)" for an epoch."""
    values = results.values(quantity, name)
    kind = quantity.split("_")[-1]
    if kind == "epoch":
        return median_and_range(values)
    factor, digits, unit = TEXTS["formats"][kind]
    return plus_minus(factor * values, digits) + unit


def compared(results: Results, name: str, minus: str, of: str = "test_accuracy") -> str:
    """Return how two experiments differ, in words that follow the 95 % interval.

    For example "ReLU has 2.68 points more test accuracy than sigmoid
    (95 % interval 2.30 to 3.06)"; or "ReLU does not differ measurably
    from sigmoid in test accuracy (...)"; or "... in every seed".

    Parameters
    ----------
    results : Results
    name, minus : str
        Experiments, compared seed by seed.
    of : str
        A quantity in per cent or percentage points.
    """
    one, other, what = called(name), called(minus), of.replace("_", " ")
    difference = results.values(of, name) - results.values(of, minus)
    if (difference == 0).all():
        return f"{one} and {other} have the same {what} in every seed"
    # without seeds of one of them alone
    mean, low, high = interval(difference.dropna())
    if low > 0 or high < 0 or np.isinf(low):
        way = "more" if mean > 0 else "less"
        known = "95 % interval {:.2f} to {:.2f}".format(*sorted(map(abs, (low, high))))
        known = "one seed" if np.isinf(low) else known
        return f"{one} has {abs(mean):.2f} points {way} {what} than {other} ({known})"
    known = f"{signed(mean, 2)} points, 95 % interval {signed(low, 2)} to {signed(high, 2)}"
    return f"{one} does not differ measurably from {other} in {what} ({known})"


def at_epoch(results: Results, epoch: int) -> Results:
    """Return what learning curves show at an epoch, or at the last one before it."""
    rows = []
    for (name, seed), result in results.runs.items():
        row = {"experiment": name, "seed": seed}
        for what, curve in result.curves.items():
            row[what] = [np.nan, *curve[:epoch]][-1]
        rows.append(row)
    return replace(results, frame=pd.DataFrame(rows))


def numbers_agree(data: Dataset, number: int) -> None:
    """Print what has moved of what was stated, or one line, the same everywhere.

    Parameters
    ----------
    data : Dataset
    number : int
        Of the notebook.
    """
    reference = statements.kept(data.name, seeds := len(default_seeds()), number)
    stated = statements.lines_of(STATED)
    rows = zip_longest(stated, reference.text, reference.tolerance, fillvalue="")
    found = ["MOVED: " + text for row in rows for text in statements.moved(*row)]
    if reference.empty:
        found = [f"NO REFERENCE for {seeds} seeds on {data.name}"]
    print(*found or ["every sentence and table agrees with the reference results"], sep="\n")
