"""Hyper-parameters are validated, and all bad input is answered with words that help."""

import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from kmnist_mlp import MLP, Config, check_gradients, evaluate, train

PAPER_SECTION_6 = {
    "layer_specs": [784, 256, 256, 10],
    "batch_size": 129,
    "early_stop": True,
    "early_stop_epoch": 30,
    "activation": "ReLU",
    "learning_rate": 0.0005,
    "epochs": 100,
    "L2_penalty": 0.2,
    "momentum": True,
    "momentum_gamma": 0.9,
}

# ---- configurations that are right ---------------------------------------------------------------


def test_the_defaults_are_the_papers_baseline():
    assert Config().to_dict() == {
        "layer_specs": [784, 128, 10],
        "activation": "tanh",
        "learning_rate": 5e-4,
        "batch_size": 128,
        "epochs": 100,
        "early_stop": True,
        "early_stop_epoch": 5,
        "L1_penalty": 0.0,
        "L2_penalty": 0.0,
        "momentum": True,
        "momentum_gamma": 0.9,
        "seed": 0,
    }


def test_the_dictionary_of_the_papers_section_6_is_taken_as_it_stands():
    config = Config.from_dict(PAPER_SECTION_6)
    assert config.layer_specs == (784, 256, 256, 10)
    assert config.to_dict() == {**PAPER_SECTION_6, "L1_penalty": 0.0, "seed": 0}


def test_a_configuration_survives_the_way_through_its_dictionary():
    config = Config((9, 3), "ReLU", 0.1, 7, 3, False, 2, 0.1, 0.2, False, 0.5, 11)
    assert Config.from_dict(config.to_dict()) == config
    assert type(config.to_dict()["layer_specs"]) is list


def test_equal_configurations_are_one_cache_key():
    spellings = [
        Config(layer_specs=[784, 10], activation="RELU", learning_rate=1, seed=np.int64(3)),
        Config(np.array([784, 10]), "relu", np.float64(1.0), early_stop=np.True_, seed=3),
        Config((784, 10), "ReLU", 1.0, np.uint8(128), seed=3),
    ]
    assert len(set(spellings)) == 1
    assert len({repr(config) for config in spellings}) == 1
    assert spellings[0] != Config((784, 10), "ReLU", 1.0, seed=4)


def test_a_configuration_cannot_be_changed_but_replaced():
    config = Config()
    with pytest.raises(FrozenInstanceError):
        config.seed = 1
    assert config.replace(seed=1, L2_penalty=0.2) == Config(seed=1, L2_penalty=0.2)
    assert config == Config()


@pytest.mark.parametrize(
    "edge",
    [
        {"layer_specs": (1, 1)},
        {"batch_size": 1, "epochs": 1, "early_stop_epoch": 1},
        {"L1_penalty": 0, "L2_penalty": 0, "momentum_gamma": 0},
        {"momentum_gamma": 0.999999},
        {"learning_rate": 1e-300},
    ],
)
def test_the_edges_of_what_is_allowed_are_allowed(edge):
    config = Config(**edge)
    assert all(getattr(config, name) == value for name, value in edge.items())


# ---- bad input -----------------------------------------------------------------------------------

X, Y = np.ones((4, 6)), np.array([0, 1, 2, 0])
FAR_X, FAR_Y = np.ones((300, 6)), np.zeros(300, int)  # more rows than are evaluated at once
FAR_X[-1] = 2


def model(dtype=np.float32):
    return MLP((6, 5, 3), dtype=dtype)


def check(**changes):
    """Check the paper's parameters, of which this network lacks some."""
    return check_gradients(model(np.float64), X, Y, **changes)


def with_value(value):
    """Return four good rows but for one value."""
    x = X.copy()
    x[2, 3] = value
    return x


def loaded(folder, content):
    path = folder / "given.npz"
    path.write_bytes(content)
    return MLP.load(path)


def config(**values):
    return lambda _: Config(**values)


def dictionary(values):
    return lambda _: Config.from_dict(values)


