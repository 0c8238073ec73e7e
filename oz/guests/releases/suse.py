"""openSUSE's and SUSE Linux Enterprise Server's releases, installed by YaST up to 15, by Agama from 16 on.

Versions of autoyast2 are from its package/autoyast2.changes, steps of the installation from yast2-installation's
inst_finish. "Known to have worked" is what the old Oz installed.
"""

from oz.guests.agama import Agama, AgamaFacts
from oz.guests.hardware import HardwareFacts
from oz.guests.partitions import PartitionFacts
from oz.guests.release import Alias, Release, SystemFacts, make_release, pick
from oz.guests.suse import Suse, SuseFacts
from oz.guests.timeline import timeline
from oz.units import GIB, MIB

# Last days: osinfo-db; from 15.4 on openSUSE's and SUSE's lists of lifetimes, from memory.
_OPENSUSE = {
    "10.3": "2009-10-31",
    "11.0": "2010-07-26", "11.1": "2011-01-14", "11.2": "2011-05-12", "11.3": "2012-01-20",
    "11.4": "2012-11-05",
    "12.1": "2013-05-15", "12.2": "2014-01-15", "12.3": "2015-01-29",
    "13.1": "2016-02-03", "13.2": "2017-01-17",
    "42.1": "2017-05-17", "42.2": "2018-01-26", "42.3": "2019-07-01",
    "15.0": "2019-12-03", "15.1": "2021-02-02", "15.2": "2022-01-04", "15.3": "2022-12-31",
    "15.4": "2023-12-07", "15.5": "2024-12-31", "15.6": "2026-04-30",
}  # fmt: skip
# The number behind the full stop is the service pack's.
_SLES = {
    "11.0": "2010-12-31", "11.1": "2012-08-31", "11.2": "2014-01-31", "11.3": "2016-01-31",
    "11.4": "2019-03-31",
    "12.0": "2016-06-30", "12.1": "2017-05-31", "12.2": "2018-03-31", "12.3": "2019-06-30",
    "12.4": "2020-06-30", "12.5": "2024-10-31",
    "15.0": "2019-12-31", "15.1": "2021-01-31", "15.2": "2021-12-31", "15.3": "2022-12-31",
    "15.4": "2023-12-31", "15.5": "2024-12-31", "15.6": "2025-12-31", "15.7": "2031-07-31",
}  # fmt: skip

_BOTH = ("iso", "url")
# osinfo-db claims virtio 1.0, q35 and e1000e for the Linux 4.4 that 42.2 and SLES 12 SP2 share. OpenSSH 7.2, with
# rsa-sha2 signatures (RFC 8332), is in both; 42.1 has 6.6 (from memory). Both have a port to aarch64.
_LINUX_4_4 = dict(
    aarch64=_BOTH,
    machine_type="q35",
    nic_models=("virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"),
    efi_architectures=("x86_64", "aarch64"),
    has_legacy_ssh=False,
)

