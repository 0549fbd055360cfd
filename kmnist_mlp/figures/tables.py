"""Tables of results: ours beside the paper's, rounded, with the uncertainty beside the value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import product

import numpy as np
import pandas as pd
from markupsafe import Markup

from kmnist_mlp.config import PAPERS, Config
from kmnist_mlp.data import Dataset, is_stand_in
from kmnist_mlp.experiments.analysis import recall
from kmnist_mlp.experiments.causes import NOT_FOUND, NOT_MEASURED
from kmnist_mlp.experiments.claims import KINDS, VERDICTS
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results, named_configs
from kmnist_mlp.experiments.sweep import AXES, means
from kmnist_mlp.figures.report_figure import ShownData, label, shown, title
from kmnist_mlp.support.statistics import (
    MISSING,
    interval,
    median_and_range,
    p_text,
    plus_minus,
    rounded,
    scientific,
    signed,
    typeset,
)

READINGS = {"text": "verdict", "code": "verdict_code"}  # the column of the verdict by each


def table_of(
    rows: Mapping[object, object] | pd.DataFrame,
    corner: str,
    data_name: str = "",
    numbers: pd.DataFrame | None = None,
    **shown: object,
) -> pd.DataFrame:
    """Return a table with a heading over its row labels, and the numbers that it was made of.

    Parameters
    ----------
    rows : dict of dict, or DataFrame
        The cells of each row.
    corner : str
        The heading; on the stand-in, the data is named in it as well.
    data_name : str
    numbers : DataFrame
        For download: unrounded.
    **shown
        As :meth:`~kmnist_mlp.figures.report_figure.ShownData.of` takes it.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame.from_dict(rows, "index")
    stand_in = f" ({data_name.upper()})" if is_stand_in(data_name) else ""
    table = table.rename_axis(index=None, columns=corner + stand_in)
    if numbers is not None:
        table.attrs["shown_data"] = ShownData.of(numbers, **shown)
    return table


def ends(low: float, high: float, digits: int) -> str:
    """Return the ends of an interval of a difference; those of one seed are not known.

    Examples
    --------
    >>> ends(-0.25, 3, 1), ends(-np.inf, np.inf, 1)
    ('−0.2 to +3.0', '–')
    """
    return f"{signed(low, digits)} to {signed(high, digits)}" if np.isfinite(low) else MISSING


def in_words(mean: float, low: float, high: float, digits: int) -> str:
    """Return a change with its interval, such as "−3.01 (−3.25 to −2.77)"."""
    return f"{signed(mean, digits)} ({ends(low, high, digits)})"


# ---- experiments ---------------------------------------------------------------------------------


def configurations(
    configs: Config | str | Iterable[Config | str] | Mapping[str, Config | str],
) -> pd.DataFrame:
    """Return the configurations: a row per experiment, a column per hyper-parameter.

    The seed, and an option beyond the paper, has a column if it is not the default in every row.

    Parameters
    ----------
    configs : Config, str, several of them, or a dict of name to Config or str
        As :func:`kmnist_mlp.run` takes them.

    Examples
    --------
    >>> configurations(["baseline", "relu"])[["layers", "activation", "patience"]]
    experiment                    layers activation  patience
    baseline, early stopping  784-128-10       tanh         5
    ReLU                      784-128-10       ReLU         5
    """
    named = named_configs(configs)
    beyond = [
        f
        for f in fields(Config)[PAPERS - 1 :]  # from the seed on
        if any(getattr(config, f.name) != f.default for config in named.values())
    ]
    rows = {
        name: {
            "layers": shown(config.layer_specs),
            "activation": config.activation if len(config.layer_specs) > 2 else MISSING,
            "learning rate": shown(config.learning_rate),
            "batch size": config.batch_size,
            "momentum": shown(config.momentum_gamma) if config.momentum else "none",
            "L1 penalty": shown(config.L1_penalty),
            "L2 penalty": shown(config.L2_penalty),
            "epochs at most": config.epochs,
            "patience": config.early_stop_epoch if config.early_stop else "none",
            **{label(f.name): shown(getattr(config, f.name)) for f in beyond},
        }
        for name, config in named.items()
    }
    return table_of(rows, "experiment").rename(index=title)


