"""One BLAS thread, for as long as anything in the process needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_users: list[object] = []  # who needs it now, in any thread
_limits: list[Any] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, so that a sum has the same bits everywhere.

    The limit holds for the whole process: the first of several users sets it, the last one gives
    the threads back.
    """
    user = object()
    with _lock:
        if not _users:
            _limits.append(threadpool_limits(1, user_api="blas"))
        _users.append(user)
    try:
        yield
    finally:
        with _lock:
            _users.remove(user)
            if not _users:
                _limits.pop().restore_original_limits()
