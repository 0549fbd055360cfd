"""Where data and results lie: folders that the user names, and the cache folder of this project."""

import os
from pathlib import Path
from typing import Any

import pooch


def cache_folder() -> Path:
    """Return the user's cache folder of this project: KMNIST_MLP_CACHE, or the system's own.

    Raises
    ------
    FileNotFoundError
        If the user has no home folder and KMNIST_MLP_CACHE names none.
    """
    if given := os.environ.get("KMNIST_MLP_CACHE"):
        return full_path("KMNIST_MLP_CACHE", given)
    try:
        found = Path(pooch.os_cache("kmnist_mlp"))
    except RuntimeError:
        found = Path("~")
    if not found.is_absolute():
        raise FileNotFoundError(
            "there is no home folder for data and results: set KMNIST_MLP_CACHE to a folder"
        )
    return found


def full_path(name: str, path: Any) -> Path:
    """Return a path from the root on, with ``~`` as the user's home folder."""
    found = Path(os.path.expanduser(path))
    if found.parts[:1] and found.parts[0].startswith("~"):
        raise ValueError(f"{name} must be a path; in {path!r}, {found.parts[0]} is no user")
    return found.absolute()
