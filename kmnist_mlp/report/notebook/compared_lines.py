"""Lines that are the same on every machine and data set when all is well: nbval compares them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.analysis import ErrorAnalysis
from kmnist_mlp.figures.gradients import bug_verdict
from kmnist_mlp.results import TrainingResult


def structure(*frames: pd.DataFrame) -> None:
    """Print the names of the rows and columns of tables."""
    for frame in frames:
        print("rows:", *frame.index, sep="\n  ")
        print("columns:", *frame.columns, sep="\n  ")


def confusion_matrices_add_up(
    analysis: ErrorAnalysis, runs: list[TrainingResult], data: Dataset
) -> None:
    """Print whether the confusion matrices hold every test image, and the accuracies of the runs.

    Two images of difference are allowed: in chunks of another size, BLAS rounds differently.
    """
    counts = np.bincount(data.test_labels, minlength=len(data.class_names))
    for seed, (matrix, run) in enumerate(zip(analysis.matrices, runs, strict=True)):
        if (rows := matrix.sum(axis=1)).tolist() != counts.tolist():
            print(f"confusion matrix {seed}: WRONG; its rows are {rows} images, not {counts}")
        right = run.test_accuracy * counts.sum()
        if abs(np.trace(matrix) - right) > 2.5:
            print(f"confusion matrix {seed}: WRONG; {np.trace(matrix)} right, not {right:.0f}")
    print("confusion matrices: compared with the test labels and the test accuracy")


def gradient_verdicts(checks: dict[int, pd.DataFrame]) -> None:
    """Print for every checked gradient whether all seeds keep within the tolerance."""
    together = pd.concat(checks.values())
    for key, rows in together.groupby(["pattern", "weight", "index"], sort=False):
        worst = rows.difference.max()
        verdict = "within 0.0001" if rows.within_tolerance.all() else f"TOO LARGE: {worst:.1e}"
        print(f"{key[0]} image, {key[1]} [{key[2]}]: {verdict}")


def planted_bug_verdicts(tried: pd.DataFrame) -> None:
    """Print for every planted bug which checks detect it; a seed that disagrees shows."""
    for bug, of_bug in tried.groupby("bug", sort=False):
        print(f"planted bug: {bug}")
        for check, own in of_bug.groupby("check", sort=False):
            print(f"  {check}: {bug_verdict(own)}")
