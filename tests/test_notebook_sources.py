"""What the sources of the notebooks must hold for a reader to see the right thing.

Outputs are compared elsewhere; here nothing is run. Prose is the Markdown of a notebook and what
its code says: its strings, with a mark in place of each computed number.
"""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from inspect import signature
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from printed import ACCURACIES, FINAL, LOSSES
from scipy.stats import mannwhitneyu

from kmnist_mlp import Config
from kmnist_mlp.beyond.plan import FINAL_SEEDS, TEACHERS
from kmnist_mlp.experiments import readings, sweep
from kmnist_mlp.experiments.paper import EXPERIMENTS, PAPER
from kmnist_mlp.experiments.readings import load_readings
from kmnist_mlp.experiments.seeds import MANY
from kmnist_mlp.figures.tables import sweep_table
from kmnist_mlp.laboratory import panel
from kmnist_mlp.report.notebook import try_out

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
    own = {"00": [0], "09": sorted(load_readings().seed.unique().tolist())}
    seeds = f"seeds={own[number]}" if number in own else ""
    begins = [ast.unparse(line) for line in first.tree.body if "begin(" in ast.unparse(line)]
    assert begins == [f"data = begin({seeds})"]


@each_notebook
def test_an_error_ends_a_notebook_and_no_cell_is_hidden_from_the_comparison(number):
    for cell in CELLS[number]:
        assert set(cell.metadata) <= {"tags"}
        tags = cell.metadata.get("tags", [])
        assert set(tags) <= {"nbval-ignore-output", "open-code", "only-live"}
        assert len(set(tags)) == len(tags)
        assert ("only-live" in tags) == ("callbacks=[Live(" in cell.source)
        assert cell.kind == "code" or not tags
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
    every = {re.match(r"\w+ S\d\.\d+", c)[0] for n in NUMBERS for c in captions(n) if " S" in c}
    for cell in CELLS[number]:
        text = " ".join(cell.source.split())
        assert set(re.findall(r"(?:Figure|Table) S\d\.\d+", text)) <= every
        for own, section in re.findall(r" S(\d)\.\d+ (?:of|in) section (\d)", text):
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


# ---- whose numbers -------------------------------------------------------------------------------

# How prose names an experiment. Where a name fits several, each of them may be meant.
WORDS = {
    r"[Ww]ithout early stopping|0\.0005|epoch 100|128 units classify": ["baseline_100_epochs"],
    r"100 epochs without it": ["l2_0.2_100_epochs", "hidden_256_100_epochs"],
    r"[Ss]tarter code": ["starter"],
    r"[Ww]ithout momentum": ["no_momentum"],
    r"[Rr]aw pixels|[Ww]ithout standardisation": ["no_standardisation"],
    r"[Ll]inear|[Ww]ithout a hidden layer": ["linear"],
    r"[Tt]wo layers(?: of 64)?|[Tt]wo hidden layers": ["two_hidden_layers"],
    r"0\.005": ["learning_rate_0.005"],
    r"0\.5": ["learning_rate_0.5", "l2_0.5"],
    r"0\.2|L2 penalty(?! of)": ["l2_0.2", "l1_0.2"],
    r"0\.001": ["l2_1e-3", "l1_1e-3"],
    r"0\.000001": ["l1_1e-6"],
    r"0\.000125": ["l1_1.25e-4"],
    r"[Ss]igmoid": ["sigmoid"],
    r"ReLU": ["relu"],
    r"256|doubling the hidden units": ["hidden_256"],
    r"64": ["hidden_64"],
    r"[Ff]inal model|paper ends": ["final"],
    r"[Bb]aseline|(?<!slope of )[Tt]anh|128|[Ee]arly stopping|[Ww]ithout penalty|[Nn]o penalty"
    r"|[Nn]one|[Ee]ach pixel|[Pp]ixels (?:merely )?divided|the network is": ["baseline"],
}
# How prose names a quantity that is not the test accuracy
QUANTITIES = {
    "training_accuracy": "training",
    "validation_accuracy": "validation",
    "validation_loss": "validation loss",
    "test_loss": "loss|cross-entropy",
    "stopped_epoch": "epoch",
    "best_epoch": "lowest validation loss|validation loss is lowest",
    "small_weight_share": "weights",
    "generalisation_gap": "generalisation gap",
}
MARK = re.compile("⟦([^⟧]*)⟧")


