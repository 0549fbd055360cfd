"""Whether the notebooks notice the mistakes in the numerical code that nbval_mutants.toml lists.

``make mutants-notebooks`` puts each of them into a copy of the project and prints what the checks
at the end of the notebooks print (stand-in data, one seed, as in ``make test-notebooks``), the
quickest first, until one names a culprit. ``--nbval`` runs the notebook itself as a test instead.
No unit test takes part. One that is ``caught_by`` a notebook has to be noticed, one that is
``unseen_because`` of a reason has to leave every check as it is.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LISTED = Path(__file__).with_suffix(".toml")
# What a failing notebook says that is worth a line, the most telling first.
TELLING = (
    r"^ *- (.*(?:MOVED; |TOO LARGE: |WRONG; ).*)$",  # a line that pytest's comparison marks
    r"^(?:E +)?(\w*(?:Error|Warning): .+)$",
)

# The checks of all notebooks by themselves, the quickest first.
CHECKS = """
import contextlib, io, sys, warnings
from kmnist_mlp import load_kmnist, run
from kmnist_mlp.experiments import EXPERIMENTS, analyse_errors, check, gradient_checks
from kmnist_mlp.report.notebook import gradient_verdicts, confusion_matrices_add_up
from kmnist_mlp.experiments.distribution_shift import nearest_distances, pooled_runs
from kmnist_mlp.experiments.reference import distance_results, gradient_results

warnings.simplefilter("ignore")
data = load_kmnist()
gradients = gradient_checks(data)
quick = ["linear", "learning_rate_0.005", "l1_0.2", "two_hidden_layers"]
names = [*quick, *(name for name in EXPERIMENTS if name not in quick)]
trained = lambda name: run([name], data=data, n_jobs=1)
steps = [
    lambda: gradient_verdicts(gradients),
    lambda: check(gradient_results(gradients, data.name)),
    lambda: check(distance_results(nearest_distances(data), data.name)),
    lambda: check(run(["linear"], range(5), data=data, n_jobs=1)),
    *(lambda name=name: check(trained(name)) for name in names[:6]),
    lambda: check(pooled_runs(data, trained("baseline"))),
    *(lambda name=name: check(trained(name)) for name in names[6:]),
    lambda: confusion_matrices_add_up(
        analyse_errors(trained("final").of("final"), data), trained("final").of("final"), data
    ),
]
for step in steps:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        step()
    moved = [line for line in said.getvalue().splitlines()
             if any(word in line for word in ("MOVED", "TOO LARGE", "WRONG", "NO REFERENCE"))]
    if moved:
        print("- " + moved[0])
        sys.exit(1)
"""


def load():
    """Return the list of mutants: dicts of mistake, file, old, new, caught_by or unseen_because."""
    return tomllib.loads(LISTED.read_text("utf-8"))["mutant"]


def mutated(source, mutant):
    """Return the source with the mistake in it; ValueError unless there is one place for it."""
    places = source.count(mutant["old"])
    if places != 1:
        raise ValueError(
            f"{mutant['file']} has {places} places like {mutant['old']!r}; 1 is needed"
        )
    return source.replace(mutant["old"], mutant["new"])


def try_out(mutant, notebooks=None):
    """Return whether a mistake is noticed and what is then said: by the checks, or by notebooks."""
    with tempfile.TemporaryDirectory(prefix="nbval_mutants") as folder:
        copy = Path(folder) / "project"
        for part in ("kmnist_mlp", "notebooks"):
            unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(PROJECT / part, copy / part, ignore=unwanted)
        shutil.copy(PROJECT / "pyproject.toml", copy)
        path = copy / "kmnist_mlp" / mutant["file"]
        path.write_text(mutated(path.read_text("utf-8"), mutant), "utf-8")
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "KMNIST_MLP_DATASET": "stand-in",
            "KMNIST_MLP_RESULTS": f"{folder}/results",
            "KMNIST_MLP_SEEDS": "1",
        }
        nbval = ["-m", "pytest", "--nbval", "--nbval-current-env", "-x", "-p", "no:cacheprovider"]
        paths = [f"notebooks/{name}.ipynb" for name in notebooks or ()]
        command = [*nbval, *paths] if notebooks else ["-c", CHECKS]
        done = subprocess.run(
            [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True
        )
    if done.returncode not in (0, 1):  # 1: noticed; anything else: pytest or Python gave up
        raise RuntimeError(done.stdout + done.stderr)
    return bool(done.returncode), telling_line(done.stdout + done.stderr)


def telling_line(output):
    """Return the line of nbval's output that names the culprit."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    for pattern in TELLING:
        if found := re.search(pattern, plain, re.MULTILINE):
            return found[1] if len(found[1]) <= 160 else f"{found[1][:160]} ..."
    return "nothing telling"


def main():
    """Try the mutants that hold a given word (else all); exit with 1 if one was a surprise."""
    parser = argparse.ArgumentParser(prog="make mutants-notebooks", description=main.__doc__)
    parser.add_argument("words", nargs="*", help="only the mutants that have one of these words")
    parser.add_argument("--nbval", action="store_true", help="run the notebooks themselves")
    given = parser.parse_args()
    every = sorted(path.stem for path in (PROJECT / "notebooks").glob("0*.ipynb"))
    chosen = [m for m in load() if not given.words or any(w in m["mistake"] for w in given.words)]
    caught = surprises = 0
    for mutant in chosen:
        began = time.perf_counter()
        expected = mutant.get("caught_by")
        notebooks = ([expected] if expected else every) if given.nbval else None
        noticed, said = try_out(mutant, notebooks)
        caught += noticed
        surprises += noticed != bool(expected)
        seconds = f"{time.perf_counter() - began:.0f} s"
        verdict = f"caught ({expected or 'AND SHOULD NOT BE'}, {seconds})"
        if not noticed:
            verdict, said = f"not caught ({seconds})", mutant.get("unseen_because", "AND SHOULD BE")
        print(f"{mutant['file']}: {mutant['mistake']}\n  {verdict}: {said}", flush=True)
    print(f"{caught} of {len(chosen)} mutants caught; {surprises} not as listed")
    return 1 if surprises or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
