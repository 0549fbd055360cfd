"""What can be attached to a training run: live learning curves and checkpoints."""

from kmnist_mlp.callbacks.checkpoint import Checkpoint
from kmnist_mlp.callbacks.live import Live
