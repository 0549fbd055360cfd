"""Tables show what was measured beside what the paper prints, never a NaN."""

import io
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from markupsafe import Markup
from options import ALL_CHANGED
from sklearn.metrics import confusion_matrix, precision_score, recall_score
from small_runs import SMALL, SMALL_RUNS, judged_twice

from kmnist_mlp import Config, run
from kmnist_mlp.config import PAPERS
from kmnist_mlp.data import CLASS_NAMES, ROMAJI
from kmnist_mlp.experiments import CLAIMS, EXPERIMENTS
from kmnist_mlp.experiments.paper import published_gradients
from kmnist_mlp.experiments.paper_gradients import check_paper_patterns
from kmnist_mlp.figures import tables
from kmnist_mlp.figures.report_figure import html, setting
from kmnist_mlp.support.statistics import MISSING, interval


@pytest.fixture(scope="module")
def checks(kana):
    return {seed: check_paper_patterns(kana, seed) for seed in (0, 1)}


def plain(text):
    """Put ordinary spaces and minus signs in the place of typographical ones."""
    return text.replace("\xa0", " ").replace("−", "-")


def text_of(table):
    return table.reset_index().astype(str).to_csv(index=False).lower()


def spread(values, digits):
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def data_of(table):
    return pd.read_csv(io.StringIO(table.attrs["shown_data"].csv))


# ---- experiments -----------------------------------------------------


def test_the_comparison_puts_the_papers_numbers_beside_ours(small_results):
    table = tables.comparison(small_results)
    row = table.loc["baseline, early stopping"].map(plain)
    runs = small_results.frame.query("experiment == 'baseline'")
    accuracy, loss = 100 * runs.test_accuracy, runs.test_loss
    papers = {
        "paper, %": "84.47",
        "difference": f"{accuracy.mean() - 84.47:+.2f}",
        "paper loss": "0.064",
        "loss difference": f"{loss.mean() - 0.064:+.4f}",
    }
    ours = {
        "test accuracy, %": spread(accuracy, 2),
        "test loss": spread(loss, 4),
        "validation accuracy, %": spread(100 * runs.validation_accuracy, 2),
    }
    shown = zip(table.columns[7:], (runs.best_epoch, runs.stopped_epoch), strict=True)
    for column, epochs in shown:
        ours[column] = f"{epochs.median():g} ({epochs.min()}–{epochs.max()})"
    assert row.to_dict() == papers | ours
    assert [*table][1:6:4] == ["paper, %", "loss difference"], "beside ours"
    far = max(abs(float(plain(text))) for text in table.difference if text != MISSING)
    assert f"most {far:.2f} points of test accuracy" in table.attrs["finding"]
    without = table.loc[["linear softmax", "mine"]]  # of which the paper prints no number
    assert (without[[*papers]] == MISSING).all(axis=None)
    stand_in = tables.comparison(replace(small_results, data_name="stand-in data"), "mine")
    assert "STAND-IN" in html(stand_in) and "STAND-IN" not in html(table)
    data, expected = data_of(stand_in), small_results.frame.query("experiment == 'mine'")
    np.testing.assert_allclose(data.test_loss, expected.test_loss, 1e-6)
    assert data.kept_epoch.tolist() == [run.kept_epoch for run in small_results.of("mine")]


@pytest.mark.parametrize("seeds", [[0, 1], [0]])
def test_the_comparison_counts_the_runs_that_diverged(kana, seeds):
    configs = SMALL_RUNS | {"long": SMALL_RUNS["baseline"].replace(early_stop=False)}
    results = run(configs, seeds, n_jobs=1, data=kana, cache=False)
    results.frame.loc[results.frame.experiment == "mine", "test_loss"] = np.inf
    table = tables.comparison(results)
    assert not any(bad in text_of(table) for bad in ("nan", "inf,", "none"))
    assert table.loc["mine", "test loss"] == "not finite"
    diverged = table["stopped at epoch"].str.endswith(f", {len(seeds)} diverged")
    assert table.index[diverged].tolist() == ["learning rate 0.5"]
    assert table.loc["long", "weights of epoch"] == "9", "that of the last, not of the best"


