"""All pages: in their frame with style, script and search, written as files, printed as PDF."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import jinja2
import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup

from kmnist_mlp.beyond import load_best
from kmnist_mlp.data import CLASS_NAMES, Dataset, is_stand_in
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.style import deflated, web_font
from kmnist_mlp.laboratory import drawing_pad
from kmnist_mlp.laboratory.in_page import TEST, TRAINING, playground_html
from kmnist_mlp.report.pages.page import FILTERS, TEMPLATES, Page, index_content, make_pages
from kmnist_mlp.report.pages.text import GLOSSARY, finish
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
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def render(
    notebooks: dict[Path, nbformat.NotebookNode], data: Dataset, single: bool = False
) -> dict[str, str]:
    """Return the HTML of every page by its stem; of a single file, "index" alone.

    A script that a notebook's output brings along may run in its page: pages are made from
    notebooks that are trusted. Nothing else may.

    Parameters
    ----------
    notebooks : dict of Path to NotebookNode
    data : Dataset
        A reader trains networks on some of its images.
    single : bool
        Whether the pages are parts of one file instead of files of one folder.

    Raises
    ------
    ValueError
        If a notebook has no outputs.
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
    templates.filters.update(FILTERS, html=Markup, title_of=title)
    pad = drawing_pad(load_best(), data, bits=PAD_BITS, images=PAD_IMAGES)
    frame = templates.get_template("frame.html.j2")
    content = {
        **index_content(sections),
        "address": address,
        "pages": pages,
        "notebooks": sections,
        "terms": GLOSSARY,
        "title": TITLE,
        "stand_in": any(is_stand_in(page.facts.get("data", "")) for page in sections),
        "dataset": data,
        "images": (TRAINING, TEST),
        "kana": web_font("".join(CLASS_NAMES)),  # a reader may have no Japanese font
        "kana_range": ", ".join(f"U+{ord(kana):X}" for kana in CLASS_NAMES),
        "texts": {path.name: path.read_text("utf-8") for path in TEMPLATES.glob("*.[cj]s*")},
        "single": single,
        "pad": pad.data,
        "playground": playground_html(data),
    }
    shown = {"index": pages} if single else {page.stem: [page] for page in pages}
    files = {
        stem: BeautifulSoup(frame.render(content, shown=articles), "html.parser")
        for stem, articles in shown.items()
    }
    searched = [section for page in files.values() for section in finish(page, address)]
    packed = deflated(json.dumps(searched, ensure_ascii=False).encode())
    for page in files.values():
        page.find(id="sections").string = packed
        scripts = (each.string for each in page.find_all("script") if not each.get("type"))
        digests = {hashlib.sha256(script.encode()).digest() for script in scripts}
        sources = sorted(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
        page.find(id="policy")["content"] += " " + " ".join(sources)
    return {stem: str(page) for stem, page in files.items()}


def export(
    notebooks: dict[Path, nbformat.NotebookNode], data: Dataset, output: Path, single: bool
) -> None:
    """Write the report of executed notebooks, a folder or one file, whole or not at all."""
    files = render(notebooks, data, single)
    output.parent.mkdir(parents=True, exist_ok=True)
    if single:
        with whole_file(output) as file:
            file.write(files["index"].encode())
        return
    fresh = output.with_name(f".{output.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for stem, text in files.items():
        (fresh / f"{stem}.html").write_text(text, encoding="utf-8")
    if output.exists():
        shutil.rmtree(output)
    fresh.rename(output)


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
    OSError
        If the browser fails.
    """
    with TemporaryDirectory() as folder:
        copy, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        # a figure is its picture, which has a text of its own, and not the box around it as well
        text = page.read_text(encoding="utf-8").replace("<figure ", '<figure role="group" ')
        copy.write_text(text, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", "--export-tagged-pdf"]
        options += ["--generate-pdf-document-outline", f"--user-data-dir={folder}/profile"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox is not for root
            options.append("--no-sandbox")
        command = [browser, *options, f"--print-to-pdf={printed}", copy.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True)
        if not printed.exists():
            raise OSError(f"{browser} printed nothing: {done.stderr[-500:]}")
        with whole_file(page.with_suffix(".pdf")) as file:
            file.write(printed.read_bytes())
    return page.with_suffix(".pdf")
