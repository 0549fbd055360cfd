"""Lets the report run without network and data: draws an imitation of Kuzushiji-MNIST.

Each class has three ways of writing it, given as strokes. An image is one of them, its control
points shaken, bent by a smooth field, sheared and turned, and inked by a brush of varying width.
The test images come from another hand than the training images, as in the real data, so that
test accuracy is lower than validation accuracy. Nothing measured on them says anything about
the real data.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng

# Four digits are one control point: x rightwards, then y downwards, in hundredths of a unit
# square. A slash lifts the brush; a repeated point is a sharp turn. In each class: the strokes
# as they are printed, the same with connected strokes, a cursive form.
KANA = {
    "お": (
        "1431 5827/3808 3840 3878 3088 1980 2264 4453 6850 8361 8078 6888 5489/6619 7624 8634",
        "1234 3531 5825 5213 4010 3640 3676 2886 1778 2462 4652 7050 8460 7880 5290/6814 7720 8832",
        "1440 3836 5832 4622 3609 3430 3260 2684 1688 1474 3260 5850 7452 7468 6084 5590/7020 9044",
    ),
    "き": (
        "2028 4526 7320/1846 4744 7938/4208 5234 6760/2968 2779 4088 6090 7287",
        "2027 4525 7320/1846 4744 7938/4208 5335 6961 6961 4761 3169 2780 4089 7089",
        "2428 5024 7018 7018 2443 2443 5439 7833 6414 4408 5032 6658 6658 4260 2674 3486 5490 7084",
    ),
    "す": (
        "1029 5026 9024/5707 5830 5850 5163 4064 3654 4446 5450 5964 5480 3794",
        "1229 5026 8823/5407 5635 5458 4271 2864 2850 4041 5448 6264 5484 3095",
        "1034 4430 8424 8424 6612 5608 5830 5652 3462 2850 4440 6048 6668 5684 4296 2690",
    ),
    "つ": (
        "0839 3530 6225 8434 8853 7669 5280 3484",
        "1426 2038 3030 5622 7630 8048 6868 4684 2692",
        "1030 1444 2430 3426 4044 5230 6822 8434 8456 7076 5090",
    ),
    "な": (
        "1228 3228 5224/3807 3130 1358/6720 7726 8635/6442 6562 6478 5489 4087 3777 4872 6677 8690",
        "1228 3228 5224/3607 3032 1560/6416 8430 8430 6442 6260 6478 5090 3684 3874 5272 6878 8894",
        "1231 3329 5422 4612 3809 2838 1260 1260 5034 7230 8236 6046 5464 5882 4492 3284 4474 8492",
    ),
    "は": (
        "2010 1540 1668 2189 2776/3832 6232 8828/6609 6740 6772 5887 4586 4076 5069 6874 8888",
        "2210 1745 1870 2488 4440 3836 6432 8830 7816 6808 6640 6874 5488 4078 5068 7078 9090",
        "3824 3642 2662 0882/5420 6024 7052 9280",
    ),
    "ま": (
        "1925 5024 8121/2243 5043 7840/5207 5338 5370 4386 2885 2475 3667 5674 8090",
        "2024 5022 8018 8018 2243 2243 5041 7836 6614 5207 5240 5272 4088 2483 2672 4468 8290",
        "2626 7218 7218 3040 3040 6634 6634 5810 4808 5040 4870 3692 2080 3268 5672 6884 6092",
    ),
    "や": (
        "0750 3537 6327 8329 8843 7754 6053/5207 5814 5924/2520 3654 5295",
        "0852 3236 5826 8028 9044 7660 5658 5040 5008 6222/2418 3454 4894",
        "0654 4040 7232 9242 8458 6262 5250 4626 4210 4210 4844 5294",
    ),
    "れ": (
        "2908 2950 2993/0933 3826 3826 2750 0877 0877 3048 5229 6428 6546 6274 7088 8288 9474",
        "3008 3050 2893/1030 4022 4022 1068 0882 0882 3056 5030 6630 6648 5476 6090 7686 9272",
        "2808 2850 2790 2790 1262 1438 3830 3830 0880 0880 3448 5428 6832 6852 6278 7290 9676",
    ),
    "を": (
        "1824 4724 7420/4606 3830 1859 1859 3346 4845 5458 5471/8639 6249 3865 3080 4291 6292 8090",
        "1624 7018 7018 5612 4206 3634 1660 3448 5048 5472 5472 8638 6048 3666 3082 4691 8088",
        "2226 7420/5206 4034 1662 1662 3450 4850 5066 7046 8838 8838 5256 3474 4088 6490 9086",
    ),
}
SQUARE = 25  # side of the unit square in pixels; the margin leaves room for the shift
CURVE_POINTS = 96  # a pixel apart on the longest kana; fewer would show as dots
BLOTS = 4


class Hand(NamedTuple):
    """How a group of writers writes: lengths in unit squares, spreads as standard deviations."""

    forms: tuple[float, float, float]  # shares of the three forms, in the order of KANA
    slant: float  # mean of the horizontal shear
    slant_spread: float
    turn: float  # spread of the rotation, radians
    stretch: float  # spread of the logarithm of width and height
    shift: float  # spread of the position of the character
    jitter: float  # spread of each control point
    bend: float  # spread of the smooth field that bends the whole
    brush: float  # median radius of the brush, pixels


# Chosen so that, as in KMNIST, a multilayer perceptron is right on about nine of ten validation
# images and four of five test images, and a linear softmax on clearly fewer: mostly the work of
# the forms that the training hand seldom uses, and of the shift.
TRAIN_HAND = Hand((0.45, 0.45, 0.10), 0.0, 0.08, 0.04, 0.06, 0.08, 0.013, 0.018, 0.70)
TEST_HAND = Hand((0.40, 0.25, 0.35), -0.09, 0.09, 0.05, 0.08, 0.08, 0.014, 0.022, 0.64)


def draw_stand_in(
    n_train: int = 6000, n_test: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw a training set and, by another hand, a test set.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of images.
    seed : int
        The same seed gives the same images.

    Returns
    -------
    train_images, train_labels, test_images, test_labels
        Images ``(n, 28, 28)`` uint8, white on black; labels ``(n,)`` uint8, the index in `KANA`,
        every class equally often (to within one image), in random order.
    """
    train_rng, test_rng = default_rng(seed).spawn(2)
    return *_draw(n_train, TRAIN_HAND, train_rng), *_draw(n_test, TEST_HAND, test_rng)


