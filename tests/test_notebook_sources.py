"""What the sources of the notebooks must hold for a reader to see the right thing.

Outputs are compared elsewhere; here nothing is run. Prose is the Markdown of a notebook and what
its code says: its strings, with a mark in place of each computed number.
"""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from printed import ACCURACIES, FINAL

from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.published_runs import SEEDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, NOTEBOOKS = ROOT / "kmnist_mlp", sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBERS = [path.name[:2] for path in NOTEBOOKS]
each_notebook = pytest.mark.parametrize("number", NUMBERS)

# ---- reading a notebook --------------------------------------------------------------------------


@cache
def parsed(source):
    lines = [line for line in source.splitlines() if not line.startswith("%")]
    return ast.parse("\n".join(lines))


@dataclass(frozen=True)
class Cell:
    """A cell with the headings above it, from the title of its notebook down to the nearest."""

    id: str
    kind: str
    source: str
    metadata: dict
    headings: tuple[str, ...]

    @property
    def tree(self):
        """The code without magics."""
        return parsed(self.source)

    def calls(self, name):
        """Return the calls of a function."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        calls.sort(key=lambda call: call.lineno)
        return [call for call in calls if ast.unparse(call.func).split(".")[-1] == name]


def cells_of(path):
    """Return the cells of a notebook."""
    cells, headings = [], ()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for marks, title in re.findall(r"^(#+) (.*)$", source, re.M):
                headings = (*headings[: len(marks) - 1], title)
        cells.append(Cell(cell["id"], cell["cell_type"], source, cell["metadata"], headings))
    return cells


def literals(cell):
    """Return the names that a cell gives to literals."""
    found = {}
    for line in cell.tree.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            try:
                found[line.targets[0].id] = ast.literal_eval(line.value)
            except ValueError:
                pass  # no literal
    return found


CELLS = {path.name[:2]: cells_of(path) for path in NOTEBOOKS}
CODE = {number: [c for c in cells if c.kind == "code"] for number, cells in CELLS.items()}

# What prints lines that are the same on every machine
COMPARED = {"check", "structure", "gradient_verdicts", "planted_bug_verdicts",
            "confusion_matrices_add_up"}  # fmt: skip

# ---- form ----------------------------------------------------------------------------------------


@each_notebook
def test_each_notebook_has_its_number_and_begins_once_with_the_data_and_its_seeds(number):
    assert CELLS[number][0].source.startswith(f"# {int(number)} ")
    first, *others = CODE[number]
    assert not any(cell.calls("begin") for cell in others)
    own = {"00": [0], "09": list(SEEDS)}
    seeds = f"seeds={own[number]}" if number in own else ""
    begins = [ast.unparse(line) for line in first.tree.body if "begin(" in ast.unparse(line)]
    assert begins == [f"data = begin({seeds})"]


@each_notebook
def test_an_error_ends_a_notebook_and_no_cell_is_hidden_from_the_comparison(number):
    for cell in CELLS[number]:
        assert set(cell.metadata) <= {"tags"}
        tags = cell.metadata.get("tags", [])
        assert set(tags) <= {"nbval-ignore-output", "open-code", "only-live", "solution"}
        assert len(set(tags)) == len(tags)
        assert ("only-live" in tags) == ("callbacks=[Live(" in cell.source)
        assert cell.kind == "code" or not {*tags} - {"solution"}
        assert ("solution" in tags) == cell.source.startswith("<details><summary>Solution")
    for cell in CODE[number]:
        magics = [line for line in cell.source.splitlines() if re.match(r"\s*[%!?]", line)]
        assert magics in ([], ["%load_ext autoreload", "%autoreload 2"])
        nodes = [type(node) for node in ast.walk(cell.tree)]
        assert not {ast.Try, ast.TryStar} & set(nodes)
        assert not re.search("nbval|pytest|suppress|warnings", cell.source, re.IGNORECASE)
        compared = any(cell.calls(name) for name in COMPARED)
        assert not (compared and "nbval-ignore-output" in cell.metadata.get("tags", []))


def test_the_configuration_of_section_6_is_compared_and_is_the_papers():
    (cell,) = (cell for cell in CODE["06"] if "Config.from_dict(" in cell.source)
    assert not cell.metadata.get("tags")
    settings = [line for line in cell.tree.body if isinstance(line, ast.Assign)][1:]
    typed = {ast.literal_eval(s.targets[0].slice): ast.literal_eval(s.value) for s in settings}
    assert typed == FINAL


# ---- captions ------------------------------------------------------------------------------------


def beginning(node):
    """Return the text that a string or an f-string begins with."""
    node = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return node.value


@cache
def captions(number):
    """Return the captions of a notebook, but for those of figures with the paper's numbers."""
    found = []
    for cell in CODE[number]:
        calls = [(call.lineno, call.args[1]) for call in cell.calls("show")]
        calls += [(call.lineno, call.args[3]) for call in cell.calls("try_out")]
        found += [beginning(caption) for _, caption in sorted(calls, key=lambda call: call[0])]
    return found


