"""What a URL names: its scheme, a file of this machine, a file name; and how to show it without its secrets."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from oz.errors import MediumError
from oz.redaction import redact


def scheme_of(url: str) -> str:
    """file, http, https or ftp. Raises MediumError for any other scheme, and for what is no URL."""
    try:
        parts = urlsplit(url)
        is_remote = parts.scheme in ("http", "https", "ftp") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise MediumError(f"{redact(url)!r} is not a URL: {redact(str(error))}") from error
    if is_remote or parts.scheme == "file":
        return parts.scheme
    raise MediumError(f"{redact(url)!r} cannot be fetched", hint="write a URL with file, http, https or ftp")


def file_name(url: str) -> str:
    """The last part of a URL's path, fit to be a file name."""
    name = unquote(urlsplit(redact(url)).path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name).lstrip(".")[-100:] or "index"


def cached_name(url: str) -> str:
    """The name under which a download is kept: 16 hex digits of the URL, without its password, and its file name."""
    return f"{hashlib.sha256(redact(url).encode()).hexdigest()[:16]}-{file_name(url)}"


def local_path(url: str, *, is_directory: bool = False) -> Path:
    """The readable regular file (or directory) that a file:// URL names. Raises MediumError."""
    host, slash, rest = url.partition(":")[2].removeprefix("//").partition("/")
    if host not in ("", "localhost") or not slash or "\0" in unquote(rest):
        raise MediumError(f"{redact(url)!r} does not name a local file", hint="write file:///absolute/path")
    path = Path("/" + unquote(rest))
    with reading(path):
        mode = path.stat().st_mode
        if not (stat.S_ISDIR(mode) if is_directory else stat.S_ISREG(mode)):
            raise MediumError(f"{path} is not a {'directory' if is_directory else 'regular file'}")
        if not is_directory:
            path.open("rb").close()
    return path


def walk_directory(root: Path) -> Iterator[tuple[str, Path]]:
    """The files under a directory: relative path, absolute path. Raises MediumError for what is neither."""
    real_root = root.resolve()
    with reading(root):
        for folder, folders, names in os.walk(root, onerror=_raise):
            for path in (Path(folder) / name for name in (*names, *folders)):
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode):
                    continue
                if stat.S_ISLNK(mode):
                    real = path.resolve()
                    if not (real.is_relative_to(real_root) and real.is_file()):
                        raise MediumError(f"{path} is a link to {real}, which is not a file inside {root}")
                elif not stat.S_ISREG(mode):
                    raise MediumError(f"{path} is neither a file nor a directory")
                yield path.relative_to(root).as_posix(), path


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns an OSError into a MediumError that names `path`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise MediumError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _raise(error: OSError) -> NoReturn:
    raise error
