"""The gradient check: its tables beside the paper's, and its differences by the step epsilon."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.experiments.paper import published_gradients
from kmnist_mlp.experiments.paper_gradients import (
    BUGS,
    PAPER_EPSILON,
    consistent_difference,
    relative_difference,
    would_pass,
)
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import finished, is_narrow, legend_above, panels
from kmnist_mlp.figures.tables import with_corner
from kmnist_mlp.gradient_check import TOLERANCE
from kmnist_mlp.support.colours import BLUE, GREY, ORANGE
from kmnist_mlp.support.statistics import scientific

WRONG_FACTORS = {"zero": 0.0, "wrong sign": -1.0, "half as large": 0.5, "10 % too small": 0.9}

# ---- tables --------------------------------------------------------------------------------------


def gradient_table(ours: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Return the gradients of one image beside the paper's: its Table 1, 2 or 3.

    Relative differences are those of
    :func:`kmnist_mlp.experiments.paper_gradients.relative_difference`; the paper's are computed
    from its printed gradients. The last column compares these two gradients with the difference
    that the paper prints beside them: in five of the eighteen rows they do not agree within the
    rounding of the printed digits, in four of these only because of the exponent.

    Parameters
    ----------
    ours : DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.check_paper_patterns` gives.
    pattern : str
        "first", "sixth" or "last": the image.
    """
    printed = [row for row in published_gradients() if row["pattern"] == pattern]
    own = ours[ours.pattern == pattern].reset_index(drop=True)
    own["relative_difference"] = relative_differences(own)
    printed = [
        {**row, "relative_difference": relative}
        for row, relative in zip(printed, relative_differences(pd.DataFrame(printed)), strict=True)
    ]
    rows = {
        f"{row['weight']} [{row['index']}]": {
            "approximated": f"{row['approximated_gradient']:.4g}",
            "actual": f"{row['actual_gradient']:.4g}",
            "difference": f"{row['difference']:.1e}",
            "relative": f"{row['relative_difference']:.0e}",
            "at most 10⁻⁴": "yes" if row["within_tolerance"] else "NO",
            "paper: approximated": f"{paper['approximated_gradient']:.5g}",
            "paper: actual": f"{paper['actual_gradient']:.5g}",
            "paper: difference": f"{paper['difference']:.5g}",
            "paper: relative": f"{paper['relative_difference']:.0e}",
            "paper: row consistent": consistent(paper),
        }
        for row, paper in zip(own.to_dict("records"), printed, strict=True)
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = with_corner(table, "weight", ours.attrs.get("data_name", ""))
    shown = ["approximated_gradient", "actual_gradient", "difference", "relative_difference"]
    numbers = own.join(pd.DataFrame(printed)[shown].add_prefix("paper_"))
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table


def relative_differences(gradients: pd.DataFrame) -> list[float]:
    """Return the relative difference of the approximated and the actual gradient of each row."""
    pairs = zip(gradients.approximated_gradient, gradients.actual_gradient, strict=True)
    return [relative_difference(approximated, actual) for approximated, actual in pairs]


def consistent(row: Mapping[str, float]) -> str:
    """Return "yes", the difference that a row would have to print, or "no": no exponent fits."""
    difference = consistent_difference(row)
    if difference == row["difference"]:
        return "yes"
    return "no" if np.isnan(difference) else f"as {difference:.5g}"


def passing_table(checks: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return how many gradients could be wrong in a given way and still keep the paper's bound.

    Parameters
    ----------
    checks : dict of int to DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.gradient_checks` gives.
    """
    together = pd.concat(checks.values(), ignore_index=True)
    ours = together.approximated_gradient
    papers = [row["approximated_gradient"] for row in published_gradients()]
    rows = {
        name: {
            f"paper, of {len(papers)}": would_pass(papers, factor),
            f"ours, of {len(ours)}": would_pass(ours, factor),
        }
        for name, factor in WRONG_FACTORS.items()
    }
    first = next(iter(checks.values()))
    table = pd.DataFrame.from_dict(rows, orient="index")
    return with_corner(table, "wrong gradient", first.attrs.get("data_name", ""))


def planted_bug_table(tried: pd.DataFrame) -> pd.DataFrame:
    """Return which check finds which planted bug.

    A cell has the verdict of :func:`bug_verdict` and, in brackets, how many of the compared
    differences exceed the bound, over all seeds.

    Parameters
    ----------
    tried : DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.planted_bugs` gives.
    """
    rows = {
        BUGS[bug]: {
            check: f"{bug_verdict(own)} ({own.exceeded.sum()} of {own.compared.sum()})"
            for check, own in of_bug.groupby("check", sort=False)
        }
        for bug, of_bug in tried.groupby("bug", sort=False)
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = with_corner(table, "planted bug", tried.attrs.get("data_name", ""))
    table.attrs["exhibit_data"] = ExhibitData.of(tried)
    return table


def bug_verdict(tried: pd.DataFrame) -> str:
    """Return whether a check detects a bug or the code passes; one excess is enough.

    Examples
    --------
    >>> [bug_verdict(pd.DataFrame({"exceeded": counts})) for counts in ([3, 1], [0, 0], [3, 0])]
    ['detected', 'passes', 'detected with 1 of 2 seeds']
    """
    detected = (tried.exceeded > 0).sum()
    if detected == len(tried):
        return "detected"
    return f"detected with {detected} of {len(tried)} seeds" if detected else "passes"


def detected_bugs(tried: pd.DataFrame) -> dict[str, list[str]]:
    """Return for each check the names of the planted bugs that it detects with every seed.

    Examples
    --------
    >>> rows = {"bug": ["none", "sign", "mean"], "check": "absolute", "exceeded": [0, 6, 0]}
    >>> detected_bugs(pd.DataFrame(rows))
    {'absolute': ['sign']}
    """
    return {
        check: [
            bug
            for bug, own in of_check.groupby("bug", sort=False)
            if bug != "none" and bug_verdict(own) == "detected"
        ]
        for check, of_check in tried.groupby("check", sort=False)
    }


# ---- figure --------------------------------------------------------------------------------------


def difference_by_epsilon(differences: pd.DataFrame, data_name: str) -> Figure:
    """Draw the differences of a gradient check against the step epsilon, both logarithmic.

    Parameters
    ----------
    differences : DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.differences_by_epsilon` gives.
    data_name : str
        What the gradients were computed on.
    """
    numbers = differences.reset_index()
    numbers.columns = ["epsilon", *("{} [{}], {} image".format(*c) for c in differences.columns)]
    finding = difference_finding(differences)
    data = ExhibitData.of(numbers, finding, quantities=["gradient_difference"])
    return finished(lambda: draw_differences(differences), data_name, data)


def draw_differences(differences: pd.DataFrame) -> Figure:
    """Draw a panel per kind of parameter: each gradient thin, their median thick.

    Grey guides have the slope of epsilon squared and of one over epsilon.
    """
    kinds = differences.T.groupby(level="weight", sort=False)
    figure, axes = panels(len(kinds), height=3.7)
    epsilon = differences.index.to_numpy()
    values = differences.clip(lower=1e-17)  # an exact agreement has no logarithm
    low, high = values.min().min() / 5, 20 * max(TOLERANCE, values.max().max())
    rounding = 30 * np.finfo(float).eps / epsilon[-3:]
    truncation = 8 * values.max().max() * (epsilon[:3] / epsilon[0]) ** 2
    for axis, (kind, rows) in zip(axes, kinds, strict=True):
        own = values[rows.index]
        each = axis.plot(epsilon, own, color=BLUE, lw=0.7, alpha=0.5)
        median = axis.plot(epsilon, own.median(axis=1), color=BLUE, lw=2.2)
        axis.plot(epsilon[-3:], rounding, color=GREY, lw=1)
        axis.plot(epsilon[:3], truncation, color=GREY, lw=1)
        axis.axvline(PAPER_EPSILON, color=GREY, ls="--", lw=1)
        axis.axhline(TOLERANCE, color=ORANGE, ls=":", lw=1.5)
        axis.set(xscale="log", yscale="log", ylim=(low, high))
        axis.set(title=f"{kind} ({len(rows)})", xlabel="step epsilon")
        axis.text(epsilon[-2], 2 * rounding[1], " ∝ 1/ε", color=GREY, fontsize=9)
        axis.text(epsilon[1], 2 * truncation[1], "∝ ε² ", color=GREY, fontsize=9, ha="right")
    axes[0].text(epsilon[-1], 1.6 * TOLERANCE, "paper's bound", color=ORANGE, fontsize=9)
    axes[0].text(
        1.2 * PAPER_EPSILON, 1.5 * low, "paper's step", color=GREY, fontsize=9, rotation=90
    )
    axes[0].set_ylabel("difference of the gradients")
    labels = ["one gradient of Tables 1 to 3", "median of the panel"]
    legend_above(figure, [each[0], *median], labels, 2)
    for axis in axes[1:]:
        axis.tick_params(labelleft=is_narrow())
    return figure


def difference_finding(differences: pd.DataFrame) -> str:
    """Return the largest difference at the paper's step, and the step at which it is smallest."""
    largest = differences.max(axis=1)
    at_papers = largest.iloc[np.abs(np.log(largest.index / PAPER_EPSILON)).argmin()]
    verdict = "below" if at_papers <= TOLERANCE else "ABOVE"
    return (
        f"With the paper's step of {PAPER_EPSILON:g} the largest of {differences.shape[1]} "
        f"differences is {scientific(at_papers, 1)}, {verdict} the bound of {TOLERANCE:g}; it is "
        f"smallest, {scientific(largest.min(), 1)}, with a step of {scientific(largest.idxmin())}."
    )
