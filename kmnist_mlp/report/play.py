"""Copies of the notebooks to play with: `make lab` opens them, and never overwrites one.

A copy carries the hash of the cells that it was made from, so that a later call can tell that the
original has changed since.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from kmnist_mlp.experiments.provenance import PROJECT
from kmnist_mlp.report.execution import NotebookError, read, read_all, write
from kmnist_mlp.support.console import tell


def copy_to_play(originals: Path, play: Path) -> list[Path]:
    """Copy the numbered notebooks of a folder that have no copy yet; leave all others alone.

    Returns
    -------
    list of Path
        The copies whose original has other cells than when they were made.

    Raises
    ------
    NotebookError
        If there are no notebooks, or an original cannot be read.
    """
    notebooks, outdated = read_all(originals), []
    play.mkdir(parents=True, exist_ok=True)
    for original, notebook in notebooks.items():
        # what a reader types: new outputs alone make no copy outdated
        typed = [(cell.cell_type, cell.source) for cell in notebook.cells]
        key, copy = hashlib.sha256(repr(typed).encode()).hexdigest(), play / original.name
        if not copy.exists():
            notebook.metadata["copied_from"] = key
            write(notebook, copy)
            continue
        try:
            copied_from = read(copy).metadata.get("copied_from", key)
        except NotebookError:  # a damaged copy
            continue
        if copied_from != key:
            outdated.append(copy)
    return outdated


def main() -> int:
    """Copy the project's notebooks; the exit status is 1 if that failed."""
    try:
        outdated = copy_to_play(PROJECT / "notebooks", PROJECT / "play")
    except (NotebookError, OSError) as error:  # the package alone, a full disk
        tell(f"The notebooks were not copied. {error}", sys.stderr)
        return 1
    for path in outdated:
        tell(
            f"play/{path.name} is kept, but its original has changed since it was copied: "
            "rename or delete it, and `make lab` copies the new one."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
