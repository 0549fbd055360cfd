"""KMNIST's official files, verified; the stand-in that is drawn without them; other data."""

from kmnist_mlp.datasets.folder import load_folder, read_array
