"""The ablation is planned and trained as stated; the shipped files are complete and agree."""

import dataclasses
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp import Config, load_kmnist, train
from kmnist_mlp.beyond import load_best
from kmnist_mlp.beyond.__main__ import RemainingTime, main, train_and_write
from kmnist_mlp.beyond.ablation import ALL, SMALL, STEPS, planned_runs
from kmnist_mlp.beyond.model_card import model_card
from kmnist_mlp.beyond.pretrained import (
    FOLDER,
    check,
    load_ensemble,
    load_histories,
    load_runs,
)
from kmnist_mlp.beyond.shift_averaging import average_over_shifts
from kmnist_mlp.beyond.timing import seconds_per_image
from kmnist_mlp.beyond.training_set_size import fewer_images
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.support.statistics import wilson_interval

TINY = Config((36, 8, 10), learning_rate=0.01, batch_size=32, epochs=3, distortion=1)
RUNS, HISTORIES = load_runs(), load_histories()


# ---- ablation ------------------------------------------------------------------------------------


# What each recorded configuration changes, typed a second time: from which other, and what.
CHANGES = {
    "relu": ("baseline", {"activation": "ReLU"}),
    "wide": ("relu", {"layer_specs": (784, 512, 512, 10)}),
    "augmentation": ("wide", {"distortion": 1.0, "epochs": 20, "early_stop": False}),
    "cosine_schedule": (
        "augmentation", {"schedule": "cosine", "warm_up": 1.0, "learning_rate": 0.002},
    ),
    "batch_normalisation": (
        "cosine_schedule",
        {"batch_normalisation": True, "learning_rate": 0.004, "batch_size": 256},
    ),
    "global_standardisation": ("batch_normalisation", {"standardisation": "global"}),
    "L2_penalty": ("global_standardisation", {"L2_penalty": 0.05}),
    "best": (
        "L2_penalty",
        {"layer_specs": (784, 1024, 1024, 10), "epochs": 200, "validation_fraction": 0.0},
    ),
    "weak_augmentation": ("global_standardisation", {"distortion": 0.5}),
    "small_L2_penalty": ("global_standardisation", {"L2_penalty": 0.01}),
    "second_seed": ("best", {"epochs": 100, "seed": 1}),
    "no_penalty_300_epochs": ("best", {"L2_penalty": 0.0, "epochs": 300}),
    "no_penalty_per_pixel": (
        "best", {"L2_penalty": 0.0, "standardisation": "pixel", "epochs": 100},
    ),
    "no_penalty_50_epochs": ("best", {"L2_penalty": 0.0, "epochs": 50}),
    "no_penalty_weak_augmentation": (
        "best", {"L2_penalty": 0.0, "epochs": 60, "distortion": 0.5},
    ),
}  # fmt: skip


def test_each_configuration_of_the_ablation_is_another_one_but_for_what_it_is_said_to_change():
    assert ALL["baseline"].config == EXPERIMENTS["baseline"] and list(ALL) == ["baseline", *CHANGES]
    for name, (other, changes) in CHANGES.items():
        before, after = (dataclasses.asdict(ALL[each].config) for each in (other, name))
        assert {o: v for o, v in after.items() if v != before[o]} == changes, name
    assert SMALL == ALL["batch_normalisation"].config.replace(layer_specs=(784, 256, 256, 10))


def test_every_run_is_planned_once_and_the_first_seed_of_every_step_comes_first():
    planned = planned_runs()
    assert len({config for _, config in planned}) == len(planned)
    seeds = [config.seed for _, config in planned]
    assert seeds == sorted(seeds)
    names = [name for name, _ in planned]
    assert {name: names.count(name) for name in ALL} == {n: s.seeds for n, s in ALL.items()}


# ---- make beyond ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tiny10, tmp_path_factory):
    """A folder written for three small runs, with what they are and how to write it again."""
    folder = tmp_path_factory.mktemp("trained") / "best"
    planned = [
        ("wide", TINY),
        ("best", TINY.replace(seed=1)),
        ("second_seed", TINY.replace(seed=2)),
    ]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KMNIST_MLP_RESULTS", str(folder.parent / "results"))
        train_and_write(planned, tiny10, folder)
        yield folder, planned


