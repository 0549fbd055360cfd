"""Tables of the experiments beyond the paper: trials, final networks, others, the ledger."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.protocol import ENSEMBLE, NETWORK, accuracies
from kmnist_mlp.beyond.records import Records, load_timing
from kmnist_mlp.experiments.sweep import quoted
from kmnist_mlp.figures.tables import ends, table_of
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
        runs = records.of(config, data)
        if data == "distilled":  # the teachers have seen its validation images
            runs = runs.assign(validation_accuracy=np.nan)
        seeds = runs.index.intersection(records.of(base).index)
        if seeds.empty:
            continue
        row = rows[title] = _in_percent(runs)
        for key, part in PARTS.items():
            difference = records.difference(config, base, key, data)
            if len(difference) and runs[f"{key}_accuracy"].notna().any():
                mean, *between = interval(difference)
                row[f"change ({part})"] = signed(mean, 2)
                row[f"95 % interval ({part})"] = ends(*between, 2)
        pairs = [
            (records.correct(config.replace(seed=s), data), records.correct(base.replace(seed=s)))
            for s in seeds
        ]
        row["McNemar's p"] = p_text(max(mcnemar(*pair)[2] for pair in pairs))
    table = table_of(rows, corner, numbers=records.table).fillna(MISSING)
    return table.loc[:, (table != MISSING).any()]  # one seed has no interval


def clear_changes(records: Records, titles: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return which changes lower, and which raise, the accuracy on held-out clusters.

    Those whose difference over several seeds is significant by the t-test at the level of 5 %,
    corrected for their number by Holm's method.
    """
    differences = {
        title: records.difference(plan.changed(title), plan.TRIAL, data=_data(title))
        for title in titles
    }
    tested = {title: values for title, values in differences.items() if len(values) > 1}
    corrected = holm(p_value(values, 0, 0) for values in tested.values())
    clear = [title for title, p in zip(tested, corrected, strict=True) if p < 0.05]
    lower = [title for title in clear if tested[title].mean() < 0]
    return lower, [title for title in clear if title not in lower]


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
        runs = records.of(config)
        if runs.empty:
            continue
        difference = records.difference(config, before) if before else pd.Series(dtype=float)
        spread = f" ± {difference.std():.2f}" * (len(difference) > 1)
        rows[title] = _in_percent(runs) | {
            "change (held-out clusters)": signed(difference.mean(), 2) + spread
            if before
            else MISSING,
            "seeds": len(runs),
            "parameters": f"{runs.parameters.iloc[0]:,}",
            "epochs": median_and_range(runs.epochs),
            "minutes": f"{runs.epochs.median() * seconds[title] / 60:.1f}",
        }
        before = config
    return table_of(rows, "step", numbers=records.table)


# ---- test images ---------------------------------------------------------------------------------


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
    return table_of(rows, "network", numbers=lines)


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
    return table_of(rows, "classifier", numbers=numbers)


def ledger_table(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return how many evaluations on test images there were, by their kind."""

    def range_of(values: pd.Series, text: str) -> str:
        return " to ".join(dict.fromkeys(map(text.format, (values.min(), values.max()))))

    rows = {
        kind: {
            "evaluations": len(group),
            "dates": range_of(group.date, "{}"),
            "accuracy, %": range_of(100 * group.accuracy, "{:.2f}"),
        }
        for kind, group in ledger.groupby("kind", sort=False)
    }
    return table_of(rows, "evaluated", numbers=ledger)
