"""``make measure``: measure again what is kept with the project, or train what is missing of it."""

from __future__ import annotations

import argparse
import sys

from kmnist_mlp.beyond import model_card
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
    "beyond": model_card.measure,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure what is named. Interrupted, the next call continues it."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_mlp.report.measure")
    parser.description = main.__doc__
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    names.add_parser("experiments", help="Train the paper's experiments that are not in the cache.")
    reference_parser = names.add_parser("reference", help=reference.measure.__doc__.split("\n")[0])
    reference_parser.add_argument("--only", nargs="+", default=(), metavar="EXPERIMENT")
    reference_parser.add_argument("--seeds", type=int, default=1, help="per variant (default 1)")
    for name, measure in ON_KMNIST.items():
        names.add_parser(name, help=measure.__doc__)
    given, data = parser.parse_args(arguments), load_kmnist()
    if given.name == "experiments":
        frame = run(EXPERIMENTS, data=data).frame
        tell(f"{len(frame)} runs on {data.name}, {(~frame.cached).sum()} of them computed now")
    elif given.name == "reference":
        reference.measure(data, given.only, given.seeds)
    elif data.is_stand_in:
        sys.exit(f"{given.name} is kept with the project for KMNIST only; place the data first.")
    else:
        ON_KMNIST[given.name](data)


if __name__ == "__main__":
    main()
