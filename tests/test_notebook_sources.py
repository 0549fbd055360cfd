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

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))

# What prints lines that are the same on every machine
COMPARED = ("check", "numbers_agree")


def cells_of(path):
    """Return the cells of a notebook: source, metadata, nodes."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source, is_code = "".join(cell["source"]), cell["cell_type"] == "code"
        yield SimpleNamespace(
            source=source,
            is_code=is_code,
            tags=cell["metadata"].get("tags", []),
            is_hidden=cell["metadata"].get("jupyter") == {"source_hidden": True},
            marks=[o.get("metadata", {}).get("kmnist_mlp", {}) for o in cell.get("outputs", [])],
            nodes=list(ast.walk(ast.parse(source))) if is_code else [],  # has no magics
        )


CELLS = {path.name[:2]: list(cells_of(path)) for path in NOTEBOOKS}
each_notebook = pytest.mark.parametrize("number", CELLS)


def calls(cell, *names):
    """Return the calls of functions, in order, whatever module they are taken from."""
    found = [node for node in cell.nodes if isinstance(node, ast.Call)]
    found = [call for call in found if ast.unparse(call.func).split(".")[-1] in names]
    return sorted(found, key=lambda call: call.lineno)


def texts(cell, *names):
    """Return each call of functions and its text, with {} for what is computed, in order."""
    assigned = [node for node in cell.nodes if isinstance(node, ast.Assign)]
    for call in calls(cell, *names):
        before = {ast.unparse(a.targets[0]): a.value for a in assigned if a.lineno < call.lineno}
        text = before.get(ast.unparse(call.args[-1]), call.args[-1])
        parts = getattr(text, "values", [text])
        yield call, "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in parts)


# ---- form ------------------------------------------------------------


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


# ---- captions --------------------------------------------------------


def captions(cell):
    """Return the numbers of the captions of a cell, such as "Table S1.1"."""
    return re.findall(r'"((?:Figure|Table) S\d+\.\d+)(?=[."])', cell.source)


@each_notebook
def test_figures_and_tables_are_numbered_in_order_and_within_their_section(number):
    for cell in CELLS[number]:
        papers = "Table {number}." in cell.source  # Tables 1 to 3
        assert len(captions(cell)) == len(calls(cell, "show", "try_out")) - papers
    own = list(chain.from_iterable(map(captions, CELLS[number])))
    for kind in ("Figure", "Table"):
        numbers = [caption for caption in own if caption.startswith(kind)]
        assert numbers == [f"{kind} S{int(number)}.{n + 1}" for n in range(len(numbers))]
    for text in (" ".join(cell.source.split()) for cell in CELLS[number]):
        for own, section in re.findall(r" S(\d+)\.\d+ (?:of|in) section (\d+)", text):
            assert own == section


@each_notebook
def test_in_each_section_a_computed_finding_leads(number):
    """A sentence, if there is one; else the first figure's own, or where a caption begins.

    A line per section has s for a computed sentence and t for a typed
    one, f for a figure or table that a finding begins, else x.
    """
    seen = ""
    for cell in CELLS[number]:
        seen += "" if cell.is_code else "\n" * len(re.findall("^##+ ", cell.source, re.M))
        own = (mark.get("finding") for mark in cell.marks if "number" in mark)
        for call, text in texts(cell, "say", "show", "show_curves", "try_out"):
            is_shown = ast.unparse(call.func) != "say"
            begin = "".join(re.split(r"\.\s", text)[1:2]) if is_shown else text
            leads = "{}" in begin or (is_shown and bool(next(own, "")))
            seen += "tsxf"[2 * is_shown + leads]
    assert not re.search("^t*(x|f.*s)", seen, re.M), seen
