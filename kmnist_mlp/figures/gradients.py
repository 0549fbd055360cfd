"""The gradient check: its tables beside the paper's, and its differences by the step epsilon."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.experiments.paper import published_gradients
from kmnist_mlp.experiments.paper_gradients import (
    PAPER_EPSILON,
    consistent_difference,
    relative_difference,
    would_pass,
)
from kmnist_mlp.experiments.planted_bugs import BUGS
from kmnist_mlp.figures.report_figure import ReportFigure, report_figure
from kmnist_mlp.figures.style import legend_above, panel
from kmnist_mlp.figures.tables import table_of
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
    papers = pd.DataFrame(published_gradients()).query("pattern == @pattern")
    papers = papers.assign(relative_difference=relative_differences(papers))
    own = ours[ours.pattern == pattern]
    own = own.assign(relative_difference=relative_differences(own)).reset_index(drop=True)
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
        for row, paper in zip(own.to_dict("records"), papers.to_dict("records"), strict=True)
    }
    columns = ["approximated_gradient", "actual_gradient", "difference", "relative_difference"]
    numbers = own.join(papers[columns].reset_index(drop=True).add_prefix("paper_"))
    return table_of(rows, "weight", ours.attrs.get("data_name", ""), numbers)


def relative_differences(gradients: pd.DataFrame) -> list[float]:
    """Return the relative difference of the approximated and the actual gradient of each row."""
    pairs = gradients[["approximated_gradient", "actual_gradient"]].to_numpy()
    return [relative_difference(*pair) for pair in pairs]


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
    ours = pd.concat(checks.values()).approximated_gradient
    papers = [row["approximated_gradient"] for row in published_gradients()]
    rows = {
        name: {
            f"paper, of {len(papers)}": would_pass(papers, factor),
            f"ours, of {len(ours)}": would_pass(ours, factor),
        }
        for name, factor in WRONG_FACTORS.items()
    }
    first = next(iter(checks.values()))
    return table_of(rows, "wrong gradient", first.attrs.get("data_name", ""))


def planted_bug_table(tried: pd.DataFrame) -> pd.DataFrame:
    """Return which check finds which planted bug.

    A cell has the verdict of :func:`bug_verdict` and, in brackets, how many of the compared
    differences exceed the bound, over all seeds.

    Parameters
    ----------
    tried : DataFrame
        What :func:`kmnist_mlp.experiments.planted_bugs.planted_bugs` gives.
    """
    rows = {
        BUGS[bug]: {
            check: f"{bug_verdict(own)} ({own.exceeded.sum()} of {own.compared.sum()})"
            for check, own in of_bug.groupby("check", sort=False)
        }
        for bug, of_bug in tried.groupby("bug", sort=False)
    }
    return table_of(rows, "planted bug", tried.attrs.get("data_name", ""), tried)


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


def difference_by_epsilon(differences: pd.DataFrame, data_name: str) -> ReportFigure:
    """Draw the differences of a gradient check against the step epsilon, both logarithmic.

    A panel per kind of parameter. Grey guides have the slope of epsilon squared and of one over
    epsilon.

    Parameters
    ----------
    differences : DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.differences_by_epsilon` gives.
    data_name : str
        What the gradients were computed on.
    """
    numbers = differences.reset_index()
    numbers.columns = ["epsilon", *("{} [{}], {} image".format(*c) for c in differences.columns)]
    values = differences.clip(lower=1e-17)  # an exact agreement has no logarithm
    kinds = values.T.groupby(level="weight", sort=False)
    largest = differences.max(axis=1)
    at_papers = largest.iloc[np.abs(np.log(largest.index / PAPER_EPSILON)).argmin()]
    finding = (
        f"With the paper's step the largest of {differences.shape[1]} differences is "
        f"{scientific(at_papers, 1)}, {'below' if at_papers <= TOLERANCE else 'ABOVE'} the bound; "
        f"it is smallest with a step of {scientific(largest.idxmin())}."
    )
    panels = [draw_differences(kind, own.T, values) for kind, own in kinds]
    return report_figure(
        panels, numbers, finding, data_name=data_name, quantities=["gradient_difference"]
    )


def draw_differences(kind: str, differences: pd.DataFrame, every: pd.DataFrame) -> Figure:
    """Draw the gradients of one kind thin, their median thick, on the scale of every gradient."""
    figure, axis = panel(3.6)
    epsilon, largest = differences.index.to_numpy(), every.max().max()
    axis.plot(epsilon, differences, color=BLUE, lw=0.7, alpha=0.5, label="one gradient")
    axis.plot(epsilon, differences.median(axis=1), color=BLUE, lw=2.2, label="median")
    rounding = 30 * np.finfo(float).eps / epsilon[-3:]
    truncation = 8 * largest * (epsilon[:3] / epsilon[0]) ** 2
    axis.plot(epsilon[-3:], rounding, color=GREY, lw=1)
    axis.plot(epsilon[:3], truncation, color=GREY, lw=1)
    axis.axvline(PAPER_EPSILON, color=GREY, ls="--", lw=1)
    axis.axhline(TOLERANCE, color=ORANGE, ls=":", lw=1.5)
    low, high = every.min().min() / 5, 20 * max(TOLERANCE, largest)
    axis.set(
        xscale="log", yscale="log", ylim=(low, high), title=f"{kind} ({differences.shape[1]})",
        xlabel="step epsilon", ylabel="difference of the gradients",
    )  # fmt: skip
    grey = {"color": GREY, "fontsize": 9}
    axis.text(epsilon[-2], 2 * rounding[1], " ∝ 1/ε", **grey)
    axis.text(epsilon[1], 2 * truncation[1], "∝ ε² ", ha="right", **grey)
    axis.text(epsilon[-1], 1.6 * TOLERANCE, "paper's bound", color=ORANGE, fontsize=9)
    axis.text(1.2 * PAPER_EPSILON, 1.5 * low, "paper's step", rotation=90, **grey)
    legend_above(axis)
    return figure
