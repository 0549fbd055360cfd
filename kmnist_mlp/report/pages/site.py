"""All pages: in their frame with style, script and search, written as files, printed as PDF."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import jinja2
import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup

from kmnist_mlp.beyond import load_best
from kmnist_mlp.data import CLASS_NAMES, Dataset
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.style import deflated, web_font
from kmnist_mlp.laboratory import drawing_pad
from kmnist_mlp.laboratory.in_page import TEST, TRAINING, playground_html
from kmnist_mlp.report.execution import NotebookError
from kmnist_mlp.report.pages.index import index_content
from kmnist_mlp.report.pages.page import TEMPLATES, Page, data_address, make_pages
from kmnist_mlp.report.pages.pictures import figure_html
from kmnist_mlp.report.pages.text import GLOSSARY, finish, slug
from kmnist_mlp.support.files import whole_file

TITLE = "A neural network from scratch on Kuzushiji-MNIST"
# The pages that are no notebooks
INDEX = Page("index", TITLE, "Report")
EXTRAS = [
    Page("draw", "Draw a character", "Draw one"),
    Page("train", "Train a network", "Train one"),
    Page("glossary", "Glossary", ""),
    Page("accessibility", "Accessibility", ""),
]
PAD_BITS, PAD_IMAGES = 5, 250  # of a weight of the final network, and images: less than 2.5 MB
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "worker-src blob:; script-src"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 300  # to print the report


def render(
    notebooks: dict[Path, nbformat.NotebookNode], data: Dataset, single: bool = False
) -> dict[str, str]:
    """Return the HTML of every page by its stem; of a single file, "index" alone.

    Parameters
    ----------
    notebooks : dict of Path to NotebookNode
    data : Dataset
        A reader trains networks on some of its images.
    single : bool
        Whether the pages are parts of one file instead of files of one folder.
    """

    def address(stem: str, anchor: str = "") -> str:
        if single:
            return f"#{anchor or f'page-{stem}'}"
        return f"{stem}.html" + (f"#{anchor}" if anchor else "")

    sections = make_pages(notebooks)
    pages = [INDEX, *sections, *EXTRAS]
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True
    )
    templates.filters.update(
        slug=slug, data_address=data_address, html=Markup, title_of=title, figure_html=figure_html
    )
    frame = templates.get_template("frame.html.j2")
    texts = {path.name: Markup(path.read_text("utf-8")) for path in TEMPLATES.glob("*.[cj]s*")}
    content = {
        **index_content(sections),
        "address": address,
        "pages": pages,
        "notebooks": sections,
        "terms": GLOSSARY,
        "title": TITLE,
        "stand_in": any(page.is_stand_in for page in sections),
        "dataset": data,
        "images": {"training": TRAINING, "test": TEST},
        "kana": Markup(web_font("".join(CLASS_NAMES))),  # a reader may have no Japanese font
        "kana_range": ", ".join(f"U+{ord(kana):X}" for kana in CLASS_NAMES),
        "texts": texts,
        "single": single,
        **_scripted(data),
    }
    shown = {"index": pages} if single else {page.stem: [page] for page in pages}
    files, searched = {}, []
    for stem, articles in shown.items():
        files[stem] = BeautifulSoup(frame.render(content, shown=articles), "html.parser")
        searched += finish(files[stem], address)
    packed = deflated(json.dumps(searched, ensure_ascii=False).encode())
    for page in files.values():
        page.find(id="sections").string = packed
        page.find(id="policy")["content"] = f"{POLICY} {_hashes(page)}"
    return {stem: str(page) for stem, page in files.items()}


@lru_cache(maxsize=1)  # of the same images, for a folder and for a single file
def _scripted(data: Dataset) -> dict[str, Markup]:
    """Return what runs in a page: the final network on a drawing pad, and training."""
    pad = drawing_pad(load_best(), data, bits=PAD_BITS, images=PAD_IMAGES)
    return {"pad": Markup(pad.data), "playground": Markup(playground_html(data))}


def _hashes(page: BeautifulSoup) -> str:
    """Return the sources of the scripts of a page: nothing else runs in it.

    A script that a notebook's output brings along is one of them: pages are made from notebooks
    that are trusted.
    """
    scripts = [script.string for script in page.find_all("script") if not script.get("type")]
    hashes = {hashlib.sha256(script.encode()).digest() for script in scripts}
    return " ".join(sorted(f"'sha256-{base64.b64encode(own).decode()}'" for own in hashes))


def export(
    notebooks: dict[Path, nbformat.NotebookNode], data: Dataset, output: Path, single: bool
) -> None:
    """Write the report of executed notebooks, a folder or one file, whole or not at all.

    Raises
    ------
    NotebookError
        If a notebook has no outputs.
    """
    require_outputs(notebooks)
    files = render(notebooks, data, single)
    output.parent.mkdir(parents=True, exist_ok=True)
    if single:
        with whole_file(output) as file:
            file.write(files["index"].encode())
        return
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as beside:
        fresh = Path(beside, "new")
        fresh.mkdir()
        for stem, text in files.items():
            (fresh / f"{stem}.html").write_text(text, encoding="utf-8")
        if output.exists():
            output.rename(Path(beside, "old"))
        fresh.rename(output)


def require_outputs(notebooks: dict[Path, nbformat.NotebookNode]) -> None:
    """Raise NotebookError if one of these notebooks has no outputs."""
    for path, notebook in notebooks.items():
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
        if code and all(cell.execution_count is None for cell in code):
            raise NotebookError(f"{path.name} has no outputs; `make report` executes it")


def find_browser() -> str | None:
    """Return the program named by CHROMIUM, else the first of the usual ones that is there."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def print_pdf(browser: str, page: Path) -> Path:
    """Print a page as PDF, with tags for screen readers and its headings as bookmarks.

    Parameters
    ----------
    browser : str
        A program that understands Chromium's options.
    page : Path
        The HTML file.

    Returns
    -------
    Path
        The PDF beside it, written whole or not at all.

    Raises
    ------
    NotebookError
        If the browser fails.
    """
    with TemporaryDirectory() as folder:
        copy, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        # a figure is its picture, which has a text of its own, and not the box around it as well
        text = page.read_text(encoding="utf-8").replace("<figure ", '<figure role="group" ')
        copy.write_text(text, encoding="utf-8")
        options = "--headless --disable-gpu --no-pdf-header-footer --export-tagged-pdf".split()
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox is not for root
            options.append("--no-sandbox")
        options += ["--generate-pdf-document-outline", f"--user-data-dir={folder}/profile"]
        command = [browser, *options, f"--print-to-pdf={printed}", copy.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            content = printed.read_bytes()
        except subprocess.TimeoutExpired as error:
            raise NotebookError(f"{browser} could not print the report: {error}") from None
        except FileNotFoundError:
            raise NotebookError(f"{browser} printed nothing: {done.stderr[-500:]}") from None
    with whole_file(page.with_suffix(".pdf")) as file:
        file.write(content)
    return page.with_suffix(".pdf")
