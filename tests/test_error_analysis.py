"""The errors of trained networks on the test images: confusion matrices, most confident errors."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from options import ALL_CHANGED
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from kmnist_mlp import Config, run
from kmnist_mlp.experiments import analyse_errors
from kmnist_mlp.experiments.error_analysis import ErrorAnalysis, most_confident_errors

CONFIG = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=4)


def test_matrices_and_most_confident_errors_are_those_of_the_networks_predictions(tiny10):
    runs = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10, cache=False).of("a")
    found = analyse_errors(runs, tiny10, count=12)
    for matrix, result in zip(found.matrices, runs, strict=True):
        predictions = result.model.predict(tiny10.test_images)
        expected = sklearn_confusion_matrix(tiny10.test_labels, predictions, labels=range(10))
        assert np.array_equal(matrix, expected)
    probabilities = runs[0].model.predict_proba(tiny10.test_images)
    wrong = probabilities.argmax(axis=1) != tiny10.test_labels
    images, labels, predictions, confidences = found.most_confident
    assert len(images) == len(labels) == len(predictions) == len(confidences) == 12 < wrong.sum()
    assert confidences.tolist() == sorted(probabilities[wrong].max(axis=1))[:-13:-1]
    for image, label, prediction in zip(images, labels, predictions, strict=True):
        (source,) = np.flatnonzero((tiny10.test_images == image).all(axis=(1, 2)))
        assert tiny10.test_labels[source] == label != prediction
        assert probabilities[source].argmax() == prediction


def test_no_option_of_a_configuration_is_ignored(tiny):
    (result,) = run(ALL_CHANGED, 7, n_jobs=1, data=tiny, cache=False).of("run 1")
    (matrix,) = analyse_errors([result], tiny).matrices
    assert matrix.shape == (3, 3) and matrix.sum() == len(tiny.test_labels)
    assert np.trace(matrix) / matrix.sum() == pytest.approx(result.test_accuracy)


def test_recall_is_the_mean_over_seeds_of_each_class():
    matrices = [np.array([[8, 2], [1, 3]]), np.array([[20, 0], [1, 1]])]
    assert ErrorAnalysis(matrices, None, 0.0).recall.tolist() == pytest.approx([90.0, 62.5])


def test_the_share_of_confident_errors_is_one_of_the_first_seeds_errors_alone(tiny10):
    data = replace(tiny10, test_images=tiny10.test_images[:5], test_labels=np.arange(5))
    probabilities = np.full((5, 10), 0.01)
    probabilities[np.arange(5), [0, 1, 3, 4, 5]] = [0.95, 0.96, 0.901, 0.899, 0.7]
    right = probabilities.copy()
    right[np.arange(5), np.arange(5)] = 0.99
    first, second = (
        SimpleNamespace(model=SimpleNamespace(predict_proba=lambda images, p=p: p[: len(images)]))
        for p in (probabilities, right)
    )
    for count in (24, 1):
        found = analyse_errors([first, second], data, count)
        assert found.confident_share == pytest.approx(100 / 3)
        assert found.most_confident.confidences.tolist() == [0.901, 0.899, 0.7][:count]
    perfect = analyse_errors([second, first], data)
    assert perfect.confident_share == 0 and len(perfect.most_confident.images) == 0
    assert len(most_confident_errors(np.eye(10)[-np.ones(100, int)], tiny10).images) == 24
