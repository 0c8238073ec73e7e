"""How the disk is divided: one record, which each installer's template writes in its own words."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from oz.errors import TdlError, UnsupportedError
from oz.model import Partition, PartitionPlan, Tdl
from oz.units import GIB, MIB, TIB, format_size

MSDOS_BYTES_MAX = 2 * TIB
"""From here on a disk needs a GPT: an MS-DOS partition table counts 2^32 sectors of 512 bytes."""
EFI = Partition(mount="/boot/efi", size_bytes=512 * MIB, filesystem="efi")
BIOS_BOOT = Partition(mount="biosboot", size_bytes=1 * MIB, filesystem="biosboot")
"""For GRUB's second stage, on a GPT disk under a BIOS (GRUB manual, 3.4)."""
BOOT_BYTES = 512 * MIB
VOLUME_GROUP = "system"
EXTENT_BYTES = 4 * MIB
"""What a volume's size is a multiple of (vgcreate(8), --physicalextentsize)."""
REST_BYTES_MIN = 512 * MIB
"""Less is no rest: whoever wants so little says how much."""
_ROUNDING_BYTES = 2 * MIB
"""What a partition may lose to alignment, and to an installer that counts in millions of bytes."""

_FAT = ("vfat", "ntfs")
_UNIX_PLACES = ("", "boot", "home", "opt", "srv", "tmp", "usr", "var")
"""Where files have owners and modes: below / itself, and in these directories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """What a release's installer can make of a disk."""

    filesystems: tuple[str, ...]
    """The first is what it takes by itself."""
    boot_filesystem: str
    """What its boot loader reads: for the /boot beside a logical volume."""
    has_lvm: bool
    has_biosboot: bool
    """It makes the partition that GRUB needs on a GPT disk under a BIOS."""
    unbootable: tuple[str, ...] = ()
    """Of its file systems, those that its boot loader does not read: with the root on one there is a /boot."""
    fills: tuple[Literal["plain", "lvm"], ...] = ()
    """The layouts in which it leaves no space free: a partition must take the rest."""
    system_bytes_min: int = 0
    """What the smallest system takes, if that is judged by the disk alone."""


def plan_partitions(tdl: Tdl, title: str, facts: PartitionFacts, firmware: Literal["bios", "efi"]) -> PartitionPlan:
    """The template's partitions, or one root on all of the disk, with what firmware and boot loader need beside them.

    Those of boot loader and firmware come first; then a /boot, if there is one, then the others in the template's
    order. Raises UnsupportedError for what the installer of `title` ("Fedora 9") cannot make, TdlError for what the
    disk has no room for.
    """
    layout = tdl.partition_layout or "plain"
    if layout == "lvm" and not facts.has_lvm:
        raise _refuse(tdl, "partitions", f"{title} cannot be installed on logical volumes", "write layout plain")
    wanted = tdl.partitions or (Partition(mount="/"),)
    partitions = [replace(one, filesystem=one.filesystem or _default(one, facts)) for one in wanted]
    for number, one in enumerate(partitions, 1):
        _check_filesystem(tdl, title, facts, one, f"partitions/partition[{number}]")
    if layout in facts.fills and all(one.size_bytes is not None for one in partitions):
        raise _refuse(
            tdl,
            "partitions",
            f"the installer of {title} leaves no space free",
            "leave one partition without a size: it takes the rest",
        )
    if _needs_boot(layout, partitions, facts):
        partitions.append(Partition(mount="/boot", size_bytes=BOOT_BYTES, filesystem=facts.boot_filesystem))
    partitions.sort(key=lambda one: one.mount != "/boot")
    partitions[:0] = _firmware_partitions(tdl, title, facts, firmware)
    plan = PartitionPlan(layout=layout, partitions=tuple(partitions))
    _check_sizes(tdl, plan)
    check_room(tdl, title, plan, facts.system_bytes_min)
    return plan


def check_room(tdl: Tdl, title: str, plan: PartitionPlan, least_bytes: int) -> None:
    """Return if a system of that size fits: on the disk, or on what the template's partitions leave to it. Raises
    TdlError."""
    if tdl.partition_layout is None:
        element, room_bytes, words = "disk/size", tdl.disk_bytes, "a disk of {}"
    else:
        element, room_bytes, words = "partitions", system_bytes(plan, tdl.disk_bytes), "the {} of /, /boot, /usr, /var"
    if room_bytes < least_bytes:
        raise TdlError(
            f"{tdl.where(element)}: {title} does not fit on {words.format(format_size(room_bytes))}",
            hint=f"give it {format_size(least_bytes)} at the least",
        )


