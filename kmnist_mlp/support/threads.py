"""One BLAS thread, for as long as anything in the process needs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_limits: list[Any] = []  # of all who need it now or needed it, in any thread
_users = 0


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, so that a sum has the same bits everywhere.

    The limit holds for the whole process, also for a BLAS that has been loaded since the first of
    several users came (SciPy has its own). The last user gives the threads back.
    """
    _change_users(1)
    try:
        yield
    finally:
        _change_users(-1)


def _change_users(by: int) -> None:
    global _users
    from threadpoolctl import OpenBLASController, threadpool_limits  # to predict needs NumPy alone

    with _lock:
        _users += by
        # threadpoolctl obeys one thread only, until it is told to forget that thread
        OpenBLASController.clear_controlling_thread(force=True)
        if by > 0:
            _limits.append(threadpool_limits(1, user_api="blas"))
        while _limits and not _users:
            _limits.pop().restore_original_limits()
        OpenBLASController.clear_controlling_thread(force=True)
