"""A partition plan in the language of partman-auto's recipes (debian-installer, doc/devel/partman-auto-recipe.txt).

What a recipe becomes was read in partman-auto's lib/recipes.sh and lib/auto-shared.sh and in partman-auto-lvm: whatever
comes last gets all that is free then, and a recipe with more in it than the disk is passed over for one of partman's.
"""

from oz.guests.partitions import BIOS_BOOT, EFI, EXTENT_BYTES, is_volume
from oz.model import Partition, PartitionPlan

_MB = 10**6
_REST = "500 10000 -1"
"""At least 500 MB, and of what is left all: no other line wants any of it."""
_NAMES = {"swap": "linux-swap", "vfat": "fat32"}
"""Where partman calls a file system otherwise."""
_PRIMARY_MAX = 4
_FIRMWARE = {
    EFI: "538 538 1075 free $iflabel{ gpt } $reusemethod{ } method{ efi } format{ } .",
    BIOS_BOOT: "1 1 1 free $iflabel{ gpt } $reusemethod{ } method{ biosgrub } .",
}


def expert_recipe(plan: PartitionPlan) -> str:
    """The answer to partman-auto/expert_recipe. Volumes come last, and of them the one that takes the rest: the last
    one gets all of the group that is left."""
    volumes = [one for one in plan.partitions if is_volume(plan, one)]
    volumes.sort(key=lambda one: one.size_bytes is None)
    firmware = [one for one in plan.partitions if one in _FIRMWARE]
    others = [one for one in plan.partitions if one not in volumes and one not in firmware]
    # An MS-DOS partition table has room for four, or for three and any number of logical ones.
    primary = others if len(others) <= _PRIMARY_MAX else others[: _PRIMARY_MAX - 1]
    booted = next((one for one in others if one.mount in ("/boot", "/")), None)
    lines = [_FIRMWARE[one] for one in firmware]
    for one in others:
        marks = "$primary{ } " * (one in primary) + "$bootable{ } " * (one is booted and one in primary)
        lines.append(_line(one, -(-(one.size_bytes or 0) // _MB), marks))
    lines += [_line(one, _volume_mb(one), "$lvmok{ } ") for one in volumes]
    return " ".join(["oz ::", *lines])


def guided_size(plan: PartitionPlan) -> str:
    """The answer to partman-auto-lvm/guided_size: how much of the volume group the volumes are to fill."""
    volumes = [one for one in plan.partitions if is_volume(plan, one)]
    if any(one.size_bytes is None for one in volumes):
        return "max"
    return f"{sum(_volume_mb(one) for one in volumes)} MB"


def _line(partition: Partition, size_mb: int, marks: str) -> str:
    name = _NAMES.get(partition.filesystem or "", partition.filesystem)
    limits = f"{size_mb} {size_mb} {size_mb}" if partition.size_bytes is not None else _REST
    if partition.mount == "swap":
        return f"{limits} {name} {marks}method{{ swap }} format{{ }} ."
    return (
        f"{limits} {name} {marks}method{{ format }} format{{ }} "
        f"use_filesystem{{ }} filesystem{{ {name} }} mountpoint{{ {partition.mount} }} ."
    )


def _volume_mb(partition: Partition) -> int:
    """What makes all of its extents: partman-lvm rounds down to whole ones."""
    extents = -(-(partition.size_bytes or 0) // EXTENT_BYTES)
    return -(-extents * EXTENT_BYTES // _MB)
