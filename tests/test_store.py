"""A result is kept under a key of all that decides it, its numbers in a row of a table."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from options import ALL_CHANGED

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import ResultCache, run, runs, store
from kmnist_mlp.experiments.store import PACKAGE, Table, quantities_of, source_hash
from kmnist_mlp.training import train

# The best epoch is none of the last: seeds 0 to 2 stop after epoch 8, seed 3 after epoch 5.
CONFIG = Config(
    layer_specs=(36, 8, 10), learning_rate=0.1, batch_size=32, epochs=8, early_stop_epoch=2
)


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch):
    """Give every test an empty cache."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


# ---- the key -------------------------------------------------------------------------------------


def test_the_hash_follows_numerical_code_and_what_it_imports_not_comments_or_layout(tmp_path):
    package = tmp_path / "kmnist_mlp"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("*.npz", "*.csv"))

    def with_changed(name, change):
        source = (package / name).read_text("utf-8")
        (package / name).write_text(change(source), "utf-8")
        found = source_hash(package)
        (package / name).write_text(source, "utf-8")
        return found

    def longer(source):
        return source + "\nCHANGED = 1\n"

    def comment(source):
        changed = source.replace('."""', '. Indeed."""').replace('    """\n', 'Indeed.\n    """\n')
        changed = changed.replace("\n\n\n", "\n\n# why\n\n\n\n")
        assert "Indeed" in changed and "# why" in changed
        return changed

    for name in ("network.py", "data.py", "extensions/augmentation.py", "callbacks/checkpoint.py"):
        assert with_changed(name, longer) != source_hash(), name
    for name in ("callbacks/live.py", "experiments/runs.py", "support/statistics.py"):
        assert with_changed(name, longer) == source_hash(), name
    assert with_changed("network.py", comment) == source_hash()
    with open(package / "network.py", "a", encoding="utf-8") as file:
        file.write("\nfrom kmnist_mlp.support import statistics\n")
    assert with_changed("support/statistics.py", longer) != source_hash(package)


def test_another_numpy_blas_or_numerical_code_gives_another_key(monkeypatch, tiny10):
    def key():
        store._environment.cache_clear()
        return ResultCache(tiny10).key(CONFIG)

    keys = [key()]
    monkeypatch.setattr(np, "__version__", "0.0.0")
    keys.append(key())
    monkeypatch.setattr(store, "source_hash", lambda: "other")
    keys.append(key())
    for library in ("/env/lib/numpy.libs/libopenblas64.so", "/conda/lib/libopenblas.so"):
        blas = {"user_api": "blas", "internal_api": "a", "num_threads": 1, "filepath": library}
        for kernel in (library, "SkylakeX" + library):
            pool = [{**blas, "architecture": kernel}]
            monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda pool=pool: pool)
            keys.append(key())
    monkeypatch.undo()
    assert key() == keys[0] and len({*keys}) == len(keys) == 7


def test_every_hyper_parameter_and_other_data_give_another_key(tiny10, make_dataset):
    cache, names = ResultCache(tiny10), [field.name for field in dataclasses.fields(Config)]
    for name in names:
        default = getattr(Config(), name)
        assert getattr(ALL_CHANGED, name) != default, name
        changed = dataclasses.replace(ALL_CHANGED, **{name: default})
        assert cache.path(changed) != cache.path(ALL_CHANGED), name
    assert cache.path(Config.from_dict(ALL_CHANGED.to_dict())) == cache.path(ALL_CHANGED)
    other = make_dataset(classes=10, train=300, test=100, seed=1)
    assert ResultCache(other).path(ALL_CHANGED) != cache.path(ALL_CHANGED)


# ---- what is kept --------------------------------------------------------------------------------


