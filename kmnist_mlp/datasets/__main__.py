"""Fetch and verify the four official files of KMNIST: `make data`."""

import sys
from argparse import ArgumentParser

from kmnist_mlp.datasets import kmnist
from kmnist_mlp.support.console import tell


def main() -> None:
    """Fetch and verify KMNIST; if it cannot be had, exit with what to do."""
    ArgumentParser(prog="make data", description=main.__doc__).parse_args()
    folder, named, _ = kmnist.data_folder()
    if other := kmnist.other_data():
        return tell(f"{folder}: {other!r}")
    if not named:
        tell(f"Fetching KMNIST into {folder} ...")
        if reason := kmnist.download(folder):
            sys.exit(f"Not fetched: {reason}.\n{kmnist.BY_HAND}")
    try:
        for name in kmnist.SHA256:
            shape = kmnist.read_verified(folder / name).shape
            tell(f"{folder / name}: verified, shape {shape}")
    except (OSError, ValueError) as error:
        sys.exit(f"Not usable: {error}")
    tell(f"Credit: {kmnist.MESSAGES['credit']}")


if __name__ == "__main__":
    main()
