"""``make measure``: measure what is kept with the project, or train what is missing."""

import argparse
import sys

from kmnist_mlp.beyond import records
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments import EXPERIMENTS, readings, reference, run, sweep
from kmnist_mlp.support.console import tell


def train_experiments(data: Dataset) -> None:
    """Train the paper's experiments that are not in the cache."""
    frame = run(EXPERIMENTS, data=data).frame
    tell(f"{len(frame)} runs on {data.name}, {(~frame.cached).sum()} of them computed now")


ON_ANY_DATA = {"experiments": train_experiments, "reference": reference.measure}
ON_KMNIST = {
    "sweep": sweep.measure,
    "seeds": sweep.measure_seeds,
    "other-classifiers": sweep.measure_neighbours,
    "readings": readings.measure,
    "published": readings.measure_published,
    "beyond": records.measure,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure what is named. If it is interrupted, the next call continues it."""
    measures = ON_ANY_DATA | ON_KMNIST
    lines = (f"{name:18} {(measures[name].__doc__ or '').splitlines()[0]}" for name in measures)
    parser = argparse.ArgumentParser(
        prog="make measure", description=main.__doc__, epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("name", choices=measures, metavar="NAME", help="one of the names below")
    name, data = parser.parse_args(arguments).name, load_kmnist()
    if name in ON_KMNIST and data.is_stand_in:
        sys.exit(f"{name} is kept with the project for KMNIST only; place the data first.")
    measures[name](data)


if __name__ == "__main__":
    main()
