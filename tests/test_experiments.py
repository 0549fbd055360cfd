"""Runs come as asked for; a result is kept under a key of all that decides it."""

import dataclasses
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from options import ALL_CHANGED

from kmnist_mlp import MLP
from kmnist_mlp.config import Config
from kmnist_mlp.experiments import ResultCache, Results, run, runs, store
from kmnist_mlp.experiments.reference import numbers_of
from kmnist_mlp.experiments.store import PACKAGE, Table, quantities_of, source_hash
from kmnist_mlp.results import Callback
from kmnist_mlp.training import train

# The best epoch is none of the last: seeds 0 to 2 stop after epoch 8, seed 3 after epoch 5.
CONFIG = Config((36, 8, 10), learning_rate=0.1, batch_size=32, epochs=8, early_stop_epoch=2)
WIDE = CONFIG.replace(layer_specs=(36, 12, 10))
WILD = CONFIG.replace(activation="ReLU", learning_rate=1e12, momentum=False, epochs=5)

pytestmark = pytest.mark.usefixtures("results_folder")


@pytest.fixture
def results(tiny10):
    """Two seeds of one configuration, and of a wider one."""
    return run({"b": CONFIG, "a": WIDE}, seeds=[3, 1], n_jobs=1, data=tiny10)


def test_each_run_has_a_row_of_what_it_gave_in_the_order_asked_for(results, tiny10):
    rows = list(results.frame[["experiment", "seed"]].itertuples(index=False, name=None))
    assert rows == list(results.runs) == [("b", 3), ("b", 1), ("a", 3), ("a", 1)]
    assert results.names == ["b", "a"] and results.data_name == tiny10.name
    for row, result in zip(results.frame.to_dict("records"), results.runs.values(), strict=True):
        config = {"b": CONFIG, "a": WIDE}[row["experiment"]]
        assert result.config == config.replace(seed=row["seed"])
        best = result.history.iloc[result.best_epoch - 1]
        for quantity in ("test_accuracy", "test_loss", "best_epoch", "stopped_epoch", "diverged"):
            assert row[quantity] == getattr(result, quantity)
        for quantity in ("training_loss", "validation_loss", "validation_accuracy"):
            assert row[quantity] == best[quantity]
        assert row["generalisation_gap"] == best.training_accuracy - best.validation_accuracy != 0
        assert 0 <= row["test_accuracy"] <= 1 and row["seconds"] > 0


def test_values_are_by_seed_with_accuracies_in_per_cent_and_their_gap_in_points(results):
    accuracy, of_a = results.values("test_accuracy", "a"), results.of("a")
    assert accuracy.to_dict() == {run.config.seed: run.test_accuracy * 100 for run in of_a}
    assert results.values("test_loss", "a").tolist() == [run.test_loss for run in of_a]
    quantities = "training_accuracy", "validation_accuracy", "generalisation_gap"
    training, validation, gap = (results.values(quantity, "a") for quantity in quantities)
    assert gap.tolist() == pytest.approx((training - validation).tolist())
    for ask in (results.of, lambda name: results.values("test_loss", name)):
        with pytest.raises(KeyError, match=r"'c'.*\['b', 'a'\]"):
            ask("c")
    kinds = results.frame.assign(kind=["x", "y", "x", "x"])
    of_x = Results.of_frame(kinds, "my data", kind="x")
    assert list(of_x.runs) == [("b", 3), ("a", 3), ("a", 1)] and "kind" not in of_x.frame
    assert of_x.values("test_loss", "a").equals(results.values("test_loss", "a"))
    assert of_x.data_name == "my data"


