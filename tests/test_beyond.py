"""Beyond the paper: nothing that is chosen sees a test image, and what ships is as recorded."""

import dataclasses
import itertools
import json
import re
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import yaml
from small_runs import assert_digests

from kmnist_mlp import MLP, Config, Dataset, train
from kmnist_mlp.beyond import FOLDER, load_best, load_ensemble, plan, protocol, records
from kmnist_mlp.beyond.evaluation import COPIES, mean_probabilities, rotate
from kmnist_mlp.beyond.plan import BASES, DRAWS, FINAL, Run, planned
from kmnist_mlp.beyond.protocol import CLUSTERS, ENSEMBLE, NETWORK, accuracies, recorded
from kmnist_mlp.beyond.records import HELD_OUT, PARTS, Records, add, changes, chosen, train_records
from kmnist_mlp.beyond.tried import Tried
from kmnist_mlp.experiments import EXPERIMENTS, ResultCache
from kmnist_mlp.support.files import write_csv
from kmnist_mlp.support.statistics import wilson_interval

TINY = Config((36, 8, 10), learning_rate=0.01, batch_size=32, epochs=3, early_stop=False)
MEMBERS = {"pixel": TINY, "global": TINY.replace(standardisation="global")}
ON_ALL, ON_FEW = TINY.replace(validation_fraction=0.0), TINY.replace(epochs=2)
RUNS = [
    Run("final", "final network", ON_ALL),
    Run("final", "final network", ON_ALL.replace(seed=1)),
    Run("trial", "nothing", TINY),
    Run("trial", "nothing", TINY.replace(seed=4)),  # of another draw
    Run("kinds", "erasing", ON_FEW, tried=(("erasing", 0.5),)),
]

# ---- held-out clusters -----------------------------------------------


def pairs(images, labels):
    """Return images with their labels, sorted."""
    return sorted(zip(map(bytes, images), labels, strict=True))


def test_whole_styles_of_each_class_are_held_out_and_no_test_image_is_seen():
    rng = np.random.default_rng(0)  # two classes, written in twelve styles each
    patterns = rng.integers(0, 256, (2, CLUSTERS, 6, 6))
    labels, style = rng.integers(0, 2, 600), rng.integers(0, CLUSTERS, 600)
    noise = rng.integers(-9, 10, (600, 6, 6))
    images = np.clip(patterns[labels, style] + noise, 0, 255).astype(np.uint8)
    data = Dataset(images, labels, 255 - images, labels, "styles", "ab")
    trials, everything = protocol.held_out_clusters(data), protocol.without_test_images(data)
    assert protocol.held_out_clusters(data, 1).fingerprint != trials.fingerprint
    held_out = pairs(trials.test_images, trials.test_labels)
    out = np.array([image in dict(held_out) for image in map(bytes, images)])
    shares = pd.Series(out).groupby([labels, style]).mean().unstack()
    assert shares.isin([0, 1]).all(axis=None), "a style is held out as a whole"
    assert shares.sum(axis=1).between(1, CLUSTERS / 2).all()
    left = pairs(trials.train_images, trials.train_labels)
    assert sorted(left + held_out) == pairs(images, labels)
    assert pairs(everything.train_images, everything.train_labels) == pairs(images, labels)
    in_their_place = pairs(everything.test_images, everything.test_labels)
    assert {*in_their_place} <= {*pairs(images, labels)}


# ---- plan ------------------------------------------------------------


def differences(one, other):
    """Return what differs between two configurations, with the values of the first."""
    one, other = (dataclasses.asdict(config) for config in (one, other))
    return {option: value for option, value in one.items() if value != other[option]}


def test_each_run_changes_one_thing_and_the_steps_lead_to_the_base_of_the_trials():
    runs = {name: run for name, (run, _) in plan.plan().items()}
    steps = [run.config for (group, _), run in runs.items() if group == "step"]
    assert steps[0] == EXPERIMENTS["baseline"] and steps[-3] == BASES["trial"]
    together = [{"epochs", "early_stop"}, {"schedule", "warm_up"}, {"epochs", "distortion"}]
    for before, after in zip(steps, steps[1:], strict=False):
        changed = set(differences(after, before))
        assert len(changed) == 1 or changed in together
    parts = ["rotation", "stretch", "shear", "shift", "elastic field"]
    for (group, title), run in runs.items():
        changed = differences(run.config, BASES["trial"])
        part = title.removeprefix("no ").removesuffix(" x 1.7")
        if group in ("settings", "members"):
            assert len(changed) == (title != "nothing") and not run.tried
        elif group == "kinds" and part in parts:
            strength = 0.0 if title.startswith("no ") else 1.7
            assert changed == {"distortion": tuple(strength if p == part else 1.0 for p in parts)}


