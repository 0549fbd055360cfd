"""`make lab` opens copies: what a reader has there is never overwritten."""

import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from kmnist_mlp.report import play
from kmnist_mlp.report.play import copy_to_play

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folders(tmp_path):
    """Return a folder with two notebooks, and one for their copies that is not there yet."""
    originals = tmp_path / "notebooks"
    originals.mkdir()
    for name in ("01_one", "02_two"):
        write(originals / f"{name}.ipynb", "1 + 1")
    return originals, tmp_path / "play"


def write(path, source):
    nbformat.write(new_notebook(cells=[new_code_cell(source, id="a")]), path)


def edit(path, source):
    """Change and save a notebook, as JupyterLab does: its metadata stays."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = source
    nbformat.write(notebook, path)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_copies_have_the_cells_and_outputs_of_their_originals(folders):
    originals, copies = folders
    assert copy_to_play(originals, copies) == []
    assert contents(copies).keys() == contents(originals).keys()
    for path in originals.iterdir():
        copy = nbformat.read(copies / path.name, as_version=4)
        assert copy.cells == nbformat.read(path, as_version=4).cells


def test_a_copy_and_other_files_stay_as_they_are_and_a_missing_copy_is_made_again(folders):
    originals, copies = folders
    copy_to_play(originals, copies)
    edit(copies / "01_one.ipynb", "2 + 2")
    (copies / "02_two.ipynb").rename(copies / "my second.ipynb")
    (copies / "curve.png").write_bytes(b"mine")
    before = contents(copies)
    assert copy_to_play(originals, copies) == []
    after = contents(copies)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"02_two.ipynb"}


@pytest.mark.parametrize("edited", [False, True])
def test_a_copy_whose_original_has_changed_since_is_kept_and_reported(folders, edited):
    originals, copies = folders
    copy_to_play(originals, copies)
    if edited:
        edit(copies / "01_one.ipynb", "2 + 2")
    before = contents(copies)
    write(originals / "01_one.ipynb", "1 + 2")
    assert copy_to_play(originals, copies) == [copies / "01_one.ipynb"]
    assert contents(copies) == before


def test_new_outputs_of_the_original_are_no_change(folders):
    originals, copies = folders
    copy_to_play(originals, copies)
    notebook = nbformat.read(originals / "01_one.ipynb", as_version=4)
    notebook.cells[0].execution_count = 5
    nbformat.write(notebook, originals / "01_one.ipynb")
    assert copy_to_play(originals, copies) == []


@pytest.mark.parametrize("content", ["", "{}", '{"nbformat": 4, "cells": 3}'])
def test_a_damaged_copy_is_kept(folders, content):
    originals, copies = folders
    copies.mkdir()
    (copies / "01_one.ipynb").write_text(content)
    copy_to_play(originals, copies)
    assert (copies / "01_one.ipynb").read_text() == content


def test_without_notebooks_or_room_for_copies_the_command_fails_and_leaves_nothing(
    folders, monkeypatch, capfd
):
    """As from an installed package alone, or in a checkout that cannot be written."""
    originals, folder = folders
    monkeypatch.setattr(play, "PROJECT", folder / "package alone")
    assert play.main() == 1
    assert "package alone" in capfd.readouterr().err and not folder.exists()
    monkeypatch.setattr(play, "PROJECT", originals.parent)
    folder.touch()
    assert play.main() == 1
    assert str(folder) in capfd.readouterr().err and folder.is_file()
    folder.unlink()
    assert play.main() == 0
    assert contents(folder).keys() == contents(originals).keys()


def test_git_ignores_the_copies():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    ignored = subprocess.run(["git", "-C", ROOT, "check-ignore", "-q", "play/01_one.ipynb"])
    assert ignored.returncode == 0
