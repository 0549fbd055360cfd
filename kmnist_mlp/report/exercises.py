"""Answers to the notebooks' exercises: what is wrong with one, without giving it away.

``texts/exercises.toml`` says what each answer is compared with.
"""

import tomllib
from collections.abc import Mapping, Sequence
from inspect import isfunction, signature
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
    kinds = exercise["answers"]
    if len(answers) != len(kinds):
        given = f"{', '.join(kinds)}; got {len(answers)}"
        raise ValueError(f"exercise {number} has the answers {given}")
    names = dict(zip(kinds, answers, strict=True))
    if all(answer is None for name, answer in names.items() if name != "data"):
        return None
    wrong = []
    for name, kind in kinds.items():
        answer, names[name] = names[name], of_kind(names[name], kind)
        if names[name] is None:
            keys = f"a dict with the keys {', '.join(map(repr, kind))} and a number for each"
            asked = keys if isinstance(kind, list) else kind
            wrong.append(f"{name} is to be {asked}; got {described(answer)}")
    if wrong:
        return wrong
    names["answers"] = [*names.values()]
    try:
        exec(EXERCISES["setup"], names)
        for name, asked in exercise.get("settings", {}).items():
            used = sorted({str(getattr(run.config, name)) for run in names["trained"]})
            if used != asked:
                wrong.append(f"{name} is {', '.join(used) or 'not known'}: compare the exercise")
        if "own" in exercise and not wrong:
            # before the answer can change the arrays that it is given
            expected = [*map(np.asarray, eval(exercise["expected"], names))]
            given = numbers(eval(exercise.get("given", "None"), names))
            own = eval(exercise["own"], names)
            if own and (own[0] is ... or same(numbers(own[0]), given)):
                return None
            wrong = compared(own, expected, exercise["labels"])
        for fact, hint in () if wrong else exercise.get("facts", ()):
            if not eval(fact, names):
                return [hint]
    except Exception as error:  # whatever the answer raises
        hint = ": is a `return` missing?" * ("NoneType" in str(error))
        return [f"it stops with {type(error).__name__}: {error}{hint}"]
    return wrong


def of_kind(answer: object, kind: list | str) -> object:
    """Return an answer as it is compared, or None if it is of another kind.

    Examples
    --------
    >>> of_kind({4: 0.5, 1: 0.25}, [1, 4]), of_kind([0.25, 0.5], [1, 4])
    ({1: 0.25, 4: 0.5}, None)
    """
    if isinstance(kind, list):
        own = answer if isinstance(answer, Mapping) else {}
        own = {key: own.get(key) for key in (*kind, *own)}
        return own if all(numbers(value).shape == () for value in own.values()) else None
    count, what = kind.split()[:2]
    if what.startswith("number"):
        shape = () if count == "a" else (int(count),)
        return array if (array := numbers(answer)).shape == shape else None
    if what != "function":
        return answer if type(answer).__name__ == what else None
    try:
        signature(answer).bind(*kind.partition("(")[2].split(","))
    except (TypeError, ValueError):  # no function, one with other arguments, or built-in
        return None
    return answer


def compared(own: Sequence, expected: list[np.ndarray], labels: list[str]) -> list[str]:
    """Return a sentence for each wrong array, and one that names the right ones.

    Examples
    --------
    >>> W, b, c = np.arange(6.0).reshape(2, 3), np.ones(3), np.zeros(2)
    >>> compared([W.T, 2 * b, c], [W, b, c], ["W", "b", "c"])
    ['W is the transpose of what it should be', 'b is 2 times what it should be', 'right: c']
    """
    if len(own) != len(expected):
        got = described(own[0]) if len(own) == 1 else f"a list of {len(own)}"
        return [f"{len(expected)} arrays are expected, in the order {', '.join(labels)}; got {got}"]
    wrong, right = [], []
    for label, one, wanted in zip(labels, own, expected, strict=True):
        array, pairs = numbers(one), zip(labels, expected, strict=True)
        of = [other for other, its in pairs if same(array, its)]
        what = f"is what {of[0]} should be" if of else difference(one, wanted)
        (right if label in of else wrong).append(label if label in of else f"{label} {what}")
    return wrong + [f"right: {', '.join(right)}"] * bool(wrong and right)


def numbers(value: object) -> np.ndarray:
    """Return numbers as an array, which is empty if they are something else."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return np.empty(0)
    return array if array.dtype.kind in "biuf" else np.empty(0)


def described(value: object) -> str:
    """Return what was given in place of what is asked for."""
    if isfunction(value):
        return f"a function that takes {signature(value)}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {described(each)}' for key, each in value.items())}}}"
    if (array := numbers(value)).size:
        return f"an array of the shape {array.shape}" if array.ndim else str(array)
    if value is None:
        return "None (not computed yet, or a `return` is missing)"
    return repr(value) if isinstance(value, str) else type(value).__name__


def same(own: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two arrays are equal but for rounding."""
    comparable = own.size and own.shape == expected.shape
    return bool(comparable and abs(own - expected).max() <= 1e-5 * abs(expected).max())


def difference(answer: object, expected: np.ndarray) -> str:
    """Return in which respect an array is not the expected one."""
    own = numbers(answer)
    if same(own.T, expected):
        return "is the transpose of what it should be"
    if own.shape != expected.shape:
        return f"is {described(answer)}, and should have the shape {expected.shape}"
    factor = float((own * expected).sum() / (expected**2).sum())
    size, telling = abs(factor), own.size > 2 or np.isclose(abs(factor), TELLING).any()
    if size and telling and same(own, factor * expected):
        times = f"is {size:.3g} times" if size > 1 else f"is 1/{1 / size:.3g} of"
        what = [f"{times} what it should be"] * (not np.isclose(size, 1))
        return " and ".join(what + ["has the opposite sign"] * (factor < 0))
    return f"differs, with values from {own.min():.3g} to {own.max():.3g}"
