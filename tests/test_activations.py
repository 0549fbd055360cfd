"""Each activation is the function that its name says, and its derivative is that function's."""

import numpy as np
import pytest
from textbook import FUNCTIONS

from kmnist_mlp.activations import ACTIVATIONS

Z = np.array([[-30.0, -3.0, -1.0, -0.1], [0.1, 0.5, 2.0, 30.0]])

each_activation = pytest.mark.parametrize("name", ACTIVATIONS)


@each_activation
def test_values_are_those_of_the_formula_and_the_derivative_is_its_slope(name):
    f, formula, h = ACTIVATIONS[name], FUNCTIONS[name], 1e-6
    a = f.value(Z)
    np.testing.assert_allclose(a, formula(Z), rtol=1e-12, atol=1e-15)
    slope = (formula(Z + h) - formula(Z - h)) / (2 * h)
    np.testing.assert_allclose(f.derivative(a), slope, atol=2e-9)


@each_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_written_where_they_are_asked_for_and_nowhere_else(name, dtype):
    f, z = ACTIVATIONS[name], Z.astype(dtype)
    a = f.value(z)
    kept, out = a.copy(), np.full_like(a, 99)
    slope = f.derivative(a)
    assert a.dtype == slope.dtype == dtype
    assert f.derivative(a, out=out) is out
    for array, expected in ((z, Z.astype(dtype)), (a, kept), (out, slope)):
        np.testing.assert_array_equal(array, expected)
    assert f.value(z, out=z) is z
    np.testing.assert_array_equal(z, a)


@each_activation
def test_huge_inputs_neither_overflow_nor_warn(name):
    z = np.array([-1e4, 1e4, -3e38, 3e38], np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = ACTIVATIONS[name].value(z)
        slope = ACTIVATIONS[name].derivative(a)
    ends = {"tanh": (-1, 1), "sigmoid": (0, 1), "ReLU": (0, z[1])}[name]
    np.testing.assert_array_equal(a[:2], ends)
    np.testing.assert_array_equal(slope, [0, 1, 0, 1] if name == "ReLU" else [0, 0, 0, 0])


def test_relu_has_slope_zero_at_its_kink():
    relu = ACTIVATIONS["ReLU"]
    assert relu.derivative(relu.value(np.array([0.0, -0.0]))).tolist() == [0, 0]
