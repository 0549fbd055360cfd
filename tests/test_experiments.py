"""Runs come in the order asked for, from any number of processes, and are kept on disk."""

import dataclasses
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from options import ALL_CHANGED

from kmnist_mlp.activations import ACTIVATIONS, Activation
from kmnist_mlp.config import Config
from kmnist_mlp.experiments import EXPERIMENTS, ResultCache, default_seeds, run, train_cached
from kmnist_mlp.experiments import __main__ as command
from kmnist_mlp.experiments.parallel import progress
from kmnist_mlp.experiments.runs import Results, named_configs
from kmnist_mlp.results import Callback
from kmnist_mlp.support import files as storage
from kmnist_mlp.training import train

# The best epoch is none of the last: seeds 0 to 2 stop after epoch 8, seed 3 after epoch 5.
CONFIG = Config(
    layer_specs=(36, 8, 10), learning_rate=0.1, batch_size=32, epochs=8, early_stop_epoch=2
)
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
    best = result.history.iloc[result.best_epoch - 1]
    assert result.config == CONFIG.replace(seed=2) and result.best_epoch < result.stopped_epoch
    for quantity in ("test_accuracy", "test_loss", "best_epoch", "stopped_epoch", "diverged"):
        assert row[quantity] == getattr(result, quantity)
    for quantity in ("training_loss", "validation_loss", "validation_accuracy"):
        assert row[quantity] == best[quantity]
    assert row["generalisation_gap"] == best.training_accuracy - best.validation_accuracy != 0
    assert 0 <= row["test_accuracy"] <= 1 and row["seconds"] > 0


def test_values_are_by_seed_with_accuracies_in_per_cent_and_their_gap_in_points(tiny10):
    results = run({"a": CONFIG}, seeds=[5, 2], n_jobs=1, data=tiny10)
    accuracy = results.values("test_accuracy", "a")
    assert list(accuracy.index) == [5, 2]
    assert accuracy.tolist() == [r.test_accuracy * 100 for r in results.of("a")]
    assert results.values("test_loss", "a").tolist() == [r.test_loss for r in results.of("a")]
    training, validation, gap = (
        results.values(quantity, "a")
        for quantity in ("training_accuracy", "validation_accuracy", "generalisation_gap")
    )
    assert gap.tolist() == pytest.approx((training - validation).tolist())


def test_asking_for_what_was_not_run_names_it_and_what_there_is(tiny10):
    results = run({"a": CONFIG}, seeds=[0], n_jobs=1, data=tiny10)
    for ask in (results.of, lambda name: results.values("test_loss", name)):
        with pytest.raises(KeyError, match=r"'b'.*\['a'\]"):
            ask("b")
    with pytest.raises(KeyError, match="'loss'.*'test_loss'"):
        results.values("loss", "a")


@pytest.mark.parametrize("configs", [CONFIG, [CONFIG], (config for config in [CONFIG])])
def test_a_configuration_without_a_name_is_numbered(tiny10, configs):
    assert run(configs, seeds=0, n_jobs=1, data=tiny10).names == ["run 1"]


def test_names_stand_for_the_papers_configurations(make_dataset):
    data = make_dataset(classes=10, train=100, test=50, side=28)
    results = run(["relu", EXPERIMENTS["l1_0.2"], "linear"], seeds=[3], n_jobs=1, data=data)
    assert results.names == ["relu", "run 2", "linear"]
    for name, paper in (("relu", "relu"), ("run 2", "l1_0.2"), ("linear", "linear")):
        assert results.of(name)[0].config == EXPERIMENTS[paper].replace(seed=3)
    assert run("linear", seeds=[3], n_jobs=1, data=data).names == ["linear"]


def test_an_experiment_of_the_paper_may_stand_beside_ones_own_under_any_name():
    mine = Config(L2_penalty=0.1)
    named = named_configs({"baseline": "baseline", "mine": mine, "first": "relu"})
    expected = {"baseline": EXPERIMENTS["baseline"], "mine": mine, "first": EXPERIMENTS["relu"]}
    assert named == expected


@pytest.mark.parametrize(
    ("configs", "named"),
    [
        ("my L2", r"'my L2'.*\{'my L2': Config\("),
        ({"mine": "my L2"}, r"'my L2'.*\{'mine': Config\("),
        (["baselin"], "'baselin'.*'baseline'"),
        ({"mine": 0.1}, "'mine'.*Config.*0.1"),
        ({1: Config()}, "name.*1"),
    ],
)
def test_what_is_no_experiment_is_refused_with_the_way_to_make_one(tiny10, configs, named):
    with pytest.raises(ValueError, match=named):
        run(configs, data=tiny10)


