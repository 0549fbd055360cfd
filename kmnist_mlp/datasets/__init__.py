"""Kuzushiji-MNIST: the official files, verified, and the stand-in that is drawn without them."""
