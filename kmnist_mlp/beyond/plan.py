"""Every network that `make beyond` trains: the final ones, and trials that vary them.

A trial is trained on the images that :func:`~kmnist_mlp.beyond.protocol.held_out_clusters` leaves,
and measured on the clusters that it holds out and on a validation split.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS

# The networks of the final table, which alone are measured on test images: five seeds, all 60,000
# training images.
FINAL = Config(
    layer_specs=(784, 1024, 1024, 1024, 10),
    activation="ReLU",
    learning_rate=4e-3,
    batch_size=256,
    epochs=200,
    early_stop=False,
    L2_penalty=0.1,
    distortion=1.0,
    batch_normalisation=True,
    label_smoothing=0.05,
    schedule="cosine",
    warm_up=1,
    standardisation="global",
    validation_fraction=0.0,
)
FINAL_SEEDS = range(5)

SHORT, LONG = 20, 40  # epochs of trials
TRIAL = FINAL.replace(epochs=SHORT, validation_fraction=0.2)


def layers(hidden: int, units: int) -> tuple[int, ...]:
    """Return the layers of a network with several hidden layers of one size."""
    return (784, *[units] * hidden, 10)


# One thing is left out of the final configuration, or a method is added to it: what changes.
LEFT_OUT = {
    "data augmentation": {"distortion": 0.0},
    "batch normalisation": {"batch_normalisation": False},
    "cosine schedule": {"schedule": "constant"},
    "L2 penalty": {"L2_penalty": 0.0},
    "label smoothing": {"label_smoothing": 0.0},
    "global standardisation": {"standardisation": "pixel"},
    "width: 512 units": {"layer_specs": layers(3, 512)},
    "depth: two hidden layers": {"layer_specs": layers(2, 1024)},
    "length: half the epochs": {"epochs": SHORT // 2},
}
ADDED = {
    "dropout of 0.1": {"dropout": 0.1},
    "mixup of 0.2": {"mixup": 0.2},
    "running mean of the weights": {"weight_averaging": 0.999},
    "standardisation of each image": {"standardisation": "image"},
    "initial variance of 1": {"initial_variance": 1.0},
    "mini-batches of 512": {"batch_size": 512},
    "four hidden layers": {"layer_specs": layers(4, 1024)},
}
CHANGES = LEFT_OUT | ADDED
TRIAL_SEEDS = range(3)
SMALL_SEEDS = range(2)  # of the steps, the strengths and the numbers of images
TEACHERS = TRIAL_SEEDS  # of the trial without a change: networks to distil into one
DISTILLED = "distilled from three networks"

# Methods that may need a longer run to show what they bring. What is left out is trained for twice
# as long, too: does the order depend on the length?
LONG_RUNS = ("label smoothing", "mixup of 0.2", "running mean of the weights")

# Steps from the paper's baseline: each keeps the changes of all steps before it.
STEPS = {
    "the paper's baseline": {},
    "ReLU": {"activation": "ReLU"},
    "512 units": {"layer_specs": layers(1, 512)},
    "three hidden layers": {"layer_specs": layers(3, 512)},
    "20 epochs, no early stopping": {"epochs": SHORT, "early_stop": False},
    "data augmentation": {"distortion": 1.0},
    "cosine schedule after one epoch of warm-up": {"schedule": "cosine", "warm_up": 1.0},
    "batch normalisation": {"batch_normalisation": True},
    "learning rate of 0.004": {"learning_rate": 4e-3},
    "mini-batches of 256": {"batch_size": 256},
    "global standardisation": {"standardisation": "global"},
    "L2 penalty of 0.1": {"L2_penalty": 0.1},
    "label smoothing of 0.05": {"label_smoothing": 0.05},
    "1,024 units": {"layer_specs": layers(3, 1024)},
    "40 epochs": {"epochs": LONG},
}

# How strong should the augmentation be, and how does that depend on the length?
STRENGTHS, LENGTHS = (0.0, 0.5, 1.0, 1.5), (5, 20, 60)

# How many images does it take? As many are seen, with repetition, whatever their number; half as
# many show how far the curves have converged.
SIZES = (1_000, 4_000, 16_000, 48_000)
IMAGES_SEEN = 1_600_000
SMALL = TRIAL.replace(layer_specs=layers(3, 256))  # also for the strengths


class Run(NamedTuple):
    """A network to train.

    Attributes
    ----------
    group, title : str
        Where it stands in the plan; a run of two groups stands with the first.
    config : Config
    data : str
        "all" training images, those of the "trials", the "first n" of these, or "distilled": those
        of the trials, labelled by the networks of :data:`TEACHERS`.
    """

    group: str
    title: str
    config: Config
    data: str = "trials"

    @property
    def first(self) -> int | None:
        """The number of the trials' training images, if not all."""
        return int(self.data.removeprefix("first ")) if self.data.startswith("first ") else None


