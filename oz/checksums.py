"""Digests of files, remembered; and the lists in which others publish theirs. No network here."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from oz.errors import HostError, MediumError
from oz.progress import Meter

DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}
"""Algorithm to the length of its hex digest."""

_CHUNK = 1024 * 1024


def digest(path: Path, algorithm: str, *, memory: Path) -> str:
    """Hex digest of a file; read only if the directory `memory` holds none for its path, inode, size and mtime.

    Raises MediumError if the file cannot be read or changes meanwhile, HostError if `memory` cannot be written.
    """
    path = path.absolute()
    try:
        before = _identity(path)
        known = _known_digests(path, before, memory)
        if algorithm in known:
            return known[algorithm]
        found = read_digest(path, algorithm)
        if _identity(path) != before:
            raise MediumError(f"{path} changed while it was read", hint="wait until it is complete, then try again")
    except OSError as error:
        raise MediumError(f"cannot read {path}: {error.strerror or error}") from error
    remember_digests(path, {**known, algorithm: found}, memory=memory)
    return found


def read_digest(path: Path, algorithm: str) -> str:
    """Hex digest of a file, always read. Raises OSError."""
    calculation = hashlib.new(algorithm, usedforsecurity=False)
    meter = Meter(f"checking {path.name}", path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            calculation.update(chunk)
            meter.show(file.tell())
    return calculation.hexdigest()


def remember_digests(path: Path, digests: Mapping[str, str], *, memory: Path) -> None:
    """Note in `memory` what `digest` shall say of the file as it is now. Raises HostError."""
    path = path.absolute()
    try:
        memory.mkdir(parents=True, exist_ok=True)
        save_note(_note_path(path, memory), {**_identity(path), "digests": dict(digests)})
    except OSError as error:
        raise HostError(f"cannot write to {memory}: {error.strerror or error}") from error


def save_note(path: Path, note: Mapping[str, object]) -> None:
    """Replace a small JSON file by one rename. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(note, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_note(path: Path) -> dict[str, Any]:
    """What save_note wrote; {} if there is nothing or nothing that can be understood."""
    try:
        note = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def find_digest(text: str, url: str, algorithm: str) -> str:
    """The digest that a list gives for the file at `url`: GNU or BSD lines, signed or not, or one bare digest.

    A name with directories must be the end of the URL's path; the longest such name counts. The formats are those of
    GNU coreutils (also with one blank, as some mirrors write it), of BSD md5(1), and OpenPGP's cleartext framework
    around either. Raises MediumError if there is none, or more than one.
    """
    digits = DIGITS[algorithm]
    family, width = re.fullmatch(r"([a-z]+)(\d+)", algorithm).groups()  # type: ignore[union-attr]
    bsd = re.compile(rf"{family}(?:2?-)?{width} ?\((.+)\) ?= ?([0-9a-f]{{{digits}}})", re.IGNORECASE)
    gnu = re.compile(rf"\\?([0-9a-f]{{{digits}}})[ \t]+\*?(.+)", re.IGNORECASE)
    place = "/" + unquote(urlsplit(url).path).lstrip("/")
    name_wanted = place.rpartition("/")[2]
    found: dict[str, set[str]] = {}
    lines = [line.strip().removeprefix("- ") for line in text.splitlines() if line.strip()]
    for line in lines:
        if match := bsd.fullmatch(line):
            name, value = match.groups()
        elif match := gnu.fullmatch(line):
            value, name = match.groups()
        else:
            continue
        name = name.removeprefix("./")
        if place.endswith("/" + name):
            found.setdefault(name, set()).add(value.lower())
    if not found and len(lines) == 1 and re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", lines[0]):
        return lines[0].lower()
    if not found:
        raise MediumError(f"the list holds no {algorithm} digest of {name_wanted}")
    values = found[max(found, key=len)]
    if len(values) > 1:
        raise MediumError(f"the list holds different {algorithm} digests of {name_wanted}")
    return values.pop()


def _note_path(path: Path, memory: Path) -> Path:
    return memory / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"


def _known_digests(path: Path, identity: Mapping[str, object], memory: Path) -> dict[str, str]:
    note = load_note(_note_path(path, memory))
    digests = note.get("digests")
    if not isinstance(digests, dict) or any(note.get(key) != value for key, value in identity.items()):
        return {}
    return {str(algorithm): str(value) for algorithm, value in digests.items()}


def _identity(path: Path) -> dict[str, object]:
    status = path.stat()
    return {
        "path": str(path),
        "inode": status.st_ino,
        "size_bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
