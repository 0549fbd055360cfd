"""What stands behind a figure or table: its numbers, its finding, and the runs that made it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from kmnist_mlp.experiments.runs import Results


@dataclass(frozen=True)
class ExhibitData:
    """Plain values only, so that it travels in a notebook's metadata to the exported page.

    Attributes
    ----------
    csv : str
        The numbers, unrounded, for download.
    finding : str
        What the picture shows, in words and numbers: the alternative text of a figure.
    quantities : tuple of str
        Which quantities of a result can be read from it; a claim is linked by them.
    experiments : dict of str to dict
        Configuration of each experiment by its name, without the seed.
    seeds : list of int
    cached : int
        How many of the runs (experiments by seeds) came from the result cache.
    """

    csv: str
    finding: str = ""
    quantities: tuple[str, ...] = ()
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    cached: int = 0

    @classmethod
    def of(
        cls,
        numbers: pd.DataFrame,
        finding: str = "",
        results: Results | None = None,
        names: Iterable[str] = (),
        quantities: Iterable[str] = (),
    ) -> ExhibitData:
        """Put together what is behind something that shows these experiments of these results."""
        csv = numbers.to_csv(index=False, float_format="%.7g", lineterminator="\n")
        names = list(names)
        if results is None or not names:
            return cls(csv, finding, tuple(quantities))
        experiments = {name: results.of(name)[0].config.to_dict() for name in names}
        for config in experiments.values():
            config.pop("seed")
        frame = results.frame[results.frame.experiment.isin(names)]
        return cls(
            csv,
            finding,
            tuple(quantities),
            experiments,
            tuple(int(seed) for seed in frame.seed.unique()),
            int(frame.cached.sum()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it, experiments as pairs: notebooks sort the names of a dict."""
        return {**asdict(self), "experiments": list(self.experiments.items())}
