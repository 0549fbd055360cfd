"""The network's gradients, its initial weights, its copies and its files."""

import copy
import pickle
import sys
from itertools import product

import numpy as np
import pytest
from small_runs import descend
from textbook import FUNCTIONS, assert_slopes, probabilities, smoothed, some_batch, some_model

from kmnist_mlp import MLP, Config
from kmnist_mlp.data import standardise
from kmnist_mlp.network import standardised
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.support.files import load_arrays, save_arrays

TOPOLOGIES = ((5, 3), (5, 4, 3), (5, 1, 3), (1, 2, 2), (4, 6, 5, 3), (6, 3, 3, 2, 4))


def assert_same_model(a, b):
    assert (a.layer_specs, a.activation, a.dtype) == (b.layer_specs, b.activation, b.dtype)
    for one, other in zip(a.weights + a.biases, b.weights + b.biases, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(a.standardisation, b.standardisation)


# ---- loss and gradients ----------------------------------------------


@pytest.mark.parametrize("layers", TOPOLOGIES, ids=str)
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(("L1", "L2"), [*product((0, 0.3), (0, 0.2))])
def test_a_step_is_the_slope_of_the_loss_along_every_parameter(layers, activation, L1, L2):
    """With penalties. At learning rate 1, without momentum, it is the gradient: w - w'."""
    model, (x, y) = some_model(layers, activation), some_batch(layers)
    model.weights[0][0, 0] = 0  # the L1 penalty has no slope here
    targets = smoothed(y, layers[-1])

    def loss():
        norms = sum(L1 * np.abs(w).sum() + L2 * (w**2).sum() for w in model.weights)
        return norms - (targets * np.log(probabilities(model, x))).sum()

    moved = model.copy()
    config = Config(layers, activation, 1.0, L1_penalty=L1, L2_penalty=L2, momentum=False)
    descend(SGD(moved, config), moved, x, y)
    assert_slopes(model.parameters - moved.parameters, loss, model.parameters)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_ten_thousand_neither_overflow_nor_become_nan(dtype):
    model = MLP((1, 3), dtype=dtype)
    model.weights[0][:] = [[1e4, -1e4, 0]]
    x, y = np.array([[1.0], [1.0], [-1.0], [-0.1]]), np.array([0, 1, 2, 1])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, loss, gradients = model.predict_proba(x), model.loss(x, y), model.gradients(x, y)
    np.testing.assert_array_equal(p, [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])
    assert loss == 0 + 2e4 + 1e4  # no probability of 0 was rounded away
    np.testing.assert_array_equal(gradients[0][0], [[1, -2, 1]])
    np.testing.assert_array_equal(gradients[1][0], [1, 0, -1])


# ---- initial weights -------------------------------------------------


def test_initial_weights_are_normal_with_variance_two_over_fan_in_and_biases_are_zero():
    model = MLP((400, 300, 200), seed=7, dtype=np.float64)
    for w, fan_in in zip(model.weights, (400, 300), strict=True):
        n, scaled = w.size, w / np.sqrt(2 / fan_in)
        assert abs(scaled.mean()) < 5 / np.sqrt(n)
        assert abs(scaled.var() - 1) < 5 * np.sqrt(2 / n)
        assert abs((scaled**4).mean() - 3) < 5 * np.sqrt(96 / n)  # as a normal distribution has it
    assert not any(b.any() for b in model.biases)


def test_each_seed_and_each_layer_has_weights_of_its_own_and_float32_those_of_float64_rounded():
    one, again, other = (MLP((90, 90, 90), seed=s, dtype=np.float64) for s in (0, 0, 2))
    np.testing.assert_array_equal(one.parameters, again.parameters)
    layers = [w.ravel() for model in (one, other) for w in model.weights]
    assert np.abs(np.corrcoef(layers) - np.eye(4)).max() < 0.05
    single = MLP((90, 90, 90))  # the seed is 0 unless given
    assert {a.dtype for a in (single.parameters, *single.weights)} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(single.parameters, one.parameters.astype(np.float32))


# ---- copies ----------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate",
    [
        lambda model, _: model.copy(),
        lambda model, _: pickle.loads(pickle.dumps(model)),
        lambda model, path: MLP.load(str(model.save(str(path)))),
        lambda model, _: MLP.from_arrays(model.activation, model.to_arrays()),
        lambda model, _: MLP.from_parameters(
            model.activation.upper(), model.weights, model.biases, model.standardisation
        ),
    ],
    ids=["copy", "pickle", "file", "arrays", "parameters"],
)
def test_every_kind_of_copy_is_equal_and_trained_without_the_original(tmp_path, duplicate):
    model, rng = some_model((12, 5, 3), "sigmoid", dtype=np.float32), np.random.default_rng(4)
    mean, std = rng.uniform(20, 200, 12), rng.uniform(0.5, 90, 12)
    model.standardisation = mean.astype(np.float32), std.astype(np.float32)
    images = rng.integers(0, 256, (6, 3, 4), np.uint8)
    x, y = standardised(model, model.checked_inputs(images)), np.arange(6) % 3
    twin, loss, kept = duplicate(model, tmp_path / "model"), model.loss(x, y), copy.deepcopy(model)
    assert_same_model(twin, model)
    np.testing.assert_array_equal(twin.predict_proba(images), model.predict_proba(images))
    descend(SGD(twin, Config(twin.layer_specs, learning_rate=0.1, momentum=False)), twin, x, y)
    for array in twin.standardisation:
        array += 1
    assert twin.loss(x, y) < loss
    assert_same_model(model, kept)
    assert [p.name for p in tmp_path.iterdir()] in ([], ["model"])


