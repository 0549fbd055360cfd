"""Execute notebooks, each in a fresh kernel, and keep them while they are valid."""

import asyncio
import hashlib
import os
import warnings
from multiprocessing.pool import ThreadPool
from pathlib import Path

import matplotlib as mpl
import nbformat
import pandas as pd
from nbclient import NotebookClient
from nbformat import NotebookNode

from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_and_announce
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.provenance import PROJECT, facts
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.report.readme import update_readme
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file


def read_all(folder: Path) -> dict[Path, NotebookNode]:
    """Read the numbered notebooks of a folder; ValueError if there is none."""
    notebooks = {}
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        try:
            notebooks[path] = nbformat.read(path, 4)
        except Exception as error:  # nbformat raises whatever it stumbles over
            raise ValueError(f"{path.name} is no notebook: {error}") from None
    if not notebooks:
        raise ValueError(f"there are no notebooks in {folder}")
    return notebooks


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    with whole_file(path) as file:
        file.write((nbformat.writes(notebook) + "\n").encode())


def executed(folder: Path, store: Path) -> dict[Path, NotebookNode]:
    """Execute the notebooks of a folder, or take what is left of their last execution.

    ``store`` keeps an execution under the key of all that decides it
    (:func:`outputs_key`).
    """
    notebooks = read_all(folder)
    data, announcement = load_and_announce()
    if announcement:
        tell(announcement)
        tell("`make html` exports the committed notebooks, with results of KMNIST.")
    keys = {path: outputs_key(notebook, data) for path, notebook in notebooks.items()}
    kept = {path: store / f"{path.stem}-{key}.ipynb" for path, key in keys.items()}
    stale = [path for path, file in kept.items() if not file.exists()]
    if stale:
        store.mkdir(parents=True, exist_ok=True)
        for path, notebook in _executed_on(data, stale)[0].items():
            for old in store.glob(f"{path.stem}-*"):
                old.unlink()
            write(notebook, kept[path])
    return {path: nbformat.read(file, 4) for path, file in kept.items()}


def execute_in_place(folder: Path) -> list[Path]:
    """Execute the project's notebooks; they are replaced only if all succeed."""
    paths = [*read_all(folder)]
    data, announcement = load_and_announce()
    if announcement:
        raise ValueError("committed notebooks carry results of KMNIST, not of other data")
    notebooks, results = _executed_on(data, paths)
    # refuses before it writes
    update_readme(folder.parent / "README.md", results)
    for path, notebook in notebooks.items():
        write(notebook, path)
    return paths


def _executed_on(data: Dataset, paths: list[Path]) -> tuple[dict, Results]:
    """Run all experiments, then the notebooks, which find them in the cache."""
    tell(f"Training on {data!r} ...")
    # else each notebook would train again what it needs
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "results are not kept")
        results = run(EXPERIMENTS, data=data)
    tell(f"Executing {len(paths)} notebooks ...")
    return execute_all(paths), results


def execute_all(paths: list[Path]) -> dict[Path, NotebookNode]:
    """Run notebooks side by side, each from top to bottom in a fresh kernel.

    As many as there are cores, the last one first: later notebooks
    take longer, and none should be left for one core alone.

    Returns
    -------
    dict of Path to NotebookNode
        With their outputs, without the times of their cells.

    Raises
    ------
    ValueError
        Naming notebook, cell and error of each that failed, when
        all have ended.
    """
    # In the main thread, nbclient's handler of Ctrl-C would end one
    # kernel, and the loop would go on; the threads of a pool leave it
    # to the main thread. nbclient ends its kernels at exit.
    with ThreadPool(os.cpu_count()) as pool:
        found = dict(pool.map(_execute, paths[::-1], chunksize=1))
    if failures := sorted(text for text in found.values() if isinstance(text, str)):
        raise ValueError("\n".join(failures))
    return found


def _execute(path: Path) -> tuple[Path, NotebookNode | str]:
    """Return a notebook's path with its execution, or with what failed in it."""
    notebook = nbformat.read(path, 4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
        # not a warning per kernel on the console
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        asyncio.run(client.async_execute())
    # of a cell, which it quotes; or a kernel that dies
    except Exception as error:
        return path, f"{path.name}, cell [{client.code_cells_executed}]: {error}"
    notebook.metadata["language_info"] = {"name": "python"}
    return path, notebook


def outputs_key(notebook: NotebookNode, data: Dataset) -> str:
    """Return a hash of all that decides a notebook's outputs.

    Its cells, its provenance (data, seeds, versions, commit,
    processor), and the package: all files but those that make pages.
    """
    cells = [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]
    made_with = facts(data, default_seeds())
    made_with["made"] = [pd.__version__, mpl.__version__]
    digest = hashlib.sha256(repr([cells, made_with]).encode())
    # no list of kinds: a module, a table or saved weights can all
    # decide an output
    package = PROJECT / "kmnist_mlp"
    for file in sorted(package.rglob("*")):
        name = file.relative_to(package).as_posix()
        of_pages = name.startswith("report/pages/")  # it shows outputs, and decides none
        if file.is_file() and file.suffix != ".pyc" and not of_pages:
            digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