def comparison(results: Results, names: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Return our test results (mean ± standard deviation over seeds) beside the paper's.

    The weights of which epoch are tested: of the best one with early stopping, else of the last.
    """
    names, rows = results.chosen(names), {}
    for name in names:
        row = rows[name] = {}
        for quantity, unit, digits in (("accuracy", ", %", 2), ("loss", "", 4)):
            ours = results.values(f"test_{quantity}", name)
            paper = getattr(PAPER[name], f"test_{quantity}") if name in PAPER else None
            row |= {
                f"test {quantity}{unit}": plus_minus(ours, digits),
                "paper, %" if unit else "paper loss": f"{paper:g}" if paper else MISSING,
                "difference" if unit else "loss difference": (
                    signed(ours.mean() - paper, digits) if paper else MISSING
                ),
            }
        diverged = int(results.values("diverged", name).sum())
        row |= {
            "validation accuracy, %": plus_minus(results.values("validation_accuracy", name), 2),
            "weights of epoch": median_and_range(run.kept_epoch for run in results.of(name)),
            "stopped at epoch": median_and_range(results.values("stopped_epoch", name))
            + (f", {diverged} diverged" if diverged else ""),
        }
    return _of_runs(rows, "experiment", results, ["test_accuracy", "test_loss"], names)


def _of_runs(
    rows: Mapping[str, object],
    corner: str,
    results: Results,
    quantities: Iterable[str],
    names: list[str],
) -> pd.DataFrame:
    """Return a table about experiments, with what was measured in their runs."""
    frame = results.frame.drop(columns="cached")
    frame = frame.assign(kept_epoch=[run.kept_epoch for run in results.runs.values()])
    frame = frame[frame.experiment.isin(names)]
    more = {"results": results, "names": names, "quantities": quantities}
    return table_of(rows, corner, results.data_name, frame, **more).rename(index=title)


def changes(results: Results, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Return paired differences of experiments with their 95 % intervals, in points.

    Parameters
    ----------
    results : Results
    pairs : iterable of (str, str)
        An experiment, and the one that it is compared with, seed by seed.
    """
    pairs, rows = list(pairs), {}
    for name, minus in pairs:
        row = rows[f"{title(name)} − {title(minus)}"] = {}
        for part in ("test", "validation", "training"):
            quantity = f"{part}_accuracy"
            difference = results.values(quantity, name) - results.values(quantity, minus)
            mean, *between = interval(difference)
            row[f"{part} accuracy"] = signed(mean, 2)
            row[f"95 % interval ({part})"] = ends(*between, 2)
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    return _of_runs(rows, "difference, points", results, ["test_accuracy"], names)


def loss_and_weights(results: Results, names: Iterable[str]) -> pd.DataFrame:
    """Return how much the training loss fluctuates at the end, and how many weights are near zero.

    Parameters
    ----------
    results : Results
    names : iterable of str
        Experiments.

    Returns
    -------
    DataFrame
        One row per experiment, in per cent: the standard deviation of the training loss from a
        straight line over the last ten epochs, as a share of its mean; and the share of the first
        layer's weights between -0.001 and 0.001.
    """
    names = results.chosen(names)
    columns = {
        "late_fluctuation": ("fluctuation of the training loss, %", 100),
        "small_weight_share": ("weights near zero, %", 1),  # in per cent already
    }
    rows = {
        name: {
            column: plus_minus(factor * results.values(quantity, name), 1)
            for quantity, (column, factor) in columns.items()
        }
        for name in names
    }
    return _of_runs(rows, "experiment", results, columns, names)


def sweep_table(sweep: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """Return the best combinations on the validation split, and the paper's, with their accuracies.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    count : int
        How many combinations, besides the paper's.
    """
    ranked = means(sweep).reset_index(drop=True)
    paper = PAPER["final"].config
    is_papers = (ranked[AXES] == [getattr(paper, axis) for axis in AXES]).all(axis=1)
    rows = {}
    for place in ranked.index[(ranked.index < count) | is_papers]:
        chosen = ranked.loc[place, AXES]
        runs = sweep[(sweep[AXES] == chosen).all(axis=1)]
        rows[place + 1] = {
            "learning rate": f"{chosen.learning_rate:g}",
            "momentum": f"{chosen.momentum_gamma:g}",
            "L2 penalty": f"{chosen.L2_penalty:g}" + (" (paper)" if is_papers[place] else ""),
            "validation accuracy, %": plus_minus(100 * runs.validation_accuracy, 2),
            "test accuracy, %": plus_minus(100 * runs.test_accuracy, 2),
        }
    return table_of(rows, "place")


def saturation(numbers: pd.DataFrame, data_name: str) -> pd.DataFrame:
    """Return saturated units and gradients per layer, mean ± standard deviation over seeds.

    Parameters
    ----------
    numbers : DataFrame
        What :func:`kmnist_mlp.experiments.analysis.saturation_by_seed` gives.
    data_name : str

    Returns
    -------
    DataFrame
        A row per experiment and weights (initial, kept). A column per hidden layer for the
        saturated units, and one per layer of weights for the norm of its gradient.
    """
    rows = {}
    for (name, weights), own in numbers.groupby(["experiment", "weights"], sort=False):
        layers = dict(list(own.groupby("layer")))
        row = {"epoch": median_and_range(layers[1].epoch)}
        for layer in sorted(layers)[:-1]:
            share = plus_minus(100 * layers[layer].saturated_share, 1)
            row[f"saturated units, layer {layer}, %"] = share
        for layer, of_layer in layers.items():
            row[f"gradient norm, layer {layer}"] = plus_minus(of_layer.gradient_norm, 2)
        rows[f"{title(name)}: {weights} weights"] = row
    return table_of(rows, "experiment", data_name, numbers).fillna(MISSING)


# ---- claims --------------------------------------------------------------------------------------


def scoreboard(judged: pd.DataFrame) -> pd.DataFrame:
    """Return every claim with our mean, its 95 % interval, the claimed range and the verdict.

    The interval is that of the next run where the claim is a number that the paper prints, else
    that of the mean.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives; or only what
        :func:`kmnist_mlp.experiments.judge` gives, for claims that the code's runs do not
        concern.
    """
    data_name, rows = judged.attrs.get("data_name", ""), []
    twice = "verdict_code" in judged
    code = "verdict (code" + (", KMNIST)" if is_stand_in(data_name) else ")")
    for row in judged.itertuples():
        unit, digits = _unit(row.quantity, bool(row.minus))
        text = rounded
        if row.quantity == "gradient_difference":
            text, digits = scientific, 1
        ours, low, high = (
            text(value, digits) for value in (row.mean, row.interval_low, row.interval_high)
        )
        between = f"{low} to {high}" + ", next run" * bool(row.one_run)
        if not np.isfinite(row.interval_low):
            between = "one seed: unknown" if np.isinf(row.interval_low) else MISSING
        shown = {
            "section": row.section,
            "claim": row.claim,
            "claimed": _range(row.low, row.high, unit)
            + " (our threshold)" * bool(row.our_threshold),
            "ours": ours + unit,
            "95 % interval": between,
            "p": MISSING if np.isnan(row.p) else p_text(row.p),
            "verdict (text)" if twice else "verdict": row.verdict,
        }
        if twice:
            shown |= {code: row.verdict_code or MISSING, "cause or note": remark(row) or MISSING}
        rows.append(shown)
    table = pd.DataFrame(rows, index=judged.number.tolist() if rows else [])
    return table_of(table, "no.", data_name, judged)


def remark(row: object) -> str:
    """Return the cause of a claim's failure with its evidence, or why there is no test.

    Parameters
    ----------
    row : named tuple
        Of what :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    if row.note or not row.cause:
        return row.note
    if row.cause in (NOT_FOUND, NOT_MEASURED):
        return f"cause {row.cause}"
    change, between = _change(row)
    also = f"; also {row.also}" if row.also else ""
    return (
        f"{row.cause}: {change} (95 % interval {between}), "
        f"{100 * row.cause_share:.0f} % of the distance{also}"
    )


def _change(row: object) -> tuple[str, str]:
    """Return by how much a cause changes a claim's value, and the interval of this, as text."""
    unit, digits = _unit(row.quantity, bool(row.minus))
    unit = " points" if unit == " %" else unit  # a change is a difference
    return signed(row.cause_change, digits) + unit, ends(row.cause_low, row.cause_high, digits)


def _unit(quantity: str, is_difference: bool) -> tuple[str, int]:
    """Return the unit and the number of digits that a quantity is shown with."""
    if quantity == "generalisation_gap":
        return " points", 2
    if quantity.endswith(("accuracy", "share")):
        return (" points" if is_difference else " %"), 2
    return ("", 1) if quantity.endswith("epoch") else ("", 4)


def _range(low: float, high: float, unit: str) -> str:
    """Return a claimed range as text; one of its ends may be infinite."""
    one_sided = np.isinf([low, high])
    lowest, highest = (typeset(f"{value:.6g}") for value in (low, high))
    if one_sided.any() and unit == " points" and 1 in (abs(low), abs(high)):
        unit = " point"
    if one_sided[0]:
        return f"at most {highest}{unit}"
    return f"at least {lowest}{unit}" if one_sided[1] else f"{lowest} to {highest}{unit}"


def verdicts_by_kind(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many claims of each kind have each verdict: by the text, and as the code ran.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    rows = {}
    for kind, (reading, column) in product(KINDS, READINGS.items()):
        verdicts = judged[column][judged.kind == kind].replace("", "not run").value_counts()
        row = rows[f"{kind}, {reading}"] = {v: verdicts.get(v, 0) for v in (*VERDICTS, "not run")}
        row["claims"] = verdicts.sum()
    table = table_of(rows, "kind of claim, reading", judged.attrs.get("data_name", ""))
    return table.astype(str)


def reproduced_by_kind(judged: pd.DataFrame, column: str = "verdict") -> str:
    """Return in words how many of the judged claims of each kind are reproduced.

    Parameters
    ----------
    judged : DataFrame
    column : str
        "verdict" for the text, "verdict_code" for the code.

    Examples
    --------
    >>> judged = pd.DataFrame({"kind": ["comparison"] * 2, "verdict": ["reproduced", "no effect"]})
    >>> reproduced_by_kind(judged)
    '1 of 2 comparisons'
    """
    plural = {"printed accuracy": "printed accuracies", "printed loss": "printed losses"}
    known = judged[judged[column] != ""]
    counts = known[column].eq("reproduced").groupby(known.kind).agg(["sum", "count"])
    return ", ".join(
        f"{counts.at[kind, 'sum']} of {counts.at[kind, 'count']} {plural.get(kind, kind + 's')}"
        for kind in KINDS
        if kind in counts.index
    )


def reproduced_in_both(judged: pd.DataFrame) -> str:
    """Return two sentences: what is reproduced of each kind, by the text and as the code ran it."""
    return (
        f"Reproduced as the text describes the experiments: {reproduced_by_kind(judged)}. "
        "Reproduced as the published code ran them (measured on KMNIST): "
        f"{reproduced_by_kind(judged, 'verdict_code')}."
    )


def differences_and_causes(judged: pd.DataFrame) -> pd.DataFrame:
    """Return by kind how many claims are reproduced in both readings, and why the others are not.

    In the last column, the claims that the text does not reproduce stand by their cause, each with
    the change of its value that this cause alone brings.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    rows = {}
    for kind in KINDS:
        of_kind, by_cause = judged[judged.kind == kind], {}
        failed = of_kind[of_kind.verdict == "not reproduced"]
        for row in failed.sort_values("cause_share", ascending=False, kind="stable").itertuples():
            claim = title(row.experiment) if row.one_run else row.claim
            cause = remark(row) or "no cause was sought"
            if np.isfinite(row.cause_share):
                cause, claim = row.cause, "{} {} ({})".format(claim, *_change(row))
            by_cause.setdefault(cause, []).append(claim)
        parts = [Markup("<b>{}:</b> {}").format(c, "; ".join(by_cause[c])) for c in by_cause]
        row = rows[kind] = {}
        for reading, column in READINGS.items():
            run = of_kind[column][of_kind[column] != ""]
            row[reading] = f"{(run == 'reproduced').sum()} of {len(run)}"
        row["cause of what the text does not reproduce"] = Markup("<br>").join(parts) or MISSING
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=object)  # Markup stays Markup
    return table_of(table, "reproduced by", judged.attrs.get("data_name", ""), judged)


# ---- errors --------------------------------------------------------------------------------------


def per_class(matrices: list[np.ndarray], data: Dataset) -> pd.DataFrame:
    """Return accuracy (recall) and precision of each class, mean ± standard deviation over seeds.

    Parameters
    ----------
    matrices : list of ndarray, shape (classes, classes)
        One confusion matrix per seed: rows the true class, columns the predicted one.
    data : Dataset
        Gives the names of the classes.
    """
    accuracy = 100 * np.array([recall(matrix) for matrix in matrices])
    precision = 100 * np.array([recall(matrix.T) for matrix in matrices])
    columns = {
        "romaji": data.romaji,
        "accuracy, %": [plus_minus(own, 1) for own in accuracy.T],
        "precision, %": [plus_minus(own, 1) for own in precision.T],
    }
    return table_of(pd.DataFrame(columns, index=data.class_names), "character")


def most_confused(matrices: list[np.ndarray], data: Dataset, count: int = 8) -> pd.DataFrame:
    """Return the most frequent errors: mean number of test images per seed, and their share."""
    mean, labels = np.mean(matrices, axis=0), data.class_labels
    share = 100 * mean / np.maximum(mean.sum(axis=1, keepdims=True), 1)
    errors = mean - np.diag(np.diag(mean))
    pairs = [np.unravel_index(place, mean.shape) for place in np.argsort(-errors, axis=None)]
    rows = [
        (labels[pair[0]], labels[pair[1]], f"{mean[pair]:.1f}", f"{share[pair]:.1f}")
        for pair in pairs[:count]
        if errors[pair] > 0
    ]
    columns = ["character", "taken for", "images per seed", "share of the character, %"]
    return table_of(pd.DataFrame(rows, pd.RangeIndex(1, len(rows) + 1), columns), "rank")
