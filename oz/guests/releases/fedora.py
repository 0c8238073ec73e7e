"""Fedora Core's and Fedora's releases, and the trunk of Anaconda: Red Hat Linux, Fedora Core, Fedora in one line,
from which Red Hat Enterprise Linux and its rebuilds are cut.

[old Oz] marks what the old Oz shipped after real installations, [osinfo] what osinfo-db says, [kickstart] what
pykickstart's tables of commands say, [dracut] what anaconda's dracut module reads.
"""

from collections.abc import Iterable
from typing import Any

from oz.guests.redhat import RedHat, RedHatFacts
from oz.guests.release import Alias, Release, make_release
from oz.guests.timeline import timeline
from oz.units import GIB, MIB


def _days(text: str) -> dict[str, str]:
    """Versions and their last days, of "1 2004-09-20, 2 2005-04-11"."""
    return {version: day for version, day in map(str.split, text.split(","))}


# Last days: https://docs.fedoraproject.org/en-US/releases/eol/; those of 43 and 44 are planned, rawhide has none.
_CORE = _days("1 2004-09-20, 2 2005-04-11, 3 2006-01-16, 4 2006-08-07, 5 2007-07-02, 6 2007-12-07")
_FEDORA = _days(
    "7 2008-06-13, 8 2009-01-07, 9 2009-07-10, 10 2009-12-18, 11 2010-06-25, 12 2010-12-02, 13 2011-06-24,"
    "14 2011-12-09, 15 2012-06-26, 16 2013-02-12, 17 2013-07-30, 18 2014-01-14, 19 2015-01-06, 20 2015-06-23,"
    "21 2015-12-01, 22 2016-07-19, 23 2016-12-20, 24 2017-08-08, 25 2017-12-12, 26 2018-05-29, 27 2018-11-30,"
    "28 2019-05-29, 29 2019-11-26, 30 2020-05-26, 31 2020-11-24, 32 2021-05-25, 33 2021-11-30, 34 2022-06-07,"
    "35 2022-12-13, 36 2023-05-16, 37 2023-12-05, 38 2024-05-21, 39 2024-11-26, 40 2025-05-13, 41 2025-12-15,"
    "42 2026-05-13, 43 2026-12-09, 44 2027-06-02, rawhide 9999-12-31"
)
# Last days: Red Hat's errata announcements of 2003 and 2004.
RED_HAT_LINUX = _days("7.0 2003-03-31, 7.1 2003-12-31, 7.2 2003-12-31, 7.3 2003-12-31, 8 2003-12-31, 9 2004-04-30")

