"""Fetch and verify the four official files of KMNIST: `make data`."""

import sys

from kmnist_mlp.datasets import kmnist
from kmnist_mlp.support.console import tell


def main() -> int:
    """Command line; the exit status is 1 if the data cannot be had, and what to do is printed."""
    folder, named = kmnist.data_folder()
    if not named:
        tell(f"Fetching KMNIST into {folder} ...")
        if reason := kmnist.download(folder):
            tell(f"Not fetched: {reason}.\n{kmnist.BY_HAND}", sys.stderr)
            return 1
    try:
        for name in kmnist.SHA256:
            tell(f"{folder / name}: verified, shape {kmnist.read_verified(folder / name).shape}")
    except (OSError, ValueError) as error:
        tell(f"Not usable: {error}", sys.stderr)
        return 1
    tell(f"Credit: {kmnist.CREDIT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
