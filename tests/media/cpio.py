"""cpio archives in the "newc" format, in which the kernel reads an initrd, without unpacking them.

Device nodes are entries like any other, so nobody has to be root. Format: cpio(5), section "New ASCII Format".
"""

import gzip
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

from running import BuildError

MAGIC = b"070701"
HEADER_LENGTH = 110
TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file. `mode` includes the type; `device` is major and minor of a device node."""

    mode: int
    data: bytes = b""
    mtime: int = 0
    device: tuple[int, int] = (0, 0)

    @property
    def is_directory(self) -> bool:
        return S_IFMT(self.mode) == S_IFDIR


@dataclass(slots=True)
class Archive:
    """Files by path, without leading "/" or "./"; the order is kept, directories come before what is in them."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def resolve(self, path: str) -> str:
        """The path with symbolic links of its directories followed, as the kernel will (/lib may be usr/lib)."""
        parts: list[str] = []
        for name in path.strip("/").split("/"):
            entry = self.entries.get("/".join(parts))
            if entry is not None and S_IFMT(entry.mode) == S_IFLNK:
                parts = entry.data.decode().strip("/").split("/")
            parts.append(name)
        return "/".join(parts)

    def read(self, path: str) -> bytes:
        """The contents of a file, through a symbolic link within its directory too. Raises BuildError."""
        entry = self.entries.get(self.resolve(path))
        if entry is None:
            raise BuildError(f"the initrd has no {path}: this installer is of another make than the builder knows")
        if S_IFMT(entry.mode) == S_IFLNK:
            return self.read(f"{path.rpartition('/')[0]}/{entry.data.decode()}")
        return entry.data

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Add or replace a regular file, making its directories."""
        self.put(path, Entry(mode=S_IFREG | mode, data=data))

    def put(self, path: str, entry: Entry) -> None:
        """Add or replace an entry, making its directories; a directory leaves an existing one (or a link) alone."""
        path = self.resolve(path)
        if entry.is_directory and path in self.entries:
            return
        parent = path.rpartition("/")[0]
        if parent and parent not in self.entries:
            self.put(parent, Entry(mode=S_IFDIR | 0o755))
        self.entries[path] = entry

    def remove(self, path: str) -> None:
        self.entries.pop(self.resolve(path), None)

    def merge_tar(self, tar: tarfile.TarFile) -> None:
        """Unpack a tar archive over this one."""
        for member in tar:
            path = member.name.removeprefix("./").strip("/")
            if member.isdir():
                if path not in ("", "."):
                    self.put(path, Entry(mode=S_IFDIR | member.mode))
            elif member.issym():
                self.put(path, Entry(mode=S_IFLNK | 0o777, data=member.linkname.encode()))
            elif member.isfile() or member.islnk():
                source = tar.extractfile(member)
                assert source is not None, path
                self.put(path, Entry(mode=S_IFREG | member.mode, data=source.read()))


def read_archive(data: bytes) -> Archive:
    """An archive out of its bytes, gzipped or not. Hard-linked files become files of their own. Raises BuildError."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    archive = Archive()
    linked: dict[int, list[str]] = {}
    offset = 0
    while data[offset : offset + 6] == MAGIC:
        fields = [int(data[offset + 6 + 8 * n : offset + 14 + 8 * n], 16) for n in range(13)]
        inode, mode, links, mtime, size, major, minor, name_length = (fields[n] for n in (0, 1, 4, 5, 6, 9, 10, 11))
        start = offset + HEADER_LENGTH
        name = data[start : start + name_length - 1].decode()
        if name == TRAILER:
            return archive
        start = -(-(start + name_length) // 4) * 4
        entry = Entry(mode=mode, data=data[start : start + size], mtime=mtime, device=(major, minor))
        offset = -(-(start + size) // 4) * 4
        path = name.removeprefix("./").strip("/")
        if path in ("", "."):
            continue
        archive.entries[path] = entry
        if links > 1 and S_IFMT(mode) == S_IFREG:
            linked.setdefault(inode, []).append(path)
            if size:  # the data comes with the last name of a file
                for other in linked[inode]:
                    archive.entries[other] = entry
    raise BuildError("the initrd is damaged: its cpio archive has no end")


def write_archive(archive: Archive) -> bytes:
    """The bytes of the archive, uncompressed; everything belongs to root."""
    return b"".join(_encode(archive.entries.items()))


def _encode(entries: Iterable[tuple[str, Entry]]) -> Iterable[bytes]:
    for inode, (path, entry) in enumerate([*entries, (TRAILER, Entry(mode=0))], start=1):
        name = path.encode() + b"\0"
        fields = (inode, entry.mode, 0, 0, 1, entry.mtime, len(entry.data), 0, 0, *entry.device, len(name), 0)
        header = MAGIC + b"".join(b"%08X" % value for value in fields) + name
        yield header + b"\0" * (-len(header) % 4)
        yield entry.data + b"\0" * (-len(entry.data) % 4)
