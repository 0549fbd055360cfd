"""A configuration in which no option has its default value, for tests that none is ignored."""

from kmnist_mlp import Config

ALL_CHANGED = Config(
    layer_specs=(36, 12, 9, 3), activation="sigmoid", learning_rate=0.02, batch_size=20, epochs=3,
    early_stop=False, early_stop_epoch=2, L1_penalty=1e-5, L2_penalty=1e-4, momentum=False,
    momentum_gamma=0.5, seed=7, distortion=0.1, elastic_cells=3, batch_normalisation=True,
    dropout=0.1, label_smoothing=0.1, mixup=0.3, weight_averaging=0.5, schedule="cosine",
    warm_up=1.0, standardisation="global", initial_variance=1.5, validation_fraction=0.5,
)  # fmt: skip
