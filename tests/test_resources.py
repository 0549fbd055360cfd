"""A run of the size of KMNIST needs little memory in each of five processes at once."""

import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

# A data set of noise: what its images show does not matter here.
NOISE = """
import numpy as np
from kmnist_mlp import Config, Dataset, run

images = np.random.default_rng(0).integers(0, 256, ({0} + {1}, 28, 28), np.uint8)
labels = np.arange(len(images)) % 10
data = Dataset(images[:{0}], labels[:{0}], images[{0}:], labels[{0}:], "noise", range(10))
del images  # the data set has its own copy
"""
FIVE_AT_ONCE = "run(Config(epochs=1), range(10), n_jobs=5, data=data, cache=False)"


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell what is shared")
def test_five_workers_share_the_images_of_the_data_set():
    code, used = NOISE.format(60_000, 10_000) + FIVE_AT_ONCE, []  # of the size of KMNIST
    sweep = subprocess.Popen([sys.executable, "-c", code])
    while sweep.poll() is None:
        with suppress(psutil.Error):
            children = psutil.Process(sweep.pid).children(recursive=True)
            workers = [p for p in children if "popen_loky" in " ".join(p.cmdline())]
            used.append([worker.memory_full_info().pss for worker in workers])
        time.sleep(0.05)
    assert sweep.returncode == 0 and max(map(len, used)) == 5
    # A copy of the data set in every worker would not go unnoticed: 55 MB beside some 250, of which
    # 150 are its own standardised training split.
    assert max(map(sum, used)) / 5 < 290 * 2**20
