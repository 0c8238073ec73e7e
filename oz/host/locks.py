"""One at a time, between processes: locks that end with their holder."""

import contextlib
import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oz import progress
from oz.errors import HostError

_STARTING_S = 5.0


@contextmanager
def hold(path: Path, *, what: str, wait: bool = True) -> Iterator[None]:
    """Hold the lock file `path`, which is made for it and removed afterwards; its text is the holder's pid.

    `what` says in messages what is locked. A lock that another holds is waited for, or, without `wait`, a
    HostError that names the holder. The lock is not inherited by programs that are run, and ends with this
    process however that ends. It keeps out other threads as well.
    """
    descriptor = None
    try:
        while descriptor is None:
            descriptor = _try_path(path, what=what, wait=wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        raise HostError(f"{path}: cannot lock {what}: {error.strerror}", hint="is its directory writable?") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _try_path(path: Path, *, what: str, wait: bool) -> int | None:
    """The locked file; None if it was removed by its holder while we waited."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "that is just starting"
            if not wait:
                raise HostError(
                    f"{what} is in use by process {holder}", hint="wait until it has ended, or choose another name"
                )
            progress.note(f"waiting for process {holder}, which uses {what}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_current(descriptor, path):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def try_lock(descriptor: int) -> bool:
    """Whether the open file is now locked by us. A holder that has died may have been starting a program, which has
    the lock until it runs: that is waited for."""
    deadline_s = time.monotonic() + _STARTING_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline_s or not _has_died(descriptor):
                return False
            threading.Event().wait(0.02)


def _has_died(descriptor: int) -> bool:
    """Whether the holder that the file names is no more; a journal names it in its first record."""
    holder = re.match(rb'(\d{1,9})\n|\{[^}]*"pid": (\d{1,9})\b', os.pread(descriptor, 4096, 0))
    if holder is None:
        return False
    try:
        os.kill(int(holder[1] or holder[2]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def is_current(descriptor: int, path: Path) -> bool:
    """Whether `path` still leads to the open file: a holder removes it when it is done."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))  # noqa: PTH116
    except FileNotFoundError:
        return False