TRUNK = timeline(
    (
        *(f"RHL {version}" for version in RED_HAT_LINUX),
        *(f"FC {version}" for version in _CORE),
        *(f"F {version}" for version in _FEDORA),
    ),
    {
        "RHL 7.1": dict(
            # OpenSSH 2.5 knows RSA keys of protocol 2.
            host_key_types=("rsa", "dsa"),
            langsupport="--default en_US en_US",
            # The official guide's own words of 7.1 to 9; 7.0 has no firewall command [old Oz].
            firewall="--medium --dhcp --ssh",
        ),
        "RHL 7.2": dict(
            # GRUB and ext3 are new (release notes); LILO, before it, had a /boot of its own [old Oz].
            boot_loader="bootloader",
            needs_boot=False,
            has_fstype=True,
            filesystems=("ext3", "ext2"),
            boot_filesystem="ext3",
            auth="--enableshadow --enablemd5",
            nic_model="rtl8139",
            nic_models=("rtl8139", "pcnet", "ne2k_pci"),
        ),
        "RHL 7.3": dict(
            lang="en_US.UTF-8",
            langsupport="--default en_US.UTF-8 en_US.UTF-8",
            # OpenSSH 3.1; since 2.9.9 authorized_keys is for both protocols (its ChangeLog).
            has_authorized_keys2=False,
        ),
        "RHL 9": dict(
            # The CD boots ISOLINUX; there is no bootnet.img any more, and kernel and initrd, booted by themselves,
            # hang after unpacking [old Oz].
            disc_boot="isolinux",
            tree_boot="iso",
            arguments=("ramdisk_size=16384",),
            cdrom_argument="method=cdrom:/dev/cdrom",
            tree_argument="method",
            nic_models=("rtl8139", "e1000", "pcnet", "ne2k_pci"),
            # Logical volumes are a chapter of the Customization Guide of 9.
            has_lvm=True,
        ),
        "FC 1": dict(
            volume_id="FC/{major} {arch}",
            packages_path="/Fedora/RPMS/fedora-release-{version}-3.i386.rpm",
            needs_dvd=True,
            # The initrd of 1 to 3 is an ext2 file system [old Oz].
            tree_boot="kernel",
            initrd_format="ext2",
            has_serial_console=True,
            firewall="--enabled --ssh",
            clearpart="--all --initlabel",
            firstboot="--disable",
            packages=("@base", "openssh-server"),
            package_manager="yum-conf",
            memory_bytes=512 * MIB,
        ),
        "FC 3": dict(
            # No effect any more; the installer finds out itself [kickstart].
            langsupport=None,
            mouse=None,
            # New as a command [kickstart], and on in the installed system.
            selinux="--enforcing",
            # Linux 2.6 with ACPI, and halt, poweroff and shutdown as commands; before it, a reset is what there is.
            has_poweroff=True,
            # yum 2.1 reads yum.repos.d.
            package_manager="yum-old",
        ),
        "FC 4": dict(
            volume_id="FC/4 {arch} DVD #9",
            initrd_format="cpio",
            arguments=(),
            # --onboot is new [kickstart].
            network="--device=eth0 --bootproto=dhcp --onboot=yes",
        ),
        "FC 5": dict(volume_id="FC/5 {arch}"),
        # services is new [kickstart].
        "FC 6": dict(volume_id="FC/6 {arch} DVD", services="--enabled=network,sshd"),
        "F 7": dict(
            volume_id="Fedora {version} {arch} DVD",
            packages_path="/repodata/repomd.xml",
            # libata drives AHCI, and IDE disks as sda.
            disk_buses=("ide", "sata"),
        ),
        "F 8": dict(
            # Sections have to be ended [kickstart].
            has_end=True,
            # glibc 2.7 reads SHA-512 hashes.
            password_schemes=("sha512",),
        ),
        "F 9": dict(
            # virtio [old Oz]; osinfo-db claims the network card from 9, the disk from 10 on.
            disk_bus="virtio",
            disk_buses=("virtio", "ide", "sata"),
            nic_model="virtio",
            nic_models=("virtio", "rtl8139", "e1000", "pcnet", "ne2k_pci"),
            # "yes" is no longer taken [kickstart].
            zerombr="zerombr",
            tree_argument="repo",
            auth="--enableshadow --passalgo=sha512",
        ),
        # method= for a CD ends in a question, up to 18 [old Oz]: cdrom in the kickstart file does it.
        "F 10": dict(cdrom_argument=None),
        "F 11": dict(
            # ext4 is the default, and GRUB cannot read it (release notes).
            filesystems=("ext4", "ext3", "ext2"),
            needs_boot=True,
            # It asks about a disk without a partition table, and takes no clearpart for one that has it [old Oz].
            has_partition_table=True,
            clearpart=None,
            package_manager="yum",
        ),
        # It still asks, but takes clearpart [old Oz].
        "F 12": dict(needs_boot=False, boot_filesystem="ext4", clearpart="--all --initlabel"),
        "F 13": dict(has_partition_table=False),
        # systemd is new, and sets of CDs are gone (release notes).
        "F 15": dict(
            init="systemd",
            needs_dvd=False,
            memory_bytes=1024 * MIB,
            # Where the installer finds this port, it writes its log there (anaconda, loader/init.c, constants.py).
            # Since which release is from memory; a port that nobody opens does no harm.
            log_channel="org.fedoraproject.anaconda.log.0",
        ),
        "F 16": dict(
            # GRUB 2 and a GPT on each disk (release notes, 2.2).
            has_biosboot=True,
            needs_biosboot=True,
            # Kernel and initrd do not start the installer by themselves in 16 and 17 [old Oz].
            tree_boot="iso",
            disk_bytes_min=4 * GIB,
        ),
        "F 17": dict(
            volume_id="Fedora {version} {arch}",
            # The first with dracut [dracut].
            is_dracut=True,
            tree_argument="inst.repo",
            tree_protocols=("http", "https", "ftp"),
            arguments=("inst.text",),
            # Names are no longer eth0 everywhere; the device that has a link is the default.
            network="--bootproto=dhcp --onboot=yes",
            # OpenSSH 5.9.
            can_make_missing_host_keys=True,
            disk_buses=("virtio", "ide", "sata", "scsi"),
        ),
        "F 18": dict(
            # The rewritten installer; MS-DOS partition tables again. The first with GRUB 2 under UEFI.
            needs_biosboot=False,
            tree_boot="kernel",
            efi_architectures=("x86_64", "aarch64"),
            filesystems=("ext4", "xfs", "ext3", "ext2", "btrfs"),
            # Base is no longer what boots [old Oz]; NetworkManager is in core.
            packages=("@core", "openssh-server"),
            services="--enabled=sshd",
        ),
        # Of q35 and its card [osinfo].
        "F 19": dict(
            memory_bytes=2048 * MIB,
            machine_type="q35",
            nic_models=("virtio", "e1000", "e1000e", "rtl8139"),
            pointer="tablet",
            # systemd 197 brought names by slot; biosdevname of 15 and later gives virtual machines none.
            has_slot_names=True,
        ),
        "F 21": dict(volume_id="Fedora-Server-{version}-{arch}"),
        "F 22": dict(volume_id="Fedora-{version}-{arch}", package_manager="dnf"),
        "F 23": dict(volume_id="Fedora-S-{version}-{arch}", has_reqpart=True),
        # OpenSSH 7.2.
        "F 24": dict(volume_id="Fedora-S-dvd-{arch}-{version}", has_legacy_ssh=False),
        # authselect came, and its default is right; install is the default mode, and deprecated from 29 on [kickstart].
        "F 28": dict(auth=None, has_install=False),
        # Else initial-setup finds what the installer was told (bug 2015490) [old Oz].
        "F 30": dict(arguments=("inst.text", "inst.nosave=output_ks")),
        # GRUB boots PCs with a BIOS too, and they get a GPT (Fedora's changes for 37): reqpart makes what that needs.
        "F 37": dict(disc_boot="grub"),
        # osinfo-db's 2 GiB, and room for what the installer fetches.
        "F 40": dict(memory_bytes=3072 * MIB),
        "F 41": dict(package_manager="dnf5"),
        "F rawhide": dict(volume_id="Fedora-S-dvd-{arch}-rawh"),
    },
    start=dict(
        package_manager="rpm",
        init="sysv",
        # sshd's init script, and its units after it, make those that are missing.
        makes_host_keys_at_boot=True,
        can_make_missing_host_keys=False,
        # OpenSSH 2.1 knows nothing else of protocol 2.
        host_key_types=("dsa",),
        has_legacy_ssh=True,
        # glibc before 2.7 reads no other hash.
        password_schemes=("md5",),
        machine_type="pc",
        disk_bus="ide",
        disk_buses=("ide",),
        # What 7.0 and 7.1 were installed with [old Oz].
        nic_model="ne2k_pci",
        nic_models=("ne2k_pci", "pcnet"),
        memory_bytes=256 * MIB,
        efi_architectures=(),
        pointer="ps2",
        filesystems=("ext2",),
        boot_filesystem="ext2",
        has_lvm=False,
        has_biosboot=False,
        disk_bytes_min=2 * GIB,
        # Their CDs' ids are in no list; the package that names the release is on the first.
        volume_id="Red Hat Linux {version}",
        packages_path="/RedHat/RPMS/redhat-release-{version}-1.noarch.rpm",
        needs_dvd=False,
        disc_boot="floppy",
        tree_boot="floppy",
        initrd_format="cpio",
        tree_protocols=("http", "ftp"),
        is_dracut=False,
        # The kickstart file says it too, and 255 characters are all that SYSLINUX takes.
        cdrom_argument=None,
        tree_argument=None,
        # Those of the floppies themselves [old Oz].
        arguments=("lang=", "devfs=nomount", "ramdisk_size=9126"),
        has_serial_console=False,
        has_install=True,
        needs_key=False,
        lang="en_US",
        langsupport=None,
        mouse="generic3ps/2 --device psaux",
        network="--device eth0 --bootproto dhcp",
        auth="--useshadow --enablemd5",
        firewall=None,
        selinux=None,
        firstboot=None,
        services=None,
        boot_loader="lilo",
        zerombr="zerombr yes",
        clearpart="--all",
        has_partition_table=False,
        has_fstype=False,
        has_reqpart=False,
        needs_boot=True,
        needs_biosboot=False,
        packages_options="",
        packages=("openssh", "openssh-server"),
        has_end=False,
        has_poweroff=False,
        has_authorized_keys2=True,
    ),
)
"""Release, such as "RHL 7.0", "FC 1" and "F 7", to its facts."""


def make_row(distro: str, version: str, arches: Iterable[str], end_of_life: str, facts: dict[str, Any]) -> Release:
    """A row of the table, of facts as the trunk has them."""
    facts = {**facts, **{arch: ("iso", "url") for arch in arches}}
    return make_release(RedHat, RedHatFacts, distro, version, facts, end_of_life=end_of_life)


def _arches(version: str) -> tuple[str, ...]:
    """The last discs for i386 were 25's [osinfo]; Server for aarch64 is a primary edition since 28 (its release
    announcement)."""
    number = int(version) if version.isdigit() else 99
    return (*(("i386",) if number <= 25 else ()), "x86_64", *(("aarch64",) if number >= 28 else ()))


RELEASES: tuple[Release, ...] = (
    *(
        make_row("FedoraCore", version, ("i386", "x86_64"), end, TRUNK[f"FC {version}"])
        for version, end in _CORE.items()
    ),
    *(make_row("Fedora", version, _arches(version), end, TRUNK[f"F {version}"]) for version, end in _FEDORA.items()),
)

ALIASES: dict[str, Alias] = {"FC": Alias(distro="FedoraCore")}
