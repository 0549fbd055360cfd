"""Our results beside the paper's and by hyper-parameters: numbers and claims."""

import textwrap
from collections.abc import Iterable, Mapping
from itertools import chain, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from kmnist_mlp.experiments.claims import rounding_limits
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import FINDINGS, ReportFigure, report_figure, title
from kmnist_mlp.figures.style import draw_means, heat_map, legend_above, panel, panel_of_texts
from kmnist_mlp.figures.tables import highest_and_lowest
from kmnist_mlp.support.colours import BAND, BLUE, GREEN, GREY, ORANGE, RED, SKY
from kmnist_mlp.support.statistics import interval, signed, typeset

# points below the median: such an accuracy is written at the edge,
# not drawn
FAR = 6.0
# half intervals: a claim farther from its range has a triangle at
# the edge
LIMIT = 8.0
UNITS = {"test_accuracy": "points", "test_loss": "cross-entropy / 10"}
VERDICT_STYLES = {  # green and red, as in the tables of the pages
    "reproduced": ("o", GREEN),
    "not reproduced": ("X", RED),
    "no effect": ("s", GREY),
    "undecided": ("D", GREY),
}


def against_paper(results: Results, names: str | Iterable[str] | None = None) -> ReportFigure:
    """Draw the test accuracy of experiments: seeds, mean, and the paper's value.

    The paper's value stands a little below ours, as it would vanish
    beneath a mean that agrees.
    """
    names = results.chosen(names)
    values = {name: results.values("test_accuracy", name) for name in names}
    column = "test_accuracy_percent"
    numbers = pd.concat(values, names=["experiment"]).reset_index(name=column)
    printed = pd.Series({name: PAPER[name].test_accuracy for name in PAPER}, dtype=float)
    numbers["paper_test_accuracy_percent"] = numbers.experiment.map(printed)
    place = numbers.experiment.map(names.index)
    means = numbers.groupby(place).test_accuracy_percent.mean()
    far = means < means.quantile(interpolation="lower") - FAR
    figure, axis = _panel_of_rows(map(title, names))
    near = ~place.map(far)
    _draw_seeds(axis, numbers.test_accuracy_percent[near], place[near])
    papers = printed.reindex(names).reset_index(drop=True)[~far].dropna()
    if len(papers):
        style = {"color": ORANGE, "ms": 5.5, "label": "paper, one run"}
        axis.plot(papers, papers.index + 0.2, "s", **style)
    edge = {"transform": axis.get_yaxis_transform(), "va": "center", "color": BLUE}
    for row, mean in means[far].items():
        axis.text(0.012, row, f"◂ {mean:.1f} %", **edge)
    axis.margins(x=0.08)
    axis.set_xlabel("test accuracy, %")
    legend_above(axis)
    finding = highest_and_lowest(means.set_axis([*map(title, names)]))
    return report_figure([figure], numbers, finding, results, names, ["test_accuracy"])


def difference_to_paper(results: Results) -> ReportFigure:
    """Draw how far our next run may be from each number that the paper prints.

    The numbers are a row per printed number and seed; low and high are
    the ends of the 95 % prediction interval, paper_low and paper_high
    those of the paper's rounding.
    """
    values, ends = {}, ["low", "high", "paper_low", "paper_high"]
    for quantity, name in product(UNITS, results.names):
        if paper := getattr(PAPER.get(name), quantity, None):
            ours = results.values(quantity, name).to_frame("ours").assign(paper=paper)
            values[name, quantity] = ours
            ours[ends[:2]] = interval(ours.ours, one_more=True)[1:]
            ours[ends[2:]] = rounding_limits(paper, quantity)
    numbers = pd.concat(values, names=["experiment", "quantity"]).reset_index()
    names = numbers.experiment.unique()
    panels = []
    for quantity, seeds in numbers.groupby("quantity", sort=False):
        printed = seeds.drop_duplicates("experiment")
        low, high, least, most = printed[ends].sub(printed.paper, axis=0).to_numpy().T
        places = np.arange(len(printed))
        figure, axis = _panel_of_rows(map(title, printed.experiment))
        axis.axvline(0, color=ORANGE, lw=1.5, label="paper, one run")
        axis.hlines(places, least, most, color=ORANGE, lw=5, alpha=0.5)
        style = {"color": BLUE, "lw": 2, "alpha": 0.5}
        axis.hlines(places, low, high, label="95 % for the next run", **style)
        _draw_seeds(axis, seeds.ours - seeds.paper, pd.factorize(seeds.experiment)[0])
        axis.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))
        heading = quantity.replace("_", " ").capitalize()
        axis.set(xlabel=f"ours − paper, {UNITS[quantity]}", title=heading)
        legend_above(axis)
        panels.append(figure)
    return report_figure(panels, numbers, "", results, names, UNITS)


