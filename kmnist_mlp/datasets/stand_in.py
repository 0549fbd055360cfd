"""A drawn imitation of Kuzushiji-MNIST, so that the report runs without network and data.

Each class has three ways of writing it, given as strokes. An image is
one of them: its control points are moved at random, a smooth field
bends it, it is sheared and rotated, and a brush of varying width inks
it. The test images have another handwriting than the training images,
as in the real data, so that test accuracy is lower than validation
accuracy. Nothing measured on them tells anything about the real data.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng

KANA_TABLE, HANDWRITING = (
    list(csv.reader(Path(__file__).with_name(name).read_text("utf-8").splitlines()))[1:]
    for name in ("kana.csv", "handwriting.csv")
)
# The strokes of each class: as they are printed, the same with connected
# strokes, a cursive form. Four digits are one control point: x
# rightwards, then y downwards, in hundredths of a unit square. A slash
# lifts the brush; a repeated point is a sharp turn.
KANA = {name: forms for name, *forms in KANA_TABLE}
# How the writers of the training and of the test images write. Chosen
# so that, as in KMNIST, a multilayer perceptron is right on about nine
# of ten validation images and four of five test images, and a linear
# softmax on clearly fewer: mostly because of the forms that are rare in
# training, and of the shift.
TRAINING, TEST = ({row[0]: float(row[column]) for row in HANDWRITING} for column in (2, 3))

SQUARE = 25  # side of the unit square in pixels; the margin leaves room for the shift
CURVE_POINTS = 96  # one pixel apart on the longest kana; fewer would show as dots
BLOTS = 4


def stroke_points(strokes: str) -> list[np.ndarray]:
    """Return the control points of each stroke of a form in KANA, (points, 2)."""
    digits = [map(int, stroke.split()) for stroke in strokes.split("/")]
    return [np.array([divmod(point, 100) for point in stroke]) / 100 for stroke in digits]


def spline(points: np.ndarray) -> np.ndarray:
    """Return the Catmull-Rom spline through points (n, d): 16 points per segment.

    Source: E. Catmull and R. Rom, A class of local interpolating
    splines, in Computer Aided Geometric Design, Academic Press, 1974.
    """
    t = np.linspace(0, 1, 16)[:, None]
    knots = points[[0, *range(len(points)), len(points) - 1]][:, None]
    a, b, c, d = knots[:-3], knots[1:-2], knots[2:-1], knots[3:]
    bow = (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    return (b + bow / 2).reshape(-1, points.shape[1])


def draw_stand_in(n_train: int = 6000, n_test: int = 1000) -> tuple:
    """Draw a training set and, in another handwriting, a test set.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of images.

    Returns
    -------
    train_images, train_labels, test_images, test_labels
        Images ``(n, 28, 28)`` uint8, white on black; labels ``(n,)``
        uint8, the index in :data:`KANA`, every class equally often
        (to within one image), in random order.
    """
    train_rng, test_rng = default_rng(0).spawn(2)
    return *_draw(n_train, TRAINING, train_rng), *_draw(n_test, TEST, test_rng)


def _draw(n: int, style: dict[str, float], rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw `n` images ``(n, 28, 28)`` and their labels ``(n,)``."""
    labels = rng.permutation(np.arange(n) % len(KANA)).astype(np.uint8)
    shares = [style[name] for name in ("printed", "connected", "cursive")]
    forms = rng.choice(3, size=n, p=shares)
    curves, lengths = np.empty((n, CURVE_POINTS, 2)), np.empty(n)
    for label, kana in enumerate(KANA.values()):
        for form, strokes in enumerate(kana):
            chosen = (labels == label) & (forms == form)
            points, basis, lengths[chosen] = _curve(strokes)
            moves = style["jitter"] * rng.standard_normal((chosen.sum(), *points.shape))
            curves[chosen] = basis @ (points + moves)
    # small blocks: little memory, and they stay in the cache
    cuts = range(100, n, 100)
    blocks = zip(np.split(curves, cuts), np.split(lengths, cuts), strict=True)
    images = [_ink(_write(line, style, rng), length, style, rng) for line, length in blocks]
    return np.concatenate(images), labels


def _curve(strokes: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Prepare the smooth curve through the control points of each stroke.

    A Catmull-Rom spline is linear in its control points, so that one
    matrix, made for the unshaken character, draws all its shaken copies.

    Returns
    -------
    control_points : ``(control points, 2)``, the square's centre at 0.
    basis : ``(CURVE_POINTS, control points)``: `basis @ control_points` is evenly on the curve.
    length : of the curve, all strokes together.
    """
    lines = stroke_points(strokes)
    control_points = np.concatenate(lines) - 0.5
    ends = np.cumsum([len(line) for line in lines])
    rows = [spline(one_hot) for one_hot in np.split(np.eye(ends[-1]), ends[:-1])]
    # No step leads from one stroke to the next: there the brush is lifted.
    moves = [np.diff(row @ control_points, axis=0) for row in rows]
    way = np.cumsum(np.concatenate([np.append(0, np.hypot(*move.T)) for move in moves]))
    stations = (np.arange(CURVE_POINTS) + 0.5) / CURVE_POINTS * way[-1]
    columns = np.concatenate(rows).T
    basis = np.stack([np.interp(stations, way, column) for column in columns], axis=1)
    return control_points, basis, way[-1]


def _write(curves: np.ndarray, style: dict[str, float], rng: Generator) -> np.ndarray:
    """Bend, stretch, shear, turn and shift curves ``(n, points, 2)``; the result is in pixels."""
    n = len(curves)
    # A sum of three plane waves of low frequency, for each of the two
    # directions of movement.
    for _ in range(3):
        frequency = rng.normal(0, 5, (n, 1, 2))
        phase = rng.uniform(0, 2 * np.pi, (n, 1))
        wave = np.sin((curves * frequency).sum(axis=2) + phase)
        curves = curves + style["bend"] * rng.standard_normal((n, 1, 2)) * wave[:, :, None]
    x, y = curves[:, :, 0], curves[:, :, 1]
    x_stretch, y_stretch = np.exp(style["stretch"] * rng.standard_normal((2, n, 1)))
    shear = style["slant"] + style["slant_spread"] * rng.standard_normal((n, 1))
    x, y = x * x_stretch + y * shear, y * y_stretch
    angle = style["turn"] * rng.standard_normal((n, 1))
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = x * cos - y * sin, x * sin + y * cos
    shift = style["shift"] * rng.standard_normal((n, 1, 2))
    return 13.5 + SQUARE * (np.stack([x, y], axis=2) + shift)


def _ink(curves: np.ndarray, lengths: np.ndarray, style: dict, rng: Generator) -> np.ndarray:
    """Ink curves ``(n, points, 2)`` of lengths ``(n,)``: images ``(n, 28, 28)`` uint8.

    Each point leaves a round Gaussian spot. As that is the product of a
    function of the row and one of the column, the sum over all points is
    one matrix product.
    """
    n = len(curves)
    # The brush is pressed harder here and there, in a wave along the way.
    position = np.linspace(0, 1, CURVE_POINTS)
    waves, phase = rng.uniform(1, 5, (n, 1)), rng.uniform(0, 2 * np.pi, (n, 1))
    pressure = 0.3 * np.sin(2 * np.pi * waves * position + phase)
    radius = style["brush"] * np.exp(0.2 * rng.standard_normal((n, 1)) + pressure)
    # a finer line would fall apart into its points
    radius = np.maximum(radius, 0.45)
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
