"""An activation that is added in one place works everywhere, in a notebook's kernel, too."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kmnist_mlp
from kmnist_mlp import MLP, Config, check_gradients, run, train
from kmnist_mlp.activations import ACTIVATIONS, Activation, sigmoid
from kmnist_mlp.experiments import ResultCache

PACKAGE = Path(kmnist_mlp.__file__).parent
# Many mini-batches: what one of them leaves in memory is not that of the next.
SMALL = Config(layer_specs=(36, 8, 10), activation="ReLU", epochs=1, batch_size=32)


@pytest.fixture
def leaky(monkeypatch):
    """Add leaky ReLU as a student writes it: its functions ignore ``out``."""

    def value(z, out=None):
        return np.where(z > 0, z, z / 8)

    def derivative(a, out=None):
        return np.where(a > 0, 1, 1 / 8).astype(a.dtype)

    monkeypatch.setitem(ACTIVATIONS, "leaky ReLU", Activation(value, derivative))
    return SMALL.replace(activation="leaky relu")


def test_a_slope_that_needs_z_has_that_of_its_layer_and_mini_batch(kana, monkeypatch):
    swish = Activation(lambda z, out=None: z * sigmoid(z), lambda a, z: a + (1 - a) * sigmoid(z))
    by_z = Activation(np.tanh, lambda a, z: 1 - np.tanh(z) ** 2)
    for name, activation in (("swish", swish), ("tanh of z", by_z)):
        monkeypatch.setitem(ACTIVATIONS, name, activation)
    model, x = MLP((9, 8, 7, 6), "swish", dtype=np.float64), np.eye(9)[:7]
    assert check_gradients(model, x, np.arange(7) % 6, epsilon=1e-5).within_tolerance.all()
    beyond = SMALL.replace(layer_specs=(36, 8, 9, 10), batch_normalisation=True, dropout=0.1)
    configs = (beyond.replace(activation=name) for name in ("tanh", "tanh of z"))
    known, same = (train(config, kana, np.float64).model.parameters for config in configs)
    np.testing.assert_allclose(same, known, rtol=1e-9)


REFUSED = [
    (np.tanh, lambda a, z: np.where(z < 7.7, 1 - a * a, 1e-5), r" z = 7\.77; .* is 7\.1\d*e-07"),
    (np.tanh, lambda a, out=None: np.where(a > 0, 1 - a * a, np.nan), "nan"),
    (np.tanh, lambda a, out=None: 1 - a * a if out is None else out, "out"),
    (np.tanh, lambda a: 1 - a * a, "out"),
    (np.tanh, lambda a, out=None: 1.0, "derivative is 1 at z"),
    (lambda z: z, lambda a, out=None: np.ones_like(a), "out"),
    (lambda z, out=None: np.maximum(z, 0, out=z), lambda a, out=None: a > 0, "z after"),
    (lambda z, out=None: np.multiply(np.exp(z, out=out), z, out=out), lambda a, z: a, "out=z"),
]


@pytest.mark.parametrize(("value", "derivative", "said"), REFUSED)
def test_what_is_no_function_with_its_slope_is_refused(value, derivative, said):
    with pytest.raises(ValueError, match=said):
        Activation(value, derivative)


def test_processes_know_it_as_it_is_now(leaky, kana, monkeypatch):
    trained = [run({"a": leaky}, [0], n_jobs=1, data=kana, cache=False)]
    for activation in (ACTIVATIONS["leaky ReLU"], Activation(np.sin, lambda a, z: np.cos(z))):
        monkeypatch.setitem(ACTIVATIONS, "leaky ReLU", activation)
        trained.append(run({"a": leaky}, [0, 1], n_jobs=2, data=kana, cache=False))
    here, same, other = (results.of("a")[0].model.parameters for results in trained)
    assert np.array_equal(here, same) and not np.array_equal(here, other)


def test_its_results_are_not_kept(leaky, kana, monkeypatch, tmp_path):
    """The key does not know what it computes."""
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    for _ in range(2):
        assert not run({"a": leaky}, [0], n_jobs=1, data=kana).frame.cached.any()
    assert not list(tmp_path.iterdir())
    assert not ResultCache(kana).put(train(leaky, kana))
    assert ResultCache(kana).put(train(SMALL, kana)) and ResultCache(kana).get(SMALL)
    monkeypatch.setitem(ACTIVATIONS, "ReLU", ACTIVATIONS["leaky ReLU"])
    assert ResultCache(kana).get(SMALL) is None


EDITED = """
%load_ext autoreload
import numpy as np
from pathlib import Path
from kmnist_mlp import Config, Dataset, run, train

rng, path, seen = np.random.default_rng(0), Path("kmnist_mlp/activations.py"), []
images, labels = rng.integers(0, 255, (80, 3, 3), np.uint8), np.arange(80) % 3
data = Dataset(images, labels, images, labels, "noise", tuple("abc"))
config = Config(layer_specs=(9, 4, 3), activation="ReLU", epochs=2)
run({"a": config}, [0, 1], n_jobs=2, data=data)
source = path.read_text()
%autoreload now
for f, slope in (("np.sin", "np.cos"), ("-np.cos", "np.sin")):
    new = f"Activation(lambda z, out=None: {f}(z), lambda a, z: {slope}(z))"
    path.write_text(source + f"ACTIVATIONS['new'] = {new}")
    %autoreload now
    config = config.replace(activation="new")
    seen.append(train(config, data).model.parameters)
    for cached in (False, True):
        there = run({"a": config}, [0, 1], n_jobs=2, data=data)
        assert there.frame.cached.tolist() == [cached] * 2
        assert np.array_equal(there.of("a")[0].model.parameters, seen[-1])
assert not np.array_equal(*seen)
"""


def test_an_edited_file_counts_at_once_where_notebooks_reload(tmp_path, monkeypatch):
    """Also in worker processes, and no result of the code as it was is taken from the cache."""
    skipped = shutil.ignore_patterns("*.npz", "__pycache__", "report")
    shutil.copytree(PACKAGE, tmp_path / "kmnist_mlp", ignore=skipped)
    (tmp_path / "edited.ipy").write_text(EDITED)
    folders = {"PYTHONPATH": ".", "KMNIST_MLP_RESULTS": "results", "IPYTHONDIR": "ipython"}
    for name, folder in folders.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    command = [sys.executable, "-m", "IPython", "edited.ipy"]
    subprocess.run(command, cwd=tmp_path, check=True)
