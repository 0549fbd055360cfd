"""Bad input is answered with words that help: what was given, and what is allowed.

What is bad about a *file* of data or results is in test_official_files.py and test_faults.py.
"""

import re
import traceback
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from kmnist_mlp import (
    MLP,
    Config,
    Dataset,
    check_gradients,
    evaluate,
    load_kmnist,
    one_hot,
    run,
    train,
)
from kmnist_mlp.data import split_and_standardise
from kmnist_mlp.gradient_check import check_paper_patterns

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


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 6)).astype(np.uint8)
LABELS = np.arange(40) % 3
ABC = ("a", "b", "c")
ROOMY = MLP((6, 8, 7), dtype=np.float64)  # it has all of the paper's parameters


def dataset(**changes):
    """Make a data set of 3 classes with something else in the place of its parts."""
    arrays = {
        "train_images": IMAGES,
        "train_labels": LABELS,
        "test_images": IMAGES[:9],
        "test_labels": LABELS[:9],
    }
    return Dataset(**{**arrays, "name": "small", "class_names": ABC, "romaji": ABC, **changes})


def data(**changes):
    return lambda _: dataset(**changes)


def split(**changes):
    return lambda _: split_and_standardise(**{"data": dataset(), "seed": 0, **changes})


def training(config=None, data=None, **changes):
    small = Config((36, 4, 3), epochs=1)
    return lambda _: train(config or small, data or dataset(), **changes)


def running(**changes):
    allowed = {"configs": {"a": Config((36, 4, 10))}, "seeds": [0], "n_jobs": 1, "cache": False}
    ten = dataset(class_names="abcdefghij", romaji="abcdefghij")
    return lambda _: run(**{**allowed, "data": ten, **changes})


def entries(*parameters):
    return lambda _: check_gradients(ROOMY, X, Y, parameters=parameters)


