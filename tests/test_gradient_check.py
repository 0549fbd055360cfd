"""The paper's gradient check computes what it says, and would notice a wrong gradient."""

import numpy as np
import pytest
from textbook import probabilities, some_batch, some_model

from kmnist_mlp import MLP, Config, check_gradients, gradient_check
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.experiments.paper_gradients import check_paper_patterns, differences_by_epsilon

LAYERS = (12, 8, 10)
COLUMNS = ["weight", "index", *gradient_check.COLUMNS[2:]]
PAPERS = [  # name, array of the network, index
    ("output bias", "biases", 1, (0,)),
    ("hidden bias", "biases", 0, (0,)),
    ("input to hidden", "weights", 0, (0, 2)),
    ("input to hidden", "weights", 0, (4, 5)),
    ("hidden to output", "weights", 1, (0, 2)),
    ("hidden to output", "weights", 1, (4, 5)),
]


@pytest.fixture
def pattern():
    """Return a float64 network that is large enough for the paper's indices, and one pattern."""
    return some_model(LAYERS, seed=4), some_batch(LAYERS, size=1)[0], np.array([3])


@pytest.mark.parametrize("epsilon", [{}, {"epsilon": 0.3}])
def test_each_row_compares_both_gradients_of_the_parameter_that_it_names(pattern, epsilon):
    model, x, y = pattern
    kept, step = model.parameters.copy(), epsilon.get("epsilon", 1e-2)
    table = check_gradients(model, x, y, **epsilon)
    np.testing.assert_array_equal(model.parameters, kept)
    assert list(table.columns) == COLUMNS
    computed = dict(zip(("weights", "biases"), model.gradients(x, y), strict=True))
    for row, (name, kind, layer, index) in zip(table.itertuples(), PAPERS, strict=True):
        assert (row.weight, row.index) == (name, ",".join(map(str, index)))
        losses = []
        for change in (step, -step):
            moved = model.copy()
            getattr(moved, kind)[layer][index] += change
            losses.append(-np.log(probabilities(moved, x)[0, 3]))
        slope = (losses[0] - losses[1]) / (2 * step)
        assert row.approximated_gradient == pytest.approx(slope, rel=1e-10)
        assert row.actual_gradient == computed[kind][layer][index]
        assert row.difference == abs(row.approximated_gradient - row.actual_gradient)
        assert row.within_tolerance == (row.difference <= 1e-4)
    assert table["within_tolerance"].all() == (not epsilon)


def test_a_difference_that_equals_the_tolerance_is_within_it(pattern, monkeypatch):
    differences = check_gradients(*pattern)["difference"]
    monkeypatch.setattr(gradient_check, "TOLERANCE", sorted(differences)[3])
    assert check_gradients(*pattern)["within_tolerance"].sum() == 4


# ---- the paper's three patterns --------------------------------------


@pytest.mark.parametrize("seed", [{}, {"seed": 2}])
def test_tables_1_to_3_take_the_first_sixth_and_last_training_pattern(tiny10, seed):
    number = seed.get("seed", 0)
    table = check_paper_patterns(tiny10, **seed)
    assert table.attrs["data_name"] == tiny10.name
    assert list(table.columns) == ["pattern", *COLUMNS]
    assert table["pattern"].tolist() == ["first"] * 6 + ["sixth"] * 6 + ["last"] * 6
    split = split_and_standardise(tiny10, Config(seed=number), np.float64)
    model = MLP((36, 128, 10), "tanh", number, np.float64)
    for block, row in enumerate((0, 5, len(split.train) - 1)):
        expected = check_gradients(model, split.train[[row]], split.train_labels[[row]])
        given = table.loc[6 * block : 6 * block + 5, COLUMNS].reset_index(drop=True)
        assert given.equals(expected)


def test_a_ten_times_smaller_step_gives_a_hundred_times_smaller_difference(tiny10):
    table, rows = differences_by_epsilon(tiny10), check_paper_patterns(tiny10)
    np.testing.assert_allclose(table.index, [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
    names = rows[["weight", "index", "pattern"]].itertuples(index=False, name=None)
    assert list(table.columns) == list(names)
    np.testing.assert_allclose(table.loc[1e-2], rows["difference"], rtol=1e-6, atol=1e-14)
    assert 95 < table.iloc[1].max() / table.iloc[2].max() < 105
