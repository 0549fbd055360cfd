"""A bug that is planted into backpropagation is the bug it is said to be, and checks judge it."""

import numpy as np
import pytest
from textbook import central_differences, some_batch, some_model

from kmnist_mlp.experiments.paper_gradients import (
    BUGS,
    CHECKS,
    EPSILON,
    backpropagation,
    planted_bugs,
    slopes,
    try_checks,
)
from kmnist_mlp.figures.gradients import bug_verdict

LAYERS = (8, 6, 6, 7)
FIRST = {  # of the CHECKS that detect a bug, the later ones included
    "sign": 0, "factor": 0, "transpose": 2, "mean": 3, "derivative": 0, "accumulation": 4,
}  # fmt: skip


@pytest.fixture
def batch():
    """Return a float64 network with two hidden layers of one size, and five images."""
    return some_model(LAYERS, seed=3), *some_batch(LAYERS, size=5)


def in_order(gradients):
    return gradients["weights"] + gradients["biases"]


def assert_all_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layers", [LAYERS, (9, 4, 3), (5, 4)])
def test_without_a_bug_it_gives_the_gradients_of_the_module(layers):
    model, (x, y) = some_model(layers, seed=1), some_batch(layers)
    weights, biases = model.gradients(x, y)
    assert_all_equal(in_order(backpropagation(model, x, y)), weights + biases)


@pytest.mark.parametrize("epsilon", [{}, {"epsilon": 0.1}])
def test_the_slopes_are_the_central_differences_of_every_image_and_parameter(batch, epsilon):
    model, x, y = batch
    found = in_order(slopes(model, x, y, **epsilon))
    for own, slope in zip(model.weights + model.biases, found, strict=True):
        assert slope.shape == (5, *own.shape)
        for n in range(5):
            one = slice(n, n + 1)
            step = epsilon.get("epsilon", EPSILON)
            expected = central_differences(lambda one=one: model.loss(x[one], y[one]), own, step)
            np.testing.assert_allclose(slope[n], expected, atol=1e-9)
    assert_all_equal(in_order(slopes(model, x, y)), in_order(slopes(model, x, y, 1e-4)))


def test_a_relative_difference_above_a_ten_thousandth_exceeds_the_bound(batch):
    """The larger the step, the larger the difference; of these steps, each doubles it at most."""
    for step in np.geomspace(3e-3, 3e-2, 8):
        table = try_checks(*batch, step).query("bug == 'none' and check.str.contains('relative')")
        assert (table.exceeded > 0).tolist() == (table.largest > 1e-4).tolist()


def test_the_sign_negates_every_gradient(batch):
    right, wrong = backpropagation(*batch), backpropagation(*batch, "sign")
    assert_all_equal(in_order(wrong), [-g for g in in_order(right)])


def test_the_forgotten_factor_is_the_derivative_of_tanh_in_each_hidden_layer():
    model, (x, y) = some_model((5, 4, 3), seed=2), some_batch((5, 4, 3), size=1)
    right, wrong = backpropagation(model, x, y), backpropagation(model, x, y, "factor")
    derivative = 1 - np.tanh(x @ model.weights[0] + model.biases[0]) ** 2
    assert_all_equal(right["weights"][0], wrong["weights"][0] * derivative)
    assert_all_equal([right["biases"][0]], wrong["biases"][0] * derivative)
    assert_all_equal(right["weights"][1:], wrong["weights"][1:])


def test_the_wrong_transpose_changes_only_the_square_weight_matrix(batch):
    right, wrong = backpropagation(*batch), backpropagation(*batch, "transpose")
    right["weights"][1] = right["weights"][1].T
    assert_all_equal(in_order(wrong), in_order(right))
    assert not np.allclose(right["weights"][1], right["weights"][1].T)


def test_the_mean_divides_the_gradients_of_biases_by_the_images(batch):
    right, wrong = backpropagation(*batch), backpropagation(*batch, "mean")
    assert_all_equal(wrong["weights"], right["weights"])
    assert_all_equal(wrong["biases"], [g / 5 for g in right["biases"]])


