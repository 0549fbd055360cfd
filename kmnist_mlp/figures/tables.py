"""Tables of results: ours beside the paper's, rounded, with the uncertainty beside the value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.paper import PAPER, published_gradients
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.experiments.sweep import AXES, means
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.support.statistics import plus_minus, rounded, signed

MISSING = "–"
VERDICTS = ("reproduced", "not reproduced", "undecided")


def title(name: str) -> str:
    """Return how an experiment is called in tables and figures."""
    return PAPER[name].title if name in PAPER else name


def html(table: pd.DataFrame) -> str:
    """Return a table as HTML with scoped headers; a cell that is ``Markup`` stays as it is.

    Class "number" aligns a column of numbers, "long-text" lets a column of sentences break lines.
    """
    numeric = [all(map(_is_number, table[column])) for column in table.columns]
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_class(number), column)
        for column, number in zip(table.columns, numeric, strict=True)
    )
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>\n').format(
            label,
            Markup("").join(
                Markup("<td{}>{}</td>").format(_class(number), cell)
                for cell, number in zip(cells, numeric, strict=True)
            ),
        )
        for label, *cells in table.itertuples(name=None)
    )
    kind = Markup(' class="long-text"') if "claim" in table.columns else ""
    corner = escape(table.columns.name or "")
    corner = Markup('<th scope="col">{}</th>').format(corner) if corner else Markup("<td></td>")
    page = Markup("<table{}>\n<thead><tr>{}{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>")
    return str(page.format(kind, corner, head, body))


def _is_number(cell: object) -> bool:
    """Whether a cell is a number, a range or spread of numbers, or missing."""
    return str(cell) == MISSING or str(cell).startswith(tuple("0123456789+−-"))


def _class(number: bool) -> Markup:
    return Markup(' class="number"') if number else Markup("")


def configurations(configs: Iterable[str] | Mapping[str, Config]) -> pd.DataFrame:
    """Return what was run: one row per experiment, one column per hyper-parameter.

    Examples
    --------
    >>> configurations(["baseline", "relu"])[["layers", "activation", "patience"]]
    experiment                    layers activation  patience
    baseline, early stopping  784-128-10       tanh         5
    ReLU                      784-128-10       ReLU         5
    """
    if not isinstance(configs, Mapping):
        configs = {name: PAPER[name].config for name in configs}
    rows = {}
    for name, config in configs.items():
        rows[title(name)] = {
            "layers": "-".join(map(str, config.layer_specs)),
            "activation": config.activation if len(config.layer_specs) > 2 else MISSING,
            "learning rate": f"{config.learning_rate:g}",
            "batch size": config.batch_size,
            "momentum": f"{config.momentum_gamma:g}" if config.momentum else "none",
            "L1 penalty": f"{config.L1_penalty:g}",
            "L2 penalty": f"{config.L2_penalty:g}",
            "epochs at most": config.epochs,
            "patience": config.early_stop_epoch if config.early_stop else "none",
        }
    return _cornered(pd.DataFrame.from_dict(rows, orient="index"), "experiment")


def comparison(results: Results, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Return our test results (mean ± standard deviation over seeds) beside the paper's."""
    rows = {}
    names = list(names or results.names)
    for name in names:
        entry = PAPER.get(name)
        accuracy, loss = (results.values(q, name) for q in ("test_accuracy", "test_loss"))
        paper_accuracy = entry.test_accuracy if entry else None
        paper_loss = entry.test_loss if entry else None
        diverged = int(results.values("diverged", name).sum())
        rows[title(name)] = {
            "test accuracy, %": plus_minus(accuracy, 2),
            "paper, %": MISSING if paper_accuracy is None else f"{paper_accuracy:g}",
            "difference": MISSING
            if paper_accuracy is None
            else signed(accuracy.mean() - paper_accuracy, 2),
            "test loss": plus_minus(loss, 4),
            "paper loss": MISSING if paper_loss is None else f"{paper_loss:g}",
            "loss difference": MISSING
            if paper_loss is None
            else signed(loss.mean() - paper_loss, 4),
            "validation accuracy, %": plus_minus(results.values("validation_accuracy", name), 2),
            "best epoch": plus_minus(results.values("best_epoch", name), 1),
            "stopped at epoch": plus_minus(results.values("stopped_epoch", name), 1)
            + (f", {diverged} diverged" if diverged else ""),
        }
    table = _data_named(
        pd.DataFrame.from_dict(rows, orient="index"), "experiment", results.data_name
    )
    frame = results.frame[results.frame.experiment.isin(names)].drop(columns="cached")
    table.attrs["exhibit_data"] = ExhibitData.of(
        frame, "", results, names, ["test_accuracy", "test_loss"]
    )
    return table


