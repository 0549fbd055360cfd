"""The command executes what changed and writes a whole report; a failure leaves the old one."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from official import fill, small_files

from kmnist_mlp import Config
from kmnist_mlp.report import execution
from kmnist_mlp.report.__main__ import main
from kmnist_mlp.report.execution import outputs_key
from kmnist_mlp.report.pages import site

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
INTRODUCTION = """# 1 Is the loss < 1 & finite?

It is, as a *small* notebook shows.

The loss of $n$ images is

$$E = \\frac{1}{n} \\sum_n E^n$$
"""
DRAW = """
from IPython.display import HTML, Markdown, display
display(Markdown("**Figure 1.** It falls by $x^2$."))
display(HTML("<table><tr><td>0.064</td></tr></table>"))
print("baseline: agrees <with> the reference results", file=open("log", "a"))
print("baseline: agrees <with> the reference results")
"""
PAGES = {"accessibility", "draw", "glossary", "index", "train"}


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def good(project, name="01_first_steps"):
    introduction = INTRODUCTION.replace("# 1", f"# {int(name[:2])}")
    cells = new_markdown_cell(introduction), new_code_cell(DRAW.strip())
    return write(project / "notebooks" / f"{name}.ipynb", *cells)


@pytest.fixture(scope="module", autouse=True)
def small_experiments():
    """Train small networks in the place of the paper's, on the stand-in, with one seed."""
    small = Config(layer_specs=(784, 4, 10), epochs=1)
    names = ("baseline", "l2_0.2", "relu", "final", "linear")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(execution, "EXPERIMENTS", dict.fromkeys(names, small))
        monkeypatch.setenv("KMNIST_MLP_SEEDS", "1")
        monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project of two notebooks with its report."""
    project = tmp_path_factory.mktemp("project")
    good(project)
    good(project, "02_second_steps")
    assert main([], project) == 0
    return project


def test_a_report_has_a_page_for_each_notebook_with_its_formulas_outputs_and_folded_code(made):
    build = made / "build"
    assert {path.name for path in build.iterdir()} == {"executed", "report"}
    stems = {path.stem for path in (build / "report").iterdir()}
    assert stems == PAGES | {"01_first_steps", "02_second_steps", "ro-crate-metadata"}
    text = (build / "report" / "02_second_steps.html").read_text("utf-8")
    page = BeautifulSoup(text, "html.parser").main
    assert page.h1.get_text().startswith("2 Is the loss < 1 & finite?")
    assert "< 1 &" not in text
    (code,) = page.select(".code")
    assert code.select("span") and len(page.select(".show-code:not([checked])")) == 1
    code.decompose()
    formulas = page.find_all("math")
    assert [formula.get("display") == "block" for formula in formulas] == [False, True, False]
    assert formulas[1].mfrac and "frac{" not in page.text and "$" not in page.text
    assert page.td.text == "0.064" and page.find("strong", string="Figure 1.")
    assert "agrees <with> the reference results" in page.pre.text


def test_the_report_describes_itself_as_a_research_object_with_all_its_pages(made):
    """RO-Crate 1.1: a flat list, in which each entity is described that another one refers to."""
    report = made / "build" / "report"
    crate = json.loads((report / "ro-crate-metadata.json").read_text("utf-8"))
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    about, root = entities["ro-crate-metadata.json"], entities["./"]
    assert crate["@context"] == about["conformsTo"].pop("@id") + "/context"
    assert about["about"] == {"@id": "./"} and root["@type"] == "Dataset"
    assert all(root[key] for key in ("name", "description", "license", "author", "citation"))
    pages = {path.name for path in report.glob("*.html")}
    assert {part["@id"] for part in root["hasPart"]} == pages
    assert {*re.findall(r"\{'@id': '([^']+)'\}", str(crate))} <= {*entities}
    assert all(entity["@type"] for entity in entities.values())


def test_a_notebook_that_fails_as_a_test_is_kept_with_its_outputs(tmp_path):
    for number, last in enumerate(("1", "1 / 0")):
        path = tmp_path / "notebooks" / f"{number}.ipynb"
        write(path, *map(new_code_cell, ("7 * 6", last)))
    shutil.copy(ROOT / "notebooks" / "conftest.py", path.parent)
    command = [sys.executable, *"-m pytest --nbval --nbval-current-env notebooks".split()]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    (kept,) = (tmp_path / "build" / "failed").iterdir()
    first, last = (cell.outputs[0] for cell in nbformat.read(kept, 4).cells)
    assert (first.data["text/plain"], last.ename) == ("42", "ZeroDivisionError")


def executions(project):
    assert main([], project) == 0
    return len((project / "notebooks" / "log").read_text("utf-8").splitlines())


def test_only_what_changed_is_executed_again_and_the_report_holds_nothing_old(made):
    before = executions(made)
    report = made / "build" / "report"
    (report / "09_gone.html").write_text("a page of a notebook that is no more")
    (report / "index.html").unlink()
    good(made, "03_third_steps")
    assert executions(made) == before + 1
    left = {path.stem for path in report.iterdir()}
    assert PAGES < left and "09_gone" not in left
    write(made / "notebooks" / "03_third_steps.ipynb", new_code_cell(DRAW))
    assert executions(made) == before + 2
    assert len(list((made / "build" / "executed").iterdir())) == 3, "no old execution is kept"


def test_all_that_decides_the_outputs_of_a_notebook_is_in_the_key_of_their_execution(
    tmp_path, monkeypatch, tiny10
):
    monkeypatch.setattr(execution, "PROJECT", tmp_path)

    def key(data=tiny10, **change):
        cell = {**new_markdown_cell("# 1 One"), **change}
        return outputs_key(nbformat.from_dict({"cells": [cell]}), data)

    def key_with(file):
        path = tmp_path / "kmnist_mlp" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("changed")
        return key()

    keys = [key(), key(replace(tiny10, test_images=tiny10.test_images[::-1]))]
    keys += [key(source="# 2"), key(cell_type="raw"), key(metadata={"tags": ["a"]})]
    for name, value in (
        ("numpy.__version__", "0"),
        ("pandas.__version__", "0"),
        ("kmnist_mlp.experiments.provenance.commit", lambda: "another"),
        ("kmnist_mlp.report.execution.default_seeds", lambda: [7]),
    ):
        with monkeypatch.context() as context:
            context.setattr(name, value)
            keys.append(key())
    keys += map(key_with, ("network.py", "figures/style.mplstyle", "experiments/paper.csv"))
    assert len({*keys}) == len(keys)
    for file in ("network.pyc", "report/pages/page.py", "report/pages/templates/style.css"):
        assert key_with(file) == keys[-1]


# ---- what goes wrong -------------------------------------------------


@pytest.fixture
def previous(tmp_path):
    """An earlier report, which must stay as it is."""
    folder = tmp_path / "build" / "report"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("the previous one")
    yield folder
    assert {path.name for path in folder.parent.iterdir()} <= {"executed", "report"}
    assert [path.read_text() for path in folder.iterdir()] == ["the previous one"]


def test_failing_notebooks_are_named_with_their_cells_and_leave_the_previous_report(
    tmp_path, previous, capsys
):
    expected = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    unexpected = new_code_cell("# the paper's\naccuracy / 0  # as an example")
    write(tmp_path / "notebooks" / "02_fails.ipynb", expected, unexpected)
    write(tmp_path / "notebooks" / "01_one.ipynb", new_code_cell("int('x')"))
    assert main([], tmp_path) == 1
    told = capsys.readouterr().err
    for part in ("01_one.ipynb, cell [1]", "ValueError", "02_fails.ipynb, cell [2]", "NameError"):
        assert part in told
    assert "ZeroDivisionError" not in told, "an expected error is not blamed"


@pytest.mark.parametrize(
    ("content", "setting", "options", "named"),
    [
        (None, {}, [], "notebooks"),
        ("[]", {}, ["--committed"], "01_broken"),
        ("good", {}, ["--committed"], "01_broken.ipynb has no outputs"),
        ("good", {"CHROMIUM": "", "PATH": ""}, ["--pdf"], "Chromium"),
        ("good", {"KMNIST_MLP_SEEDS": "many"}, [], "many"),
        ("good", {"KMNIST_MLP_RESULTS": "{file}"}, [], "KMNIST_MLP_RESULTS"),
    ],
)
def test_what_cannot_be_a_report_is_named_and_leaves_the_previous_one(
    tmp_path, previous, capsys, monkeypatch, content, setting, options, named
):
    if content:
        path = good(tmp_path, "01_broken")
        path.write_text(path.read_text() if content == "good" else content)
    for name, value in setting.items():
        (tmp_path / "file").touch()
        monkeypatch.setenv(name, value.format(file=tmp_path / "file"))
    assert main([*options, "--output", str(previous)], tmp_path) == 1
    assert named in capsys.readouterr().err and not (tmp_path / "notebooks" / "log").exists()


@pytest.mark.parametrize("method", ["write_text", "rename"])
def test_an_interrupted_report_leaves_the_previous_one_and_ends_in_a_line(
    tmp_path, previous, capsys, monkeypatch, method
):
    good(tmp_path)
    called, original = [], getattr(Path, method)

    def interrupted(path, *given):
        called.append(path)
        if len(called) == 2:
            raise KeyboardInterrupt
        return original(path, *given)

    monkeypatch.setattr(site, "render", lambda *given: {"index": "new", "other": "new"})
    monkeypatch.setattr(Path, method, interrupted)
    assert main(["--committed", "--output", str(previous)], tmp_path) == 130
    assert capsys.readouterr().err.count("\n") == 1 < len(called)


def test_a_browser_that_cannot_print_is_named_and_the_single_file_is_left(
    tmp_path, capsys, monkeypatch
):
    good(tmp_path)
    monkeypatch.setattr(site, "render", lambda *given: {"index": "new"})
    monkeypatch.setenv("CHROMIUM", "/bin/false")
    output = tmp_path / "out" / "report.html"
    assert main(["--committed", "--pdf", "--output", str(output)], tmp_path) == 1
    assert "/bin/false" in capsys.readouterr().err
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]


# ---- notebooks in place, and README ----------------------------------

README = (ROOT / "README.md").read_text("utf-8")
WRITTEN = r"(?s)(<!-- (?:findings|results):.*?-->\n)(.*?)\n<!-- end of"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project with README, docs and a notebook without outputs; small files are its data."""
    monkeypatch.setattr("kmnist_mlp.report.readme.findings", lambda results: "- some")
    monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
    monkeypatch.setenv("KMNIST_MLP_DATA", str(fill(tmp_path / "data", small_files(monkeypatch))))
    project = tmp_path / "project"
    (project / "docs").mkdir(parents=True)
    (project / "README.md").write_text(README, "utf-8")
    good(project)
    with mpl.rc_context():
        yield project


