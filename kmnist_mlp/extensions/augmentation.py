"""Random distortions of the training images, as if another writer had drawn the character.

Every image is sampled where a smooth displacement field says: an affine
map (shift, rotation, stretch, shear) plus an elastic field of cubic
B-splines, all drawn anew whenever the image is trained on. (Source of the
idea: Simard, Steinkraus and Platt 2003, "Best Practices for Convolutional
Neural Networks Applied to Visual Document Analysis", section 2.)
"""

from typing import Any

import numpy as np

from kmnist_mlp.config import Config, Stream
from kmnist_mlp.extensions.method import Method
from kmnist_mlp.support.memory import Array

# Uniformly distributed, largest at strength 1: rotation in radians,
# logarithm of the stretch of height and of width, shear, vertical and
# horizontal shift in pixels
LARGEST = np.array([0.15, 0.15, 0.15, 0.15, 1.5, 1.5])[:, None]
PARTS = [0, 1, 1, 2, 3, 3]  # index of the strength of each row; strength 4 is ELASTIC's
ELASTIC = 1.0  # pixels, root mean square at strength 1, normally distributed
CHUNK = 64  # images at once: their fields stay in the cache


class Distortion:
    """Distorts batches of images, each image in its own way.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the images.
    strength : float or tuple of float
        0 leaves every image as it is; 1 is that of the constants above.
        Five are those of rotation, stretch, shear, shift and elastic
        field.
    seed : int or numpy.random.Generator
        Decides all that is drawn.
    cells : int
        Of the elastic field's grid, along each side of the image.

    Attributes
    ----------
    rng : numpy.random.Generator
    """

    def __init__(
        self, shape: tuple[int, int], strength: float | tuple[float, ...],
        seed: int | np.random.Generator, cells: int = Config.elastic_cells,
    ) -> None:  # fmt: skip
        self.shape = height, width = shape
        self.strength, self.rng = np.broadcast_to(strength, 5), np.random.default_rng(seed)
        y, x = np.indices(shape, np.float32).reshape(2, -1)
        self.center = np.array([(height - 1) / 2, (width - 1) / 2], np.float32)
        along = _splines(height, cells), _splines(width, cells)
        splines = np.einsum("ai,bj->abij", *along).reshape(-1, x.size)
        splines /= np.sqrt(np.square(splines).sum(axis=0).mean())  # so that ELASTIC is in pixels
        affine = [y - self.center[0], x - self.center[1], np.ones_like(x)]
        self.basis = np.concatenate([affine, splines]).astype(np.float32)
        # One row and column of zeros before each image, two behind it:
        # what is sampled outside is 0 exactly, and never the other side
        # or the next image.
        self.padded = np.zeros((CHUNK, height + 3, width + 3), np.float32)
        self.first = np.arange(CHUNK, dtype=np.int32)[:, None] * self.padded[0].size

    def __call__(self, out: Array, images: Array) -> None:
        """Write distorted images into ``out``, with pixels from 0 to 255, as ``np.copyto`` does.

        Parameters
        ----------
        out : ndarray of float, shape (n, height * width)
        images : ndarray of uint8, shape (n, height * width)
        """
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK]
            self.sample(part, self.draw(len(part)), out[start : start + CHUNK])

    def draw(self, n: int) -> Array:
        """Draw what decides n fields, shape (2, n, 3 + splines): see :meth:`sample`.

        The first two columns are
        ``R(rotation) @ [[1, 0], [shear, 1]] @ diag(tall, wide)``, the
        third is the shift.
        """
        drawn = self.rng.uniform(-LARGEST, LARGEST, (6, n)) * self.strength[PARTS, None]
        cos, sin, shear = np.cos(drawn[0]), np.sin(drawn[0]), drawn[3]
        tall, wide = np.exp(drawn[1:3])
        field = np.empty((2, n, len(self.basis)), np.float32)
        field[0, :, 0], field[0, :, 1] = (cos + sin * shear) * tall, sin * wide
        field[1, :, 0], field[1, :, 1] = (cos * shear - sin) * tall, cos * wide
        field[:, :, 2] = drawn[4:] + self.center[:, None]
        elastic = self.rng.standard_normal((2, n, len(self.basis) - 3), np.float32)
        field[:, :, 3:] = elastic * np.float32(ELASTIC * self.strength[4])
        return field

    def sample(self, images: Array, field: Array, out: Array) -> None:
        """Write the images as the fields show them, by bilinear interpolation.

        Pixel (y, x) of ``out`` is read from the image at
        ``field[0] @ basis`` (vertical) and ``field[1] @ basis``
        (horizontal), where the basis is y and x from the centre, 1, and
        the splines; outside of the image everything is 0.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height * width)
            At most :data:`CHUNK` of them.
        field : ndarray, shape (2, n, 3 + splines)
        out : ndarray of float, shape (n, height * width)
        """
        n, (height, width) = len(images), self.shape
        self.padded[:n, 1:-2, 1:-2] = images.reshape(n, height, width)
        place = np.matmul(field, self.basis)
        place += 1  # the padding
        for along, size in zip(place, self.shape, strict=True):
            np.clip(along, 0, size + 1, out=along)
        corner = place.astype(np.int32)
        place -= corner
        down, right = place
        index = corner[0] * (width + 3) + corner[1] + self.first[:n]
        rows = []
        for start in (index, index + width + 3):
            # mode="clip" spares NumPy the check of an index; none is
            # ever out of range
            row = self.padded.take(start, mode="clip")
            row += right * (self.padded.take(start + 1, mode="clip") - row)
            rows.append(row)
        above, below = rows
        below -= above
        below *= down
        np.add(above, below, out=out)


class Augmentation(Method):
    """Distorts the images of each mini-batch anew."""

    option, stream = "distortion", Stream.DISTORTION

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        shape, cells = run.data.train_images.shape[1:], run.config.elastic_cells
        self.distort = Distortion(shape, self.value, self.rng, cells)

    def pixels(self, x: Array) -> None:
        """Distort images, (batch, pixels), in place."""
        self.distort(x, x)


def _splines(pixels: int, cells: int) -> Array:
    """Return the cubic B-splines of a grid of cells, shape (cells + 3, pixels)."""
    place = (np.arange(pixels) + 0.5) / pixels * cells
    t = np.abs(place - np.arange(-1, cells + 2)[:, None])
    near, far = (4 - 6 * t**2 + 3 * t**3) / 6, np.maximum(2 - t, 0) ** 3 / 6
    return np.where(t < 1, near, far)
