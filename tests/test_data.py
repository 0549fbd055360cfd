"""The data set is what the official page describes, and the split is honest."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import (
    CLASS_NAMES,
    ROMAJI,
    Dataset,
    one_hot,
    split_and_standardise,
    split_rows,
    standardise,
)

ARRAYS = "train_images", "train_labels", "test_images", "test_labels"
IMAGES = ARRAYS[::2]

# ---- what is loaded --------------------------------------------------


def test_real_kmnist_is_what_the_official_page_describes(kmnist):
    assert "".join(CLASS_NAMES) == "おきすつなはまやれを"
    assert " ".join(ROMAJI) == "o ki su tsu na ha ma ya re wo"
    if kmnist.is_stand_in:
        pytest.skip("needs the real data")
    assert (len(kmnist.train_images), len(kmnist.test_images)) == (60000, 10000)
    assert (kmnist.name, kmnist.class_names, kmnist.romaji) == ("KMNIST", CLASS_NAMES, ROMAJI)
    assert kmnist.fingerprint.startswith("8ca39712f171")


@pytest.mark.parametrize("name", ARRAYS)
def test_the_fingerprint_changes_with_every_array_its_type_and_its_shape(tiny10, name):
    array = getattr(tiny10, name)
    other, same = array.copy(), np.asfortranarray(array)
    other.flat[-1] ^= 1
    wide = {part: getattr(tiny10, part).reshape(-1, 4, 9) for part in IMAGES}
    changes = [wide, {name: other}]
    if "labels" in name:
        changes.append({name: array.astype(np.int8)})
    for change in changes:
        assert replace(tiny10, **change).fingerprint != tiny10.fingerprint
    assert replace(tiny10, **{name: same, "name": "b"}).fingerprint == tiny10.fingerprint


def test_classes_without_readings_are_called_by_their_names_and_the_kana_have_theirs(tiny):
    data = replace(tiny, class_names=("cat", "dog", "す"), romaji=())
    assert data.class_labels == data.romaji == ("cat", "dog", "す")
    image, label = np.zeros((1, 1, 1), np.uint8), np.zeros(1, int)
    kana = Dataset(image, label, image, label, "small", list(CLASS_NAMES))
    assert kana.class_names == CLASS_NAMES and kana.class_labels[-1] == "を wo"
    with pytest.raises(TypeError, match="class_names"):
        Dataset(image, label, image, label, "small")
    assert not kana.is_stand_in and replace(kana, name="stand-in data, pooled").is_stand_in


# ---- split -----------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "fraction", "held_out"),
    [(240, 0.2, 48), (60, 0.2, 12), (33, 0.2, 7), (3, 0.2, 1), (240, 0.5, 120), (240, 0, 0)],
)
def test_a_share_validates_and_every_image_has_one_part(images, fraction, held_out):
    config = Config(validation_fraction=fraction, early_stop=fraction > 0, seed=3)
    training, validation = split_rows(images, config)
    assert (len(training), len(validation)) == (images - held_out, held_out)
    order = generator(3, Stream.SPLIT).permutation(images).tolist()
    assert [*training, *validation] == order and sorted(order) == list(range(images))


def expected_images(images, mode, mean, std):
    """Return standardised images, (n, pixels), by the statistics of each pixel."""
    x = images.reshape(len(images), -1).astype(float)
    if mode == "global":
        mean, std = mean.mean(), np.sqrt((std**2 + mean**2).mean() - mean.mean() ** 2)
    if mode == "image":
        mean, std = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    if mode in ("scale", "none"):
        mean, std = 0, np.array(255 if mode == "scale" else 1)
    return (x - mean) / np.where(std == 0, 1, std)


@pytest.mark.parametrize("mode", ["pixel", "global", "image", "scale", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_parts_are_standardised_by_the_training_part_alone(make_dataset, mode, dtype):
    """Also a pixel that never changes in the training images, and a blank image."""
    made = make_dataset()
    images, tests = (x[:, :, 1:].copy() for x in (made.train_images, made.test_images))
    images[:, 0, 0], tests[:, 0, 0], tests[3] = 7, 9, 77
    data = replace(made, train_images=images, test_images=tests)
    config = Config(seed=3, standardisation=mode)
    split = split_and_standardise(data, config, dtype)
    training, validation = split_rows(240, config)
    np.testing.assert_array_equal(split.rows, training)
    np.testing.assert_array_equal(split.train_labels, data.train_labels[training])
    np.testing.assert_array_equal(split.validation_labels, data.train_labels[validation])
    np.testing.assert_array_equal(split.validation, images[validation].reshape(48, 30))
    assert {split.train.dtype, split.mean.dtype, split.std.dtype} == {np.dtype(dtype)}
    pixels = images[training].reshape(-1, 30).astype(float)
    x = standardise(tests.reshape(60, 30).astype(dtype), split.mean, split.std)
    for found, given in ((x, tests), (split.train, images[training])):
        expected = expected_images(given, mode, pixels.mean(axis=0), pixels.std(axis=0))
        tolerance = 1e-12 if dtype is np.float64 else 1e-5
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        assert found.dtype == dtype


# ---- copies ----------------------------------------------------------


def test_data_and_copies_of_it_do_not_change_with_the_arrays_that_they_were_made_of(make_dataset):
    """Else a result would be kept, and found, under the fingerprint of other data."""
    made = make_dataset()
    arrays = {name: getattr(made, name).copy() for name in ARRAYS}
    given = {name: array[:] for name, array in arrays.items()}
    for name in IMAGES:
        given[name].flags.writeable = False  # but not the array that it is a view of
    data = replace(made, **given)
    copies = data, copy.deepcopy(data), pickle.loads(pickle.dumps(data))
    for array in arrays.values():
        array[:3] = array[3:6]
    for each in copies:
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(each, name), getattr(made, name))
            with pytest.raises(ValueError, match="read-only"):
                getattr(each, name)[0] = 0
        assert each.fingerprint == made.fingerprint == replace(each).fingerprint
        assert (each.name, each.class_labels) == (made.name, made.class_labels)
    assert replace(made, **arrays).fingerprint != made.fingerprint


def test_shared_memory_is_not_copied_and_a_data_set_shows_what_it_holds(tmp_path, tiny):
    file = tmp_path / "images"
    file.write_bytes(tiny.train_images.tobytes())
    shared = np.memmap(file, np.uint8, "r", shape=tiny.train_images.shape)
    data = replace(tiny, train_images=shared)
    assert np.shares_memory(data.train_images, shared) and not data.train_images.flags.writeable
    written = np.memmap(file, np.uint8, "r+", shape=shared.shape)
    assert not np.shares_memory(replace(tiny, train_images=written).train_images, written)
    text = repr(data)
    assert all(part in text for part in ("240 ", " 60 ", data.fingerprint[:12]))
    assert data.fingerprint[:13] not in text
    assert not pickle.loads(pickle.dumps(data)).test_images.flags.writeable
    assert (one_hot([9]).shape, one_hot([9]).dtype) == ((1, 10), np.float32)
