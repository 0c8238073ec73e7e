"""Every file of a directory tree, from media that may be made to lead readers astray."""

from collections.abc import Iterator
from dataclasses import dataclass

from oz.errors import MediumError
from oz.iso9660.records import (
    CONTINUES,
    IS_ASSOCIATED,
    SECTOR,
    Read,
    Record,
    RockRidge,
    Volume,
    decode_name,
    parse_sectors,
    plain_name,
    read_directory,
    rock_ridge,
)

MAX_FILES = 1_000_000
MAX_DIRECTORIES = 100_000
MAX_DEPTH = 100
MAX_BYTES = 512 * 1024**2
"""Of all directories together."""
NO_RIDGE = RockRidge(None)


@dataclass(frozen=True, slots=True)
class File:
    """A file or directory. `extents` are blocks and bytes, empty for a directory."""

    path: str
    is_directory: bool
    is_symlink: bool
    extents: tuple[tuple[int, int], ...]

    @property
    def is_regular(self) -> bool:
        return not self.is_directory and not self.is_symlink


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory still to be read, and the blocks of all directories around it."""

    path: str
    block: int
    size_bytes: int
    around: frozenset[int]


def walk(read: Read, volume: Volume, size_bytes: int) -> Iterator[File]:
    """Everything in a volume's tree below the root. Raises MediumError for loops, for contents past the
    image's end, and for more than any real medium has."""
    places = [_Place("", volume.root_extent, volume.root_bytes, frozenset())]
    files, directories, total_bytes = 0, 0, 0
    while places:
        place = places.pop()
        directories += 1
        total_bytes += place.size_bytes
        if place.block in place.around:
            raise MediumError(f"directory {place.path} contains itself")
        if len(place.around) > MAX_DEPTH or directories > MAX_DIRECTORIES or total_bytes > MAX_BYTES:
            raise MediumError(f"directories deeper, more or larger than on any real medium, at {place.path[:100]}")
        around = place.around | {place.block}
        try:
            for file, child in _list(read, volume, place, size_bytes):
                files += 1
                if files > MAX_FILES:
                    raise MediumError(f"more than {MAX_FILES} files")
                if child:
                    places.append(_Place(file.path, *child, around))
                yield file
        except MediumError as error:
            raise MediumError(f"directory {place.path or '/'}: {error.message}", hint=error.hint) from None


def _list(read: Read, volume: Volume, place: _Place, size_bytes: int) -> Iterator[tuple[File, tuple[int, int] | None]]:
    """A directory's files, each with where its records are if it is itself a directory."""
    extents: list[tuple[int, int]] = []
    for sector in read_directory(read, place.block, place.size_bytes):
        for record in sector:
            if record.is_dot or record.flags & IS_ASSOCIATED:
                continue
            ridge = rock_ridge(record, volume.skip, read) if volume.naming == "rock-ridge" else NO_RIDGE
            if ridge.is_moved:
                continue
            path = f"{place.path}/{_name(record, ridge, volume)}"
            if ridge.child is not None:
                yield File(path, True, False, ()), (ridge.child, _directory_bytes(read, ridge.child))
                continue
            if record.size_bytes and record.extent * SECTOR + record.size_bytes > size_bytes:
                end = record.extent * SECTOR + record.size_bytes
                raise MediumError(f"{path} should reach up to byte {end}, but the image ends at byte {size_bytes}")
            if record.is_directory:
                yield File(path, True, False, ()), (record.extent, record.size_bytes)
                continue
            extents.append((record.extent, record.size_bytes))
            if not record.flags & CONTINUES:
                yield File(path, False, ridge.is_symlink, tuple(extents)), None
                extents.clear()


def _name(record: Record, ridge: RockRidge, volume: Volume) -> str:
    name = decode_name(ridge.name) if ridge.name is not None else plain_name(record, volume.naming)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise MediumError(f"{name!r} cannot be the name of a file")
    return name


def _directory_bytes(read: Read, block: int) -> int:
    """The size that a directory states in its own "." record."""
    own = next(parse_sectors(read(block * SECTOR, SECTOR)))
    return own[0].size_bytes if own else 0
