"""The model card that stands beside the weights of the best network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset
from kmnist_mlp.network import MLP
from kmnist_mlp.support.statistics import in_percent, wilson_interval

TEMPLATE = Path(__file__).with_suffix(".md")


def model_card(model: MLP, config: Config, run: pd.Series, data: Dataset) -> str:
    """Return the model card as Markdown, with accuracies of ``model`` on the test images.

    Parameters
    ----------
    model : MLP
        As it is stored, in half precision.
    config : Config
        What it was trained with.
    run : Series
        Its row of the table of runs.
    data : Dataset
    """
    right = model.predict(data.test_images) == data.test_labels
    low, high = wilson_interval(int(right.sum()), len(right))
    settings = [f"    {name}={_literal(value)}," for name, value in config.to_dict().items()]
    classes = [
        f"| {label} | {in_percent(right[data.test_labels == c].mean(), 1)} |"
        for c, label in enumerate(data.class_labels)
    ]
    return TEMPLATE.read_text("utf-8").format(
        data=data.name,
        train_images=f"{len(data.train_images):,}",
        test_images=f"{len(data.test_images):,}",
        model=model,
        epochs=run.epochs,
        minutes=round(run.seconds / 60),
        seed=run.seed,
        config="\n".join(["Config(", *settings, ")"]),
        accuracy=in_percent(right.mean()),
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        classes="\n".join(classes),
    )


def _literal(value: Any) -> str:
    """Return a value as Python writes it, text in the double quotes of this project."""
    return f'"{value}"' if isinstance(value, str) else repr(value)