def _data_named(table: pd.DataFrame, index: str, data_name: str) -> pd.DataFrame:
    """Name the index; on the stand-in say so in the table itself."""
    stand_in = f" ({data_name.upper()})" if data_name.startswith("stand-in") else ""
    return _cornered(table, index + stand_in)


def _cornered(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Name the row labels in the corner of the header, where pandas gives them no extra row."""
    return table.rename_axis(index=None, columns=name)


def gradient_table(ours: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Return Table 1, 2 or 3: our check of one pattern ("first", "sixth", "last"), paper's beside.

    The last column holds the paper's two gradients against its own printed difference: five of
    the eighteen do not agree within the rounding of the printed digits.
    """
    rows = []
    printed = [row for row in published_gradients() if row["pattern"] == pattern]
    for own, paper in zip(ours[ours.pattern == pattern].to_dict("records"), printed, strict=True):
        rows.append(
            {
                "weight": f"{own['weight']} [{own['index']}]",
                "approximated": f"{own['approximated_gradient']:.4g}",
                "actual": f"{own['actual_gradient']:.4g}",
                "difference": f"{own['difference']:.1e}",
                "at most 1e-4": "yes" if own["within_tolerance"] else "NO",
                "paper: approximated": f"{paper['approximated_gradient']:.5g}",
                "paper: actual": f"{paper['actual_gradient']:.5g}",
                "paper: difference": f"{paper['difference']:.5g}",
                "paper agrees with itself": "yes" if agrees_with_itself(paper) else "no",
            }
        )
    table = pd.DataFrame(rows).set_index("weight")
    table = _data_named(table, "weight", ours.attrs.get("data_name", ""))
    numbers = ours[ours.pattern == pattern].reset_index(drop=True)
    gradients = ["approximated_gradient", "actual_gradient", "difference"]
    numbers = numbers.join(pd.DataFrame(printed)[gradients].add_prefix("paper_"))
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table


def agrees_with_itself(row: Mapping[str, float]) -> bool:
    """Whether a printed difference is that of its row's printed gradients, up to their rounding.

    A gradient printed with digit d in its last place is known to d / 2; the paper prints three
    to five significant digits, so half a unit in the third one is allowed for each gradient.
    """
    gradients = [row["approximated_gradient"], row["actual_gradient"]]
    rounding = sum(0.5 * 10.0 ** (np.floor(np.log10(abs(g))) - 2) for g in gradients)
    return abs(abs(gradients[0] - gradients[1]) - row["difference"]) <= rounding


def scoreboard(judged: pd.DataFrame) -> pd.DataFrame:
    """Return every claim with our mean, its 95 % interval, the claimed range and the verdict."""
    rows = []
    for row in judged.itertuples():
        unit, digits = _unit(row.quantity, bool(row.minus))
        interval = (
            "one seed: unknown"
            if np.isinf(row.ci_low)
            else f"{rounded(row.ci_low, digits)} to {rounded(row.ci_high, digits)}"
        )
        if row.quantity == "gradient_difference":
            ours, interval = f"{row.mean:.1e}", f"{row.ci_low:.1e} to {row.ci_high:.1e}"
        else:
            ours = rounded(row.mean, digits)
        rows.append(
            {
                "section": row.section,
                "claim": row.claim,
                "claimed": _range(row.low, row.high, unit),
                "ours": ours + unit,
                "95 % interval": interval,
                "verdict": row.verdict,
            }
        )
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1))
    table = _data_named(table, "no.", judged.attrs.get("data_name", ""))
    table.attrs["exhibit_data"] = ExhibitData.of(judged)
    return table


