"""Files that are whole or absent: written beside their final name first, then renamed to it."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when all of it is on the disk.

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
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    # A random name: a process id is only unique on one machine, and the
    # folder may be shared.
    part = path.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
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
