"""The zip for a class: no outputs, no solutions among the notebooks, and it runs where it lies."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kmnist_mlp.report import course
from kmnist_mlp.report.course import (
    CLASS,
    RUNS_WITH,
    SOLUTION,
    SOLUTIONS,
    TEACHING,
    pack,
    split_solutions,
)

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
(GRADIENT_CHECK,) = (path for path in COMMITTED if path.stem.startswith("01"))
FOLDED = "<details><summary>{}</summary>\n\n{}\n\n</details>"
EXERCISE = "### Exercise 1\n\nPredict the sum, then run it.\n\n" + FOLDED.format("Hint", "Even.")
ANSWER = "A planted answer.\n\n```python\nprint(20 + 22)\n```"


def exercise():
    """Return the cells of an exercise and its solution."""
    solution = new_markdown_cell(FOLDED.format("Solution", ANSWER), metadata={"tags": [SOLUTION]})
    return [new_markdown_cell(EXERCISE), solution]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project with its cheapest notebook and a small one, both with an exercise."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*RUNS_WITH, "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "notebooks").mkdir()
    gradient_check = nbformat.read(GRADIENT_CHECK, as_version=4)
    gradient_check.cells += exercise()
    nbformat.write(gradient_check, folder / "notebooks" / GRADIENT_CHECK.name)
    small = new_notebook(cells=[new_markdown_cell("# 9 Sums"), *exercise()])
    lines = "import kmnist_mlp\n\nprint(kmnist_mlp.__file__)"
    printed = [new_output("stream", text="a planted output")]
    small.cells.append(new_code_cell(lines, outputs=printed, execution_count=1))
    small.metadata["kmnist_mlp"] = {"facts": [["this page", "executed in 1 s"]]}
    nbformat.write(small, folder / "notebooks" / "09_sums.ipynb")
    return folder


@pytest.fixture(scope="module")
def unpacked(project, tmp_path_factory):
    """The course, packed and unpacked in an empty folder."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
        pack(project, project / "build" / "course.zip")
    folder = tmp_path_factory.mktemp("an empty folder")
    with zipfile.ZipFile(project / "build" / "course.zip") as archive:
        archive.extractall(folder)
    return folder


def test_the_class_gets_notebooks_without_outputs_and_everything_without_solutions(unpacked):
    paths = sorted((unpacked / CLASS / "notebooks").iterdir())
    assert [path.name for path in paths] == [GRADIENT_CHECK.name, "09_sums.ipynb"]
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert "kmnist_mlp" not in notebook.metadata
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert code and not any(cell.outputs or cell.execution_count for cell in code)
        exercises = [c.source for c in notebook.cells if c.source.startswith("### Exercise")]
        assert exercises[-1] == EXERCISE
    for path in (unpacked / CLASS).rglob("*"):
        assert path.suffix == ".npz" or path.is_dir() or b"planted answer" not in path.read_bytes()


def test_the_pages_keep_the_outputs(unpacked):
    page = (unpacked / CLASS / "pages" / "09_sums.html").read_text("utf-8")
    assert "a planted output" in page and "Predict the sum" in page
    assert (unpacked / CLASS / "pages" / "index.html").is_file()


def test_the_teacher_gets_each_solution_unfolded_below_its_exercise(unpacked):
    names = {path.name for path in (unpacked / SOLUTIONS).iterdir()}
    assert names == {"01_gradient_check.md", "09_sums.md", *TEACHING}
    teaching = (unpacked / SOLUTIONS / "teaching.md").read_text("utf-8")
    linked = re.findall(r"\]\(([\w.]+)\)", teaching)
    assert linked and set(linked) <= names
    text = (unpacked / SOLUTIONS / "09_sums.md").read_text("utf-8")
    parts = (
        "9 Sums", "### Exercise 1", "Predict the sum", "<summary>Hint", "<details open>",
        "A planted answer.", "print(20 + 22)",
    )  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places) and text.count("<details open>") == 1


def test_the_same_project_gives_the_same_zip_and_a_failure_leaves_the_old_one(
    project, unpacked, tmp_path, monkeypatch
):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    first = project / "build" / "course.zip"
    pack(project, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == first.read_bytes()
    before = first.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pack(project, first)
    assert first.read_bytes() == before
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_notebook_of_the_class_runs_from_the_unpacked_folder_with_the_package_that_lies_there(
    unpacked, tmp_path
):
    here = unpacked / CLASS
    script = (
        "from pathlib import Path; from kmnist_mlp.report.execution import execute_all; "
        "first, last = execute_all(sorted(Path('notebooks').glob('*.ipynb'))); "
        "print(first.cells, last.cells[-1].outputs)"
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
    assert "agrees with the reference results" in done.stdout
    assert str(here / "kmnist_mlp") in done.stdout
    assert set(here.rglob("*.*")) == before, "a run leaves nothing behind"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_every_solution_of_the_committed_notebooks_is_taken_out_whole(path):
    notebook = nbformat.read(path, as_version=4)
    without, solutions = split_solutions(notebook)
    assert "<summary>Solution" not in nbformat.writes(without), "each has the tag"
    written = sum(c.source.count("<summary>Solution") for c in notebook.cells)
    assert solutions.count("<details open><summary>Solution") == written
    kept = [c for c in notebook.cells if SOLUTION not in c.metadata.get("tags", [])]
    assert without.cells == kept and len(notebook.cells) - len(kept) == written


def test_notebooks_without_outputs_are_not_packed(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    cells = [new_markdown_cell("# 1 One"), new_code_cell("1 + 1")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / "01_one.ipynb")
    monkeypatch.setattr(course, "PROJECT", tmp_path)
    assert course.main() == 1
    assert "01_one.ipynb" in capsys.readouterr().err
    assert not (tmp_path / "build").exists()