def test_a_run_can_be_added_under_a_name_of_its_configuration_and_taken_out(results, tiny10):
    ending = Callback()
    ending.batch = lambda epochs_done: True  # in its first epoch
    more = results.plus("c", train(CONFIG, tiny10, callbacks=[ending]))
    assert more.values("stopped_epoch", "c").tolist() == [0]
    assert more.values("late_fluctuation", "c").isna().all()
    left = more.without("b")
    assert left.names == ["a", "c"] and left.frame.experiment.tolist() == ["a", "a", "c"]
    first = results.of("b")[0]
    second = dataclasses.replace(first, config=CONFIG.replace(seed=2))
    assert results.plus("b", second).values("seconds", "b").index.tolist() == [3, 1, 2]
    other = dataclasses.replace(first, config=CONFIG.replace(seed=2, epochs=77))
    for added in (first, other):
        with pytest.raises(ValueError, match="'b'"):
            results.plus("b", added)


def test_results_have_the_hyper_parameters_that_differ_and_all_curves(results, tiny10):
    more = results.plus("c", train(CONFIG.replace(activation="ReLU", L1_penalty=1e-6), tiny10))
    differ = ["layer_specs", "activation", "L1_penalty"]
    assert list(more.frame)[2:6] == [*differ, "test_accuracy"] and "1e-06" in more._repr_html_()
    for row, run_ in zip(more.frame[differ].to_dict("records"), more.runs.values(), strict=True):
        assert row == {name: getattr(run_.config, name) for name in differ}
    for fewer in (results, more.without("c")):
        assert list(fewer.frame)[2:4] == ["layer_specs", "test_accuracy"]
    assert {*numbers_of(more.frame).index.unique("quantity")} <= {*quantities_of(run_)}
    table = more.curves.pivot(index=["experiment", "seed", "epoch"], columns="quantity")["value"]
    for key, run_ in more.runs.items():
        assert table.loc[key][list(run_.curves)].reset_index().equals(run_.history)
    assert Results.of_frame(more.frame).curves.empty


# ---- what is asked for -----------------------------------------------


def test_the_reports_seeds_are_five_or_as_many_as_the_variable_says(monkeypatch):
    assert runs.default_seeds() == [0, 1, 2, 3, 4]
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "7")
    assert runs.default_seeds() == [0, 1, 2, 3, 4, 5, 6]
    for text in ("0", "two", "1.5", "²"):
        monkeypatch.setenv("KMNIST_MLP_SEEDS", text)
        with pytest.raises(ValueError, match=f"KMNIST_MLP_SEEDS.*{text}"):
            runs.default_seeds()


def test_a_diverging_run_is_a_row_of_finite_numbers(tiny10, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    configs = {"wild": WILD, "wild to the end": WILD.replace(early_stop=False), "tame": CONFIG}
    results = run(configs, n_jobs=1, data=tiny10)
    assert results.frame.diverged.tolist() == [True] * 4 + [False] * 2
    assert results.values("late_fluctuation", "wild").tolist() == [1, 1]
    assert np.isfinite(results.frame.select_dtypes(["number", "bool"]).to_numpy(float)).all()
    again = run({"wild": WILD}, n_jobs=1, data=tiny10)
    assert again.frame.cached.all() and again.frame.diverged.all()


# ---- the key ---------------------------------------------------------


def test_the_hash_follows_numerical_code_and_what_it_imports_not_comments_or_layout(tmp_path):
    package = tmp_path / "kmnist_mlp"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("*.npz", "*.csv"))

    def with_changed(name, change):
        source = (package / name).read_text("utf-8")
        (package / name).write_text(change(source), "utf-8")
        found = source_hash(package)
        (package / name).write_text(source, "utf-8")
        return found

    def comment(source):
        changed = source.replace('."""', '. Indeed."""').replace('    """\n', 'Indeed.\n    """\n')
        changed = changed.replace("\n\n\n", "\n\n# why\n\n\n\n")
        assert "Indeed" in changed and "# why" in changed
        return changed

    def disturbed(source):
        patch.undo()
        raise SystemError("AST constructor recursion depth mismatch")  # by another thread

    longer = "{}\nCHANGED = 1\n".format
    for name in ("network.py", "data.py", "extensions/augmentation.py", "callbacks/checkpoint.py"):
        assert with_changed(name, longer) != source_hash(), name
    for name in ("callbacks/live.py", "experiments/runs.py", "support/statistics.py"):
        assert with_changed(name, longer) == source_hash(), name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ast.parse", disturbed)
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
    blas = {"user_api": "blas", "internal_api": "openblas", "num_threads": 1}
    for kernel in ("Haswell", "SkylakeX"):
        pools = [blas | {"architecture": kernel}]
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda pools=pools: pools)
        keys.append(key())
    monkeypatch.undo()
    assert key() == keys[0] and len({*keys}) == len(keys) == 5


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