def test_make_beyond_writes_every_run_and_the_tables_hold_its_results(trained, tiny10):
    folder, planned = trained
    runs, histories = load_runs(folder), load_histories(folder)
    for table in (runs, histories):
        assert [*dict.fromkeys(zip(table.name, table.seed, strict=True))] == [
            (name, config.seed) for name, config in planned
        ]
    name, config = planned[0]
    result, row = train(config, tiny10), runs.iloc[0]
    assert result.best_epoch < result.stopped_epoch == row.epochs
    assert row.test_accuracy == pytest.approx(result.test_accuracy)
    assert row.validation_loss == pytest.approx(result.returned["validation_loss"], rel=1e-5)
    history = histories[histories.name == name].drop(columns=["name", "seed"])
    pd.testing.assert_frame_equal(history.reset_index(drop=True), result.history, rtol=1e-5)


def test_make_beyond_keeps_weights_of_the_best_network_and_predictions_of_the_ensemble(
    trained, tiny10
):
    folder, planned = trained
    configs = dict(planned)
    best, member = (train(configs[name], tiny10).model for name in ("best", "second_seed"))
    half = best.weights[0].astype(np.float16)
    np.testing.assert_array_equal(load_best(folder).weights[0], half)
    titles, probabilities, over_shifts = load_ensemble(folder)
    assert titles == [ALL["second_seed"].title]
    expected = member.predict_proba(tiny10.test_images)
    np.testing.assert_allclose(probabilities, expected[None], atol=1e-3)
    averaged = average_over_shifts(member.predict_proba, tiny10.test_images)
    assert np.abs(averaged - expected).max() > 0.01
    np.testing.assert_allclose(over_shifts, averaged[None], atol=1e-3)


def python_in(card):
    """Return the two blocks of code in a model card: how to use it, and the configuration."""
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_the_model_card_has_the_accuracies_of_the_stored_weights(trained, tiny10):
    card = (trained[0] / "MODEL_CARD.md").read_text("utf-8")
    right = load_best(trained[0]).predict(tiny10.test_images) == tiny10.test_labels
    low, high = wilson_interval(right.sum(), len(right))
    assert (
        f"{100 * right.mean():.2f}\xa0% of the 100" in card and f"{low:.2f} to {high:.2f} %" in card
    )
    for label, name in enumerate(tiny10.class_labels):
        own = 100 * right[tiny10.test_labels == label].mean()
        assert f"| {name} | {own:.1f}\xa0% |" in card
    assert eval(python_in(card)[1], {"Config": Config}) == dict(trained[1])["best"]
    assert "{" not in card


def test_make_beyond_takes_finished_runs_from_the_cache(trained, tiny10, tmp_path, capsys):
    folder, planned = trained
    train_and_write(planned, tiny10, tmp_path / "again")
    assert "epoch 3 of 3" not in capsys.readouterr().out
    pd.testing.assert_frame_equal(load_runs(tmp_path / "again"), load_runs(folder))


def test_the_remaining_time_counts_epochs_by_the_size_of_their_network():
    small, large = Config((36, 10), epochs=4), Config((36, 20), epochs=4)
    remaining = RemainingTime([small, large])
    remaining.epoch_done(small, 1)
    assert remaining.estimate(60) == pytest.approx(60 * (3 + 2 * 4))
    remaining.epoch_done(small, 2)
    assert remaining.estimate(120) == pytest.approx(60 * (2 + 2 * 4))
    remaining.run_done(small)  # stopped early
    assert remaining.estimate(120) == pytest.approx(60 * 2 * 4)


def test_the_remaining_time_is_printed_after_each_epoch(tiny10, capsys):
    train(TINY, tiny10, callbacks=[RemainingTime([TINY]).printer("wide", TINY)])
    lines = capsys.readouterr().out.splitlines()
    assert [line[: len("wide, seed 0: epoch 1 of 3")] for line in lines] == [
        f"wide, seed 0: epoch {epoch} of 3" for epoch in (1, 2, 3)
    ]


def test_nothing_is_trained_or_overwritten_for_the_stand_in(monkeypatch, capsys):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    with pytest.warns(UserWarning, match="STAND-IN"):
        assert main() == 1
    assert "KMNIST" in capsys.readouterr().err


# ---- shipped files -------------------------------------------------------------------------------


