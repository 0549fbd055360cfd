"""Kuzushiji-MNIST or its announced stand-in: load, split, standardise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kmnist_mlp.support.checks import as_array, float_type, instance, real_number, whole_number

CLASS_NAMES = tuple("おきすつなはまやれを")
ROMAJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels for training and for test.

    Parameters
    ----------
    train_images, test_images : ndarray of uint8, shape (n, height, width)
    train_labels, test_labels : ndarray of int, shape (n,)
        Class indices from 0 to ``len(class_names) - 1``.
    name : str
        "KMNIST" or "stand-in data", or what the user calls it.
    class_names, romaji : tuple of str
        The kana, and how each is read.

    Raises
    ------
    ValueError
        If a shape, type or label is not as above, or labels do not match their images.

    Examples
    --------
    Two dark and two bright images of 3 x 3 pixels:

    >>> images = np.repeat(np.array([20, 30, 220, 230], np.uint8), 9).reshape(4, 3, 3)
    >>> labels, names = np.array([0, 0, 1, 1]), ("dark", "bright")
    >>> mine = Dataset(images, labels, images[1:3], labels[1:3], "shades", names, names)
    >>> mine.train_images.shape, mine.is_stand_in
    ((4, 3, 3), False)
    >>> Dataset(images, labels + 9, images, labels)
    Traceback (most recent call last):
        ...
    ValueError: train_labels must lie between 0 and 9; got 9 to 10
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    name: str = "KMNIST"
    class_names: tuple[str, ...] = CLASS_NAMES
    romaji: tuple[str, ...] = ROMAJI

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        for name in ("class_names", "romaji"):
            values = getattr(self, name)
            if not isinstance(values, Sequence) or len(values) < max(1, len(self.class_names)):
                raise ValueError(f"{name} must be a tuple of one name per class; got {values!r}")
        for part in ("train", "test"):
            images = instance(f"{part}_images", getattr(self, f"{part}_images"), np.ndarray)
            labels = instance(f"{part}_labels", getattr(self, f"{part}_labels"), np.ndarray)
            if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
                raise ValueError(
                    f"{part}_images must be uint8 of shape (n, height, width), each >= 1; "
                    f"got {images.dtype} of shape {images.shape}"
                )
            if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
                raise ValueError(
                    f"{part}_labels must be {len(images)} whole numbers, one per image; "
                    f"got {labels.dtype} of shape {labels.shape}"
                )
            if labels.min() < 0 or labels.max() >= len(self.class_names):
                raise ValueError(
                    f"{part}_labels must lie between 0 and {len(self.class_names) - 1}; "
                    f"got {labels.min()} to {labels.max()}"
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ValueError(
                f"training images are {self.train_images.shape[1:]} pixels, "
                f"test images {self.test_images.shape[1:]}; they must be alike"
            )

    def __repr__(self) -> str:
        """Name, sizes and the beginning of the fingerprint."""
        return (
            f"Dataset({self.name}, {len(self.train_images):,} training and "
            f"{len(self.test_images):,} test images, fingerprint {self.fingerprint[:12]})"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all images and labels, in hexadecimal: what a result was measured on."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    @property
    def is_stand_in(self) -> bool:
        """Whether this is the drawn stand-in instead of Kuzushiji-MNIST."""
        return is_stand_in(self.name)

    @property
    def class_labels(self) -> tuple[str, ...]:
        """Each class as figures and tables name it: "お o"."""
        return tuple(f"{k} {r}" for k, r in zip(self.class_names, self.romaji, strict=False))


STAND_IN = "stand-in data"


def is_stand_in(data_name: str) -> bool:
    """Whether a data set of this name is the drawn stand-in, or made of it."""
    return data_name.startswith(STAND_IN)


# ---- split and standardise -----------------------------------------------------------------------


BLOCK = 256  # images that are standardised at once: they stay in the processor's cache


class StandardisedImages:
    """Rows of a uint8 image array as standardised numbers, made only when they are asked for.

    ``(pixel - mean) / std``, shape (n, pixels); a slice of it is an ordinary float array.

    Parameters
    ----------
    images : ndarray of uint8, shape (all images, pixels)
    rows : ndarray of int, shape (n,)
        Which images, in which order.
    mean, std : ndarray, shape (pixels,)
        In the type of number that is wanted, float32 or float64.

    Examples
    --------
    >>> images = np.array([[0, 10], [4, 10]], np.uint8)  # two images of two pixels
    >>> mean, std = pixel_statistics(images, np.arange(2))
    >>> mean, std
    (array([ 2., 10.]), array([2., 1.]))
    >>> StandardisedImages(images, np.array([1, 0, 0]), mean, std)[:2]
    array([[ 1.,  0.],
           [-1.,  0.]])
    """

    def __init__(
        self, images: np.ndarray, rows: np.ndarray, mean: np.ndarray, std: np.ndarray
    ) -> None:
        self.images, self.rows, self.mean, self.std = images, rows, mean, std
        self.shape = (len(rows), images.shape[1])
        # (pixel - mean) / std is computed as pixel * scale - shift. NumPy is twice as fast on two
        # arrays of one shape as on an array and a row, so the rows are repeated for a block.
        self.scale = np.tile(1 / std, (BLOCK, 1))
        self.shift = np.tile(mean / std, (BLOCK, 1))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        """Return standardised images, shape (of the slice, pixels)."""
        rows = self.rows[part]
        pixels = np.empty((min(BLOCK, len(rows)), self.shape[1]), np.uint8)
        out = np.empty((len(rows), self.shape[1]), self.mean.dtype)
        self.write(rows, pixels, out)
        return out

    def write(
        self,
        rows: np.ndarray,
        pixels: np.ndarray,
        out: np.ndarray,
        distort: Callable[[np.ndarray, np.ndarray], Any] = np.copyto,
    ) -> None:
        """Write the images numbered ``rows`` (of all images) into ``out``.

        ``pixels`` is uint8 scratch memory for one block, or for all rows if they are fewer;
        ``distort(out, pixels)`` turns it into numbers from 0 to 255.
        """
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            n = len(part)
            # mode="clip" lets NumPy write without a copy; no row is ever out of range
            self.images.take(part, axis=0, out=pixels[:n], mode="clip")
            block = out[start : start + n]
            distort(block, pixels[:n])
            block *= self.scale[:n]
            block -= self.shift[:n]


@dataclass(frozen=True, eq=False)
class Split:
    """A data set divided into training, validation and test, standardised alike.

    ``mean`` and ``std`` are those of each pixel over the *training* split; ``shape`` is (height,
    width) of the images.
    """

    train: StandardisedImages
    train_labels: np.ndarray
    validation: StandardisedImages
    validation_labels: np.ndarray
    test: StandardisedImages
    test_labels: np.ndarray
    shape: tuple[int, int]

    @property
    def mean(self) -> np.ndarray:
        """Mean of each pixel over the training split, shape (pixels,)."""
        return self.train.mean

    @property
    def std(self) -> np.ndarray:
        """Return the pixels' standard deviation over the training split; 1 where constant."""
        return self.train.std


