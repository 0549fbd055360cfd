"""``make beyond``: train every network of the plan that has no record, then measure and write.

It can be interrupted and called again: see :func:`~kmnist_mlp.beyond.records.train_missing`.
Notebook 7 shows the results.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from kmnist_mlp.beyond.measurements import NETWORK, epoch_seconds, measure_final
from kmnist_mlp.beyond.model_card import model_card
from kmnist_mlp.beyond.plan import FINAL, planned, step_configs
from kmnist_mlp.beyond.pretrained import FOLDER
from kmnist_mlp.beyond.protocol import LEDGER, held_out_clusters, load_ledger, without_test_images
from kmnist_mlp.beyond.records import Records, train_missing
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.kmnist import kmnist_or_exit
from kmnist_mlp.experiments import run
from kmnist_mlp.network import MLP
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import whole_file, write_csv


def main() -> None:
    """Train what is missing, and write everything."""
    data = kmnist_or_exit("The networks beyond the paper are kept")
    train_missing(planned(), data, Records())
    measure_and_write(data, run(["baseline"], [0], data=data).of("baseline")[0].model)
    tell(f"Written: {FOLDER}")


def measure_and_write(
    data: Dataset, baseline: MLP, folder: Path = FOLDER, ledger: Path = LEDGER
) -> None:
    """Time the steps, measure the final networks on test images, and write the model card.

    Parameters
    ----------
    data : Dataset
    baseline : MLP
        The paper's, for comparison on corrupted images.
    folder, ledger : Path
        With the networks' files and records; and what is added to.
    """
    steps = epoch_seconds(step_configs(), held_out_clusters(data))
    final = epoch_seconds({NETWORK: FINAL}, without_test_images(data))
    write_csv(pd.concat([steps, final]), folder / "timing.csv")
    measure_final(data, baseline, folder, ledger)
    with whole_file(folder / "MODEL_CARD.md") as file:
        file.write(model_card(folder, load_ledger(ledger), data).encode())


if __name__ == "__main__":
    main()