def test_fluctuation_and_weights_are_shown_in_per_cent(small_results):
    frame = small_results.frame.copy()
    frame["late_fluctuation"] = frame.index / 100
    frame["small_weight_share"] = frame.index / 50
    table = tables.loss_and_weights(replace(small_results, frame=frame), ["mine", "baseline"])
    assert [("loss" in name, "weights" in name) for name in table] == [(True, False), (False, True)]
    for name, shown in zip(("mine", "baseline"), table.to_numpy(), strict=True):
        rows = np.flatnonzero(frame.experiment == name)
        assert [plain(text) for text in shown] == [spread(rows, 1), spread(2 * rows, 1)]
    assert data_of(table).experiment.tolist() == ["baseline"] * 2 + ["mine"] * 2
    quantities = {claim.quantity for claim in CLAIMS} & {"late_fluctuation", "small_weight_share"}
    assert {*table.attrs["shown_data"].quantities} == quantities, "claims about them link to it"


def test_differences_are_paired_by_seed_with_their_interval(small_results):
    pairs = [("linear", "baseline"), ("mine", "linear")]
    table = tables.changes(small_results, pairs)
    assert [*table.index] == ["linear softmax − baseline, early stopping", "mine − linear softmax"]
    assert [*table.attrs["shown_data"].experiments] == ["linear", "baseline", "mine"]
    for pair, (_, row) in zip(pairs, table.iterrows(), strict=True):
        for part in ("test", "validation", "training"):
            one, other = (small_results.values(f"{part}_accuracy", name) for name in pair)
            shown = f"{row[f'{part} accuracy']} to {row[f'95 % interval ({part})']}"
            found = [float(text) for text in plain(shown).split(" to ")]
            assert found == pytest.approx(interval(one - other), abs=0.006)
    assert f"is {row['test accuracy']} points (mine − linear softmax)" in table.attrs["finding"]


def test_configurations_have_the_options_that_are_used():
    table = tables.configurations(EXPERIMENTS)
    assert len(table) == len(EXPERIMENTS)
    assert not table.isna().any(axis=None) and not table.duplicated().any()
    more = tables.configurations({"plain": Config(), "mine": ALL_CHANGED})
    beyond = {f.name.replace("_", " ") for f in fields(Config)[PAPERS:]}
    assert {*more} - {*tables.configurations(["baseline"])} == {*beyond, "seed"}
    assert more.dropout.tolist() == ["0", "0.1"]
    assert more["batch normalisation"].tolist() == ["no", "yes"]
    twice = {"relu": SMALL, "ReLU": SMALL.replace(epochs=2)}  # with one title
    assert tables.configurations(twice)["epochs at most"].tolist() == ["4", "2"]


@pytest.mark.parametrize("name", [f.name for f in fields(Config)])
def test_configurations_that_differ_do_not_look_alike(name):
    one, other = Config(), Config(**{name: getattr(ALL_CHANGED, name)})
    first, second = tables.configurations([one, other]).to_numpy().tolist()
    assert first != second and (setting(one) != setting(other) or name == "seed")


# ---- gradient check --------------------------------------------------


@pytest.mark.parametrize("pattern", ["first", "sixth", "last"])
def test_gradient_tables_have_our_rows_beside_the_papers(checks, pattern):
    apart = checks[0].assign(approximated_gradient=1.01 * checks[0].approximated_gradient)
    table = tables.gradient_table(apart, pattern)
    ours = apart[apart.pattern == pattern]
    papers = pd.DataFrame(published_gradients()).query("pattern == @pattern")
    assert list(table.index) == [f"{row.weight} [{row.index}]" for row in papers.itertuples(False)]
    for whose, frame in (("", ours), ("paper: ", papers)):
        a, b = frame.approximated_gradient.to_numpy(), frame.actual_gradient.to_numpy()
        relative = abs(a - b) / np.maximum(np.maximum(abs(a), abs(b)), 1e-300)  # both may be 0
        columns = {
            "approximated": (a, 1e-3),
            "actual": (b, 1e-3),
            "difference": (frame.difference, 0.1),
            "relative": (relative, 0.5),
        }
        for column, (expected, rtol) in columns.items():
            np.testing.assert_allclose(table[whose + column].astype(float), expected, rtol)
        behind = data_of(table)[whose.replace(": ", "_") + "relative_difference"]
        np.testing.assert_allclose(behind, relative, 1e-3, 1e-8)
    slips = {"first": ["as 7.571e-06", "as 5.233e-06"], "last": ["no"],
             "sixth": ["as 5.235e-05", "as 4.173e-06"]}  # fmt: skip
    consistent = table["paper: row consistent"]
    assert consistent[consistent != "yes"].tolist() == slips[pattern]
    bad = tables.gradient_table(apart.assign(within_tolerance=False), pattern)
    assert ({*table["at most 10⁻⁴"]}, {*bad["at most 10⁻⁴"]}) == ({"yes"}, {"NO"})
    assert [shown.attrs["finding"].split()[0] for shown in (table, bad)] == ["6", "0"]


