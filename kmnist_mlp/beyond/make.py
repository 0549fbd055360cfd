"""``make beyond``: train every network of the plan that has no record, then measure and write.

It can be interrupted and called again: see :func:`~kmnist_mlp.beyond.records.train_missing`.
Notebook 7 shows the results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from kmnist_mlp.beyond.measurements import measure_final
from kmnist_mlp.beyond.plan import planned, step_configs
from kmnist_mlp.beyond.protocol import held_out_clusters
from kmnist_mlp.beyond.records import FOLDER, Records, train_missing
from kmnist_mlp.beyond.timing import epoch_seconds
from kmnist_mlp.datasets.kmnist import kmnist_or_refusal
from kmnist_mlp.experiments import run
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import write_csv


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what is missing and write everything; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kmnist_mlp.beyond", description=main.__doc__)
    parser.add_argument(
        "--minutes", type=float, default=np.inf, help="begin no run after so many; measure nothing"
    )
    minutes = parser.parse_args(arguments).minutes
    data = kmnist_or_refusal("The networks beyond the paper are kept")
    if data is None:
        return 1
    records = Records()
    train_missing(planned(), data, records, minutes=minutes)
    if np.isfinite(minutes):
        return 0
    write_csv(epoch_seconds(step_configs(), held_out_clusters(data)), FOLDER / "timing.csv")
    measure_final(data, run(["baseline"], [0], data=data).of("baseline")[0].model)
    tell(f"Written: {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
