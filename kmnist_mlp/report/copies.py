"""Copies of the notebooks to play with (`make lab`) or for a class (`make course`).

A copy to play with is never overwritten. It carries the hash of the
cells that it was made from, so that a later call can tell that the
original has changed since. The zip holds two folders:
``kmnist_course`` is handed to the class, ``kmnist_course_solutions``
is the teacher's, and grades with nbgrader.
"""

import hashlib
import json
import re
import zipfile
from itertools import pairwise
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from kmnist_mlp.datasets.kmnist import data_at_hand
from kmnist_mlp.report.execution import read_all, write
from kmnist_mlp.report.pages.page import without_outputs
from kmnist_mlp.report.pages.site import render
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file

CLASS, SOLUTIONS = "kmnist_course", "kmnist_course_solutions"
# what `make lab` needs
RUNS_WITH = "Makefile LICENSE pyproject.toml constraints.txt environment.yml kmnist_mlp".split()
# what goes with the solutions, of docs/: the teacher's page, what it
# refers to, and nbgrader's settings
TEACHING = ("teaching.md", "data.md", "benchmark.md", "benchmark.json", "nbgrader_config.py")
# tag of a cell: solves the exercise in the text above it
SOLUTION = "solution"
# sections of the Makefile that a class has no use for
NOT_FOR_A_CLASS = rb"(?s)# --- (The report|Checks|For maintainers) -.*?(?=# --- )"


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
    # cells for an answer stand between the two
    cells = [cell for cell in notebook.cells if "nbgrader" not in cell.metadata]
    solved = [
        f"{exercise.source}\n\n{solution.source.replace('<details>', '<details open>')}\n"
        for exercise, solution in pairwise(cells)
        if SOLUTION in solution.metadata.get("tags", [])
    ]
    kept = [cell for cell in notebook.cells if SOLUTION not in cell.metadata.get("tags", [])]
    without = NotebookNode({**notebook, "cells": kept})
    return without, "\n".join([f"# Solutions: {title}\n", *solved]) if solved else ""


def pack_course(project: Path, output: Path) -> None:
    """Write the zip of a project's committed notebooks, whole or not at all.

    The same project gives the same bytes. The pages keep the
    outputs of the committed notebooks, without the solutions; the
    notebooks have neither. The teacher's folder has them once more, as
    nbgrader wants the source of an assignment.

    Raises
    ------
    ValueError
        If a notebook has no outputs.
    """
    notebooks = read_all(project / "notebooks")
    files = {f"{CLASS}/README.md": (Path(__file__).parent / "texts/course.md").read_bytes()}
    for name in TEACHING:
        files[f"{SOLUTIONS}/{name}"] = (project / "docs" / name).read_bytes()
    for place in (project / name for name in RUNS_WITH):
        for path in (place, *place.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                files[f"{CLASS}/{path.relative_to(project).as_posix()}"] = path.read_bytes()
    files[f"{CLASS}/Makefile"] = re.sub(NOT_FOR_A_CLASS, b"", files[f"{CLASS}/Makefile"])
    for path, notebook in notebooks.items():
        notebooks[path], solutions = split_solutions(notebook)
        text = nbformat.writes(without_outputs(notebooks[path])).encode() + b"\n"
        files[f"{CLASS}/notebooks/{path.name}"] = text
        if solutions:
            files[f"{SOLUTIONS}/{path.stem}.md"] = solutions.encode()
            files[f"{SOLUTIONS}/source/{path.stem}/{path.name}"] = text
    for stem, html in render(notebooks, data_at_hand(), for_class=True).items():
        files[f"{CLASS}/pages/{stem}.html"] = html.encode()
    output.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(output) as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # with a fixed date
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    tell(f"The course is ready: {output}\n{CLASS}/ for the class, {SOLUTIONS}/ for the teacher")
