"""A result is kept under a key of all that decides it, its numbers in a row of a table."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from options import ALL_CHANGED

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import ResultCache, run, store, train_cached
from kmnist_mlp.experiments.runs import train_missing
from kmnist_mlp.experiments.store import PACKAGE, Table, quantities_of, source_hash
from kmnist_mlp.training import train

# The best epoch is none of the last: seeds 0 to 2 stop after epoch 8, seed 3 after epoch 5.
CONFIG = Config(
    layer_specs=(36, 8, 10), learning_rate=0.1, batch_size=32, epochs=8, early_stop_epoch=2
)


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch):
    """Give every test an empty cache of its own."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def same_weights(one, other):
    a, b = one.model.parameters, other.model.parameters
    return a.dtype == b.dtype and np.array_equal(a, b)


# ---- the numerical sources -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return a copy of the package."""
    folder = tmp_path_factory.mktemp("copy") / "kmnist_mlp"
    return shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("*.npz", "*.csv"))


@pytest.fixture
def altered(package):
    """Return a function that gives the hash of the copy in which one file is changed."""
    sources = {}

    def hash_with(name, change):
        path = package / name
        sources.setdefault(path, path.read_text("utf-8"))
        path.write_text(change(path.read_text("utf-8")), "utf-8")
        return source_hash(package)

    yield hash_with
    for path, source in sources.items():
        path.write_text(source, "utf-8")


def one_more_line(source):
    return source + "\nCHANGED = 1\n"


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("network.py", True),
        ("data.py", True),
        ("extensions/augmentation.py", True),
        ("callbacks/checkpoint.py", True),
        ("callbacks/live.py", False),
        ("datasets/stand_in.py", False),
        ("experiments/runs.py", False),
        ("support/statistics.py", False),
    ],
)
def test_changed_code_has_another_hash_if_it_is_numerical(altered, name, counts):
    assert (altered(name, one_more_line) != source_hash()) == counts


def test_a_file_counts_as_soon_as_numerical_code_imports_it(altered):
    line = "\nfrom kmnist_mlp.support import statistics\n"
    importing = altered("network.py", lambda source: source + line)
    assert altered("support/statistics.py", one_more_line) != importing


def test_comments_docstrings_and_layout_leave_the_hash_as_it_is(altered):
    def comment(source):
        changed = source.replace('."""', '. Indeed."""').replace('    """\n', 'Indeed.\n    """\n')
        changed = changed.replace("\n\n\n", "\n\n# why\n\n\n\n")
        assert "Indeed" in changed and "# why" in changed
        return changed

    assert altered("network.py", comment) == source_hash()


# ---- the key -------------------------------------------------------------------------------------


@pytest.fixture
def key(tiny10):
    """Return a function that gives the key of one run, in the present environment."""

    def key():
        store._environment_of.cache_clear()
        return ResultCache(tiny10).key(CONFIG)

    yield key
    store._environment_of.cache_clear()


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [(np, "__version__", "0.0.0"), (store, "source_hash", lambda: "other")],
)
def test_another_numpy_or_another_numerical_code_gives_another_key(
    key, monkeypatch, owner, name, value
):
    before = key()
    monkeypatch.setattr(owner, name, value)
    assert key() != before


@pytest.mark.parametrize(
    "library", ["/env/lib/numpy.libs/libopenblas64.so", "/conda/envs/report/lib/libopenblas.so"]
)
def test_another_blas_gives_another_key_wherever_it_is_installed(key, monkeypatch, library):
    keys = set()
    for kernel in ("Haswell", "SkylakeX"):
        blas = {
            "user_api": "blas",
            "internal_api": "openblas",
            "num_threads": 1,
            "filepath": library,
        }
        pool = [{**blas, "architecture": kernel, "filepath": library}]
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda pool=pool: pool)
        keys.add(key())
    assert len(keys) == 2


def test_every_hyper_parameter_and_other_data_give_a_key_of_their_own(tiny10, make_dataset):
    cache, names = ResultCache(tiny10), [field.name for field in dataclasses.fields(Config)]
    base = ALL_CHANGED
    for name in names:
        default = getattr(Config(), name)
        assert getattr(base, name) != default, name
        changed = dataclasses.replace(base, **{name: default})
        assert cache.path(changed) != cache.path(base), name
    assert cache.path(Config.from_dict(base.to_dict())) == cache.path(base)
    other = make_dataset(classes=10, train=300, test=100, seed=1)
    assert ResultCache(other).path(base) != cache.path(base)


# ---- what is kept --------------------------------------------------------------------------------


def test_a_second_call_takes_everything_from_the_cache(tiny10):
    first = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    second = run({"other name": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert not first.frame.cached.any() and second.frame.cached.all()
    for before, after in zip(first.of("a"), second.of("other name"), strict=True):
        assert same_weights(before, after) and before.config == after.config
        pd.testing.assert_frame_equal(before.history, after.history, check_exact=True)
    measured = first.frame.columns.difference(["experiment", "cached"])
    pd.testing.assert_frame_equal(first.frame[measured], second.frame[measured], check_exact=True)
    more = run({"a": CONFIG}, [2, 0], n_jobs=1, data=tiny10)
    assert more.frame.cached.tolist() == [False, True]


def test_a_kept_network_classifies_images_as_before_whatever_its_options(tiny):
    trained, kept = (run(ALL_CHANGED, 7, n_jobs=1, data=tiny) for _ in range(2))
    assert kept.frame.cached.all() and kept.of("run 1")[0].config == ALL_CHANGED
    before, after = (
        r.of("run 1")[0].model.predict_proba(tiny.test_images) for r in (trained, kept)
    )
    assert np.array_equal(before, after) and before.shape == (60, 3)


def test_without_the_cache_nothing_is_read_or_written(tiny10, results_folder):
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False)
    assert not results_folder.exists()
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert not run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False).frame.cached.any()


