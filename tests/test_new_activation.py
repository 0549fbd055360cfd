"""An activation that is added in one place works everywhere, in a notebook's kernel, too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from textbook import central_differences

import kmnist_mlp
from kmnist_mlp import MLP, Config, run, train
from kmnist_mlp.activations import ACTIVATIONS, Activation
from kmnist_mlp.experiments import ResultCache

PACKAGE = Path(kmnist_mlp.__file__).parent
SMALL = Config(layer_specs=(36, 8, 10), activation="ReLU", epochs=1)


@pytest.fixture
def leaky(monkeypatch):
    """Add leaky ReLU as a student writes it: its functions ignore ``out``."""

    def value(z, out=None):
        return np.where(z > 0, z, z / 8)

    def derivative(a, out=None):
        return np.where(a > 0, 1, 1 / 8).astype(a.dtype)

    monkeypatch.setitem(ACTIVATIONS, "leaky ReLU", Activation(value, derivative))
    return SMALL.replace(activation="leaky relu")


def test_its_gradients_are_the_slopes_of_the_loss(monkeypatch):
    elu = Activation(
        lambda z, out=None: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda a, out=None: np.where(a > 0, 1, a + 1),  # of z, it would be another slope
    )
    monkeypatch.setitem(ACTIVATIONS, "ELU", elu)
    model = MLP((5, 4, 4, 3), "ELU", dtype=np.float64)
    x, y = np.random.default_rng(0).normal(size=(6, 5)), np.arange(6) % 3
    weights, _ = model.gradients(x, y)
    for own, gradient in zip(model.weights, weights, strict=True):
        slopes = central_differences(lambda: model.loss(x, y), own)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8)


def test_processes_know_it_as_it_is_now(leaky, kana, monkeypatch):
    in_one = run({"a": leaky}, [0], n_jobs=1, data=kana, cache=False)
    activation = ACTIVATIONS["leaky ReLU"]
    for slope, same in ((1 / 8, True), (1 / 2, False)):

        def value(z, out=None, slope=slope):
            return np.where(z > 0, z, z * slope)

        monkeypatch.setitem(ACTIVATIONS, "leaky ReLU", activation._replace(value=value))
        in_two = run({"a": leaky}, [0, 1], n_jobs=2, data=kana, cache=False)
        pair = (results.of("a")[0].model.parameters for results in (in_one, in_two))
        assert np.array_equal(*pair) == same


def test_its_results_are_not_kept_as_the_key_does_not_know_what_it_computes(
    leaky, kana, monkeypatch, tmp_path
):
    monkeypatch.setenv("KMNIST_MLP_RESULTS", str(tmp_path))
    for _ in range(2):
        assert not run({"a": leaky}, [0], n_jobs=1, data=kana).frame.cached.any()
    assert not list(tmp_path.iterdir())
    assert not ResultCache(kana).put(train(leaky, kana))
    assert ResultCache(kana).put(train(SMALL, kana)) and ResultCache(kana).get(SMALL)
    monkeypatch.setitem(ACTIVATIONS, "ReLU", ACTIVATIONS["leaky ReLU"])
    assert ResultCache(kana).get(SMALL) is None


EDITED = """
import numpy as np
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "autoreload")
shell.run_line_magic("autoreload", "2")
path = Path("kmnist_mlp/activations.py")


def cell(source):
    shell.run_cell(source).raise_error()


def edit(slope, before=""):
    source = path.read_text().partition("# added")[0]
    path.write_text(source + f'''# added
def leaky(z, out=None):
    return np.where(z > 0, z, z * z.dtype.type({slope}))

ACTIVATIONS["leaky ReLU"] = Activation(leaky, relu_derivative)
{before}''')


cell('''
import numpy as np
from kmnist_mlp import Config, Dataset, run, train
from kmnist_mlp.activations import ACTIVATIONS
rng = np.random.default_rng(0)
images, labels = rng.integers(0, 255, (80, 3, 3), np.uint8), np.arange(80) % 3
data = Dataset(images, labels, images, labels, "noise", tuple("abc"))
config = Config(layer_specs=(9, 4, 3), activation="ReLU", epochs=2)
known = run({"a": config}, [0, 1], n_jobs=2, data=data)
''')
seen = []
for slope in (0.1, 0.4444):
    edit(slope, before=f"# {slope}")
    cell('''
config = config.replace(activation="leaky ReLU")
here = train(config, data).model.parameters
there = run({"a": config}, [0, 1], n_jobs=2, data=data)
again = run({"a": config}, [0, 1], n_jobs=2, data=data)
assert "leaky ReLU" in ACTIVATIONS
assert not there.frame.cached.any() and again.frame.cached.all()
assert np.array_equal(there.of("a")[0].model.parameters, here)
''')
    seen.append(shell.user_ns["here"].copy())
assert not np.array_equal(*seen)
"""


def test_an_edited_file_counts_at_once_where_notebooks_reload_what_has_changed(tmp_path):
    """Also in worker processes, and no result of the code as it was is taken from the cache."""
    skipped = shutil.ignore_patterns("*.npz", "__pycache__", "report")
    shutil.copytree(PACKAGE, tmp_path / "kmnist_mlp", ignore=skipped)
    for path in (PACKAGE / "experiments" / "published").glob("*.csv"):
        shutil.copy(path, tmp_path / "kmnist_mlp" / "experiments" / "published")
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "KMNIST_MLP_RESULTS": str(tmp_path / "results"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    done = subprocess.run(
        [sys.executable, "-c", EDITED],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
