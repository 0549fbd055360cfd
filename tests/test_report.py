"""A report is whole, needs nothing from a network, and a failing notebook leaves the old one."""

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kmnist_mlp.config import Config
from kmnist_mlp.data import CLASS_NAMES, ROMAJI
from kmnist_mlp.experiments.runs import run
from kmnist_mlp.report import build as report
from kmnist_mlp.report import execute
from kmnist_mlp.report.build import execute_in_place, main, update_readme
from kmnist_mlp.report.execute import NotebookError
from kmnist_mlp.report.pages import render_markdown

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
COMMITTED = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
SMALL = Config(layer_specs=(36, 4, 10), epochs=1)
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


def one_after_the_other(paths):
    return [execute.execute(path) for path in paths]


@pytest.fixture
def in_process(monkeypatch):
    """Execute notebooks one after the other in this process: quicker for one of them."""
    monkeypatch.setattr(execute, "execute_all", one_after_the_other)


def pretend(monkeypatch, data, results):
    """Let the report find this data and these results, without any training."""
    monkeypatch.setattr(report, "_load", lambda: data)
    monkeypatch.setattr(report, "_compute", lambda _: (results, f"{len(results.frame)} runs"))


@pytest.fixture(scope="module")
def measured(make_dataset):
    """Tiny results in the place of the experiments of the paper, on stand-in and on real data."""
    data = make_dataset(classes=10, train=60, test=30)
    names = ("baseline", "l2_0.2", "relu", "final", "linear")
    computed = {}
    for name in ("stand-in data", "KMNIST"):
        named = replace(data, name=name, class_names=CLASS_NAMES, romaji=ROMAJI)
        results = run(dict.fromkeys(names, SMALL), [0], n_jobs=1, data=named, cache=False)
        computed[name] = named, results
    return computed


@pytest.fixture
def computed(measured, monkeypatch):
    """Return a function that says on which data the report is made; without any training."""
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "1")

    def on(name):
        pretend(monkeypatch, *measured[name])

    on("stand-in data")
    return on


