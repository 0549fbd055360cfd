"""Tables of results and gradients: ours beside the paper's, with uncertainties."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from kmnist_mlp.config import PAPERS, Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.folder import mark_of
from kmnist_mlp.experiments import paper_gradients
from kmnist_mlp.experiments.analysis import recall
from kmnist_mlp.experiments.causes import NOT_FOUND, NOT_MEASURED
from kmnist_mlp.experiments.claims import KINDS, VERDICTS
from kmnist_mlp.experiments.paper import PAPER, published_gradients
from kmnist_mlp.experiments.runs import OPTIONS, Results, named_configs
from kmnist_mlp.experiments.sweep import AXES, means
from kmnist_mlp.figures.report_figure import FINDINGS, WORDS, label, shown, shown_data, title
from kmnist_mlp.support import statistics
from kmnist_mlp.support.statistics import MISSING, interval, median_and_range, plus_minus, signed

# the column of the verdict by each
READINGS = {"text": "verdict", "code": "verdict_code"}
PRINTED, GRADIENTS = WORDS["printed"], WORDS["gradients"]
# options that others switch off
SWITCHES = {"momentum": "momentum_gamma", "early_stop": "early_stop_epoch"}


def table_of(
    rows: Mapping[Any, Any] | pd.DataFrame,
    corner: str,
    data_name: str = "",
    numbers: pd.DataFrame | None = None,
    finding: str = "",
    **shown: Any,
) -> pd.DataFrame:
    """Return a table with a heading over its row labels, its numbers and its finding.

    A row with the name of an experiment of the paper gets its title.

    Parameters
    ----------
    rows : dict of dict, or DataFrame
        The cells of each row.
    corner : str
        The heading; other data than KMNIST is named in it as well.
    data_name : str
    numbers : DataFrame
        For download: unrounded. With ``results``, these give it and
        ``data_name``.
    finding : str
        One short sentence with its numbers, which begins the
        caption; or "". The table has it as ``attrs["finding"]``.
    **shown
        As :func:`~kmnist_mlp.figures.report_figure.shown_data` takes it.
    """
    if not isinstance(rows, pd.DataFrame):
        # Markup stays Markup
        rows = pd.DataFrame.from_dict(rows, "index", dtype=object)
    if results := shown.get("results"):
        data_name = results.data_name
        numbers = results.frame.drop(columns=["cached", *OPTIONS], errors="ignore")
        numbers["kept_epoch"] = [run.kept_epoch for run in results.runs.values()]
        numbers = numbers[numbers.experiment.isin(shown["names"])]
    other = f" ({mark.removesuffix(', not KMNIST')})" if (mark := mark_of(data_name)) else ""
    table = rows.rename(index=title).rename_axis(index=None, columns=corner + other)
    table.attrs["finding"] = finding
    if numbers is not None:
        table.attrs["shown_data"] = shown_data(numbers, **shown)
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


def configurations(
    configs: Config | str | Iterable[Config | str] | Mapping[str, Config | str],
) -> pd.DataFrame:
    """Return the configurations: a row per experiment, a column per hyper-parameter.

    The seed, and an option beyond the paper, has a column if it is not
    the default in every row.

    Parameters
    ----------
    configs : Config, str, several of them, or a dict of name to Config or str
        As :func:`kmnist_mlp.run` takes them.

    Examples
    --------
    >>> configurations(["baseline", "relu"])[["layers", "activation", "patience"]]
    experiment                    layers activation patience
    baseline, early stopping  784-128-10       tanh        5
    ReLU                      784-128-10       ReLU        5
    """
    named, rows = named_configs(configs), {}
    beyond = [
        f.name
        for f in fields(Config)[PAPERS - 1 :]  # from the seed on
        if any(getattr(config, f.name) != f.default for config in named.values())
    ]
    for name, config in named.items():
        options = [*WORDS["options"], *beyond]
        row = rows[name] = {label(o): shown(getattr(config, o)) for o in options}
        row |= {label(o): "none" for switch, o in SWITCHES.items() if not getattr(config, switch)}
        if len(config.layer_specs) == 2:
            row["activation"] = MISSING
    return table_of(rows, "experiment")


def comparison(results: Results, names: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Return our test results, mean ± standard deviation, beside the paper's.

    The weights of which epoch are tested: of the best one with early
    stopping, else of the last.
    """
    names, rows, apart = results.chosen(names), {}, {}
    for name in names:
        row = rows[name] = {}
        for quantity, (digits, *columns) in PRINTED.items():
            ours = results.values(quantity, name)
            row |= dict.fromkeys(columns, MISSING)
            row[columns[0]] = plus_minus(ours, digits)
            if paper := getattr(PAPER.get(name), quantity, None):
                row[columns[1]] = f"{paper:g}"
                row[columns[2]] = signed(ours.mean() - paper, digits)
                apart.setdefault(quantity, []).append((abs(ours.mean() - paper), title(name)))
        validation = results.values("validation_accuracy", name)
        row["validation accuracy, %"] = plus_minus(validation, 2)
        kept = [run.kept_epoch for run in results.of(name)]
        row["weights of epoch"] = median_and_range(kept)
        row["stopped at epoch"] = median_and_range(results.values("stopped_epoch", name))
        if diverged := int(results.values("diverged", name).sum()):
            row["stopped at epoch"] += f", {diverged} diverged"
    parts = " and ".join(FINDINGS[quantity].format(*max(apart[quantity])) for quantity in apart)
    shown = {"results": results, "names": names, "quantities": PRINTED}
    return table_of(rows, "experiment", finding=parts and FINDINGS["apart"].format(parts), **shown)


