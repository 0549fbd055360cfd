"""Whatever stops a run, and whatever happens to a file: no damaged file is ever read as good.

A process that is killed is a fork of the test's own, which kills itself at a chosen moment: that
is as sudden as `kill -9` from outside, and happens at the same moment every time.
"""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from kmnist_mlp import MLP, Dataset
from kmnist_mlp.config import Config
from kmnist_mlp.datasets import official_files
from kmnist_mlp.experiments import parallel
from kmnist_mlp.experiments.result_cache import ResultCache
from kmnist_mlp.experiments.runs import run
from kmnist_mlp.report import build as report
from kmnist_mlp.report import execute
from kmnist_mlp.support import files as storage
from kmnist_mlp.support.files import load_arrays, save_arrays, whole_file

CONFIG = Config(layer_specs=(36, 4, 10), learning_rate=0.01, batch_size=32, epochs=2)
OLD, NEW = MLP((5, 4, 3), seed=1), MLP((5, 4, 3), seed=2)

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows has neither fork nor kill -9"
)
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch):
    """Give every test an empty cache of its own."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def in_a_fork(call):
    """Run a call in a fork; return its JSON outcome, or None if it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            warnings.simplefilter("ignore")
            outcome = call()
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(outcome).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        outcome = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (outcome == b"")
    return json.loads(outcome) if outcome else None


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def is_killed(call):
    """Return whether a call in a fork ends by a kill."""
    return in_a_fork(call) is None


def dying(owner, name, after=0):
    """Replace a function by one that works some times and then kills the process."""
    calls, original = iter(range(10**9)), getattr(owner, name)

    def function(*arguments, **options):
        if next(calls) >= after:
            die()
        return original(*arguments, **options)

    setattr(owner, name, function)


def same(one, other):
    """Whether two networks are the same to the last bit."""
    return repr(one) == repr(other) and np.array_equal(one.parameters, other.parameters)


# ---- kill -9 -------------------------------------------------------------------------------------


def half_written(file, **arrays):
    file.write(b"PK half of a file")
    file.flush()
    die()


@needs_fork
@pytest.mark.parametrize(
    ("owner", "name", "replacement", "expected"),
    [
        pytest.param(storage.np, "savez", half_written, OLD, id="half-written"),
        pytest.param(storage.os, "fsync", die, OLD, id="written-but-not-on-the-disk"),
        pytest.param(storage.os, "replace", die, OLD, id="not-renamed"),
        pytest.param(Path, "unlink", die, NEW, id="renamed"),
    ],
)
def test_a_kill_while_a_file_is_written_leaves_the_old_one_or_the_new_one(
    tmp_path, owner, name, replacement, expected
):
    path = OLD.save(tmp_path / "model.npz")

    def save():
        setattr(owner, name, replacement)
        NEW.save(path)

    assert is_killed(save)
    assert same(MLP.load(path), expected)
    assert same(MLP.load(NEW.save(path)), NEW)


@needs_fork
@pytest.mark.parametrize(
    ("owner", "name", "finished"),
    [
        pytest.param(parallel, "_train_one", 2, id="in-training"),
        pytest.param(storage.np, "savez", 2, id="in-writing-a-result"),
        pytest.param(storage.os, "replace", 2, id="before-a-result-has-its-name"),
    ],
)
def test_a_killed_sweep_is_continued_where_it_was(tiny10, results_folder, owner, name, finished):
    def sweep():
        dying(owner, name, after=finished)
        run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10)

    assert is_killed(sweep)
    again = run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10)
    assert again.frame.cached.tolist() == [True, True, False, False]
    fresh = run({"a": CONFIG}, range(4), n_jobs=1, data=tiny10, cache=False)
    assert all(same(again.runs[key].model, fresh.runs[key].model) for key in fresh.runs)


