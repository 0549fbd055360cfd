"""Measure what notebooks state: ``make statements`` calls this under several BLAS kernels.

Without OPENBLAS_CORETYPE, it keeps the text; with it, it widens the
tolerances to how far numbers move under that kernel.
"""

import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from kmnist_mlp import load_kmnist
from kmnist_mlp.experiments.reference import FACTOR
from kmnist_mlp.experiments.runs import default_seeds
from kmnist_mlp.report.execution import executed
from kmnist_mlp.report.notebook import ABOUT
from kmnist_mlp.report.statements import KEPT, VARIES, lines_of, parsed
from kmnist_mlp.support.files import write_csv

ROOT = Path(__file__).resolve().parent.parent
USUAL = 0.9  # this share of the numbers that move with a unit does so by less than its tolerance


def displayed(notebook):
    """Return the lines of what the outputs of a notebook state."""
    texts = []
    for output in (output for cell in notebook["cells"] for output in cell.get("outputs", [])):
        role = output.get("metadata", {}).get("kmnist_mlp", {}).get("role")
        kind = "text/html" if role == "table" else "text/markdown"
        if role not in ABOUT:
            texts.append("".join(output.get("data", {}).get(kind, "")))
    return lines_of(texts)


def unit(number):
    """Return one unit of the last digit of a number."""
    return Decimal(1).scaleb(number.as_tuple().exponent)


def apart(line, other):
    """Return how far the numbers of two lines are apart; None if their words differ."""
    (words, numbers), (known, values) = parsed(line), parsed(other)
    return [abs(a - b) for a, b in zip(numbers, values, strict=True)] if words == known else None


def widened(lines, others, tolerances):
    """Return tolerances that allow what other lines have, from another kernel.

    FACTOR times the difference; where a number of a line differs, at least that of
    most of the numbers that differ and have as many decimals.
    """
    pairs = [
        (parsed(line)[1], apart(line, other)) for line, other in zip(lines, others, strict=True)
    ]
    differ = {}
    for numbers, by in pairs:
        for number, distance in zip(numbers, by or [], strict=False):
            if distance:
                differ.setdefault(unit(number), []).append(float(distance))
    usual = {kind: Decimal(np.quantile(found, USUAL)) for kind, found in differ.items()}
    for (numbers, by), tolerance in zip(pairs, tolerances, strict=True):
        if by is None or tolerance == VARIES:
            yield VARIES
            continue
        least = [usual.get(unit(number), 0) * any(by) for number in numbers]
        limits = zip(map(Decimal, tolerance.split()), by, least, strict=True)
        yield " ".join(f"{max(old, FACTOR * max(both)):.2g}" for old, *both in limits)


def measure():
    data, seeds = load_kmnist(), len(default_seeds())
    made = executed(ROOT / "notebooks", ROOT / "build" / "statements")
    rows = [
        (data.name, seeds, int(path.name[:2]), line)
        for path in made
        for line in displayed(made[path])
    ]
    new = pd.DataFrame(rows, columns=[*KEPT.key, "text"])
    table = KEPT.load().fillna("")
    own = (table.data == data.name) & (table.seeds == seeds)
    if os.environ.get("OPENBLAS_CORETYPE"):
        old = table[own]
        new = old.assign(tolerance=[*widened(old.text, new.text, old.tolerance)])
    else:
        new["tolerance"] = [" ".join(str(unit(n)) for n in parsed(line)[1]) for line in new.text]
    table = pd.concat([table[~own], new]).sort_values(KEPT.key, kind="stable")
    write_csv(table, KEPT.path)


if __name__ == "__main__":
    measure()
