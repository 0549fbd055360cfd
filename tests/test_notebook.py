"""What notebooks call: captions above and below, sentences with intervals, lines for nbval."""

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from kmnist_mlp import MLP, figures
from kmnist_mlp.experiments import analyse_errors
from kmnist_mlp.experiments.paper import paper_curves, published_gradients
from kmnist_mlp.experiments.paper_gradients import would_pass
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.tables import consistent
from kmnist_mlp.report import notebook, summaries


@pytest.fixture
def shown():
    """Return a function that gives what was displayed so far: (text, marks)."""
    InteractiveShell.instance()
    with mpl.rc_context(), capture_output(stdout=False, stderr=False) as captured:
        yield lambda: [
            (
                output.data.get("text/html") or output.data.get("text/markdown"),
                (output.metadata or {}).get("kmnist_mlp", {}),
            )
            for output in captured.outputs
        ]
    InteractiveShell.clear_instance()


def test_a_notebook_begins_with_the_data_the_seeds_and_the_banner_of_the_stand_in(
    shown, monkeypatch
):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    data = notebook.begin()
    (banner, marks), (first, _) = shown()
    assert data.is_stand_in and "STAND-IN DATA" in banner and marks == {"role": "banner"}
    assert data.fingerprint[:12] in first and "0, 1." in first


def test_a_table_has_its_caption_above_and_a_figure_below_with_its_finding(shown, small_results):
    table, figure = tables.comparison(small_results), figures.against_paper(small_results)
    notebook.show(table, "Table 4. All\n    results.")
    notebook.show(figure, "Figure 3. Accuracy.")
    above, content, *_, below = (text for text, _ in shown())
    assert above == "**Table 4.** All results." and "<table" in content
    assert below == f"**Figure 3.** {figure.finding} Accuracy.".replace(".  ", ". ")


def test_the_caption_of_learning_curves_names_figures_experiment_and_configuration(
    shown, small_results
):
    for name in ("two_hidden_layers", "mine"):
        notebook.show_curves(small_results, name)
    of_paper, own = (text for text, marks in shown() if marks.get("role") == "caption")
    assert of_paper.startswith("**Figures 21 and 22.**") and "64 units, early stopping" in of_paper
    assert all(part in own for part in ("Learning curves of mine", "36-8-10", "epochs at most 2"))


def test_a_changed_run_is_drawn_beside_the_experiment_and_changes_no_result(
    shown, small_results, kana, monkeypatch, tmp_path
):
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    before = small_results.frame.copy()
    notebook.try_out(
        small_results, kana, "baseline", "Figure S2.8", epochs=3, activation="ReLU", L2_penalty=0.1
    )
    own = shown()[0][1]
    numbers = pd.read_csv(io.StringIO(own["csv"]))
    longest = numbers.groupby("experiment").epoch.max()
    assert longest.to_dict() == {"baseline": 6, "your run": 3}
    assert own["number"] == "Figure S2.8" and "L2 penalty 0.1" in own["caption"]
    assert small_results.frame.equals(before) and "your run" not in small_results.names
    with pytest.raises(ValueError, match="learning"):
        notebook.try_out(small_results, kana, "baseline", "Figure S2.8", learning=1)


# ---- sentences -----------------------------------------------------------------------------------


def with_values(results, quantity, **values):
    """Return results whose experiments have these values of a quantity, seed by seed."""
    frame = results.frame.copy()
    for name, own in values.items():
        frame.loc[frame.experiment == name, quantity] = own
    return replace(results, frame=frame)


@pytest.mark.parametrize(
    ("quantity", "values", "said"),
    [
        ("test_accuracy", [0.97, 0.99], "98.00 ± 1.41 %"),
        ("small_weight_share", [0.5, 0.7], "60.0 ± 14.1 %"),
        ("late_fluctuation", [0.01, 0.03], "2.0 ± 1.4 %"),
        ("test_loss", [0.05, 0.06], "0.0550 ± 0.0071"),
        ("stopped_epoch", [4, 6], "5\xa0[4–6]"),
    ],
)
def test_a_number_in_a_sentence_has_its_name_its_spread_and_its_unit(
    small_results, quantity, values, said
):
    results = with_values(small_results, quantity, **{"l2_0.2": values})
    other = notebook.number(results, "linear", quantity).translate(str.maketrans("()", "[]"))
    found = notebook.named(results, "linear", "l2_0.2", of=quantity)
    assert found.startswith(f"the linear softmax model ({other}) and ") and said not in other
    assert found.endswith(f"L2 penalty 0.2 ({said})".replace(" ±", "\xa0±").replace("± ", "±\xa0"))


