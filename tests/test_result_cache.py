"""A result is kept under a key of all that decides it, and of nothing else."""

import ast
import shutil
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import result_cache
from kmnist_mlp.experiments.result_cache import NUMERICAL_ROOMS, ResultCache

CONFIG = Config(layer_specs=(36, 8, 10))


@pytest.fixture
def key(tiny10, tmp_path, monkeypatch):
    """Return a function that gives the key of one run, computed by a copy of the sources."""
    here = Path(result_cache.__file__).parent
    for room in NUMERICAL_ROOMS:
        shutil.copy(here / f"{room}.py", tmp_path)
    monkeypatch.setattr(result_cache, "__file__", str(tmp_path / "result_cache.py"))

    def key():
        result_cache._environment.cache_clear()
        return ResultCache(tiny10).path(CONFIG).name

    yield key
    result_cache._environment.cache_clear()


@pytest.mark.parametrize("room", NUMERICAL_ROOMS)
def test_a_changed_numerical_source_gives_another_key(key, tmp_path, room):
    before, source = key(), (tmp_path / f"{room}.py").read_text("utf-8")
    (tmp_path / f"{room}.py").write_text(source + "\nCHANGED = 1\n", "utf-8")
    assert key() != before


@pytest.mark.parametrize("room", NUMERICAL_ROOMS)
def test_comments_docstrings_and_layout_leave_the_key_as_it_is(key, tmp_path, room):
    before, source = key(), (tmp_path / f"{room}.py").read_text("utf-8")
    commented = source.replace('."""', '. Indeed."""').replace('    """\n', 'Indeed.\n    """\n')
    commented = commented.replace("\n\n\n", "\n\n# why\n\n\n\n")
    assert commented.count("Indeed") >= 1 and commented.count("# why") >= 1
    (tmp_path / f"{room}.py").write_text(commented, "utf-8")
    assert key() == before


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


def test_every_room_that_training_imports_decides_the_key():
    here = Path(result_cache.__file__).parent
    # They move bytes or draw images, which shows in the data, whose fingerprint is a part; or they
    # show how a run goes.
    harmless = {"storage", "official_files", "stand_in", "live", "svg"}
    seen, ahead = set(), {"training"}
    while ahead:
        room = ahead.pop()
        seen.add(room)
        for node in ast.walk(ast.parse((here / f"{room}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("kmnist_mlp."):
                ahead.add(node.module.partition(".")[2])
        ahead -= seen
    assert seen - harmless == set(NUMERICAL_ROOMS)
