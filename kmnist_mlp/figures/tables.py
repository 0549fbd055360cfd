"""Tables of results: ours beside the paper's, rounded, with the uncertainty beside the value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields

import numpy as np
import pandas as pd
from markupsafe import Markup

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, is_stand_in
from kmnist_mlp.experiments.causes import NOT_FOUND, NOT_MEASURED
from kmnist_mlp.experiments.claims import KINDS, VERDICTS
from kmnist_mlp.experiments.error_analysis import recall
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results, named_configs
from kmnist_mlp.experiments.sweep import AXES, means
from kmnist_mlp.figures.exhibit import ExhibitData, label, shown, title
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


def with_corner(table: pd.DataFrame, name: str, data_name: str = "") -> pd.DataFrame:
    """Name the row labels in the corner of the header; on the stand-in, name the data as well."""
    stand_in = f" ({data_name.upper()})" if is_stand_in(data_name) else ""
    return table.rename_axis(index=None, columns=name + stand_in)


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
        for f in fields(Config)
        if (f.metadata["beyond"] or f.name == "seed")
        and any(getattr(config, f.name) != f.default for config in named.values())
    ]
    rows = [
        {
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
        for config in named.values()
    ]
    # not by title: an experiment of one's own may have that of one of the paper's
    return with_corner(pd.DataFrame(rows, index=[title(name) for name in named]), "experiment")


def comparison(results: Results, names: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Return our test results (mean ± standard deviation over seeds) beside the paper's.

    The weights of which epoch are tested: of the best one with early stopping, else of the last.
    """
    names = results.chosen(names)
    rows = []
    for name in names:
        entry = PAPER.get(name)
        accuracy, loss = (results.values(q, name) for q in ("test_accuracy", "test_loss"))
        paper_accuracy, accuracy_difference = _beside(entry and entry.test_accuracy, accuracy, 2)
        paper_loss, loss_difference = _beside(entry and entry.test_loss, loss, 4)
        diverged = int(results.values("diverged", name).sum())
        row = {
            "test accuracy, %": plus_minus(accuracy, 2),
            "paper, %": paper_accuracy,
            "difference": accuracy_difference,
            "test loss": plus_minus(loss, 4),
            "paper loss": paper_loss,
            "loss difference": loss_difference,
            "validation accuracy, %": plus_minus(results.values("validation_accuracy", name), 2),
            "weights of epoch": median_and_range(run.kept_epoch for run in results.of(name)),
            "stopped at epoch": median_and_range(results.values("stopped_epoch", name))
            + (f", {diverged} diverged" if diverged else ""),
        }
        rows.append(row)
    table = pd.DataFrame(rows, index=[title(name) for name in names])
    table = with_corner(table, "experiment", results.data_name)
    frame = _runs_of(results, names)
    keys = zip(frame.experiment, frame.seed, strict=True)
    frame["kept_epoch"] = [results.runs[key].kept_epoch for key in keys]
    quantities = ["test_accuracy", "test_loss"]
    table.attrs["exhibit_data"] = ExhibitData.of(frame, "", results, names, quantities)
    return table


def _beside(paper: float | None, ours: pd.Series, digits: int) -> tuple[str, str]:
    """Return a value of the paper, and how far our mean is from it."""
    if paper is None:
        return MISSING, MISSING
    return f"{paper:g}", signed(ours.mean() - paper, digits)


def _runs_of(results: Results, names: list[str]) -> pd.DataFrame:
    """Return what was measured in the runs of some experiments."""
    return results.frame[results.frame.experiment.isin(names)].drop(columns="cached")


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
        row = {}
        for part in ("test", "validation", "training"):
            quantity = f"{part}_accuracy"
            difference = results.values(quantity, name) - results.values(quantity, minus)
            mean, low, high = interval(difference)
            ends = f"{signed(low, 2)} to {signed(high, 2)}" if np.isfinite(low) else MISSING
            row |= {f"{part} accuracy": signed(mean, 2), f"95 % interval ({part})": ends}
        rows[f"{title(name)} − {title(minus)}"] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table = with_corner(table, "difference, points", results.data_name)
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    frame = _runs_of(results, names)
    table.attrs["exhibit_data"] = ExhibitData.of(frame, "", results, names, ["test_accuracy"])
    return table


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
    quantities = ("late_fluctuation", "small_weight_share")
    rows = [
        {
            "fluctuation of the training loss, %": plus_minus(
                100 * results.values(quantities[0], name), 1
            ),
            "weights near zero, %": plus_minus(results.values(quantities[1], name), 1),
        }
        for name in names
    ]
    table = pd.DataFrame(rows, index=[title(name) for name in names])
    table = with_corner(table, "experiment", results.data_name)
    frame = _runs_of(results, names)
    table.attrs["exhibit_data"] = ExhibitData.of(frame, "", results, names, quantities)
    return table


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
    return with_corner(pd.DataFrame.from_dict(rows, orient="index"), "place")


