"""Files that are on the disk for good, and trees that are gone from it."""

import contextlib
import os
import shutil
from pathlib import Path

from oz.errors import HostError


def sync_tree(path: Path) -> None:
    """A file, or a directory with all below it, is on the disk; symbolic links are not followed. Raises HostError."""
    if path.is_symlink():
        return
    for folder, _, names in os.walk(path) if path.is_dir() else ():
        for name in names:
            if not (Path(folder) / name).is_symlink() and (Path(folder) / name).is_file():
                sync_file(Path(folder) / name)
        sync_directory(Path(folder))
    if path.is_file():
        sync_file(path)


def sync_file(path: Path) -> None:
    """Raises HostError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(f"{path}: cannot be written to the disk: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """The names in it are on the disk, where its file system can promise that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_tree(path: Path) -> None:
    """A file or a whole tree; symbolic links are not followed. Nothing that stands right under / is removed."""
    if len(path.parts) < 3:
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
