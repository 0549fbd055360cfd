"""Kuzushiji-MNIST: its four official files, verified, or the stand-in."""

import os
import sys
import tomllib
import warnings
import zipfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import pooch

from kmnist_mlp.data import CLASS_NAMES, STAND_IN, Dataset
from kmnist_mlp.datasets.folder import DESCRIPTION, load_folder
from kmnist_mlp.datasets.stand_in import draw_stand_in
from kmnist_mlp.support.checks import short

MESSAGES = tomllib.loads(Path(__file__).with_name("messages.toml").read_text("utf-8"))
OFFICIAL_ADDRESS = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
# The four official files and their hashes, as pooch writes them
SHA256 = dict(map(str.split, Path(__file__).with_name("sha256.txt").read_text().splitlines()))
TIMEOUT = 10.0  # seconds without an answer after which a download is given up
BY_HAND = MESSAGES["by_hand"].format(files=", ".join(SHA256), address=OFFICIAL_ADDRESS)
# Why the download failed. A program tries once, and the kernels of a
# report's notebooks, which inherit its environment, do not try again:
# all of them have the same data.
FAILED = "KMNIST_MLP_DOWNLOAD_FAILED"


class StandInWarning(UserWarning):
    """What follows is measured on the stand-in, or other data that was asked for, not on KMNIST."""


def load_kmnist(directory: str | os.PathLike | None = None) -> Dataset:
    """Load Kuzushiji-MNIST, verified; without data and network the announced stand-in.

    The four official files are looked for in ``directory``, else in the
    folder that the environment variable KMNIST_MLP_DATA names, else in
    the user's cache folder, where they are downloaded to.
    KMNIST_MLP_DATASET=kmnist makes the real data mandatory, =stand-in
    forces the stand-in, unless a ``directory`` is given. If the folder
    that is named by KMNIST_MLP_DATA has a file dataset.toml, it holds
    other data (:func:`~kmnist_mlp.datasets.folder.load_folder`), and
    that is returned.

    Parameters
    ----------
    directory : path, optional
        Folder with the four official files.

    Returns
    -------
    Dataset
        ``train_images (60000, 28, 28) uint8``,
        ``train_labels (60000,)``, ``test_images``, ``test_labels``,
        ``class_names``, ``name``, ``fingerprint``.

    Raises
    ------
    FileNotFoundError
        If the named folder lacks a file, or the real data is mandatory
        and cannot be had.
    ValueError
        If a file is not the official one, naming the file and
        what was expected.

    Warns
    -----
    StandInWarning
        If the stand-in or other data takes the place of the real data.

    Examples
    --------
    >>> data = load_kmnist()
    >>> data.train_images.shape[1:], data.train_images.dtype
    ((28, 28), dtype('uint8'))
    >>> "".join(data.class_names)
    'おきすつなはまやれを'
    >>> load_kmnist("/no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...kmnist-train-imgs.npz is missing. To place the data by hand: ...
    """
    if directory is not None:
        return _loaded(full_path("directory", directory))
    data, announcement = load_and_announce()
    if announcement:
        warnings.warn(announcement, StandInWarning, stacklevel=2)
    return data


def load_and_announce() -> tuple[Dataset, str]:
    """Load the data, and return the announcement of other data instead of a warning.

    Returns
    -------
    data : Dataset
    announcement : str
        Empty for the real data.
    """
    if data := other_data():
        return data, MESSAGES["other"].format(data=data)
    folder, named, wanted = data_folder()
    reason = "KMNIST_MLP_DATASET=stand-in asks for it"
    if wanted != "stand-in":
        told = "" if wanted or _complete(folder) else os.environ.get(FAILED)
        reason = "" if named else told or download(folder)
        if not reason:
            return _loaded(folder), ""
        os.environ[FAILED] = reason
    known = {"reason": reason, "by_hand": BY_HAND}
    if wanted == "kmnist":
        raise FileNotFoundError(MESSAGES["mandatory"].format(**known))
    return _loaded(None), MESSAGES["stand_in"].format(**known)


