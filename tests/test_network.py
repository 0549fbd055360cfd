"""The network's outputs, losses and gradients, held against other ways to get them."""

import copy
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import descend
from sklearn.neural_network import MLPClassifier

from kmnist_mlp import MLP, Config
from kmnist_mlp.network import Buffers, cross_entropies, softmax
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.support.files import load_arrays, save_arrays

ACTIVATIONS = ("tanh", "sigmoid", "ReLU")
TOPOLOGIES = ((5, 3), (5, 4, 3), (5, 1, 3), (1, 2, 2), (4, 6, 5, 3), (6, 3, 3, 2, 4))

each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
each_topology = pytest.mark.parametrize(
    "layers", TOPOLOGIES, ids=lambda layers: "-".join(map(str, layers))
)


def some_model(layers, activation="tanh", seed=0, dtype=np.float64):
    """Return a network whose biases are not zero, so that they take part."""
    model = MLP(layers, activation, seed, dtype)
    rng = np.random.default_rng([seed, 99])
    for b in model.biases:
        b += rng.uniform(-0.5, 0.5, b.shape)
    return model


def some_batch(layers, size=7, seed=0):
    rng = np.random.default_rng([seed, 98])
    return rng.standard_normal((size, layers[0])), np.arange(size) % layers[-1]


def weighted_inputs(model, x):
    """Return the inputs of all hidden activations, computed plainly."""
    f = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "ReLU": lambda z: z * (z > 0)}
    found = []
    for w, b in zip(model.weights[:-1], model.biases[:-1], strict=True):
        found.append(x @ w + b)
        x = f[model.activation](found[-1])
    return found


def strict_numerics():
    return np.errstate(over="raise", invalid="raise", divide="raise")


# ---- gradients -----------------------------------------------------------------------------------


@each_topology
@each_activation
@pytest.mark.parametrize(
    ("L1", "L2"),
    [(0, 0), (0.3, 0), (0, 0.2), (0.3, 0.2)],
    ids=["cross-entropy", "L1", "L2", "L1-and-L2"],
)
def test_the_gradient_of_every_parameter_agrees_with_its_central_difference(
    layers, activation, L1, L2
):
    """The descended gradient is taken from a training step: w - w' at learning rate 1.

    Its error is relative to the entry, or to a hundredth of the largest entry of its array where
    the entry itself is smaller: rounding in the loss limits what a difference can resolve.
    """
    epsilon = 1e-5
    x, y = some_batch(layers)
    model = next(m for m in (some_model(layers, activation, s) for s in range(99)) if smooth(m, x))

    def objective():
        norms = sum(L1 * np.abs(w).sum() + L2 * (w**2).sum() for w in model.weights)
        return model.loss(x, y) + norms

    config = Config(layers, activation, 1.0, L1_penalty=L1, L2_penalty=L2, momentum=False)
    moved = model.copy()
    descend(SGD(moved, config), *model.gradients(x, y))
    for array, after in zip(
        model.weights + model.biases, moved.weights + moved.biases, strict=True
    ):
        gradient, difference = array - after, np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + epsilon
            above = objective()
            array[index] = kept - epsilon
            difference[index] = (above - objective()) / (2 * epsilon)
            array[index] = kept
        scale = np.maximum(np.abs(difference), np.abs(difference).max() / 100)
        assert scale.min() > 1e-4  # not all zero: the comparison says something
        assert (np.abs(gradient - difference) / scale).max() < 1e-7


def smooth(model, x):
    """Whether no kink of ReLU or |w| is near, and no unit is dead."""
    units = weighted_inputs(model, x)
    return (
        all(np.abs(w).min() > 1e-3 for w in model.weights)
        and all(np.abs(z).min() > 1e-3 for z in units)
        and all((z > 0).any(axis=0).all() for z in units)
    )


