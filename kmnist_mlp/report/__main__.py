"""Make the report: execute the notebooks, export each as a page, write the index page.

`python -m kmnist_mlp.report` writes ``build/report``; with
``--committed`` it exports the notebooks as they are, to
``build/html``; with ``--single`` it writes one file instead of a
folder, and with ``--pdf`` it prints that file, too. With
``--in-place`` it executes the notebooks of the project themselves,
with ``--play`` it copies them to ``play``, and with ``--course`` it
packs ``build/kmnist_course.zip`` for a class. What is written appears
whole or not at all.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kmnist_mlp.datasets.kmnist import data_at_hand
from kmnist_mlp.experiments.provenance import PROJECT
from kmnist_mlp.report.copies import copy_to_play, pack_course
from kmnist_mlp.report.execution import execute_in_place, executed, read_all
from kmnist_mlp.report.pages.site import export, find_browser, print_pdf
from kmnist_mlp.support.console import tell


def main(given: Sequence[str] | None = None, project: Path = PROJECT) -> int:
    """Command line; the exit status is 1 if that failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_mlp.report", description=__doc__)
    for name in ("committed", "single", "pdf", "in-place", "play", "course"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--output", type=Path, help="folder or file to write")
    try:
        _make(parser.parse_args(given), project / "notebooks", project / "build")
    # the last: results cannot be kept
    except (OSError, ValueError, UserWarning) as error:
        tell(f"This was not made. {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        tell("Interrupted. Finished runs are kept; the next call continues.", sys.stderr)
        return 130
    return 0


def _make(options: argparse.Namespace, folder: Path, build: Path) -> None:
    if options.play:
        return copy_to_play(folder, folder.parent / "play")
    if options.course:
        return pack_course(folder.parent, options.output or build / "kmnist_course.zip")
    if options.in_place:
        return tell("\n".join(map(str, execute_in_place(folder))))
    browser = find_browser()
    if options.pdf and not browser:
        hint = "Debian: apt-get install chromium; or set CHROMIUM to the program"
        raise FileNotFoundError(f"There is no Chromium to print a PDF ({hint}).")
    single = options.single or options.pdf
    name = "html" if options.committed else "report"
    output = options.output or build / (f"kmnist_{name}.html" if single else name)
    store = output.parent / "executed"
    notebooks = read_all(folder) if options.committed else executed(folder, store)
    export(notebooks, data_at_hand(), output, single)
    if options.pdf:
        output = print_pdf(browser, output)
    tell(f"The report is ready: {(output if single else output / 'index.html').resolve()}")


if __name__ == "__main__":
    sys.exit(main())
