"""How the learning rate changes during training: a factor for each mini-batch."""

from __future__ import annotations

import math

from kmnist_mlp.config import Config


def rate_factor(config: Config, progress: float) -> float:
    """Return what the learning rate is multiplied by, between 0 and 1.

    ``min(1, progress / warm_up)`` times 1 (constant) or ``(1 + cos(pi * progress / epochs)) / 2``
    (Source of the cosine: Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts;
    of the warm-up: Goyal et al. 2017, arXiv:1706.02677, section 2.2).

    Parameters
    ----------
    config : Config
        Its ``schedule``, ``warm_up`` and ``epochs``.
    progress : float
        Epochs behind the middle of the mini-batch: 0.5 in the middle of the first epoch.
    """
    rising = min(1.0, progress / config.warm_up) if config.warm_up else 1.0
    if config.schedule == "constant":
        return rising
    return rising * (1 + math.cos(math.pi * progress / config.epochs)) / 2