def _draw(n: int, hand: Hand, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` images ``(n, 28, 28)`` and their labels ``(n,)``."""
    labels = rng.permutation(np.arange(n) % len(KANA)).astype(np.uint8)
    forms = rng.choice(3, size=n, p=hand.forms)
    curves = np.empty((n, CURVE_POINTS, 2))
    lengths = np.empty(n)
    for label, kana in enumerate(KANA.values()):
        for form, strokes in enumerate(kana):
            chosen = (labels == label) & (forms == form)
            control_points, basis, length = _curve(strokes)
            shape = (np.count_nonzero(chosen), *control_points.shape)
            curves[chosen] = basis @ (control_points + hand.jitter * rng.standard_normal(shape))
            lengths[chosen] = length
    images = np.empty((n, 28, 28), dtype=np.uint8)
    for start in range(0, n, 100):  # small blocks: little memory, and they stay in the cache
        block = slice(start, start + 100)
        images[block] = _ink(_write(curves[block], hand, rng), lengths[block], hand.brush, rng)
    return images, labels


def stroke_points(strokes: str) -> list[np.ndarray]:
    """Return the control points of each stroke of a form in `KANA`, (points, 2), in the square."""
    return [np.array([divmod(int(p), 100) for p in s.split()]) / 100 for s in strokes.split("/")]


def spline(points: np.ndarray) -> np.ndarray:
    """Return the Catmull-Rom spline through points (n, d): 16 of its points a piece, both ends in.

    Source: E. Catmull and R. Rom, A class of local interpolating splines, in Computer Aided
    Geometric Design, Academic Press, 1974.
    """
    t = np.linspace(0, 1, 16)[:, None]
    knots = points[[0, *range(len(points)), len(points) - 1]][:, None]
    a, b, c, d = knots[:-3], knots[1:-2], knots[2:-1], knots[3:]
    bow = (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    return (b + bow / 2).reshape(-1, points.shape[1])


def _curve(strokes: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Prepare the smooth curve through the control points of each stroke.

    A Catmull-Rom spline is linear in its control points, so that one matrix, made for the
    unshaken character, draws all its shaken copies.

    Returns
    -------
    control_points : ``(control points, 2)``, the square's centre at 0.
    basis : ``(CURVE_POINTS, control points)``: `basis @ control_points` is evenly on the curve.
    length : of the curve, all strokes together.
    """
    lines = stroke_points(strokes)
    control_points = np.concatenate(lines) - 0.5
    one_hot = np.eye(len(control_points))
    rows, steps, start = [], [], 0
    for line in lines:
        stop = start + len(line)
        rows.append(spline(one_hot[start:stop]))
        # No step leads from one stroke to the next: there the brush is lifted.
        steps.append(np.append(0, np.hypot(*np.diff(rows[-1] @ control_points, axis=0).T)))
        start = stop
    way = np.cumsum(np.concatenate(steps))
    stations = (np.arange(CURVE_POINTS) + 0.5) / CURVE_POINTS * way[-1]
    columns = np.concatenate(rows).T
    basis = np.stack([np.interp(stations, way, column) for column in columns], axis=1)
    return control_points, basis, way[-1]


def _write(curves: np.ndarray, hand: Hand, rng: Generator) -> np.ndarray:
    """Bend, stretch, shear, turn and shift curves ``(n, points, 2)``; the result is in pixels."""
    n = len(curves)
    # A sum of three plane waves of low frequency, for each of the two directions of movement.
    for _ in range(3):
        frequency = rng.normal(0, 5, (n, 1, 2))
        phase = rng.uniform(0, 2 * np.pi, (n, 1))
        wave = np.sin((curves * frequency).sum(axis=2) + phase)
        curves = curves + hand.bend * rng.standard_normal((n, 1, 2)) * wave[:, :, None]
    x, y = curves[:, :, 0], curves[:, :, 1]
    x_stretch, y_stretch = np.exp(hand.stretch * rng.standard_normal((2, n, 1)))
    shear = hand.slant + hand.slant_spread * rng.standard_normal((n, 1))
    x, y = x * x_stretch + y * shear, y * y_stretch
    angle = hand.turn * rng.standard_normal((n, 1))
    x, y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    shift = hand.shift * rng.standard_normal((n, 1, 2))
    return 13.5 + SQUARE * (np.stack([x, y], axis=2) + shift)


def _ink(curves: np.ndarray, lengths: np.ndarray, brush: float, rng: Generator) -> np.ndarray:
    """Ink curves ``(n, points, 2)`` of lengths ``(n,)``: images ``(n, 28, 28)`` uint8.

    Each point leaves a round Gaussian spot. As that is the product of a function of the row and
    one of the column, the sum over all points is one matrix product.
    """
    n = len(curves)
    # The brush is pressed harder here and there, in a wave along the way.
    position = np.linspace(0, 1, CURVE_POINTS)
    waves, phase = rng.uniform(1, 5, (n, 1)), rng.uniform(0, 2 * np.pi, (n, 1))
    pressure = 0.3 * np.sin(2 * np.pi * waves * position + phase)
    radius = brush * np.exp(0.2 * rng.standard_normal((n, 1)) + pressure)
    radius = np.maximum(radius, 0.45)  # a finer line would fall apart into its points
    saturation = np.exp(1.4 + 0.4 * rng.standard_normal((n, 1)))
    weight = saturation * SQUARE * lengths[:, None] / CURVE_POINTS / radius / np.sqrt(2 * np.pi)

    blots = rng.uniform(0, 27, (n, BLOTS, 2))
    blot_radius = rng.uniform(0.4, 1.6, (n, BLOTS))
    blot_weight = rng.uniform(0, 1, (n, BLOTS)) ** 6
    spots = np.concatenate([curves, blots], axis=1)[:, None]
    scale = -0.5 / np.concatenate([radius, blot_radius], axis=1)[:, None] ** 2
    weight = np.concatenate([weight, blot_weight], axis=1)[:, None]
    pixel = np.arange(28.0)[:, None]
    columns = np.exp(scale * (pixel - spots[..., 0]) ** 2)
    rows = np.exp(scale * (pixel - spots[..., 1]) ** 2) * weight
    ink = rows @ columns.transpose(0, 2, 1)

    grain = rng.standard_normal((n, 28, 28))
    grey = 255 * (1 - np.exp(-ink * np.exp(0.25 * grain))) + 6 * grain - 9
    return np.rint(grey.clip(0, 255)).astype(np.uint8)
