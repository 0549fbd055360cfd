"""Make the report: execute the notebooks, export each as a page, write the index page.

`python -m kmnist_mlp.report` writes ``build/report``; with ``--committed`` it exports the notebooks
as they are, to ``build/html``; with ``--single`` it writes one file instead of a folder, and with
``--pdf`` it prints that file, too; with ``--in-place`` it executes the notebooks of the project
themselves. A report appears whole or not at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kmnist_mlp.datasets.kmnist import data_at_hand
from kmnist_mlp.experiments.provenance import PROJECT
from kmnist_mlp.report.execution import NotebookError, execute_in_place, executed, read_all
from kmnist_mlp.report.pages.site import export, find_browser, print_pdf
from kmnist_mlp.support.console import tell


def main(given: Sequence[str] | None = None) -> int:
    """Command line; the exit status is 1 if no report was made, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_mlp.report", description=__doc__)
    parser.add_argument("--committed", action="store_true", help="export the notebooks as they are")
    parser.add_argument("--single", action="store_true", help="write one file, not a folder")
    parser.add_argument("--pdf", action="store_true", help="print that file as PDF, too")
    parser.add_argument("--in-place", action="store_true", help="execute the notebooks themselves")
    parser.add_argument(
        "--notebooks", type=Path, default=PROJECT / "notebooks", help="their folder"
    )
    parser.add_argument("--output", type=Path, help="folder or file to write")
    arguments = parser.parse_args(given)
    folder = arguments.notebooks.resolve()
    single = arguments.single or arguments.pdf
    name = "html" if arguments.committed else "report"
    name = f"kmnist_{name}.html" if single else name
    output = (arguments.output or PROJECT / "build" / name).resolve()
    browser = find_browser() if arguments.pdf else None
    if arguments.pdf and browser is None:
        tell(
            "No PDF was made: there is no Chromium (Debian: apt-get install chromium; or set "
            "CHROMIUM to the program)."
        )
        return 0
    try:
        if arguments.in_place:
            for path in execute_in_place(folder):
                tell(f"{path}")
            return 0
        store = output.parent / "executed"
        notebooks = read_all(folder) if arguments.committed else executed(folder, store)
        export(notebooks, data_at_hand(), output, single)
        if browser:
            print_pdf(browser, output, output.with_suffix(".pdf"))
            output = output.with_suffix(".pdf")
        tell(f"The report is ready: {output if single else output / 'index.html'}")
    except (NotebookError, OSError, ValueError) as error:  # a full disk, a file of other data
        tell(f"The report was not made. {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        tell("Interrupted. Finished runs are kept; the next call continues.", sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