def test_planted_bugs_have_the_counts_of_all_seeds():
    rows = [("none", "a", 6, 0), ("sign", "a", 6, 6), ("sign", "a", 6, 4),
            ("sign", "b", 6, 0), ("sign", "b", 6, 1)]  # fmt: skip
    tried = pd.DataFrame(rows, columns=["bug", "check", "compared", "exceeded"])
    table = tables.planted_bug_table(tried)
    found = table.loc["sign: one_hot(y) - p in the output layer"]
    assert found.tolist() == ["detected (10 of 12)", "detected with 1 of 2 seeds (1 of 12)"]
    assert table.loc["no bug", "a"] == "passes (0 of 6)"
    assert tables.detected_bugs(tried) == {"a": ["sign"], "b": []}, "with every seed"


# ---- claims ----------------------------------------------------------

CAUSED = {"note": "", "cause": "fixed epochs", "cause_change": -3.1, "cause_low": -3.5,
          "cause_high": -2.75, "cause_share": 0.846, "also": "own statistics",
          "quantity": "test_accuracy", "minus": ""}  # fmt: skip


def test_the_scoreboard_shows_every_claim_that_was_judged(small_results, checks):
    judged = judged_twice(small_results, checks)
    board = tables.scoreboard(judged)
    assert 5 < len(board) == len(judged) < len(CLAIMS)
    assert board.claim.tolist() == [CLAIMS[number - 1].statement for number in board.index]
    assert board["verdict (text)"].tolist() == judged.verdict.tolist()
    assert board["verdict (code)"].replace("–", "").tolist() == judged.verdict_code.tolist()
    failed = board[board["verdict (text)"] == "not reproduced"]
    assert f": {sum(judged.verdict == 'reproduced')} of " in board.attrs["finding"]
    assert len(failed) and not failed["cause or note"].eq("–").any()
    assert not any(bad in text_of(board) for bad in ("nan", "inf", "none"))
    np.testing.assert_allclose(data_of(board)["mean"], judged["mean"], 1e-6)
    next_run = board["95 % interval"].str.endswith("next run").to_numpy()
    assert (next_run == (judged.one_run & np.isfinite(judged.interval_low))).all()
    single = judged.assign(interval_low=-np.inf)
    single.attrs["data_name"] = "stand-in data"
    board = tables.scoreboard(single)
    assert "verdict (code, KMNIST)" in board
    assert (board["95 % interval"] == "one seed: unknown").all()


def test_fluctuation_is_in_per_cent_and_no_difference_is_called_so(small_results):
    row = judged_twice(small_results).iloc[:1].assign(our_threshold=False, low=0.05, high=np.inf)
    shown = tables.scoreboard(row.assign(quantity="late_fluctuation", minus="", mean=0.081))
    assert (shown.ours.item(), shown.claimed.item()) == ("8.10 %", "at least 5 %")
    none = row.assign(mean=0.0, interval_low=0.0, interval_high=0.0)
    for minus in ("linear", ""):
        shown = tables.scoreboard(none.assign(minus=minus))
        assert (shown.ours.item() == "no difference") == bool(minus)


def test_verdicts_are_counted_by_kind_in_both_readings():
    kinds = ["printed loss"] * 3 + ["comparison"]
    text = ["reproduced", "not reproduced", "not reproduced", "no effect"]
    code = ["not reproduced", "reproduced", "reproduced", ""]
    judged = pd.DataFrame({"kind": kinds, "verdict": text, "verdict_code": code})
    table = tables.verdicts_by_kind(judged).astype(int)
    assert table.loc["printed loss, text"].tolist() == [1, 2, 0, 0, 0, 3]
    assert table.loc["printed loss, code"].tolist() == [2, 1, 0, 0, 0, 3]
    assert table.loc["comparison, text"].tolist() == [0, 0, 1, 0, 0, 1]
    assert table.loc["comparison, code"].tolist() == [0, 0, 0, 0, 1, 1]
    assert table.loc["mechanism, code"].eq(0).all()
    text, code = tables.reproduced_in_both(judged).split(". ")
    assert text.endswith(": 1 of 3 printed losses, 0 of 1 comparisons")
    assert code.endswith(": 2 of 3 printed losses.")


