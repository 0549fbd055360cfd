"""What a number means does not depend on its type, and a flag of the processor means nothing."""

import os
import tracemalloc
import warnings

import numpy as np
import pytest

from kmnist_mlp import MLP, Config, Dataset, evaluate, train
from kmnist_mlp.results import Callback


@pytest.fixture(scope="module")
def trained(make_dataset):
    data = make_dataset()
    return train(Config((36, 12, 3), learning_rate=0.01, epochs=3), data).model, data


# ---- pixels ----------------------------------------------------------

KINDS = {
    "list": lambda images: images.reshape(len(images), -1).tolist(),
    "images": lambda images: images.astype(float),
    **{kind: lambda x, kind=kind: x.astype(kind) for kind in ("i8", "u2", "f4", "f8", "f2")},
}


@pytest.mark.parametrize("form", KINDS.values(), ids=KINDS)
def test_whole_numbers_from_0_to_255_are_pixels_whatever_their_type(trained, form):
    model, data = trained
    x, y = form(data.test_images), data.test_labels
    expected = data.test_images
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(expected))
    assert evaluate(model, x, y) == evaluate(model, expected, y)
    assert evaluate(model, x, y)[1] > 0.8
    assert model.loss(x, y) == model.loss(expected, y)
    for one, other in zip(model.gradients(x, y), model.gradients(expected, y), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize(
    "change", [lambda x: x + 0.5, lambda x: x - 60.0, lambda x: 2 * x, lambda x: x / 255]
)
def test_what_is_neither_a_pixel_nor_standardised_is_refused(trained, change):
    model, data = trained
    x = change(data.test_images.reshape(-1, 36).astype(float))
    for call in (model.predict, lambda x: model.loss(x, data.test_labels)):
        with pytest.raises(ValueError, match=r"^x .*standardised.*255"):
            call(x)


def test_fractions_that_became_whole_numbers_are_refused(trained):
    model, data = trained
    cut = (data.test_images / 255 + 0.3).astype(np.uint8)
    with pytest.raises(ValueError, match=r"^x .*the largest is 1"):
        model.predict(cut)
    with pytest.raises(ValueError, match=r"^train_images .*the largest is 1"):
        Dataset(cut, data.test_labels, cut, data.test_labels, "cut", "abc")
    assert model.predict(np.zeros((2, 6, 6))).shape == (2,), "a blank image is one"


# ---- flags and results that are not finite ---------------------------


def test_a_flag_that_blas_raises_decides_nothing_and_results_are_looked_at(trained, monkeypatch):
    model, data = trained
    flags = []
    multiply = np.matmul

    def flagging(*arguments, **options):
        flags.append(np.float32(np.inf) - np.float32(np.inf))  # as an unused lane would
        return multiply(*arguments, **options)

    monkeypatch.setattr(np, "matmul", flagging)
    x, y = data.test_images, data.test_labels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.predict_proba(x)).all()
        assert np.isfinite([model.loss(x, y), *evaluate(model, x, y)]).all()
        assert np.isfinite(model.gradients(x, y)[0][0]).all()
    assert flags
    broken = model.copy()
    broken.parameters[...] = 1e38
    for name, call in (("probabilities", broken.predict), ("gradients", broken.gradients)):
        with pytest.raises(ValueError, match=rf"^{name} .*1e\+38"):
            call(*(x, y)[: 1 + (name == "gradients")])


def test_a_hundred_thousand_images_are_classified_in_little_memory():
    model = MLP.from_parameters(
        "ReLU", [np.zeros((64, 512)), np.zeros((512, 10))], [np.zeros(512), np.zeros(10)],
        (np.zeros(64), np.ones(64)),
    )  # fmt: skip
    images = np.full((100_000, 8, 8), 200, np.uint8)
    tracemalloc.start()
    try:
        evaluate(model, images, model.predict(images))
        assert tracemalloc.get_traced_memory()[1] < 3 * images.size
    finally:
        tracemalloc.stop()


# ---- training --------------------------------------------------------


def test_a_last_mini_batch_too_small_to_normalise_joins_the_one_before(tiny):
    sizes = []
    watch = Callback()
    watch.mini_batch = lambda x, t: sizes.append(len(x))
    for count, expected in ((64, [64, 64, 64]), (95, [95, 97]), (63, [63, 63, 63, 3])):
        config = Config((36, 5, 3), batch_size=count, batch_normalisation=True, epochs=1)
        train(config, tiny, callbacks=[watch])
        assert sizes == expected
        sizes.clear()
    train(Config((36, 5, 3), batch_size=95, epochs=1), tiny, callbacks=[watch])
    assert sizes == [95, 95, 2]


@pytest.mark.parametrize("answer", [1, 0, "yes", [], np.array([1]), 0.5])
@pytest.mark.parametrize("hook", ["batch", "epoch"])
def test_only_true_ends_a_run_and_what_is_no_answer_is_refused(tiny, hook, answer):
    config, callback = Config((36, 5, 3), epochs=3, early_stop=False), Callback()
    setattr(callback, hook, lambda _: answer)
    with pytest.raises(ValueError, match="callback"):
        train(config, tiny, callbacks=[callback])
    for answer, epochs in ((None, 3), (False, 3), (np.True_, 1 if hook == "epoch" else 0)):
        setattr(callback, hook, lambda _, answer=answer: answer)
        assert train(config, tiny, callbacks=[callback]).stopped_epoch == epochs


# ---- files -----------------------------------------------------------


def test_a_link_keeps_its_place_a_file_its_mode_and_nothing_else_is_replaced(tmp_path):
    model, target, link = MLP((3, 2)), tmp_path / "target.npz", tmp_path / "link.npz"
    link.symlink_to(target)
    model.save(link)
    target.chmod(0o640)
    model.save(link)
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o440)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, kind in ((link, PermissionError), (pipe, OSError), (tmp_path, IsADirectoryError)):
        with pytest.raises(kind, match=path.name):
            model.save(path)
    assert pipe.is_fifo() and len(MLP.load(target).weights) == 1


def test_what_a_killed_process_left_goes_with_the_next_write_and_what_is_written_stays(tmp_path):
    old, new, other = (tmp_path / f".{name}.part" for name in ("a.npz.0", "a.npz.1", "b.npz.0"))
    for path in (old, new, other):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    MLP((3, 2)).save(tmp_path / "a.npz")
    assert {path.name for path in tmp_path.iterdir()} == {"a.npz", new.name, other.name}
