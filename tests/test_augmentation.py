"""Distortions move strokes and nothing else: each image by itself, smoothly, within its frame."""

import numpy as np
import pytest
from scipy.interpolate import BSpline
from scipy.ndimage import generate_binary_structure, grey_dilation, grey_erosion, map_coordinates

from kmnist_mlp import Config, train
from kmnist_mlp.beyond.tried import KINDS, Tried
from kmnist_mlp.extensions.augmentation import CHUNK, Distortion
from kmnist_mlp.training import Training

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


@pytest.mark.parametrize("strength", [1, 0.5, (1, 0.5, 2, 1.5, 0.7)])
def test_every_part_of_a_map_is_as_large_as_stated_and_the_parts_are_independent(strength):
    """The affine map R @ [[1, 0], [shear, 1]] @ diag(tall, wide) is taken apart again."""
    distortion = Distortion((28, 28), strength, 0)
    field = distortion.draw(20_000).astype(float)
    (a, b), (c, d) = field[:, :, :2].transpose(0, 2, 1)
    rotation, wide = np.arctan2(b, d), np.hypot(b, d)
    tall = (a * d - b * c) / wide
    shear = (np.sin(rotation) * a + np.cos(rotation) * c) / tall
    parts = [rotation, np.log(tall), np.log(wide), shear, *(field[:, :, 2] - 13.5)]
    turn, stretch, slant, shift, bend = np.broadcast_to(strength, 5)
    largest = [0.15 * turn, 0.15 * stretch, 0.15 * stretch, 0.15 * slant, 1.5 * shift, 1.5 * shift]
    for part, most in zip(parts, largest, strict=True):
        assert np.abs(part).max() == pytest.approx(most, rel=2e-3)
        assert part.std() == pytest.approx(most / np.sqrt(3), rel=0.02)  # uniform
    elastic = field[:, :2000, 3:] @ distortion.basis[3:]
    assert np.sqrt(np.square(elastic).mean()) == pytest.approx(bend, rel=0.02)
    columns = np.concatenate([parts, *np.moveaxis(field[:, :, 3:], 2, 1)])
    assert np.abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 0.05


@pytest.mark.parametrize("cells", [4, 2])
def test_the_elastic_field_is_made_of_cubic_splines(cells):
    one = BSpline.basis_element(range(-2, 3), extrapolate=False)
    places = [(np.arange(n) + 0.5) / n * cells - np.arange(-1, cells + 2)[:, None] for n in SHAPE]
    height, width = (np.nan_to_num(one(place)) for place in places)
    expected = np.einsum("ai,bj->abij", height, width).reshape(-1, 108)
    basis = Distortion(SHAPE, 1, 0, cells).basis
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


# ---- other kinds, which trials try -----------------------------------


def changed_by(kind, strength, images, seed=0):
    """Return images (n, height, width) of floats, changed by a kind."""
    copies = images.astype(float)
    KINDS[kind](copies, strength, np.random.default_rng(seed))
    return copies


def test_other_kinds_do_what_they_are_called():
    images = np.random.default_rng(1).integers(1, 255, (500, *SHAPE)).astype(float)
    cross = generate_binary_structure(2, 1)[None]
    ends = [of(images, footprint=cross, mode="constant") for of in (grey_dilation, grey_erosion)]
    found, shares = changed_by("strokes", 0.5, images), []
    for image, thick, thin, own in zip(images, *ends, found, strict=True):
        end, sign = (thick, 1) if own.sum() > image.sum() else (thin, -1)
        np.testing.assert_allclose(
            own, image + (end - image) * (share := np.ptp(own - image) / np.ptp(end - image))
        )
        shares.append(sign * share)
    assert [np.min(shares), np.max(shares)] == pytest.approx([-0.5, 0.5], abs=0.02)
    erased = changed_by("erasing", 0.25, images) == 0
    touched = erased.any(axis=(1, 2))
    assert touched.mean() == pytest.approx(0.25, abs=0.06)
    rows, columns = erased[touched].any(axis=2), erased[touched].any(axis=1)
    rectangles = rows[:, :, None] & columns[:, None]
    np.testing.assert_array_equal(erased[touched], rectangles)
    for sides, most, size in ((rows, 4, SHAPE[0]), (columns, 6, SHAPE[1])):
        assert {*sides.sum(axis=1)} == {*range(1, most + 1)}
        assert {*sides.argmax(axis=1)} == {*range(size)}, "everywhere"
    powers = np.log(changed_by("contrast", 0.5, images) / 255) / np.log(images / 255)
    assert np.ptp(powers.reshape(500, -1), axis=1).max() < 1e-9
    assert -0.5 <= np.log(powers.min()) < -0.4 and 0.4 < np.log(powers.max()) <= 0.5


def test_what_is_tried_changes_the_images_of_training_by_its_seed_and_is_named(tiny):
    config, each = Config((36, 8, 3), epochs=2), [(), ("strokes",), ("strokes",), ("erasing",)]
    found = [train(config, tiny, callbacks=[Tried({k: 1.0}) for k in kinds]) for kinds in each]
    assert len({(*result.altered_by,) for result in found}) == 3
    assert len({result.model.parameters.tobytes() for result in found}) == 3
    one, other = Tried({}), Tried({})
    one.start(Training(config, tiny))
    other.start(Training(config.replace(seed=1), tiny))
    assert one.rng.random() != other.rng.random()
