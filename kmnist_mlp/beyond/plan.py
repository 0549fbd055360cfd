"""Every network that is trained beyond the paper: final ones, and trials.

A trial is trained on the images that a draw of
:func:`~kmnist_mlp.beyond.protocol.held_out_clusters` leaves, and measured
on the clusters that it holds out and on a validation split. ``plan.toml``
lists how each network differs from a base.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.store import key_of

FILE = tomllib.loads(Path(__file__).with_name("plan.toml").read_text("utf-8"))
GROUPS = FILE["group"]
BASES = {"baseline": EXPERIMENTS["baseline"]}
for base, options in FILE["base"].items():
    BASES[base] = BASES.get(options.pop("of", ""), Config()).replace(**options)
FINAL = BASES["final"]
DRAWS = 3  # of held-out clusters


class Run(NamedTuple):
    """A network to train.

    Attributes
    ----------
    group, title : str
        Where it stands in the plan; a run of two groups stands with the
        first.
    config : Config
        Without a validation split, it is trained on all training images,
        the held-out clusters included.
    tried : tuple
        Names and strengths of
        :class:`~kmnist_mlp.beyond.tried.Tried`.
    """

    group: str
    title: str
    config: Config
    tried: tuple[tuple[str, float], ...] = ()

    @property
    def draw(self) -> int | None:
        """The draw of held-out clusters that it is trained without; None is all images."""
        return self.config.seed % DRAWS if self.config.validation_fraction else None

    @property
    def identity(self) -> str:
        """Its name in the records: a hash of its configuration and of what it is trained on."""
        on = "all" if self.draw is None else f"draw {self.draw}"
        return key_of([self.config.to_dict(), on, *map(list, self.tried)])[:12]

    def with_seed(self, seed: int) -> Run:
        """Return the run with another seed, and the draw of that seed."""
        return self._replace(config=self.config.replace(seed=seed))


def plan() -> dict[tuple[str, str], tuple[Run, int]]:
    """Return a run of seed 0, and with how many seeds it is trained, by group and title."""
    runs = {}
    for group, about in GROUPS.items():
        config = BASES[about["base"]]
        for title, options in about["runs"].items():
            changes = dict(options)
            tried = tuple(sorted(changes.pop("tried", {}).items()))
            changed = config.replace(**changes)
            if about.get("cumulative"):
                config = changed
            runs[group, title] = Run(group, title, changed, tried), about["seeds"]
    return runs


def planned() -> list[Run]:
    """Return every run once."""
    runs = [run.with_seed(seed) for run, seeds in plan().values() for seed in range(seeds)]
    return list({run.identity: run for run in runs[::-1]}.values())[::-1]
