"""Looking inside networks, and training them, from a notebook."""

from kmnist_mlp.laboratory.backpropagation import Backpropagation
from kmnist_mlp.laboratory.in_page import drawing_pad
from kmnist_mlp.laboratory.loss_surface import LossSurface
from kmnist_mlp.laboratory.panel import Laboratory, explorer, menu, slider
