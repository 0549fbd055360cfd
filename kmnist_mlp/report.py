"""Make the report: execute the notebooks, export each as a page, write the index page.

`python -m kmnist_mlp.report` writes ``build/report``; with ``--in-place`` it re-executes the
notebooks of the project themselves. A report appears whole or not at all.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import platform
import re
import shutil
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import jinja2
import nbformat
import numpy as np
from fontTools import subset
from fontTools.ttLib import TTFont
from latex2mathml.converter import convert as mathml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

from kmnist_mlp import __version__
from kmnist_mlp.data import CLASS_NAMES, Dataset, StandInWarning, load_kmnist
from kmnist_mlp.experiments import Results, default_seeds, gradient_checks, judge, run
from kmnist_mlp.figures import against_paper, japanese_font, use_style
from kmnist_mlp.paper import EXPERIMENTS
from kmnist_mlp.storage import whole_file
from kmnist_mlp.tables import comparison, html, plus_minus, scoreboard, verdict_counts

PROJECT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(__file__).parent / "templates"
RULE = (
    "A claim is a range for a quantity, or for the difference of two experiments seed by seed. If "
    "the 95 % confidence interval of our mean over the seeds (Student's t) lies inside the range, "
    "the claim is reproduced; if it lies wholly outside, not reproduced; else undecided. A "
    "published accuracy holds within 1 percentage point, a published loss within 0.005. The bound "
    "on the gradient check must hold in every seed: there, the interval is the range over seeds."
)


class NotebookError(Exception):
    """A notebook failed; the message names notebook, cell and error."""


@dataclass
class Page:
    """One page of the report, and its place among the others."""

    file: str
    title: str
    short: str
    summary: str = ""
    previous: Page | None = field(default=None, repr=False)
    next: Page | None = field(default=None, repr=False)


# ---- executing -----------------------------------------------------------------------------------


def execute(path: Path) -> nbformat.NotebookNode:
    """Run a notebook from top to bottom in a fresh kernel and return it with its outputs.

    Raises
    ------
    NotebookError
        Naming notebook, cell and error.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever it stumbles over
        raise NotebookError(f"{path.name} is no notebook: {error}") from None
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # not a warning per kernel on the console
    )
    try:
        client.execute()
    except CellExecutionError as error:
        number, cell = next(
            (number, cell)
            for number, cell in reversed(list(enumerate(notebook.cells, start=1)))
            if any(out.output_type == "error" for out in cell.get("outputs", []))
        )
        last_line = next(line for line in reversed(cell.source.splitlines()) if line.strip())
        raise NotebookError(
            f"{path.name}, cell {number} (ends with `{last_line}`): {error.ename}: {error.evalue}"
        ) from None
    except Exception as error:  # a kernel that dies
        raise NotebookError(f"{path.name}: {type(error).__name__}: {error}") from None
    return notebook


def _execute_all(paths: list[Path]) -> list[nbformat.NotebookNode]:
    """Execute notebooks side by side, each in a process that waits for its kernel."""
    workers = min(len(paths), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(execute, paths))


# ---- pages ---------------------------------------------------------------------------------------


class _MathMLRenderer(IPythonRenderer):
    """Formulas become MathML, which a browser shows without any script."""

    def block_math(self, body: str) -> str:
        return mathml(body.strip(), display="block")

    def inline_math(self, body: str) -> str:
        return mathml(body.strip())


