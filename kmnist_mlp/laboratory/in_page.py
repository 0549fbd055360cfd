"""Networks that run in the page itself, without a server: a drawing pad, and a playground.

A drawing is a list of strokes, which laboratory/browser/pad.js turns
into an image like those of the data. The playground trains the paper's
network.
"""

import json
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
from IPython.display import HTML

from kmnist_mlp.beyond import from_rounded, rounded
from kmnist_mlp.beyond.evaluation import distorted
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.stand_in import KANA, spline, stroke_points
from kmnist_mlp.figures.report_figure import shown
from kmnist_mlp.figures.style import deflated, web_font
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import layers_for
from kmnist_mlp.support.statistics import in_percent

BROWSER = Path(__file__).with_name("browser")
UNSEEN = "STAND-IN DATA: this network has never seen Kuzushiji-MNIST."
SIDE = 28
IN_PAGES = ("tanh", "sigmoid", "ReLU")  # the activations that network.js knows
# Images of the playground, a fifth of the first for validation: an epoch
# takes about a second
IMAGES, TEST = 2500, 500
# A drawing is none of the classes if its largest probability is below
# that of all but this share of characters. With the final network, 1 %
# lets 48 % of the scribbles pass, 4 % 21 %, and 10 %, where the sum of
# both errors is smallest of those tried, 11 %; but from 2 % on, one of
# the examples that the pad shows would be rejected.
REJECTED, SCRIBBLES = 0.01, 500

# Measured on KMNIST's 60,000 training images: the ink's bounding box
# fills the frame along its longer side (27 or 28 pixels in 97 % of
# them) and is centred along the other to within a pixel (98 %). Twice
# the ink over its outline, the mean width of a stroke, has the median
# 2.7; 27 % of the inked pixels are white and 63 % grey. A pen of this
# radius and edge, both in pixels, has 2.5, 24 % and 65 % on the strokes
# of the stand-in.
RADIUS, EDGE = 1.1, 1.5
# In hundredths of the pad: a smaller drawing (a dot) is not blown up
# any further
EXTENT = 12

# Two characters that old books seldom write in today's form, in the
# notation of kana.csv. The pad shows these, and today's forms of all
# ten, as examples.
OLD_FORMS = pd.read_csv(Path(__file__).with_name("old_forms.csv"), index_col="kana").strokes


def examples(name: str) -> list[list[np.ndarray]]:
    """Return drawings of a character, each a list of strokes; none of an unknown one.

    The project drew them; they are not from the data. The form of old
    books comes first, if it differs from today's.
    """
    forms = [form for form in (OLD_FORMS.get(name), *KANA.get(name, ())[:1]) if form]
    curves = [[100 * spline(line) for line in stroke_points(form)] for form in forms]
    # a third of the points is smooth enough, but the last one counts
    return [[np.append(c[:-1:3], c[-1:], axis=0).round(1) for c in drawing] for drawing in curves]


def drawing_pad(
    network: TrainingResult | MLP, data: Dataset, *, bits: int = 8, images: int = 0
) -> HTML:
    """Return a pad on which a trained network classifies drawings.

    It is one element that loads nothing: a sentence, which a script
    replaces by the pad. Several on one page are independent.

    Parameters
    ----------
    network : TrainingResult or MLP
        Any layers. The page gets its weights in few bits, and its
        standardisation.
    data : Dataset
        The data that it was trained on, for the names of the classes
        and its accuracy.
    bits : int
        Of a weight: see :func:`kmnist_mlp.beyond.rounded`.
    images : int
        Training images, the first ones, of which the pad shows those
        nearest to a drawing.

    Raises
    ------
    ValueError
        If the network is not one for 28 x 28 pixels and the classes of
        ``data``, or its activation is one that the page does not know.
    """
    is_run = isinstance(network, TrainingResult)
    model = network.model if is_run else network
    layers_for(model.layer_specs, SIDE**2, len(data.class_names))
    if len(model.weights) > 1 and model.activation not in IN_PAGES:
        raise ValueError(f"activation must be one of {IN_PAGES} here; got {model.activation!r}")
    header, arrays = rounded(model, bits)
    levels, scales = (
        np.concatenate([array.ravel() for name, array in arrays.items() if kind in name])
        for kind in ("weights_", "scales_")
    )
    model = from_rounded(header, arrays)
    p, (least, passing) = model.predict_proba(data.test_images), rejection_threshold(model, data)
    floats = np.concatenate([scales, *model.biases, *model.standardisation]).astype("<f4")
    network = {"levels": deflated(levels.tobytes()), "floats": deflated(floats.tobytes())}
    network["least"] = least
    known, labels = data.train_images[:images].tobytes(), data.train_labels[:images].tolist()
    about = {"layers": shown(model.layer_specs), "model": model, "data": data, "bits": bits}
    about["accuracy"] = in_percent((p.argmax(axis=1) == data.test_labels).mean())
    about |= {"least": in_percent(least, 0), "rejected": in_percent((p.max(axis=1) < least).mean())}
    about |= {"scribbles": SCRIBBLES, "passing": in_percent(passing, 0)}
    content = pad_content(data) | {
        "about": source("about.txt").format(**about, share=in_percent(REJECTED, 0)),
        "warning": UNSEEN if data.is_stand_in and is_run else "",
        "network": network | {"layers": model.layer_specs, "activation": model.activation},
        "images": {"labels": labels, "pixels": deflated(known)} if images else None,
    }
    return HTML(filled("pad_frame.html", content))


