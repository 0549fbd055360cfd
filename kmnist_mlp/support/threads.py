"""One BLAS thread, for as long as anything in the process needs it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_users: set[object] = set()  # all who need it now, in any thread
_before = ExitStack()  # gives back what was before the first of them came


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, so that a sum has the same bits everywhere.

    The limit holds for the whole process, also for a BLAS that has been
    loaded since the first of several users came (SciPy has its own). The
    last user gives the threads back.
    """
    from threadpoolctl import OpenBLASController, threadpool_limits  # to predict needs NumPy alone

    # threadpoolctl obeys one thread only, until it is told to forget
    # that thread
    forget, user = OpenBLASController.clear_controlling_thread, object()
    with _lock:
        forget(force=True)
        _before.callback(threadpool_limits(1, user_api="blas").restore_original_limits)
        _users.add(user)
    try:
        yield
    finally:
        with _lock:
            _users.remove(user)
            forget(force=True)
            if not _users:
                _before.close()
            forget(force=True)