def test_load_best_needs_numpy_alone():
    """The other packages would make a reader of one file wait."""
    code = """
import sys
from kmnist_mlp.beyond import load_best
import numpy
load_best().predict(numpy.zeros((2, 28, 28), numpy.uint8))
print(*sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
print(*sorted(name for name in sys.modules if name.startswith("kmnist_mlp.experiments")))
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages, experiments = (line.split() for line in shown.stdout.splitlines())
    heavy = {"pandas", "matplotlib", "scipy", "joblib", "IPython", "pooch", "requests", "tqdm"}
    assert "kmnist_mlp" in packages and not heavy & set(packages)
    assert experiments == []


def test_the_shipped_files_are_small_and_hold_every_planned_run():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10e6
    shipped = sorted(zip(RUNS.name, RUNS.seed, strict=True))
    assert shipped == sorted((name, config.seed) for name, config in planned_runs())
    lengths = HISTORIES.groupby(["name", "seed"]).epoch.max()
    assert [lengths[run] for run in shipped] == RUNS.set_index(["name", "seed"]).epochs[
        shipped
    ].tolist()


def test_the_shipped_network_takes_images_as_they_are():
    model = load_best()
    assert model.layer_specs == STEPS["best"].config.layer_specs
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    assert model.predict(images).shape == (3,) and model.predict(images[0]).shape == (1,)
    titles, *predictions = load_ensemble()
    for own in predictions:
        assert own.shape == (len(titles), 10_000, 10)
        np.testing.assert_allclose(own.sum(axis=2), 1, atol=0.005)


def test_the_check_accepts_files_that_agree_and_refuses_an_accuracy_that_moved(
    trained, tiny10, tmp_path, capsys
):
    check(tiny10, trained[0])
    assert "MOVED" not in capsys.readouterr().out
    for row, title in ((1, "best"), (2, ALL["second_seed"].title)):
        folder = tmp_path / str(row)
        shutil.copytree(trained[0], folder)
        runs = load_runs(folder)
        runs.loc[row, "test_accuracy"] += 0.011
        runs.to_csv(folder / "runs.csv", index=False)
        with pytest.raises(ValueError, match=f"{title}.*{runs.test_accuracy[row]:.2%}"):
            check(tiny10, folder)
    runs.drop(index=2).to_csv(folder / "runs.csv", index=False)
    check(dataclasses.replace(tiny10, name="stand-in data"), folder)
    assert "MOVED" in capsys.readouterr().out


def test_on_kmnist_the_shipped_files_have_their_recorded_accuracy_and_the_card_is_theirs(capsys):
    data = load_kmnist()
    if data.is_stand_in:
        pytest.skip("needs the real data")
    check(data)
    assert "MOVED" not in capsys.readouterr().out
    run = RUNS[RUNS.name == "best"].iloc[0]
    card = model_card(load_best(), STEPS["best"].config, run, data)
    assert card == (FOLDER / "MODEL_CARD.md").read_text("utf-8")


def test_the_python_in_the_model_card_runs_and_gives_the_shipped_network():
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    usage, config = python_in(card)
    names = {"images": np.zeros((2, 28, 28), np.uint8)}
    exec(usage, names)
    np.testing.assert_array_equal(names["model"].parameters, load_best().parameters)
    assert eval(config, {"Config": Config}) == STEPS["best"].config


# ---- measured when the notebook runs -------------------------------------------------------------


@pytest.fixture(scope="module")
def images28(make_dataset):
    return make_dataset(classes=10, train=300, test=50, side=28)


def test_networks_with_fewer_images_see_the_first_ones_equally_often(images28):
    results = fewer_images(images28, [50, 200], images_seen=400, n_jobs=1)
    assert results.frame[["experiment", "training_images", "augmented"]].apply(
        tuple, axis=1
    ).tolist() == [
        ("50 images, not augmented", 50, False),
        ("50 images, augmented", 50, True),
        ("200 images, not augmented", 200, False),
        ("200 images, augmented", 200, True),
    ]
    assert results.frame.stopped_epoch.tolist() == [10, 10, 2, 2]  # of 40 and 160 images
    part = dataclasses.replace(
        images28, train_images=images28.train_images[:50], train_labels=images28.train_labels[:50]
    )
    for name, distortion in (("not augmented", 0), ("augmented", 1)):
        expected = train(SMALL.replace(epochs=10, distortion=distortion), part)
        (run,) = results.of(f"50 images, {name}")
        np.testing.assert_array_equal(run.model.parameters, expected.model.parameters)


@pytest.mark.parametrize("size", [301, 2, 50.0])
def test_a_number_of_images_that_there_is_not_is_refused(images28, size):
    with pytest.raises(ValueError, match=f"sizes.*{size}"):
        fewer_images(images28, [50, size], images_seen=400)
    with pytest.raises(ValueError, match="images_seen.*0"):
        fewer_images(images28, [50], images_seen=0)


def test_augmenting_an_image_and_training_on_it_take_time(images28):
    augmentation, step = seconds_per_image(images28)
    assert 0 < augmentation < 0.1 and 0 < step < 0.1
