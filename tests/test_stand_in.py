"""The stand-in is always the same, in the form of Kuzushiji-MNIST."""

import hashlib

import numpy as np

from kmnist_mlp.data import CLASS_NAMES
from kmnist_mlp.datasets.stand_in import KANA, draw_stand_in


def test_it_is_the_same_on_every_machine_with_the_shapes_types_and_classes_of_kmnist():
    drawn = draw_stand_in()
    together = b"".join(array.tobytes() for array in drawn)
    assert hashlib.sha256(together).hexdigest().startswith("b8b0a09f1fb8")
    assert [array.shape for array in drawn] == [(6000, 28, 28), (6000,), (1000, 28, 28), (1000,)]
    assert {array.dtype for array in drawn} == {np.dtype(np.uint8)}
    assert tuple(KANA) == CLASS_NAMES
