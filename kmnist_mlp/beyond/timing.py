"""How long augmenting an image and training on it take, on this machine."""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond.ablation import STEPS
from kmnist_mlp.data import Dataset
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.extensions.regularised_mlp import TrainingBuffers, network
from kmnist_mlp.optimizer import SGD

REPEATS = 10


def seconds_per_image(data: Dataset) -> tuple[float, float]:
    """Return the time to augment an image, and to train the best network on it, in seconds.

    Each is that of the fastest of ten mini-batches, on one core.
    """
    config = STEPS["best"].config
    model = network(config)  # core
    optimizer, buffers = SGD(model, config), TrainingBuffers(model, config.batch_size)  # core
    augment = Distortion(data.train_images.shape[1:], config.distortion, config.seed)  # core
    images = data.train_images[: config.batch_size].reshape(config.batch_size, -1)
    labels = data.train_labels[: config.batch_size]
    x, measured = np.empty(images.shape, np.float32), []
    with threadpool_limits(1, user_api="blas"):
        for _ in range(REPEATS):
            began = time.perf_counter()
            augment(x, images)
            augmented = time.perf_counter()
            x /= 255
            model.backpropagate(x, labels, buffers, optimizer.scale)  # core
            optimizer.step(buffers.gradient)
            measured.append((augmented - began, time.perf_counter() - augmented))
    augmentation, step = np.min(measured, axis=0) / len(images)
    return float(augmentation), float(step)
