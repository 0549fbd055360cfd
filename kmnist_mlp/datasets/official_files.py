"""The four official files of Kuzushiji-MNIST: find, download, verify, read."""

from __future__ import annotations

import hashlib
import io
import json
import math
import multiprocessing
import os
import time
import zipfile
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

from kmnist_mlp.support.files import whole_file

CREDIT = (
    '"KMNIST Dataset" (created by CODH), adapted from "Kuzushiji Dataset" (created by NIJL and '
    "others), doi:10.20676/00000341, CC BY-SA 4.0"
)
OFFICIAL_ADDRESS = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
SHA256 = {
    "kmnist-train-imgs.npz": "11d69e17c8fd294905864aef177fd10c2185e5a3655f4da03d72ea5a64c17a72",
    "kmnist-train-labels.npz": "a325c877035602cb9b9ba54f4194a2a1b5f718026a463db5b5e0cdc124c03720",
    "kmnist-test-imgs.npz": "692d824896bec8f3c357ebf7a0fe904ed67ac632ce953d0b58f7fbef7bb27d87",
    "kmnist-test-labels.npz": "660f13a4705431ea2a6391c41ecbe384cd0d932c595a101ec4f3b8989e785046",
}
SHAPES = dict(zip(SHA256, [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)], strict=True))
ONE_DAY = 24 * 3600
PATIENCE = 9.0  # seconds in which some thousand bytes must have arrived
BY_HAND = (
    f"To place the data by hand: put the four files {', '.join(SHA256)} (from {OFFICIAL_ADDRESS}) "
    "in one folder and set the environment variable KMNIST_MLP_DATA to that folder."
)


def read_verified(path: Path) -> np.ndarray:
    """Read one official file, as a read-only array of uint8.

    Parameters
    ----------
    path : Path
        Its name tells which of the four files it must be.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is not the official file, naming it and what was expected.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {BY_HAND}")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    problem = None if digest == SHA256[path.name] else "its content differs from the official file"
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            shape, dtype = _header(file.zip)
            if (shape, dtype) != (SHAPES[path.name], np.uint8) and not dtype.hasobject:
                problem = f"it holds {dtype} of shape {shape}"  # and is not unpacked
            else:
                array = file["arr_0"]
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        if not content.startswith(b"PK"):  # NumPy takes whatever it does not know for a pickle
            problem = "it is no npz file (a web page that was saved under its name, perhaps)"
        elif "allow_pickle" in str(error):
            problem = "it holds pickled objects, which are never loaded"
        else:
            problem = f"it cannot be read as npz, perhaps it is cut off ({error})"
    if problem:
        raise ValueError(
            f"{path} is refused: {problem}. Expected: uint8 of shape {SHAPES[path.name]}, "
            f"SHA-256 {SHA256[path.name]}; got {len(content):,} bytes with SHA-256 {digest}. "
            "`make data` replaces a damaged file in the cache folder."
        )
    array.flags.writeable = False
    return array


def _header(archive: zipfile.ZipFile) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and type of the array in an official file without unpacking it."""
    with archive.open("arr_0.npy") as member:
        first = np.lib.format.read_magic(member) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    return shape, dtype


def download(folder: Path, again: bool = False) -> str | None:
    """Fetch what is missing or damaged in ``folder``; return None, or why that was not possible.

    A file gets its final name only after its SHA-256 was right.

    Parameters
    ----------
    folder : Path
    again : bool
        Whether an address that failed less than a day ago is asked nevertheless.
    """
    import pooch  # slow to import, and only needed here
    import requests

    address = (os.environ.get("KMNIST_MLP_URL") or OFFICIAL_ADDRESS).rstrip("/") + "/"
    note = folder / "last_failure.json"
    try:
        if all(_is_official(folder / name) for name in SHA256):
            return None
    except OSError as error:
        return f"the cache folder cannot be read: {_short(error)}"
    if not again and (told := _recent_failure(note, address)):
        return f"{told} (the address is asked once a day; `make data` asks again now)"
    pooch.get_logger().setLevel("ERROR")
    try:
        files = pooch.create(folder, address, registry=SHA256, retry_if_failed=1)
        for name in SHA256:
            files.fetch(name, downloader=_fetch)
    except (OSError, ValueError, requests.RequestException) as error:
        reason = f"the download from {address} failed: {_short(error)}"
    else:
        note.unlink(missing_ok=True)
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(note) as file:
            file.write(json.dumps({"address": address, "reason": reason}).encode())
    except OSError:
        pass  # a read-only cache folder: the address is asked again next time
    return reason


def _fetch(url: str, output: str, _: Any) -> None:
    """Fetch one file for pooch, and give up where hardly anything arrives.

    requests limits the time of each read, not of the whole: a server that sends a byte now and then
    would hold it forever, already in the headers. So it works in a thread (a daemon, which ends
    with the program), and the size of what has arrived is checked.
    """
    with ThreadPool(1) as thread:
        fetching = thread.apply_async(_write_answer, (url, output))
        size = 0
        while True:
            try:
                return fetching.get(PATIENCE)
            except multiprocessing.TimeoutError:
                before, size = size, os.path.getsize(output)
                if size - before < 1000 * PATIENCE:
                    raise TimeoutError(f"{size - before} bytes in {PATIENCE:g} seconds") from None


def _write_answer(url: str, output: str) -> None:
    """Write what the address sends, but no more than the file can have.

    Not pooch's own downloader: that one writes an answer without end until the disk is full.
    """
    import requests
    from tqdm import tqdm

    name = url.rpartition("/")[2]
    most = math.prod(SHAPES[name]) + 100_000
    with (
        requests.get(url, stream=True, timeout=5) as answer,
        open(output, "wb", buffering=0) as file,
        tqdm(desc=name, unit="B", unit_scale=True, disable=None) as bar,  # only in a terminal
    ):
        answer.raise_for_status()
        for chunk in answer.iter_content(2**14):
            if file.tell() + len(chunk) > most:
                raise OSError(f"it sends more than the {most:,} bytes that the file can have")
            file.write(chunk)
            bar.update(len(chunk))


def _is_official(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[path.name]


def _recent_failure(note: Path, address: str) -> str | None:
    """Return why the address failed less than a day ago, or None."""
    try:
        told = json.loads(note.read_text())
        # The clock may have been wrong then, or may be now: a mark from the future does not count.
        recent = 0 <= time.time() - note.stat().st_mtime < ONE_DAY
        return told["reason"] if recent and told["address"] == address else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _short(error: Exception) -> str:
    """Return in a few words why a download failed."""
    import requests

    if isinstance(error, (requests.Timeout, TimeoutError)):
        return "it did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "there is no connection to it"
    if isinstance(error, ValueError) and "hash" in str(error):
        return "what it sent is not the official file (its SHA-256 differs)"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + " ..."