def test_a_second_call_takes_everything_from_the_cache_in_float32(tiny10, results_folder):
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False)
    assert not results_folder.exists()
    first = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    double = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, dtype=np.float64)
    assert double.of("a")[0].model.dtype == np.float64 and not double.frame.cached.any()
    second = run({"other name": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert not first.frame.cached.any() and second.frame.cached.all()
    for before, after in zip(first.of("a"), second.of("other name"), strict=True):
        assert before.model.parameters.dtype == after.model.parameters.dtype == np.float32
        assert np.array_equal(before.model.parameters, after.model.parameters)
        assert before.config == after.config
        pd.testing.assert_frame_equal(before.history, after.history, check_exact=True)
    measured = first.frame.columns.difference(["experiment", "cached"])
    pd.testing.assert_frame_equal(first.frame[measured], second.frame[measured], check_exact=True)
    more = run({"a": CONFIG}, [2, 0], n_jobs=1, data=tiny10)
    assert more.frame.cached.tolist() == [False, True]
    assert not run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False).frame.cached.any()


def test_a_kept_network_classifies_images_as_before_whatever_its_options(tiny):
    trained, kept = (run(ALL_CHANGED, 7, n_jobs=1, data=tiny) for _ in range(2))
    assert kept.frame.cached.all() and kept.of("run 1")[0].config == ALL_CHANGED
    before, after = (
        r.of("run 1")[0].model.predict_proba(tiny.test_images) for r in (trained, kept)
    )
    assert np.array_equal(before, after) and before.shape == (60, 3)


def test_a_cache_folder_that_cannot_be_written_is_told_and_the_results_are_given(
    tiny10, results_folder
):
    results_folder.write_text("in the way")
    with pytest.warns(UserWarning) as caught:
        results = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert len(results.frame) == 2
    assert all(str(results_folder) in str(warning.message) for warning in caught)
    assert results_folder.read_text() == "in the way"


def test_a_long_run_that_is_interrupted_or_not_kept_goes_on_from_its_checkpoint(
    tiny10, results_folder, monkeypatch
):
    def train_until(last):
        def watch(progress):
            return seen.append(progress.epoch) or progress.epoch == last

        monkeypatch.setattr(runs, "end_without_parent", watch)
        return runs.train_or_resume(None, CONFIG, tiny10)

    def refuse(*_):
        raise OSError(28, "No space left on device")

    def suffixes():
        return [path.suffix for path in results_folder.iterdir()]

    seen = []
    assert train_until(3).interrupted and seen == [1, 2, 3]
    assert ResultCache(tiny10).get(CONFIG) is None and suffixes() == [".checkpoint"]
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="No space left"):
        patch.setattr(store, "save_arrays", refuse)
        train_until(99)
    assert suffixes() == [".checkpoint"]
    whole = train(CONFIG, tiny10).model.parameters
    for _ in range(2):
        assert np.array_equal(train_until(99).model.parameters, whole)
        assert seen == [1, 2, 3, 4, 5, 6, 7, 8] and suffixes() == [".npz"]


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


def test_only_rows_that_a_table_lacks_are_trained_and_each_is_added_at_once(
    tmp_path, tiny10, monkeypatch
):
    def one_by_one(todo, data, n_jobs, job):
        for key, config in todo.items():
            if key in trained[2:]:
                raise KeyboardInterrupt
            trained.append(key)
            yield key, train(config, data)

    monkeypatch.setattr(runs, "train_all", one_by_one)
    table = Table(tmp_path / "kept.csv", ["rate", "seed"])
    table.path.write_text("rate,seed,test_loss,best_epoch\n")  # what it keeps of a run
    planned = {
        (rate, seed): CONFIG.replace(learning_rate=rate, seed=seed)
        for rate in (0.05, 1e-3)
        for seed in (1, 0)
    }
    trained = [None, None, (1e-3, 1)]  # the third one is interrupted
    with pytest.raises(KeyboardInterrupt):
        runs.train_missing(table.missing(planned), table.add, tiny10)
    assert table.load()[table.key].to_numpy().tolist() == [[0.05, 0], [0.05, 1]]
    trained = []
    runs.train_missing(table.missing(planned), table.add, tiny10)
    assert trained == [(1e-3, 1), (1e-3, 0)]
    rows = table.load()
    assert rows.rate.tolist() == [1e-3, 1e-3, 0.05, 0.05] and rows.seed.tolist() == [0, 1] * 2
    result = train(planned[0.05, 1], tiny10)
    assert rows.iloc[3].tolist() == pytest.approx([0.05, 1, result.test_loss, result.best_epoch])
    table.add((1e-3, 0), dataclasses.replace(result, test_loss=7.0))  # in place of the row
    assert table.load().test_loss.tolist() == [7.0, *rows.test_loss[1:]]