@each_topology
@each_activation
def test_loss_and_gradients_are_those_of_scikit_learn(layers, activation):
    """Scikit-learn's are means over the batch; its gradient is what one plain step subtracts."""
    layers = (*layers[:-1], max(3, layers[-1]))  # with two classes it has a single output
    model = some_model(layers, activation)
    x, y = some_batch(layers, size=20)
    theirs = MLPClassifier(
        hidden_layer_sizes=layers[1:-1],
        activation={"tanh": "tanh", "sigmoid": "logistic", "ReLU": "relu"}[activation],
        solver="sgd",
        learning_rate_init=1.0,
        momentum=0.0,
        alpha=0.0,
        shuffle=False,
    )
    theirs.partial_fit(x, y, classes=range(layers[-1]))  # only so that it has its attributes
    for own, given in zip(
        theirs.coefs_ + theirs.intercepts_, model.weights + model.biases, strict=True
    ):
        own[...] = given
    np.testing.assert_allclose(model.predict_proba(x), theirs.predict_proba(x), rtol=1e-10)
    theirs.partial_fit(x, y)
    assert model.loss(x, y) == pytest.approx(theirs.loss_ * 20, rel=1e-10)
    gradients = [g for part in model.gradients(x, y) for g in part]
    after = theirs.coefs_ + theirs.intercepts_
    for ours, before, stepped in zip(gradients, model.weights + model.biases, after, strict=True):
        np.testing.assert_allclose(ours, (before - stepped) * 20, rtol=1e-10, atol=1e-10)


def test_loss_and_gradients_are_sums_over_the_batch():
    model = some_model((5, 4, 3))
    x, y = some_batch((5, 4, 3))
    alone = [model.gradients(x[[i]], y[[i]]) for i in range(len(x))]
    assert model.loss(x, y) == pytest.approx(
        sum(model.loss(x[[i]], y[[i]]) for i in range(len(x))), rel=1e-12
    )
    for part in (0, 1):
        for layer, together in enumerate(model.gradients(x, y)[part]):
            np.testing.assert_allclose(together, sum(g[part][layer] for g in alone), rtol=1e-10)


def test_float32_gives_what_float64_gives_up_to_rounding():
    layers = (30, 20, 10)
    double = some_model(layers)
    single = MLP.from_parameters(
        "tanh", *([a.astype(np.float32) for a in part] for part in (double.weights, double.biases))
    )
    x, y = some_batch(layers, size=50)
    assert single.predict_proba(x).dtype == np.float32
    assert single.loss(x, y) == pytest.approx(double.loss(x, y), rel=1e-5)
    for given, expected in zip(single.gradients(x, y)[0], double.gradients(x, y)[0], strict=True):
        assert given.dtype == np.float32
        np.testing.assert_allclose(given, expected, atol=1e-4)


@each_topology
def test_gradients_have_the_shapes_of_the_parameters_and_later_calls_leave_them_alone(layers):
    model = some_model(layers)
    x, y = some_batch(layers)
    first = model.gradients(x, y)
    kept = [[g.copy() for g in part] for part in first]
    model.gradients(x[:3] + 1, y[:3])
    model.loss(x, y)
    for part, copies, own in zip(first, kept, (model.weights, model.biases), strict=True):
        assert [g.shape for g in part] == [a.shape for a in own]
        for g, kept_g in zip(part, copies, strict=True):
            np.testing.assert_array_equal(g, kept_g)


@pytest.mark.parametrize("layers", [(5, 3), (5, 4, 3), (5, 4, 4, 3)])
def test_buffers_for_a_smaller_batch_share_memory_and_give_the_same_gradients(layers):
    model = some_model(layers)
    x, y = some_batch(layers)
    buffers = Buffers(model, len(x))
    model.backpropagate(x, y, buffers)
    smaller = buffers.first(3)
    model.backpropagate(x[:3], y[:3], smaller)
    assert all(map(np.shares_memory, smaller.outputs, buffers.outputs))
    for given, expected in zip(
        smaller.weight_gradients + smaller.bias_gradients,
        [g for part in model.gradients(x[:3], y[:3]) for g in part],
        strict=True,
    ):
        np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("scale", [0.25, 1.0, 2.0, 3.0])
def test_gradients_are_scaled_as_asked(scale):
    model = some_model((5, 4, 3))
    x, y = some_batch((5, 4, 3))
    plain, scaled = Buffers(model, len(x)), Buffers(model, len(x))
    model.backpropagate(x, y, plain)
    model.backpropagate(x, y, scaled, scale)
    np.testing.assert_allclose(scaled.gradient, scale * plain.gradient, rtol=1e-13)


