"""Beyond the paper: nothing that is chosen sees a test image, and every run leaves a record."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from kmnist_mlp import MLP, Config, Dataset, load_kmnist, train
from kmnist_mlp.beyond import plan
from kmnist_mlp.beyond.distillation import Teachers
from kmnist_mlp.beyond.plan import FINAL, TRIAL, Run, planned
from kmnist_mlp.beyond.pretrained import load_rounded, save_rounded
from kmnist_mlp.beyond.protocol import (
    CLUSTERS,
    HELD_OUT,
    held_out_clusters,
    held_out_rows,
    load_ledger,
    measure,
    without_test_images,
)
from kmnist_mlp.beyond.records import Records, train_missing
from kmnist_mlp.experiments import ResultCache
from kmnist_mlp.experiments.paper import EXPERIMENTS

ROOT = Path(__file__).resolve().parent.parent
TINY = Config((36, 8, 10), learning_rate=0.01, batch_size=32, epochs=3, early_stop=False)
RUNS = [
    Run("final", "final network", TINY.replace(validation_fraction=0.0), "all"),
    Run("trial", "nothing", TINY),
    Run("size", "100 images", TINY, "first 100"),
    Run("distilled", "of three", TINY.replace(batch_normalisation=True), "distilled"),
]


@pytest.fixture(scope="module")
def styles():
    """Two classes whose images are written in twelve styles each, and test images of another."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 256, (2, CLUSTERS, 6, 6))

    def draw(n):
        labels, style = rng.integers(0, 2, n), rng.integers(0, CLUSTERS, n)
        noise = rng.integers(-9, 10, (n, 6, 6))
        images = np.clip(patterns[labels, style] + noise, 0, 255).astype(np.uint8)
        return images, labels, style

    return draw(600)


# ---- protocol ------------------------------------------------------------------------------------


def test_whole_styles_of_each_class_are_held_out(styles):
    images, labels, style = styles
    out = held_out_rows(images, labels)
    for label in (0, 1):
        own = labels == label
        shares = [out[own & (style == s)].mean() for s in range(CLUSTERS)]
        mixed = [share for share in shares if 0 < share < 1]
        assert not mixed and 1 <= sum(shares) <= CLUSTERS / 2
    np.testing.assert_array_equal(out, held_out_rows(images, labels))


def test_trials_and_final_networks_see_training_images_alone(make_dataset):
    data = make_dataset(classes=10, train=600, test=50)
    rows = {row.tobytes() for row in data.train_images}
    trials, everything = held_out_clusters(data), without_test_images(data)
    assert {row.tobytes() for row in trials.test_images} <= rows
    assert {row.tobytes() for row in everything.test_images} <= rows
    pairs = zip(
        [*trials.train_images, *trials.test_images],
        [*trials.train_labels, *trials.test_labels],
        strict=True,
    )
    of_data = zip(data.train_images, data.train_labels, strict=True)
    assert sorted((i.tobytes(), n) for i, n in pairs) == sorted(
        (i.tobytes(), n) for i, n in of_data
    )
    np.testing.assert_array_equal(everything.train_images, data.train_images)
    assert HELD_OUT / CLUSTERS / 3 < len(trials.test_images) / 600 < HELD_OUT / CLUSTERS * 3


def test_on_kmnist_the_held_out_clusters_are_the_same_on_every_machine():
    data = load_kmnist()
    if data.is_stand_in:
        pytest.skip("needs the real data")
    out = held_out_rows(data.train_images, data.train_labels)
    assert int(out.sum()) == 9716
    assert hashlib.sha256(np.packbits(out)).hexdigest()[:12] == "391c2634ff95"


class Answers:
    """A network that predicts given classes, whatever the image."""

    def __init__(self, *classes):
        self.parameters = np.array(classes, np.float32)
        self.classes = list(classes)

    def predict_proba(self, images):
        return np.eye(10)[self.classes[: len(images)]] * 0.9 + 0.01


def four_images():
    images = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6)
    return Dataset(images, np.arange(4), images, np.arange(4))


