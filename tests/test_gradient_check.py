"""The paper's gradient check computes what it says, and would notice a wrong gradient."""

import numpy as np
import pytest

from kmnist_mlp import MLP, check_gradients, gradient_check
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.gradient_check import (
    PAPER_PARAMETERS,
    TOLERANCE,
    central_difference,
    check_paper_patterns,
    differences_by_epsilon,
    paper_patterns,
)

COLUMNS = [
    "weight",
    "index",
    "approximated_gradient",
    "actual_gradient",
    "difference",
    "within_tolerance",
]


@pytest.fixture
def pattern():
    """Return a float64 network that is large enough for the paper's indices, and one pattern."""
    rng = np.random.default_rng(4)
    model = MLP((12, 8, 10), "tanh", seed=4, dtype=np.float64)
    return model, rng.standard_normal((1, 12)), np.array([3])


def cross_entropy(weights, biases, x, y):
    """Return the summed cross-entropy of a network with one hidden layer of tanh, written out."""
    logits = np.tanh(x @ weights[0] + biases[0]) @ weights[1] + biases[1]
    return -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[
        np.arange(len(y)), y
    ].sum()


def parameters_of(model):
    return [array.copy() for array in model.weights + model.biases]


def test_the_table_has_the_papers_rows_and_columns(pattern):
    table = check_gradients(*pattern)
    assert list(table.columns) == COLUMNS
    assert list(zip(table["weight"], table["index"], strict=True)) == [
        ("output bias", "0"),
        ("hidden bias", "0"),
        ("input to hidden", "0,2"),
        ("input to hidden", "4,5"),
        ("hidden to output", "0,2"),
        ("hidden to output", "4,5"),
    ]


def test_each_row_holds_the_central_difference_of_the_parameter_it_names(pattern):
    model, x, y = pattern
    table = check_gradients(model, x, y, epsilon=1e-2)
    places = [(3, 0), (2, 0), (0, (0, 2)), (0, (4, 5)), (1, (0, 2)), (1, (4, 5))]
    expected = []
    for array, index in places:
        losses = []
        for step in (1e-2, -1e-2):
            w1, w2, b1, b2 = moved = parameters_of(model)
            moved[array][index] += step
            losses.append(cross_entropy([w1, w2], [b1, b2], x, y))
        expected.append((losses[0] - losses[1]) / 2e-2)
    np.testing.assert_allclose(table["approximated_gradient"], expected, rtol=1e-10)


def test_the_default_step_is_the_papers(pattern):
    assert check_gradients(*pattern).equals(check_gradients(*pattern, epsilon=1e-2))
    assert not check_gradients(*pattern).equals(check_gradients(*pattern, epsilon=1e-3))


def test_the_actual_gradient_is_that_of_backpropagation(pattern):
    model, x, y = pattern
    weight_gradients, bias_gradients = model.gradients(x, y)
    expected = [
        bias_gradients[1][0],
        bias_gradients[0][0],
        weight_gradients[0][0, 2],
        weight_gradients[0][4, 5],
        weight_gradients[1][0, 2],
        weight_gradients[1][4, 5],
    ]
    assert check_gradients(model, x, y)["actual_gradient"].tolist() == expected


def test_the_difference_is_absolute_and_small(pattern):
    table = check_gradients(*pattern)
    difference = (table["approximated_gradient"] - table["actual_gradient"]).abs()
    np.testing.assert_array_equal(table["difference"], difference)
    assert 0 < table["difference"].max() < TOLERANCE == 1e-4
    assert table["within_tolerance"].all()


@pytest.mark.parametrize("wrong", [lambda g: -g, lambda g: 2 * g, lambda g: g + 2e-4])
def test_a_wrong_gradient_is_out_of_tolerance_in_every_row(pattern, monkeypatch, wrong):
    model, x, y = pattern
    right = MLP.gradients
    monkeypatch.setattr(
        MLP, "gradients", lambda *call: tuple([wrong(g) for g in part] for part in right(*call))
    )
    table = check_gradients(model, x, y)
    assert not table["within_tolerance"].any()


