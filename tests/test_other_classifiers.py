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


def test_the_quoted_accuracies_are_those_of_the_repository_of_the_data():
    quoted = other_classifiers.quoted()
    assert list(zip(quoted.test_accuracy_percent, quoted.old_version, strict=True)) == [
        (90.5, False), (92.10, False), (93.98, False), (92.82, True), (94.63, False),
        (97.82, True), (98.41, True), (98.83, True), (99.34, True),
    ]  # fmt: skip
    assert quoted.source.str.startswith("github.com/rois-codh/kmnist").all()


def test_our_nearest_neighbours_agree_with_the_published_accuracy():
    quoted = other_classifiers.quoted().set_index("model").test_accuracy_percent
    measured = other_classifiers.measured().set_index("model").test_accuracy_percent
    for model, accuracy in measured.items():
        assert accuracy == pytest.approx(quoted[model], abs=0.005)


@pytest.mark.filterwarnings("ignore:STAND-IN")
def test_nearest_neighbours_are_not_measured_on_the_stand_in(monkeypatch, capsys):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    assert other_classifiers.main() == 1
    assert "KMNIST" in capsys.readouterr().err
