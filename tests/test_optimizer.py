"""Each step of the optimiser is the formula, with penalties and schedule."""

import numpy as np
import pytest
from small_runs import descend
from textbook import FUNCTIONS

from kmnist_mlp import MLP, Config
from kmnist_mlp.optimizer import SGD, momentum_step

LAYERS = (7, 6, 5, 4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(
    "terms",
    [
        {"momentum_gamma": 0.5, "L2_penalty": 0.2},
        {"momentum": False, "momentum_gamma": 0.5, "L1_penalty": 0.05},
        {"momentum_gamma": 0.9, "L1_penalty": 0.01, "L2_penalty": 0.03, "schedule": "cosine"},
        {"momentum_gamma": 0.8, "L1_penalty": 0.02, "schedule": "cosine", "warm_up": 3.0},
    ],
    ids=lambda terms: " ".join(f"{k}={v}" for k, v in terms.items()),
)
def test_200_steps_agree_with_the_plain_formulas(dtype, tolerance, activation, terms):
    """A twin in float64 takes the same steps, written out; 20 of them are an epoch."""
    config = Config(LAYERS, activation, 0.02, epochs=10, **terms)
    model = MLP(LAYERS, activation, seed=3, dtype=dtype)
    model.weights[0][2, 3] = 0  # the L1 penalty has no slope here
    sgd, rng = SGD(model, config), np.random.default_rng(0)
    twin = MLP(LAYERS, activation, dtype=np.float64)
    twin.parameters[...] = model.parameters
    w, v = twin.parameters, 0.0
    is_weight = np.arange(w.size) < 7 * 6 + 6 * 5 + 5 * 4
    gamma = config.momentum_gamma if config.momentum else 0
    for step in range(200):
        x, y = rng.standard_normal((16, 7)).astype(dtype), rng.integers(0, 4, 16)
        descend(sgd, model, x, y, step / 20)
        rate = 0.02
        if config.warm_up:
            rate *= min(1, step / 20 / config.warm_up)
        if config.schedule == "cosine":
            rate *= 0.5 + 0.5 * np.cos(np.pi * step / 200)
        g = np.concatenate([array.ravel() for part in twin.gradients(x, y) for array in part])
        g += is_weight * (config.L1_penalty * np.sign(w) + config.L2_penalty * 2 * w)
        v = gamma * v + (1 - gamma) * g
        w -= rate * v
    np.testing.assert_allclose(model.parameters, w, rtol=tolerance, atol=tolerance)


def test_a_step_of_which_no_time_is_given_is_one_at_the_start():
    config = Config((3, 2), learning_rate=0.1, momentum_gamma=0.5, schedule="cosine", epochs=2)
    model, g = MLP((3, 2), dtype=np.float64), np.arange(8.0)
    w, v = model.parameters.copy(), np.zeros(8)
    SGD(model, config).step(g.copy())
    momentum_step(w, v, g, config)
    np.testing.assert_allclose(model.parameters, w)
    np.testing.assert_allclose(v, 0.5 * g)
    np.testing.assert_allclose(MLP((3, 2), dtype=np.float64).parameters - w, 0.1 * v)
