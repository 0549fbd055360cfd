"""README and the pages in docs/ say what the committed results, code and contracts say."""

import ast
import gzip
import importlib
import json
import math
import re
import shutil
import tomllib
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import grimp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import quoted
from official import fill, npz
from PIL import Image

from kmnist_mlp import Config, Dataset, evaluate, load_kmnist, train
from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.datasets.folder import PARTS, load_folder
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.reference import load_reference
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.figures.report_figure import report_figure
from kmnist_mlp.report.readme import update_readme

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES[ROOT / "README.md"] = README


def results_by_reference():
    reference = load_reference("KMNIST")
    table = reference.pivot(index=["experiment", "seed"], columns="quantity", values="value")
    frame = table.loc[[*PAPER]].reset_index().assign(cached=True)
    frame["generalisation_gap"] = frame.training_accuracy - frame.validation_accuracy
    run = SimpleNamespace(config=PAPER["baseline"].config, kept_epoch=0)
    keys = zip(frame.experiment, frame.seed, strict=True)
    return Results(dict.fromkeys(keys, run), frame, "KMNIST")


def test_readme_its_pictures_and_the_options_are_what_reference_and_config_give(tmp_path):
    """A stroke may fall on another pixel with another version of matplotlib."""
    (tmp_path / "docs").mkdir()
    with mpl.rc_context():
        update_readme(Path(shutil.copy(ROOT / "README.md", tmp_path)), results_by_reference())
    written = [path for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len(written) == 4
    for path, kept in ((path, ROOT / path.relative_to(tmp_path)) for path in written):
        if path.suffix == ".md":
            assert path.read_text("utf-8") == kept.read_text("utf-8")
            continue
        new, old = (np.asarray(Image.open(file).convert("L"), float) for file in (path, kept))
        assert new.shape == old.shape and (np.abs(new - old) > 64).mean() < 0.01
    shown = re.findall(r'<img src="docs/(\w+)_minus_paper.png" .*alt=".*(accuracy|loss)\b', README)
    assert shown == [("accuracy", "accuracy"), ("loss", "loss")]


# ---- numbers in prose ------------------------------------------------


def test_the_numbers_and_directions_of_all_prose_are_those_written_down_a_second_time():
    assert quoted.quoted() == json.loads(quoted.FILE.read_text("utf-8")), quoted.__doc__


NAMES = vars(math).copy()
for module in quoted.FACTS["modules"].split():
    NAMES[module.rpartition(".")[2]] = importlib.import_module(f"kmnist_mlp.{module}")
for name, expression in quoted.FACTS["names"].items():
    NAMES[name] = eval(expression, NAMES)


@pytest.mark.parametrize("fact", quoted.FACTS["facts"])
def test_a_fact_has_the_same_numbers_wherever_prose_repeats_it(fact):
    pattern = r"\S+".join(map(re.escape, re.split(r"\{[^{}]+\}", fact)))
    prose = " ".join(" ".join(quoted.texts().values()).split())
    assert {*re.findall(pattern, prose)} == {eval(f"f{fact!r}", NAMES)}


def test_what_decides_results_and_verdicts_is_as_written_down_a_second_time():
    constants = quoted.FACTS["constants"]
    assert {name: eval(name, NAMES) for name in constants} == constants


def lines_of_code(source):
    """Count the lines that hold code: no docstring, no comment, not blank."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    texts = [node for node in nodes if isinstance(node.value, ast.Constant)]
    unseen = {line for node in texts for line in range(node.lineno, node.end_lineno + 1)}
    lines = enumerate(source.splitlines(), 1)
    return sum(n not in unseen and not re.match(r"\s*(#|$)", line) for n, line in lines)


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


OWN = re.findall(r"(?s)```toml\n(.*?)```", PAGES[ROOT / "docs" / "own_data.md"])


@pytest.fixture
def own(tmp_path, monkeypatch):
    """What docs/own_data.md reads, in the working folder; return each dataset.toml, with arrays."""
    monkeypatch.chdir(tmp_path)
    images, own = np.random.default_rng(0).integers(0, 256, (98, 28, 28), np.uint8), {}
    table = pd.DataFrame(images.reshape(98, -1), index=[*"ab"] * 49)
    table.to_csv("letters.csv", index_label="label")
    for n, image in enumerate(images[:20]):
        Path("letters", "ab"[n % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(f"letters/{'ab'[n % 2]}/{n}.png")
    for folder, text in zip((".", "k49"), OWN, strict=True):
        about = fill(Path(folder), {"dataset.toml": text.encode()}) and tomllib.loads(text)
        labels = (np.arange(98) % len(about["class_names"])).astype(np.uint8)
        own[folder] = about, (images, labels, images[:50], labels[:50])
        for part, array in zip(PARTS, own[folder][1], strict=True):
            head = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
            idx = gzip.compress(head + array.tobytes())
            fill(Path(folder), {about[part]: npz(array) if folder == "k49" else idx})
    return own


PYTHON = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


@pytest.mark.parametrize("block", PYTHON)
def test_the_python_in_a_page_runs(block, kmnist, monkeypatch, tmp_path, own):
    """One epoch each, two runs of the large sweep, no window; on whatever data there is."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr("kmnist_mlp.load_kmnist", lambda: kmnist)
    monkeypatch.setattr("kmnist_mlp.experiments.runs.load_kmnist", lambda: kmnist)
    short = block.replace("Config(layer", "Config(epochs=1, layer")
    assert short != block or "Config" not in block
    short = re.sub(r"for rate in \(.*\)", "for rate in (1e-4,)", short)
    short = short.replace("range(16, 336, 16)", "(16, 32)")
    with patch.dict(ACTIVATIONS):
        exec(compile(short, "README.md", "exec"), {"__name__": "__main__"})
    plt.close("all")


def test_other_data_has_its_name_wherever_it_is_shown_and_does_not_pass_for_kmnist(
    own, monkeypatch
):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "")
    for folder, (about, arrays) in own.items():
        monkeypatch.setenv("KMNIST_MLP_DATA", folder)
        with pytest.warns(UserWarning, match=about["name"]):
            data = load_kmnist()
        assert (data.name, data.class_names) == (about["name"], (*about["class_names"],))
        for part, array in zip(PARTS, arrays, strict=True):
            np.testing.assert_array_equal(getattr(data, part), array)
        (figure,) = report_figure([plt.figure()], pd.DataFrame(), data_name=data.name).panels
        assert about["name"] in figure.get_supxlabel()
    monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
    pytest.raises(FileNotFoundError, load_kmnist)
    for name, other in (("Kuzushiji-49", "KMNIST"), ("name", "nam"), ("test-imgs", "test-labels")):
        fill(Path("k49"), {"dataset.toml": OWN[1].replace(name, other).encode()})
        pytest.raises(ValueError, load_folder, "k49")


def test_the_recipes_choose_by_the_images_that_they_say(kmnist, monkeypatch):
    parts = (kmnist.train_images, kmnist.train_labels, kmnist.test_images, kmnist.test_labels)
    few = Dataset(*(part[:1500] for part in parts), "few", kmnist.class_names)
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
