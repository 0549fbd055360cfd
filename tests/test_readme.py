"""README and the pages in docs/ say what the committed results, code and contracts say."""

import ast
import io
import re
import tokenize
import tomllib
from dataclasses import fields
from itertools import chain
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from printed import ACCURACIES, LOSSES

from kmnist_mlp import Config
from kmnist_mlp.experiments import sweep
from kmnist_mlp.experiments.distribution_shift import POOLED
from kmnist_mlp.experiments.other_classifiers import measured
from kmnist_mlp.experiments.paper import PAPER, published_gradients
from kmnist_mlp.experiments.paper_gradients import consistent_difference
from kmnist_mlp.experiments.readings import (
    READINGS,
    SCALED,
    load_readings,
    results_of,
    verdicts,
)
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.experiments.verdicts import losses_above
from kmnist_mlp.figures.readings import claims_by_reach
from kmnist_mlp.report.readme import options_page
from kmnist_mlp.support.statistics import plus_minus

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES[ROOT / "README.md"] = README


def test_the_table_of_findings_holds_the_reference_results_of_every_experiment():
    reference = load_reference("KMNIST").set_index(["experiment", "quantity"]).value
    for name, entry in PAPER.items():
        accuracy = plus_minus(reference.loc[name, "test_accuracy"] * 100, 2)
        loss = plus_minus(reference.loc[name, "test_loss"], 4)
        row = next(line for line in README.splitlines() if line.startswith(f"| {entry.title} |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        papers = (ACCURACIES.get(name) or "–", LOSSES.get(name) or "–")
        assert (cells[1], cells[2], cells[3], cells[4]) == (accuracy, papers[0], loss, papers[1])


def test_the_findings_in_words_are_those_of_the_reference_results():
    reference = load_reference("KMNIST").set_index(["experiment", "quantity"]).value
    accuracy = reference.xs("test_accuracy", level="quantity").groupby(level=0).mean() * 100
    gain = accuracy - accuracy["baseline"]
    nearest_neighbours = measured().test_accuracy_percent[0]
    text = " ".join(README.split())
    tuned = plus_minus(100 * sweep.load("tuned").test_accuracy, 2)
    assert f"on the validation split brings {' '.join(tuned.split())} %" in text
    validation = reference.xs("validation_accuracy", level="quantity").groupby(level=0).mean() * 100
    gap = validation - accuracy
    assert f"validation accuracy is {gap['baseline']:.1f} points above its test accuracy" in text
    assert f"re-split at random, {gap[POOLED]:.1f} points remain" in text
    slips = sum(consistent_difference(row) != row["difference"] for row in published_gradients())
    assert slips == 5 and "Five of the eighteen gradient differences" in text
    final = plus_minus(reference.loc["final", "test_accuracy"] * 100, 2)
    assert " ".join(final.split()) + " % over five seeds" in text
    assert f"Sigmoid is {gain['sigmoid']:.1f} points better than tanh" in text
    faster = (accuracy["learning_rate_0.005"] - accuracy["baseline_100_epochs"]).round(1)
    assert f"test accuracy is {faster} points higher" in text
    assert f"brings {-gain['no_standardisation']:.1f} points over raw pixels" in text
    assert f"neighbours, without any training, reach {nearest_neighbours:.2f} %" in text
    both = f"{gain['relu']:.1f} and {gain['l2_0.2']:.1f} points"
    papers = {name: float(value) for name, value in ACCURACIES.items() if value}
    theirs = " and ".join(f"{papers[n] - papers['baseline']:.1f}" for n in ("relu", "l2_0.2"))
    assert f"ReLU and an L2 penalty of 0.2 bring {both}**; in the paper, {theirs}." in text
    assert f"The paper's accuracy of {papers['final']:.0f} % for the final model" in text
    opposite = papers["sigmoid"] < papers["baseline"]
    assert ("than tanh.** The paper finds the opposite." in text) == opposite


def test_the_findings_of_other_readings_are_those_of_the_committed_ones():
    text, table = " ".join(README.split()), load_readings()
    ours, *others = (results_of(reading, table) for reading in READINGS)
    scaled = results_of(SCALED, table).values("test_accuracy", "baseline")
    gain = (scaled - ours.values("test_accuracy", "baseline")).mean()
    brought = f"another {gain:.1f} ({plus_minus(scaled, 2)} %; both over three seeds)"
    assert " ".join(brought.split()) in text
    judged = verdicts(table)
    reach = claims_by_reach(judged).reach
    every, none = (reach == "every reading").sum(), (reach == "no reading").sum()
    assert f"{every} of {len(reach)} claims are reproduced in all, {none} in none" in text
    assert "Sigmoid has the higher mean in all twelve" in text
    for results in (ours, *others):
        sigmoid, tanh = (results.values("test_accuracy", n) for n in ("sigmoid", "baseline"))
        assert sigmoid.mean() > tanh.mean()
    assert "All printed test losses lie above ours**, in ten of the twelve readings" in text
    above = [losses_above(results)[:2] for results in (ours, *others)]
    assert sum(count == printed for count, printed in above) == 10 and above[0][0] == above[0][1]
    assert "With classical momentum, a learning rate of 0.005 is worse" in text
    slower = judged.loc["5 Learning rate 0.0005 trains to a better training accuracy than 0.005"]
    classical = [reading.momentum == "classical" for reading in READINGS]
    assert (slower[classical] == "reproduced").all()


def test_the_page_of_options_is_made_of_the_fields_of_config():
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == options_page()
    assert all(f"`{f.name}` | {f.default} |" in page for f in fields(Config))


def lines_of_code(source):
    """Count the lines that hold code: no docstring, no comment, not blank."""
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*layout, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_the_core_is_as_small_as_readme_says():
    files = list((ROOT / "kmnist_mlp").glob("*.py"))
    stated = int(re.search(r"(\d+) lines of code", README)[1])
    counted = sum(lines_of_code(path.read_text(encoding="utf-8")) for path in files)
    assert stated - 20 < counted <= stated


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_file_that_a_page_links_to_exists(page):
    targets = re.findall(r"\]\(([^)#]+)\)", PAGES[page])
    local = [target for target in targets if not target.startswith("http")]
    assert [target for target in local if not (page.parent / target).is_file()] == []


def test_readme_is_a_front_page_that_links_to_every_other_page():
    assert len(README.splitlines()) <= 120
    for page in PAGES:
        assert page.name == "README.md" or f"(docs/{page.name})" in README


def test_the_page_on_structure_lists_the_layers_in_the_order_of_the_contract():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    layers = list(chain.from_iterable(layer.split(" | ") for layer in contract["layers"]))
    page = PAGES[ROOT / "docs" / "structure.md"]
    assert re.findall(r"^\| `(\w+)(?:/|\.py)` \|", page, re.MULTILINE) == layers


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
