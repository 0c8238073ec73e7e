"""Disk images: made, copied, converted, patched. Only runner of qemu-img and qemu-io.

No image's format is ever guessed by QEMU: each command gets it. What is made gets its name when it is whole.
"""

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from oz import progress
from oz.errors import HostError
from oz.model import Drive, Patch, Remaster
from oz.units import MIB, format_size

FORMATS = ("raw", "qcow2", "qcow", "qed", "vdi", "vhdx", "vmdk", "vpc")
CHUNK = 16 * 1024**2
MAX_WRITE_BYTES = 64 * 1024**2
"""What qemu-io is given at once: it holds it in memory."""
_FICLONE = 0x40049409  # linux/fs.h
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskInfo:
    """What qemu-img tells of an image; `allocated_bytes` is what it takes of its file system."""

    format: str
    virtual_bytes: int
    allocated_bytes: int
    backing: Path | None


# ------------------------------------------------------------------ making


def create(path: Path, size_bytes: int, format: str, *, has_partition_table: bool = False) -> Path:
    """A new empty image, for its owner only (0600), or one with an MS-DOS partition table of no partitions.

    Raises HostError.
    """
    with _unfinished(path) as part:
        _qemu_img(path, "create", "-q", "-f", _known(format), part, str(size_bytes))
        if has_partition_table:
            # All zeros but the disk's signature, at byte 440, and the sector's own, at byte 510.
            writes = ("write -q -P 0x4f 440 4", "write -q -P 0x55 510 1", "write -q -P 0xaa 511 1")
            _run(path, ["qemu-io", "-f", format, str(part.absolute())], text="\n".join(writes) + "\n")
    return path


def overlay(path: Path, base: Drive) -> Path:
    """A new qcow2 image that holds only what differs from `base`, which must stay as it is. Raises HostError."""
    with _unfinished(path) as part:
        _make_overlay(path, part, base)
    return path


def apply_patches(base: Path, remaster: Remaster, out: Path, *, format: Literal["qcow2", "raw"]) -> Path:
    """The edited medium: an overlay on the original where it lies, or a whole copy of it. Raises HostError."""
    with _unfinished(out) as part:
        if format == "qcow2":
            _make_overlay(out, part, Drive(path=base), "-o", "cluster_size=4096", size_bytes=remaster.size_bytes)
            _patch_overlay(out, part, remaster.patches)
        else:
            _copy_file(base, part)
            with part.open("r+b") as file:
                file.truncate(remaster.size_bytes)
                for patch in remaster.patches:
                    file.seek(patch.offset)
                    if patch.source is None:
                        file.write(patch.data)
                        continue
                    file.flush()
                    with patch.source.open("rb") as source:
                        _check_source(patch, os.fstat(source.fileno()).st_size)
                        _copy_data(source.fileno(), file.fileno(), patch.offset, patch.source.name)
    return out


def _make_overlay(path: Path, part: Path, base: Drive, *options: str, size_bytes: int | None = None) -> None:
    size = [] if size_bytes is None else [str(size_bytes)]
    backing = ("-b", str(base.path.absolute()), "-F", _known(base.format))
    _qemu_img(path, "create", "-q", "-f", "qcow2", *options, *backing, part, *size)


def _patch_overlay(path: Path, part: Path, patches: Sequence[Patch]) -> None:
    """Write all small patches with one qemu-io, each large file with one qemu-img."""
    commands = []
    directory = Path(tempfile.mkdtemp(dir=part.parent))
    for number, patch in enumerate(patches):
        if patch.source is not None:
            continue
        for at in range(0, len(patch.data), MAX_WRITE_BYTES):
            piece = patch.data[at : at + MAX_WRITE_BYTES]
            name = f"{number}-{at}"
            (directory / name).write_bytes(piece)
            commands.append(f"write -q -s {name} {patch.offset + at} {len(piece)}")
    if commands:
        # From inside the directory: qemu-io splits its commands at blanks. No cache flushes: a
        # medium that a power failure spoils is made again.
        _run(
            path,
            ["qemu-io", "-t", "unsafe", "-f", "qcow2", str(part.absolute())],
            cwd=directory,
            text="\n".join(commands) + "\n",
        )
    for patch in patches:
        if patch.source is not None:
            _convert_into(path, part, patch)


