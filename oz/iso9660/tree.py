"""Files put into the directory trees of an ISO 9660 image, as patches to it. No file is opened here.

Nothing that is on the image moves, except what has to grow: new contents, directories without room for one
more record, and path tables with new rows go past the end, and what points to them is patched in place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oz.errors import MediumError
from oz.iso9660.names import (
    joliet_identifier,
    mangle_joliet,
    relaxed_identifier,
    ridge_names,
    short_identifier,
    sort_key,
)
from oz.iso9660.records import (
    CONTINUES,
    IS_ASSOCIATED,
    IS_DIRECTORY,
    MAX_EXTENT_BYTES,
    SECTOR,
    Read,
    Record,
    RockRidge,
    Volume,
    both32,
    build_record,
    decode_name,
    parse_sectors,
    plain_name,
    read_directory,
    rock_ridge,
    sectors_of,
    set_location,
    susp_entries,
    u32,
)
from oz.model import Patch

Location = tuple[int, int]
"""Block and bytes."""
NO_RIDGE = RockRidge(None)


class Layout:
    """The patches so far, and the block at which the image ends."""

    def __init__(self, read: Read, size_bytes: int) -> None:
        self._read = read
        self.end = self.old_end = sectors_of(size_bytes)
        self.volumes: dict[int, bytearray] = {}
        """Changed volume descriptors by sector."""
        self.patches: list[Patch] = []

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the original, or of what was appended to it."""
        if offset < self.old_end * SECTOR:
            return self._read(offset, length)
        patch = next((patch for patch in self.patches if patch.offset <= offset < patch.end), None)
        if patch is None or offset + length > patch.end:
            raise MediumError(f"something should lie at byte {offset}, past the image's end")
        return patch.data[offset - patch.offset :][:length]

    def reserve(self, size_bytes: int) -> int:
        """The block of new space past the end; one sector at least, so that no two things share one."""
        block = self.end
        self.end += max(sectors_of(size_bytes), 1)
        if self.end > 0xFFFFFFFF:
            raise MediumError("the edited medium is larger than the 8 TiB an ISO 9660 image can have")
        return block

    def put(self, offset: int, data: bytes) -> None:
        self.patches.append(Patch(offset=offset, data=data))

    def put_changes(self, offset: int, old: bytes, new: bytes) -> None:
        """Patch the sectors in which `new` differs from `old`, of the same length."""
        for at in range(0, len(new), SECTOR):
            if old[at : at + SECTOR] != new[at : at + SECTOR]:
                self.put(offset + at, new[at : at + SECTOR])

    def append(self, data: bytes) -> int:
        block = self.reserve(len(data))
        self.put(block * SECTOR, data + bytes(-len(data) % SECTOR))
        return block

    def append_file(self, source: Path, size_bytes: int) -> int:
        """Space for a file that is read only when the patches are written."""
        block = self.reserve(size_bytes)
        self.patches.append(Patch(offset=block * SECTOR, source=source, source_bytes=size_bytes))
        return block