_OPENSUSE_FACTS = timeline(
    tuple(_OPENSUSE),
    {
        # Known to have worked with both from 11.0 on.
        "11.0": dict(
            disk_bus="virtio",
            disk_buses=("virtio", "ide", "sata"),
            nic_model="virtio",
            nic_models=("virtio", "e1000", "rtl8139", "pcnet", "ne2k_pci"),
        ),
        # zypper has credentials files and "clean --all" from 11.1 on (libzypp 5, from memory).
        "11.1": dict(package_manager="zypper"),
        "11.2": dict(
            # glibc knows SHA-512 from 2.7 on, but it is pam_unix2 with a crypt library of its own that checks
            # passwords; YaST offers SHA-512 since about here (from memory), and MD5 worked in all releases before.
            password_schemes=("sha512",),
            # Release announcement of 11.2: ext4 is the default.
            filesystems=("ext4", "ext3", "ext2", "xfs", "reiserfs"),
            boot_filesystem="ext4",
            system_bytes_min=3 * GIB,
        ),
        "12.1": dict(
            # Release announcement of 12.1.
            init="systemd",
            # osinfo-db, as the other amounts of memory up to 13.2.
            memory_bytes=1024 * MIB,
            # The old Oz asked for dhcp-client from here on.
            packages=("openssh", "autoyast2-installation", "dhcp-client"),
        ),
        "12.2": dict(
            # OpenSSH 5.9 brought ssh-keygen -A; 12.1 has 5.8, 12.2 6.0 (from memory).
            can_make_missing_host_keys=True,
            # The first DVDs that boot under UEFI (EFI/BOOT/grub.cfg).
            efi_architectures=("x86_64",),
            boot_loaders=dict(bios="grub2", efi="grub2-efi"),
        ),
        # osinfo-db claims virtio-scsi from here on.
        "12.3": dict(volume_id="openSUSE-{version}-DVD-{arch}", disk_buses=("virtio", "ide", "sata", "scsi")),
        # systemd 197 brought them: 13.1 has 208 (from memory).
        "13.1": dict(has_slot_names=True),
        "13.2": dict(
            # YaST looks for the CD in a line of install.inf that is no longer there: repaired in autoyast2 3.1.73
            # (bnc#908271), after 13.2. The floppy is known to have worked.
            profile_on="floppy",
            # wicked is the default from here on (release notes of 13.2).
            packages=("openssh", "autoyast2-installation", "wicked"),
        ),
        "42.1": dict(
            volume_id="openSUSE-Leap-{version}-DVD-{arch}",
            product="openSUSE Leap",
            # libosinfo's profile for Leap is found so, on a disk; YaST takes the CD where it is mounted already. It
            # reads "the medium" no better than 13.2 for some of Leap's life (bnc#959723).
            profile_on="device",
            # autoyast2 3.1.92 and 3.1.94 make users and network in the first stage, and scripts of the first boot
            # were lost until 3.1.110.
            has_second_stage=False,
            patterns=("base", "sw_management"),
            packages=("openssh", "wicked"),
            tree_protocols=("http", "https", "ftp"),
            # Leap is for x86_64 alone at first; 42.2 has a port.
            i386=(),
            # Partitions for GRUB are left unformatted from autoyast2 3.1.40 on (2014-06); a profile's disklabel counts
            # from 2.22 on. btrfs would be asked for with its subvolumes, reiserfs left the enterprise kernel.
            filesystems=("ext4", "xfs", "ext3", "ext2"),
            has_biosboot=True,
        ),
        "42.2": _LINUX_4_4,
        "15.0": dict(
            # There is no file "content" any more.
            product="",
            interface_element="name",
            # osinfo-db's 1 GiB is what YaST itself asks for; its image is in memory too when it comes from a tree.
            memory_bytes=1536 * MIB,
        ),
    },
    start=dict(
        i386=_BOTH,
        x86_64=_BOTH,
        aarch64=(),
        package_manager="zypper-old",
        init="sysv",
        # /etc/init.d/sshd does, later sshd-gen-keys-start, which its unit runs.
        makes_host_keys_at_boot=True,
        can_make_missing_host_keys=False,
        host_key_types=("rsa", "dsa"),
        has_legacy_ssh=True,
        password_schemes=("md5",),
        # Known to have worked.
        disk_bus="ide",
        disk_buses=("ide", "sata"),
        nic_model="rtl8139",
        nic_models=("rtl8139", "e1000", "pcnet", "ne2k_pci"),
        machine_type="pc",
        memory_bytes=512 * MIB,
        bios_architectures=("i386", "x86_64"),
        efi_architectures=(),
        filesystems=("ext3", "ext2", "xfs", "reiserfs"),
        boot_filesystem="ext3",
        has_lvm=True,
        has_biosboot=False,
        # These sizes and SLES' are osinfo-db's.
        system_bytes_min=500 * MIB,
        # As osinfo-db has it of 11.3 to 12.2, with a build's number behind it; the version is in "content".
        volume_id="openSUSE-DVD-{arch}",
        product="openSUSE",
        profile_on="cd",
        tree_protocols=("http", "ftp"),
        module=None,
        has_second_stage=True,
        interface_element="device",
        boot_loaders={},
        # What the second stage needs is in yast2_install_wf and autoyast2-installation; known to have worked.
        patterns=("base", "sw_management", "yast2_install_wf"),
        packages=("openssh", "autoyast2-installation", "dhcpcd"),
        inactivity_s=300.0,
    ),
)

