"""A report is whole, needs nothing from a network, and a failing notebook leaves the old one."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from official import small_files

from kmnist_mlp import Config, load_kmnist
from kmnist_mlp.report import build, execution
from kmnist_mlp.report.__main__ import main
from kmnist_mlp.report.execution import NotebookError, execute_all, outputs_key, read
from kmnist_mlp.report.pages.export import export

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
SMALL = Config(layer_specs=(784, 4, 10), epochs=1)
INTRODUCTION = """# 1 Is the loss < 1 & finite?

It is, as a *small* notebook shows.

The loss of $n$ images is

$$E = \\frac{1}{n} \\sum_n E^n$$
"""
DRAW = """
import base64
from IPython.display import HTML, Image, Markdown, display
display(Image(base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="), metadata={"alt": "A dot that means nothing"}))
display(Markdown("**Figure 1.** It falls by $x^2$."))
display(HTML("<table><tr><td>0.064</td></tr></table>"))
print("baseline: agrees <with> the reference results")
"""


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def good(folder, name="01_first_steps.ipynb"):
    return write(folder / name, new_markdown_cell(INTRODUCTION), new_code_cell(DRAW.strip()))


def failing(folder):
    return write(
        folder / "02_fails.ipynb",
        new_markdown_cell("# 2 Fails"),
        new_code_cell("accuracy = 0.84"),
        new_code_cell("# the paper's\naccuracy / 0  # as an example"),
        new_code_cell("print('not reached')"),
    )


@pytest.fixture(scope="module", autouse=True)
def small_experiments():
    """Train small networks in the place of the paper's, on the stand-in, with one seed."""
    names = ("baseline", "l2_0.2", "relu", "final", "linear")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(build, "EXPERIMENTS", dict.fromkeys(names, SMALL))
        monkeypatch.setenv("KMNIST_MLP_SEEDS", "1")
        monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
        yield


@pytest.fixture
def small_kmnist(monkeypatch, tmp_path_factory):
    """Let small files be the real data."""
    folder = tmp_path_factory.mktemp("kmnist")
    for name, content in small_files(monkeypatch).items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
    monkeypatch.setenv("KMNIST_MLP_DATA", str(folder))


def report(folder, *options):
    """Make a report of the notebooks in a folder by the command; return its exit status."""
    output = folder / "build" / "report"
    return main(["--notebooks", f"{folder / 'notebooks'}", "--output", f"{output}", *options])


# ---- a report ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of two notebooks: the folder that `build` is in."""
    folder = tmp_path_factory.mktemp("report")
    good(folder / "notebooks")
    good(folder / "notebooks", "02_second_steps.ipynb")
    assert report(folder) == 0
    return folder / "build"


@pytest.fixture(scope="module")
def pages(made):
    """The HTML of each page by its stem."""
    return {path.stem: path.read_text("utf-8") for path in (made / "report").iterdir()}


def from_elsewhere(text):
    """Return the addresses that a browser loads for a page, but for those that hold their data."""
    page = BeautifulSoup(text, "html.parser")
    names = ("src", "href", "srcset", "data", "poster")
    tags = page.find_all(lambda tag: tag.name != "a")
    found = [tag[name] for tag in tags for name in names if tag.get(name)]
    for style in [tag["style"] for tag in page.find_all(style=True)] + page.find_all("style"):
        found += re.findall(r"(?:url\(|@import)\s*[\"']?([^)\"']+)", str(style))
    for script in page.find_all("script"):
        found += re.findall(r"""["'](?:https?:)?//[^"']+""", script.text)
    return [address for address in found if not address.startswith("data:")]


def test_the_check_for_network_addresses_finds_every_kind_of_them():
    for text in (
        '<script src="https://a.org/a.js"></script>',
        '<link rel="stylesheet" href="//a.org/a.css">',
        '<img src="http://a.org/a.png">',
        "<style>@import 'https://a.org/a.css';</style>",
        "<style>@font-face { src: url(https://a.org/a.woff) }</style>",
        "<p style=\"background: url('http://a.org/a.png')\">",
        "<script>import('https://a.org/a.js')</script>",
    ):
        assert from_elsewhere(text), text
    assert not from_elsewhere('<a href="https://a.org">a</a> <img src="data:image/png;base64,AA">')


def test_a_report_has_an_index_and_a_page_for_each_notebook_that_load_nothing(made, pages):
    others = {"accessibility", "draw", "glossary", "train"}
    assert set(pages) == {"index", "01_first_steps", "02_second_steps"} | others
    assert all(from_elsewhere(text) == [] for text in pages.values())
    left = [path.relative_to(made).as_posix() for path in made.rglob("*.ipynb")]
    assert sorted(left) == ["executed/01_first_steps.ipynb", "executed/02_second_steps.ipynb"]
    assert {path.name for path in made.iterdir()} == {"executed", "report"}


def test_a_page_shows_formulas_outputs_and_folded_code(pages):
    page = BeautifulSoup(pages["01_first_steps"], "html.parser")
    (code,) = page.select(".highlight")
    folded = code.find_parent("details")
    assert folded.summary.text == "Code" and not folded.has_attr("open")
    folded.decompose()
    formulas = page.find_all("math")
    assert [formula.get("display") == "block" for formula in formulas] == [False, True, False]
    assert formulas[1].mfrac and "frac{" not in page.text and "$" not in page.text
    (image,) = page.find_all("img")
    assert image["src"].startswith("data:image/png;base64,") and image["alt"]
    assert page.td.text == "0.064" and page.find("strong", string="Figure 1.")
    assert "agrees <with> the reference results" in page.pre.text


def test_a_title_with_special_characters_is_shown_as_it_is(pages):
    for text in pages.values():
        assert "loss < 1 &" not in text
    for stem in ("index", "01_first_steps"):
        assert "1 Is the loss < 1 & finite?" in BeautifulSoup(pages[stem], "html.parser").text


def test_only_what_changed_is_executed_and_written_again(tmp_path, capsys):
    def counting(name, title):
        cells = new_markdown_cell(title), new_code_cell(f"print(file=open('{name}.log', 'a'))")
        write(tmp_path / "notebooks" / f"{name}.ipynb", *cells)

    def executions():
        assert report(tmp_path) == 0
        logs = (tmp_path / "notebooks" / f"{name}.log" for name in ("01_one", "02_two"))
        return [len(log.read_text()) for log in logs]

    counting("01_one", "# 1 One")
    counting("02_two", "# 2 Two")
    pages = tmp_path / "build" / "report"
    assert executions() == [1, 1]
    assert '<h1 id="01-one-1-one">' in (pages / "01_one.html").read_text("utf-8")
    before = {path: path.stat().st_ino for path in pages.iterdir()}
    assert executions() == [1, 1]
    assert {path: path.stat().st_ino for path in pages.iterdir()} == before
    (pages / "01_one.html").unlink()
    assert executions() == [1, 1] and (pages / "01_one.html").exists()
    counting("02_two", "# 2 Two, changed")
    assert executions() == [1, 2] and "2 Two, changed" in (pages / "02_two.html").read_text("utf-8")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that is taken for the project's own."""
    monkeypatch.setattr(execution, "PROJECT", tmp_path)
    return shutil.copytree(ROOT / "kmnist_mlp", tmp_path / "kmnist_mlp")


def is_page(file, package):
    return file.relative_to(package).as_posix().startswith("report/pages/")


def test_a_change_in_what_decides_outputs_asks_for_an_execution_and_one_in_what_makes_pages_not(
    package, monkeypatch
):
    path = good(package.parent)
    before = outputs_key(path, "data")

    def is_another_key(*conditions):
        return outputs_key(path, *(conditions or ["data"])) != before

    assert is_another_key("others")
    for owner, name in ((np, "__version__"), (pd, "__version__"), (mpl, "__version__"),
                        (sys, "version")):  # fmt: skip
        with monkeypatch.context() as context:
            context.setattr(owner, name, "0")
            assert is_another_key(), (owner, name)
    for name in ("commit", "blas"):
        with monkeypatch.context() as context:
            context.setattr(execution, name, lambda: "another")
            assert is_another_key(), name
    for change in ({"source": "# 2"}, {"cell_type": "raw"}, {"metadata": {"tags": ["a"]}}):
        changed = nbformat.read(path, as_version=4)
        changed.cells[0].update(change)
        write(path, *changed.cells)
        assert is_another_key(), change
        good(path.parent)
    files = [file for file in sorted(package.rglob("*")) if file.is_file()]
    kinds = {(file.parent, file.suffix): file for file in files}.values()
    assert {".py", ".csv", ".npz", ".js", ".css", ".html"} <= {file.suffix for file in kinds}
    for file in kinds:
        content = file.read_bytes()
        file.write_bytes(content + b" ")
        decides = not is_page(file, package) and file.suffix != ".pyc"
        assert is_another_key() == decides, file
        file.write_bytes(content)
    renamed = package / "network.py"
    renamed.rename(package / "new.py")
    assert is_another_key()
    (package / "new.py").rename(renamed)
    (package / "network.pyc").write_bytes(b"compiled")
    assert not is_another_key()


def test_notebooks_are_executed_again_for_other_seeds_another_name_and_other_images(
    tmp_path, monkeypatch, tiny10
):
    write(tmp_path / "01_one.ipynb", new_markdown_cell("# 1 One"))
    executed = []
    monkeypatch.setattr(build, "EXPERIMENTS", {"linear": SMALL.replace(layer_specs=(36, 10))})
    monkeypatch.setattr(
        execution, "execute_all", lambda paths: executed.append(paths) or [*map(read, paths)]
    )
    named = replace(tiny10, name="other")
    changed = replace(named, test_images=tiny10.test_images[::-1])
    for times, (data, seeds) in enumerate(
        [(tiny10, "1"), (tiny10, "2"), (named, "2"), (changed, "2")], start=1
    ):
        monkeypatch.setattr(build, "load_and_announce", lambda data=data: (data, ""))
        monkeypatch.setenv("KMNIST_MLP_SEEDS", seeds)
        for _ in range(2):
            build.executed(tmp_path, tmp_path / "store")
            assert len(executed) == times


@pytest.mark.filterwarnings("ignore:STAND-IN")
def test_pages_are_written_again_when_what_makes_them_the_data_or_a_notebook_changed(
    tmp_path, package
):
    file = good(tmp_path)
    data, notebooks = load_kmnist(), {file: nbformat.read(file, as_version=4)}
    notebooks[file].cells[1].execution_count = 1

    def is_written():
        return export(notebooks, data, tmp_path / "report", single=False)

    assert is_written() and not is_written()
    style = package / "report" / "pages" / "templates" / "style.css"
    style.write_text(style.read_text("utf-8") + " ", "utf-8")
    assert is_written() and not is_written()
    data = replace(data, test_images=data.test_images[::-1])
    assert is_written() and not is_written()
    notebooks[file].cells[1].outputs = [new_output("stream", text="another result")]
    assert is_written() and not is_written()
    (tmp_path / "report" / "index.html").write_text("of another report")
    assert is_written()


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.fixture
def previous(tmp_path):
    """An earlier report, which must stay as it is."""
    folder = tmp_path / "build" / "report"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("the previous one")
    yield folder
    assert {path.name for path in folder.parent.iterdir()} <= {"executed", "report"}
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "index.html": "the previous one"
    }


def test_a_failing_notebook_stops_the_command_is_named_and_leaves_the_previous_report(
    tmp_path, previous, capsys
):
    failing(tmp_path / "notebooks")
    write(tmp_path / "notebooks" / "01_one.ipynb", new_code_cell("int('x')"))
    good(tmp_path / "notebooks", "03_three.ipynb")
    assert report(tmp_path) == 1
    told = capsys.readouterr().err
    for part in ("01_one.ipynb, cell 1", "02_fails.ipynb, cell 3", "accuracy / 0", "ZeroDivision"):
        assert part in told


@pytest.mark.parametrize(("content", "named"), [(None, "notebooks"), ("{", "01_"), ("[]", "01_")])
def test_what_is_no_notebook_stops_the_command_and_leaves_the_previous_report(
    tmp_path, previous, capsys, content, named
):
    (tmp_path / "notebooks").mkdir()
    if content is not None:
        (tmp_path / "notebooks" / "01_broken.ipynb").write_text(content)
    assert report(tmp_path) == 1
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("SEEDS", "many"), ("DATASET", "mnist")])
def test_a_wrong_setting_stops_the_command_before_anything_is_executed(
    tmp_path, previous, capsys, monkeypatch, name, value
):
    good(tmp_path / "notebooks")
    monkeypatch.setenv(f"KMNIST_MLP_{name}", value)
    assert report(tmp_path) == 1
    assert value in capsys.readouterr().err


