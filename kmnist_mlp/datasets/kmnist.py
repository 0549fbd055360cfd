"""Load Kuzushiji-MNIST, verified, or its announced stand-in."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache
from pathlib import Path

from kmnist_mlp.data import STAND_IN, Dataset
from kmnist_mlp.datasets.folders import cache_folder, full_path
from kmnist_mlp.datasets.official_files import BY_HAND, SHA256, download, read_verified
from kmnist_mlp.datasets.stand_in import draw_stand_in

# Why the download failed. A program tries once, and the kernels of a report's notebooks, which
# inherit its environment, do not try again: all of them have the same data.
FAILED = "KMNIST_MLP_DOWNLOAD_FAILED"


class StandInWarning(UserWarning):
    """The real data could not be had: everything that follows was measured on the stand-in."""


def load_kmnist(directory: str | os.PathLike | None = None) -> Dataset:
    """Load Kuzushiji-MNIST, verified; without data and network the announced stand-in.

    The four official files are looked for in ``directory``, else in the folder that the
    environment variable KMNIST_MLP_DATA names, else in the user's cache folder, where they are
    downloaded to. KMNIST_MLP_DATASET=kmnist makes the real data mandatory, =stand-in forces the
    stand-in, unless a ``directory`` is given.

    Parameters
    ----------
    directory : path, optional
        Folder with the four official files.

    Returns
    -------
    Dataset
        ``train_images (60000, 28, 28) uint8``, ``train_labels (60000,)``, ``test_images``,
        ``test_labels``, ``class_names``, ``name``, ``fingerprint``.

    Raises
    ------
    FileNotFoundError
        If the named folder lacks a file, or the real data is mandatory and cannot be had.
    ValueError
        If a file is not the official one, naming the file and what was expected.

    Warns
    -----
    StandInWarning
        If the stand-in takes the place of the real data.

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
    wanted = _wanted()
    if directory is None and wanted == "stand-in":
        return _announced_stand_in("KMNIST_MLP_DATASET=stand-in asks for it")
    if directory is not None:
        return _load_folder(str(full_path("directory", directory)))
    folder, named = data_folder()
    mandatory = wanted == "kmnist"
    told = None if mandatory or _complete(folder) else os.environ.get(FAILED)
    reason = None if named else told or download(folder)
    if reason is None:
        return _load_folder(str(folder))
    if mandatory:
        raise FileNotFoundError(
            f"KMNIST_MLP_DATASET=kmnist makes the real data mandatory, and {reason}.\n{BY_HAND}"
        )
    os.environ[FAILED] = reason
    return _announced_stand_in(f"{reason} (`make data` tries again)")


def load_and_announce() -> tuple[Dataset, str]:
    """Load the data, and return the announcement of the stand-in instead of a warning.

    Returns
    -------
    data : Dataset
    announcement : str
        Empty for the real data.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StandInWarning)
        data = load_kmnist()
    return data, "".join(str(each.message) for each in caught)


def data_at_hand() -> Dataset:
    """Return KMNIST if its files are on this machine, else the stand-in; download nothing."""
    folder, _ = data_folder()
    if _wanted() == "stand-in" or not _complete(folder):
        return _stand_in()
    return _load_folder(str(folder))


def data_folder() -> tuple[Path, bool]:
    """Return the folder for the files of KMNIST, and whether KMNIST_MLP_DATA names it."""
    named = os.environ.get("KMNIST_MLP_DATA")
    folder = full_path("KMNIST_MLP_DATA", named) if named else cache_folder() / "data"
    return folder, bool(named)


def _complete(folder: Path) -> bool:
    return all(os.path.exists(folder / name) for name in SHA256)  # also where it may not be read


def _wanted() -> str:
    wanted = os.environ.get("KMNIST_MLP_DATASET", "").strip().lower()
    if wanted not in ("", "kmnist", "stand-in"):
        raise ValueError(f"KMNIST_MLP_DATASET must be 'kmnist' or 'stand-in'; got {wanted!r}")
    return wanted


@lru_cache(maxsize=2)  # a notebook asks more than once; the arrays are read-only
def _load_folder(folder: str) -> Dataset:
    arrays = [read_verified(Path(folder) / name) for name in SHA256]
    return Dataset(*arrays)


def _announced_stand_in(reason: str) -> Dataset:
    warnings.warn(
        f"STAND-IN DATA: this is not Kuzushiji-MNIST, because {reason}. All results are those of "
        f"a small drawn data set. {BY_HAND}",
        StandInWarning,
        stacklevel=3,
    )
    return _stand_in()


@lru_cache(maxsize=1)
def _stand_in() -> Dataset:
    return Dataset(*draw_stand_in(), name=STAND_IN)
