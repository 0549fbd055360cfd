"""Training methods beyond the paper, off by default: data augmentation, dropout and others.

A new one is a class with hooks
(:class:`~kmnist_mlp.extensions.method.Method`), its option in
:class:`~kmnist_mlp.Config`, and its name below. Without an option, an
object with hooks is tried at once as a callback of
:func:`~kmnist_mlp.train`.
"""

from kmnist_mlp.extensions.augmentation import Augmentation
from kmnist_mlp.extensions.batch_normalisation import BatchNormalisation
from kmnist_mlp.extensions.regularisation import Dropout, LabelSmoothing, Mixup, WeightAverage

METHODS = (  # in the order of use
    Augmentation, LabelSmoothing, Mixup, BatchNormalisation, Dropout, WeightAverage
)  # fmt: skip
