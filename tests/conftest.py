"""Fixtures for all tests: data sets small enough to learn in a moment, and a clean environment."""

import os
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings

# The package is imported in the fixtures: a mutation run breaks it on purpose, and pytest takes an
# error in this file for one of its command line.

# The same examples every time, on a fast machine as on a slow one, and nothing kept on disk.
settings.register_profile(
    "the same everywhere", derandomize=True, deadline=None, database=None, max_examples=100
)
settings.load_profile("the same everywhere")

USERS_CACHE = os.environ.get("KMNIST_MLP_CACHE", "")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory):
    """Keep the user's cache and settings out of the tests, and the tests out of the cache.

    KMNIST_MLP_DATA and KMNIST_MLP_DATASET stay: they say which data to test with.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KMNIST_MLP_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("KMNIST_MLP_RESULTS", "KMNIST_MLP_SEEDS", "KMNIST_MLP_URL"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture
def results_folder(tmp_path, monkeypatch):
    """Give a test an empty cache."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture(scope="session")
def kmnist(_clean_environment):
    """Whatever ``load_kmnist()`` gives this user: real data, or the stand-in without its warning.

    It looks into the user's own cache folder, so that no test session downloads the data again.
    """
    from kmnist_mlp.datasets.kmnist import StandInWarning, load_kmnist

    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings():
        environment.setenv("KMNIST_MLP_CACHE", USERS_CACHE)
        warnings.simplefilter("ignore", StandInWarning)
        return load_kmnist()


@pytest.fixture(scope="session")
def kana(tiny10):
    """Images of 6 x 6 pixels that carry the ten kana as their classes, under the name KMNIST."""
    from kmnist_mlp.data import CLASS_NAMES, ROMAJI

    return replace(tiny10, name="KMNIST", class_names=CLASS_NAMES, romaji=ROMAJI)


@pytest.fixture(scope="session")
def small_results(kana):
    """Two seeds of small runs under the names of the paper's experiments; one diverges."""
    from small_runs import SMALL_RUNS

    from kmnist_mlp import run

    return run(SMALL_RUNS, [0, 1], n_jobs=1, data=kana, cache=False)


@pytest.fixture(scope="session")
def make_dataset():
    """Return a function that makes a deterministic data set: one noisy pattern per class."""
    from kmnist_mlp import Dataset

    def make(classes=3, train=240, test=60, side=6, noise=60, seed=0):
        rng = np.random.default_rng(seed)
        patterns = rng.integers(60, 195, (classes, side, side))

        def draw(count):
            labels = rng.permutation(np.arange(count) % classes)
            images = patterns[labels] + rng.normal(0, noise, (count, side, side))
            images[:, 0, 0] = 7  # a pixel that never changes, like the corners of real images
            return np.clip(images, 0, 255).astype(np.uint8), labels.astype(np.uint8)

        names = tuple("abcdefghijklmnopqrstuvwxyz"[:classes])
        return Dataset(*draw(train), *draw(test), f"{classes} patterns", names, names)

    return make


@pytest.fixture(scope="session")
def tiny(make_dataset):
    """Images of 6 x 6 pixels in 3 classes: 240 for training, of which 192 are trained on."""
    return make_dataset()


@pytest.fixture(scope="session")
def tiny10(make_dataset):
    """Images of 6 x 6 pixels in 10 classes, as many as KMNIST has."""
    return make_dataset(classes=10, train=300, test=100)