def call(monkeypatch, *arguments):
    """Call the command line and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["report", *map(str, arguments)])
    return main()


# ---- a report ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(measured, tmp_path_factory):
    """Make a report of two notebooks by its command line; return its folder."""
    folder = tmp_path_factory.mktemp("report")
    good(folder / "notebooks")
    good(folder / "notebooks", "02_second_steps.ipynb")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("KMNIST_MLP_SEEDS", "1")
        pretend(monkeypatch, *measured["stand-in data"])
        monkeypatch.setattr(execute, "execute_all", one_after_the_other)
        output = folder / "build" / "report"
        assert call(monkeypatch, "--notebooks", folder / "notebooks", "--output", output) == 0
    return output


@pytest.fixture(scope="module")
def pages(made):
    return {path.name: path.read_text("utf-8") for path in made.glob("*.html")}


class Page(HTMLParser):
    """Collect what a browser loads for a page, what it links to, and where code stands."""

    VOID = {"meta", "link", "img", "br", "hr", "input", "source", "col", "wbr", "embed", "base"}

    def __init__(self, text):
        super().__init__()
        self.loaded, self.linked, self.alt, self.open = [], [], [], []
        self.code_outside_details = self.code = 0
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "a":
            self.linked.append(given.get("href") or "")
        else:
            for name in ("src", "href", "srcset", "data", "poster", "xlink:href"):
                if given.get(name):
                    self.loaded.append(given[name])
        self.loaded += in_style(given.get("style") or "")
        if tag == "img":
            self.alt.append(given.get("alt"))
        if "highlight" in (given.get("class") or "").split():
            self.code += 1
            self.code_outside_details += "details" not in self.open or "open" in given
        if tag not in self.VOID:
            self.open.append("details" if tag == "details" and "open" not in given else tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.loaded += in_style(data)
        elif self.open and self.open[-1] == "script":
            self.loaded += re.findall(r"""["'](https?:)?//[^"']+""", data)
        elif "details" not in self.open:  # folded code is no text of the page
            self.text += data


def in_style(style):
    return re.findall(r"url\(\s*[\"']?([^)\"']+)", style) + re.findall(
        r"@import\s+[\"']([^\"']+)", style
    )


def from_elsewhere(text):
    return [address for address in Page(text).loaded if not address.startswith("data:")]


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


def test_a_report_has_an_index_and_a_page_for_each_notebook(pages):
    assert set(pages) == {"index.html", "01_first_steps.html", "02_second_steps.html"}


def test_no_page_loads_anything_from_anywhere(pages):
    for text in pages.values():
        assert from_elsewhere(text) == []


def test_every_link_inside_the_report_leads_to_a_page(made, pages):
    for text in pages.values():
        inside = [link for link in Page(text).linked if not re.match(r"https?:|#", link)]
        assert inside and all((made / link.partition("#")[0]).is_file() for link in inside)
    assert "01_first_steps.html" in Page(pages["index.html"]).linked
    assert "index.html" in Page(pages["02_second_steps.html"]).linked


def test_formulas_are_mathml_and_no_tex_is_left(pages):
    page = pages["01_first_steps.html"]
    assert page.count("<math") == 3 and 'display="block"' in page
    assert "<mfrac" in page
    assert "frac{" not in Page(page).text and "$" not in Page(page).text


def test_code_is_folded(pages):
    page = Page(pages["01_first_steps.html"])
    assert page.code == 1 and page.code_outside_details == 0
    assert "<summary>Code</summary>" in pages["01_first_steps.html"]


def test_outputs_are_on_the_page_with_the_alternative_text_of_figures(pages):
    page = pages["01_first_steps.html"]
    assert page.count('src="data:image/png;base64,') == 1
    assert "<td>0.064</td>" in page and "<strong>Figure 1.</strong> It falls" in page
    assert "agrees &lt;with&gt; the reference results" in page
    assert all(Page(page).alt), "every image says what it shows"


def test_a_title_with_special_characters_is_shown_as_it_is(pages):
    for text in pages.values():
        assert "loss < 1 &" not in text, "the characters must be escaped"
    assert "1 Is the loss < 1 & finite?" in Page(pages["index.html"]).text


def test_nothing_but_the_report_and_its_notebooks_is_left_behind(made):
    assert sorted(path.name for path in made.parent.iterdir()) == ["executed", "report"]
    executed = sorted(path.name for path in (made.parent / "executed").iterdir())
    assert executed == ["01_first_steps.ipynb", "02_second_steps.ipynb"]


def test_a_report_that_would_not_change_is_left_alone(
    computed, monkeypatch, tmp_path, previous, capsys
):
    calls = []
    monkeypatch.setattr(
        execute, "execute_all", lambda paths: calls.append(paths) or one_after_the_other(paths)
    )
    notebooks = tmp_path / "notebooks"
    first = write(notebooks / "01_one.ipynb", new_markdown_cell("# 1 One"))
    second = write(notebooks / "02_two.ipynb", new_markdown_cell("# 2 Two"))
    arguments = ("--notebooks", notebooks, "--output", previous)
    assert call(monkeypatch, *arguments) == 0 and calls == [[first, second]]
    before = {path: path.stat().st_ino for path in previous.iterdir()}
    assert call(monkeypatch, *arguments) == 0 and len(calls) == 1
    assert {path: path.stat().st_ino for path in previous.iterdir()} == before
    assert "Nothing has changed" in capsys.readouterr().out
    # a page that is gone is made again, without executing anything
    (previous / "01_one.html").unlink()
    assert call(monkeypatch, *arguments) == 0 and len(calls) == 1
    assert (previous / "01_one.html").exists()
    # only the notebook that changed is executed again
    write(second, new_markdown_cell("# 2 Two, changed"))
    assert call(monkeypatch, *arguments) == 0 and calls[1:] == [[second]]
    assert "2 Two, changed" in (previous / "02_two.html").read_text("utf-8")
    # another data set, another report
    computed("KMNIST")
    assert call(monkeypatch, *arguments) == 0 and calls[2:] == [[first, second]]


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.fixture
def previous(tmp_path):
    """An earlier report, which must stay as it is."""
    (tmp_path / "build" / "report").mkdir(parents=True)
    (tmp_path / "build" / "report" / "index.html").write_text("the previous one")
    return tmp_path / "build" / "report"


def is_left_whole(previous):
    return (
        {path.name for path in previous.parent.iterdir()} <= {"executed", "report"}
        and [path.name for path in previous.iterdir()] == ["index.html"]
        and (previous / "index.html").read_text() == "the previous one"
    )


def test_a_failing_notebook_stops_the_command_is_named_and_leaves_the_previous_report(
    computed, monkeypatch, tmp_path, previous, capsys
):
    failing(tmp_path / "notebooks")
    assert call(monkeypatch, "--notebooks", tmp_path / "notebooks", "--output", previous) == 1
    told = capsys.readouterr().err
    for part in ("02_fails.ipynb", "cell 3", "accuracy / 0", "ZeroDivisionError"):
        assert part in told
    assert is_left_whole(previous)


@pytest.mark.parametrize(
    ("content", "named"), [(None, "no notebooks"), ("{", "01_broken"), ("[]", "01_broken")]
)
def test_what_is_no_notebook_stops_the_command_and_leaves_the_previous_report(
    computed, in_process, monkeypatch, tmp_path, previous, capsys, content, named
):
    (tmp_path / "notebooks").mkdir()
    if content is not None:
        (tmp_path / "notebooks" / "01_broken.ipynb").write_text(content)
    assert call(monkeypatch, "--notebooks", tmp_path / "notebooks", "--output", previous) == 1
    assert named in capsys.readouterr().err
    assert is_left_whole(previous)


def test_an_export_that_fails_leaves_the_previous_report(
    computed, in_process, monkeypatch, tmp_path, previous, capsys
):
    write(tmp_path / "notebooks" / "01_one.ipynb", new_markdown_cell("# 1 One"))

    def fail(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_text", fail)
    assert call(monkeypatch, "--notebooks", tmp_path / "notebooks", "--output", previous) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert is_left_whole(previous)


def test_a_new_report_takes_the_place_of_the_whole_previous_one(
    computed, in_process, monkeypatch, tmp_path, previous
):
    (previous / "09_gone.html").write_text("a page of a notebook that is no more")
    write(tmp_path / "notebooks" / "01_one.ipynb", new_markdown_cell("# 1 One"))
    assert call(monkeypatch, "--notebooks", tmp_path / "notebooks", "--output", previous) == 0
    assert sorted(path.name for path in previous.iterdir()) == ["01_one.html", "index.html"]


def test_an_expected_error_in_an_earlier_cell_is_not_blamed(tmp_path):
    path = write(
        tmp_path / "01_one.ipynb",
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
        new_code_cell("int('x')"),
    )
    with pytest.raises(NotebookError, match=r"cell 2 .*int\('x'\).*ValueError"):
        execute.execute(path)


def test_notebooks_without_outputs_are_not_exported_as_they_are(monkeypatch, tmp_path, capsys):
    good(tmp_path / "notebooks")
    arguments = ("--committed", "--notebooks", tmp_path / "notebooks", "--output", tmp_path / "o")
    assert call(monkeypatch, *arguments) == 1
    assert "01_first_steps.ipynb has no outputs" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


# ---- README --------------------------------------------------------------------------------------


README = """# Title

<!-- findings: written by a command -->
| old | table |
<!-- end of findings -->

## More
"""


def test_the_findings_are_written_between_their_marks_and_nothing_else_changes(measured, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README, "utf-8")
    (tmp_path / "docs").mkdir()
    with mpl.rc_context():
        update_readme(readme, measured["KMNIST"][1])
        once = readme.read_text("utf-8")
        update_readme(readme, measured["KMNIST"][1])
    before, _, after = README.partition("| old | table |")
    assert once.startswith(before) and once.endswith(after)
    table = once.removeprefix(before).removesuffix(after).splitlines()
    assert len(table) == 2 + 5 and "| old" not in once
    assert table[2].startswith("| baseline, early stopping |") and "84.47" in table[2]
    assert {row.count("|") for row in table} == {6}
    assert readme.read_text("utf-8") == once
    picture = (tmp_path / "docs" / "against_paper.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("mark", ["<!-- findings", "<!-- end of findings"])
def test_a_readme_that_lost_a_mark_is_not_cut_off(measured, tmp_path, mark):
    readme = tmp_path / "README.md"
    readme.write_text(README.replace(mark, "<!-- other"), "utf-8")
    before = readme.read_text("utf-8")
    (tmp_path / "docs").mkdir()
    with mpl.rc_context(), pytest.raises((ValueError, NotebookError), match="findings"):
        update_readme(readme, measured["KMNIST"][1])
    assert readme.read_text("utf-8") == before


# ---- notebooks in place --------------------------------------------------------------------------


def test_notebooks_are_executed_in_place_with_outputs_and_without_times(
    computed, in_process, tmp_path
):
    computed("KMNIST")
    path = good(tmp_path / "notebooks")
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(README, "utf-8")
    assert execute_in_place(tmp_path / "notebooks") == [path]
    notebook = nbformat.read(path, as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code")
    assert cell.execution_count == 1 and len(cell.outputs) == 4
    assert "execution" not in cell.metadata
    left = sorted(file.name for file in tmp_path.rglob("*"))
    assert left == ["01_first_steps.ipynb", "README.md", "against_paper.png", "docs", "notebooks"]


def test_notebooks_in_place_stay_as_they_are_if_one_of_them_fails(
    computed, in_process, monkeypatch, tmp_path, capsys
):
    computed("KMNIST")
    before = {path: path.read_bytes() for path in (good(tmp_path), failing(tmp_path))}
    assert call(monkeypatch, "--in-place", "--notebooks", tmp_path) == 1
    assert "02_fails.ipynb, cell 3" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_notebooks_are_not_executed_in_place_on_the_stand_in(
    computed, in_process, monkeypatch, tmp_path, capsys
):
    before = good(tmp_path).read_bytes()
    assert call(monkeypatch, "--in-place", "--notebooks", tmp_path) == 1
    assert "stand-in" in capsys.readouterr().err
    assert (tmp_path / "01_first_steps.ipynb").read_bytes() == before


def test_markdown_outside_formulas_is_rendered_as_ever():
    html = render_markdown("An *example*: `a_b` and a [link](https://a.org); it costs \\$5.")
    assert "<em>example</em>" in html and "<code>a_b</code>" in html
    assert '<a href="https://a.org">link</a>' in html and "<math" not in html


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
    elif not re.search(r"\bcheck\(|gradient_verdicts\(", cells[-1].source):
        found.append("it does not end with a check")
    return found


def test_the_six_notebooks_of_the_paper_are_there():
    assert [path.stem for path in COMMITTED][:6] == [
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
