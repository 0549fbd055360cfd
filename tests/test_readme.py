"""README and the pages in docs/ say what the committed results, code and contracts say."""

import importlib
import io
import json
import math
import re
import tokenize
import tomllib
from pathlib import Path
from types import SimpleNamespace

import grimp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import quoted
from PIL import Image
from printed import ACCURACIES, LOSSES

from kmnist_mlp import MLP, Config
from kmnist_mlp.datasets.stand_in import draw_stand_in
from kmnist_mlp.experiments import analysis, sweep
from kmnist_mlp.experiments.causes import MATERIAL
from kmnist_mlp.experiments.claims import NO_DIFFERENCE, rounding_limits
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER, published_gradients
from kmnist_mlp.experiments.paper_gradients import consistent_difference
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.extensions.augmentation import LARGEST
from kmnist_mlp.figures import difference_to_paper, use_style
from kmnist_mlp.gradient_check import TOLERANCE
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
    frame = table.loc[[*PAPER]].reset_index()
    frame["generalisation_gap"] = frame.training_accuracy - frame.validation_accuracy
    keys = zip(frame.experiment, frame.seed, strict=True)
    runs = {key: SimpleNamespace(config=EXPERIMENTS[key[0]].replace(seed=key[1])) for key in keys}
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
    assert f"re-split at random, {gap[analysis.POOLED]:.1f} points remain" in text


def pixels(image):
    return np.asarray(Image.open(image).convert("L"), dtype=float)


def test_the_pictures_in_readme_are_drawn_from_the_reference_results():
    """A stroke may fall on another pixel with another version of matplotlib, a picture not."""
    shown = re.findall(r'<img src="([^"]+)" .*alt="([^"]+)', README)
    with mpl.rc_context():
        use_style()
        panels = difference_to_paper(results_by_reference()).panels
        for (file, text), panel, kind in zip(shown, panels, ("accuracy", "loss"), strict=True):
            drawn = io.BytesIO()
            panel.savefig(drawn)
            drawn, kept = pixels(drawn), pixels(ROOT / file)
            assert kind in text and kept.shape == drawn.shape
            assert (np.abs(kept - drawn) > 64).mean() < 0.01


# ---- numbers in prose ----------------------------------------------------------------------------


def test_the_numbers_and_directions_of_all_prose_are_those_written_down_a_second_time():
    assert quoted.quoted() == json.loads(quoted.FILE.read_text("utf-8")), quoted.__doc__


def word(number):
    named = {4: "four", 5: "five", 13: "thirteen", 18: "eighteen", 24: "twenty-four"}
    return named.get(number, str(number))


def parameters(*layers):
    return MLP(layers).parameters.size


ROWS = published_gradients()
SLIPS = [(consistent_difference(row), row["difference"]) for row in ROWS]
NAMES = vars(math) | {
    "config": Config(), "final": EXPERIMENTS["final"], "word": word, "parameters": parameters,
    "paper": {name: entry.test_accuracy for name, entry in PAPER.items()},
    "images": 70_000, "training": 60_000, "side": 28, "stand_in": draw_stand_in.__defaults__,
    "step": Config.learning_rate * Config.batch_size, "tolerance": f"{{{math.log10(TOLERANCE):g}}}",
    "level": 0.05, "limits": rounding_limits(89), "margin": NO_DIFFERENCE, "material": MATERIAL, "largest": LARGEST.ravel(),
    "saturated": analysis.SATURATED, "edge": math.atanh(math.sqrt(1 - analysis.SATURATED)),
    "printed": len(ROWS), "slips": sum(own != difference for own, difference in SLIPS),
    "exponents": sum(own == own != difference for own, difference in SLIPS),
    "runs": 5 * len({*EXPERIMENTS.values()}),
}  # fmt: skip
FACTS = tomllib.loads(Path(__file__).with_name("facts.toml").read_text("utf-8"))["facts"]


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_has_the_same_numbers_wherever_prose_repeats_it(fact):
    pattern = r"\S+".join(map(re.escape, re.split(r"\{[^{}]+\}", fact)))
    prose = " ".join(" ".join(quoted.texts().values()).split())
    assert {*re.findall(pattern, prose)} == {eval(f"f{fact!r}", NAMES)}


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
