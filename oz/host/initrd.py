"""Initrds with files added. Only runner of debugfs, which writes into an ext2 file system without mounting it."""

import gzip
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from oz import cpio
from oz.errors import HostError, MediumError

LIMIT_S = 120
"""A file system that was made to lead debugfs in circles."""
MAX_BYTES = 256 * 1024**2
"""More than any ext2 initrd unpacks to; a bomb would fill the disk."""
_PIECE_BYTES = 1024**2


def add_files(initrd: Path, files: Mapping[str, bytes], out: Path, *, format: Literal["cpio", "ext2"]) -> Path:
    """`out`: the initrd with these files, by absolute path; it is for its owner only, as answer files have secrets.

    Raises MediumError for an initrd that is not of that format or has no room, HostError without debugfs.
    """
    out.touch(mode=0o600)
    if format == "ext2":
        out.write_bytes(gzip.compress(_written_into(initrd, files), mtime=0))
        return out
    shutil.copyfile(initrd, out)
    with out.open("ab") as file:
        # the kernel looks for the next archive at a multiple of four bytes
        file.write(bytes(-initrd.stat().st_size % 4) + cpio.archive(files))
    return out


def _written_into(initrd: Path, files: Mapping[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="oz-initrd-") as name:
        image = Path(name) / "image"
        _unpack(initrd, image)
        commands = []
        for number, (path, contents) in enumerate(files.items()):
            source = Path(name) / str(number)
            source.write_bytes(contents)
            commands += [f'mkdir "{parent}"' for parent in list(PurePosixPath(path).parents)[-2::-1]]
            commands += [f'rm "{path}"', f'write "{source}" "{path}"']
        _debugfs("-w", "-f", "-", str(image), text="\n".join(commands) + "\n", initrd=initrd)
        for path, contents in files.items():
            # debugfs ends with status 0 whatever became of its commands
            if _debugfs("-R", f'cat "{path}"', str(image), initrd=initrd) != contents:
                raise MediumError(f"{initrd.name}: {path} cannot be written into it: has its file system room?")
        return image.read_bytes()


def _unpack(initrd: Path, image: Path) -> None:
    try:
        with gzip.open(initrd) as packed, image.open("w+b") as file:
            # in pieces: one read of all would keep a bomb in memory twice
            while file.tell() <= MAX_BYTES and (piece := packed.read(_PIECE_BYTES)):
                file.write(piece)
            size_bytes = file.tell()
            file.seek(1080)
            magic = file.read(2)
    except (OSError, EOFError, zlib.error) as error:
        raise MediumError(f"{initrd.name} is no gzipped initrd: {error}") from error
    # ext2's magic number, at 56 of the superblock (Linux: Documentation/filesystems/ext4/super.rst)
    if size_bytes > MAX_BYTES or magic != b"\x53\xef":
        raise MediumError(f"{initrd.name} is no ext2 file system, which this release's initrd should be")


def _debugfs(*words: str, initrd: Path, text: str = "") -> bytes:
    try:
        done = subprocess.run(["debugfs", *words], input=text.encode(), capture_output=True, timeout=LIMIT_S)
    except FileNotFoundError:
        raise HostError("debugfs is not installed", hint="install the package e2fsprogs") from None
    except subprocess.TimeoutExpired:
        raise MediumError(f"{initrd.name} is damaged: debugfs did not end in {LIMIT_S} s") from None
    if done.returncode:
        raise MediumError(f"{initrd.name}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
