"""Hyper-parameters have one canonical form, and cannot be changed behind a run's back."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from kmnist_mlp import Config
from kmnist_mlp.config import BEYOND_THE_PAPER

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


def test_what_goes_beyond_the_paper_is_off_and_is_told_only_where_it_is_on():
    """Cache keys, pages and printed configurations of the paper's runs stay what they were."""
    plain, changes = Config(), {"distortion": 0.5, "schedule": "cosine", "validation_fraction": 0.1}
    assert not {*BEYOND_THE_PAPER} & {*plain.to_dict()}
    assert not any(name in repr(plain) for name in BEYOND_THE_PAPER)
    for name, default in zip(
        BEYOND_THE_PAPER, (0, False, 0, 0, "constant", 0, True, 0.2), strict=True
    ):
        assert getattr(plain, name) == default
    changed = plain.replace(**changes)
    assert changed.to_dict() == {**plain.to_dict(), **changes}
    assert Config.from_dict(changed.to_dict()) == changed != plain
    assert repr(changed).endswith(
        "seed=0, distortion=0.5, schedule='cosine', validation_fraction=0.1)"
    )
    assert eval(repr(changed)) == changed and eval(repr(plain)) == plain


def test_equal_configurations_are_one_cache_key():
    spellings = [
        Config(layer_specs=[784, 10], activation="RELU", learning_rate=1, seed=np.int64(3)),
        Config(np.array([784, 10]), "relu", np.float64(1.0), early_stop=np.True_, seed=3),
        Config((784, 10), "ReLU", 1.0, np.uint8(128), seed=3),
    ]
    assert len(set(spellings)) == 1
    assert len({repr(config) for config in spellings}) == 1
    assert spellings[0] != Config((784, 10), "ReLU", 1.0, seed=4)


def test_numbers_of_numpy_become_pythons_own():
    whole, real, truth = np.int16(7), np.float32(0.5), np.bool_(True)
    given = Config(
        layer_specs=np.array([36, 10], np.uint8),
        learning_rate=real,
        batch_size=whole,
        epochs=whole,
        early_stop=truth,
        early_stop_epoch=whole,
        L1_penalty=real,
        L2_penalty=real,
        momentum=truth,
        momentum_gamma=real,
        seed=whole,
        distortion=real,
        batch_normalisation=truth,
        dropout=real,
        label_smoothing=real,
        schedule=np.str_("cosine"),
        warm_up=real,
        each_pixel=np.bool_(False),
        validation_fraction=real,
    )
    paper = ((36, 10), "tanh", 0.5, 7, 7, True, 7, 0.5, 0.5, True, 0.5, 7)
    plain = Config(*paper, 0.5, True, 0.5, 0.5, "cosine", 0.5, False, 0.5)
    assert repr(given) == repr(plain) and vars(given) == vars(plain)
    assert json.loads(json.dumps(given.to_dict())) == plain.to_dict()


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
