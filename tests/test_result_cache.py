"""A result is kept under a key of all that decides it, and of nothing else."""

import json
import shutil

import numpy as np
import pytest
import threadpoolctl

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import result_cache
from kmnist_mlp.experiments.result_cache import PACKAGE, ResultCache, source_hash

CONFIG = Config(layer_specs=(36, 8, 10))
# One file of each kind: numerical code, and what makes nothing but data sets, pictures and pages.
NUMERICAL = (
    "network.py",
    "data.py",
    "extensions/augmentation.py",
    "callbacks/checkpoint.py",
)
OTHERS = (
    "callbacks/live.py",
    "datasets/stand_in.py",
    "experiments/runs.py",
    "support/statistics.py",
)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return a copy of the package."""
    folder = tmp_path_factory.mktemp("copy") / "kmnist_mlp"
    return shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("*.npz", "*.csv"))


@pytest.fixture
def altered(package):
    """Return a function that gives the hash of the copy in which one file is changed or new."""
    files = []

    def hash_with(name, change):
        path = package / name
        files.append((path, path.read_text("utf-8") if path.exists() else None))
        path.write_text(change(files[-1][1]), "utf-8")
        return source_hash(package)

    yield hash_with
    for path, source in reversed(files):
        path.unlink() if source is None else path.write_text(source, "utf-8")


def test_a_copy_of_the_sources_in_another_folder_has_the_same_hash(package):
    assert source_hash(package) == source_hash()


@pytest.mark.parametrize("name", NUMERICAL)
def test_changed_numerical_code_has_another_hash(altered, name):
    assert altered(name, lambda source: source + "\nCHANGED = 1\n") != source_hash()


def test_a_file_counts_as_soon_as_numerical_code_imports_it(altered):
    importing = altered(
        "network.py", lambda source: source + "\nfrom kmnist_mlp.support import statistics\n"
    )
    assert altered("support/statistics.py", lambda source: source + "\nNEW = 1\n") != importing


@pytest.mark.parametrize("name", OTHERS)
def test_code_that_decides_no_result_leaves_the_hash_as_it_is(altered, name):
    assert altered(name, lambda source: source + "\nCHANGED = 1\n") == source_hash()


@pytest.mark.parametrize("name", NUMERICAL)
def test_comments_docstrings_and_layout_leave_the_hash_as_it_is(altered, name):
    def comment(source):
        changed = source.replace('."""', '. Indeed."""').replace('    """\n', 'Indeed.\n    """\n')
        changed = changed.replace("\n\n\n", "\n\n# why\n\n\n\n")
        assert "Indeed" in changed and "# why" in changed
        return changed

    assert altered(name, comment) == source_hash()


# ---- the key -------------------------------------------------------------------------------------


@pytest.fixture
def key(tiny10):
    """Return a function that gives the key of one run, in the present environment."""

    def key():
        result_cache._environment_of.cache_clear()
        return ResultCache(tiny10).path(CONFIG).name

    yield key
    result_cache._environment_of.cache_clear()


def test_the_hash_of_the_numerical_code_is_part_of_the_key(tiny10):
    assert source_hash() in json.loads(ResultCache(tiny10).key(CONFIG))


def test_another_numpy_gives_another_key(key, monkeypatch):
    before = key()
    monkeypatch.setattr(np, "__version__", "0.0.0")
    assert key() != before


@pytest.mark.parametrize(
    "library", ["/env/lib/numpy.libs/libopenblas64.so", "/conda/envs/report/lib/libopenblas.so"]
)
def test_another_blas_gives_another_key_wherever_it_is_installed(key, monkeypatch, library):
    keys = set()
    for kernel in ("Haswell", "SkylakeX"):
        blas = {"user_api": "blas", "internal_api": "openblas", "version": "1", "filepath": library}
        pool = [{**blas, "architecture": kernel}]
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda pool=pool: pool)
        keys.add(key())
    assert len(keys) == 2
