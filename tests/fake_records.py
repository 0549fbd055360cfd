"""Records of the whole plan with made-up accuracies: what tables and figures read."""

import dataclasses
import zlib

import numpy as np

from kmnist_mlp import Config, Dataset, train
from kmnist_mlp.beyond.plan import Run, planned
from kmnist_mlp.beyond.records import Records, identity

IMAGES = 5000  # of the held-out clusters
DIFFICULTY = np.random.default_rng(0).random(IMAGES)


def noise(run: Run, part: str) -> np.random.Generator:
    """Return random numbers that are the same whenever a run is asked for."""
    return np.random.default_rng(zlib.crc32(f"{run}{part}".encode()))


def error(run: Run, part: str) -> float:
    """Return a share of wrong images that tells most runs apart: fewer with length and width."""
    c = run.config
    size = (sum(c.layer_specs[1:-1]) * c.epochs * (run.first or 50_000)) ** 0.2
    lower = 0.8 if c.distortion else 1
    scale = {"training": 0.5, "validation": 1.0, "held_out": 2.0}[part]
    return noise(run, part).normal(1, 0.05) * lower * scale / size


def fake_records(folder, runs=None) -> Records:
    """Return records of runs, by default of all that are planned; none is written to the folder."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 6, 6)).astype(np.uint8)
    labels = rng.integers(0, 10, IMAGES)
    data = Dataset(images, labels, images, labels)
    small = Config((36, 10), epochs=2, early_stop=False)
    result, records = train(small, data), Records(folder)
    for run in planned() if runs is None else runs:
        right = DIFFICULTY + noise(run, "images").normal(0, 0.01, IMAGES) < 1 - error(
            run, "held_out"
        )
        training, validation = (1 - error(run, part) for part in ("training", "validation"))
        if run.data == "all":
            validation = np.nan
        returned = {
            "training_loss": (1 - training) / 4, "training_accuracy": training,
            "validation_loss": (1 - validation) / 4, "validation_accuracy": validation,
        }  # fmt: skip
        records.append(
            run,
            dataclasses.replace(
                result, config=run.config, returned=returned, test_accuracy=float(right.mean()),
                stopped_epoch=run.config.epochs, seconds=60.0,
            ),
            data,
        )  # fmt: skip
        if run.data != "all":
            records.right[identity(run.config, run.data)] = np.packbits(right)
    return records
