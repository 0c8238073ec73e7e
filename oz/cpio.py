"""newc cpio archives, as the Linux kernel reads them behind an initrd.

The kernel unpacks every archive it finds in an initrd, one after the other, each compressed or not, and a
later file replaces an earlier one (Linux: Documentation/driver-api/early-userspace/buffer-format.rst).
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

_DIRECTORY = 0o040755
_FILE = 0o100600


def archive(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files, path to contents, owned by root, readable by root alone.

    Directories above them are included. Equal input gives equal bytes: inodes are counted, times are zero.
    """
    entries: dict[str, tuple[int, bytes]] = {}
    for path, contents in files.items():
        relative = PurePosixPath(path.lstrip("/"))
        for parent in reversed(relative.parents[:-1]):
            entries.setdefault(str(parent), (_DIRECTORY, b""))
        entries[str(relative)] = (_FILE, contents)
    blob = b"".join(
        _entry(number, name, mode, contents) for number, (name, (mode, contents)) in enumerate(entries.items(), 1)
    )
    return blob + _entry(0, "TRAILER!!!", 0, b"")


def _entry(inode: int, name: str, mode: int, contents: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if mode == _DIRECTORY else 1
    numbers = (inode, mode, 0, 0, links, 0, len(contents), 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + encoded
    return _pad(head) + _pad(contents)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
