"""The step of the optimiser; that all steps are the formulas is held in test_properties.py."""

import numpy as np

from kmnist_mlp import MLP, Config
from kmnist_mlp.optimizer import SGD, momentum_step


def test_a_step_of_which_no_time_is_given_is_one_at_the_start():
    config = Config((3, 2), learning_rate=0.1, momentum_gamma=0.5, schedule="cosine", epochs=2)
    model, g = MLP((3, 2), dtype=np.float64), np.arange(8.0)
    w, v = model.parameters.copy(), np.zeros(8)
    SGD(model, config).step(g.copy())
    momentum_step(w, v, g, config)
    np.testing.assert_allclose(model.parameters, w)
    np.testing.assert_allclose(v, 0.5 * g)
    np.testing.assert_allclose(MLP((3, 2), dtype=np.float64).parameters - w, 0.1 * v)
