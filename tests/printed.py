"""What printed.toml holds: the paper's numbers, typed from it a second time."""

import tomllib
from pathlib import Path

PRINTED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
NAMES = ("claims", "curves", "experiments", "baseline", "final")
CLAIMS, CURVES, EXPERIMENTS, BASELINE, FINAL = map(PRINTED.get, NAMES)
ACCURACIES = {name: row.split("|")[11] for name, row in EXPERIMENTS.items()}
LOSSES = {name: row.split("|")[10] for name, row in EXPERIMENTS.items()}
GRADIENTS = {tuple(name.split()): rows for name, rows in PRINTED["gradients"].items()}
