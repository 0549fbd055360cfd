"""Each activation is the function that its name says, and its derivative is that function's."""

import math

import numpy as np
import pytest

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import ACTIVATION_NAMES

Z = np.array([-30.0, -3.0, -1.0, -0.1, 0.1, 0.5, 2.0, 30.0])
TEXTBOOK = {
    "tanh": math.tanh,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "ReLU": lambda z: max(z, 0.0),
}

each_activation = pytest.mark.parametrize("name", ACTIVATION_NAMES)


def test_every_name_a_configuration_may_give_has_its_activation():
    assert set(ACTIVATIONS) == set(ACTIVATION_NAMES) == set(TEXTBOOK)
    assert all(activation.name == name for name, activation in ACTIVATIONS.items())


@each_activation
def test_values_are_those_of_the_textbook_formula(name):
    expected = [TEXTBOOK[name](z) for z in Z]
    np.testing.assert_allclose(ACTIVATIONS[name].value(Z), expected, rtol=1e-12, atol=1e-15)


@each_activation
def test_the_derivative_of_the_output_is_the_slope_of_the_function(name):
    f, h = ACTIVATIONS[name], 1e-6
    slope = (f.value(Z + h) - f.value(Z - h)) / (2 * h)
    np.testing.assert_allclose(f.derivative(f.value(Z)), slope, atol=2e-9)


@each_activation
def test_values_can_be_written_over_the_input(name):
    z = Z.copy()
    expected = ACTIVATIONS[name].value(Z)
    assert ACTIVATIONS[name].value(z, out=z) is z
    np.testing.assert_array_equal(z, expected)


@each_activation
def test_a_derivative_is_written_into_the_given_array_and_spares_its_input(name):
    a = ACTIVATIONS[name].value(Z)
    kept, out = a.copy(), np.full_like(a, 99)
    assert ACTIVATIONS[name].derivative(a, out=out) is out
    np.testing.assert_array_equal(a, kept)
    np.testing.assert_array_equal(out, ACTIVATIONS[name].derivative(a))


@each_activation
def test_without_out_the_input_is_left_alone(name):
    z = Z.copy()
    a = ACTIVATIONS[name].value(z)
    kept = a.copy()
    ACTIVATIONS[name].derivative(a)
    np.testing.assert_array_equal(z, Z)
    np.testing.assert_array_equal(a, kept)


@each_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_number_is_kept(name, dtype):
    a = ACTIVATIONS[name].value(Z.astype(dtype))
    assert a.dtype == dtype
    assert ACTIVATIONS[name].derivative(a).dtype == dtype


@each_activation
def test_huge_inputs_neither_overflow_nor_warn(name):
    z = np.array([-1e4, 1e4, -3e38, 3e38], np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = ACTIVATIONS[name].value(z)
        slope = ACTIVATIONS[name].derivative(a)
    ends = {"tanh": (-1, 1), "sigmoid": (0, 1), "ReLU": (0, z[1])}[name]
    np.testing.assert_array_equal(a[:2], ends)
    np.testing.assert_array_equal(slope, [0, 1, 0, 1] if name == "ReLU" else [0, 0, 0, 0])


@each_activation
def test_a_list_is_taken_like_an_array(name):
    np.testing.assert_array_equal(ACTIVATIONS[name].value(Z.tolist()), ACTIVATIONS[name].value(Z))


def test_relu_has_slope_zero_at_its_kink():
    relu = ACTIVATIONS["ReLU"]
    assert relu.derivative(relu.value(np.array([0.0, -0.0]))).tolist() == [0, 0]
