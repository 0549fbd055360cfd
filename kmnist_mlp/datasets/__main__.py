"""Fetch and verify the four official files of KMNIST: `make data`."""

import os
import sys

from kmnist_mlp.datasets.official_files import BY_HAND, CREDIT, SHA256, download, read_verified
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import cache_folder, full_path


def main() -> int:
    """Command line; the exit status is 1 if the data cannot be had, and what to do is printed."""
    given = os.environ.get("KMNIST_MLP_DATA")
    folder = full_path("KMNIST_MLP_DATA", given) if given else cache_folder() / "data"
    if not given:
        tell(f"Fetching KMNIST into {folder} ...")
        if reason := download(folder, again=True):
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
