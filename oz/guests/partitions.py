"""How the disk is divided: one record, which each installer's template writes in its own words."""

from dataclasses import dataclass, replace
from typing import Literal

from oz.errors import UnsupportedError
from oz.model import Partition, PartitionPlan, Tdl
from oz.units import MIB, TIB, format_size

MSDOS_BYTES_MAX = 2 * TIB
"""From here on a disk needs a GPT: an MS-DOS partition table counts 2^32 sectors of 512 bytes."""
EFI = Partition(mount="/boot/efi", size_bytes=512 * MIB, filesystem="efi")
BIOS_BOOT = Partition(mount="biosboot", size_bytes=1 * MIB, filesystem="biosboot")
"""For GRUB's second stage, on a GPT disk under a BIOS (GRUB manual, 3.4)."""
BOOT_BYTES = 512 * MIB


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


def plan_partitions(tdl: Tdl, title: str, facts: PartitionFacts, firmware: Literal["bios", "efi"]) -> PartitionPlan:
    """The template's partitions, or one root on all of the disk, with what firmware and boot loader need beside them.

    Those of boot loader and firmware come first; then a /boot, if there is one, then the others in the template's
    order. Raises UnsupportedError for what the installer of `title` ("Fedora 9") cannot make.
    """
    layout = tdl.partition_layout or "plain"
    if layout == "lvm" and not facts.has_lvm:
        raise _refuse(tdl, f"{title} cannot be installed on logical volumes", "write layout plain")
    wanted = tdl.partitions or (Partition(mount="/"),)
    partitions = [replace(one, filesystem=one.filesystem or _default(one, facts)) for one in wanted]
    for one in partitions:
        if one.filesystem not in (*facts.filesystems, facts.boot_filesystem, "swap"):
            known = ", ".join(facts.filesystems)
            raise _refuse(tdl, f"{title} makes no file system {one.filesystem!r}", f"it makes {known}")
    if layout == "lvm" and not any(one.mount == "/boot" for one in partitions):
        partitions.append(Partition(mount="/boot", size_bytes=BOOT_BYTES, filesystem=facts.boot_filesystem))
    partitions.sort(key=lambda one: one.mount != "/boot")
    if firmware == "efi":
        partitions.insert(0, EFI)
    elif tdl.disk_bytes >= MSDOS_BYTES_MAX:
        if not facts.has_biosboot:
            raise UnsupportedError(
                f"{tdl.where('disk/size')}: {title} cannot boot from {format_size(tdl.disk_bytes)} under a BIOS",
                hint="give it less than 2 TiB",
            )
        partitions.insert(0, BIOS_BOOT)
    return PartitionPlan(layout=layout, partitions=tuple(partitions))


def _default(partition: Partition, facts: PartitionFacts) -> str:
    if partition.mount == "swap":
        return "swap"
    return facts.boot_filesystem if partition.mount == "/boot" else facts.filesystems[0]


def _refuse(tdl: Tdl, message: str, hint: str) -> UnsupportedError:
    return UnsupportedError(f"{tdl.where('partitions')}: {message}", hint=hint)
