"""Fetch and verify the four official files of KMNIST: `make data`."""

import sys

from kmnist_mlp.datasets.kmnist import (
    BY_HAND,
    CREDIT,
    SHA256,
    data_folder,
    download,
    read_verified,
)
from kmnist_mlp.support.console import tell


def main() -> int:
    """Command line; the exit status is 1 if the data cannot be had, and what to do is printed."""
    folder, named = data_folder()
    if not named:
        tell(f"Fetching KMNIST into {folder} ...")
        if reason := download(folder):
            tell(f"Not fetched: {reason}.\n{BY_HAND}", sys.stderr)
            return 1
    try:
        for name in SHA256:
            tell(f"{folder / name}: verified, shape {read_verified(folder / name).shape}")
    except (OSError, ValueError) as error:
        tell(f"Not usable: {error}", sys.stderr)
        return 1
    tell(f"Credit: {CREDIT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
