"""Ubuntu's releases that debian-installer installs: 5.04 to 20.04, which has another installer besides.

Where a comment names a package and its version, its changelog says so.
"""

from typing import Any

from oz.guests.debianfacts import DebianFacts, Question
from oz.guests.release import Release, make_release
from oz.guests.releases import debian, subiquity
from oz.guests.subiquity import EitherFacts, UbuntuEither
from oz.guests.timeline import timeline
from oz.guests.ubuntu import Ubuntu
from oz.units import MIB

# Codenames, point releases, and last days for everybody: https://wiki.ubuntu.com/Releases.
_UBUNTU = {
    "5.04": ("hoary", 0, "2006-10-31"),
    "5.10": ("breezy", 0, "2007-04-13"),
    "6.06": ("dapper", 2, "2011-06-01"),
    "6.10": ("edgy", 0, "2008-04-25"),
    "7.04": ("feisty", 0, "2008-10-19"),
    "7.10": ("gutsy", 0, "2009-04-18"),
    "8.04": ("hardy", 4, "2013-05-09"),
    "8.10": ("intrepid", 0, "2010-04-30"),
    "9.04": ("jaunty", 0, "2010-10-23"),
    "9.10": ("karmic", 0, "2011-04-30"),
    "10.04": ("lucid", 4, "2015-04-30"),
    "10.10": ("maverick", 0, "2012-04-10"),
    "11.04": ("natty", 0, "2012-10-28"),
    "11.10": ("oneiric", 0, "2013-05-09"),
    "12.04": ("precise", 5, "2017-04-28"),
    "12.10": ("quantal", 0, "2014-05-16"),
    "13.04": ("raring", 0, "2014-01-27"),
    "13.10": ("saucy", 0, "2014-07-17"),
    "14.04": ("trusty", 6, "2019-04-30"),
    "14.10": ("utopic", 0, "2015-07-23"),
    "15.04": ("vivid", 0, "2016-02-04"),
    "15.10": ("wily", 0, "2016-07-28"),
    "16.04": ("xenial", 7, "2021-04-30"),
    "16.10": ("yakkety", 0, "2017-07-20"),
    "17.04": ("zesty", 0, "2018-01-13"),
    "17.10": ("artful", 1, "2018-07-19"),
    "18.04": ("bionic", 6, "2023-05-31"),
    "18.10": ("cosmic", 0, "2019-07-18"),
    "19.04": ("disco", 0, "2020-01-23"),
    "19.10": ("eoan", 0, "2020-07-17"),
    "20.04": subiquity.UBUNTU["20.04"],
}

# Which installers there were: server CDs as osinfo-db and https://cdimage.ubuntu.com/releases list them, and the
# netboot directories of each release, dists/CODENAME/main/installer-*.
_ISO_AND_URL = ("iso", "url")


def _layout(name: str) -> tuple[Question, ...]:
    # The first one finds the layout out by asking for key presses (installation guides from 7.04 on, B.4.1).
    detect = Question(name="console-setup/ask_detect", kind="boolean", answer="false")
    return (detect, Question(name=name, kind="string", answer="us"))


# Its own menus for a small system answer so (the netboot directories' entry "cli").
_PACKAGE_QUESTIONS = (
    Question(name="pkgsel/language-pack-patterns", kind="string", answer=""),
    Question(name="pkgsel/install-language-support", kind="boolean", answer="false"),
)

