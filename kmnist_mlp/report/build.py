"""Notebooks with their outputs: executed, or kept from the last execution while it is valid."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryFile

import nbformat

from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_and_announce
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import Results, default_seeds, run
from kmnist_mlp.experiments.store import ResultCache
from kmnist_mlp.report import execution
from kmnist_mlp.report.execution import NotebookError
from kmnist_mlp.report.readme import update_readme
from kmnist_mlp.support.console import tell


def notebooks_in(folder: Path) -> list[Path]:
    """Return the numbered notebooks of a folder, at least one."""
    paths = sorted(folder.glob("[0-9]*.ipynb"))
    if not paths:
        raise NotebookError(f"there are no notebooks in {folder}")
    return paths


def committed(folder: Path) -> dict[Path, nbformat.NotebookNode]:
    """Read the notebooks of a folder as they are."""
    return {path: execution.read(path) for path in notebooks_in(folder)}


def executed(folder: Path, store: Path) -> dict[Path, nbformat.NotebookNode]:
    """Execute the notebooks of a folder, or take what is left of their last execution.

    An execution is kept in ``store`` with the key of all that decides it
    (:func:`~kmnist_mlp.report.execution.outputs_key`).
    """
    paths = notebooks_in(folder)
    data = _load()
    conditions = data.fingerprint, data.name, default_seeds()
    keys = {path: execution.outputs_key(path, *conditions) for path in paths}
    notebooks = {path: _kept(store / path.name, keys[path]) for path in paths}
    stale = [path for path in paths if notebooks[path] is None]
    if stale:
        _, sweep = _compute(data)
        tell(f"Executing {len(stale)} of {len(paths)} notebooks ...")
        store.mkdir(parents=True, exist_ok=True)
        for path, notebook in zip(stale, execution.execute_all(stale), strict=True):
            _sign(notebook, sweep, key=keys[path])
            execution.write(notebook, store / path.name)
            notebooks[path] = notebook
    return notebooks


def execute_in_place(folder: Path) -> list[Path]:
    """Execute the project's notebooks themselves; each is replaced only if all succeed."""
    data = _load()
    if data.is_stand_in:
        raise NotebookError("committed notebooks carry results of real KMNIST, not the stand-in's")
    results, sweep = _compute(data)
    paths = notebooks_in(folder)
    notebooks = execution.execute_all(paths)
    update_readme(folder.parent / "README.md", results)  # refuses before it writes
    for path, notebook in zip(paths, notebooks, strict=True):
        _sign(notebook, sweep)
        execution.write(notebook, path)
    return paths


def _load() -> Dataset:
    """Load the data, and tell on the console when it is the stand-in."""
    try:
        default_seeds()  # a bad KMNIST_MLP_SEEDS is told before anything is computed
        data, announcement = load_and_announce()
    except (OSError, ValueError) as error:
        raise NotebookError(str(error)) from None
    if announcement:
        tell(announcement)
        tell("`make html` exports the committed notebooks, with their results of real KMNIST.")
    return data


def _compute(data: Dataset) -> tuple[Results, str]:
    """Run all experiments in one sweep, so that the notebooks find them in the cache."""
    _check_results_can_be_kept(data)
    tell(f"Training on {data!r} ...")
    began = time.perf_counter()
    results = run(EXPERIMENTS, data=data)
    computed = int((~results.frame.cached).sum())
    sweep = f"{len(results.frame)} runs, all read from the cache"
    if computed:
        seconds = time.perf_counter() - began
        sweep = f"{len(results.frame)} runs, {computed} of them trained in {seconds:.0f} s"
    tell(f"{sweep}.")
    return results, sweep


def _check_results_can_be_kept(data: Dataset) -> None:
    """Raise NotebookError before the training if each notebook would have to train again."""
    store = ResultCache(data)
    configs = (c.replace(seed=seed) for c in EXPERIMENTS.values() for seed in default_seeds())
    if all(store.path(config).exists() for config in configs):
        return
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=store.folder):
            pass
    except OSError as error:
        raise NotebookError(
            f"results cannot be kept in {store.folder}: {error}. "
            "Set KMNIST_MLP_CACHE or KMNIST_MLP_RESULTS to a folder that can be written."
        ) from None


def _kept(path: Path, key: str) -> nbformat.NotebookNode | None:
    if not path.exists():
        return None
    try:
        notebook = execution.read(path)
    except NotebookError:
        return None
    return notebook if notebook.metadata.get("kmnist_mlp", {}).get("key") == key else None


def _sign(notebook: nbformat.NotebookNode, sweep: str, **own: str) -> None:
    """Put into a notebook's metadata how long it took and where its runs came from."""
    seconds = notebook.metadata.get("kmnist_mlp", {}).get("seconds", 0)
    notebook.metadata["kmnist_mlp"] = {
        "facts": [("this page", f"executed in {seconds:.0f} s"), ("experiments", sweep)],
        **own,
    }
