"""Make the report: execute the notebooks, export each as a page, write the index page.

`python -m kmnist_mlp.report.build` writes ``build/report``; with ``--committed`` it exports the
notebooks as they are, to ``build/html``; with ``--single`` it writes one file instead of a folder;
with ``--in-place`` it executes the notebooks of the project themselves. A report appears whole or
not at all, and one that would not change is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import time
import warnings
from pathlib import Path

import nbformat

from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import StandInWarning, load_kmnist
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.provenance import PROJECT
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.figures.charts import against_paper
from kmnist_mlp.figures.style import use_style
from kmnist_mlp.figures.tables import comparison
from kmnist_mlp.report import execute
from kmnist_mlp.report.execute import NotebookError, key_of, source_hash
from kmnist_mlp.report.index import TITLE, index_content
from kmnist_mlp.report.pages import Site, environment, make_pages
from kmnist_mlp.support.files import whole_file

MARK = '<meta name="made-from" content="{}">'


# ---- notebooks with outputs ----------------------------------------------------------------------


def notebooks_in(folder: Path) -> list[Path]:
    """Return the numbered notebooks of a folder, at least one."""
    paths = sorted(folder.glob("[0-9]*.ipynb"))
    if not paths:
        raise NotebookError(f"there are no notebooks in {folder}")
    return paths


def executed(folder: Path, store: Path) -> dict[Path, nbformat.NotebookNode]:
    """Execute the notebooks of a folder, or take what is left of their last execution.

    An execution is kept in ``store`` with the key of all that decides it (:func:`key_of`).
    """
    paths = notebooks_in(folder)
    data = _load()
    keys = {path: key_of(path, data.fingerprint, data.name, default_seeds()) for path in paths}
    kept = {path: _kept(store / path.name, keys[path]) for path in paths}
    stale = [path for path in paths if kept[path] is None]
    if stale:
        results, sweep = _compute(data)
        _say(f"Executing {len(stale)} of {len(paths)} notebooks ...")
        store.mkdir(parents=True, exist_ok=True)
        for path, notebook in zip(stale, execute.execute_all(stale), strict=True):
            _sign(notebook, sweep, key=keys[path])
            execute.write(notebook, store / path.name)
            kept[path] = notebook
    return kept


def _kept(path: Path, key: str) -> nbformat.NotebookNode | None:
    if not path.exists():
        return None
    try:
        notebook = execute.read(path)
    except NotebookError:
        return None
    return notebook if notebook.metadata.get("kmnist_mlp", {}).get("key") == key else None


def _sign(notebook: nbformat.NotebookNode, sweep: str, **own: str) -> None:
    """Say in a notebook's metadata how long it took and where its runs came from."""
    seconds = notebook.metadata.get("kmnist_mlp", {}).get("seconds", 0)
    notebook.metadata["kmnist_mlp"] = {
        "facts": [("this page", f"executed in {seconds:.0f} s"), ("experiments", sweep)],
        **own,
    }


def _load() -> Dataset:
    """Load the data, and say on the console when it is the stand-in."""
    try:
        default_seeds()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", StandInWarning)
            data = load_kmnist()
    except (OSError, ValueError) as error:
        raise NotebookError(str(error)) from None
    for warning in caught:
        _say(f"{warning.message}")
    if data.is_stand_in:
        _say("`make html` exports the committed notebooks, with their results of real KMNIST.")
    return data


def _compute(data: Dataset) -> tuple[Results, str]:
    """Compute all experiments in one sweep, so that the notebooks find them in the cache."""
    _say(f"Training on {data!r} ...")
    began = time.perf_counter()
    results = run(EXPERIMENTS, data=data)
    computed = int((~results.frame.cached).sum())
    sweep = (
        f"{len(results.frame)} runs, {computed} computed in {time.perf_counter() - began:.0f} s, "
        f"{len(results.frame) - computed} from the cache"
    )
    _say(f"{sweep}.")
    return results, sweep


# ---- pages ---------------------------------------------------------------------------------------