# ---- what is kept ----------------------------------------------------


def test_a_second_call_takes_everything_from_the_cache_in_float32(tiny10, results_folder):
    configs = {"a": CONFIG, "b": ALL_CHANGED.replace(layer_specs=(36, 12, 9, 10))}
    run(configs, [0], n_jobs=1, data=tiny10, cache=False)
    assert not results_folder.exists()
    first = run(configs, [0, 1], n_jobs=1, data=tiny10)
    double = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, dtype=np.float64)
    assert double.of("a")[0].model.dtype == np.float64 and not double.frame.cached.any()
    second = run([*configs.values()], [0, 1], n_jobs=1, data=tiny10)  # under other names
    assert not first.frame.cached.any() and second.frame.cached.all()
    for pair in zip(first.runs.values(), second.runs.values(), strict=True):
        before, after = (result.model.predict_proba(tiny10.test_images) for result in pair)
        assert before.dtype == after.dtype == np.float32 and np.array_equal(before, after)
        assert pair[0].config == pair[1].config
        pd.testing.assert_frame_equal(*(result.history for result in pair), check_exact=True)
    measured = first.frame.columns.difference(["experiment", "cached"])
    pd.testing.assert_frame_equal(first.frame[measured], second.frame[measured], check_exact=True)
    assert not run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False).frame.cached.any()


