"""The ladder is what it says, resumes where it was, and what is shipped is whole and honest."""

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp import MLP, Config, load_kmnist, train
from kmnist_mlp.beyond import runs as beyond
from kmnist_mlp.beyond.runs import BESIDE, COMMITTEE, FOLDER, LADDER, LARGE
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.result_cache import ResultCache

SMALL = Config((36, 8, 10), learning_rate=0.01, batch_size=32, epochs=3, distortion=1)
RUNS, HISTORIES = beyond.load_runs(), beyond.load_histories()


def test_the_ladder_begins_with_the_papers_baseline_and_no_rung_looks_at_test_images_to_stop():
    assert LADDER["baseline"].config == EXPERIMENTS["baseline"]
    assert LADDER["relu"].config == EXPERIMENTS["relu"]
    for rung in (LADDER | BESIDE | COMMITTEE | LARGE).values():
        assert rung.config.layer_specs[0] == 784 and rung.config.layer_specs[-1] == 10
        assert rung.config.early_stop == (
            rung.config.validation_fraction > 0 and rung.config.epochs == 100
        )


def test_every_run_is_planned_once_the_first_seeds_first():
    plan = beyond.plan()
    assert len({config for _, config in plan}) == len(plan)
    seeds = [config.seed for _, config in plan]
    assert seeds == sorted(seeds)


def test_an_interrupted_rung_goes_on_from_its_checkpoint_and_a_finished_one_is_not_trained(
    tiny10, tmp_path, monkeypatch
):
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "new" / "results"))

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        beyond.run_one(SMALL, tiny10, stop)
    checkpoint = ResultCache(tiny10).path(SMALL).with_suffix(".checkpoint")
    assert checkpoint.exists()
    seen = []
    result = beyond.run_one(SMALL, tiny10, lambda progress: seen.append(progress.epoch))
    assert seen == [3] and not checkpoint.exists()
    whole = train(SMALL, tiny10)
    np.testing.assert_array_equal(result.model.parameters, whole.model.parameters)
    again = beyond.run_one(SMALL, tiny10, stop)
    np.testing.assert_array_equal(again.model.parameters, whole.model.parameters)
    images = tiny10.test_images
    np.testing.assert_array_equal(again.model.predict(images), whole.model.predict(images))


def test_the_clock_says_how_much_is_left(capsys, monkeypatch):
    now = iter([0.0, 60.0, 120.0])
    monkeypatch.setattr(beyond.time, "perf_counter", lambda: next(now))
    config = Config((36, 10), epochs=4)
    clock = beyond.Clock([("a", config), ("b", config.replace(seed=1))])
    say = clock.watch("a", config)
    for epoch in (1, 2):
        say(beyond.Progress(epoch, 1, {}, None, None))
    assert capsys.readouterr().out.splitlines() == [
        "a, seed 0: epoch 1 of 4; 7 min to go for all",
        "a, seed 0: epoch 2 of 4; 6 min to go for all",
    ]


def test_fewer_images_are_the_first_ones_and_all_networks_see_equally_many(tiny10, monkeypatch):
    seen, small = [], Config((36, 4, 10), epochs=1, early_stop=False, distortion=1)
    monkeypatch.setattr(beyond, "SMALL", small)
    original = beyond.run

    def record(configs, seeds, n_jobs, data):
        seen.append((configs, data))
        return original(configs, seeds, n_jobs, data, cache=False)

    monkeypatch.setattr(beyond, "run", record)
    results = beyond.fewer_images(tiny10, [50, 200], 1600, n_jobs=1)
    assert list(results.frame.experiment) == results.names
    assert results.names[:2] == ["50 images, as they are", "50 images, distorted"]
    for (configs, data), size, epochs in zip(seen, (50, 200), (40, 10), strict=True):
        np.testing.assert_array_equal(data.train_images, tiny10.train_images[:size])
        assert data.test_images is tiny10.test_images
        assert [c.epochs for c in configs.values()] == [epochs] * 2
        assert [c.distortion for c in configs.values()] == [0, 1]


@pytest.mark.parametrize(("right", "n"), [(9700, 10_000), (5, 10), (0, 20), (20, 20)])
def test_the_interval_of_a_share_holds_what_a_normal_test_would_not_reject(right, n):
    """Wilson's bounds p solve (p - right / n)**2 = z**2 * p * (1 - p) / n."""
    low, high = (bound / 100 for bound in beyond.wilson_interval(right, n))
    assert 0 <= low < high <= 1 + 1e-12 and low <= right / n <= high + 1e-12
    for p in (low, high):
        assert (p - right / n) ** 2 == pytest.approx(1.959964**2 * p * (1 - p) / n, abs=1e-12)


# ---- what is shipped -----------------------------------------------------------------------------


