"""Whatever stops a run, and whatever happens to a file: no damaged file is ever read as good."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from kmnist_mlp import MLP, Config, run
from kmnist_mlp.experiments import ResultCache
from kmnist_mlp.support.console import tell
from kmnist_mlp.support.files import load_arrays, save_arrays, whole_file

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
CONFIG = Config(layer_specs=(36, 4, 10), learning_rate=0.01, batch_size=32, epochs=2)
OLD, NEW = MLP((5, 4, 3), seed=1), MLP((5, 4, 3), seed=2)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("results_folder"),
]


def same(one, other):
    """Whether two networks are the same to the last bit."""
    return repr(one) == repr(other) and np.array_equal(one.parameters, other.parameters)


# ---- kill -9 ---------------------------------------------------------


def is_killed(call, name, after=0):
    """Return whether a fork is killed at a call of ``os.name``, after that many."""
    calls, original = iter(range(10**9)), getattr(os, name)

    def function(*arguments):
        if next(calls) == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    child = os.fork()
    if child == 0:
        setattr(os, name, function)
        try:
            call()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@needs_fork
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_kill_while_a_file_is_written_leaves_the_old_one(tmp_path, name):
    """The new one is written, but not on the disk, or not renamed."""
    path = OLD.save(tmp_path / "model.npz")
    assert is_killed(lambda: NEW.save(path), name)
    assert same(MLP.load(path), OLD)
    assert same(MLP.load(NEW.save(path)), NEW)


@needs_fork
def test_a_killed_sweep_is_continued_where_it_was(tiny10):
    def sweep():
        return run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10)

    assert is_killed(sweep, "replace", after=2)  # before the third result has its name
    again = sweep()
    assert again.frame.cached.tolist() == [True, True, False, False]
    fresh = run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10, cache=False)
    assert all(same(again.runs[key].model, fresh.runs[key].model) for key in fresh.runs)


SWEEP = """
import numpy as np
from kmnist_mlp import Config, Dataset, run

images = np.random.default_rng(0).integers(0, 256, (200, 6, 6)).astype(np.uint8)
labels = np.arange(200) % 10
data = Dataset(images, labels, images[:50], labels[:50], "noise", range(10))
config = Config((36, 16, 10), epochs=150, batch_size=8, early_stop=False)
run({"a": config}, range(500), n_jobs=2, data=data)  # more than are trained before it is killed
"""


@needs_fork
def test_workers_end_when_the_sweep_alone_is_killed(results_folder):
    """As a notebook's kernel is when it is restarted: its workers would train on."""
    sweep = subprocess.Popen([sys.executable, "-c", SWEEP], stderr=subprocess.DEVNULL)
    while sweep.poll() is None and len(list(results_folder.glob("[!.]*.npz"))) < 2:
        time.sleep(0.01)
    children = psutil.Process(sweep.pid).children(recursive=True)
    started = [each for each in children if "popen_loky_posix" in " ".join(each.cmdline())]
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


# ---- a full disk, and two processes in one folder --------------------


def test_a_write_that_fails_leaves_the_old_file_or_none(tmp_path, monkeypatch):
    def fill_the_disk(file, **arrays):
        file.write(b"PK half of a file")
        raise OSError(28, "No space left on device")

    old = OLD.save(tmp_path / "old.npz")
    content = old.read_bytes()
    monkeypatch.setattr(np, "savez", fill_the_disk)
    for name in ("old.npz", "new.npz"):
        with pytest.raises(OSError, match="No space left"):
            NEW.save(tmp_path / name)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == {old: content}


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "shared"
    with whole_file(path) as one, whole_file(path) as two:
        one.write(b"one")
        two.write(b"two")
    assert path.read_bytes() == b"one"  # renamed last
    assert list(tmp_path.iterdir()) == [path]


# ---- foreign files ---------------------------------------------------


def rewritten(path, header, **arrays):
    """Write an entry with some changes again, with a right checksum."""
    own_header, own_arrays = load_arrays(path)
    save_arrays(path, own_header | header, own_arrays | arrays)


# Damage of single bytes is tested with models, which are kept in the same kind of file.
FOREIGN = {
    "another key": lambda path: rewritten(path, {"key": "another"}),
    "no numbers": lambda path: rewritten(path, {}, biases_0=np.full(4, np.nan)),
    "a model": lambda path: NEW.save(path),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_entry_that_is_not_the_result_is_refused_and_computed_again(tiny10, damage):
    (result,) = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).of("a")
    path = ResultCache(tiny10).path(result.config)
    damage(path)
    with pytest.warns(UserWarning, match=path.stem):
        assert ResultCache(tiny10).get(result.config) is None
    (again,) = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).of("a")
    assert same(again.model, result.model)
