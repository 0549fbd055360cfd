"""Every network that is trained beyond the paper: final ones, and trials.

A trial is trained on the images that
:func:`~kmnist_mlp.beyond.protocol.held_out_clusters` leaves, and measured
on the clusters that it holds out and on a validation split. ``plan.toml``
says what each network changes in the configuration of another.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.store import key_of

FILE = tomllib.loads(Path(__file__).with_name("plan.toml").read_text("utf-8"))
BASE, GROUPS = FILE["base"], FILE["group"]
FINAL = Config(**BASE["final"])
TRIAL = FINAL.replace(**BASE["trial"])
SMALL = TRIAL.replace(**BASE["small"])
BASES = {"final": FINAL, "trial": TRIAL, "small": SMALL, "baseline": EXPERIMENTS["baseline"]}
SEEDS = range(GROUPS["final"]["seeds"])  # no run has another one
LONG = GROUPS["long"]["lengthened"] * TRIAL.epochs
IMAGES_SEEN = GROUPS["size"]["images_seen"]


class Run(NamedTuple):
    """A network to train.

    Attributes
    ----------
    group, title : str
        Where it stands in the plan; a run of two groups stands with the
        first. The runs of the group "final" are trained on all training
        images, the held-out clusters included.
    config : Config
    first : int or None
        Train on so many of the trials' training images; None is
        all of them.
    teachers : tuple of Config
        Learn the mean probabilities of these networks in place
        of the labels.
    """

    group: str
    title: str
    config: Config
    first: int | None = None
    teachers: tuple[Config, ...] = ()

    @property
    def data(self) -> str:
        """What it is trained on, as the records name it."""
        if self.group == "final":
            return "all"
        if self.first:
            return f"first {self.first}"
        return "distilled" if self.teachers else "trials"

    @property
    def identity(self) -> str:
        """Its name in the records: a hash of its configuration and :attr:`data`."""
        return key_of([self.config.to_dict(), self.data])[:12]

    def with_seed(self, seed: int) -> Run:
        """Return the run with another seed."""
        return self._replace(config=self.config.replace(seed=seed))


def plan() -> dict[tuple[str, str], tuple[Run, int]]:
    """Return a run of seed 0, and with how many seeds it is trained, by group and title."""
    runs = {}
    for group, about in GROUPS.items():
        config = BASES[about["base"]]
        teachers = [TRIAL.replace(seed=seed) for seed in range(about.get("teachers", 0))]
        for title, options in GROUPS[about.get("runs_of", group)]["runs"].items():
            changes = dict(options)
            first = changes.pop("first", None)
            seeds = changes.pop("seeds", about["seeds"])
            changed = config.replace(**changes)
            epochs = about.get("lengthened", 1) * changed.epochs
            if "images_seen" in about:
                seen_once = (1 - config.validation_fraction) * first
                epochs = round(about["images_seen"] / seen_once)
            changed = changed.replace(epochs=epochs)
            if about.get("cumulative"):
                config = changed
            name = about.get("recorded_as", group), title + about.get("suffix", "")
            runs[group, title] = Run(*name, changed, first, tuple(teachers)), seeds
    return runs


def planned() -> list[Run]:
    """Return every run once."""
    runs = [run.with_seed(seed) for run, seeds in plan().values() for seed in range(seeds)]
    return list({run.identity: run for run in runs[::-1]}.values())[::-1]