def contents(folder):
    found = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path: content for path, content in found.items() if path.name != "log"}


def test_notebooks_are_executed_in_place_and_the_findings_written_into_readme(checkout):
    assert main(["--in-place"], checkout) == 0
    _, cell = nbformat.read(checkout / "notebooks" / "01_first_steps.ipynb", as_version=4).cells
    assert cell.execution_count == 1 and len(cell.outputs) == 3
    assert "execution" not in cell.metadata, "no times"
    assert len(list((checkout / "docs").iterdir())) == 3, "options and two pictures"
    readme = (checkout / "README.md").read_text("utf-8")
    assert re.sub(WRITTEN, r"\1", readme) == re.sub(WRITTEN, r"\1", README)
    said, table = (body for _, body in re.findall(WRITTEN, readme))
    assert said == "- some" and table.count("\n| ") == 1 + 4


@pytest.mark.parametrize("fault", ["notebook", "<!-- findings", "<!-- end of results", "stand-in"])
def test_notebooks_in_place_and_readme_stay_as_they_are_if_anything_fails(
    checkout, fault, capsys, monkeypatch
):
    if fault == "notebook":
        write(checkout / "notebooks" / "02_fails.ipynb", new_code_cell("1 / 0"))
    elif fault == "stand-in":
        monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    else:
        (checkout / "README.md").write_text(README.replace(fault, "<!-- other"), "utf-8")
    before = contents(checkout)
    assert main(["--in-place"], checkout) == 1
    named = {"notebook": "02_fails.ipynb", "stand-in": "KMNIST"}.get(fault, "README.md")
    assert named in capsys.readouterr().err
    assert contents(checkout) == before


# ---- the committed notebooks -----------------------------------------


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_notebook_was_executed_in_order_on_real_data_and_ends_with_a_check(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = str([cell.outputs for cell in cells])
    wrong = re.search("'error'|'stderr'|(?i:stand-in)|MOVED|NO REFERENCE", outputs)
    assert not wrong, wrong
    assert path.stat().st_size < 3_000_000
    assert f"numbers_agree(data, {int(path.name[:2])})" in cells[-1].source
