"""What notebooks call: begin, show an exhibit, put numbers into sentences, print verdicts."""

from kmnist_mlp.report.notebook.display import begin, say, show, show_curves, try_out
from kmnist_mlp.report.notebook.sentences import (
    at_epoch,
    briefly,
    compared,
    error,
    fluctuation,
    number,
    percent,
)
from kmnist_mlp.report.notebook.verdicts import (
    confusion_matrices_add_up,
    gradient_verdicts,
    planted_bug_verdicts,
    structure,
)
from kmnist_mlp.support.statistics import scientific

__all__ = [
    "at_epoch",
    "begin",
    "briefly",
    "compared",
    "confusion_matrices_add_up",
    "error",
    "fluctuation",
    "gradient_verdicts",
    "number",
    "percent",
    "planted_bug_verdicts",
    "say",
    "scientific",
    "show",
    "show_curves",
    "structure",
    "try_out",
]
