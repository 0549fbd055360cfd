"""The ablation from the paper's baseline to the best network, and the alternatives tried.

Every configuration of notebook 7 that takes long to train. ``make beyond`` trains them all.
"""

from __future__ import annotations

from dataclasses import dataclass

from kmnist_mlp.config import Config
from kmnist_mlp.experiments.paper import EXPERIMENTS


@dataclass(frozen=True)
class Step:
    """One configuration of the ablation.

    Attributes
    ----------
    title : str
        What differs from the step before it; for an alternative, from "global_standardisation".
    config : Config
    seeds : int
        Number of seeds, counted up from the configuration's own.
    """

    title: str
    config: Config
    seeds: int = 1


_WIDE = EXPERIMENTS["relu"].replace(layer_specs=(784, 512, 512, 10))
_AUGMENTED = _WIDE.replace(distortion=1.0, epochs=20, early_stop=False)
_COSINE = _AUGMENTED.replace(schedule="cosine", warm_up=1, learning_rate=2e-3)
_NORMALISED = _COSINE.replace(batch_normalisation=True, learning_rate=4e-3, batch_size=256)
_GLOBAL = _NORMALISED.replace(standardisation="global")
_PENALISED = _GLOBAL.replace(L2_penalty=0.05)
_BEST = _PENALISED.replace(layer_specs=(784, 1024, 1024, 10), epochs=200, validation_fraction=0.0)
_NO_PENALTY = _BEST.replace(L2_penalty=0.0)

SMALL = _NORMALISED.replace(layer_specs=(784, 256, 256, 10))  # trained when the notebook runs

# Each step keeps the changes of all steps before it.
STEPS = {
    "baseline": Step("the paper's baseline", EXPERIMENTS["baseline"], seeds=5),
    "relu": Step("ReLU", EXPERIMENTS["relu"], seeds=5),
    "wide": Step("two layers of 512", _WIDE, seeds=5),
    "augmentation": Step("data augmentation, 20 epochs", _AUGMENTED, seeds=5),
    "cosine_schedule": Step("cosine schedule, higher learning rate", _COSINE, seeds=5),
    "batch_normalisation": Step("batch normalisation", _NORMALISED, seeds=5),
    "global_standardisation": Step("global standardisation", _GLOBAL, seeds=5),
    "L2_penalty": Step("L2 penalty of 0.05", _PENALISED, seeds=5),
    "best": Step("two layers of 1024, 200 epochs, all images", _BEST),
}
# Trained in place of the step "global_standardisation".
ALTERNATIVES = {
    "weak_augmentation": Step("augmentation half as strong", _GLOBAL.replace(distortion=0.5)),
    "small_L2_penalty": Step("L2 penalty of 0.01", _GLOBAL.replace(L2_penalty=0.01)),
}
# Members of the ensemble besides "best".
ENSEMBLE = {
    "second_seed": Step("another seed, 100 epochs", _BEST.replace(epochs=100, seed=1)),
}
# Of the size of "best" and trained on all images, but without its penalty: not in the ensemble.
NO_PENALTY = {
    "no_penalty_300_epochs": Step("no penalty, 300 epochs", _NO_PENALTY.replace(epochs=300)),
    "no_penalty_per_pixel": Step(
        "no penalty, per-pixel standardisation, 100 epochs",
        _NO_PENALTY.replace(standardisation="pixel", epochs=100),
    ),
    "no_penalty_50_epochs": Step("no penalty, 50 epochs", _NO_PENALTY.replace(epochs=50)),
    "no_penalty_weak_augmentation": Step(
        "no penalty, augmentation half as strong, 60 epochs",
        _NO_PENALTY.replace(epochs=60, distortion=0.5),
    ),
}
ALL = STEPS | ALTERNATIVES | ENSEMBLE | NO_PENALTY


def planned_runs() -> list[tuple[str, Config]]:
    """Return the name and configuration of every run, sorted by seed.

    An interrupted ``make beyond`` has then trained every step with its first seed before it trains
    any with its second.
    """
    runs = [
        (name, step.config.replace(seed=step.config.seed + i))
        for name, step in ALL.items()
        for i in range(step.seeds)
    ]
    return sorted(runs, key=lambda run: run[1].seed)
