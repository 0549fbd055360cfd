"""What a result was made with: version, commit, data, Python, NumPy, BLAS, processor."""

import platform
import re
import subprocess
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from kmnist_mlp import __version__
from kmnist_mlp.data import Dataset

PROJECT = Path(__file__).resolve().parents[2]


def facts(data: Dataset, seeds: list[int]) -> dict[str, str]:
    """Return what is needed to make the same results again, by name."""
    return {
        "data": data.name,
        "fingerprint": data.fingerprint,
        "seeds": ", ".join(map(str, seeds)),
        "version": __version__,
        "commit": commit(),
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "NumPy": np.__version__,
        "BLAS": blas(),
        "processor": processor(),
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


@lru_cache(maxsize=1)
def commit() -> str:
    """Return the commit that is checked out, and whether the files are exactly its own."""
    # With its folder named, git takes no repository that lies around
    # an unpacked archive of this project, and does not refuse a
    # checkout of another user; its code is running already.
    git = "git --git-dir=.git --work-tree=. status --porcelain=v2 --branch"
    try:
        told = subprocess.check_output(
            git.split(), cwd=PROJECT, stderr=subprocess.DEVNULL, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"
    lines = told.splitlines()
    head = lines[0].split()[-1].decode()
    changed = any(not line.startswith(b"#") for line in lines)
    return f"{head[:12]}, {'with uncommitted changes' if changed else 'clean tree'}"


def blas_libraries() -> dict[str, int]:
    """Return the BLAS of NumPy, and its number of threads.

    Library, version and kernel, such as "openblas 0.3.27 Haswell".
    """
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool.get("user_api") == "blas"]
    # NumPy's own, if it brought one (SciPy brings another), in its
    # folder or in numpy.libs beside it; else the one that all of
    # conda shares
    folder = str(Path(np.__file__).resolve().parent)
    brought = [pool for pool in pools if pool.get("filepath", "").startswith(folder)]
    found = {}
    for pool in brought or pools:
        words = (pool.get(key) for key in ("internal_api", "version", "architecture"))
        found[" ".join(str(word) for word in words if word)] = pool["num_threads"]
    return found


def blas() -> str:
    """Return library, kernel and threads of NumPy's BLAS, as text."""
    pools = sorted(blas_libraries().items())
    found = [f"{name}, {threads} threads" for name, threads in pools]
    return ("; ".join(found) or "unknown") + " (one per training run)"


def processor() -> str:
    """Return the processor's name and number of cores."""
    from joblib import cpu_count

    file = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", file.read_text() if file.exists() else "")
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name}, {cpu_count()} cores"
