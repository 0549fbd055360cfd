"""What notebooks call: begin, show a figure, put numbers into sentences, print compared lines."""

from kmnist_mlp.figures.report_figure import setting
from kmnist_mlp.report.notebook.compared_lines import (
    confusion_matrices_add_up,
    gradient_verdicts,
    planted_bug_verdicts,
    structure,
)
from kmnist_mlp.report.notebook.display import begin, say, show, show_curves, try_out
from kmnist_mlp.report.notebook.sentences import (
    at_epoch,
    compared,
    listed,
    named,
    number,
    printed,
)
from kmnist_mlp.support.statistics import plus_minus, scientific
