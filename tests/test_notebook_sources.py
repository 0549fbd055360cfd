"""What the sources of the notebooks must hold for a reader to see the right thing.

Outputs are compared elsewhere; here nothing is run.
"""

import ast
import json
import re
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from printed import FINAL
from statements import displayed

from kmnist_mlp.report.statements import lines_of

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# What prints lines that are the same on every machine
COMPARED = ("check", "numbers_agree")


def cells_of(path):
    """Return the cells of a notebook: source, text shown, metadata, nodes."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source, is_code = "".join(cell["source"]), cell["cell_type"] == "code"
        yield SimpleNamespace(
            source=source,
            is_code=is_code,
            tags=cell["metadata"].get("tags", []),
            is_hidden=cell["metadata"].get("jupyter") == {"source_hidden": True},
            shown=displayed({"cells": [cell]}),
            nodes=list(ast.walk(ast.parse(source))) if is_code else [],  # has no magics
        )


CELLS = {path.name[:2]: list(cells_of(path)) for path in NOTEBOOKS}
each_notebook = pytest.mark.parametrize("number", CELLS)


def calls(cell, *names):
    """Return the calls of functions, in order, whatever module they are taken from."""
    found = [node for node in cell.nodes if isinstance(node, ast.Call)]
    found = [call for call in found if ast.unparse(call.func).split(".")[-1] in names]
    return sorted(found, key=lambda call: call.lineno)


# ---- form ----------------------------------------------------------------------------------------


@each_notebook
def test_each_notebook_has_its_number_and_begins_once_with_the_data_and_its_seeds(number):
    title, first = CELLS[number][:2]
    assert title.source.startswith(f"# {int(number)} ") and calls(first, "begin")
    (begin,) = chain.from_iterable(calls(cell, "begin") for cell in CELLS[number])
    own = {"00": "(seeds=[0])", "09": "(seeds=[0, 1, 2, 3, 4])"}
    assert ast.unparse(begin).endswith(f"begin{own.get(number, '()')}")


@each_notebook
def test_no_cell_hides_an_error_or_is_hidden_from_the_comparison(number):
    for cell in CELLS[number]:
        tags = {*cell.tags}
        assert tags <= {"nbval-ignore-output", "open-code", "only-live", "solution"}
        assert ("only-live" in tags) == ("callbacks=[Live(" in cell.source)
        assert ("solution" in tags) == cell.source.startswith("<details><summary>Solution")
        assert not any(isinstance(node, ast.Try | ast.TryStar) for node in cell.nodes)
        assert not cell.is_code or not re.search("nbval|pytest|suppress|warnings", cell.source)
        assert not (calls(cell, *COMPARED) and "nbval-ignore-output" in tags)


@each_notebook
def test_text_and_checks_are_collapsed_and_open_cells_are_short(number):
    for cell in (cell for cell in CELLS[number] if cell.is_code and not cell.is_hidden):
        assert not calls(cell, "begin", *COMPARED), cell.source
        assert all(len(ast.unparse(call)) <= 90 for call in calls(cell, "say")), cell.source
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= 12, cell.source


def test_the_configuration_of_section_6_is_compared_and_is_the_papers():
    (cell,) = (cell for cell in CELLS["06"] if calls(cell, "from_dict"))
    typed = re.findall(r"^config\[(.*)\] = (.*)$", cell.source, re.M)
    assert {ast.literal_eval(k): ast.literal_eval(v) for k, v in typed} == FINAL and not cell.tags


# ---- captions ------------------------------------------------------------------------------------


def captions(cell):
    """Return the numbers of the captions of a cell, such as "Table S1.1"."""
    return re.findall(r'"((?:Figure|Table) S\d+\.\d+)(?=[."])', cell.source)


@each_notebook
def test_figures_and_tables_are_numbered_in_order_and_those_referred_to_exist(number):
    for cell in CELLS[number]:
        papers = "Table {number}." in cell.source  # Tables 1 to 3
        assert len(captions(cell)) == len(calls(cell, "show", "try_out")) - papers
    own = list(chain.from_iterable(map(captions, CELLS[number])))
    for kind in ("Figure", "Table"):
        numbers = [caption for caption in own if caption.startswith(kind)]
        assert numbers == [f"{kind} S{int(number)}.{n + 1}" for n in range(len(numbers))]
    every = {caption for cells in CELLS.values() for cell in cells for caption in captions(cell)}
    for text in (" ".join(cell.source.split()) for cell in CELLS[number]):
        assert set(re.findall(r"(?:Figure|Table) S\d+\.\d+", text)) <= every
        for own, section in re.findall(r" S(\d+)\.\d+ (?:of|in) section (\d+)", text):
            assert own == section


# ---- what is shown -------------------------------------------------------------------------------


@each_notebook
def test_what_a_source_says_is_what_its_committed_output_says(number):
    """The constant parts of sentences and captions, in order."""
    for cell in CELLS[number]:
        assigned = [node for node in cell.nodes if isinstance(node, ast.Assign)]
        named = {ast.unparse(node.targets[0]): node.value for node in assigned}
        for call in calls(cell, "say", "show"):
            text = named.get(ast.unparse(call.args[-1]), call.args[-1])
            end, output = 0, " ".join(cell.shown).replace("**", "")
            for part in getattr(text, "values", [text]):
                if isinstance(part, ast.Constant):
                    plain = re.sub(r"\n +", "\n", part.value.replace("**", ""))
                    said = re.sub(r"^(Figure|Table) S\S+ ", "", " ".join(lines_of([plain])))
                    assert said in output[end:], said
                    end = output.index(said, end) + len(said)
