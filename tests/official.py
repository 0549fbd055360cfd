"""Small files that pass for the four official ones of KMNIST."""

import hashlib
import io

import numpy as np

from kmnist_mlp.datasets import kmnist

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES = list(kmnist.SHA256)


def npz(array, name="arr_0"):
    """Return the content of an official file with this array."""
    file = io.BytesIO()
    np.savez_compressed(file, **{name: array})
    return file.getvalue()


def small_files(monkeypatch):
    """Make small files the official ones; return them as a dict of name to bytes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for n, images, labels in ((30, *NAMES[:2]), (20, *NAMES[2:])):
        arrays[images] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[labels] = (np.arange(n) % 10).astype(np.uint8)
    files = {name: npz(array) for name, array in arrays.items()}
    for name, content in files.items():
        monkeypatch.setitem(kmnist.SHA256, name, hashlib.sha256(content).hexdigest())
    return files


def fill(folder, files):
    """Write files, a dict of name to bytes, into a folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
