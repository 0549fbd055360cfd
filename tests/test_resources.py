"""Importing the module is light."""

import subprocess
import sys

HEAVY = ("joblib", "matplotlib", "pandas", "pooch", "requests", "scipy", "tqdm")


def test_importing_the_module_imports_nothing_that_only_some_need():
    loaded = f"import kmnist_mlp, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "[]"