def named(variable, value, call):
    """Make a call with an environment variable set."""

    def with_it(_):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(variable, value)
            return call()

    return with_it


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
    (config(learning_rate=10**400), ValueError, ["learning_rate", "finite number"]),
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
    (config(distortion=-1), ValueError, ["distortion", ">= 0", "-1"]),
    (config(distortion=float("inf")), ValueError, ["distortion", "finite", "inf"]),
    (config(distortion=True), ValueError, ["distortion", "finite number", "True"]),
    (config(batch_normalisation=1), ValueError, ["batch_normalisation", "True or False", "1"]),
    (config(dropout=1), ValueError, ["dropout", ">= 0 and < 1", "got 1"]),
    (config(dropout=-0.5), ValueError, ["dropout", ">= 0 and < 1", "-0.5"]),
    (config(label_smoothing=1.0), ValueError, ["label_smoothing", ">= 0 and < 1", "1.0"]),
    (config(label_smoothing="a"), ValueError, ["label_smoothing", "finite number", "'a'"]),
    (config(schedule="linear"), ValueError, ["schedule", "constant", "cosine", "'linear'"]),
    (config(schedule=None), ValueError, ["schedule", "constant", "cosine", "None"]),
    (config(each_pixel=0), ValueError, ["each_pixel", "True or False", "0"]),
    (config(warm_up=-1), ValueError, ["warm_up", ">= 0", "-1"]),
    (config(warm_up=float("nan")), ValueError, ["warm_up", "finite", "nan"]),
    (config(validation_fraction=1), ValueError, ["validation_fraction", ">= 0 and < 1", "got 1"]),
    (
        config(validation_fraction=0),
        ValueError,
        [
            "early_stop must be False",
            "validation_fraction",
            "without validation images there is no",
        ],
    ),
    (training(checkpoint=3), ValueError, ["checkpoint", "path", "3"]),
    (training(checkpoint=""), ValueError, ["checkpoint", "path", "''"]),
    (config(seed=-1), ValueError, ["seed", ">= 0", "-1"]),
    (config(seed=1.5), ValueError, ["seed", "whole number", "1.5"]),
    (config(seed=None), ValueError, ["seed", "whole number", "None"]),
    # configurations as dictionaries
    (
        dictionary({"lerning_rate": 1}),
        ValueError,
        ["'lerning_rate'", "did you mean 'learning_rate'"],
    ),
    (dictionary({"l2_penalty": 1}), ValueError, ["'l2_penalty'", "did you mean 'L2_penalty'"]),
    (dictionary({"layers": []}), ValueError, ["unknown key 'layers'", "layer_specs"]),
    (dictionary({"xyz": 1}), ValueError, ["unknown key 'xyz'", "layer_specs", "seed"]),
    (dictionary({3: 1}), ValueError, ["unknown key 3", "layer_specs"]),
    (dictionary({"epochs": 0}), ValueError, ["epochs", ">= 1", "got 0"]),
    (dictionary(None), ValueError, ["dictionary", "None"]),
    (dictionary([("epochs", 3)]), ValueError, ["dictionary", "('epochs', 3)"]),
    (lambda _: Config().replace(epoch=3), ValueError, ["'epoch'", "did you mean 'epochs'"]),
    (config(learning_rate=Fraction(1, 10**400)), ValueError, ["learning_rate", "> 0", "Fraction"]),
    (config(learning_rate=np.array([0.1, 0.2])), ValueError, ["learning_rate", "array([0.1, 0.2]"]),
    (
        config(momentum_gamma=1 - Fraction(1, 10**40)),
        ValueError,
        ["momentum_gamma", ">= 0 and < 1", "got Fraction"],
    ),
    (config(layer_specs=bytearray(b"ab")), ValueError, ["layer_specs", "sequence", "bytearray"]),
    (config(layer_specs={784}), ValueError, ["layer_specs", "sequence", "{784}"]),
    (
        config(layer_specs=np.ones((2, 2), int)),
        ValueError,
        ["layer_specs", "sequence", "array([[1"],
    ),
    (config(early_stop=np.array([True, False])), ValueError, ["early_stop", "True or False"]),
    (config(activation=np.array(["tanh"])), ValueError, ["activation", "tanh", "array(['tanh']"]),
    (lambda _: Config(784, 128, 10), ValueError, ["layer_specs", "sequence", "784"]),
    (lambda _: Config.from_dict(Config()), ValueError, ["dictionary", "Config"]),
    (dictionary({None: 1}), ValueError, ["unknown key None", "layer_specs"]),
    (lambda _: Config().replace(seed=-1), ValueError, ["seed", ">= 0", "-1"]),
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
    (lambda _: MLP("tanh", (6, 3)), ValueError, ["layer_specs", "sequence", "'tanh'"]),
    (lambda _: MLP((6, 3), dtype=object()), ValueError, ["float32 or float64", "<object"]),
    (lambda _: MLP((6, 3), dtype=[1, 2]), ValueError, ["float32 or float64", "[1, 2]"]),
    (lambda _: MLP((6, 3), seed=True), ValueError, ["seed", "whole number", "True"]),
    (
        lambda _: MLP((2**40, 2**40)),
        ValueError,
        ["(1099511627776, 1099511627776)", "there is no memory for so many"],
    ),
    (lambda _: MLP((2**32, 2**32, 2)), ValueError, ["18,446,744,086,594,453,506 parameters"]),
    (lambda _: MLP.from_parameters("tanh", [], []), ValueError, ["weights", "one per layer", "[]"]),
    (lambda _: MLP.from_parameters("tanh", None, None), ValueError, ["weights", "list", "None"]),
    (lambda _: MLP.from_parameters("tanh", [X], None), ValueError, ["biases must", "list", "None"]),
    (lambda _: MLP.from_parameters("tanh", [X], [1.0]), ValueError, ["inputs and classes", "(4,)"]),
    (
        lambda _: MLP.from_parameters("tanh", [np.ones(3)], [np.ones(3)]),
        ValueError,
        ["weights", "[(3, 3)]", "got [(3,)]"],
    ),
    (
        lambda _: MLP.from_parameters("tanh", [X.astype(int)], [np.ones(6)]),
        ValueError,
        ["float32 or float64", "int64"],
    ),
    (
        lambda _: MLP.from_parameters("tanh", [X], [np.array([1, 2, 3, 4, 5, np.nan])]),
        ValueError,
        ["biases", "NaN", "finite"],
    ),
    (lambda _: model().set_parameters(None, None), ValueError, ["weights", "list", "None"]),
    (
        lambda _: model().set_parameters([np.full((6, 5), 1e300), np.ones((5, 3))], model().biases),
        ValueError,
        ["weights", "infinite", "float32"],
    ),
    (
        lambda _: model().set_parameters(model().weights, [np.full(5, "a"), np.zeros(3)]),
        ValueError,
        ["biases", "real numbers", "<U1"],
    ),
    (
        lambda _: model().set_parameters([[[1], [1, 2]], np.ones((5, 3))], model().biases),
        ValueError,
        ["each of weights", "one length"],
    ),
    # arrays
    (lambda _: model().predict_proba(X[:, :5]), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: model().predict_proba(X[0]), ValueError, ["(batch, 6)", "(6,)"]),
    (
        lambda _: model().predict(X.reshape(4, 2, 3)),
        ValueError,
        ["(batch, 6)", "; reshape images to one row each"],
    ),
    (lambda _: model().predict_proba(1.0), ValueError, ["(batch, 6)", "()"]),
    (lambda _: model().predict_proba(None), ValueError, ["(batch, 6)", "()"]),
    (
        lambda _: model().predict_proba(X[:0]),
        ValueError,
        ["x holds no rows; at least one is needed"],
    ),
    (lambda _: model().predict_proba(with_value(np.nan)), ValueError, ["NaN", "finite"]),
    (lambda _: model().predict_proba(with_value(np.inf)), ValueError, ["infinite", "finite"]),
    (lambda _: model().predict(with_value(-np.inf)), ValueError, ["infinite", "finite"]),
    (lambda _: model().predict_proba(X.astype(str)), ValueError, ["real numbers", "<U32"]),
    (lambda _: model().predict_proba(X.astype(object)), ValueError, ["real numbers", "object"]),
    (lambda _: model().predict_proba(X * 1j), ValueError, ["real numbers", "complex128"]),
    (
        lambda _: model().predict_proba(X.astype("m8[s]")),
        ValueError,
        ["real numbers", "timedelta64[s]"],
    ),
    (lambda _: model().predict_proba(X * 1e39), ValueError, ["infinite", "finite", "float32"]),
    (lambda _: model().predict_proba([[1, 2], [3]]), ValueError, ["x must", "one length"]),
    (lambda _: model().loss(X[:, :5], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: model().loss(with_value(np.nan), Y), ValueError, ["NaN", "finite"]),
    (lambda _: model().loss(X[:0], Y[:0]), ValueError, ["x holds no rows; at least one is needed"]),
    (lambda _: model().loss(X, Y[:3]), ValueError, ["(4,)", "got (3,)"]),
    (lambda _: model().loss(X, Y[:, None]), ValueError, ["(4,)", "got (4, 1)"]),
    (lambda _: model().loss(X, 1), ValueError, ["(4,)", "got ()"]),
    (
        lambda _: model().loss(X, np.eye(3)[Y]),
        ValueError,
        ["(4,)", "(4, 3)", "; turn one-hot rows into indices with y.argmax(axis=1)"],
    ),
    (lambda _: model().loss(X, Y + 1), ValueError, ["from 0 to 2", "got 1 to 3"]),
    (lambda _: model().loss(X, Y - 1), ValueError, ["from 0 to 2", "got -1 to 1"]),
    (lambda _: model().loss(X, Y.astype(float)), ValueError, ["whole numbers", "float64"]),
    (lambda _: model().loss(X, Y > 0), ValueError, ["whole numbers", "bool"]),
    (lambda _: model().loss(X, list("abca")), ValueError, ["whole numbers", "<U1"]),
    (lambda _: model().loss(X, Y.astype("m8[s]")), ValueError, ["whole numbers", "timedelta64[s]"]),
    (lambda _: model().loss(X, [[1], [1, 2], 3, 4]), ValueError, ["y must", "one length"]),
    (lambda _: model().gradients(X[:, :5], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: model().gradients(with_value(np.inf), Y), ValueError, ["infinite", "finite"]),
    (
        lambda _: model().gradients(X[:0], Y[:0]),
        ValueError,
        ["x holds no rows; at least one is needed"],
    ),
    (lambda _: model().gradients(X, np.eye(3)[Y]), ValueError, ["(4, 3)", "argmax(axis=1)"]),
    (lambda _: model().gradients(X, Y + 1), ValueError, ["from 0 to 2", "got 1 to 3"]),
    (lambda _: model().gradients(X, Y[:3]), ValueError, ["(4,)", "got (3,)"]),
    (lambda _: evaluate(model(), X[:, :5], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: evaluate(model(), X.reshape(4, 2, 3), Y), ValueError, ["reshape images"]),
    (lambda _: evaluate(model(), with_value(np.nan), Y), ValueError, ["NaN", "finite"]),
    (lambda _: evaluate(model(), X, Y[:3]), ValueError, ["4", "3"]),
    (
        lambda _: evaluate(model(), X[:0], Y[:0]),
        ValueError,
        ["x holds no rows; at least one is needed"],
    ),
    (lambda _: evaluate(model(), X, 1), ValueError, ["y must", "(4,)", "()"]),
    (lambda _: evaluate(model(), None, Y), ValueError, ["x must", "()"]),
    (lambda _: evaluate(model(), FAR_X, np.eye(3)[FAR_Y]), ValueError, ["(300, 3)", "argmax"]),
    (lambda _: evaluate(model(), FAR_X, FAR_Y + 3 * (FAR_X[:, 0] > 1)), ValueError, ["got 0 to 3"]),
    (lambda _: evaluate(model(), X, np.eye(3)[Y]), ValueError, ["(4, 3)", "argmax(axis=1)"]),
    (lambda _: evaluate(model(), X, Y + 1), ValueError, ["from 0 to 2", "got 1 to 3"]),
    (lambda _: evaluate(model(), X, Y - 0.5), ValueError, ["whole numbers", "float64"]),
    (lambda _: model().predict("abc"), ValueError, ["(batch, 6)", "()"]),
    (lambda _: model().predict([[10**400] * 6]), ValueError, ["real numbers", "object"]),
    (lambda _: model().predict(np.zeros((4, 6), "f4,f4")), ValueError, ["real numbers", "f0"]),
    (lambda _: model().loss(X, None), ValueError, ["(4,)", "()"]),
    (lambda _: model().loss(X, [0, 1, 2, 10**30]), ValueError, ["whole numbers", "object"]),
    (
        lambda _: model().loss(X, np.array([0, 1, 2, 2**63], np.uint64)),
        ValueError,
        ["from 0 to 2", "got 0 to 9223372036854775808"],
    ),
    (lambda _: model().gradients(X, Y.astype(float)), ValueError, ["whole numbers", "float64"]),
    (lambda _: evaluate(None, X, Y), ValueError, ["model", "MLP", "None"]),
    (lambda _: evaluate(X, Y, model()), ValueError, ["model", "MLP", "array("]),
    (lambda _: evaluate(model(), [[1], [1, 2]], Y), ValueError, ["x must", "one length"]),
    (
        lambda _: evaluate(model(), split_and_standardise(dataset(), 0).test, LABELS[:9]),
        ValueError,
        ["(n, 6)", "(9, 36)"],
    ),
    (
        lambda _: evaluate(MLP((36, 3)), split_and_standardise(dataset(), 0).test, LABELS),
        ValueError,
        ["(9,)", "got (40,)"],
    ),
    # data sets
    (data(test_images=IMAGES[:0]), ValueError, ["test_images", "each >= 1", "(0, 6, 6)"]),
    (data(train_images=IMAGES[:, :0]), ValueError, ["train_images", "each >= 1", "(40, 0, 6)"]),
    (data(train_images=IMAGES.reshape(40, 36)), ValueError, ["(n, height, width)", "(40, 36)"]),
    (data(train_images=IMAGES / 255), ValueError, ["train_images must be uint8", "float64"]),
    (data(train_images=IMAGES.astype(int)), ValueError, ["train_images must be uint8", "int64"]),
    (data(train_images=[1, 2]), ValueError, ["train_images", "ndarray", "[1, 2]"]),
    (data(test_images=None), ValueError, ["test_images", "ndarray", "None"]),
    (data(test_images=IMAGES[:9, 1:]), ValueError, ["(6, 6)", "(5, 6)", "must be alike"]),
    (data(train_labels=LABELS[1:]), ValueError, ["must be 40 whole numbers", "(39,)"]),
    (data(train_labels=LABELS.tolist()), ValueError, ["train_labels", "ndarray", "[0, 1"]),
    (data(test_labels=np.eye(3, dtype=int)[LABELS[:9]]), ValueError, ["9 whole", "(9, 3)"]),
    (data(test_labels=LABELS[:9] / 1), ValueError, ["whole numbers", "float64"]),
    (data(test_labels=LABELS[:9].astype("m8[s]")), ValueError, ["whole numbers", "timedelta64"]),
    (data(test_labels=LABELS[:9] > 0), ValueError, ["whole numbers", "bool"]),
    (data(train_labels=LABELS + 1), ValueError, ["train_labels", "between 0 and 2; got 1 to 3"]),
    (data(test_labels=LABELS[:9] - 1), ValueError, ["test_labels", "between 0 and 2; got -1 to 1"]),
    (data(train_labels=IMAGES, train_images=LABELS), ValueError, ["train_images", "(40,)"]),
    (data(class_names=None), ValueError, ["class_names", "one name per class", "None"]),
    (data(class_names=()), ValueError, ["class_names", "one name per class", "()"]),
    (data(romaji=("a", "b")), ValueError, ["romaji", "one name per class", "('a', 'b')"]),
    (split(data=None), ValueError, ["data", "Dataset", "None"]),
    (split(seed=-1), ValueError, ["seed", ">= 0", "-1"]),
    (split(seed=None), ValueError, ["seed", "whole number", "None"]),
    (split(seed=1.5), ValueError, ["seed", "whole number", "1.5"]),
    (split(dtype=int), ValueError, ["float32 or float64", "int64"]),
    (split(dtype="real"), ValueError, ["float32 or float64", "'real'"]),
    (split(dtype=None), ValueError, ["float32 or float64", "None"]),
    (split(validation_fraction=-0.2), ValueError, ["validation_fraction", ">= 0 and < 1", "-0.2"]),
    (split(validation_fraction=1.0), ValueError, ["validation_fraction", ">= 0 and < 1", "1.0"]),
    (split(validation_fraction=np.nan), ValueError, ["validation_fraction", ">= 0 and < 1", "nan"]),
    (split(validation_fraction="a"), ValueError, ["validation_fraction", ">= 0 and < 1", "'a'"]),
    (split(validation_fraction=0.999), ValueError, ["40 training images", "0.999", "at least one"]),
    (split(validation_fraction=0.001), ValueError, ["40 training images", "0.001", "at least one"]),
    (lambda _: one_hot(None), ValueError, ["labels", "(n,)", "object"]),
    (lambda _: one_hot([[1], [1, 2]]), ValueError, ["labels", "one length"]),
    (lambda _: one_hot([0.5]), ValueError, ["labels", "whole numbers", "float64"]),
    (lambda _: one_hot([[1]]), ValueError, ["labels", "(n,)", "(1, 1)"]),
    (lambda _: one_hot(np.array([1], "m8[s]")), ValueError, ["whole numbers", "timedelta64"]),
    (lambda _: one_hot([10]), ValueError, ["between 0 and 9; got 10 to 10"]),
    (lambda _: one_hot([0, -1]), ValueError, ["between 0 and 9; got -1 to 0"]),
    (lambda _: one_hot([0], 0), ValueError, ["classes", ">= 1", "got 0"]),
    (lambda _: one_hot([0], "3"), ValueError, ["classes", "whole number", "'3'"]),
    (lambda _: one_hot([0], 3.5), ValueError, ["classes", "whole number", "3.5"]),
    (lambda folder: load_kmnist(folder), FileNotFoundError, ["train-imgs", "KMNIST_MLP_DATA"]),
    (lambda _: load_kmnist(__file__), FileNotFoundError, [__file__, "KMNIST_MLP_DATA"]),
    (
        lambda _: load_kmnist("~no_such_user/a"),
        ValueError,
        ["directory", "~no_such_user is no user"],
    ),
    (lambda _: load_kmnist(3), ValueError, ["directory", "path", "got 3"]),
    (lambda _: load_kmnist(False), ValueError, ["directory", "path", "got False"]),
    (lambda _: load_kmnist(""), ValueError, ["directory", "path", "got ''"]),
    (lambda _: load_kmnist("a\0b"), ValueError, ["directory", "path", r"'a\x00b'"]),
    (lambda _: load_kmnist(b"data"), ValueError, ["directory", "path", "b'data'"]),
    (lambda _: load_kmnist(["data"]), ValueError, ["directory", "path", "['data']"]),
    (lambda _: load_kmnist(np.zeros(3)), ValueError, ["directory", "path", "array("]),
    (
        named("KMNIST_MLP_DATASET", "mnist", load_kmnist),
        ValueError,
        ["KMNIST_MLP_DATASET", "'kmnist' or 'stand-in'", "'mnist'"],
    ),
    (
        named("KMNIST_MLP_DATA", "/nowhere", load_kmnist),
        FileNotFoundError,
        ["/nowhere/kmnist-train-imgs.npz", "by hand"],
    ),
    # training
    (training(config={"epochs": 1}), ValueError, ["config", "Config", "{'epochs': 1}"]),
    (training(config=(36, 4, 3)), ValueError, ["config", "Config", "(36, 4, 3)"]),
    (lambda _: train(None, dataset()), ValueError, ["config", "Config", "None"]),
    (lambda _: train(dataset(), Config()), ValueError, ["config", "Config", "Dataset"]),
    (lambda _: train(Config(), None), ValueError, ["data", "Dataset", "None"]),
    (training(data=(IMAGES, LABELS)), ValueError, ["data", "Dataset", "array("]),
    (training(data="/data"), ValueError, ["data", "Dataset", "'/data'"]),
    (training(dtype=int), ValueError, ["float32 or float64", "int64"]),
    (training(dtype="real"), ValueError, ["float32 or float64", "'real'"]),
    (training(dtype=None), ValueError, ["float32 or float64", "None"]),
    (training(dtype=np.float16), ValueError, ["float32 or float64", "float16"]),
    (running(configs=None), ValueError, ["configs", "Config", "None"]),
    (running(configs=3), ValueError, ["configs", "Config", "got 3"]),
    (running(configs=[]), ValueError, ["nothing to run", "at least one"]),
    (running(configs={}), ValueError, ["nothing to run", "at least one"]),
    (running(configs=["basline"]), ValueError, ["'basline'", "'baseline'"]),
    (running(configs="basline"), ValueError, ["'basline'", "'baseline'"]),
    (running(configs={"a": {"epochs": 3}}), ValueError, ["'a' must be a Config", "{'epochs': 3}"]),
    (running(configs=[(36, 4, 10)]), ValueError, ["must be a Config", "(36, 4, 10)"]),
    (running(configs=Config()), ValueError, ["36 pixels", "10 classes", "(784, 128, 10)"]),
    (running(seeds=[]), ValueError, ["nothing to run", "at least one", "seed"]),
    (running(seeds=-1), ValueError, ["seed", ">= 0", "-1"]),
    (running(seeds=[0, -1]), ValueError, ["seed", ">= 0", "-1"]),
    (running(seeds=1.5), ValueError, ["seeds", ">= 0", "1.5"]),
    (running(seeds=[0.5]), ValueError, ["seed", ">= 0", "0.5"]),
    (running(seeds="01"), ValueError, ["seed", ">= 0", "'0'"]),
    (running(seeds=True), ValueError, ["seed", ">= 0", "True"]),
    (running(n_jobs=0), ValueError, ["n_jobs", ">= 1, or -1", "got 0"]),
    (running(n_jobs=1.5), ValueError, ["n_jobs", ">= 1, or -1", "1.5"]),
    (running(n_jobs="2"), ValueError, ["n_jobs", ">= 1, or -1", "'2'"]),
    (running(n_jobs=None), ValueError, ["n_jobs", ">= 1, or -1", "None"]),
    (running(n_jobs=True), ValueError, ["n_jobs", ">= 1, or -1", "True"]),
    (running(data="/data"), ValueError, ["data", "Dataset", "'/data'"]),
    # gradient check
    (lambda _: check_gradients(model(), X, Y), ValueError, ["float64", "float32"]),
    (lambda _: check(epsilon=0), ValueError, ["epsilon", "> 0", "got 0"]),
    (lambda _: check(epsilon=np.nan), ValueError, ["epsilon", "finite", "nan"]),
    (lambda _: check(epsilon=None), ValueError, ["epsilon", "finite", "None"]),
    (lambda _: check(epsilon="a"), ValueError, ["epsilon", "finite", "'a'"]),
    (lambda _: check(), ValueError, ["(4, 5)", "(6, 5)"]),
    (lambda _: check_gradients(None, X, Y), ValueError, ["model", "MLP", "None"]),
    (lambda _: check(epsilon=-0.1), ValueError, ["epsilon", "> 0", "-0.1"]),
    (lambda _: check(epsilon=np.inf), ValueError, ["epsilon", "finite", "inf"]),
    (lambda _: check(epsilon=True), ValueError, ["epsilon", "finite", "True"]),
    (lambda _: check_gradients(ROOMY, X[:, 1:], Y), ValueError, ["(batch, 6)", "(4, 5)"]),
    (lambda _: check_gradients(ROOMY, X, np.eye(7)[Y]), ValueError, ["(4, 7)", "argmax"]),
    (lambda _: check_gradients(ROOMY, X, Y + 5), ValueError, ["from 0 to 6", "got 5 to 7"]),
    (lambda _: check(parameters=None), ValueError, ["parameters", "tuple", "None"]),
    (entries(), ValueError, ["parameters", "tuple", "()"]),
    (entries("mine"), ValueError, ['"weights" or "biases"', "'mine'"]),
    (entries(("mine", "wts", 0, (0, 0))), ValueError, ['"weights" or "biases"', "'wts'"]),
    (entries(("mine", "weights", 2, (0, 0))), ValueError, ["layer from -2 to 1", "2, (0, 0)"]),
    (entries(("mine", "weights", "0", (0, 0))), ValueError, ["layer from -2 to 1", "'0', (0, 0)"]),
    (entries(("mine", "weights", 0, (0,))), ValueError, ["tuple as index", "(0,)"]),
    (entries(("mine", "biases", 0, 0)), ValueError, ["tuple as index", "0, 0)"]),
    (entries(("mine", "weights", 0, (0, -1))), ValueError, ["mine (0, -1)", "(6, 8)"]),
    (entries(("mine", "weights", 0, (6, 0))), ValueError, ["mine (6, 0)", "(6, 8)"]),
    (entries(("mine", "weights", 0, (0.5, 0))), ValueError, ["mine (0.5, 0)", "(6, 8)"]),
    (lambda _: check_paper_patterns(None), ValueError, ["data", "Dataset", "None"]),
    (lambda _: check_paper_patterns(dataset(), -1), ValueError, ["seed", ">= 0", "-1"]),
    # files
    (lambda folder: MLP.load(folder), ValueError, ["damaged", "directory"]),
    (lambda _: MLP.load(Path(__file__) / "a.npz"), NotADirectoryError, ["a.npz"]),
    (lambda _: MLP.load(None), ValueError, ["path must be", "str", "None"]),
    (lambda _: MLP.load(3), ValueError, ["path", "str", "got 3"]),
    (lambda _: MLP.load("a\0b"), ValueError, ["path", "str", r"'a\x00b'"]),
    (lambda _: model().save(None), ValueError, ["path must be", "str", "None"]),
    (lambda _: model().save(3), ValueError, ["path", "str", "got 3"]),
    (lambda _: model().save(""), ValueError, ["path", "str", "''"]),
    (lambda folder: model().save(folder), IsADirectoryError, ["cannot be written", "folder"]),
    (lambda folder: model().save(folder / "no" / "a"), FileNotFoundError, ["a", "no folder"]),
    (lambda _: model().save(Path(__file__) / "a"), FileNotFoundError, ["a", "no folder"]),
    (lambda folder: MLP.load(folder / "absent.npz"), FileNotFoundError, ["absent.npz"]),
    (lambda folder: loaded(folder, b""), ValueError, ["given.npz", "damaged"]),
    (lambda folder: loaded(folder, b"epoch,loss\n"), ValueError, ["given.npz", "damaged"]),
    (lambda folder: loaded(folder, b"PK\x03\x04" * 9), ValueError, ["given.npz", "damaged"]),
]


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """No variable says which data to take."""
    for name in ("KMNIST_MLP_DATASET", "KMNIST_MLP_DATA"):
        monkeypatch.delenv(name, raising=False)


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
    raised_in = Path(traceback.extract_tb(caught.tb)[-1].filename)
    assert "kmnist_mlp" in raised_in.parts, f"raised inside {raised_in}"
    told = str(caught.value)
    missing = [w for w in words if not re.search(rf"(?<!\w){re.escape(w)}(?!\w)", told)]
    assert missing == [], told


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[0], Y, "x must have the shape (batch, 6); got (6,)"),
        (X, Y[:3], "y must have the shape (4,), one class index per row of x; got (3,)"),
        (X * np.nan, Y, "x holds NaN or infinite values; all must be finite in float32"),
        (X > 0, Y > 0, "y must hold whole numbers (class indices); got dtype bool"),
    ],
)
def test_a_message_says_no_more_than_what_fits(x, y, message):
    with pytest.raises(ValueError) as caught:
        model().loss(x, y)
    assert str(caught.value) == message


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
