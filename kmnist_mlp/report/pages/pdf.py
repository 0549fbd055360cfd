"""The report as one tagged PDF, printed by the system's own Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from kmnist_mlp.report.execution import NotebookError
from kmnist_mlp.support.files import whole_file

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 300


def find_browser() -> str | None:
    """Return the program named by CHROMIUM, else the first of the usual ones that is there."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def print_pdf(browser: str, page: Path, output: Path) -> None:
    """Print a page as PDF, with tags for screen readers and its headings as bookmarks.

    Parameters
    ----------
    browser : str
        A program that understands Chromium's options.
    page : Path
        The HTML file.
    output : Path
        The PDF, written whole or not at all.

    Raises
    ------
    NotebookError
        If the browser fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        # a figure is its picture, which has a text of its own, and not the box around it as well
        text = page.read_text(encoding="utf-8").replace("<figure ", '<figure role="group" ')
        copy.write_text(text, encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            "--export-tagged-pdf",
            "--generate-pdf-document-outline",
            f"--print-to-pdf={printed}",
            copy.as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox is not for root
            command.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotebookError(f"{browser} could not print the report: {error}") from None
        if not printed.is_file():
            raise NotebookError(f"{browser} printed nothing: {done.stderr[-500:].strip()}")
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output) as file:
            file.write(printed.read_bytes())
