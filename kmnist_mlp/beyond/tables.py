"""Tables of notebook 7: steps of the ablation, alternatives, large networks."""

from __future__ import annotations

import pandas as pd

from kmnist_mlp.beyond.ablation import ALTERNATIVES, ENSEMBLE, NO_PENALTY, STEPS
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.support.statistics import MISSING, plus_minus, signed


def ablation_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per step: accuracies with their spread, gain over the step before, cost.

    ``runs`` is that of :func:`~kmnist_mlp.beyond.pretrained.load_runs`, here and below.
    """
    rows, before = {}, None
    for name, step in STEPS.items():
        own = runs[runs.name == name]
        if own.empty:
            continue
        mean = 100 * own.test_accuracy.mean()
        validated = own.validation_accuracy.notna().all()
        rows[step.title] = {
            "test accuracy, %": plus_minus(100 * own.test_accuracy, 2),
            "change": MISSING if before is None else signed(mean - before, 2),
            "validation accuracy, %": plus_minus(100 * own.validation_accuracy, 2)
            if validated
            else MISSING,
            "seeds": len(own),
            "parameters": f"{own.parameters.iloc[0]:,}",
            "epochs": plus_minus(own.epochs, 0),
            "seconds": plus_minus(own.seconds, 0),
        }
        before = mean
    return _named(rows, "step", runs[runs.name.isin(list(STEPS))])


def alternatives_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the alternatives beside the step that they were tried in place of (first seed)."""
    base = "global_standardisation"
    titles = {base: STEPS[base].title} | {name: s.title for name, s in ALTERNATIVES.items()}
    first = runs[(runs.seed == 0) & runs.name.isin(list(titles))].set_index("name")
    rows = {}
    for name in (name for name in titles if name in first.index):
        own = first.loc[name]
        change = {
            part: MISSING
            if name == base
            else signed(100 * (own[f"{part}_accuracy"] - first.loc[base, f"{part}_accuracy"]), 2)
            for part in ("validation", "test")
        }
        rows[titles[name]] = {
            "validation accuracy, %": f"{100 * own.validation_accuracy:.2f}",
            "validation change": change["validation"],
            "test accuracy, %": f"{100 * own.test_accuracy:.2f}",
            "test change": change["test"],
            "test loss": f"{own.test_loss:.4f}",
        }
    return _named(rows, "in place of this step", first.reset_index())


def large_networks_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return every network with the size of the best one, by itself."""
    titles = {"best": "best network"}
    titles |= {name: step.title for name, step in (ENSEMBLE | NO_PENALTY).items()}
    own = runs[runs.name.isin(list(titles))].set_index("name")
    rows = {
        titles[name]: {
            "in the ensemble": "no" if name in NO_PENALTY else "yes",
            "epochs": str(own.epochs[name]),
            "test accuracy, %": f"{100 * own.test_accuracy[name]:.2f}",
            "test loss": f"{own.test_loss[name]:.4f}",
        }
        for name in titles
        if name in own.index
    }
    return _named(rows, "network", own.reset_index())


def _named(rows: dict[str, dict], corner: str, numbers: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a table with a heading over its index, and the numbers it was made of."""
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns.name = corner
    table.attrs["exhibit_data"] = ExhibitData.of(numbers)
    return table