def pad_content(data: Dataset) -> dict:
    """Return what every pad for the classes of ``data`` needs, whatever its network is."""
    classes = zip(data.class_names, data.romaji, strict=True)
    return {
        "markup": f"<style>{source('pad.css')}</style>{source('pad.html')}",
        "font": web_font("".join(data.class_names)),
        "classes": [{"name": n, "reading": r, "examples": examples(n)} for n, r in classes],
        "shape": {"side": SIDE, "radius": RADIUS, "edge": EDGE, "extent": EXTENT},
    }


def rejection_threshold(model: MLP, data: Dataset) -> tuple[float, float]:
    """Return the least probability that a pad accepts, and how many scribbles pass.

    The threshold rejects the share :data:`REJECTED` of 2,000 training
    images that are distorted anew. These stand for validation images,
    of which the final network has none: it was trained on all training
    images. The second number is the share of :func:`scribbles` that
    have no smaller probability, and are taken for a character.
    """
    p = model.predict_proba(distorted(data.train_images[:2000]))
    least = float(np.quantile(p.max(axis=1), REJECTED))
    p = model.predict_proba(np.array([image_of(drawing) for drawing in scribbles()]))
    return least, float((p.max(axis=1) >= least).mean())


def scribbles(count: int = SCRIBBLES) -> list[list[np.ndarray]]:
    """Return drawings that are no characters, always the same; a multiple of five.

    In turn: straight lines with corners, a curve, an ellipse or spiral,
    a random walk, dots.
    """
    rng, drawings = np.random.default_rng(0), []
    for _ in range(count // 5):
        zigzag, bends, dots = (rng.uniform(0, 100, (rng.integers(2, 12), 2)) for _ in range(3))
        angle, radius = np.linspace([0, 50 * rng.integers(2)], [rng.uniform(7, 25), 50], 100).T
        ring = np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.3, 1)], axis=1)
        walk = rng.normal(0, 10, (100, 2)).cumsum(axis=0)
        drawings += [zigzag], [spline(bends)], [ring * radius[:, None]], [walk], [*dots[:, None]]
    return drawings


def image_of(strokes: list[np.ndarray]) -> np.ndarray:
    """Return strokes as the image that the pad makes of them, (28, 28): imageOf in pad.js.

    The ink is scaled until the longer side of its bounding box fills
    the frame, and the box is centred. A pixel at distance d from the
    line is ``255 s(t)`` with ``t = (RADIUS - d) / EDGE + 1/2``, cut off
    at 0 and 1, and the smooth step ``s(t) = t**2 (3 - 2t)``.
    """
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (SIDE - 2 * RADIUS) / max(*(high - low), EXTENT)
    ways = scale * np.concatenate([np.diff(s, axis=0, append=s[-1:]) for s in strokes])
    centres = np.argwhere(np.ones((SIDE, SIDE)))[:, None, ::-1] + 0.5
    # from the start of each piece to each pixel, (pixels, pieces, 2)
    there = centres - SIDE / 2 - scale * (points - (low + high) / 2)
    t = (there * ways).sum(axis=2) / np.maximum((ways**2).sum(axis=1), 1e-9)
    nearest = np.linalg.norm(there - t.clip(0, 1)[..., None] * ways, axis=2).min(axis=1)
    t = np.clip((RADIUS - nearest) / EDGE + 0.5, 0, 1)
    return np.rint(255 * t**2 * (3 - 2 * t)).astype(np.uint8).reshape(SIDE, SIDE)


def source(name: str) -> str:
    """Return the text of a file of the page."""
    return (BROWSER / name).read_text(encoding="utf-8")


def filled(frame: str, content: dict) -> str:
    """Return a frame with the files that it names ($pad_js), and its script's data.

    Only "<" could end that script.
    """
    files = {path.name.replace(".", "_"): source(path.name) for path in BROWSER.iterdir()}
    text = json.dumps(content, default=np.ndarray.tolist).replace("<", "\\u003c")
    return Template(source(frame)).substitute(files, content=text)


def playground_html(data: Dataset, images: int = IMAGES, test: int = TEST) -> str:
    """Return the playground as HTML with its style, scripts and images; it loads nothing.

    Until a reader trains, its charts show what these settings gave on
    KMNIST (example.json).

    Parameters
    ----------
    data : Dataset
        Square images.
    images, test : int
        How many of those for training, of which a fifth is for
        validation, and of those for test; the first ones.
    """
    known = len(data.train_images[:images])
    labels = np.append(data.train_labels[:known], data.test_labels[:test])
    pixels = np.append(data.train_images[:known], data.test_images[:test])
    more = {"pixels": deflated(pixels.tobytes()), "labels": labels}
    more["parts"] = [known * 4 // 5, known]  # where those for validation and for test begin
    more["worker"] = source("network.js") + source("worker.js")
    return filled("playground_frame.html", pad_content(data) | more)