_FACTS = timeline(
    tuple(_UBUNTU),
    {
        # localechooser 0.07 (kickseed 0.28).
        "5.10": dict(locale_argument="debian-installer/locale"),
        "6.06": dict(
            # prebaseconfig 1.14 has no second stage any more; its initrd is an initramfs.
            has_second_stage=False,
            kernel_arguments=(),
            # Whether those before read /preseed.cfg in their initrd, which is no cpio archive, is not known.
            i386=_ISO_AND_URL,
            x86_64=_ISO_AND_URL,
            # Without one, its CDs add nothing (apt-setup, 90security); from a tree it must be a host, or the first
            # list of sources has none (base-installer, library.sh).
            has_security_host=True,
            # Before edgy (apt-setup 0.11, 0.11ubuntu5) there is no question whether to use a mirror, and one
            # that cannot be reached stops the installation.
            cd_needs_mirror=True,
            # What its own server.seed installs; the default has the desktop besides. tasksel came with edgy.
            other_questions=(
                *_PACKAGE_QUESTIONS,
                Question(name="pkgsel/install-pattern", kind="string", answer="~t^ubuntu-standard$"),
                Question(name="apt-setup/mirror/error", kind="select", answer="Ignore"),
            ),
        ),
        "6.10": dict(
            cd_needs_mirror=False,
            other_questions=_PACKAGE_QUESTIONS,
            # finish-install 2.0 took prebaseconfig's place, kickseed 0.41 followed in edgy.
            hook_directory="/usr/lib/finish-install.d",
            finished_question="finish-install/reboot_in_progress",
            # console-setup took kbd-chooser's place (kickseed 0.39).
            keyboard_questions=_layout("console-setup/layoutcode"),
        ),
        "7.04": dict(
            # pkgsel 0.08; edgy's is made from 0.07.
            takes_packages=True,
            # libata drives IDE disks (https://wiki.ubuntu.com/LibAtaForAtaDisks).
            ide_disk="sda",
        ),
        # Linux 2.6.22 (Documentation/x86/boot.txt, cmdline_size). It took the old Oz no longer than later ones.
        "7.10": dict(command_line_bytes_max=2047, limit_s=1800.0),
        "8.04": dict(
            # SHA-512 hashes since glibc 2.7 (crypt(3)), which is hardy's; gutsy has 2.6.1.
            password_schemes=("sha512",),
            # The old Oz installed it on virtio; osinfo-db claims the network card, and the disk from 9.04 on.
            **{name: debian.FACTS["5"][name] for name in ("disk_bus", "disk_buses", "nic_model", "nic_models")},
            # partman-base 114ubuntu2; the label question moved with its 114.
            partitioned_choice="finish",
            label_questions=("partman/confirm_write_new_label", "partman-partitioning/confirm_write_new_label"),
        ),
        "9.04": dict(
            # partman-auto 84; intrepid has 78.
            unlimited_size="-1",
            # partman-auto takes ext4 since 85 (its changelog); jaunty's release notes offer it.
            filesystems=("ext3", "ext2", "ext4", "xfs", "jfs", "reiserfs", "vfat"),
            # rootskel 1.65, which came in the freeze of intrepid.
            can_power_off=True,
        ),
        # ext4 is the default, and GRUB 2, which reads all of the others, the boot loader (release notes).
        "9.10": dict(
            filesystems=("ext4", "ext2", "ext3", "xfs", "jfs", "reiserfs", "vfat"),
            boot_filesystem="ext4",
            unbootable=(),
        ),
        # apt reads trusted.gpg.d since 0.7.25.1; karmic has 0.7.23, lucid 0.7.25.3.
        # sshd became an upstart job, /etc/init/ssh.conf: remembered, not looked up.
        "10.04": dict(package_manager="apt-parts", init="upstart"),
        "10.10": dict(
            # choose-mirror 2.30 does not know the words any more, and 2.29 nothing else (kickseed 0.55).
            manual_country="manual",
            # keyboard-configuration became a package of its own between here and preseed 1.49ubuntu1 of oneiric.
            keyboard_questions=(
                *_layout("console-setup/layoutcode"),
                Question(name="keyboard-configuration/layoutcode", kind="string", answer="us"),
            ),
        ),
        # OpenSSH 5.7 brought ECDSA host keys; natty has 5.8.
        "11.04": dict(host_key_types=("rsa", "dsa", "ecdsa")),
        "12.04": dict(
            # OpenSSH 5.9 brought ssh-keygen -A; oneiric has 5.8.
            can_make_missing_host_keys=True,
            # amd64 CDs have an UEFI entry since 10.10
            # (https://wiki.ubuntu.com/FoundationsTeam/Specs/MaverickUefiSupport); this table waits for the first
            # long-term release that has it.
            efi_architectures=("x86_64", "aarch64"),
            keyboard_questions=_layout("keyboard-configuration/layoutcode"),
            label_questions=("partman-partitioning/confirm_write_new_label",),
            has_biosboot=True,
            # As in Debian's release of those days.
            filesystems=("ext4", "ext2", "ext3", "xfs", "btrfs", "jfs", "reiserfs", "vfat"),
            unbootable=("btrfs",),
        ),
        # virtio-scsi is in Linux 3.4 (its virtio_scsi.c); osinfo-db says 1 GiB from here on.
        "12.10": dict(memory_bytes=1024 * MIB, disk_buses=("virtio", "ide", "sata", "scsi")),
        # keys only by default: Debian's sshd_config of new installations since openssh 1:6.6p1-1.
        # partman-auto 110 of 2013 dropped reiserfs (its changelog).
        "14.04": dict(root_login=None, filesystems=("ext4", "ext2", "ext3", "xfs", "btrfs", "jfs", "vfat")),
        # Since Linux 3.14 what follows "--" goes to init (Linux: Documentation/admin-guide/kernel-parameters.rst);
        # utopic has 3.16. So have the CDs of 14.04.2, and later ones newer kernels: there the installer talks on the
        # screen alone.
        "14.10": dict(user_separator="---"),
        # systemd is the default init from vivid on (its release notes).
        "15.04": dict(init="systemd"),
        # systemd's names came with wily (its release notes).
        "15.10": dict(has_slot_names=True),
        # OpenSSH 7.2 brought rsa-sha2 signatures (RFC 8332); wily has 6.9.
        "16.04": dict(aarch64=_ISO_AND_URL, has_legacy_ssh=False),
        # apt 1.1 reads Signed-By with a file, 1.4 an armoured one (apt NEWS); xenial has 1.2, zesty 1.4.
        "17.04": dict(package_manager="apt-signed-by"),
        # apt 1.5 reads https itself.
        "17.10": dict(package_manager="apt-https"),
        "18.04": dict(
            # No CD any more, and with 19.10 no kernel (its release notes).
            i386=("url",),
            # osinfo-db claims q35 and e1000e from here on.
            machine_type="q35",
            nic_models=("virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"),
        ),
        # partman-auto-lvm asks how much of the group to take since 70, of August 2018 (its changelog).
        "18.10": dict(fills=("plain",)),
        "19.10": dict(i386=()),
        # dists/focal/main/installer-amd64/current has the netboot directory under this name.
        "20.04": dict(images_directory="legacy-images"),
    },
    start={
        **debian.FACTS["5"],
        "i386": ("iso",),
        "x86_64": ("iso",),
        "password_schemes": ("md5",),
        # What the old Oz installed it on.
        "disk_bus": "ide",
        "disk_buses": ("ide",),
        "nic_model": "rtl8139",
        "nic_models": ("rtl8139", "e1000", "pcnet", "ne2k_pci"),
        # Its initrd is a file system on a RAM disk; the CDs' own isolinux.cfg has these.
        "kernel_arguments": ("ramdisk_size=16384", "root=/dev/rd/0", "rw"),
        "cd_arguments": (),
        # kickseed 0.28: what localechooser reads before 0.07. Aliases came later (preseed 1.2x), so names are in full.
        "locale_argument": "preseed/locale",
        "priority_argument": "debconf/priority",
        # Linux: Documentation/i386/boot.txt.
        "command_line_bytes_max": 255,
        # The installation guides of all of them have it; localechooser makes it en_US.UTF-8.
        "locale": "en_US",
        # https://wiki.ubuntu.com/InstallCDCustomizationHowTo of 2005, and the installation guide for dapper, B.3.1.
        "keyboard_questions": (Question(name="kbd-chooser/method", kind="select", answer="us"),),
        # It takes our partitions without showing them (partman-auto 23ubuntu4), so this should not be asked.
        "partitioned_choice": "Finish partitioning and write changes to disk",
        # partman-auto 84 and kickseed 0.51 say what was written before "-1".
        "unlimited_size": "1000000000",
        "manual_country": "enter information manually",
        # Its own server.seed has these: packages for the second stage are not copied to the disk.
        "other_questions": (
            Question(name="archive-copier/desktop-task", kind="string", answer="ubuntu-standard"),
            Question(name="archive-copier/ship-task", kind="string", answer=""),
        ),
        "hook_directory": "/usr/lib/prebaseconfig.d",
        "finished_question": "prebaseconfig/reboot_in_progress",
        "can_power_off": False,
        # base-config, which prebaseconfig puts into inittab (its 90prepare-base-config).
        "has_second_stage": True,
        "takes_packages": False,
        # It takes the one that the medium has: server CDs have another one than
        # alternate CDs (base-installer, library.sh).
        "kernel_prefix": None,
        "disk_bytes_min": 2048 * MIB,
        # It took the old Oz up to 3000 s.
        "limit_s": 3000.0,
        "components": "main restricted universe multiverse",
        "replaces_sources": True,
    },
)


def _release(version: str) -> Release:
    codename, points, end_of_life = _UBUNTU[version]
    # Before the first server CDs there was one for all.
    kind = "Ubuntu" if version in ("5.04", "5.10") else "Ubuntu-Server"
    facts = {**_FACTS[version], **subiquity.place(version, kind)}
    row: dict[str, Any] = dict(codename=codename, point_releases=points, end_of_life=end_of_life)
    if version == subiquity.FOCAL.version:
        facts["live"] = subiquity.FOCAL.facts
        return make_release(UbuntuEither, EitherFacts, "Ubuntu", version, facts, **row)
    return make_release(Ubuntu, DebianFacts, "Ubuntu", version, facts, **row)


RELEASES: tuple[Release, ...] = tuple(map(_release, _UBUNTU))
