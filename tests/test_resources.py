"""Importing is light; a run of the size of KMNIST needs little memory, alone and five at once."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

HEAVY = ("joblib", "matplotlib", "pandas", "pooch", "requests", "scipy", "tqdm")

# As many images as KMNIST has; what they show does not matter for memory.
FIVE_AT_ONCE = """
import numpy as np
from kmnist_mlp import Config, Dataset, run

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (70_000, 28, 28), dtype=np.uint8)
labels = rng.integers(0, 10, 70_000).astype(np.uint8)
data = Dataset(images[:60_000], labels[:60_000], images[60_000:], labels[60_000:], "noise")
del images  # the data set has its own copy
run(Config(epochs=1), range(10), n_jobs=5, data=data, cache=False)
"""

TRAINED = """
import numpy as np
from kmnist_mlp import Config, Dataset, train

images = np.random.default_rng(0).integers(0, 256, (700, 28, 28), np.uint8)
data = Dataset(images, np.arange(700) % 10, images, np.arange(700) % 10, "noise")
result = train(Config(epochs=1), data)
print(result.model.parameters.tobytes().hex(), repr(result.test_loss))
"""


def output_of(code, **variables):
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, env=os.environ | variables, text=True)


def test_importing_the_module_imports_nothing_that_only_some_need():
    loaded = f"import kmnist_mlp, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert output_of(loaded).strip() == "[]"


def test_a_seed_gives_the_same_bits_whatever_the_environment_says_of_threads():
    """In one thread and in three, products of these sizes have other last bits."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    assert len({output_of(TRAINED, **{name: n}) for name in names for n in "13"}) == 1


@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(),
    reason="only Linux tells how much of its memory a process shares",
)
def test_five_workers_share_the_images_of_the_data_set():
    sweep, used = subprocess.Popen([sys.executable, "-c", FIVE_AT_ONCE]), []
    while sweep.poll() is None:
        with suppress(psutil.Error):
            children = psutil.Process(sweep.pid).children(recursive=True)
            workers = [each for each in children if "popen_loky" in " ".join(each.cmdline())]
            used.append([worker.memory_full_info().pss for worker in workers])
        time.sleep(0.05)
    assert sweep.returncode == 0 and max(map(len, used)) == 5
    # A copy of the data set in every worker would not go unnoticed: 55 MB beside some 250, of which
    # 150 are its own standardised training split.
    assert max(map(sum, used)) / 5 < 290 * 2**20
