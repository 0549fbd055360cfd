"""Execute notebooks side by side, each in a fresh kernel, and tell when that must be repeated."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import threading
import time
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from kmnist_mlp.experiments.provenance import PROJECT, blas, commit
from kmnist_mlp.support.files import whole_file

# It makes pages of executed notebooks. All other files of the package can decide their outputs.
PAGES = "report/pages"


class NotebookError(Exception):
    """A notebook failed; the message names notebook, cell and error."""


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, or raise NotebookError."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever it stumbles over
        raise NotebookError(f"{path.name} is no notebook: {error}") from None


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    with whole_file(path) as file:
        file.write((nbformat.writes(notebook) + "\n").encode())


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

        async def one(path: Path) -> nbformat.NotebookNode:
            async with core:
                return await _execute(path)

        outcomes[:] = await asyncio.gather(*map(one, paths[::-1]), return_exceptions=True)

    # A daemon thread leaves Ctrl-C to the main thread; nbclient ends its kernels at exit. In the
    # main thread, its handler of Ctrl-C would end one kernel, and the loop would go on.
    thread = threading.Thread(target=lambda: asyncio.run(side_by_side()), daemon=True)
    thread.start()
    thread.join()
    if failures := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
        raise NotebookError("\n".join(map(str, failures[::-1])))
    return outcomes[::-1]


async def _execute(path: Path) -> nbformat.NotebookNode:
    notebook = read(path)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # not a warning per kernel on the console
    )
    began = time.perf_counter()
    try:
        await client.async_execute()
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
    seconds = round(time.perf_counter() - began, 1)
    notebook.metadata["kmnist_mlp"] = {"seconds": seconds}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def outputs_key(path: Path, *conditions: object) -> str:
    """Return a hash of all that decides a notebook's outputs.

    Its cells, the package (all files but those that make pages), the versions and the commit that
    its provenance names, and the given conditions: the data, the seeds.
    """
    versions = [package.__version__ for package in (np, pd, mpl)]
    digest = hashlib.sha256(repr((conditions, commit(), blas(), sys.version, versions)).encode())
    cells = [(cell.cell_type, cell.source, cell.metadata) for cell in read(path).cells]
    digest.update(json.dumps(cells, sort_keys=True).encode())
    digest.update(source_hash(without=PAGES).encode())
    return digest.hexdigest()


def source_hash(without: str | None = None) -> str:
    """Return a hash of all files of the package, except those of one folder of it.

    No list of kinds: a module, a table, a style sheet or saved weights can all decide an output.
    """
    package = PROJECT / "kmnist_mlp"
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        name = file.relative_to(package).as_posix()
        if file.suffix == ".pyc" or file.is_dir() or name.startswith(f"{without}/"):
            continue
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
