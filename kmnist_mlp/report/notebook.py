"""What every notebook of the report does: begin, show a figure or table with its caption, say.

A notebook reads well by itself in any viewer. What the exported pages need besides (captions that
belong to their figure, numbers to download, provenance) lies in the metadata of its outputs, under
"kmnist_mlp". Figures and tables have the paper's numbers; those of our own are numbered within
their section, "Figure S2.1" being the first of section 2.
"""

from __future__ import annotations

import textwrap
import warnings
from typing import Any

import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

from kmnist_mlp.callbacks.live import someone_looks
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import StandInWarning, load_kmnist
from kmnist_mlp.experiments.error_analysis import Mistakes
from kmnist_mlp.experiments.provenance import facts
from kmnist_mlp.experiments.runs import Results, default_seeds
from kmnist_mlp.figures import charts as figures
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.laboratory.drawing_pad import DrawingPad
from kmnist_mlp.support.statistics import interval, plus_minus, signed
from kmnist_mlp.training import TrainingResult

STAND_IN_BANNER = """
> # ⚠ STAND-IN DATA
> **This is not Kuzushiji-MNIST.** Neither the data nor a network was there, or the stand-in was
> asked for: every number and figure below is that of a small drawn data set, and every comparison
> with the paper compares **stand-in data** with KMNIST.
>
> {reason}
"""


def begin() -> Dataset:
    """Set the style of figures, load the data, and say on what and how often is measured."""
    figures.use_style()
    set_matplotlib_formats("retina")  # twice the pixels, for sharp print and screens
    with warnings.catch_warnings(record=True) as caught:  # the banner says it better
        warnings.simplefilter("always", StandInWarning)
        data = load_kmnist()
    seeds = default_seeds()
    for warning in caught:
        if not issubclass(warning.category, StandInWarning):
            continue
        say(STAND_IN_BANNER.format(reason=warning.message), role="banner")
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
) -> None:
    """Show a figure or drawing pad with its caption below, or a table with its caption above.

    Parameters
    ----------
    content : Figure, DrawingPad or DataFrame
        With what is behind it (exhibit.py) as attribute or in ``attrs``, else the table itself.
    caption : str
        "Figure S2.1. What is seen." Up to the first full stop and space it is the number.
    role : str
        "results", "scoreboard" or "picture": the index page takes this one for itself.
    widget : Widget
        Takes the place of a figure where it works: in JupyterLab, with its kernel. Pages, and
        viewers of notebooks, show the figure.
    """
    text = " ".join(textwrap.dedent(caption).split())
    number, _, rest = text.partition(". ")
    is_table = isinstance(content, pd.DataFrame)
    behind = (
        content.attrs.get("exhibit_data") if is_table else getattr(content, "exhibit_data", None)
    )
    if behind is None:
        behind = ExhibitData.of(content.reset_index()) if is_table else ExhibitData("")
    own = {"role": "exhibit", "number": number, "caption": rest, "index": role, **behind.to_dict()}
    if not is_table:
        alt = {"image/png": {"alt": behind.finding or text}}
        if widget is not None and someone_looks():
            data, _ = get_ipython().display_formatter.format(content)
            view = {kind: v for kind, v in widget._repr_mimebundle_().items() if "widget" in kind}
            display(data | view, raw=True, metadata={**alt, "kmnist_mlp": own})
        else:
            display(content, metadata={**alt, "kmnist_mlp": own})
        say(f"**{number}.** {rest}", role="caption")
    else:
        say(f"**{number}.** {rest}", role="caption")
        display(
            {"text/html": tables.html(content), "text/plain": str(content)},
            raw=True,
            metadata={"kmnist_mlp": own},
        )


def show_curves(results: Results, name: str) -> None:
    """Show the learning curves of an experiment with the paper's figure numbers."""
    from kmnist_mlp.experiments.paper import PAPER

    entry = PAPER[name]
    first, second = entry.figures
    runs = results.of(name)
    stop = "" if not entry.config.early_stop else ", early stopping"
    setting = entry.title if "early stopping" in entry.title else entry.title + stop
    end = (
        "the last"
        if not entry.config.early_stop
        else "that of the returned weights, mean over seeds"
    )
    show(
        figures.learning_curves(results, name),
        f"""Figures {first} and {second}. {setting[0].upper() + setting[1:]}: training and
        validation loss (Figure {first}) and accuracy (Figure {second}) by epoch. Thick: mean of
        {len(runs)} seed{"s" * (len(runs) > 1)}, with one standard deviation, as long as all are
        training; thin: each seed, with a stroke where it stopped. Dashed: the epoch whose weights
        count ({end}); dotted: where training stopped; the diamond is the test result. The training
        curve is measured on a fixed part of the training split, as large as the validation
        split.""",
    )


def percent(results: Results, name: str, quantity: str = "test_accuracy") -> str:
    """Return an accuracy for a sentence, such as "83.84 ± 0.21 %"."""
    return plus_minus(results.values(quantity, name), 2) + " %"


def number(results: Results, name: str, quantity: str, digits: int = 1) -> str:
    """Return any quantity for a sentence, such as "24.4 ± 1.1" (epochs)."""
    return plus_minus(results.values(quantity, name), digits)


def at_epoch(results: Results, name: str, epoch: int) -> str:
    """Return the validation accuracy at an epoch (or the last before it) for a sentence."""
    curves = [run.curves["validation_accuracy"] for run in results.of(name)]
    return plus_minus([100 * curve[:epoch][-1] for curve in curves], 2) + " %"


def points(results: Results, name: str, minus: str, quantity: str = "test_accuracy") -> str:
    """Return a difference for a sentence: "+3.02 points (95 % interval +2.71 to +3.33)"."""
    difference = results.values(quantity, name) - results.values(quantity, minus)
    mean, low, high = interval(difference)
    known = len(difference) > 1
    return f"{signed(mean, 2)} points" + (
        f" (95 % interval {signed(low, 2)} to {signed(high, 2)})" if known else " (one seed)"
    )


def structure(*frames: pd.DataFrame) -> None:
    """Print the rows and columns of tables: what must be the same on every machine and data set."""
    for frame in frames:
        print("rows:", *frame.index, sep="\n  ")
        print("columns:", *frame.columns, sep="\n  ")


def mistakes_add_up(mistakes: Mistakes, runs: list[TrainingResult], data: Dataset) -> None:
    """Print whether the confusion matrices hold every test image, and the accuracies of the runs.

    Two images of difference are allowed: in chunks of another size, BLAS rounds differently.
    """
    counts = np.bincount(data.test_labels, minlength=len(data.class_names))
    for seed, (matrix, run) in enumerate(zip(mistakes.matrices, runs, strict=True)):
        if (rows := matrix.sum(axis=1)).tolist() != counts.tolist():
            print(f"confusion matrix {seed}: WRONG; its rows are {rows} images, not {counts}")
        right = run.test_accuracy * counts.sum()
        if abs(np.trace(matrix) - right) > 2.5:
            print(f"confusion matrix {seed}: WRONG; {np.trace(matrix)} right, not {right:.0f}")
    print("confusion matrices: compared with the test labels and the test accuracy")


def gradient_verdicts(checks: dict[int, pd.DataFrame]) -> None:
    """Print for every checked gradient whether all seeds keep the bound."""
    together = pd.concat(checks.values())
    for key, rows in together.groupby(["pattern", "weight", "index"], sort=False):
        worst = rows.difference.max()
        verdict = "within 0.0001" if rows.within_tolerance.all() else f"TOO LARGE: {worst:.1e}"
        print(f"{key[0]} image, {key[1]} [{key[2]}]: {verdict}")