def changes(results: Results, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Return paired differences of experiments with their 95 % intervals, in points.

    Parameters
    ----------
    results : Results
    pairs : iterable of (str, str)
        An experiment, and the one that it is compared with, seed by seed.
    """
    rows, names, tested = {}, {}, []
    for pair in pairs:
        difference = "{} − {}".format(*map(title, pair))
        row = rows[difference] = {}
        names |= dict.fromkeys(pair)
        for part in ("test", "validation", "training"):
            one, other = (results.values(f"{part}_accuracy", name) for name in pair)
            mean, *between = interval(one - other)
            row[f"{part} accuracy"] = signed(mean, 2)
            row[f"95 % interval ({part})"] = ends(*between, 2)
            if part == "test":
                tested.append((abs(mean), signed(mean, 2), difference, np.prod(between) > 0))
    clear = sum(excludes_zero for *_, excludes_zero in tested)
    known = FINDINGS["intervals" if np.isfinite(between).all() else "one seed"]
    finding = FINDINGS["differences"].format(*max(tested)[1:3], known.format(clear, len(tested)))
    shown = {"results": results, "names": names, "quantities": ["test_accuracy"]}
    return table_of(rows, "difference, points", finding=finding, **shown)


def loss_and_weights(results: Results, names: Iterable[str]) -> pd.DataFrame:
    """Return the late fluctuation of the training loss, and the weights near zero.

    Parameters
    ----------
    results : Results
    names : iterable of str
        Experiments.

    Returns
    -------
    DataFrame
        One row per experiment, in per cent: the standard deviation of
        the training loss from a straight line over the last ten
        epochs, as a share of its mean; and the share of the first
        layer's weights between -0.001 and 0.001.
    """
    names, rows = results.chosen(names), {}
    for name in names:
        row = rows[name] = {}
        fluctuation = 100 * results.values("late_fluctuation", name)
        row["fluctuation of the training loss, %"] = plus_minus(fluctuation, 1)
        # in per cent already
        share = results.values("small_weight_share", name)
        row["weights near zero, %"] = plus_minus(share, 1)
    quantities = ["late_fluctuation", "small_weight_share"]
    return table_of(rows, "experiment", results=results, names=names, quantities=quantities)


def sweep_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """Return the five best combinations on the validation split, and the paper's.

    Parameters
    ----------
    sweep : DataFrame
        What :func:`kmnist_mlp.experiments.sweep.load` gives.
    """
    accuracies = sweep.groupby(AXES)[["validation_accuracy", "test_accuracy"]]
    spreads = accuracies.agg(lambda runs: plus_minus(100 * runs, 2))
    table = means(sweep)[AXES].join(spreads, on=AXES)
    table.index = range(1, len(table) + 1)
    paper = [getattr(PAPER["final"].config, axis) for axis in AXES]
    is_papers = (table[AXES] == paper).all(axis=1)
    table[AXES] = table[AXES].map("{:g}".format)
    table.loc[is_papers, "L2_penalty"] += " (paper)"
    table.columns = WORDS["sweep"]
    return table_of(table[(table.index <= 5) | is_papers], "place")


def saturation(numbers: pd.DataFrame, data_name: str) -> pd.DataFrame:
    """Return saturated units and gradients by layer, mean ± standard deviation.

    Parameters
    ----------
    numbers : DataFrame
        What :func:`kmnist_mlp.experiments.analysis.saturation_by_seed`
        gives.
    data_name : str

    Returns
    -------
    DataFrame
        A row per experiment and weights (initial, kept). A column per
        hidden layer for the saturated units, and one per layer of
        weights for the norm of its gradient.
    """
    rows = {}
    for (name, weights), runs in numbers.groupby(["experiment", "weights"], sort=False):
        layers = dict(list(runs.groupby("layer")))
        row = rows[f"{title(name)}: {weights} weights"] = {}
        row["epoch"] = median_and_range(layers[1].epoch)
        for n in [*layers][:-1]:
            share = 100 * layers[n].saturated_share
            row[f"saturated units, layer {n}, %"] = plus_minus(share, 1)
        for n, layer in layers.items():
            row[f"gradient norm, layer {n}"] = plus_minus(layer.gradient_norm, 2)
    return table_of(rows, "experiment", data_name, numbers).fillna(MISSING)


def gradient_table(ours: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Return the gradients of one image beside the paper's: its Table 1, 2 or 3.

    Relative differences are those of
    :func:`kmnist_mlp.experiments.paper_gradients.relative_difference`;
    the paper's are computed from its printed gradients. The last
    column compares these two gradients with the difference that the
    paper prints beside them: in five of the eighteen rows they do not
    agree within the rounding of the printed digits, in four of these
    only because of the exponent.

    Parameters
    ----------
    ours : DataFrame
        What
        :func:`kmnist_mlp.experiments.paper_gradients.check_paper_patterns`
        gives.
    pattern : str
        "first", "sixth" or "last": the image.
    """
    ours, papers = (
        rows[rows.pattern == pattern]
        .assign(relative_difference=relative_differences)
        .reset_index(drop=True)
        for rows in (ours, pd.DataFrame(published_gradients()))
    )
    table = pd.DataFrame(index=ours.weight + " [" + ours["index"] + "]")
    for column, (quantity, form, _) in GRADIENTS.items():
        table[column] = [*ours[quantity].map(form.format)]
    table["at most 10⁻⁴"] = np.where(ours.within_tolerance, "yes", "NO")
    for column, (quantity, _, form) in GRADIENTS.items():
        table[f"paper: {column}"] = [*papers[quantity].map(form.format)]
    table["paper: row consistent"] = [*map(paper_gradients.consistent, papers.to_dict("records"))]
    printed = papers[[quantity for quantity, *_ in GRADIENTS.values()]]
    numbers = ours.join(printed.add_prefix("paper_"))
    largest = [statistics.scientific(rows.difference.max(), 1) for rows in (ours, papers)]
    finding = FINDINGS["gradients"].format(ours.within_tolerance.sum(), len(ours), *largest)
    return table_of(table, "weight", ours.attrs.get("data_name", ""), numbers, finding)


def relative_differences(gradients: pd.DataFrame) -> list[float]:
    """Return the relative difference of both gradients of each row."""
    pairs = gradients[["approximated_gradient", "actual_gradient"]].to_numpy()
    return [paper_gradients.relative_difference(*pair) for pair in pairs]


def passing_table(checks: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return how many gradients would keep the paper's bound if they were wrong.

    Parameters
    ----------
    checks : dict of int to DataFrame
        What
        :func:`kmnist_mlp.experiments.paper_gradients.gradient_checks`
        gives.
    """
    papers, ours = pd.DataFrame(published_gradients()), pd.concat(checks.values())
    factors = WORDS["wrong_gradients"]
    table = pd.DataFrame(index=[*factors])
    for whose, rows in (("paper", papers), ("ours", ours)):
        gradients = rows.approximated_gradient
        passing = [paper_gradients.would_pass(gradients, factor) for factor in factors.values()]
        table[f"{whose}, of {len(rows)}"] = passing
    return table_of(table, "wrong gradient", ours.attrs.get("data_name", ""))


def planted_bug_table(tried: pd.DataFrame) -> pd.DataFrame:
    """Return which check finds which planted bug.

    A cell has the verdict of :func:`bug_verdict` and, in brackets, how
    many of the compared differences exceed the bound, over all seeds.

    Parameters
    ----------
    tried : DataFrame
        What :func:`kmnist_mlp.experiments.paper_gradients.planted_bugs`
        gives.
    """
    rows = {text: {} for bug, text in paper_gradients.BUGS.items() if bug in {*tried.bug}}
    for (bug, check), runs in tried.groupby(["bug", "check"], sort=False):
        counts = f"{runs.exceeded.sum()} of {runs.compared.sum()}"
        rows[paper_gradients.BUGS[bug]][check] = f"{bug_verdict(runs)} ({counts})"
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
    """Return by check the planted bugs that it detects with every seed.

    Examples
    --------
    >>> rows = {"bug": ["none", "sign", "mean"], "check": "absolute", "exceeded": [0, 6, 0]}
    >>> detected_bugs(pd.DataFrame(rows))
    {'absolute': ['sign']}
    """
    planted = tried[tried.bug != "none"].groupby(["bug", "check"], sort=False)
    found = planted.exceeded.min().unstack(sort=False) > 0
    return {check: [*found.index[found[check]]] for check in found}


def scoreboard(judged: pd.DataFrame) -> pd.DataFrame:
    """Return every claim with the claimed range, our interval and the verdict.

    The interval is that of the next run where the claim is a number
    that the paper prints, else that of the mean.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings`
        gives; or only what :func:`kmnist_mlp.experiments.judge` gives,
        for claims that the code's runs do not concern.
    """
    data_name, rows = judged.attrs.get("data_name", ""), {}
    twice = "verdict_code" in judged
    code = "verdict (code" + (", KMNIST)" if mark_of(data_name) else ")")
    for row in in_percent(judged).itertuples():
        unit, digits = _unit(row)
        text = statistics.rounded
        if row.quantity == "gradient_difference":
            text, digits = statistics.scientific, 1
        low, high = (text(end, digits) for end in (row.interval_low, row.interval_high))
        between = f"{low} to {high}" + ", next run" * bool(row.one_run)
        if not np.isfinite(row.interval_low):
            between = "one seed: unknown" if np.isinf(row.interval_low) else MISSING
        ours = text(row.mean, digits) + unit
        if row.minus and not any([row.mean, row.interval_low, row.interval_high]):
            ours, between = "no difference", MISSING
        cells = rows[row.number] = {"section": row.section, "claim": row.claim}
        cells["claimed"] = _range(row, unit) + " (our threshold)" * bool(row.our_threshold)
        cells["ours"] = ours
        cells["95 % interval"] = between
        cells["p"] = MISSING if np.isnan(row.p) else statistics.p_text(row.p)
        cells["verdict (text)" if twice else "verdict"] = row.verdict
        if twice:
            cells[code] = row.verdict_code or MISSING
            cells["cause or note"] = remark(row) or MISSING
    counts = [_reproduced(judged, column) for column in READINGS.values() if column in judged]
    finding = FINDINGS["both readings" if twice else "one reading"].format(*counts)
    return table_of(rows, "no.", data_name, judged, finding)


def in_percent(judged: pd.DataFrame) -> pd.DataFrame:
    """Return claims in the units in which they are shown.

    A fluctuation is kept as a fraction,
    and shown in per cent.

    Parameters
    ----------
    judged : DataFrame
        As :func:`scoreboard` takes it.

    Examples
    --------
    >>> row = dict.fromkeys(["low", "high", "mean"], 0.05)
    >>> row |= {"interval_low": 0, "interval_high": 1}
    >>> row["quantity"] = "late_fluctuation"
    >>> float(in_percent(pd.DataFrame([row])).low[0])
    5.0
    """
    values = ["low", "high", "mean", "interval_low", "interval_high"]
    changes = judged.columns.intersection(["cause_change", "cause_low", "cause_high"])
    factor = judged.quantity.map({"late_fluctuation": 100}).fillna(1)
    return judged.assign(**judged[[*values, *changes]].mul(factor, axis=0))


def remark(row: Any) -> str:
    """Return the cause of a claim's failure with its evidence, or why there is no test.

    Parameters
    ----------
    row : named tuple
        Of what :func:`kmnist_mlp.experiments.causes.in_both_readings`
        gives.
    """
    if row.note or not row.cause:
        return row.note
    if row.cause in (NOT_FOUND, NOT_MEASURED):
        return f"cause {row.cause}"
    text = "{}: {} (95 % interval {}), {:.0f} % of the distance"
    text = text.format(row.cause, *_change(row), 100 * row.cause_share)
    return text + (f"; also {row.also}" if row.also else "")


def _change(row: Any) -> tuple[str, str]:
    """Return a cause's change of a claim's value, and its interval, as text."""
    unit, digits = _unit(row)
    unit = " points" if unit == " %" else unit  # a change is a difference
    between = ends(row.cause_low, row.cause_high, digits)
    return signed(row.cause_change, digits) + unit, between


def _unit(row: Any) -> tuple[str, int]:
    """Return the unit and the number of digits of a claim's quantity."""
    if row.quantity.endswith(("accuracy", "share", "gap", "fluctuation")):
        is_difference = row.minus or row.quantity == "generalisation_gap"
        return (" points" if is_difference else " %"), 2
    return ("", 1) if row.quantity.endswith("epoch") else ("", 4)


def _range(row: Any, unit: str) -> str:
    """Return a claimed range as text; one of its ends may be infinite."""
    low, high = (statistics.typeset(f"{value:.6g}") for value in (row.low, row.high))
    if np.isfinite([row.low, row.high]).all():
        return f"{low} to {high}{unit}"
    number = high if np.isinf(row.low) else low
    if unit == " points" and number in ("1", "−1"):
        unit = " point"
    return f"at {'most' if number == high else 'least'} {number}{unit}"


def verdicts_by_kind(judged: pd.DataFrame) -> pd.DataFrame:
    """Return how many claims of each kind have each verdict in each reading.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    rows = {}
    for kind, (reading, column) in product(KINDS, READINGS.items()):
        verdicts = judged[column][judged.kind == kind].replace("", "not run")
        counts = verdicts.value_counts().reindex([*VERDICTS, "not run"], fill_value=0)
        rows[f"{kind}, {reading}"] = {**counts, "claims": len(verdicts)}
    agree = judged.verdict == judged.verdict_code
    finding = FINDINGS["agreement"].format(agree.sum(), (judged.verdict_code != "").sum())
    finding *= _told(judged)
    data_name = judged.attrs.get("data_name", "")
    return table_of(rows, "kind of claim, reading", data_name, finding=finding).astype(str)


def highest_and_lowest(accuracies: pd.Series) -> str:
    """Return which accuracies, by name and in per cent, are the highest and the lowest."""
    ends = accuracies.idxmax(), accuracies.max(), accuracies.idxmin(), accuracies.min()
    return FINDINGS["accuracies"].format(*ends)


def _told(judged: pd.DataFrame, column: str = "verdict") -> bool:
    """Whether seeds suffice for verdicts: those on the code are kept, ours need several."""
    return column != "verdict" or not np.isinf(judged.get("interval_low", 0)).any()


def _reproduced(judged: pd.DataFrame, column: str) -> str:
    if not _told(judged, column):
        return WORDS["one_seed"]
    verdicts = judged[column]
    return f"{(verdicts == 'reproduced').sum()} of {(verdicts != '').sum()}"


def reproduced_by_kind(judged: pd.DataFrame, column: str = "verdict") -> str:
    """Return in words how many claims of each kind are reproduced.

    Parameters
    ----------
    judged : DataFrame
    column : str
        "verdict" for the text, "verdict_code" for the code.

    Examples
    --------
    >>> verdicts = ["reproduced", "no effect"]
    >>> reproduced_by_kind(pd.DataFrame({"kind": ["comparison"] * 2, "verdict": verdicts}))
    '1 of 2 comparisons'
    """
    judgeable = judged[judged[column] != ""]
    if not _told(judgeable, column):
        return WORDS["one_seed"]
    return ", ".join(
        f"{_reproduced(claims, column)} {plural}"
        for kind, plural in WORDS["kinds"].items()
        if len(claims := judgeable[judgeable.kind == kind])
    )


def reproduced_in_both(judged: pd.DataFrame) -> str:
    """Return in words how many claims of each kind either reading reproduces."""
    counts = [reproduced_by_kind(judged, column) for column in READINGS.values()]
    return WORDS["reproduced_in_both"].format(*counts)


def differences_and_causes(judged: pd.DataFrame) -> pd.DataFrame:
    """Return by kind how many claims are reproduced, and why the others are not.

    In the last column, the claims that the text does not reproduce
    stand by their cause, each with the change of its value that this
    cause alone brings.

    Parameters
    ----------
    judged : DataFrame
        What :func:`kmnist_mlp.experiments.causes.in_both_readings` gives.
    """
    rows = {}
    for kind in KINDS:
        of_kind, by_cause = judged[judged.kind == kind], {}
        failed = of_kind[of_kind.verdict == "not reproduced"]
        failed = failed.sort_values("cause_share", ascending=False, kind="stable")
        for row in failed.itertuples():
            claim = title(row.experiment) if row.one_run else row.claim
            cause = remark(row) or "no cause was sought"
            if np.isfinite(row.cause_share):
                cause, claim = row.cause, "{} {} ({})".format(claim, *_change(row))
            by_cause.setdefault(cause, []).append(claim)
        parts = [Markup("<b>{}:</b> {}").format(c, "; ".join(by_cause[c])) for c in by_cause]
        causes = Markup("<br>").join(parts) or MISSING
        row = rows[kind] = {name: _reproduced(of_kind, c) for name, c in READINGS.items()}
        row["cause of what the text does not reproduce"] = causes
    return table_of(rows, "reproduced by", judged.attrs.get("data_name", ""), judged)


def per_class(matrices: list[np.ndarray], data: Dataset) -> pd.DataFrame:
    """Return accuracy (recall) and precision by class, mean ± standard deviation.

    Parameters
    ----------
    matrices : list of ndarray, shape (classes, classes)
        One confusion matrix per seed: rows the true class, columns the
        predicted one.
    data : Dataset
        Gives the names of the classes.
    """
    table = pd.DataFrame({"romaji": data.romaji}, data.class_names)
    for name, way in (("accuracy", np.asarray), ("precision", np.transpose)):
        shares = np.transpose([100 * recall(way(matrix)) for matrix in matrices])
        table[f"{name}, %"] = [plus_minus(seeds, 1) for seeds in shares]
    return table_of(table, "character")


def most_confused(matrices: list[np.ndarray], data: Dataset, count: int = 8) -> pd.DataFrame:
    """Return the most frequent errors: mean number per seed, and their share."""
    mean, labels = np.mean(matrices, axis=0), np.array(data.class_labels)
    share = 100 * mean / mean.sum(axis=1, keepdims=True).clip(1)
    errors = mean - np.diag(np.diag(mean))
    order = np.argsort(-errors, axis=None)[: min(count, (errors > 0).sum())]
    true, predicted = np.unravel_index(order, mean.shape)
    table = pd.DataFrame({"character": labels[true], "taken for": labels[predicted]})
    for column, cells in (("images per seed", mean), ("share of the character, %", share)):
        table[column] = [f"{cell:.1f}" for cell in cells[true, predicted]]
    table.index += 1
    return table_of(table, "rank")
