"""Runs come in the order asked for, from any number of processes, and are kept on disk."""

import json

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp.config import Config
from kmnist_mlp.experiments import runs as experiments
from kmnist_mlp.experiments.result_cache import ResultCache
from kmnist_mlp.experiments.runs import default_seeds, progress, run
from kmnist_mlp.support import files as storage

CONFIG = Config(layer_specs=(36, 8, 10), learning_rate=0.01, batch_size=32, epochs=3)
WIDE = CONFIG.replace(layer_specs=(36, 12, 10))
WILD = CONFIG.replace(activation="ReLU", learning_rate=1e12, momentum=False, epochs=5)


@pytest.fixture(autouse=True)
def results_folder(tmp_path, monkeypatch):
    """Give every test an empty cache of its own."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("KMNIST_MLP_SEEDS", raising=False)
    return tmp_path / "results"


def same_weights(one, other):
    pairs = zip(
        one.model.weights + one.model.biases, other.model.weights + other.model.biases, strict=True
    )
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def forbid_training(monkeypatch):
    def fail(*_):
        raise AssertionError("nothing must be trained")

    monkeypatch.setattr(experiments, "_train_one", fail)


# ---- what run() gives ----------------------------------------------------------------------------


def test_there_is_a_row_for_every_run_in_the_order_asked_for(tiny10):
    results = run({"b": CONFIG, "a": WIDE}, seeds=[3, 1], n_jobs=1, data=tiny10)
    rows = list(results.frame[["experiment", "seed"]].itertuples(index=False, name=None))
    assert rows == list(results.runs) == [("b", 3), ("b", 1), ("a", 3), ("a", 1)]
    assert results.names == ["b", "a"]
    assert results.data_name == tiny10.name


def test_a_row_holds_what_the_run_gave(tiny10):
    results = run({"a": CONFIG}, seeds=[2], n_jobs=1, data=tiny10)
    (row,), (result,) = results.frame.to_dict("records"), results.of("a")
    last = result.history.iloc[result.best_epoch - 1]
    assert result.config == CONFIG.replace(seed=2)
    for quantity in ("test_accuracy", "test_loss", "best_epoch", "stopped_epoch", "diverged"):
        assert row[quantity] == getattr(result, quantity)
    for quantity in ("training_loss", "validation_loss", "validation_accuracy"):
        assert row[quantity] == last[quantity]
    assert 0 <= row["test_accuracy"] <= 1 and row["seconds"] > 0


def test_values_are_by_seed_and_accuracies_in_per_cent(tiny10):
    results = run({"a": CONFIG}, seeds=[5, 2], n_jobs=1, data=tiny10)
    accuracy = results.values("test_accuracy", "a")
    assert list(accuracy.index) == [5, 2]
    assert accuracy.tolist() == [r.test_accuracy * 100 for r in results.of("a")]
    assert results.values("test_loss", "a").tolist() == [r.test_loss for r in results.of("a")]


def test_asking_for_an_experiment_that_was_not_run_names_those_that_were(tiny10):
    results = run({"a": CONFIG}, seeds=[0], n_jobs=1, data=tiny10)
    for ask in (results.of, lambda name: results.values("test_loss", name)):
        with pytest.raises(KeyError, match=r"no experiment 'b' here; there are \['a'\]"):
            ask("b")
    with pytest.raises(KeyError, match=r"no quantity 'loss' here; there are .*'test_loss'"):
        results.values("loss", "a")


@pytest.mark.parametrize("configs", [CONFIG, [CONFIG], (config for config in [CONFIG])])
def test_a_configuration_without_a_name_is_numbered(tiny10, configs):
    assert run(configs, seeds=0, n_jobs=1, data=tiny10).names == ["run 1"]


def test_names_stand_for_the_papers_configurations(tiny10, monkeypatch):
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"baseline": CONFIG, "relu": WIDE})
    results = run(["relu", CONFIG, "baseline"], seeds=[0], n_jobs=1, data=tiny10)
    assert results.names == ["relu", "run 2", "baseline"]
    assert results.of("relu")[0].config == WIDE
    assert run("relu", seeds=[0], n_jobs=1, data=tiny10).names == ["relu"]


def test_the_data_is_that_of_load_kmnist_unless_given(tiny10, monkeypatch):
    monkeypatch.setattr(experiments, "load_kmnist", lambda: tiny10)
    assert run({"a": CONFIG}, seeds=[0], n_jobs=1).data_name == tiny10.name


@pytest.mark.parametrize(
    ("text", "seeds"), [(None, [0, 1, 2, 3, 4]), ("1", [0]), ("7", [0, 1, 2, 3, 4, 5, 6])]
)
def test_the_reports_seeds_are_five_or_as_many_as_the_variable_says(
    monkeypatch, tiny10, text, seeds
):
    if text is not None:
        monkeypatch.setenv("KMNIST_MLP_SEEDS", text)
    assert default_seeds() == seeds
    short = CONFIG.replace(epochs=1)
    assert run({"a": short}, n_jobs=1, data=tiny10).frame.seed.tolist() == seeds


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "²"])
def test_a_number_of_seeds_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("KMNIST_MLP_SEEDS", text)
    with pytest.raises(ValueError, match="KMNIST_MLP_SEEDS must be a number of seeds >= 1"):
        default_seeds()


def test_results_do_not_depend_on_the_number_of_processes(tiny10):
    configs = {"short": CONFIG, "long": WIDE}
    one, two = (run(configs, [0, 1], n_jobs, tiny10, cache=False) for n_jobs in (1, 2))
    assert list(one.runs) == list(two.runs)
    assert all(same_weights(one.runs[key], two.runs[key]) for key in one.runs)
    measured = one.frame.columns.difference(["seconds"])
    pd.testing.assert_frame_equal(one.frame[measured], two.frame[measured], check_exact=True)


@pytest.mark.parametrize("early_stop", [True, False])
def test_a_diverging_run_is_a_row_of_finite_numbers(tiny10, early_stop):
    wild = WILD.replace(early_stop=early_stop)
    results = run({"wild": wild, "tame": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert results.frame.diverged.tolist() == [True, True, False, False]
    assert np.isfinite(results.frame.drop(columns="experiment").to_numpy(float)).all()
    again = run({"wild": wild}, [0, 1], n_jobs=1, data=tiny10)
    assert again.frame.cached.all() and again.frame.diverged.all()


def test_no_progress_bar_is_drawn_where_nobody_looks(monkeypatch):
    monkeypatch.delitem(experiments.sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(experiments.sys.stderr, "isatty", lambda: False, raising=False)
    assert progress(1, "training").disable


def test_a_data_set_may_have_other_classes_than_kmnist(tiny):
    config = Config(layer_specs=(36, 4, 3), epochs=1)
    results = run({"three": config}, [0, 1], n_jobs=1, data=tiny, cache=False)
    assert len(results.frame) == 2 and results.data_name == tiny.name


# ---- the cache -----------------------------------------------------------------------------------


def test_a_second_call_takes_everything_from_the_cache(tiny10, monkeypatch):
    first = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    forbid_training(monkeypatch)
    second = run({"other name": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert not first.frame.cached.any() and second.frame.cached.all()
    for before, after in zip(first.of("a"), second.of("other name"), strict=True):
        assert same_weights(before, after) and before.config == after.config
        pd.testing.assert_frame_equal(before.history, after.history, check_exact=True)
    measured = first.frame.columns.difference(["experiment", "cached"])
    pd.testing.assert_frame_equal(first.frame[measured], second.frame[measured], check_exact=True)


def test_only_what_is_missing_is_trained(tiny10):
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    results = run({"a": CONFIG}, [1, 0], n_jobs=1, data=tiny10)
    assert results.frame.cached.tolist() == [False, True]


def test_without_the_cache_nothing_is_read_or_written(tiny10, results_folder):
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False)
    assert not results_folder.exists()
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert not run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False).frame.cached.any()


def test_results_are_kept_in_the_users_cache_folder_unless_another_is_named(
    tiny10, tmp_path, monkeypatch
):
    monkeypatch.delenv("KMNIST_MLP_RESULTS")
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(tmp_path / "cache"))
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert len(list((tmp_path / "cache" / "results").iterdir())) == 1


CHANGES = {
    "layer_specs": (36, 9, 10),
    "activation": "ReLU",
    "learning_rate": 0.02,
    "batch_size": 33,
    "epochs": 4,
    "early_stop": False,
    "early_stop_epoch": 6,
    "L1_penalty": 0.1,
    "L2_penalty": 0.1,
    "momentum": False,
    "momentum_gamma": 0.8,
    "seed": 1,
}


def test_every_hyper_parameter_and_the_seed_give_a_key_of_their_own(tiny10):
    assert set(CHANGES) == set(CONFIG.to_dict())
    store = ResultCache(tiny10)
    changed = [CONFIG.replace(**{name: value}) for name, value in CHANGES.items()]
    keys = {store.path(config) for config in [CONFIG, *changed]}
    assert len(keys) == 1 + len(CHANGES)
    assert store.path(Config.from_dict(CONFIG.to_dict())) == store.path(CONFIG)


def test_other_data_give_another_key(tiny10, make_dataset):
    other = make_dataset(classes=10, train=300, test=100, seed=1)
    assert ResultCache(other).path(CONFIG) != ResultCache(tiny10).path(CONFIG)


def rewrite(path, header=None, lost=()):
    """Write an entry anew with another header, or without some of its arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name not in lost}
    if header is not None:
        arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "a flipped byte": lambda path: path.write_bytes(
        path.read_bytes()[:700] + bytes([path.read_bytes()[700] ^ 255]) + path.read_bytes()[701:]
    ),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no result"),
    "no header": lambda path: rewrite(path, lost=["header"]),
    "an incomplete header": lambda path: rewrite(path, header={"test_loss": 1}),
    "a header of another kind": lambda path: rewrite(path, header=[1, 2]),
    "no curve": lambda path: rewrite(path, lost=["validation_loss"]),
    "no biases": lambda path: rewrite(path, lost=["biases_0"]),
    "no weights": lambda path: rewrite(path, lost=["weights_0", "weights_1"]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_computed_anew_with_a_warning(tiny10, results_folder, damage):
    before = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    (entry,) = results_folder.iterdir()
    DAMAGES[damage](entry)
    with pytest.warns(UserWarning, match="damaged and is computed anew"):
        after = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert not after.frame.cached.any() and same_weights(before.of("a")[0], after.of("a")[0])
    assert run({"a": CONFIG}, [0], n_jobs=1, data=tiny10).frame.cached.all()


def test_a_cache_folder_that_cannot_be_written_is_told_and_the_results_are_given(
    tiny10, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "file"))
    with pytest.warns(UserWarning) as caught:
        results = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    said = {str(warning.message) for warning in caught}
    assert len(results.frame) == 2
    assert all("results are not kept" in text and str(tmp_path / "file") in text for text in said)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_write_that_is_interrupted_leaves_no_entry(tiny10, results_folder, monkeypatch):
    def savez(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(storage.np, "savez", savez)
        run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert list(results_folder.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interruption_keeps_the_runs_that_were_finished(tiny10, monkeypatch, error):
    train_one = experiments._train_one

    def fails_for_seed_2(key, *arguments):
        if key[1] == 2:
            raise error
        return train_one(key, *arguments)

    with monkeypatch.context() as context, pytest.raises(error):
        context.setattr(experiments, "_train_one", fails_for_seed_2)
        run({"a": CONFIG}, [0, 1, 2, 3], n_jobs=1, data=tiny10)
    assert run({"a": CONFIG}, [0, 1, 2], n_jobs=1, data=tiny10).frame.cached.tolist() == [
        True,
        True,
        False,
    ]


def test_the_command_computes_what_is_missing_and_says_how_much(tiny10, monkeypatch, capsys):
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"baseline": CONFIG})
    monkeypatch.setattr(experiments, "load_kmnist", lambda: tiny10)
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert experiments.main() == 0
    assert capsys.readouterr().out == f"2 runs on {tiny10.name}, 1 of them computed now\n"