def named(text):
    """Return the experiments that a text names, in order: (place, candidates)."""
    text = MARK.sub(lambda mark: "⟦" * len(mark[0]), text)
    found = []
    for pattern, experiments in WORDS.items():
        for match in re.finditer(rf"(?<![\w.])(?:{pattern})(?!\w|\.\d)", text):
            found.append((match.start(), experiments))
            text = text[: match.start()] + "⟦" * len(match[0]) + text[match.end() :]
    return sorted(found)


def experiments_in(node, known):
    """Return the experiments of the paper that an expression names, through ``known`` literals."""
    if isinstance(node, ast.IfExp):
        node = ast.Tuple([node.body, node.orelse])
    if isinstance(node, ast.Name | ast.Subscript | ast.Constant):
        try:
            value = eval(ast.unparse(node), {"__builtins__": {}}, dict(known))
        except (NameError, KeyError, TypeError, AttributeError):
            value = None
        values = value if isinstance(value, list | tuple) else [value]
        if found := [name for name in values if isinstance(name, str) and name in PAPER]:
            return found
    children = [experiments_in(child, known) for child in ast.iter_child_nodes(node)]
    return list(chain.from_iterable(children))


class Prose(ast.NodeVisitor):
    """Collects the text of each string and f-string, with marks for the numbers of experiments."""

    def __init__(self, known):
        self.known, self.texts = known, []

    def visit_Constant(self, node):
        if isinstance(node.value, str) and " " in node.value:
            self.texts.append(node.value)

    def visit_JoinedStr(self, node):
        parts = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(part.value)
            else:
                strings = [n.value for n in ast.walk(part.value) if isinstance(n, ast.Constant)]
                shown = experiments_in(part.value, self.known)
                shown += [name for name in strings if shown and name in QUANTITIES]
                parts.append(f"⟦{' '.join(shown)}⟧")
                self.visit(part.value)
        self.texts.append("".join(parts))


@cache
def passages(number):
    """Return the prose of a notebook, but for its exercises: (cell, text), in order."""
    found, known = [], {}
    for cell in CELLS[number]:
        if cell.kind == "code":
            known |= literals(cell)
            prose = Prose(known)
            prose.visit(cell.tree)
            found += [(cell, text) for text in prose.texts]
        elif not cell.id.startswith("exercise"):
            found.append((cell, cell.source))
    return found


SAME = {printed: name for name, printed in ACCURACIES.items() if printed}
CLAUSE = re.compile(r"[,:]\s|\(|\|")
SENTENCE = re.compile(r"(?<=[.?;])[*)\"]*\s+")


def misplaced(text, headings):
    """Return the clauses in which a number does not stand with the name of its experiment.

    In a clause, all numbers come after the names of their experiments, or all come before. Without
    a name in it, several numbers are those of the names before, in their order; one number is that
    of the last name in the sentence, else of the only one in the sentence before, else of the first
    one in the paragraph, else of the heading, else of the baseline.
    """
    wrong, order = [], []
    above = [["baseline"], *(own for heading in headings for _, own in named(heading))]
    for printed, name in SAME.items():
        text = re.sub(rf"(?<![\d.]){re.escape(printed)}(?= %)", f"⟦{name}⟧", text)
    for paragraph in re.split(r"\n\s*\n|\n\s*- ", text):
        topic = only = None
        for sentence in SENTENCE.split(" ".join(paragraph.split())):
            clauses = CLAUSE.split(sentence) if named(sentence) else [sentence]
            last, meant, before = None, [], []
            for clause in clauses:
                names = named(clause.split("compared with")[0])
                marks = [(m.start(), m[1].split()[0]) for m in MARK.finditer(clause) if m[1]]
                context = last or ([] if names else only or topic or above[-1])
                if not names and 1 < len(marks) == len(order):
                    right = all(e in own for (_, e), own in zip(marks, order, strict=True))
                else:
                    right = any(
                        all(e in nearest(names, place, after, context) for place, e in marks)
                        for after in (False, True)
                    )
                if not right:
                    wrong.append(clause.strip())
                if names:
                    order, last = [own for _, own in names], names[-1][1]
                    topic = topic or names[0][1]
                    before += order
                elif marks and not last:
                    meant.append(context)
            order, meant = before or order, before + meant
            only = meant[0] if len(meant) == 1 else None if meant else only
    return wrong


