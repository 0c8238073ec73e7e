"""Changes to a whole image: all its trees kept alike, what grew given new space, and every link to it mended."""

from bisect import insort
from collections.abc import Sequence
from typing import Literal

from oz.errors import MediumError
from oz.iso9660.names import sort_key
from oz.iso9660.records import (
    SECTOR,
    PathRow,
    Record,
    Volume,
    both32,
    build_path_table,
    read_path_table,
    sectors_of,
    set_location,
    susp_entries,
)
from oz.iso9660.tree import Change, Directory, Layout, Location, Node, Tree, location_of

Step = tuple[Directory | None, Node | None]
"""A directory on the way to a file, and what it holds for the next name; None for what is not there yet."""


def edit_trees(volumes: Sequence[Volume], layout: Layout, changes: Sequence[Change]) -> dict[int, Location]:
    """Put files into every tree of an image. Returns the new place of each replaced file by its old block.

    The first tree of the richest kind decides what exists; the others follow it by name or by shared contents.
    Raises MediumError for a path that leads through a file and for damage.
    """
    groups: dict[int, list[Volume]] = {}
    for volume in volumes:
        groups.setdefault(volume.root_extent, []).append(volume)
    is_only_plain = all(volume.naming == "plain" for volume in volumes)
    trees = [Tree(group, layout, is_only_plain=is_only_plain) for group in groups.values()]
    trees.sort(key=lambda tree: ("rock-ridge", "joliet", "plain").index(tree.naming))
    replaced: dict[int, Location] = {}
    for change in changes:
        leader = _locate(trees[0], change.parts, None)
        _check(change.parts, leader)
        ways = [leader, *(_locate(tree, change.parts, (trees[0], leader)) for tree in trees[1:])]
        if (node := leader[-1][1]) and node.location[1]:
            replaced[node.location[0]] = (change.block, change.size_bytes)
        for tree, way in zip(trees, ways, strict=True):
            _apply(tree, change, way)
    for tree in trees:
        _Finish(tree, layout).run()
    return replaced


def write_volumes(volumes: Sequence[Volume], layout: Layout) -> None:
    """Patch the volume descriptors, once everything is laid out: they tell the volume's size."""
    for volume in volumes:
        raw = layout.volumes.get(volume.sector, bytearray(volume.raw))
        if layout.end > layout.old_end:
            raw[80:88] = both32(layout.end)
        layout.put_changes(volume.sector * SECTOR, volume.raw, bytes(raw))


def _locate(tree: Tree, parts: tuple[str, ...], leader: tuple[Tree, list[Step]] | None) -> list[Step]:
    steps: list[Step] = []
    directory: Directory | None = tree.root
    for index, part in enumerate(parts):
        if directory is None:
            steps.append((None, None))
            continue
        original = None
        if leader and (step := leader[1][index])[0] and step[1]:
            original = (leader[0], step[0], step[1])
        node = tree.find_twin(directory, part, original)
        steps.append((directory, node))
        is_last = index == len(parts) - 1
        directory = tree.open(node, directory) if node and node.is_directory and not is_last else None
    return steps


def _check(parts: tuple[str, ...], steps: list[Step]) -> None:
    for index, (_, node) in enumerate(steps):
        if node is None:
            return
        path = "/" + "/".join(parts[: index + 1])
        if node.ridge.is_symlink:
            raise MediumError(f"{path} is a symbolic link on the medium", hint="write the path that it points to")
        if index < len(parts) - 1 and not node.is_directory:
            raise MediumError(f"{'/' + '/'.join(parts)} leads through {path}, which is a file on the medium")
        if index == len(parts) - 1 and node.is_directory:
            raise MediumError(f"{path} is a directory on the medium, and cannot be replaced by a file")


def _apply(tree: Tree, change: Change, steps: list[Step]) -> None:
    directory = tree.root
    for part, (_, node) in zip(change.parts[:-1], steps, strict=False):
        if node is not None and not node.is_directory:
            raise MediumError(f"{part!r} is a directory in one tree of the medium and a file in another")
        directory = tree.open(node, directory) if node else tree.add_directory(directory, part)
    last = steps[-1][1]
    if last is None:
        tree.add(directory, change.parts[-1], change.extents)
    else:
        tree.replace(directory, last, change.extents)


