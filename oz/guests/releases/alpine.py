"""Alpine Linux's releases."""

from typing import Any

from oz.guests.alpine import Alpine, AlpineFacts
from oz.guests.release import Release, make_release
from oz.units import GIB, MIB

# Last days: osinfo-db up to 3.19; after it the project's two years, from memory.
_ALPINE = {
    "3.18": "2025-05-09",
    "3.19": "2025-11-01",
    "3.20": "2026-04-01",
    "3.21": "2026-11-01",
    "3.22": "2027-05-01",
    "3.23": "2027-11-01",
}

_FACTS: dict[str, Any] = dict(
    x86_64=("iso",),
    i386=("iso",),
    aarch64=("iso",),
    package_manager="apk",
    init="openrc",
    # /etc/init.d/sshd does, with ssh-keygen -A.
    makes_host_keys_at_boot=True,
    can_make_missing_host_keys=True,
    host_key_types=(),
    has_legacy_ssh=False,
    password_schemes=("sha512",),
    # osinfo-db claims virtio, virtio 1.0, q35 and e1000e since 3.11.
    machine_type="q35",
    disk_bus="virtio",
    disk_buses=("virtio", "sata", "scsi"),
    nic_model="virtio",
    nic_models=("virtio", "e1000", "e1000e"),
    # The live system is in memory whole, with the packages it adds; osinfo-db's 128 MiB are without these.
    memory_bytes=512 * MIB,
    efi_architectures=("x86_64", "aarch64"),
    # setup-disk, ROOTFS; what it puts on a disk of 2 TiB and more is an MS-DOS table.
    filesystems=("ext4", "ext3", "ext2", "xfs", "btrfs"),
    boot_filesystem="ext4",
    has_lvm=False,
    has_biosboot=False,
    # osinfo-db, Alpine 3.18.
    system_bytes_min=GIB,
    mirror="http://mirrors.kernel.org/alpine",
    limit_s=1800.0,
    inactivity_s=300.0,
)

RELEASES: tuple[Release, ...] = tuple(
    make_release(Alpine, AlpineFacts, "Alpine", version, _FACTS, end_of_life=end_of_life)
    for version, end_of_life in _ALPINE.items()
)
