"""The gradient check: its tables beside the paper's, and its differences by the step epsilon."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kmnist_mlp.experiments.paper import published_gradients
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import finished, panels
from kmnist_mlp.figures.tables import with_corner
from kmnist_mlp.gradient_check import TOLERANCE
from kmnist_mlp.support.colours import BLUE, GREY, ORANGE

PAPER_EPSILON = 1e-2

# ---- tables --------------------------------------------------------------------------------------


def gradient_table(ours: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Return the gradients of one image beside the paper's: its Table 1, 2 or 3.

    The last column compares the paper's two gradients with the difference it prints beside them:
    in five of the eighteen rows they do not agree within the rounding of the printed digits.

    Parameters
    ----------
    ours : DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.check_paper_patterns` gives.
    pattern : str
        "first", "sixth" or "last": the image.
    """
    printed = [row for row in published_gradients() if row["pattern"] == pattern]
    own = ours[ours.pattern == pattern].reset_index(drop=True)
    rows = {
        f"{row['weight']} [{row['index']}]": {
            "approximated": f"{row['approximated_gradient']:.4g}",
            "actual": f"{row['actual_gradient']:.4g}",
            "difference": f"{row['difference']:.1e}",
            "at most 1e-4": "yes" if row["within_tolerance"] else "NO",
            "paper: approximated": f"{paper['approximated_gradient']:.5g}",
            "paper: actual": f"{paper['actual_gradient']:.5g}",
            "paper: difference": f"{paper['difference']:.5g}",
            "paper agrees with itself": "yes" if agrees_with_itself(paper) else "no",
        }
        for row, paper in zip(own.to_dict("records"), printed, strict=True)
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = with_corner(table, "weight", ours.attrs.get("data_name", ""))
    gradients = ["approximated_gradient", "actual_gradient", "difference"]
    numbers = own.join(pd.DataFrame(printed)[gradients].add_prefix("paper_"))
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table


def agrees_with_itself(row: Mapping[str, float]) -> bool:
    """Whether a printed difference is that of the gradients in its row, up to their rounding.

    A gradient printed with digit d in its last place is known to d / 2; the paper prints three
    to five significant digits, so half a unit in the third one is allowed for each gradient.
    """
    gradients = [row["approximated_gradient"], row["actual_gradient"]]
    rounding = sum(0.5 * 10.0 ** (np.floor(np.log10(abs(g))) - 2) for g in gradients)
    return abs(abs(gradients[0] - gradients[1]) - row["difference"]) <= rounding


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
    numbers = differences.rename_axis(index="epsilon").reset_index()
    finding = difference_finding(differences)
    data = ExhibitData.of(numbers, finding, quantities=["gradient_difference"])
    return finished(draw_differences(differences), data_name, data)


def draw_differences(differences: pd.DataFrame) -> Figure:
    """Draw a line per gradient, with a guide of slope 2, the paper's step and its bound."""
    figure, (axis,) = panels(1)
    epsilon = differences.index.to_numpy()
    # an exact agreement has no logarithm; it is drawn at the bottom
    axis.plot(epsilon, differences.clip(lower=1e-17), color=BLUE, lw=0.8, alpha=0.7)
    guide = epsilon[:4]
    axis.plot(guide, 3 * differences.iloc[0].max() * (guide / guide[0]) ** 2, color="#999999", lw=3)
    axis.axvline(PAPER_EPSILON, color=GREY, ls="--", lw=1)
    axis.axhline(TOLERANCE, color=ORANGE, ls=":", lw=1.5)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("step epsilon")
    axis.set_ylabel("difference of the gradients")
    return figure


def difference_finding(differences: pd.DataFrame) -> str:
    """Return the largest difference at the paper's step, and the step at which it is smallest."""
    largest = differences.max(axis=1)
    at_papers = largest.iloc[np.abs(np.log(largest.index / PAPER_EPSILON)).argmin()]
    verdict = "below" if at_papers <= TOLERANCE else "ABOVE"
    return (
        f"With the paper's step of {PAPER_EPSILON:g} the largest of {differences.shape[1]} "
        f"differences is {at_papers:.1e}, {verdict} the bound of {TOLERANCE:g}; it is smallest, "
        f"{largest.min():.1e}, with a step of {largest.idxmin():.0e}."
    )
