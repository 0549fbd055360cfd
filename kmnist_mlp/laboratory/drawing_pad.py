"""A pad to draw a character on: a trained network that runs in the page itself, without a server.

The page's side is hand-written in laboratory/pad/. A drawing is strokes; :func:`image_of` says how
they become an image like those of the data, and pad.js does the same in the browser.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from kmnist_mlp.data import Dataset, split_and_standardise
from kmnist_mlp.datasets.stand_in import KANA, spline, stroke_points
from kmnist_mlp.figures.exhibit import ExhibitData
from kmnist_mlp.figures.style import BLUE, SKY, finished, use_style, web_font
from kmnist_mlp.support.checks import instance
from kmnist_mlp.training import TrainingResult

PAD = Path(__file__).with_name("pad")
UNSEEN = "STAND-IN DATA: this network has never seen Kuzushiji-MNIST."
SIDE = 28

# Measured on KMNIST's 60,000 training images: the ink's bounding box fills the frame along its
# longer side (27 or 28 pixels in 97 % of them) and is centred along the other to within a pixel
# (98 %). Twice the ink over its outline, the mean width of a stroke, has the median 2.7; 27 % of
# the inked pixels are white and 63 % grey. A pen of this radius and edge, both in pixels, has 2.5,
# 24 % and 65 % on the strokes of the stand-in.
RADIUS, EDGE = 1.1, 1.5
EXTENT = 12  # hundredths of the pad: a smaller drawing (a dot) is not blown up any further

# Two characters that old books rarely write as they are printed today, in the notation of
# stand_in.KANA. They and today's forms of all ten are the examples that the pad shows.
OLD_FORMS = {
    "お": "0440 1839 3634/2222 2238 2258 2270 1474 0464 1456 3052 4260 4070 3074/6630 8034 9648",
    "は": "3234 3342 2856 1664 0668/6232 7636 8848 9662",
}

WITHOUT_SCRIPTS = (
    "This is a picture of a pad on which you can draw a character and watch the network read it. "
    "The pad itself runs where scripts do: in the exported page (make html), and in JupyterLab "
    "once the notebook is trusted (View, Activate Command Palette, Trust Notebook)."
)


@dataclass(frozen=True)
class DrawingPad:
    """A pad as notebooks and pages show it; several on one page do not meet.

    Attributes
    ----------
    about : str
        Which network reads the drawing.
    html : str
        One element: a picture and a sentence, which a script replaces by the pad.
    """

    about: str
    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def image_of(strokes: list[np.ndarray]) -> np.ndarray:
    """Return strokes as an image like those of the data: (28, 28) uint8, white on black.

    The ink is scaled until the longer side of its bounding box fills the frame, and the box is
    centred. A pixel at distance d from the line is ``255 s(t)`` with ``t = (RADIUS - d) / EDGE +
    1/2``, cut off at 0 and 1, and the smooth step ``s(t) = t**2 (3 - 2t)``.

    Parameters
    ----------
    strokes : list of ndarray, shape (points, 2)
        x rightwards and y downwards, in hundredths of the pad.

    Examples
    --------
    >>> image_of([np.array([[10, 50], [90, 50]])])[13:15, :3]
    array([[204, 248, 248],
           [204, 248, 248]], dtype=uint8)
    """
    if not strokes:
        return np.zeros((SIDE, SIDE), np.uint8)
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (SIDE - 2 * RADIUS) / max(*(high - low), EXTENT)
    lines = [SIDE / 2 + (stroke - (low + high) / 2) * scale for stroke in strokes]
    starts = np.concatenate(lines)
    ways = np.concatenate([np.append(line[1:], line[-1:], axis=0) for line in lines]) - starts
    lengths = (ways**2).sum(axis=1)
    rows, columns = np.divmod(np.arange(SIDE**2), SIDE)
    there = np.stack([columns, rows], axis=1)[:, None] + 0.5 - starts  # (pixels, pieces, 2)
    t = np.clip((there * ways).sum(axis=2) / np.where(lengths > 0, lengths, 1), 0, 1)
    nearest = np.hypot(*np.moveaxis(there - t[:, :, None] * ways, 2, 0)).min(axis=1)
    t = np.clip((RADIUS - nearest) / EDGE + 0.5, 0, 1)
    return np.rint(255 * t**2 * (3 - 2 * t)).astype(np.uint8).reshape(SIDE, SIDE)


def examples(name: str) -> list[list[np.ndarray]]:
    """Return drawings of a character, each as :func:`image_of` takes it; none of an unknown one.

    The project's own, not the data's: first the form of old books, where it is another, then
    today's.
    """
    forms = [OLD_FORMS[name]] if name in OLD_FORMS else []
    forms += [KANA[name][0]] if name in KANA else []
    curves = [[100 * spline(line) for line in stroke_points(form)] for form in forms]
    # a third of the points is smooth enough, but the last one counts
    return [[np.append(c[:-1:3], c[-1:], axis=0).round(1) for c in drawing] for drawing in curves]


def drawing_pad(run: TrainingResult, data: Dataset) -> DrawingPad:
    """Return a pad that a trained network reads, as one piece of HTML that loads nothing.

    Parameters
    ----------
    run : TrainingResult
        Any layers and activation; its weights go into the page in 16 bits.
    data : Dataset
        What it was trained on: the names of the classes and, with the run's seed, mean and
        standard deviation of each pixel.

    Raises
    ------
    ValueError
        If the images are not 28 x 28, the network is not one for them, or a weight is too large
        for 16 bits.
    """
    model = instance("run", run, TrainingResult).model
    side = instance("data", data, Dataset).train_images.shape[1:]
    if side != (SIDE, SIDE):
        raise ValueError(f"a pad is for images of {SIDE} x {SIDE} pixels; data has {side}")
    ends, fitting = model.layer_specs[:: len(model.layer_specs) - 1], len(data.class_names)
    if ends != (SIDE**2, fitting):
        raise ValueError(
            f"for data, a network of {SIDE**2} inputs and {fitting} outputs is needed; "
            f"got {model!r}"
        )
    largest = np.finfo(np.float16).max
    if abs(model.parameters).max() > largest:
        raise ValueError(f"a weight is larger than {largest}, the largest number of 16 bits")
    split = split_and_standardise(data, run.config.seed)
    layers = "-".join(map(str, model.layer_specs))
    about = (
        f"The network {layers} ({model.activation}, seed {run.config.seed}) runs in this page. On "
        f"the test images of {data.name} it is right in {100 * run.test_accuracy:.1f} %."
    )
    names = zip(data.class_names, data.romaji, strict=False)
    content = {
        "markup": f"<style>{_part('pad.css')}</style>{_part('pad.html')}",
        "font": web_font("".join(data.class_names)),
        "classes": [
            {
                "name": name,
                "reading": reading,
                "examples": [[line.tolist() for line in drawing] for drawing in examples(name)],
            }
            for name, reading in names
        ],
        "about": about,
        "warning": UNSEEN if data.is_stand_in else "",
        "shape": {"side": SIDE, "radius": RADIUS, "edge": EDGE, "extent": EXTENT},
        "network": {
            "layers": model.layer_specs,
            "activation": model.activation,
            "parameters": _base64(model.parameters.astype("<f2").tobytes()),
            "statistics": _base64(np.concatenate([split.mean, split.std]).astype("<f4").tobytes()),
        },
    }
    # Within a script only "<" could end it.
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return DrawingPad(
        about,
        f'<div class="drawing-pad">{_picture(run, data, split.mean, split.std)}'
        f'<p>{WITHOUT_SCRIPTS}</p><script>\n(() => {{\n"use strict";\n{_part("pad.js")}\n'
        f"startPad(document.currentScript.parentElement, {text});\n}})();\n</script></div>",
    )


def _part(name: str) -> str:
    return (PAD / name).read_text(encoding="utf-8")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _picture(run: TrainingResult, data: Dataset, mean: np.ndarray, std: np.ndarray) -> str:
    """Return what stands where no script runs: an example, its image and the answer."""
    candidates = [
        (label, drawing)
        for label, name in enumerate(data.class_names)
        for drawing in examples(name)
    ]
    if not candidates:
        return ""
    images = np.stack([image_of(drawing) for _, drawing in candidates])
    answers = run.model.predict_proba((images.reshape(len(images), -1) - mean) / std)
    labels = [label for label, _ in candidates]
    chosen = int(answers[np.arange(len(labels)), labels].argmax())  # the one it knows best
    drawn, image, shares = candidates[chosen][1], images[chosen], answers[chosen]
    names = [f"{k} {r}" for k, r in zip(data.class_names, data.romaji, strict=False)]
    best = int(shares.argmax())
    with mpl.rc_context():
        use_style()
        figure, (pad, seen, bars) = plt.subplots(1, 3, figsize=(9.5, 3), width_ratios=(1, 1, 1.3))
        for line in drawn:
            pad.plot(*line.T, color="black", linewidth=9, solid_capstyle="round")
        pad.set(title="Drawn", xlim=(0, 100), ylim=(100, 0), aspect="equal")
        seen.imshow(image, cmap="gray", vmin=0, vmax=255)
        seen.set_title("What the network sees")
        for axis in (pad, seen):
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(True)
        colours = [BLUE if i == best else SKY for i in range(len(names))]
        bars.barh(names, 100 * shares, color=colours)
        bars.set(title="Its answer", xlim=(0, 100), xlabel="probability, %")
        bars.invert_yaxis()
        bars.grid(visible=False, axis="y")
        finished(figure, data.name, ExhibitData(""))
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=100, metadata={"Software": None})
    alt = (
        f"A drawn character, its image of {SIDE} x {SIDE} pixels, and the network's answer: "
        f"{names[best]}, {shares[best]:.0%}."
    )
    source = f"data:image/png;base64,{_base64(content.getvalue())}"
    return f'<img class="figure" alt="{escape(alt)}" src="{source}">'
