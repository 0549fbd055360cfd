"""Each activation is the function that its name says, whatever the type and size of its input.

That a derivative is the slope of its function is tried whenever an activation is made.
"""

import numpy as np
import pytest
from textbook import FUNCTIONS

from kmnist_mlp.activations import ACTIVATIONS

Z = np.array([[-30.0, -3.0, -1.0, -0.1], [0.1, 0.5, 2.0, 30.0]])

each_activation = pytest.mark.parametrize("name", ACTIVATIONS)


@each_activation
def test_values_are_those_of_the_formula_and_written_where_they_are_asked_for(name):
    f, z = ACTIVATIONS[name], Z.astype(np.float32)
    a, out = f.value(z), np.empty_like(z)
    np.testing.assert_allclose(a, FUNCTIONS[name](Z), rtol=1e-6, atol=1e-7)
    assert a.dtype == f.derivative(a).dtype == np.float32
    assert f.derivative(a, out=out) is out and f.value(z, out=z) is z


@each_activation
def test_huge_inputs_neither_overflow_nor_warn(name):
    z = np.array([-1e4, 1e4, -3e38, 3e38], np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = ACTIVATIONS[name].value(z)
        slope = ACTIVATIONS[name].derivative(a)
    ends = {"tanh": (-1, 1), "sigmoid": (0, 1), "ReLU": (0, z[1])}[name]
    np.testing.assert_array_equal(a[:2], ends)
    np.testing.assert_array_equal(slope, [0, 1, 0, 1] if name == "ReLU" else [0, 0, 0, 0])