def nearest(names, place, after, context):
    """Return the candidates of the nearest name after a place, or before it, else the context."""
    if after:
        return next((own for start, own in names if start > place), [])
    return next((own for start, own in reversed(names) if start < place), context)


@each_notebook
def test_a_number_stands_with_the_name_of_its_experiment(number):
    wrong = [clause for cell, text in passages(number) for clause in misplaced(text, cell.headings)]
    assert wrong == []


@each_notebook
def test_a_number_stands_in_a_sentence_on_its_quantity_or_else_in_a_paragraph_on_it(number):
    every = "|".join(QUANTITIES.values())
    for _, text in passages(number):
        for paragraph in re.split(r"\n\s*\n(?!\s*- )", text):  # a list belongs to its beginning
            whole = MARK.sub("", paragraph)
            for sentence in SENTENCE.split(" ".join(paragraph.split())):
                own = MARK.sub("", sentence)
                prose = (own if re.search(every, own, re.IGNORECASE) else whole).lower()
                for name in " ".join(MARK.findall(sentence)).split():
                    assert re.search(QUANTITIES.get(name, ""), " ".join(prose.split())), sentence


@each_notebook
def test_what_a_number_is_compared_with_is_named(number):
    known = {}
    for cell in CODE[number]:
        known |= literals(cell)
        prose = " ".join(text for own, text in passages(number) if own is cell)
        for call in cell.calls("briefly"):
            _, minus, other, *_ = chain.from_iterable(
                known[arg.value.id] if isinstance(arg, ast.Starred) else [getattr(arg, "value", "")]
                for arg in call.args[1:]
            )
            assert any(minus in own for _, own in named(other)), ast.unparse(call)
        for call in cell.calls("compared"):
            assert any(ast.literal_eval(call.args[2]) in own for _, own in named(prose))
        for call in cell.calls("at_epoch"):
            assert f"at epoch {call.args[2].value}" in " ".join(prose.split())


@each_notebook
def test_an_epoch_and_a_quantity_that_a_cell_takes_are_named_in_its_prose(number):
    for cell in CODE[number]:
        prose = " ".join(" ".join(text for own, text in passages(number) if own is cell).split())
        for loop in ast.walk(cell.tree):
            if isinstance(loop, ast.For | ast.comprehension) and isinstance(loop.iter, ast.Tuple):
                if ast.unparse(loop.target) == "epoch":
                    for index in map(ast.literal_eval, loop.iter.elts):
                        assert re.search(rf"epoch {index + 1}\b", prose), "the first has index 0"
        for node in ast.walk(cell.tree):
            taken = node.value if isinstance(node, ast.Constant) else ""
            if taken in QUANTITIES and taken != "best_epoch":  # also "the weights of epoch"
                assert re.search(QUANTITIES[taken], MARK.sub("", prose.lower())), taken


@each_notebook
def test_what_is_called_the_best_is_a_maximum_and_the_worst_a_minimum(number):
    for line in chain.from_iterable(ast.walk(cell.tree) for cell in CODE[number]):
        if isinstance(line, ast.Assign):
            for pair in zip(*(getattr(node, "elts", [node]) for node in
                              (line.targets[0], line.value)), strict=False):  # fmt: skip
                name, value = map(ast.unparse, pair)
                if "max" in value or "min" in value:
                    assert "min" not in value or name not in ("best", "highest", "largest"), name
                    assert "max" not in value or name not in ("worst", "lowest", "smallest"), name


def test_the_share_of_pairs_is_of_those_in_which_the_test_image_is_farther():
    (cell,) = (cell for cell in CODE["02"] if cell.calls("mannwhitneyu"))
    names = {"mannwhitneyu": mannwhitneyu, "near": {"validation": [1, 4], "test": [3, 5, 6, 7]}}
    for line in cell.tree.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in ("farther", "share"):
            exec(ast.unparse(line), names)
    assert names["share"] == 7 / 8


@each_notebook
def test_the_experiments_that_a_cell_shows_are_named_in_its_part(number):
    """Beside the baseline, and lists of experiments: their titles are in the tables."""
    part = text = None
    for cell in CELLS[number]:
        if cell.headings != part:
            part, text = cell.headings, " ".join(cell.headings)
        if cell.kind == "markdown":
            text += cell.source
            continue
        text += " ".join(own for c, own in passages(number) if c is cell)
        text += " ".join(
            ast.unparse(arg) for call in cell.calls("briefly") for arg in call.args[3:]
        )
        allowed = {name for _, own in named(text) for name in own} | {"baseline"}
        for line in cell.tree.body:
            listed = isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in literals(cell)
            if not listed and not ast.unparse(line).startswith("longer = run("):
                assert set(experiments_in(line, {})) <= allowed, ast.unparse(line)


