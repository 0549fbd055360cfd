"""A process that is killed: a fork of the test's own, which kills itself at a chosen moment.

That is as sudden as `kill -9` from outside, and happens at the same moment every time.
"""

import os
import signal

import pytest

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="Windows has neither fork nor kill -9"
)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def is_killed(call, owner, name, after=0, last_words=die):
    """Return whether a call in a fork is killed at its call of ``owner.name`` after that many."""
    calls, original = iter(range(10**9)), getattr(owner, name)

    def function(*arguments, **options):
        done = next(calls)
        return (original if done < after else last_words)(*arguments, **options)

    child = os.fork()
    if child == 0:
        setattr(owner, name, function)
        try:
            call()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