class _Finish:
    """Gives what grew its new place, then mends every link to it."""

    def __init__(self, tree: Tree, layout: Layout) -> None:
        self.tree = tree
        self.layout = layout
        self.moves: dict[int, int] = {}
        self.new_parents: dict[int, Location] = {}
        self.new_logical_parents: dict[int, int] = {}

    def run(self) -> None:
        tree = self.tree
        moved = [d for d in tree.directories.values() if self._must_move(d)]
        for directory in [*moved, *tree.new]:
            directory.location = (self.layout.reserve(directory.packed_bytes), directory.packed_bytes)
            if directory.old:
                self.moves[directory.old[0]] = directory.location[0]
        for directory in moved:
            self._note_children(directory)
        for directory in tree.new:
            assert directory.parent and directory.node
            set_location(directory.sectors[0][0], *directory.location)
            set_location(directory.sectors[0][1], *directory.parent.location)
            set_location(directory.node.records[0], *directory.location)
        for directory in moved:
            self._mend(directory)
        self._mend_children()
        for directory in [*tree.directories.values(), *tree.new]:
            self._write(directory)
        self._write_volumes()

    def _must_move(self, directory: Directory) -> bool:
        """It outgrew its place; or, being packed anew there, it would run over its own Rock Ridge areas."""
        assert directory.old
        start, size_bytes = directory.old[0] * SECTOR, directory.old[1]
        if directory.packed_bytes > size_bytes:
            return True
        if not directory.is_repacked or self.tree.naming != "rock-ridge":
            return False
        return any(
            entry.in_area and start <= entry.position < start + size_bytes
            for sector in directory.sectors
            for raw in sector
            for entry in susp_entries(Record.parse(bytes(raw), 0), self.tree.volume.skip, self.layout.read)
        )

    def _note_children(self, directory: Directory) -> None:
        """Remember whose ".." (and, for deep directories, PL entry) names the old place."""
        new_ones = {id(new.node.records[0]) for new in self.tree.new if new.node}
        for raw in directory.subdirectories():
            if id(raw) not in new_ones:
                self.new_parents[location_of(raw)[0]] = directory.location
        for node in directory.nodes.values():
            if node.ridge.child is not None:
                self.new_logical_parents[node.ridge.child] = directory.location[0]

    def _mend(self, directory: Directory) -> None:
        assert directory.old
        old, new = directory.old[0], directory.location
        set_location(directory.sectors[0][0], *new)
        if directory is self.tree.root:
            set_location(directory.sectors[0][1], *new)
            return
        assert directory.parent and directory.node
        parent = directory.parent
        if directory.node.ridge.child is not None:  # a deep directory, which lies elsewhere than it appears
            self._set_block(directory.node.records[0], b"CL", new[0])
            parent = self.tree.open_at(directory.old_parent)
        records = [raw for raw in parent.subdirectories() if location_of(raw)[0] == old]
        if not records:
            raise MediumError(f"the directory at block {old} is not in its parent")
        for raw in records:
            set_location(raw, *new)

    def _set_block(self, raw: bytearray, signature: bytes, block: int) -> None:
        """Point a CL or PL entry elsewhere."""
        for entry in susp_entries(Record.parse(bytes(raw), 0), self.tree.volume.skip, self.layout.read):
            if entry.signature == signature and entry.in_area:
                self.layout.put(entry.position + 4, both32(block))
            elif entry.signature == signature:
                raw[entry.position + 4 : entry.position + 12] = both32(block)

    def _mend_children(self) -> None:
        for child, block in self.new_logical_parents.items():
            self._set_block(self.tree.open_at(child).sectors[0][1], b"PL", block)
        for child, parent in self.new_parents.items():
            if directory := self.tree.directories.get(child):
                set_location(directory.sectors[0][1], *parent)
                continue
            own = self.layout.read(child * SECTOR, 512)
            if not own[0] or own[32:34] != b"\1\0" or own[own[0] + 32 : own[0] + 34] != b"\1\1":
                raise MediumError(f"block {child} should hold a directory, but does not begin with '.' and '..'")
            self.layout.put(child * SECTOR + own[0] + 2, both32(parent[0]) + both32(parent[1]))

    def _write(self, directory: Directory) -> None:
        new = directory.pack()
        if directory.old is None or directory.location[0] != directory.old[0]:
            self.layout.put(directory.location[0] * SECTOR, new)
            return
        start, size_bytes = directory.old[0] * SECTOR, directory.old[1]
        self.layout.put_changes(start, self.layout.read(start, size_bytes), new)

    # -- descriptors and path tables

    def _write_volumes(self) -> None:
        tables: dict[int, int] = {}
        for volume in self.tree.volumes:
            raw = bytearray(volume.raw)
            root = self.tree.root.location
            if self.tree.root.location[0] != volume.root_extent:
                raw[157] = 0
                raw[158:174] = both32(root[0]) + both32(root[1])
            if self.moves or self.tree.new:
                for field in (140, 144, 148, 152):
                    if any(raw[field : field + 4]):
                        self._write_table(volume, raw, field, tables)
            self.layout.volumes[volume.sector] = raw

    def _write_table(self, volume: Volume, raw: bytearray, field: int, tables: dict[int, int]) -> None:
        order: Literal["little", "big"] = "little" if field < 148 else "big"
        old_block = int.from_bytes(raw[field : field + 4], order)
        rows = self._new_rows(read_path_table(self.layout.read, volume, field))
        table = build_path_table(rows, order)
        raw[132:140] = both32(len(table))
        if old_block not in tables:
            space = sectors_of(volume.path_table_bytes) * SECTOR
            if len(table) <= space:
                old = self.layout.read(old_block * SECTOR, space)
                self.layout.put_changes(old_block * SECTOR, old, table.ljust(space, b"\0"))
                tables[old_block] = old_block
            else:
                tables[old_block] = self.layout.append(table)
        raw[field : field + 4] = tables[old_block].to_bytes(4, order)

    def _new_rows(self, rows: list[PathRow]) -> list[PathRow]:
        """The rows with moved and new directories; by level, then by parent, then by name (ECMA-119 6.9.1)."""
        by_block = {row.extent: row for row in reversed(rows)}
        children: dict[int, list[PathRow]] = {}
        for row in rows[1:]:
            children.setdefault(id(rows[row.parent]), []).append(row)
        for row in rows:
            row.extent = self.moves.get(row.extent, row.extent)
        new_rows: dict[int, PathRow] = {}
        for directory in self.tree.new:
            assert directory.parent and directory.node
            raw = directory.node.records[0]
            row = PathRow(bytes(raw[33 : 33 + raw[32]]), directory.location[0], 0)
            new_rows[id(directory)] = row
            above = directory.parent
            parent = by_block.get(above.old[0]) if above.old else new_rows[id(above)]
            if parent is None:
                raise MediumError(f"the path table lacks the directory at block {above.location[0]}")
            insort(children.setdefault(id(parent), []), row, key=lambda row: sort_key(row.identifier))
        ordered = [rows[0]]
        for number, row in enumerate(ordered):
            for child in children.get(id(row), []):
                child.parent = number
                ordered.append(child)
        if len(ordered) > 0xFFFF:
            raise MediumError("the medium has more directories than a path table can hold")
        return ordered
