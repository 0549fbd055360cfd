"""README and the pages in docs/ say what the committed results, code and contracts say."""

import importlib
import io
import re
import tokenize
from pathlib import Path

import grimp
import matplotlib.pyplot as plt
import pytest
from printed import ACCURACIES, LOSSES

from kmnist_mlp import Config, Dataset, evaluate, train
from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.analysis import POOLED
from kmnist_mlp.experiments.paper import PAPER, published_gradients
from kmnist_mlp.experiments.paper_gradients import consistent_difference
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.report.readme import findings, options_page
from kmnist_mlp.support.statistics import plus_minus

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES[ROOT / "README.md"] = README


def test_the_table_of_findings_holds_the_reference_results_beside_each_printed_accuracy():
    reference = load_reference("KMNIST").set_index(["experiment", "quantity"]).value
    for name, entry in PAPER.items():
        if not ACCURACIES.get(name):
            assert f"| {entry.title} |" not in README
            continue
        accuracy = plus_minus(reference.loc[name, "test_accuracy"] * 100, 2)
        loss = plus_minus(reference.loc[name, "test_loss"], 4)
        row = next(line for line in README.splitlines() if line.startswith(f"| {entry.title} |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        papers = (ACCURACIES.get(name) or "–", LOSSES.get(name) or "–")
        assert (cells[1], cells[2], cells[3], cells[4]) == (accuracy, papers[0], loss, papers[1])


def results_by_reference():
    reference = load_reference("KMNIST")
    table = reference.pivot(index=["experiment", "seed"], columns="quantity", values="value")
    frame = table.reset_index().query("experiment in @PAPER").reset_index(drop=True)
    frame["generalisation_gap"] = frame.training_accuracy - frame.validation_accuracy
    runs = dict.fromkeys(zip(frame.experiment, frame.seed, strict=True))
    return Results(runs, frame, "KMNIST")


def test_the_findings_in_words_are_those_of_the_reference_results():
    results = results_by_reference()
    assert f"-->\n{findings(results)}\n<!-- end of findings" in README
    text = " ".join(README.split())
    tuned = plus_minus(100 * sweep.load("tuned").test_accuracy, 2)
    assert f"on the validation split brings {' '.join(tuned.split())} %" in text
    nearest_neighbours = sweep.load("other classifiers").test_accuracy_percent[0]
    assert f"neighbours, without any training, reach {nearest_neighbours:.2f} %" in text
    means = load_reference("KMNIST").groupby(["quantity", "experiment"]).value.mean()
    gap = 100 * (means.validation_accuracy - means.test_accuracy)
    assert f"validation accuracy is {gap['baseline']:.1f} points above its test accuracy" in text
    assert f"re-split at random, {gap[POOLED]:.1f} points remain" in text
    slips = [(consistent_difference(row), row["difference"]) for row in published_gradients()]
    assert sum(own != printed for own, printed in slips) == 5
    assert sum(own == own != printed for own, printed in slips) == 4


def test_the_page_of_options_is_made_of_the_fields_of_config():
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == options_page()
    assert f"`learning_rate` | {Config.learning_rate} |" in page


def lines_of_code(source):
    """Count the lines that hold code: no docstring, no comment, not blank."""
    layout = (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    unseen = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines, before = set(), tokenize.NEWLINE
    for token in (token for token in tokens if token.type not in unseen):
        is_docstring = token.type == tokenize.STRING and before in layout
        if token.type not in layout and not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
        before = token.type
    return len(lines)


def test_the_network_and_its_training_are_as_small_as_readme_says():
    graph = grimp.build_graph("kmnist_mlp", cache_dir=None)
    closure = {"kmnist_mlp.training", "kmnist_mlp.gradient_check"}
    closure |= set().union(*map(graph.find_upstream_modules, closure))
    imported = [Path(importlib.import_module(name).__file__) for name in closure]
    core = (ROOT / "kmnist_mlp").glob("*.py")
    stated = re.search(r"(\d+) lines of code, ([\d,]+) with all that they import", README)
    for files, number in zip((core, imported), stated.groups(), strict=True):
        counted = sum(lines_of_code(path.read_text(encoding="utf-8")) for path in files)
        assert 0 <= int(number.replace(",", "")) - counted < 20, counted


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_links_to_files_that_exist_and_is_linked_from_readme(page):
    targets = re.findall(r"(?:\]\(|src=\")([^)#\"]+)", PAGES[page])
    local = [target for target in targets if not target.startswith("http")]
    assert [target for target in local if not (page.parent / target).is_file()] == []
    assert page.name == "README.md" or f"(docs/{page.name})" in README


PYTHON = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


@pytest.mark.parametrize("block", PYTHON)
def test_the_python_in_a_page_runs(block, kmnist, monkeypatch, tmp_path):
    """One epoch each, two runs of the large sweep, no window; on whatever data there is."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr("kmnist_mlp.load_kmnist", lambda: kmnist)
    monkeypatch.setattr("kmnist_mlp.experiments.runs.load_kmnist", lambda: kmnist)
    short = block.replace("Config(layer", "Config(epochs=1, layer")
    assert short != block or "Config" not in block
    short = re.sub(r"for rate in \(.*\)", "for rate in (1e-4,)", short)
    short = short.replace("range(16, 336, 16)", "(16, 32)")
    exec(compile(short, "README.md", "exec"), {"__name__": "__main__"})
    plt.close("all")


def test_the_recipes_choose_by_the_images_that_they_say(kmnist, monkeypatch):
    parts = (kmnist.train_images, kmnist.train_labels, kmnist.test_images, kmnist.test_labels)
    few = Dataset(*(part[:1500] for part in parts))
    monkeypatch.setattr("kmnist_mlp.load_kmnist", lambda: few)
    names = {"__name__": "__main__"}
    blocks = re.findall(r"```python\n(.*?)```", PAGES[ROOT / "docs" / "sweeps.md"], re.DOTALL)
    for block in blocks[1:3]:
        exec(block.replace("5000", "300"), names)
    fitted = names["Perceptron"](32, 3e-3).fit(few.train_images, few.train_labels).model_
    expected = train(Config(layer_specs=(784, 32, 10), learning_rate=3e-3), few).model
    assert (fitted.parameters == expected.parameters).all()
    assert names["search"].score(few.test_images, few.test_labels) > 0.3  # guessing: 0.1
    losses, best = names["losses"], names["best"]["model"]
    loss, _ = evaluate(best, few.train_images[:300], few.train_labels[:300])
    assert loss == pytest.approx(min(losses), rel=1e-5)
    assert (len(names["rest"].train_images), len(losses) - losses.index(min(losses))) == (1200, 6)
