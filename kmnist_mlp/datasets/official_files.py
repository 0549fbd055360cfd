"""The four official files of Kuzushiji-MNIST: find, download, verify, read."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kmnist_mlp.support.files import cache_folder, full_path, whole_file

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
BY_HAND = (
    f"To place the data by hand: put the four files {', '.join(SHA256)} (from {OFFICIAL_ADDRESS}) "
    "in one folder and set the environment variable KMNIST_MLP_DATA to that folder."
)


def read_verified(path: Path) -> np.ndarray:
    """Read one official file, or say what is wrong with it: ``path``'s name says which it is."""
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

    An address that failed is asked once a day, unless ``again``; one that does not answer costs
    some ten seconds. A file gets its final name only after its SHA-256 was right.
    """
    import pooch
    import requests

    address = os.environ.get("KMNIST_MLP_URL", OFFICIAL_ADDRESS).rstrip("/") + "/"
    pooch.get_logger().setLevel("ERROR")
    failure = folder / "last_failure.json"
    fetcher = pooch.create(folder, address, registry=SHA256, retry_if_failed=1, allow_updates=True)
    try:
        if all(_is_official(folder / name) for name in SHA256):
            return None
    except OSError as error:
        return f"the cache folder cannot be read: {_short(error)}"
    if not again and (told := _recent_failure(failure, address)):
        return f"{told} (the address is asked once a day; `make data` asks again now)"
    try:
        _ask(address + next(iter(SHA256)))
        for name in SHA256:
            fetcher.fetch(name, downloader=_download)
    except (OSError, ValueError, requests.RequestException) as error:
        reason = f"the download from {address} failed: {_short(error)}"
    else:
        failure.unlink(missing_ok=True)
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(failure) as file:
            file.write(json.dumps({"address": address, "reason": reason}).encode())
    except OSError:
        pass  # a read-only cache folder: the address is asked again next time
    return reason


def _ask(address: str, seconds: float = 9.0) -> None:
    """Raise if the address sends no first byte in time (a name server may hang, too)."""
    import requests

    outcome: list[Exception | None] = []

    def ask() -> None:
        try:
            with requests.get(address, stream=True, timeout=4) as answer:
                answer.raise_for_status()
                next(answer.iter_content(1))
            outcome.append(None)
        except Exception as error:
            outcome.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    problem = outcome[0] if outcome else TimeoutError(f"no answer in {seconds:g} seconds")
    if isinstance(problem, StopIteration):
        problem = OSError("the answer was empty")
    if problem is not None:
        raise problem


def _download(url: str, output: str, fetcher: Any, seconds: float = 30.0) -> None:
    """Fetch one file for pooch; give up where hardly anything arrives, or more than it can have."""
    import pooch

    most = math.prod(SHAPES[url.rpartition("/")[2]]) + 100_000
    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=5)
    outcome: list[Exception | None] = []

    def run() -> None:
        try:
            fetch(url, output, fetcher)
            outcome.append(None)
        except Exception as error:
            outcome.append(error)

    fetching = threading.Thread(target=run, daemon=True)
    fetching.start()
    size, last, checked = 0, 0, time.monotonic()
    while not outcome and fetching.is_alive():
        fetching.join(0.5)
        size = os.path.getsize(output)
        if size > most:
            raise OSError(f"it sends more than the {most:,} bytes that the file can have")
        if time.monotonic() - checked > seconds:
            if size - last < 1000 * seconds and not outcome:
                raise TimeoutError(f"less than {1000 * seconds:,.0f} bytes in {seconds:g} seconds")
            last, checked = size, time.monotonic()
    if outcome[0] is not None:
        raise outcome[0]


def _is_official(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[path.name]


def _recent_failure(path: Path, address: str) -> str | None:
    try:
        told = json.loads(path.read_text())
        # The clock may have been wrong then, or may be now: a mark from the future does not count.
        recent = 0 <= time.time() - path.stat().st_mtime < ONE_DAY
        return told["reason"] if recent and told["address"] == address else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _short(error: Exception) -> str:
    """Say in a few words why a download failed."""
    import requests

    if isinstance(error, (requests.Timeout, TimeoutError)):
        return "it did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "there is no connection to it"
    if isinstance(error, ValueError) and "hash" in str(error):
        return "what it sent is not the official file (its SHA-256 differs)"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:200] + " ..."


def main() -> int:
    """Fetch and verify the data (`make data`); say exactly what to do where that fails."""
    given = os.environ.get("KMNIST_MLP_DATA")
    folder = full_path("KMNIST_MLP_DATA", given) if given else cache_folder() / "data"
    if not given:
        print(f"Fetching KMNIST into {folder} ...", flush=True)
        if reason := download(folder, again=True):
            print(f"Not fetched: {reason}.\n{BY_HAND}", file=sys.stderr)
            return 1
    try:
        for name in SHA256:
            print(f"{folder / name}: verified, shape {read_verified(folder / name).shape}")
    except (OSError, ValueError) as error:
        print(f"Not usable: {error}", file=sys.stderr)
        return 1
    print(f"Credit: {CREDIT}")
    return 0
