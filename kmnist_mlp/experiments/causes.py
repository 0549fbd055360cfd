"""Each claim as the text has it and as the code ran it, and why they differ.

The published code deviates from our algorithm, and so from the text
or where the text is silent, in the ways that published_code.py names.
Each deviation was added alone to our algorithm ("+name") and left out
alone of theirs ("-name"); which of them moves a claim, both times, is
its cause. All of this was measured on KMNIST.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from kmnist_mlp.experiments.claims import CLAIMS, Claim, judge, values_of
from kmnist_mlp.experiments.paper import RULES
from kmnist_mlp.experiments.readings import load_runs
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.statistics import interval

NOT_FOUND, NOT_MEASURED = "not found", "not measured"
# share of the distance that a cause must explain: our choice, as
# in CAUSE_RULE
MATERIAL = 0.1
COLUMNS = ["cause", "cause_change", "cause_low", "cause_high", "cause_share"]
CAUSE_RULE = " ".join(RULES["causes"].split())


def published_readings() -> dict[str, Results]:
    """Return the results of the ablation: by "none", "all", "+name" and "-name"."""
    table = load_runs()
    names = table.deviations.unique()
    return {name: Results.of_frame(table, deviations=name) for name in names}


def in_both_readings(
    judged: pd.DataFrame,
    ablation: Mapping[str, Results] | None = None,
    claims: Iterable[Claim] = CLAIMS,
) -> pd.DataFrame:
    """Return claims with the published code's verdict, and the cause of a failure.

    Parameters
    ----------
    judged : DataFrame
        What :func:`~kmnist_mlp.experiments.judge` gives: the claims as
        the text has them.
    ablation : dict of str to Results
        By default what :func:`published_readings` gives.
    claims : iterable of Claim

    Returns
    -------
    DataFrame
        With the columns mean_code and verdict_code (empty for what
        the code's runs lack); for a claim that is not reproduced,
        by :data:`CAUSE_RULE`, cause (or :data:`NOT_FOUND`, or
        :data:`NOT_MEASURED` if no deviation was taken alone in its
        experiments; else empty), cause_change, cause_low,
        cause_high (of the claim's value, when the cause alone is
        added to our algorithm), cause_share (of the distance) and
        also (further causes). There are no causes on another data
        set than KMNIST.
    """
    ablation = published_readings() if ablation is None else ablation
    stated = {claim.statement: claim for claim in claims}
    code = judge(ablation["all"], {}, claims)[["claim", "mean", "verdict"]]
    both = judged.merge(code, "left", on="claim", suffixes=("", "_code"))
    both["verdict_code"] = both.verdict_code.fillna("")
    alone = {name for key, runs in ablation.items() if key[0] == "+" for name in runs.names}
    rows = []
    for row in both.itertuples():
        found, reached = [{"cause": ""}], row.verdict_code == "reproduced"
        failed = row.verdict == "not reproduced" and not row.note
        if failed and judged.attrs["data_name"] == "KMNIST":
            tried = not reached or alone & {row.experiment, row.minus}
            found = causes(stated[row.claim], ablation) if reached else []
            found = found or [{"cause": NOT_FOUND if tried else NOT_MEASURED}]
        rows.append(found[0] | {"also": ", ".join(other["cause"] for other in found[1:])})
    both = both.join(pd.DataFrame(rows, both.index, [*COLUMNS, "also"]))
    both.attrs = judged.attrs
    return both


def causes(claim: Claim, ablation: Mapping[str, Results]) -> list[dict[str, float | str]]:
    """Return the deviations that fulfil :data:`CAUSE_RULE`, the largest share first.

    An experiment that a deviation does not apply to has no runs of its
    own with it; it is as without (or with, where it is left out).

    Returns
    -------
    list of dict
        Items cause, cause_change, cause_low, cause_high and
        cause_share, as in :func:`in_both_readings`.
    """
    ours, theirs = (values_of(claim, ablation[name]) for name in ("none", "all"))
    if ours is None or theirs is None:
        return []
    mean = ours.mean()
    # of several numbers, the one that is farthest away
    ends = max(claim.ranges, key=lambda ends: abs(np.clip(mean, *ends) - mean))
    way = np.clip(mean, *ends) - mean
    found = []
    for name in (key[1:] for key in ablation if key[0] == "+"):
        added = values_of(claim, ablation[f"+{name}"], ablation["none"]) - ours
        removed = theirs - values_of(claim, ablation[f"-{name}"], ablation["all"])
        changes = interval(added.dropna())
        intervals = np.array([changes, interval(removed.dropna())])
        clear = (np.sign(way) * intervals[:, 1:] > 0).all()
        if clear and abs(intervals[:, 0]).min() >= MATERIAL * abs(way):
            reached = mean + changes[0]
            share = 1 - abs(np.clip(reached, *ends) - reached) / abs(way)
            found.append(dict(zip(COLUMNS, (name, *changes, float(share)), strict=True)))
    return sorted(found, key=lambda each: (-each["cause_share"], -abs(each["cause_change"])))
