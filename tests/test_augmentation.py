"""Distortions move strokes and nothing else: each image by itself, smoothly, within its frame."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from kmnist_mlp.extensions.augmentation import CHUNK, ELASTIC, Distortion

SHAPE = (9, 12)  # not a square: height and width cannot be mistaken for each other


def some_images(count=5, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, (count, shape[0] * shape[1])).astype(np.uint8)


def blobs(count=3, shape=(48, 48)):
    """Return smooth dots well inside the frame, which interpolation hardly blurs."""
    y, x = np.indices(shape)
    rng = np.random.default_rng(1)
    places = rng.uniform(20, 27, (count, 2))
    return np.array([255 * np.exp(-((y - v) ** 2 + (x - u) ** 2) / 60) for v, u in places])


def distorted(images, strength=1.0, seed=0):
    out = np.empty(images.shape, np.float32)
    Distortion(SHAPE, strength, seed)(out, images)
    return out


def moved(images, **changes):
    """Return the images of one known map: what is not named stays as it is."""
    n, shape = len(images), images.shape[1:]
    distortion = Distortion(shape, 1, 0)
    still = {
        "rotation": np.zeros(n),
        "stretch": np.zeros((2, n)),
        "shear": np.zeros(n),
        "shift": np.zeros((2, n)),
        "elastic": np.zeros((2, n, len(distortion.basis) - 3)),
    }
    out = np.empty((n, images[0].size), np.float32)
    rows = np.rint(images).astype(np.uint8).reshape(n, -1)
    changes = {k: np.multiply(still[k] + 1, np.reshape(v, (-1, 1) if still[k].ndim == 2 else -1))
               for k, v in changes.items()}  # fmt: skip
    distortion.sample(rows, distortion.coefficients(**still | changes), out)
    return out.reshape(images.shape)


def test_at_zero_strength_every_image_stays_exactly_as_it_is():
    images = some_images(2 * CHUNK + 3)
    np.testing.assert_array_equal(distorted(images, 0), images)


def test_a_positive_strength_changes_every_image_the_more_the_stronger():
    images = some_images(50)
    change = [np.abs(distorted(images, s) - images).mean(axis=1) for s in (0.05, 0.3, 1.0)]
    assert (change[0] > 0).all()
    assert change[0].mean() < change[1].mean() < change[2].mean()


def test_images_are_distorted_independently_of_each_other():
    images = np.repeat(some_images(1), CHUNK + 2, axis=0)
    assert len({row.tobytes() for row in distorted(images)}) == len(images)


def test_the_seed_decides_every_bit_and_each_call_goes_on_drawing():
    images = some_images(7)
    np.testing.assert_array_equal(distorted(images), distorted(images))
    assert (distorted(images) != distorted(images, seed=1)).any()
    distortion, first, second = Distortion(SHAPE, 1, 0), *np.empty((2, *images.shape), np.float32)
    distortion(first, images)
    distortion(second, images)
    assert (first != second).any(axis=1).all()


def test_the_state_of_the_generator_is_all_that_is_remembered():
    images = some_images(CHUNK + 5)
    distortion, first, again = Distortion(SHAPE, 1, 0), *np.empty((2, *images.shape), np.float32)
    distortion(first, images)
    state = distortion.rng.bit_generator.state
    distortion(first, images)
    other = Distortion(SHAPE, 1, 9)
    other(again[:3], images[:3])
    other.rng.bit_generator.state = state
    other(again, images)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("strength", [0.5, 1, 4, 40])
def test_pixels_stay_between_0_and_255_and_all_ink_can_go(strength):
    out = distorted(np.full((200, SHAPE[0] * SHAPE[1]), 255, np.uint8), strength)
    assert out.min() >= 0 and out.max() <= 255
    assert out.dtype == np.float32


@pytest.mark.parametrize("shift", [(3, 0), (-3, 0), (0, 3), (0, -3), (2, -5), (8.5, 0), (0, -11.5)])
def test_what_leaves_on_one_side_does_not_come_back_on_the_other(shift):
    images = some_images(4).reshape(4, *SHAPE)
    out = moved(images, shift=shift)
    for axis, (step, size) in enumerate(zip(shift, SHAPE, strict=True), start=1):
        gone = int(abs(step))
        inner = np.moveaxis(out, axis, 0)
        empty = inner[size - gone :] if step > 0 else inner[:gone]
        assert (empty == 0).all()
    if all(float(step).is_integer() for step in shift):
        filled = np.zeros_like(images)
        (v, u), (height, width) = shift, SHAPE
        filled[:, max(0, -v) : height - max(0, v), max(0, -u) : width - max(0, u)] = images[
            :, max(0, v) : height + min(0, v), max(0, u) : width + min(0, u)
        ]
        np.testing.assert_array_equal(out, filled)


@pytest.mark.parametrize(
    ("change", "inverse"),
    [
        ({"shift": (2, -3)}, {"shift": (-2, 3)}),
        ({"shift": (0.5, 0.25)}, {"shift": (-0.5, -0.25)}),
        ({"rotation": 0.4}, {"rotation": -0.4}),
        ({"shear": 0.3}, {"shear": -0.3}),
        ({"stretch": (0.2, -0.1)}, {"stretch": (-0.2, 0.1)}),
    ],
    ids=lambda change: " ".join(f"{k} {v}" for k, v in change.items()),
)
def test_opposite_directions_cancel(change, inverse):
    images = blobs()
    there = moved(images, **change)
    assert np.abs(there - images).max() > 9
    assert np.abs(moved(there, **inverse) - images).max() < 6  # what interpolating twice blurs


def test_directions_are_those_of_their_names():
    image = np.zeros((1, 28, 28))
    image[0, 8:20, 13:15] = 255  # an upright stroke
    y, x = np.indices((28, 28))

    def spread(images, axis):
        weights = images[0] / images.sum()
        return np.sqrt((weights * (axis - (weights * axis).sum()) ** 2).sum())

    assert spread(moved(image, stretch=(-0.3, 0)), y) > 1.2 * spread(image, y)
    assert spread(moved(image, stretch=(0, -0.3)), x) > 1.2 * spread(image, x)
    assert spread(moved(image, rotation=np.pi / 2), x) == pytest.approx(spread(image, y), rel=0.02)
    slanted = moved(image, shear=0.5)[0]
    rows = (slanted * x).sum(axis=1)[9:19] / slanted.sum(axis=1)[9:19]
    assert np.ptp(rows) == pytest.approx(0.5 * 9, rel=0.1)


def test_sampling_is_bilinear_interpolation_with_zeros_outside():
    """SciPy's ``grid-constant`` has the same border: a frame of zeros beside the last pixels."""
    images = some_images(20)
    distortion, out = Distortion(SHAPE, 3, 5), np.empty((20, SHAPE[0] * SHAPE[1]), np.float32)
    field = distortion.draw(20)
    distortion.sample(images, field, out)
    for image, coefficients, given in zip(images, np.moveaxis(field, 1, 0), out, strict=True):
        place = coefficients.astype(float) @ distortion.basis.astype(float)
        expected = map_coordinates(
            image.reshape(SHAPE).astype(float), place, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(given, expected, atol=0.01)


def test_the_elastic_field_is_smooth_and_as_large_as_stated():
    distortion = Distortion((28, 28), 1, 0)
    rng = np.random.default_rng(0)
    coefficients = ELASTIC * rng.standard_normal((4000, len(distortion.basis) - 3))
    fields = (coefficients @ distortion.basis[3:]).reshape(-1, 28, 28)
    assert np.sqrt(np.square(fields).mean()) == pytest.approx(ELASTIC, rel=0.02)
    steps = np.sqrt(np.square(np.diff(fields, axis=1)).mean())
    assert steps < 0.35 * ELASTIC  # neighbouring pixels go nearly the same way
    # the basis sums to the same everywhere: a constant displacement is one of the fields
    sums = distortion.basis[3:].sum(axis=0)
    np.testing.assert_allclose(sums, sums[0], rtol=1e-5)