def data_at_hand() -> Dataset:
    """Return KMNIST if its files are here, else the stand-in; download nothing."""
    folder, _, wanted = data_folder()
    return _loaded(folder if wanted != "stand-in" and _complete(folder) else None)


def other_data() -> Dataset | None:
    """Return the data of the folder that KMNIST_MLP_DATA names if dataset.toml describes it."""
    folder, named, wanted = data_folder()
    described = named and not wanted and os.path.exists(folder / DESCRIPTION)
    return load_folder(folder) if described else None


def data_folder() -> tuple[Path, bool, str]:
    """Return the folder, whether KMNIST_MLP_DATA names it, and KMNIST_MLP_DATASET."""
    wanted = os.environ.get("KMNIST_MLP_DATASET", "").strip().lower()
    if wanted not in ("", "kmnist", "stand-in"):
        raise ValueError(f"KMNIST_MLP_DATASET must be 'kmnist' or 'stand-in'; got {wanted!r}")
    named = os.environ.get("KMNIST_MLP_DATA")
    folder = full_path("KMNIST_MLP_DATA", named or cache_folder() / "data")
    return folder, bool(named), wanted


def cache_folder() -> Path:
    """Return this project's cache folder: KMNIST_MLP_CACHE, or the system's own."""
    given = os.environ.get("KMNIST_MLP_CACHE")
    return full_path("KMNIST_MLP_CACHE", given or pooch.os_cache("kmnist_mlp"))


def full_path(name: str, path: str | os.PathLike) -> Path:
    """Return a path from the root on, with ``~`` as the user's home folder."""
    found = Path(os.path.expanduser(path))
    if str(found).startswith("~"):
        raise ValueError(f"{name}: no such home folder is known: {path}")
    return found.absolute()


def _complete(folder: Path) -> bool:
    # os.path: also where it may not be read
    return all(os.path.exists(folder / name) for name in SHA256)


@lru_cache(maxsize=3)  # a notebook asks more than once; the arrays are read-only
def _loaded(folder: Path | None) -> Dataset:
    """Return the data of a folder with the official files; without one the stand-in."""
    if folder is None:
        return Dataset(*draw_stand_in(), STAND_IN, CLASS_NAMES)
    arrays = (read_verified(folder / name) for name in SHA256)
    return Dataset(*arrays, "KMNIST", CLASS_NAMES)


# ---- the official files ----------------------------------------------


def download(folder: Path) -> str:
    """Fetch what is missing or damaged; return "", or why it failed.

    A file gets its final name only after its SHA-256 was right. What is
    there is not asked for.

    Parameters
    ----------
    folder : Path
        Is made if need be.

    Returns
    -------
    str
        Empty, or the reason: no connection, no answer, a proxy, a
        certificate, or another error, as it is.
    """
    import requests  # slow to import

    address = (os.environ.get("KMNIST_MLP_URL") or OFFICIAL_ADDRESS).rstrip("/") + "/"
    pooch.get_logger().setLevel("ERROR")
    get = pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=sys.stderr.isatty())
    files = pooch.create(folder, address, registry=SHA256)
    try:
        for name in SHA256:
            files.fetch(name, downloader=get)
    except (OSError, ValueError) as error:
        kind, answer = type(error).__name__, getattr(error, "response", None)
        refused = getattr(answer, "status_code", 0) in (403, 407)
        if refused and requests.utils.get_environ_proxies(address):
            kind = "ProxyError"
        told = MESSAGES["download"].get(kind, MESSAGES["download"]["other"])
        return told.format(address=address, timeout=TIMEOUT, error=error)
    return ""


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
    digest = pooch.file_hash(str(path))
    if digest != SHA256[path.name]:  # nothing of it is unpacked
        known = {"path": path, "expected": SHA256[path.name], "digest": digest}
        known |= {"size": path.stat().st_size, "held": MESSAGES["damaged"]}
        with suppress(Exception), zipfile.ZipFile(path) as file:  # which raises several
            known["held"] = "has " + short([Path(name).stem for name in file.namelist()])
        raise ValueError(MESSAGES["refused"].format(**known))
    array = np.load(path)["arr_0"]
    array.flags.writeable = False
    return array
