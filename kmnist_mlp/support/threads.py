"""One BLAS thread, for as long as anything in the process needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_users: list[object] = []  # who needs it now, in any thread
_limits: list[Any] = []  # of each of them; each knows the threads that it found


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, so that a sum has the same bits everywhere.

    The limit holds for the whole process, also for a BLAS that has been loaded since the first of
    several users came (SciPy has its own). The last user gives the threads back.
    """
    from threadpoolctl import OpenBLASController, threadpool_limits  # to predict needs NumPy alone

    def take_over() -> None:  # threadpoolctl obeys one thread only, until it is told to forget it
        OpenBLASController.clear_controlling_thread(force=True)

    user = object()
    with _lock:
        take_over()
        _limits.append(threadpool_limits(1, user_api="blas"))
        _users.append(user)
    try:
        yield
    finally:
        with _lock:
            _users.remove(user)
            take_over()
            while not _users and _limits:
                _limits.pop().restore_original_limits()
            take_over()
