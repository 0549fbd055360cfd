"""How long augmenting an image and training on it take, on this machine."""

from __future__ import annotations

import dataclasses
from timeit import repeat

import numpy as np
from threadpoolctl import threadpool_limits

from kmnist_mlp.beyond.ablation import STEPS
from kmnist_mlp.data import Dataset
from kmnist_mlp.extensions.augmentation import Distortion
from kmnist_mlp.training import Training

REPEATS = 10


def seconds_per_image(data: Dataset) -> tuple[float, float]:
    """Return the time to augment an image, and to train the best network on it, in seconds.

    Each is that of the fastest of ten mini-batches, on one core; the second without augmentation.
    """
    config = STEPS["best"].config
    size = config.batch_size
    batch = dataclasses.replace(
        data, train_images=data.train_images[:size], train_labels=data.train_labels[:size]
    )
    images = batch.train_images.reshape(len(batch.train_images), -1)
    augment = Distortion(data.train_images.shape[1:], config.distortion, config.seed)
    out = np.empty(images.shape, np.float32)
    training = Training(config.replace(distortion=0.0), batch)  # an epoch is one mini-batch
    with threadpool_limits(1, user_api="blas"):
        augmentation = min(repeat(lambda: augment(out, images), number=1, repeat=REPEATS))
        step = min(repeat(training.train_epoch, number=1, repeat=REPEATS))
    return augmentation / len(images), step / len(images)