# SLES was cut from openSUSE: 11 from 11.1, 12 from 13.2, its service packs on the way to Leap 42, 15 with Leap 15.
_SLES_FACTS = timeline(
    tuple(_SLES),
    {
        "12.0": {
            **_OPENSUSE_FACTS["13.2"],
            "i386": (),
            "filesystems": ("ext4", "xfs", "ext3", "ext2"),
            "has_biosboot": True,
            "system_bytes_min": GIB,
            "volume_id": "SLE-{major}{pack}-Server-DVD-{arch}",
            "product": "SUSE Linux Enterprise Server",
            # As for Leap 42.1; its kernel has no driver for floppies, from memory.
            "profile_on": "device",
            "tree_protocols": ("http", "https", "ftp"),
            "patterns": ("Minimal",),
        },
        # As Leap 42.1, which came out a month before.
        "12.1": dict(has_second_stage=False, packages=("openssh", "wicked")),
        "12.2": _LINUX_4_4,
        "15.0": {
            **_OPENSUSE_FACTS["15.0"],
            "system_bytes_min": GIB,
            "volume_id": "SLE-{major}{pack}-Full-{arch}",
            # On the medium called Full, and where somebody joined both DVDs of 15 and SP1; what is called Installer or
            # Online has no packages, and wants a registration.
            "module": "Basesystem",
            "patterns": ("minimal_base", "base", "sw_management"),
        },
    },
    start={
        **_OPENSUSE_FACTS["11.1"],
        "system_bytes_min": GIB,
        "volume_id": "SLES-{major}{pack}-DVD-{arch}",
        "product": "SUSE Linux Enterprise Server",
        "patterns": ("Minimal",),
    },
)

# Last days: openSUSE's and SUSE's lists of lifetimes, from memory; Tumbleweed has none.
_AGAMA = {
    "openSUSE": {"16.0": "2027-10-31", "16.1": "2028-10-31", "Tumbleweed": "9999-12-31"},
    "SLES": {"16.0": "2027-11-30", "16.1": "2028-11-30"},
}
_AGAMA_START = {
    **pick(_OPENSUSE_FACTS["15.6"], SystemFacts, HardwareFacts, PartitionFacts),
    "x86_64": ("iso",),
    "aarch64": ("iso",),
    # Agama's own least is 2 GiB, for a system without the browser that its live medium starts.
    "memory_bytes": 4096 * MIB,
    "disk_buses": ("virtio", "sata", "scsi"),
    "nic_models": ("virtio", "e1000e"),
    "mode": None,
    "limit_s": 5400.0,
}
_AGAMA_FACTS = {
    "openSUSE": timeline(
        tuple(_AGAMA["openSUSE"]),
        {
            "16.1": dict(label="Leap-16.1"),
            # It has both: a DVD and a NET medium of YaST (osinfo-db), and one of Agama, which takes all packages from
            # the network. Planned is the one whose installer has a future: Agama's developers are YaST's.
            "Tumbleweed": dict(label="openSUSE", product="Tumbleweed", limit_s=7200.0),
        },
        start=dict(_AGAMA_START, label="Leap-16.0", product="openSUSE_Leap"),
    ),
    "SLES": timeline(
        tuple(_AGAMA["SLES"]),
        # sles_161.yaml knows an immutable one besides.
        {"16.1": dict(label="SUSE-SLE-16.1", mode="standard")},
        start=dict(_AGAMA_START, label="SUSE-SLE-16", product="SLES"),
    ),
}

RELEASES: tuple[Release, ...] = tuple(
    make_release(Suse, SuseFacts, distro, version, facts[version], end_of_life=end_of_life)
    for distro, ends, facts in (("openSUSE", _OPENSUSE, _OPENSUSE_FACTS), ("SLES", _SLES, _SLES_FACTS))
    for version, end_of_life in ends.items()
) + tuple(
    make_release(Agama, AgamaFacts, distro, version, _AGAMA_FACTS[distro][version], end_of_life=end_of_life)
    for distro, ends in _AGAMA.items()
    for version, end_of_life in ends.items()
)

ALIASES: dict[str, Alias] = {
    **{name: Alias(distro="openSUSE") for name in ("OpenSUSE", "openSUSELeap", "Leap")},
    **{f"SLES-{major}": Alias(distro="SLES", major=major) for major in ("11", "12", "15", "16")},
}