def _unit(quantity: str, difference: bool) -> tuple[str, int]:
    """Return the unit and the number of digits that a quantity is shown with."""
    if quantity.endswith("accuracy"):
        return (" points" if difference else " %"), 2
    return ("", 1) if quantity.endswith("epoch") else ("", 4)


def _range(low: float, high: float, unit: str) -> str:
    def number(value: float) -> str:
        return f"{value:.6g}".replace("-", "−")

    if np.isinf(low):
        return f"at most {number(high)}{unit}"
    if np.isinf(high):
        return f"at least {number(low)}{unit}"
    return f"{number(low)} to {number(high)}{unit}"


def verdict_counts(judged: pd.DataFrame) -> str:
    """Return "12 reproduced, 3 not reproduced, 1 undecided"."""
    return ", ".join(f"{(judged.verdict == verdict).sum()} {verdict}" for verdict in VERDICTS)


# ---- what a model gets wrong ---------------------------------------------------------------------


def per_class(matrices: list[np.ndarray], data: Dataset) -> pd.DataFrame:
    """Return accuracy (recall) and precision of each class, mean ± standard deviation over seeds.

    Parameters
    ----------
    matrices : list of ndarray
        One confusion matrix per seed.
    data : Dataset
        Gives the names.
    """
    recall = np.array([np.diag(m) / m.sum(axis=1) for m in matrices]) * 100
    precision = np.array([np.diag(m) / np.maximum(m.sum(axis=0), 1) for m in matrices]) * 100
    table = pd.DataFrame(
        {
            "read": data.romaji,
            "accuracy, %": [plus_minus(column, 1) for column in recall.T],
            "precision, %": [plus_minus(column, 1) for column in precision.T],
        },
        index=data.class_names,
    )
    return _cornered(table, "character")


def most_confused(matrices: list[np.ndarray], data: Dataset, count: int = 8) -> pd.DataFrame:
    """Return the most frequent mistakes: mean number of test images per seed, and their share."""
    mean = np.mean(matrices, axis=0)
    np.fill_diagonal(mean, 0)
    rows = []
    for flat in np.argsort(-mean, axis=None)[:count]:
        right, wrong = divmod(int(flat), len(mean))
        share = mean[right, wrong] / np.mean(matrices, axis=0)[right].sum() * 100
        rows.append(
            {
                "character": f"{data.class_names[right]} ({data.romaji[right]})",
                "taken for": f"{data.class_names[wrong]} ({data.romaji[wrong]})",
                "images per seed": f"{mean[right, wrong]:.1f}",
                "share of the character, %": f"{share:.1f}",
            }
        )
    return _cornered(pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1)), "rank")


def sweep_table(sweep: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """Return the best combinations on the validation split, and the paper's, with their accuracies.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    """
    ranked = means(sweep).reset_index(drop=True)
    paper = PAPER["final"].config
    is_papers = (ranked[AXES] == [getattr(paper, axis) for axis in AXES]).all(axis=1)
    rows = []
    for place in sorted({*range(count), *np.flatnonzero(is_papers)}):
        chosen = ranked.loc[place, AXES]
        runs = sweep[(sweep[AXES] == chosen).all(axis=1)]
        rows.append(
            {
                "learning rate": f"{chosen.learning_rate:g}",
                "momentum": f"{chosen.momentum_gamma:g}",
                "L2 penalty": f"{chosen.L2_penalty:g}" + (" (paper)" if is_papers[place] else ""),
                "validation accuracy, %": plus_minus(100 * runs.validation_accuracy, 2),
                "test accuracy, %": plus_minus(100 * runs.test_accuracy, 2),
            }
        )
        rows[-1]["place"] = place + 1
    return _cornered(pd.DataFrame(rows).set_index("place"), "place")