# (call, exception, words that its message contains: what was given, and what is allowed)
BAD_INPUT = [
    # configurations
    (config(layer_specs=784), ValueError, ["layer_specs", "sequence", "784"]),
    (config(layer_specs="784"), ValueError, ["layer_specs", "sequence", "'784'"]),
    (config(layer_specs=None), ValueError, ["layer_specs", "sequence", "None"]),
    (config(layer_specs=()), ValueError, ["layer_specs", "at least inputs and classes", "()"]),
    (config(layer_specs=(784,)), ValueError, ["at least inputs and classes", "(784,)"]),
    (config(layer_specs=(784, 0, 10)), ValueError, ["layer_specs", ">= 1", "got 0"]),
    (config(layer_specs=(784, -128, 10)), ValueError, ["layer_specs", ">= 1", "-128"]),
    (config(layer_specs=(784, 12.5, 10)), ValueError, ["layer_specs", "whole", "12.5"]),
    (config(layer_specs=(784, "128", 10)), ValueError, ["layer_specs", "whole", "'128'"]),
    (config(layer_specs=(784, True, 10)), ValueError, ["layer_specs", "whole", "True"]),
    (config(layer_specs=[[784, 10]]), ValueError, ["layer_specs", "whole", "[784, 10]"]),
    (config(layer_specs=np.array(784)), ValueError, ["layer_specs", "sequence", "784"]),
    (config(layer_specs={784: 10}), ValueError, ["layer_specs", "sequence", "{784: 10}"]),
    (config(layer_specs=b"ab"), ValueError, ["layer_specs", "sequence", "b'ab'"]),
    (config(activation="relu6"), ValueError, ["activation", "ReLU", "tanh", "'relu6'"]),
    (config(activation=""), ValueError, ["activation", "sigmoid", "''"]),
    (config(activation=None), ValueError, ["activation", "sigmoid", "None"]),
    (config(activation=np.tanh), ValueError, ["activation", "sigmoid", "ufunc"]),
    (config(learning_rate=0), ValueError, ["learning_rate", "> 0", "got 0"]),
    (config(learning_rate=-0.1), ValueError, ["learning_rate", "> 0", "-0.1"]),
    (config(learning_rate=float("nan")), ValueError, ["learning_rate", "finite", "nan"]),
    (config(learning_rate=float("inf")), ValueError, ["learning_rate", "finite", "inf"]),
    (config(learning_rate="0.1"), ValueError, ["learning_rate", "finite number", "'0.1'"]),
    (config(learning_rate=None), ValueError, ["learning_rate", "finite number", "None"]),
    (config(learning_rate=True), ValueError, ["learning_rate", "finite number", "True"]),
    (config(learning_rate=1j), ValueError, ["learning_rate", "finite number", "1j"]),
    (config(learning_rate=10**400), ValueError, ["learning_rate", "finite number", "10000"]),
    (config(batch_size=0), ValueError, ["batch_size", ">= 1", "got 0"]),
    (config(batch_size=-1), ValueError, ["batch_size", ">= 1", "-1"]),
    (config(batch_size=128.0), ValueError, ["batch_size", "whole number", "128.0"]),
    (config(batch_size=True), ValueError, ["batch_size", "whole number", "True"]),
    (config(epochs=0), ValueError, ["epochs", ">= 1", "got 0"]),
    (config(epochs="100"), ValueError, ["epochs", "whole number", "'100'"]),
    (config(epochs=None), ValueError, ["epochs", "whole number", "None"]),
    (config(early_stop=1), ValueError, ["early_stop", "True or False", "got 1"]),
    (config(early_stop="yes"), ValueError, ["early_stop", "True or False", "'yes'"]),
    (config(early_stop=None), ValueError, ["early_stop", "True or False", "None"]),
    (config(early_stop_epoch=0), ValueError, ["early_stop_epoch", ">= 1", "got 0"]),
    (config(early_stop_epoch=2.5), ValueError, ["early_stop_epoch", "whole", "2.5"]),
    (config(L1_penalty=-1e-6), ValueError, ["L1_penalty", ">= 0", "-1e-06"]),
    (config(L1_penalty=float("nan")), ValueError, ["L1_penalty", "finite", "nan"]),
    (config(L2_penalty=-0.2), ValueError, ["L2_penalty", ">= 0", "-0.2"]),
    (config(L2_penalty=float("inf")), ValueError, ["L2_penalty", "finite", "inf"]),
    (config(L2_penalty="0.2"), ValueError, ["L2_penalty", "finite number", "'0.2'"]),
    (config(momentum=0.9), ValueError, ["momentum", "True or False", "0.9"]),
    (config(momentum_gamma=1), ValueError, ["momentum_gamma", ">= 0", "< 1", "got 1"]),
    (config(momentum_gamma=-0.1), ValueError, ["momentum_gamma", ">= 0", "-0.1"]),
    (config(momentum_gamma=float("nan")), ValueError, ["momentum_gamma", "finite", "nan"]),
    (config(seed=-1), ValueError, ["seed", ">= 0", "-1"]),
    (config(seed=1.5), ValueError, ["seed", "whole number", "1.5"]),
    (config(seed=None), ValueError, ["seed", "whole number", "None"]),
    # configurations as dictionaries
    (dictionary({"lerning_rate": 1}), ValueError, ["'lerning_rate'", "did you mean 'learning_rat"]),
    (dictionary({"l2_penalty": 1}), ValueError, ["'l2_penalty'", "did you mean 'L2_penalty'"]),
    (dictionary({"layers": []}), ValueError, ["unknown key 'layers'", "layer_specs"]),
    (dictionary({"xyz": 1}), ValueError, ["unknown key 'xyz'", "layer_specs", "seed"]),
    (dictionary({3: 1}), ValueError, ["unknown key 3", "layer_specs"]),
    (dictionary({"epochs": 0}), ValueError, ["epochs", ">= 1", "got 0"]),
    (dictionary(None), ValueError, ["dictionary", "None"]),
    (dictionary([("epochs", 3)]), ValueError, ["dictionary", "('epochs', 3)"]),
    (lambda _: Config().replace(epoch=3), ValueError, ["'epoch'", "did you mean 'epochs'"]),
    # networks
    (lambda _: MLP((784,)), ValueError, ["layer_specs", "at least inputs and classes"]),
    (lambda _: MLP((784, -1, 10)), ValueError, ["layer_specs", ">= 1", "-1"]),
    (lambda _: MLP((784, 10), "softplus"), ValueError, ["activation", "tanh", "'softplus'"]),
    (lambda _: MLP((784, 10), dtype=np.int32), ValueError, ["float32 or float64", "int32"]),
    (lambda _: MLP((784, 10), dtype="float16"), ValueError, ["float32 or float64", "float16"]),
    (lambda _: MLP((784, 10), dtype=">f4"), ValueError, ["float32 or float64", ">f4"]),
    (lambda _: MLP((784, 10), dtype="real"), ValueError, ["float32 or float64", "'real'"]),
    (lambda _: MLP((784, 10), dtype=None), ValueError, ["float32 or float64", "None"]),
    (lambda _: MLP((784, 10), seed=-1), ValueError, ["seed", ">= 0", "-1"]),
    (lambda _: MLP((784, 10), seed=None), ValueError, ["seed", "whole number", "None"]),
    (lambda _: MLP((784, 10), seed="a"), ValueError, ["seed", "whole number", "'a'"]),
    (
        lambda _: model().set_parameters([np.zeros((6, 5))], [np.zeros(5)]),
        ValueError,
        ["weights", "[(6, 5), (5, 3)]", "got [(6, 5)]"],
    ),
    (
        lambda _: model().set_parameters(model().weights, [np.zeros(5), np.zeros(4)]),
        ValueError,
        ["biases", "[(5,), (3,)]", "got [(5,), (4,)]"],
    ),
    # arrays
    (lambda _: model().predict_proba(X[:, :5]), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: model().predict_proba(X[0]), ValueError, ["(batch, 6)", "(6,)"]),
    (lambda _: model().predict(X.reshape(4, 2, 3)), ValueError, ["(batch, 6)", "reshape images"]),
    (lambda _: model().predict_proba(1.0), ValueError, ["(batch, 6)", "()"]),
    (lambda _: model().predict_proba(None), ValueError, ["(batch, 6)", "()"]),
    (lambda _: model().predict_proba(X[:0]), ValueError, ["no rows", "at least one"]),
    (lambda _: model().predict_proba(with_value(np.nan)), ValueError, ["NaN", "finite"]),
    (lambda _: model().predict_proba(with_value(np.inf)), ValueError, ["infinite", "finite"]),
    (lambda _: model().predict(with_value(-np.inf)), ValueError, ["infinite", "finite"]),
    (lambda _: model().predict_proba(X.astype(str)), ValueError, ["real numbers", "<U"]),
    (lambda _: model().predict_proba(X.astype(object)), ValueError, ["real numbers", "object"]),
    (lambda _: model().predict_proba(X * 1j), ValueError, ["real numbers", "complex128"]),
    (lambda _: model().predict_proba(X.astype("m8[s]")), ValueError, ["real numbers", "timedel"]),
    (lambda _: model().predict_proba(X * 1e39), ValueError, ["infinite", "finite", "float32"]),
    (lambda _: model().predict_proba([[1, 2], [3]]), ValueError, ["x must", "one length"]),
    (lambda _: model().loss(X[:, :5], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: model().loss(with_value(np.nan), Y), ValueError, ["NaN", "finite"]),
    (lambda _: model().loss(X[:0], Y[:0]), ValueError, ["no rows", "at least one"]),
    (lambda _: model().loss(X, Y[:3]), ValueError, ["(4,)", "got (3,)"]),
    (lambda _: model().loss(X, Y[:, None]), ValueError, ["(4,)", "got (4, 1)"]),
    (lambda _: model().loss(X, 1), ValueError, ["(4,)", "got ()"]),
    (lambda _: model().loss(X, np.eye(3)[Y]), ValueError, ["(4,)", "(4, 3)", "argmax(axis=1)"]),
    (lambda _: model().loss(X, Y + 1), ValueError, ["from 0 to 2", "got 1 to 3"]),
    (lambda _: model().loss(X, Y - 1), ValueError, ["from 0 to 2", "got -1 to 1"]),
    (lambda _: model().loss(X, Y.astype(float)), ValueError, ["whole numbers", "float64"]),
    (lambda _: model().loss(X, Y > 0), ValueError, ["whole numbers", "bool"]),
    (lambda _: model().loss(X, list("abca")), ValueError, ["whole numbers", "<U1"]),
    (lambda _: model().loss(X, Y.astype("m8[s]")), ValueError, ["whole numbers", "timedelta"]),
    (lambda _: model().loss(X, [[1], [1, 2], 3, 4]), ValueError, ["y must", "one length"]),
    (lambda _: model().gradients(X[:, :5], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: model().gradients(with_value(np.inf), Y), ValueError, ["infinite", "finite"]),
    (lambda _: model().gradients(X[:0], Y[:0]), ValueError, ["no rows", "at least one"]),
    (lambda _: model().gradients(X, np.eye(3)[Y]), ValueError, ["(4, 3)", "argmax(axis=1)"]),
    (lambda _: model().gradients(X, Y + 1), ValueError, ["from 0 to 2", "got 1 to 3"]),
    (lambda _: model().gradients(X, Y[:3]), ValueError, ["(4,)", "got (3,)"]),
    (lambda _: evaluate(model(), X[:, :5], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: evaluate(model(), X.reshape(4, 2, 3), Y), ValueError, ["reshape images"]),
    (lambda _: evaluate(model(), with_value(np.nan), Y), ValueError, ["NaN", "finite"]),
    (lambda _: evaluate(model(), X, Y[:3]), ValueError, ["4", "3"]),
    (lambda _: evaluate(model(), X[:0], Y[:0]), ValueError, ["no rows", "at least one"]),
    (lambda _: evaluate(model(), X, 1), ValueError, ["y must", "(4,)", "()"]),
    (lambda _: evaluate(model(), None, Y), ValueError, ["x must", "()"]),
    (lambda _: evaluate(model(), FAR_X, np.eye(3)[FAR_Y]), ValueError, ["(300, 3)", "argmax"]),
    (lambda _: evaluate(model(), FAR_X, FAR_Y + 3 * (FAR_X[:, 0] > 1)), ValueError, ["got 0 to 3"]),
    (lambda _: evaluate(model(), X, np.eye(3)[Y]), ValueError, ["(4, 3)", "argmax(axis=1)"]),
    (lambda _: evaluate(model(), X, Y + 1), ValueError, ["from 0 to 2", "got 1 to 3"]),
    (lambda _: evaluate(model(), X, Y - 0.5), ValueError, ["whole numbers", "float64"]),
    # gradient check
    (lambda _: check_gradients(model(), X, Y), ValueError, ["float64", "float32"]),
    (lambda _: check(epsilon=0), ValueError, ["epsilon", "> 0", "got 0"]),
    (lambda _: check(epsilon=np.nan), ValueError, ["epsilon", "finite", "nan"]),
    (lambda _: check(epsilon=None), ValueError, ["epsilon", "finite", "None"]),
    (lambda _: check(epsilon="a"), ValueError, ["epsilon", "finite", "'a'"]),
    (lambda _: check(), ValueError, ["(4, 5)", "(6, 5)"]),
    # files
    (lambda folder: MLP.load(folder / "absent.npz"), FileNotFoundError, ["absent.npz"]),
    (lambda folder: loaded(folder, b""), ValueError, ["given.npz", "damaged"]),
    (lambda folder: loaded(folder, b"epoch,loss\n"), ValueError, ["given.npz", "damaged"]),
    (lambda folder: loaded(folder, b"PK\x03\x04" * 9), ValueError, ["given.npz", "damaged"]),
]


@pytest.mark.parametrize(
    ("call", "exception", "words"), BAD_INPUT, ids=[" ".join(words) for *_, words in BAD_INPUT]
)
def test_bad_input_is_refused_with_what_was_given_and_what_is_allowed(
    tmp_path, call, exception, words
):
    with pytest.raises(exception) as caught, warnings.catch_warnings():
        warnings.simplefilter("error")
        call(tmp_path)
    assert caught.type is exception
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("layers", [(35, 8, 3), (36, 8, 10), (784, 128, 10)])
def test_layers_that_do_not_fit_the_data_are_refused_before_any_work(tiny, layers):
    with pytest.raises(ValueError, match="36 pixels .* 3 classes of 3 patterns.*got"):
        train(Config(layer_specs=layers, epochs=1), tiny)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(X.astype(int), id="int"),
        pytest.param(X.astype(np.uint8), id="uint8"),
        pytest.param(X > 0, id="bool"),
        pytest.param(X.astype(np.float16), id="float16"),
        pytest.param(X.tolist(), id="list"),
        pytest.param(np.asfortranarray(X), id="Fortran order"),
        pytest.param(np.ones((4, 12))[:, ::2], id="strided"),
    ],
)
def test_every_kind_of_real_numbers_gives_the_same_answer(x):
    np.testing.assert_allclose(model().predict_proba(x), model().predict_proba(X), rtol=1e-6)
    assert model().loss(x, Y) == pytest.approx(model().loss(X, Y), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64, list])
def test_every_kind_of_whole_numbers_is_a_label(dtype):
    y = Y.tolist() if dtype is list else Y.astype(dtype)
    assert model().loss(X, y) == model().loss(X, Y)
    assert evaluate(model(), X, y) == evaluate(model(), X, Y)
