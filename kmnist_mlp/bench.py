"""How fast training is, beside the matrix products that it cannot do without (`make bench`)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from kmnist_mlp.config import Config
from kmnist_mlp.data import Dataset, load_kmnist, split_and_standardise
from kmnist_mlp.network import MLP, Buffers
from kmnist_mlp.optimizer import SGD
from kmnist_mlp.paper import EXPERIMENTS
from kmnist_mlp.training import Epochs


def products(config: Config, images: int) -> Callable[[], None]:
    """Return a function that does the matrix products of one epoch, and nothing else."""
    model = MLP(config.layer_specs)
    buffers = Buffers(model, config.batch_size)
    rng = np.random.default_rng(0)
    inputs = [
        rng.standard_normal((config.batch_size, units)).astype(np.float32)
        for units in config.layer_specs
    ]

    def epoch() -> None:
        for _ in range(-(-images // config.batch_size)):
            for layer, weights in enumerate(model.weights):
                np.matmul(inputs[layer], weights, out=buffers.outputs[layer])
            for layer in reversed(range(len(model.weights))):
                delta = inputs[layer + 1]
                np.matmul(inputs[layer].T, delta, out=buffers.weight_gradients[layer])
                if layer:
                    np.matmul(delta, model.weights[layer].T, out=buffers.deltas[layer - 1])

    return epoch


def measure(config: Config, data: Dataset, rounds: int = 12) -> dict[str, float]:
    """Return the fastest of some alternating rounds, in seconds per epoch.

    Keys "products", "training" and "evaluation" (of the learning curves).
    """
    split = split_and_standardise(data, config.seed)
    model = MLP(config.layer_specs, config.activation)
    epochs = Epochs(model, SGD(model, config), split, config)
    parts = {
        "products": products(config, len(split.train)),
        "training": epochs.train_one,
        "evaluation": epochs.measure,
    }
    fastest = dict.fromkeys(parts, np.inf)
    with threadpool_limits(1, user_api="blas"):
        for _ in range(rounds):
            for name, part in parts.items():
                began = time.perf_counter()
                part()
                fastest[name] = min(fastest[name], time.perf_counter() - began)
    return fastest


def main() -> int:
    """Print the table for the baseline and the final model."""
    data = load_kmnist()
    print(f"{data!r}, one core, fastest of five rounds; 1.00 is the matrix products alone")
    print(f"{'layers':18}{'products':>12}{'training':>12}{'evaluation':>12}")
    for name in ("baseline", "final"):
        config = EXPERIMENTS[name]
        fastest = measure(config, data)
        ratios = "".join(f"{fastest[part] / fastest['products']:12.2f}" for part in fastest)
        seconds = fastest["training"] + fastest["evaluation"]
        print(f"{'-'.join(map(str, config.layer_specs)):18}{ratios}   {seconds:.2f} s an epoch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