LIES = [
    ("test_accuracy", 7.0, "x", [0.5]), ("test_loss", np.nan, -3), ("seconds", -5.0),
    ("stopped_epoch", 5), ("kept_epoch", 99, -4), ("best_epoch", -1, 50),
    ("returned", {}, [1]), ("training_accuracy", 7.0), ("validation_loss", np.nan),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lie"), [(name, lie) for name, *lies in LIES for lie in lies])
def test_what_no_run_gives_is_not_believed(tiny10, name, lie):
    right = run(CONFIG, [0], n_jobs=1, data=tiny10).of("run 1")[0]
    changed = {name: lie}
    if name in right.curves:
        changed = {"curves": right.curves | {name: np.full(right.stopped_epoch, lie)}}
    other = run(WIDE, [0], n_jobs=1, data=tiny10).of("run 1")[0].model
    plain = MLP.from_parameters(CONFIG.activation, right.model.weights, right.model.biases)
    cache = ResultCache(tiny10)
    for wrong in (changed, {"model": other}, {"model": plain}):
        cache.put(dataclasses.replace(right, **wrong))
        with pytest.warns(UserWarning, match="repeated"):
            assert cache.get(right.config) is None


def test_what_a_callback_altered_or_other_code_trained_is_not_kept(tiny10, monkeypatch):
    half = Callback()
    half.mini_batch = lambda x, t: np.multiply(t, 0.5, out=t)
    assert not ResultCache(tiny10).put(train(CONFIG, tiny10, callbacks=[half]))
    ours = iter([("mine",), ("other",)])
    with monkeypatch.context() as patched, joblib.parallel_config("sequential"):
        patched.setattr(runs, "environment", lambda: next(ours))
        with pytest.warns(UserWarning, match=r"'other'.*'mine'"):
            found = run(CONFIG, [0], data=tiny10)
    assert len(found.frame) == 1
    assert not run(CONFIG, [0], n_jobs=1, data=tiny10).frame.cached.any()


def test_without_a_folder_to_write_in_results_are_given_with_a_warning(tiny10, results_folder):
    results_folder.write_text("in the way")
    with pytest.warns(UserWarning) as caught:
        results = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert len(results.frame) == 2
    assert all(str(results_folder) in str(warning.message) for warning in caught)
    assert results_folder.read_text() == "in the way"


def test_an_interrupted_run_goes_on_from_its_checkpoint(tiny10, results_folder, monkeypatch):
    """So does one whose result could not be kept."""

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


# ---- numbers ---------------------------------------------------------


def test_fluctuation_is_of_the_last_ten_epochs_and_small_weights_of_the_first_layer(tiny10):
    result = train(CONFIG, tiny10)
    falling = np.linspace(1.0, 0.1, 30)
    jumping = falling + 0.05 * (-1.0) ** np.arange(30) * (np.arange(30) >= 20)  # the last ten
    earlier = falling + 0.05 * (-1.0) ** np.arange(30) * (np.arange(30) < 20)
    found = []
    for curve in (falling, earlier, jumping, 0 * falling):
        changed = dataclasses.replace(result, curves={"training_loss": curve})
        found.append(quantities_of(changed)["late_fluctuation"])
    off = jumping[20:] - np.polynomial.Polynomial.fit(range(10), jumping[20:], 1)(np.arange(10))
    expected = np.sqrt(np.mean(off**2)) / np.mean(jumping[20:])
    assert found == pytest.approx([0, 0, expected, 0], abs=1e-12) and expected > 0.1
    weights, last = result.model.weights
    weights[:, :], last[...] = 1, 0
    weights[:4, 0] = [-0.00099, 0.00099, 0.00101, -0.00101]
    assert quantities_of(result)["small_weight_share"] == 2 / weights.size


def test_only_rows_that_a_table_lacks_are_trained_and_each_is_added_at_once(tmp_path, tiny10):
    def job(key, config, data):
        if len(trained) == interrupted_at:
            raise KeyboardInterrupt
        trained.append(key)
        return train(config, data)

    table = Table(tmp_path / "kept.csv", ["rate", "seed"])
    table.path.write_text("rate,seed,test_loss,best_epoch\n")  # what it keeps of a run
    keys = (0.05, 1), (0.05, 0), (1e-3, 1), (1e-3, 0)
    planned = {key: CONFIG.replace(learning_rate=key[0], seed=key[1]) for key in keys}
    trained, interrupted_at = [], 2
    with joblib.parallel_config("sequential"):
        with pytest.raises(KeyboardInterrupt):
            runs.train_missing(table.missing(planned), table.add, tiny10, job)
        assert table.load()[table.key].to_numpy().tolist() == [[0.05, 0], [0.05, 1]]
        trained, interrupted_at = [], None
        runs.train_missing(table.missing(planned), table.add, tiny10, job)
    assert trained == [(1e-3, 1), (1e-3, 0)]
    rows = table.load()
    assert rows.rate.tolist() == [1e-3, 1e-3, 0.05, 0.05] and rows.seed.tolist() == [0, 1] * 2
    result = train(planned[0.05, 1], tiny10)
    assert rows.iloc[3].tolist() == pytest.approx([0.05, 1, result.test_loss, result.best_epoch])
    table.add((1e-3, 0), dataclasses.replace(result, test_loss=7.0))  # in place of the row
    assert table.load().test_loss.tolist() == [7.0, *rows.test_loss[1:]]


def test_ctrl_c_ends_run_in_one_line_and_keeps_what_is_finished(tiny10, monkeypatch):
    def train_one(key, config, *others):
        if key[1]:  # of the second seed, or the data
            raise KeyboardInterrupt
        return train(config, tiny10)

    monkeypatch.setattr(runs, "train_one", lambda *given, dtype: train_one(*given))
    monkeypatch.setattr(runs, "load_kmnist", lambda: train_one("data", None))
    for data, done in ((tiny10, "1 of 2"), (None, "nothing")):
        with joblib.parallel_config("sequential"), pytest.raises(KeyboardInterrupt) as error:
            run({"a": CONFIG}, [0, 1], data=data)
        assert error.value._render_traceback_() == [error.value.code] and done in error.value.code
    assert ResultCache(tiny10).get(CONFIG.replace(seed=0))