def test_every_accuracy_on_test_images_is_in_the_ledger_once(tmp_path):
    ledger, data = tmp_path / "ledger.csv", four_images()
    good, worse = Answers(0, 1, 2, 2), Answers(0, 0, 2, 2)
    assert measure("final", [good], TINY, "0", data, ledger=ledger) == 0.75
    measure("final", [worse], TINY, "1", data, ledger=ledger)
    measure("final", [good], TINY, "0", data, ledger=ledger)  # again
    measure("final", [good], TINY.replace(epochs=9), "0", data, ledger=ledger)  # another one
    measure("both", [good, worse, worse], TINY, "0 to 2", data, ledger=ledger)
    table = load_ledger(ledger)
    assert table[["kind", "seed", "images", "accuracy"]].to_numpy().tolist() == [
        ["final", "0", 4, 0.75],
        ["final", "1", 4, 0.5],
        ["final", "0", 4, 0.75],
        ["both", "0 to 2", 4, 0.5],
    ]
    assert table.configuration[0] == table.configuration[1] != table.configuration[2]
    assert table.network[0] == table.network[2] != table.network[1]
    assert table.date.str.fullmatch(r"\d{4}-\d\d-\d\d").all()


def test_changed_and_shifted_images_are_what_the_ledger_says(tmp_path):
    ledger, data = tmp_path / "ledger.csv", four_images()
    seen = []

    class Looks(Answers):
        def predict_proba(self, images):
            seen.append(images)
            return super().predict_proba(images)

    network = Looks(0, 1, 2, 3)
    measure("final", [network], TINY, "0", data, changed="darker: 2",
            change=lambda images: images // 2, ledger=ledger)  # fmt: skip
    np.testing.assert_array_equal(seen[0], data.test_images // 2)
    measure("final", [network], TINY, "0", data, shifts=True, ledger=ledger)
    assert len(seen) == 1 + 9
    assert load_ledger(ledger).what.tolist() == ["darker: 2", ""]


def test_no_other_file_beyond_the_paper_reads_test_images_than_those_that_are_named():
    """`measure`; what only the trials' held-out clusters pass through; later analyses."""
    named = {"protocol.py", "records.py", "model_card.py", "measurements.py"}
    folder = ROOT / "kmnist_mlp" / "beyond"
    found = {path.name for path in folder.glob("*.py") if ".test_images" in path.read_text("utf-8")}
    assert found == named
    checked = (folder / "measurements.py").read_text("utf-8").partition("def check(")
    assert ".test_images" not in checked[0]


def test_the_committed_ledger_begins_with_the_first_attempt():
    table = load_ledger()
    assert (table.kind == "first attempt").sum() == 54
    assert table.accuracy.between(0, 1).all() and (table.images == 10_000).all()


# ---- plan ----------------------------------------------------------------------------------------


def differences(one, other):
    """Return what differs between two configurations, with the values of the first."""
    one, other = (dataclasses.asdict(config) for config in (one, other))
    return {option: value for option, value in one.items() if value != other[option]}


def test_each_step_changes_one_thing_and_the_last_is_the_final_network_but_for_length_and_images():
    configs = plan.step_configs()
    assert configs["the paper's baseline"] == EXPERIMENTS["baseline"]
    steps = list(configs.values())
    together = [{"epochs", "early_stop"}, {"schedule", "warm_up"}]
    for before, after in zip(steps, steps[1:], strict=False):
        changed = set(differences(after, before))
        assert len(changed) == 1 or changed in together
    assert differences(FINAL, steps[-1]) == {"epochs": 200, "validation_fraction": 0.0}
    assert configs["1,024 units"] == TRIAL


def test_each_trial_changes_one_thing():
    for title, changes in plan.CHANGES.items():
        assert set(differences(plan.changed(title), TRIAL)) == set(changes) and len(changes) == 1
    assert differences(TRIAL, FINAL) == {"epochs": 20, "validation_fraction": 0.2}


def test_networks_with_fewer_images_see_as_many_in_all():
    for images in plan.SIZES:
        for augmented in (False, True):
            config = plan.size_config(images, augmented)
            assert config.epochs * 0.8 * images == pytest.approx(plan.IMAGES_SEEN, rel=0.01)
            assert config.distortion == augmented


def test_every_run_is_planned_once_final_networks_first_and_a_first_seed_before_a_second():
    runs = planned()
    assert len({(run.config, run.data) for run in runs}) == len(runs)
    assert [run.group for run in runs[:6]] == ["final"] * 5 + ["trial"]
    assert [run.config.seed for run in runs[:5]] == [0, 1, 2, 3, 4]
    for group in {run.group for run in runs}:
        seeds = [run.config.seed for run in runs if run.group == group]
        assert seeds == sorted(seeds) and max(seeds) < (5 if group == "final" else 3)
    assert all(run.config.validation_fraction == 0.2 for run in runs[5:])
    assert all(run.data != "all" for run in runs[5:])


# ---- records -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(make_dataset, tmp_path_factory):
    """A folder with the records of small runs, and their data."""
    data, folder = make_dataset(classes=10, train=600, test=50), tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KMNIST_MLP_RESULTS", str(folder.parent / "results"))
        train_missing(RUNS, data, Records(folder), n_jobs=1)
        yield folder, data


def test_a_record_is_what_training_gave(recorded):
    folder, data = recorded
    records, trials = Records(folder), held_out_clusters(data)
    assert len(records.table) == 4 and records.has(TINY)
    result = train(TINY, trials)
    row = records.of(TINY).loc[0]
    assert row.held_out_accuracy == pytest.approx(result.test_accuracy)
    assert row.validation_loss == pytest.approx(result.returned["validation_loss"], rel=1e-5)
    right = result.model.predict(trials.test_images) == trials.test_labels
    np.testing.assert_array_equal(records.correct(TINY), right)
    assert records.of(TINY.replace(learning_rate=0.5)).empty
    with pytest.raises(KeyError, match=r"learning_rate=0\.5"):
        records.correct(TINY.replace(learning_rate=0.5))


def test_differences_are_of_the_same_seed_and_a_diverged_run_has_none(recorded, tmp_path):
    folder, data = recorded
    records, trials = Records(folder), held_out_clusters(data)
    result = train(TINY, trials)
    for seed, accuracy, diverged in ((1, 0.5, False), (2, 0.4, True)):
        for config, more in ((TINY, 0), (TINY.replace(epochs=9), 0.125)):
            changed = dataclasses.replace(
                result, test_accuracy=accuracy + more, diverged=diverged and bool(more)
            )
            records.append(Run("trial", "x", config.replace(seed=seed)), changed, trials)
    difference = records.difference(TINY.replace(epochs=9), TINY)
    assert difference.to_dict() == {1: 12.5}
    assert records.of(TINY.replace(epochs=9)).held_out_accuracy.isna().tolist() == [False, True]


def test_a_run_with_fewer_images_has_the_first_ones(recorded):
    folder, data = recorded
    trials = held_out_clusters(data)
    few = dataclasses.replace(
        trials, train_images=trials.train_images[:100], train_labels=trials.train_labels[:100]
    )
    accuracy = Records(folder).of(TINY, "first 100").held_out_accuracy[0]
    assert accuracy == pytest.approx(train(TINY, few).test_accuracy)


def test_a_distilled_network_has_the_networks_of_three_seeds_as_teachers(recorded):
    folder, data = recorded
    config, trials = RUNS[3].config, held_out_clusters(data)
    teachers = [train(config.replace(seed=seed), trials).model for seed in range(3)]
    expected = train(config, trials, callbacks=[Teachers(teachers)]).test_accuracy
    assert Records(folder).of(config, "distilled").held_out_accuracy[0] == pytest.approx(expected)
    assert expected != train(config, trials).test_accuracy


def test_nothing_that_trains_is_given_test_images(recorded):
    _, data = recorded
    for run, seen in zip(
        RUNS[:2], (without_test_images(data), held_out_clusters(data)), strict=True
    ):
        assert ResultCache(seen).get(run.config) is not None
        assert ResultCache(data).get(run.config) is None


def test_the_record_of_a_final_network_has_its_weights_and_no_measurement(recorded):
    folder, data = recorded
    row = Records(folder).of(RUNS[0].config, "all").loc[0]
    assert np.isnan(row.held_out_accuracy) and np.isnan(row.validation_accuracy)
    model = train(RUNS[0].config, without_test_images(data)).model
    rounded = load_rounded(folder / "final_0.npz")
    for W, own in zip(model.weights, rounded.weights, strict=True):
        step = np.abs(W).max(axis=0) / 127
        assert (np.abs(own - W) <= step * 0.501).all() and np.abs(own - W).max() > 0
    np.testing.assert_array_equal(rounded.biases[0], model.biases[0])
    images = held_out_clusters(data).train_images
    plain = (rounded.predict(images) != model.predict(images)).mean()
    assert abs(row.changed_by_rounding - plain) < 0.1
    np.testing.assert_array_equal(rounded.standardisation[0], model.standardisation[0])


def test_what_has_a_record_is_not_trained_again_and_what_is_new_is(
    recorded, tmp_path, monkeypatch, capsys
):
    folder, data = recorded
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    before = (folder / "runs.csv").read_bytes()
    train_missing(RUNS, data, Records(folder), n_jobs=1)
    assert (folder / "runs.csv").read_bytes() == before and not [*tmp_path.iterdir()]
    assert "4 runs, 0 to train" in capsys.readouterr().out
    new = Run("trial", "another seed", TINY.replace(seed=1))
    train_missing([*RUNS, new], data, Records(folder), n_jobs=1)
    assert len(Records(folder).table) == 5 and Records(folder).of(new.config).title[1] == new.title
    assert "another seed, seed 1" in (folder / "log.txt").read_text("utf-8").splitlines()[-1]


def test_an_interruption_leaves_no_row_without_what_belongs_to_it(recorded, tmp_path, monkeypatch):
    trials = held_out_clusters(recorded[1])
    records, result = Records(tmp_path), train(TINY, trials)
    records.add(RUNS[1], result, trials)
    for number, stage in enumerate(("save_rounded", "save_arrays", "write_csv"), start=1):
        with monkeypatch.context() as patched, pytest.raises(OSError, match="full"):
            patched.setattr(f"kmnist_mlp.beyond.records.{stage}", full)
            records.add(Run("final", "x", TINY.replace(seed=number), "all"), result, trials)
        assert Records(tmp_path).table.title.tolist() == ["nothing"]


def full(*arguments):
    """Stand for writing to a full disk."""
    raise OSError("the disk is full")


def test_records_of_other_held_out_clusters_are_not_mixed(recorded, make_dataset):
    other = held_out_clusters(make_dataset(classes=10, train=610, test=50, seed=1))
    records = Records(recorded[0])
    with pytest.raises(ValueError, match=other.fingerprint[:12]):
        records.append(RUNS[1], train(TINY, other), other)


def test_a_unit_without_weights_stays_without(recorded, tmp_path):
    model = load_rounded(recorded[0] / "final_0.npz")
    model.weights[0][:, 0] = 0
    save_rounded(model, tmp_path / "model.npz")
    np.testing.assert_allclose(
        load_rounded(tmp_path / "model.npz").weights[0], model.weights[0], rtol=1e-6
    )


# ---- distillation --------------------------------------------------------------------------------


def test_a_student_learns_what_its_teachers_say_and_not_the_labels(make_dataset):
    data = make_dataset(classes=10, train=600, test=200)
    wrong = (data.train_labels + 1) % 10
    teachers = [train(TINY.replace(seed=seed), data).model for seed in (0, 1)]
    config = TINY.replace(batch_normalisation=True, epochs=10)
    mislabelled = dataclasses.replace(data, train_labels=wrong)
    student = train(config, mislabelled, callbacks=[Teachers(teachers)])
    assert train(config, mislabelled).test_accuracy < 0.2
    assert student.test_accuracy > 0.8


def test_a_students_targets_are_the_mean_probabilities_of_the_images_it_sees():
    models = [MLP((36, 10), seed=seed) for seed in (0, 1)]
    x, t = np.ones((3, 36), np.float32), np.zeros((3, 10), np.float32)
    Teachers(models).mini_batch(x, t)
    expected = np.mean([model.predict_proba(x) for model in models], axis=0)
    np.testing.assert_allclose(t, expected, rtol=1e-6)