def test_a_result_folder_that_cannot_be_written_stops_the_command_only_where_results_are_missing(
    tmp_path, monkeypatch, capsys
):
    """Each notebook would train on its own what it needs."""
    good(tmp_path / "notebooks")
    folder = tmp_path / "results"
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(folder))

    def refused(**_):
        raise PermissionError("read-only")

    with monkeypatch.context() as patched:
        patched.setattr(build, "TemporaryFile", refused)
        assert report(tmp_path) == 1
        assert str(folder) in capsys.readouterr().err and list(folder.iterdir()) == []
    build.run(build.EXPERIMENTS)
    monkeypatch.setattr(build, "TemporaryFile", refused)
    assert report(tmp_path) == 0


def test_a_new_report_takes_the_place_of_the_whole_previous_one(tmp_path):
    folder = tmp_path / "build" / "report"
    folder.mkdir(parents=True)
    (folder / "09_gone.html").write_text("a page of a notebook that is no more")
    write(tmp_path / "notebooks" / "01_one.ipynb", new_markdown_cell("# 1 One"))
    assert report(tmp_path) == 0
    stems = ["01_one", "accessibility", "draw", "glossary", "index", "train"]
    assert sorted(path.stem for path in folder.iterdir()) == stems
    assert {path.name for path in folder.parent.iterdir()} == {"executed", "report"}