@dataclass(frozen=True, slots=True)
class Change:
    """A file to be in the trees, at contents that are already laid out."""

    parts: tuple[str, ...]
    block: int
    size_bytes: int

    @property
    def extents(self) -> list[Location]:
        """What the file's records say: ISO 9660 counts an extent's bytes in 32 bits."""
        starts = range(0, max(self.size_bytes, 1), MAX_EXTENT_BYTES)
        return [(self.block + at // SECTOR, min(MAX_EXTENT_BYTES, self.size_bytes - at)) for at in starts]


@dataclass(slots=True, eq=False)
class Node:
    """A file or directory as its directory has it: one record, or one for each extent."""

    name: str
    records: list[bytearray]
    ridge: RockRidge = NO_RIDGE
    opened: "Directory | None" = None

    @property
    def is_directory(self) -> bool:
        return bool(self.records[0][25] & IS_DIRECTORY) or self.ridge.child is not None

    @property
    def location(self) -> Location:
        return location_of(self.records[0])


def _extent_records(first: bytearray, extents: list[Location]) -> list[bytearray]:
    """`first` pointed at the first extent, and a copy of it for each further one."""
    raws = [first, *(bytearray(first) for _ in extents[1:])]
    for raw, extent in zip(raws, extents, strict=True):
        set_location(raw, *extent)
        raw[25] = raw[25] & ~CONTINUES | (CONTINUES if raw is not raws[-1] else 0)
    return raws


def location_of(raw: bytes | bytearray) -> Location:
    return u32(raw, 2) + raw[1], u32(raw, 10)


@dataclass(slots=True, eq=False)
class Directory:
    """A directory that was looked at. `old` is where it lies on the image, None for a new one."""

    sectors: list[list[bytearray]]
    nodes: dict[str, Node]
    old: Location | None
    parent: "Directory | None"
    node: Node | None
    location: Location = (0, 0)
    is_repacked: bool = False
    old_parent: int = 0

    @property
    def packed_bytes(self) -> int:
        return len(self.sectors) * SECTOR

    def pack(self) -> bytes:
        return b"".join(b"".join(records).ljust(SECTOR, b"\0") for records in self.sectors)

    def subdirectories(self) -> list[bytearray]:
        """Their records, without those of "." and ".."."""
        records = [raw for sector in self.sectors for raw in sector]
        return [raw for raw in records[2:] if raw[25] & IS_DIRECTORY]

    def insert(self, raws: list[bytearray], after: bytearray | None = None) -> None:
        """Put records in their place by name, or after another. Where a sector overflows, its last records
        go on to the next one: in a long directory, few sectors change."""
        flat = [(s, i) for s, sector in enumerate(self.sectors) for i in range(len(sector))]
        if after is not None:
            place = next((s, i + 1) for s, i in flat if self.sectors[s][i] is after)
        else:
            key = sort_key(bytes(raws[0][33 : 33 + raws[0][32]]))
            larger = (p for p in flat[2:] if sort_key(bytes(self._identifier(p))) > key)
            place = next(larger, (len(self.sectors) - 1, len(self.sectors[-1])))
        at, index = place
        self.sectors[at][index:index] = raws
        while sum(map(len, self.sectors[at])) > SECTOR:
            if at + 1 == len(self.sectors):
                self.sectors.append([])
            while sum(map(len, self.sectors[at])) > SECTOR:
                self.sectors[at + 1].insert(0, self.sectors[at].pop())
            at += 1
        self.is_repacked = True

    def _identifier(self, place: tuple[int, int]) -> bytearray:
        raw = self.sectors[place[0]][place[1]]
        return raw[33 : 33 + raw[32]]

    def remove(self, raw: bytearray) -> None:
        for sector in self.sectors:
            sector[:] = [kept for kept in sector if kept is not raw]
        full = [sector for sector in self.sectors if sector]
        self.sectors = full + [[] for _ in range(len(self.sectors) - len(full))]
        self.is_repacked = True


class Tree:
    """One directory tree, which one volume descriptor names, or several."""

    def __init__(self, volumes: Sequence[Volume], layout: Layout, *, is_only_plain: bool) -> None:
        self.volumes = volumes
        self.volume = volumes[0]
        self.naming = self.volume.naming
        self.layout = layout
        self.is_only_plain = is_only_plain
        self.directories: dict[int, Directory] = {}
        self.new: list[Directory] = []
        self.root = self._load((self.volume.root_extent, self.volume.root_bytes), None, None)

    # -- looking

    def _load(self, old: Location, parent: Directory | None, node: Node | None) -> Directory:
        if known := self.directories.get(old[0]):
            return known
        sectors: list[list[bytearray]] = []
        nodes: dict[str, Node] = {}
        last: Node | None = None
        for records in read_directory(self.layout.read, *old):
            sectors.append([bytearray(record.raw) for record in records])
            for record, raw in zip(records, sectors[-1], strict=True):
                if record.is_dot or record.flags & IS_ASSOCIATED:
                    continue
                if last is not None and last.records[-1][25] & CONTINUES:
                    last.records.append(raw)
                    continue
                last = self._node(record, raw)
                nodes.setdefault(self.fold(last.name), last)
        directory = Directory(sectors, nodes, (old[0], len(sectors) * SECTOR), parent, node, (old[0], old[1]))
        directory.old_parent = location_of(sectors[0][1])[0]
        self.directories[old[0]] = directory
        return directory

    def _node(self, record: Record, raw: bytearray) -> Node:
        if self.naming == "rock-ridge":
            ridge = rock_ridge(record, self.volume.skip, self.layout.read)
            name = decode_name(ridge.name) if ridge.name is not None else plain_name(record, "plain")
            return Node(name, [raw], ridge)
        return Node(plain_name(record, self.naming), [raw])

    def fold(self, name: str) -> str:
        """What a name is found by: Joliet and plain trees know no upper and lower case."""
        if self.naming == "rock-ridge":
            return name
        return (mangle_joliet(name) if self.naming == "joliet" else name).casefold()

    def open(self, node: Node, parent: Directory) -> Directory:
        """The directory a node stands for."""
        if node.opened is None:
            child = node.ridge.child
            old = node.location if child is None else self._location_at(child)
            node.opened = self._load(old, parent, node)
        return node.opened

    def open_at(self, block: int) -> Directory:
        """The directory that begins at a block."""
        return self.directories.get(block) or self._load(self._location_at(block), None, None)

    def _location_at(self, block: int) -> Location:
        own = next(parse_sectors(self.layout.read(block * SECTOR, SECTOR)))[:1]
        return (block, own[0].size_bytes if own else 0)

    def find_twin(self, directory: Directory, name: str, of: "tuple[Tree, Directory, Node] | None") -> Node | None:
        """What is here under that name; else what shares contents with what another tree has under it."""
        if node := directory.nodes.get(self.fold(name)):
            return node
        if of is None:
            return None
        tree, parent, original = of
        wanted = tree.extents_in(tree.open(original, parent)) if original.is_directory else {original.location}
        for node in directory.nodes.values():
            if node.is_directory != original.is_directory or not (node.is_directory or node.location[1]):
                continue
            have = self.extents_in(self.open(node, directory)) if node.is_directory else {node.location}
            if wanted & have:
                return node
        return None

    def extents_in(self, directory: Directory) -> set[Location]:
        nodes = directory.nodes.values()
        return {node.location for node in nodes if not node.is_directory and node.location[1]}

    # -- changing

    def replace(self, directory: Directory, node: Node, extents: list[Location]) -> None:
        for raw in node.records[1:]:
            directory.remove(raw)
        first = node.records[0]
        for entry in susp_entries(Record.parse(bytes(first), 0), self.volume.skip, self.layout.read):
            if self.naming == "rock-ridge" and entry.signature == b"ZF":  # the contents are no longer packed
                if entry.in_area:
                    self.layout.put(entry.position, b"PD")
                else:
                    first[entry.position : entry.position + 2] = b"PD"
        node.records = _extent_records(first, extents)
        if len(node.records) > 1:
            directory.insert(node.records[1:], after=first)

    def add(self, directory: Directory, name: str, extents: list[Location]) -> None:
        first = self._new_record(directory, name, is_directory=False)
        node = Node(name, _extent_records(first, extents))
        directory.insert(list(node.records))
        directory.nodes[self.fold(name)] = node

    def add_directory(self, parent: Directory, name: str) -> Directory:
        raw = self._new_record(parent, name, is_directory=True)
        parent.insert([raw])
        node = Node(name, [raw])
        own_use = b"".join(self._attributes(is_directory=True, has_name=False))
        dots = [
            bytearray(build_record(identifier, flags=IS_DIRECTORY, date=self._date, system_use=own_use))
            for identifier in (b"\0", b"\1")
        ]
        node.opened = Directory([dots], {}, None, parent, node)
        parent.nodes[self.fold(name)] = node
        self.new.append(node.opened)
        return node.opened

    @property
    def _date(self) -> bytes:
        return bytes(self.root.sectors[0][0][18:25])

    def _new_record(self, directory: Directory, name: str, *, is_directory: bool) -> bytearray:
        records = [raw for sector in directory.sectors for raw in sector]
        taken = {bytes(raw[33 : 33 + raw[32]]) for raw in records}
        if self.naming == "joliet":
            versions = any(one.endswith(b"\0;\x001") for one in taken) or len(taken) == 2
            identifier = joliet_identifier(name, has_version=versions and not is_directory)
        elif self.is_only_plain:
            identifier = relaxed_identifier(name, is_directory=is_directory)
        else:
            identifier = short_identifier(name, is_directory=is_directory, taken=taken)
        if identifier in taken:
            raise MediumError(f"{name!r} collides with another name on the medium")
        flags = IS_DIRECTORY if is_directory else 0
        entries = self._attributes(is_directory=is_directory, has_name=True)
        if self.naming == "rock-ridge":
            entries += ridge_names(name)
        use = self._fit(entries, 254 - 33 - len(identifier) - (1 - len(identifier) % 2))
        return bytearray(build_record(identifier, flags=flags, date=self._date, system_use=use))

    def _fit(self, entries: list[bytes], room: int) -> bytes:
        """The system use field; what has no room in it goes to a continuation area past the end."""
        if sum(map(len, entries)) <= room:
            return b"".join(entries)
        kept = 0
        while sum(map(len, entries[: kept + 1])) + 28 <= room:
            kept += 1
        rest = b"".join(entries[kept:])
        area = both32(self.layout.append(rest)) + both32(0) + both32(len(rest))
        return b"".join(entries[:kept]) + b"CE\x1c\x01" + area

    def _attributes(self, *, is_directory: bool, has_name: bool) -> list[bytes]:
        """Rock Ridge entries of a new file of root's, in the version and with the times of the root directory."""
        if self.naming != "rock-ridge":
            return []
        mode = 0o040755 if is_directory else 0o100644
        entries = [bytes(self.volume.skip)] if self.volume.skip else []
        own = Record.parse(bytes(self.root.sectors[0][0]), 0)
        start = 14 if own.system_use[14:16] == b"SP" else 0
        for entry in susp_entries(own, start, self.layout.read):
            if entry.signature == b"RR":
                entries.append(b"RR\x05\x01" + bytes([0x89 if has_name else 0x81]))
            elif entry.signature == b"PX":
                numbers = (mode, 1 + is_directory, 0, 0, 0)[: len(entry.payload) // 8]
                entries.append(b"PX" + bytes([4 + 8 * len(numbers), 1]) + b"".join(map(both32, numbers)))
            elif entry.signature == b"TF":
                entries.append(b"TF" + bytes([4 + len(entry.payload), 1]) + entry.payload)
        return entries
