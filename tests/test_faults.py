"""Whatever stops a run, and whatever happens to a file: no damaged file is ever read as good."""

import io
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest
from kills import die, is_killed, needs_fork

from kmnist_mlp import MLP, Config, run
from kmnist_mlp.experiments import ResultCache, runs
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import load_arrays, save_arrays, whole_file

CONFIG = Config(layer_specs=(36, 4, 10), learning_rate=0.01, batch_size=32, epochs=2)
OLD, NEW = MLP((5, 4, 3), seed=1), MLP((5, 4, 3), seed=2)

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch):
    """Give every test an empty cache of its own."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def same(one, other):
    """Whether two networks are the same to the last bit."""
    return repr(one) == repr(other) and np.array_equal(one.parameters, other.parameters)


# ---- kill -9 -------------------------------------------------------------------------------------


def half_a_file(file, **arrays):
    file.write(b"PK half of a file")
    file.flush()
    die()


@needs_fork
@pytest.mark.parametrize(
    ("owner", "name", "last_words", "expected"),
    [
        pytest.param(np, "savez", half_a_file, OLD, id="half-written"),
        pytest.param(os, "fsync", die, OLD, id="written-but-not-on-the-disk"),
        pytest.param(os, "replace", die, OLD, id="not-renamed"),
        pytest.param(Path, "unlink", die, NEW, id="renamed"),
    ],
)
def test_a_kill_while_a_file_is_written_leaves_the_old_one_or_the_new_one(
    tmp_path, owner, name, last_words, expected
):
    path = OLD.save(tmp_path / "model.npz")
    assert is_killed(lambda: NEW.save(path), owner, name, last_words=last_words)
    assert same(MLP.load(path), expected)
    assert same(MLP.load(NEW.save(path)), NEW)


@needs_fork
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(runs, "train", id="in-training"),
        pytest.param(np, "savez", id="in-writing-a-result"),
        pytest.param(os, "replace", id="before-a-result-has-its-name"),
    ],
)
def test_a_killed_sweep_is_continued_where_it_was(tiny10, results_folder, owner, name):
    def sweep():
        return run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10)

    assert is_killed(sweep, owner, name, after=2)
    again = sweep()
    assert again.frame.cached.tolist() == [True, True, False, False]
    fresh = run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10, cache=False)
    assert all(same(again.runs[key].model, fresh.runs[key].model) for key in fresh.runs)


NOISE = """
import numpy as np
from kmnist_mlp import Config, Dataset, run

images = np.random.default_rng(0).integers(0, 256, (200, 6, 6)).astype(np.uint8)
labels = np.arange(200) % 10
data = Dataset(images, labels, images[:50], labels[:50], "noise")
config = Config((36, 16, 10), epochs={}, batch_size=8, early_stop=False)
"""
SWEEP = NOISE.format(150) + 'run({"a": config}, range(8), n_jobs=2, data=data)'


@needs_fork
@pytest.mark.parametrize("when", ["they import", "they train"])
def test_workers_end_when_the_sweep_alone_is_killed(results_folder, when):
    """As a notebook's kernel is when it is restarted: its workers would train on."""
    sweep = subprocess.Popen([sys.executable, "-c", SWEEP], stderr=subprocess.DEVNULL)

    def workers():
        children = psutil.Process(sweep.pid).children(recursive=True)
        return [child for child in children if "popen_loky_posix" in " ".join(child.cmdline())]

    def ready():
        if when == "they train":
            return len(list(results_folder.glob("[!.]*.npz"))) >= 2
        # A worker that waits for its first run has used 0.2 seconds, one that has imported 0.6.
        return len(started) == 2 and all(child.cpu_times().user > 0.3 for child in started)

    started = workers()
    while sweep.poll() is None and not ready():
        time.sleep(0.01)
        started = workers()
    sweep.kill()
    sweep.wait()
    _, left = psutil.wait_procs(started, timeout=30)
    for worker in left:
        worker.kill()
    assert len(started) == 2 and left == []


def test_a_console_that_knows_fewer_characters_is_told_their_numbers():
    console = io.TextIOWrapper(io.BytesIO(), "ascii")
    tell("größe 日本", console)
    assert console.buffer.getvalue().split() == [rb"gr\xf6\xdfe", rb"\u65e5\u672c"]


# ---- two processes, one folder -------------------------------------------------------------------


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "shared"
    with whole_file(path) as one, whole_file(path) as two:
        one.write(b"one")
        two.write(b"two")
    assert path.read_bytes() == b"one"  # renamed last
    assert list(tmp_path.iterdir()) == [path]


# ---- foreign files -------------------------------------------------------------------------------


@pytest.fixture
def entry(tiny10):
    """Return the cache of a finished run, its result and its file."""
    store = ResultCache(tiny10)
    result = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).of("a")[0]
    return store, result, store.path(result.config)


def is_refused(store, config):
    """Whether the cache gives nothing, with a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = store.get(config)
    assert (found is None) == (len(caught) == 1)
    return found is None


def rewritten(path, header=None, **arrays):
    """Write an entry again, with a right checksum; an array that is None is left out."""
    own_header, own = load_arrays(path)
    own = {name: array for name, array in {**own, **arrays}.items() if array is not None}
    save_arrays(path, own_header | (header or {}), own)


# Damage of single bytes is tested with models, which are kept in the same kind of file.
FOREIGN = {
    "another kind of header": lambda path: save_arrays(path, [1, 2], load_arrays(path)[1]),
    "no key": lambda path: save_arrays(path, {"test_loss": 1.0}, load_arrays(path)[1]),
    "another key": lambda path: rewritten(path, header={"key": "another"}),
    "no curve": lambda path: rewritten(path, validation_loss=None),
    "no weights": lambda path: rewritten(path, weights_0=None, weights_1=None),
    "weights of another shape": lambda path: rewritten(path, weights_1=np.ones((9, 10))),
    "weights that are no numbers": lambda path: rewritten(path, weights_0=np.full((36, 4), np.nan)),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "a model": lambda path: NEW.save(path),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "pickled": lambda path: np.savez(path, header=np.array([{}], object)),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_entry_that_is_not_the_result_asked_for_is_refused_and_computed_again(
    entry, tiny10, kind
):
    store, result, path = entry
    FOREIGN[kind](path)
    assert is_refused(store, result.config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).of("a")[0]
    assert same(again.model, result.model)


def test_an_entry_of_another_configuration_seed_or_data_set_is_refused(entry, tiny10, make_dataset):
    store, result, path = entry
    other_data = make_dataset(classes=10, train=300, test=100, seed=1)
    for config, data in (
        (CONFIG.replace(learning_rate=0.02), tiny10),
        (CONFIG.replace(seed=1), tiny10),
        (CONFIG, other_data),
    ):
        run({"b": config}, data=data, seeds=config.seed, n_jobs=1)
        path.write_bytes(ResultCache(data).path(config).read_bytes())
        assert is_refused(store, result.config)
