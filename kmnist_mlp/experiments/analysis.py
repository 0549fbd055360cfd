"""What networks and data show: errors, saturated units, a distribution shift.

**Distribution shift.** Validation accuracy is far above test
accuracy. The gap nearly closes when training and test images are
pooled and re-split at random; test images lie farther from the
training images than validation images do; and a network can tell
them apart. What the cause is, none of this shows. Probably the
test images come from other writers; the data set does not say (an
open question: https://github.com/rois-codh/kmnist/issues/17).
"""

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import Config, generator
from kmnist_mlp.data import Dataset, one_hot, split_rows
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.network import MLP, backpropagate, standardised
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.memory import Buffers
from kmnist_mlp.support.statistics import plus_minus
from kmnist_mlp.training import Training, train

CONFIDENT = 0.9  # above this probability, a prediction counts as confident
# a unit is saturated where its slope is below this fraction of the
# largest slope
SATURATED = 0.05
IMAGES = 2000  # of the training split, on which saturation is measured
POOLED = "pooled baseline"  # its name among the experiments
POOLING, DISTANCES, ORIGINS = 2, 7, 8  # random numbers that no Stream of a run uses
COMPARED = 1000  # images of each part whose distances are computed


# ---- errors ----------------------------------------------------------


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count images by true class (row) and predicted class (column).

    Parameters
    ----------
    labels, predictions : ndarray of int, shape (n,)
    classes : int

    Returns
    -------
    ndarray of int, shape (classes, classes)

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), classes=3)
    array([[1, 1, 0],
           [0, 1, 0],
           [1, 0, 0]])
    """
    pairs = labels.astype(np.int64) * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def recall(matrix: np.ndarray) -> np.ndarray:
    """Return the share of each class (row) that is recognised; NaN without images.

    Parameters
    ----------
    matrix : ndarray, shape (classes, classes)
        A confusion matrix. Of its transpose, this is the precision.

    Examples
    --------
    >>> recall(np.array([[3, 1], [0, 0]]))
    array([0.75,  nan])
    """
    with np.errstate(invalid="ignore"):
        return np.diag(matrix) / matrix.sum(axis=1)


def most_confident_errors(probabilities: np.ndarray, data: Dataset) -> pd.DataFrame:
    """Return the test images that a network classifies wrongly, the most confident first.

    Parameters
    ----------
    probabilities : ndarray, shape (test images, classes)
        Of all test images of ``data``, in their order.
    data : Dataset

    Returns
    -------
    DataFrame
        A row per error, the row of the image as index: label
        (true class), prediction, and confidence (probability of the
        predicted class).
    """
    table = pd.DataFrame({"label": data.test_labels})
    table["prediction"] = probabilities.argmax(axis=1)
    table["confidence"] = probabilities.max(axis=1)
    wrong = table[table.prediction != table.label]
    return wrong.sort_values("confidence", ascending=False, kind="stable")


def analyse_errors(runs: Iterable[TrainingResult], data: Dataset) -> SimpleNamespace:
    """Let the network of each run classify the test images, and analyse the errors.

    Parameters
    ----------
    runs : iterable of TrainingResult
        One per seed, at least one.
    data : Dataset

    Returns
    -------
    SimpleNamespace
        matrices : list of ndarray, shape (classes, classes)
            Confusion matrix of each seed.
        most_confident : DataFrame
            What :func:`most_confident_errors` gives, of the first seed.
        confident_share : float
            Share of the first seed's errors with a probability above
            0.9, in per cent.
    """
    probabilities = [run.model.predict_proba(data.test_images) for run in runs]
    labels, n = data.test_labels, len(data.class_names)
    matrices = [confusion_matrix(labels, p.argmax(axis=1), n) for p in probabilities]
    errors = most_confident_errors(probabilities[0], data)
    share = float(100 * (errors.confidence > CONFIDENT).sum() / max(len(errors), 1))
    return SimpleNamespace(matrices=matrices, most_confident=errors, confident_share=share)


# ---- saturation ------------------------------------------------------


def layer_table(model: MLP, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Return the share of saturated units and the size of the gradient, layer by layer.

    A unit is saturated for an image where f' is below 5 % of its
    largest value: tanh at ``|z| > 2.18``, sigmoid at ``|z| > 4.36``.
    ReLU is saturated where it is inactive (output 0).

    The gradient is that of the cross-entropy of one image. For a
    layer's weights it is the outer product of the layer's inputs a and
    its delta, so its norm is ``|a| |delta|``.

    Parameters
    ----------
    model : MLP
    x : ndarray, shape (batch, inputs)
        As for :meth:`kmnist_mlp.MLP.predict_proba`.
    y : ndarray of int, shape (batch,)

    Returns
    -------
    DataFrame
        A row per layer of weights, the first one first: layer
        (from 1); saturated_share, of all pairs of image and unit;
        gradient_norm, mean over images. The output layer has no share
        (NaN).

    Notes
    -----
    Source: Glorot and Bengio 2010,
    https://proceedings.mlr.press/v9/glorot10a.html, follow
    saturation and gradients layer by layer; the bound of 5 % is a
    choice of this project.

    Examples
    --------
    The slopes of tanh at 0, 1 and 3 are 1, 0.42 and 0.01; softmax and label
    differ by 1/2:

    >>> identity, zeros = np.eye(2), np.zeros(2)
    >>> model = MLP.from_parameters("tanh", [identity, 0 * identity], [zeros, zeros])
    >>> layer_table(model, np.array([[0.0, 3.0], [1.0, 3.0]]), np.array([0, 1])).round(2)
       layer  saturated_share  gradient_norm
    0      1              0.5           0.00
    1      2              NaN           0.79
    """
    x = standardised(model, model.checked_inputs(x))
    buffers = Buffers(model, len(x))
    # also leaves a and delta of each image in the buffers
    backpropagate(model, x, one_hot(y, model.layer_specs[-1]), buffers)
    f, z = ACTIVATIONS[model.activation], np.array([[0.0, 1.0]])
    limit = SATURATED * f.slope(f.value(z), z).max()
    deltas = [*buffers.deltas, buffers.outputs[-1]]
    rows = []
    for layer, (a, delta) in enumerate(zip(buffers.inputs, deltas, strict=True), start=1):
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(delta, axis=1)
        share = np.nan
        if layer < len(deltas):
            outputs, z = buffers.outputs[layer - 1], buffers.weighted_inputs[layer - 1]
            share = (f.slope(outputs, z) < limit).mean()
        rows.append((layer, share, norms.mean(dtype=float)))
    return pd.DataFrame(rows, columns=["layer", "saturated_share", "gradient_norm"])


