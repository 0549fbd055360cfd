"""Bad input is refused at the public door: the error names the argument and shows what was given.

What is bad about a *file* of data or results is in test_official_files.py and test_faults.py.
"""

import inspect
import re
from fractions import Fraction

import numpy as np
import pytest

from kmnist_mlp import MLP, Config, Dataset, check_gradients, evaluate, load_kmnist, run, train
from kmnist_mlp.callbacks.live import Live
from kmnist_mlp.data import one_hot, split_and_standardise, split_rows
from kmnist_mlp.support import checks

X, Y = np.ones((4, 6)), np.array([0, 1, 2, 0])
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 6)).astype(np.uint8)
LABELS = np.arange(40) % 3
ABC = ("a", "b", "c")
DATA = Dataset(IMAGES, LABELS, IMAGES[:9], LABELS[:9], "small", ABC, ABC)
TEN = Dataset(IMAGES, LABELS, IMAGES[:9], LABELS[:9], "ten", "abcdefghij", "abcdefghij")
SMALL = Config((36, 4, 3), epochs=1)
MODEL, DOUBLE = MLP((6, 5, 3)), MLP((6, 8, 7), dtype=np.float64)
INF, NAN = float("inf"), float("nan")


def given(*values):
    """Return values by what an error shows of them: themselves."""
    return {repr(value): value for value in values}


DTYPES = given(int, "real", None, np.float16, ">f4", [1, 2])
SIZES = given(784, "784", None, (784,), {784: 10}, b"ab") | {
    "0": (784, 0, 10), "12.5": (784, 12.5, 10), "True": (784, True),
    "array(784)": np.array(784), "array([1": np.ones((2, 2), int),
}  # fmt: skip
BAD_X = {
    "(4, 5)": X[:, :5], "(6,)": X[0], "(4, 2, 3)": X.reshape(4, 2, 3), "()": 1.0, "(0, 6)": X[:0],
    "NaN": [*X[:3], [1, 1, NAN, 1, 1, 1]], "infinite": [*X[:3], [-INF] * 6], "float32": X * 1e39,
    "<U32": X.astype(str), "object": [[10**400] * 6], "complex128": X * 1j,
    "timedelta64[s]": X.astype("m8[s]"), "uint8": X.astype("u1"),
}  # fmt: skip
BAD_Y = {
    "(3,)": Y[:3], "(4, 3)": np.eye(3, dtype=int)[Y], "()": 1, "1 to 3": Y + 1, "-1 to 1": Y - 1,
    "float64": Y - 0.5, "bool": Y > 0, "<U1": list("abca"),
    "timedelta64[s]": Y.astype("m8[s]"), "9223372036854775808": np.full(4, 2**63, "u8"),
}  # fmt: skip
BAD_IMAGES = given([1, 2]) | {
    "(0, 6, 6)": IMAGES[:0], "(40, 36)": IMAGES.reshape(40, 36), "float64": IMAGES[:9] / 255
}  # fmt: skip
BAD_LABELS = {
    "()": None, "(8,)": LABELS[:8], "float64": LABELS[:9] / 1, "1 to 3": LABELS[:9] + 1
}  # fmt: skip

# A function, good arguments of it, and for an argument: what the error shows, what is given instead
BAD_VALUES = [
    (Config, (), {
        "learning_rate": given(0, NAN, INF, "0.1", True, Fraction(1, 10**400), np.ones(2)),
        "batch_size": given(0, 128.0, "3", True), "momentum": given(0.9, "yes"),
        "momentum_gamma": given(1, -0.1), "L2_penalty": given(-1e-6),
    }),
    (MLP, ((6, 5, 3),), {
        "layer_specs": SIZES,
        "activation": given(""), "seed": given(-1), "variance": given(0), "dtype": DTYPES,
    }),
    (MLP.from_parameters, ("tanh", [X], [np.ones(6)]), {
        "weights": {"(5, 3)": [X, np.ones((5, 3))], "infinite": [X * INF]},
        "biases": {"(4,)": [np.zeros(4)], "<U1": [np.full(6, "a")], "NaN": [np.full(6, NAN)]},
        "standardisation": {
            "(3,), (4,)": (np.zeros(3), np.ones(4)), "(0,), (4,)": (np.zeros(0), np.ones(4)),
            "0.0": (np.zeros(4), np.zeros(4)), "NaN": (np.zeros(4), np.full(4, NAN)),
        },
    }),
    (MODEL.predict, (), {"x": BAD_X}),
    (MODEL.loss, (X, Y), {"x": BAD_X, "y": BAD_Y}),
    (MODEL.gradients, (X, Y), {"x": BAD_X, "y": BAD_Y}),
    (evaluate, (MODEL, X, Y), {"model": given(None, "model", X), "y": BAD_Y, "x": BAD_X}),
    (Dataset, (IMAGES[:9], LABELS[:9], IMAGES[:9], LABELS[:9], "small", ABC, ABC), {
        "train_images": BAD_IMAGES, "train_labels": BAD_LABELS | {"(40, 6, 6)": IMAGES},
        "test_images": BAD_IMAGES | {"(5, 6)": IMAGES[:9, 1:]}, "test_labels": BAD_LABELS,
        "class_names": given((), ("a", "b")), "name": given(None, 3, " "),
        "romaji": given(("a", "b"), (*ABC, "d")),
    }),
    (split_and_standardise, (DATA, SMALL), {"data": given(None), "config": given(None)}),
    (one_hot, (Y, 3), {"labels": {"1 to 3": Y + 1, "float64": Y / 1}}),
    (load_kmnist, (), {"directory": {"~no_such_user": "~no_such_user/a"}}),
    (train, (SMALL, DATA), {
        "config": given({"epochs": 1}), "data": given("/data", SMALL), "dtype": DTYPES,
        "callbacks": {repr(bad): [bad] for bad in (3, Live, "live")},
    }),
    (run, ({"a": Config((36, 4, 10))}, [0], 1, TEN, False), {
        "configs": given(3), "seeds": given(1.5), "n_jobs": given(0), "data": given("/data")
    }),
    (check_gradients, (DOUBLE, X, Y), {
        "model": given(X), "epsilon": given(0), "x": {"(6,)": X[0]}, "y": {"5 to 7": Y + 5}
    }),
]  # fmt: skip


