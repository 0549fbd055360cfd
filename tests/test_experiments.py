"""Runs come in the order asked for, are named as asked for, and what does not fit is refused."""

import dataclasses

import numpy as np
import pytest

from kmnist_mlp.activations import ACTIVATIONS, Activation
from kmnist_mlp.config import Config
from kmnist_mlp.experiments import Results, run
from kmnist_mlp.experiments.runs import default_seeds
from kmnist_mlp.results import Callback
from kmnist_mlp.training import train

# The best epoch is none of the last: seeds 0 to 2 stop after epoch 8, seed 3 after epoch 5.
CONFIG = Config(
    layer_specs=(36, 8, 10), learning_rate=0.1, batch_size=32, epochs=8, early_stop_epoch=2
)
WIDE = CONFIG.replace(layer_specs=(36, 12, 10))
WILD = CONFIG.replace(activation="ReLU", learning_rate=1e12, momentum=False, epochs=5)


@pytest.fixture(autouse=True)
def clean_environment(tmp_path, monkeypatch):
    """Give every test an empty cache, and the seeds of the report."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("KMNIST_MLP_SEEDS", raising=False)


@pytest.fixture
def results(tiny10):
    """Two seeds of one configuration, and of a wider one."""
    return run({"b": CONFIG, "a": WIDE}, seeds=[3, 1], n_jobs=1, data=tiny10)


def test_there_is_a_row_for_every_run_in_the_order_asked_for_with_what_the_run_gave(
    results, tiny10
):
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
    accuracy, runs = results.values("test_accuracy", "a"), results.of("a")
    assert accuracy.to_dict() == {run.config.seed: run.test_accuracy * 100 for run in runs}
    assert results.values("test_loss", "a").tolist() == [run.test_loss for run in runs]
    training, validation, gap = (
        results.values(quantity, "a")
        for quantity in ("training_accuracy", "validation_accuracy", "generalisation_gap")
    )
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
    class Ending(Callback):
        def batch(self, epochs_done):
            return True

    more = results.plus("c", train(CONFIG, tiny10, callbacks=[Ending()]))  # in its first epoch
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


# ---- what is asked for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configs", "named"),
    [
        ("my L2", r"\{'my L2': Config\(.*'my L2'"),
        ({"mine": "my L2"}, r"\{'mine': Config\(.*'my L2'"),
        (["baselin"], "'baselin'.*'baseline'"),
        ({"mine": 0.1}, "'mine'.*Config.*0.1"),
        ({1: Config()}, "name.*1"),
        (Config(layer_specs=(35, 10)), "layer_specs"),
        ([CONFIG, Config(layer_specs=(36, 9))], "layer_specs"),
        (CONFIG.replace(validation_fraction=1e-4), "validation_fraction"),
    ],
)
def test_what_is_no_experiment_or_does_not_fit_the_data_is_refused_before_any_training(
    tiny10, monkeypatch, configs, named
):
    monkeypatch.setattr("kmnist_mlp.experiments.runs.train_all", pytest.fail)
    with pytest.raises(ValueError, match=named):
        run(configs, data=tiny10)


@pytest.mark.parametrize(
    ("text", "seeds"), [(None, 5), ("7", 7), ("0", None), ("two", None), ("1.5", None), ("²", None)]
)
def test_the_reports_seeds_are_five_or_as_many_as_the_variable_says(monkeypatch, text, seeds):
    if text is not None:
        monkeypatch.setenv("KMNIST_MLP_SEEDS", text)
    if seeds:
        assert default_seeds() == list(range(seeds))
    else:
        with pytest.raises(ValueError, match=f"KMNIST_MLP_SEEDS.*{text}"):
            default_seeds()


def test_a_diverging_run_is_a_row_of_finite_numbers(tiny10, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_SEEDS", "2")
    configs = {"wild": WILD, "wild to the end": WILD.replace(early_stop=False), "tame": CONFIG}
    results = run(configs, n_jobs=1, data=tiny10)
    assert results.frame.diverged.tolist() == [True] * 4 + [False] * 2
    assert results.values("late_fluctuation", "wild").tolist() == [1, 1]
    assert np.isfinite(results.frame.drop(columns="experiment").to_numpy(float)).all()
    again = run({"wild": WILD}, n_jobs=1, data=tiny10)
    assert again.frame.cached.all() and again.frame.diverged.all()


def test_an_error_keeps_the_runs_that_were_finished(tiny10, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setitem(ACTIVATIONS, "broken", Activation(fail, fail))
    broken = Config((36, 2, 10), "broken", epochs=1)  # the least work, so it comes last
    with pytest.raises(ZeroDivisionError):
        run({"broken": broken, "a": CONFIG}, [0, 1], n_jobs=1, data=tiny10)
    again = run({"a": CONFIG}, [0, 1, 2], n_jobs=1, data=tiny10)
    assert again.frame.cached.tolist() == [True, True, False]
