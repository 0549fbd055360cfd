"""Saturated hidden units and the gradient of each layer, with initial and with kept weights."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.data import Dataset, one_hot
from kmnist_mlp.experiments.runs import Results
from kmnist_mlp.network import MLP, backpropagate, standardised
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import class_indices
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.training import Training

SATURATED = 0.05  # a unit is saturated where its slope is below this fraction of the largest slope
IMAGES = 2000  # of the training split, on which a run is measured


def layer_table(model: MLP, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Return the share of saturated units and the size of the gradient, layer by layer.

    A unit is saturated for an image where f' is below 5 % of its largest value: tanh at
    ``|z| > 2.18``, sigmoid at ``|z| > 4.36``. ReLU is saturated where it is inactive (output 0).

    The gradient is that of the cross-entropy of one image. For a layer's weights it is the outer
    product of the layer's inputs a and its delta, so its norm is ``|a| |delta|``.

    Parameters
    ----------
    model : MLP
    x : ndarray, shape (batch, inputs)
        As for :meth:`kmnist_mlp.MLP.predict_proba`.
    y : ndarray of int, shape (batch,)

    Returns
    -------
    DataFrame
        A row per layer of weights, the first one first: layer (from 1); saturated_share, of all
        pairs of image and unit; always_saturated_share, of the units, those saturated for every
        image; gradient_norm, mean over images. The output layer has no shares (NaN).

    Raises
    ------
    ValueError
        If ``x`` or ``y`` does not fit the model.

    Notes
    -----
    Source: Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html, follow
    saturation and gradients layer by layer; the bound of 5 % is a choice of this project.

    Examples
    --------
    The slopes of tanh at 0, 1 and 3 are 1, 0.42 and 0.01; softmax and label differ by 1/2:

    >>> identity, zeros = np.eye(2), np.zeros(2)
    >>> model = MLP.from_parameters("tanh", [identity, 0 * identity], [zeros, zeros])
    >>> layer_table(model, np.array([[0.0, 3.0], [1.0, 3.0]]), np.array([0, 1])).round(2)
       layer  saturated_share  always_saturated_share  gradient_norm
    0      1              0.5                     0.5           0.00
    1      2              NaN                     NaN           0.79
    """
    x = standardised(model, model.checked_inputs(x))
    y = class_indices("y", y, model.layer_specs[-1], len(x))
    buffers = Buffers(model, len(x))
    t = one_hot(y, model.layer_specs[-1])
    backpropagate(model, x, t, buffers)  # also leaves a and delta of each image in the buffers
    value, derivative = ACTIVATIONS[model.activation]
    largest = derivative(value(np.array([0.0, 1.0]))).max()
    deltas = [*buffers.deltas, buffers.outputs[-1]]
    rows = []
    for layer, (a, delta) in enumerate(zip(buffers.inputs, deltas, strict=True), start=1):
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(delta, axis=1)
        shares = np.nan, np.nan
        if layer < len(deltas):
            saturated = derivative(buffers.outputs[layer - 1]) < SATURATED * largest
            shares = saturated.mean(), saturated.all(axis=0).mean()
        rows.append((layer, *shares, norms.mean(dtype=float)))
    columns = ["layer", "saturated_share", "always_saturated_share", "gradient_norm"]
    return pd.DataFrame(rows, columns=columns)


def saturation(result: TrainingResult, data: Dataset) -> pd.DataFrame:
    """Return :func:`layer_table` of a run's initial weights and of the weights that it kept.

    Parameters
    ----------
    result : TrainingResult
    data : Dataset
        On which it was trained. Measured are the first 2,000 images of the training split.

    Returns
    -------
    DataFrame
        Columns weights ("initial" or "kept"), epoch (of these weights) and those of
        :func:`layer_table`.

    Examples
    --------
    >>> from kmnist_mlp import Config, load_kmnist, train
    >>> data = load_kmnist()
    >>> result = train(Config(layer_specs=(784, 16, 10), learning_rate=0.5, epochs=1), data)
    >>> share = saturation(result, data).query("layer == 1").set_index("weights").saturated_share
    >>> bool(share["kept"] > 0.9 > 0.3 > share["initial"])  # the rate is far too large for tanh
    True
    """
    start = Training(result.config, data, result.model.dtype)
    x, y = start.split.train[:IMAGES], start.split.train_labels[:IMAGES]
    tables = {
        ("initial", 0): layer_table(start.model, x, y),
        ("kept", result.kept_epoch): layer_table(result.model, x, y),
    }
    return _together(tables, ["weights", "epoch"])


def saturation_by_seed(results: Results, names: str | Iterable[str], data: Dataset) -> pd.DataFrame:
    """Return :func:`saturation` of every run of some experiments, with experiment and seed."""
    tables = {
        (name, seed): saturation(result, data)
        for name in results.chosen(names)
        for (experiment, seed), result in results.runs.items()
        if experiment == name
    }
    return _together(tables, ["experiment", "seed"])


def _together(tables: dict, names: list[str]) -> pd.DataFrame:
    return pd.concat(tables, names=names).reset_index(names).reset_index(drop=True)