# ---- typed numbers -------------------------------------------------------------------------------

# The numbers that are typed in each paragraph about the paper, in order, checked with the paper.
ON_THE_PAPER = {
    "01": ["0.0001 18", "0.0001", "10^{-4} 784 128 10", "1 3", "1 1 0.01", "10", "1 0.1 0.9",
           "784 64 64 10 5.2 0.0001 0.01", "0.0001 0.0001 0.01", "5.2 6", "1 3 0 1"],
    "02": ["84.47 25", "0.005 100 0.005 255 9", "784 128 10 128 0.9 80 20",
           "129 2.1 128 128 84.47 84.01 3", "100 0.005 0.0005 0.5 128 0.0005 0.064", "5 25 25",
           "2.1 0 255 255 9", "0.9 0.1 0.9 9 0.005 0.0005", "95 95", "95 100 95",
           "2 0.0005 0.005 0.5 0.001"],
    "03": ["0.005 0.0001 100", "0.001", "0.5 0.2", "20⁻³ 10⁻⁶ 10⁻⁶ 20⁻³ 0.000125 9 10⁻⁶ 100",
           "0.2", "0.001 0.001", "0.000001 0.001 0.2 0.2"],
    "04": ["20 25", "2"],
    "05": ["256 128 64 17 100 256", "64 64 128 64", "256 128 256 128 128 100 128"],
    "06": ["89", "95", "256 0.2 256 30 129 2.1 2.2 4 128 90", "30", "30 30", "256 95 30 129",
           "95", "95", "0.000001 9", "7", "15 100", "15 0.0005 0.9 0.2", "100 95 90",
           "1 0.5 5 5 0.001 0.001 25 23 27", "95", "5"],
    "07": ["7", "89 60,000", "0"],
    "08": ["0.005 2 64 64 64 128"],
    "09": ["9", "25 128 25 0 2 2 1 84.47 0.2 0.1 10 2 84.47 0.064 5 6 9 10 17 18 5 9 17 1 128 129 "
           "1 5 5 9 10 0.000001 10⁻⁶ 20⁻³ 0.000001 20⁻³ 1 80 20 80 20", "2 1", "11 10 1",
           "25 84.47 83.05 86.42 0.0005 0.005 0.0005 0.005", "0.005 0.0005", "6", "255 0 255"],
}  # fmt: skip
# What may be typed elsewhere. All other results are computed.
ELSEWHERE = {
    "00": "0.5 128 15 255 784",
    "01": "0.0001 0.01 10^{-2}",
    "02": "0.0005 0.005 0.23 0.5 1,000 100 128 5 95",  # 0.23: ln 10 / 10
    "03": "0.000001 0.000125 0.001 0.2 0.5 100 128 20⁻³ 3.1 3.2 95",
    "04": "2,000 2.18 4.1 4.2 4.36 5 95",  # 2.18: tanh' is 5 % of its largest; 4.36: twice this
    "05": "128 256 5.1 5.2 784 95",
    "06": "0.05 1 100 15 256 90",
    "07": "0.15 1.5 10,000 10.1162 16 2010 255 256 5 60,000 8.6 90.5 95 99.65",
    "08": "0.0005 0.005 0.5 100",
    "09": "0.005 0.2 255 95",
}
TYPED = re.compile(
    r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?:\^\{?-?\d+\}?|⁻[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?(?!\w|\.\d)"
)
ABOUT_THE_PAPER = re.compile(r"\b(paper|abstract|prints|printed|patience|batch size)\b")


def paragraphs(number):
    """Return the paragraphs of a notebook's prose, without what is computed."""
    for cell in CELLS[number]:
        text = "\n".join(text for own, text in passages(number) if own is cell)
        for paragraph in re.split(r"\n\s*\n", MARK.sub("", text)):
            yield " ".join(paragraph.split())


def result_like(text):
    """Return the typed numbers of a paragraph that may be results: decimals, shares, large ones."""
    return {
        match[0]
        for match in TYPED.finditer(text)
        if re.search(r"[.^⁻]|\d\d\d", match[0])
        or re.match(r" (%|points|epochs)", text[match.end() :])
    }


@each_notebook
def test_the_numbers_in_a_paragraph_about_the_paper_are_those_that_were_typed_from_it(number):
    found = [TYPED.findall(text) for text in paragraphs(number) if ABOUT_THE_PAPER.search(text)]
    assert [" ".join(typed) for typed in found if typed] == ON_THE_PAPER.get(number, [])


@each_notebook
def test_a_result_is_computed_and_not_typed(number):
    found = [result_like(text) for text in paragraphs(number) if not ABOUT_THE_PAPER.search(text)]
    assert set(chain.from_iterable(found)) == set(ELSEWHERE[number].split())


# Numbers in words, of what they are in the code. LATE: over how many epochs runs.py measures the
# fluctuation of a loss.
WORDS_OF_NUMBERS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen "
WORDS_OF_NUMBERS += "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty"
COUNTED = re.compile(
    rf"\b({'|'.join(WORDS_OF_NUMBERS.split())}) (?:[a-z]+ )?"
    "(seeds|epochs|runs|readings|combinations|experiments)"
)
LATE, TRIED = 10, signature(try_out).parameters["epochs"].default
PATIENCE, REPORT, READ = Config().early_stop_epoch, 5, len(readings.SEEDS)
IN_WORDS = {
    "02": f"{PATIENCE} epochs, {LATE} epochs, {REPORT} seeds, {READ} seeds, {len(MANY)} runs, "
    f"{len(MANY)} runs, 2 runs, {REPORT} seeds, 2 runs, {len(MANY)} runs, "
    f"{REPORT} seeds, {LATE} epochs, {TRIED} epochs, 5 seeds",
    "03": f"{LATE} epochs, {LATE} epochs, {LATE} epochs, {TRIED} epochs",
    "04": f"{REPORT} seeds, {TRIED} epochs",
    "05": f"{TRIED} epochs",
    "06": f"{REPORT} seeds, {READ} seeds, {len(sweep.GRID_SEEDS)} seeds, "
    f"{len(sweep.TUNED_SEEDS)} seeds, {len(sweep.GRID_SEEDS)} seeds, "
    f"{signature(sweep_table).parameters['count'].default} combinations, "
    f"{len(sweep.GRID_SEEDS)} seeds, {len(sweep.TUNED_SEEDS)} seeds, {LATE} epochs, "
    f"{TRIED} epochs",
    "07": f"{len(FINAL_SEEDS)} seeds, {len(TEACHERS)} seeds, 2 runs",
    "08": f"{panel.SEEDS} seeds, {REPORT} seeds",
    "09": f"{len(readings.READINGS)} readings, {READ} seeds, {len(PAPER) - 1} experiments, "
    f"{len(readings.READINGS)} combinations, {READ} seeds, {len(readings.READINGS)} readings, "
    f"{READ} seeds, {READ} seeds, {REPORT} seeds, {READ} seeds",
}


@each_notebook
def test_a_number_of_seeds_or_epochs_in_words_is_that_of_the_code(number):
    found = COUNTED.findall(
        " ".join(" ".join(text for _, text in passages(number)).split()).lower()
    )
    value = dict(zip(WORDS_OF_NUMBERS.split(), [*range(2, 21), 30, 40, 50], strict=True))
    shown = ", ".join(f"{value[word]} {noun}" for word, noun in found)
    assert shown == IN_WORDS.get(number, "")


def test_constants_that_are_typed_in_prose_follow_from_their_formulas():
    assert round(np.log(10) / 10, 2) == 0.23
    assert round(np.arctanh(np.sqrt(0.95)), 2) == 2.18
    assert round(128 * 0.0005, 3) == 0.064
    assert (sum(map(bool, ACCURACIES.values())), sum(map(bool, LOSSES.values()))) == (12, 10)


@each_notebook
def test_a_caption_names_the_experiments_of_its_figure(number):
    for cell in CODE[number]:
        for call in cell.calls("show"):
            drawn = experiments_in(call.args[0], {})
            if "figures." in ast.unparse(call.args[0]) and drawn:
                prose = Prose({})
                prose.visit(call.args[1])
                candidates = [own for _, own in named(" ".join(prose.texts[-1].split()))]
                assert all(any(name in own for own in candidates) for name in drawn), drawn
                assert all(set(own) & set(drawn) for own in candidates), candidates
