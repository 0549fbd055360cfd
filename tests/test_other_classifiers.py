"""Other classifiers: quoted with their footnotes, and nearest neighbours measured here."""

import numpy as np
import pytest

from kmnist_mlp.experiments import other_classifiers


def test_the_votes_of_the_nearest_images_decide(make_dataset):
    data = make_dataset(train=300, test=40, side=5, noise=100)  # so that k decides
    train = data.train_images.reshape(300, -1).astype(float)
    right = 0
    for image, label in zip(
        data.test_images.reshape(40, -1).astype(float), data.test_labels, strict=True
    ):
        distances = np.sqrt(((train - image) ** 2).sum(axis=1))
        nearest = np.argsort(distances)[:4]
        votes = np.bincount(data.train_labels[nearest], 1 / distances[nearest])
        right += votes.argmax() == label
    assert other_classifiers.nearest_neighbour_accuracy(data) == pytest.approx(right / 40)


def test_each_quoted_classifier_has_its_accuracy_its_version_of_the_data_and_its_source():
    home = "github.com/rois-codh/kmnist"
    expected = {
        "multilayer perceptron, 784-1024-512-256-10": (
            96.84,
            False,
            "github.com/Ying-Kai-Liao/kmnist-fc-classifier",
        ),
        "4 nearest neighbours": (92.10, False, home),
        "PCA and 4 nearest neighbours": (93.98, False, home),
        "SVM with RBF kernel, tuned": (92.82, True, home),
        "small convolutional network (Keras)": (94.63, False, home),
        "PreActResNet-18": (97.82, True, home),
        "PreActResNet-18, input mixup": (98.41, True, home),
        "PreActResNet-18, manifold mixup": (98.83, True, home),
        "ResNet-18 and VGG": (98.90, True, home),
        "shake-shake-26 2x96d, cutout 14": (99.34, True, home),
    }
    quoted = other_classifiers.quoted().set_index("model")
    assert {model: tuple(row) for model, row in quoted.iterrows()} == expected


def test_our_nearest_neighbours_agree_with_the_published_accuracy():
    quoted = other_classifiers.quoted().set_index("model").test_accuracy_percent
    measured = other_classifiers.measured().set_index("model").test_accuracy_percent
    for model, accuracy in measured.items():
        assert accuracy == pytest.approx(quoted[model], abs=0.005)
