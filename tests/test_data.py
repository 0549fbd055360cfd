"""The right data is found in the stated order, the stand-in is announced, the split is honest."""

import copy
import pickle
import tracemalloc
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from official import NAMES, fill, small_files
from options import ALL_CHANGED

from kmnist_mlp import Config
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.data import (
    CLASS_NAMES,
    ROMAJI,
    Dataset,
    is_stand_in,
    one_hot,
    pixel_statistics,
    split_and_standardise,
    split_rows,
    standardise,
)
from kmnist_mlp.datasets.folders import cache_folder
from kmnist_mlp.datasets.kmnist import FAILED, StandInWarning, load_kmnist

NOWHERE = "http://127.0.0.1:9/kmnist/"  # nothing listens there


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch, tmp_path):
    """No variable is set, nothing is in the cache, and there is no network."""
    for name in ("KMNIST_MLP_DATASET", "KMNIST_MLP_DATA", FAILED):
        monkeypatch.setenv(name, "")  # and what a test sets is undone
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KMNIST_MLP_URL", NOWHERE)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(name="fill")
def fill_with_small_files(monkeypatch):
    """Return a function that fills a folder with four small files, which pass for the official."""
    return partial(fill, files=small_files(monkeypatch))


def is_the_small_set(data):
    return data.name == "KMNIST" and len(data.train_images) == 30 and len(data.test_images) == 20


# ---- the search order ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, lambda path: path])
@pytest.mark.parametrize("wanted", ["", "kmnist", "stand-in"])
def test_the_argument_is_looked_at_first(fill, tmp_path, monkeypatch, kind, wanted):
    monkeypatch.setenv("KMNIST_MLP_DATA", str(tmp_path / "named, but empty"))
    monkeypatch.setenv("KMNIST_MLP_DATASET", wanted)
    assert is_the_small_set(load_kmnist(kind(fill(tmp_path / "given"))))


