"""Whether QEMU, where a system's libvirt runs it as another user, can come to our files; and the way for it.

libvirt gives it disks and kernels, for as long as it runs, but leaves the directories above them as they are. Media
it would give away for good (what is read-only it never takes back), and they are not: QEMU must be able to read them.
The same goes for what an overlay lies on, which we take back ourselves.
"""

import contextlib
import errno
import os
import pwd
import stat
import struct
from pathlib import Path
from typing import IO

from oz.errors import HostError
from oz.model import Drive

# acl(5) as the kernel stores it (linux/posix_acl_xattr.h): a version, then entries of tag, permissions and id.
_ATTRIBUTE = "system.posix_acl_access"
_VERSION = 2
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_ENTER, _READ = 1, 4
_BACKING_FORMAT = 0xE2792ACA
"""The header extension of qcow2 (docs/interop/qcow2.rst)."""

_Acl = dict[tuple[int, int], int]
"""(tag, id) to permissions."""


def let_in(drive: Drive, uid: int, gid: int, *, own: tuple[Path, ...], may_read: bool) -> None:
    """Let that user enter the directories above the image, and read it if `may_read`; also what it is an overlay of.

    Only what is in `own` is changed, by an ACL entry for this one user. Raises HostError for anything else.
    """
    if backing := _backing_file(drive):
        let_in(backing, uid, gid, own=own, may_read=may_read)
    path = drive.path
    groups = _groups(uid, gid)
    real = path.resolve()
    for place in (*reversed(real.parents), *([real] if may_read else [])):
        wanted = _READ if place == real else _ENTER
        try:
            acl = _read_acl(place)
            if _allows(place, acl, uid, groups, wanted):
                continue
            if not any(place.is_relative_to(ours.resolve()) for ours in own):
                word, letter = ("read", "r") if place == real else ("enter", "x")
                raise HostError(
                    f"{path}: QEMU, which runs here as uid {uid}, cannot {word} {place}",
                    hint=f"setfacl -m u:{uid}:{letter} {place}, or keep it elsewhere, or set uri = auto in oz.cfg",
                )
            acl[_USER, uid] = acl.get((_USER, uid), 0) | wanted
            acl[_MASK, _NO_ID] = acl.get((_MASK, _NO_ID), acl[_GROUP_OBJ, _NO_ID]) | wanted
            os.setxattr(place, _ATTRIBUTE, _pack(acl))
        except OSError as error:
            raise HostError(
                f"{place}: cannot let in QEMU, which runs here as uid {uid}: {error.strerror}",
                hint="set output_dir and data_dir to a file system with ACLs, or set uri = auto in oz.cfg",
            ) from error


def owners_below(drive: Drive) -> dict[Path, tuple[int, int]]:
    """Who owns what this is an overlay of, and so on."""
    found = {}
    while (backing := _backing_file(drive)) and backing.path not in found and backing.path.exists():
        status = backing.path.stat()
        found[backing.path] = status.st_uid, status.st_gid
        drive = backing
    return found


def give_back(owners: dict[Path, tuple[int, int]]) -> None:
    """To whom they belonged before; only root can."""
    for path, (uid, gid) in owners.items():
        with contextlib.suppress(OSError):
            os.chown(path, uid, gid)


def _groups(uid: int, gid: int) -> set[int]:
    try:
        return set(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except KeyError:
        return {gid}


def _read_acl(path: Path) -> _Acl:
    """What is set, else what the mode says."""
    try:
        data = os.getxattr(path, _ATTRIBUTE)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        mode = stat.S_IMODE(path.stat().st_mode)
        return {(_USER_OBJ, _NO_ID): mode >> 6, (_GROUP_OBJ, _NO_ID): mode >> 3 & 7, (_OTHER, _NO_ID): mode & 7}
    return {(tag, number): permissions for tag, permissions, number in struct.iter_unpack("<HHI", data[4:])}


def _allows(path: Path, acl: _Acl, uid: int, groups: set[int], wanted: int) -> bool:
    """As the kernel decides: the owner, else a named user, else any group, else the others."""
    status = path.stat()
    mask = acl.get((_MASK, _NO_ID), 7)
    if status.st_uid == uid:
        return bool(acl[_USER_OBJ, _NO_ID] & wanted)
    if (_USER, uid) in acl:
        return bool(acl[_USER, uid] & mask & wanted)
    of_groups = [acl[_GROUP, group] for group in groups if (_GROUP, group) in acl]
    if status.st_gid in groups:
        of_groups.append(acl[_GROUP_OBJ, _NO_ID])
    if of_groups:
        return any(permissions & mask & wanted for permissions in of_groups)
    return bool(acl[_OTHER, _NO_ID] & wanted)


def _pack(acl: _Acl) -> bytes:
    entries = (struct.pack("<HHI", tag, acl[tag, number], number) for tag, number in sorted(acl))
    return struct.pack("<I", _VERSION) + b"".join(entries)


def _backing_file(drive: Drive) -> Drive | None:
    """Of a qcow2 overlay (QEMU's docs/interop/qcow2.rst: its header has where the name is, and how long; an extension,
    the format). A raw disk is the guest's to write, also what looks like such a header."""
    if drive.format != "qcow2":
        return None
    with contextlib.suppress(OSError, struct.error, ValueError), drive.path.open("rb") as file:
        magic, version, offset, length = struct.unpack(">4sIQI", file.read(20))
        if magic == b"QFI\xfb" and offset and length < 1024:
            file.seek(offset)
            path = drive.path.parent / os.fsdecode(file.read(length))
            file.seek(100)
            at = struct.unpack(">I", file.read(4))[0] if version > 2 else 72
            return Drive(path=path, format=_backing_format(file, at))
    return None


def _backing_format(file: IO[bytes], at: int) -> str:
    """By the header extensions, which begin there; "raw" if none says it."""
    file.seek(at)
    for _ in range(16):
        kind, length = struct.unpack(">II", file.read(8))
        if kind == _BACKING_FORMAT and length < 16:
            return str(file.read(length), "ascii", "replace")
        if kind == 0 or length > 4096:
            break
        file.seek(-(-length // 8) * 8, os.SEEK_CUR)
    return "raw"
