"""The data set is what the official page describes, and the split is honest."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from options import ALL_CHANGED

from kmnist_mlp import Config
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import (
    CLASS_NAMES,
    ROMAJI,
    Dataset,
    pixel_statistics,
    split_and_standardise,
    split_rows,
    standardise,
)

# ---- what is loaded ------------------------------------------------------------------------------


def test_real_kmnist_is_what_the_official_page_describes(kmnist):
    assert "".join(CLASS_NAMES) == "おきすつなはまやれを"
    assert " ".join(ROMAJI) == "o ki su tsu na ha ma ya re wo"
    if kmnist.is_stand_in:
        pytest.skip("needs the real data")
    assert kmnist.train_images.shape == (60000, 28, 28) and kmnist.train_labels.shape == (60000,)
    assert kmnist.test_images.shape == (10000, 28, 28) and kmnist.test_labels.shape == (10000,)
    assert kmnist.train_images.dtype == kmnist.test_images.dtype == np.uint8
    assert np.bincount(kmnist.train_labels).tolist() == [6000] * 10
    assert np.bincount(kmnist.test_labels).tolist() == [1000] * 10
    assert kmnist.name == "KMNIST"
    assert kmnist.class_names == CLASS_NAMES and kmnist.romaji == ROMAJI
    assert kmnist.fingerprint.startswith("8ca39712f171")


@pytest.mark.parametrize("name", ["train_images", "train_labels", "test_images", "test_labels"])
def test_the_fingerprint_changes_with_every_array_its_type_and_its_shape(tiny10, name):
    array = getattr(tiny10, name)
    other = array.copy()
    other.flat[-1] ^= 1
    others = [other, array.astype(np.int8)] if "labels" in name else [other]
    for changed in others:
        assert replace(tiny10, **{name: changed}).fingerprint != tiny10.fingerprint
    wide = {
        part: getattr(tiny10, part).reshape(-1, 4, 9) for part in ("train_images", "test_images")
    }
    assert replace(tiny10, **wide).fingerprint != tiny10.fingerprint
    same = np.asfortranarray(array)
    assert replace(tiny10, **{name: same, "name": "b"}).fingerprint == tiny10.fingerprint


def test_classes_without_readings_are_called_by_their_names_and_the_kana_have_theirs(tiny):
    data = replace(tiny, class_names=("cat", "dog", "す"), romaji=())
    assert data.class_labels == data.romaji == ("cat", "dog", "す")
    image, label = np.zeros((1, 1, 1), np.uint8), np.zeros(1, int)
    kana = Dataset(image, label, image, label, "small", list(CLASS_NAMES))
    assert kana.class_names == CLASS_NAMES and kana.class_labels[-1] == "を wo"
    assert not kana.is_stand_in and replace(kana, name="stand-in data, pooled").is_stand_in


# ---- split ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "fraction", "held_out"),
    [(240, 0.2, 48), (60, 0.2, 12), (33, 0.2, 7), (3, 0.2, 1), (240, 0.5, 120), (240, 0, 0)],
)
def test_a_share_of_the_training_images_validates_and_every_image_has_one_part(
    images, fraction, held_out
):
    config = Config(validation_fraction=fraction, early_stop=fraction > 0, seed=3)
    training, validation = split_rows(images, config)
    assert (len(training), len(validation)) == (images - held_out, held_out)
    order = generator(3, Stream.SPLIT).permutation(images).tolist()
    assert [*training, *validation] == order and sorted(order) == list(range(images))


def test_the_seed_and_the_fraction_alone_decide_the_split():
    own = split_rows(240, Config())[1].tolist()
    same = ALL_CHANGED.replace(seed=0, validation_fraction=0.2)
    assert split_rows(240, same)[1].tolist() == own
    assert {*split_rows(240, Config(seed=1))[1]} != {*own} != {*range(192, 240)}


@pytest.mark.parametrize("config", [Config(seed=3), ALL_CHANGED], ids=["pixel", "global"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_three_parts_are_standardised_by_the_training_part_alone(make_dataset, config, dtype):
    """Also a pixel that never changes in the training images: it is divided by 1."""
    tiny = make_dataset(side=5)
    test_images = tiny.test_images[:, :, 1:].copy()
    test_images[:, 0, 0] = 9
    train_images = tiny.train_images[:, :, 1:].copy()
    train_images[:, 0, 0] = 7
    data = replace(tiny, train_images=train_images, test_images=test_images)
    split = split_and_standardise(data, config, dtype)
    training, validation = split_rows(240, config)
    pixels = train_images[training].reshape(-1, 20).astype(float)
    axis = None if config.standardisation == "global" else 0
    mean, std = pixels.mean(axis), np.where(pixels.std(axis) == 0, 1, pixels.std(axis))
    np.testing.assert_allclose(split.mean, np.broadcast_to(mean, 20), rtol=1e-6)
    assert split.mean.dtype == split.std.dtype == dtype
    np.testing.assert_array_equal(split.rows, training)
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    test, train = (test_images, data.test_labels), (train_images, data.train_labels)
    for part, labels, (images, own), rows in (
        (split.train, split.train_labels, train, training),
        (split.validation, split.validation_labels, train, validation),
        (test_images.reshape(60, -1), data.test_labels, test, np.arange(60)),
    ):
        x = part if part is split.train else standardise(part.astype(dtype), split.mean, split.std)
        expected = (images[rows].reshape(-1, 20) - mean) / std
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=tolerance)
        assert x.dtype == dtype and x.shape == expected.shape
        np.testing.assert_array_equal(labels, own[rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_image_can_be_standardised_by_itself_alone(make_dataset, dtype):
    """A blank image becomes zeros."""
    made = make_dataset(side=5)
    test_images = made.test_images.copy()
    test_images[3] = 77
    split = split_and_standardise(
        replace(made, test_images=test_images), Config(standardisation="image"), dtype
    )
    x = standardise(test_images.reshape(60, -1).astype(dtype), split.mean, split.std)
    assert x.dtype == split.train.dtype == dtype
    for found, images in ((x, test_images), (split.train, made.train_images[split.rows])):
        for own, image in zip(found, images.reshape(-1, 25).astype(float), strict=True):
            np.testing.assert_allclose(own, (image - image.mean()) / (image.std() or 1), atol=1e-5)


@pytest.mark.parametrize(("mode", "divisor"), [("scale", 255), ("none", 1)])
def test_pixels_that_are_not_standardised_are_scaled_or_stay_as_they_are(tiny, mode, divisor):
    split = split_and_standardise(tiny, Config(standardisation=mode), np.float64)
    x = standardise(tiny.test_images.reshape(60, -1).astype(float), split.mean, split.std)
    np.testing.assert_allclose(x, tiny.test_images.reshape(60, -1) / divisor)


# ---- standardised images -------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1999, 2000, 2001, 4100])
def test_statistics_are_taken_over_every_chosen_image_once(rows):
    images = np.random.default_rng(0).integers(0, 256, (5000, 3)).astype(np.uint8)
    chosen = np.random.default_rng(1).permutation(5000)[:rows]
    mean, std = pixel_statistics(images, chosen)
    np.testing.assert_allclose(mean, images[chosen].mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(std, images[chosen].std(axis=0), rtol=1e-12)
    mean, std = pixel_statistics(images, chosen, "global")
    np.testing.assert_allclose(mean, [images[chosen].mean()] * 3, rtol=1e-14)
    np.testing.assert_allclose(std, [images[chosen].std()] * 3, rtol=1e-12)


def test_data_and_copies_of_it_do_not_change_with_the_arrays_that_they_were_made_of(make_dataset):
    """Else a result would be kept, and found, under the fingerprint of other data."""
    made = make_dataset()
    names = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = {name: getattr(made, name).copy() for name in names}
    data = replace(made, **arrays)
    copies = data, copy.deepcopy(data), pickle.loads(pickle.dumps(data))
    for array in arrays.values():
        array[:3] = array[3:6]
    for each in copies:
        for name in names:
            np.testing.assert_array_equal(getattr(each, name), getattr(made, name))
            with pytest.raises(ValueError, match="read-only"):
                getattr(each, name)[0] = 0
        assert each.fingerprint == made.fingerprint == replace(each).fingerprint
        assert (each.name, each.class_labels) == (made.name, made.class_labels)
    assert replace(made, **arrays).fingerprint != made.fingerprint
