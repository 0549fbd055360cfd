"""Hyper-parameters have one canonical form, and cannot be changed behind a run's back."""

import json
import pydoc
from dataclasses import fields

import numpy as np
import pytest
from options import ALL_CHANGED
from printed import BASELINE as PAPERS_BASELINE

from kmnist_mlp import Config
from kmnist_mlp.config import Stream, generator
from kmnist_mlp.support.checks import described

BEYOND_THE_PAPER = {
    "distortion": 0.0, "elastic_cells": 4, "batch_normalisation": False, "dropout": 0.0,
    "label_smoothing": 0.0, "mixup": 0.0, "weight_averaging": 0.0, "schedule": "constant",
    "warm_up": 0.0, "standardisation": "pixel", "initial_variance": 2.0, "validation_fraction": 0.2,
}  # fmt: skip

FIVE = Config(distortion=(1, 0, 1, 1, 2.5))

# ---- configurations that are right -----------------------------------


def test_the_defaults_are_the_papers_baseline_and_what_goes_beyond_it_is_off():
    defaults = vars(Config()) | {"layer_specs": list(Config().layer_specs)}
    assert list(defaults.items()) == [*PAPERS_BASELINE.items(), *BEYOND_THE_PAPER.items()]


def test_what_goes_beyond_the_paper_is_told_only_where_it_is_used():
    """Cache keys, pages and printed configurations of the paper's runs stay what they were."""
    plain = Config()
    assert plain.to_dict() == PAPERS_BASELINE and eval(repr(plain)) == plain
    assert repr(plain).startswith("Config(layer_specs=(784, 128, 10), activation='tanh', ")
    assert not any(name in repr(plain) for name in BEYOND_THE_PAPER)
    for name in BEYOND_THE_PAPER:
        value = getattr(ALL_CHANGED, name)
        changed = plain.replace(**{name: value})
        assert changed.to_dict() == {**PAPERS_BASELINE, name: value}
        assert repr(changed) == f"{repr(plain)[:-1]}, {name}={value!r})"


def test_equal_configurations_are_one_cache_key():
    one = Config([784, 10], activation="RELU", learning_rate=1, seed=np.int64(3), distortion=2)
    same = Config(np.array([784, 10]), "ReLU", np.float64(1), np.uint8(128), seed=3)
    same = same.replace(distortion=[2, 2, 2, 2.0, 2])
    assert Config.from_dict(json.loads(json.dumps(FIVE.to_dict()))) == FIVE == eval(repr(FIVE))
    same = same.replace(early_stop=np.True_)
    assert one == same and hash(one) == hash(same) and repr(one) == repr(same)
    assert one != same.replace(seed=4)


# ---- one table of options --------------------------------------------


def test_every_option_is_explained_with_its_default_and_its_bounds():
    helped = pydoc.render_doc(Config, renderer=pydoc.plaintext)
    for row, f in zip(Config.options(), fields(Config), strict=True):
        assert (row["name"], row["default"]) == (f.name, f.default) and row["allowed"]
        line = "{name} : {allowed}, default {default!r}".format(**row)
        assert line in helped and row["meaning"] in helped


@pytest.mark.parametrize("option", fields(Config), ids=lambda f: f.name)
def test_the_bounds_of_an_option_hold_exactly_and_are_told(option):
    """What lies on an open end or beyond any end is refused; what is nearest to it is not."""
    bounds = option.metadata["check"].keywords
    whole = isinstance(option.default, int)
    good, bad = [option.default], [object(), None, {}, 1j]
    for end, outward in (("at_least", -1), ("above", -1), ("below", 1)):
        if end in bounds:
            nearest = bounds[end] + outward if whole else np.nextafter(bounds[end], outward * 2)
            inside = np.nextafter(float(bounds[end]), -2.0 * outward)
            good.append(bounds[end] if end == "at_least" else inside)
            bad += [nearest, outward * 10.5] + [bounds[end]] * (end != "at_least")
    for word in bounds.get("allowed", ()):
        good += [word, word.lower(), word.upper()]
        bad += [word + "x", word[:-1], ""]
    if option.name == "distortion":
        good.append(FIVE.distortion)
        bad += [(1, 2, 3, 4), (1, 2, 3, 4, -1), (1, [2], 3, 4, 5), np.zeros(4)]
    for value in good:
        changes = {option.name: value, "early_stop": value is True}
        assert getattr(Config(**changes), option.name) in (value, *bounds.get("allowed", ()))
    for value in bad:
        with pytest.raises(ValueError) as caught:
            Config(**{option.name: value})
        ends = described(option.metadata["check"]).partition(" ")[2].removeprefix("number ")
        parts = (option.name, ends.removeprefix("of ").removeprefix("sizes"), repr(value))
        assert all(part in str(caught.value) for part in parts), str(caught.value)


# ---- streams of random numbers ---------------------------------------


def test_streams_of_a_seed_keep_their_numbers():
    """Splits and networks of a seed stay what they were, also those that are shipped."""
    known = {"SPLIT": 1, "BATCHES": 3, "CURVES": 4, "DISTORTION": 5, "DROPOUT": 6, "MIXUP": 9}
    assert Stream.__members__ == known
    for stream in Stream:
        assert generator(7, stream).random() == np.random.default_rng([7, stream]).random()
