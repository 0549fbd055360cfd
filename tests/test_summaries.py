"""What notebooks state in sentences follows from numbers: made-up ones whose answer is known."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.experiments import Results, sweep
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.report import summaries
from kmnist_mlp.support.statistics import signed


def test_gradients_are_summed_up_by_the_largest_and_the_median():
    rows = [(4, 5, 1), (2e-5, -1e-5, 3e-5), (0.1, 0.1004, 4e-4), (-0.2, -0.202, 2e-3), (0, 0, 0)]
    columns = ["approximated_gradient", "actual_gradient", "difference"]
    found = vars(summaries.gradient_summary(pd.DataFrame(rows, columns=columns)))
    expected = {"size": 0.1004, "largest": 1, "relative": 1.5, "median_relative": 2 / 202}
    assert found == pytest.approx({"rows": 5, "above_1_percent": 2, "zero_passes": 2} | expected)


def test_errors_are_compared_as_means_over_seeds_and_a_quotient_ends_at_10():
    columns = ["experiment", "training_accuracy", "validation_accuracy", "test_accuracy"]
    rows = [("a", 0.9, 0.95, 0.7), ("a", 0.7, 0.85, 0.5), ("b", 1, 0.4, 1), ("b", 0.8, 0.2, 1)]
    results = Results({}, pd.DataFrame(rows, columns=columns), "KMNIST")
    factors = summaries.error_factors(results, "a", "b")
    assert factors.to_dict() == pytest.approx({"training": 2, "validation": 1 / 7, "test": 10})
    runs = [SimpleNamespace(curves={"training_loss": np.array(x)}) for x in ([3, 1, 2], [4, 5, 6])]
    assert summaries.lowest(SimpleNamespace(of={"a": runs}.get), "a") == 1


def test_what_the_paper_prints_is_compared_with_means_and_chance():
    table, limit, low, high = summaries.single_runs()
    assert low < limit < high
    for (name, other), (row, points) in zip(
        sweep.COMPARISONS.to_numpy(), table.iloc[:, 0].items(), strict=True
    ):
        assert row == f"{title(name)} − {title(other)}"
        assert points == signed(PAPER[name].test_accuracy - PAPER[other].test_accuracy, 2)
    columns = ["kind", "low", "high", "mean", "mean_code", "verdict_code", "one_run"]
    rows = [("printed accuracy", 83, 85, 86, 84.5, "reproduced", True),
            ("printed accuracy", 83, 85, 83, 81, "undecided", True),
            ("printed accuracy", 83, 85, 89, 84, "reproduced", True),
            ("printed accuracy", 83, 85, 99, 99, "", True),
            ("printed loss", 0.05, 0.07, 0.1, 0, "reproduced", True),
            ("printed loss", 0.05, 0.07, 9, 9, "reproduced", False)]  # fmt: skip
    text = summaries.distances_to_printed(pd.DataFrame(rows, columns=columns))
    assert re.findall(r"\d\S*\d", text) == ["2.00", "0.50", "0.0400", "0.0600"]
    frame = pd.DataFrame({"experiment": "final", "seed": [0, 1], "test_accuracy": [0.8, 0.9]})
    others = summaries.classifiers(Results.of_frame(frame))
    assert others.iloc[0].tolist() == [f"{PAPER['final'].test_accuracy:g}", "85.00\xa0±\xa07.07"]
    assert others.loc["4 nearest neighbours"].tolist() == ["92.10", "92.10"]


def test_claims_that_only_one_reading_reproduces_stand_by_their_cause():
    columns = ["number", "claim", "verdict", "verdict_code", "note", "cause"]
    yes, no = "reproduced", "not reproduced"
    rows = [(1, "a", no, yes, "", "clipping"), (2, "b", no, "", "", "not measured"),
            (3, "c", no, yes, "", "clipping"), (4, "d", yes, no, "", ""),
            (5, "e", no, no, "a ceiling", ""), (6, "f", yes, yes, "", "")]  # fmt: skip
    text = summaries.claims_by_cause(pd.DataFrame(rows, columns=columns))
    lines = ["- *clipping* (reproduced as coded): 1 a; 3 c."]
    lines += ["- *not measured* (not run as coded): 2 b."]
    assert [line for line in text.splitlines() if line[:1] == "-"] == lines
    assert text.endswith("** 4 d.")
