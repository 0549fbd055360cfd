"""Other data than KMNIST: four files of MNIST's format (idx) or of KMNIST's (npz)."""

import gzip
import os
import re
import tomllib
from io import BytesIO
from pathlib import Path

import numpy as np

from kmnist_mlp.data import STAND_IN, Dataset

DESCRIPTION = "dataset.toml"
PARTS = ("train_images", "train_labels", "test_images", "test_labels")
KEYS = {"name", "class_names", *PARTS}  # of the description


def load_folder(directory: str | os.PathLike) -> Dataset:
    """Load data of one's own, Fashion-MNIST, Kuzushiji-49 or the like.

    The file ``dataset.toml`` in the folder gives ``name``,
    ``class_names`` (a list; or a string, with one letter for each
    class), and as ``train_images``, ``train_labels``, ``test_images``
    and ``test_labels`` the names of four files in the folder. It may
    give ``romaji``.

    Parameters
    ----------
    directory : path

    Raises
    ------
    FileNotFoundError
        If the folder lacks one of the five files.
    ValueError
        If ``dataset.toml`` does not give what it must or calls the
        data KMNIST, or a file holds no such data.

    Examples
    --------
    >>> load_folder("/no/such/folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: ... '/no/such/folder/dataset.toml'
    """
    about = Path(directory).expanduser().absolute() / DESCRIPTION
    known = tomllib.loads(about.read_text("utf-8"))
    if {*known} - {"romaji"} != KEYS:
        raise ValueError(f"{about} must give {sorted(KEYS)}; got {sorted(known)}")
    if not mark_of(str(known["name"])):
        raise ValueError(f"{about}: name {known['name']!r}: only load_kmnist loads KMNIST")
    return Dataset(**known | {part: read_array(about.parent / known[part]) for part in PARTS})


def read_array(path: str | os.PathLike) -> np.ndarray:
    """Read an npz file of one array, or an idx file of bytes, compressed (.gz) or not.

    Source of the format: http://yann.lecun.com/exdb/mnist/

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another format.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        if path.suffix == ".npz":
            (array,) = np.load(BytesIO(content)).values()
            return array
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        start = 4 + 4 * content[3]
        shape = np.frombuffer(content[4:start], ">u4")
        return np.frombuffer(content[start:], np.uint8).reshape(shape)
    except Exception as error:  # zip, gzip and zlib have their own
        raise ValueError(f"{path} is no npz file of one array or idx file: {error}") from None


def mark_of(data_name: str) -> str:
    """Return what marks pictures of other data than KMNIST, or "".

    Examples
    --------
    >>> mark_of("Fashion-MNIST"), mark_of("KMNIST, pooled"), mark_of("stand-in data")
    ('Fashion-MNIST, not KMNIST', '', 'STAND-IN DATA, not KMNIST')
    """
    name = "STAND-IN DATA" if data_name.startswith(STAND_IN) else data_name
    return "" if re.match(r"(KMNIST(,| without|$)|$)", name) else f"{name}, not KMNIST"
