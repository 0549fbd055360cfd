"""Each claim as the paper's text describes it and as its code ran it, and why the two differ.

The published code deviates from our algorithm, and so from the text or where the text is silent, in
the ways that published_code.py names. Each deviation
was added alone to our algorithm ("+name") and left out alone of theirs ("-name"); which of them
moves a claim, both times, is its cause. All of this was measured on KMNIST.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.claims import CLAIMS, Claim, judge, values_of
from kmnist_mlp.experiments.readings import load_runs
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval

NOT_FOUND, NOT_MEASURED = "not found", "not measured"
MATERIAL = 0.1  # share of the distance that a cause must explain: our choice
COLUMNS = ["cause", "cause_change", "cause_low", "cause_high", "cause_share"]
CAUSE_RULE = (
    "A claim that is not reproduced as the text describes it has a cause if it is reproduced as "
    "the code ran it, and if one of the code's deviations, added alone to our algorithm, moves its "
    "value towards the claimed range, and left out alone of the code's algorithm moves it back: "
    "both 95 % intervals of the changes, paired by seed, exclude 0, and both changes are at least "
    f"{100 * MATERIAL:.0f} % of the distance to the range. Of several such deviations, the one "
    "that closes the largest share of the distance is named, with its change; the others follow. "
    "Else the cause is not found."
)


def published_readings() -> dict[str, Results]:
    """Return the results of the ablation: by "none", "all", "+name" and "-name".

    Raises
    ------
    ValueError
        If the file of these results lacks the runs without, or with all deviations.
    """
    table = load_runs()
    if lacking := {"none", "all"} - {*table.deviations}:
        raise ValueError(
            f"reference_results/published_code.csv has no runs with deviations {sorted(lacking)}; "
            "`make measure WHAT=published` makes them"
        )
    return {name: Results.of_frame(table, deviations=name) for name in table.deviations.unique()}


def in_both_readings(
    judged: pd.DataFrame,
    ablation: Mapping[str, Results] | None = None,
    claims: Iterable[Claim] = CLAIMS,
) -> pd.DataFrame:
    """Return judged claims with the verdict under the published code, and the cause of a failure.

    Parameters
    ----------
    judged : DataFrame
        What :func:`~kmnist_mlp.experiments.judge` gives: the claims as the text has them.
    ablation : dict of str to Results
        By default what :func:`published_readings` gives.
    claims : iterable of Claim

    Returns
    -------
    DataFrame
        With the columns mean_code and verdict_code (empty for what the code's runs lack); for a
        claim that is not reproduced, by :data:`CAUSE_RULE`, cause (or :data:`NOT_FOUND`, or
        :data:`NOT_MEASURED` if no deviation was taken alone in its experiments; else empty),
        cause_change, cause_low, cause_high (of the claim's value, when the cause alone is added to
        our algorithm), cause_share (of the distance) and also (further causes). There are no causes
        on another data set than KMNIST.
    """
    ablation = published_readings() if ablation is None else ablation
    stated = {claim.statement: claim for claim in claims}
    code = judge(ablation["all"], {}, stated.values()).reindex(columns=["claim", "mean", "verdict"])
    both = judged.merge(code, "left", on="claim", suffixes=("", "_code"))
    both["verdict_code"] = both.verdict_code.fillna("")
    alone = {name for key, runs in ablation.items() if key[0] == "+" for name in runs.names}
    rows = []
    for row in both.itertuples():
        cause, others = {"cause": ""}, []
        wanted = row.verdict == "not reproduced" and not row.note
        if wanted and judged.attrs["data_name"] == "KMNIST":
            reached = row.verdict_code == "reproduced"
            tried = alone & {row.experiment, row.minus}
            found = causes(stated[row.claim], ablation) if reached else []
            none = NOT_FOUND if tried or not reached else NOT_MEASURED
            cause, *others = found or [{"cause": none}]
        rows.append(cause | {"also": ", ".join(other["cause"] for other in others)})
    both = both.join(pd.DataFrame(rows, both.index, [*COLUMNS, "also"]))
    both.attrs = judged.attrs
    return both


def causes(claim: Claim, ablation: Mapping[str, Results]) -> list[dict[str, float | str]]:
    """Return the deviations that fulfil :data:`CAUSE_RULE`, the largest share first.

    An experiment that a deviation does not apply to has no runs of its own with it; it is as
    without (or with, where it is left out).

    Returns
    -------
    list of dict
        Items cause, cause_change, cause_low, cause_high and cause_share, as in
        :func:`in_both_readings`.
    """
    ours, theirs = (values_of(claim, ablation[name]) for name in ("none", "all"))
    if ours is None or theirs is None:
        return []

    def outside(value: float, ends: tuple[float, float]) -> float:
        return float(abs(np.clip(value, *ends) - value))

    mean = ours.mean()
    # of several numbers, the one that is farthest away
    range_ = max(claim.ranges, key=lambda ends: outside(mean, ends))
    distance, direction = outside(mean, range_), 1 if mean < range_[0] else -1
    found = []
    for name in (key[1:] for key in ablation if key[0] == "+" and f"-{key[1:]}" in ablation):
        added = values_of(claim, ablation[f"+{name}"], ablation["none"]) - ours
        removed = theirs - values_of(claim, ablation[f"-{name}"], ablation["all"])
        changes = interval(added.dropna())
        intervals = np.array([changes, interval(removed.dropna())])
        clear = (direction * intervals[:, 1:] > 0).all()
        if distance and clear and abs(intervals[:, 0]).min() >= MATERIAL * distance:
            share = 1 - outside(mean + changes[0], range_) / distance
            found.append(dict(zip(COLUMNS, (name, *changes, share), strict=True)))
    return sorted(found, key=lambda each: (-each["cause_share"], -abs(each["cause_change"])))