class PageExporter(HTMLExporter):
    """nbconvert's HTML exporter with this project's template and MathML formulas."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            template_name="report", extra_template_basedirs=[str(TEMPLATES)], **options
        )
        self.exclude_input_prompt = self.exclude_output_prompt = True

    @jinja2.pass_context
    def markdown2html(self, context: object, source: str) -> str:
        """Render Markdown; the filter of that name in the template."""
        return render_markdown(source)


def render_markdown(source: str) -> str:
    """Return HTML of a Markdown text with formulas."""
    return MarkdownWithMath(renderer=_MathMLRenderer(escape=False)).render(source)


def _pages(notebooks: dict[Path, nbformat.NotebookNode]) -> list[Page]:
    """Return the index and a page per notebook, with titles from their first cell."""
    pages = [Page("index.html", "Report", "Report")]
    for path, notebook in notebooks.items():
        first = notebook.cells[0].source if notebook.cells else ""
        lines = [line.strip() for line in first.splitlines() if line.strip()]
        title = lines[0].lstrip("# ") if lines else path.stem
        summary = lines[1] if len(lines) > 1 else ""
        short = re.sub(r"^(\d+)_", r"\1 ", path.stem).replace("_", " ").lstrip("0")
        pages.append(Page(f"{path.stem}.html", title, short, summary))
    for before, after in zip(pages, pages[1:], strict=False):
        before.next, after.previous = after, before
    return pages


def _kana_font() -> str:
    """Return a style that brings the ten kana along: a reader may have no Japanese font."""
    font = TTFont(japanese_font())
    glyphs = subset.Subsetter()
    glyphs.populate(unicodes=[ord(kana) for kana in CLASS_NAMES])
    glyphs.subset(font)
    font.flavor = "woff"
    content = io.BytesIO()
    font.save(content)
    data = base64.b64encode(content.getvalue()).decode()
    source = f'url("data:font/woff;base64,{data}")'
    only = ", ".join(f"U+{ord(kana):X}" for kana in CLASS_NAMES)
    return f'@font-face {{ font-family: "Kana"; src: {source}; unicode-range: {only}; }}'


def _style() -> str:
    light = HtmlFormatter(style="xcode", cssclass="highlight").get_style_defs()
    dark = HtmlFormatter(style="github-dark", cssclass="highlight").get_style_defs()
    own = (TEMPLATES / "report" / "style.css").read_text(encoding="utf-8")
    return f"{_kana_font()}\n{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n{own}"


def _provenance(data: Dataset, results: Results) -> str:
    cached = int(results.frame.cached.sum())
    return (
        f"kmnist_mlp {__version__}; {data.name}, fingerprint {data.fingerprint[:16]}; seeds "
        f"{', '.join(map(str, default_seeds()))}; Python {platform.python_version()}, NumPy "
        f"{np.__version__}, {platform.machine()}; {len(results.frame)} training runs, {cached} of "
        f"them from the cache; made {time.strftime('%Y-%m-%d %H:%M %Z')}."
    )


def _seeds() -> str:
    count = len(default_seeds())
    return "one seed" if count == 1 else f"{count} seeds"


def _abstract(results: Results, judged, data: Dataset) -> str:
    def accuracy(name: str) -> str:
        return plus_minus(results.values("test_accuracy", name), 1) + " %"

    return render_markdown(
        "A published course report trained a multilayer perceptron on Kuzushiji-MNIST, 28 × 28 "
        "images of ten cursive Japanese characters, and described what momentum, early stopping, "
        "penalties, activations and topology do to it. This report repeats every experiment with "
        f"a network written from scratch in NumPy, over {_seeds()}, and holds each result "
        f"against the published one. On {'**stand-in data**' if data.is_stand_in else data.name} "
        f"the baseline (784-128-10, tanh, early stopping) reaches {accuracy('baseline')} test "
        f"accuracy where the paper has 84.47 %, an L2 penalty of 0.2 {accuracy('l2_0.2')} (86.26 "
        f"%), ReLU {accuracy('relu')} (86.42 %), the final model {accuracy('final')} (89 %); the "
        f"linear softmax model stays at {accuracy('linear')}. Of {len(judged)} claims, "
        f"{verdict_counts(judged)}."
    )


def build(notebook_folder: Path, output: Path) -> Path:
    """Execute all notebooks and write the whole report; return its index page."""
    paths = sorted(notebook_folder.glob("[0-9]*.ipynb"))
    if not paths:
        raise NotebookError(f"there are no notebooks in {notebook_folder}")
    data, results = _compute()
    _say(f"Executing {len(paths)} notebooks ...")
    notebooks = dict(zip(paths, _execute_all(paths), strict=True))
    judged = judge(results, gradient_checks(data))
    pages = _pages(notebooks)
    shared = {
        "pages": pages,
        "style": _style(),
        "stand_in": data.is_stand_in,
        "provenance": _provenance(data, results),
    }
    fresh = output.with_name(f".{output.name}.{os.urandom(8).hex()}.new")
    fresh.mkdir(parents=True)
    try:
        exporter = PageExporter()
        for page, notebook in zip(pages[1:], notebooks.values(), strict=True):
            resources = {**shared, "title": page.title, "here": page.file}
            body, _ = exporter.from_notebook_node(notebook, resources=resources)
            (fresh / page.file).write_text(body, encoding="utf-8")
        loader = jinja2.FileSystemLoader(TEMPLATES / "report")
        index = jinja2.Environment(loader=loader).get_template("start.html.j2")
        (fresh / "index.html").write_text(
            index.render(
                **shared,
                abstract=_abstract(results, judged, data),
                seeds=_seeds(),
                comparison=html(comparison(results)),
                rule=RULE,
                scoreboard=html(scoreboard(judged)),
                how=render_markdown(HOW),
            ),
            encoding="utf-8",
        )
        _replace_folder(fresh, output)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return output / "index.html"


HOW = """
Every page is a notebook of the project, executed from top to bottom; the code behind each figure
is one click away. The network, its training and the experiments are the Python module `kmnist_mlp`
in plain NumPy. `make report` makes these pages anew, every experiment is held against
committed reference results, with all seeds here and with one in `make test`.
"""


def _replace_folder(fresh: Path, output: Path) -> None:
    """Put the new folder in the old one's place; the old one is whole until then."""
    old = fresh.with_suffix(".old")
    if output.exists():
        output.rename(old)
    try:
        fresh.rename(output)
    except OSError:
        if old.exists():
            old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


