"""The other tree of a disc: UDF, where Windows has its files from Vista on, with an ISO 9660 tree that holds a text.

ECMA-167, in the chapters named below, as far as mastered discs use it: one partition where everything lies still.
"""

import struct
from collections.abc import Iterator

from oz.errors import MediumError
from oz.iso9660.records import SECTOR, Read
from oz.iso9660.walk import MAX_BYTES, MAX_DEPTH, MAX_FILES, File

_RECOGNITION = 16 * SECTOR
"""Where structures of one sector each begin that say what the disc is (part 2, 8.4)."""
_ANCHOR = 256
_ENTRY_BYTES = {261: 176, 266: 216}
"""A File Entry's kinds, and where its extended attributes begin (part 4, 14.9 and 14.17)."""


def walk_udf(read: Read, size_bytes: int) -> Iterator[File]:
    """Everything in the UDF tree below its root; nothing where there is none. Raises MediumError for loops, for
    contents past the image's end, and for more than any real medium has."""
    found = _find_root(read, size_bytes)
    if found is None:
        return
    start, root = found
    places = [("", root, frozenset[int]())]
    files, total_bytes = 0, 0
    while places:
        path, block, around = places.pop()
        if block in around or len(around) > MAX_DEPTH:
            raise MediumError(f"directory {path[:100]} of UDF contains itself, or is deeper than on any real medium")
        _, data, extents = _entry(read, start, block, size_bytes)
        total_bytes += len(data) + sum(size for _, size in extents)
        if total_bytes > MAX_BYTES:
            raise MediumError("directories of UDF larger than on any real medium")
        data = data or b"".join(read(place * SECTOR, size) for place, size in extents)
        for name, child in _names(data):
            files += 1
            if files > MAX_FILES:
                raise MediumError(f"more than {MAX_FILES} files")
            is_directory, _, extents = _entry(read, start, child, size_bytes)
            if is_directory:
                places.append((f"{path}/{name}", child, around | {block}))
            yield File(f"{path}/{name}", is_directory, False, () if is_directory else extents)


def _find_root(read: Read, size_bytes: int) -> tuple[int, int] | None:
    """The partition's first sector, and in it the block of the root directory's entry."""
    if size_bytes < (_ANCHOR + 1) * SECTOR:
        return None
    recognition = [read(_RECOGNITION + number * SECTOR, 6)[1:] for number in range(64)]
    if not {b"NSR02", b"NSR03"} & set(recognition):
        return None
    start, root = None, None
    anchor = _tagged(read, _ANCHOR, 2)
    length, place = struct.unpack_from("<II", anchor, 16)
    for number in range(min(length // SECTOR, 64)):
        descriptor = read((place + number) * SECTOR, SECTOR)
        tag = int.from_bytes(descriptor[:2], "little")
        if tag == 5:
            (start,) = struct.unpack_from("<I", descriptor, 188)
        elif tag == 6 and struct.unpack_from("<I", descriptor, 212) == (SECTOR,) and descriptor[440] == 1:
            (root,) = struct.unpack_from("<I", descriptor, 252)
        elif tag == 8:
            break
    if start is None or root is None:
        raise MediumError("its UDF is of a kind that no install medium has")
    files = _tagged(read, start + root, 256)
    return start, struct.unpack_from("<I", files, 404)[0]


def _tagged(read: Read, sector: int, wanted: int) -> bytes:
    """A descriptor, which begins with its kind and a sum of that tag's bytes (part 3, 7.2)."""
    data = read(sector * SECTOR, SECTOR)
    tag = int.from_bytes(data[:2], "little")
    if tag != wanted or (sum(data[:16]) - data[4]) % 256 != data[4]:
        raise MediumError(f"sector {sector} should have the UDF descriptor {wanted}, and does not")
    return data


def _entry(read: Read, start: int, block: int, size_bytes: int) -> tuple[bool, bytes, tuple[tuple[int, int], ...]]:
    """Of a file: whether it is a directory; its contents if they lie in the entry itself, else their sectors, each
    with the bytes from there on."""
    sector = start + block
    kind = int.from_bytes(read(sector * SECTOR, 2), "little")
    data = _tagged(read, sector, kind if kind in _ENTRY_BYTES else 261)
    head = _ENTRY_BYTES[kind]
    attributes, length = struct.unpack_from("<II", data, head - 8)
    is_directory, form = data[27] == 4, data[34] & 7
    descriptors = data[head + attributes : head + attributes + length]
    if form == 3:
        return is_directory, descriptors, ()
    if form > 1 or len(descriptors) < length:
        raise MediumError(f"the UDF entry in sector {sector} is of a kind that no install medium has")
    extents = []
    for at in range(0, length - 7, 16 if form else 8):
        size, place = struct.unpack_from("<II", descriptors, at)
        if size >> 30:
            raise MediumError(f"the UDF entry in sector {sector} goes on elsewhere, or is of a file with holes")
        if (start + place) * SECTOR + size > size_bytes:
            raise MediumError(f"a file of UDF should reach past the image's end, at byte {size_bytes}")
        extents.append((start + place, size))
    return is_directory, b"", tuple(extents)


def _names(data: bytes) -> Iterator[tuple[str, int]]:
    """The files in a directory, each with the block of its entry (part 4, 14.4)."""
    at = 0
    while at + 38 <= len(data):
        characteristics, length, block, own = data[at + 18], data[at + 19], data[at + 24 : at + 28], data[at + 36]
        own |= data[at + 37] << 8
        name = data[at + 38 + own : at + 38 + own + length]
        if data[at : at + 2] != b"\x01\x01" or len(name) < length:
            raise MediumError("a directory of UDF is damaged")
        at += (38 + own + length + 3) // 4 * 4
        if characteristics & (4 | 8):  # deleted; the parent
            continue
        text = name[1:].decode("utf-16-be" if name[:1] == b"\x10" else "latin-1", "replace")
        if text in ("", ".", "..") or "/" in text or "\0" in text:
            raise MediumError(f"{text!r} cannot be the name of a file")
        yield text, int.from_bytes(block, "little")