# ---- records ---------------------------------------------------------


def empty(folder):
    """Return a folder, with no records yet."""
    write_csv(Records().table.iloc[:0].reset_index(), folder / "runs.csv")
    return folder


@pytest.fixture(scope="module")
def made(make_dataset, tmp_path_factory):
    """A folder with the records of small runs, their data, and those of the trials."""
    data, folder = make_dataset(classes=10, train=600, test=50), tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KMNIST_MLP_RESULTS", str(folder.parent / "results"))
        train_records(RUNS, data, empty(folder), n_jobs=1)
        yield folder, data, protocol.held_out_clusters(data)


def test_a_record_is_what_training_gave_with_the_images_of_its_draw(made):
    folder, data, trials = made
    kept, other = Records(folder), protocol.held_out_clusters(data, 1)
    results = [train(TINY, trials), train(RUNS[3].config, other)]
    results.append(train(ON_FEW, trials, callbacks=[Tried({"erasing": 0.5})]))
    for run, result, images in zip(RUNS[2:], results, (trials, other, trials), strict=True):
        row = kept.table.loc[run.identity]
        assert row.held_out_accuracy == pytest.approx(result.test_accuracy)
        assert row.validation_loss == pytest.approx(result.returned["validation_loss"], rel=1e-5)
        assert (row.draw, row.images) == (run.draw, images.fingerprint[:12])


def test_nothing_that_trains_is_given_test_images(made):
    _, data, trials = made
    for run, seen in ((RUNS[0], protocol.without_test_images(data)), (RUNS[2], trials)):
        assert ResultCache(seen).get(run.config) is not None
        assert ResultCache(data).get(run.config) is None


def test_the_record_of_a_final_network_has_its_weights_and_no_measurement(made):
    folder, data, _ = made
    row = Records(folder).table.loc[RUNS[0].identity]
    assert np.isnan(row.held_out_accuracy) and np.isnan(row.validation_accuracy)
    result = train(ON_ALL, protocol.without_test_images(data))
    curves = pd.read_csv(folder / "curves.csv", index_col="run").loc[RUNS[0].identity]
    for name in ("training_loss", "training_accuracy"):
        np.testing.assert_allclose(curves[name], result.curves[name], atol=2e-6)
    assert curves.epoch.tolist() == [1, 2, 3]
    model, rounded = result.model, load_best(folder)
    for W, found in zip(model.weights, rounded.weights, strict=True):
        step = np.abs(W).max(axis=0) / 127
        assert (np.abs(found - W) <= step * 0.501).all() and np.abs(found - W).max() > 0
    np.testing.assert_array_equal(rounded.biases[0], model.biases[0])
    np.testing.assert_array_equal(rounded.standardisation[0], model.standardisation[0])


def test_what_has_a_record_is_not_trained_again_and_what_is_new_is(made, results_folder):
    folder, data, _ = made
    before = (folder / "runs.csv").read_bytes()
    train_records(RUNS, data, folder, n_jobs=1)
    assert (folder / "runs.csv").read_bytes() == before and not results_folder.exists()
    new = Run("trial", "another seed", TINY.replace(seed=1))
    train_records([*RUNS, new], data, folder, n_jobs=1)
    assert (folder / "runs.csv").read_bytes().startswith(before)
    assert new.identity == Records(folder).table.index[-1]


def test_no_row_is_incomplete_or_of_other_images(made, tmp_path, monkeypatch):
    folder, (_, data, trials) = empty(tmp_path), made
    result = train(TINY, trials)
    add(folder, trials, RUNS[2], result)
    for stage, run in (("save_arrays", RUNS[0]), ("write_kept", RUNS[0]), ("write_kept", RUNS[3])):
        with monkeypatch.context() as patched, pytest.raises(OSError, match="full"):
            patched.setattr(records, stage, Mock(side_effect=OSError("the disk is full")))
            add(folder, trials, run, result)
        assert Records(folder).table.title.tolist() == ["nothing"]
    whole = protocol.without_test_images(data)
    add(folder, whole, RUNS[0], train(ON_ALL, whole))
    other = dataclasses.replace(data, train_images=data.train_images[::-1])
    other = dataclasses.replace(other, train_labels=data.train_labels[::-1])
    with pytest.raises(ValueError, match=protocol.without_test_images(other).fingerprint[:12]):
        train_records(RUNS[3:] + RUNS[:1] + [RUNS[1]], other, folder)
    assert len(Records(folder).table) == 2, "no trial is trained before"