def test_the_wrong_derivative_is_that_of_tanh_in_a_network_with_the_scaled_tanh():
    """Forward pass and chain rule are written out once more: a 6-4-5 network, three images."""
    model, (x, y) = some_model((6, 4, 5), seed=2), some_batch((6, 4, 5), size=3)
    (V, W), (b, c) = model.weights, model.biases

    def losses():
        z = 1.7159 * np.tanh(2 * (x @ V + b) / 3) @ W + c
        return np.log(np.exp(z).sum(axis=1)) - z[np.arange(3), y]

    found = backpropagation(model, x, y, "derivative")
    numerical = slopes(model, x, y, bug="derivative")
    u = x @ V + b
    true = 1.7159 * 2 / 3 / np.cosh(2 * u / 3) ** 2
    factor = 1 / np.cosh(u) ** 2 / true
    assert (factor < 1 / (1.7159 * 2 / 3) + 1e-12).all()  # so at least 12.6 % too small
    for array, kind, layer in (
        (V, "weights", 0),
        (b, "biases", 0),
        (W, "weights", 1),
        (c, "biases", 1),
    ):
        slope = central_differences(lambda: losses().sum(), array, 1e-5)
        np.testing.assert_allclose(numerical[kind][layer].sum(axis=0), slope, atol=1e-7)
        if layer == 1:
            np.testing.assert_allclose(found[kind][layer], slope, atol=1e-7)
    of_images = numerical["biases"][0] * factor
    np.testing.assert_allclose(found["biases"][0], of_images.sum(axis=0), atol=1e-7)
    np.testing.assert_allclose(found["weights"][0], x.T @ of_images, atol=1e-7)


def test_accumulation_adds_the_gradients_of_the_mini_batch_before(batch):
    model, x, y = batch
    first, second = backpropagation(model, x[:2], y[:2]), backpropagation(model, x[2:], y[2:])
    wrong = backpropagation(model, x[2:], y[2:], "accumulation", first)
    sums = [a + b for a, b in zip(in_order(first), in_order(second), strict=True)]
    assert_all_equal(in_order(wrong), sums)
    assert_all_equal(
        in_order(backpropagation(model, x[2:], y[2:], "mean", first))[:3], in_order(second)[:3]
    )
    assert_all_equal(
        in_order(backpropagation(model, x, y, "accumulation")),
        in_order(backpropagation(model, x, y)),
    )


def test_a_bug_that_does_not_exist_is_refused(batch):
    with pytest.raises(ValueError, match="bug.*'typo'"):
        backpropagation(*batch, "typo")


def test_six_parameters_of_each_image_are_compared_and_every_array_of_the_network(batch):
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


def test_the_absolute_check_compares_the_differences_themselves(batch):
    model, x, y = batch
    table = try_checks(model, x[:1], y[:1]).set_index(["bug", "check"])
    right = backpropagation(model, x[:1], y[:1])
    six = [right["biases"][layer][0] for layer in (-1, 0)]
    six += [right["weights"][layer][place] for layer in (0, -1) for place in ((0, 2), (4, 5))]
    differences = 2 * np.abs(six)
    row = table.loc[("sign", "six parameters, absolute")]
    assert row.largest == pytest.approx(differences.max(), rel=1e-5)
    assert row.exceeded == (differences > 1e-4).sum()


def test_each_bug_is_detected_by_the_same_checks_whatever_the_seed(tiny10):
    tried = planted_bugs(tiny10, range(3))
    assert tried.attrs["data_name"] == tiny10.name
    assert tried.seed.unique().tolist() == [0, 1, 2] and len(tried) == 3 * len(BUGS) * len(CHECKS)
    assert tried.compared.unique().tolist() == [18, 6]
    for (bug, check), own in tried.groupby(["bug", "check"]):
        detected = CHECKS.index(check) >= FIRST.get(bug, len(CHECKS))
        assert bug_verdict(own) == ("detected" if detected else "passes"), (bug, check)


def test_the_seeds_are_those_of_the_report_unless_others_are_given(tiny10, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    assert planted_bugs(tiny10).seed.unique().tolist() == [0, 1]


def test_a_larger_step_makes_the_central_differences_less_exact(tiny10):
    small, large = (planted_bugs(tiny10, [0], *step) for step in ((), (100 * EPSILON,)))
    right = [table.loc[table.bug == "none", "largest"].to_numpy() for table in (small, large)]
    assert (right[1] > 1000 * right[0]).all()
