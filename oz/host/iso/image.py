"""An image opened for reading, and what is on it."""

import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from oz.errors import MediumError
from oz.host.iso.wim import ARCHIVES, read_editions
from oz.iso9660.records import SECTOR, BootEntry, Read, Volume, read_boot_catalog, read_path_table, read_volumes, u32
from oz.iso9660.udf import walk_udf
from oz.iso9660.walk import File, walk
from oz.model import BootImage, Edition, Medium

MAX_READ_BYTES = 4 * 1024**2
USUAL_PADDING = 150 * SECTOR
"""What mkisofs adds at the end against read-ahead faults; images cut from a disc often lack it."""
DAMAGED = "the image is damaged or incomplete: check its checksum, download it again"


class Image:
    """An image opened for reading, and nothing else."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size_bytes = os.lseek(descriptor, 0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        if offset + length > self.size_bytes:
            end, size = offset + length, self.size_bytes
            raise MediumError(f"something should lie up to byte {end}, but the image ends at byte {size}")
        data = os.pread(self.descriptor, length, offset)
        if len(data) < length:
            raise MediumError(f"the image became shorter than {offset + length} bytes while it was read")
        return data


@contextmanager
def open_image(path: Path) -> Iterator[Image]:
    """The image, with each MediumError of the block made to name it."""
    try:
        # Non-blocking, so that a pipe in its place cannot hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise MediumError(f"{path}: {error.strerror}", hint="give the path of an install medium's image") from None
    except ValueError:
        raise MediumError(f"{str(path)!r} is not a path") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            raise MediumError("is neither a file nor a block device", hint="give an install medium's image (.iso)")
        yield Image(path, descriptor)
    except MediumError as error:
        raise MediumError(f"{path}: {error.message}", hint=error.hint or DAMAGED) from None
    except OSError as error:
        raise MediumError(f"{path}: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------ what is on it


def inspect(path: Path, *, read: Sequence[str] = (), glance: Sequence[str] = ()) -> Medium:
    """What is on the medium, with the contents of those files of `read` and `glance` that exist (links do not count).
    Its paths are those of the ISO 9660 and of the UDF tree.

    Raises MediumError, naming the image, for one that is missing, not ISO 9660, truncated or inconsistent,
    and for a file of `read` over 4 MiB; one of `glance` may be anything, and is left out then.
    """
    with open_image(path) as image:
        volumes, catalog = read_volumes(image.read, image.size_bytes)
        first = volumes[0]
        volume_bytes = first.blocks * SECTOR
        if volume_bytes > image.size_bytes + USUAL_PADDING:
            missing = volume_bytes - image.size_bytes
            raise MediumError(f"is truncated: {missing} of {volume_bytes} bytes are missing at the end")
        read_path_table(image.read, first, 140)
        wanted = {*read, *glance}
        paths: set[str] = set()
        contents: dict[str, bytes] = {}
        editions: tuple[Edition, ...] = ()
        trees = walk(image.read, shown_volume(volumes), image.size_bytes), walk_udf(image.read, image.size_bytes)
        for file in itertools.chain(*trees):
            paths.add(file.path)
            if file.path.lower() in ARCHIVES and file.is_regular:
                editions = read_editions(image.read, file)
            is_large = sum(size for _, size in file.extents) > MAX_READ_BYTES
            if file.path in wanted and file.is_regular and (file.path in read or not is_large):
                contents[file.path] = _contents(image.read, file)
        entries = read_boot_catalog(image.read, catalog) if catalog else []
        return Medium(
            path=path,
            size_bytes=image.size_bytes,
            volume_id=first.text(40, 72),
            system_id=first.text(8, 40),
            publisher_id=first.text(318, 446),
            application_id=first.text(574, 702),
            volume_size_bytes=volume_bytes,
            boot_images=tuple(_boot_image(image, entry) for entry in entries),
            paths=frozenset(paths),
            contents=contents,
            editions=editions,
        )


def read_floppy_boot_image(medium: Medium) -> bytes:
    """The floppy that the medium boots a PC from. Raises MediumError if it has none."""
    assert medium.path is not None
    with open_image(medium.path) as image:
        for entry in medium.boot_images:
            if entry.emulation == "floppy":
                return image.read(entry.lba * SECTOR, entry.size_bytes)
        raise MediumError("has no floppy boot image", hint="use the disc that the installation starts from")


def shown_volume(volumes: Sequence[Volume]) -> Volume:
    """The volume whose names people know: that with Rock Ridge, else with Joliet."""
    return min(volumes, key=lambda volume: ("rock-ridge", "joliet", "plain").index(volume.naming))


def _contents(read: Read, file: File) -> bytes:
    size_bytes = sum(size for _, size in file.extents)
    if size_bytes > MAX_READ_BYTES:
        raise MediumError(f"{file.path} has {size_bytes} bytes, and should be a short text")
    return b"".join(read(block * SECTOR, size) for block, size in file.extents)


def _boot_image(image: Image, entry: BootEntry) -> BootImage:
    platform: Literal["bios", "efi", "other"] = {0: "bios", 0xEF: "efi"}.get(entry.platform, "other")  # type: ignore[assignment]
    kind = entry.media & 0x0F
    emulation: Literal["none", "floppy", "hard-disk"] = "none" if kind == 0 else "hard-disk" if kind == 4 else "floppy"
    size_bytes = entry.sectors * 512
    if kind in (1, 2, 3):
        size_bytes = (0, 1200, 1440, 2880)[kind] * 1024
    elif platform == "efi":
        # The catalog's count has 16 bits, and many writers leave 0 or 1: the file system knows better.
        size_bytes = max(size_bytes, _fat_bytes(image, entry.block * SECTOR))
    image.read(entry.block * SECTOR, min(size_bytes, 512))
    return BootImage(platform=platform, emulation=emulation, lba=entry.block, size_bytes=size_bytes)


def _fat_bytes(image: Image, offset: int) -> int:
    """The size in its own boot sector of the FAT file system at `offset`, 0 if there is none or it is cut off."""
    if offset + 512 > image.size_bytes:
        return 0
    boot = image.read(offset, 512)
    sector = int.from_bytes(boot[11:13], "little")
    size_bytes = sector * (int.from_bytes(boot[19:21], "little") or u32(boot, 32))
    is_fat = boot[510:512] == b"\x55\xaa" and sector in (512, 1024, 2048, 4096)
    return size_bytes if is_fat and offset + size_bytes <= image.size_bytes else 0
