"""The network as a textbook writes it, to compare with: it calls none of the module's formulas."""

import numpy as np

from kmnist_mlp import MLP

FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "ReLU": lambda z: z * (z > 0),
}


def some_model(layers, activation="tanh", seed=0, dtype=np.float64):
    """Return a network whose biases are not zero, so that they take part."""
    model, rng = MLP(layers, activation, seed, dtype), np.random.default_rng([seed, 99])
    for b in model.biases:
        b += rng.uniform(-0.5, 0.5, b.shape)
    return model


def some_batch(layers, size=7, seed=0):
    """Return random inputs, and labels of all classes."""
    rng = np.random.default_rng([seed, 98])
    return rng.standard_normal((size, layers[0])), np.arange(size) % layers[-1]


def smoothed(y, classes, smoothing=0.0):
    """Return the distribution that each image is trained to have; one-hot without smoothing."""
    return (1 - smoothing) * np.eye(classes)[y] + smoothing / classes


def probabilities(model, x, normalise=None, masks=None):
    """Return p of a network, whose hidden layers may be normalised and multiplied by masks."""
    for layer, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        z = x @ W
        if layer == len(model.weights) - 1:
            return np.exp(z + b) / np.exp(z + b).sum(axis=1, keepdims=True)
        z = normalise(layer, z) if normalise else z
        x = FUNCTIONS[model.activation](z + b) * (masks[layer][: len(x)] if masks else 1)


def central_differences(function, array, epsilon=1e-5):
    """Return the slope of ``function()`` along every entry of ``array``, which it depends on."""
    slopes = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept, values = array[index], []
        for step in (epsilon, -epsilon):
            array[index] = kept + step
            values.append(function())
        array[index], slopes[index] = kept, (values[0] - values[1]) / (2 * epsilon)
    return slopes


def assert_slopes(gradient, function, array):
    """Compare with central differences, whose error is that of rounding in the largest of them."""
    slopes = central_differences(function, array)
    largest = np.abs(slopes).max(initial=0)
    assert largest > 0.01 or not slopes.size  # or the comparison would say nothing
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-8 * largest)
