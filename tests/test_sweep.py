"""The example of a sweep: its combinations, its committed results, and which one is the best."""

import pandas as pd
import pytest

from kmnist_mlp.experiments import EXPERIMENTS, sweep


def test_the_combinations_vary_three_options_of_the_final_model_and_its_epochs():
    configs = sweep.configurations()
    assert len({*configs.values()}) == len(configs) == 36
    config = configs["0.002 0.98 0.1"]
    assert config == EXPERIMENTS["final"].replace(
        epochs=15, learning_rate=2e-3, momentum_gamma=0.98, L2_penalty=0.1
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


@pytest.mark.filterwarnings("ignore:STAND-IN")
def test_the_sweep_is_not_measured_on_the_stand_in(monkeypatch, capsys):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    assert sweep.main() == 1
    assert "KMNIST" in capsys.readouterr().err
