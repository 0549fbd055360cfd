"""Test accuracy by the number of training images, with and without data augmentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pandas as pd

from kmnist_mlp.beyond.ablation import SMALL
from kmnist_mlp.data import Dataset
from kmnist_mlp.experiments.runs import Results, run
from kmnist_mlp.support.checks import whole_number


def fewer_images(
    data: Dataset, sizes: Iterable[int], images_seen: int, n_jobs: int = -1
) -> Results:
    """Train small networks on only the first training images, augmented and not.

    Parameters
    ----------
    data : Dataset
        Images of 28 x 28 pixels in ten classes.
    sizes : iterable of int
        Numbers of training images, of which a fifth is held out for validation.
    images_seen : int
        Images that each network is trained on, over all epochs: fewer images, more epochs.
    n_jobs : int
        Processes; -1 is one for each core.

    Returns
    -------
    Results
        One seed. Experiments are named "1000 images, augmented" and "1000 images, not augmented".
        The frame has two more columns: training_images (int) and augmented (bool).

    Raises
    ------
    ValueError
        If a size is no whole number between 3 (one of them for validation) and the number of
        training images there are, or ``images_seen`` is no whole number >= 1.
    """
    images_seen = whole_number("images_seen", images_seen, 1)
    available, sizes = len(data.train_images), list(sizes)
    for size in sizes:
        if whole_number("each of sizes", size, 3) > available:
            raise ValueError(
                f"each of sizes must be a whole number <= {available}, the training images of "
                f"{data.name}; got {size}"
            )
    runs, frames = {}, []
    for size in sizes:
        part = dataclasses.replace(
            data, train_images=data.train_images[:size], train_labels=data.train_labels[:size]
        )
        seen_per_epoch = (1 - SMALL.validation_fraction) * size
        config = SMALL.replace(epochs=max(1, round(images_seen / seen_per_epoch)))
        configs = {
            f"{size} images, not augmented": config.replace(distortion=0.0),
            f"{size} images, augmented": config,
        }
        own = run(configs, [0], n_jobs, part)
        runs |= own.runs
        frames.append(own.frame.assign(training_images=size, augmented=[False, True]))
    return Results(runs, pd.concat(frames, ignore_index=True), data.name)
