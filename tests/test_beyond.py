"""Beyond the paper: nothing that is chosen sees a test image, and what ships is as recorded."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kmnist_mlp import MLP, Config, Dataset, train
from kmnist_mlp.beyond import FOLDER, load_best, load_ensemble, plan, records
from kmnist_mlp.beyond.evaluation import CORRUPTIONS, rotate
from kmnist_mlp.beyond.plan import FINAL, TRIAL, Run, planned
from kmnist_mlp.beyond.protocol import (
    CLUSTERS,
    ENSEMBLE,
    HELD_OUT,
    NETWORK,
    accuracies,
    check,
    config_digest,
    held_out_clusters,
    load_ledger,
    measure,
    recorded,
    robustness,
    weights_digest,
    without_test_images,
)
from kmnist_mlp.beyond.records import Records, Teachers, add, train_missing
from kmnist_mlp.experiments import EXPERIMENTS, ResultCache
from kmnist_mlp.support.files import save_arrays, write_csv
from kmnist_mlp.support.statistics import interval, wilson_interval

ROOT = Path(__file__).resolve().parent.parent
TINY = Config((36, 8, 10), learning_rate=0.01, batch_size=32, epochs=3, early_stop=False)
ON_ALL, ON_FEW = TINY.replace(validation_fraction=0.0), TINY.replace(epochs=2)
STUDENT = TINY.replace(batch_normalisation=True)
RUNS = [
    Run("final", "final network", ON_ALL),
    Run("final", "final network", ON_ALL.replace(seed=1)),
    Run("trial", "nothing", TINY),
    Run("size", "100 images", ON_FEW, first=100),
    Run("distilled", "of two", STUDENT, teachers=(TINY, TINY.replace(seed=1))),
]

# ---- held-out clusters ---------------------------------------------------------------------------


def test_whole_styles_of_each_class_are_held_out():
    rng = np.random.default_rng(0)  # two classes, written in twelve styles each
    patterns = rng.integers(0, 256, (2, CLUSTERS, 6, 6))
    labels, style = rng.integers(0, 2, 600), rng.integers(0, CLUSTERS, 600)
    noise = rng.integers(-9, 10, (600, 6, 6))
    images = np.clip(patterns[labels, style] + noise, 0, 255).astype(np.uint8)
    trials = held_out_clusters(Dataset(images, labels, images, labels))
    held_out = {image.tobytes() for image in trials.test_images}
    out = np.array([image.tobytes() in held_out for image in images])
    for label in (0, 1):
        these = labels == label
        shares = [out[these & (style == s)].mean() for s in range(CLUSTERS)]
        mixed = [share for share in shares if 0 < share < 1]
        assert not mixed and 1 <= sum(shares) <= CLUSTERS / 2


def test_on_kmnist_the_held_out_clusters_are_the_same_on_every_machine(kmnist):
    if kmnist.is_stand_in:
        pytest.skip("needs the real data")
    trials, clusters = held_out_clusters(kmnist), Records().clusters
    assert len(trials.test_labels) == clusters["held_out_images"] == 9716
    assert trials.fingerprint == clusters["trials"]


def pairs(*parts):
    """Return images and labels, in an order of their own."""
    both = (zip(images, labels, strict=True) for images, labels in parts)
    return sorted((image.tobytes(), label) for part in both for image, label in part)


def test_trials_and_final_networks_see_training_images_alone(make_dataset):
    data = make_dataset(classes=10, train=600, test=50)
    trials, everything = held_out_clusters(data), without_test_images(data)
    of_data = pairs((data.train_images, data.train_labels))
    assert of_data == pairs(
        (trials.train_images, trials.train_labels), (trials.test_images, trials.test_labels)
    )
    assert of_data == pairs((everything.train_images, everything.train_labels))
    assert {*pairs((everything.test_images, everything.test_labels))} <= {*of_data}
    assert HELD_OUT / CLUSTERS / 3 < len(trials.test_images) / 600 < HELD_OUT / CLUSTERS * 3


# ---- plan ----------------------------------------------------------------------------------------


def differences(one, other):
    """Return what differs between two configurations, with the values of the first."""
    one, other = (dataclasses.asdict(config) for config in (one, other))
    return {option: value for option, value in one.items() if value != other[option]}


def test_each_step_changes_one_thing_and_the_last_is_the_final_network_but_for_length_and_images():
    runs = {name: run for name, (run, _) in plan.plan().items()}
    steps = [run.config for (group, _), run in runs.items() if group == "step"]
    assert steps[0] == EXPERIMENTS["baseline"] and steps[-2] == TRIAL
    together = [{"epochs", "early_stop"}, {"schedule", "warm_up"}]
    for before, after in zip(steps, steps[1:], strict=False):
        changed = set(differences(after, before))
        assert len(changed) == 1 or changed in together
    assert differences(FINAL, steps[-1]) == {"epochs": 200, "validation_fraction": 0.0}
    assert differences(TRIAL, FINAL) == {"epochs": 20, "validation_fraction": 0.2}
    for (group, title), run in runs.items():
        changes = set(differences(run.config, TRIAL))
        if group in ("left out", "added", "distilled"):
            assert len(changes) == 1
        if group == "left out, long":
            longer = runs["left out", title].config
            assert run.config == longer.replace(epochs=2 * longer.epochs)
        if group.startswith("size"):
            images, seen = int(title.split()[0]), int(run.title.split()[-2])
            assert run.first == images and run.config.epochs == round(seen / (0.8 * images))
            assert run.config.distortion == ("not" not in title)


def test_every_run_is_planned_once_with_its_images_and_its_labels():
    runs = planned()
    assert len({(run.config, run.data) for run in runs}) == len(runs) == 126
    assert [run.config.seed for run in runs if run.data == "all"] == [0, 1, 2, 3, 4]
    for run in runs:
        assert (run.config.validation_fraction == 0) == (run.data == "all")
    (distilled,) = [run for run in runs if run.teachers]
    assert distilled.config.label_smoothing == 0  # its targets are not smoothed
    assert distilled.teachers == tuple(TRIAL.replace(seed=seed) for seed in range(3))


# ---- records -------------------------------------------------------------------------------------


def empty(folder):
    """Return a folder, with no records yet."""
    write_csv(Records().table.iloc[:0].reset_index(), folder / "runs.csv")
    save_arrays(folder / "runs.npz", {}, {})
    return folder


@pytest.fixture(scope="module")
def made(make_dataset, tmp_path_factory):
    """A folder with the records of small runs, and their data."""
    data, folder = make_dataset(classes=10, train=600, test=50), tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KMNIST_MLP_RESULTS", str(folder.parent / "results"))
        train_missing(RUNS, data, empty(folder), n_jobs=1)
        yield folder, data


def test_a_record_is_what_training_gave_with_its_images_and_teachers(made):
    records, trials = Records(made[0]), held_out_clusters(made[1])
    few = dataclasses.replace(
        trials, train_images=trials.train_images[:100], train_labels=trials.train_labels[:100]
    )
    teachers = [train(TINY.replace(seed=seed), trials).model for seed in (0, 1)]
    results = {
        RUNS[2]: train(TINY, trials),
        RUNS[3]: train(ON_FEW, few),
        RUNS[4]: train(STUDENT, trials, callbacks=[Teachers(teachers)]),
    }
    assert len(records.table) == len(RUNS)
    for run, result in results.items():
        row = records.table.loc[run.identity]
        assert row.held_out_accuracy == pytest.approx(result.test_accuracy)
        assert row.validation_loss == pytest.approx(result.returned["validation_loss"], rel=1e-5)
        right = result.model.predict(trials.test_images) == trials.test_labels
        np.testing.assert_array_equal(records.correct(run.identity), right)


def test_nothing_that_trains_is_given_test_images(made):
    _, data = made
    for run, seen in ((RUNS[0], without_test_images(data)), (RUNS[2], held_out_clusters(data))):
        assert ResultCache(seen).get(run.config) is not None
        assert ResultCache(data).get(run.config) is None


def test_the_record_of_a_final_network_has_its_weights_and_no_measurement(made):
    folder, data = made
    row = Records(folder).table.loc[RUNS[0].identity]
    assert np.isnan(row.held_out_accuracy) and np.isnan(row.validation_accuracy)
    model = train(ON_ALL, without_test_images(data)).model
    rounded = load_best(folder)
    for W, found in zip(model.weights, rounded.weights, strict=True):
        step = np.abs(W).max(axis=0) / 127
        assert (np.abs(found - W) <= step * 0.501).all() and np.abs(found - W).max() > 0
    np.testing.assert_array_equal(rounded.biases[0], model.biases[0])
    np.testing.assert_array_equal(rounded.standardisation[0], model.standardisation[0])
    images = held_out_clusters(data).train_images
    plain = (rounded.predict(images) != model.predict(images)).mean()
    assert abs(row.changed_by_rounding - plain) < 0.1


def test_what_has_a_record_is_not_trained_again_and_what_is_new_is(made, tmp_path, monkeypatch):
    folder, data = made
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    before = (folder / "runs.csv").read_bytes()
    train_missing(RUNS, data, folder, n_jobs=1)
    assert (folder / "runs.csv").read_bytes() == before and not [*tmp_path.iterdir()]
    new = Run("trial", "another seed", TINY.replace(seed=1))
    train_missing([*RUNS, new], data, folder, n_jobs=1)
    assert (folder / "runs.csv").read_bytes().startswith(before)
    assert new.identity == Records(folder).table.index[-1]


def test_an_interruption_leaves_no_row_without_what_belongs_to_it(made, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError("the disk is full")

    trials = held_out_clusters(made[1])
    folder, result = empty(tmp_path), train(TINY, trials)
    add(folder, trials, RUNS[2], result)
    for number, stage in enumerate(("save_arrays", "write_csv"), start=1):
        with monkeypatch.context() as patched, pytest.raises(OSError, match="full"):
            patched.setattr(f"kmnist_mlp.beyond.records.{stage}", full)
            run = Run("final", "x", TINY.replace(seed=number))
            add(folder, trials, run, result)
        assert Records(folder).table.title.tolist() == ["nothing"]


def test_records_of_other_held_out_clusters_are_not_mixed(made, make_dataset):
    other = held_out_clusters(make_dataset(classes=10, train=610, test=50, seed=1))
    with pytest.raises(ValueError, match=other.fingerprint[:12]):
        add(made[0], other, RUNS[2], train(TINY, other))


def test_a_student_learns_the_mean_of_its_teachers_probabilities():
    teachers, x = [MLP((36, 10), seed=seed) for seed in (0, 1)], np.ones((3, 36), np.float32)
    t = np.zeros((3, 10), np.float32)
    Teachers(teachers).mini_batch(x, t)
    expected = np.mean([model.predict_proba(x) for model in teachers], axis=0)
    np.testing.assert_allclose(t, expected, rtol=1e-6)


# ---- measured on test images ---------------------------------------------------------------------


class Answers:
    """A network that predicts given classes, whatever the image, and remembers the images."""

    def __init__(self, *classes):
        self.parameters, self.classes = np.array(classes, np.float32), list(classes)
        self.seen = []

    def predict_proba(self, images):
        self.seen.append(images)
        return np.eye(10)[self.classes[: len(images)]] * 0.9 + 0.01


def test_every_accuracy_on_test_images_is_in_the_ledger_once(tmp_path):
    images = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6)
    ledger, data = tmp_path / "ledger.csv", Dataset(images, np.arange(4), images, np.arange(4))
    good, worse = Answers(0, 1, 2, 2), Answers(0, 0, 2, 2)
    write_csv(load_ledger()[:0], ledger)
    measurements = [
        ("final", [good], TINY, "0"),
        ("final", [worse], TINY, "1"),
        ("final", [good], TINY, "0"),  # again
        ("final", [good], TINY.replace(epochs=9), "0"),  # another one
        ("both", [good, worse, worse], TINY, "0 to 2"),
    ]
    measure(measurements, data, ledger)
    good.seen.clear()
    (shift, *_) = CORRUPTIONS
    shifted = ("one, mean over nine shifts", [good], TINY, "0")
    measure([("final", [good], TINY, "0", shift, 2), shifted], data, ledger)
    np.testing.assert_array_equal(good.seen[0][:, :, 2:], images[:, :, :-2])
    assert len(good.seen) == 1 + 9
    table = load_ledger(ledger)
    assert table[["kind", "what", "seed", "images", "accuracy"]].to_numpy().tolist() == [
        ["final", "", "0", 4, 0.75],
        ["final", "", "1", 4, 0.5],
        ["final", "", "0", 4, 0.75],
        ["both", "", "0 to 2", 4, 0.5],
        ["final", "shift to the right, pixels: 2", "0", 4, 0.75],
        ["one, mean over nine shifts", "", "0", 4, 0.75],
    ]
    assert table.configuration[0] == table.configuration[1] != table.configuration[2]
    assert table.network[0] == table.network[2] != table.network[1]
    assert table.date.str.fullmatch(r"\d{4}-\d\d-\d\d").all()


@pytest.fixture(scope="module")
def measured(made, kana):
    """Folder and ledger, once the two final networks are measured and described."""
    folder, ledger = made[0], made[0] / "ledger.csv"
    write_csv(load_ledger()[:0], ledger)
    final = ON_ALL.replace(epochs=3)
    baseline = MLP((36, 10), seed=9)
    baseline.standardisation = np.zeros(36, np.float32), np.full(36, 99, np.float32)
    result = SimpleNamespace(of=lambda name: [SimpleNamespace(model=baseline)])
    runs = {("step", "3 epochs"): (Run("step", "3 epochs", final), 1)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kmnist_mlp.beyond.protocol.FINAL", final)
        patched.setattr(records, "FINAL", final)
        patched.setattr(records, "planned", lambda: RUNS)
        patched.setattr(records.experiments, "run", lambda *names, data: result)
        patched.setattr(records, "plan", lambda: runs)
        records.measure(kana, folder, ledger)
        before = ledger.read_bytes()
        records.measure(kana, folder, ledger)  # adds nothing
        assert ledger.read_bytes() == before
    return folder, load_ledger(ledger)


def test_the_ledger_has_the_accuracy_of_each_final_network_and_of_their_mean(measured, kana):
    folder, ledger = measured
    networks = load_ensemble(folder)
    lines = recorded(networks, ledger)
    right = [float((n.predict(kana.test_images) == kana.test_labels).mean()) for n in networks]
    assert accuracies(lines).tolist() == pytest.approx(right) and len(right) == 2
    mean = np.mean([n.predict_proba(kana.test_images) for n in networks], axis=0)
    expected = float((mean.argmax(axis=1) == kana.test_labels).mean())
    assert accuracies(lines, ENSEMBLE).tolist() == [pytest.approx(expected)]
    assert len(lines) == 2 + 1 + 2  # the last two with shifts
    before = ledger[ledger.kind == NETWORK].assign(network="0" * 12, accuracy=0.0)
    again = recorded(networks, pd.concat([before, ledger]))  # networks that were trained again
    assert accuracies(again).tolist() == accuracies(ledger).tolist()
    with pytest.raises(ValueError, match=weights_digest([networks[0]])):
        recorded(networks, before)


@pytest.mark.parametrize(("kind", "seed"), [(NETWORK, "1"), (ENSEMBLE, "0 to 1")])
def test_the_check_refuses_networks_whose_accuracy_is_not_in_the_ledger(
    measured, kana, tmp_path, kind, seed
):
    folder, ledger = measured
    check(kana, folder, folder / "ledger.csv")
    place = ledger.index[(ledger.kind == kind) & (ledger.seed == seed)]
    moved = ledger.copy()
    moved.loc[place, "accuracy"] += 0.02
    write_csv(moved, tmp_path / "ledger.csv")
    with pytest.raises(ValueError, match=f"{kind}, seed {seed}.*{moved.accuracy[place[0]]:.2%}"):
        check(kana, folder, tmp_path / "ledger.csv")


def test_robustness_is_measured_on_all_test_images_and_through_the_ledger(measured, kana):
    folder, ledger = measured
    again = ledger[ledger.what != ""].assign(network="0" * 12, accuracy=0.0)
    table = robustness(pd.concat([again, ledger]))  # networks that were trained again
    assert (ledger.images == 100).all() and len(table) == 2 * 24
    severities = table.groupby("corruption", sort=False).severity.unique().map(list).tolist()
    assert severities == [[*range(-4, 5)], [*range(-40, 41, 10)], [*range(0, 101, 20)]]
    unchanged = table[(table.severity == 0) & (table.model == NETWORK)]
    assert set(unchanged.accuracy) == {accuracies(ledger).iloc[0]}
    turned = rotate(kana.test_images, 20)
    right = (load_best(folder).predict(turned) == kana.test_labels).mean()
    row = table.query("model == @NETWORK and corruption.str.startswith('rot') and severity == 20")
    assert row.accuracy.tolist() == pytest.approx([right])


def test_an_epoch_of_each_step_is_timed(measured):
    timing = records.load_timing(measured[0])
    assert timing.index.tolist() == ["3 epochs", NETWORK] and (timing > 0).all()


def python_in(card):
    """Return the two blocks of code in a model card: how to use it, and the configuration."""
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_the_model_card_has_the_accuracies_of_the_stored_weights(measured, kana):
    folder, ledger = measured
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    right = load_best(folder).predict(kana.test_images) == kana.test_labels
    low, high = wilson_interval(right.sum(), len(right))
    assert f"{100 * right.mean():.2f}\xa0% of the 100" in card
    assert f"{low:.2f} to {high:.2f} %" in card and "{" not in card
    for label, name in enumerate(kana.class_labels):
        assert f"| {name} | {100 * right[kana.test_labels == label].mean():.1f}\xa0% |" in card
    networks = ledger[ledger.kind == NETWORK].accuracy
    assert f"over 2 seeds is {100 * networks.mean():.2f}" in " ".join(card.split())
    assert eval(python_in(card)[1], {"Config": Config}) == ON_ALL


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
    others = {"pandas", "matplotlib", "scipy", "joblib", "IPython", "pooch", "requests", "tqdm"}
    assert "kmnist_mlp" in packages and not (others | {"threadpoolctl"}) & set(packages)
    assert experiments == []


def test_the_shipped_records_are_those_of_the_plan_and_agree_with_their_arrays():
    records, runs = Records(), {run.identity: run for run in planned()}
    assert set(records.table.index) == set(runs) and records.table.index.is_unique
    for name, row in records.table.iterrows():
        run = runs[name]
        assert (run.group, run.title, run.data) == (row.group, row.title, row.data)
        assert run.config == Config.from_dict(json.loads(row.configuration))
        if run.data != "all":
            assert records.correct(name).mean() == pytest.approx(row.held_out_accuracy, abs=1e-6)


def test_each_final_network_ships_is_small_and_is_in_the_ledger_as_planned():
    networks, ledger = load_ensemble(), load_ledger()
    assert len(networks) == len(plan.SEEDS)
    for path, network in zip(sorted(FOLDER.glob("final_?.npz")), networks, strict=True):
        assert path.stat().st_size < 10e6 and network.layer_specs == FINAL.layer_specs
    lines = recorded(networks, ledger)
    assert accuracies(lines).index.is_unique and (accuracies(lines) > 0.9).all()
    seeds = lines[lines.kind == NETWORK].set_index("network").seed
    assert [seeds[weights_digest([network])] for network in networks] == [*"01234"]
    assert set(lines.configuration) == {config_digest(FINAL)}
    assert (ledger.kind == "first attempt").sum() == 54
    assert ledger.accuracy.between(0, 1).all() and (ledger.images == 10_000).all()
    mean, low, high = interval(100 * accuracies(lines))
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"mean test accuracy of {mean:.2f} %" in text
    assert f"(95 % interval over seeds {low:.2f} to {high:.2f} %)" in text
    assert f"their ensemble {100 * accuracies(lines, ENSEMBLE).iloc[0]:.2f} %" in text


def test_the_python_in_the_model_card_runs_and_gives_the_shipped_network(kmnist):
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    usage, config = python_in(card)
    names = {"images": np.zeros((2, 28, 28), np.uint8)}
    exec(usage, names)
    np.testing.assert_array_equal(names["model"].parameters, load_best().parameters)
    assert eval(config, {"Config": Config}) == FINAL
    if not kmnist.is_stand_in:
        check(kmnist)
        assert card == records.model_card(FOLDER, load_ledger(), kmnist)
