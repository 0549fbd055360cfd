"""The errors of trained networks on the test images: confusion matrices, most confident errors."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from options import ALL_CHANGED
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from kmnist_mlp import Config, run
from kmnist_mlp.experiments import analyse_errors
from kmnist_mlp.experiments.error_analysis import (
    ErrorAnalysis,
    confusion_matrix,
    most_confident_errors,
)

CONFIG = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)


@pytest.fixture(scope="module")
def runs(tiny10):
    return run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10, cache=False).of("a")


def test_the_confusion_matrix_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 10, (2, 200)).astype(np.uint8)
    expected = sklearn_confusion_matrix(labels, predictions, labels=range(10))
    assert np.array_equal(confusion_matrix(labels, predictions, 10), expected)


def test_the_confusion_matrices_hold_every_test_image_and_the_measured_accuracy(runs, tiny10):
    matrices = analyse_errors(runs, tiny10).matrices
    for matrix, result in zip(matrices, runs, strict=True):
        assert matrix.sum(axis=1).tolist() == np.bincount(tiny10.test_labels).tolist()
        assert np.trace(matrix) / matrix.sum() == pytest.approx(result.test_accuracy)
    assert not np.array_equal(*matrices)


def test_no_option_of_a_configuration_is_ignored(tiny):
    result = run(ALL_CHANGED, 7, n_jobs=1, data=tiny, cache=False).of("run 1")
    (matrix,) = analyse_errors(result, tiny).matrices
    assert matrix.shape == (3, 3) and matrix.sum() == len(tiny.test_labels)
    assert np.trace(matrix) / matrix.sum() == pytest.approx(result[0].test_accuracy)


def test_recall_is_the_mean_over_seeds_of_each_class():
    matrices = [np.array([[8, 2], [1, 3]]), np.array([[20, 0], [1, 1]])]
    recall = ErrorAnalysis(matrices, None, 0.0).recall
    assert recall.tolist() == pytest.approx([90.0, 62.5])


def test_the_most_confident_errors_of_the_first_seed_come_first(runs, tiny10):
    found = analyse_errors(runs, tiny10, count=12)
    probabilities = runs[0].model.predict_proba(tiny10.test_images)
    wrong = probabilities.argmax(axis=1) != tiny10.test_labels
    images, labels, predictions, confidences = found.most_confident
    assert len(images) == len(labels) == len(predictions) == len(confidences) == 12 < wrong.sum()
    assert confidences.tolist() == sorted(probabilities[wrong].max(axis=1))[:-13:-1]
    for image, label, prediction in zip(images, labels, predictions, strict=True):
        (source,) = np.flatnonzero((tiny10.test_images == image).all(axis=(1, 2)))
        assert tiny10.test_labels[source] == label != prediction
        assert probabilities[source].argmax() == prediction


def test_the_share_of_confident_errors_is_one_of_the_errors_alone(tiny10):
    data = replace(tiny10, test_images=tiny10.test_images[:5], test_labels=np.arange(5))
    probabilities = np.full((5, 10), 0.01)
    probabilities[np.arange(5), [0, 1, 3, 4, 5]] = [0.95, 0.96, 0.901, 0.899, 0.7]

    right = probabilities.copy()
    right[np.arange(5), np.arange(5)] = 0.99
    first, second = (
        SimpleNamespace(model=SimpleNamespace(predict_proba=lambda images, p=p: p[: len(images)]))
        for p in (probabilities, right)
    )
    found = analyse_errors([first, second], data)  # the first seed's
    assert found.confident_share == pytest.approx(100 / 3)
    assert found.most_confident.confidences.tolist() == [0.901, 0.899, 0.7]
    all_wrong = replace(tiny10, test_labels=np.full(100, 9))
    never_9 = SimpleNamespace(predict_proba=lambda images: np.eye(10)[np.zeros(100, int)])
    most = analyse_errors([SimpleNamespace(model=never_9)], all_wrong).most_confident
    assert len(most.images) == 24
    perfect = analyse_errors([second, first], data)
    assert perfect.confident_share == 0 and len(perfect.most_confident.images) == 0


def test_fewer_errors_than_asked_for_are_all_of_them(tiny10):
    data = replace(tiny10, test_images=tiny10.test_images[:3], test_labels=np.array([0, 1, 2]))
    probabilities = np.eye(10)[[0, 2, 1]] * [[0.9], [0.6], [0.8]]
    errors = most_confident_errors(probabilities, data)
    assert errors.labels.tolist() == [2, 1] and errors.predictions.tolist() == [1, 2]
    assert errors.confidences.tolist() == [0.8, 0.6]
    assert len(most_confident_errors(np.eye(10)[-np.ones(100, int)], tiny10).images) == 24