# ---- measured on test images -----------------------------------------


def answering(*classes):
    """Return a network that predicts given classes, whatever the images."""
    p, parameters = np.eye(10)[[*classes]] * 0.9 + 0.01, np.array(classes, np.float32)
    return SimpleNamespace(parameters=parameters, predict_proba=Mock(return_value=p))


def test_every_accuracy_on_test_images_is_in_the_ledger_once(tmp_path):
    images = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6)
    ledger, data = tmp_path / "ledger.csv", Dataset(*(images, np.arange(4)) * 2, "four", range(10))
    good, worse = answering(0, 1, 2, 2), answering(0, 0, 2, 2)
    write_csv(protocol.load_ledger()[:0], ledger)
    measurements = [
        ("final", [good], TINY, "0"),
        ("final", [worse], TINY, "0"),
        ("final", [good], TINY, "0"),  # again
        ("final", [good], TINY.replace(epochs=9), "0"),  # another one
        ("both", [good, worse, worse], TINY, "0 to 2"),
        ("final", [good], TINY, "0", "shift to the right, pixels", 2),
        ("one" + protocol.AVERAGED, [good], TINY, "0"),
    ]
    protocol.measure(measurements, data, ledger)
    shifted, *nine = good.predict_proba.call_args_list[4:]
    np.testing.assert_array_equal(shifted.args[0][:, :, 2:], images[:, :, :-2])
    assert len(nine) == 9
    table = protocol.load_ledger(ledger)
    assert table.accuracy.tolist() == [0.75, 0.5, 0.75, 0.5, 0.75, 0.75]
    assert table.kind.tolist() == ["final"] * 3 + ["both", "final", "one" + protocol.AVERAGED]
    assert table.what.tolist() == [""] * 4 + ["shift to the right, pixels: 2", ""]
    assert table.seed.tolist() == ["0"] * 3 + ["0 to 2"] + ["0"] * 2 and {*table.images} == {4}
    assert table.configuration[0] == table.configuration[1] != table.configuration[2]
    assert table.network[0] == table.network[2] != table.network[1]
    assert table.date.str.fullmatch(r"\d{4}-\d\d-\d\d").all()


@pytest.fixture(scope="module")
def measured(made, kana):
    """Folder and ledger of two final networks, and lines of earlier ones."""
    folder, ledger = made[0], made[0] / "ledger.csv"
    write_csv(protocol.load_ledger()[:0], ledger)
    baseline = MLP((36, 10), seed=9)
    baseline.standardisation = np.zeros(36, np.float32), np.full(36, 99, np.float32)
    result = SimpleNamespace(of=lambda name: [SimpleNamespace(model=baseline)])
    alike = {("members", name): (Run("members", name, c), 6) for name, c in MEMBERS.items()}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(protocol, "FINAL", ON_ALL)
        patched.setattr(records, "FINAL", ON_ALL)
        patched.setattr(records, "planned", lambda: RUNS)
        patched.setattr(records.runs, "run", lambda *names, data: result)
        patched.setattr(records, "plan", lambda: alike)
        patched.setenv("KMNIST_MLP_RESULTS", str(folder.parent / "results"))
        records.measure(kana, folder, ledger)
        lines = protocol.load_ledger(ledger)
        records.measure(kana, folder, ledger)  # adds nothing
    pd.testing.assert_frame_equal(protocol.load_ledger(ledger), lines)
    return folder, lines, lines.assign(network="0" * 12, accuracy=0.0)


def test_the_ledger_has_the_accuracy_of_each_final_network_and_of_their_mean(measured, kana):
    folder, ledger, before = measured
    assert_digests(folder, 7)
    networks = load_ensemble(folder)
    lines = recorded(networks, pd.concat([before, ledger]))
    p = [network.predict_proba(kana.test_images) for network in networks]
    right = [(each.argmax(axis=1) == kana.test_labels).mean() for each in (*p, sum(p))]
    found = *accuracies(lines), *accuracies(lines, ENSEMBLE)
    assert found == pytest.approx(right) and len(right) == 3
    assert len(lines) == 2 * 3  # with shifts and without
    for lacking in (before, ledger[~ledger.kind.str.endswith(protocol.AVERAGED)]):
        with pytest.raises(ValueError, match=protocol.weights_digest([networks[0]])):
            recorded(networks, lacking)