def execute_in_place(notebook_folder: Path) -> list[Path]:
    """Re-execute the project's notebooks themselves; each is replaced only if all succeed."""
    data, results = _compute()
    if data.is_stand_in:
        raise NotebookError("committed notebooks carry results of real KMNIST, not the stand-in's")
    paths = sorted(notebook_folder.glob("[0-9]*.ipynb"))
    executed = _execute_all(paths)
    update_readme(notebook_folder.parent / "README.md", results)  # refuses before it writes
    for path, notebook in zip(paths, executed, strict=True):
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata["language_info"] = {"name": "python"}
        with whole_file(path) as file:
            file.write((nbformat.writes(notebook) + "\n").encode())
    return paths


def update_readme(readme: Path, results: Results) -> None:
    """Write the table of findings between README's two marks, and the picture above it."""
    table = comparison(results)[["test accuracy, %", "paper, %", "test loss", "paper loss"]]
    lines = ["| experiment | " + " | ".join(table.columns) + " |", "|---" + "|---:" * 4 + "|"]
    lines += [f"| {name} | " + " | ".join(row) + " |" for name, *row in table.itertuples()]
    text = readme.read_text(encoding="utf-8")
    if not 0 <= text.find("<!-- findings") < text.find("<!-- end of findings"):
        raise NotebookError(f"{readme} lacks its marks of the findings; see `update_readme`")
    before, _, rest = text.partition("<!-- findings")
    mark, _, rest = rest.partition("-->\n")
    _, _, after = rest.partition("<!-- end of findings")
    body = "\n".join(lines)
    with whole_file(readme) as file:
        file.write(f"{before}<!-- findings{mark}-->\n{body}\n<!-- end of findings{after}".encode())
    use_style()
    with whole_file(readme.parent / "notebooks" / "against_paper.png") as file:
        against_paper(results).savefig(file, format="png")


def _compute() -> tuple[Dataset, Results]:
    """Compute all experiments in one sweep, so that the notebooks find them in the cache."""
    try:
        default_seeds()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", StandInWarning)
            data = load_kmnist()
    except (OSError, ValueError) as error:
        raise NotebookError(str(error)) from None
    for warning in caught:
        _say(f"{warning.message}")
    _say(f"Training on {data!r} ...")
    began = time.perf_counter()
    results = run(EXPERIMENTS, data=data)
    computed = int((~results.frame.cached).sum())
    _say(f"{len(results.frame)} runs, {computed} computed in {time.perf_counter() - began:.0f} s.")
    return data, results


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Command line; the exit status is 1 if a notebook failed."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_mlp.report", description=__doc__)
    parser.add_argument(
        "--in-place", action="store_true", help="re-execute the notebooks themselves"
    )
    parser.add_argument(
        "--notebooks", type=Path, default=PROJECT / "notebooks", help="their folder"
    )
    parser.add_argument("--output", type=Path, default=PROJECT / "build" / "report")
    arguments = parser.parse_args()
    try:
        if arguments.in_place:
            for path in execute_in_place(arguments.notebooks.resolve()):
                _say(f"{path}")
        else:
            index = build(arguments.notebooks.resolve(), arguments.output.resolve())
            _say(f"The report is ready: {index}")
    except (NotebookError, OSError) as error:  # a full disk, for instance
        print(f"The report was not made. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
