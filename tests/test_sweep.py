"""The example of a sweep: its combinations, its committed results, and which one is the best."""

import pandas as pd

from kmnist_mlp.experiments import EXPERIMENTS, sweep


def test_the_combinations_vary_three_options_of_the_final_model_and_its_epochs():
    configs = sweep.configurations()
    assert len({*configs.values()}) == len(configs) == 60
    config = configs["0.002 0.99 0.05"]
    assert config == EXPERIMENTS["final"].replace(
        epochs=15, learning_rate=2e-3, momentum_gamma=0.99, L2_penalty=0.05
    )


def test_combinations_are_ranked_by_validation_and_one_that_diverged_comes_last():
    rows = [  # learning rate, momentum, penalty, seed, validation and test accuracy, diverged
        (5e-4, 0.9, 0.2, 0, 0.950, 0.90, False),
        (5e-4, 0.9, 0.2, 1, 0.952, 0.90, False),
        (1e-3, 0.9, 0.4, 0, 0.990, 0.99, False),
        (1e-3, 0.9, 0.4, 1, 0.992, 0.99, True),
        (1e-3, 0.9, 0.2, 0, 0.960, 0.88, False),
        (1e-3, 0.9, 0.2, 1, 0.964, 0.90, False),
    ]
    columns = [*sweep.AXES, "seed", "validation_accuracy", "test_accuracy", "diverged"]
    ranked = sweep.means(pd.DataFrame(rows, columns=columns))
    assert ranked.validation_accuracy.round(4).tolist() == [0.962, 0.951, 0.991]
    assert ranked.test_accuracy.round(4).tolist() == [0.89, 0.90, 0.99]
    assert ranked.learning_rate.tolist() == [1e-3, 5e-4, 1e-3]
    assert ranked.diverged.tolist() == [0, 0, 0.5]


def test_the_committed_results_are_those_of_the_combinations_and_of_the_best_one():
    grid, tuned = sweep.load("grid"), sweep.load("tuned")
    found = set(grid[sweep.AXES].itertuples(index=False, name=None))
    assert found == {
        (c.learning_rate, c.momentum_gamma, c.L2_penalty) for c in sweep.configurations().values()
    }
    assert len(grid) == len(found) * len(sweep.GRID_SEEDS)
    best = sweep.means(grid).iloc[0]
    assert (tuned[sweep.AXES] == best[sweep.AXES]).all(axis=None)
    assert list(tuned.seed) == list(sweep.TUNED_SEEDS)
    assert sweep.edges(grid) == []


def test_the_axes_at_whose_end_the_best_combination_lies_are_named():
    rows = [
        (rate, gamma, penalty, 0, 0.9 + (rate == 2) * gamma / 100 - penalty, 0.8, False)
        for rate in (1, 2, 3)
        for gamma in (0.1, 0.2)
        for penalty in (0.1, 0.2)
    ]
    columns = [*sweep.AXES, "seed", "validation_accuracy", "test_accuracy", "diverged"]
    grid = pd.DataFrame(rows, columns=columns)
    assert sweep.edges(grid) == ["momentum_gamma", "L2_penalty"]


def test_choosing_on_the_test_images_is_compared_seed_by_seed():
    rows = [  # learning rate, seed, validation and test accuracy, diverged
        (1.0, 0, 0.95, 0.90, False), (2.0, 0, 0.94, 0.91, False), (3.0, 0, 0.99, 0.99, True),
        (1.0, 1, 0.93, 0.88, False), (2.0, 1, 0.95, 0.89, False), (3.0, 1, 0.90, 0.87, False),
    ]  # fmt: skip
    columns = ["learning_rate", "seed", "validation_accuracy", "test_accuracy", "diverged"]
    chosen = sweep.chosen_by(pd.DataFrame(rows, columns=columns))
    assert chosen.validation.tolist() == [90.0, 89.0] and chosen.test.tolist() == [91.0, 89.0]
