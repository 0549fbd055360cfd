"""Compute all experiments of the paper that are not in the result cache yet."""

from __future__ import annotations

from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.runs import run
from kmnist_mlp.support.console import tell


def main() -> None:
    """Run the experiments and print how many were computed."""
    results = run(EXPERIMENTS)
    computed = int((~results.frame.cached).sum())
    tell(f"{len(results.frame)} runs on {results.data_name}, {computed} of them computed now")


if __name__ == "__main__":
    main()