def test_nothing_that_a_user_calls_changes_inputs_labels_or_parameters():
    model = some_model((5, 4, 3))
    x, y = some_batch((5, 4, 3))
    before = [a.copy() for a in (x, y, *model.weights, *model.biases)]
    model.predict_proba(x), model.predict(x), model.loss(x, y), model.gradients(x, y)
    for kept, array in zip(before, (x, y, *model.weights, *model.biases), strict=True):
        np.testing.assert_array_equal(array, kept)


# ---- probabilities and losses --------------------------------------------------------------------


@each_topology
@each_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_sum_to_one_and_the_largest_is_predicted(layers, activation, dtype):
    model = some_model(layers, activation, dtype=dtype)
    x, _ = some_batch(layers, size=40)
    p = model.predict_proba(x)
    assert p.shape == (40, layers[-1])
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(model.predict(x), [row.argmax() for row in p])


def test_a_single_row_has_the_probabilities_that_it_has_in_a_batch():
    model = some_model((5, 4, 3))
    x, _ = some_batch((5, 4, 3))
    np.testing.assert_allclose(model.predict_proba(x[[2]])[0], model.predict_proba(x)[2])


def test_the_loss_is_minus_the_logarithm_of_the_right_probability():
    model = some_model((5, 4, 3))
    x, y = some_batch((5, 4, 3))
    p = model.predict_proba(x)
    assert model.loss(x, y) == pytest.approx(-sum(np.log(p[i, y[i]]) for i in range(len(y))))


def test_equal_logits_give_equal_probabilities_and_the_logarithm_of_the_classes_as_loss():
    model = MLP((4, 10), dtype=np.float64)
    model.weights[0][:] = 0
    np.testing.assert_allclose(model.predict_proba(np.ones((2, 4))), 0.1)
    assert model.loss(np.ones((2, 4)), [0, 9]) == pytest.approx(2 * np.log(10))


def test_a_constant_added_to_the_logits_changes_nothing():
    model, (x, y) = some_model((5, 4, 3)), some_batch((5, 4, 3))
    shifted = model.copy()
    shifted.biases[-1] += 123.0
    np.testing.assert_allclose(shifted.predict_proba(x), model.predict_proba(x), rtol=1e-11)
    assert shifted.loss(x, y) == pytest.approx(model.loss(x, y), rel=1e-11)
    pairs = zip(shifted.gradients(x, y)[0], model.gradients(x, y)[0], strict=True)
    for given, expected in pairs:
        np.testing.assert_allclose(given, expected, atol=1e-11)


