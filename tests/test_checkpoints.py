"""A run that is interrupted and goes on ends with the bits of one that is not."""

import json
from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest
from options import ALL_CHANGED

from kmnist_mlp import MLP, Config, train
from kmnist_mlp.callbacks.checkpoint import Checkpoint
from kmnist_mlp.results import Callback
from kmnist_mlp.support.files import load_arrays, save_arrays

PLAIN = Config((36, 8, 3), learning_rate=0.01, batch_size=32, epochs=8, early_stop=False)
RUNS = {
    "the paper's": PLAIN,
    "early stopping": PLAIN.replace(early_stop=True, early_stop_epoch=2, learning_rate=0.05),
    "all options changed": ALL_CHANGED.replace(epochs=8),
    "with momentum": ALL_CHANGED.replace(epochs=8, momentum=True, early_stop=True),
    "all images": PLAIN.replace(validation_fraction=0, distortion=0.5),
}


def power_cut(epoch):
    """Return a callback that raises ZeroDivisionError after an epoch."""
    return lambda progress: progress.epoch == epoch and 1 / 0


def assert_same(one, other):
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)
    for name in {field.name for field in fields(one)} - {"model", "seconds"}:
        np.testing.assert_equal(getattr(one, name), getattr(other, name), name)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("config", RUNS.values(), ids=RUNS)
def test_an_interrupted_run_goes_on_bit_for_bit(tiny, path, config, dtype):
    whole, kept = train(config, tiny, dtype), Checkpoint(path)
    for callbacks, epochs_in_file in (
        ([kept, power_cut(1)], 1),  # dies when the first epoch has been written,
        ([power_cut(2), kept], 1),  # and before the second has,
        ([lambda progress: progress.epoch == 3, kept], 3),  # is stopped after the third,
        ([Checkpoint(str(path)), power_cut(4)], 4),
    ):
        with suppress(ZeroDivisionError):
            train(config, tiny, dtype, callbacks=callbacks)
        assert json.loads(load_arrays(path)[0]["state"])["epoch"] == epochs_in_file
    seen, last = [], whole.stopped_epoch
    watch = [lambda progress: seen.append(progress.epoch), kept]
    for _ in range(2):  # a finished run is not trained again
        resumed = train(config, tiny, dtype, callbacks=watch)
        assert_same(resumed, whole)
        assert seen == list(range(5, last + 1)) and not resumed.interrupted
    assert [file.name for file in path.parent.iterdir()] == ["run.npz"]


def test_the_seconds_of_all_sittings_count(tiny, path):
    result = train(PLAIN, tiny, callbacks=[Checkpoint(path), lambda progress: progress.epoch == 4])
    header, arrays = load_arrays(path)
    state = json.loads(header["state"])
    assert 0 < state["seconds"] <= result.seconds
    header["state"] = json.dumps(state | {"seconds": 1000.0})
    save_arrays(path, header, arrays)
    assert 1000 < train(PLAIN, tiny, callbacks=[Checkpoint(path)]).seconds < 1100


def test_a_run_that_diverges_diverges_after_an_interruption_too(tiny, path):
    wild = PLAIN.replace(learning_rate=1e30, activation="ReLU")
    whole = train(wild, tiny, callbacks=[Checkpoint(path)])
    assert whole.diverged
    assert_same(train(wild, tiny, callbacks=[Checkpoint(path)]), whole)


# ---- files that are refused ------------------------------------------


def refused(path, config, data, *named, dtype=np.float32, error=ValueError):
    """Assert that a file is refused before the first epoch, and how it is told."""
    with pytest.raises(error) as caught:
        train(config, data, dtype, callbacks=[power_cut(1), Checkpoint(path)])
    assert all(part in str(caught.value) for part in (str(path), *named)), str(caught.value)


def test_the_checkpoint_of_another_run_is_refused(tiny, path, make_dataset):
    base = PLAIN.replace(early_stop=True)
    train(base, tiny, callbacks=[Checkpoint(path)])
    content = path.read_bytes()
    for row in Config.options():
        other = base.replace(**{row["name"]: getattr(ALL_CHANGED, row["name"])})
        if row["name"] == "epochs":  # more of them go on, if the learning rate is constant
            other = base.replace(epochs=base.epochs - 1)
        refused(path, other, tiny, row["name"])
    refused(path, base, make_dataset(seed=1), "data", tiny.fingerprint)
    refused(path, base, tiny, "dtype", "float32", "float64", dtype=np.float64)
    assert path.read_bytes() == content


def test_more_epochs_go_on_from_a_checkpoint_with_the_same_bits(tiny, path):
    longer = PLAIN.replace(epochs=PLAIN.epochs + 3)
    train(PLAIN, tiny, callbacks=[Checkpoint(path)])
    seen = []
    found = train(longer, tiny, callbacks=[Checkpoint(path), lambda p: seen.append(p.epoch)])
    assert seen == [PLAIN.epochs + n for n in (1, 2, 3)]
    assert_same(found, train(longer, tiny))
    path.unlink()
    cosine = PLAIN.replace(schedule="cosine")
    train(cosine, tiny, callbacks=[Checkpoint(path)])
    refused(path, cosine.replace(epochs=longer.epochs), tiny, "epochs")


def test_a_run_that_a_callback_alters_does_not_go_on_without_it(tiny, path):
    half = Callback()
    half.mini_batch = lambda x, t: np.multiply(t, 0.5, out=t)
    with pytest.raises(ValueError, match="^Callback .*identity"):
        train(PLAIN, tiny, callbacks=[half, Checkpoint(path)])
    half.identity = "half"
    until = [lambda progress: progress.epoch == 2]
    stopped = train(PLAIN, tiny, callbacks=[half, Checkpoint(path), *until])
    assert stopped.altered_by == ("Callback half",)
    refused(path, PLAIN, tiny, "altered_by")
    resumed = train(PLAIN, tiny, callbacks=[half, Checkpoint(path)])
    path.unlink()
    assert_same(resumed, train(PLAIN, tiny, callbacks=[half]))


def test_a_state_of_other_shapes_is_refused(tiny, path):
    train(PLAIN, tiny, callbacks=[Checkpoint(path)])
    header, arrays = load_arrays(path)
    for number in arrays:
        save_arrays(path, header, arrays | {number: arrays[number][:1]})
        refused(path, PLAIN, tiny)


def test_a_damaged_file_and_one_that_is_no_checkpoint_are_refused_by_name(tiny, path):
    train(PLAIN, tiny, callbacks=[Checkpoint(path)])
    header, arrays = load_arrays(path)
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, PLAIN, tiny)
    save_arrays(path, header | {"format": "other"}, arrays)
    refused(path, PLAIN, tiny, "format", "'other'")
    MLP((36, 8, 3)).save(path)
    refused(path, PLAIN, tiny, "format")
    path.unlink()
    path.mkdir()
    refused(path, PLAIN, tiny, error=IsADirectoryError)
    refused(path / "absent" / "run.npz", PLAIN, tiny, error=FileNotFoundError)
