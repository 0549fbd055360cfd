"""What a network has only while it trains: batch normalisation, dropout and smoothed labels.

None of it is left in the network that training returns: dropout and smoothing end, and batch
normalisation, which is then a fixed scale and shift of each unit, goes into weights and biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kmnist_mlp.activations import ACTIVATIONS
from kmnist_mlp.config import Config
from kmnist_mlp.network import MLP, Buffers, cross_entropies, softmax

EPSILON = 1e-5  # added to a variance before its root is taken
MEMORY = 0.95  # share of the running mean and variance that a mini-batch leaves


def network(config: Config, dtype: Any = np.float32) -> MLP:
    """Return the network that training changes: a plain one where the options are off."""
    if config.batch_normalisation or config.dropout or config.label_smoothing:
        return TrainingMLP(config, dtype)
    return MLP(config.layer_specs, config.activation, config.seed, dtype)


class TrainingMLP(MLP):
    """A multilayer perceptron as it is while it trains.

    With ``z = a_{l-1} @ W_l``, mean m and variance v of z over the mini-batch, hidden layers are
    ``a_l = mask * f(gain * (z - m) / sqrt(v + epsilon) + b_l)``. The mask of dropout is 0 with
    probability ``dropout``, else ``1 / (1 - dropout)``. The label is
    ``(1 - smoothing) * one_hot(y) + smoothing / classes``.
    (Sources: Ioffe and Szegedy 2015, arXiv:1502.03167; Srivastava et al. 2014, JMLR 15:1929;
    Szegedy et al. 2016, arXiv:1512.00567, section 7.)

    Parameters
    ----------
    config : Config
    dtype : type

    Attributes
    ----------
    gains : list of ndarray
        Of each hidden layer, with batch normalisation; behind weights and biases in
        ``parameters``.
    running : ndarray, shape (2, hidden units)
        Running mean and variance of z, of all hidden layers one after the other: what
        :meth:`folded` normalises with. Empty without batch normalisation.
    rng : numpy.random.Generator
        Of the masks.
    """

    def __init__(self, config: Config, dtype: Any = np.float32) -> None:
        hidden = config.layer_specs[1:-1]
        self.extra = sum(hidden) if config.batch_normalisation else 0
        super().__init__(config.layer_specs, config.activation, config.seed, dtype)
        self.dropout, self.smoothing = config.dropout, config.label_smoothing
        self.rng = np.random.default_rng([config.seed, 6])
        self.gains = self.split(self.parameters[self.parameters.size - self.extra :])
        for gain in self.gains:
            gain[...] = 1
        self.running = np.zeros((2, self.extra), self.dtype)
        self.running[1] = 1
        self.means, self.variances = map(self.split, self.running)

    def split(self, row: np.ndarray) -> list[np.ndarray]:
        """Return a view per hidden layer of numbers per hidden unit; none if not normalised."""
        hidden = self.layer_specs[1:-1] if self.extra else ()
        return np.split(row, np.cumsum(hidden, dtype=int)[:-1]) if hidden else []

    def folded(self) -> MLP:
        """Return the plain network that this one has become.

        ``W_l * k`` and ``b_l - m * k`` with ``k = gain / sqrt(v + epsilon)``, for each unit.
        """
        plain = MLP(self.layer_specs, self.activation, dtype=self.dtype)
        for own, given in zip(
            plain.weights + plain.biases, self.weights + self.biases, strict=True
        ):
            own[...] = given
        for layer, gain in enumerate(self.gains):
            scale = gain / np.sqrt(self.variances[layer] + EPSILON)
            plain.weights[layer] *= scale
            plain.biases[layer] -= self.means[layer] * scale
        return plain

    def training_loss(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the summed cross-entropy to the smoothed labels that a training step descends."""
        buffers = TrainingBuffers(self, len(x))
        logits = self.forward_in_training(x, buffers)
        own, classes = 1 - self.smoothing, self.layer_specs[-1]
        loss = own * cross_entropies(logits.copy(), y)
        for c in range(classes if self.smoothing else 0):
            loss += self.smoothing / classes * cross_entropies(logits.copy(), np.full_like(y, c))
        return float(loss.sum())

    def forward_in_training(self, x: np.ndarray, buffers: TrainingBuffers) -> np.ndarray:
        """Write each layer's outputs and return the last: the logits, shape (batch, classes)."""
        f = ACTIVATIONS[self.activation].value
        last = len(self.weights) - 1
        for layer, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            out = np.matmul(x, weights, out=buffers.outputs[layer])
            if layer < len(self.gains):
                out = self._normalise(layer, buffers)
            out += biases
            if layer < last:
                f(out, out=out)
                x = self._drop(layer, buffers) if self.dropout else out
        return out

    def _normalise(self, layer: int, buffers: TrainingBuffers) -> np.ndarray:
        """Turn the weighted inputs into normalised ones, keep those, return them times the gain."""
        z, kept = buffers.outputs[layer], buffers.normalised[layer]
        mean = z.mean(axis=0)
        np.subtract(z, mean, out=kept)
        variance = np.einsum("ij,ij->j", kept, kept) / len(z)
        np.divide(1, np.sqrt(variance + EPSILON), out=buffers.inverse_deviations[layer])
        kept *= buffers.inverse_deviations[layer]
        for running, new in ((self.means, mean), (self.variances, variance)):
            running[layer] += (1 - MEMORY) * (new - running[layer])
        return np.multiply(kept, self.gains[layer], out=z)

    def _drop(self, layer: int, buffers: TrainingBuffers) -> np.ndarray:
        """Draw a mask, and return the outputs with it."""
        mask = buffers.masks[layer]
        self.rng.random(dtype=self.dtype, out=buffers.scratch[layer])
        np.greater_equal(buffers.scratch[layer], self.dropout, out=mask)
        mask *= 1 / (1 - self.dropout)
        return np.multiply(buffers.outputs[layer], mask, out=buffers.dropped[layer])

    def backpropagate(
        self, x: np.ndarray, y: np.ndarray, buffers: TrainingBuffers, scale: float = 1.0
    ) -> None:
        """Write the gradients of :meth:`training_loss`, times ``scale``, into ``buffers``.

        As :meth:`MLP.backpropagate`; behind a normalisation with n images, of which z' are the
        normalised inputs, ``delta <- gain / deviation * (delta - sum(delta) / n - z' * sum(delta
        * z') / n)``, where the first sum is the gradient of the bias, and the second of the gain.
        """
        derivative = ACTIVATIONS[self.activation].derivative
        delta = softmax(self.forward_in_training(x, buffers))
        delta -= (1 - self.smoothing) * buffers.identity.take(y, axis=0)
        delta -= self.smoothing / self.layer_specs[-1]
        delta *= scale
        passed_on = buffers.dropped if self.dropout else buffers.outputs
        for layer in reversed(range(len(self.weights))):
            bias_gradient = np.add.reduce(delta, axis=0, out=buffers.bias_gradients[layer])
            if layer < len(self.gains):
                kept, scratch = buffers.normalised[layer], buffers.scratch[layer]
                gain_gradient = buffers.gain_gradients[layer]
                np.einsum("ij,ij->j", delta, kept, out=gain_gradient)
                delta -= bias_gradient / len(x)
                delta -= np.multiply(kept, gain_gradient / len(x), out=scratch)
                delta *= self.gains[layer] * buffers.inverse_deviations[layer]
            inputs = passed_on[layer - 1] if layer else x
            np.matmul(inputs.T, delta, out=buffers.weight_gradients[layer])
            if layer:
                delta = np.matmul(delta, self.weights[layer].T, out=buffers.deltas[layer - 1])
                if self.dropout:
                    delta *= buffers.masks[layer - 1]
                delta *= derivative(buffers.outputs[layer - 1], out=buffers.scratch[layer - 1])


class TrainingBuffers(Buffers):
    """The arrays of a mini-batch: those of :class:`Buffers`, and what the options keep.

    Attributes
    ----------
    normalised, dropped, masks : list of ndarray
        One array (batch, units) per hidden layer: normalised weighted inputs, outputs with their
        mask, and masks.
    inverse_deviations, gain_gradients : list of ndarray
        One array (units,) per hidden layer.
    """

    PER_IMAGE = (*Buffers.PER_IMAGE, "normalised", "dropped", "masks")

    def __init__(self, model: TrainingMLP, batch: int) -> None:
        super().__init__(model, batch)
        like = self.deltas
        self.normalised = [np.empty_like(array) for array in like[: len(model.gains)]]
        self.dropped = [np.empty_like(array) for array in like if model.dropout]
        self.masks = [np.empty_like(array) for array in like if model.dropout]
        self.inverse_deviations = [np.empty_like(gain) for gain in model.gains]
        self.gain_gradients = model.split(self.gradient[self.gradient.size - model.extra :])
