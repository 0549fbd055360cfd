"""Networks that run in the page itself, without a server: a drawing pad, and a playground.

A drawing is a list of strokes. :func:`image_of` turns it into an image
like those of the data, and laboratory/browser/pad.js does the same in
the browser. The playground trains the paper's network.
"""

import json
from html import escape
from pathlib import Path
from string import Template

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML

from kmnist_mlp.beyond import from_rounded, rounded
from kmnist_mlp.data import Dataset
from kmnist_mlp.datasets.stand_in import KANA, spline, stroke_points
from kmnist_mlp.figures.report_figure import FINDINGS, report_figure, shown
from kmnist_mlp.figures.style import deflated, png_address, use_style, web_font
from kmnist_mlp.network import MLP
from kmnist_mlp.results import TrainingResult
from kmnist_mlp.support.checks import layers_for
from kmnist_mlp.support.colours import BLUE, SKY
from kmnist_mlp.support.statistics import in_percent

BROWSER = Path(__file__).with_name("browser")
UNSEEN = "STAND-IN DATA: this network has never seen Kuzushiji-MNIST."
SIDE = 28
IN_PAGES = ("tanh", "sigmoid", "ReLU")  # the activations that network.js knows
# Images of the playground: an epoch takes about a second
TRAINING, TEST = 2000, 500

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


def image_of(strokes: list[np.ndarray]) -> np.ndarray:
    """Return strokes as an image like those of the data: (28, 28) uint8, white on black.

    The ink is scaled until the longer side of its bounding box fills the
    frame, and the box is centred. A pixel at distance d from the line is
    ``255 s(t)`` with ``t = (RADIUS - d) / EDGE + 1/2``, cut off at 0 and
    1, and the smooth step ``s(t) = t**2 (3 - 2t)``.

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
    # shape (pixels, pieces, 2)
    there = np.stack([columns, rows], axis=1)[:, None] + 0.5 - starts
    t = np.clip((there * ways).sum(axis=2) / np.where(lengths > 0, lengths, 1), 0, 1)
    nearest = np.hypot(*np.moveaxis(there - t[:, :, None] * ways, 2, 0)).min(axis=1)
    t = np.clip((RADIUS - nearest) / EDGE + 0.5, 0, 1)
    return np.rint(255 * t**2 * (3 - 2 * t)).astype(np.uint8).reshape(SIDE, SIDE)


def examples(name: str) -> list[list[np.ndarray]]:
    """Return drawings of a character, each as :func:`image_of` takes it; none of an unknown one.

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
    """Return a pad on which a trained network classifies drawings: one element that loads nothing.

    It is a picture and a sentence, which a script replaces by the pad;
    several on one page are independent.

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
        np.concatenate([arrays[f"{kind}_{n}"].ravel() for n in range(len(model.weights))])
        for kind in ("weights", "scales")
    )
    model = from_rounded(header, arrays)
    accuracy = (model.predict(data.test_images) == data.test_labels).mean()
    about = {"layers": shown(model.layer_specs), "model": model, "data": data, "bits": bits}
    names = [str(name) for name in data.class_names]
    floats = {"scales": scales, "biases": np.concatenate(model.biases)}
    floats["statistics"] = np.concatenate(model.standardisation)
    network = {name: deflated(array.astype("<f4").tobytes()) for name, array in floats.items()}
    network["levels"] = deflated(levels.tobytes())
    known = {"labels": data.train_labels[:images].tolist()}
    known["pixels"] = deflated(data.train_images[:images].tobytes())
    content = {
        "markup": f"<style>{source('pad.css')}</style>{source('pad.html')}",
        "font": web_font("".join(names)),
        "classes": [
            {"name": name, "reading": str(reading), "examples": examples(name)}
            for name, reading in zip(names, data.romaji, strict=True)
        ],
        "about": source("about.txt").format(accuracy=in_percent(accuracy), **about),
        "warning": UNSEEN if data.is_stand_in and is_run else "",
        "shape": {"side": SIDE, "radius": RADIUS, "edge": EDGE, "extent": EXTENT},
        "network": network | {"layers": model.layer_specs, "activation": model.activation},
        "images": known if images else None,
    }
    text = json.dumps(content, default=np.ndarray.tolist)
    # only "<" could end a script
    parts = {"picture": picture(model, data), "content": text.replace("<", "\\u003c")}
    parts |= {name: source(f"{name}.js") for name in ("network", "pad")}
    return HTML(Template(source("pad_frame.html")).substitute(parts))


def source(name: str) -> str:
    """Return the text of a file of the page."""
    return (BROWSER / name).read_text(encoding="utf-8")


def picture(model: MLP, data: Dataset) -> str:
    """Return an image element for where no script runs: an example, its image, its probabilities.

    Of all examples, the one whose class the network gives the highest
    probability; an empty text if no class has an example.
    """
    by_class = enumerate(examples(str(name)) for name in data.class_names)
    drawings = [(label, drawing) for label, drawn in by_class for drawing in drawn]
    if not drawings:
        return ""
    images = np.stack([image_of(drawing) for _, drawing in drawings])
    predicted = model.predict_proba(images)
    best = max(range(len(drawings)), key=lambda n: predicted[n, drawings[n][0]])
    p = predicted[best]
    first = p.argmax()
    use_style()
    figure, (pad, seen, bars) = plt.subplots(1, 3, figsize=(9.5, 3), width_ratios=(1, 1, 1.3))
    for line in drawings[best][1]:
        pad.plot(*line.T, color="black", linewidth=9, solid_capstyle="round")
    pad.set(title="Drawn", xlim=(0, 100), ylim=(100, 0), aspect="equal", xticks=[], yticks=[])
    seen.imshow(images[best], cmap="gray", vmin=0, vmax=255)
    seen.set(title="What the network sees", xticks=[], yticks=[])
    bars.barh(data.class_labels, 100 * p, color=np.where(np.arange(len(p)) == first, BLUE, SKY))
    bars.set(title="Its prediction", xlim=(0, 100), xlabel="probability, %")
    bars.invert_yaxis()
    bars.grid(visible=False, axis="y")
    report_figure([figure], pd.DataFrame(), data_name=data.name)  # marks a stand-in
    sentence = FINDINGS["drawn"].format(SIDE, data.romaji[first], in_percent(p[first], 0))
    return f'<img class="figure" alt="{escape(sentence)}" src="{png_address(figure, 100)}">'


def playground_html(data: Dataset, training: int = TRAINING, test: int = TEST) -> str:
    """Return the playground as HTML with its style, scripts and images; it loads nothing.

    Parameters
    ----------
    data : Dataset
        Square images.
    training, test : int
        How many images of each part, the first ones.
    """
    images = np.concatenate([data.train_images[:training], data.test_images[:test]])
    labels = np.concatenate([data.train_labels[:training], data.test_labels[:test]])
    content = {
        "pixels": deflated(images.tobytes()),
        "side": images.shape[1],
        "labels": labels.tolist(),
        "training": min(training, len(data.train_images)),
        "classes": len(data.class_names),
    }
    worker = json.dumps(source("network.js") + source("worker.js")).replace("</", "<\\/")
    parts = {"style": source("playground.css"), "markup": source("playground.html")}
    parts |= {name: source(f"{name}.js") for name in ("network", "playground")}
    parts |= {"content": json.dumps(content), "worker": worker}
    return Template(source("playground_frame.html")).substitute(parts)
