"""Execute notebooks side by side, each in a fresh kernel, and keep them while they are valid."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_and_announce
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.provenance import PROJECT, blas, commit
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.report.readme import update_readme
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file

# It makes pages of executed notebooks. All other files of the package can decide their outputs.
PAGES = "report/pages/"


class NotebookError(Exception):
    """A notebook failed; the message names notebook, cell and error."""


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, or raise NotebookError."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever it stumbles over
        raise NotebookError(f"{path.name} is no notebook: {error}") from None


def read_all(folder: Path) -> dict[Path, nbformat.NotebookNode]:
    """Read the numbered notebooks of a folder as they are, at least one."""
    paths = sorted(folder.glob("[0-9]*.ipynb"))
    if not paths:
        raise NotebookError(f"there are no notebooks in {folder}")
    return {path: read(path) for path in paths}


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    with whole_file(path) as file:
        file.write((nbformat.writes(notebook) + "\n").encode())


def executed(folder: Path, store: Path) -> dict[Path, nbformat.NotebookNode]:
    """Execute the notebooks of a folder, or take what is left of their last execution.

    An execution is kept in ``store`` with the key of all that decides it (:func:`outputs_key`).
    """
    notebooks, data = read_all(folder), _load()
    keys = {path: outputs_key(notebooks[path], data, default_seeds()) for path in notebooks}
    stale = [path for path, key in keys.items() if _key_of(store / path.name) != key]
    if stale:
        _, origin = _train(data)
        tell(f"Executing {len(stale)} of {len(notebooks)} notebooks ...")
        store.mkdir(parents=True, exist_ok=True)
        for path, notebook in zip(stale, execute_all(stale), strict=True):
            notebook.metadata["kmnist_mlp"]["facts"].append(("experiments", origin))
            notebook.metadata["kmnist_mlp"]["key"] = keys[path]
            write(notebook, store / path.name)
    return {path: read(store / path.name) for path in notebooks}


def _key_of(path: Path) -> str:
    """Return the key of a kept execution; nothing if there is none, or it is damaged."""
    try:
        return read(path).metadata["kmnist_mlp"]["key"]
    except (NotebookError, KeyError):
        return ""


def execute_in_place(folder: Path) -> list[Path]:
    """Execute the project's notebooks themselves; each is replaced only if all succeed."""
    data = _load()
    if data.is_stand_in:
        raise NotebookError("committed notebooks carry results of real KMNIST, not the stand-in's")
    results, origin = _train(data)
    paths = list(read_all(folder))
    notebooks = execute_all(paths)
    update_readme(folder.parent / "README.md", results)  # refuses before it writes
    for path, notebook in zip(paths, notebooks, strict=True):
        notebook.metadata["kmnist_mlp"]["facts"].append(("experiments", origin))
        write(notebook, path)
    return paths


def _load() -> Dataset:
    """Load the data, and tell on the console when it is the stand-in."""
    default_seeds()  # a bad KMNIST_MLP_SEEDS is told before anything is computed
    data, announcement = load_and_announce()
    if announcement:
        tell(announcement)
        tell("`make html` exports the committed notebooks, with their results of real KMNIST.")
    return data


def _train(data: Dataset) -> tuple[Results, str]:
    """Run all experiments in one sweep, so that the notebooks find them in the cache."""
    tell(f"Training on {data!r} ...")
    began = time.perf_counter()
    with warnings.catch_warnings():  # else each notebook would train again what it needs
        warnings.filterwarnings("error", "results are not kept")
        try:
            results = run(EXPERIMENTS, data=data)
        except UserWarning as error:
            hint = "Set KMNIST_MLP_CACHE or KMNIST_MLP_RESULTS to a folder that can be written."
            raise NotebookError(f"{error}. {hint}") from None
    computed, seconds = int((~results.frame.cached).sum()), time.perf_counter() - began
    origin = (
        f"{computed} of them trained in {seconds:.0f} s" if computed else "all read from the cache"
    )
    origin = f"{len(results.frame)} runs, {origin}"
    tell(f"{origin}.")
    return results, origin


def execute_all(paths: list[Path]) -> list[nbformat.NotebookNode]:
    """Run notebooks side by side, each from top to bottom in a fresh kernel.

    As many as there are cores, the last one first: later notebooks take longer, and none should be
    left for one core alone.

    Returns
    -------
    list of NotebookNode
        With their outputs, without the times of their cells.

    Raises
    ------
    NotebookError
        Naming notebook, cell and error of each that failed, when all have ended.
    """
    outcomes: list[nbformat.NotebookNode | BaseException] = []

    async def side_by_side() -> None:
        core = asyncio.Semaphore(os.cpu_count() or 1)
        executions = (_execute(path, core) for path in paths[::-1])
        outcomes[:] = await asyncio.gather(*executions, return_exceptions=True)

    # A daemon thread leaves Ctrl-C to the main thread; nbclient ends its kernels at exit. In the
    # main thread, its handler of Ctrl-C would end one kernel, and the loop would go on.
    thread = threading.Thread(target=lambda: asyncio.run(side_by_side()), daemon=True)
    thread.start()
    thread.join()
    if failures := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
        raise NotebookError("\n".join(map(str, failures[::-1])))
    return outcomes[::-1]


async def _execute(path: Path, core: asyncio.Semaphore) -> nbformat.NotebookNode:
    notebook, failures = read(path), []
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        on_cell_error=lambda cell, cell_index, **_: failures.append((cell_index + 1, cell)),
        extra_arguments=["--log-level=ERROR"],  # not a warning per kernel on the console
    )
    async with core:
        began = time.perf_counter()
        try:
            await client.async_execute()
        except CellExecutionError as error:
            number, cell = failures[-1]  # an error before it was expected
            where = f"cell {number} (ends with `{cell.source.strip().splitlines()[-1]}`)"
            raise NotebookError(f"{path.name}, {where}: {error.ename}: {error.evalue}") from None
        except Exception as error:  # a kernel that dies
            raise NotebookError(f"{path.name}: {type(error).__name__}: {error}") from None
        seconds = time.perf_counter() - began
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which JupyterLab has left
    notebook.metadata["kmnist_mlp"] = {"facts": [("this page", f"executed in {seconds:.0f} s")]}
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def outputs_key(notebook: nbformat.NotebookNode, data: Dataset, seeds: list[int]) -> str:
    """Return a hash of all that decides a notebook's outputs.

    Its cells, the data and seeds, the versions and the commit that its provenance names, and the
    package: all files but those that make pages.
    """
    versions = [sys.version, *(package.__version__ for package in (np, pd, mpl)), blas(), commit()]
    cells = [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]
    decisive = [cells, data.fingerprint, data.name, seeds, versions]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    # no list of kinds: a module, a table or saved weights can all decide an output
    package = PROJECT / "kmnist_mlp"
    for file in sorted(package.rglob("*")):
        name = file.relative_to(package).as_posix()
        if file.is_file() and file.suffix != ".pyc" and not name.startswith(PAGES):
            digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
