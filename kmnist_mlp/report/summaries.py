"""What notebooks state in sentences and small tables, computed: a function each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.evaluation import calibration_error_interval
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.experiments.causes import in_both_readings
from kmnist_mlp.experiments.claims import KINDS, claims_of, judge
from kmnist_mlp.experiments.paper import (
    PAPER,
    PUBLISHED,
    offset_and_rest,
    paper_curves,
    published_gradients,
)
from kmnist_mlp.experiments.paper_gradients import would_pass
from kmnist_mlp.experiments.published_code import DEVIATIONS
from kmnist_mlp.experiments.readings import ABLATED, OURS, load_curves, load_readings
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.experiments.sweep import (
    QUOTED,
    load,
    printed_runs,
    single_run_comparisons,
    smallest_difference,
)
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.sensitivity import distance
from kmnist_mlp.figures.tables import relative_differences
from kmnist_mlp.report.notebook import TEXTS, number
from kmnist_mlp.support.statistics import MISSING, holm, mcnemar, signed

# ---- gradients -----------------------------------------------------------------------------------


def gradient_summary(gradients: pd.DataFrame | None = None) -> SimpleNamespace:
    """Return how large gradients are, how far theirs differ, and how many zeros would pass.

    Parameters
    ----------
    gradients : DataFrame
        Rows of gradient checks; by default the paper's.
    """
    if gradients is None:
        gradients = pd.DataFrame(published_gradients())
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


# ---- the paper's curves --------------------------------------------------------------------------


def distances_to_curves(*names: str) -> list[str]:
    """Return how far the published algorithm's mean losses are from the paper's figures."""
    means, found = load_curves().groupby(["experiment", "epoch"]).mean(), []
    for name in names:
        figure = PAPER[name].figures[0]
        apart = np.hypot(*offset_and_rest(paper_curves([figure]), means.loc[name]))
        read_to = paper_curves([figure], "uncertainty").stack().median()
        found.append(f"{apart:.4f} (Figure {figure}; read to ± {read_to:.4f})")
    return found


# ---- results -------------------------------------------------------------------------------------


def inputs_table(results: Results) -> pd.DataFrame:
    """Return :func:`results_by_input` as a table."""
    quantities = ["test_accuracy", "test_loss", "validation_accuracy", "best_epoch"]
    headings = ["test accuracy", "test loss", "validation accuracy", "weights of epoch"]
    cells = [[number(results, label, of) for of in quantities] for label in results.names]
    return pd.DataFrame(cells, results.names, headings).rename_axis(columns="pixels")


def lowest(results: Results, name: str, curve: str = "training_loss") -> float:
    """Return the lowest value of a learning curve in all runs of an experiment."""
    return min(run.curves[curve].min() for run in results.of(name))


def error_factors(results: Results, name: str, other: str) -> pd.Series:
    """Return by which factor the mean error of ``name`` exceeds that of ``other``, by part.

    At most 10: a quotient whose divisor is almost zero has no exact value.
    """
    columns = ["training_accuracy", "validation_accuracy", "test_accuracy"]
    means = 1 - results.frame.groupby("experiment")[columns].mean()
    factors = (means.loc[name] / means.loc[other]).clip(upper=10)
    return factors.rename(lambda column: column.split("_")[0])


def single_runs() -> tuple[pd.DataFrame, float, float, float]:
    """Return the paper's comparisons of two single runs, and the limit that chance explains.

    The limit is in points, with the ends of its 95 % interval.
    """
    groups = printed_runs()
    pairs = single_run_comparisons(groups)
    columns = {
        "in the paper, points": [signed(d, 2) for d in pairs.difference],
        "larger than by chance": list(pairs.beyond_chance),
    }
    index = pairs.experiment.map(title) + " − " + pairs.minus.map(title)
    table = pd.DataFrame(columns, list(index)).rename_axis(columns="test accuracy")
    return (table, *smallest_difference(groups))


def classifiers(results: Results) -> pd.DataFrame:
    """Return published test accuracies on KMNIST, and those that were measured here."""
    table = QUOTED.merge(load("other classifiers"), "left", "model", suffixes=("", "_here"))
    table = table.sort_values("test_accuracy_percent")
    cells = table[["test_accuracy_percent", "test_accuracy_percent_here"]]
    cells = cells.map("{:.2f}".format).replace("nan", MISSING).to_numpy().tolist()
    ours = ["89", number(results, "final").removesuffix(" %")]
    names = table.model + table.old_version.map({True: " *", False: ""})
    return pd.DataFrame(
        [ours, *cells],
        index=["multilayer perceptron, the paper's final model", *names],
        columns=["test accuracy, %", "measured here, %"],
    ).rename_axis(columns="classifier")


def saturated(results: Results, units: pd.DataFrame, weights: str) -> Results:
    """Return saturation and gradient norm of the first layer, as quantities of the experiments.

    Parameters
    ----------
    results : Results
    units : DataFrame
        What :func:`kmnist_mlp.experiments.analysis.saturation_by_seed` gives.
    weights : str
        "initial" or "kept".
    """
    return replace(results, frame=units[(units.weights == weights) & (units.layer == 1)])


def judged(results: Results, *sections: str) -> pd.DataFrame:
    """Return the claims of sections, judged as the text has them and as the code ran them."""
    return in_both_readings(judge(results, {}, claims_of(*sections)))


def together(results: Results, name: str, frame: pd.DataFrame) -> Results:
    """Return results with further runs, of which only a table is known, under a name."""
    frame = pd.concat([results.frame, frame.assign(experiment=name)], ignore_index=True)
    return Results.of_frame(frame, results.data_name)


# ---- networks beyond the paper -------------------------------------------------------------------


def sampling_error(right: np.ndarray) -> float:
    """Return ± 95 % of a mean accuracy, in points, as the test images are a sample.

    Parameters
    ----------
    right : ndarray of bool, shape (networks, images)
        Which images each network classifies correctly.
    """
    share = 100 * right.mean(axis=0)
    return float(1.96 * share.std(ddof=1) / np.sqrt(len(share)))


def against_ensemble(right: np.ndarray, ensemble: np.ndarray) -> pd.DataFrame:
    """Return per network how many errors an ensemble corrects, how many it makes, and Holm's p.

    Parameters
    ----------
    right : ndarray of bool, shape (networks, images)
    ensemble : ndarray of bool, shape (images,)
    """
    pairs = [mcnemar(ensemble, network) for network in right]
    table = pd.DataFrame(pairs, columns=["corrected", "added", "p"])
    return table.assign(p=holm(table.p))


def higher(records: Records, group: str) -> list[str]:
    """Return which changes of a trial raise the accuracy on held-out clusters, with one seed."""
    points = records.changes([group])["held-out clusters"].xs(0, level="seed")
    return points.index[points > 0].tolist()


def calibration_errors(shown: Mapping[str, np.ndarray], labels: np.ndarray) -> list[str]:
    """Return the 95 % interval of the calibration error of probabilities, by their names."""
    intervals = {name: calibration_error_interval(p, labels) for name, p in shown.items()}
    return [f"{name} ({low:.3f} to {high:.3f})" for name, (low, high) in intervals.items()]


# ---- the published code --------------------------------------------------------------------------


def choices() -> pd.DataFrame:
    """Return the choices of an experiment: in the paper's text, and in its published code."""
    table = pd.read_csv(PUBLISHED / "choices.csv", index_col=0)
    code = table["the published code"].fillna(pd.Series(DEVIATIONS))
    table["the published code"] = code
    return table.rename_axis(index=None, columns="choice")


