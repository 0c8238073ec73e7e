"""URL to verified local file.

A file:// URL is used where it lies. Anything else is downloaded into a directory that outlives the program:

    HASH-NAME               a complete file; it gets this name by one rename
    HASH-NAME.json          what the server said of it: ETag, date, size
    HASH-NAME.part[.json]   a download that can be taken up again
    HASH-NAME.lock          held while a process works on any of these
    digests/                digests of files already read

HASH is of the URL without its password. No message and no file name holds the user name or password of a URL.
"""

import errno
import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from oz import checksums
from oz.errors import HostError, MediumError
from oz.host import locks
from oz.host.fetch.servers import (
    OTHER_MIRROR,
    Facts,
    Patience,
    TransferInterruptedError,
    UnreachableError,
    open_url,
    walk_ftp,
)
from oz.host.fetch.urls import cached_name, file_name, local_path, reading, scheme_of, walk_directory
from oz.model import Checksum
from oz.progress import Meter
from oz.protocols import RealClock
from oz.redaction import redact

__all__ = ["Patience", "cached_name", "digest", "fetch", "fetch_bytes", "file_name", "list_tree"]

digest = checksums.digest

log = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_LIST_LIMIT_BYTES = 4 * 1024**2
_SPACE_MARGIN_BYTES = 1024**2
_PATIENCE = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One download: from where, to where, within which limits, and the digest it must have."""

    url: str
    target: Path
    label: str
    patience: Patience
    limit_bytes: int | None
    algorithm: str
    expected: str | None

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")


def fetch(
    url: str,
    *,
    directory: Path,
    checksum: Checksum | None = None,
    force: bool = False,
    label: str = "",
    limit_bytes: int | None = None,
    patience: Patience = _PATIENCE,
) -> Path:
    """The file at `url`: where it lies for file://, else complete and verified in `directory`.

    A cached file with the expected digest is used unasked. Without a checksum the server is asked whether the file
    has changed; one that cannot be asked is done without. `force` downloads anyway.
    Raises MediumError for faults of URL, server and file, HostError for those of this machine.
    """
    is_local = scheme_of(url) == "file"
    path = local_path(url) if is_local else directory / cached_name(url)
    expected, algorithm = None, ""
    if checksum is not None:
        algorithm = checksum.algorithm
        expected = _expected_digest(url, checksum, directory=directory, force=force, patience=patience)
    if is_local:
        if expected is not None:
            _compare(str(path), algorithm, expected, digest(path, algorithm, memory=directory / "digests"))
        return path
    job = _Job(
        url=url,
        target=path,
        label=label or file_name(url),
        patience=patience,
        limit_bytes=limit_bytes,
        algorithm=algorithm,
        expected=expected,
    )
    with _writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with locks.hold(path.with_name(path.name + ".lock"), what=f"the download of {redact(url)}"):
        if force or not _is_usable(job):
            _renew(job)
    return path


def fetch_bytes(url: str, *, limit_bytes: int, what: str, patience: Patience = _PATIENCE) -> bytes:
    """Small contents, not kept. `what` is what messages call it. Raises MediumError, also beyond `limit_bytes`."""
    try:
        with tempfile.TemporaryDirectory(prefix="oz-") as directory:
            path = fetch(url, directory=Path(directory), limit_bytes=limit_bytes, label=what, patience=patience)
            with path.open("rb") as file:
                data = file.read(limit_bytes + 1)
        _refuse_length(url, limit_bytes, len(data))
    except MediumError as error:
        raise MediumError(f"{what}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise HostError(f"{what}: cannot keep {redact(url)}: {error.strerror or error}") from error
    return data


def list_tree(
    url: str, *, directory: Path, force: bool = False, patience: Patience = _PATIENCE
) -> tuple[tuple[str, Path], ...]:
    """All files under a file:// or ftp:// directory, sorted: path relative to it with "/", and the local file.

    A link counts as its target if that is a file inside. Raises MediumError for anything but files and directories.
    """
    scheme = scheme_of(url)
    if scheme == "file":
        return tuple(sorted(walk_directory(local_path(url, is_directory=True))))
    if scheme != "ftp":
        raise MediumError(
            f"{redact(url)}: a directory cannot be had by {scheme}",
            hint="use file:// or ftp:// for a directory, or name its files one by one",
        )
    base = url.rstrip("/") + "/"
    names = sorted(walk_ftp(base, patience))
    return tuple(
        (name, fetch(base + quote(name), directory=directory, force=force, patience=patience)) for name in names
    )


# ------------------------------------------------------------------ what is there already


def _expected_digest(url: str, checksum: Checksum, *, directory: Path, force: bool, patience: Patience) -> str:
    if not checksum.is_url:
        value = checksum.value.strip().lower()
        if not re.fullmatch(rf"[0-9a-f]{{{checksums.DIGITS[checksum.algorithm]}}}", value):
            raise MediumError(f"{value[:80]!r} is neither an {checksum.algorithm} digest nor the URL of a list of them")
        return value
    label = f"checksums of {file_name(url)}"
    list_url = checksum.value.strip()
    path = fetch(
        list_url, directory=directory, force=force, label=label, limit_bytes=_LIST_LIMIT_BYTES, patience=patience
    )
    with reading(path), path.open("rb") as file:
        text = file.read(_LIST_LIMIT_BYTES).decode(errors="replace")
    try:
        return checksums.find_digest(text, url, checksum.algorithm)
    except MediumError as error:
        raise MediumError(f"{redact(list_url)}: {error.message}", hint=error.hint) from error


def _compare(name: str, algorithm: str, expected: str, found: str) -> None:
    if found != expected:
        raise MediumError(
            f"{name} has the {algorithm} digest {found}; expected {expected}",
            hint="the file is damaged, has been replaced by a newer one, or the checksum is that of another file",
        )


def _is_usable(job: _Job) -> bool:
    """Whether the file in the cache is the wanted one."""
    try:
        status = job.target.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise HostError(f"cannot read {job.target}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise HostError(f"{job.target} is in the way: it is not a regular file", hint="remove it")
    if job.expected is not None:
        return digest(job.target, job.algorithm, memory=job.target.parent / "digests") == job.expected
    facts = _load_facts(job.target)
    if facts.size_bytes not in (None, status.st_size):
        return False
    asked = {"If-None-Match": facts.etag, "If-Modified-Since": facts.last_modified}
    try:
        with open_url(job.url, {name: value for name, value in asked.items() if value}, job.patience) as answer:
            now = answer.facts
            said = (now.size_bytes, now.etag, now.last_modified)
            return answer.status == 304 or said == (status.st_size, facts.etag, facts.last_modified)
    except (MediumError, TransferInterruptedError) as error:
        log.warning("using the cached copy of %s: %s", redact(job.url), error)
        return True


def _facts_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _load_facts(path: Path) -> Facts:
    note = checksums.load_note(_facts_path(path))
    etag, date, size = note.get("etag"), note.get("last_modified"), note.get("size_bytes")
    if isinstance(etag, str) and isinstance(date, str) and isinstance(size, int | None):
        return Facts(etag=etag, last_modified=date, size_bytes=size)
    return Facts()


# ------------------------------------------------------------------ downloads


def _renew(job: _Job) -> None:
    """Put a complete and verified download in place of whatever is there."""
    is_resumed = job.part.exists()
    try:
        facts = _download(job)
        found = _part_digest(job)
        if found != job.expected and is_resumed:
            log.warning("%s: the resumed download is damaged; starting over", redact(job.url))
            _discard(job)
            facts = _download(job)
            found = _part_digest(job)
        if found != job.expected:
            _discard(job)
            _compare(redact(job.url), job.algorithm, job.expected or "", found or "")
    except BaseException:
        if not _load_facts(job.part).validator:
            _discard(job)
        raise
    with _writing(job.target):
        job.part.replace(job.target)
        # In this order: with the old facts a new file is at worst fetched again, never taken for the old one.
        checksums.save_note(_facts_path(job.target), asdict(facts))
        _facts_path(job.part).unlink(missing_ok=True)
        _sync_directory(job.target.parent)
    if found is not None:
        checksums.remember_digests(job.target, {job.algorithm: found}, memory=job.target.parent / "digests")


def _part_digest(job: _Job) -> str | None:
    with _writing(job.part):
        return checksums.read_digest(job.part, job.algorithm) if job.expected is not None else None


def _download(job: _Job) -> Facts:
    """Make job.part complete and safe on disk, in as many attempts as it takes while they get anywhere."""
    failures, best = 0, 0
    while True:
        try:
            return _attempt(job)
        except TransferInterruptedError as error:
            size = job.part.stat().st_size if job.part.exists() else 0
            failures = failures + 1 if size < best + 1024**2 else 1
            best = max(best, size)
            if failures >= job.patience.attempts:
                words = f"cannot download {redact(job.url)}: {error} ({failures} attempts)"
                raise MediumError(words, hint=OTHER_MIRROR) from error
            log.info("%s: %s; trying again", redact(job.url), error)
        except UnreachableError:
            failures += 1
            if failures == 1 or failures >= job.patience.attempts:
                raise
        RealClock().sleep(job.patience.pause_s)


def _attempt(job: _Job) -> Facts:
    facts = _load_facts(job.part)
    with _writing(job.part):
        have = job.part.lstat().st_size if facts.validator and job.part.exists() else 0
    if have and have == facts.size_bytes:
        return facts
    headers = {"Range": f"bytes={have}-", "If-Range": facts.validator} if have else {}
    with open_url(job.url, headers, job.patience) as answer:
        if answer.status in (206, 416):
            is_same = answer.facts.validator in ("", facts.validator) and answer.facts.size_bytes == facts.size_bytes
            if answer.start != have or not is_same:
                _discard(job)
                raise TransferInterruptedError("the file changed on the server")
        else:
            _discard(job)
            have, facts = 0, answer.facts
            with _writing(job.part):
                checksums.save_note(_facts_path(job.part), asdict(facts))
        _refuse_length(job.url, job.limit_bytes, facts.size_bytes or 0)
        _copy(job, answer.read, have, facts.size_bytes)
    return facts


def _copy(job: _Job, read: Callable[[int], bytes], have: int, total: int | None) -> None:
    """Append to job.part what `read` gives, to the last byte."""
    meter = Meter(job.label, total or 0)
    with _writing(job.part):
        free = shutil.disk_usage(job.part.parent).free
        if total is not None and total - have + _SPACE_MARGIN_BYTES > free:
            raise HostError(
                f"{redact(job.url)} needs {total - have} bytes; {job.part.parent} has {free} free",
                hint="make room there, or choose another data_dir in oz.cfg",
            )
        descriptor = os.open(job.part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            while chunk := read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                _refuse_length(job.url, job.limit_bytes, have)
                meter.show(have)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and have != total:
        raise TransferInterruptedError(f"it ended after {have} of {total} bytes")


def _refuse_length(url: str, limit_bytes: int | None, length: int) -> None:
    if limit_bytes is not None and length > limit_bytes:
        raise MediumError(f"{redact(url)} is longer than the {limit_bytes} bytes that it may have")


def _discard(job: _Job) -> None:
    with _writing(job.part):
        job.part.unlink(missing_ok=True)
        _facts_path(job.part).unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an OSError into a HostError that names `path`."""
    try:
        yield
    except OSError as error:
        hint = "make room there, or choose another data_dir in oz.cfg"
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise HostError(f"cannot write {path}: {error.strerror or error}", hint=hint if is_full else None) from error
