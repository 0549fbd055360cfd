"""Label smoothing, mixup, dropout and averaged weights."""

from itertools import chain
from typing import Any

import numpy as np

from kmnist_mlp.config import Stream
from kmnist_mlp.extensions.method import Method
from kmnist_mlp.network import MLP, hooks


class LabelSmoothing(Method):
    """Spreads a share s of each label over all K classes: ``t <- (1 - s) * t + s / K``.

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """

    option = "label_smoothing"

    def mini_batch(self, x: np.ndarray, t: np.ndarray) -> None:
        """Change the targets t, (batch, classes), in place."""
        t *= 1 - self.value
        t += self.value / t.shape[1]


class Mixup(Method):
    """Mixes each image of a mini-batch, and its target, with another one of the same mini-batch.

    ``x <- k * x + (1 - k) * x'`` and ``t <- k * t + (1 - k) * t'``, with
    ``k`` from the distribution Beta(mixup, mixup), drawn for each image.
    (Source: Zhang et al. 2018, arXiv:1710.09412, section 2.)
    """

    option, stream = "mixup", Stream.MIXUP

    def mini_batch(self, x: np.ndarray, t: np.ndarray) -> None:
        """Mix x, (batch, inputs), and t, (batch, classes), in place."""
        other = self.rng.permutation(len(x))
        share = self.rng.beta(self.value, self.value, (len(x), 1)).astype(x.dtype)
        for rows in (x, t):
            rows += (rows[other] - rows) * (1 - share)


class Dropout(Method):
    """Multiplies the outputs of hidden units by a mask that is drawn for each image.

    The mask is 0 with probability p, ``config.dropout``, else
    ``1 / (1 - p)``, so that the mean of an output stays what it is.
    (Source: Srivastava et al. 2014, JMLR 15:1929, section 10.)
    """

    option, stream = "dropout", Stream.DROPOUT

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self.masks: dict[int, np.ndarray] = {}

    def outputs(self, layer: int, a: np.ndarray) -> np.ndarray:
        """Draw a mask for a, shape (batch, units), and return the product; a stays as it is."""
        kept = self.rng.random(a.shape, a.dtype) >= self.value
        self.masks[layer] = kept * a.dtype.type(1 / (1 - self.value))
        return a * self.masks[layer]

    def outputs_backward(self, layer: int, delta: np.ndarray) -> None:
        """Multiply the gradient with respect to the product by the mask, in place."""
        delta *= self.masks[layer]


class WeightAverage(Method):
    """Exponential moving average of the weights w over the steps of the optimiser.

    After step t, ``m <- m + (1 - decay) / (1 - decay**t) * (w - m)``: the
    initial weights do not count. So are the arrays that another method
    has as ``averaged``, as they belong to the weights. Source: Tarvainen
    and Valpola 2017, arXiv:1703.01780, eq. 3, with the correction of
    Kingma and Ba 2015, arXiv:1412.6980, section 3. Plain averages of
    weights go back to Polyak and Juditsky 1992, doi:10.1137/0330046.
    """

    option, numbers = "weight_averaging", ("steps",)

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        arrays = [run.model.parameters, *chain(*hooks(run.methods, "averaged"))]
        self.averages = [(array.copy(), array, np.empty_like(array)) for array in arrays]
        self.changing = {f"mean {i}": mean for i, (mean, *_) in enumerate(self.averages)}
        self.steps = 0

    def batch(self, epochs_done: float) -> None:
        """Take the present values into the means."""
        self.steps += 1
        share = (1 - self.value) / (1 - self.value**self.steps)
        for mean, array, change in self.averages:
            np.subtract(array, mean, out=change)
            mean += np.multiply(change, share, out=change)

    def exchange(self, model: MLP) -> MLP:
        """Exchange values and means, and return a copy of the network."""
        for mean, array, _ in self.averages:
            mean[...], array[...] = array.copy(), mean.copy()
        return model.copy()
