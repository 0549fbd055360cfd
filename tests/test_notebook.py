"""What notebooks call: captions above and below, sentences with intervals, lines for nbval."""

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from small_runs import SMALL_RUNS

from kmnist_mlp import figures, run
from kmnist_mlp.experiments import analyse_errors
from kmnist_mlp.experiments.paper_gradients import check_paper_patterns
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures import tables
from kmnist_mlp.report import notebook


@pytest.fixture
def shown():
    """Return a function that gives what was displayed so far: (MIME types, text, metadata)."""
    InteractiveShell.instance()
    with mpl.rc_context(), capture_output(stdout=False, stderr=False) as captured:
        yield lambda: [
            (
                set(output.data),
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
    (_, banner, banner_data), (_, first, first_data) = shown()
    assert data.is_stand_in and "STAND-IN DATA" in banner and banner_data == {"role": "banner"}
    assert data.fingerprint[:12] in first and "0, 1." in first
    assert first_data["role"] == "provenance"


def test_a_table_has_its_caption_above_and_a_figure_below(shown, small_results):
    table = tables.comparison(small_results)
    notebook.show(table, "Table 4. All\n    results.", role="results")
    notebook.show(figures.against_paper(small_results), "Figure 3. Accuracy. All of it.")
    above, content, figure, below = shown()
    assert (
        above[1] == "**Table 4.** All results." and below[1] == "**Figure 3.** Accuracy. All of it."
    )
    assert "<table" in content[1] and "baseline, early stopping" in content[1]
    assert content[2]["number"] == "Table 4" and content[2]["index"] == "results"
    assert content[2]["csv"] == table.attrs["exhibit_data"].csv
    assert "text/html" not in figure[0] and figure[2]["caption"] == "Accuracy. All of it."
    assert figure[2]["finding"] and figure[2]["seeds"] == (0, 1)


def test_the_caption_of_learning_curves_names_both_figures_and_the_experiment(shown, small_results):
    notebook.show_curves(small_results, "two_hidden_layers")
    caption = shown()[1][1]
    assert caption.startswith("**Figures 21 and 22.** Two layers of 64 units, early stopping")
    assert "Figure 21" in caption and "Figure 22" in caption


def test_a_changed_run_is_drawn_beside_the_experiment_and_changes_no_result(
    shown, small_results, kana, monkeypatch, tmp_path
):
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    before = small_results.frame.copy()
    notebook.try_out(
        small_results, kana, "baseline", "Figure S2.8", epochs=3, activation="ReLU", L2_penalty=0.1
    )
    own = shown()[0][2]
    numbers = pd.read_csv(io.StringIO(own["csv"]))
    longest = numbers.groupby("experiment").epoch.max()
    assert longest.to_dict() == {"baseline": 6, "your run": 3}
    assert own["number"] == "Figure S2.8" and "L2 penalty 0.1" in own["caption"]
    assert small_results.frame.equals(before) and "your run" not in small_results.names
    with pytest.raises(ValueError, match="learning"):
        notebook.try_out(small_results, kana, "baseline", "Figure S2.8", learning=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mine", ["mine", "36-8-10", "epochs at most 2"]), ("linear", ["linear softmax", "36-10"])],
)
def test_an_experiment_without_figures_in_the_paper_has_curves_with_its_configuration(
    shown, small_results, name, expected
):
    notebook.show_curves(small_results, name)
    (_, _, figure), (_, caption, _) = shown()
    assert all(part in caption for part in expected) and "early stopping" not in caption
    assert [own for own, _ in figure["experiments"]] == [name]
    notebook.show_curves(small_results, name, "Figure 7. As I like it.")
    assert shown()[-1][1] == "**Figure 7.** As I like it."


def test_numbers_in_a_sentence_have_their_spread_or_interval(kana, small_results):
    frame = 100 * small_results.frame.pivot(
        index="seed", columns="experiment", values="test_accuracy"
    )
    own, difference = frame.linear, frame["l2_0.2"] - frame.baseline
    spread = f"{own.mean():.2f}\xa0±\xa0{own.std():.2f}"
    assert notebook.percent(small_results, "linear") == f"{spread} %"
    assert notebook.number(small_results, "baseline", "stopped_epoch") == "5\xa0(4–6)"
    assert notebook.number(small_results, "linear", "stopped_epoch") == "4"
    curves = [100 * r.history.validation_accuracy for r in small_results.of("baseline")]
    at_2, at_9 = (np.mean([curve.iloc[i] for curve in curves]) for i in (1, -1))
    assert notebook.at_epoch(small_results, "baseline", 2).startswith(f"{at_2:.2f}")
    assert notebook.at_epoch(small_results, "baseline", 9).startswith(f"{at_9:.2f}")
    said = notebook.compared(small_results, "l2_0.2", "baseline").replace("−", "-")
    half = 12.7062047 * difference.std() / np.sqrt(2)  # Student's t, one degree of freedom
    for value in (difference.mean(), difference.mean() - half, difference.mean() + half):
        assert f"{value:+.2f}" in said
    one_seed = run(SMALL_RUNS, 0, n_jobs=1, data=kana, cache=False)
    mean = f"{difference.iloc[0]:+.2f}".replace("-", "−")
    assert f"({mean} points, one seed)" in notebook.compared(one_seed, "l2_0.2", "baseline")


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ((3.0, 3.1, 2.9), "3.0 points better than tanh"),
        ((-1.2, -1.3, -1.25), "1.2 points worse than tanh"),
        ((-1.0, 2.0, 0.5), "not measurably different from tanh"),
        ((0.0, 0.0, 0.0), "the same as tanh in every seed"),
        ((4.0,), "not measurably different from tanh"),
    ],
)
def test_a_difference_is_named_only_if_its_interval_excludes_zero(differences, said):
    seeds = range(len(differences))
    rows = [("one", s, 0.8 + d / 100) for s, d in zip(seeds, differences, strict=True)]
    rows += [("other", s, 0.8) for s in seeds]
    frame = pd.DataFrame(rows, columns=["experiment", "seed", "test_accuracy"])
    results = Results({(name, seed): None for name, seed, _ in rows}, frame, "KMNIST")
    assert notebook.briefly(results, "one", "other", "tanh") == said


