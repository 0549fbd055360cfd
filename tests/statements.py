"""Measure what notebooks state, with ``python tests/statements.py`` (half an hour).

Under this processor's own BLAS kernel, the text is kept; under others,
tolerances are widened to how far numbers move.
"""

import os
import subprocess
import sys
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path

import pandas as pd

from kmnist_mlp import load_kmnist
from kmnist_mlp.experiments.runs import default_seeds
from kmnist_mlp.experiments.store import write_kept
from kmnist_mlp.report.execution import executed
from kmnist_mlp.report.notebook import ABOUT
from kmnist_mlp.report.statements import KEPT, VARIES, lines_of, parsed

ROOT = Path(__file__).resolve().parent.parent
# Stable training gives the same numbers under all kernels, but for one or two images of 1,000 and
# two units of a last digit; where it does not, a few kernels tell only the size of a difference.
FLOOR = {Decimal(1): 0, Decimal("0.01"): Decimal("0.2")}  # by the unit of the last digit
FACTOR, UNITS = 10, 20
OTHERS = ("Haswell", "Prescott", "Sandybridge")
# what `make test` compares, with one seed, and what is committed
SETTINGS = (("stand-in", "1", OTHERS), ("kmnist", "1", OTHERS[:2]), ("kmnist", "5", ()))


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


def widened(lines, others, tolerances):
    """Return tolerances that allow what other lines have, from another kernel.

    In a line of which a number moves, others may move on the next kernel.
    """
    for line, other, tolerance in zip(lines, others, tolerances, strict=True):
        (words, numbers), (known, values) = parsed(line), parsed(other)
        if words != known or tolerance == VARIES:
            yield VARIES
            continue
        by = [abs(number - value) for number, value in zip(numbers, values, strict=True)]
        least = [UNITS * unit(number) * any(by) for number in numbers]
        limits = zip(map(Decimal, tolerance.split()), by, least, strict=True)
        yield " ".join(f"{max(old, FACTOR * moved, low):.2g}" for old, moved, low in limits)


def measure():
    """Execute the notebooks in this setting and under this kernel, and keep what they state."""
    data, seeds = load_kmnist(), len(default_seeds())
    made = executed(ROOT / "notebooks", ROOT / "build" / "statements").items()
    lines = [(int(path.name[:2]), line) for path, nb in made for line in displayed(nb)]
    new = pd.DataFrame(lines, columns=["notebook", "text"]).assign(data=data.name, seeds=seeds)
    table = KEPT.load().fillna("")
    own = (table.data == data.name) & (table.seeds == seeds)
    if os.environ.get("OPENBLAS_CORETYPE"):
        old = table[own]
        new = old.assign(tolerance=[*widened(old.text, new.text, old.tolerance)])
    else:
        units = [map(unit, parsed(line)[1]) for line in new.text]
        new["tolerance"] = [" ".join(str(FLOOR.get(u, 2 * u)) for u in of) for of in units]
    table = pd.concat([table[~own], new]).sort_values(KEPT.key, kind="stable")
    write_kept(table, KEPT.path)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--here", action="store_true", help="this environment's setting alone")
    if here := parser.parse_args().here:
        measure()
    for name, seeds, kernels in () if here else SETTINGS:
        for kernel in ("", *kernels):
            print(f"{name}, {seeds} seed(s), kernel {kernel or 'of this processor'}", flush=True)
            chosen = {"KMNIST_MLP_DATASET": name, "KMNIST_MLP_SEEDS": seeds}
            chosen["OPENBLAS_CORETYPE"] = kernel
            subprocess.run(
                [sys.executable, __file__, "--here"], env=os.environ | chosen, check=True
            )
