"""Beyond the paper: more accurate fully connected networks.

``load_best()`` returns the final network of seed 0, ``load_ensemble()`` those of all seeds. Both
need NumPy alone: the other modules of this subpackage, which need pandas and the experiments, are
imported by their own names.
"""

from kmnist_mlp.beyond.pretrained import load_best, load_ensemble

__all__ = ["load_best", "load_ensemble"]