def test_a_run_cannot_be_added_under_the_name_of_another(tiny10):
    results = run({"a": CONFIG}, 0, n_jobs=1, data=tiny10)
    (first,) = results.of("a")
    second = dataclasses.replace(first, config=first.config.replace(seed=1))
    assert results.plus("a", second).values("seconds", "a").index.tolist() == [0, 1]
    other = dataclasses.replace(second, config=second.config.replace(epochs=77))
    for run_of_that_name in (first, other):
        with pytest.raises(ValueError, match=r"'a'.*seed \d"):
            results.plus("a", run_of_that_name)


def test_a_run_that_was_ended_in_its_first_epoch_can_be_added_and_taken_out(tiny10):
    class Ending(Callback):
        def batch(self, epochs_done):
            return True

    results = run({"a": CONFIG}, 0, n_jobs=1, data=tiny10)
    both = results.plus("b", train(CONFIG, tiny10, callbacks=[Ending()]))
    assert both.values("stopped_epoch", "b").tolist() == [0]
    assert both.values("late_fluctuation", "b").isna().all()
    left = both.without("a")
    assert left.names == ["b"] and left.frame.experiment.tolist() == ["b"]
    with pytest.raises(KeyError, match="'a'"):
        left.without("a")


@pytest.mark.filterwarnings("ignore:STAND-IN")
def test_the_data_is_that_of_load_kmnist_unless_given(monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    results = run(Config(layer_specs=(784, 10), epochs=1), seeds=[0], n_jobs=1)
    assert results.data_name == "stand-in data"


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


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_seeds_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("KMNIST_MLP_SEEDS", text)
    with pytest.raises(ValueError, match=f"KMNIST_MLP_SEEDS.*{text}"):
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
    assert results.values("late_fluctuation", "wild").tolist() == [1, 1]
    assert np.isfinite(results.frame.drop(columns="experiment").to_numpy(float)).all()
    again = run({"wild": wild}, [0, 1], n_jobs=1, data=tiny10)
    assert again.frame.cached.all() and again.frame.diverged.all()


def test_a_loss_that_falls_smoothly_does_not_fluctuate_and_one_that_jumps_does(tiny10):
    result = run(CONFIG, [0], n_jobs=1, data=tiny10, cache=False).of("run 1")[0]
    falling = np.linspace(1.0, 0.1, 30)
    jumping = falling + 0.05 * (-1.0) ** np.arange(30) * (np.arange(30) >= 20)  # the last ten
    earlier = falling + 0.05 * (-1.0) ** np.arange(30) * (np.arange(30) < 20)
    found = [
        Results.empty(tiny10)
        .plus("a", dataclasses.replace(result, curves={**result.curves, "training_loss": curve}))
        .frame.late_fluctuation[0]
        for curve in (falling, earlier, jumping)
    ]
    off = jumping[20:] - np.polynomial.Polynomial.fit(range(10), jumping[20:], 1)(np.arange(10))
    expected = np.sqrt(np.mean(off**2)) / np.mean(jumping[20:])
    assert found == pytest.approx([0, 0, expected], abs=1e-12) and expected > 0.1


def test_the_share_of_small_weights_is_that_of_the_first_layer_within_a_thousandth_of_0(tiny10):
    result = run(CONFIG, 0, n_jobs=1, data=tiny10, cache=False).of("run 1")[0]
    model = result.model.copy()
    model.weights[0][:, :] = 1
    model.weights[0][:4, 0] = [-0.00099, 0.00099, 0.00101, -0.00101]
    model.weights[1][...] = 0
    both = Results.empty(tiny10).plus("a", dataclasses.replace(result, model=model))
    assert both.values("small_weight_share", "a").tolist() == [100 * 2 / (36 * 8)]


def test_no_progress_bar_is_drawn_where_nobody_looks(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert progress(1, "training").disable


def test_a_data_set_may_have_other_classes_than_kmnist(tiny):
    config = Config(layer_specs=(36, 4, 3), epochs=1)
    results = run({"three": config}, [0, 1], n_jobs=1, data=tiny, cache=False)
    assert len(results.frame) == 2 and results.data_name == tiny.name


def test_float64_is_trained_in_and_not_mixed_up_with_the_kept_results(tiny10, results_folder):
    single = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    double = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, dtype=np.float64)
    assert double.of("a")[0].model.dtype == np.float64 and not double.frame.cached.any()
    again = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert again.frame.cached.all() and same_weights(again.of("a")[0], single.of("a")[0])


# ---- the cache -----------------------------------------------------------------------------------


def test_a_second_call_takes_everything_from_the_cache(tiny10):
    first = run({"a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    second = run({"other name": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    assert not first.frame.cached.any() and second.frame.cached.all()
    for before, after in zip(first.of("a"), second.of("other name"), strict=True):
        assert same_weights(before, after) and before.config == after.config
        pd.testing.assert_frame_equal(before.history, after.history, check_exact=True)
    measured = first.frame.columns.difference(["experiment", "cached"])
    pd.testing.assert_frame_equal(first.frame[measured], second.frame[measured], check_exact=True)


def test_a_kept_network_classifies_images_as_before_whatever_its_options(tiny):
    trained, kept = (run(ALL_CHANGED, 7, n_jobs=1, data=tiny) for _ in range(2))
    assert kept.frame.cached.all() and kept.of("run 1")[0].config == ALL_CHANGED
    before, after = (
        r.of("run 1")[0].model.predict_proba(tiny.test_images) for r in (trained, kept)
    )
    assert np.array_equal(before, after) and before.shape == (60, 3)


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


CHANGES = {  # every hyper-parameter, and no value of CONFIG
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
    "distortion": 0.5,
    "batch_normalisation": True,
    "dropout": 0.5,
    "label_smoothing": 0.1,
    "mixup": 0.2,
    "weight_averaging": 0.9,
    "schedule": "cosine",
    "warm_up": 1.0,
    "standardisation": "global",
    "initial_variance": 1.0,
    "validation_fraction": 0.5,
}


def test_every_hyper_parameter_and_the_seed_give_a_key_of_their_own(tiny10):
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Config)}
    store = ResultCache(tiny10)
    changed = [CONFIG.replace(**{name: value}) for name, value in CHANGES.items()]
    keys = {store.path(config) for config in [CONFIG, *changed]}
    assert len(keys) == 1 + len(CHANGES)
    assert store.path(Config.from_dict(CONFIG.to_dict())) == store.path(CONFIG)


def test_other_data_give_another_key(tiny10, make_dataset):
    other = make_dataset(classes=10, train=300, test=100, seed=1)
    assert ResultCache(other).path(CONFIG) != ResultCache(tiny10).path(CONFIG)


def test_a_damaged_entry_is_computed_anew_with_a_warning(tiny10, results_folder):
    before = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    (entry,) = results_folder.iterdir()
    entry.write_bytes(entry.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=entry.name):
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
    assert len(results.frame) == 2
    assert all(str(tmp_path / "file") in str(warning.message) for warning in caught)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_write_that_is_interrupted_leaves_no_entry(tiny10, results_folder, monkeypatch):
    def savez(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(storage.np, "savez", savez)
        run({"a": CONFIG}, [0], n_jobs=1, data=tiny10)
    assert list(results_folder.iterdir()) == []


def test_an_error_keeps_the_runs_that_were_finished(tiny10, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setitem(ACTIVATIONS, "broken", Activation(fail, fail))
    broken = Config((36, 2, 10), "broken", epochs=1)  # the least work, so it comes last
    with pytest.raises(ZeroDivisionError):
        run({"broken": broken, "a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    again = run({"a": CONFIG}, [0, 1, 2], n_jobs=1, data=tiny10)
    assert again.frame.cached.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (Config(layer_specs=(35, 10)), "layer_specs"),
        (Config(layer_specs=(36, 9)), "layer_specs"),
        (CONFIG.replace(validation_fraction=1e-4), "validation_fraction"),
    ],
)
def test_a_configuration_that_does_not_fit_the_data_is_refused_before_any_training(
    tiny10, monkeypatch, bad, named
):
    monkeypatch.setattr("kmnist_mlp.experiments.runs.train_all", pytest.fail)
    with pytest.raises(ValueError, match=named):
        run({"a": CONFIG, "bad": bad}, [0], n_jobs=1, data=tiny10)


def test_a_loss_of_zero_does_not_fluctuate(make_dataset):
    """With a single class, every prediction is certain and right."""
    config = Config(layer_specs=(36, 4, 1), epochs=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = run(config, [0], n_jobs=1, data=make_dataset(classes=1), cache=False).frame
    assert frame.training_loss.item() == frame.late_fluctuation.item() == 0


def test_a_run_that_is_added_needs_a_text_as_its_name(tiny10):
    with pytest.raises(ValueError, match="name.*3"):
        Results.empty(tiny10).plus(3, train(CONFIG.replace(epochs=1), tiny10))


def test_a_run_that_a_callback_interrupts_is_not_kept_and_goes_on_from_its_checkpoint(
    tiny10, results_folder
):
    whole = run({"a": CONFIG}, [0], n_jobs=1, data=tiny10, cache=False).of("a")[0]
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
            monkeypatch.setattr("kmnist_mlp.experiments.result_cache.save_arrays", refuse)

    with pytest.warns(UserWarning, match="No space left"):
        train_cached(CONFIG, tiny10, ResultCache(tiny10), [fill_the_disk])
    assert [path.suffix for path in results_folder.iterdir()] == [".checkpoint"]


@pytest.mark.filterwarnings("ignore:STAND-IN")
def test_the_command_computes_what_is_missing_and_says_how_much(monkeypatch, capsys):
    small = Config(layer_specs=(784, 10), epochs=1)
    monkeypatch.setattr(command, "EXPERIMENTS", {"baseline": small})
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    run({"a": small}, [0], n_jobs=1)
    command.main()
    assert capsys.readouterr().out == "2 runs on stand-in data, 1 of them computed now\n"