def saturation(numbers: pd.DataFrame, data_name: str) -> pd.DataFrame:
    """Return saturated units and gradients per layer, mean ± standard deviation over seeds.

    Parameters
    ----------
    numbers : DataFrame
        What :func:`kmnist_mlp.experiments.saturation.saturation_by_seed` gives.
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
    table = pd.DataFrame.from_dict(rows, orient="index").fillna(MISSING)
    table = with_corner(table, "experiment", data_name)
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table


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
        ours = rounded(row.mean, digits)
        low, high = row.interval_low, row.interval_high
        interval = f"{rounded(low, digits)} to {rounded(high, digits)}"
        if row.quantity == "gradient_difference":
            ours = scientific(row.mean, 1)
            interval = f"{scientific(low, 1)} to {scientific(high, 1)}"
        elif not np.isfinite(low):
            interval = "one seed: unknown" if np.isinf(low) else MISSING
        elif row.one_run:
            interval += ", next run"
        rows.append(
            {
                "section": row.section,
                "claim": row.claim,
                "claimed": _range(row.low, row.high, unit)
                + " (our threshold)" * bool(row.our_threshold),
                "ours": ours + unit,
                "95 % interval": interval,
                "p": MISSING if np.isnan(row.p) else p_text(row.p),
                "verdict (text)" if twice else "verdict": row.verdict,
            }
        )
        if twice:
            rows[-1] |= {
                code: row.verdict_code or MISSING,
                "cause or note": remark(row) or MISSING,
            }
    table = pd.DataFrame(rows, index=judged.number.tolist() if rows else [])
    table = with_corner(table, "no.", data_name)
    table.attrs["exhibit_data"] = ExhibitData.of(judged)
    return table


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
    change, ends = _change(row)
    also = f"; also {row.also}" if row.also else ""
    return (
        f"{row.cause}: {change} (95 % interval {ends}), "
        f"{100 * row.cause_share:.0f} % of the distance{also}"
    )


def _change(row: object) -> tuple[str, str]:
    """Return by how much a cause changes a claim's value, and the interval of this, as text."""
    unit, digits = _unit(row.quantity, bool(row.minus))
    unit = " points" if unit == " %" else unit  # a change is a difference
    values = (row.cause_change, row.cause_low, row.cause_high)
    change, low, high = (signed(value, digits) for value in values)
    return change + unit, f"{low} to {high}"


def _unit(quantity: str, is_difference: bool) -> tuple[str, int]:
    """Return the unit and the number of digits that a quantity is shown with."""
    if quantity == "generalisation_gap":
        return " points", 2
    if quantity.endswith(("accuracy", "share")):
        return (" points" if is_difference else " %"), 2
    return ("", 1) if quantity.endswith("epoch") else ("", 4)


def _range(low: float, high: float, unit: str) -> str:
    """Return a claimed range as text; one of its ends may be infinite."""
    lowest, highest = (typeset(f"{value:.6g}") for value in (low, high))
    if np.isinf(low):
        return f"at most {highest}{_singular(unit, high)}"
    if np.isinf(high):
        return f"at least {lowest}{_singular(unit, low)}"
    return f"{lowest} to {highest}{unit}"


def _singular(unit: str, value: float) -> str:
    return " point" if unit == " points" and abs(value) == 1 else unit


def verdicts_by_kind(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many claims of each kind have each verdict: by the text, and as the code ran.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    rows = {}
    for kind in KINDS:
        own = judged[judged.kind == kind]
        for reading, column in (("text", "verdict"), ("code", "verdict_code")):
            counts = own[column].value_counts()
            rows[f"{kind}, {reading}"] = {
                **{verdict: counts.get(verdict, 0) for verdict in VERDICTS},
                "not run": counts.get("", 0),
                "claims": len(own),
            }
    table = pd.DataFrame.from_dict(rows, orient="index").astype(str)
    return with_corner(table, "kind of claim, reading", judged.attrs.get("data_name", ""))


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
        own, by_cause = judged[judged.kind == kind], {}
        failed = own[own.verdict == "not reproduced"]
        for row in failed.sort_values("cause_share", ascending=False, kind="stable").itertuples():
            claim = title(row.experiment) if row.one_run else row.claim
            found = np.isfinite(row.cause_share)
            cause = row.cause if found else remark(row) or "no cause was sought"
            evidence = " {} ({})".format(*_change(row)) if found else ""
            by_cause.setdefault(cause, []).append(claim + evidence)
        parts = (Markup("<b>{}:</b> {}").format(c, "; ".join(by_cause[c])) for c in by_cause)
        counts = [column[column != ""] for column in (own.verdict, own.verdict_code)]
        text, coded = (f"{(c == 'reproduced').sum()} of {len(c)}" for c in counts)
        rows[kind] = [text, coded, Markup("<br>").join(parts) or MISSING]
    columns = ["text", "code", "cause of what the text does not reproduce"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=object)
    table.attrs["exhibit_data"] = ExhibitData.of(judged)
    return with_corner(table, "reproduced by", judged.attrs.get("data_name", ""))


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
    table = pd.DataFrame(
        {
            "romaji": data.romaji,
            "accuracy, %": [plus_minus(column, 1) for column in accuracy.T],
            "precision, %": [plus_minus(column, 1) for column in precision.T],
        },
        index=data.class_names,
    )
    return with_corner(table, "character")


def most_confused(matrices: list[np.ndarray], data: Dataset, count: int = 8) -> pd.DataFrame:
    """Return the most frequent errors: mean number of test images per seed, and their share."""
    mean, labels = np.mean(matrices, axis=0), data.class_labels
    share = 100 * mean / np.maximum(mean.sum(axis=1, keepdims=True), 1)
    errors = mean - np.diag(np.diag(mean))
    pairs = [np.unravel_index(place, mean.shape) for place in np.argsort(-errors, axis=None)]
    rows = [
        {
            "character": labels[true],
            "taken for": labels[predicted],
            "images per seed": f"{mean[true, predicted]:.1f}",
            "share of the character, %": f"{share[true, predicted]:.1f}",
        }
        for true, predicted in pairs[:count]
        if errors[true, predicted] > 0
    ]
    columns = ["character", "taken for", "images per seed", "share of the character, %"]
    table = pd.DataFrame(rows, pd.RangeIndex(1, len(rows) + 1), columns)
    return with_corner(table, "rank")