def test_what_is_shipped_is_small_and_complete():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10e6
    for name in LADDER | BESIDE | COMMITTEE | LARGE:
        assert (RUNS.name == name).any(), name
    keys = RUNS[["name", "seed"]].apply(tuple, axis=1)
    assert keys.is_unique
    lengths = HISTORIES.groupby(["name", "seed"]).epoch.max()
    for row in RUNS.itertuples():
        assert lengths[row.name if isinstance(row.name, str) else row[1], row.seed] == row.epochs


def test_the_shipped_network_takes_images_as_they_are():
    model = beyond.load_best()
    assert model.layer_specs == LADDER["best"].config.layer_specs
    assert model.parameters.size == RUNS[RUNS.name == "best"].parameters.item()
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    assert model.predict(images).shape == (3,) and model.predict(images[0]).shape == (1,)
    names, *answers = beyond.load_committee()
    for own in answers:
        assert own.shape == (len(names), 10_000, 10)
        np.testing.assert_allclose(own.sum(axis=2), 1, atol=0.005)


def kmnist_or_skip():
    data = load_kmnist()
    if data.is_stand_in:
        pytest.skip("needs the real data")
    return data


def test_on_kmnist_everything_shipped_has_its_recorded_accuracy_and_the_card_says_so(capsys):
    data = kmnist_or_skip()
    beyond.check(data)
    assert "MOVED" not in capsys.readouterr().out
    accuracy = (beyond.load_best().predict(data.test_images) == data.test_labels).mean()
    assert f"{accuracy:.2%}" in (FOLDER / "MODEL_CARD.md").read_text("utf-8")


def test_on_kmnist_an_accuracy_that_moved_is_noticed(monkeypatch):
    data = kmnist_or_skip()
    names, answers, shifted = beyond.load_committee()
    answers[-1, :100] = answers[-1, :100, ::-1]
    monkeypatch.setattr(beyond, "load_committee", lambda: (names, answers, shifted))
    with pytest.raises(ValueError, match=f"{names[-1]} has an accuracy of .*; recorded is"):
        beyond.check(data)


def test_everything_is_written_and_read_again(tiny10, tmp_path, monkeypatch):
    monkeypatch.setattr(beyond, "FOLDER", tmp_path / "best")
    result = train(SMALL, tiny10)
    beyond.write(
        [beyond.row_of("best", result)],
        [beyond.history_of("best", result)],
        result.model,
        {"seed 1": result.model},
        tiny10,
        tmp_path / "best",
    )
    assert beyond.load_runs().test_accuracy[0] == pytest.approx(result.test_accuracy)
    pd.testing.assert_frame_equal(
        beyond.load_histories().drop(columns=["name", "seed"]), result.history, rtol=1e-5
    )
    assert isinstance(beyond.load_best(), MLP)
    names, plain, shifted = beyond.load_committee()
    assert names == ["seed 1"]
    p = result.model.predict_proba(tiny10.test_images)
    np.testing.assert_allclose(plain[0], p, atol=1e-3)
    assert shifted.shape == plain.shape and np.abs(shifted - plain).max() > 0.01
    card = (tmp_path / "best" / "MODEL_CARD.md").read_text("utf-8")
    low, high = beyond.wilson_interval(round(result.test_accuracy * 100), 100)
    assert f"{low:.2f} to {high:.2f} %" in card and "{" not in card.replace("{'layer", "")


def test_make_beyond_trains_all_that_is_planned_and_writes_it(
    tiny10, tmp_path, monkeypatch, capsys
):
    plan = [("wide", SMALL), ("best", SMALL.replace(seed=1)), ("again", SMALL.replace(seed=2))]
    monkeypatch.setattr(beyond, "FOLDER", tmp_path / "best")
    monkeypatch.setattr(beyond, "plan", lambda: plan)
    monkeypatch.setattr(beyond, "load_kmnist", lambda: tiny10)
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path / "results"))
    assert beyond.main() == 0
    assert "again, seed 2: epoch 3 of 3; 0 min to go for all" in capsys.readouterr().out
    runs = beyond.load_runs()
    assert runs.name.tolist() == ["wide", "best", "again"] and runs.seed.tolist() == [0, 1, 2]
    best = train(SMALL.replace(seed=1), tiny10).model
    np.testing.assert_allclose(beyond.load_best().weights[0], best.weights[0], rtol=1e-3)
    capsys.readouterr()
    beyond.check(tiny10)
    assert "with 1 more: as recorded" in capsys.readouterr().out


def test_on_the_stand_in_nothing_is_overwritten(monkeypatch, capsys):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "stand-in")
    monkeypatch.setattr(beyond, "write", None)
    with pytest.warns(UserWarning, match="STAND-IN"):
        assert beyond.main() == 1
    assert "place the data first" in capsys.readouterr().err
