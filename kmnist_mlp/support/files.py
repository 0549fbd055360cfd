"""Files that are whole or absent: written beside their final name first, then renamed to it."""

import glob
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from kmnist_mlp.support.checks import short

ABANDONED = 3600.0  # seconds after which a file that is not whole is nobody's


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when all of it is on the disk.

    The target of a link is replaced, with its mode; what is no regular
    file, or may not be written, is refused.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "results.txt"
    ...     with whole_file(path) as file:
    ...         sent = file.write(b"half of it, ")
    ...         print(path.exists())
    ...         sent = file.write(b"and the rest")
    ...     print(path.read_text())
    False
    half of it, and the rest
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = 0
    if mode and not stat.S_ISREG(mode):
        kind = IsADirectoryError if stat.S_ISDIR(mode) else OSError
        raise kind(f"{path} cannot be replaced: it is no regular file")
    if mode and not mode & 0o222:  # root may write it all the same
        raise PermissionError(f"{path} cannot be replaced: it is read-only")
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    begun = f".{path.name[:50]}."
    for part in path.parent.glob(f"{glob.escape(begun)}*.part"):  # of a process that was killed
        if time.time() - part.stat().st_mtime > ABANDONED:
            part.unlink(missing_ok=True)
    # A random name: a process id is only unique on one machine, and the
    # folder may be shared.
    part = path.with_name(f"{begun}{os.urandom(8).hex()}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode:
            part.chmod(stat.S_IMODE(mode))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def csv_text(table: Any) -> str:
    """Return a DataFrame as CSV, without its index and with seven digits."""
    return table.to_csv(index=False, float_format="%.7g", lineterminator="\n")


def write_csv(table: Any, path: str | os.PathLike) -> None:
    """Write a DataFrame as :func:`csv_text`, whole or not at all."""
    with whole_file(path) as file:
        file.write(csv_text(table).encode())


def save_arrays(path: Path, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write arrays, a JSON header and the checksum of both as one npz file."""
    text = json.dumps(header)
    with whole_file(path) as file:
        np.savez(file, header=np.array([text, _checksum(text, arrays)]), **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`save_arrays` wrote, header and arrays; ValueError if it is damaged."""
    with open(path, "rb") as opened:
        try:
            with np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if "header" not in arrays:
                raise ValueError(f"it has no header, but {short([*arrays])}")
            text, checksum = map(str, arrays.pop("header"))
            if checksum != _checksum(text, arrays):
                raise ValueError("its content does not agree with its checksum")
            return json.loads(text), arrays
        except Exception as error:  # zipfile, zlib, NumPy and json each raise their own
            raise ValueError(f"{path} is damaged or no archive of arrays: {error}") from error


def _checksum(header: str, arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and contents.

    A zip file's own checksums are not enough: none covers the list of
    members, and one that is read only in part, because its shape was
    altered, is not checked at all.
    """
    digest = hashlib.sha256(header.encode())
    for name, array in sorted(arrays.items()):
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