def _panel_of_rows(labels: Iterable[str]) -> tuple[Figure, Axes]:
    """Return a panel whose rows have these labels, the first one on top."""
    labels = [textwrap.fill(label, 24) for label in labels]
    figure, axis = panel(0.43 * len(labels) + 1.4)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    return figure, axis


def _draw_seeds(axis: Axes, values: pd.Series, rows: Iterable[int]) -> None:
    """Draw values as strokes in their rows, and the mean of each row as a dot."""
    axis.plot(values, rows, "|", color=BLUE, ms=10, alpha=0.8, label="our seeds")
    means = values.groupby(rows).mean()
    axis.plot(means, means.index, "o", color=BLUE, ms=5.5, label="our mean", zorder=3)


def contributions(results: Results, start: str, changes: Iterable[str], end: str) -> ReportFigure:
    """Draw what each change contributes to the difference between two experiments.

    Each of ``changes`` is measured alone, against ``start`` with the
    same seed. The changes are stacked as if they added up; what is
    then missing or left over to the measured ``end`` is drawn as the
    rest. The numbers are a row per seed: test accuracy at start and end
    in per cent, changes and rest in points.
    """
    names = [start, *changes, end]
    values = {name: results.values("test_accuracy", name) for name in names}
    first, last = values[start], values[end]
    gains = {f"+ {title(name)}": values[name] - first for name in names[1:-1]}
    rest = last - first - sum(gains.values())
    label = f"rest: overlap, and what only the {title(end)} has"
    gains[label] = rest
    numbers = pd.DataFrame({title(start): first, **gains, title(end): last})
    steps = stacked(title(start), first, gains, title(end), last)
    figure, axis = panel(3.9)
    draw_steps(axis, steps, "{:.1f} %".format, 2, {label: ORANGE})
    axis.set_xlabel("test accuracy, %")
    change = last.mean() - first.mean()
    alone, whole = (signed(points, 1) for points in (change - rest.mean(), change))
    finding = FINDINGS["contributions"].format(whole, alone)
    numbers = numbers.reset_index(names="seed")
    return report_figure([figure], numbers, finding, results, names, ["test_accuracy"])


def stacked(
    start: str, first: pd.Series, changes: Mapping[str, pd.Series], end: str, last: pd.Series
) -> pd.DataFrame:
    """Return two levels, and the changes between them, one on the other.

    Returns
    -------
    DataFrame
        Columns step, start (where a change begins; NaN for a level),
        value (of a level, or the change), low and high. What was not
        measured is NaN.
    """
    rows, at = [(start, np.nan, *interval(first))], first.mean()
    for step, change in changes.items():
        rows.append((step, at, *interval(change)))
        at += np.nan_to_num(change.mean())
    rows.append((end, np.nan, *interval(last)))
    return pd.DataFrame(rows, columns=["step", "start", "value", "low", "high"])


def draw_steps(
    axis: Axes, steps: pd.DataFrame, level: Any, digits: int, colours: Mapping[str, str]
) -> None:
    """Draw levels as marks and changes as bars, each with its interval and value.

    Parameters
    ----------
    axis : Axes
    steps : DataFrame
        As :func:`stacked` gives it.
    level : callable
        Returns the value of a level as text.
    digits : int
        Of the changes.
    colours : dict of str to str
        Of steps, if not blue.
    """
    beside = {"transform": axis.get_yaxis_transform(), "va": "center"}
    for place, row in enumerate(steps.itertuples()):
        if np.isnan(row.start):
            colour, text = colours.get(row.step, BLUE), level(row.value)
            axis.axvline(row.value, color=colour, lw=0.8, ls=":", zorder=0)
            axis.plot(row.value, place, "o" if colour == BLUE else "s", color=colour)
        else:
            text = "" if np.isnan(row.value) else signed(row.value, digits)
            axis.barh(place, row.value, 0.62, row.start, color=colours.get(row.step, SKY))
        between = np.nan_to_num(row.start) + np.array([row.low, row.high])
        axis.hlines(place, *between, color="black", lw=1.2)
        axis.text(1.02, place, text, **beside)
    labels = [textwrap.fill(step, 24) for step in steps.step]
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(visible=False)
    axis.locator_params(axis="x", nbins=3)


