"""Debian's releases."""

from oz.guests.debian import Debian
from oz.guests.debianfacts import DebianFacts, Question
from oz.guests.release import Release, make_release
from oz.guests.timeline import timeline
from oz.units import MIB


def _keymap(*names: str) -> tuple[Question, ...]:
    return tuple(Question(name=name, kind="select", answer="us") for name in names)


# Codenames and last days, those of LTS included: https://wiki.debian.org/DebianReleases.
_DEBIAN = {
    "5": ("lenny", "2012-02-06"),
    "6": ("squeeze", "2016-02-29"),
    "7": ("wheezy", "2018-05-31"),
    "8": ("jessie", "2020-06-30"),
    "9": ("stretch", "2022-06-30"),
    "10": ("buster", "2024-06-30"),
    "11": ("bullseye", "2026-08-31"),
    "12": ("bookworm", "2028-06-30"),
    "13": ("trixie", "2030-06-30"),
}

# Which installers there were: the netboot directories of each release, dists/CODENAME/main/installer-*.
_ISO_AND_URL = ("iso", "url")

FACTS = timeline(
    tuple(_DEBIAN),
    {
        "6": dict(
            # apt reads trusted.gpg.d since 0.7.25.1; lenny has 0.7.20, squeeze 0.8.10.
            package_manager="apt-parts",
            # Linux 2.6.32 of squeeze drives IDE disks through libata, as sd (release notes, 5.1.1).
            ide_disk="sda",
            manual_country="manual",
            # ext4 is offered since squeeze; ext3 stayed its default. partman-auto takes ext4 since 85 (its changelog),
            # and the boot loader is GRUB 2, which reads all of them.
            filesystems=("ext3", "ext2", "ext4", "xfs", "jfs", "reiserfs", "vfat"),
            unbootable=(),
            # Both names of the questions that moved between the guides for lenny and for wheezy.
            keyboard_questions=_keymap("console-keymaps-at/keymap", "keyboard-configuration/xkb-keymap"),
            label_questions=("partman/confirm_write_new_label", "partman-partitioning/confirm_write_new_label"),
        ),
        "7": dict(
            # OpenSSH 5.9 brought ssh-keygen -A, 6.0 is in wheezy.
            can_make_missing_host_keys=True,
            # The first CDs that boot under UEFI (release announcement of wheezy).
            efi_architectures=("x86_64", "aarch64"),
            # osinfo-db claims virtio-scsi from wheezy on.
            disk_buses=("virtio", "ide", "sata", "scsi"),
            # console-setup took over from console-data (installation guide for wheezy, B.4.1).
            keyboard_questions=_keymap("keyboard-configuration/xkb-keymap"),
            # B.4.7 of the guide for wheezy.
            label_questions=("partman-partitioning/confirm_write_new_label",),
            # Kernel packages lost the "2.6-" when Linux 3 came.
            kernel_prefix="linux-image-",
            # ext4 is the installer's default since wheezy (partman-ext3 and its release notes).
            filesystems=("ext4", "ext2", "ext3", "xfs", "btrfs", "jfs", "reiserfs", "vfat"),
            boot_filesystem="ext4",
            # GRUB reads btrfs since 1.99, which is wheezy's; what the partitioner of those days makes of that is not
            # known, and a /boot does no harm.
            unbootable=("btrfs",),
            # partman-auto's own recipes have the partition; squeeze's answer to one is not known.
            has_biosboot=True,
        ),
        "8": dict(
            # arm64 is new in jessie (release announcement).
            aarch64=_ISO_AND_URL,
            # systemd is the default init from jessie on (its release notes, 5.6).
            init="systemd",
            memory_bytes=1024 * MIB,
            # partman-auto 110 of 2013 dropped reiserfs: "no longer supported" (its changelog).
            filesystems=("ext4", "ext2", "ext3", "xfs", "btrfs", "jfs", "vfat"),
            # Since Linux 3.14 what follows "--" goes to init (Linux: Documentation/admin-guide/kernel-parameters.rst),
            # so rootskel and the CDs took "---" (installation guide for jessie, 5.3).
            user_separator="---",
            # keys only by default: Debian's sshd_config of new installations since openssh 1:6.6p1-1.
            root_login=None,
            # Installation guide for jessie, 3.4: 2 GB without a desktop; before it, 1 GB.
            disk_bytes_min=2048 * MIB,
        ),
        "9": dict(
            # OpenSSH 7.2 brought rsa-sha2 signatures (RFC 8332); jessie has 6.7, stretch 7.4.
            has_legacy_ssh=False,
            # apt 1.1 reads Signed-By with a file, 1.4 an armoured one (apt NEWS); stretch has 1.4.
            package_manager="apt-signed-by",
            # osinfo-db claims virtio 1.0 and q35 from stretch on, and the network cards.
            machine_type="q35",
            nic_models=("virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"),
            # systemd's names came with stretch (its release notes, 2.2.5).
            has_slot_names=True,
            # eatmydata-udeb came with Debian bug #765527, as jessie froze; anna passes over the
            # name where a medium lacks it.
            has_eatmydata=True,
            # GNU wget and certificates are in the initrd since Stretch RC 1 (its announcement); busybox's wget, before
            # it, knows no https (choose-mirror.c).
            mirror_protocols=("http", "https", "ftp"),
        ),
        "10": dict(
            # apt 1.5 reads https itself; stretch has 1.4, buster 1.8.
            package_manager="apt-https",
            # The text interface is in the initrd of trixie's CD, looked at. Of older ones their guides say
            # "only the newt frontend is available on default install media" (up to stretch, 5.3.1).
            has_text_frontend=True,
            # partman-auto-lvm asks how much of the group to take since 70, of August 2018 (its changelog).
            fills=("plain",),
            unbootable=(),
        ),
        # Everything before has moved to the archive, whose suites are final.
        "11": dict(mirror="http://mirrors.kernel.org/debian", has_updates=True),
        # apt reads deb822 since 1.1; bookworm is the first release whose own images ship .sources files.
        # Firmware got a component of its own (release notes of bookworm, 2.2); a guest needs none of it.
        "12": dict(package_manager="apt-sources"),
        # i386 has no installer and no kernel any more (release notes of trixie, 5.1.1).
        # The CD's installer of trixie asks a question with 768 MB or little more, tried out.
        "13": dict(i386=(), memory_bytes=1536 * MIB),
    },
    start=dict(
        i386=_ISO_AND_URL,
        x86_64=_ISO_AND_URL,
        aarch64=(),
        package_manager="apt-ring",
        init="sysv",
        # Only openssh-server's postinst makes them.
        makes_host_keys_at_boot=False,
        can_make_missing_host_keys=False,
        # What openssh-server's postinst makes in lenny (5.1) and squeeze (5.5).
        host_key_types=("rsa", "dsa"),
        has_legacy_ssh=True,
        # SHA-512 hashes since glibc 2.7 (crypt(3)), which is lenny's.
        password_schemes=("sha512",),
        # Both since lenny: osinfo-db, and the old Oz installed it so.
        disk_bus="virtio",
        disk_buses=("virtio", "ide", "sata"),
        nic_model="virtio",
        # Those of QEMU's that Linux 2.6.26 has drivers for, without firmware.
        nic_models=("virtio", "e1000", "rtl8139", "pcnet", "ne2k_pci"),
        machine_type="pc",
        # osinfo-db says 128 MiB up to wheezy, 512 MiB or 1 GiB after it; less is slow.
        memory_bytes=512 * MIB,
        kernel_arguments=(),
        # It puts the questions for language and keyboard off until the answer file is read (installation guide, B.2.3);
        # the same two are arguments besides, for installers that ask all the same.
        cd_arguments=("auto=true",),
        locale_argument="locale",
        priority_argument="priority",
        # 255 before Linux 2.6.22, 2048 with the NUL since (Linux: Documentation/x86/boot.txt, cmdline_size).
        command_line_bytes_max=2047,
        medium_name=None,
        images_directory="images",
        locale="en_US.UTF-8",
        # Installation guide for lenny, B.4.1.
        keyboard_questions=_keymap("console-keymaps-at/keymap"),
        # Installation guide for lenny, B.4.4.
        label_questions=("partman/confirm_write_new_label",),
        partitioned_choice="finish",
        # partman-auto 84, which is lenny's (its changelog).
        unlimited_size="-1",
        # choose-mirror before 2.30, as lenny's, knows no other word; squeeze's knows no such one (kickseed 0.55).
        manual_country="enter information manually",
        other_questions=(),
        hook_directory="/usr/lib/finish-install.d",
        finished_question="finish-install/reboot_in_progress",
        can_power_off=True,
        has_second_stage=False,
        takes_packages=True,
        cd_needs_mirror=False,
        user_separator="--",
        has_text_frontend=False,
        kernel_prefix="linux-image-2.6-",
        # partman-auto 8 added xfs and reiserfs to what recipes may have (its changelog). That GRUB 0.97 is not put on
        # xfs is from memory; a /boot does no harm.
        filesystems=("ext3", "ext2", "xfs", "jfs", "reiserfs", "vfat"),
        boot_filesystem="ext3",
        unbootable=("xfs",),
        has_lvm=True,
        # Whatever comes last in a recipe gets all that is free (partman-auto, lib/auto-shared.sh).
        fills=("plain", "lvm"),
        has_biosboot=False,
        # Linux 2.6.26 of lenny still has the old IDE drivers, with hd names.
        ide_disk="hda",
        disk_bytes_min=1024 * MIB,
        limit_s=1800.0,
        inactivity_s=300.0,
        mirror="http://archive.debian.org/debian",
        ports_mirror=None,
        # mirror/ftp/hostname is a question of every release up to trixie.
        mirror_protocols=("http", "ftp"),
        components="main",
        has_security_host=False,
        replaces_sources=False,
        has_updates=False,
        has_eatmydata=False,
        root_login="without-password",
    ),
)

RELEASES: tuple[Release, ...] = tuple(
    make_release(Debian, DebianFacts, "Debian", version, FACTS[version], codename=codename, end_of_life=end_of_life)
    for version, (codename, end_of_life) in _DEBIAN.items()
)
