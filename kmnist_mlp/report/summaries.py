"""What notebooks state in sentences and small tables, computed: a function each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.evaluation import calibration_error_interval
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.experiments.analysis import origin_auc
from kmnist_mlp.experiments.causes import in_both_readings
from kmnist_mlp.experiments.claims import KINDS, claims_of, judge
from kmnist_mlp.experiments.paper import (
    EXPERIMENTS,
    PAPER,
    PUBLISHED,
    offset_and_rest,
    paper_curves,
    published_gradients,
)
from kmnist_mlp.experiments.paper_gradients import would_pass
from kmnist_mlp.experiments.published_code import DEVIATIONS
from kmnist_mlp.experiments.readings import ABLATED, OURS, load_curves, load_readings
from kmnist_mlp.experiments.runs import Results, default_seeds
from kmnist_mlp.experiments.sweep import (
    measured,
    printed_runs,
    quoted,
    single_run_comparisons,
    smallest_difference,
)
from kmnist_mlp.figures.gradients import relative_differences
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.sensitivity import distance
from kmnist_mlp.report.notebook.sentences import number
from kmnist_mlp.support.statistics import MISSING, holm, mcnemar, signed

PARTS = ("training", "validation", "test")
INPUTS = {  # by the names of standardisation in Config
    "each pixel standardised": "pixel",
    "all pixels standardised together": "global",
    "each image standardised": "image",
    "divided by 255": "scale",
    "raw, 0 to 255": "none",
}

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
    columns = {
        "test accuracy": "test_accuracy",
        "test loss": "test_loss",
        "validation accuracy": "validation_accuracy",
        "weights of epoch": "best_epoch",
    }
    rows = {
        label: {heading: number(results, label, q) for heading, q in columns.items()}
        for label in results.names
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="pixels")


def lowest(results: Results, name: str, curve: str = "training_loss") -> float:
    """Return the lowest value of a learning curve in all runs of an experiment."""
    return min(run.curves[curve].min() for run in results.of(name))


def error_factors(results: Results, name: str, other: str) -> pd.Series:
    """Return by which factor the mean error of ``name`` exceeds that of ``other``, by part.

    At most 10: a quotient whose divisor is almost zero has no exact value.
    """
    many, few = (
        pd.Series({part: 100 - results.values(f"{part}_accuracy", n).mean() for part in PARTS})
        for n in (name, other)
    )
    return (many / few).clip(upper=10)


def origin_aucs(data: Dataset) -> tuple[list[float], list[float]]:
    """Return the AUC of test against training images, and of the control, of up to three seeds."""
    seeds = default_seeds()[:3]
    tested, control = ([origin_auc(data, seed, other) for seed in seeds] for other in (False, True))
    return tested, control


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
    names = zip(pairs.experiment, pairs.minus, strict=True)
    index = [f"{title(one)} − {title(other)}" for one, other in names]
    table = pd.DataFrame(columns, index).rename_axis(columns="test accuracy")
    return (table, *smallest_difference(groups))


def classifiers(results: Results) -> pd.DataFrame:
    """Return published test accuracies on KMNIST, and those that were measured here."""
    here = measured().set_index("model").test_accuracy_percent
    final = ("89", number(results, "final").removesuffix(" %"))
    rows = {"multilayer perceptron, the paper's final model": final}
    for row in quoted().sort_values("test_accuracy_percent").itertuples():
        ours = f"{here[row.model]:.2f}" if row.model in here else MISSING
        rows[row.model + " *" * row.old_version] = (f"{row.test_accuracy_percent:.2f}", ours)
    columns = ["test accuracy, %", "measured here, %"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis(columns="classifier")


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
    runs = results.runs | {(name, seed): None for seed in frame.seed[frame.experiment == name]}
    return Results(runs, frame, results.data_name)


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


def higher(records: Records, titles: Iterable[str]) -> list[str]:
    """Return which changes of a trial raise the mean accuracy on held-out clusters."""
    changes = {title: records.difference(plan.changed(title), plan.TRIAL) for title in titles}
    return [title for title, points in changes.items() if points[0] > 0]


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
    """Return the kept results of the baseline on :data:`INPUTS`, in place of experiments."""
    kept = load_readings()
    frames = [
        Results.of_frame(kept, **{**OURS, "standardisation": kind}).frame
        for kind in INPUTS.values()
    ]
    frames = [frame[frame.experiment == "baseline"] for frame in frames]
    results = Results({}, frames[0][:0], "KMNIST")
    for label, frame in zip(INPUTS, frames, strict=True):
        results = together(results, label, frame)
    return results


def largest_input(data: Dataset) -> float:
    """Return the largest input of the baseline in the test images, in standard deviations."""
    split = split_and_standardise(data, EXPERIMENTS["baseline"])
    images = data.test_images.reshape(len(data.test_images), -1)
    return float(((images - split.mean) / split.std).max())


def claim_list(claims: pd.DataFrame) -> str:
    """Return the numbers and statements of claims as text."""
    return "; ".join(f"{row.number} {row.claim}" for row in claims.itertuples()) or "none"


def claims_by_cause(judged: pd.DataFrame) -> str:
    """Return as Markdown which claims one of the two readings does not reproduce, and why."""
    failed = judged[(judged.verdict == "not reproduced") & (judged.note == "")]
    coded = failed.verdict_code.replace("", "not run")
    causes = [
        f"- *{cause}* ({verdict} as coded): {claim_list(own)}."
        for (cause, verdict), own in failed.groupby([failed.cause, coded])
    ]
    lost = judged[(judged.verdict == "reproduced") & (judged.verdict_code == "not reproduced")]
    return "\n".join(
        [
            "**Claims that are not reproduced as described, by their cause:**\n",
            *causes,
            f"\n**Reproduced as described, but not as coded:** {claim_list(lost)}.",
        ]
    )


def distance_to_paper(results: Results) -> str:
    """Return the root mean square distance to the paper's printed numbers."""
    points, loss = (distance(results, f"test_{kind}") for kind in ("accuracy", "loss"))
    return f"{points:.2f} points of test accuracy and {loss:.4f} of loss"


def of_ablated(results: Results) -> Results:
    """Return the results of the experiments of which each deviation was measured."""
    frame = results.frame[results.frame.experiment.isin(ABLATED)]
    runs = {key: run for key, run in results.runs.items() if key[0] in ABLATED}
    return Results(runs, frame, results.data_name)


def distances_to_printed(judged: pd.DataFrame) -> str:
    """Return the median distance of our means to the paper's printed accuracies and losses."""
    printed = judged[judged.kind.isin(KINDS[:2]) & judged.one_run & (judged.verdict_code != "")]
    middle = (printed.low + printed.high) / 2
    text, code = (
        abs(printed[mean] - middle).groupby(printed.kind).median() for mean in ("mean", "mean_code")
    )
    accuracy, loss = KINDS[:2]
    return (
        f"{text[accuracy]:.2f} points of accuracy ({code[accuracy]:.2f} as the code ran it), "
        f"{text[loss]:.4f} of loss ({code[loss]:.4f})"
    )


def cause_meanings(judged: pd.DataFrame) -> str:
    """Return what the deviations mean that are causes of claims."""
    names = {*judged.cause}
    return " ".join(f"{n.capitalize()}: {DEVIATIONS[n]}" for n in DEVIATIONS if n in names)