def scoreboard_figure(judged: pd.DataFrame) -> ReportFigure:
    """Draw our interval for each claim beside the claimed range, a panel per section.

    Claims have different units, but all can be compared in this one:
    how far our mean lies inside the nearest end of the claimed range
    (negative: outside), over half the width of our 95 % interval. Its
    ends, low and high, are 1 from inside, or 0 if all seeds agree.
    Claims without such an interval (one seed, the bound of the gradient
    check) are left out, and claims whose quantity cannot decide them.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    half = (judged.interval_high - judged.interval_low) / 2
    inside = judged.inside / half
    inside[judged.inside == 0] = 0.0  # seeds may agree in every digit
    numbers = judged[["number", "section", "claim", "one_run", "verdict", "verdict_code"]]
    wide = half > 0
    numbers = numbers.assign(inside=inside, low=inside - wide, high=inside + wide)
    kept = np.isfinite(half) & (judged.p.notna() | (half == 0))
    numbers = numbers[kept & (judged.quantity != "gradient_difference")]
    headings = numbers.section.str.replace(r"^(\d+).*", r"section \1", regex=True)
    sections = numbers.groupby(headings.str.capitalize(), sort=False)
    panels = [_draw_claims(rows, heading) for heading, rows in sections]
    verdicts = numbers.verdict.value_counts()
    counts = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items())
    finding = FINDINGS["claims"].format(len(numbers), counts) if counts else ""
    data_name = judged.attrs.get("data_name", "")
    return report_figure(panels, numbers, finding, data_name=data_name)


def _draw_claims(numbers: pd.DataFrame, heading: str) -> Figure:
    """Draw each claim's text and below it the interval; vertical places are inches."""
    claims = numbers.number.astype(str) + "  " + numbers.claim
    figure, axis, bottoms = panel_of_texts(claims, 0.47, -LIMIT - 1)
    places = bottoms - 0.18
    axis.barh(places, LIMIT + 1, 0.16, color=BAND, zorder=0)
    axis.vlines(0 * places, places - 0.08, places + 0.08, color="black", lw=1)
    for verdict, (marker, colour) in VERDICT_STYLES.items():
        if verdict in {*numbers.verdict, *numbers.verdict_code}:
            axis.plot([], [], marker, color=colour, ms=5.5, label=verdict)
    for row, place in zip(numbers.itertuples(), places, strict=True):
        marker, colour = VERDICT_STYLES[row.verdict]
        if abs(row.inside) > LIMIT:
            marker = ">" if row.inside > 0 else "<"
        else:
            axis.plot([row.low, row.high], [place, place], color=colour, lw=1.6)
        face = "white" if row.one_run else colour
        middle = np.clip(row.inside, -LIMIT, LIMIT)
        axis.plot(middle, place, marker, color=colour, ms=5.5, mfc=face)
        if row.verdict_code:
            marker, colour = VERDICT_STYLES[row.verdict_code]
            axis.plot(LIMIT + 2.5, place, marker, color=colour, ms=5.5)
    label = "outside   |   inside the claimed range\n(unit: half our 95 % interval)"
    axis.set(xlabel=label, title=heading, xlim=(-LIMIT - 1, LIMIT + 4))
    axis.set_xticks(np.linspace(-LIMIT, LIMIT, 5))
    axis.set_title("as coded", loc="right", weight="normal", fontsize=10)
    legend_above(axis)
    return figure


def accuracy_by_penalty(results: Results, paths: Mapping[str, Iterable[str]]) -> ReportFigure:
    """Draw validation and test accuracy by the strength of a penalty, a panel per kind.

    Points are means, bars standard deviations over seeds.

    Parameters
    ----------
    results : Results
    paths : dict of str to list of str
        Of "L1" and "L2", experiments in rising order of this penalty.
        They are drawn at equal distances.
    """
    colours = {"validation_accuracy": ORANGE, "test_accuracy": GREEN}
    values, panels, best = {}, [], []
    for kind, names in paths.items():
        for name, quantity in product(names, colours):
            penalty = getattr(results.of(name)[0].config, f"{kind}_penalty")
            values[kind, penalty, quantity] = results.values(quantity, name)
    keys = ["kind", "penalty", "quantity"]
    numbers = pd.concat(values, names=keys).reset_index(name="percent")
    drawn = numbers.assign(penalty=numbers.penalty.map("{:g}".format).map(typeset))
    for kind, of_kind in drawn.groupby("kind", sort=False):
        figure, axis = panel(3.3)
        for quantity, colour in colours.items():
            rows = of_kind[of_kind.quantity == quantity].groupby("penalty", sort=False)
            style = {"color": colour, "label": quantity.split("_")[0]}
            mean = draw_means(axis, rows.percent, fmt="o-", capsize=4, **style)
        axis.set(xlabel="penalty λ (0: none)", ylabel="accuracy, %", title=kind)
        legend_above(axis)
        panels.append(figure)
        best.append(f"{kind}, λ = {mean.idxmax()} ({mean.max():.1f} %)")
    names = dict.fromkeys(chain(*paths.values()))
    finding = f"Test accuracy is highest with {' and '.join(best)}."
    return report_figure(panels, numbers, finding, results, names, colours)


