"""Mandrake's, Mandriva's and Mageia's releases, one trunk of DrakX.

"Known to have worked" is what the old Oz installed: Mandrake 8.2 to 10.1, Mandriva 2005 to 2008.0, Mageia 2 to 5.
What is between and after them has their neighbours' facts.
"""

from oz.guests.mandriva import Mandriva, MandrivaFacts
from oz.guests.release import Alias, Release, make_release
from oz.guests.timeline import timeline
from oz.units import MIB

# Last days: osinfo-db from 2008.0 on; before that from memory, 18 months after the release.
_ENDS = {
    ("Mandrake", "8.2"): "2003-09-18", ("Mandrake", "9.0"): "2004-03-31", ("Mandrake", "9.1"): "2004-09-30",
    ("Mandrake", "9.2"): "2005-03-31", ("Mandrake", "10.0"): "2005-09-30", ("Mandrake", "10.1"): "2006-04-15",
    ("Mandriva", "2005"): "2006-10-15", ("Mandriva", "2006.0"): "2007-04-14", ("Mandriva", "2007.0"): "2008-04-03",
    ("Mandriva", "2007.1"): "2008-10-18", ("Mandriva", "2008.0"): "2010-10-09", ("Mandriva", "2008.1"): "2009-10-15",
    ("Mandriva", "2009.0"): "2011-10-15", ("Mandriva", "2009.1"): "2010-10-29", ("Mandriva", "2010.0"): "2012-11-03",
    ("Mandriva", "2010.1"): "2012-07-08", ("Mandriva", "2010.2"): "2012-12-01",
    ("Mageia", "2"): "2013-11-22", ("Mageia", "3"): "2014-11-26", ("Mageia", "4"): "2015-09-19",
    ("Mageia", "5"): "2017-12-31", ("Mageia", "6"): "2019-09-30", ("Mageia", "7"): "2021-06-30",
    ("Mageia", "8"): "2023-11-30", ("Mageia", "9"): "2025-03-31",
}  # fmt: skip
_VERSIONS = tuple(version for _, version in _ENDS)

_FACTS = timeline(
    _VERSIONS,
    {
        "9.0": dict(
            loader="/isolinux/alt0",
            arguments=("ramdisk_size=128000", "root=/dev/ram3", "acpi=ht", "vga=788"),
            # Both names are known since about here.
            answer_argument="kickstart",
        ),
        # rpm 4.2, which has keys in its database (from memory); before that rpm alone is told of files.
        "9.2": dict(package_manager="urpmi-old"),
        # fs_type.pm came in early 2005, and has names for what were numbers.
        "2005": dict(
            volume_id="Mandriva-{version}-{arch}-CD1",
            packages_path="/media/media_info/hdlists",
            file_systems={},
            memory_bytes=512 * MIB,
        ),
        "2007.0": dict(
            # There is a port since 9.2; that before 2007, with media of other names, is not planned.
            x86_64=("iso",),
            # urpmi looks for a medium's lists by itself (from memory).
            package_manager="urpmi",
            # A directory for each architecture.
            volume_id="Mandriva-{version}-{arch}-DVD",
            loader="/{arch}/isolinux/alt0",
            packages_path="/{arch}/media/media_info/media.cfg",
        ),
        # msec's levels have names from here on, and this is the number of the one called standard (from memory).
        "2009.1": dict(security=1),
        "2010.0": dict(
            # osinfo-db claims virtio from here on; known to have worked from Mageia 2 on.
            disk_bus="virtio",
            disk_buses=("virtio", "ide", "sata"),
            nic_model="virtio",
            nic_models=("virtio", "e1000", "rtl8139", "pcnet"),
            # Release notes of 2010.0.
            filesystems=("ext4", "ext3", "ext2", "xfs"),
            boot_filesystem="ext4",
        ),
        "2": dict(
            # systemd and OpenSSH 5.9, with ssh-keygen -A, from memory.
            init="systemd",
            can_make_missing_host_keys=True,
            # Others' answer files for Mageia have such hashes.
            password_schemes=("sha512",),
            # osinfo-db's 512 MiB is what 7 asks for.
            memory_bytes=1024 * MIB,
            volume_id="Mageia-{version}-{arch}",
            # The answer file's copy on the medium was there too, and not the one that was used.
            answer_on="floppy",
            # DrakX reads what came before still, but others' answer files have this.
            has_net=True,
        ),
        # systemd's names for network cards came with 197; 3 has 195 (from memory).
        "4": dict(loader="/isolinux/{arch}", arguments=(), has_slot_names=True),
        # OpenSSH 7.5, with rsa-sha2 signatures (from memory); 5 has 6.6.
        "6": dict(has_legacy_ssh=False),
        # osinfo-db.
        "7": dict(loader="/boot"),
    },
    start=dict(
        i386=("iso",),
        package_manager="rpm",
        init="sysv",
        # Red Hat's init script, from which theirs is, and sshd-keygen later.
        makes_host_keys_at_boot=True,
        can_make_missing_host_keys=False,
        host_key_types=("rsa", "dsa"),
        has_legacy_ssh=True,
        password_schemes=("md5",),
        # Known to have worked; memory from memory.
        disk_bus="ide",
        disk_buses=("ide",),
        nic_model="rtl8139",
        nic_models=("rtl8139", "pcnet", "ne2k_pci"),
        # QEMU's q35 has no floppy drive. How DVDs start under UEFI firmware is not known: they are not planned for it.
        machine_type="pc",
        other_machine_types=(),
        memory_bytes=256 * MIB,
        # Logical volumes can be told to the last ones alone, and in words that are documented nowhere.
        has_lvm=False,
        has_biosboot=False,
        filesystems=("ext3", "ext2", "xfs", "reiserfs"),
        boot_filesystem="ext3",
        volume_id="Mandrake-{version}-CD1",
        # A floppy's image, which the CD boots from.
        loader="",
        packages_path="/Mandrake/base/hdlists",
        answer_on="medium",
        answer_argument="auto_install",
        arguments=("ramdisk_size=32000", "root=/dev/ram3", "vga=788"),
        # partition_table.pm: those of partitions, and what is told apart by file systems above 255.
        file_systems={"ext2": 0x83, "ext3": 0x483, "reiserfs": 0x183, "xfs": 0x283, "swap": 0x82},
        has_net=False,
        security=2,
    ),
)


RELEASES: tuple[Release, ...] = tuple(
    make_release(
        Mandriva,
        MandrivaFacts,
        distro,
        version,
        _FACTS[version],
        end_of_life=end_of_life,
        # Respins: 4.1 to 7.1.
        point_releases=int(distro == "Mageia" and 4 <= int(version) <= 7),
    )
    for (distro, version), end_of_life in _ENDS.items()
)

ALIASES: dict[str, Alias] = {
    **{name: Alias(distro="Mandrake") for name in ("MandrakeLinux", "Mandrakelinux")},
    "MandrivaLinux": Alias(distro="Mandriva"),
}
