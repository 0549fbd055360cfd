"""Lines that a command writes to the console."""

import sys
from typing import TextIO


def tell(text: str, file: TextIO | None = None) -> None:
    """Print a line at once, so that a log shows how far the command is.

    A character that the console does not know is written as its number.

    Parameters
    ----------
    text : str
    file : text file
        By default the standard output.

    Examples
    --------
    >>> tell("ready")
    ready
    """
    file = file or sys.stdout
    known = file.encoding or "utf-8"
    print(text.encode(known, "backslashreplace").decode(known), file=file, flush=True)