def results_by_input() -> Results:
    """Return the kept results of the baseline on other inputs, in place of experiments."""
    kept = load_readings().query("experiment == 'baseline'")
    others = {what: value for what, value in OURS.items() if what != "standardisation"}
    frame = Results.of_frame(kept, **others).frame.set_index("standardisation")
    frame = frame.loc[list(TEXTS["inputs"])].reset_index()
    return Results.of_frame(frame.assign(experiment=frame.standardisation.map(TEXTS["inputs"])))


def claim_list(claims: pd.DataFrame) -> str:
    """Return the numbers and statements of claims as text."""
    return "; ".join(f"{row.number} {row.claim}" for row in claims.itertuples()) or "none"


def claims_by_cause(judged: pd.DataFrame) -> str:
    """Return as Markdown which claims one of the two readings does not reproduce, and why."""
    failed = judged[(judged.verdict == "not reproduced") & (judged.note == "")]
    coded = failed.verdict_code.replace("", "not run")
    causes = "\n".join(
        f"- *{cause}* ({verdict} as coded): {claim_list(claims)}."
        for (cause, verdict), claims in failed.groupby([failed.cause, coded])
    )
    lost = judged[(judged.verdict == "reproduced") & (judged.verdict_code == "not reproduced")]
    return (
        f"**Claims that are not reproduced as described, by their cause:**\n\n{causes}\n\n"
        f"**Reproduced as described, but not as coded:** {claim_list(lost)}."
    )


def distance_to_paper(results: Results) -> str:
    """Return the root mean square distance to the paper's printed numbers."""
    points, loss = (distance(results, f"test_{kind}") for kind in ("accuracy", "loss"))
    return f"{points:.2f} points of test accuracy and {loss:.4f} of loss"


def of_ablated(results: Results) -> Results:
    """Return the results of the experiments of which each deviation was measured."""
    frame = results.frame[results.frame.experiment.isin(ABLATED)]
    return Results.of_frame(frame, results.data_name)


def distances_to_printed(judged: pd.DataFrame) -> str:
    """Return the median distance of our means to the paper's printed accuracies and losses."""
    printed = judged[judged.one_run & (judged.verdict_code != "")].set_index("kind")
    apart = printed[["mean", "mean_code"]].sub((printed.low + printed.high) / 2, axis=0)
    medians = apart.abs().groupby("kind").median()
    (text, code), (loss, loss_code) = medians.loc[list(KINDS[:2])].to_numpy()
    return (
        f"{text:.2f} points of accuracy ({code:.2f} as the code ran it), "
        f"{loss:.4f} of loss ({loss_code:.4f})"
    )


def cause_meanings(judged: pd.DataFrame) -> str:
    """Return what the deviations mean that are causes of claims."""
    names = {*judged.cause}
    return " ".join(f"{n.capitalize()}: {DEVIATIONS[n]}" for n in DEVIATIONS if n in names)
