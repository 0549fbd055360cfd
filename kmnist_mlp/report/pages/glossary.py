"""Terms that a reader may not know, explained once and linked where they first occur in a page."""

from __future__ import annotations

import re

from markupsafe import escape

from kmnist_mlp.report.pages.markdown import slug

# Term, as a pattern where it has several forms, and its explanation.
TERMS: dict[str, tuple[str, str]] = {
    "ablation": (
        r"ablations?",
        "An experiment that leaves one part of a method out, to see what this part contributes.",
    ),
    "batch normalisation": (
        "batch normalisation",
        "Brings the weighted inputs of each hidden unit to mean 0 and variance 1 over the "
        "mini-batch, then scales and shifts them by numbers that are trained, too.",
    ),
    "confidence interval": (
        r"95 % intervals?|confidence intervals?",
        "A range computed from a sample so that, over many samples, 95 % of such ranges contain "
        "the true mean. Here the sample is a few seeds, and the interval is based on Student's t.",
    ),
    "cross-entropy": (
        "cross-entropy",
        "The loss that training minimises: minus the logarithm of the probability that the network "
        "gives to the right class.",
    ),
    "data augmentation": (
        "(?:data )?augmentation",
        "Distorts the training images at random whenever they are used, so that the network never "
        "sees the same image twice.",
    ),
    "distribution shift": (
        "distribution shift",
        "Training and test images have different distributions; here, accuracy on the test images "
        "is lower than a validation split of the training images suggests.",
    ),
    "early stopping": (
        "early stopping",
        "Ends training when the validation loss no longer falls, and keeps the weights of the "
        "epoch at which it was lowest.",
    ),
    "ensemble": (
        r"ensembles?",
        "Several networks whose predicted probabilities are averaged.",
    ),
    "epoch": (
        r"epochs?",
        "One pass over all training images, in a new random order.",
    ),
    "expected calibration error": (
        "expected calibration error",
        "The absolute difference between the predicted probability and the share of correct "
        "predictions, within bins of the probability, averaged over all predictions.",
    ),
    "generalisation gap": (
        "generalisation gap",
        "Training accuracy minus validation accuracy. A large one means overfitting.",
    ),
    "learning curve": (
        r"learning curves?",
        "Loss or accuracy after each epoch. Thick: the mean of the seeds with a band of one "
        "standard deviation, until the first of them stops; thin: each seed, with a stroke at its "
        "last epoch. Dashed: the epoch whose weights are kept; dotted: the epoch at which training "
        "stopped (medians of the seeds); diamond: the test result. The training curve is measured "
        "on a fixed tenth of the training split.",
    ),
    "L1 and L2 penalty": (
        r"L[12] penalt(?:y|ies)",
        "A term that is added to the loss and grows with the weights: their absolute values (L1) "
        "or their squares (L2). It keeps the weights small.",
    ),
    "mini-batch": (
        r"mini-batch(?:es)?",
        "The images, 128 here, whose gradient is summed for one step of training.",
    ),
    "momentum": (
        "momentum",
        "Each step follows a running mean of the gradients instead of the last gradient alone.",
    ),
    "one-hot": (
        "one-hot",
        "A class as a vector: 1 at the place of the class, 0 elsewhere.",
    ),
    "paired difference": (
        "paired (?:difference|interval|gain)s?|paired",
        "The difference of two experiments that have the same seed. What two such runs have in "
        "common cancels, so that a small difference can be seen.",
    ),
    "patience": (
        "patience",
        "How many epochs in a row the validation loss may fail to improve before early stopping "
        "ends the training.",
    ),
    "per-pixel standardisation": (
        "per-pixel standardisation|each pixel standardised",
        "From each pixel its mean over the training split is subtracted, and the result divided "
        "by the pixel's standard deviation there.",
    ),
    "prediction interval": (
        "prediction intervals?",
        "The range in which one more run is expected with 95 % probability. It is wider than the "
        "confidence interval of the mean.",
    ),
    "reported loss": (
        "reported loss",
        "The loss as the paper prints it: mean cross-entropy per image divided by the ten classes, "
        "without penalty.",
    ),
    "saturated unit": (
        "saturated(?: units?)?|saturation",
        "A hidden unit whose output lies at an end of its range, where the derivative of the "
        "activation is almost 0: it hardly learns.",
    ),
    "seed": (
        r"seeds?",
        "The number that decides all that is random in a run: the split, the initial weights and "
        "the order of the images.",
    ),
    "softmax": (
        "softmax",
        "Turns the outputs of the last layer into probabilities that add up to 1.",
    ),
    "summed gradient": (
        "summed gradient|summed over (?:each|a) mini-batch",
        "The gradient of a mini-batch added up over its images, not averaged: a learning rate of "
        "0.0005 on it is 0.064 on the mean of 128 images.",
    ),
    "test-time augmentation": (
        "test-time augmentation",
        "Averages the predictions for several shifted copies of an image.",
    ),
    "unit gain": (
        "unit gain",
        "Momentum whose running mean has the size of one gradient: v ← γv + (1 − γ)g. Classical "
        "momentum, v ← γv + g, takes steps 1 / (1 − γ) times as long.",
    ),
    "validation split": (
        "validation (?:split|images|set)",
        "A fifth of the training images that is held out: the epoch is chosen on it, never on the "
        "test images.",
    ),
}
PATTERNS = {term: re.compile(rf"\b(?:{form})\b", re.I) for term, (form, _) in TERMS.items()}
TOKEN = re.compile(r"<(/?)([a-z0-9]+)[^>]*?(/?)>", re.I)
NOT_IN = {"a", "code", "pre", "math", "h1", "h2", "h3", "h4", "th", "td", "button", "summary"}


def anchor(term: str) -> str:
    """Return the anchor of a term on the page of the glossary."""
    return f"term-{slug(term)}"


def link_terms(html: str, linked: set[str], page: str) -> str:
    """Link each term where it first occurs in running text.

    Parameters
    ----------
    html : str
    linked : set of str
        The terms that are linked already; those found here are added.
    page : str
        Address of the glossary without anchor; empty if it is in the same file.

    Examples
    --------
    >>> link_terms("<p><code>epoch</code> an epoch, an epoch</p>", set(), "g.html")[:62]
    '<p><code>epoch</code> an <a class="term" href="g.html#term-epo'
    """
    parts: list[str] = []
    depth = last = 0
    for tag in TOKEN.finditer(html):
        text = html[last : tag.start()]
        parts += [_linked(text, linked, page) if not depth else text, tag[0]]
        if tag[2].lower() in NOT_IN and not tag[3]:
            depth += -1 if tag[1] else 1
        last = tag.end()
    rest = html[last:]
    return "".join([*parts, _linked(rest, linked, page) if not depth else rest])


def _linked(text: str, linked: set[str], page: str) -> str:
    """Link terms in a piece of text without tags; of two that overlap, the longer one."""
    found = []
    for term, pattern in PATTERNS.items():
        if term not in linked and (match := pattern.search(text)):
            found.append((match.start(), match.end(), term))
    found.sort(key=lambda place: place[0] - place[1])  # the longest first
    taken: list[tuple[int, int, str]] = []
    for start, end, term in found:
        if all(end <= other or start >= until for other, until, _ in taken):
            taken.append((start, end, term))
    for start, end, term in sorted(taken, reverse=True):
        linked.add(term)
        address, meaning = f"{page}#{anchor(term)}", escape(TERMS[term][1])
        link = f'<a class="term" href="{address}" title="{meaning}">{text[start:end]}</a>'
        text = text[:start] + link + text[end:]
    return text
