"""What notebooks call: captions above and below, sentences with intervals, lines for nbval."""

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from statements import displayed, widened

from kmnist_mlp import figures
from kmnist_mlp.figures import tables
from kmnist_mlp.report import notebook, statements

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


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


@pytest.mark.parametrize(("number", "name"), [(0, "stand-in data"), (5, "Letters"), (8, "Letters")])
def test_a_notebook_runs_on_data_of_any_size_which_it_names_first(
    shown, make_dataset, monkeypatch, number, name
):
    data = replace(make_dataset(classes=12, train=600, test=120), name=name)
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    monkeypatch.setattr(notebook, "load_and_announce", lambda: (data, "As was asked for."))
    monkeypatch.setattr(notebook, "picture", lambda panel: {})  # they would take most of the time
    cells = json.loads(NOTEBOOKS[number].read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    with joblib.parallel_config(backend="sequential"):
        exec("\n".join(code), {})
    (banner, marks), (first, _), *_ = shown()
    assert banner.count(name) == (1 if number == 0 else 3) and marks == {"role": "banner"}
    assert data.fingerprint[:12] in first and ("0, 1." in first) == (number > 0)


def test_a_table_has_its_caption_above_and_a_figure_below_with_its_finding(shown, small_results):
    table, figure = tables.comparison(small_results), figures.against_paper(small_results)
    notebook.show(table, "Table 4. All\n    results.")
    notebook.show(figure, "Figure 3. Accuracy.")
    above, content, *_, below = (text for text, _ in shown())
    assert above == f"**Table 4.** {table.attrs['finding']} All results." and "<table" in content
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


# ---- sentences -------------------------------------------------------


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
        ("stopped_epoch", [4, 6], "5\xa0(4–6)"),
    ],
)
def test_a_number_in_a_sentence_has_its_spread_and_its_unit(small_results, quantity, values, said):
    results = with_values(small_results, quantity, **{"l2_0.2": values})
    found = notebook.number(results, "l2_0.2", quantity)
    assert found == said.replace(" ±", "\xa0±").replace("± ", "±\xa0")


UNCLEAR = "the linear softmax model does not differ measurably from the tanh baseline in"


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([30.0, 29.9], "29.95 points more {} (95 % interval 29.31 to 30.59)"),
        ([-20, -19.9], "19.95 points less {} (95 % interval 19.31 to 20.59)"),
        ([5.0, -6.0], f"{UNCLEAR} test accuracy (−0.50 points, 95 % interval −70.38 to +69.38)"),
        ([4.0, np.nan], "4.00 points more {} (one seed)"),
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


# ---- compared text ---------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_states_what_is_kept_of_it(path):
    found, number = displayed(json.loads(path.read_text("utf-8"))), int(path.name[:2])
    assert found == statements.kept("KMNIST", 5, number).text.tolist()
    assert not statements.kept("stand-in data", 1, number).empty


def test_what_moved_is_named_be_it_a_number_a_sign_or_a_word(shown, monkeypatch, capsys, tmp_path):
    caption = "Table S3.1. ReLU is 2.68 points better (p < 0.001): 8.3 × 10⁻⁷ of 1,024."
    lines = {caption.replace("Table S3.1.", "**Table S3.1.**"): "0.1 0.3 0.001 2e-8 1"}
    lines |= {"loss verdict": "", "relu −0.31 undecided": "0.02"}
    kept = pd.DataFrame(lines.items(), columns=["text", "tolerance"])
    kept.assign(data="KMNIST", seeds=5, notebook=3).to_csv(tmp_path / "kept.csv", index=False)
    monkeypatch.setattr(statements, "KEPT", replace(statements.KEPT, path=tmp_path / "kept.csv"))
    for old, new, told in [
        ("2.68", "2.91", "every sentence and table agrees with the reference results"),
        ("2.68", "−2.68", ": -2.68, reference 2.68, tolerance 0.3"),
        ("undecided", "reproduced", "'relu −0.31 reproduced', reference 'relu −0.31 undecided'"),
        ("−0.31", "0.31", "'relu 0.31 undecided': 0.31, reference -0.31, tolerance 0.02"),
    ]:
        cells = [cell.replace(old, new) for cell in ("−0.31", "undecided")]
        notebook.STATED.clear()
        notebook.say("**Seeds:** 7", role="provenance")
        notebook.show(
            pd.DataFrame([cells], ["relu"], ["loss", "verdict"]), caption.replace(old, new)
        )
        for number, expected in ((3, told), (4, "NO REFERENCE")):
            capsys.readouterr()
            notebook.numbers_agree(SimpleNamespace(name="KMNIST"), number)
            (line,) = capsys.readouterr().out.splitlines()
            assert expected in line and line.startswith(("MOVED", "NO REFERENCE", told))


def test_tolerances_are_widened_to_what_another_kernel_gives():
    lines, others = ("a 1.00, 2.0 at 20", "a 1.0", "no 5"), ("a 1.10, 2.0 at 20", "a 1.0", "5")
    found = [*widened(lines, others, ["0.01 3 1", "0.1", "1"])]
    assert found == ["1.0 3 20", "0.1", statements.VARIES]
