"""Answers to the notebooks' exercises: what is wrong with one, without giving it away.

``texts/exercises.toml`` says what each answer is compared with.
"""

import tomllib
from numbers import Real
from pathlib import Path

import numpy as np

from kmnist_mlp.support.checks import one_of

EXERCISES = tomllib.loads((Path(__file__).parent / "texts/exercises.toml").read_text("utf-8"))
# between one number and another: what is forgotten or done twice
TELLING = (0.01, 0.1, 0.5, 1, 2, 10, 100)


def check_answer(number: str, *answers: object) -> int:
    """Print whether the answers to an exercise are right, and what is wrong with them.

    Parameters
    ----------
    number : str
        Of the exercise, such as "1.1".
    *answers
        As in the cell below the exercise; None for one without.

    Returns
    -------
    int
        The points for it: 2 or 0. nbgrader reads them.

    Examples
    --------
    >>> check_answer("2.2", None)
    Exercise 2.2: not answered yet
    0
    """
    wrong = problems(number, *answers)
    found = "not right yet" if wrong else "not answered yet" if wrong is None else "right"
    print("\n- ".join([f"Exercise {number}: {found}", *(wrong or ())]))
    return 2 * (wrong == [])


@np.errstate(all="ignore")  # nbgrader takes a warning for an error
def problems(number: str, *answers: object) -> list[str] | None:
    """Return what is wrong with an answer: nothing if it is right, None if there is none.

    Examples
    --------
    >>> problems("1.1", lambda model, x, y: [[-g for g in gs] for gs in model.gradients(x, y)])[0]
    'W1 (first layer) has the opposite sign'
    """
    exercise = EXERCISES[one_of("number", number, [*EXERCISES][1:])]
    if len(answers) != len(exercise["answers"]):
        given = f"{', '.join(exercise['answers'])}; got {len(answers)}"
        raise ValueError(f"exercise {number} has the answers {given}")
    if any(answer is None for answer in answers):
        return None
    answers = tuple(np.asarray(a) if numeric(a) else a for a in answers)
    names, wrong = dict(zip(exercise["answers"], answers, strict=True), answers=answers), []
    try:
        exec(EXERCISES["setup"], names)
        for name, asked in exercise.get("settings", {}).items():
            used = sorted({str(getattr(run.config, name)) for run in names["trained"]})
            if used != asked:
                wrong.append(f"{name} is {', '.join(used) or 'not known'}: compare the exercise")
        if "own" in exercise and not wrong:
            # before the answer can change the arrays that it is given
            expected = [*map(np.asarray, eval(exercise["expected"], names))]
            given = np.asarray(eval(exercise.get("given", "None"), names))
            own = [*map(np.asarray, eval(exercise["own"], names))]
            if all(array.dtype == object for array in own) or same(own[0], given):
                return None
            wrong = compared(own, expected, exercise["labels"])
        for fact, hint in () if wrong else exercise.get("facts", ()):
            if not eval(fact, names):
                return [hint]
    except Exception as error:  # whatever the answer raises
        return [f"it stops with {type(error).__name__}: {error}"]
    return wrong


def numeric(answer: object) -> bool:
    """Whether an answer is a list of numbers."""
    return isinstance(answer, list) and all(isinstance(each, Real) for each in answer)


def compared(own: list[np.ndarray], expected: list[np.ndarray], labels: list[str]) -> list[str]:
    """Return a sentence for each wrong array, and one that names the right ones.

    Examples
    --------
    >>> W, b, c = np.arange(6.0).reshape(2, 3), np.ones(3), np.zeros(2)
    >>> compared([W.T, 2 * b, c], [W, b, c], ["W", "b", "c"])
    ['W is the transpose of what it should be', 'b is 2 times what it should be', 'right: c']
    """
    if len(own) != len(expected):
        return [f"{len(expected)} arrays are expected, in the order {', '.join(labels)}"]
    wrong, right = [], []
    for label, array, wanted in zip(labels, own, expected, strict=True):
        of = [other for other, its in zip(labels, expected, strict=True) if same(array, its)]
        what = f"is what {of[0]} should be" if of else difference(array, wanted)
        (right if label in of else wrong).append(label if label in of else f"{label} {what}")
    return wrong + [f"right: {', '.join(right)}"] * bool(wrong and right)


def same(own: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two arrays are equal but for rounding."""
    numbers = own.shape == expected.shape and object not in (own.dtype, expected.dtype)
    return bool(numbers and abs(own - expected).max() <= 1e-5 * abs(expected).max())


def difference(own: np.ndarray, expected: np.ndarray) -> str:
    """Return in which respect an array is not the expected one."""
    if same(own.T, expected):
        return "is the transpose of what it should be"
    if own.shape != expected.shape or own.dtype == object:
        return f"has the shape {own.shape or 'of a number'}, and should have {expected.shape}"
    factor = float((own * expected).sum() / (expected**2).sum())
    size, telling = abs(factor), own.size > 2 or np.isclose(abs(factor), TELLING).any()
    if size and telling and same(own, factor * expected):
        times = f"is {size:.3g} times" if size > 1 else f"is 1/{1 / size:.3g} of"
        what = [f"{times} what it should be"] * (not np.isclose(size, 1))
        return " and ".join(what + ["has the opposite sign"] * (factor < 0))
    return f"differs, with values from {own.min():.3g} to {own.max():.3g}"