def split_and_standardise(
    data: Dataset,
    seed: int,
    validation_fraction: float = 0.2,
    dtype: Any = np.float32,
    each_pixel: bool = True,
) -> Split:
    """Shuffle the training images by ``seed``, hold out the last part, standardise all three.

    Parameters
    ----------
    data : Dataset
    seed : int
        Decides which images are held out.
    validation_fraction : float
        Held-out part of the training images, 0 or more, below 1. With 0 all are trained on, and
        the validation part is empty.
    dtype : type
        Of the standardised numbers, ``numpy.float32`` or ``numpy.float64``.
    each_pixel : bool
        Without, all pixels have one mean and one standard deviation: distorted strokes come to
        pixels that are rarely inked, and are not magnified there.

    Returns
    -------
    Split
        All three parts standardised with the statistics of the *training* part: a network may not
        know anything of the images that it is judged by.

    Raises
    ------
    ValueError
        If training or validation would be empty, or an argument is of the wrong kind.

    Examples
    --------
    >>> data = load_kmnist()
    >>> split = split_and_standardise(data, seed=0, dtype=np.float64)
    >>> len(split.validation) / len(data.train_images)
    0.2
    >>> middle = split.train[:][:, 28 * 14 + 14]  # a pixel in the middle, over the training split
    >>> print(f"mean {abs(middle.mean()):.3f}, standard deviation {middle.std():.3f}")
    mean 0.000, standard deviation 1.000
    >>> abs(split.validation[:].mean()) > 1e-6  # the others only nearly so
    np.True_
    """
    instance("data", data, Dataset)
    seed, dtype = whole_number("seed", seed, 0), float_type(dtype)
    validation_fraction = real_number(
        "validation_fraction", validation_fraction, at_least=0, below=1
    )
    images = data.train_images.reshape(len(data.train_images), -1)
    order = np.random.default_rng([seed, 1]).permutation(len(images))
    held_out = round(len(images) * validation_fraction)
    if not (validation_fraction == 0 or 0 < held_out < len(images)):
        raise ValueError(
            f"{len(images)} training images cannot be split with validation_fraction "
            f"{validation_fraction}: both parts need at least one image"
        )
    train_rows, validation_rows = np.split(order, [len(images) - held_out])
    statistics = pixel_statistics(images, train_rows, each_pixel)
    mean, std = (array.astype(dtype) for array in statistics)
    test_images = data.test_images.reshape(len(data.test_images), -1)
    return Split(
        StandardisedImages(images, train_rows, mean, std),
        data.train_labels[train_rows],
        StandardisedImages(images, validation_rows, mean, std),
        data.train_labels[validation_rows],
        StandardisedImages(test_images, np.arange(len(test_images)), mean, std),
        data.test_labels,
        data.train_images.shape[1:],
    )


