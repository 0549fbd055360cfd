"""Kuzushiji-MNIST: the official files, verified, and the stand-in that is drawn without them."""

from kmnist_mlp.datasets.kmnist import StandInWarning, load_kmnist

__all__ = ["StandInWarning", "load_kmnist"]
