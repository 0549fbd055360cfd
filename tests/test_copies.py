"""Copies to play with are never overwritten; the zip for a class has no solutions, and runs."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kmnist_mlp.report.__main__ import main
from kmnist_mlp.report.copies import CLASS, RUNS_WITH, SOLUTION, SOLUTIONS, TEACHING, pack_course

ROOT = Path(__file__).resolve().parents[1]
CHEAPEST = ROOT / "notebooks" / "01_gradient_check.ipynb"


def edit(path, source, **changes):
    """Change and save a notebook, as JupyterLab does: its metadata stays."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].update({"source": source, **changes})
    nbformat.write(notebook, path)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---- to play with ----------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    """Return a folder with three notebooks, and the one of their copies."""
    originals, copies = tmp_path / "notebooks", tmp_path / "play"
    originals.mkdir()
    for name in ("01_one", "02_two", "03_three"):
        cells = [new_code_cell("1 + 1", id="a")]
        nbformat.write(new_notebook(cells=cells), originals / f"{name}.ipynb")
    assert main(["--play"], tmp_path) == 0
    for path in originals.iterdir():
        copy = nbformat.read(copies / path.name, as_version=4)
        assert copy.cells == nbformat.read(path, as_version=4).cells
    return originals, copies


@pytest.mark.parametrize("changed", [False, True])
def test_what_a_reader_has_is_kept_a_missing_copy_made_again_and_a_new_original_reported(
    folders, changed, capfd
):
    originals, copies = folders
    edit(copies / "01_one.ipynb", "2 + 2")
    (copies / "02_two.ipynb").rename(copies / "my second.ipynb")
    (copies / "curve.png").write_bytes(b"mine")
    before = contents(copies)
    edit(originals / "01_one.ipynb", "1 + 2" if changed else "1 + 1", execution_count=5)
    assert main(["--play"], originals.parent) == 0
    after = contents(copies)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"02_two.ipynb"}
    told = capfd.readouterr().out
    assert ("play/01_one.ipynb is kept" in told) == changed and told.count("is kept") == changed


# ---- for a class -----------------------------------------------------

FOLDED = "<details><summary>{}</summary>\n\n{}\n\n</details>"
EXERCISE = "### Exercise 1\n\nPredict the sum, then run it.\n\n" + FOLDED.format("Hint", "Even.")
ANSWER = "A planted answer.\n\n```python\nprint(20 + 22)\n```"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with its cheapest notebook, which has an exercise and a cell more."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*RUNS_WITH, "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "notebooks").mkdir()
    solution = new_markdown_cell(FOLDED.format("Solution", ANSWER), metadata={"tags": [SOLUTION]})
    notebook = nbformat.read(CHEAPEST, as_version=4)
    state = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    notebook.metadata["widgets"] = state
    printed = [new_output("stream", text="a planted output")]
    lines = "import kmnist_mlp\n\nprint(kmnist_mlp.__file__)"
    code = new_code_cell(lines, outputs=printed, execution_count=1)
    notebook.cells += [new_markdown_cell(EXERCISE), solution, code]
    nbformat.write(notebook, folder / "notebooks" / CHEAPEST.name)
    return folder


@pytest.fixture(scope="module")
def unpacked(project, tmp_path_factory):
    """The course, packed and unpacked in an empty folder."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
        assert main(["--course"], project) == 0
    folder = tmp_path_factory.mktemp("an empty folder")
    with zipfile.ZipFile(project / "build" / f"{CLASS}.zip") as archive:
        archive.extractall(folder)
    return folder


def test_the_class_gets_notebooks_without_outputs_pages_with_them_and_no_solutions(unpacked):
    (path,) = (unpacked / CLASS / "notebooks").iterdir()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.name == CHEAPEST.name and "widgets" not in notebook.metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs or cell.execution_count for cell in code)
    assert notebook.cells[-2].source == EXERCISE
    for path in (unpacked / CLASS).rglob("*"):
        assert path.suffix == ".npz" or path.is_dir() or b"planted answer" not in path.read_bytes()
    page = (unpacked / CLASS / "pages" / f"{CHEAPEST.stem}.html").read_text("utf-8")
    assert "a planted output" in page and "Predict the sum" in page
    source = unpacked / SOLUTIONS / "source" / CHEAPEST.stem / CHEAPEST.name
    assert nbformat.read(source, as_version=4) == notebook
    index = (unpacked / CLASS / "pages" / "index.html").read_text("utf-8")
    assert "Hints are folded" in index and "make report" not in index


def test_the_teacher_gets_each_solution_unfolded_below_its_exercise(unpacked):
    names = {path.name for path in (unpacked / SOLUTIONS).iterdir()}
    assert names == {f"{CHEAPEST.stem}.md", "source", *TEACHING}
    teaching = (unpacked / SOLUTIONS / "teaching.md").read_text("utf-8")
    assert {*re.findall(r"\]\(([\w.]+)\)", teaching)} <= names
    text = (unpacked / SOLUTIONS / f"{CHEAPEST.stem}.md").read_text("utf-8")
    assert text.startswith("# Solutions: 1 ")
    assert re.search("(?s)### Exercise 1\n.*<summary>Hint.*<details open>.*A planted answer", text)
    assert text.count("<details open>") == text.count("### Exercise")


def test_the_class_has_the_targets_of_make_that_it_needs_and_all_that_it_reads_of(unpacked):
    told = subprocess.run(["make", "-s"], cwd=unpacked / CLASS, capture_output=True, text=True)
    targets = re.findall(r"^  ([a-z-]+) ", told.stdout, re.M)
    assert sorted(targets) == ["clean", "data", "distclean", "help", "lab", "setup"]
    here, notebooks = unpacked / CLASS, (ROOT / "notebooks").glob("*.ipynb")
    for path in (here / "README.md", *(here / "pages").iterdir(), *notebooks):
        named = re.findall(r"(?:`|<code>)(?:\w+=\S+ )?make ([a-z-]+)", path.read_text("utf-8"))
        assert {*named} <= {*targets}, path.name


def test_the_same_project_gives_the_same_zip(project, unpacked, tmp_path, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    first = project / "build" / f"{CLASS}.zip"
    pack_course(project, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == first.read_bytes()


def test_a_notebook_of_the_class_runs_from_the_unpacked_folder_with_the_package_that_lies_there(
    unpacked, tmp_path
):
    here = unpacked / CLASS
    script = (
        "from pathlib import Path; from kmnist_mlp.report.execution import execute_all; "
        "print([*execute_all([*Path('notebooks').iterdir()]).values()])"
    )
    environment = os.environ | {
        "PYTHONPATH": str(here), "KMNIST_MLP_DATASET": "stand-in", "KMNIST_MLP_SEEDS": "1",
        "KMNIST_MLP_CACHE": str(tmp_path), "IPYTHONDIR": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    before = set(here.rglob("*.*"))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "agrees with the reference" in done.stdout
    assert done.stdout.count("not answered yet") == 2
    assert str(here / "kmnist_mlp") in done.stdout
    assert set(here.rglob("*.*")) == before, "a run leaves nothing behind"
