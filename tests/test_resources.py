"""Importing is light; a run of the size of KMNIST needs little memory, alone and five at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("joblib", "matplotlib", "pandas", "pooch", "requests", "scipy", "tqdm")
MEGABYTE = 2**20

# As many images as KMNIST has; what they show does not matter for memory.
OF_KMNISTS_SIZE = """
import numpy as np
from kmnist_mlp import Config, Dataset, run, train

rng = np.random.default_rng(0)
images = rng.integers(0, 256, (70_000, 28, 28), dtype=np.uint8)
labels = rng.integers(0, 10, 70_000).astype(np.uint8)
data = Dataset(images[:60_000], labels[:60_000], images[60_000:], labels[60_000:], "noise")
del images  # the data set has its own copy
"""

# Linux counts the memory of the process that started this one in ru_maxrss, but not in VmHWM.

FIVE_AT_ONCE = """
import json, threading, psutil
peak, done = {}, threading.Event()
# In two pieces: until a child has replaced its program, this text is its command line, too.
worker = "popen_" + "loky"

def watch():
    while not done.wait(0.05):
        for process in psutil.Process().children(recursive=True):
            try:
                if any(worker in word for word in process.cmdline()):
                    used = process.memory_full_info().pss
                    peak[process.pid] = max(used, peak.get(process.pid, 0))
            except psutil.Error:
                pass

watcher = threading.Thread(target=watch)
watcher.start()
run(Config(epochs=1), range(10), n_jobs=5, data=data, cache=False)
done.set()
watcher.join()
print(json.dumps(list(peak.values())))
"""


def output_of(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_module_imports_nothing_that_only_some_need():
    loaded = f"import kmnist_mlp, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert output_of(loaded).strip() == "[]"


@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(),
    reason="only Linux tells how much of its memory a process shares",
)
def test_five_workers_share_the_images_of_the_data_set():
    used = json.loads(output_of(OF_KMNISTS_SIZE + FIVE_AT_ONCE))
    assert len(used) == 5
    # A copy of the data set in every worker would not go unnoticed: 55 MB beside some 250, of which
    # 150 are its own standardised training split.
    assert sum(used) / 5 < 290 * MEGABYTE
