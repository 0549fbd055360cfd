"""The playground: the paper's network, trained in the reader's browser, on some images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kmnist_mlp.data import Dataset
from kmnist_mlp.figures.markup import deflated

FOLDER = Path(__file__).parent
TRAINING, TEST = 2000, 500  # images: as many as keep an epoch at about a second


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
    source = {name: (FOLDER / name).read_text(encoding="utf-8") for name in FILES}
    worker = json.dumps(source["network.js"] + source["worker.js"]).replace("</", "<\\/")
    return (
        f"<style>\n{source['playground.css']}</style>\n{source['playground.html']}"
        f'<script type="application/json" id="playground-images">{json.dumps(content)}</script>\n'
        f"<script>\n{source['playground.js']}\n"
        "imagesOf(JSON.parse(document.getElementById('playground-images').textContent)).then("
        f"(images) => startPlayground(document.querySelector('.playground'), images, {worker}));\n"
        "</script>\n"
    )


FILES = ("network.js", "worker.js", "playground.js", "playground.html", "playground.css")