def pixel_statistics(
    images: np.ndarray, rows: np.ndarray, each_pixel: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each pixel over some rows; a constant pixel has std 1.

    Whole numbers below 2**53 are exact in float64, so the sums do not depend on their order.

    Parameters
    ----------
    images : ndarray of uint8, shape (all images, pixels)
    rows : ndarray of int
        Which images count.
    each_pixel : bool
        Without, the statistics are those of all pixels together, repeated for each.

    Returns
    -------
    mean, std : ndarray of float64, shape (pixels,)
    """
    sums, squares = np.zeros((2, images.shape[1]))
    for start in range(0, len(rows), 2000):
        chunk = images[rows[start : start + 2000]].astype(np.float64)
        sums += chunk.sum(axis=0)
        squares += np.square(chunk, out=chunk).sum(axis=0)
    if not each_pixel:
        sums, squares = (np.full_like(total, total.mean()) for total in (sums, squares))
    n = len(rows)
    std = np.sqrt(n * squares - sums**2) / n
    return sums / n, np.where(std == 0, 1.0, std)


def one_hot(labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """Return a 1 in the column of each label and 0 elsewhere.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class indices.
    classes : int

    Returns
    -------
    ndarray of float32, shape (n, classes)

    Raises
    ------
    ValueError
        If labels are no whole numbers of one dimension, or lie outside 0 to ``classes - 1``.

    Examples
    --------
    >>> one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels, classes = as_array("labels", labels), whole_number("classes", classes, 1)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be whole numbers of shape (n,); got {labels.dtype} of shape "
            f"{labels.shape}"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"labels must lie between 0 and {classes - 1}; got {labels.min()} to {labels.max()}"
        )
    return np.eye(classes, dtype=np.float32)[labels]


def pooled(data: Dataset, seed: int = 0) -> Dataset:
    """Mix training and test images and deal them out anew in the same sizes.

    After that, training and test come from the same hands: what is left of the difference
    between validation and test accuracy is not due to the writers.

    Parameters
    ----------
    data : Dataset
    seed : int
        Decides who goes where.

    Returns
    -------
    Dataset
        Named "..., pooled".

    Raises
    ------
    ValueError
        If an argument is of the wrong kind.

    Examples
    --------
    >>> data = load_kmnist()
    >>> mixed = pooled(data)
    >>> mixed.train_images.shape == data.train_images.shape, mixed.name.endswith(", pooled")
    (True, True)
    """
    instance("data", data, Dataset)
    seed = whole_number("seed", seed, 0)
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    order = np.random.default_rng([seed, 2]).permutation(len(images))
    train, test = np.split(order, [len(data.train_images)])
    name = f"{data.name}, pooled"
    parts = (images[train], labels[train], images[test], labels[test])
    return Dataset(*parts, name, data.class_names, data.romaji)
