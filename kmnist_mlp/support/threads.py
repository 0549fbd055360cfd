"""One BLAS thread, for as long as anything in the process needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_users: list[object] = []  # who needs it now, in any thread
_before: list[tuple[Any, int]] = []  # each BLAS of the process, and the threads that it had


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, so that a sum has the same bits everywhere.

    The limit holds for the whole process, and for both the BLAS of NumPy and that of SciPy: the
    first of several users sets it, the last one gives the threads back.
    """
    from threadpoolctl import ThreadpoolController  # only here: to predict needs NumPy alone

    user = object()
    with _lock:
        known = {blas.filepath for blas, _ in _before}
        for blas in ThreadpoolController().select(user_api="blas").lib_controllers:
            if blas.filepath not in known:  # also one that was loaded since the first user came
                _before.append((blas, blas.num_threads))
                _set_threads(blas, 1)
        _users.append(user)
    try:
        yield
    finally:
        with _lock:
            _users.remove(user)
            while not _users and _before:
                _set_threads(*_before.pop())


def _set_threads(blas: Any, count: int) -> None:
    # threadpoolctl ignores every thread but the first one that has ever set a limit
    getattr(blas, "_real_set_num_threads", blas.set_num_threads)(count)