def test_an_expected_error_in_an_earlier_cell_is_not_blamed(tmp_path):
    path = write(
        tmp_path / "01_one.ipynb",
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
        new_code_cell("int('x')"),
    )
    with pytest.raises(NotebookError, match=r"01_one.ipynb, cell 2 .*int\('x'\).*ValueError"):
        execute_all([path])


def test_notebooks_without_outputs_are_not_exported_as_they_are(tmp_path, capsys):
    good(tmp_path / "notebooks")
    assert report(tmp_path, "--committed") == 1
    assert "01_first_steps.ipynb" in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


# ---- notebooks in place, and README --------------------------------------------------------------


README = """# Title

<!-- findings: written by a command -->
<!-- end of findings -->

<!-- results: written by a command -->
| old | table |
<!-- end of results -->

## More
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with README, docs and a notebook without outputs."""
    monkeypatch.setattr("kmnist_mlp.report.readme.findings", lambda results: "- some")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(README, "utf-8")
    good(tmp_path / "notebooks")
    with mpl.rc_context():
        yield tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_notebooks_are_executed_in_place_and_the_findings_written_into_readme(
    small_kmnist, checkout
):
    other = checkout / "notebooks" / "02_other.ipynb"
    write(other, new_code_cell("6 * 7"))
    assert report(checkout, "--in-place") == 0
    names = {path.relative_to(checkout).as_posix() for path in contents(checkout)}
    assert names == {
        "README.md", "docs/difference_to_paper.png", "docs/options.md",
        "notebooks/01_first_steps.ipynb", "notebooks/02_other.ipynb",
    }  # fmt: skip
    (cell,) = nbformat.read(other, as_version=4).cells
    assert cell.source == "6 * 7" and cell.outputs[0].data["text/plain"] == "42"
    notebook = nbformat.read(checkout / "notebooks" / "01_first_steps.ipynb", as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code")
    assert cell.execution_count == 1 and len(cell.outputs) == 4
    assert "execution" not in cell.metadata, "no times"
    assert (checkout / "docs" / "difference_to_paper.png").read_bytes().startswith(b"\x89PNG")
    readme = (checkout / "README.md").read_text("utf-8")
    before, after = README.replace("-->\n<", "-->\n- some\n<").split("| old | table |")
    assert readme.startswith(before) and readme.endswith(after)
    table = readme.removeprefix(before).removesuffix(after).splitlines()
    assert len(table) == 2 + 4 and {row.count("|") for row in table} == {6}
    assert table[2].startswith("| baseline, early stopping |") and "84.47" in table[2]
    once = contents(checkout)[checkout / "README.md"]
    assert report(checkout, "--in-place") == 0
    assert contents(checkout)[checkout / "README.md"] == once


@pytest.mark.parametrize("fault", ["a failing notebook", "<!-- findings", "<!-- end of results"])
def test_notebooks_in_place_and_readme_stay_as_they_are_if_anything_fails(
    small_kmnist, checkout, fault, capsys
):
    if fault == "a failing notebook":
        failing(checkout / "notebooks")
    else:
        (checkout / "README.md").write_text(README.replace(fault, "<!-- other"), "utf-8")
    before = contents(checkout)
    assert report(checkout, "--in-place") == 1
    named = "02_fails.ipynb, cell 3" if "notebook" in fault else "README.md"
    assert named in capsys.readouterr().err
    assert contents(checkout) == before


def test_notebooks_are_not_executed_in_place_on_the_stand_in(checkout):
    before = contents(checkout)
    assert report(checkout, "--in-place") == 1
    assert contents(checkout) == before


# ---- the committed notebooks ---------------------------------------------------------------------


def code_cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def text_of(outputs):
    """All text of some outputs, without the bytes of images."""
    texts = []
    for output in outputs:
        texts.append(output.get("text", ""))
        texts += [str(v) for k, v in output.get("data", {}).items() if k.startswith("text/")]
    return "\n".join(texts)


def faults(path):
    """Return what a committed notebook must not be."""
    cells = code_cells(path)
    outputs = [output for cell in cells for output in cell.outputs]
    found = []
    if outputs and [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("its cells were not executed once, in order")
    if any(output.output_type == "error" for output in outputs):
        found.append("it holds an error")
    if any(output.get("name") == "stderr" for output in outputs):
        found.append("it holds output to stderr")
    if re.search("stand-in", text_of(outputs), re.IGNORECASE):
        found.append("its outputs are those of the stand-in")
    if path.stat().st_size > 3_000_000:
        found.append("it is larger than 3 MB")
    tags = cells[-1].metadata.get("tags", []) if cells else ["no code"]
    if any(tag.startswith(("nbval-ignore", "nbval-skip", "no code")) for tag in tags):
        found.append("it does not end with a cell whose output is compared")
    elif not re.search(r"\bcheck\(|gradient_verdicts\(|agree", cells[-1].source):
        found.append("it does not end with a check")
    return found


def test_the_first_steps_and_the_six_notebooks_of_the_paper_are_there():
    assert [path.stem for path in COMMITTED][:7] == [
        "00_start_here",
        "01_gradient_check",
        "02_momentum",
        "03_regularization",
        "04_activations",
        "05_topology",
        "06_final",
    ]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_each_committed_notebook_is_valid_executed_in_order_and_without_a_fault(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    assert faults(path) == []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_compared_cells_of_each_committed_notebook_found_nothing_amiss(path):
    said = text_of(output for cell in code_cells(path) for output in cell.outputs)
    assert not re.search("MOVED|NO REFERENCE|TOO LARGE", said)


def test_a_faulty_notebook_would_be_noticed(tmp_path):
    def cell(source="check(results)", count=1, tags=(), **output):
        outputs = [new_output(**output)] if output else [new_output("stream", text="fine")]
        return new_code_cell(
            source, execution_count=count, outputs=outputs, metadata={"tags": list(tags)}
        )

    path = tmp_path / "one.ipynb"
    assert faults(write(path, cell())) == []
    for cells in (
        [cell(count=2)],
        [cell(), cell(count=1)],
        [cell(output_type="error", ename="E", evalue="e", traceback=[])],
        [cell(output_type="stream", name="stderr", text="warning")],
        [cell(output_type="stream", text="STAND-IN DATA")],
        [cell(output_type="stream", text="x" * 3_000_001)],
        [cell(tags=["nbval-ignore-output"])],
        [cell("print(1)")],
    ):
        assert len(faults(write(path, *cells))) == 1
