"""The data of a figure or table: its numbers, its finding, and the runs that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import PAPER
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.support.files import csv_text


def title(name: str) -> str:
    """Return the title of an experiment in tables and figures; its name if it is not the paper's.

    Examples
    --------
    >>> title("l2_0.2"), title("run 1")
    ('L2 penalty 0.2', 'run 1')
    """
    return PAPER[name].title if name in PAPER else name


# Of the options whose names in figures and tables are not just those of Config
LABELS = {
    "layer_specs": "layers",
    "epochs": "epochs at most",
    "early_stop": "early stopping",
    "early_stop_epoch": "patience",
    "momentum_gamma": "momentum",
}


def label(option: str) -> str:
    """Return the name of an option of :class:`Config` in figures and tables."""
    return LABELS.get(option, option.replace("_", " "))


def shown(value: Any) -> str:
    """Return the value of an option in figures and tables: two that differ do not look alike.

    Examples
    --------
    >>> shown(1e-6), shown(1234567), shown(True), shown((784, 10))
    ('1e-06', '1234567', 'yes', '784-10')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def setting(config: Config) -> str:
    """Return in words what of a configuration, besides its seed, is not the default.

    Examples
    --------
    >>> setting(Config(layer_specs=(784, 64, 10), L2_penalty=0.1, early_stop=False))
    'layers 784-64-10, no early stopping, L2 penalty 0.1'
    >>> setting(Config(seed=3))
    'the default configuration'
    """
    words = []
    for f in fields(Config):
        value = getattr(config, f.name)
        if value == f.default or f.name == "seed":
            continue
        if isinstance(value, bool):
            words.append("no " * (not value) + label(f.name))
        else:
            words.append(f"{label(f.name)} {shown(value)}")
    return ", ".join(words) or "the default configuration"


@dataclass(frozen=True)
class ExhibitData:
    """Plain values only: notebooks keep them in their metadata, exported pages read them there.

    A figure has them as its attribute ``exhibit_data``, a table in ``attrs["exhibit_data"]``.

    Attributes
    ----------
    csv : str
        The numbers, unrounded, for download.
    finding : str
        What a figure shows, in words and numbers: its alternative text.
    quantities : tuple of str
        The quantities of a result that a figure shows; claims about them link to it.
    experiments : dict of str to dict
        Configuration of each experiment by its name, without the seed.
    seeds : tuple of int

    Examples
    --------
    >>> data = ExhibitData.of(pd.DataFrame({"epoch": [1], "loss": [0.5]}), "The loss is 0.5.")
    >>> print(data.csv + data.finding)
    epoch,loss
    1,0.5
    The loss is 0.5.
    """

    csv: str
    finding: str = ""
    quantities: tuple[str, ...] = ()
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        numbers: pd.DataFrame,
        finding: str = "",
        results: Results | None = None,
        names: Iterable[str] = (),
        quantities: Iterable[str] = (),
    ) -> ExhibitData:
        """Return the data of a figure or table that shows ``numbers``, without their index.

        Parameters
        ----------
        numbers : DataFrame
        finding : str
        results : Results
            What the numbers come from; only with them are experiments, seeds and cache known.
        names : iterable of str
            The experiments that are shown.
        quantities : iterable of str
        """
        names = list(names)
        if results is None or not names:
            return cls(csv_text(numbers), finding, tuple(quantities))
        experiments = {name: results.of(name)[0].config.to_dict() for name in names}
        for config in experiments.values():
            config.pop("seed")
        frame = results.frame[results.frame.experiment.isin(names)]
        return cls(
            csv_text(numbers),
            finding,
            tuple(quantities),
            experiments,
            tuple(int(seed) for seed in frame.seed.unique()),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; experiments as pairs, as notebooks sort keys of a dict."""
        return {**asdict(self), "experiments": list(self.experiments.items())}
