"""A bug that is planted into backpropagation is the bug it is said to be, and checks judge it."""

import numpy as np
import pytest
from textbook import central_differences, some_batch, some_model

from kmnist_mlp.experiments import paper_gradients, published_code
from kmnist_mlp.experiments.paper_gradients import BUGS, CHECKS, backpropagation, slopes, try_checks
from kmnist_mlp.gradient_check import check_gradients

LAYERS = (8, 6, 6, 7)


@pytest.fixture
def batch():
    """Return a float64 network with two hidden layers of one size, and five images."""
    return some_model(LAYERS, seed=3), *some_batch(LAYERS, size=5)


def assert_all_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("epsilon", "names", "f"),
    [
        (paper_gradients.EPSILON, (), np.tanh),
        (0.1, (), np.tanh),
        (1e-5, {"scaled tanh"}, published_code.scaled_tanh),
    ],
)
def test_the_slopes_are_the_central_differences_of_every_image_and_parameter(
    batch, epsilon, names, f
):
    model, x, y = batch
    found = slopes(model, x, y, epsilon, f)
    for array, slope in zip(model.weights + model.biases, found, strict=True):
        assert slope.shape == (5, *array.shape)
        for n in range(5):

            def loss(n=n):
                *_, log_p = published_code.forward(model, x[[n]], frozenset(names))
                return -log_p[0, y[n]]

            expected = central_differences(loss, array, epsilon)
            np.testing.assert_allclose(slope[n], expected, atol=1e-9)


def test_each_bug_changes_the_gradients_that_it_should_and_no_other(batch):
    model, x, y = batch
    right = backpropagation(*batch)
    assert_all_equal(backpropagation(*batch, "sign"), [-g for g in right])
    transposed = [right[0], right[1].T, *right[2:]]
    assert_all_equal(backpropagation(*batch, "transpose"), transposed)
    assert not np.allclose(right[1], right[1].T)
    averaged = right[:3] + [g / 5 for g in right[3:]]
    assert_all_equal(backpropagation(*batch, "mean"), averaged)
    first, second = backpropagation(model, x[:2], y[:2]), backpropagation(model, x[2:], y[2:])
    added = backpropagation(model, x[2:], y[2:], "accumulation", first)
    assert_all_equal(added, [a + b for a, b in zip(first, second, strict=True)])
    assert_all_equal(backpropagation(*batch, "accumulation"), right)
    assert_all_equal(backpropagation(model, x[2:], y[2:], "transpose", first)[:1], second[:1])


def test_the_forgotten_factor_is_the_derivative_of_tanh_in_each_hidden_layer():
    model, (x, y) = some_model((5, 4, 3), seed=2), some_batch((5, 4, 3), size=1)
    right, wrong = backpropagation(model, x, y), backpropagation(model, x, y, "factor")
    derivative = 1 - np.tanh(x @ model.weights[0] + model.biases[0])[0] ** 2
    factors = derivative, 1, derivative, 1
    assert_all_equal(right, [g * factor for g, factor in zip(wrong, factors, strict=True)])


def test_the_wrong_derivative_is_that_of_tanh_in_a_network_with_the_scaled_tanh(batch):
    numerical = slopes(*batch, 1e-4, published_code.scaled_tanh)
    found = backpropagation(*batch, "derivative")
    numerical = [slope.sum(axis=0) for slope in numerical]
    right = [np.allclose(a, b, atol=1e-7) for a, b in zip(found, numerical, strict=True)]
    assert right == [False, False, True, False, False, True], "all but those of the output layer"


def test_the_checks_count_and_measure_the_differences_that_they_name(batch):
    table = try_checks(*batch).set_index(["bug", "check"])
    assert list(table.index) == [(bug, check) for bug in BUGS for check in CHECKS]
    assert table.loc["none"].compared.tolist() == [5 * 6, 5 * 6, 5 * 6, 6, 6]
    assert table.loc["none"].largest.max() < 1e-5 and not table.loc["none"].exceeded.any()
    assert table.loc["transpose"].exceeded.tolist() == [0, 0, 5, 1, 1]
    assert table.loc["mean"].exceeded.tolist() == [0, 0, 0, 3, 3]
    assert table.loc["accumulation"].exceeded.tolist() == [0, 0, 0, 0, 6]
    assert table.loc["sign"].exceeded.tolist()[1:] == [30, 30, 6, 6]
    assert table.loc["sign"].largest.tolist()[1:] == pytest.approx([2, 2, 2, 2])
    assert table.loc["accumulation"].largest.iloc[4] == pytest.approx(0.5)  # g and 2 g
    assert table.loc["mean"].largest.iloc[3] == pytest.approx(0.8)  # 1 - 1/5
    # the absolute one compares the differences themselves: here, twice the gradient
    model, x, y = batch
    row = try_checks(model, x[:1], y[:1]).iloc[len(CHECKS)]
    six = check_gradients(model, x[:1], y[:1]).actual_gradient
    assert row.largest == pytest.approx(2 * six.abs().max(), rel=1e-5)
    assert row.exceeded == (2 * six.abs() > 1e-4).sum()


def test_bugs_are_planted_with_each_seed_and_the_step_that_is_given(tiny10, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "3")
    tried = paper_gradients.planted_bugs(tiny10)
    assert tried.attrs["data_name"] == tiny10.name
    assert tried.seed.unique().tolist() == [0, 1, 2] and len(tried) == 3 * len(BUGS) * len(CHECKS)
    assert tried.compared.unique().tolist() == [18, 6]
    large = paper_gradients.planted_bugs(tiny10, 100 * paper_gradients.EPSILON)
    assert (large.largest > 1000 * tried.largest)[large.bug == "none"].all(), "less exact"