@each_activation
def test_permuting_hidden_units_changes_nothing_but_their_order(activation):
    layers, order = (5, 6, 4, 3), np.array([3, 0, 5, 1, 4, 2])
    model, (x, y) = some_model(layers, activation), some_batch(layers)
    other = model.copy()
    other.weights[0], other.biases[0] = model.weights[0][:, order], model.biases[0][order]
    other.weights[1] = model.weights[1][order]
    np.testing.assert_allclose(other.predict_proba(x), model.predict_proba(x), rtol=1e-12)
    (w0, w1, w2), (b0, b1, b2) = model.gradients(x, y)
    expected = ([w0[:, order], w1[order], w2], [b0[order], b1, b2])
    for given, wanted in zip(other.gradients(x, y), expected, strict=True):
        for a, b in zip(given, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_ten_thousand_neither_overflow_nor_become_nan(dtype):
    model = MLP((1, 3), dtype=dtype)
    model.weights[0][:] = [[1e4, -1e4, 0]]
    x, y = np.array([[1.0], [1.0], [-1.0]]), np.array([0, 1, 2])
    with strict_numerics():
        p, loss, gradients = model.predict_proba(x), model.loss(x, y), model.gradients(x, y)
    np.testing.assert_array_equal(p, [[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert loss == 0 + 2e4 + 1e4  # no probability of 0 was rounded away
    np.testing.assert_array_equal(gradients[0][0], [[1, -2, 1]])
    np.testing.assert_array_equal(gradients[1][0], [1, 0, -1])


@each_activation
@pytest.mark.parametrize("pixel", [1e6, -1e6])
def test_pixels_of_a_million_neither_overflow_nor_become_nan(activation, pixel):
    model = some_model((20, 8, 8, 4), activation, dtype=np.float32)
    x, y = some_batch((20, 8, 8, 4))
    x[:, ::2] = pixel
    with strict_numerics(), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [model.predict_proba(x), model.loss(x, y), *sum(model.gradients(x, y), [])]
    assert all(np.isfinite(array).all() for array in found)


def test_softmax_and_cross_entropy_agree_with_their_definitions():
    z, y = np.array([[0.5, -1.0, 2.0], [3.0, 3.0, -7.0]]), np.array([0, 2])
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(z.copy()), p)
    np.testing.assert_allclose(cross_entropies(z.copy(), y), -np.log(p[[0, 1], y]))


# ---- making, copying -----------------------------------------------------------------------------


def test_initial_weights_have_variance_two_over_fan_in_and_biases_are_zero():
    model = MLP((400, 300, 200), seed=7, dtype=np.float64)
    for w, fan_in in zip(model.weights, (400, 300), strict=True):
        n, scaled = w.size, w / np.sqrt(2 / fan_in)
        assert abs(scaled.mean()) < 5 / np.sqrt(n)
        assert abs(scaled.var() - 1) < 5 * np.sqrt(2 / n)
        assert abs((scaled**4).mean() - 3) < 5 * np.sqrt(96 / n)  # as a normal distribution has it
    assert not any(b.any() for b in model.biases)


def test_layers_of_one_shape_are_drawn_independently():
    first, second = (w.ravel() for w in MLP((100, 100, 100)).weights)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_a_seed_decides_the_initial_weights():
    one, again, other = (MLP((6, 5, 4), seed=s).weights for s in (1, 1, 2))
    for a, b, c in zip(one, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not (a == c).any()


def test_float32_weights_are_the_rounded_float64_weights():
    single, double = MLP((6, 5, 4)), MLP((6, 5, 4), dtype=np.float64)
    for a, b in zip(single.weights, double.weights, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b.astype(np.float32))


def test_a_copy_shares_nothing_with_its_original():
    model = some_model((5, 4, 3))
    twin = model.copy()
    for own, copied in zip(model.weights + model.biases, twin.weights + twin.biases, strict=True):
        np.testing.assert_array_equal(own, copied)
        copied += 1
        assert not np.shares_memory(own, copied)
    assert repr(twin) == repr(model)


@pytest.mark.parametrize(
    "duplicate",
    [MLP.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_every_kind_of_copy_can_be_trained_and_leaves_the_original_alone(duplicate):
    model, (x, y) = some_model((5, 4, 3)), some_batch((5, 4, 3))
    config = Config((5, 4, 3), learning_rate=0.1, momentum=False)
    expected = model.copy()
    descend(SGD(expected, config), *model.gradients(x, y))
    twin, loss = duplicate(model), model.loss(x, y)
    descend(SGD(twin, config), *twin.gradients(x, y))
    assert_same_model(twin, expected)
    assert twin.loss(x, y) < loss == model.loss(x, y)


def test_given_parameters_are_copied_and_decide_layers_and_type():
    source = some_model((5, 4, 3), "ReLU")
    model = MLP.from_parameters("relu", source.weights, source.biases)
    assert (model.layer_specs, model.activation, model.dtype) == ((5, 4, 3), "ReLU", np.float64)
    source.weights[0][:] = 0
    source.biases[0][:] = 0
    assert model.weights[0].all()
    assert model.biases[0].all()


def test_it_reads_like_its_architecture():
    assert repr(MLP((784, 128, 10))) == "MLP(784-128-10, tanh, 101,770 parameters, float32)"


# ---- files ---------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """Return a small saved model and its file."""
    model = some_model((5, 4, 3), "sigmoid")
    return model, model.save(tmp_path / "model.npz")


def assert_same_model(a, b):
    assert (a.layer_specs, a.activation, a.dtype) == (b.layer_specs, b.activation, b.dtype)
    for one, other in zip(a.weights + a.biases, b.weights + b.biases, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@each_topology
@each_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saved_model_is_loaded_exactly(tmp_path, layers, activation, dtype):
    model = some_model(layers, activation, dtype=dtype)
    loaded = MLP.load(model.save(tmp_path / "model.npz"))
    assert_same_model(loaded, model)
    x, _ = some_batch(layers)
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))


def test_saving_uses_the_given_name_and_leaves_no_other_file(tmp_path):
    some_model((5, 3)).save(tmp_path / "first")
    some_model((5, 3), seed=1).save(str(tmp_path / "first"))
    assert [p.name for p in tmp_path.iterdir()] == ["first"]
    assert_same_model(MLP.load(str(tmp_path / "first")), some_model((5, 3), seed=1))


def standardised_model(layers=(12, 5, 3), shape=(3, 4)):
    """Return a network with a standardisation, and images of uint8 for it."""
    model, rng = some_model(layers, dtype=np.float32), np.random.default_rng(4)
    model.standardisation = (
        rng.uniform(20, 200, layers[0]).astype(np.float32),
        rng.uniform(1, 90, layers[0]).astype(np.float32),
    )
    return model, rng.integers(0, 256, (6, *shape)).astype(np.uint8)


def test_a_network_that_knows_its_standardisation_takes_images_as_they_are(tmp_path):
    model, images = standardised_model()
    mean, std = model.standardisation
    expected = model.predict_proba((images.reshape(6, 12) - mean) / std)
    for form in (images, images.reshape(6, 12)):
        np.testing.assert_array_equal(model.predict_proba(form), expected)
        np.testing.assert_array_equal(model.predict(form), expected.argmax(axis=1))
    one = model.predict_proba(images[2])
    assert one.shape == (1, 3)
    np.testing.assert_allclose(one, expected[[2]], rtol=1e-5)
    for twin in (
        MLP.load(model.save(tmp_path / "model.npz")),
        model.copy(),
        pickle.loads(pickle.dumps(model)),
    ):
        np.testing.assert_array_equal(twin.predict_proba(images), expected)


def test_numbers_that_are_not_uint8_are_taken_as_standardised():
    model, images = standardised_model()
    rows = images.reshape(6, 12)
    plain = MLP.from_parameters("tanh", model.weights, model.biases)
    np.testing.assert_array_equal(model.predict_proba(rows / 255), plain.predict_proba(rows / 255))
    np.testing.assert_array_equal(plain.predict_proba(rows), model.predict_proba(rows.astype(int)))


@pytest.mark.parametrize("shape", [(6, 4, 4), (11,), (12,), (0, 3, 4), (2, 6, 3, 4), (6, 13), ()])
def test_images_of_another_size_are_refused(shape):
    model, _ = standardised_model()
    with pytest.raises(ValueError, match=rf"12 pixels.*got {re.escape(str(shape))}"):
        model.predict(np.zeros(shape, np.uint8))


def test_half_precision_halves_the_file_and_changes_little(tmp_path):
    model, images = standardised_model((784, 200, 10), (28, 28))
    whole, half = (model.save(tmp_path / name, half=name == "half") for name in ("whole", "half"))
    assert half.stat().st_size < 0.52 * whole.stat().st_size
    loaded = MLP.load(half)
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(loaded.weights[0], model.weights[0], rtol=2**-11, atol=1e-7)
    np.testing.assert_array_equal(loaded.biases[0], model.biases[0])
    np.testing.assert_allclose(loaded.predict_proba(images), model.predict_proba(images), atol=0.02)


def test_weights_too_large_for_half_precision_are_refused_and_nothing_is_written(tmp_path):
    model = some_model((5, 3))
    model.weights[0][0, 0] = 1e5
    with pytest.raises(ValueError, match="weights_0 in float16 holds NaN or infinite"):
        model.save(tmp_path / "model", half=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mean", "std"),
    [(np.zeros(4), np.ones(5)), (np.zeros(5), np.ones(6)), (np.zeros(5), np.zeros(5))],
)
def test_a_standardisation_that_does_not_fit_is_refused(mean, std):
    model = some_model((5, 3))
    with pytest.raises(
        ValueError, match=r"mean and std must have the shape \(5,\), and std be > 0"
    ):
        MLP.from_parameters("tanh", model.weights, model.biases, (mean, std))


def test_a_failed_save_leaves_the_old_file_whole_and_no_part_of_the_new(saved, monkeypatch):
    model, path = saved

    def full_disk(file, **arrays):
        file.write(b"PK half of a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        some_model((9, 9)).save(path)
    assert list(path.parent.iterdir()) == [path]
    assert_same_model(MLP.load(path), model)


def test_a_file_cut_off_anywhere_is_refused_by_name(saved):
    _, path = saved
    content = path.read_bytes()
    for length in [*range(0, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="model.npz"):
            MLP.load(path)


def test_an_altered_file_is_refused_or_holds_the_same_model(saved):
    """A byte that only says when a member was written may change; a number may not."""
    model, path = saved
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 6]) + content[place + 1 :])
        try:
            loaded = MLP.load(path)
        except ValueError as error:
            assert "model.npz" in str(error)
            refused += 1
        else:
            assert_same_model(loaded, model)
    assert refused > len(content) / 5 / 2


@pytest.mark.parametrize("name", ["weights_0", "weights_1", "biases_0"])
def test_an_array_that_was_made_shorter_is_refused(tmp_path, name):
    """Of an array that seems smaller than it is, NumPy reads a part: no zip checksum is asked."""
    path = MLP((2100, 300, 3)).save(tmp_path / "model.npz")
    content = path.read_bytes()
    start = content.index(b"'shape': (", content.index(name.encode())) + len("'shape': (")
    path.write_bytes(content[:start] + b"1" + content[start + 1 :])
    with pytest.raises(ValueError, match="model.npz"):
        MLP.load(path)


def foreign_pickle(path, header, arrays):
    np.savez(path, **arrays, header=np.array([header], object))


def foreign_array(path, header, arrays):
    with open(path, "wb") as file:
        np.save(file, arrays["weights_0"])


def foreign_archive(path, header, arrays):
    np.savez(path, arr_0=arrays["weights_0"])


def foreign_text(path, header, arrays):
    path.write_text("epoch,loss\n1,0.5\n")


def missing_layer(path, header, arrays):
    save_arrays(path, header, {name: a for name, a in arrays.items() if name != "biases_1"})


def no_parameters(path, header, arrays):
    save_arrays(path, header, {})


def no_format(path, header, arrays):
    save_arrays(path, {"activation": "tanh"}, arrays)


def other_format(path, header, arrays):
    save_arrays(path, header | {"format": "other"}, arrays)


def other_activation(path, header, arrays):
    save_arrays(path, header | {"activation": "softplus"}, arrays)


def header_of_another_kind(path, header, arrays):
    save_arrays(path, [1, 2], arrays)


def layers_that_do_not_fit(path, header, arrays):
    save_arrays(path, header, arrays | {"weights_1": np.zeros((9, 3))})


def whole_numbers(path, header, arrays):
    save_arrays(path, header, {name: a.astype(int) for name, a in arrays.items()})


def words(path, header, arrays):
    save_arrays(path, header, arrays | {"biases_1": np.array(["1", "2", "3"])})


def complex_numbers(path, header, arrays):
    save_arrays(path, header, arrays | {"biases_1": np.array([1j, 2, 3])})


@pytest.mark.parametrize(
    "make",
    [
        foreign_pickle,
        foreign_array,
        foreign_archive,
        foreign_text,
        missing_layer,
        no_parameters,
        no_format,
        other_format,
        other_activation,
        header_of_another_kind,
        layers_that_do_not_fit,
        whole_numbers,
        words,
        complex_numbers,
    ],
)
def test_a_file_that_holds_no_model_is_refused_by_name(saved, make):
    _, path = saved
    make(path, *load_arrays(path))
    with pytest.raises(ValueError, match="model.npz"):
        MLP.load(path)


def test_a_pickled_file_is_not_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    _, path = saved
    np.savez(path, header=np.array([Trap()], object))
    with pytest.raises(ValueError, match="model.npz"):
        MLP.load(path)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_is_reported_as_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        MLP.load(tmp_path / "nowhere.npz")


def test_deviations_below_one_are_as_good_as_others_and_what_is_wrong_is_named():
    weights, biases, mean = [np.ones((3, 2))], [np.zeros(2)], np.zeros(3)
    model = MLP.from_parameters("tanh", weights, biases, (mean, mean + 0.5))
    assert model.standardisation[1].tolist() == [0.5] * 3
    with pytest.raises(ValueError, match=r"^mean and std "):
        MLP.from_parameters("tanh", weights, biases, (mean, mean + np.nan))
    with pytest.raises(ValueError, match=r"got \(0,\) and \(0,\), smallest std inf"):
        MLP.from_parameters("tanh", weights, biases, (mean[:0], mean[:0]))
