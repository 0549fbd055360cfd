"""What can be attached to a training run: live learning curves and checkpoints."""
