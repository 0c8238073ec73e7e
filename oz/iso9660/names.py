"""Names for new files on an ISO 9660 image: checked, shortened where a tree needs it, and put in order."""

import re
from collections.abc import Collection
from itertools import chain

from oz.errors import MediumError

JOLIET_LIMIT = 103
"""In UTF-16 units. The specification says 64; every reader takes what fits the longest directory record."""
RELAXED_LIMIT = 30


def split_path(path: str) -> tuple[str, ...]:
    """The names along an absolute path on a medium. Raises MediumError for one that no medium can have."""
    parts = tuple(part for part in path.split("/") if part)
    if not parts or path.endswith("/"):
        raise MediumError(f"{path!r} names no file on the medium", hint="write it as /directory/file")
    for part in parts:
        if part in (".", ".."):
            raise MediumError(f"{path!r} contains {part!r}", hint="write the path from the medium's root")
        if not part.isprintable():
            raise MediumError(f"{path!r} contains a control character or one that cannot be shown")
        if len(part.encode()) > 255:
            raise MediumError(f"a name in {path[:60]!r}... is {len(part.encode())} bytes long; 255 is the most")
    if len(parts) > 64:
        raise MediumError(f"{path[:60]!r}... is {len(parts)} directories deep; 64 is the most")
    return parts


def mangle_joliet(name: str) -> str:
    """A name as Joliet can hold it: seven characters are replaced."""
    return re.sub(r"[*/:;?\\]", "_", name)


def joliet_identifier(name: str, *, has_version: bool) -> bytes:
    if len(name.encode("utf-16-be")) // 2 > JOLIET_LIMIT:
        raise MediumError(
            f"{name!r} is too long for the medium's Joliet tree, which holds {JOLIET_LIMIT} characters",
            hint="give it a shorter name",
        )
    return (mangle_joliet(name) + ";1" * has_version).encode("utf-16-be")


def short_identifier(name: str, *, is_directory: bool, taken: Collection[bytes]) -> bytes:
    """An 8.3 identifier (ISO 9660 level 1) that is not among `taken`; a digit or more make it so."""
    stem, _, extension = name.lstrip(".").rpartition(".") if not is_directory else ("", "", "")
    stem, extension = (stem, extension) if stem else (name, "")
    stem, extension = (re.sub(r"[^A-Z0-9_]", "_", text.upper()) for text in (stem, extension))
    for number in chain([""], map(str, range(10**6))):
        identifier = stem[: 8 - len(number)] + number
        if not is_directory:
            identifier += f".{extension[:3]};1"
        if identifier.encode() not in taken:
            return identifier.encode()
    raise MediumError(f"no 8.3 name is left for {name!r}")


def relaxed_identifier(name: str, *, is_directory: bool) -> bytes:
    """The identifier on a medium that has neither Rock Ridge nor Joliet: readers show it in lower case."""
    if len(name) > RELAXED_LIMIT or not name.isascii() or set(name) & set('*?:;\\"<>| '):
        raise MediumError(
            f"{name!r} cannot be a name on this medium, which has neither Rock Ridge nor Joliet",
            hint=f"use at most {RELAXED_LIMIT} letters, digits, '.', '_' and '-'",
        )
    identifier = name.upper()
    if not is_directory:
        identifier += ";1" if "." in identifier else ".;1"
    return identifier.encode()


def sort_key(identifier: bytes) -> tuple[bytes, bytes, bytes]:
    """The order of records in a directory and of rows in a path table (ECMA-119 9.3): shorter parts are padded."""
    stem_and_extension, _, version = identifier.partition(b";")
    stem, _, extension = stem_and_extension.partition(b".")
    return stem.ljust(32), extension.ljust(32), version


def ridge_names(name: str) -> list[bytes]:
    """NM entries that hold a name (RRIP 4.1.4); one entry has room for 250 bytes of it."""
    encoded = name.encode()
    pieces = [encoded[at : at + 250] for at in range(0, len(encoded), 250)]
    flags = [1] * (len(pieces) - 1) + [0]
    return [b"NM" + bytes([5 + len(piece), 1, flag]) + piece for piece, flag in zip(pieces, flags, strict=True)]
