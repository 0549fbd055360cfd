"""What a panel shows, read from the panel itself: its lines, bars and labels."""

import numpy as np


def lines(axis, **properties):
    """Return the lines of an axis with these properties, such as label="test"."""
    return [
        line
        for line in axis.lines
        if all(getattr(line, f"get_{name}")() == value for name, value in properties.items())
    ]


def points(found):
    """Return the points of some lines together: (points, 2)."""
    return np.array([point for line in found for point in line.get_xydata()]).reshape(-1, 2)


def ends(collection):
    """Return the ends of vertical bars or of a band: a row per x, of x, lowest and highest y."""
    vertices = np.concatenate([path.vertices for path in collection.get_paths()])
    return [
        (x, vertices[vertices[:, 0] == x, 1].min(), vertices[vertices[:, 0] == x, 1].max())
        for x in np.unique(vertices[:, 0])
    ]


def ticks(axis, which):
    """Return what the ticks of "x" or "y" mark: a place and a text each."""
    own = getattr(axis, f"{which}axis")
    texts = [label.get_text().replace("\n", " ") for label in own.get_ticklabels()]
    return dict(zip(map(float, own.get_ticklocs()), texts, strict=True))


def texts(axis):
    """Return the texts in an axis with their places."""
    return {tuple(text.get_position()): text.get_text() for text in axis.texts}
