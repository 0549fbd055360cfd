"""The check at the door of everything here that looks into a trained network."""

from __future__ import annotations

from typing import Any

from kmnist_mlp.data import Dataset
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import instance


def trained_on(run: Any, data: Any) -> MLP:
    """Return the network of a run, if it takes the images of ``data`` and knows its classes.

    Raises
    ------
    ValueError
        If ``run`` is no result of training, or as :func:`for_data`.
    """
    return for_data(instance("run", run, TrainingResult).model, data)


def for_data(model: MLP, data: Any) -> MLP:
    """Return a network, if it takes the images of ``data`` and knows its classes.

    Raises
    ------
    ValueError
        If ``data`` is no data set, the network has another number of inputs or outputs, or it does
        not carry its standardisation.
    """
    pixels = instance("data", data, Dataset).train_images[0].size
    needed = (pixels, len(data.class_names))
    if (model.layer_specs[0], model.layer_specs[-1]) != needed:
        raise ValueError(
            f"run must be of a network with {needed[0]} inputs and {needed[1]} outputs, the pixels "
            f"and classes of {data.name}; got {model!r}"
        )
    if model.standardisation is None:
        raise ValueError(f"run must be a result of train(), with a standardisation; got {model!r}")
    return model