def test_a_claim_that_fails_stands_by_its_cause():
    loss = CAUSED | {
        "kind": "printed loss", "experiment": "relu", "claim": "loss", "one_run": True,
        "verdict": "not reproduced", "verdict_code": "reproduced", "quantity": "test_loss",
    }  # fmt: skip
    unknown = {"cause": "not found", "cause_share": np.nan, "verdict_code": "not reproduced"}
    worse = loss | {"kind": "comparison", "claim": "worse", "minus": "baseline"}
    worse["one_run"] = False
    rows = [
        {**loss, **unknown, "experiment": "sigmoid"},
        loss,
        {**loss, "experiment": "hidden_64", "cause_share": 0.9},
        {**loss, "verdict": "reproduced", "verdict_code": ""},
        {**worse, "quantity": "test_accuracy"},
        {**worse, **unknown, "cause": "", "note": "a ceiling", "verdict_code": ""},
    ]
    table, cause = tables.differences_and_causes(pd.DataFrame(rows)), "<b>fixed epochs:</b>"
    change = "−3.1000 (−3.5000 to −2.7500)"
    by_cause = f"{cause} 64 hidden units {change}; ReLU {change}<br>"
    by_cause += "<b>cause not found:</b> sigmoid"
    assert table.loc["printed loss"].tolist() == ["1 of 4", "2 of 3", by_cause]
    by_cause = f"{cause} worse −3.10 points (−3.50 to −2.75)<br><b>a ceiling:</b> worse"
    assert table.loc["comparison"].tolist() == ["0 of 2", "1 of 1", by_cause]
    assert table.loc["mechanism"].tolist() == ["0 of 0", "0 of 0", "–"]
    (row,) = pd.DataFrame([CAUSED]).itertuples()
    assert tables.remark(row) == (
        "fixed epochs: −3.10 points (95 % interval −3.50 to −2.75), "
        "85 % of the distance; also own statistics"
    )


# ---- errors ----------------------------------------------------------


def test_accuracy_and_precision_are_those_of_scikit_learn(kana):
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 10, (2, 300))
    matrix = confusion_matrix(labels, predictions)
    table = tables.per_class([matrix], kana)
    assert list(table.index) == list(CLASS_NAMES) and table.romaji.tolist() == list(ROMAJI)
    for column, score in (("accuracy, %", recall_score), ("precision, %", precision_score)):
        expected = 100 * score(labels, predictions, average=None)
        np.testing.assert_allclose(table[column].astype(float), expected, atol=0.051)
    perfect = np.diag(matrix.sum(axis=1))
    shown = plain(tables.per_class([matrix, perfect], kana)["accuracy, %"].iloc[3])
    assert shown == spread([100 * matrix[3, 3] / matrix[3].sum(), 100], 1)


def test_the_most_confused_pairs_come_first(kana):
    matrices = np.array([np.diag(range(90, 100)), np.diag(range(40, 60, 2))])
    matrices[:, 2, 6], matrices[:, 7, 0] = [10, 4], [1, 9]
    table = tables.most_confused(matrices, kana, count=2)
    assert table["character"].tolist() == ["す su", "や ya"]
    assert table["taken for"].tolist() == ["ま ma", "お o"]
    assert table["images per seed"].tolist() == ["7.0", "5.0"]
    assert table["share of the character, %"].tolist() == ["9.3", "6.2"]  # of 75 and 80.5 images
    without = np.diag([10] * 9 + [0])  # no test image of the last class, and no error
    assert tables.most_confused([without], kana).empty
    assert "nan" not in text_of(tables.per_class([without], kana))


# ---- HTML ------------------------------------------------------------


def test_html_escapes_text_but_not_markup():
    table = pd.DataFrame(
        {"loss < 1": ["-1.5e-06", "–"], "link": [Markup("<a>b</a>"), "<i>"], "mixed": ["3", "yes"]},
        index=["a & b", "c"],
    )
    page = html(table)
    assert '<th scope="col" class="number">loss &lt; 1</th>' in page
    number = '<td class="number">−1.5\u00a0×\u00a010⁻⁶</td>'
    assert f'<th scope="row">a &amp; b</th>{number}<td><a>b</a></td><td>3</td>' in page
    assert "<td>&lt;i&gt;</td><td>yes</td>" in page


def test_a_table_with_long_text_is_cards_on_a_telephone():
    link = Markup('<a href="{}">b</a>').format("x" * 80)  # long, but not as it is read
    table = pd.DataFrame({"claim": ["word " * 20, "short"], "link": [link, "b"]})
    page = BeautifulSoup(html(table), "html.parser")
    assert len(page.select("td.wrap")) == 2
    assert len(page.select('td.wrap[data-label="claim"]')) == 2
    assert len(page.select('table.cards[role="table"] td[role="cell"][data-label]')) == 4
    short = BeautifulSoup(html(table[["link"]]), "html.parser")
    assert not short.select("[role], [data-label], .wrap, .cards")