def assert_refused(call, *words):
    """Assert that a call raises a ValueError which shows these words."""
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    missing = [w for w in words if not re.search(rf"(?<!\w){re.escape(w)}(?!\w)", message)]
    assert not missing, message


@pytest.mark.parametrize(
    ("function", "good", "argument", "shown", "value"),
    [
        pytest.param(*case[:2], *rest, id=f"{case[0].__name__} {rest[0]} {rest[1][:30]}")
        for case in BAD_VALUES
        for argument, values in case[2].items()
        for rest in ((argument, *item) for item in values.items())
    ],
)
def test_a_bad_value_is_refused_by_its_argument(function, good, argument, shown, value):
    arguments = inspect.signature(function).bind_partial(*good).arguments | {argument: value}
    if len(shown) <= 200:
        assert_refused(lambda: function(**arguments), argument, shown)
    else:  # only its beginning is shown
        assert_refused(lambda: function(**arguments), argument, shown.partition("(")[0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: Config(layer_specs=[1] * 50_000 + [0]),
        lambda: Config(learning_rate="long" * 10_000),
        lambda: run([0] * 50_000, [0], 1, TEN, False),
        lambda: MODEL.loss(X, list(range(50_000))),
        lambda: train([Config()] * 1000, DATA),
    ],
)
def test_an_error_does_not_print_its_argument_whole(call):
    with pytest.raises(ValueError) as caught:
        call()
    assert len(str(caught.value)) < 1000


def runs(configs="baseline", seeds=(0,)):
    return lambda: run(configs, seeds, 1, TEN, False)


# (call, what the error shows)
BAD_CALLS = [
    (lambda: Config(validation_fraction=0), "early_stop", "validation_fraction", "True"),
    (lambda: Config(batch_size=2, batch_normalisation=True), "batch_size", "3", "2"),
    (lambda: Config.from_dict({"lerning_rate": 1}), "'lerning_rate'", "'learning_rate'"),
    (lambda: Config.from_dict({"xyz": 1}), "'xyz'", "layer_specs", "seed"),
    (lambda: Config().replace(epoch=3), "'epoch'", "'epochs'"),
    (lambda: MLP.from_parameters("tanh", [X.astype(int)], [np.ones(6)]), "dtype", "int64"),
    (lambda: split_rows(40, Config(validation_fraction=0.999)), "40", "0.999"),
    (lambda: split_rows(2, Config(validation_fraction=0.2)), "2", "0.2"),
    (lambda: train(Config((35, 8, 3)), DATA), "layer_specs", "36", "3", "(35, 8, 3)"),
    (lambda: train(Config((36, 8, 10)), DATA), "layer_specs", "36", "3", "(36, 8, 10)"),
    (runs("my L2"), "{'my L2': Config"), (runs({"a": 0.1}), "'a'", "Config", "0.1"),
    (runs({1: Config()}), "name", "1"), (runs(Config((35, 10))), "layer_specs"),
    (runs([Config((36, 10)), Config((36, 9))]), "layer_specs"),
    (runs(Config((36, 10), validation_fraction=1e-4)), "validation_fraction"),
    (runs({}),), (runs(seeds=[]), "seed"), (runs(seeds=[0, -1]), "seeds", "-1"),
    (runs(seeds="01"), "seeds", "'0'"), (runs(seeds=True), "seeds", "True"),
    (lambda: check_gradients(MODEL, X, Y), "float32", "float64"),
    (lambda: check_gradients(MLP((6, 5), dtype=float), X, Y), "parameters", "6-5"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "shown"), [pytest.param(call, shown, id=" ".join(shown)) for call, *shown in BAD_CALLS]
)
def test_a_bad_call_is_refused_with_what_was_given_before_any_training(monkeypatch, call, shown):
    monkeypatch.setattr("kmnist_mlp.experiments.runs.train_all", pytest.fail)
    assert_refused(call, *shown)


def test_an_error_shows_what_is_allowed_and_a_hint_where_it_helps():
    for y, hint in ((Y + 5, False), (np.eye(7)[Y], True), (Y[:1], False)):
        with pytest.raises(ValueError) as caught:
            MODEL.loss(X, y)
        assert ("argmax" in str(caught.value)) == hint
        assert np.ndim(y) != 1 or len(y) != len(X) or "0 to 2" in str(caught.value)
    with pytest.raises(ValueError) as caught:
        Config.from_dict({"lerning_rate": 1})
    assert "seed" not in str(caught.value)  # the nearest name alone
    assert Config(batch_size=3, batch_normalisation=True).batch_size == 3
    assert checks.whole_number("n", 3, 1, 3) == 3
    for word in ("relu", "ReLU"):  # as it stands first
        assert checks.one_of("f", word, ("ReLU", "relu")) == word
        assert checks.one_of("f", word, ("relu", "ReLU")) == word


def test_a_data_set_of_an_unknown_name_is_refused(monkeypatch):
    monkeypatch.setenv("KMNIST_MLP_DATASET", "mnist")
    assert_refused(load_kmnist, "KMNIST_MLP_DATASET", "'mnist'", "'kmnist'", "'stand-in'")