UNCLEAR = "the linear softmax model does not differ measurably from the tanh baseline in"


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([30.0, 29.9], "29.95 points more {} (95 % interval 29.31 to 30.59)"),
        ([-20, -19.9], "19.95 points less {} (95 % interval 19.31 to 20.59)"),
        ([5.0, -6.0], f"{UNCLEAR} test accuracy (−0.50 points, 95 % interval −70.38 to +69.38)"),
        ([4.0, np.nan], f"{UNCLEAR} test accuracy (+4.00 points, one seed)"),
    ],
)
def test_the_words_for_a_difference_follow_its_interval(small_results, differences, said):
    changed = 0.4 + np.array(differences) / 100
    results = with_values(small_results, "test_accuracy", linear=changed, baseline=0.4)
    found = notebook.compared(results, "linear", "baseline")
    if "{}" in said:
        said = said.format("test accuracy than the tanh baseline")
        said = f"the linear softmax model has {said}"
    assert found == said
    same = notebook.compared(results, "mine", "mine")
    assert same == "mine and mine have the same test accuracy in every seed"


def test_values_at_an_epoch_are_those_of_the_curves_or_of_their_ends(small_results):
    for epoch, place in ((2, 1), (9, -1)):
        found = notebook.at_epoch(small_results, epoch).values("validation_accuracy", "baseline")
        curves = [run.history.validation_accuracy for run in small_results.of("baseline")]
        assert found.tolist() == [100 * curve.iloc[place] for curve in curves]


def test_what_the_notebooks_type_follows_from_the_papers_tables():
    rows = pd.DataFrame(published_gradients())
    fits = [consistent(row).split()[0] for row in published_gradients()]
    assert [fits.count(kind) for kind in ("yes", "as", "no")] == [13, 4, 1]
    assert {rows.weight[i] for i in range(18) if fits[i] == "as"} == {"hidden to output"}
    assert (rows.table[fits.index("no")], rows.weight[fits.index("no")]) == ("3", "output bias")
    behind = rows[rows.weight.isin(["hidden bias", "input to hidden"])]
    assert len(behind) == 9 and summaries.gradient_summary(behind).relative < 0.0705 < 1 / 8
    bias = rows[rows.weight == "output bias"].actual_gradient
    assert (bias.min(), bias.max()) == (0.000357, 0.00208)
    assert would_pass(10 * rows.approximated_gradient, 0) == 1
    squares, sizes = (sum((abs(W) ** k).sum() for W in MLP((784, 128, 10)).weights) for k in (2, 1))
    assert (round(0.2 * squares), round(0.001 * sizes, 1)) == (55, 4.2)
    above = (paper_curves([7]) - paper_curves([3])).training_loss.round(4)
    assert (above[1], above[25]) == (0.0147, 0.0215)
    assert paper_curves([5]).training_loss.min() == pytest.approx(0.0031, abs=5e-5)


# ---- compared lines ------------------------------------------------------------------------------


def test_verdicts_on_gradients_and_bugs_and_columns_of_tables_are_lines_to_compare(capsys):
    key = {"pattern": "sixth", "weight": "hidden bias", "index": "0"}
    checks = {seed: pd.DataFrame([key | {"difference": difference, "within_tolerance": not seed}])
              for seed, difference in enumerate((1e-6, 0.5))}  # fmt: skip
    notebook.gradient_verdicts(checks)
    notebook.gradient_verdicts({0: checks[0]})
    row = {"bug": "sign", "exceeded": 3}
    tried = pd.DataFrame([{**row, "check": check} for check in ("absolute", "relative") * 2])
    tried.loc[3, "exceeded"] = 0
    notebook.planted_bug_verdicts(tried)
    notebook.structure(tried[:0])
    lines = ["sixth image, hidden bias [0]: TOO LARGE: 5.0e-01"]
    lines += ["sixth image, hidden bias [0]: within 0.0001"]
    lines += ["planted bug: sign", "  absolute: detected", "  relative: detected with 1 of 2 seeds"]
    lines += ["rows:", "columns:", "  bug", "  exceeded", "  check"]
    assert capsys.readouterr().out.splitlines() == lines


def test_confusion_matrices_that_do_not_add_up_are_named(kana, small_results, capsys):
    runs = small_results.of("linear")
    found = analyse_errors(runs, kana)
    notebook.confusion_matrices_add_up(found, runs, kana)
    assert "WRONG" not in capsys.readouterr().out
    found.matrices[1][2, 2] -= 3
    notebook.confusion_matrices_add_up(found, runs, kana)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:25] for line in lines if "WRONG" in line] == ["confusion matrix 1: WRONG"]