def saturation_by_seed(results: Results, data: Dataset) -> pd.DataFrame:
    """Return :func:`layer_table` of each run's initial weights, and of those that it kept.

    Parameters
    ----------
    results : Results
    data : Dataset
        On which they were trained. Measured are the first 2,000 images
        of the training split.

    Returns
    -------
    DataFrame
        Columns experiment, seed, weights ("initial" or "kept"), epoch
        (of these weights) and those of :func:`layer_table`.

    Examples
    --------
    >>> from kmnist_mlp import Config, load_kmnist, run
    >>> data = load_kmnist()
    >>> config = Config(layer_specs=(784, 16, 10), learning_rate=0.5, epochs=1)
    >>> table = saturation_by_seed(run(config, [0], n_jobs=1, data=data, cache=False), data)
    >>> share = table.query("layer == 1").set_index("weights").saturated_share
    >>> bool(share["kept"] > 0.9 > 0.3 > share["initial"])  # the rate is far too large for tanh
    True
    """
    tables = {}
    for key, result in results.runs.items():
        start = Training(result.config, data, result.model.dtype)
        x, y = start.split.train[:IMAGES], start.split.train_labels[:IMAGES]
        tables[*key, "initial", 0] = layer_table(start.model, x, y)
        tables[*key, "kept", result.kept_epoch] = layer_table(result.model, x, y)
    names = ["experiment", "seed", "weights", "epoch"]
    return pd.concat(tables, names=names).reset_index(names).reset_index(drop=True)


# ---- distribution shift ----------------------------------------------


def pooled(data: Dataset) -> Dataset:
    """Pool training and test images, and re-split them at random in the same sizes.

    After that both parts come from one distribution: a difference
    between validation and test accuracy that is left is not due to a
    shift. The name is that of ``data``, with ", pooled".

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> data = load_kmnist()
    >>> mixed = pooled(data)
    >>> mixed.train_images.shape == data.train_images.shape, mixed.name.endswith(", pooled")
    (True, True)
    """
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    order = generator(0, POOLING).permutation(len(images))
    train_rows, test_rows = np.split(order, [len(data.train_images)])
    return replace(
        data, train_images=images[train_rows], train_labels=labels[train_rows],
        test_images=images[test_rows], test_labels=labels[test_rows], name=f"{data.name}, pooled",
    )  # fmt: skip