def export(notebooks: dict[Path, nbformat.NotebookNode], output: Path, single: bool) -> Path:
    """Write the report of executed notebooks, a folder or one file; return its first page."""
    for path, notebook in notebooks.items():
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
        if code and all(cell.execution_count is None for cell in code):
            raise NotebookError(f"{path.name} has no outputs; `make report` executes it")
    first = output if single else output / "index.html"
    texts = [nbformat.writes(notebook) for notebook in notebooks.values()]
    templates = source_hash(lambda file: file.suffix != ".csv")
    key = hashlib.sha256(repr((texts, templates, single)).encode()).hexdigest()
    names = {"index.html", *(f"{path.stem}.html" for path in notebooks)}
    if _is_up_to_date([output] if single else [output / name for name in names], output, key):
        _say("Nothing has changed since this report was made.")
        return first
    files = render(notebooks, Site(single), key)
    if single:
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output) as file:
            file.write(files["index"].encode())
        return first
    fresh = output.with_name(f".{output.name}.{os.urandom(8).hex()}.new")
    fresh.mkdir(parents=True)
    try:
        for stem, text in files.items():
            (fresh / f"{stem}.html").write_text(text, encoding="utf-8")
        _replace_folder(fresh, output)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return first


def render(
    notebooks: dict[Path, nbformat.NotebookNode], site: Site, key: str = ""
) -> dict[str, str]:
    """Return the HTML of every page by its stem; of a single file, "index" alone."""
    pages = make_pages(notebooks)
    for before, after in zip(pages, pages[1:], strict=False):
        before.next, after.previous = after, before
    templates = environment(site)
    templates.globals.update(
        pages=pages, key=key, title=TITLE, stand_in=any(page.is_stand_in for page in pages)
    )
    front = templates.get_template("single.html.j2" if site.single else "start.html.j2")
    files = {"index": front.render(**index_content(pages, site), here="index")}
    if not site.single:
        template = templates.get_template("page.html.j2")
        files |= {page.stem: template.render(page=page, here=page.stem) for page in pages}
    return files


def _is_up_to_date(files: list[Path], output: Path, key: str) -> bool:
    """Whether these files and no others are there, each made from the same sources."""
    if output.is_dir() and set(output.iterdir()) != set(files):
        return False
    mark = MARK.format(key).encode()
    return all(file.is_file() and mark in file.read_bytes()[:1000] for file in files)


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


# ---- the project's own notebooks -----------------------------------------------------------------


def execute_in_place(notebook_folder: Path) -> list[Path]:
    """Re-execute the project's notebooks themselves; each is replaced only if all succeed."""
    data = _load()
    if data.is_stand_in:
        raise NotebookError("committed notebooks carry results of real KMNIST, not the stand-in's")
    results, sweep = _compute(data)
    paths = notebooks_in(notebook_folder)
    notebooks = execute.execute_all(paths)
    update_readme(notebook_folder.parent / "README.md", results)  # refuses before it writes
    for path, notebook in zip(paths, notebooks, strict=True):
        _sign(notebook, sweep)
        execute.write(notebook, path)
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


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Command line; the exit status is 1 if a notebook failed."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_mlp.report.build", description=__doc__)
    parser.add_argument("--committed", action="store_true", help="export the notebooks as they are")
    parser.add_argument("--single", action="store_true", help="write one file, not a folder")
    parser.add_argument(
        "--in-place", action="store_true", help="re-execute the notebooks themselves"
    )
    parser.add_argument(
        "--notebooks", type=Path, default=PROJECT / "notebooks", help="their folder"
    )
    parser.add_argument("--output", type=Path, help="folder or file to write")
    arguments = parser.parse_args()
    folder = arguments.notebooks.resolve()
    name = "html" if arguments.committed else "report"
    name = f"kmnist_{name}.html" if arguments.single else name
    output = (arguments.output or PROJECT / "build" / name).resolve()
    try:
        if arguments.in_place:
            for path in execute_in_place(folder):
                _say(f"{path}")
            return 0
        if arguments.committed:
            notebooks = {path: execute.read(path) for path in notebooks_in(folder)}
        else:
            notebooks = executed(folder, output.parent / "executed")
        first = export(notebooks, output, arguments.single)
        _say(f"The report is ready: {first}")
    except (NotebookError, OSError) as error:  # a full disk, for instance
        print(f"The report was not made. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