def changed(title: str) -> Config:
    """Return the configuration of a trial with one of :data:`CHANGES`, or without."""
    return TRIAL.replace(**CHANGES.get(title, {}))


def longer(config: Config) -> Config:
    """Return the configuration of a trial that is trained for twice as long."""
    return config.replace(epochs=LONG * config.epochs // SHORT)


def step_configs() -> dict[str, Config]:
    """Return the configuration of each of :data:`STEPS`."""
    config, configs = EXPERIMENTS["baseline"], {}
    for title, changes in STEPS.items():
        configs[title] = config = config.replace(**changes)
    return configs


def strength_config(strength: float, epochs: int) -> Config:
    """Return a small network's configuration with a strength of augmentation and a length."""
    return SMALL.replace(distortion=strength, epochs=epochs)


def size_config(images: int, augmented: bool, images_seen: int = IMAGES_SEEN) -> Config:
    """Return a small network's configuration for so many images, a fifth of them for validation."""
    epochs = round(images_seen / ((1 - SMALL.validation_fraction) * images))
    return SMALL.replace(epochs=epochs, distortion=1.0 if augmented else 0.0)


def _runs() -> Iterator[Run]:
    for seed in FINAL_SEEDS:
        yield Run("final", "final network", FINAL.replace(seed=seed), "all")
    for seed in TRIAL_SEEDS:
        yield Run("trial", "nothing", TRIAL.replace(seed=seed))
        for title in LEFT_OUT:
            yield Run("left out", title, changed(title).replace(seed=seed))
    for title in ADDED:
        yield Run("added", title, changed(title))
    yield from _small_runs()
    yield Run("distilled", DISTILLED, TRIAL, "distilled")
    for title in ("nothing", *LONG_RUNS, *LEFT_OUT):
        yield Run("long", f"{title}, twice the epochs", longer(changed(title)))


def _small_runs() -> Iterator[Run]:
    for seed in SMALL_SEEDS:
        for title, config in step_configs().items():
            if seed == SMALL_SEEDS[0] or config.epochs != LONG:
                yield Run("step", title, config.replace(seed=seed))
        for strength in STRENGTHS:
            for epochs in LENGTHS:
                config = strength_config(strength, epochs)
                title = f"strength {strength:g}, {epochs} epochs"
                yield Run("strength", title, config.replace(seed=seed))
        for images in SIZES:
            for augmented in (False, True):
                for seen in (IMAGES_SEEN // 2, IMAGES_SEEN):
                    title = f"{images} images, {'' if augmented else 'not '}augmented, {seen} seen"
                    config = size_config(images, augmented, seen)
                    if seed == SMALL_SEEDS[0] or seen == IMAGES_SEEN:
                        yield Run("size", title, config.replace(seed=seed), f"first {images}")


def planned() -> list[Run]:
    """Return every run once, the most telling first."""
    runs: dict[tuple[Config, str], Run] = {}
    for run in _runs():
        runs.setdefault((run.config, run.data), run)
    return list(runs.values())
