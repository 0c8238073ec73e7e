"""The bytes of an ISO 9660 volume, to records and back: no file is opened here.

ECMA-119 (ISO 9660), the Joliet Specification of 1995, SUSP 1.12 and RRIP 1.12 (Rock Ridge) and El Torito 1.0
say what is where. Whatever contradicts itself or leaves the image is a MediumError: media come from strangers.
"""

import struct
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Literal

from oz.errors import MediumError

SECTOR = 2048
MAX_DIRECTORY_BYTES = 16 * 1024**2
MAX_PATH_TABLE_BYTES = 32 * 1024**2
IS_DIRECTORY = 0x02
IS_ASSOCIATED = 0x04
CONTINUES = 0x80
"""Flag of a directory record: more records follow for the same file, which is in several extents."""
MAX_EXTENT_BYTES = 0xFFFFF800

Read = Callable[[int, int], bytes]
"""Exactly that many bytes (second) of the image at that offset (first); MediumError if they are not there."""
Naming = Literal["rock-ridge", "joliet", "plain"]


def both16(value: int) -> bytes:
    return struct.pack("<H", value) + struct.pack(">H", value)


def both32(value: int) -> bytes:
    return struct.pack("<I", value) + struct.pack(">I", value)


def sectors_of(size_bytes: int) -> int:
    """How many sectors so many bytes fill."""
    return -(-size_bytes // SECTOR)


# ------------------------------------------------------------------ volume descriptors


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One volume descriptor: where it lies, and the directory tree it names."""

    sector: int
    raw: bytes
    naming: Naming
    skip: int = 0
    """Bytes before the first SUSP entry in every record's system use field (SUSP 5.3, LEN_SKP)."""

    @property
    def blocks(self) -> int:
        return u32(self.raw, 80)

    @property
    def path_table_bytes(self) -> int:
        return u32(self.raw, 132)

    @property
    def root_extent(self) -> int:
        return u32(self.raw, 158) + self.raw[157]

    @property
    def root_bytes(self) -> int:
        return u32(self.raw, 166)

    def text(self, start: int, end: int) -> str:
        """An identifier field, without padding and control characters."""
        field = self.raw[start:end]
        decoded = field.decode("utf-16-be", "replace") if self.naming == "joliet" else field.decode("latin-1")
        return "".join(c for c in decoded if c.isprintable()).strip()


def u32(raw: bytes | bytearray, offset: int) -> int:
    """The little-endian number at `offset`."""
    return int.from_bytes(raw[offset : offset + 4], "little")


def read_volumes(read: Read, size_bytes: int) -> tuple[list[Volume], int | None]:
    """The primary descriptor, then the supplementary ones; and the sector of the El Torito boot catalog."""
    volumes: list[Volume] = []
    catalog = None
    for sector in range(16, 116):
        if (sector + 1) * SECTOR > size_bytes:
            break
        raw = read(sector * SECTOR, SECTOR)
        if raw[1:6] != b"CD001" or raw[0] == 255:
            break
        if raw[0] == 0 and raw[7:30] == b"EL TORITO SPECIFICATION":
            catalog = catalog or u32(raw, 71)
        elif raw[0] == 1 or raw[0] == 2:
            volumes.append(_read_volume(read, sector, raw))
    volumes.sort(key=lambda volume: volume.raw[0])
    if not volumes or volumes[0].raw[0] != 1:
        udf = size_bytes >= 17 * SECTOR and read(16 * SECTOR + 1, 5) in (b"BEA01", b"NSR02", b"NSR03")
        what = "has only a UDF file system" if udf else "is not an ISO 9660 image"
        raise MediumError(what, hint="give an install CD or DVD image (.iso), complete and not packed")
    return volumes, catalog


def _read_volume(read: Read, sector: int, raw: bytes) -> Volume:
    if raw[128:130] != b"\x00\x08":
        block = int.from_bytes(raw[128:130], "little")
        raise MediumError(f"volume descriptor {sector} has blocks of {block} bytes, expected 2048")
    volume = Volume(sector=sector, raw=raw, naming="plain")
    if not 34 <= volume.root_bytes <= MAX_DIRECTORY_BYTES:
        raise MediumError(f"volume descriptor {sector} has a root directory of {volume.root_bytes} bytes")
    if raw[0] == 2 and raw[88:91] in (b"%/@", b"%/C", b"%/E"):
        return Volume(sector=sector, raw=raw, naming="joliet")
    own = Record.parse(read(volume.root_extent * SECTOR, SECTOR), 0)
    for skip in (0, 14):  # 14 bytes of CD-ROM XA may precede
        if own.system_use[skip : skip + 6] == b"SP\x07\x01\xbe\xef":
            skipped = own.system_use[skip + 6]
            signatures = {entry.signature for entry in susp_entries(own, skip, read)}
            if signatures & {b"PX", b"RR", b"TF", b"NM"}:
                return Volume(sector=sector, raw=raw, naming="rock-ridge", skip=skipped)
    return volume


# ------------------------------------------------------------------ directory records


@dataclass(frozen=True, slots=True)
class Record:
    """One directory record. `raw` is all of it; `extent` is where the contents start."""

    raw: bytes
    extent: int
    size_bytes: int
    flags: int
    identifier: bytes
    system_use: bytes

    @classmethod
    def parse(cls, sector: bytes, start: int) -> "Record":
        length = sector[start]
        raw = sector[start : start + length]
        if len(raw) < max(length, 34) or 33 + raw[32] > length or not raw[32]:
            raise MediumError(f"a directory record of {length} bytes does not fit its sector or its name")
        name_end = 33 + raw[32]
        system_use = raw[name_end + 1 - raw[32] % 2 :]
        return cls(raw, u32(raw, 2) + raw[1], u32(raw, 10), raw[25], raw[33:name_end], system_use)

    @property
    def is_directory(self) -> bool:
        return bool(self.flags & IS_DIRECTORY)

    @property
    def is_dot(self) -> bool:
        """It is "." or ".."."""
        return self.identifier in (b"\0", b"\1")


def set_location(raw: bytearray, extent: int, size_bytes: int) -> None:
    """Point a directory record elsewhere: one extent, not interleaved, without extended attributes."""
    raw[1:18] = b"\0" + both32(extent) + both32(size_bytes)
    raw[26:28] = b"\0\0"


def parse_sectors(content: bytes) -> Iterator[list[Record]]:
    """The records of a directory, sector by sector (a record never crosses a sector's end)."""
    for start in range(0, len(content), SECTOR):
        sector = content[start : start + SECTOR]
        records = []
        at = 0
        while at < len(sector) and sector[at]:
            record = Record.parse(sector, at)
            records.append(record)
            at += len(record.raw)
        yield records


def read_directory(read: Read, extent: int, size_bytes: int) -> Iterator[list[Record]]:
    """A directory's records, sector by sector; its first two are known to be "." and ".."."""
    if not 0 < size_bytes <= MAX_DIRECTORY_BYTES:
        raise MediumError(f"the directory at block {extent} has an absurd size of {size_bytes} bytes")
    sectors = parse_sectors(read(extent * SECTOR, sectors_of(size_bytes) * SECTOR))
    first = next(sectors)
    if [record.identifier for record in first[:2]] != [b"\0", b"\1"]:
        raise MediumError(f"block {extent} should hold a directory, but does not begin with '.' and '..'")
    yield first
    yield from sectors


def build_record(identifier: bytes, *, flags: int, date: bytes, system_use: bytes) -> bytes:
    """A directory record that points nowhere yet; `date` is seven bytes as in ECMA-119 9.1.5."""
    raw = bytes(16) + date + bytes([flags, 0, 0]) + both16(1)
    raw += bytes([len(identifier)]) + identifier + b"\0" * (1 - len(identifier) % 2) + system_use
    raw += b"\0" * (len(raw) % 2)
    return bytes([len(raw) + 2, 0]) + raw


# ------------------------------------------------------------------ Rock Ridge


@dataclass(frozen=True, slots=True)
class SuspEntry:
    """One system use entry. It lies at byte `position` of its record, or, where `in_area`, of the image."""

    signature: bytes
    payload: bytes
    position: int
    in_area: bool


_ABOUT_FILES = frozenset((b"NM", b"SL", b"CL", b"RE"))


def susp_entries(record: Record, skip: int, read: Read, wanted: Container[bytes] | None = None) -> Iterator[SuspEntry]:
    """The SUSP entries of a record and of its continuation areas; or those with the wanted signatures only,
    which is quicker."""
    field, base, in_area = record.system_use[skip:], len(record.raw) - len(record.system_use) + skip, False
    for _ in range(64):
        following = None
        at = 0
        while at + 4 <= len(field) and field[at + 2] >= 4:
            signature, length = field[at : at + 2], field[at + 2]
            if at + length > len(field) or signature == b"ST":
                break
            if signature == b"CE" and length >= 28:
                following = (u32(field, at + 4) * SECTOR + u32(field, at + 12), u32(field, at + 20))
            elif wanted is None or signature in wanted:
                yield SuspEntry(signature, field[at + 4 : at + length], base + at, in_area)
            at += length
        if following is None:
            return
        base, in_area = following[0], True
        if following[1] > 2 * SECTOR:
            raise MediumError(f"a Rock Ridge continuation area of {following[1]} bytes")
        field = read(*following)
    raise MediumError("Rock Ridge continuation areas go in a circle")


@dataclass(frozen=True, slots=True)
class RockRidge:
    """What Rock Ridge says of one file."""

    name: bytes | None
    is_symlink: bool = False
    child: int | None = None
    """This is a stand-in for a directory that was moved up; its extent."""
    is_moved: bool = False
    """This is such a moved directory, to be ignored where it lies."""


def rock_ridge(record: Record, skip: int, read: Read) -> RockRidge:
    name, is_symlink, child, is_moved = None, False, None, False
    for entry in susp_entries(record, skip, read, _ABOUT_FILES):
        if entry.signature == b"NM" and entry.payload and not entry.payload[0] & 6:
            name = (name or b"") + entry.payload[1:]
        elif entry.signature == b"SL":
            is_symlink = True
        elif entry.signature == b"CL" and len(entry.payload) >= 8:
            child = u32(entry.payload, 0)
        elif entry.signature == b"RE":
            is_moved = True
    return RockRidge(name, is_symlink, child, is_moved)


def plain_name(record: Record, naming: Naming) -> str:
    """A record's name without Rock Ridge: Joliet's as it is, else in lower case; without version and last dot."""
    if naming == "joliet":
        name = record.identifier.decode("utf-16-be", "replace")
    else:
        name = record.identifier.decode("latin-1").lower()
    if record.is_directory:
        return name
    stem, separator, version = name.rpartition(";")
    name = stem if separator and version.isdigit() else name
    return name if naming == "joliet" else name.removesuffix(".")


def decode_name(name: bytes) -> str:
    """A Rock Ridge name; old media have Latin-1."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


# ------------------------------------------------------------------ path tables


@dataclass(slots=True, eq=False)
class PathRow:
    """One directory in a path table; `parent` counts rows from 0, the root being its own."""

    identifier: bytes
    extent: int
    parent: int


def parse_path_table(raw: bytes, order: Literal["little", "big"]) -> list[PathRow]:
    rows: list[PathRow] = []
    at = 0
    while at < len(raw):
        length = raw[at]
        end = at + 8 + length + length % 2
        parent = int.from_bytes(raw[at + 6 : at + 8], order) - 1
        if not length or at + 8 + length > len(raw) or not 0 <= parent <= max(len(rows) - 1, 0):
            raise MediumError(f"row {len(rows) + 1} of a path table makes no sense")
        rows.append(PathRow(raw[at + 8 : at + 8 + length], int.from_bytes(raw[at + 2 : at + 6], order), parent))
        at = end
    if not rows:
        raise MediumError("a path table is empty")
    return rows


def build_path_table(rows: list[PathRow], order: Literal["little", "big"]) -> bytes:
    out = bytearray()
    for row in rows:
        out += bytes([len(row.identifier), 0]) + row.extent.to_bytes(4, order) + (row.parent + 1).to_bytes(2, order)
        out += row.identifier + b"\0" * (len(row.identifier) % 2)
    return bytes(out)


def read_path_table(read: Read, volume: Volume, field: int) -> list[PathRow]:
    """The path table whose block number stands at byte `field` of the descriptor: 140 and 144 L, 148 and 152 M."""
    order: Literal["little", "big"] = "little" if field < 148 else "big"
    if not 10 <= volume.path_table_bytes <= MAX_PATH_TABLE_BYTES:
        raise MediumError(f"a path table of {volume.path_table_bytes} bytes")
    block = int.from_bytes(volume.raw[field : field + 4], order)
    rows = parse_path_table(read(block * SECTOR, volume.path_table_bytes), order)
    if rows[0].extent != u32(volume.raw, 158):
        raise MediumError(f"the path table has its root at block {rows[0].extent}, not at {u32(volume.raw, 158)}")
    return rows


# ------------------------------------------------------------------ El Torito


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One bootable entry of the boot catalog; `position` is its first byte in the image."""

    position: int
    platform: int
    media: int
    sectors: int
    """Of 512 bytes; what firmware loads, or the size of an EFI image."""
    block: int


def read_boot_catalog(read: Read, block: int) -> list[BootEntry]:
    """The entries of the boot catalog at `block` (El Torito 1.0, section 2)."""
    base = block * SECTOR
    first = read(base, 64)
    if first[0] != 1 or first[30:32] != b"\x55\xaa" or sum(struct.unpack("<16H", first[:32])) & 0xFFFF:
        raise MediumError(f"the boot catalog at block {block} is damaged")
    entries = [_boot_entry(base + 32, first[1], first[32:])]
    position = base + 64
    for _ in range(32):
        header = read(position, 32)
        position += 32
        if header[0] not in (0x90, 0x91):
            break
        for _ in range(min(int.from_bytes(header[2:4], "little"), 32)):
            entries.append(_boot_entry(position, header[1], read(position, 32)))
            position += 32
            while entries[-1].media & 0x20 and read(position, 32)[0] == 0x44:
                position += 32
                if position > base + 32 * SECTOR:
                    raise MediumError(f"the boot catalog at block {block} has no end")
        if header[0] == 0x91:
            break
    return [entry for entry in entries if entry.block]


def _boot_entry(position: int, platform: int, raw: bytes) -> BootEntry:
    block = u32(raw, 8) if raw[0] == 0x88 else 0
    return BootEntry(position, platform, raw[1], int.from_bytes(raw[6:8], "little"), block)
