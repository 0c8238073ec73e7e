"""<partitions> of a template: what their values do not say one by one, and the records they become."""

from typing import Literal, cast

from oz.model import Partition
from oz.tdlgrammar import Faults
from oz.tdlvalues import shown
from oz.tdlxml import Element
from oz.units import MIB, format_size

TABLE_BYTES = 2 * MIB
"""What a partition table takes of the disk: the first MiB, as partitions are aligned, and GPT's copy at the end."""


def check_partitions(partitions: Element, disk_bytes: int | None, faults: Faults) -> None:
    """Say what is wrong with partitions that are right one by one; `disk_bytes` is None if the disk's size is wrong."""
    known = [each for each in partitions.all("partition") if _has_values(each)]
    _check_mounts(partitions, known, faults)
    _check_filesystems(known, faults)
    is_lvm = partitions.values.get("@layout", "plain") == "lvm"
    rest = [each for each in known if size_bytes(each) is None]
    for each in rest:
        mount = each.values["@mount"]
        if each is not rest[0]:
            taken = f"{rest[0].values['@mount']} of line {rest[0].line}"
            faults.add(each, f"the partition {mount} takes the rest of the disk, as {taken} does, expected a size")
        elif is_lvm and mount == "/boot":
            faults.add(each, "the partition /boot lies beside the volume group, which takes the rest, expected a size")
    sizes = [size_bytes(each) or 0 for each in known]
    if disk_bytes is not None and sum(sizes) + TABLE_BYTES > disk_bytes:
        words = f"{format_size(sum(sizes))} and a partition table do not fit on the disk of {format_size(disk_bytes)}"
        faults.add(partitions, f"<partitions> of {words}, expected smaller ones or a larger <disk>")


def _has_values(partition: Element) -> bool:
    """Whether its attributes were right, so that more can be said about it."""
    return "@mount" in partition.values and all(f"@{name}" in partition.values for name in partition.attributes)


def _check_mounts(partitions: Element, known: list[Element], faults: Faults) -> None:
    lines: dict[str, int] = {}
    for each in known:
        mount = each.values["@mount"]
        if mount in lines:
            faults.add(each, f"the partition {mount} is that of line {lines[mount]} again, expected another mount")
        lines.setdefault(mount, each.line)
    if known and "/" not in lines and len(known) == len(partitions.children):
        faults.add(partitions, '<partitions> has none for the root file system, expected one with mount="/"')


def _check_filesystems(known: list[Element], faults: Faults) -> None:
    for each in known:
        mount, filesystem = each.values["@mount"], each.values.get("@filesystem")
        if filesystem and (mount == "swap") != (filesystem == "swap"):
            expected = "swap or none" if mount == "swap" else "a file system"
            faults.add(each, f"the partition {mount} has the file system {shown(filesystem)}, expected {expected}")


def size_bytes(partition: Element) -> int | None:
    """The size of a partition whose values are right; None for the rest of the disk."""
    size = partition.values.get("@size", "rest")
    return None if size == "rest" else int(size.split()[0])


def build_layout(partitions: Element) -> Literal["plain", "lvm"]:
    """The layout of partitions without fault."""
    return cast(Literal["plain", "lvm"], partitions.values.get("@layout", "plain"))


def build_partitions(partitions: Element) -> tuple[Partition, ...]:
    """The records of partitions without fault."""
    return tuple(
        Partition(mount=each.values["@mount"], size_bytes=size_bytes(each), filesystem=each.values.get("@filesystem"))
        for each in partitions.all("partition")
    )
