"""Tables of notebook 7: final networks, steps, what each part brings, others, the ledger."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.measurements import ENSEMBLE, MEASURED, NETWORK, ensemble_accuracy
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.beyond.timing import load_timing
from kmnist_mlp.experiments.other_classifiers import quoted
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.support.statistics import (
    MISSING,
    interval,
    mcnemar,
    median_and_range,
    plus_minus,
    signed,
    students_t,
    wilson_interval,
)

PARTS = {"held_out": "held-out clusters", "validation": "validation"}


def changes_table(
    records: Records, titles: Iterable[str], corner: str, epochs: int = plan.SHORT
) -> pd.DataFrame:
    """Return how much each of :data:`~kmnist_mlp.beyond.plan.CHANGES` changes a trial's accuracy.

    Per part of the images: the mean difference over seeds, seed by seed, with its 95 % interval.
    Then McNemar's p-value of each seed, on the images of the held-out clusters.

    Parameters
    ----------
    records : Records
    titles : iterable of str
    corner : str
        Heading of the titles.
    epochs : int
        Of the trials; those that are compared have as many, but for "length".
    """
    base = plan.TRIAL.replace(epochs=epochs)
    without, rows = records.of(base), {}
    rows["nothing"] = _in_percent(without)
    for title in titles:
        config = plan.changed(title, epochs)
        kind = "distilled" if title == plan.DISTILLED else "trials"
        own = records.of(config, kind)
        if kind == "distilled":  # the teachers have seen its validation images
            own = own.assign(validation_accuracy=np.nan)
        seeds = own.index.intersection(without.index)
        if seeds.empty:
            continue
        row = _in_percent(own)
        for key, part in PARTS.items():
            column = f"{key}_accuracy"
            mean, low, high = interval(100 * (own[column] - without[column])[seeds])
            ends = f"{signed(low, 2)} to {signed(high, 2)}" if np.isfinite(low) else MISSING
            change = MISSING if np.isnan(mean) else signed(mean, 2)
            row |= {f"change ({part})": change, f"95 % interval ({part})": ends}
        pairs = [
            (records.right(config.replace(seed=s), kind), records.right(base.replace(seed=s)))
            for s in seeds
        ]
        p = [mcnemar(*pair)[2] for pair in pairs]
        rows[title] = row | {"McNemar's p, each seed": ", ".join(map(p_text, p))}
    table = pd.DataFrame.from_dict(rows, orient="index").fillna(MISSING)
    table = table.loc[:, (table != MISSING).any()]  # one seed has no interval
    return _named_for(table, corner, records.table)


def clear_changes(records: Records, titles: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return which changes lower, and which raise, the accuracy on held-out clusters.

    Those whose 95 % interval over seeds excludes zero; where there is only one seed, those that
    differ by more than :func:`least_difference`.
    """
    without, limit = records.of(plan.TRIAL).held_out_accuracy, least_difference(records)
    lower, higher = [], []
    for title in titles:
        kind = "distilled" if title == plan.DISTILLED else "trials"
        own = records.of(plan.changed(title), kind).held_out_accuracy
        mean, low, high = interval(100 * (own - without).dropna())
        if np.isinf(low):
            low, high = mean - limit, mean + limit
        if high < 0:
            lower.append(title)
        elif low > 0:
            higher.append(title)
    return lower, higher


def least_difference(records: Records) -> float:
    """Return from how many points on a difference of two single runs is beyond chance.

    That is ``t sqrt(2) s`` with the standard deviation s of the accuracy on held-out clusters over
    seeds, pooled over the trial and :data:`~kmnist_mlp.beyond.plan.LEFT_OUT`, and t for a
    two-sided test at the level of 5 % (Student's t).
    """
    configs = [plan.TRIAL, *map(plan.changed, plan.LEFT_OUT)]
    groups = [100 * records.of(config).held_out_accuracy for config in configs]
    squares = sum(((group - group.mean()) ** 2).sum() for group in groups)
    freedom = sum(max(len(group) - 1, 0) for group in groups)
    return float(students_t(freedom + 1) * np.sqrt(2 * squares / freedom))