def test_the_check_refuses_an_accuracy_that_is_not_in_the_ledger(measured, kana, tmp_path):
    folder, ledger, _ = measured
    protocol.check(kana, folder, folder / "ledger.csv")
    for kind in (NETWORK, ENSEMBLE):
        moved = ledger.copy()
        place = ledger.index[ledger.kind == kind][-1]
        moved.loc[place, "accuracy"] += 0.02
        write_csv(moved, tmp_path / "ledger.csv")
        named = f"{kind}, seed {ledger.seed[place]}.*{moved.accuracy[place]:.2%}"
        with pytest.raises(ValueError, match=named):
            protocol.check(kana, folder, tmp_path / "ledger.csv")


def test_robustness_is_measured_on_all_test_images_and_through_the_ledger(measured, kana):
    folder, ledger, before = measured
    table = protocol.robustness(pd.concat([before, ledger]))
    assert (ledger.images == 100).all() and len(table) == 2 * 24
    unchanged = table[(table.severity == 0) & (table.model == NETWORK)]
    assert set(unchanged.accuracy) == {accuracies(ledger).iloc[0]}
    turned = rotate(kana.test_images, 20)
    right = (load_best(folder).predict(turned) == kana.test_labels).mean()
    row = table.query("model == @NETWORK and corruption.str.startswith('rot') and severity == 20")
    assert row.accuracy.tolist() == pytest.approx([right])


def test_averages_are_over_networks_of_one_draw_and_copies_of_images_they_have_not_seen(
    measured, kana
):
    table = records.load_averages(measured[0]).set_index(["draw", "networks", "copies"])
    assert len(table) == DRAWS * 3 * len(COPIES) and table.index.is_unique
    images = protocol.held_out_clusters(kana, 2)
    of = {
        (name, s): train(c.replace(seed=s), images) for name, c in MEMBERS.items() for s in (2, 5)
    }
    one = of["pixel", 2]
    members = {"one network": [one], "two alike": [one, of["pixel", 5]]}
    members["two unlike"] = [one, of["global", 5]]
    for (networks, results), copies in itertools.product(members.items(), COPIES):
        p = mean_probabilities([result.model for result in results], images.test_images, copies)
        row = table.loc[2, networks, copies]
        right = p.argmax(axis=1) == images.test_labels
        assert row.held_out_accuracy == pytest.approx(right.mean(), abs=1e-6)
        assert np.isnan(row.validation_accuracy) == (networks != "one network")
    found = table.validation_accuracy[2, "one network", "one copy"]
    assert found == pytest.approx(one.returned["validation_accuracy"], abs=1e-6)


def test_a_change_is_better_if_both_parts_say_so_by_their_standard_errors():
    by_title = {
        "nothing": [(0.5, 0.6, 0.4), (0.9, 0.9, 0.9)],
        "better": [(0.52, 0.63, 0.42), (0.9, 0.894, 0.903)],  # validation: -0.4 errors
        "best": [(0.55, 0.66, 0.44), (0.9, 0.9, 0.9)],
        "by chance": [(0.59, 0.6, 0.38), (0.9, 0.9, 0.9)],
        "validation falls": [(0.6, 0.71, 0.5), (0.9, 0.894, 0.899)],  # by 1.2 errors
    }
    rows = {
        (title, draw): {HELD_OUT: held_out[draw], "validation": validation[draw]}
        for title, (held_out, validation) in by_title.items()
        for draw in range(DRAWS)
    }
    points = changes(pd.DataFrame.from_dict(rows, orient="index"))
    np.testing.assert_allclose(points.loc["by chance", HELD_OUT], [9, 0, -2])
    assert chosen(points) == ["best", "better"]


