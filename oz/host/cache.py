"""What outlives a build in data_dir: downloads, and finished installations (JEOS) by a hash of all that makes them.

    isos/                   oz.host.fetch's directory
    jeos/KEY/               complete: it got its name by one rename. 0700, for it holds keys
    jeos/.KEY.*.tmp/        half-made
    jeos/KEY.lock           held while one is made

Who uses an entry pins it; a pinned entry is not removed. Pins are flock(2)s on the entry itself: they end with
the process, however it ends, and QEMU's own locks are of another kind.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from oz.errors import HostError, UsageError
from oz.host import locks

_DOWNLOADS = "isos"
_JEOS = "jeos"
_KEY = re.compile(r"[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\.(.+)\.[^.]+\.tmp")
_YOUNG_S = 60
"""A temporary file this young may still be written: nothing tells whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something in the cache. A leftover is half-made: a download that was broken off, an installation that was
    being copied. `path` is the file or directory; what belongs to it is counted and removed with it."""

    kind: Literal["medium", "jeos", "leftover"]
    path: Path
    size_bytes: int
    """As allocated on disk: images are sparse."""
    age_s: float
    """Since it was last changed."""
    is_in_use: bool


def downloads_directory(data_dir: Path) -> Path:
    """Where oz.host.fetch keeps install media."""
    return data_dir / _DOWNLOADS


def plan_key(*parts: bytes | str) -> str:
    """SHA-256, in hex, of the parts and of where each ends."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def find_jeos(data_dir: Path, key: str) -> Path | None:
    """The directory of the complete installation `key`; None if there is none. Pin it while it is used."""
    path = _jeos_path(data_dir, key)
    try:
        is_complete = stat.S_ISDIR(path.lstat().st_mode) and any(path.iterdir())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror or error}") from error
    return path if is_complete else None


def store_jeos(data_dir: Path, key: str, fill: Callable[[Path], None]) -> None:
    """Keep what `fill` puts into the directory it is given, unless there is an installation of that key already.

    Nothing remains if `fill` fails. Raises HostError.
    """
    path = _jeos_path(data_dir, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locks.hold(path.with_name(f"{key}.lock"), what=f"the cached installation {key[:12]}"):
            if find_jeos(data_dir, key):
                return
            temporary = Path(tempfile.mkdtemp(prefix=f".{key}.", suffix=".tmp", dir=path.parent))
            try:
                fill(temporary)
                _sync_tree(temporary)
                temporary.rename(path)
                _sync(path.parent)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    except OSError as error:
        raise HostError(f"cannot keep {path}: {error.strerror or error}") from error


@contextmanager
def pin(path: Path) -> Iterator[None]:
    """Keeps a file or directory of the cache from being removed. Raises HostError if it is gone or being removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"cannot use {path}: {error.strerror or error}") from error
    try:
        if not _try_lock(descriptor, fcntl.LOCK_SH) or not _is_still(path, descriptor):
            raise HostError(f"{path} is being removed by another program", hint="try again")
        yield
    finally:
        os.close(descriptor)


def entries(data_dir: Path) -> tuple[Entry, ...]:
    """All that is in the cache, sorted by path. Raises HostError if it cannot be read."""
    found: list[Entry] = []
    for folder in (data_dir / _DOWNLOADS, data_dir / _JEOS):
        try:
            names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
            for path in sorted(folder / name for name in names):
                kind = _kind_of(path, names)
                if kind is not None:
                    with _vanishing():
                        found.append(_entry(path, kind))
        except OSError as error:
            raise HostError(f"cannot read {folder}: {error.strerror or error}") from error
    return tuple(found)


def remove(data_dir: Path, entry: Entry) -> None:
    """Remove an entry and what belongs to it. Links are removed, never followed.

    Raises HostError if it is in use or cannot be removed, UsageError if it is not in the cache of `data_dir`.
    """
    path = entry.path
    folder = path.parent
    if folder not in (data_dir / _DOWNLOADS, data_dir / _JEOS) or path.name in ("", ".", ".."):
        raise UsageError(f"{path} is not in the cache of {data_dir}")
    if folder.is_symlink():
        raise HostError(f"{folder} is a link; nothing behind it is removed")
    try:
        with locks.hold(_lock_path(path), what=f"{path}", wait=False), _exclusive(path):
            if path.is_dir() and not path.is_symlink():
                # A removal that is killed must not leave half an installation under a complete one's name.
                doomed = path.with_name(f".{path.name.strip('.')}.removed.tmp")
                path.rename(doomed)
                shutil.rmtree(doomed)
            else:
                path.unlink(missing_ok=True)
                for companion in _companions(path):
                    companion.unlink(missing_ok=True)
    except OSError as error:
        raise HostError(f"cannot remove {path}: {error.strerror or error}") from error


# ------------------------------------------------------------------ what is what


def _jeos_path(data_dir: Path, key: str) -> Path:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a key that plan_key made")
    return data_dir / _JEOS / key


def _kind_of(path: Path, names: Set[str]) -> Literal["medium", "jeos", "leftover"] | None:
    """What a name stands for; None for what belongs to another entry or is none."""
    name = path.name
    if name.endswith(".lock") or name == "digests":
        return None
    if path.parent.name == _JEOS:
        return "jeos" if _KEY.fullmatch(name) and path.is_dir() and not path.is_symlink() else "leftover"
    if name.endswith(".json"):
        return None if name.removesuffix(".json") in names else "leftover"
    return "leftover" if name.endswith(".part") or _TEMPORARY.fullmatch(name) else "medium"


def _companions(path: Path) -> tuple[Path, ...]:
    return () if path.name.endswith(".json") else (path.with_name(path.name + ".json"),)


def _lock_path(path: Path) -> Path:
    """The lock that whoever makes `path` holds."""
    temporary = _TEMPORARY.fullmatch(path.name)
    name = temporary[1] if temporary else path.name
    return path.with_name(name.removesuffix(".json").removesuffix(".part") + ".lock")


def _entry(path: Path, kind: Literal["medium", "jeos", "leftover"]) -> Entry:
    status = path.lstat()
    age_s = max(0.0, time.time() - status.st_mtime)
    is_young = kind == "leftover" and path.name.endswith(".tmp") and age_s < _YOUNG_S
    size_bytes = _allocated(path) + sum(_allocated(companion) for companion in _companions(path))
    return Entry(kind=kind, path=path, size_bytes=size_bytes, age_s=age_s, is_in_use=is_young or _is_held(path))


def _allocated(path: Path) -> int:
    total = 0
    with _vanishing():
        total = path.lstat().st_blocks * 512
    for folder, folders, names in os.walk(path):
        for name in (*names, *folders):
            with _vanishing():
                total += (Path(folder) / name).lstat().st_blocks * 512
    return total


@contextmanager
def _vanishing() -> Iterator[None]:
    """What another program removes while we look does not count."""
    with suppress(FileNotFoundError, NotADirectoryError):
        yield


# ------------------------------------------------------------------ locks and disks


def _is_held(path: Path) -> bool:
    try:
        with _exclusive(path):
            if not _lock_path(path).exists():
                return False
            with locks.hold(_lock_path(path), what=str(path), wait=False):
                return False
    except HostError:
        return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Nobody pins `path` meanwhile. Raises HostError if somebody does. What is not a file or directory has no pin."""
    mode = path.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not _try_lock(descriptor, fcntl.LOCK_EX):
            raise HostError(f"{path} is in use", hint="try again when the build that uses it has ended")
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the open file is the one under that name: it may have been removed before it was locked."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for path in (*(Path(folder) / name for name in names), Path(folder)):
            if not path.is_symlink():
                _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
