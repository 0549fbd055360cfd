"""Write the pages: the folder or file appears whole or not at all, and is left if up to date."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from kmnist_mlp.data import Dataset
from kmnist_mlp.report.execution import NotebookError, source_hash
from kmnist_mlp.report.pages.site import Site, page_names, render
from kmnist_mlp.support.files import whole_file

MARK = '<meta name="made-from" content="{}">'


def export(
    notebooks: dict[Path, nbformat.NotebookNode], data: Dataset, output: Path, single: bool
) -> bool:
    """Write the report of executed notebooks, a folder or one file; a few images go along.

    Returns
    -------
    bool
        Whether anything was written: a report that would not change is left alone.

    Raises
    ------
    NotebookError
        If a notebook has no outputs.
    """
    require_outputs(notebooks)
    texts = [nbformat.writes(notebook) for notebook in notebooks.values()]
    key = hashlib.sha256(
        repr((texts, source_hash(), data.fingerprint, single)).encode()
    ).hexdigest()
    names = [f"{name}.html" for name in page_names(notebooks)]
    if _is_up_to_date([output] if single else [output / name for name in names], output, key):
        return False
    files = render(notebooks, data, Site(single), key)
    output.parent.mkdir(parents=True, exist_ok=True)
    if single:
        with whole_file(output) as file:
            file.write(files["index"].encode())
        return True
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as beside:
        fresh = Path(beside, "new")
        fresh.mkdir()
        for stem, text in files.items():
            (fresh / f"{stem}.html").write_text(text, encoding="utf-8")
        if output.exists():
            output.rename(Path(beside, "old"))
        fresh.rename(output)
    return True


def require_outputs(notebooks: dict[Path, nbformat.NotebookNode]) -> None:
    """Raise NotebookError if one of these notebooks has no outputs."""
    for path, notebook in notebooks.items():
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
        if code and all(cell.execution_count is None for cell in code):
            raise NotebookError(f"{path.name} has no outputs; `make report` executes it")


def _is_up_to_date(files: list[Path], output: Path, key: str) -> bool:
    """Whether these files and no others are there, each made from the same sources."""
    if output.is_dir() and set(output.iterdir()) != set(files):
        return False
    mark = MARK.format(key).encode()
    return all(file.is_file() and mark in file.read_bytes()[:1000] for file in files)