def pooled_runs(data: Dataset, results: Results) -> Results:
    """Train the baseline of ``results`` on :func:`pooled` data, with the same seeds."""
    runs = results.of("baseline")
    seeds = [run.config.seed for run in runs]
    found = run({POOLED: runs[0].config}, seeds, data=pooled(data))
    return replace(found, data_name=data.name)  # whose reference results are compared


def gap(results: Results, name: str = "baseline") -> pd.Series:
    """Return validation minus test accuracy in percentage points, by seed."""
    return results.values("validation_accuracy", name) - results.values("test_accuracy", name)


def pooled_comparison(published: Results, mixed: Results) -> pd.DataFrame:
    """Compare the baseline's accuracies on published and on pooled data.

    Parameters
    ----------
    published : Results
        With the experiment "baseline".
    mixed : Results
        What :func:`pooled_runs` returned.
    """
    rows = {}
    for label, results, name in (
        ("as published", published, "baseline"),
        ("pooled and re-split at random", mixed, POOLED),
    ):
        parts = (results.values(f"{part}_accuracy", name) for part in ("validation", "test"))
        rows[label] = [plus_minus(values, 2) for values in (*parts, gap(results, name))]
    columns = ["validation accuracy, %", "test accuracy, %", "gap, points"]
    return pd.DataFrame.from_dict(rows, "index", columns=columns).rename_axis(columns="data")


def nearest_distances(data: Dataset) -> dict[str, np.ndarray]:
    """Return the distances of validation and test images to the nearest training image.

    Euclidean distance of the pixels as fractions of full ink; the
    nearest image by ``|a - b|^2 = |a|^2 - 2 a.b + |b|^2``.

    Parameters
    ----------
    data : Dataset
        Split as for the baseline with seed 0.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        "validation" and "test": 1,000 images of each part, if there
        are as many.
    """
    rows, validation_rows = split_rows(len(data.train_images), Config())
    test_rows = generator(0, DISTANCES).permutation(len(data.test_images))[:COMPARED]
    train, test = (
        images.reshape(len(images), -1).astype(np.float32) / 255
        for images in (data.train_images, data.test_images)
    )
    chosen = {"validation": train[validation_rows[:COMPARED]], "test": test[test_rows]}
    train, distances = train[rows], {}
    squares = (train**2).sum(axis=1)
    for part, images in chosen.items():
        batches = np.array_split(images, 10)  # for the memory
        nearest = [(squares - 2 * batch @ train.T).argmin(axis=1) for batch in batches]
        distances[part] = np.linalg.norm(images - train[np.concatenate(nearest)], axis=1)
    return distances


def origin_auc(data: Dataset, seed: int = 0, control: bool = False) -> float:
    """Return how well a network tells test images from unseen training images.

    The baseline's network, with two classes, is trained to say of
    images whether they are training or test images, as many of each as
    there are test images, and is measured on a quarter of them.

    Parameters
    ----------
    data : Dataset
    seed : int
        Of the choice of images, and of the network.
    control : bool
        Take further training images in the place of the test images:
        nothing can be told.

    Returns
    -------
    float
        Area under the ROC curve: the probability that of one test and
        one training image, the test image has the higher output. 0.5
        is guessing, 1 a perfect distinction. Source: Hanley and
        McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    from scipy.stats import mannwhitneyu  # only here, as it loads slowly

    rng = generator(seed, ORIGINS)
    count = min(len(data.test_images), len(data.train_images) // 2)
    rows = rng.permutation(len(data.train_images))
    others = data.train_images[rows[count : 2 * count]] if control else data.test_images
    known, others = data.train_images[rows[:count]], others[rng.permutation(count)]
    images = np.concatenate([known, others])
    labels = np.repeat([0, 1], count)
    seen, unseen = np.split(rng.permutation(2 * count), [3 * count // 2])
    origins = Dataset(
        images[seen], labels[seen], images[unseen], labels[unseen],
        f"{data.name}, origins", ("training", "test"),
    )  # fmt: skip
    layers = (images[0].size, 128, 2)
    model = train(Config(layer_specs=layers, seed=seed), origins).model
    output = model.predict_proba(origins.test_images)[:, 1]
    is_test = origins.test_labels == 1
    statistic = mannwhitneyu(output[is_test], output[~is_test]).statistic
    return float(statistic / int(is_test.sum() * (~is_test).sum()))
