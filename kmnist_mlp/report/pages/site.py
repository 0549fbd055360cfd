"""All pages in their frame; written, and printed as PDF."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import jinja2
from bs4 import BeautifulSoup
from markupsafe import Markup

from kmnist_mlp.beyond import load_best
from kmnist_mlp.data import CLASS_NAMES, Dataset
from kmnist_mlp.datasets.folder import mark_of
from kmnist_mlp.experiments.provenance import PROJECT
from kmnist_mlp.figures.report_figure import title
from kmnist_mlp.figures.style import deflated, encoded, web_font
from kmnist_mlp.laboratory import drawing_pad
from kmnist_mlp.laboratory.in_page import IMAGES, TEST, playground_html
from kmnist_mlp.report.pages.page import FILTERS, TEMPLATES, index_content, make_pages
from kmnist_mlp.report.pages.text import GLOSSARY, finish, targets
from kmnist_mlp.support.files import whole_file

# The pages that are no notebooks
PAGES = tomllib.loads(Path(__file__).with_name("extras.toml").read_text("utf-8"))
INDEX, *EXTRAS = (SimpleNamespace(stem=stem, **PAGES[stem]) for stem in PAGES)
# where the project is published, if it is: links to its files and to Binder
URLS = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
# of a weight, and of the test set: less than 2.5 MB
PAD_BITS, PAD_IMAGES = 5, 250
ENTRY = re.compile(r'<li class="level-\d"><a href="#([^"]+)">.*?</a>')  # of the contents
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PRINT = """--headless --disable-gpu --no-pdf-header-footer --export-tagged-pdf
--generate-pdf-document-outline""".split()


def render(
    notebooks: dict, data: Dataset, single: bool = False, for_class: bool = False
) -> dict[str, str]:
    """Return the HTML of every page by its stem; of a single file, "index" alone.

    No script runs in them but their own, which are those of a drawing pad
    in a notebook, too.

    Parameters
    ----------
    notebooks : dict of Path to NotebookNode
    data : Dataset
        A reader trains networks on some of its images.
    single : bool
        Whether the pages are parts of one file instead of files
        of one folder.
    for_class : bool
        Whether they come without solutions, and with the commands
        that a class has.

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
    loader = jinja2.FileSystemLoader(TEMPLATES)
    templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    templates.filters.update(FILTERS, html=Markup, title_of=title)
    frame = templates.get_template("frame.html.j2")
    content = {
        **index_content(sections),
        "address": address,
        "pages": pages,
        "notebooks": sections,
        "terms": GLOSSARY,
        "repository": URLS.get("Repository", "").rstrip("/"),
        "title": INDEX.title,
        "mark": max(mark_of(page.facts.get("data", "")) for page in sections),
        "dataset": data,
        "images": (IMAGES, TEST),
        # a reader may have no Japanese font
        "kana": web_font("".join(CLASS_NAMES)),
        "texts": {path.name: path.read_text("utf-8") for path in TEMPLATES.glob("*.[cj]s*")},
        "single": single,
        "for_class": for_class,
        "pad": drawing_pad(load_best(), data, bits=PAD_BITS, images=PAD_IMAGES).data,
        "playground": playground_html(data),
    }
    # in the pages that show no notebook
    alone = "".join(frame.render(content, shown=[page]) for page in EXTRAS)
    scripts = dict.fromkeys(re.findall("<script>(.*?)</script>", alone, re.DOTALL))
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    content["digests"] = [*map(encoded, digests)]
    files, searched, places = {}, [], targets(sections)
    for page in [INDEX] if single else pages:
        html = frame.render(content, shown=pages if single else [page])
        files[page.stem] = BeautifulSoup(html, "html.parser")
        searched += finish(files[page.stem], address, places)
    packed = deflated(json.dumps(searched, ensure_ascii=False).encode())
    for page in files.values():
        page.find(id="sections").string = packed
    return {stem: str(page) for stem, page in files.items()}


def export(notebooks: dict, data: Dataset, output: Path, single: bool) -> None:
    """Write the report, a folder or one file, whole or not at all."""
    files = render(notebooks, data, single)
    output.parent.mkdir(parents=True, exist_ok=True)
    if single:
        with whole_file(output) as file:
            file.write(files["index"].encode())
        return
    with TemporaryDirectory(prefix=".", dir=output.parent) as beside:
        fresh, old = Path(beside, "fresh"), Path(beside, "old")
        fresh.mkdir()
        for stem, text in files.items():
            (fresh / f"{stem}.html").write_text(text, "utf-8")
        crate = files["index"].partition('ld+json">')[2].partition("</script>")[0]
        (fresh / "ro-crate-metadata.json").write_text(crate, "utf-8")
        try:
            if output.exists():
                output.rename(old)
            fresh.rename(output)
        finally:
            if old.exists() and not output.exists():
                old.rename(output)


def find_browser() -> str | None:
    """Return the program named by CHROMIUM, else the first of the usual ones."""
    found = (shutil.which(name) for name in BROWSERS)
    return os.environ.get("CHROMIUM") or next(filter(None, found), None)


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
    numbers: dict[str, int] = {}
    with TemporaryDirectory(prefix=".", dir=page.parent) as folder:
        copy, printed = Path(folder, "report.html"), Path(folder, "report.pdf")
        # a figure is its picture, which has a text of its own, and not
        # the box around it
        text = page.read_text("utf-8").replace("<figure ", '<figure role="group" ')
        command = [browser, *PRINT, f"--user-data-dir={folder}/profile"]
        # its sandbox is not for root
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")
        command += [f"--print-to-pdf={printed}", copy.as_uri()]
        # printed again with the page numbers of the first time in the contents
        for _ in range(2):
            copy.write_text(number_contents(text, numbers), "utf-8")
            done = subprocess.run(command, capture_output=True, text=True)
            if not printed.exists():
                raise OSError(f"{browser} printed nothing: {done.stderr[-500:]}")
            numbers = page_numbers(printed.read_bytes())
        return printed.replace(page.with_suffix(".pdf"))


def page_numbers(pdf: bytes) -> dict[str, int]:
    r"""Return on which page of a PDF each anchor is.

    Parameters
    ----------
    pdf : bytes
        As Chromium writes it: an anchor is
        listed if a link leads to it.

    Examples
    --------
    >>> page = b"\n%d 0 obj\n<</Type /Page\n"
    >>> pdf = page % 5 + page % 8
    >>> page_numbers(pdf + b"/cite [8 0 R /XYZ")
    {'cite': 2}
    """
    pages = re.findall(rb"\n(\d+) 0 obj\n<</Type /Page\n", pdf)
    anchors = re.findall(rb"/([\w-]+) \[(\d+) 0 R /XYZ", pdf)
    return {anchor.decode(): pages.index(page) + 1 for anchor, page in anchors}


def number_contents(html: str, numbers: dict[str, int]) -> str:
    """Return a page with numbers in its contents.

    Parameters
    ----------
    html : str
    numbers : dict of str to int
        The printed page of each anchor; an
        entry without one stays empty.

    Examples
    --------
    >>> entry = '<li class="level-2"><a href="#b">B</a>'
    >>> number_contents(entry, {"b": 7})[-8:]
    '7</span>'
    """
    return ENTRY.sub(lambda entry: f"{entry[0]}<span>{numbers.get(entry[1], '')}</span>", html)
