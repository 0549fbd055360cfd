"""A run that is interrupted and goes on ends with the bits of one that is not."""

import numpy as np
import pytest

from kmnist_mlp import Config, train
from kmnist_mlp.support.files import load_arrays, save_arrays
from kmnist_mlp.training import Epochs

PLAIN = Config((36, 8, 3), learning_rate=0.01, batch_size=32, epochs=8, early_stop=False)
RUNS = {
    "the paper's": PLAIN,
    "no momentum": PLAIN.replace(momentum=False, L1_penalty=0.01, L2_penalty=0.1),
    "early stopping": PLAIN.replace(early_stop=True, early_stop_epoch=2, learning_rate=0.05),
    "everything": PLAIN.replace(
        activation="ReLU",
        distortion=1,
        batch_normalisation=True,
        dropout=0.2,
        label_smoothing=0.1,
        schedule="cosine",
        warm_up=1.5,
        L2_penalty=1e-4,
    ),
    "all images": PLAIN.replace(validation_fraction=0, distortion=0.5),
}


class PowerCutError(Exception):
    pass


def interrupt(monkeypatch, after):
    """Let training die in the middle of the epoch that follows ``after`` more epochs."""
    left, train_one = [after], Epochs.train_one

    def cut(self):
        train_one(self)
        left[0] -= 1
        if left[0] < 0:
            raise PowerCutError

    monkeypatch.setattr(Epochs, "train_one", cut)


def assert_same(one, other):
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    for name, curve in one.curves.items():
        np.testing.assert_array_equal(curve, other.curves[name])
    assert one.returned.keys() == other.returned.keys()
    np.testing.assert_array_equal(list(one.returned.values()), list(other.returned.values()))
    for name in ("best_epoch", "stopped_epoch", "diverged", "test_loss", "test_accuracy", "config"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("config", RUNS.values(), ids=RUNS)
def test_an_interrupted_run_goes_on_bit_for_bit(tiny, tmp_path, config, dtype):
    whole, path = train(config, tiny, dtype), tmp_path / "run.npz"
    for epochs in (1, 0, 2):  # dies in the second epoch, at once again, and in the fifth
        with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCutError):
            interrupt(patch, epochs)
            train(config, tiny, dtype, checkpoint=path)
    resumed = train(config, tiny, dtype, checkpoint=path)
    assert_same(resumed, whole)
    assert resumed.seconds > 0


@pytest.mark.parametrize("config", RUNS.values(), ids=RUNS)
def test_a_finished_run_is_not_trained_again(tiny, tmp_path, monkeypatch, config):
    first = train(config, tiny, checkpoint=tmp_path / "run.npz")
    monkeypatch.setattr(Epochs, "train_one", None)
    assert_same(train(config, tiny, checkpoint=tmp_path / "run.npz"), first)


def test_a_checkpoint_changes_no_result(tiny, tmp_path):
    for config in RUNS.values():
        assert_same(
            train(config, tiny), train(config, tiny, checkpoint=tmp_path / f"{hash(config)}")
        )


def test_the_seconds_of_all_sittings_count(tiny, tmp_path):
    path = tmp_path / "run.npz"
    train(PLAIN, tiny, checkpoint=path)
    header, arrays = load_arrays(path)
    save_arrays(path, header | {"seconds": 1000.0}, arrays)
    assert 1000 < train(PLAIN, tiny, checkpoint=path).seconds < 1100


@pytest.mark.parametrize(
    ("change", "word"),
    [({"learning_rate": 0.02}, "learning_rate"), ({"seed": 1}, "seed"), ({"epochs": 9}, "epochs")],
)
def test_the_checkpoint_of_another_configuration_is_refused(tiny, tmp_path, change, word):
    path = tmp_path / "run.npz"
    train(PLAIN, tiny, checkpoint=path)
    with pytest.raises(ValueError, match=f"(?s)run.npz is of another run.*{word}.*delete it"):
        train(PLAIN.replace(**change), tiny, checkpoint=path)


def test_the_checkpoint_of_other_data_or_another_precision_is_refused(tiny, tmp_path, make_dataset):
    path = tmp_path / "run.npz"
    train(PLAIN, tiny, checkpoint=path)
    with pytest.raises(ValueError, match=r"of another run: its data"):
        train(PLAIN, make_dataset(seed=1), checkpoint=path)
    with pytest.raises(ValueError, match=r"of another run: its dtype is 'float32', here 'float64'"):
        train(PLAIN, tiny, np.float64, checkpoint=path)


def test_a_damaged_checkpoint_is_refused_by_name(tiny, tmp_path):
    path = tmp_path / "run.npz"
    train(PLAIN, tiny, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"run\.npz is damaged"):
        train(PLAIN, tiny, checkpoint=path)


def test_writing_that_fails_leaves_the_last_whole_checkpoint(tiny, tmp_path, monkeypatch):
    whole, path = train(PLAIN, tiny), tmp_path / "run.npz"
    calls, write = [], np.savez

    def full_disk(file, **arrays):
        calls.append(1)
        if len(calls) == 3:
            file.write(b"half")
            raise OSError("no space left")
        write(file, **arrays)

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space"):
        train(PLAIN, tiny, checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    assert load_arrays(path)[0]["epoch"] == 2
    assert_same(train(PLAIN, tiny, checkpoint=path), whole)


def test_a_run_that_diverges_diverges_after_an_interruption_too(tiny, tmp_path):
    wild, path = PLAIN.replace(learning_rate=1e30), tmp_path / "run.npz"
    whole = train(wild, tiny, checkpoint=path)
    assert whole.diverged
    assert_same(train(wild, tiny, checkpoint=path), whole)


def test_the_seconds_in_the_file_are_those_since_training_began(tiny, tmp_path):
    path = tmp_path / "run.npz"
    result = train(PLAIN, tiny, checkpoint=path)
    assert 0 < load_arrays(path)[0]["seconds"] <= result.seconds
