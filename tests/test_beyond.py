"""`make beyond` writes everything; the shipped files are complete, small and agree."""

import re
import subprocess
import sys

import numpy as np
import pytest

from kmnist_mlp import MLP, Config, load_kmnist
from kmnist_mlp.beyond import __main__ as beyond
from kmnist_mlp.beyond import load_best, load_ensemble
from kmnist_mlp.beyond.measurements import (
    ENSEMBLE,
    NETWORK,
    accuracies,
    check,
    load_timing,
    recorded,
)
from kmnist_mlp.beyond.model_card import model_card
from kmnist_mlp.beyond.plan import FINAL, Run, planned
from kmnist_mlp.beyond.pretrained import FOLDER
from kmnist_mlp.beyond.protocol import config_digest, load_ledger
from kmnist_mlp.beyond.records import Records, identity
from kmnist_mlp.support.statistics import interval, wilson_interval

RECORDS = Records()

# ---- make beyond ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(kana, tmp_path_factory):
    """What is written once two small final networks are trained: folder and ledger."""
    folder = tmp_path_factory.mktemp("beyond") / "results"
    small = FINAL.replace(layer_specs=(36, 8, 10), epochs=2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KMNIST_MLP_RESULTS", str(folder.parent / "cache"))
        patched.setattr(beyond, "FINAL", small)
        patched.setattr("kmnist_mlp.beyond.model_card.FINAL", small)
        patched.setattr(beyond, "step_configs", lambda: {"200 epochs": small})
        runs = [Run("final", "final", small.replace(seed=seed), "all") for seed in (0, 1)]
        beyond.train_missing(runs, kana, Records(folder), n_jobs=1)
        baseline = MLP((36, 10))
        baseline.standardisation = np.zeros(36, np.float32), np.full(36, 99, np.float32)
        beyond.measure_and_write(kana, baseline, folder, folder.parent / "ledger.csv")
    return folder, load_ledger(folder.parent / "ledger.csv")


def test_all_that_the_notebook_reads_is_written(written):
    folder, ledger = written
    assert len(load_ensemble(folder)) == 2 == (ledger.kind == NETWORK).sum()
    assert load_timing(folder).step.tolist() == ["200 epochs", NETWORK]
    assert (folder / "robustness.csv").exists() and (folder / "log.txt").exists()


def python_in(card):
    """Return the two blocks of code in a model card: how to use it, and the configuration."""
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def test_the_model_card_has_the_accuracies_of_the_stored_weights(written, kana):
    folder, ledger = written
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    right = load_best(folder).predict(kana.test_images) == kana.test_labels
    low, high = wilson_interval(right.sum(), len(right))
    assert (
        f"{100 * right.mean():.2f}\xa0% of the 100" in card and f"{low:.2f} to {high:.2f} %" in card
    )
    for label, name in enumerate(kana.class_labels):
        own = 100 * right[kana.test_labels == label].mean()
        assert f"| {name} | {own:.1f}\xa0% |" in card
    networks = ledger[ledger.kind == NETWORK].accuracy
    assert f"over 2 seeds is {100 * networks.mean():.2f}" in " ".join(card.split())
    assert eval(python_in(card)[1], {"Config": Config}).epochs == 2
    assert "{" not in card


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


def test_the_shipped_records_are_of_planned_runs_and_agree_with_their_arrays():
    plan = {identity(run.config, run.data): run for run in planned()}
    assert set(RECORDS.table.index) <= set(plan) and RECORDS.table.index.is_unique
    for name, row in RECORDS.table.iterrows():
        run = plan[name]
        assert (run.data, run.config.seed) == (row.data, row.seed)
        if run.data != "all":
            right = RECORDS.correct(run.config, run.data)
            assert right.mean() == pytest.approx(row.held_out_accuracy, abs=1e-6)


def test_each_final_network_ships_and_is_small():
    networks = load_ensemble()
    seeds = RECORDS.table[RECORDS.table.data == "all"].seed
    assert len(networks) == len(seeds) and sorted(seeds) == list(range(len(networks)))
    for path, network in zip(sorted(FOLDER.glob("final_?.npz")), networks, strict=True):
        assert path.stat().st_size < 10e6 and network.layer_specs == FINAL.layer_specs
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    assert load_best().predict(images).shape == (3,) and load_best().predict(images[0]).shape == (
        1,
    )


def test_on_kmnist_the_shipped_networks_have_their_recorded_accuracy_and_the_card_is_theirs():
    data = load_kmnist()
    if data.is_stand_in:
        pytest.skip("needs the real data")
    check(data)
    card = model_card(FOLDER, load_ledger(), data)
    assert card == (FOLDER / "MODEL_CARD.md").read_text("utf-8")


def test_the_python_in_the_model_card_runs_and_gives_the_shipped_network():
    card = (FOLDER / "MODEL_CARD.md").read_text("utf-8")
    usage, config = python_in(card)
    names = {"images": np.zeros((2, 28, 28), np.uint8)}
    exec(usage, names)
    np.testing.assert_array_equal(names["model"].parameters, load_best().parameters)
    assert eval(config, {"Config": Config}) == FINAL


def test_the_ledger_has_the_shipped_networks_once_and_trained_as_planned():
    lines = recorded(load_ensemble(), load_ledger())
    assert accuracies(lines).index.is_unique and (accuracies(lines) > 0.9).all()
    seeds = lines[lines.kind == NETWORK].seed
    assert seeds.tolist() == [str(seed) for seed in range(len(load_ensemble()))]
    assert set(lines.configuration) == {config_digest(FINAL)}


def test_readme_gives_the_accuracies_of_the_ledger():
    lines = recorded(load_ensemble(), load_ledger())
    mean, low, high = interval(100 * accuracies(lines))
    text = " ".join((FOLDER.parents[2] / "README.md").read_text("utf-8").split())
    assert f"mean test accuracy of {mean:.2f} %" in text
    assert f"(95 % interval over seeds {low:.2f} to {high:.2f} %)" in text
    assert f"their ensemble {100 * accuracies(lines, ENSEMBLE).iloc[0]:.2f} %" in text
