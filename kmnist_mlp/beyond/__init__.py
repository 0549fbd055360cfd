"""Beyond the paper: more accurate fully connected networks.

``load_best()`` returns the final network of seed 0, ``load_ensemble()``
those of all seeds. They ship in ``results/``, trained on KMNIST by
``make measure WHAT=beyond``; their weights are rounded to eight bits,
and are measured and used so. Both functions need NumPy alone: the
modules of this subpackage, which need pandas and the experiments, are
imported by their own names.
"""

from pathlib import Path

import numpy as np

from kmnist_mlp.network import MLP
from kmnist_mlp.support.files import load_arrays

FOLDER = Path(__file__).parent / "results"


def load_best(folder: Path = FOLDER) -> MLP:
    """Return the final network of seed 0; which of the seeds ships first was not chosen.

    Its accuracy on KMNIST's test images is in ``results/MODEL_CARD.md``.

    Returns
    -------
    MLP
        It carries its standardisation and takes uint8 images, shape
        (n, 28, 28) or (28, 28).

    Examples
    --------
    >>> model = load_best()
    >>> model
    MLP(784-1024-1024-1024-1024-10, ReLU, 3,962,890 parameters, float32)
    >>> model.predict(np.zeros((5, 28, 28), np.uint8)).shape
    (5,)
    """
    return from_rounded(*load_arrays(folder / "final_0.npz"))


def load_ensemble(folder: Path = FOLDER) -> list[MLP]:
    """Return the final networks, sorted by seed.

    The ensemble's probabilities are the mean of theirs.

    Examples
    --------
    >>> image = np.zeros((1, 28, 28), np.uint8)
    >>> sum(model.predict_proba(image) for model in load_ensemble()).shape
    (1, 10)
    """
    paths = sorted(folder.glob("final_?.npz"))
    return [from_rounded(*load_arrays(path)) for path in paths]


def rounded(model: MLP, bits: int = 8) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return a file's content: weights in few bits, whole multiples of a number per unit.

    The largest weight of a unit is its largest multiple,
    ``2 ** (bits - 1) - 1``.

    Parameters
    ----------
    model : MLP
    bits : int
        2 to 8.

    Returns
    -------
    header : dict of str to str
    arrays : dict of str to ndarray
        Those of :meth:`kmnist_mlp.MLP.to_arrays`, but weights_0, ...
        hold the multiples (int8), and scales_0, ... what they are
        multiples of, (units,).
    """
    arrays = model.to_arrays()
    for layer, W in enumerate(model.weights):
        scale = np.abs(W).max(axis=0) / (2 ** (bits - 1) - 1)
        scale[scale == 0] = 1
        arrays[f"weights_{layer}"] = np.rint(W / scale).astype(np.int8)
        arrays[f"scales_{layer}"] = scale.astype(np.float32)
    return {"activation": model.activation}, arrays


def from_rounded(header: dict[str, str], arrays: dict[str, np.ndarray]) -> MLP:
    """Return the network of what :func:`rounded` returned."""
    for name, array in arrays.items():
        if name.startswith("weights_"):
            arrays[name] = array * arrays[name.replace("weights", "scales")]
    return MLP.from_arrays(header["activation"], arrays)
