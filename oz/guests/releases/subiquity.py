"""Ubuntu's releases that subiquity installs, from 20.04 on.

Where a comment names a version of subiquity, the notes of that release say so (github.com/canonical/subiquity).
"""

from typing import Any

from oz.guests.hardware import HardwareFacts
from oz.guests.release import Release, SystemFacts, make_release, pick
from oz.guests.releases import debian
from oz.guests.subiquity import Subiquity, SubiquityFacts
from oz.guests.timeline import timeline
from oz.units import MIB

# Codenames, point releases, and last days for everybody: https://wiki.ubuntu.com/Releases and distro-info-data.
UBUNTU = {
    "20.04": ("focal", 6, "2025-05-31"),
    "20.10": ("groovy", 0, "2021-07-22"),
    "21.04": ("hirsute", 0, "2022-01-20"),
    "21.10": ("impish", 0, "2022-07-14"),
    "22.04": ("jammy", 5, "2027-06-01"),
    "22.10": ("kinetic", 0, "2023-07-20"),
    "23.04": ("lunar", 0, "2024-01-25"),
    "23.10": ("mantic", 1, "2024-07-11"),
    "24.04": ("noble", 4, "2029-05-31"),
    "24.10": ("oracular", 0, "2025-07-10"),
    "25.04": ("plucky", 0, "2026-01-15"),
    "25.10": ("questing", 0, "2026-07-09"),
    "26.04": ("resolute", 1, "2031-05-29"),
}

_FACTS = timeline(
    tuple(UBUNTU),
    {
        # The key "shutdown" came in August 2021 (subiquity's pull request 1029). The media of 20.04.4 and later may
        # have it, those before have not.
        "21.10": dict(can_power_off=True),
        # The place on the medium was wrong at first, and right from the middle of 2022 on (subiquity's pull request
        # 1312): 22.04 itself is older, its point releases are not. A seed serves all of them.
        "22.10": dict(reads_medium=True),
        # osinfo-db. A live desktop is the larger of the two: Ubuntu recommends 4 GiB for it.
        "23.04": dict(memory_bytes=3072 * MIB),
        # The first release whose own sources are deb822 (its release notes).
        "24.04": dict(package_manager="apt-sources"),
    },
    start=dict(
        pick(debian.FACTS["10"], SystemFacts, HardwareFacts),
        x86_64=("iso",),
        aarch64=("iso",),
        # cloud-init makes host keys as well, but is switched off.
        host_key_types=("rsa", "ecdsa", "ed25519"),
        memory_bytes=2048 * MIB,
        reads_medium=False,
        can_power_off=False,
        # What the installer itself offers, and ext2 and ext3, which curtin makes as well (its block/mkfs.py). ext4 is
        # what it takes.
        filesystems=("ext4", "ext2", "ext3", "xfs", "btrfs", "vfat"),
        boot_filesystem="ext4",
        has_lvm=True,
        has_biosboot=True,
        # https://ubuntu.com/server/docs/system-requirements says so of servers; a desktop takes three times as much,
        # which its installer finds out.
        disk_bytes_min=5 * 1024 * MIB,
        # Most of it is for the security updates, which it fetches if it has a network.
        limit_s=3600.0,
        inactivity_s=600.0,
    ),
)

# What is not here has moved to the archive of old releases, all architectures of it.
_ON_MIRRORS = ("14.04", "16.04", "18.04", "20.04", "22.04", "24.04", "26.04")
_WITH_LTS_IN_ITS_NAME = ("10.04", "12.04", *_ON_MIRRORS)


def place(version: str, kind: str = "Ubuntu-Server") -> dict[str, Any]:
    """What a CD of that kind is called, and where the release is to be had."""
    is_on_mirrors = version in _ON_MIRRORS
    return dict(
        medium_name=f"{kind} {version}{' LTS' if version in _WITH_LTS_IN_ITS_NAME else ''}",
        mirror="http://mirrors.kernel.org/ubuntu" if is_on_mirrors else "http://old-releases.ubuntu.com/ubuntu",
        ports_mirror="http://ports.ubuntu.com/ubuntu-ports" if is_on_mirrors else None,
    )


# The first has debian-installer as well, and its row in oz.guests.releases.ubuntu.
FOCAL, *_LATER = (
    make_release(
        Subiquity,
        SubiquityFacts,
        "Ubuntu",
        version,
        {**_FACTS[version], **place(version)},
        codename=codename,
        end_of_life=end_of_life,
        point_releases=points,
    )
    for version, (codename, points, end_of_life) in UBUNTU.items()
)
RELEASES: tuple[Release, ...] = tuple(_LATER)