def _convert_into(path: Path, part: Path, patch: Patch) -> None:
    assert patch.source
    _check_source(patch, patch.source.stat().st_size)
    window = {
        "driver": "raw",
        "offset": patch.offset,
        "size": -(-patch.source_bytes // 512) * 512,
        "file": {"driver": "qcow2", "file": {"driver": "file", "filename": str(part)}},
    }
    target = "json:" + json.dumps(window)
    _qemu_img(path, "convert", "-n", "-t", "unsafe", "-f", "raw", "-O", "raw", patch.source.absolute(), target)


def _check_source(patch: Patch, size_bytes: int) -> None:
    if size_bytes != patch.source_bytes:
        raise HostError(f"{patch.source} changed while it was used: {patch.source_bytes} bytes, now {size_bytes}")


def copy(source: Drive, target: Path) -> Path:
    """`target`: a copy of the file, sharing its blocks where the file system can, else with its holes.
    It has the mode 0600. Raises HostError."""
    with _unfinished(target) as part:
        _copy_file(source.path, part)
    return target


def convert(source: Drive, target: Path, format: str) -> Path:
    """`target`: the image with its backing files' contents, in another format. Raises HostError."""
    with _unfinished(target) as part:
        command = ("convert", "-p", "-f", _known(source.format), "-O", _known(format), source.path.absolute(), part)
        _qemu_img(target, *command, label=f"converting {source.path.name}")
    return target


def commit(overlay: Path) -> None:
    """Write what a qcow2 overlay holds into its backing file. The overlay stays as it is: should this be
    killed, doing it again completes it. Raises HostError."""
    _qemu_img(overlay, "commit", "-q", "-d", "-f", "qcow2", overlay.absolute())


def flush(path: Path) -> None:
    """What was written to the file, and its name, survive a power failure. Raises HostError."""
    with _translated(path):
        for one, flags in ((path, 0), (path.parent, os.O_DIRECTORY)):
            descriptor = os.open(one, os.O_RDONLY | os.O_CLOEXEC | flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


# ------------------------------------------------------------------ looking


def info(path: Path, *, format: str) -> DiskInfo:
    """Sizes and backing file of an image, also while a guest uses it. Raises HostError."""
    output = _qemu_img(path, "info", "-U", "--output=json", "-f", _known(format), path.absolute())
    told = json.loads(output)
    backing = told.get("full-backing-filename") or told.get("backing-filename")
    return DiskInfo(
        format=told["format"],
        virtual_bytes=told["virtual-size"],
        allocated_bytes=told.get("actual-size", 0),
        backing=Path(backing) if backing else None,
    )


def detect_format(path: Path) -> str:
    """The format that an image's first bytes tell; raw if they tell none.

    Raises HostError if it cannot be read, and for an image that names other files of this host: whoever made
    it would read or write them through us.
    """
    with _translated(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
                raise HostError(f"{path} is neither a file nor a block device", hint="give a disk image")
            head = file.read(64 * 1024)
    format = _format_of(head)
    others = _names_other_files(head, format)
    if others:
        raise HostError(
            f"{path} is a {format} image that names {others}",
            hint=f"make it stand alone first, if you trust it: qemu-img convert -f {format} -O qcow2 {path} NEW",
        )
    return format


def _format_of(head: bytes) -> str:
    # The magic numbers are those of QEMU's block drivers (docs/interop, block/*.c).
    if head[:4] == b"QFI\xfb":
        return "qcow" if head[4:8] == b"\0\0\0\1" else "qcow2"
    if head[:4] == b"KDMV" or head[:21] == b"# Disk DescriptorFile":
        return "vmdk"
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return "vdi"
    starts = {b"vhdxfile": "vhdx", b"conectix": "vpc", b"QED\0": "qed"}
    return next((format for magic, format in starts.items() if head.startswith(magic)), "raw")


def _names_other_files(head: bytes, format: str) -> str | None:
    """What kind of other file the image refers to."""
    if format in ("qcow2", "qcow"):
        incompatible = int.from_bytes(head[72:80], "big") if int.from_bytes(head[4:8], "big") >= 3 else 0
        if incompatible & 4:
            return "an external data file"
        return "a backing file" if any(head[8:16]) else None
    if format == "qed":
        return "a backing file" if head[16:17] and head[16] & 1 else None
    if format == "vmdk":
        # A sparse file of capacity 0 is only a description; in others it follows the header.
        if head[:1] == b"#" or not any(head[12:20]):
            return "extents in other files"
        start = int.from_bytes(head[28:36], "little") * 512
        size = int.from_bytes(head[36:44], "little") * 512
        description = head[start : start + size]
        if start + size > len(head) or b"parentfilenamehint" in description.lower():
            return "a backing file"
    return None


def check_tools() -> None:
    """Raises HostError where what this module runs is not installed."""
    _qemu_img(Path("qemu-img"), "--version")


def check_space(directory: Path, needed_bytes: int, what: str) -> None:
    """Raises HostError if `directory`, which need not exist yet, has less room than `what` needs."""
    place = directory.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    with _translated(place):
        free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise HostError(
            f"{directory} has {format_size(free)} free, but {what} needs {format_size(needed_bytes)}",
            hint="free some space, or choose a directory on another file system",
        )


def is_full(directory: Path) -> bool:
    """Whether hardly anything can be written there any more."""
    with _translated(directory):
        return shutil.disk_usage(directory).free < MIB


# ------------------------------------------------------------------ how


def _known(format: str) -> str:
    if format not in FORMATS:
        raise HostError(f"{format!r} is not a disk image format", hint=f"use one of {', '.join(FORMATS)}")
    return format


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """An empty file of mode 0600, alone in a private directory beside `path`, that replaces it when the block
    ends well, and vanishes when it does not. It has the same last name: a VMDK image repeats its own."""
    with _translated(path), tempfile.TemporaryDirectory(prefix=".oz-", dir=path.absolute().parent) as directory:
        part = Path(directory) / path.name
        part.touch(mode=0o600)
        yield part
        part.replace(path)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(path) from None
        raise HostError(f"{error.filename or path}: {error.strerror or error}") from None


def _full(path: Path) -> HostError:
    return HostError(
        f"the file system of {path.absolute().parent} is full; {path.name} could not be written",
        hint="free some space, or choose a directory on another file system",
    )


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as old, target.open("r+b", buffering=0) as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:  # another file system, or one that cannot
            os.truncate(new.fileno(), os.fstat(old.fileno()).st_size)
            _copy_data(old.fileno(), new.fileno(), 0, source.name)


def _copy_data(old: int, new: int, offset: int, name: str) -> None:
    """Write what the file holds to an empty place at `offset` of another, but for its holes."""
    size = os.lseek(old, 0, os.SEEK_END)
    at = 0
    while at < size:
        try:
            at = os.lseek(old, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                break
            raise
        end = os.lseek(old, at, os.SEEK_HOLE)
        while at < end:
            done = _copy_some(old, new, at, at + offset, min(end - at, CHUNK))
            if not done:
                raise HostError(f"{name} became shorter while it was copied")
            at += done
            progress.meter(f"copying {name}", at, size)
    progress.meter(f"copying {name}", size, size)


def _copy_some(old: int, new: int, at: int, to: int, length: int) -> int:
    try:
        return os.copy_file_range(old, new, length, at, to)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    data = os.pread(old, length, at)
    return os.pwrite(new, data, to) if data else 0


def _qemu_img(path: Path, *arguments: str | Path, label: str | None = None) -> str:
    return _run(path, ["qemu-img", *map(str, arguments)], label=label)


def _run(path: Path, command: list[str], *, text: str = "", label: str | None = None, cwd: Path | None = None) -> str:
    """What the tool printed. It ends when we are interrupted. Raises HostError that tells its last line."""
    if not shutil.which(command[0]):
        raise HostError(f"{command[0]} is not installed", hint="install the package qemu-utils")
    child = subprocess.Popen(
        [*_dying_with_us(), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        # Ctrl-C is for us, who may have to let it finish.
        start_new_session=True,
    )
    with child:
        try:
            if label:
                _follow(child, label)
            output, errors = child.communicate(text.encode())
        except BaseException:
            child.kill()
            raise
    said = output.decode(errors="replace")
    complaints = errors.decode(errors="replace").strip() or said.strip()
    if child.returncode or (command[0] == "qemu-io" and said.replace("qemu-io>", "").strip()):
        if os.strerror(errno.ENOSPC) in complaints or os.strerror(errno.EDQUOT) in complaints:
            raise _full(path)
        last = (complaints.splitlines() or ["it gave no reason"])[-1]
        raise HostError(f"{path}: {command[0]} failed (status {child.returncode}): {last}")
    return said


@cache
def _dying_with_us() -> tuple[str, ...]:
    """What runs a program that is killed when we are: its locks would keep out the command that finishes our work.
    Of util-linux; preexec_fn, which could do the same, is unsafe beside libvirt's threads."""
    return ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()


def _follow(child: "subprocess.Popen[bytes]", label: str) -> None:
    """Show the percentages that qemu-img -p prints until its output ends."""
    assert child.stdout
    rest = b""
    while piece := os.read(child.stdout.fileno(), 4096):
        rest = (rest + piece)[-100:]
        if found := re.findall(rb"\((\d+)\.\d+/100%\)", rest):
            progress.meter(label, int(found[-1]), 100)