def test_the_check_leaves_the_model_as_it_was(pattern):
    model, x, y = pattern
    before = parameters_of(model)
    check_gradients(model, x, y, epsilon=0.3)
    for kept, array in zip(before, parameters_of(model), strict=True):
        np.testing.assert_array_equal(array, kept)


def test_a_parameter_is_restored_even_where_the_loss_fails(pattern):
    model, x, _ = pattern
    kept = model.weights[0][0, 2]
    with pytest.raises(ValueError, match="class"):
        central_difference(model, model.weights[0], (0, 2), x, np.array([10]), 1e-2)
    assert model.weights[0][0, 2] == kept


def test_any_parameter_can_be_checked(pattern):
    table = check_gradients(*pattern, parameters=(("mine", "weights", 1, (7, 9)),))
    assert table["weight"].tolist() == ["mine"]
    assert table["actual_gradient"][0] == pattern[0].gradients(*pattern[1:])[0][1][7, 9]


def test_tables_1_to_3_take_the_first_sixth_and_last_training_pattern(tiny10):
    table = check_paper_patterns(tiny10, seed=2)
    assert list(table.columns) == ["pattern", *COLUMNS]
    assert table["pattern"].tolist() == ["first"] * 6 + ["sixth"] * 6 + ["last"] * 6
    split = split_and_standardise(tiny10, seed=2, dtype=np.float64)
    model = MLP((36, 128, 10), "tanh", seed=2, dtype=np.float64)
    train = split.train[:]
    for block, row in enumerate((0, 5, len(train) - 1)):
        expected = check_gradients(model, train[[row]], split.train_labels[[row]])
        given = table.iloc[6 * block : 6 * block + 6, 1:].reset_index(drop=True)
        assert given.equals(expected)


def test_a_difference_that_equals_the_tolerance_is_within_it(pattern, monkeypatch):
    differences = check_gradients(*pattern)["difference"]
    for tolerance in (differences.max(), differences.min()):
        monkeypatch.setattr(gradient_check, "TOLERANCE", tolerance)
        table = check_gradients(*pattern)
        assert table["within_tolerance"].tolist() == (differences <= tolerance).tolist()


def test_the_seed_is_0_unless_given_and_decides_network_and_patterns(tiny10):
    for table in (check_paper_patterns, differences_by_epsilon):
        assert table(tiny10).equals(table(tiny10, seed=0))
        assert not table(tiny10).equals(table(tiny10, seed=1))
    drawn, given = (next(paper_patterns(tiny10, *seed)) for seed in ((), (0,)))
    assert np.array_equal(drawn[2], given[2]) and repr(drawn[1]) == repr(given[1])


def test_the_tables_say_what_they_hold(tiny10):
    table = check_paper_patterns(tiny10)
    assert table.attrs["data_name"] == tiny10.name
    assert table.index.tolist() == list(range(18))
    assert differences_by_epsilon(tiny10).index.name == "epsilon"


def test_every_gradient_of_the_paper_is_within_its_tolerance(kmnist):
    table = check_paper_patterns(kmnist)
    assert len(table) == 3 * len(PAPER_PARAMETERS) == 18
    assert table["within_tolerance"].all()


def test_a_ten_times_smaller_step_gives_a_hundred_times_smaller_difference(tiny10):
    table = differences_by_epsilon(tiny10)
    assert table.shape == (8, 18)
    np.testing.assert_allclose(table.index, [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
    np.testing.assert_allclose(
        table.loc[1e-2], check_paper_patterns(tiny10)["difference"], rtol=1e-6, atol=1e-14
    )
    ratio = table.iloc[1].max() / table.iloc[2].max()
    assert 95 < ratio < 105
