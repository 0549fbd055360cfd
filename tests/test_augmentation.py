"""Distortions move strokes and nothing else: each image by itself, smoothly, within its frame."""

import numpy as np
import pytest
from scipy.interpolate import BSpline
from scipy.ndimage import map_coordinates

from kmnist_mlp.extensions.augmentation import CHUNK, Distortion

SHAPE = (9, 12)  # not a square: height and width cannot be mistaken for each other


def some_images(count):
    return np.random.default_rng(0).integers(1, 256, (count, SHAPE[0] * SHAPE[1]), np.uint8)


def distorted(images, seed=0):
    out = np.empty(images.shape, np.float32)
    Distortion(SHAPE, 1.0, seed)(out, images)
    return out


# ---- what is drawn ---------------------------------------------------


def test_the_seed_decides_every_bit_and_each_image_of_each_call_is_drawn_by_itself():
    images = np.repeat(some_images(1), CHUNK + 2, axis=0)
    np.testing.assert_array_equal(distorted(images), distorted(images))
    distortion, out = Distortion(SHAPE, 1, 0), np.empty((2, *images.shape), np.float32)
    for part in out:
        distortion(part, images)
    other, again = distorted(images, seed=1), Distortion(SHAPE, 1, 0)
    for own in (slice(0, 64), slice(64, None)):  # their fields are drawn together
        again.sample(images[own], again.draw(len(images[own])), out[1, own])
    np.testing.assert_array_equal(out[1], out[0])
    distortion(out[1], images)
    assert len({row.tobytes() for row in [*out[0], *out[1], *other]}) == 3 * len(images)


@pytest.mark.parametrize("strength", [1, 0.5])
def test_every_part_of_a_map_is_as_large_as_stated_and_the_parts_are_independent(strength):
    """The affine map R @ [[1, 0], [shear, 1]] @ diag(tall, wide) is taken apart again."""
    distortion = Distortion((28, 28), strength, 0)
    field = distortion.draw(20_000).astype(float)
    (a, b), (c, d) = field[:, :, :2].transpose(0, 2, 1)
    rotation, wide = np.arctan2(b, d), np.hypot(b, d)
    tall = (a * d - b * c) / wide
    shear = (np.sin(rotation) * a + np.cos(rotation) * c) / tall
    parts = [rotation, np.log(tall), np.log(wide), shear, *(field[:, :, 2] - 13.5)]
    for part, largest in zip(parts, [0.15, 0.15, 0.15, 0.15, 1.5, 1.5], strict=True):
        assert np.abs(part).max() == pytest.approx(largest * strength, rel=2e-3)
        assert part.std() == pytest.approx(largest * strength / np.sqrt(3), rel=0.02)  # uniform
    elastic = field[:, :2000, 3:] @ distortion.basis[3:]
    assert np.sqrt(np.square(elastic).mean()) == pytest.approx(1.0 * strength, rel=0.02)
    columns = np.concatenate([parts, *np.moveaxis(field[:, :, 3:], 2, 1)])
    assert np.abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 0.05


def test_the_elastic_field_is_made_of_cubic_splines_of_four_cells_a_side():
    one = BSpline.basis_element(range(-2, 3), extrapolate=False)
    places = [(np.arange(n) + 0.5) / n * 4 - np.arange(-1, 6)[:, None] for n in SHAPE]
    height, width = (np.nan_to_num(one(place)) for place in places)
    expected = np.einsum("ai,bj->abij", height, width).reshape(49, -1)
    basis = Distortion(SHAPE, 1, 0).basis
    np.testing.assert_allclose(basis[3:] / basis[3:].max(), expected / expected.max(), atol=1e-6)
    assert np.square(basis[3:]).sum(axis=0).mean() == pytest.approx(1)  # so that it is in pixels
    y, x = np.indices(SHAPE)
    np.testing.assert_array_equal(basis[:3], [y.ravel() - 4, x.ravel() - 5.5, np.ones(108)])


# ---- what it does to an image ----------------------------------------


@pytest.mark.parametrize("strength", [3, 9])
def test_sampling_is_bilinear_interpolation_with_zeros_outside(strength):
    """SciPy's ``grid-constant`` has the same border: a frame of zeros beside the last pixels."""
    images, distortion = some_images(20), Distortion(SHAPE, strength, 5)
    field, out = distortion.draw(20), np.empty((20, SHAPE[0] * SHAPE[1]), np.float32)
    distortion.sample(images, field, out)
    images = images.reshape(20, *SHAPE).astype(float)
    for image, coefficients, given in zip(images, np.moveaxis(field, 1, 0), out, strict=True):
        place = coefficients.astype(float) @ distortion.basis.astype(float)
        expected = map_coordinates(image, place, order=1, mode="grid-constant")
        np.testing.assert_allclose(given, expected, atol=0.01)
