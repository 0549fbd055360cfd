"""The model card that stands beside the final networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kmnist_mlp.beyond.measurements import ENSEMBLE, NETWORK, accuracies, load_timing, recorded
from kmnist_mlp.beyond.plan import FINAL
from kmnist_mlp.beyond.pretrained import load_ensemble
from kmnist_mlp.beyond.records import Records
from kmnist_mlp.data import Dataset
from kmnist_mlp.support.statistics import in_percent, interval, wilson_interval

TEMPLATE = Path(__file__).with_suffix(".md")


def model_card(folder: Path, ledger: pd.DataFrame, data: Dataset) -> str:
    """Return the model card as Markdown, with accuracies on the test images.

    Parameters
    ----------
    folder : Path
        With the networks, their records and the time of an epoch.
    ledger : DataFrame
    data : Dataset
    """
    models = load_ensemble(folder)
    spent = Records(folder).of(FINAL, "all").seconds / 60
    epoch = load_timing(folder).set_index("step").seconds_per_epoch[NETWORK]
    model, lines = models[0], recorded(models, ledger)
    right = model.predict(data.test_images) == data.test_labels
    low, high = wilson_interval(int(right.sum()), len(right))
    networks = accuracies(lines)
    _, seeds_low, seeds_high = interval(100 * networks)
    settings = [f"    {name}={_literal(value)}," for name, value in FINAL.to_dict().items()]
    classes = [
        f"| {label} | {in_percent(right[data.test_labels == c].mean(), 1)} |"
        for c, label in enumerate(data.class_labels)
    ]
    return TEMPLATE.read_text("utf-8").format(
        data=data.name,
        train_images=f"{len(data.train_images):,}",
        test_images=f"{len(data.test_images):,}",
        model=model,
        epochs=FINAL.epochs,
        minutes=round(FINAL.epochs * epoch / 60),
        least=round(spent.min()),
        most=round(spent.max()),
        config="\n".join(["Config(", *settings, ")"]),
        accuracy=in_percent(right.mean()),
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        count=len(networks),
        mean=in_percent(networks.mean()),
        seeds_low=f"{seeds_low:.2f}",
        seeds_high=f"{seeds_high:.2f}",
        ensemble=in_percent(accuracies(lines, ENSEMBLE).iloc[0]),
        classes="\n".join(classes),
    )


def _literal(value: Any) -> str:
    """Return a value as Python writes it, text in the double quotes of this project."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
