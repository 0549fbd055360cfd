"""``make measure``: measure again what is kept with the project, or train what is missing of it."""

from __future__ import annotations

import argparse
import sys

from kmnist_mlp.beyond import records
from kmnist_mlp.datasets.kmnist import load_kmnist
from kmnist_mlp.experiments import (
    EXPERIMENTS,
    other_classifiers,
    published_runs,
    readings,
    reference,
    run,
    sweep,
)
from kmnist_mlp.support.console import tell

ON_KMNIST = {
    "sweep": sweep.measure,
    "seeds": sweep.measure_seeds,
    "other-classifiers": other_classifiers.measure,
    "readings": readings.measure,
    "published": published_runs.measure,
    "beyond": records.measure,
}
HELP = """
experiments        Train the paper's experiments that are not in the cache.
reference          Measure reference values and their tolerances again (hours).
""" + "\n".join(f"{name:18} {measure.__doc__}" for name, measure in ON_KMNIST.items())


def main(arguments: list[str] | None = None) -> None:
    """Measure what is named. If it is interrupted, the next call continues it."""
    parser = argparse.ArgumentParser(
        prog="make measure", description=main.__doc__, epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    names = ["experiments", "reference", *ON_KMNIST]
    parser.add_argument("name", choices=names, metavar="NAME", help="one of the names below")
    only = "of `reference`, measure these alone, and keep all other rows"
    parser.add_argument("--only", nargs="+", default=(), metavar="EXPERIMENT", help=only)
    given, data = parser.parse_args(arguments), load_kmnist()
    if given.name == "experiments":
        frame = run(EXPERIMENTS, data=data).frame
        tell(f"{len(frame)} runs on {data.name}, {(~frame.cached).sum()} of them computed now")
    elif given.name == "reference":
        reference.measure(data, given.only)
    elif data.is_stand_in:
        sys.exit(f"{given.name} is kept with the project for KMNIST only; place the data first.")
    else:
        ON_KMNIST[given.name](data)


if __name__ == "__main__":
    main()
