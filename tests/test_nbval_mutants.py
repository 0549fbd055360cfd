"""The list of mistakes for the notebooks fits the code; a telling line is found in an output."""

import ast
from pathlib import Path

import pytest
from nbval_mutants import PROJECT, load, mutated, telling_line

MUTANTS = load()
NOTEBOOKS = {path.stem for path in (PROJECT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant["mistake"])
def test_a_listed_mistake_has_one_place_in_the_code_and_changes_it(mutant):
    source = Path(PROJECT, "kmnist_mlp", mutant["file"]).read_text("utf-8")
    assert ast.dump(ast.parse(mutated(source, mutant))) != ast.dump(ast.parse(source))
    assert ("caught_by" in mutant) != ("unseen_because" in mutant)
    assert mutant.get("caught_by", "01_gradient_check") in NOTEBOOKS


def test_a_mistake_whose_place_is_gone_is_refused():
    with pytest.raises(ValueError, match=r"data.py has 0 places like 'a \+ b'"):
        mutated("a - b", {"file": "data.py", "old": "a + b", "new": "a - b"})


def test_the_line_that_names_the_culprit_is_found():
    output = (
        "some text\n  \x1b[31m- linear: MOVED; seed 0: best_epoch 3, reference 7\n\x1b[0m+ more"
    )
    assert telling_line(output) == "linear: MOVED; seed 0: best_epoch 3, reference 7"
    assert telling_line("ValueError: x holds NaN\n") == "ValueError: x holds NaN"
    assert telling_line("") == "nothing telling"
