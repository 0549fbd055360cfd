"""The four official files of Kuzushiji-MNIST: download, verify, read."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np

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
TIMEOUT = 10.0  # seconds without an answer after which a download is given up
BY_HAND = (
    f"To place the data by hand: put the four files {', '.join(SHA256)} (from {OFFICIAL_ADDRESS}) "
    "in one folder and set the environment variable KMNIST_MLP_DATA to that folder."
)


def download(folder: Path) -> str | None:
    """Fetch what is missing or damaged in ``folder``; return None, or why that was not possible.

    A file gets its final name only after its SHA-256 was right. What is there is not asked for.
    """
    import pooch  # slow to import, and only needed here
    import requests

    address = (os.environ.get("KMNIST_MLP_URL") or OFFICIAL_ADDRESS).rstrip("/") + "/"
    pooch.get_logger().setLevel("ERROR")
    get = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=sys.stderr.isatty())
    files = pooch.create(folder, address, registry=SHA256)
    try:
        for name in SHA256:
            files.fetch(name, downloader=get)
    except (requests.ConnectionError, requests.Timeout):
        return f"{address} cannot be reached, or did not answer within {TIMEOUT:g} seconds"
    except (OSError, ValueError) as error:
        return f"the download from {address} failed: {error}"
    return None


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
        If it is not the official file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. {BY_HAND}")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[path.name]:  # nothing of it is unpacked
        raise ValueError(
            f"{path} is refused: it is not the official file, or not all of it. Expected: SHA-256 "
            f"{SHA256[path.name]}; got {len(content):,} bytes with SHA-256 {digest}. "
            "`make data` replaces a damaged file in the cache folder."
        )
    array = np.load(io.BytesIO(content))["arr_0"]
    array.flags.writeable = False
    return array
