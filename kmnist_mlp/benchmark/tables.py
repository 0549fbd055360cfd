"""The measured durations as Markdown tables and as a figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from kmnist_mlp.figures.style import use_style


def table(durations: dict[str, dict[str, list[float]]]) -> str:
    """Return ratios to the matrix products alone: of the fastest rounds (and of the medians).

    Parameters
    ----------
    durations : dict of dict of list of float
        Seconds by topology and implementation, one per round.

    Examples
    --------
    >>> print(table({"net": {"matrix products alone": [2.0, 4.0], "other": [3.0, 9.0]}}))
    | | net |
    |---|---:|
    | matrix products alone | 1.00 (1.00) |
    | other | 1.50 (2.00) |
    """

    def ratios(own: list[float], floor: list[float]) -> str:
        return f"{min(own) / min(floor):.2f} ({np.median(own) / np.median(floor):.2f})"

    return _markdown(
        {
            title: {name: ratios(own, t["matrix products alone"]) for name, own in t.items()}
            for title, t in durations.items()
        }
    )


def parts_table(parts: dict[str, dict[str, float]]) -> str:
    """Return the microseconds of each part of a mini-batch, by topology."""
    return _markdown(
        {title: {name: f"{t:.0f}" for name, t in found.items()} for title, found in parts.items()}
    )


def _markdown(columns: dict[str, dict[str, str]]) -> str:
    """Return a Markdown table of columns that have the same rows."""
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for name in next(iter(columns.values())):
        cells = " | ".join(column[name] for column in columns.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def growth_figure(growth: dict[str, list[dict[str, float]]], processor: str) -> Figure:
    """Draw microseconds per image, of training and its matrix products, against each quantity."""
    use_style()
    fig, axes = plt.subplots(1, len(growth), figsize=(11, 3.4), sharey=True, layout="constrained")
    for ax, (quantity, points) in zip(axes, growth.items(), strict=True):
        x = [point["value"] for point in points]
        ax.plot(x, [p["training"] * 1e6 for p in points], "o-", label="training")
        ax.plot(x, [p["floor"] * 1e6 for p in points], "s--", label="matrix products alone")
        ax.set(xscale="log", yscale="log", xlabel=quantity)
        ax.set_xticks(x, [f"{n:,}" for n in x], rotation=40)
        ax.minorticks_off()
    axes[0].set_ylabel("microseconds per image")
    axes[0].legend()
    fig.suptitle(f"784-128-10, tanh, batch size 128 unless stated otherwise; {processor}")
    return fig
