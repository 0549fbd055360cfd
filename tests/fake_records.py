"""Records of the whole plan with made-up accuracies: what tables and figures read."""

import zlib

import numpy as np
import pandas as pd

from kmnist_mlp.beyond.plan import Run, identity, planned
from kmnist_mlp.beyond.records import Records

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
    records, rows = Records(folder), {}
    records.clusters = {"held_out_images": IMAGES}
    for run in planned() if runs is None else runs:
        name = identity(run.config, run.data)
        scatter = noise(run, "images").normal(0, 0.01, IMAGES)
        right = DIFFICULTY + scatter < 1 - error(run, "held_out")
        rows[name] = {
            "seed": run.config.seed, "parameters": 370, "epochs": run.config.epochs,
            "diverged": False, "training_accuracy": 1 - error(run, "training"),
            "validation_accuracy": np.nan if run.final else 1 - error(run, "validation"),
            "held_out_accuracy": np.nan if run.final else right.mean(),
        }  # fmt: skip
        if not run.final:
            records.right[name] = np.packbits(right)
    records.table = pd.DataFrame.from_dict(rows, orient="index")
    return records
