"""Images and labels: standardised pixels, the split, one-hot labels, the data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kmnist_mlp.config import Config, Stream, generator
from kmnist_mlp.support import checks
from kmnist_mlp.support.memory import aligned

CLASS_NAMES = tuple("おきすつなはまやれを")
ROMAJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
STAND_IN = "stand-in data"
FRACTIONS = "; np.rint(255 * x).astype(np.uint8) turns fractions into grey levels"
ROUNDED = "; np.rint(x).astype(np.uint8) rounds grey levels"


def standardise(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Turn floats from 0 to 255 into ``(x - mean) / std``, in place, and return them.

    Parameters
    ----------
    x : ndarray of float, shape (n, pixels)
    mean, std : ndarray of float, shape (pixels,), or (0,) for those of each image

    Examples
    --------
    >>> standardise(np.array([[0.0, 10.0], [4.0, 10.0]]), np.array([2, 10]), np.array([2, 1]))
    array([[-1.,  0.],
           [ 1.,  0.]])

    Each image by its own mean and deviation; a blank one becomes zeros:

    >>> standardise(np.array([[0.0, 2.0], [7.0, 7.0]]), np.empty(0), np.empty(0))
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    if not mean.size:
        mean = x.mean(axis=1, keepdims=True)
        std = np.sqrt(np.square(x - mean).mean(axis=1, keepdims=True))
        std[std == 0] = 1
    x -= mean
    x /= std
    return x


def grey_levels(name: str, x: np.ndarray) -> np.ndarray:
    """Return whole numbers from 0 to 255 as uint8, whatever their type; others as they are.

    Raises
    ------
    ValueError
        If the largest is 1: so are fractions that were turned into whole
        numbers.

    Examples
    --------
    >>> grey_levels("x", np.array([[0.0, 255.0]])), grey_levels("x", np.array([[-1.5, 0.0]]))
    (array([[  0, 255]], dtype=uint8), array([[-1.5,  0. ]]))
    """
    if x.dtype != np.uint8:
        if not x.size or x.dtype.kind not in "iuf" or x.min() < 0 or not x.max() <= 255:
            return x
        levels = x.astype(np.uint8)
        if (levels != x).any():
            return x
        x = levels
    if x.size and x.max() == 1:
        raise ValueError(f"{name} must hold grey levels from 0 to 255; the largest is 1{FRACTIONS}")
    return x


def remedy(x: np.ndarray) -> str:
    """Return how numbers become grey levels, if their range tells: the end of an error."""
    low, high = (x.min(), x.max()) if x.size else (0, 0)
    if x.dtype == np.uint8 or low < 0 or high > 255:
        return ""
    return FRACTIONS if high <= 1 else ROUNDED


def check_standardised(name: str, x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> None:
    """Raise ValueError if rows are not what :func:`standardise` can return.

    A number may lie half a deviation outside of what grey levels give, and
    an image of its own standardisation has a mean of almost 0. Where a
    mean was subtracted, numbers from about 0 to 1 alone are fractions.
    """
    if mean.size:
        low, high = -mean / std, (255 - mean) / std
        wrong = (x.min(axis=0) < low - 0.5).any() or (x.max(axis=0) > high + 0.5).any()
        wrong = wrong or (low.min() < 0 and x.min() >= -0.5 and x.max() <= 1.5)
    else:
        wrong = abs(x.mean(axis=1)).max() > 0.1
    if wrong:
        allowed = f"{name} must be standardised, or grey levels: whole numbers from 0 to 255"
        given = f"numbers from {x.min():.6g} to {x.max():.6g}"
        raise ValueError(f"{allowed}; got {given}{remedy(x)}")


def pixel_statistics(
    images: np.ndarray, rows: np.ndarray, standardisation: str = "pixel"
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the pixels over some images.

    Parameters
    ----------
    images : ndarray of uint8, shape (all images, pixels)
    rows : ndarray of int
        Which images count.
    standardisation : str
        "pixel": of each pixel by itself. "global": of all pixels
        together, repeated for each. "image": none, as each image will be
        standardised by its own. "scale": 0 and 255, so that pixels lie
        between 0 and 1. "none": 0 and 1, so that they stay what they are.

    Returns
    -------
    mean, std : ndarray of float64, shape (pixels,), or (0,) for "image"
        A standard deviation of 0 is replaced by 1.
    """
    pixels, n = images.shape[1], len(rows)
    if standardisation == "image":
        return np.empty(0), np.empty(0)
    if standardisation in ("scale", "none"):
        return np.zeros(pixels), np.full(pixels, 255.0 if standardisation == "scale" else 1.0)
    part = images[rows]  # the sums are exact: whole numbers below 2**53
    sums = part.sum(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->j", part, part, dtype=np.float64)
    if standardisation == "global":
        sums, squares = (np.full_like(total, total.mean()) for total in (sums, squares))
    std = np.sqrt(n * squares - sums**2) / n
    return sums / n, np.where(std == 0, 1.0, std)


def split_rows(images: int, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Return which training images are trained on, and which are held out for validation.

    Parameters
    ----------
    images : int
        Number of training images.
    config : Config
        Its ``seed`` and ``validation_fraction``.

    Returns
    -------
    training, validation : ndarray of int
        Numbers of images, shuffled.

    Raises
    ------
    ValueError
        If one of the two parts would be empty.
    """
    order = generator(config.seed, Stream.SPLIT).permutation(images)
    held_out = round(images * config.validation_fraction)
    if config.validation_fraction and not 0 < held_out < images:
        fraction = f"validation_fraction {config.validation_fraction}"
        raise ValueError(f"{fraction} of {images} training images leaves a part without images")
    return order[: images - held_out], order[images - held_out :]


class Split(NamedTuple):
    """Training images divided into a training and a validation part.

    The training part is standardised once, as it is read in every epoch:
    four bytes per pixel. The other remains uint8, which a network with
    ``mean`` and ``std`` takes as it is.

    Attributes
    ----------
    train : ndarray of float, shape (n, pixels)
    validation : ndarray of uint8, shape (n, pixels)
    train_labels, validation_labels : ndarray of int, shape (n,)
    rows : ndarray of int, shape (n,)
        Indices of the training part's images in the data set.
    mean, std : ndarray of float, shape (pixels,), or (0,) where each image has its own
        Those of the *training* part.
    """

    train: np.ndarray
    train_labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    rows: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def split_and_standardise(data: Dataset, config: Config, dtype: Any = np.float32) -> Split:
    """Split the training images as :func:`split_rows` does, and standardise the training part.

    Parameters
    ----------
    data : Dataset
    config : Config
        Its ``seed``, ``validation_fraction`` and ``standardisation``.
    dtype : type
        Of the standardised numbers, ``numpy.float32`` or
        ``numpy.float64``.

    Returns
    -------
    Split
        With the statistics of the *training* part, which a network
        applies to all others as well: no information about the images of
        an evaluation may reach it.

    Raises
    ------
    ValueError
        If training or validation would be empty, or an argument is of
        the wrong kind.

    Examples
    --------
    >>> from kmnist_mlp import load_kmnist
    >>> data = load_kmnist()
    >>> split = split_and_standardise(data, Config(), np.float64)
    >>> len(split.validation) / len(data.train_images)
    0.2
    >>> middle = split.train[:, 28 * 14 + 14]  # a pixel in the middle, over the training split
    >>> print(f"mean {abs(middle.mean()):.3f}, standard deviation {middle.std():.3f}")
    mean 0.000, standard deviation 1.000
    """
    checks.instance("data", data, Dataset)
    checks.instance("config", config, Config)
    images = data.train_images.reshape(len(data.train_images), -1)
    training, validation = split_rows(len(images), config)
    statistics = pixel_statistics(images, training, config.standardisation)
    mean, std = (array.astype(checks.float_type(dtype)) for array in statistics)
    train = aligned((len(training), images.shape[1]), dtype)
    train[...] = images[training]
    standardise(train, mean, std)
    labels = data.train_labels
    held_out = images[validation], labels[validation]
    return Split(train, labels[training], *held_out, training, mean, std)


def one_hot(labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """Return a 1 in the column of each label (n,) and 0 elsewhere: float32, (n, classes).

    Raises
    ------
    ValueError
        If labels are no whole numbers from 0 to ``classes - 1``.

    Examples
    --------
    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    return np.eye(classes, dtype="f")[checks.class_indices("labels", labels, classes, len(labels))]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels for training and for test; arrays that could be changed are copied.

    Parameters
    ----------
    train_images, test_images : ndarray of uint8, shape (n, height, width)
    train_labels, test_labels : ndarray of int, shape (n,)
        Class indices from 0 to ``len(class_names) - 1``.
    name : str
        "KMNIST", "stand-in data", or what the user calls it.
    class_names, romaji : sequence of str
        Of each class its name, such as a kana, and how it is read. By
        default, the ten kana are read in their usual way, and other
        classes as they are named.

    Raises
    ------
    ValueError
        If a shape, type or label is not as above, or labels do not
        match their images.

    Examples
    --------
    Two dark and two bright images of 3 x 3 pixels:

    >>> images = np.repeat(np.array([20, 30, 220, 230], np.uint8), 9).reshape(4, 3, 3)
    >>> labels, names = np.array([0, 0, 1, 1]), ("dark", "bright")
    >>> mine = Dataset(images, labels, images[1:3], labels[1:3], "shades", names)
    >>> mine.train_images.shape, mine.is_stand_in
    ((4, 3, 3), False)
    >>> Dataset(images, labels + 9, images, labels, "digits", "0123456789")
    Traceback (most recent call last):
        ...
    ValueError: train_labels must hold class indices from 0 to 9; got 9 to 10
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    name: str
    class_names: tuple[str, ...]
    romaji: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        if not checks.instance("name", self.name, str).strip():
            raise ValueError(f"name must say what the data is called; got {self.name!r}")
        names, romaji = (tuple(map(str, given)) for given in (self.class_names, self.romaji))
        romaji = romaji or (ROMAJI if names == CLASS_NAMES else names)
        if not all(names) or len({*names}) != len(names) or len(names) != len(romaji):
            given = " and ".join(map(checks.short, (names, romaji)))
            raise ValueError(f"class_names and romaji must hold a name for each class; got {given}")
        self.__dict__.update(class_names=names, romaji=romaji)
        for part in ("train", "test"):
            images = checks.instance(f"{part}_images", getattr(self, f"{part}_images"), np.ndarray)
            if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
                given = f"{images.dtype} of shape {images.shape}"
                allowed = f"{part}_images must be uint8 (n, height, width)"
                raise ValueError(f"{allowed}; got {given}{remedy(images)}")
            grey_levels(f"{part}_images", images)
            labels = getattr(self, f"{part}_labels")
            labels = checks.class_indices(f"{part}_labels", labels, len(names), len(images))
            for name, array in ((f"{part}_images", images), (f"{part}_labels", labels)):
                # the owner of a view may be writeable; that of a map by
                # which workers share is not
                shared = isinstance(array, np.memmap) and array.mode == "r"
                if array.flags.writeable or (array.base is not None and not shared):
                    array = array.copy()
                array.flags.writeable = False
                self.__dict__[name] = array
        shapes = self.train_images.shape[1:], self.test_images.shape[1:]
        if shapes[0] != shapes[1]:
            raise ValueError(f"train_images and test_images must have one size; got {shapes}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Freeze the arrays again, which NumPy's pickles and copies make writeable."""
        for array in (value for value in state.values() if isinstance(value, np.ndarray)):
            array.flags.writeable = False
        self.__dict__.update(state)

    def __repr__(self) -> str:
        """Name, sizes and the beginning of the fingerprint."""
        sizes = f"{len(self.train_images):,} training and {len(self.test_images):,} test images"
        return f"Dataset({self.name}, {sizes}, fingerprint {self.fingerprint[:12]})"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all images and labels, in hexadecimal: what a result was measured on."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @property
    def is_stand_in(self) -> bool:
        """Whether this is the drawn stand-in instead of Kuzushiji-MNIST."""
        return is_stand_in(self.name)

    @property
    def class_labels(self) -> tuple[str, ...]:
        """Each class as figures and tables name it: "お o"; just its name, if that is read so."""
        pairs = zip(self.class_names, self.romaji, strict=True)
        return tuple(name if name == read else f"{name} {read}" for name, read in pairs)


def is_stand_in(data_name: str) -> bool:
    """Whether a data set of this name is the drawn stand-in, or made of it."""
    return data_name.startswith(STAND_IN)