def python_in(card):
    """Return the two blocks of code in a model card: how to use it, and the configuration."""
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_the_model_card_has_the_accuracies_of_the_stored_weights(measured, kana):
    folder, ledger, _ = measured
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    right = load_best(folder).predict(kana.test_images) == kana.test_labels
    low, high = wilson_interval(right.sum(), len(right))
    assert f"{100 * right.mean():.2f}\xa0% of the 100" in card
    assert f"{low:.2f} to {high:.2f} %" in card and "{" not in card
    (model,) = yaml.safe_load(card.split("---")[1])["model-index"]
    assert model["results"][0]["metrics"][0]["value"] == pytest.approx(right.mean(), abs=1e-4)
    for label, name in enumerate(kana.class_labels):
        assert f"| {name} | {100 * right[kana.test_labels == label].mean():.1f}\xa0% |" in card
    networks = ledger[ledger.kind == NETWORK].accuracy
    assert f"over 2 seeds is {100 * networks.mean():.2f}" in " ".join(card.split())
    assert eval(python_in(card)[1], {"Config": Config}) == ON_ALL


# ---- shipped files ---------------------------------------------------


def test_load_best_needs_numpy_alone():
    """The other packages would make a reader of one file wait."""
    code = "import sys, numpy; from kmnist_mlp.beyond import load_best;"
    code += "load_best().predict(numpy.zeros((2, 28, 28), 'u1')); print(*sys.modules)"
    names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    others = "pandas matplotlib scipy joblib IPython pooch requests tqdm kmnist_mlp.experiments"
    assert "kmnist_mlp.beyond" in names and not {*others.split()} & {*names}


def test_the_shipped_records_are_those_of_the_plan_and_of_its_images(kmnist):
    kept, runs = Records(), {run.identity: run for run in planned()}
    assert {*kept.table.index} == {*runs} and len(kept.table) == len(runs) == 140
    for name, row in kept.table.iterrows():
        run = runs[name]
        assert (run.group, run.title) == (row.group, row.title)
        given = run.config.to_dict() | dict(run.tried)
        assert json.loads(row.configuration) == given
        assert (run.config.validation_fraction == 0) == pd.isna(row.draw)
    images = kept.table.groupby("draw", dropna=False).images
    assert (images.nunique() == 1).all() and len(images) == DRAWS + 1
    if not kmnist.is_stand_in:  # the same clusters on every machine
        for draw, known in images:
            seen = records.images_of(None if pd.isna(draw) else draw, kmnist)
            assert {*known} == {seen.fingerprint[:12]}
    averages = records.load_averages().set_index(["networks", "copies", "draw"])
    members = kept.runs.loc["members", "nothing"].loc[range(DRAWS)]
    alone = averages.loc["one network", "one copy"][[*PARTS]]
    np.testing.assert_allclose(alone, members[[*PARTS]], atol=protocol.TOLERANCE)
    assert len(averages) == DRAWS * 3 * len(COPIES)


def test_the_recorded_curves_end_with_the_losses_of_the_records():
    curves = pd.read_csv(FOLDER / "curves.csv").set_index(["run", "epoch"]).training_loss
    last, table = curves.groupby("run").last(), Records().table
    final = table.training_loss[table.draw.isna()]
    pd.testing.assert_series_equal(last, final, rtol=0, atol=1e-6, check_like=True)
    assert len(curves) == len(final) * FINAL.epochs


def test_each_final_network_ships_is_small_and_is_in_the_ledger_as_planned():
    networks, ledger = load_ensemble(), protocol.load_ledger()
    for path, network in zip(sorted(FOLDER.glob("final_?.npz")), networks, strict=True):
        assert path.stat().st_size < 10e6 and network.layer_specs == FINAL.layer_specs
    lines = recorded(networks, ledger)
    assert accuracies(lines).index.is_unique and (accuracies(lines) > 0.9).all()
    seeds = lines[lines.kind == NETWORK].set_index("network").seed
    assert [seeds[protocol.weights_digest([network])] for network in networks] == [*"01234"]
    assert set(lines.configuration) == {protocol.config_digest(FINAL)}
    assert (ledger.images == 10_000).all()


def test_the_python_in_the_model_card_runs_and_gives_the_shipped_network(kmnist):
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    usage, config = python_in(card)
    names = {"images": np.zeros((2, 28, 28), np.uint8)}
    exec(usage, names)
    np.testing.assert_array_equal(names["model"].parameters, load_best().parameters)
    assert eval(config, {"Config": Config}) == FINAL
    if not kmnist.is_stand_in:
        protocol.check(kmnist)
        assert card == records.model_card(FOLDER, protocol.load_ledger(), kmnist)