def test_the_named_folder_comes_before_the_cache(fill, tmp_path, monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATA", str(fill(tmp_path / "named")))
    (tmp_path / "cache" / "data").mkdir(parents=True)
    assert is_the_small_set(load_kmnist())


def test_the_home_folder_may_be_written_as_a_tilde(fill, tmp_path, monkeypatch):
    fill(tmp_path / "kmnist")
    for name, value in (("HOME", tmp_path), ("USERPROFILE", tmp_path)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("KMNIST_MLP_DATA", "~/kmnist")
    assert is_the_small_set(load_kmnist())


def test_whole_files_in_the_cache_are_read_without_the_network(fill, tmp_path):
    fill(tmp_path / "cache" / "data")
    assert is_the_small_set(load_kmnist())


def test_without_data_and_network_the_stand_in_is_announced_every_time():
    for _ in range(2):
        with pytest.warns(StandInWarning, match=f"(?s){NOWHERE}.*KMNIST_MLP_DATA"):
            data = load_kmnist()
        assert data.is_stand_in and data.name == "stand-in data"


@pytest.mark.parametrize("spelling", ["stand-in", " Stand-In "])
def test_the_stand_in_can_be_forced_although_a_folder_is_named(
    fill, tmp_path, monkeypatch, spelling
):
    monkeypatch.setenv("KMNIST_MLP_DATASET", spelling)
    monkeypatch.setenv("KMNIST_MLP_DATA", str(fill(tmp_path / "named")))
    with pytest.warns(StandInWarning, match="KMNIST_MLP_DATASET=stand-in"):
        assert load_kmnist().is_stand_in


def test_the_real_data_is_not_announced_as_the_stand_in_and_is_read_once(fill, tmp_path):
    folder = fill(tmp_path / "given")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load_kmnist(folder)
    assert not data.is_stand_in and load_kmnist(str(folder)) is data


@pytest.mark.parametrize("by", ["argument", "variable"])
@pytest.mark.parametrize("name", NAMES)
def test_a_named_folder_with_a_lost_or_damaged_file_is_an_error_and_never_the_stand_in(
    fill, tmp_path, monkeypatch, by, name
):
    path = fill(tmp_path / "named") / name
    if by == "variable":
        monkeypatch.setenv("KMNIST_MLP_DATA", str(path.parent))
    path.write_bytes(path.read_bytes()[:-50])
    for error in (ValueError, FileNotFoundError):
        with pytest.raises(error) as caught:
            load_kmnist(path.parent if by == "argument" else None)
        assert str(path) in str(caught.value)
        path.unlink(missing_ok=True)


def test_mandatory_real_data_that_cannot_be_had_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
    with pytest.raises(FileNotFoundError) as caught:
        load_kmnist()
    assert all(part in str(caught.value) for part in (NOWHERE, "KMNIST_MLP_DATA ", *NAMES))


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


def test_a_data_set_is_shown_by_name_and_sizes(tiny):
    assert repr(tiny) == (
        f"Dataset(3 patterns, 240 training and 60 test images, fingerprint {tiny.fingerprint[:12]})"
    )


def test_one_class_with_one_image_of_one_pixel_is_a_data_set():
    image, label = np.zeros((1, 1, 1), np.uint8), np.zeros(1, int)
    data = Dataset(image, label, image, label, "least", ("a",), ("b",))
    assert len(data.train_images) == 1 and data.class_labels == ("a b",)


def test_classes_without_readings_are_called_by_their_names_and_the_kana_have_theirs(tiny):
    data = replace(tiny, class_names=("cat", "dog", "す"), romaji=())
    assert data.class_labels == data.romaji == ("cat", "dog", "す")
    ten = np.zeros((1, 2, 2), np.uint8), np.array([9])
    assert Dataset(*ten, *ten).class_labels[-1] == "を wo"


def test_what_is_made_of_the_stand_in_is_one_too(tiny):
    names = {
        "stand-in data": True,
        "stand-in data, pooled": True,
        "KMNIST": False,
        "my data": False,
    }
    for name, expected in names.items():
        assert is_stand_in(name) is replace(tiny, name=name).is_stand_in is expected


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
    split, (training, validation) = (
        split_and_standardise(data, config, dtype),
        split_rows(240, config),
    )
    pixels = train_images[training].reshape(-1, 20) / 1.0
    tested = data.test_images.reshape(60, -1)
    if config.standardisation == "global":
        mean, std = np.full(20, pixels.mean()), np.full(20, pixels.std())
    else:
        mean, std = pixels.mean(axis=0), pixels.std(axis=0)
        assert std[0] == 0
        std[0] = 1
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"atol": 2e-6}
    np.testing.assert_allclose(split.mean, mean, **tolerance)
    np.testing.assert_allclose(split.std, std, **tolerance)
    assert split.mean.dtype == split.std.dtype == dtype
    np.testing.assert_array_equal(split.rows, training)
    for part, labels, images, own, rows in (
        (split.train, split.train_labels, train_images, data.train_labels, training),
        (split.validation, split.validation_labels, train_images, data.train_labels, validation),
        (tested, data.test_labels, test_images, data.test_labels, np.arange(60)),
    ):
        x = part if part is split.train else standardise(part, split.mean, split.std)
        expected = (images[rows].reshape(-1, 20) - mean) / std
        np.testing.assert_allclose(x, expected, rtol=1e-5, atol=tolerance["atol"])
        assert x.dtype == dtype and x.shape == expected.shape
        np.testing.assert_array_equal(labels, own[rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_image_can_be_standardised_by_itself_alone(make_dataset, dtype):
    """A blank image becomes zeros."""
    made = make_dataset(side=5)
    test_images = made.test_images.copy()
    test_images[3] = 77
    data = replace(made, test_images=test_images)
    split = split_and_standardise(data, Config(standardisation="image"), dtype)
    raw = data.test_images.reshape(-1, 25)
    others = np.arange(60) != 3
    expected = np.zeros(raw.shape)
    expected[others] = [(image - image.mean()) / image.std() for image in raw[others]]
    x = standardise(raw, split.mean, split.std)
    np.testing.assert_allclose(x, expected, atol=1e-5)
    assert x.dtype == split.train.dtype == dtype
    pixels = data.train_images[split.rows].reshape(-1, 25).astype(float)
    own = [(image - image.mean()) / image.std() for image in pixels]
    np.testing.assert_allclose(split.train, own, atol=1e-5)


@pytest.mark.parametrize(("mode", "divisor"), [("scale", 255), ("none", 1)])
def test_pixels_that_are_not_standardised_are_scaled_or_stay_as_they_are(tiny, mode, divisor):
    split = split_and_standardise(tiny, Config(standardisation=mode), np.float64)
    x = standardise(tiny.test_images.reshape(60, -1), split.mean, split.std)
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


def test_one_hot_marks_the_column_of_each_label():
    assert one_hot(np.array([2, 0]), classes=3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot([0, 0], classes=1).tolist() == [[1], [1]]
    assert one_hot([9]).tolist() == [[0] * 9 + [1]]
    assert one_hot([9]).dtype == np.float32


def test_one_hot_needs_no_memory_beyond_its_rows():
    tracemalloc.start()
    rows = one_hot(np.arange(3), classes=20_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * rows.nbytes


def test_data_does_not_change_with_the_arrays_that_it_was_made_of(make_dataset):
    """Else a result would be kept, and found, under the fingerprint of other data."""
    made = make_dataset()
    names = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = {name: getattr(made, name).copy() for name in names}
    own = replace(made, **arrays)
    before = {name: array.copy() for name, array in arrays.items()}
    for array in arrays.values():
        array[:3] = array[3:6]
    for name in names:
        np.testing.assert_array_equal(getattr(own, name), before[name])
        with pytest.raises(ValueError, match="read-only"):
            getattr(own, name)[0] = 0
    assert replace(made, **arrays).fingerprint != own.fingerprint == made.fingerprint


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
def test_a_copy_of_a_data_set_cannot_be_changed_either(make_dataset, copied):
    data = make_dataset()
    fingerprint = data.fingerprint
    own = copied(data)
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(own, name)[0] = 0
    assert own.fingerprint == fingerprint == replace(own).fingerprint
    assert (own.name, own.class_names, own.romaji) == (data.name, data.class_names, data.romaji)


@pytest.mark.parametrize("kind", [list, np.array])
def test_names_of_classes_may_be_a_list_or_an_array_and_do_not_change_with_it(make_dataset, kind):
    data, names = make_dataset(classes=10), kind(CLASS_NAMES)
    own = replace(data, class_names=names, romaji=())
    names[0] = "?"
    assert own.class_names == CLASS_NAMES and own.romaji == ROMAJI


def test_without_a_home_folder_the_variable_that_names_one_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("KMNIST_MLP_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as without a passwd entry
    with pytest.raises(FileNotFoundError, match="KMNIST_MLP_CACHE"):
        cache_folder()
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_a_read_only_view_of_an_array_that_can_still_be_changed_is_copied(tiny):
    images = tiny.train_images.copy()
    view = images[:]
    view.flags.writeable = False
    data = replace(tiny, train_images=view)
    images[...] = 0
    assert data.train_images.any()
    assert replace(data, name="same").train_images is data.train_images
