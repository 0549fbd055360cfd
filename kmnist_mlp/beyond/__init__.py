"""Beyond the paper: from its baseline to the most accurate multilayer perceptron that we found.

``load_best()`` returns that network, ``load_ensemble()`` all that differ from it only in their
seed. Both need NumPy alone: the other modules of this subpackage, which need pandas and the
experiments, are imported by their own names.
"""

from kmnist_mlp.beyond.pretrained import load_best, load_ensemble

__all__ = ["load_best", "load_ensemble"]