def test_float64_is_trained_in_and_not_mixed_up_with_the_kept_results(tiny10):
    single = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    double = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, dtype=np.float64)
    assert double.of("a")[0].model.dtype == np.float64 and not double.frame.cached.any()
    again = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert again.frame.cached.all() and same_weights(again.of("a")[0], single.of("a")[0])


def test_a_cache_folder_that_cannot_be_written_is_told_and_the_results_are_given(
    tiny10, results_folder
):
    results_folder.write_text("in the way")
    with pytest.warns(UserWarning) as caught:
        results = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert len(results.frame) == 2
    assert all(str(results_folder) in str(warning.message) for warning in caught)
    assert results_folder.read_text() == "in the way"


# ---- one long run --------------------------------------------------------------------------------


def test_a_run_that_a_callback_interrupts_is_not_kept_and_goes_on_from_its_checkpoint(
    tiny10, results_folder
):
    whole = train(CONFIG, tiny10)
    cache, seen = ResultCache(tiny10), []
    watch = [lambda progress: seen.append(progress.epoch)]
    stopped = train_cached(CONFIG, tiny10, cache, [*watch, lambda progress: progress.epoch == 3])
    assert stopped.interrupted and seen == [1, 2, 3]
    assert cache.get(CONFIG) is None
    assert [path.suffix for path in results_folder.iterdir()] == [".checkpoint"]
    finished = train_cached(CONFIG, tiny10, cache, watch)
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8] and same_weights(finished, whole)
    assert [path.suffix for path in results_folder.iterdir()] == [".npz"]
    assert same_weights(train_cached(CONFIG, tiny10, cache, watch), whole) and len(seen) == 8


def test_a_result_that_cannot_be_kept_leaves_its_checkpoint(tiny10, results_folder, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    def fill_the_disk(progress):
        if progress.epoch == 8:
            monkeypatch.setattr(store, "save_arrays", refuse)

    with pytest.warns(UserWarning, match="No space left"):
        train_cached(CONFIG, tiny10, ResultCache(tiny10), [fill_the_disk])
    assert [path.suffix for path in results_folder.iterdir()] == [".checkpoint"]


# ---- numbers -------------------------------------------------------------------------------------


def test_a_loss_that_falls_smoothly_does_not_fluctuate_and_one_that_jumps_does(tiny10):
    result = train(CONFIG, tiny10)
    falling = np.linspace(1.0, 0.1, 30)
    jumping = falling + 0.05 * (-1.0) ** np.arange(30) * (np.arange(30) >= 20)  # the last ten
    earlier = falling + 0.05 * (-1.0) ** np.arange(30) * (np.arange(30) < 20)
    curves = (falling, earlier, jumping, 0 * falling)
    found = [
        quantities_of(dataclasses.replace(result, curves={"training_loss": curve}))
        for curve in curves
    ]
    off = jumping[20:] - np.polynomial.Polynomial.fit(range(10), jumping[20:], 1)(np.arange(10))
    expected = np.sqrt(np.mean(off**2)) / np.mean(jumping[20:])
    fluctuations = [quantities["late_fluctuation"] for quantities in found]
    assert fluctuations == pytest.approx([0, 0, expected, 0], abs=1e-12) and expected > 0.1


def test_the_share_of_small_weights_is_that_of_the_first_layer_within_a_thousandth_of_0(tiny10):
    result = train(CONFIG, tiny10)
    model = result.model.copy()
    model.weights[0][:, :] = 1
    model.weights[0][:4, 0] = [-0.00099, 0.00099, 0.00101, -0.00101]
    model.weights[1][...] = 0
    found = quantities_of(dataclasses.replace(result, model=model))
    assert found["small_weight_share"] == 2 / (36 * 8)


def test_only_rows_that_a_table_lacks_are_trained_and_each_is_added_at_once(tmp_path, tiny10):
    table, trained = Table(tmp_path / "kept.csv", ["rate", "seed"], ["test_loss", "best_epoch"]), []

    def job(key, config, data):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(key)
        return train(config, data)

    planned = {
        (rate, seed): CONFIG.replace(learning_rate=rate, seed=seed)
        for rate in (0.05, 1e-3)
        for seed in (1, 0)
    }
    with pytest.raises(KeyboardInterrupt):
        train_missing(planned, table, tiny10, n_jobs=1, job=job)
    left = planned.keys() - table.known()
    assert 1 <= len(left) <= 2
    assert train_missing(planned, table, tiny10, n_jobs=1) == len(left)
    rows = table.load()
    assert rows[["rate", "seed"]].to_numpy().tolist() == [
        [1e-3, 0],
        [1e-3, 1],
        [0.05, 0],
        [0.05, 1],
    ]
    result = train(planned[0.05, 1], tiny10)
    assert rows.iloc[3].tolist() == pytest.approx([0.05, 1, result.test_loss, result.best_epoch])
    before = table.path.read_bytes()
    assert train_missing(planned, table, tiny10, n_jobs=1, job=pytest.fail) == 0
    assert table.path.read_bytes() == before
    table.add((1e-3, 0), dataclasses.replace(result, test_loss=7.0))  # in place of the row
    assert table.load().test_loss.tolist() == [7.0, *rows.test_loss[1:]]


def test_a_table_with_other_columns_is_refused(tmp_path):
    table = Table(tmp_path / "kept.csv", ["seed"], ["test_loss"])
    pd.DataFrame({"seed": [0]}).to_csv(table.path, index=False)
    with pytest.raises(ValueError, match=r"kept.csv.*'test_loss'.*got \['seed'\]"):
        table.load()
