"""The learning rate follows its schedule, mini-batch by mini-batch."""

import math

import numpy as np
import pytest

from kmnist_mlp import Config, train
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.schedules import rate_factor


@pytest.mark.parametrize(
    ("changes", "progress", "expected"),
    [
        ({}, 0.5, 1),
        ({}, 99, 1),
        ({"warm_up": 2}, 0.5, 0.25),
        ({"warm_up": 2}, 3, 1),
        ({"schedule": "cosine"}, 0, 1),
        ({"schedule": "cosine"}, 5, 0.5),
        ({"schedule": "cosine"}, 2.5, (1 + math.sqrt(0.5)) / 2),
        ({"schedule": "cosine"}, 10, 0),
        ({"schedule": "cosine", "warm_up": 10}, 5, 0.25),
    ],
)
def test_the_factor_is_the_formula(changes, progress, expected):
    assert rate_factor(Config(epochs=10, **changes), progress) == pytest.approx(expected, abs=1e-12)


def test_training_multiplies_the_rate_of_every_mini_batch(tiny, monkeypatch):
    """192 images in batches of 80: the last one is smaller, and its middle is what counts."""
    factors, step = [], SGD.step

    def record(self, gradient):
        factors.append(self.scale / (self.rate / self.decay))
        step(self, gradient)

    monkeypatch.setattr(SGD, "step", record)
    config = Config((36, 8, 3), batch_size=80, epochs=2, early_stop=False)
    train(config, tiny)
    np.testing.assert_array_equal(factors, 1)
    factors.clear()
    config = config.replace(schedule="cosine", warm_up=0.5)
    train(config, tiny)
    middles = np.array([40, 120, 176]) / 192
    expected = [rate_factor(config, epoch + m) for epoch in (0, 1) for m in middles]
    np.testing.assert_allclose(factors, expected, rtol=1e-12)


def test_the_penalty_follows_the_schedule_too(tiny):
    """With a rate that has sunk to nothing, weights stay where they are, penalty or not."""
    config = Config((36, 3), learning_rate=1e-3, epochs=1, batch_size=500, early_stop=False)
    slow = config.replace(warm_up=1e9, L2_penalty=5.0, L1_penalty=5.0)
    moved, still = (train(c, tiny).model.parameters for c in (config, slow))
    initial = train(config.replace(learning_rate=1e-300), tiny).model.parameters
    np.testing.assert_allclose(still, initial, atol=1e-7)
    assert np.abs(moved - initial).max() > 1e-3
