"""Figures and tables of results, each with the numbers that it shows.

Each function returns a
:class:`~kmnist_mlp.figures.report_figure.ReportFigure`: panels that pages
set side by side, the numbers drawn, and a sentence with what they show.
"""

from kmnist_mlp.figures.comparison import (
    accuracy_by_parameters,
    accuracy_by_penalty,
    against_paper,
    contributions,
    difference_to_paper,
    heat_maps,
    scoreboard_figure,
)
from kmnist_mlp.figures.curves import learning_curves, overlay
from kmnist_mlp.figures.images import (
    confusion_matrix,
    distance_histogram,
    example_images,
    first_layer_weights,
    most_confident_errors,
)
from kmnist_mlp.figures.sensitivity import difference_by_epsilon
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.figures.tables import gradient_table
