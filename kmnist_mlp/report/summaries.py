"""What notebooks state in sentences and small tables, computed: a function each."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from kmnist_mlp.experiments import Results, causes, claims, paper, readings, sweep
from kmnist_mlp.experiments.paper_gradients import would_pass
from kmnist_mlp.experiments.published_code import DEVIATIONS
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.sensitivity import distance
from kmnist_mlp.figures.tables import highest_and_lowest, relative_differences, table_of
from kmnist_mlp.report.notebook import TEXTS, number
from kmnist_mlp.support.statistics import MISSING, signed


def gradient_summary(gradients: pd.DataFrame | None = None) -> SimpleNamespace:
    """Return how far gradients differ, and how many zeros would pass.

    Parameters
    ----------
    gradients : DataFrame
        Rows of gradient checks; by default the paper's.
    """
    if gradients is None:
        gradients = pd.DataFrame(paper.published_gradients())
    relative = np.array(relative_differences(gradients))
    return SimpleNamespace(
        rows=len(gradients),
        size=gradients.actual_gradient.abs().median(),
        largest=gradients.difference.max(),
        relative=relative.max(),
        median_relative=np.median(relative),
        above_1_percent=(relative > 0.01).sum(),
        zero_passes=would_pass(gradients.approximated_gradient, 0),
    )


def distances_to_curves(*names: str) -> list[str]:
    """Return the distance of the published algorithm's losses to figures."""
    means = readings.load_curves().groupby(["experiment", "epoch"]).mean()
    found = []
    for name in names:
        figure = paper.PAPER[name].figures[0]
        curves = paper.paper_curves([figure])
        apart = np.hypot(*paper.offset_and_rest(curves, means.loc[name]))
        read_to = paper.paper_curves([figure], "uncertainty").stack().median()
        found.append(f"{apart:.4f} (Figure {figure}; read to ± {read_to:.4f})")
    return found


def lowest(results: Results, name: str) -> float:
    """Return the lowest training loss in all runs of an experiment."""
    return min(run.curves["training_loss"].min() for run in results.of(name))


def error_factors(results: Results, name: str, other: str) -> pd.Series:
    """Return the mean error of ``name`` as a multiple of that of ``other``.

    At most 10: a quotient whose divisor is almost zero has
    no exact value.
    """
    parts = ["training", "validation", "test"]
    right = results.frame.groupby("experiment").mean(numeric_only=True)
    errors = 1 - right[[f"{part}_accuracy" for part in parts]]
    factors = (errors.loc[name] / errors.loc[other]).clip(upper=10)
    return factors.set_axis(parts)


def single_runs() -> tuple[pd.DataFrame, float, float, float]:
    """Return the paper's comparisons of single runs, and the limit of chance.

    The limit is in points, with the ends of its 95 % interval.
    """
    groups = sweep.printed_runs()
    pairs = sweep.single_run_comparisons(groups)
    table = pd.DataFrame(index=pairs.experiment.map(title) + " − " + pairs.minus.map(title))
    table["in the paper, points"] = [signed(d, 2) for d in pairs.difference]
    table["larger than by chance"] = [*pairs.beyond_chance]
    table.columns.name = "test accuracy"
    return table, *sweep.smallest_difference(groups)


def classifiers(results: Results) -> pd.DataFrame:
    """Return published test accuracies on KMNIST, and those that were measured here."""
    here = sweep.load("other classifiers").set_index("model").add_suffix("_here")
    table = sweep.QUOTED.join(here, "model").sort_values("test_accuracy_percent")
    table.index = table.model + table.old_version.map({True: " *", False: ""})
    cells = table.filter(like="percent").map("{:.2f}".format).replace("nan", MISSING)
    cells.columns = ["test accuracy, %", "measured here, %"]
    final = "multilayer perceptron, the paper's final model"
    ours = [f"{paper.PAPER['final'].test_accuracy:g}", number(results, "final").removesuffix(" %")]
    ours = pd.DataFrame([ours], [final], cells.columns)
    table = pd.concat([ours, cells])
    finding = highest_and_lowest(table["test accuracy, %"].astype(float))
    return table_of(table, "classifier", finding=finding)


def judged(results: Results, *sections: str) -> pd.DataFrame:
    """Return the claims of sections, judged by the text and by the code."""
    chosen = claims.claims_of(*sections)
    return causes.in_both_readings(claims.judge(results, {}, chosen))


def together(results: Results, name: str, frame: pd.DataFrame) -> Results:
    """Return results with the runs of a table, under a name."""
    frame = pd.concat([results.frame, frame.assign(experiment=name)])
    return Results.of_frame(frame, results.data_name)


def choices() -> pd.DataFrame:
    """Return the choices of an experiment: in text and published code."""
    table = pd.read_csv(paper.PUBLISHED / "choices.csv", index_col=0)
    kept = pd.Series(DEVIATIONS, name="the published code")
    return table.fillna(kept.to_frame()).rename_axis(index=None, columns="choice")


def results_by_input() -> tuple[Results, pd.DataFrame]:
    """Return the kept results of the baseline on other inputs, and a table of them."""
    inputs = TEXTS["inputs"]
    frame = readings.load_readings().query("experiment == 'baseline'")
    kept = {"experiment": frame.standardisation.map(inputs), "standardisation": "pixel"}
    results = Results.of_frame(frame.assign(**kept), **readings.OURS)
    quantities = ["test_accuracy", "test_loss", "validation_accuracy", "best_epoch"]
    headings = ["test accuracy", "test loss", "validation accuracy", "weights of epoch"]
    names = [*inputs.values()]
    cells = [[number(results, name, of) for of in quantities] for name in names]
    return results, pd.DataFrame(cells, names, headings).rename_axis(columns="pixels")


def claim_list(rows: pd.DataFrame) -> str:
    """Return the numbers and statements of claims as text."""
    return "; ".join(f"{row.number} {row.claim}" for row in rows.itertuples()) or "none"


def claims_by_cause(judged: pd.DataFrame) -> str:
    """Return as Markdown which claims a reading does not reproduce, and why."""
    failed = judged.query("verdict == 'not reproduced' and note == ''")
    coded = failed.verdict_code.replace("", "not run")
    lines = "\n".join(
        f"- *{cause}* ({verdict} as coded): {claim_list(rows)}."
        for (cause, verdict), rows in failed.groupby([failed.cause, coded])
    )
    lost = judged.query("verdict == 'reproduced' and verdict_code == 'not reproduced'")
    return TEXTS["by_cause"].format(lines, claim_list(lost))


def distance_to_paper(results: Results) -> str:
    """Return the root mean square distance to the paper's printed numbers."""
    points, loss = (distance(results, f"test_{kind}") for kind in ("accuracy", "loss"))
    return f"{points:.2f} points of test accuracy and {loss:.4f} of loss"


def distances_to_printed(judged: pd.DataFrame) -> str:
    """Return the median distance of our means to what the paper prints."""
    printed = judged[judged.one_run & (judged.verdict_code != "")].set_index("kind")
    apart = printed[["mean", "mean_code"]].sub((printed.low + printed.high) / 2, axis=0)
    medians = apart.abs().groupby("kind").median().loc[[*claims.KINDS[:2]]]
    return TEXTS["distances"].format(*medians.to_numpy().flat)


def cause_meanings(judged: pd.DataFrame) -> str:
    """Return what the deviations mean that are causes of claims."""
    names = [name for name in DEVIATIONS if name in {*judged.cause}]
    return " ".join(f"{name.capitalize()}: {DEVIATIONS[name]}" for name in names)
