"""Tables of notebook 7: final networks, steps, what each part brings, others, the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies
from kmnist_mlp.beyond.records import Records, load_timing
from kmnist_mlp.experiments.other_classifiers import quoted
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.support.statistics import (
    MISSING,
    holm,
    interval,
    mcnemar,
    median_and_range,
    p_text,
    p_value,
    plus_minus,
    pooled_deviation,
    signed,
    students_t,
    wilson_interval,
)

PARTS = {"held_out": "held-out clusters", "validation": "validation"}


def changes_table(
    records: Records, titles: Iterable[str], corner: str, long: bool = False
) -> pd.DataFrame:
    """Return how much each of :data:`~kmnist_mlp.beyond.plan.CHANGES` changes a trial's accuracy.

    Per part of the images: the mean difference over seeds, seed by seed, with its 95 % interval.
    Then the largest p-value of McNemar's test among the seeds, on the images of the held-out
    clusters. A change without a record is left out.

    Parameters
    ----------
    records : Records
    titles : iterable of str
    corner : str
        Heading of the titles.
    long : bool
        Whether the trials are those of twice the length.
    """
    length = plan.longer if long else (lambda config: config)
    base = length(plan.TRIAL)
    rows = {"nothing": _in_percent(records.of(base))}
    for title in titles:
        config, data = length(plan.changed(title)), _data(title)
        own = records.of(config, data)
        if data == "distilled":  # the teachers have seen its validation images
            own = own.assign(validation_accuracy=np.nan)
        seeds = own.index.intersection(records.of(base).index)
        if seeds.empty:
            continue
        row = _in_percent(own)
        for key, part in PARTS.items():
            difference = records.difference(config, base, key, data)
            if difference.empty or own[f"{key}_accuracy"].isna().all():
                continue
            mean, low, high = interval(difference)
            ends = f"{signed(low, 2)} to {signed(high, 2)}" if np.isfinite(low) else MISSING
            row |= {f"change ({part})": signed(mean, 2), f"95 % interval ({part})": ends}
        pairs = [
            (records.correct(config.replace(seed=s), data), records.correct(base.replace(seed=s)))
            for s in seeds
        ]
        p = [mcnemar(*pair)[2] for pair in pairs]
        rows[title] = row | {"McNemar's p": p_text(max(p))}
    table = pd.DataFrame.from_dict(rows, orient="index").fillna(MISSING)
    table = table.loc[:, (table != MISSING).any()]  # one seed has no interval
    return _named_for(table, corner, records.table)


def clear_changes(records: Records, titles: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return which changes lower, and which raise, the accuracy on held-out clusters.

    Those whose difference over several seeds is significant by the t-test at the level of 5 %,
    corrected for their number by Holm's method.
    """
    differences = {
        title: records.difference(plan.changed(title), plan.TRIAL, data=_data(title))
        for title in titles
    }
    tested = {title: own for title, own in differences.items() if len(own) > 1}
    clear = holm(p_value(own, 0, 0) for own in tested.values()) < 0.05
    means = {title: tested[title].mean() for title in np.array([*tested], object)[clear]}
    lower = [title for title, mean in means.items() if mean < 0]
    return lower, [title for title in means if title not in lower]


def least_difference(records: Records) -> float:
    """Return how many points two runs of equal expected accuracy and one seed differ by, in 95 %.

    From the standard deviation of a change on held-out clusters over seeds, pooled over
    :data:`~kmnist_mlp.beyond.plan.LEFT_OUT`.
    """
    changes = [plan.changed(title) for title in plan.LEFT_OUT]
    groups = [records.difference(config, plan.TRIAL) for config in changes]
    deviation, free = pooled_deviation(groups)
    return float(students_t(free + 1) * deviation)


def _data(title: str) -> str:
    return "distilled" if title == plan.DISTILLED else "trials"


def _in_percent(runs: pd.DataFrame) -> dict[str, str]:
    return {f"{part}, %": plus_minus(100 * runs[f"{k}_accuracy"], 2) for k, part in PARTS.items()}


def steps_table(records: Records) -> pd.DataFrame:
    """Return one row per step from the paper's baseline to the final network.

    Changes are differences to the step before, seed by seed: mean and standard deviation. A step
    without a record is left out.
    """
    rows, before = {}, None
    seconds = load_timing(records.folder).set_index("step").seconds_per_epoch
    for title, config in plan.step_configs().items():
        own = records.of(config)
        if own.empty:
            continue
        change = MISSING
        if before is not None:
            difference = records.difference(config, before)
            change = signed(difference.mean(), 2)
            change += f" ± {difference.std():.2f}" if len(difference) > 1 else ""
        rows[title] = _in_percent(own) | {
            "change (held-out clusters)": change,
            "seeds": len(own),
            "parameters": f"{own.parameters.iloc[0]:,}",
            "epochs": median_and_range(own.epochs),
            "minutes": f"{own.epochs.median() * seconds[title] / 60:.1f}",
        }
        before = config
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "step", records.table)


def final_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the final networks, one row per seed, and their ensemble.

    ``lines`` are those of the ledger about them, here and below: see
    :func:`~kmnist_mlp.beyond.protocol.recorded`.
    """
    rows = {}
    for line in lines.itertuples():
        low, high = wilson_interval(round(line.accuracy * line.images), line.images)
        seeds = f"seed{'s' * (not line.seed.isdigit())} {line.seed}"
        rows[f"{line.kind}, {seeds}"] = {
            "test accuracy, %": f"{100 * line.accuracy:.2f}",
            "95 % interval (images)": f"{low:.2f} to {high:.2f}",
        }
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "network", lines)


def others_table(lines: pd.DataFrame) -> pd.DataFrame:
    """Return other classifiers as quoted, and ours, by accuracy."""
    networks = 100 * accuracies(lines)
    ours = [
        (NETWORK, networks.mean(), False, f"measured here, mean of {len(networks)} seeds"),
        (ENSEMBLE, 100 * accuracies(lines, ENSEMBLE).iloc[0], False, "measured here"),
    ]
    numbers = pd.concat([quoted(), pd.DataFrame(ours, columns=quoted().columns)])
    numbers = numbers.sort_values("test_accuracy_percent", kind="stable")
    rows = {
        row.model + "*" * row.old_version: {
            "test accuracy, %": f"{row.test_accuracy_percent:.2f}",
            "source": row.source,
        }
        for row in numbers.itertuples()
    }
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "classifier", numbers)


def ledger_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how many evaluations on test images there were, by their kind."""
    rows = {
        kind: {
            "evaluations": len(own),
            "dates": " to ".join(dict.fromkeys((own.date.min(), own.date.max()))),
            "accuracy, %": " to ".join(
                dict.fromkeys(f"{100 * a:.2f}" for a in (own.accuracy.min(), own.accuracy.max()))
            ),
        }
        for kind, own in ledger.groupby("kind", sort=False)
    }
    return _named_for(pd.DataFrame.from_dict(rows, orient="index"), "evaluated", ledger)


def without_roles(text: str) -> str:
    """Return the text of a docstring as Markdown: names of functions as code.

    Examples
    --------
    >>> without_roles("See :func:`~kmnist_mlp.train` and :data:`FINAL`, ``x``.")
    'See `train` and `FINAL`, `x`.'
    """
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text).replace("``", "`")


def _named_for(table: pd.DataFrame, corner: str, numbers: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a heading over its index, and the numbers that it was made of."""
    table.columns.name = corner
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table