def with_values(results, quantity, **values):
    """Return results whose experiments have these values of a quantity, seed by seed."""
    frame = results.frame.copy()
    for name, own in values.items():
        frame.loc[frame.experiment == name, quantity] = own
    return replace(results, frame=frame)


@pytest.mark.parametrize(
    ("baseline", "beginning"),
    [
        ([0.10, 0.201], "29.95 points higher (95 % interval 2"),
        ([0.60, 0.699], "19.95 points lower (95 % interval 1"),
        ([0.40, 0.60], "not measurably different (-5.00 points, 95 % interval -"),
        ([0.40, 0.50], "the same in every seed"),
    ],
)
def test_the_words_for_a_difference_follow_its_interval(small_results, baseline, beginning):
    results = with_values(small_results, "test_accuracy", linear=[0.4, 0.5], baseline=baseline)
    said = notebook.compared(results, "linear", "baseline").replace("−", "-")
    assert said.startswith(beginning)


def test_one_seed_measures_no_difference(small_results):
    frame = small_results.frame[small_results.frame.seed == 0]
    said = notebook.compared(replace(small_results, frame=frame), "linear", "baseline")
    assert said.startswith("not measurably different") and said.endswith("points, one seed)")


def test_the_error_is_what_the_accuracy_leaves(small_results):
    results = with_values(small_results, "training_accuracy", linear=[0.97, 0.99])
    assert notebook.error(results, "linear", "training_accuracy") == "2.00\xa0±\xa01.41 %"


def test_the_fluctuation_of_a_loss_is_given_in_per_cent_of_its_mean(small_results):
    results = with_values(small_results, "late_fluctuation", baseline=[0.01, 0.03])
    assert notebook.fluctuation(results, "baseline").replace("\xa0", " ") == "2.0 ± 1.4 %"


def test_the_structure_of_a_table_is_printed_without_its_numbers(capsys):
    notebook.structure(pd.DataFrame({"loss": [0.06]}, index=["baseline"]))
    printed = capsys.readouterr().out
    assert "baseline" in printed and "loss" in printed and "0.06" not in printed


def test_the_gradient_verdicts_name_the_gradient_that_is_wrong_in_any_seed(kana, capsys):
    checks = {seed: check_paper_patterns(kana, seed) for seed in (0, 1)}
    notebook.gradient_verdicts(checks)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 18 and all(line.endswith("within 0.0001") for line in lines)
    checks[1].loc[7, ["difference", "within_tolerance"]] = [0.5, False]
    notebook.gradient_verdicts(checks)
    lines = capsys.readouterr().out.splitlines()
    assert lines[7] == "sixth image, hidden bias [0]: TOO LARGE: 5.0e-01"
    assert sum("TOO LARGE" in line for line in lines) == 1


def test_the_verdicts_on_planted_bugs_name_the_check_on_which_a_seed_disagrees(capsys):
    row = {"bug": "sign", "exceeded": 3}
    tried = pd.DataFrame([{**row, "check": check} for check in ("absolute", "relative") * 2])
    tried.loc[3, "exceeded"] = 0
    notebook.planted_bug_verdicts(tried)
    assert capsys.readouterr().out.splitlines() == [
        "planted bug: sign",
        "  absolute: detected",
        "  relative: detected with 1 of 2 seeds",
    ]


def test_confusion_matrices_that_do_not_add_up_are_named(kana, small_results, capsys):
    runs = small_results.of("linear")
    found = analyse_errors(runs, kana)
    notebook.confusion_matrices_add_up(found, runs, kana)
    assert "WRONG" not in capsys.readouterr().out
    found.matrices[1][2, 2] -= 3
    notebook.confusion_matrices_add_up(found, runs, kana)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:25] for line in lines if "WRONG" in line] == 2 * ["confusion matrix 1: WRONG"]