SWEEP = """
import numpy as np
from kmnist_mlp import Config, Dataset, run

images = np.random.default_rng(0).integers(0, 256, (200, 6, 6)).astype(np.uint8)
labels = np.arange(200) % 10
data = Dataset(images, labels, images[:50], labels[:50], "noise")
config = Config((36, 16, 10), epochs=150, batch_size=8, early_stop=False)
run({"a": config}, range(8), n_jobs=2, data=data)
"""


@needs_fork
def test_a_parallel_sweep_that_is_killed_from_outside_is_continued(results_folder):
    images = np.random.default_rng(0).integers(0, 256, (200, 6, 6)).astype(np.uint8)
    labels = np.arange(200) % 10
    data = Dataset(images, labels, images[:50], labels[:50], "noise")
    config = Config((36, 16, 10), epochs=150, batch_size=8, early_stop=False)
    sweep = subprocess.Popen(
        [sys.executable, "-c", SWEEP], start_new_session=True, stderr=subprocess.DEVNULL
    )
    while sweep.poll() is None and len(list(results_folder.glob("[!.]*.npz"))) < 2:
        time.sleep(0.01)
    os.killpg(sweep.pid, signal.SIGKILL)  # its workers, too
    assert sweep.wait() == -signal.SIGKILL
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no entry is damaged
        results = run({"a": config}, [0, 1, 2], n_jobs=1, data=data)
    assert results.frame.cached.sum() >= 1
    fresh = run({"a": config}, [0], n_jobs=1, data=data, cache=False)
    assert same(results.runs["a", 0].model, fresh.runs["a", 0].model)


@pytest.fixture
def small_report(tmp_path):
    """Return a function that exports a notebook which is another one each time."""
    path = tmp_path / "notebooks" / "01_one.ipynb"
    path.parent.mkdir()
    numbers = itertools.count()

    def make():
        text = f"# 1 One\n\nVersion {next(numbers)}"
        nbformat.write(new_notebook(cells=[new_markdown_cell(text)]), path)
        return report.export({path: execute.read(path)}, tmp_path / "build" / "report", False)

    return make


def pages(tmp_path):
    return sorted(path.name for path in (tmp_path / "build" / "report").iterdir())


@needs_fork
@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        pytest.param(Path, "write_text", 1, id="while-pages-are-written"),
        pytest.param(Path, "rename", 0, id="before-the-old-report-is-moved"),
        pytest.param(report.shutil, "rmtree", 0, id="before-the-old-report-is-removed"),
    ],
)
def test_a_killed_report_leaves_the_previous_one_or_is_whole_and_the_next_succeeds(
    small_report, tmp_path, owner, name, after
):
    small_report()

    def killed():
        dying(owner, name, after)
        small_report()

    assert is_killed(killed)
    assert pages(tmp_path) == ["01_one.html", "index.html"]
    small_report()
    assert pages(tmp_path) == ["01_one.html", "index.html"]


@needs_fork
def test_a_report_that_is_killed_between_two_renames_is_made_anew(small_report, tmp_path):
    small_report()

    def killed():
        dying(Path, "rename", after=1)
        small_report()

    assert is_killed(killed)
    small_report()
    assert pages(tmp_path) == ["01_one.html", "index.html"]


# ---- a full disk, a folder that cannot be written ------------------------------------------------


def on_a_full_disk(call, room_left=1000):
    """Run a call in a fork that can write no file longer than that."""
    import resource

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room_left, room_left))
        return call()

    return in_a_fork(limited)


@needs_fork
def test_a_full_disk_is_told_and_the_old_model_stays(tmp_path):
    path = OLD.save(tmp_path / "model.npz")
    assert "File too large" in on_a_full_disk(lambda: str(NEW.save(path)))
    assert same(MLP.load(path), OLD)
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


