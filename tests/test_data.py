"""The right data is found in the stated order, the stand-in is announced, the split is honest."""

import hashlib
import warnings

import numpy as np
import pytest

from kmnist_mlp import data as data_room
from kmnist_mlp.data import (
    BLOCK,
    CLASS_NAMES,
    ROMAJI,
    Dataset,
    one_hot,
    pixel_statistics,
    pooled,
    split_and_standardise,
)
from kmnist_mlp.datasets import official_files
from kmnist_mlp.datasets.kmnist import StandInWarning, load_kmnist

NAMES = list(official_files.SHA256)


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch, tmp_path):
    """No variable is set, nothing is in the cache, and a download would be an error."""
    for name in ("KMNIST_MLP_DATASET", "KMNIST_MLP_DATA", "KMNIST_MLP_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KMNIST_MLP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data_room, "download", never)
    data_room._load_folder.cache_clear()
    yield
    data_room._load_folder.cache_clear()


def never(folder, again=False):
    raise AssertionError("there must be no download")


def offline(folder, again=False):
    return "the download from http://nowhere/ failed"


@pytest.fixture
def fill(monkeypatch):
    """Return a function that fills a folder with four small files, which pass for the official."""
    rng = np.random.default_rng(0)
    arrays = {
        NAMES[0]: rng.integers(0, 256, (30, 28, 28)).astype(np.uint8),
        NAMES[1]: (np.arange(30) % 10).astype(np.uint8),
        NAMES[2]: rng.integers(0, 256, (20, 28, 28)).astype(np.uint8),
        NAMES[3]: (np.arange(20) % 10).astype(np.uint8),
    }

    def fill(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            np.savez_compressed(folder / name, arr_0=array)
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            monkeypatch.setitem(official_files.SHA256, name, digest)
            monkeypatch.setitem(official_files.SHAPES, name, array.shape)
        return folder

    return fill


def is_the_small_set(data):
    return data.name == "KMNIST" and len(data.train_images) == 30 and len(data.test_images) == 20


# ---- the search order ----------------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [True, False])
def test_the_argument_is_looked_at_first(fill, tmp_path, monkeypatch, as_text):
    folder = fill(tmp_path / "given")
    monkeypatch.setenv("KMNIST_MLP_DATA", str(tmp_path / "named, but empty"))
    assert is_the_small_set(load_kmnist(str(folder) if as_text else folder))


def test_the_named_folder_comes_before_the_cache(fill, tmp_path, monkeypatch):
    fill(tmp_path / "named")
    (tmp_path / "cache" / "data").mkdir(parents=True)
    monkeypatch.setenv("KMNIST_MLP_DATA", str(tmp_path / "named"))
    assert is_the_small_set(load_kmnist())


def test_the_home_folder_may_be_written_as_a_tilde(fill, tmp_path, monkeypatch):
    fill(tmp_path / "kmnist")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KMNIST_MLP_DATA", "~/kmnist")
    assert is_the_small_set(load_kmnist())


def test_whole_files_in_the_cache_are_read_without_the_network(fill, tmp_path, monkeypatch):
    fill(tmp_path / "cache" / "data")
    monkeypatch.setattr(data_room, "download", official_files.download)
    monkeypatch.setattr(official_files, "_ask", never)
    assert is_the_small_set(load_kmnist())


def test_an_empty_cache_is_filled_by_a_download(fill, tmp_path, monkeypatch):
    def download(folder, again=False):
        assert folder == tmp_path / "cache" / "data"
        fill(folder)

    monkeypatch.setattr(data_room, "download", download)
    assert is_the_small_set(load_kmnist())


def test_without_data_and_network_the_stand_in_is_announced(monkeypatch):
    monkeypatch.setattr(data_room, "download", offline)
    with pytest.warns(StandInWarning, match="STAND-IN.*http://nowhere/.*KMNIST_MLP_DATA"):
        data = load_kmnist()
    assert data.is_stand_in and data.name == "stand-in data"


def test_every_loading_of_the_stand_in_is_announced(monkeypatch):
    monkeypatch.setattr(data_room, "download", offline)
    for _ in range(2):
        with pytest.warns(StandInWarning):
            load_kmnist()


def test_the_real_data_is_not_announced_as_the_stand_in(fill, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not load_kmnist(fill(tmp_path / "given")).is_stand_in


@pytest.mark.parametrize("by", ["argument", "variable"])
@pytest.mark.parametrize("lost", NAMES)
def test_a_named_folder_that_lacks_a_file_is_an_error_and_never_the_stand_in(
    fill, tmp_path, monkeypatch, by, lost
):
    folder = fill(tmp_path / "named")
    (folder / lost).unlink()
    if by == "variable":
        monkeypatch.setenv("KMNIST_MLP_DATA", str(folder))
    with pytest.raises(FileNotFoundError) as caught:
        load_kmnist(folder if by == "argument" else None)
    assert str(folder / lost) in str(caught.value)


def test_a_named_folder_with_a_damaged_file_is_an_error_and_never_the_stand_in(fill, tmp_path):
    folder = fill(tmp_path / "named")
    path = folder / NAMES[2]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"kmnist-test-imgs\.npz is refused"):
        load_kmnist(folder)


def test_mandatory_real_data_that_cannot_be_had_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")
    monkeypatch.setattr(data_room, "download", offline)
    with pytest.raises(FileNotFoundError) as caught:
        load_kmnist()
    told = str(caught.value)
    tried_and_advised = ("mandatory", "http://nowhere/", "by hand", "KMNIST_MLP_DATA", *NAMES)
    assert all(part in told for part in tried_and_advised)


@pytest.mark.parametrize("mandatory", [True, False])
def test_only_mandatory_real_data_is_asked_for_again_after_a_failure(
    fill, tmp_path, monkeypatch, mandatory
):
    if mandatory:
        monkeypatch.setenv("KMNIST_MLP_DATASET", "kmnist")

    def download(folder, again=False):
        assert again == mandatory
        fill(folder)

    monkeypatch.setattr(data_room, "download", download)
    assert is_the_small_set(load_kmnist())


@pytest.mark.parametrize("spelling", ["stand-in", " Stand-In "])
def test_the_stand_in_can_be_forced_although_a_folder_is_named(
    fill, tmp_path, monkeypatch, spelling
):
    monkeypatch.setenv("KMNIST_MLP_DATASET", spelling)
    monkeypatch.setenv("KMNIST_MLP_DATA", str(fill(tmp_path / "named")))
    with pytest.warns(StandInWarning, match="KMNIST_MLP_DATASET=stand-in"):
        assert load_kmnist().is_stand_in


def test_loading_twice_reads_once(fill, tmp_path):
    folder = fill(tmp_path / "given")
    assert load_kmnist(folder) is load_kmnist(str(folder))


# ---- what is loaded ------------------------------------------------------------------------------


def test_the_ten_kana_and_their_reading_are_in_the_official_order():
    assert "".join(CLASS_NAMES) == "おきすつなはまやれを"
    assert " ".join(ROMAJI) == "o ki su tsu na ha ma ya re wo"


def test_real_kmnist_is_what_the_official_page_describes(kmnist):
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


def small_data(n_train=40, n_test=20):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (n_train + n_test, 5, 4)).astype(np.uint8)
    labels = (np.arange(n_train + n_test) % 10).astype(np.uint8)
    return Dataset(images[:n_train], labels[:n_train], images[n_train:], labels[n_train:], "small")


def changed(data, **arrays):
    own = {
        name: getattr(data, name)
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    }
    return Dataset(**{**own, **arrays})


@pytest.mark.parametrize("name", ["train_images", "train_labels", "test_images", "test_labels"])
def test_the_fingerprint_changes_with_every_array(name):
    data = small_data()
    other = getattr(data, name).copy()
    other.flat[-1] ^= 1
    assert changed(data, **{name: other}).fingerprint != data.fingerprint
    assert changed(data).fingerprint == data.fingerprint


def test_a_data_set_is_shown_by_name_and_sizes():
    data = small_data()
    shown = f"Dataset(small, 40 training and 20 test images, fingerprint {data.fingerprint[:12]})"
    assert repr(data) == shown


def test_one_class_with_one_image_of_one_pixel_is_a_data_set():
    image, label = np.zeros((1, 1, 1), np.uint8), np.zeros(1, int)
    data = Dataset(image, label, image, label, "least", ("a",), ("a",))
    assert len(data.train_images) == 1 and not data.is_stand_in


# ---- split and standardise -----------------------------------------------------------------------


def test_the_split_holds_out_a_fifth_and_uses_every_image_once():
    split = split_and_standardise(small_data(), seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (32, 8, 20)
    assert sorted([*split.train.rows, *split.validation.rows]) == list(range(40))


def test_the_split_depends_on_the_seed_only():
    rows = [split_and_standardise(small_data(), seed).train.rows for seed in (0, 0, 1)]
    assert np.array_equal(rows[0], rows[1]) and not np.array_equal(rows[0], rows[2])


def test_labels_stay_with_their_images_through_the_split():
    data = small_data()
    split = split_and_standardise(data, seed=3, dtype=np.float64)
    for part, labels in (
        (split.train, split.train_labels),
        (split.validation, split.validation_labels),
    ):
        pixels = np.rint(part[:] * split.std + split.mean)
        for row, label in zip(pixels, labels, strict=True):
            (source,) = np.flatnonzero((data.train_images.reshape(40, -1) == row).all(axis=1))
            assert data.train_labels[source] == label


def test_all_three_parts_are_standardised_by_the_training_split_alone():
    data = small_data()
    split = split_and_standardise(data, seed=0, dtype=np.float64)
    raw = data.train_images.reshape(40, -1)[split.train.rows].astype(float)
    mean, std = raw.mean(axis=0), raw.std(axis=0)
    np.testing.assert_allclose(split.train[:], (raw - mean) / std, rtol=1e-12, atol=1e-12)
    test = (data.test_images.reshape(20, -1) - mean) / std
    np.testing.assert_allclose(split.test[:], test, rtol=1e-12, atol=1e-12)


def test_a_constant_pixel_is_divided_by_one():
    images = small_data().train_images.reshape(40, -1).copy()
    images[:, 7] = 200
    mean, std = pixel_statistics(images, np.arange(40))
    assert mean[7] == 200 and std[7] == 1


@pytest.mark.parametrize("rows", [1999, 2000, 2001, 2002, 4001, 4100])
def test_statistics_are_taken_over_every_image_once_in_parts_of_any_number(rows):
    images = np.random.default_rng(0).integers(0, 256, (5000, 3)).astype(np.uint8)
    chosen = np.random.default_rng(1).permutation(5000)[:rows]
    mean, std = pixel_statistics(images, chosen)
    np.testing.assert_allclose(mean, images[chosen].mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(std, images[chosen].std(axis=0), rtol=1e-12)


def test_standardised_images_are_the_same_in_whole_and_in_parts_of_any_size():
    split = split_and_standardise(small_data(n_train=10 * BLOCK // 3, n_test=20), seed=0)
    whole = split.train[:]
    assert len(whole) > 2 * BLOCK and whole.dtype == np.float32
    for size in (1, 7, BLOCK, BLOCK + 1):
        parts = [split.train[i : i + size] for i in range(0, len(whole), size)]
        assert np.array_equal(np.concatenate(parts), whole)


def test_a_split_without_validation_images_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        split_and_standardise(small_data(n_train=2), seed=0)


def test_one_hot_marks_the_column_of_each_label():
    assert one_hot(np.array([2, 0]), classes=3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot([0, 0], classes=1).tolist() == [[1], [1]]
    assert one_hot([9]).tolist() == [[0] * 9 + [1]]
    assert one_hot([9]).dtype == np.float32


def test_pooling_deals_the_same_images_out_anew_with_their_labels():
    data = small_data()
    mixed = pooled(data)
    assert mixed.train_images.shape == data.train_images.shape
    assert mixed.name == "small, pooled" and mixed.fingerprint != data.fingerprint

    def pairs(these):
        images = np.concatenate([these.train_images, these.test_images])
        labels = np.concatenate([these.train_labels, these.test_labels])
        return sorted(
            (image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)
        )

    assert pairs(mixed) == pairs(data)


def test_pooling_is_decided_by_its_seed_and_keeps_the_names_of_the_classes():
    data = small_data()
    images = np.concatenate([data.train_images, data.test_images])
    order = np.random.default_rng([0, 2]).permutation(60)
    assert np.array_equal(pooled(data).train_images, images[order[:40]])
    assert np.array_equal(pooled(data, seed=0).test_images, images[order[40:]])
    assert not np.array_equal(pooled(data, seed=1).train_images, images[order[:40]])
    arrays = data.train_images, data.train_labels % 2, data.test_images, data.test_labels % 2
    two = pooled(Dataset(*arrays, "two", ("a", "b"), ("c", "d")))
    assert (two.class_names, two.romaji) == (("a", "b"), ("c", "d"))


def test_pooled_stand_in_data_are_not_taken_for_the_real_thing():
    data = small_data()
    stand_in = Dataset(
        data.train_images, data.train_labels, data.test_images, data.test_labels, "stand-in data"
    )
    assert pooled(stand_in).name.startswith("stand-in")
    assert pooled(stand_in).is_stand_in
