"""The published report's configurations and numbers are all there, as printed."""

import csv
import re
from dataclasses import fields

import pytest
from printed import EXPERIMENTS as PRINTED
from printed import FINAL, GRADIENTS

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER, PUBLISHED, published_gradients
from kmnist_mlp.gradient_check import TOLERANCE
from kmnist_mlp.laboratory.loss_surface import RATES

UNPRINTED = ["no_momentum", "no_standardisation", "linear"]
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


def as_printed(value):
    """Return a number with as few digits as it takes, without an exponent."""
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def test_the_experiments_are_the_published_rows_and_three_of_the_abstract():
    assert list(PAPER) == [*PRINTED, *UNPRINTED]
    assert {name: entry.config for name, entry in PAPER.items()} == EXPERIMENTS
    assert all(name == entry.name for name, entry in PAPER.items())


@pytest.mark.parametrize("name", PRINTED)
def test_each_experiment_has_the_configuration_and_the_numbers_that_the_paper_prints(name):
    entry, config = PAPER[name], PAPER[name].config
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
    assert config.momentum and config.momentum_gamma == 0.9


def test_the_final_model_is_the_dictionary_of_section_6():
    assert EXPERIMENTS["final"] == Config.from_dict(FINAL)


def test_the_three_runs_without_numbers_differ_from_the_baseline_in_one_thing_each():
    baseline = EXPERIMENTS["baseline"]
    changed = {"momentum": False, "standardisation": "none", "layer_specs": (784, 10)}
    for name, (field, value) in zip(UNPRINTED, changed.items(), strict=True):
        entry = PAPER[name]
        own = {f.name: getattr(entry.config, f.name) for f in fields(Config)}
        assert own == {f.name: getattr(baseline, f.name) for f in fields(Config)} | {field: value}
        assert (entry.section, entry.figures) == ("abstract", ())
        assert entry.test_loss is None and entry.test_accuracy is None


def test_every_experiment_has_a_title_of_its_own_with_the_numbers_of_its_configuration():
    titles = [entry.title for entry in PAPER.values()]
    assert len(set(titles)) == len(titles)
    for name, entry in PAPER.items():
        config = entry.config
        own = {config.learning_rate, config.epochs, config.L1_penalty, config.L2_penalty}
        own |= {*config.layer_specs} | ({0, 255} if name == "no_standardisation" else set())
        assert own >= set(map(float, NUMBER.findall(entry.title))), name
        for penalty in ("L1", "L2") if name not in ("final", "starter") else ():
            assert (penalty in entry.title) == (getattr(config, f"{penalty}_penalty") > 0)
    activations = {PAPER[name].title.lower() for name in ("sigmoid", "relu")}
    assert activations == {EXPERIMENTS[name].activation.lower() for name in ("sigmoid", "relu")}


def test_the_remarks_beside_the_published_results_quote_the_paper():
    with open(PUBLISHED / "published_results.csv", encoding="utf-8", newline="") as file:
        remarks = [re.findall(r"[\d.^-]*\de?[\d-]*", row["note"]) for row in csv.DictReader(file)]
    assert [" ".join(numbers) for numbers in remarks] == [
        "", "25", "0.0005 2.2 0.005 0.0005", "2.2", "", "5 25", "", "", "0.2",
        "20^-3 2 1e-6 1", "9 25", "20^-3", "", "", "", "", "", "17 25", "", "", "90",
    ]  # fmt: skip


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


def test_the_bound_of_the_gradient_check_and_the_compared_learning_rates_are_the_papers():
    assert TOLERANCE == 0.0001
    assert RATES == (0.0005, 0.005, 0.5)