def _in_percent(runs: pd.DataFrame) -> dict[str, str]:
    return {f"{part}, %": plus_minus(100 * runs[f"{k}_accuracy"], 2) for k, part in PARTS.items()}


def p_text(p: float) -> str:
    r"""Return a p-value with three digits behind the point, or that it is below 0.001.

    Examples
    --------
    >>> p_text(0.0312), p_text(2e-9)
    ('0.031', '<\xa00.001')
    """
    return f"{p:.3f}" if p >= 0.001 else "<\u00a00.001"


def steps_table(records: Records) -> pd.DataFrame:
    """Return one row per step from the paper's baseline to the final network."""
    rows, before = {}, None
    seconds = load_timing(records.folder).set_index("step").seconds_per_epoch
    for title, config in plan.step_configs().items():
        own = records.of(config)
        if own.empty:
            continue
        row = _in_percent(own)
        mean = 100 * own.held_out_accuracy.mean()
        rows[title] = row | {
            "change (held-out clusters)": MISSING if before is None else signed(mean - before, 2),
            "seeds": len(own),
            "parameters": f"{own.parameters.iloc[0]:,}",
            "epochs": median_and_range(own.epochs),
            "minutes": f"{own.epochs.median() * seconds[title] / 60:.1f}",
        }
        before = mean
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "step", records.table)


def final_table(records: Records, ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the final networks, one row per seed, and their ensemble, as the ledger has them."""
    rows = {}
    final = records.of(plan.FINAL, "all")
    for line in ledger[ledger.what.isin(MEASURED)].itertuples():
        low, high = wilson_interval(round(line.accuracy * line.images), line.images)
        one = line.what == NETWORK
        own = final.loc[int(line.seed)] if one else None
        rows[f"{line.what}, seed{'s' * (not line.seed.isdigit())} {line.seed}"] = {
            "test accuracy, %": f"{100 * line.accuracy:.2f}",
            "95 % interval (images)": f"{low:.2f} to {high:.2f}",
            "training accuracy, %": f"{100 * own.training_accuracy:.2f}" if one else MISSING,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return _named_for(table, "network", ledger[ledger.what.isin(MEASURED)])


def others_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return other classifiers as quoted, and ours as the ledger has them, by accuracy."""
    networks = ledger[ledger.what == NETWORK].accuracy
    ours = (
        quoted()
        .iloc[:2]
        .assign(
            model=[NETWORK, ENSEMBLE],
            test_accuracy_percent=[100 * networks.mean(), 100 * ensemble_accuracy(ledger)],
            source=[f"measured here, mean of {len(networks)} seeds", "measured here"],
            old_version=False,
        )
    )
    numbers = pd.concat([quoted(), ours]).sort_values("test_accuracy_percent", kind="stable")
    rows = {
        row.model + "*" * row.old_version: {
            "test accuracy, %": f"{row.test_accuracy_percent:.2f}",
            "source": row.source,
        }
        for row in numbers.itertuples()
    }
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "classifier", numbers)


def ledger_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how many evaluations on test images there were, by what was evaluated."""
    rows = {
        kind: {
            "evaluations": len(own),
            "dates": " to ".join(dict.fromkeys((own.date.min(), own.date.max()))),
            "accuracy, %": " to ".join(
                dict.fromkeys(f"{100 * a:.2f}" for a in (own.accuracy.min(), own.accuracy.max()))
            ),
        }
        for kind, own in ledger.groupby(ledger.what.map(_kind), sort=False)
    }
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "evaluated", ledger)


def _kind(what: str) -> str:
    """Return what the evaluations of one row have in common."""
    name, _, rest = what.partition(": ")
    return (
        name if name == "first ascent" or not rest else f"{name.split(', ')[0]}, corrupted images"
    )


def _named_for(table: pd.DataFrame, corner: str, numbers: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a heading over its index, and the numbers that it was made of."""
    table.columns.name = corner
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table
