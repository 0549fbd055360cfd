"""Every network beyond the paper that is trained: the final ones, and trials that vary them.

A trial is trained on the images that :func:`~kmnist_mlp.beyond.protocol.held_out_clusters` leaves,
and measured on the clusters that it holds out and on a validation split.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS
from kmnist_mlp.experiments.store import key_of

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
FINAL_SEEDS, TRIAL_SEEDS = range(5), range(3)
SMALL_SEEDS = range(2)  # of the steps, the strengths and the numbers of images

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
# A network that learns the probabilities of three trials without a change, in place of the labels:
# nothing smooths them.
DISTILLED = "distilled from three networks"
CHANGES = LEFT_OUT | ADDED | {DISTILLED: {"label_smoothing": 0.0}}
TEACHERS = [TRIAL.replace(seed=seed) for seed in TRIAL_SEEDS]

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
    first : int or None
        Train on so many of the trials' training images; None is all of them.
    teachers : tuple of Config
        Learn the mean probabilities of these networks in place of the labels.
    final : bool
        Train on all training images, those of the held-out clusters included.
    """

    group: str
    title: str
    config: Config
    first: int | None = None
    teachers: tuple[Config, ...] = ()
    final: bool = False

    @property
    def data(self) -> str:
        """What it is trained on, as the records name it."""
        if self.final:
            return "all"
        return "distilled" if self.teachers else f"first {self.first}" if self.first else "trials"


def identity(config: Config, data: str) -> str:
    """Return the name of a run in the records: a hash of its configuration and :attr:`Run.data`."""
    return key_of([config.to_dict(), data])[:12]


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


def planned() -> list[Run]:
    """Return every run once."""
    runs = [
        *several(FINAL_SEEDS, "final", "final network", FINAL, final=True),
        *several(TRIAL_SEEDS, "trial", "nothing", TRIAL),
        Run("distilled", DISTILLED, changed(DISTILLED), teachers=tuple(TEACHERS)),
    ]
    for title in LEFT_OUT:
        runs += several(TRIAL_SEEDS, "left out", title, changed(title))
    runs += [Run("added", title, changed(title)) for title in ADDED]
    for title, config in step_configs().items():
        seeds = SMALL_SEEDS[:1] if config.epochs == LONG else SMALL_SEEDS
        runs += several(seeds, "step", title, config)
    for strength, epochs in product(STRENGTHS, LENGTHS):
        title = f"strength {strength:g}, {epochs} epochs"
        runs += several(SMALL_SEEDS, "strength", title, strength_config(strength, epochs))
    lengths = {IMAGES_SEEN // 2: SMALL_SEEDS[:1], IMAGES_SEEN: SMALL_SEEDS}
    for images, augmented, seen in product(SIZES, (False, True), lengths):
        title = f"{images} images, {'' if augmented else 'not '}augmented, {seen} seen"
        config = size_config(images, augmented, seen)
        runs += several(lengths[seen], "size", title, config, first=images)
    for title in ("nothing", *LONG_RUNS, *LEFT_OUT):
        runs.append(Run("long", f"{title}, twice the epochs", longer(changed(title))))
    return list({identity(run.config, run.data): run for run in runs[::-1]}.values())[::-1]


def several(seeds: range, group: str, title: str, config: Config, **fields: Any) -> list[Run]:
    """Return a run of each seed."""
    return [Run(group, title, config.replace(seed=seed), **fields) for seed in seeds]
