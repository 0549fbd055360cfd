"""Copies of the notebooks to play with (`make lab`) or for a class (`make course`).

A copy to play with is never overwritten. It carries the hash of the
cells that it was made from, so that a later call can tell that the
original has changed since. The zip holds two folders:
``kmnist_course`` is handed to the class, ``kmnist_course_solutions``
is the teacher's.
"""

import hashlib
import json
import zipfile
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor
from nbformat import NotebookNode

from kmnist_mlp.datasets.kmnist import data_at_hand
from kmnist_mlp.report.execution import read_all, write
from kmnist_mlp.report.pages.site import render
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file

CLASS, SOLUTIONS = "kmnist_course", "kmnist_course_solutions"
RUNS_WITH = (  # what `make lab` needs
    "Makefile", "LICENSE", "pyproject.toml", "constraints.txt", "environment.yml", "kmnist_mlp",
)  # fmt: skip
# what goes with the solutions, of docs/: the teacher's page, and what
# it refers to
TEACHING = ("teaching.md", "data.md", "benchmark.md", "benchmark.json")
# tag of a cell: solves the exercise in the cell above it
SOLUTION = "solution"


def copy_to_play(originals: Path, play: Path) -> None:
    """Copy the notebooks of a folder that have no copy yet; leave all others alone.

    A copy whose original has other cells than when it was made is
    named on the console.
    """
    notebooks = read_all(originals)
    play.mkdir(parents=True, exist_ok=True)
    for original, notebook in notebooks.items():
        # what a reader types: new outputs alone make no copy outdated
        typed = [(cell.cell_type, cell.source) for cell in notebook.cells]
        key = hashlib.sha256(repr(typed).encode()).hexdigest()
        copy = play / original.name
        notebook.metadata["copied_from"] = key
        if not copy.exists():
            write(notebook, copy)
        elif json.dumps(key) not in copy.read_text(encoding="utf-8"):
            tell(f"play/{copy.name} is kept, but its original has changed since it was copied:")
            tell("rename or delete it, and `make lab` copies the new one.")


def split_solutions(notebook: NotebookNode) -> tuple[NotebookNode, str]:
    r"""Return a notebook without solutions, and its exercises with theirs, unfolded.

    Examples
    --------
    >>> from nbformat.v4 import new_markdown_cell, new_notebook
    >>> cells = [new_markdown_cell(text) for text in ("# Sums", "What is 1 + 1?", "2")]
    >>> cells[2].metadata["tags"] = [SOLUTION]
    >>> without, solutions = split_solutions(new_notebook(cells=cells))
    >>> [cell.source for cell in without.cells]
    ['# Sums', 'What is 1 + 1?']
    >>> print(solutions)
    # Solutions: Sums
    <BLANKLINE>
    What is 1 + 1?
    <BLANKLINE>
    2
    <BLANKLINE>
    """
    title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
    solved = [
        f"{exercise.source}\n\n{solution.source.replace('<details>', '<details open>')}\n"
        for exercise, solution in pairwise(notebook.cells)
        if SOLUTION in solution.metadata.get("tags", [])
    ]
    remove = TagRemovePreprocessor(remove_cell_tags={SOLUTION})
    without, _ = remove.preprocess(deepcopy(notebook), {})
    return without, "\n".join([f"# Solutions: {title}\n", *solved]) if solved else ""


def pack_course(project: Path, output: Path) -> None:
    """Write the zip of a project's committed notebooks, whole or not at all.

    The same project gives the same bytes. The pages keep the
    outputs of the committed notebooks, without the solutions; the
    notebooks have neither.

    Raises
    ------
    ValueError
        If a notebook has no outputs.
    """
    notebooks = read_all(project / "notebooks")
    readme = Path(__file__).parent / "texts" / "course.md"
    files = {f"{CLASS}/README.md": readme.read_bytes()}
    for name in TEACHING:
        files[f"{SOLUTIONS}/{name}"] = (project / "docs" / name).read_bytes()
    for place in (project / name for name in RUNS_WITH):
        for path in (place, *place.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                name = path.relative_to(project).as_posix()
                files[f"{CLASS}/{name}"] = path.read_bytes()
    for path, notebook in notebooks.items():
        notebooks[path], solutions = split_solutions(notebook)
        if solutions:
            files[f"{SOLUTIONS}/{path.stem}.md"] = solutions.encode()
        cleared, _ = ClearOutputPreprocessor().preprocess(deepcopy(notebooks[path]), {})
        # how outputs were made, their state
        cleared.metadata.pop("widgets", None)
        files[f"{CLASS}/notebooks/{path.name}"] = nbformat.writes(cleared).encode() + b"\n"
    for stem, html in render(notebooks, data_at_hand()).items():
        files[f"{CLASS}/pages/{stem}.html"] = html.encode()
    output.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(output) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # with a fixed date
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    tell(f"The course is ready: {output}")
    tell(f"{CLASS}/ is for the class, {SOLUTIONS}/ for the teacher (docs/teaching.md).")