def is_volume(plan: PartitionPlan, partition: Partition) -> bool:
    """Whether it is a logical volume of the plan's volume group."""
    return plan.layout == "lvm" and partition.mount not in ("/boot", EFI.mount, BIOS_BOOT.mount)


def rest_bytes(plan: PartitionPlan, disk_bytes: int) -> int:
    """What the sized partitions leave of a disk, at the least, once they are aligned; negative if they do not fit."""
    taken = sum(one.size_bytes or 0 for one in plan.partitions)
    lost = _ROUNDING_BYTES * (len(plan.partitions) + 1)
    if plan.layout == "lvm":
        lost += EXTENT_BYTES * (1 + sum(is_volume(plan, one) for one in plan.partitions))
    return disk_bytes - taken - lost


def system_bytes(plan: PartitionPlan, disk_bytes: int) -> int:
    """What the plan leaves to the system's own files: to the root file system, and to /boot, /usr and /var."""
    mine = [one for one in plan.partitions if re.match(r"/((boot|usr|var)(/.*)?)?$", one.mount) and one != EFI]
    return sum(rest_bytes(plan, disk_bytes) if one.size_bytes is None else one.size_bytes for one in mine)


def _default(partition: Partition, facts: PartitionFacts) -> str:
    if partition.mount == "swap":
        return "swap"
    return facts.boot_filesystem if partition.mount == "/boot" else facts.filesystems[0]


def _check_filesystem(tdl: Tdl, title: str, facts: PartitionFacts, partition: Partition, element: str) -> None:
    """Return if the installer makes its file system, and if what is to be there can be on it."""
    mount, filesystem = partition.mount, partition.filesystem
    known = tuple(dict.fromkeys((*facts.filesystems, facts.boot_filesystem)))
    if mount == "swap":
        return
    if filesystem not in known:
        message = f"{title} makes no file system {filesystem!r}"
        raise _refuse(tdl, element, message, f"it makes {', '.join(known)}")
    if mount == "/boot" and filesystem in facts.unbootable:
        raise _refuse(
            tdl, element, f"the boot loader of {title} reads no {filesystem}", f"write {facts.boot_filesystem}"
        )
    is_unix = facts.filesystems[0] not in _FAT
    if is_unix and filesystem in _FAT and mount.split("/")[1] in _UNIX_PLACES:
        raise _refuse(
            tdl, element, f"{mount} of {title} cannot be on {filesystem}", f"write {facts.filesystems[0]}, or none"
        )


def _needs_boot(layout: str, partitions: list[Partition], facts: PartitionFacts) -> bool:
    if any(one.mount == "/boot" for one in partitions):
        return False
    root = next(one for one in partitions if one.mount == "/")
    return layout == "lvm" or root.filesystem in facts.unbootable


def _firmware_partitions(
    tdl: Tdl, title: str, facts: PartitionFacts, firmware: Literal["bios", "efi"]
) -> tuple[Partition, ...]:
    if firmware == "efi":
        return (EFI,)
    if tdl.disk_bytes < MSDOS_BYTES_MAX:
        return ()
    if not facts.has_biosboot:
        raise _refuse(
            tdl,
            "disk/size",
            f"{title} cannot boot from {format_size(tdl.disk_bytes)} under a BIOS",
            "give it less than 2 TiB",
        )
    return (BIOS_BOOT,)


def _check_sizes(tdl: Tdl, plan: PartitionPlan) -> None:
    """Return if all of it fits on the disk. A template without partitions is judged by the size of the disk alone."""
    has_rest = any(one.size_bytes is None for one in plan.partitions)
    rest = rest_bytes(plan, tdl.disk_bytes)
    if tdl.partition_layout is None or rest >= (REST_BYTES_MIN if has_rest else 0):
        return
    sizes = ", ".join(f"{one.mount} {format_size(one.size_bytes)}" for one in plan.partitions if one.size_bytes)
    least = REST_BYTES_MIN if has_rest else 0
    rest_words = f" and a rest of {format_size(least)}" if has_rest else ""
    raise TdlError(
        f"{tdl.where('partitions')}: {sizes}{rest_words} do not fit on the disk of {format_size(tdl.disk_bytes)}",
        hint=f"give the disk {-(-(tdl.disk_bytes - rest + least) // GIB)} GiB or more",
    )


def _refuse(tdl: Tdl, element: str, message: str, hint: str) -> UnsupportedError:
    return UnsupportedError(f"{tdl.where(element)}: {message}", hint=hint)
