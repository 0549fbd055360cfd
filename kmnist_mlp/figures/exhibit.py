"""Former names, until all figures and tables are converted."""

from kmnist_mlp.figures.report_figure import ShownData as ExhibitData
from kmnist_mlp.figures.report_figure import label, setting, shown, title

__all__ = ["ExhibitData", "label", "setting", "shown", "title"]