@each_notebook
def test_figures_and_tables_are_numbered_in_order_and_none_twice(number):
    own = list(captions(number))
    if number == "01":
        assert own.pop(0) == "Table "  # 1 to 3: the paper's
        (loop,) = (
            node for c in CODE["01"] for node in ast.walk(c.tree) if isinstance(node, ast.For)
        )
        assert ast.unparse(loop.iter) == "enumerate(['first', 'sixth', 'last'], start=1)"
    for kind in ("Figure", "Table"):
        numbers = [caption for caption in own if caption.startswith(kind)]
        for place, caption in enumerate(numbers, start=1):
            assert re.match(rf"{kind} S{int(number)}\.{place}(\. |$)", caption)
    assert all(caption.startswith(("Figure S", "Table S")) for caption in own)


@each_notebook
def test_a_figure_or_table_that_is_referred_to_exists(number):
    every = {re.match(r"\w+ S\d+\.\d+", c)[0] for n in NUMBERS for c in captions(n) if " S" in c}
    for cell in CELLS[number]:
        text = " ".join(cell.source.split())
        assert set(re.findall(r"(?:Figure|Table) S\d+\.\d+", text)) <= every
        for own, section in re.findall(r" S(\d+)\.\d+ (?:of|in) section (\d+)", text):
            assert own == section


def test_an_address_in_a_notebook_is_one_that_the_package_names_as_a_source():
    sources = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    for cell in chain.from_iterable(CELLS.values()):
        for address in re.findall(r"https?://[^\s()]+", cell.source):
            assert re.search(rf"{re.escape(address)}(?![\w#/])", sources), address


def test_the_curves_of_each_experiment_are_shown_once_under_the_heading_of_its_section():
    shown = []
    for number in NUMBERS:
        for cell in CODE[number]:
            for call in cell.calls("show_curves"):
                shown.append(name := ast.literal_eval(call.args[1]))
                section, letter = re.fullmatch(r"([\d.]+)([ab]?)", PAPER[name].section).groups()
                above = " ".join(cell.headings)
                assert section.startswith(str(int(number)))
                assert re.findall(r"\d\.\d(?= )", above) in ([section], [] if number == "02" else 0)
                assert re.findall(r"\(([ab])\)", above) == list(letter)
    assert shown == [name for name, entry in PAPER.items() if entry.figures]


@pytest.mark.parametrize("number", ["02", "03", "04", "05"])
def test_each_section_runs_its_experiments_and_judges_its_claims(number):
    sections = ("abstract", "2") if number == "02" else (str(int(number)),)
    (judged,) = (call for cell in CODE[number] for call in cell.calls("claims_of"))
    assert tuple(map(ast.literal_eval, judged.args)) == sections
    (caption,) = (text for text in captions(number) if "The claims of" in text)
    assert re.search(rf"{sections[0]}\b.*\b{sections[-1]}, judged", caption)
    (names,) = (literals(cell)["names"] for cell in CODE[number] if "names" in literals(cell))
    own = {name for name, entry in PAPER.items() if entry.section.startswith(sections)}
    assert own <= set(names) <= own | {"baseline", "linear"} and len(set(names)) == len(names)


def test_the_penalties_on_the_axis_are_those_of_the_experiments():
    (paths,) = (literals(cell)["paths"] for cell in CODE["03"] if "paths" in literals(cell))
    for penalty, path in paths.items():
        for strength, name in path:
            assert getattr(EXPERIMENTS[name], f"{penalty}_penalty") == strength


# ---- typed numbers -------------------------------------------------------------------------------


def prose(cell):
    """Return the text of a cell: Markdown without code, or the strings of code without formats."""
    if cell.kind == "markdown":
        return re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.S)
    nodes = [node for node in ast.walk(cell.tree) if isinstance(node, ast.Constant)]
    return " ".join(node.value for node in nodes if isinstance(node.value, str))


@each_notebook
def test_a_result_is_computed_and_not_typed(number):
    """Only what the paper and others (99.65, 96.76 %) print is typed with decimals and a unit."""
    for cell in CELLS[number]:
        typed = re.findall(r"([0-9]+\.[0-9]+) (?:%|points)", prose(cell))
        assert {*typed} <= {*ACCURACIES.values(), "84.01", "99.65", "96.76", "0.5", "0.05"}, cell.id
