"""Arch Linux, which has no releases."""

from typing import Any

from oz.guests.arch import Arch, ArchFacts
from oz.guests.release import Alias, Release, make_release
from oz.units import GIB, MIB

_FACTS: dict[str, Any] = dict(
    x86_64=("iso",),
    package_manager="pacman",
    init="systemd",
    # sshdgenkeys.service does.
    makes_host_keys_at_boot=True,
    can_make_missing_host_keys=True,
    host_key_types=(),
    has_legacy_ssh=False,
    password_schemes=("sha512",),
    # osinfo-db. Under UEFI its CD has systemd-boot, whose menus are not edited.
    machine_type="q35",
    disk_bus="virtio",
    disk_buses=("virtio", "sata", "scsi"),
    nic_model="virtio",
    nic_models=("virtio", "e1000", "e1000e"),
    # The live system keeps what it changes in memory; osinfo-db says 512 MiB.
    memory_bytes=1024 * MIB,
    bios_architectures=("x86_64",),
    filesystems=("ext4", "xfs", "btrfs"),
    boot_filesystem="ext4",
    has_lvm=False,
    has_biosboot=False,
    # "A basic installation should take less than 2 GiB of disk space" (ArchWiki, Installation guide).
    system_bytes_min=2 * GIB,
    mirror="http://mirrors.kernel.org/archlinux/$repo/os/$arch",
)

RELEASES: tuple[Release, ...] = (
    # It has no end.
    make_release(Arch, ArchFacts, "Arch", "rolling", _FACTS, end_of_life="9999-12-31"),
)

ALIASES: dict[str, Alias] = {"ArchLinux": Alias(distro="Arch")}