@needs_fork
def test_on_a_full_disk_results_are_given_but_not_kept(tiny10, results_folder):
    def sweep():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            results = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
        return [results.frame.test_loss[0], *(str(warning.message) for warning in caught)]

    loss, told = on_a_full_disk(sweep)
    assert "results are not kept" in told and str(results_folder) in told
    assert list(results_folder.iterdir()) == []
    assert loss == run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).frame.test_loss[0]


@needs_fork
def test_on_a_full_disk_the_command_says_why_there_is_no_report(
    small_report, tmp_path, monkeypatch, capfd
):
    index = small_report()
    before = index.read_bytes()
    new = new_notebook(cells=[new_markdown_cell("# 1 Another")])
    nbformat.write(new, tmp_path / "notebooks" / "01_one.ipynb")
    folders = "--notebooks", str(tmp_path / "notebooks"), "--output", str(index.parent)
    monkeypatch.setattr(sys, "argv", ["report", "--committed", *folders])
    assert on_a_full_disk(lambda: [report.main()]) == [1]
    told = "The report was not made. [Errno 27] File too large"
    assert told in capfd.readouterr().err
    assert index.read_bytes() == before
    assert pages(tmp_path) == ["01_one.html", "index.html"]


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), OSError(30, "read-only")])
def test_in_a_read_only_cache_folder_old_results_are_read_and_new_ones_given(
    tiny10, monkeypatch, error
):
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)

    def open_to_read(path, mode):
        if "r" not in mode:
            raise error
        return open(path, mode)

    monkeypatch.setattr(storage, "open", open_to_read, raising=False)
    with pytest.warns(UserWarning, match="results are not kept"):
        results = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert results.frame.cached.tolist() == [True, False]


def test_an_entry_that_may_not_be_read_is_computed_anew(tiny10, monkeypatch):
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)

    def closed(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(storage, "open", closed, raising=False)
    with pytest.warns(UserWarning, match="Permission denied"):
        assert run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).frame.cached.tolist() == [False]


# ---- two processes, one folder -------------------------------------------------------------------


SHARING = SWEEP.replace("epochs=150", "epochs=5").replace(
    'run({"a": config}, range(8), n_jobs=2, data=data)',
    'print(run({"a": config}, range(3), 1, data).frame.test_loss.tolist())',
)


