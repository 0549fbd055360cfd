"""The published report's configurations, numbers and curves are all there, as printed."""

import numpy as np
import pytest
from printed import CURVES, FINAL, GRADIENTS
from printed import EXPERIMENTS as PRINTED

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import EXPERIMENTS
from kmnist_mlp.experiments.paper import PAPER, paper_curves, published_gradients

UNPRINTED = {"no_momentum": {"momentum": False}, "no_standardisation": {"standardisation": "none"},
             "linear": {"layer_specs": (784, 10)}}  # fmt: skip


def as_printed(value):
    """Return a number with as few digits as it takes, without an exponent."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


@pytest.mark.parametrize("name", PRINTED)
def test_each_experiment_is_as_the_paper_prints_it(name):
    entry, config = PAPER[name], EXPERIMENTS[name]
    assert PRINTED[name].split("|") == [
        entry.section,
        "-".join(map(str, entry.figures)),
        "-".join(map(str, config.layer_specs)),
        config.activation,
        as_printed(config.learning_rate),
        str(config.batch_size),
        as_printed(config.L1_penalty),
        as_printed(config.L2_penalty),
        str(config.epochs),
        str(config.early_stop_epoch if config.early_stop else 0),
        as_printed(entry.test_loss),
        as_printed(entry.test_accuracy),
    ]
    assert config.momentum and config.momentum_gamma == 0.9 and config.standardisation == "pixel"


def test_three_runs_differ_from_the_baseline_in_one_thing():
    assert list(PAPER) == list(EXPERIMENTS) == [*PRINTED, *UNPRINTED]
    for name, change in UNPRINTED.items():
        entry = PAPER[name]
        assert entry.config == EXPERIMENTS["baseline"].replace(**change)
        assert (entry.section, entry.figures) == ("abstract", ())
        assert entry.test_loss is None and entry.test_accuracy is None
    assert EXPERIMENTS["final"] == Config.from_dict(FINAL), "the dictionary of section 6"


def test_the_gradients_are_those_of_tables_1_to_3():
    rows = iter(published_gradients())
    for (table, pattern), printed in GRADIENTS.items():
        for line in printed.strip().splitlines():
            weight, index, *numbers = (part.strip() for part in line.split("|"))
            assert next(rows) == {
                "table": table, "pattern": pattern, "weight": weight, "index": index,
                "approximated_gradient": float(numbers[0]), "actual_gradient": float(numbers[1]),
                "difference": float(numbers[2]),
            }  # fmt: skip
    assert next(rows, None) is None


# ---- the learning curves ---------------------------------------------


def test_each_pair_of_figures_has_four_curves():
    figures = [entry.figures for entry in PAPER.values() if entry.figures]
    assert figures == [(figure, figure + 1) for figure, *_ in CURVES]
    columns = ["training_loss", "validation_loss", "training_accuracy", "validation_accuracy"]
    for figure, losses, accuracies, *last in CURVES:
        curves = paper_curves((figure, figure + 1))[columns]
        assert curves.count().tolist() == [losses] * 2 + [accuracies] * 2
        np.testing.assert_allclose(curves.ffill().iloc[-1], last, atol=6e-5)
        uncertainty = paper_curves((figure, figure + 1), "uncertainty")[columns]
        assert uncertainty.notna().equals(curves.notna()) and (uncertainty.max() < 2e-3).all()
    assert paper_curves(()).empty
