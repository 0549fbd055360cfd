"""A process that is killed: a fork of the test's own, which kills itself at a chosen moment.

That is as sudden as `kill -9` from outside, and happens at the same moment every time.
"""

import json
import os
import signal
import warnings

import pytest

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows has neither fork nor kill -9"
)


def in_a_fork(call):
    """Run a call in a fork; return its JSON outcome, or None if it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            warnings.simplefilter("ignore")
            outcome = call()
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(outcome).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        outcome = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (outcome == b"")
    return json.loads(outcome) if outcome else None


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def is_killed(call, owner, name, after=0, last_words=die):
    """Return whether a call in a fork is killed at its call of ``owner.name`` after that many."""
    calls, original = iter(range(10**9)), getattr(owner, name)

    def function(*arguments, **options):
        done = next(calls)
        return (original if done < after else last_words)(*arguments, **options)

    def doomed():
        setattr(owner, name, function)
        return call()

    return in_a_fork(doomed) is None
