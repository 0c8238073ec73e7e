"""A partition plan in the language of curtin's storage actions, as subiquity takes them in an answer file.

https://curtin.readthedocs.io/en/latest/topics/storage.html has the actions; that a size may be "512M", and -1 for what
is left, the autoinstall reference, "Partition/logical volume extensions": of a disk or group only the last one may.
"""

from oz.guests.partitions import BIOS_BOOT, EFI, EXTENT_BYTES, VOLUME_GROUP, is_volume
from oz.model import Partition, PartitionPlan
from oz.units import MIB

Action = dict[str, object]

_FIRMWARE: dict[Partition, Action] = {EFI: {"flag": "boot", "grub_device": True}, BIOS_BOOT: {"flag": "bios_grub"}}
"""As the installer's own layouts have them."""
_NAMES = {"efi": "fat32"}
"""Where curtin calls a file system otherwise."""


def storage_actions(plan: PartitionPlan, disk_device: str) -> list[Action]:
    """The actions that make the plan's partitions on the whole of the disk, whose partition table becomes a GPT."""
    # Without EFI the boot loader goes onto the disk itself.
    disk: Action = {"id": "disk", "type": "disk", "path": disk_device, "ptable": "gpt", "wipe": "superblock-recursive"}
    actions = [{**disk, "preserve": False, "grub_device": EFI not in plan.partitions}]
    ordered = sorted(plan.partitions, key=lambda one: one.size_bytes is None)
    plain = [one for one in ordered if not is_volume(plan, one)]
    for number, one in enumerate(plain, 1):
        made: Action = {"type": "partition", "device": "disk", "number": number, "size": _size(one, MIB)}
        made |= {} if one == BIOS_BOOT else {"wipe": "superblock"}
        actions += _made(one, f"partition{number}", {**made, **_FIRMWARE.get(one, {})})
    if plan.layout == "lvm":
        group: Action = {"type": "partition", "device": "disk", "number": len(plain) + 1, "size": -1}
        actions.append({"id": "physical", **group, "wipe": "superblock", "preserve": False})
        volumes: Action = {"type": "lvm_volgroup", "name": VOLUME_GROUP, "devices": ["physical"]}
        actions.append({"id": "group", **volumes, "preserve": False})
    for one in (one for one in ordered if is_volume(plan, one)):
        name = one.mount.strip("/").replace("/", "_") or "root"
        volume: Action = {"type": "lvm_partition", "volgroup": "group", "name": name, "size": _size(one, EXTENT_BYTES)}
        actions += _made(one, f"volume-{name}", volume)
    # They are taken in this order, and a file system is mounted on what is there.
    return sorted(actions, key=lambda one: str(one["path"]) if one["type"] == "mount" else "")


def _size(partition: Partition, unit_bytes: int) -> object:
    if partition.size_bytes is None:
        return -1
    return f"{-(-partition.size_bytes // unit_bytes) * unit_bytes // MIB}M"


def _made(partition: Partition, name: str, action: Action) -> list[Action]:
    """A partition or volume, its file system, and where that is mounted; of swap curtin wants no place."""
    actions: list[Action] = [{"id": name, **action, "preserve": False}]
    if partition != BIOS_BOOT:
        kind = _NAMES.get(partition.filesystem or "", partition.filesystem)
        path = "" if partition.mount == "swap" else partition.mount
        actions.append({"id": f"{name}-format", "type": "format", "volume": name, "fstype": kind, "preserve": False})
        actions.append({"id": f"{name}-mount", "type": "mount", "device": f"{name}-format", "path": path})
    return actions