def test_two_processes_share_a_cache_folder(results_folder):
    children = [
        subprocess.Popen([sys.executable, "-c", SHARING], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    one, two = (child.communicate()[0] for child in children)
    assert one == two and len(json.loads(one)) == 3
    assert len(list(results_folder.iterdir())) == 3, "no part of a file is left"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "shared"
    with whole_file(path) as one, whole_file(path) as two:
        one.write(b"one")
        two.write(b"two")
    assert path.read_bytes() == b"one"  # renamed last
    assert list(tmp_path.iterdir()) == [path]


# ---- damaged and foreign files -------------------------------------------------------------------


@pytest.fixture
def entry(tiny10):
    """Return the cache of a finished run, its result and its file."""
    store = ResultCache(tiny10)
    result = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).of("a")[0]
    return store, result, store.path(result.config)


def is_refused(store, config):
    """Whether the cache refuses an entry with a warning, and gives nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = store.get(config)
    told = [str(warning.message) for warning in caught]
    assert (found is None) == (len(told) == 1)
    assert all("damaged and is computed anew" in text for text in told)
    return found is None


def test_an_entry_cut_off_at_any_length_is_refused(entry):
    store, result, path = entry
    content = path.read_bytes()
    for length in range(len(content)):
        if length < 100 or length > len(content) - 100 or length % 7 == 0:
            path.write_bytes(content[:length])
            assert is_refused(store, result.config), length
    path.write_bytes(content)
    assert not is_refused(store, result.config)


def test_an_entry_with_a_flipped_bit_is_refused_or_gives_the_same_result(entry):
    """The one exception is a bit that says nothing of the content, such as a member's date."""
    store, result, path = entry
    content, rng = path.read_bytes(), np.random.default_rng(0)
    refused, tried = 0, 400
    for place, bit in zip(
        rng.integers(0, len(content), tried), rng.integers(0, 8, tried), strict=True
    ):
        changed = bytearray(content)
        changed[place] ^= 1 << int(bit)
        path.write_bytes(changed)
        if is_refused(store, result.config):
            refused += 1
        else:
            found = store.get(result.config)
            assert same(found.model, result.model) and found.test_loss == result.test_loss
            assert found.history.equals(result.history)
    assert refused > tried / 2


def test_an_entry_followed_by_other_bytes_or_after_them_gives_the_same_result_or_none(entry):
    store, result, path = entry
    content = path.read_bytes()
    for changed in (content + b"more", b"before" + content, content + content, content[::-1]):
        path.write_bytes(changed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = store.get(result.config)
        assert found is None or same(found.model, result.model)


def rewritten(path, header=None, **arrays):
    """Write an entry anew, with a right checksum; an array that is None is left out."""
    own_header, own = load_arrays(path)
    own = {name: array for name, array in {**own, **arrays}.items() if array is not None}
    save_arrays(path, own_header | (header or {}), own)


FOREIGN = {
    "another kind of header": lambda path: save_arrays(path, [1, 2], load_arrays(path)[1]),
    "no key": lambda path: save_arrays(path, {"test_loss": 1.0}, load_arrays(path)[1]),
    "another key": lambda path: rewritten(path, header={"key": "another"}),
    "no curve": lambda path: rewritten(path, validation_loss=None),
    "no biases": lambda path: rewritten(path, biases_0=None),
    "no weights": lambda path: rewritten(path, weights_0=None, weights_1=None),
    "weights of another shape": lambda path: rewritten(path, weights_1=np.ones((9, 10))),
    "weights that are no numbers": lambda path: rewritten(path, weights_0=np.full((36, 4), np.nan)),
    "whole numbers": lambda path: rewritten(path, weights_0=np.ones((36, 4), int)),
    "a model": lambda path: NEW.save(path),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "no rights": lambda path: path.write_bytes(b"\0" * 500),
    "pickled": lambda path: np.savez(path, header=np.array([{}], object)),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_entry_that_is_whole_but_not_the_result_asked_for_is_refused(entry, tiny10, kind):
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


def test_arrays_beyond_those_needed_and_in_fortran_order_change_nothing(entry):
    store, result, path = entry
    weights = load_arrays(path)[1]["weights_0"]
    rewritten(path, other=np.arange(3), weights_0=np.asfortranarray(weights))
    assert not is_refused(store, result.config)
    assert same(store.get(result.config).model, result.model)
    assert store.get(result.config).model.weights[0].flags.c_contiguous


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", weights_0=np.zeros(30_000_000, np.uint8))
    tracemalloc.start()
    with pytest.raises(ValueError, match="bomb.npz.*compressed"):
        MLP.load(tmp_path / "bomb.npz")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


# ---- downloads -----------------------------------------------------------------------------------


@needs_fork
def test_a_killed_download_leaves_no_file_under_a_final_name_and_the_next_succeeds(
    tmp_path, monkeypatch
):
    contents = {name: name.encode() * 5000 for name in official_files.SHA256}
    for name, content in contents.items():
        monkeypatch.setitem(official_files.SHA256, name, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(official_files, "_ask", lambda address: None)
    names = list(contents)

    def fetch(url, output, fetcher):
        name = url.rpartition("/")[2]
        with open(output, "wb") as file:
            if killed and name == names[1]:
                file.write(contents[name][:100])
                file.flush()
                die()
            file.write(contents[name])

    monkeypatch.setattr(official_files, "_download", fetch)
    killed = True
    assert is_killed(lambda: official_files.download(tmp_path))
    assert [name for name in names if (tmp_path / name).exists()] == names[:1]
    killed = False
    assert official_files.download(tmp_path) is None
    assert {name: (tmp_path / name).read_bytes() for name in names} == contents