def test_statistics_of_each_image_or_below_1_survive_a_copy_in_the_models_type():
    W, x = np.eye(3, dtype="f4"), np.array([[0, 3, 6], [5, 5, 5]], np.uint8)
    for statistics, expected in (
        ((np.empty(0), np.empty(0)), standardise(x.astype("f4"), np.empty(0), np.empty(0))),
        ((np.ones(3), np.full(3, 0.5)), (x.astype("f4") - 1) / 0.5),
    ):
        model = MLP.from_parameters("tanh", [W], [np.zeros(3)], statistics)
        model = MLP.from_arrays(model.activation, model.to_arrays())
        assert [array.dtype for array in model.standardisation] == [np.float32] * 2
        np.testing.assert_allclose(model.predict_proba(x), probabilities(model, expected), 1e-5)
    bare = MLP.from_arrays("tanh", MLP((3, 2), variance=0.5).to_arrays())
    assert bare.standardisation is None and len(bare.weights) == 1


# ---- files -----------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """Return a small saved model and its file."""
    model = some_model((5, 4, 3), "sigmoid")
    return model, model.save(tmp_path / "model.npz")


def test_an_altered_file_is_refused_or_holds_the_same_model(saved):
    """A byte that only says when a member was written may change; a number may not."""
    model, path = saved
    content = path.read_bytes()
    refused, places = 0, range(0, len(content), 5)
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 6]) + content[place + 1 :])
        try:
            assert_same_model(MLP.load(path), model)
        except ValueError as error:
            assert "model.npz" in str(error)
            refused += 1
    assert refused > len(places) / 2


class Trap:
    def __reduce__(self):
        return sys.exit, ("code from a file was run",)


# What a file holds instead of a model, made of the header and the arrays of one that is right.
FOREIGN = {
    "pickle": lambda path, h, a: np.savez(path, header=np.array([Trap()], object)),
    "altered": lambda path, h, a: np.savez(path, **{**np.load(path), "biases_0": -a["biases_0"]}),
    "no biases": lambda path, h, a: save_arrays(path, h, {k: a[k] for k in a if k != "biases_1"}),
    "other activation": lambda path, h, a: save_arrays(path, h | {"activation": "softplus"}, a),
    "header of a list": lambda path, h, a: save_arrays(path, [1, 2], a),
    "misfit": lambda path, h, a: save_arrays(path, h, a | {"weights_1": np.zeros((9, 3))}),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_holds_no_model_is_refused_by_name(saved, make):
    _, path = saved
    make(path, *load_arrays(path))
    with pytest.raises(ValueError, match="model.npz"):
        MLP.load(path)