def accuracy_by_parameters(results: Results, names: str | Iterable[str]) -> ReportFigure:
    """Draw test accuracy by the number of parameters, for several topologies.

    Beside the mean of each stand its layers: on the right; on the
    left, if the next larger model is near or if there is none.
    """
    names, values = results.chosen(names), {}
    for name in names:
        model = results.of(name)[0].model
        layers = "-".join(map(str, model.layer_specs))
        values[name, layers, model.parameters.size] = results.values("test_accuracy", name)
    keys = ["experiment", "layers", "parameters"]
    numbers = pd.concat(values, names=keys).reset_index(name="test_accuracy_percent")
    means = numbers.groupby(["parameters", "layers"]).test_accuracy_percent.mean()
    sizes = means.index.get_level_values("parameters")
    figure, axis = panel(3.6)
    style = {"color": BLUE, "ms": 11, "alpha": 0.7}
    axis.plot(numbers.parameters, numbers.test_accuracy_percent, "_", **style)
    axis.plot(sizes, means, "o", color=BLUE, ms=4)
    style = {"textcoords": "offset points", "va": "center"}
    for ((size, layers), mean), larger in zip(means.items(), [*sizes[1:], 0], strict=True):
        place, side = (-11, "right") if larger < 1.5 * size else (11, "left")
        axis.annotate(layers, (size, mean), (place, 0), ha=side, **style)
    axis.set(xscale="log", xlabel="number of parameters", ylabel="test accuracy, %")
    # with room for a text on the left
    axis.set_xlim(sizes[0] / 2.5, sizes[-1] * 1.15)
    axis.margins(y=0.1)
    size, layers = means.idxmax()
    finding = FINDINGS["parameters"].format(layers, means.max(), size)
    return report_figure([figure], numbers, finding, results, names, ["test_accuracy"])


def heat_maps(sweep: pd.DataFrame, quantity: str) -> ReportFigure:
    """Draw an accuracy by learning rate and momentum, a map for each L2 penalty.

    The best cell has a frame. A cell of which a run diverged
    has no value.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    quantity : str
        "validation_accuracy" or "test_accuracy".
    """
    combinations = sweep.groupby(["L2_penalty", "momentum_gamma", "learning_rate"])
    percent = (100 * combinations[quantity].mean()).mask(combinations.diverged.any())
    numbers = percent.rename("percent").reset_index()
    numbers.insert(3, "quantity", quantity)
    best = numbers.loc[numbers.percent.idxmax()]
    # a few bad cells shall not hide the differences of the others
    limits = {"vmin": numbers.percent.quantile(0.25) - 1, "vmax": best.percent}
    panels = []
    for penalty, rows in numbers.groupby("L2_penalty"):
        figure, axis = panel(2.8)
        cells = rows.set_index(["momentum_gamma", "learning_rate"]).percent.unstack()
        labelled = cells.rename("{:g}".format).rename(columns="{:g}".format)
        heat_map(axis, labelled, missing="–", cmap="cividis", **limits)
        for place in np.argwhere(cells.to_numpy() == best.percent)[:, ::-1] + 0.04:
            axis.add_patch(Rectangle(place, 0.92, 0.92, fill=False, edgecolor=ORANGE, lw=3))
        axis.tick_params(axis="x", rotation=40)
        heading = f"Accuracy, %; L2 penalty {penalty:g}"
        axis.set(xlabel="learning rate", ylabel="momentum", title=heading)
        panels.append(figure)
    # kept for KMNIST alone
    return report_figure(panels, numbers, data_name="KMNIST")
