"""Beyond the paper: from its baseline to the best multilayer perceptron that we found.

``load_best()`` returns that network. It needs NumPy alone: the other modules of this subpackage,
which need pandas and the experiments, are imported by their own names.
"""

from kmnist_mlp.beyond.pretrained import load_best

__all__ = ["load_best"]
